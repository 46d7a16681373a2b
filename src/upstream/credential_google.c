/*
 * Google's access tokens, as its own libraries look for them (google.aip.dev/auth/4110): the JSON
 * file that is named, else the one of the user's own login, else the metadata server of the machine.
 * A service account signs a JWT with its key and is given a token for it (RFC 7523); a user's login
 * holds a refresh token. Tokens last an hour.
 */
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "json/scan.h"
#include "upstream/credential_provider.h"

#define SCOPE "https://www.googleapis.com/auth/cloud-platform"
#define TOKEN_URL "https://oauth2.googleapis.com/token"
#define METADATA_HOST "metadata.google.internal"
#define METADATA_PATH "/computeMetadata/v1/instance/service-accounts/default/token"
#define METADATA_SECONDS 5      /* where there is no such server, nobody answers at all */
#define FILE_MAX (64 * 1024)
#define ANSWER_MAX (256 * 1024)
#define LIFETIME 3600           /* seconds; the longest that a JWT may ask for */

/* ---- JWT ---- */

/* RFC 7515, section 2: base64url without padding. */
static int put_base64url(struct buf *b, const void *data, size_t n)
{
	char *room = buf_room(b, n / 3 * 4 + 5);
	size_t made;

	if (!room)
		return -1;
	made = (size_t)EVP_EncodeBlock((unsigned char *)room, data, (int)n);
	for (size_t i = 0; i < made; i++)
		room[i] = room[i] == '+' ? '-' : room[i] == '/' ? '_' : room[i];
	while (made && room[made - 1] == '=')
		made--;
	b->n += made;
	return 0;
}

/* Appends the signature of what stands in b; key: PEM. */
static int put_signature(struct buf *b, struct str key)
{
	unsigned char made[1024];       /* RSA keys of 8192 bits */
	size_t n = sizeof(made);
	BIO *pem = BIO_new_mem_buf(key.p, (int)key.n);
	/* An empty password: else OpenSSL would ask the terminal for that of an encrypted key. */
	char none[] = "";
	EVP_PKEY *private = pem ? PEM_read_bio_PrivateKey(pem, NULL, NULL, none) : NULL;
	EVP_MD_CTX *ctx = private ? EVP_MD_CTX_new() : NULL;
	int rc = -1;

	if (ctx && EVP_PKEY_base_id(private) == EVP_PKEY_RSA &&
	    EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, private) == 1 &&
	    EVP_DigestSign(ctx, made, &n, (const unsigned char *)b->p, b->n) == 1 &&
	    !buf_putc(b, '.'))
		rc = put_base64url(b, made, n);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(private);
	BIO_free(pem);
	return rc;
}

static int put_jwt(struct buf *out, struct span account, const char *scope, struct str key)
{
	static const char *const names[] = { "iss", "scope", "aud" };
	int64_t now = clock_wall_ms() / 1000;
	struct span aud = json_get(account, "token_uri"), kid = json_get(account, "private_key_id");
	const struct span values[] = { json_get(account, "client_email"),
				       span_utf8(str_of(scope)),
				       span_is_string(aud) ? aud : span_utf8(STR(TOKEN_URL)) };
	struct buf part;
	int rc;

	buf_init(&part, 0);
	buf_puts(&part, "{\"alg\":\"RS256\",\"typ\":\"JWT\"");
	if (span_is_string(kid)) {
		buf_puts(&part, ",\"kid\":");
		span_put_value(&part, kid);
	}
	buf_putc(&part, '}');
	rc = part.failed ? -1 : put_base64url(out, part.p, part.n);
	buf_reset(&part);
	for (size_t i = 0; i < 3; i++) {
		buf_printf(&part, "%s\"%s\":", i ? "," : "{", names[i]);
		span_put_value(&part, values[i]);
	}
	buf_printf(&part, ",\"iat\":%lld,\"exp\":%lld}", (long long)now,
		   (long long)now + LIFETIME);
	if (rc || part.failed || buf_putc(out, '.') || put_base64url(out, part.p, part.n))
		rc = -1;
	buf_release(&part);
	return rc ? rc : put_signature(out, key);
}

/* ---- the exchange ---- */

static int exchange(const struct backend *b, struct span file, const struct buf *form,
		    struct waiter *w, struct credential *out, struct fault *f)
{
	static const char *const headers[] = { "Content-Type: application/x-www-form-urlencoded" };
	struct credential_call call = { .method = "POST", .headers = headers, .nheaders = 1,
					.body = buf_str(form) };
	struct span uri = json_get(file, "token_uri");
	struct buf url, answer;
	int status = 0, rc;

	buf_init(&url, 0);
	buf_init(&answer, ANSWER_MAX);
	if (b->credential.token_url)
		buf_puts(&url, b->credential.token_url);
	else
		span_put_text(&url, span_is_string(uri) ? uri : span_utf8(STR(TOKEN_URL)));
	call.url = buf_cstr(&url);
	if (form->failed || url.failed)
		rc = fault_no_memory(f);
	else
		rc = credential_http(b, &call, w, &status, &answer, f);
	if (rc == 0)
		rc = credential_oauth_answer(b, status, buf_str(&answer), LIFETIME, out, f);
	buf_release(&url);
	buf_release(&answer);
	return rc;
}

