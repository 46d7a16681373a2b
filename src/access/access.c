/*
 * The one place that decides whether a request may go on. Stands between the route table (which
 * says what a path needs) and the endpoints.
 *
 * Each mode is one function that fills a fault with a sentence saying what to do. Every key and
 * both of its secrets are compared whatever matched before, so the time an answer takes tells
 * nothing about the keys that exist.
 */
#include <string.h>

#include "access/access.h"
#include "base/clock.h"

#define HASH_CHARS 64

/* What the request brought: either header is as good as the other, a client may send both. */
struct credentials {
	struct str api_key, bearer;
};

static struct str bearer_of(const char *header)
{
	struct str s = str_trim(str_of(header));

	if (!str_starts_nocase(s, "bearer "))
		return STR_NONE;
	return str_trim(str_from(s, 7));
}

static struct credentials credentials_of(const struct http_request *r)
{
	return (struct credentials){
		.api_key = str_trim(str_of(http_header(r, "x-api-key"))),
		.bearer = bearer_of(http_header(r, "authorization")),
	};
}

static struct str server_software(const struct http_request *r)
{
	return str_of(r->front->ops->param(r->front, "SERVER_SOFTWARE"));
}

static bool behind_apache(const struct http_request *r)
{
	return str_find_nocase(server_software(r), "apache") != NULL;
}

/* LiteSpeed reads .htaccess like Apache and serves shared hosts like it. */
static bool on_shared_server(const struct http_request *r)
{
	return behind_apache(r) || str_find_nocase(server_software(r), "litespeed") != NULL;
}

static bool in_list(const char *const *list, struct str s)
{
	for (; list && *list; list++)
		if (str_is_nocase(s, *list) || str_is(STR("*"), *list))
			return true;
	return false;
}

static void note_origin(const struct config *c, struct http_request *r)
{
	const char *origin = http_header(r, "origin");

	r->cors_origin = origin && in_list(c->origins, str_of(origin)) ? origin : NULL;
}

static int of_key(struct fault *f)
{
	f->scope = FAULT_OF_KEY;
	return -1;
}

#define denied(code, f, text) \
	(fault_set_as(code, f, FAULT_AUTH, 403, "permission_error", text), of_key(f))

/* Servers that keep one of the two headers from programs, and what helps. */
static const char *server_hint(const struct http_request *r)
{
	if (behind_apache(r))
		return " Apache keeps the Authorization header from programs: put `CGIPassAuth On` "
		       "into the configuration of this directory (.htaccess will do), or send "
		       "x-api-key.";
	if (str_is(server_software(r), "uhttpd"))
		return " uhttpd keeps x-api-key from programs: send Authorization: Bearer "
		       "(ANTHROPIC_AUTH_TOKEN).";
	return "";
}

static int no_credential(const struct http_request *r, struct fault *f)
{
	int rc = fault_set(f, FAULT_AUTH, 401, "authentication_error",
			   "No key was sent: this gateway wants one in x-api-key or as "
			   "Authorization: Bearer.%s",
			   server_hint(r));

	f->scope = FAULT_OF_KEY;
	return rc;
}

/* ---- access.mode "keys" ---- */

/* Both secrets are always compared; a missing one against a text that no hash equals. */
static bool secret_matches(const struct access_key *k, const char hash[65])
{
	static const char none[HASH_CHARS + 1] =
		"----------------------------------------------------------------";
	bool match = false;

	for (int i = 0; i < 2; i++) {
		const char *s =
			k->sha256[i] && strlen(k->sha256[i]) == HASH_CHARS ? k->sha256[i] : none;

		match |= access_equal(s, hash, HASH_CHARS);
	}
	return match;
}

static const struct access_key *find_key(const struct config *c, struct str secret,
					 const char **sha256)
{
	const struct access_key *found = NULL;
	char hash[65];

	if (!secret.n)
		return NULL;
	access_hash(secret.p, secret.n, hash);
	for (size_t i = 0; i < c->nkeys; i++)
		if (secret_matches(&c->keys[i], hash) && (!found || !access_good(found)))
			found = &c->keys[i];
	for (int i = 0; found && i < 2; i++)
		if (found->sha256[i] && strcmp(found->sha256[i], hash) == 0)
			*sha256 = found->sha256[i];
	return found;
}

/* A refusal that counts. */
static int refuse(const struct config *c, struct access_result *out, struct str presented,
		  struct fault *f)
{
	f->scope = FAULT_OF_KEY;
	return access_refused(c, &out->client, presented, f);
}

static int unknown_key(struct fault *f)
{
	return fault_set(f, FAULT_AUTH, 401, "authentication_error",
			 "This gateway does not know the key that was sent. Its keys stand under "
			 "access.keys in its configuration; `messages.fcgi --new-key NAME` makes "
			 "one.");
}

