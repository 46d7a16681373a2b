/*
 * An outgoing body as a list of segments: borrowed spans and small copies. The length is known, it can be read
 * several times (retry, signing), and an 8 MB image is never copied. Copies live in the arena given at init.
 */
#ifndef JSON_SEGS_H
#define JSON_SEGS_H

#include "base/arena.h"
#include "json/span.h"

/* Spans of at least this many bytes are borrowed, shorter ones copied. */
#define SEG_BORROW_MIN 2048

struct seg {
	const char *p;
	size_t n;
};

struct segs {
	struct arena *arena;
	struct seg *v;
	size_t n, cap;
	size_t total;           /* bytes of the whole body */
	char *room;             /* open copy chunk: where the next copied byte goes */
	size_t left;
	size_t chunk;           /* size of the last copy chunk */
	bool failed;            /* sticky; out of memory or over the arena's limit */
};

void segs_init(struct segs *s, struct arena *a);
void segs_put(struct segs *s, const void *p, size_t n);         /* copies */
void segs_puts(struct segs *s, const char *cstr);
void segs_put_int(struct segs *s, int64_t v);
void segs_add(struct segs *s, struct str text);                 /* borrows when long, copies when short */
/* Counterparts of span_put_*: long stretches that need no change are borrowed. */
void segs_string(struct segs *s, struct span v);
void segs_content(struct segs *s, struct span v);
void segs_value(struct segs *s, struct span v);
/* ,"key": — with the comma unless *first (which it clears). key needs no escaping. */
void segs_key(struct segs *s, bool *first, const char *key);

/* Copies out up to n bytes from offset `at` (0 … total); returns how many. Sequential reads are fast through *hint
 * (start with 0; it remembers the segment and its offset). */
struct segs_cursor { size_t i, off; };
size_t segs_read(const struct segs *s, struct segs_cursor *c, char *out, size_t n);
void segs_seek(const struct segs *s, struct segs_cursor *c, size_t at);
/* The whole body appended to b, for tests, logs of sizes and small bodies. */
int segs_flatten(const struct segs *s, struct buf *b);

#endif
