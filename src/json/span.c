/*
 * Spans: questions about them, and their three ways out: as a JSON string, a JSON value, plain
 * text.
 */
#include "json/span.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "json/escape.h"
#include "json/swar.h"

static bool span_begins(struct span s, char c)
{
	return s.form == SPAN_JSON && s.n && s.p[0] == c;
}

bool span_is_null(struct span s)
{
	return s.form == SPAN_NONE || span_begins(s, 'n');
}

bool span_is_object(struct span s)
{
	return span_begins(s, '{');
}

bool span_is_array(struct span s)
{
	return span_begins(s, '[');
}

bool span_is_string(struct span s)
{
	return s.form == SPAN_STR || s.form == SPAN_UTF8 || span_begins(s, '"');
}

struct span span_unquote(struct span s)
{
	if (span_begins(s, '"') && s.n >= 2)
		return (struct span){ s.p + 1, s.n - 2, SPAN_STR };
	return s;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The code unit of the \uXXXX at p, -1 when there is none. */
int32_t escape_unit(const char *p, const char *end)
{
	int32_t v = 0;

	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		int d = hex_digit(p[i]);

		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

/* What the escape at *p stands for, at most 6 bytes; *p moves behind it. A lone surrogate, and
 * what a scanner would not have passed, stays as it is. */
static size_t resolve(const char **p, const char *end, char out[6])
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at = *p, *letter;
	int32_t unit = escape_unit(at, end), low;

	if (unit < 0) {
		letter = end - at >= 2 && at[1] ? strchr(from, at[1]) : NULL;
		out[0] = letter ? to[letter - from] : '\\';
		*p = at + (letter ? 2 : 1);
		return 1;
	}
	*p = at + 6;
	if (unit < 0xd800 || unit > 0xdfff)
		return utf8_put(out, (uint32_t)unit);
	low = unit < 0xdc00 ? escape_unit(at + 6, end) : -1;
	if (low < 0xdc00 || low > 0xdfff) {
		memcpy(out, at, 6);
		return 6;
	}
	*p = at + 12;
	return utf8_put(out, 0x10000 + ((uint32_t)(unit & 0x3ff) << 10 | (uint32_t)(low & 0x3ff)));
}

/* Reads the text of a span in pieces: stretches without escapes, and what escapes stand for. */
struct pieces {
	const char *p, *end;
	bool escaped;
	char held[6];
};

static void pieces_init(struct pieces *r, struct span s)
{
	s = span_unquote(s);
	*r = (struct pieces){ .p = s.n ? s.p : "", .escaped = s.form == SPAN_STR };
	r->end = r->p + s.n;
}

static bool pieces_next(struct pieces *r, struct str *piece)
{
	const char *from = r->p, *backslash;

	if (from == r->end)
		return false;
	if (r->escaped && *from == '\\') {
		*piece = (struct str){ r->held, resolve(&r->p, r->end, r->held) };
		return true;
	}
	backslash = r->escaped ? memchr(from, '\\', (size_t)(r->end - from)) : NULL;
	r->p = backslash ? backslash : r->end;
	*piece = (struct str){ from, (size_t)(r->p - from) };
	return true;
}

bool span_eq(struct span a, struct span b)
{
	struct pieces ra, rb;
	struct str pa = STR_NONE, pb = STR_NONE;
	size_t n;

	if (a.form == b.form && a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0))
		return true;
	if (!span_is_string(a) || !span_is_string(b))
		return false;
	pieces_init(&ra, a);
	pieces_init(&rb, b);
	for (;;) {
		if (!pa.n && !pieces_next(&ra, &pa))
			return !pb.n && !pieces_next(&rb, &pb);
		if (!pb.n && !pieces_next(&rb, &pb))
			return false;
		n = pa.n < pb.n ? pa.n : pb.n;
		if (memcmp(pa.p, pb.p, n) != 0)
			return false;
		pa = (struct str){ pa.p + n, pa.n - n };
		pb = (struct str){ pb.p + n, pb.n - n };
	}
}

/* Nearly every name and value that is compared differs in its first byte or its length. */
bool span_is(struct span s, const char *cstr)
{
	struct span u = span_unquote(s);
	bool plain = u.form == SPAN_UTF8;
	size_t n;

	if (!span_is_string(s))
		return false;
	if (u.n && u.p[0] != cstr[0] && (plain || u.p[0] != '\\'))
		return false;
	n = strlen(cstr);
	/* Escapes only make a text longer than what it says. */
	if (u.n < n)
		return false;
	if (plain || !str_chr((struct str){ u.p, u.n }, '\\'))
		return str_eq((struct str){ u.p, u.n }, (struct str){ cstr, n });
	return span_eq(u, span_utf8(str_of(cstr)));
}

bool span_blank(struct span s)
{
	struct pieces r;
	struct str piece;

	if (span_is_null(s))
		return true;
	if (!span_is_string(s))
		return false;
	pieces_init(&r, s);
	while (pieces_next(&r, &piece))
		if (str_trim(piece).n)
			return false;
	return true;
}

bool span_true(struct span s)
{
	return span_begins(s, 't');
}

bool span_int(struct span s, int64_t *out)
{
	return s.form == SPAN_JSON && str_int((struct str){ s.p, s.n }, out);
}

bool span_double(struct span s, double *out)
{
	char text[512], *end;

	if (s.form != SPAN_JSON || !s.n || s.n >= sizeof(text))
		return false;
	if (s.p[0] != '-' && (s.p[0] < '0' || s.p[0] > '9'))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	*out = strtod(text, &end);
	return *end == '\0';
}

size_t escape_char(char c, char out[6])
{
	static const char short_form[32] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r',
	};
	static const char hex[] = "0123456789abcdef";
	unsigned char u = (unsigned char)c;

	out[0] = '\\';
	if (u >= 0x20 || short_form[u]) {
		out[1] = u >= 0x20 ? c : short_form[u];
		return 2;
	}
	memcpy(out + 1, "u00", 3);
	out[4] = hex[u >> 4];
	out[5] = hex[u & 15];
	return 6;
}

static int put_escaped(struct buf *b, struct span s)
{
	const char *p = s.n ? s.p : "", *end = p + s.n, *stop;
	char escape[6];

	while (p < end) {
		stop = swar_plain_run(p, end);
		buf_put(b, p, (size_t)(stop - p));
		p = stop;
		if (p < end)
			buf_put(b, escape, escape_char(*p++, escape));
	}
	return b->failed ? -1 : 0;
}

int span_put_content(struct buf *b, struct span s)
{
	s = span_unquote(s);
	if (s.form == SPAN_STR)
		return buf_put(b, s.p, s.n);
	return put_escaped(b, s);
}

int span_put_string(struct buf *b, struct span s)
{
	buf_putc(b, '"');
	span_put_content(b, s);
	return buf_putc(b, '"');
}

int span_put_value(struct buf *b, struct span s)
{
	if (s.form == SPAN_NONE)
		return buf_puts(b, "null");
	return s.form == SPAN_JSON ? buf_put(b, s.p, s.n) : span_put_string(b, s);
}

int span_put_text(struct buf *b, struct span s)
{
	struct pieces r;
	struct str piece;

	pieces_init(&r, s);
	while (pieces_next(&r, &piece))
		buf_put_str(b, piece);
	return b->failed ? -1 : 0;
}

size_t span_text_size(struct span s)
{
	struct pieces r;
	struct str piece;
	size_t n = 0;

	pieces_init(&r, s);
	while (pieces_next(&r, &piece))
		n += piece.n;
	return n;
}
