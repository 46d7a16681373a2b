/*
 * The scanner. A value is passed over by a small state machine that remembers the kinds of the open
 * containers in a bit stack; strings are read eight bytes at a time, and UTF-8 is looked at only
 * where a high byte stands.
 *
 * Whether a comma must come before a member or element needs no memory: right after the opening
 * bracket that bracket is the byte before the scanner, and no value ends in one.
 */
#include "json/scan.h"

#include <stdarg.h>
#include <string.h>

#include "base/utf8.h"
#include "json/swar.h"

void scan_init(struct scan *s, struct str text)
{
	const char *p = text.p ? text.p : "";

	*s = (struct scan){ .p = p, .start = p, .end = p + text.n };
}

static bool scan_fail(struct scan *s, const char *at, const char *error)
{
	if (!s->error) {
		s->error = error;
		s->error_at = (size_t)(at - s->start);
	}
	return false;
}

/* At `at` something else was expected: says what, or that the text is cut there. */
static bool scan_expected(struct scan *s, const char *at, const char *what)
{
	return scan_fail(s, at, at >= s->end ? "unexpected end of the text" : what);
}

static inline const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

static inline bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static const bool escape_letter[256] = {
	['"'] = true, ['\\'] = true, ['/'] = true, ['b'] = true,
	['f'] = true, ['n'] = true, ['r'] = true, ['t'] = true,
};

/* p is at a backslash; returns what follows the escape, NULL on error. */
static const char *skip_escape(struct scan *s, const char *p)
{
	const char *escape = p++;

	if (p == s->end)
		goto cut;
	if (*p != 'u') {
		if (escape_letter[(unsigned char)*p])
			return p + 1;
		scan_fail(s, escape, "invalid escape in a string");
		return NULL;
	}
	p++;
	for (int i = 0; i < 4; i++, p++) {
		if (p == s->end)
			goto cut;
		if (!is_hex(*p)) {
			scan_fail(s, escape, "invalid \\u escape in a string");
			return NULL;
		}
	}
	return p;
cut:
	scan_fail(s, p, "unexpected end of the text in a string");
	return NULL;
}

/* p stands behind the opening quote; returns the closing one, NULL on error. */
static const char *skip_string(struct scan *s, const char *p)
{
	const char *end = s->end;

	for (;;) {
		p = swar_ascii_run(p, end);
		if (p == end) {
			scan_fail(s, p, "unexpected end of the text in a string");
			return NULL;
		}
		if (*p == '"')
			return p;
		if (*p == '\\') {
			p = skip_escape(s, p);
			if (!p)
				return NULL;
			continue;
		}
		if ((unsigned char)*p < 0x20) {
			scan_fail(s, p, "unescaped control character in a string");
			return NULL;
		}
		do {
			size_t n = utf8_sequence(p, (size_t)(end - p));

			if (!n) {
				scan_fail(s, p, "invalid UTF-8 in a string");
				return NULL;
			}
			p += n;
		} while (p < end && (unsigned char)*p > 0x7f);
	}
}

/* At least one digit; NULL when there is none. */
static const char *skip_digits(const char *p, const char *end)
{
	const char *from = p;

	while (p < end && is_digit(*p))
		p++;
	return p > from ? p : NULL;
}

/* RFC 8259, section 6. Returns what follows, NULL on error. */
static const char *skip_number(struct scan *s, const char *p)
{
	const char *end = s->end, *number = p;

	if (*p == '-')
		p++;
	if (p < end && *p == '0')
		p++;
	else
		p = skip_digits(p, end);
	if (p && p < end && *p == '.')
		p = skip_digits(p + 1, end);
	if (p && p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		p = skip_digits(p, end);
	}
	if (!p)
		scan_fail(s, number, "invalid number");
	return p;
}

static const char *skip_literal(struct scan *s, const char *p, const char *word, size_t n)
{
	if ((size_t)(s->end - p) >= n && memcmp(p, word, n) == 0)
		return p + n;
	scan_fail(s, p, "invalid literal");
	return NULL;
}