static int out_of_use(const struct access_key *k, struct fault *f)
{
	char when[32];

	if (k->disabled)
		return fault_set_as("key_disabled", f, FAULT_AUTH, 401, "authentication_error",
				    "The key \"%s\" is disabled.", k->name);
	clock_rfc3339(when, sizeof(when), k->expires, 0);
	return fault_set_as("key_expired", f, FAULT_AUTH, 401, "authentication_error",
			    "The key \"%s\" expired at %s.", k->name, when);
}

static int check_keys(const struct config *c, const struct http_request *r,
		      struct access_result *out, struct fault *f)
{
	struct credentials cred = credentials_of(r);
	struct str presented = cred.api_key.n ? cred.api_key : cred.bearer;
	const struct access_key *k;
	int rc = 0;

	if (!presented.n)
		return no_credential(r, f);
	k = find_key(c, cred.api_key, &out->sha256);
	if (!k || !access_good(k)) {
		const char *sha256 = NULL;
		const struct access_key *other = find_key(c, cred.bearer, &sha256);

		if (other && (!k || access_good(other))) {
			k = other;
			out->sha256 = sha256;
		}
	}
	if (!k)
		rc = unknown_key(f);
	else if (!access_good(k))
		rc = out_of_use(k, f);
	if (rc)
		return refuse(c, out, presented, f);
	out->key = k;
	out->key_name = k->name;
	out->owner = k->owner;
	out->group = k->group;
	return 0;
}

/* ---- access.mode "local" ---- */

static bool is_loopback(const char *address)
{
	struct address a;

	return address_parse(str_of(address), &a) && address_is_loopback(&a);
}

/* Host without its port: "localhost:4000", "[::1]:4000". */
static struct str host_name(struct str host)
{
	const char *end = str_chr(host, ']');
	const char *colon;

	if (end)
		return (struct str){ host.p, (size_t)(end - host.p) + 1 };
	colon = str_chr(host, ':');
	return colon ? (struct str){ host.p, (size_t)(colon - host.p) } : host;
}

static bool host_is_local(const struct config *c, const struct http_request *r)
{
	static const char *const ours[] = { "localhost", "127.0.0.1", "[::1]", NULL };
	struct str host = str_of(http_header(r, "host"));
	struct str name = host_name(host);

	return name.n &&
	       (in_list(ours, name) || in_list(c->hosts, name) || in_list(c->hosts, host));
}

/* A proxy's mark on the request: then the loopback address is the proxy's, not the client's. (One
 * that is trusted has told the client's.) */
static const char *forwarding_header(const struct http_request *r)
{
	static const char *const marks[] = {
		"HTTP_FORWARDED=", "HTTP_X_FORWARDED", "HTTP_X_ORIGINAL_FORWARDED",
		"HTTP_X_REAL_IP=", "HTTP_X_CLIENT_IP=", "HTTP_X_CLUSTER_CLIENT_IP=",
		"HTTP_TRUE_CLIENT_IP=", "HTTP_FASTLY_CLIENT_IP=", "HTTP_CF_CONNECTING_IP=",
		"HTTP_CDN_LOOP=", "HTTP_VIA=",
	};
	const char *const *params = r->front->ops->params(r->front);

	for (; params && *params; params++)
		for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
			if (str_starts(str_of(*params), marks[i]))
				return *params;
	return NULL;
}

static bool json_body(const struct http_request *r)
{
	struct str type = str_of(r->front->ops->param(r->front, "CONTENT_TYPE")), first;

	return str_split(&type, ';', &first) && str_is_nocase(str_trim(first), "application/json");
}

/* The rules of "local": without them any page open in a browser on this machine could spend the
 * user's money. */
static const char *not_here(const struct config *c, const struct http_request *r,
			    const struct access_client *client)
{
	struct front *f = r->front;

	if (!client->known || client->vague || !address_is_loopback(&client->address))
		return "the client is not on this machine";
	if (!is_loopback(f->ops->param(f, "SERVER_ADDR")))
		return "the web server took the request on an address that is not loopback (or did "
		       "not say SERVER_ADDR)";
	if (!host_is_local(c, r))
		return "the Host header names another host; further names go into access.hosts";
	if (!client->forwarded && forwarding_header(r))
		return "a proxy has passed the request on (it holds a Forwarded, X-Forwarded-*, "
		       "X-Real-IP or Via header, or one like them)";
	if (http_header(r, "origin") && !r->cors_origin)
		return "a web page sent it whose Origin is not listed in access.origins";
	return NULL;
}

static const char *not_local(const struct config *c, const struct http_request *r,
			     const struct access_client *client)
{
	const char *why = not_here(c, r, client);

	if (!why && str_is(str_of(r->method), "POST") && !json_body(r))
		why = "its content type is not application/json";
	return why;
}

