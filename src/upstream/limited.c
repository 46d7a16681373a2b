/*
 * The waiter that stands before the request's own: everything passes to that one, and its timer is
 * the sooner of the two.
 */
#include "upstream/limited.h"

#include <stddef.h>

#include "base/clock.h"

static void set_due(struct limited *l)
{
	l->w.due = l->inner && l->inner->due < l->until ? l->inner->due : l->until;
}

static int ready(struct waiter *w, int i)
{
	struct limited *l = (struct limited *)w;
	int r = l->inner->ready ? l->inner->ready(l->inner, i) : WAIT_GO;

	w->fd[i] = l->inner->fd[i];
	set_due(l);
	return r;
}

static int tick(struct waiter *w, int64_t now)
{
	struct limited *l = (struct limited *)w;
	int r = WAIT_GO;

	if (l->inner && l->inner->tick && l->inner->due <= now)
		r = l->inner->tick(l->inner, now);
	if (r == WAIT_GO && now >= l->until) {
		l->late = true;
		return WAIT_CANCEL;
	}
	set_due(l);
	return r;
}

struct waiter *limited_init(struct limited *l, struct waiter *inner, int64_t until)
{
	*l = (struct limited){
		.w = { .fd = { -1, -1 }, .ready = ready, .tick = tick },
		.inner = inner,
		.until = until,
	};
	for (int i = 0; inner && i < 2; i++)
		l->w.fd[i] = inner->fd[i];
	set_due(l);
	return &l->w;
}