/* A string, number or literal at p; returns what follows, NULL on error. */
static const char *skip_scalar(struct scan *s, const char *p)
{
	switch (*p) {
	case '"':
		p = skip_string(s, p + 1);
		return p ? p + 1 : NULL;
	case 't':
		return skip_literal(s, p, "true", 4);
	case 'f':
		return skip_literal(s, p, "false", 5);
	case 'n':
		return skip_literal(s, p, "null", 4);
	case '-': case '0': case '1': case '2': case '3': case '4':
	case '5': case '6': case '7': case '8': case '9':
		return skip_number(s, p);
	default:
		scan_fail(s, p, "unexpected character");
		return NULL;
	}
}

/* One bit for each open container: set for an object. */
struct kinds {
	uint64_t bits[JSON_MAX_DEPTH / 64];
};

static inline void kinds_set(struct kinds *k, unsigned depth, bool object)
{
	uint64_t bit = UINT64_C(1) << (depth & 63);

	if (object)
		k->bits[depth / 64] |= bit;
	else
		k->bits[depth / 64] &= ~bit;
}

static inline bool kinds_object(const struct kinds *k, unsigned depth)
{
	return k->bits[depth / 64] >> (depth & 63) & 1;
}

static bool depth_enter(struct scan *s, unsigned depth, const char *at)
{
	return depth < JSON_MAX_DEPTH || scan_fail(s, at, "nested more than 128 deep");
}

/* A member's name and colon, white space before each; returns what follows. *key may be NULL. */
static const char *skip_name(struct scan *s, const char *p, struct span *key)
{
	const char *name, *quote;

	p = skip_space(p, s->end);
	if (p == s->end || *p != '"') {
		scan_expected(s, p, "expected a member's name in quotes");
		return NULL;
	}
	name = p + 1;
	quote = skip_string(s, name);
	if (!quote)
		return NULL;
	if (key)
		*key = (struct span){ name, (size_t)(quote - name), SPAN_STR };
	p = skip_space(quote + 1, s->end);
	if (p == s->end || *p != ':') {
		scan_expected(s, p, "expected ':' after a member's name");
		return NULL;
	}
	return p + 1;
}

/*
 * Passes over the value at p. VALUE: one must stand there; FIRST: right behind an opening bracket;
 * NEXT: behind a complete value.
 */
static const char *skip_value(struct scan *s, const char *p)
{
	enum { VALUE, FIRST, NEXT } state = VALUE;
	struct kinds kinds = { { 0 } };
	unsigned depth = s->depth;
	bool object = false;

	for (;;) {
		p = skip_space(p, s->end);
		if (p == s->end) {
			scan_expected(s, p, "");
			return NULL;
		}
		if (state == VALUE) {
			if (*p == '{' || *p == '[') {
				if (!depth_enter(s, depth, p))
					return NULL;
				object = *p++ == '{';
				kinds_set(&kinds, depth++, object);
				state = FIRST;
				continue;
			}
			p = skip_scalar(s, p);
			if (!p)
				return NULL;
		} else if (*p == (object ? '}' : ']')) {
			p++;
			depth--;
		} else if (state == NEXT && *p != ',') {
			scan_fail(s, p, object ? "expected ',' or '}'" : "expected ',' or ']'");
			return NULL;
		} else {
			p += state == NEXT;
			if (object)
				p = skip_name(s, p, NULL);
			if (!p)
				return NULL;
			state = VALUE;
			continue;
		}
		if (depth == s->depth)
			return p;
		object = kinds_object(&kinds, depth - 1);
		state = NEXT;
	}
}

