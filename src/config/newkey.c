/* --new-key: a key is shown once, to be given to a client; the config only ever holds its hash. */
#include "config/config.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#define KEY_BYTES 32
#define KEY_PREFIX "sk-mf-"

static void hex(const unsigned char *p, size_t n, char *out)
{
	size_t i;

	for (i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", p[i]);
}

static bool key_name_ok(const char *name)
{
	return name && *name && strlen(name) <= 64 &&
	       !name[strspn(name,
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.@-")];
}

int config_new_key(const char *name, FILE *out)
{
	char key[sizeof(KEY_PREFIX) + 2 * KEY_BYTES] = KEY_PREFIX, hash[2 * EVP_MAX_MD_SIZE + 1];
	unsigned char bytes[KEY_BYTES], digest[EVP_MAX_MD_SIZE];
	unsigned n;

	if (!key_name_ok(name)) {
		fprintf(out, "a key's name has 1 to 64 letters, digits, '_', '-', '.' and '@'\n");
		return 2;
	}
	if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
		fprintf(out, "the system gives no random bytes\n");
		return 1;
	}
	hex(bytes, sizeof(bytes), key + strlen(KEY_PREFIX));
	if (!EVP_Digest(key, strlen(key), digest, &n, EVP_sha256(), NULL)) {
		fprintf(out, "libcrypto has no SHA-256\n");
		return 1;
	}
	hex(digest, n, hash);
	fprintf(out, "The key, which is not shown again:\n\n    %s\n\n", key);
	fprintf(out,
		"In the config file, one of these in access.keys:\n\n"
		"    access = { keys = ( { name = \"%s\"; sha256 = \"%s\"; } ); };\n\n",
		name, hash);
	fprintf(out, "or a line in the file that access.keys_file names:\n\n    %s %s\n\n", name,
		hash);
	fprintf(out, "Claude Code takes it as ANTHROPIC_AUTH_TOKEN (or ANTHROPIC_API_KEY).\n");
	return 0;
}
