/*
 * Tool names on the way to a backend and back. Backends take ^[A-Za-z0-9_-]{1,64}$, clients send
 * longer names (MCP servers prefix theirs) and odd characters. The codec keeps no table: the short
 * form is a readable beginning and a hash of the whole name, and the way back looks through the
 * tools that the request itself carries, so any process can serve any turn.
 */
#include <openssl/sha.h>
#include <string.h>

#include "dialect/dialect.h"

#define NAME_MAX_DEFAULT 64
#define HASH_CHARS 10 /* 50 bits, base 32 */

static bool name_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

static size_t limit_of(int max)
{
	return max > HASH_CHARS ? (size_t)max : NAME_MAX_DEFAULT;
}

static bool text_fits(struct str text, size_t max)
{
	if (text.n == 0 || text.n > max)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (!name_char(text.p[i]))
			return false;
	}
	return true;
}

bool name_fits(struct span name, int max)
{
	struct span text = span_unquote(name);

	if (text.form == SPAN_STR && str_chr((struct str){ text.p, text.n }, '\\')) {
		struct buf b;
		bool fits;

		buf_init(&b, 0);
		fits = !span_put_text(&b, text) && text_fits(buf_str(&b), limit_of(max));
		buf_release(&b);
		return fits;
	}
	return span_is_string(text) && text_fits((struct str){ text.p, text.n }, limit_of(max));
}

/* -1: libcrypto had no memory. */
static int hash_chars(struct str text, char out[HASH_CHARS])
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned char md[SHA256_DIGEST_LENGTH];
	uint64_t bits = 0;

	if (!SHA256((const unsigned char *)text.p, text.n, md))
		return -1;
	for (int i = 0; i < 8; i++)
		bits = bits << 8 | md[i];
	for (int i = 0; i < HASH_CHARS; i++, bits >>= 5)
		out[i] = digits[bits & 31];
	return 0;
}

/* Makes the name that stands at the end of b, from `at` on, short: runs of odd characters become
 * one '_'. */
static void shorten(struct buf *b, size_t at, size_t max)
{
	char hash[HASH_CHARS];
	char *p = b->p + at;
	size_t n = b->n - at, kept = 0, room = max - HASH_CHARS - 1;
	bool odd = false;

	if (hash_chars((struct str){ p, n }, hash)) {
		b->failed = true;
		return;
	}
	for (size_t i = 0; i < n && kept < room; i++) {
		bool good = name_char(p[i]);

		if (good || !odd)
			p[kept++] = good ? p[i] : '_';
		odd = !good;
	}
	b->n = at + kept;
	buf_putc(b, '_');
	buf_put(b, hash, sizeof(hash));
}

int name_encode(struct buf *b, struct span name, int max)
{
	size_t at = b->n;

	/* Room first, so that an empty name has a place as well. */
	if (!buf_room(b, 1) || span_put_text(b, span_unquote(name)))
		return -1;
	if (!text_fits((struct str){ b->p + at, b->n - at }, limit_of(max)))
		shorten(b, at, limit_of(max));
	return b->failed ? -1 : 0;
}

/* A name that fits is its own short form, so only the others cost a hash. False too when memory
 * ran out: b has failed then. */
static bool is_short_form(struct buf *b, struct span name, struct str encoded, int max)
{
	buf_reset(b);
	return name_encode(b, name, max) == 0 && str_eq(buf_str(b), encoded);
}

struct span name_restore(const struct message_request *r, struct str encoded, int max)
{
	struct span found = span_utf8(encoded);
	struct buf b;

	buf_init(&b, 0);
	for (size_t i = 0; i < r->ntools && !b.failed; i++) {
		struct span name = r->tools[i].name;

		if (span_given(name) && is_short_form(&b, name, encoded, max)) {
			found = name;
			break;
		}
	}
	if (b.failed)
		found = SPAN_ABSENT;
	buf_release(&b);
	return found;
}