char scan_peek(struct scan *s)
{
	char c;

	if (s->error)
		return 0;
	s->p = skip_space(s->p, s->end);
	if (s->p == s->end)
		return 0;
	c = *s->p;
	switch (c) {
	case '{': case '[': case '"': case 't': case 'f': case 'n':
		return c;
	case '-': case '0': case '1': case '2': case '3': case '4':
	case '5': case '6': case '7': case '8': case '9':
		return '0';
	default:
		scan_fail(s, s->p, "unexpected character");
		return 0;
	}
}

struct span scan_value(struct scan *s)
{
	const char *from, *to;

	if (s->error)
		return SPAN_ABSENT;
	from = skip_space(s->p, s->end);
	to = skip_value(s, from);
	if (!to)
		return SPAN_ABSENT;
	s->p = to;
	return (struct span){ from, (size_t)(to - from), SPAN_JSON };
}

struct span scan_any(struct scan *s)
{
	struct span v = scan_value(s);

	return v.n && v.p[0] == '"' ? span_unquote(v) : v;
}

static bool scan_enter(struct scan *s, char bracket, const char *expected)
{
	if (s->error)
		return false;
	s->p = skip_space(s->p, s->end);
	if (s->p == s->end || *s->p != bracket)
		return scan_expected(s, s->p, expected);
	if (!depth_enter(s, s->depth, s->p))
		return false;
	s->depth++;
	s->p++;
	return true;
}

bool scan_object(struct scan *s)
{
	return scan_enter(s, '{', "expected an object");
}

bool scan_array(struct scan *s)
{
	return scan_enter(s, '[', "expected an array");
}

/* Moves to where the next member or element begins; false at the closing bracket or on error. */
static bool scan_next(struct scan *s, char open, char close, const char *expected)
{
	bool first;

	if (s->error || !s->depth)
		return false;
	first = s->p[-1] == open;
	s->p = skip_space(s->p, s->end);
	if (s->p < s->end && *s->p == close) {
		s->p++;
		s->depth--;
		return false;
	}
	if (first)
		return s->p < s->end || scan_expected(s, s->p, expected);
	if (s->p == s->end || *s->p != ',')
		return scan_expected(s, s->p, expected);
	s->p++;
	return true;
}

bool scan_member(struct scan *s, struct span *key)
{
	const char *p;

	*key = SPAN_ABSENT;
	if (!scan_next(s, '{', '}', "expected ',' or '}'"))
		return false;
	p = skip_name(s, s->p, key);
	if (!p)
		return false;
	s->p = p;
	return true;
}

bool scan_element(struct scan *s)
{
	return scan_next(s, '[', ']', "expected ',' or ']'");
}

bool scan_end(struct scan *s)
{
	if (s->error)
		return false;
	s->p = skip_space(s->p, s->end);
	return s->p == s->end || scan_fail(s, s->p, "unexpected bytes after the value");
}

int json_check(struct str text, const char **error, size_t *at)
{
	struct scan s;

	scan_init(&s, text);
	scan_value(&s);
	if (scan_end(&s))
		return 0;
	if (error)
		*error = s.error;
	if (at)
		*at = s.error_at;
	return -1;
}

bool json_each(struct span arr, struct scan *it)
{
	scan_init(it, (struct str){ arr.p, arr.n });
	return span_is_array(arr) && scan_array(it);
}

bool json_each_member(struct span obj, struct scan *it)
{
	scan_init(it, (struct str){ obj.p, obj.n });
	return span_is_object(obj) && scan_object(it);
}

struct span json_get(struct span obj, const char *key)
{
	struct span found = SPAN_ABSENT, name, value;
	struct scan it;

	if (!json_each_member(obj, &it))
		return SPAN_ABSENT;
	while (scan_member(&it, &name)) {
		value = scan_any(&it);
		if (span_is(name, key))
			found = value;
	}
	return found;
}

struct span json_path(struct span obj, ...)
{
	const char *key;
	va_list ap;

	va_start(ap, obj);
	while ((key = va_arg(ap, const char *)))
		obj = json_get(obj, key);
	va_end(ap);
	return obj;
}
