/*
 * Borrowed text: comparisons, searches and small parsers. Nothing here allocates.
 */
#include "base/str.h"

#include <string.h>

#include "base/os.h"
#include "base/utf8.h"

struct str str_of(const char *cstr)
{
	return cstr ? (struct str){ cstr, strlen(cstr) } : (struct str){ "", 0 };
}

bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool str_is(struct str a, const char *cstr)
{
	return str_eq(a, str_of(cstr));
}

/* Locale-free: the C library's tolower may be told otherwise by setlocale. */
static unsigned char fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : (unsigned char)c;
}

static bool equal_nocase(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fold(a[i]) != fold(b[i]))
			return false;
	return true;
}

bool str_eq_nocase(struct str a, struct str b)
{
	return a.n == b.n && equal_nocase(a.p, b.p, b.n);
}

bool str_is_nocase(struct str a, const char *cstr)
{
	return str_eq_nocase(a, str_of(cstr));
}

bool str_starts(struct str s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.n >= n && (n == 0 || memcmp(s.p, prefix, n) == 0);
}

bool str_starts_nocase(struct str s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.n >= n && equal_nocase(s.p, prefix, n);
}

bool str_ends(struct str s, const char *suffix)
{
	size_t n = strlen(suffix);

	return s.n >= n && (n == 0 || memcmp(s.p + s.n - n, suffix, n) == 0);
}

bool str_ends_nocase(struct str s, const char *suffix)
{
	size_t n = strlen(suffix);

	return s.n >= n && str_is_nocase(str_from(s, s.n - n), suffix);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
	while (s.n && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

const char *str_chr(struct str s, char c)
{
	return s.n ? memchr(s.p, c, s.n) : NULL;
}

struct str str_from(struct str s, size_t at)
{
	return at ? (struct str){ s.p + at, s.n - at } : s;
}

const char *str_find(struct str s, const char *needle)
{
	size_t n = strlen(needle);

	return n && s.n >= n ? os_find(s.p, s.n, needle, n) : NULL;
}

const char *str_find_nocase(struct str s, const char *needle)
{
	size_t n = strlen(needle);

	for (size_t i = 0; n && i + n <= s.n; i++)
		if (fold(s.p[i]) == fold(needle[0]) && equal_nocase(s.p + i, needle, n))
			return s.p + i;
	return NULL;
}

bool str_split(struct str *rest, char sep, struct str *part)
{
	const char *at;

	if (!rest->p)
		return false;
	at = str_chr(*rest, sep);
	if (!at) {
		*part = *rest;
		*rest = STR_NONE;
		return true;
	}
	*part = (struct str){ rest->p, (size_t)(at - rest->p) };
	rest->n -= part->n + 1;
	rest->p = at + 1;
	return true;
}

bool str_int(struct str s, int64_t *out)
{
	bool negative = s.n && s.p[0] == '-';
	size_t i = negative;
	uint64_t v = 0, limit = (uint64_t)INT64_MAX + negative;

	if (i == s.n)
		return false;
	for (; i < s.n; i++) {
		unsigned d = (unsigned char)s.p[i] - (unsigned)'0';

		if (d > 9 || v > (limit - d) / 10)
			return false;
		v = v * 10 + d;
	}
	*out = negative ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

bool str_glob(const char *pattern, struct str s)
{
	const char *star = NULL;
	size_t i = 0, star_at = 0;

	while (i < s.n) {
		if (*pattern == '*') {
			star = pattern++;
			star_at = i;
		} else if (*pattern && (*pattern == '?' || fold(*pattern) == fold(s.p[i]))) {
			pattern++;
			i++;
		} else if (star) {
			pattern = star + 1;
			i = ++star_at;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

struct str str_cut_utf8(struct str s, size_t max)
{
	size_t n = s.n;

	if (n <= max)
		return s;
	/* s.p[n] is the first byte that falls away: it must not be a continuation. */
	for (n = max; n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80; n--)
		;
	return (struct str){ s.p, n };
}

bool str_utf8(struct str s)
{
	const char *p = s.n ? s.p : "", *end = p + s.n;

	while (p < end) {
		uint64_t w;
		size_t len = 1;

		if (end - p >= 8) {
			memcpy(&w, p, 8);
			if (!(w & 0x8080808080808080u)) {
				p += 8;
				continue;
			}
		}
		if ((unsigned char)*p >= 0x80)
			len = utf8_sequence(p, (size_t)(end - p));
		if (!len)
			return false;
		p += len;
	}
	return true;
}

/* FNV-1a, its bits mixed at the end (the finalizer of splitmix64): FNV's own low bits are little
 * more than a parity of the text's, and choices take the remainder by a small number. */
uint64_t str_hash(uint64_t seed, struct str s)
{
	uint64_t h = UINT64_C(14695981039346656037) ^ seed;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * UINT64_C(1099511628211);
	h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
	return h ^ h >> 31;
}
