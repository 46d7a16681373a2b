/* SHA-256 of keys and comparison in constant time: no key is ever compared, or kept, as it is. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

#include "access/access.h"

void access_hash(const char *key, size_t n, char out[65])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)key, n, digest);
	for (size_t i = 0; i < sizeof(digest); i++) {
		out[2 * i] = hex[digest[i] >> 4];
		out[2 * i + 1] = hex[digest[i] & 15];
	}
	out[64] = '\0';
	OPENSSL_cleanse(digest, sizeof(digest));
}

uint64_t access_hash64(uint64_t secret, const void *data, size_t n)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	uint64_t out = 0;
	unsigned int size;

	if (HMAC(EVP_sha256(), &secret, sizeof(secret), data, n, digest, &size))
		memcpy(&out, digest, sizeof(out));
	return out;
}

bool access_equal(const char *a, const char *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}
