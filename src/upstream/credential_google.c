/*
 * Google's access tokens, as its own libraries look for them (google.aip.dev/auth/4110): the JSON
 * file that is named, else the one of the user's own login, else the metadata server of the
 * machine. A service account signs a JWT, a user's login holds a refresh token, a workload
 * elsewhere has a token of its own issuer; each is exchanged for one of Google's. Tokens last an
 * hour.
 */
#include "upstream/google.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "json/scan.h"
#include "upstream/proxy.h"

#define METADATA_HOST "metadata.google.internal"
#define METADATA_PATH "/computeMetadata/v1/instance/service-accounts/default/token"
#define METADATA_SECONDS 5      /* where there is no such server, nobody answers at all */
#define IMPERSONATION "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
#define ANSWER_MAX (256 * 1024)

const char *google_scope(const struct backend *b)
{
	return b->credential.scope ? b->credential.scope : GOOGLE_SCOPE;
}

/* ---- exchanges ---- */

bool google_address(struct span file, struct span url)
{
	struct span domain = span_unquote(json_get(file, "universe_domain"));
	char host[256], universe[128] = "";
	struct buf text;
	bool ok;

	if (domain.n && domain.n < sizeof(universe) - 1)
		snprintf(universe, sizeof(universe), ".%.*s", (int)domain.n, domain.p);
	buf_init(&text, 0);
	span_put_text(&text, url);
	ok = credential_safe_url(buf_cstr(&text), host, sizeof(host)) &&
	     (proxy_loopback(host) || str_ends(str_of(host), ".googleapis.com") ||
	      (*universe && str_ends(str_of(host), universe)));
	buf_release(&text);
	return ok;
}

int google_exchange(const struct backend *b, struct span file, const char *usual,
		    const struct buf *form, struct waiter *w, struct credential *out,
		    struct fault *f)
{
	static const char *const headers[] = { "Content-Type: application/x-www-form-urlencoded" };
	struct credential_call call = { .method = "POST", .headers = headers, .nheaders = 1,
					.body = buf_str(form) };
	struct span uri = json_get(file, "token_url");
	struct buf url, answer;
	int status = 0, r;

	uri = span_is_string(uri) ? uri : json_get(file, "token_uri");
	buf_init(&url, 0);
	buf_init(&answer, ANSWER_MAX);
	if (b->credential.token_url)
		buf_puts(&url, b->credential.token_url);
	else
		span_put_text(&url, span_is_string(uri) ? uri : span_utf8(str_of(usual)));
	call.url = buf_cstr(&url);
	if (form->failed || url.failed)
		r = fault_no_memory(f);
	else if (!b->credential.token_url && span_is_string(uri) && !google_address(file, uri))
		r = credential_fault(b, f, "has a file whose token_url is not at Google: %s; set "
				     "credential.token_url where that is meant", call.url);
	else
		r = credential_http(b, &call, w, &status, &answer, f);
	if (r == 0)
		r = credential_oauth_answer(b, status, buf_str(&answer), GOOGLE_LIFETIME, out, f);
	buf_release(&url);
	credential_wipe(&answer);
	return r;
}

/* cloud.google.com/iam/docs/reference/credentials/rest, generateAccessToken. */
int google_impersonate(const struct backend *b, struct span file, struct span url,
		       struct waiter *w, struct credential *out, struct fault *f)
{
	const char *headers[2] = { "Content-Type: application/json" };
	struct credential_call call = { .method = "POST", .headers = headers, .nheaders = 2 };
	struct span delegates = json_get(file, "delegates");
	int status = 0, r, seconds = b->credential.role_seconds;
	struct buf address, line, body, answer;

