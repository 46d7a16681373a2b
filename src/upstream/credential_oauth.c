/*
 * OAuth 2.0 client credentials (RFC 6749, section 4.4): a secret is exchanged for a token of an
 * hour or so. Providers differ in the URL, the usual scope, and where the client's secret goes.
 */
#include "upstream/credential.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/clock.h"
#include "json/scan.h"
#include "upstream/upstream.h"

#define ANSWER_MAX (256 * 1024)
#define SECONDS 30
/* RFC 6749 leaves expires_in out where it is documented elsewhere; no provider's is shorter. */
#define LIFETIME 300

/* ---- the call ---- */

struct answer {
	struct buf *out;
	int status;
};

static int on_head(void *ctx, const struct upstream_head *h)
{
	struct answer *a = ctx;

	a->status = h->status;
	return 0;
}

static int on_data(void *ctx, const char *p, size_t n)
{
	struct answer *a = ctx;

	return buf_put(a->out, p, n);
}

int credential_http(const struct backend *b, const struct credential_call *c, struct waiter *w,
		    int *status, struct buf *out, struct fault *f)
{
	int64_t seconds = c->seconds ? c->seconds : SECONDS;
	struct answer answer = { .out = out };
	struct backend bare = *b;
	struct arena arena;
	struct segs body;
	struct upstream_call call = {
		.method = c->method, .url = c->url, .headers = c->headers, .nheaders = c->nheaders,
		.backend = &bare, .compress = true, .waiter = w,
		.deadline = clock_ms() + seconds * 1000, .max_body = ANSWER_MAX,
		.on_head = on_head, .on_data = on_data, .ctx = &answer,
	};
	enum upstream_result result;

	bare.auth = AUTH_NONE;
	bare.credential = (struct credential_setting){ .kind = CREDENTIAL_KEY };
	bare.api_key = NULL;
	bare.proxy = c->direct ? "" : b->proxy;
	bare.connect_timeout = b->connect_timeout < seconds ? b->connect_timeout : (int)seconds;
	arena_init(&arena, 0);
	segs_init(&body, &arena);
	segs_add(&body, c->body);
	if (c->body.n)
		call.body = &body;
	result = body.failed ? UPSTREAM_FAILED : upstream_perform(&call, f);
	if (body.failed || out->failed)
		fault_no_memory(f);
	else if (result == UPSTREAM_CANCELLED)
		fault_gone(f);
	*status = answer.status;
	arena_release(&arena);
	return result == UPSTREAM_DONE && !out->failed ? 0 : -1;
}

/* RFC 3986, section 2.3: what needs no escape. */
static void put_encoded(struct buf *b, const char *value)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~";

	for (; *value; value++) {
		if (strchr(plain, *value))
			buf_putc(b, *value);
		else
			buf_printf(b, "%%%02X", (unsigned char)*value);
	}
}

void credential_form(struct buf *b, const char *name, const char *value)
{
	buf_printf(b, "%s%s=", b->n ? "&" : "", name);
	put_encoded(b, value);
}

/* ---- the answer ---- */

static struct span first_of(struct span obj, const char *const *names)
{
	struct span v = SPAN_ABSENT;

	for (size_t i = 0; names[i] && !span_given(v); i++)
		v = json_get(obj, names[i]);
	return v;
}

/* Seconds as a number or, as some clouds write them, as text. */
static bool seconds_of(struct span v, int64_t *out)
{
	v = span_unquote(v);
	return span_given(v) && str_int((struct str){ v.p, v.n }, out) && *out >= 0 &&
	       *out < INT64_MAX / 1000;
}

static int refusal(const struct backend *b, int status, struct str body, struct fault *f)
{
	struct span obj = span_json(body), why;
	struct buf text;

	buf_init(&text, 600);
	if (json_check(body, NULL, NULL) == 0) {
		span_put_text(&text, span_unquote(json_get(obj, "error")));
		why = json_get(obj, "error_description");
		if (span_is_string(why)) {
			buf_puts(&text, text.n ? ": " : "");
			span_put_text(&text, why);
		}
	}
	credential_fault(b, f, "was refused with %d%s%.400s", status, text.n ? ": " : "",
			 text.n ? buf_cstr(&text) : "");
	buf_release(&text);
	/* The token's endpoint has a bad moment: the same call may work again. */
	if (status == 429 || status >= 500) {
		f->class = FAULT_TRANSIENT;
		f->should_retry = -1;
	}
	return -1;
}

int credential_oauth_answer(const struct backend *b, int status, struct str body, int lifetime,
			    struct credential *out, struct fault *f)
{
	static const char *const tokens[] = { "access_token", "accessToken", "token", NULL };
	int64_t now = clock_wall_ms(), seconds;
	struct span obj = span_json(body), token;
	struct buf text;
	int r;

