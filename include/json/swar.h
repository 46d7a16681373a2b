/*
 * Eight bytes at a time: finds the next byte of a JSON string that needs a look. Internal to
 * json/. Each byte of a word is compared in parallel; a borrow can only disturb bytes behind a
 * real hit, so that the first hit is always exact.
 */
#ifndef JSON_SWAR_H
#define JSON_SWAR_H

#include <stdint.h>
#include <string.h>

#define SWAR_ONES UINT64_C(0x0101010101010101)
#define SWAR_HIGH UINT64_C(0x8080808080808080)

static inline uint64_t swar_load(const char *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	w = __builtin_bswap64(w);
#endif
	return w;
}

/* High bits of the bytes that are a quote, a backslash or a control character; high bytes may
 * show too. */
static inline uint64_t swar_special(uint64_t w)
{
	uint64_t quote = w ^ (SWAR_ONES * '"'), backslash = w ^ (SWAR_ONES * '\\');

	return (w - SWAR_ONES * 0x20) | (quote - SWAR_ONES) | (backslash - SWAR_ONES);
}

/* The first byte that needs a look, if it lies in a whole word before end; else where fewer
 * than 8 bytes are left. */
static inline const char *swar_words(const char *p, const char *end)
{
	for (; end - p >= 8; p += 8) {
		uint64_t w = swar_load(p), hits = (swar_special(w) | w) & SWAR_HIGH;

		if (hits)
			return p + (__builtin_ctzll(hits) >> 3);
	}
	return p;
}

/* True if one of the 32 bytes at p needs a look. */
static inline int swar_block_hit(const char *p)
{
	uint64_t a = swar_load(p), b = swar_load(p + 8), c = swar_load(p + 16), d = swar_load(p + 24);

	return ((swar_special(a) | swar_special(b) | swar_special(c) | swar_special(d) | a | b | c | d) &
		SWAR_HIGH) != 0;
}

static inline int swar_look(char c)
{
	return (unsigned char)c < 0x20 || (unsigned char)c > 0x7f || c == '"' || c == '\\';
}

/* The first byte from p on that is a quote, a backslash, a control character or above 0x7f; end
 * if there is none. */
static inline const char *swar_ascii_run(const char *p, const char *end)
{
	/* Most strings are short; long ones are worth four words at once. */
	const char *near = end - p > 64 ? p + 32 : end;

	p = swar_words(p, near);
	if (near - p >= 8)
		return p;
	if (near < end) {
		while (end - p >= 32 && !swar_block_hit(p))
			p += 32;
		p = swar_words(p, end);
	}
	while (p < end && !swar_look(*p))
		p++;
	return p;
}

/* The same with high bytes passed over: what must be escaped when plain UTF-8 becomes a JSON
 * string. */
static inline const char *swar_plain_run(const char *p, const char *end)
{
	for (;;) {
		p = swar_ascii_run(p, end);
		while (p < end && (unsigned char)*p > 0x7f)
			p++;
		if (p == end || (unsigned char)*p < 0x20 || *p == '"' || *p == '\\')
			return p;
	}
}

#endif