static int check_local(const struct config *c, const struct http_request *r,
		       const struct access_client *client, struct fault *f)
{
	const char *why;

	if (!c->access_mode_given && on_shared_server(r))
		return denied("local_needs_keys", f,
			      "No keys are configured, and under Apache and LiteSpeed requests of "
			      "other users of the machine look local too, so keys are required "
			      "here. Make one with `messages.fcgi --new-key NAME` and put it under "
			      "access.keys in the configuration.");
	why = not_local(c, r, client);
	if (!why)
		return 0;
	f->scope = FAULT_OF_KEY;
	return fault_set(
		f, FAULT_AUTH, 403, "permission_error",
		"access.mode is \"local\", and this request is refused: %s. To let others in, make "
		"a key with "
		"`messages.fcgi --new-key NAME` and put it under access.keys in the configuration.",
		why);
}

/* ---- access.mode "passthrough" ---- */

/* The key goes into a header of ours: visible ASCII up to its end, nothing else. */
static bool sendable(struct str key)
{
	for (size_t i = 0; i < key.n; i++)
		if (key.p[i] <= ' ' || key.p[i] == 0x7f)
			return false;
	return key.p[key.n] == '\0';
}

static int check_passthrough(const struct config *c, const struct http_request *r,
			     struct access_result *out, struct fault *f)
{
	struct credentials cred = credentials_of(r);
	const struct backend *b =
		config_backend(c, c->passthrough_backend ? c->passthrough_backend : "");
	struct str key = cred.api_key.n ? cred.api_key : cred.bearer;

	if (!key.n)
		return no_credential(r, f);
	if (!sendable(key))
		return fault_set(
			f, FAULT_AUTH, 401, "authentication_error",
			"The key that was sent holds white space or characters that no key has.");
	if (!b)
		return fault_set(f, FAULT_BAD_REQUEST, 500, "api_error",
				 "access.mode is \"passthrough\", but access.passthrough_backend "
				 "names no backend that is set up.");
	if (str_starts(key, "sk-ant-") && !b->anthropic_host)
		return denied("foreign_key", f,
			      "The key that was sent is Anthropic's (sk-ant-…), and this gateway "
			      "passes keys on to another provider: it was not sent there. Use that "
			      "provider's key.");
	/* OAuth tokens are good as a bearer only, and a client may send one value in both headers.
	 */
	out->caller_bearer = !cred.api_key.n ||
			     (str_eq(cred.api_key, cred.bearer) && str_starts(key, "sk-ant-oat"));
	out->caller_key = key.p;
	return 0;
}

/* ---- all modes ---- */

static int check_mode(const struct config *c, const struct http_request *r,
		      struct access_result *out, struct fault *f)
{
	switch (c->access_mode) {
	case ACCESS_KEYS:
		return check_keys(c, r, out, f);
	case ACCESS_PASSTHROUGH:
		return check_passthrough(c, r, out, f);
	case ACCESS_OPEN:
		return 0;
	case ACCESS_UNSET:
	case ACCESS_LOCAL:
		break;
	}
	return check_local(c, r, &out->client, f);
}

static int no_right(const struct access_key *k, enum access_right right, struct fault *f)
{
	int rc;

	if (k)
		rc = fault_set_as("key_without_right", f, FAULT_AUTH, 403, "permission_error",
			       "The key \"%s\" may not use the endpoint \"%s\" (its `endpoints` in "
			       "access.keys).",
			       k->name, config_rights[right]);
	else
		rc = fault_set_as("endpoint_needs_key", f, FAULT_AUTH, 403, "permission_error",
			       "The endpoint \"%s\" needs a key that has it among its `endpoints` "
			       "(access.keys).",
			       config_rights[right]);
	f->scope = FAULT_OF_KEY;
	return rc;
}

/* Who develops the gateway on this machine needs no key for the debug endpoints. Nobody's word is
 * taken for the address here, a trusted proxy's neither. */
static bool develops_here(const struct config *c, const struct http_request *r,
			  const struct access_client *client)
{
	return c->environment == ENVIRONMENT_DEVELOPMENT && !forwarding_header(r) &&
	       !not_here(c, r, client);
}

int access_check(const struct config *c, struct http_request *r, enum access_need need,
		 struct access_result *out, struct fault *f)
{
	enum access_right right = (enum access_right)(need - NEED_RIGHT);

	*out = (struct access_result){ 0 };
	note_origin(c, r);
	access_client_of(c, r, &out->client);
	if (need == NEED_NOTHING)
		return 0;
	if (need == NEED_DEBUG && develops_here(c, r, &out->client))
		return 0;
	if (check_mode(c, r, out, f))
		return -1;
	if (need >= NEED_RIGHT && !access_may(out->key, right))
		return no_right(out->key, right, f);
	return 0;
}

int access_preflight(const struct config *c, struct http_request *r)
{
	note_origin(c, r);
	return r->cors_origin != NULL;
}