static int from_account(const struct backend *b, struct span file, struct waiter *w,
			struct credential *out, struct fault *f)
{
	const char *scope = b->credential.scope ? b->credential.scope : SCOPE;
	struct buf key, jwt, form;
	int rc;

	buf_init(&key, 0);
	buf_init(&jwt, 0);
	buf_init(&form, 0);
	span_put_text(&key, json_get(file, "private_key"));
	if (!span_is_string(json_get(file, "client_email")) || !key.n ||
	    put_jwt(&jwt, file, scope, buf_str(&key))) {
		rc = credential_fault(b, f, "has a service account file without a usable "
				      "client_email and RSA private_key");
	} else {
		credential_form(&form, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
		credential_form(&form, "assertion", buf_cstr(&jwt));
		rc = exchange(b, file, &form, w, out, f);
	}
	if (key.n)
		OPENSSL_cleanse(key.p, key.n);
	buf_release(&key);
	buf_release(&jwt);
	buf_release(&form);
	return rc;
}

static void form_member(struct buf *form, struct span file, const char *name)
{
	struct buf value;

	buf_init(&value, 0);
	span_put_text(&value, json_get(file, name));
	credential_form(form, name, buf_cstr(&value));
	buf_release(&value);
}

static int from_login(const struct backend *b, struct span file, struct waiter *w,
		      struct credential *out, struct fault *f)
{
	struct buf form;
	int rc;

	buf_init(&form, 0);
	credential_form(&form, "grant_type", "refresh_token");
	form_member(&form, file, "client_id");
	form_member(&form, file, "client_secret");
	form_member(&form, file, "refresh_token");
	rc = exchange(b, file, &form, w, out, f);
	buf_release(&form);
	return rc;
}

/* ---- where it comes from ---- */

static int from_file(const struct backend *b, const char *path, struct waiter *w,
		     struct credential *out, struct fault *f)
{
	struct span file, type;
	struct buf text;
	int rc;

	buf_init(&text, FILE_MAX);
	rc = credential_read(b, path, &text, f);
	file = span_json(str_trim(buf_str(&text)));
	if (rc == 0 && json_check((struct str){ file.p, file.n }, NULL, NULL))
		rc = credential_fault(b, f, "is no JSON: %s", path);
	type = rc ? SPAN_ABSENT : json_get(file, "type");
	if (rc == 0 && span_is(type, "service_account"))
		rc = from_account(b, file, w, out, f);
	else if (rc == 0 && span_is(type, "authorized_user"))
		rc = from_login(b, file, w, out, f);
	else if (rc == 0)
		rc = credential_fault(b, f, "is neither a service account's nor a user's: %s",
				      path);
	if (text.n)
		OPENSSL_cleanse(text.p, text.n);
	buf_release(&text);
	return rc;
}

static int from_metadata(const struct backend *b, struct waiter *w, struct credential *out,
			 struct fault *f)
{
	static const char *const headers[] = { "Metadata-Flavor: Google" };
	const char *host = getenv("GCE_METADATA_HOST");
	struct credential_call call = { .method = "GET", .headers = headers, .nheaders = 1,
					.direct = true, .seconds = METADATA_SECONDS };
	struct buf url, answer;
	int status = 0, rc;

	buf_init(&url, 0);
	buf_init(&answer, ANSWER_MAX);
	buf_printf(&url, "http://%s" METADATA_PATH, host && *host ? host : METADATA_HOST);
	call.url = buf_cstr(&url);
	rc = credential_http(b, &call, w, &status, &answer, f);
	if (rc && f->class != FAULT_CANCELLED)
		rc = credential_fault(b, f, "is not there: no credential.source, no login of "
				      "gcloud's, and no metadata server answers");
	else if (rc == 0)
		rc = credential_oauth_answer(b, status, buf_str(&answer), LIFETIME, out, f);
	buf_release(&url);
	buf_release(&answer);
	return rc;
}

/* The file that "gcloud auth application-default login" writes. */
static const char *login_file(struct buf *path)
{
	const char *folder = getenv("CLOUDSDK_CONFIG"), *home = getenv("HOME");

	if (folder && *folder)
		buf_puts(path, folder);
	else
		buf_printf(path, "%s/.config/gcloud", home ? home : "");
	buf_puts(path, "/application_default_credentials.json");
	return buf_cstr(path);
}

static int fetch(const struct backend *b, struct waiter *w, struct credential *out, struct fault *f)
{
	struct buf path;
	int rc;

	if (b->credential.source)
		return from_file(b, b->credential.source, w, out, f);
	buf_init(&path, 0);
	if (access(login_file(&path), R_OK) == 0)
		rc = from_file(b, buf_cstr(&path), w, out, f);
	else
		rc = from_metadata(b, w, out, f);
	buf_release(&path);
	return rc;
}

const struct credential_provider credential_google = { .shared = true, .fetch = fetch };
