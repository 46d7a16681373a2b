/*
 * Bump allocation. The first chunk is small, since many requests need little; each further one
 * doubles up to 64 KB. What is larger than a quarter of a chunk gets a chunk of its own, so that
 * one big piece neither wastes the rest of the open chunk nor inflates the next.
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spare.h"

#define CHUNK_FIRST 2048
#define CHUNK_LAST (64 * 1024)
#define EXPECT_MAX (1024 * 1024)

/* The open chunk is the first of the list; chunks of one big piece stand behind it. */
struct arena_chunk {
	struct arena_chunk *next;
	size_t size, used;
	int dirty;              /* not zeroed: a spare block that has served before */
	alignas(max_align_t) char data[];
};

void arena_init(struct arena *a, size_t max)
{
	*a = (struct arena){ .max = max };
}

void arena_expect(struct arena *a, size_t n)
{
	a->first = n > EXPECT_MAX ? EXPECT_MAX : n;
}

void arena_release(struct arena *a)
{
	struct arena_chunk *c, *next;

	if (!a)
		return;
	for (c = a->chunks; c; c = next) {
		next = c->next;
		spare_give(c, sizeof(*c) + c->size);
	}
	*a = (struct arena){ .max = a->max };
}

static void *arena_fail(struct arena *a)
{
	a->failed = true;
	return NULL;
}

/* calloc: fresh pages come zeroed from the system, so large pieces are not cleared twice. */
static struct arena_chunk *chunk_new(size_t size)
{
	size_t whole = sizeof(struct arena_chunk) + size;
	struct arena_chunk *c;
	int dirty = 0;

	c = whole >= SPARE_LEAST ? spare_take(whole, &whole, &dirty) : calloc(1, whole);
	if (c)
		*c = (struct arena_chunk){ .size = whole - sizeof(*c), .dirty = dirty };
	return c;
}

static void *chunk_cut(struct arena_chunk *c, size_t n)
{
	void *p = c->data + c->used;

	c->used += n;
	return c->dirty ? memset(p, 0, n) : p;
}

static void *alloc_alone(struct arena *a, size_t n)
{
	struct arena_chunk *c = chunk_new(n);

	if (!c)
		return arena_fail(a);
	if (a->chunks) {
		c->next = a->chunks->next;
		a->chunks->next = c;
	} else {
		a->chunks = c;
	}
	return chunk_cut(c, n);
}

static struct arena_chunk *chunk_open(struct arena *a, size_t n)
{
	size_t size = CHUNK_FIRST;
	struct arena_chunk *c;

	if (a->chunks)
		size = a->chunks->size >= CHUNK_LAST / 2 ? CHUNK_LAST : a->chunks->size * 2;
	else if (size < a->first)
		size = a->first;
	while (size < n)
		size *= 2;
	c = chunk_new(size);
	if (!c)
		return NULL;
	c->next = a->chunks;
	a->chunks = c;
	return c;
}

void *arena_alloc(struct arena *a, size_t n)
{
	const size_t align = alignof(max_align_t);
	struct arena_chunk *c = a->chunks;
	void *p;

	if (a->max && n > a->max - a->used)
		a->full = true;
	if (a->failed || n > SIZE_MAX / 2 || a->full)
		return arena_fail(a);
	n = n ? (n + align - 1) / align * align : align;
	if (!c || n > c->size - c->used) {
		if (n > CHUNK_LAST / 4) {
			p = alloc_alone(a, n);
			if (p)
				a->used += n;
			goto out;
		}
		c = chunk_open(a, n);
		if (!c)
			return arena_fail(a);
	}
	p = chunk_cut(c, n);
	a->used += n;
out:
	/* Rounding up may step over the limit by less than one unit: used never exceeds max. */
	if (a->max && a->used > a->max)
		a->used = a->max;
	return p;
}

void *arena_grow(struct arena *a, void *vec, size_t n, size_t *cap, size_t size)
{
	size_t more;
	void *p;

	if (n < *cap)
		return vec;
	more = *cap ? *cap * 2 : 8;
	if (more <= n)
		more = n + 1;
	if (more > SIZE_MAX / 2 / size)
		return arena_fail(a);
	p = arena_alloc(a, more * size);
	if (!p)
		return NULL;
	/* A caller may ask for more than one further item: only *cap of them are there to be
	 * copied. */
	if (*cap)
		memcpy(p, vec, *cap * size);
	*cap = more;
	return p;
}

char *arena_dup(struct arena *a, const char *p, size_t n)
{
	char *to;

	if (n == SIZE_MAX)
		return arena_fail(a);
	to = arena_alloc(a, n + 1);
	if (to && n)
		memcpy(to, p, n);
	return to;
}

struct str arena_str(struct arena *a, struct str s)
{
	char *p = arena_dup(a, s.p, s.n);

	return p ? (struct str){ p, s.n } : STR_NONE;
}

struct str arena_buf(struct arena *a, const struct buf *b)
{
	if (!b->failed)
		return arena_str(a, buf_str(b));
	arena_fail(a);
	return STR_NONE;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	int n;
	char *p;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return arena_fail(a);
	p = arena_alloc(a, (size_t)n + 1);
	if (!p)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}