	buf_init(&address, 0);
	buf_init(&line, 0);
	buf_init(&body, 0);
	buf_init(&answer, ANSWER_MAX);
	span_put_text(&address, url);
	buf_printf(&line, "Authorization: Bearer %s", out->token);
	buf_puts(&body, "{\"scope\":[");
	span_put_string(&body, span_utf8(str_of(google_scope(b))));
	buf_printf(&body, "],\"lifetime\":\"%ds\"", seconds ? seconds : GOOGLE_LIFETIME);
	if (span_is_array(delegates)) {
		buf_puts(&body, ",\"delegates\":");
		span_put_value(&body, delegates);
	}
	buf_putc(&body, '}');
	headers[1] = buf_cstr(&line);
	call.url = buf_cstr(&address);
	call.body = buf_str(&body);
	if (!google_address(file, url))
		r = credential_fault(b, f, "has a file that impersonates at an address that is not "
				     "Google's: %s", call.url);
	else if (address.failed || line.failed || body.failed)
		r = fault_no_memory(f);
	else
		r = credential_http(b, &call, w, &status, &answer, f);
	if (r == 0)
		r = credential_oauth_answer(b, status, buf_str(&answer), GOOGLE_LIFETIME, out, f);
	buf_release(&address);
	credential_wipe(&line);
	buf_release(&body);
	credential_wipe(&answer);
	return r;
}

/* ---- files ---- */

static int from_account(const struct backend *b, struct span file, struct waiter *w,
			struct credential *out, struct fault *f)
{
	struct buf jwt, form;
	int r;

	buf_init(&jwt, 0);
	buf_init(&form, 0);
	if (google_jwt(&jwt, file, google_scope(b))) {
		r = credential_fault(b, f, "has a service account file without a usable "
				     "client_email and RSA private_key");
	} else {
		credential_form(&form, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
		credential_form(&form, "assertion", buf_cstr(&jwt));
		r = google_exchange(b, file, GOOGLE_TOKEN_URL, &form, w, out, f);
	}
	credential_wipe(&jwt);
	credential_wipe(&form);
	return r;
}

static int from_login(const struct backend *b, struct span file, struct waiter *w,
		      struct credential *out, struct fault *f)
{
	static const char *const members[] = { "client_id", "client_secret", "refresh_token" };
	struct buf form, value;
	int r;

	buf_init(&form, 0);
	buf_init(&value, 0);
	credential_form(&form, "grant_type", "refresh_token");
	for (size_t i = 0; i < 3; i++) {
		buf_reset(&value);
		span_put_text(&value, json_get(file, members[i]));
		credential_form(&form, members[i], buf_cstr(&value));
	}
	r = value.failed ? fault_no_memory(f) :
	    google_exchange(b, file, GOOGLE_TOKEN_URL, &form, w, out, f);
	credential_wipe(&form);
	credential_wipe(&value);
	return r;
}

static int from_object(const struct backend *b, struct span file, struct waiter *w,
		       struct credential *out, struct fault *f);

/* Impersonating takes the usual scope; credential.scope is what the token made so is for. */
static struct backend impersonator(const struct backend *b)
{
	struct backend plain = *b;

	plain.credential.scope = NULL;
	return plain;
}

/* What "gcloud auth application-default login --impersonate-service-account" writes. */
static int from_impersonated(const struct backend *b, struct span file, struct waiter *w,
			     struct credential *out, struct fault *f)
{
	struct span source = json_get(file, "source_credentials");
	const struct backend plain = impersonator(b);
	int r;

