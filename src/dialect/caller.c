/*
 * The name of the client's access key, cut to what the field of each provider takes. A name that is
 * too long keeps its beginning, for people, and gets a hash of the whole, so that two of them stay
 * two. A character that the field refuses becomes a hyphen.
 */
#include "dialect/caller.h"

#include <ctype.h>
#include <openssl/sha.h>
#include <string.h>

#define HASH_DIGITS 16
#define NAME_MAX_ANY 256        /* the longest field of the table */

/*
 * Field | longest value | characters beside letters and digits; NULL: any | only small letters.
 * docs.cloud.google.com, "Custom metadata labels" (Vertex AI); Converse's requestMetadata in Amazon
 * Bedrock's API reference; developers.openai.com/api/reference for safety_identifier, whose 64
 * characters stand here for every other field too.
 */
static const struct field_rule {
	const char *outer;
	size_t max;
	const char *others;
	bool small;
} rules[] = {
	{ "labels", 63, "_-", true },
	{ "requestMetadata", 256, " :_@$#=/+,-.", false },
	{ NULL, 64, NULL, false },
};

bool caller_field(const struct backend *b, const struct message_request *r,
		  struct caller_field *f)
{
	f->inner = str_of(b->user_member);
	return b->user && r->caller && *r->caller && str_split(&f->inner, '.', &f->outer) &&
	       f->outer.n > 0;
}

static const struct field_rule *rule_of(struct str outer)
{
	const struct field_rule *r = rules;

	while (r->outer && !str_is(outer, r->outer))
		r++;
	return r;
}

static bool takes(const struct field_rule *rule, unsigned char c)
{
	return c < 0x80 && c && (isalnum(c) || strchr(rule->others, c));
}

/* At most NAME_MAX_ANY + 1 bytes, so that a longer one is seen to be too long. */
static size_t clean(const struct field_rule *rule, struct str name, char *out)
{
	size_t n = 0;

	if (!rule->others) {
		n = name.n > NAME_MAX_ANY ? NAME_MAX_ANY + 1 : name.n;
		memcpy(out, name.p, n);
		return n;
	}
	for (size_t i = 0; i < name.n && n <= NAME_MAX_ANY; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if ((c & 0xc0) == 0x80) /* the rest of a character that is a hyphen by now */
			continue;
		out[n++] = !takes(rule, c) ? '-' : rule->small ? (char)tolower(c) : (char)c;
	}
	return n;
}

static size_t put_hash(struct str name, char *out)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char md[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)name.p, name.n, md);
	for (size_t i = 0; i < HASH_DIGITS; i++)
		out[i] = hex[i % 2 ? md[i / 2] & 15 : md[i / 2] >> 4];
	return HASH_DIGITS;
}

struct str caller_name(struct arena *a, const struct message_request *r,
		       const struct caller_field *f)
{
	const struct field_rule *rule = rule_of(f->outer);
	struct str name = str_of(r->caller);
	char out[NAME_MAX_ANY + 1];
	size_t n = clean(rule, name, out);

	if (n > rule->max) {
		n = str_cut_utf8((struct str){ out, n }, rule->max - HASH_DIGITS - 1).n;
		out[n++] = '-';
		n += put_hash(name, out + n);
	}
	return arena_str(a, (struct str){ out, n });
}
