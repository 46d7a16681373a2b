/*
 * OAuth 2.0 client credentials (RFC 6749, section 4.4): a secret is exchanged for a token of an
 * hour or so. Providers differ in the URL, the usual scope, and how the client proves who it is.
 */
#include "upstream/credential_oauth.h"

#include <openssl/evp.h>
#include <string.h>

#define ANSWER_MAX (256 * 1024)

/* RFC 6749, section 2.3.1: both are form-encoded before they are joined. */
static int put_basic(struct buf *header, const struct credential_setting *s)
{
	struct buf pair;
	char *room = NULL;

	buf_init(&pair, 0);
	credential_encode(&pair, s->client_id);
	buf_putc(&pair, ':');
	credential_encode(&pair, s->client_secret);
	buf_puts(header, "Authorization: Basic ");
	if (!pair.failed)
		room = buf_room(header, pair.n / 3 * 4 + 5);
	if (room)
		header->n += (size_t)EVP_EncodeBlock((unsigned char *)room,
						     (const unsigned char *)pair.p, (int)pair.n);
	credential_wipe(&pair);
	return room ? 0 : -1;
}

/* The client's proof as the form has it. */
static void put_proof(struct buf *form, const struct credential_setting *s,
		      const struct oauth_client *c)
{
	if (c->place == OAUTH_BASIC)
		return;
	credential_form(form, "client_id", s->client_id);
	if (c->place == OAUTH_BODY) {
		credential_form(form, "client_secret", s->client_secret);
		return;
	}
	credential_form(form, "client_assertion_type",
			"urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
	credential_form(form, "client_assertion", c->assertion);
}

int oauth_client_token(const struct backend *b, const struct oauth_client *c, struct waiter *w,
		       struct credential *out, struct fault *f)
{
	const struct credential_setting *s = &b->credential;
	const char *headers[2] = { "Content-Type: application/x-www-form-urlencoded" };
	struct credential_call call = { .method = "POST", .url = c->url, .headers = headers,
					.nheaders = 1 };
	struct buf form, basic, answer;
	int status = 0, r = 0;

	buf_init(&form, 0);
	buf_init(&basic, 0);
	buf_init(&answer, ANSWER_MAX);
	credential_form(&form, "grant_type", "client_credentials");
	if (c->scope && *c->scope)
		credential_form(&form, "scope", c->scope);
	put_proof(&form, s, c);
	if (c->place == OAUTH_BASIC) {
		r = put_basic(&basic, s);
		headers[call.nheaders++] = buf_cstr(&basic);
	}
	call.body = buf_str(&form);
	if (r || form.failed || basic.failed)
		r = fault_no_memory(f);
	else
		r = credential_http(b, &call, w, &status, &answer, f);
	if (r == 0)
		r = credential_oauth_answer(b, status, buf_str(&answer), s->lifetime, out, f);
	credential_wipe(&form);
	credential_wipe(&basic);
	credential_wipe(&answer);
	return r;
}

static int fetch_oauth(const struct backend *b, struct waiter *w, struct credential *out,
		       struct fault *f)
{
	const struct oauth_client c = { .url = b->credential.token_url,
					.scope = b->credential.scope, .place = OAUTH_BODY };

	return oauth_client_token(b, &c, w, out, f);
}

/* The workspace's own token endpoint
 * (docs.databricks.com/aws/en/dev-tools/auth/oauth-m2m). */
static int fetch_databricks(const struct backend *b, struct waiter *w, struct credential *out,
			    struct fault *f)
{
	const struct credential_setting *s = &b->credential;
	const char *at = s->host ? s->host : b->base_url, *host = strstr(at, "://");
	struct oauth_client c = { .scope = s->scope ? s->scope : "all-apis",
				  .place = OAUTH_BASIC };
	struct buf url;
	int r;

	host = host ? host + 3 : at;
	buf_init(&url, 0);
	if (s->token_url)
		buf_puts(&url, s->token_url);
	else
		buf_printf(&url, "%.*s%.*s/oidc/v1/token",
			   host == at ? 8 : (int)(host - at), host == at ? "https://" : at,
			   (int)strcspn(host, "/"), host);
	c.url = buf_cstr(&url);
	r = oauth_client_token(b, &c, w, out, f);
	buf_release(&url);
	return r;
}

const struct credential_provider credential_oauth = { .shared = true, .fetch = fetch_oauth };
const struct credential_provider credential_databricks = { .shared = true,
							   .fetch = fetch_databricks };
