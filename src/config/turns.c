/*
 * Several keys of one backend: it is copied once for each, so that a call with another key is a
 * call to another struct and nothing behind the router need know of it.
 */
#include "config/draft.h"

#include <openssl/evp.h>
#include <string.h>

/* The host table must know a key again and must not hold it. */
static const char *mark(struct loader *l, const struct backend *b)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n;

	if (!b->api_key || !EVP_Digest(b->api_key, strlen(b->api_key), digest, &n, EVP_sha256(), NULL))
		return NULL;
	return arena_printf(l->arena, "%s#%02x%02x%02x%02x%02x%02x", b->name, digest[0], digest[1],
			    digest[2], digest[3], digest[4], digest[5]);
}

/* The first of the list is the key where there is no other. */
static void promote(struct loader *l, struct backend *b)
{
	if (b->api_key || !b->api_keys || !b->api_keys[0])
		return;
	b->api_key = b->api_keys[0];
	b->api_key_from = arena_printf(l->arena, "api_keys of backend %s", b->name);
	b->api_keys++;
}

void backend_keys(struct loader *l, struct backend *b)
{
	struct backend one, *ways;
	size_t n = 0;

	promote(l, b);
	b->key_mark = mark(l, b);
	b->ways = NULL;
	b->nways = 0;
	while (b->api_keys && b->api_keys[n])
		n++;
	ways = n ? arena_alloc(l->arena, (n + 1) * sizeof(*ways)) : NULL;
	if (!ways)
		return;
	one = *b;
	one.api_keys = NULL;
	ways[b->nways++] = one;
	one.credential = (struct credential_setting){ .kind = CREDENTIAL_KEY };
	for (size_t i = 0; i < n; i++) {
		one.api_key = b->api_keys[i];
		one.api_key_from =
			arena_printf(l->arena, "api_keys[%zu] of backend %s", i, b->name);
		one.key_mark = mark(l, &one);
		ways[b->nways++] = one;
	}
	b->ways = ways;
}
