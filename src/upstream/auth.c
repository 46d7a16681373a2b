/*
 * Headers of a call. Credentials come in four kinds (enum auth_kind), each a row; a caller's own
 * key (passthrough) takes the place of the backend's and goes out in the form in which it came. A
 * fifth, AWS's signature, is made of the whole request; a plain key for that one is a Bearer token.
 */
#include "config.h"
#include "upstream/auth.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/clock.h"
#include "base/parts.h"
#include "base/redact.h"
#include "upstream/sigv4.h"

/* A credential longer than this is none: OAuth tokens take 2 KB, signed ones a bit more. */
#define KEY_MAX 8192

/* RFC 9110, section 5.5: no controls in a value; a CR LF would begin another header. */
static bool header_safe(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 ? s.p[i] != '\t' : s.p[i] == 0x7f)
			return false;
	return true;
}

static int add(struct curl_slist **list, const char *line)
{
	struct curl_slist *l = curl_slist_append(*list, line);

	if (!l)
		return -1;
	*list = l;
	return 0;
}

static int add_credential(struct curl_slist **list, const char *name, const char *scheme,
			  const char *key)
{
	struct buf b;
	int r;

	buf_init(&b, 0);
	buf_printf(&b, "%s: %s%s", name, scheme, key);
	r = b.failed ? -1 : add(list, buf_cstr(&b));
	buf_release(&b);
	return r;
}

static int bearer(struct curl_slist **list, const struct backend *b, const char *key)
{
	return add_credential(list, "Authorization", "Bearer ", key);
}

static int own_header(struct curl_slist **list, const struct backend *b, const char *key)
{
	return add_credential(list, b->auth_header ? b->auth_header : "x-api-key", "", key);
}

/* key: "user:password", or the password alone of the user that the preset knows. */
static int basic(struct curl_slist **list, const struct backend *b, const char *key)
{
	struct buf plain, coded;
	char *room;
	int r = -1;

	buf_init(&plain, 0);
	buf_init(&coded, 0);
	if (b->auth_user && !strchr(key, ':'))
		buf_printf(&plain, "%s:", b->auth_user);
	buf_puts(&plain, key);
	room = plain.failed ? NULL : buf_room(&coded, plain.n / 3 * 4 + 5);
	if (room) {
		coded.n = (size_t)EVP_EncodeBlock((unsigned char *)room,
						  (const unsigned char *)plain.p, (int)plain.n);
		r = add_credential(list, "Authorization", "Basic ", buf_cstr(&coded));
	}
	buf_release(&plain);
	buf_release(&coded);
	return r;
}

static int (*const kinds[])(struct curl_slist **list, const struct backend *b, const char *key) = {
	[AUTH_NONE] = NULL,
	[AUTH_BEARER] = bearer,
	[AUTH_HEADER] = own_header,
	[AUTH_BASIC] = basic,
	[AUTH_SIGV4] = bearer,
};

static int credential(const struct upstream_call *c, const char *own, struct curl_slist **list,
		      struct fault *f)
{
	const struct backend *b = c->backend;
	const char *key = c->caller_key ? c->caller_key : own;
	int (*put)(struct curl_slist **, const struct backend *, const char *) = kinds[b->auth];
	int r;

	if (c->caller_key)
		put = c->caller_bearer ? bearer : put ? put : own_header;
	if (!key || !*key || !put)
		return 0;
	if (strlen(key) > KEY_MAX || !header_safe(str_of(key))) {
		r = fault_set(f, FAULT_AUTH, 502, "api_error",
			      "backend %s: its key (%s) is too long or holds a control character, "
			      "such as a line's end.",
			      b->name, c->caller_key ? "the caller's own" : "api_key");
		if (!c->caller_key && b->api_key_from)
			fault_note(f, "api_key from %s", b->api_key_from);
		f->should_retry = 0;
		return r;
	}
	return put(list, b, key) ? fault_no_memory(f) : 0;
}

static bool is_header(const char *line, const char *name)
{
	size_t n = strlen(name);

	return str_starts_nocase(str_of(line), name) && line[n] == ':';
}

/* The encoder's own lines. A line with a control character inside can only be an attack on us or
 * the backend. */
