/*
 * The JWT with which a service account asks for a token: RS256, signed with the key of its file.
 */
#include "upstream/google.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/clock.h"
#include "json/scan.h"

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
				       span_is_string(aud) ? aud :
					       span_utf8(STR(GOOGLE_TOKEN_URL)) };
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
		   (long long)now + GOOGLE_LIFETIME);
	if (rc || part.failed || buf_putc(out, '.') || put_base64url(out, part.p, part.n))
		rc = -1;
	buf_release(&part);
	return rc ? rc : put_signature(out, key);
}

int google_jwt(struct buf *out, struct span account, const char *scope)
{
	struct buf key;
	int r = -1;

	buf_init(&key, 0);
	span_put_text(&key, json_get(account, "private_key"));
	if (span_is_string(json_get(account, "client_email")) && key.n)
		r = put_jwt(out, account, scope, buf_str(&key));
	credential_wipe(&key);
	return r;
}