	if (status < 200 || status > 299)
		return refusal(b, status, body, f);
	if (json_check(body, NULL, NULL))
		return credential_fault(b, f, "was answered with something that is not JSON");
	token = first_of(obj, tokens);
	if (!span_is_string(token) || span_blank(token))
		return credential_fault(b, f, "was answered without an access_token");
	if (seconds_of(json_get(obj, "expires_on"), &seconds))
		seconds -= now / 1000;
	else if (!seconds_of(json_get(obj, "expires_in"), &seconds))
		seconds = lifetime ? lifetime : LIFETIME;
	buf_init(&text, ANSWER_MAX);
	r = span_put_text(&text, token) ? fault_no_memory(f)
					: credential_fill(out, buf_str(&text), STR_NONE, STR_NONE,
							  now + seconds * 1000, f);
	buf_release(&text);
	return r;
}

/* ---- client credentials ---- */

/* Where the client's id and secret go. */
enum client_place { CLIENT_IN_BODY, CLIENT_BASIC };

/* RFC 6749, section 2.3.1: both are form-encoded before they are joined. */
static int put_basic(struct buf *header, const struct credential_setting *s)
{
	struct buf pair;
	char *room = NULL;

	buf_init(&pair, 0);
	put_encoded(&pair, s->client_id);
	buf_putc(&pair, ':');
	put_encoded(&pair, s->client_secret);
	buf_puts(header, "Authorization: Basic ");
	if (!pair.failed)
		room = buf_room(header, pair.n / 3 * 4 + 5);
	if (room)
		header->n += (size_t)EVP_EncodeBlock((unsigned char *)room,
						     (const unsigned char *)pair.p, (int)pair.n);
	buf_release(&pair);
	return room ? 0 : -1;
}

static int client_credentials(const struct backend *b, const char *url, const char *scope,
			      enum client_place place, struct waiter *w, struct credential *out,
			      struct fault *f)
{
	const struct credential_setting *s = &b->credential;
	struct buf form, basic, answer;
	const char *headers[2] = { "Content-Type: application/x-www-form-urlencoded" };
	int status = 0, r;

	buf_init(&form, 0);
	buf_init(&basic, 0);
	buf_init(&answer, ANSWER_MAX);
	credential_form(&form, "grant_type", "client_credentials");
	if (scope && *scope)
		credential_form(&form, "scope", scope);
	if (place == CLIENT_IN_BODY) {
		credential_form(&form, "client_id", s->client_id);
		credential_form(&form, "client_secret", s->client_secret);
	}
	r = place == CLIENT_BASIC ? put_basic(&basic, s) : 0;
	headers[1] = buf_cstr(&basic);
	if (r || form.failed)
		r = fault_no_memory(f);
	else
		r = credential_http(b,
				    &(struct credential_call){
					    .method = "POST", .url = url, .headers = headers,
					    .nheaders = place == CLIENT_BASIC ? 2 : 1,
					    .body = buf_str(&form) },
				    w, &status, &answer, f);
	if (r == 0)
		r = credential_oauth_answer(b, status, buf_str(&answer), s->lifetime, out, f);
	buf_release(&form);
	buf_release(&basic);
	buf_release(&answer);
	return r;
}

static int fetch_oauth(const struct backend *b, struct waiter *w, struct credential *out,
		       struct fault *f)
{
	return client_credentials(b, b->credential.token_url, b->credential.scope, CLIENT_IN_BODY,
				  w, out, f);
}

/* The workspace's own token endpoint
 * (docs.databricks.com/aws/en/dev-tools/auth/oauth-m2m). */
static int fetch_databricks(const struct backend *b, struct waiter *w, struct credential *out,
			    struct fault *f)
{
	const struct credential_setting *s = &b->credential;
	const char *at = s->host ? s->host : b->base_url, *host = strstr(at, "://");
	struct buf url;
	int r;

	host = host ? host + 3 : at;
	buf_init(&url, 0);
	buf_printf(&url, "%.*s%.*s/oidc/v1/token",
		   host == at ? 8 : (int)(host - at), host == at ? "https://" : at,
		   (int)strcspn(host, "/"), host);
	if (s->token_url) {
		buf_reset(&url);
		buf_puts(&url, s->token_url);
	}
	r = client_credentials(b, buf_cstr(&url), s->scope ? s->scope : "all-apis", CLIENT_BASIC,
			       w, out, f);
	buf_release(&url);
	return r;
}

/* learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow */
static int fetch_entra(const struct backend *b, struct waiter *w, struct credential *out,
		       struct fault *f)
{
	const struct credential_setting *s = &b->credential;
	struct buf url;
	int r;

	buf_init(&url, 0);
	if (s->token_url)
		buf_puts(&url, s->token_url);
	else
		buf_printf(&url, "https://login.microsoftonline.com/%s/oauth2/v2.0/token",
			   s->tenant);
	r = client_credentials(b, buf_cstr(&url),
			       s->scope ? s->scope : "https://cognitiveservices.azure.com/.default",
			       CLIENT_IN_BODY, w, out, f);
	buf_release(&url);
	return r;
}

const struct credential_provider credential_oauth = { .shared = true, .fetch = fetch_oauth };
const struct credential_provider credential_databricks = { .shared = true,
							   .fetch = fetch_databricks };
const struct credential_provider credential_entra = { .shared = true, .fetch = fetch_entra };
