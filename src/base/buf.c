/*
 * The growing byte buffer. Doubles, so that appending costs amortised O(1); a failed buffer stays
 * failed until buf_reset, so that a writer can ignore every single result.
 */
#include "base/buf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spare.h"

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_release(struct buf *b)
{
	if (!b)
		return;
	spare_give(b->p, b->cap);
	*b = (struct buf){ .max = b->max };
}

void buf_reset(struct buf *b)
{
	b->n = 0;
	b->failed = b->full = false;
}

static char *buf_fail(struct buf *b)
{
	b->failed = true;
	return NULL;
}

static char *buf_grow(struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : 64;
	char *p;
	int used;

	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	if (b->max && cap > b->max)
		cap = b->max;
	if (!b->p && cap >= SPARE_LEAST)
		p = spare_take(cap, &cap, &used);
	else
		p = realloc(b->p, cap);
	if (!p)
		return buf_fail(b);
	b->p = p;
	b->cap = cap;
	return p + b->n;
}

char *buf_room(struct buf *b, size_t more)
{
	size_t need = b->n + more;

	if (b->failed)
		return NULL;
	if (need < more || need > PTRDIFF_MAX || (b->max && need > b->max)) {
		b->full = true;
		return buf_fail(b);
	}
	/* Also for nothing at all: the caller gets a pointer that it may use. */
	if (need > b->cap || !b->p)
		return buf_grow(b, need);
	return b->p + b->n;
}

int buf_put(struct buf *b, const void *p, size_t n)
{
	char *to = buf_room(b, n);

	if (!to)
		return -1;
	if (n)
		memcpy(to, p, n);
	b->n += n;
	return 0;
}

int buf_putc(struct buf *b, char c)
{
	char *to = buf_room(b, 1);

	if (!to)
		return -1;
	*to = c;
	b->n++;
	return 0;
}

int buf_puts(struct buf *b, const char *cstr)
{
	return buf_put(b, cstr, strlen(cstr));
}

int buf_put_str(struct buf *b, struct str s)
{
	return buf_put(b, s.p, s.n);
}

int buf_put_int(struct buf *b, int64_t v)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%" PRId64, v);

	return buf_put(b, text, (size_t)n);
}

int buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;
	char *to;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0) {
		buf_fail(b);
		return -1;
	}
	/* vsnprintf ends with a NUL, which a buffer that is exactly full has no room for. */
	to = buf_room(b, (size_t)n);
	if (!to)
		return -1;
	if (b->cap - b->n > (size_t)n) {
		vsnprintf(to, (size_t)n + 1, fmt, ap);
	} else {
		char *text;

		if (vasprintf(&text, fmt, ap) < 0) {
			buf_fail(b);
			return -1;
		}
		memcpy(to, text, (size_t)n);
		free(text);
	}
	b->n += (size_t)n;
	return 0;
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = buf_vprintf(b, fmt, ap);
	va_end(ap);
	return rc;
}

void buf_consume(struct buf *b, size_t n)
{
	if (n >= b->n) {
		b->n = 0;
		return;
	}
	if (!n)
		return;
	memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

const char *buf_cstr(struct buf *b)
{
	char *end;
	size_t max = b->max;

	/* The NUL is no content: it may stand beyond the limit. */
	b->max = max ? max + 1 : 0;
	end = buf_room(b, 1);
	b->max = max;
	if (!end)
		return "";
	*end = '\0';
	return b->p;
}
