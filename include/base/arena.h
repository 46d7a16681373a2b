/*
 * A request's memory: bump allocation from chunks, freed all at once. The limit (bytes) is fixed at
 * init; failure is sticky like buf's, returns NULL and is checked where a stage ends.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/buf.h"

struct arena_chunk;
struct arena {
	struct arena_chunk *chunks;
	size_t first;           /* bytes of the first chunk; 0: the usual */
	size_t used, max;       /* bytes handed out; 0: no limit */
	bool failed;
	bool full;              /* it failed because of max */
};

void arena_init(struct arena *a, size_t max);
/* Says how much will be needed: the first chunk becomes so large (1 MB at most). Memory in one
 * piece goes back to the system when it is freed; many small ones leave holes. */
void arena_expect(struct arena *a, size_t n);
void arena_release(struct arena *a);
void *arena_alloc(struct arena *a, size_t n);   /* zeroed, aligned for any type */
/* Grows a vector of *cap items of `size` bytes to hold one more than n; the old one is copied.
 * Returns the (possibly new) vector, NULL on failure (the old one stays valid). */
void *arena_grow(struct arena *a, void *vec, size_t n, size_t *cap, size_t size);
char *arena_dup(struct arena *a, const char *p, size_t n);      /* NUL added */
struct str arena_str(struct arena *a, struct str s);            /* a copy, NUL added */
/* A copy of what b holds. Where b has failed there is nothing to copy: the arena fails with it. */
struct str arena_buf(struct arena *a, const struct buf *b);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
