/* "EXPIRES.HMAC-SHA256": the key is a hash of all hashes of access keys and of doctor.word. */
#include "doctor/ticket.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#define DIGEST 32
#define HEX (2 * DIGEST)
/* The clocks are the same machine's; one may have been set in between. */
#define SLACK_SECONDS 60

static bool put_text(EVP_MD_CTX *x, const char *text)
{
	return !text || EVP_DigestUpdate(x, text, strlen(text) + 1) == 1;
}

static bool secret_of(const struct config *c, unsigned char out[DIGEST])
{
	EVP_MD_CTX *x = c->nkeys || c->doctor_word ? EVP_MD_CTX_new() : NULL;
	bool good = x && EVP_DigestInit_ex(x, EVP_sha256(), NULL) == 1 &&
		    put_text(x, "messages-fcgi doctor") && put_text(x, c->doctor_word);

	for (size_t i = 0; good && i < c->nkeys; i++)
		good = put_text(x, c->keys[i].sha256[0]) && put_text(x, c->keys[i].sha256[1]);
	good = good && EVP_DigestFinal_ex(x, out, NULL) == 1;
	EVP_MD_CTX_free(x);
	return good;
}

static bool sign(const struct config *c, int64_t expires, char out[TICKET_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char secret[DIGEST], mac[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	int n = snprintf(out, TICKET_SIZE, "%lld", (long long)expires);

	if (n < 0 || n + 1 + HEX + 1 > TICKET_SIZE || !secret_of(c, secret) ||
	    !HMAC(EVP_sha256(), secret, sizeof(secret), (const unsigned char *)out, (size_t)n, mac,
		  &size))
		return false;
	OPENSSL_cleanse(secret, sizeof(secret));
	out[n++] = '.';
	for (unsigned i = 0; i < DIGEST; i++) {
		out[n++] = hex[mac[i] >> 4];
		out[n++] = hex[mac[i] & 15];
	}
	out[n] = '\0';
	return true;
}

bool ticket_make(const struct config *c, int64_t wall_seconds, char out[TICKET_SIZE])
{
	return sign(c, wall_seconds + TICKET_SECONDS, out);
}

bool ticket_valid(const struct config *c, const char *ticket, int64_t wall_seconds)
{
	struct str rest = str_of(ticket), first;
	char good[TICKET_SIZE];
	int64_t expires;

	if (!ticket || !str_split(&rest, '.', &first) || !str_int(first, &expires))
		return false;
	if (expires <= wall_seconds || expires > wall_seconds + TICKET_SECONDS + SLACK_SECONDS)
		return false;
	return sign(c, expires, good) && strlen(good) == strlen(ticket) &&
	       CRYPTO_memcmp(good, ticket, strlen(good)) == 0;
}
