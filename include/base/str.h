/*
 * Borrowed text: a pointer and a length, not NUL-terminated, never owned.
 * What knows nothing of the rest of the program lives in base/.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For functions whose frame must not become part of their caller's: what holds a fault (2 KB) and is
 * called from below a running stream, whose stack stays as deep as it ever was. */
#define NOINLINE __attribute__((noinline))
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

struct str {
	const char *p;
	size_t n;
};

#define STR(lit) ((struct str){ (lit), sizeof(lit) - 1 })
#define STR_NONE ((struct str){ NULL, 0 })
/* For printf's "%.*s"; cut at INT_MAX. */
#define STR_ARGS(s) (int)((s).n > INT32_MAX ? INT32_MAX : (s).n), ((s).p ? (s).p : "")

struct str str_of(const char *cstr);            /* NULL gives the empty str */
bool str_eq(struct str a, struct str b);
bool str_is(struct str a, const char *cstr);
bool str_eq_nocase(struct str a, struct str b);
bool str_is_nocase(struct str a, const char *cstr);
bool str_starts(struct str s, const char *prefix);
bool str_starts_nocase(struct str s, const char *prefix);
bool str_ends(struct str s, const char *suffix);
bool str_ends_nocase(struct str s, const char *suffix);
struct str str_trim(struct str s);              /* spaces, tabs, CR and LF at both ends */
/*
 * An absent str has a NULL pointer, which memchr, memcmp and memcpy may not be given and to which
 * nothing may be added, not even 0: what may be absent is searched and cut by these.
 */
const char *str_chr(struct str s, char c);      /* the first c, NULL without one */
struct str str_from(struct str s, size_t at);   /* what stands from at (<= n) on */
/* Where needle (n > 0) begins in s, or NULL; the second one folds ASCII case. */
const char *str_find(struct str s, const char *needle);
const char *str_find_nocase(struct str s, const char *needle);
/* Takes what stands before sep off *rest; false when *rest is used up. */
bool str_split(struct str *rest, char sep, struct str *part);
/* Decimal, optional '-', whole text; false when it is no number or out of range. */
bool str_int(struct str s, int64_t *out) MUST_CHECK;
/* Shell pattern with '*' and '?' alone; compares ASCII case-insensitively. Linear in practice:
 * one star is remembered at a time. */
bool str_glob(const char *pattern, struct str s);
/* The longest prefix of at most max bytes that does not cut a UTF-8 sequence. */
struct str str_cut_utf8(struct str s, size_t max);
/* True if all of s is well-formed UTF-8 (RFC 3629). */
bool str_utf8(struct str s);
/* The same on every machine and in every run. Choices that must not go together by chance (of a
 * backend, of its key) take seeds of their own. */
uint64_t str_hash(uint64_t seed, struct str s);

#endif
