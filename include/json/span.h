/*
 * Opaque bytes stay bytes: a span is a piece of JSON that is copied, never parsed into numbers or trees.
 * Borrowed from the request body, an upstream event or an arena; valid as long as that is.
 */
#ifndef JSON_SPAN_H
#define JSON_SPAN_H

#include "base/buf.h"

enum span_form {
	SPAN_NONE,      /* absent */
	SPAN_JSON,      /* a whole JSON value: {"a":1}, 1.50, "x" with its quotes */
	SPAN_STR,       /* what stands between the quotes of a JSON string, still escaped */
	SPAN_UTF8,      /* plain text, to be escaped when it is written as JSON */
};

struct span {
	const char *p;
	size_t n;
	enum span_form form;
};

#define SPAN_ABSENT ((struct span){ NULL, 0, SPAN_NONE })

static inline bool span_given(struct span s) { return s.form != SPAN_NONE; }
static inline struct span span_utf8(struct str s) { return (struct span){ s.p, s.n, SPAN_UTF8 }; }
static inline struct span span_json(struct str s) { return (struct span){ s.p, s.n, SPAN_JSON }; }
static inline struct span span_str(struct str s) { return (struct span){ s.p, s.n, SPAN_STR }; }

/* First byte of a SPAN_JSON value tells its type: '{' '[' '"' 't' 'f' 'n' or a number's. */
bool span_is_null(struct span s);       /* absent or JSON null */
bool span_is_object(struct span s);
bool span_is_array(struct span s);
bool span_is_string(struct span s);     /* SPAN_STR, SPAN_UTF8 or a SPAN_JSON string */
/* "…" as SPAN_JSON -> SPAN_STR without the quotes; other forms unchanged. */
struct span span_unquote(struct span s);
/* True when the text equals cstr; escapes in SPAN_STR are resolved for the comparison. */
bool span_is(struct span s, const char *cstr);
bool span_eq(struct span a, struct span b);
/* No text, or only white space (escaped \n, \t, \r and spaces count). */
bool span_blank(struct span s);
bool span_true(struct span s);          /* JSON true */
/* A JSON integer in int64 range (1e3 and 1.0 are not integers); false otherwise. */
bool span_int(struct span s, int64_t *out) MUST_CHECK;
bool span_double(struct span s, double *out) MUST_CHECK;

/* Appends the text as a JSON string with quotes. SPAN_JSON that is no string is written as its own text,
 * escaped: that is what OpenAI's `arguments` wants. */
int span_put_string(struct buf *b, struct span s);
/* The same without the quotes, to put several pieces into one string. */
int span_put_content(struct buf *b, struct span s);
/* As a JSON value: SPAN_JSON as it stands, texts quoted. Absent writes null. */
int span_put_value(struct buf *b, struct span s);
/* As plain UTF-8 text. Escapes are resolved; \u0000 gives a NUL byte; a lone surrogate, which UTF-8 can't hold,
 * stays the six characters \uD800. SPAN_JSON that is no string is copied as its own text. */
int span_put_text(struct buf *b, struct span s);
/* Bytes that span_put_text would write, without writing them. */
size_t span_text_size(struct span s);

#endif
