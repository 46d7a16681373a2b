/*
 * A growing byte buffer whose size limit is fixed at init. Failure (limit or memory) is sticky:
 * every later call is a no-op that returns -1, and the owner checks `failed` once, where its stage ends.
 * Embedded: buf_init/buf_release. p is NOT NUL-terminated; buf_cstr() makes it so.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include "base/str.h"

struct buf {
	char *p;
	size_t n, cap;
	size_t max;             /* bytes, 0: no limit */
	bool failed;
	bool full;              /* it failed at its limit, not for want of memory */
};

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b);
void buf_reset(struct buf *b);                  /* keeps the memory, clears n and failed */
/* Room for `more` bytes after n; returns where to write, NULL on failure. Then add to b->n. */
char *buf_room(struct buf *b, size_t more);
int buf_put(struct buf *b, const void *p, size_t n);
int buf_putc(struct buf *b, char c);
int buf_puts(struct buf *b, const char *cstr);
int buf_put_str(struct buf *b, struct str s);
int buf_put_int(struct buf *b, int64_t v);
int buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
int buf_vprintf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
/* Removes the first n bytes. */
void buf_consume(struct buf *b, size_t n);
const char *buf_cstr(struct buf *b);            /* "" on failure */
static inline struct str buf_str(const struct buf *b)
{
	return (struct str){ b->p, b->n };
}

#endif
