/*
 * A waiter with a time limit: what serves a request, until a moment at which it cancels. For steps
 * that take a waiter and have no deadline of their own to be told.
 */
#ifndef UPSTREAM_LIMITED_H
#define UPSTREAM_LIMITED_H

#include <stdbool.h>

#include "base/wait.h"

struct limited {
	struct waiter w;                /* first: what is handed on */
	struct waiter *inner;           /* the request's own, may be NULL */
	int64_t until;
	bool late;                      /* it was the time that cancelled */
};

/* until: clock_ms; CLOCK_NEVER: no limit. Returns the waiter to hand on, valid as long as l is. */
struct waiter *limited_init(struct limited *l, struct waiter *inner, int64_t until);

#endif