static int add_given(const struct upstream_call *c, struct curl_slist **list, bool *typed,
		     struct fault *f)
{
	for (size_t i = 0; i < c->nheaders; i++) {
		if (!header_safe(str_of(c->headers[i])))
			return fault_bad(f, "a header for backend %s holds a control character.",
					 c->backend->name);
		*typed = *typed || is_header(c->headers[i], "content-type");
		if (add(list, c->headers[i]))
			return fault_no_memory(f);
	}
	return 0;
}

/* "eu-west-1", "us-gov-east-1" */
static bool is_region(struct str label)
{
	return label.n > 6 && label.p[2] == '-' && label.p[label.n - 2] == '-' &&
	       label.p[label.n - 1] >= '0' && label.p[label.n - 1] <= '9';
}

/* The region that a host of AWS names counts: a signature for another one is refused there, and a
 * model's ARN may have led to it. Any other host is told nothing by its name. */
static const char *region_of(const struct upstream_call *c, char *room, size_t size)
{
	const char *at = strstr(c->url, "://");
	struct str rest, host, label;

	rest = str_of(at ? at + 3 : c->url);
	host = (struct str){ rest.p, strcspn(rest.p, ":/?") };
	if (str_find(host, ".amazonaws.com") || str_ends(host, ".api.aws")) {
		while (str_split(&host, '.', &label)) {
			if (!is_region(label) || label.n >= size)
				continue;
			snprintf(room, size, "%.*s", STR_ARGS(label));
			return room;
		}
	}
	return c->backend->region ? c->backend->region : "us-east-1";
}

static int signature(const struct upstream_call *c, const struct credential *own,
		     struct curl_slist **list, struct fault *f)
{
	char region[32];
	struct sigv4_request r = {
		.method = c->method, .url = c->url, .headers = c->headers,
		.nheaders = c->nheaders, .body = c->body,
		.region = region_of(c, region, sizeof(region)), .service = "bedrock",
		.wall_ms = clock_wall_ms(),
	};
	struct buf lines;
	int rc;

	buf_init(&lines, 0);
	rc = WITH_AWS ? sigv4_sign(&r, own, &lines) : -1;
	for (const char *line = lines.p; !rc && *line; line += strlen(line) + 1)
		rc = add(list, line);
	buf_release(&lines);
	return rc ? fault_no_memory(f) : 0;
}

/* The credential in whatever form it goes out, and other headers that are as secret. What stands
 * behind a scheme ("Basic …") is one word; a signature is several, of this one call alone. */
static int note_secrets(const struct upstream_call *c, const struct credential *own,
			const struct curl_slist *list)
{
	redact_note(c->secrets, c->caller_key);
	redact_note(c->secrets, own->token);
	redact_note(c->secrets, own->key_id);
	redact_note(c->secrets, own->session);
	for (; list; list = list->next) {
		struct str value = str_of(list->data), name = STR_NONE, scheme = STR_NONE;

		str_split(&value, ':', &name);
		value = str_trim(value);
		if (!redact_is_secret_name(name))
			continue;
		if (str_chr(value, ' '))
			str_split(&value, ' ', &scheme);
		if (!str_chr(value, ' '))
			redact_note(c->secrets, value.p);
	}
	return c->secrets->failed ? -1 : 0;
}

int auth_headers(const struct upstream_call *c, const struct credential *own,
		 struct curl_slist **out, struct fault *f)
{
	bool typed = false;
	int r;

	*out = NULL;
	if (add_given(c, out, &typed, f))
		goto fail;
	if (c->backend->auth == AUTH_SIGV4 && own->key_id && !c->caller_key) {
		if (signature(c, own, out, f))
			goto fail;
	} else if (credential(c, own->token, out, f)) {
		goto fail;
	}
	r = typed || !c->body ? 0 : add(out, "Content-Type: application/json");
	/* Empty: libcurl would wait a full second for "100 Continue" with every body over 1 MB. */
	if (r || add(out, "Expect:") || (c->secrets && note_secrets(c, own, *out))) {
		fault_no_memory(f);
		goto fail;
	}
	return 0;
fail:
	curl_slist_free_all(*out);
	*out = NULL;
	return -1;
}
