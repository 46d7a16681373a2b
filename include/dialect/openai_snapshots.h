/*
 * Backends that send all of a call's arguments so far in each fragment instead of what is new
 * (openai_snapshots.c). Embedded in the call, zeros at the start; memory is the arena's.
 */
#ifndef DIALECT_OPENAI_SNAPSHOTS_H
#define DIALECT_OPENAI_SNAPSHOTS_H

#include "base/arena.h"
#include "json/span.h"

enum fragments_form { FRAGMENTS_OPEN, FRAGMENTS_DOUBT, FRAGMENTS_DELTAS, FRAGMENTS_SNAPSHOTS };

struct snapshots {
	enum fragments_form form;
	size_t seen;            /* bytes of arguments so far, as far as the form is open */
	uint64_t hash;          /* of those */
	bool whole;             /* they are a complete object */
	bool value_next;        /* a value must follow them, which may begin as they do */
	struct span doubt;      /* FRAGMENTS_DOUBT: a fragment that may be either */
};

/* Takes a fragment and leaves what is new of all so far in out, in this order; returns how many
 * pieces, 0 to 2, or -1 when memory ends. They borrow the fragment or are the arena's. */
int snapshots_feed(struct arena *a, struct snapshots *s, struct span fragment,
		   struct span out[2]) MUST_CHECK;
/* No fragment follows: what is left to say; absent: nothing. */
struct span snapshots_end(struct snapshots *s);
/* The fragment goes on with arguments of which each has repeated those before. */
bool snapshots_continue(const struct snapshots *s, struct span fragment);

#endif