	if (span_is(json_get(source, "type"), "impersonated_service_account"))
		return credential_fault(b, f, "has a file that impersonates for one that "
					"impersonates");
	r = from_object(&plain, source, w, out, f);
	return r ? r : google_impersonate(b, file,
					  json_get(file, "service_account_impersonation_url"), w,
					  out, f);
}

static int from_object(const struct backend *b, struct span file, struct waiter *w,
		       struct credential *out, struct fault *f)
{
	static const struct {
		const char *type;
		int (*get)(const struct backend *b, struct span file, struct waiter *w,
			   struct credential *out, struct fault *f);
	} types[] = {
		{ "service_account", from_account },
		{ "authorized_user", from_login },
		{ "external_account", google_external },
		{ "impersonated_service_account", from_impersonated },
	};
	struct span type = json_get(file, "type");

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (span_is(type, types[i].type))
			return types[i].get(b, file, w, out, f);
	return credential_fault(b, f, "has a file whose type is none of service_account, "
				"authorized_user, external_account, impersonated_service_account");
}

static int from_file(const struct backend *b, const char *path, struct waiter *w,
		     struct credential *out, struct fault *f)
{
	struct buf text;
	int r;

	buf_init(&text, GOOGLE_FILE_MAX);
	r = credential_read(b, path, &text, f);
	if (r == 0 && json_check(buf_str(&text), NULL, NULL))
		r = credential_unreadable(b, path, f);
	if (r == 0)
		r = from_object(b, span_json(buf_str(&text)), w, out, f);
	credential_wipe(&text);
	return r;
}

static int from_metadata(const struct backend *b, struct waiter *w, struct credential *out,
			 struct fault *f)
{
	static const char *const headers[] = { "Metadata-Flavor: Google" };
	const char *host = credential_env("GCE_METADATA_HOST");
	struct credential_call call = { .method = "GET", .headers = headers, .nheaders = 1,
					.direct = true, .seconds = METADATA_SECONDS };
	struct buf url, answer;
	int status = 0, r;

	buf_init(&url, 0);
	buf_init(&answer, ANSWER_MAX);
	buf_printf(&url, "http://%s" METADATA_PATH, host ? host : METADATA_HOST);
	call.url = buf_cstr(&url);
	r = credential_http(b, &call, w, &status, &answer, f);
	if (r && f->class != FAULT_CANCELLED)
		r = credential_fault(b, f, "is not there: no credential.source, no login of "
				     "gcloud's, and no metadata server answers");
	else if (r == 0)
		r = credential_oauth_answer(b, status, buf_str(&answer), GOOGLE_LIFETIME, out, f);
	buf_release(&url);
	credential_wipe(&answer);
	return r;
}

/* ---- where it comes from ---- */

/* The file that "gcloud auth application-default login" writes. */
static const char *login_file(struct buf *path)
{
	const char *folder = credential_env("CLOUDSDK_CONFIG"), *home = credential_env("HOME");

	if (folder)
		buf_puts(path, folder);
	else
		buf_printf(path, "%s/.config/gcloud", home ? home : "");
	buf_puts(path, "/application_default_credentials.json");
	return buf_cstr(path);
}

static int find(const struct backend *b, struct waiter *w, struct credential *out, struct fault *f)
{
	struct buf path;
	int r;

	if (b->credential.source)
		return from_file(b, b->credential.source, w, out, f);
	buf_init(&path, 0);
	if (access(login_file(&path), R_OK) == 0)
		r = from_file(b, buf_cstr(&path), w, out, f);
	else
		r = from_metadata(b, w, out, f);
	buf_release(&path);
	return r;
}

static int fetch(const struct backend *b, struct waiter *w, struct credential *out, struct fault *f)
{
	const char *role = b->credential.role;
	const struct backend plain = impersonator(b);
	struct buf url;
	int r = find(role ? &plain : b, w, out, f);

	if (r || !role)
		return r;
	buf_init(&url, 0);
	buf_printf(&url, "%s%s:generateAccessToken", strstr(role, "://") ? "" : IMPERSONATION,
		   role);
	r = google_impersonate(b, SPAN_ABSENT, span_utf8(buf_str(&url)), w, out, f);
	buf_release(&url);
	return r;
}

static const char *const deciding[] = { "CLOUDSDK_CONFIG", "HOME", "GCE_METADATA_HOST", NULL };

const struct credential_provider credential_google = {
	.shared = true,
	.fetch = fetch,
	.env = deciding,
};
