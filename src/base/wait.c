/*
 * The one sleep of the program: until a time, while client, stop event and timers are served.
 */
#include "base/wait.h"

#include <limits.h>
#include <poll.h>

#include "base/clock.h"

static int poll_timeout(int64_t now, int64_t until)
{
	if (until <= now)
		return 0;
	if (until - now > INT_MAX)
		return INT_MAX;
	return (int)(until - now);
}

static int serve_timer(struct waiter *w, int64_t now)
{
	return w->due <= now && w->tick && w->tick(w, now) ? WAIT_CANCEL : WAIT_GO;
}

/* A descriptor that poll calls invalid or hung up is readable too: its owner finds out why. */
static int serve_descriptors(struct waiter *w, const struct pollfd *p)
{
	for (int i = 0; i < 2; i++)
		if (p[i].fd >= 0 && p[i].revents && w->ready && w->ready(w, i))
			return WAIT_CANCEL;
	return WAIT_GO;
}

static int wait_once(struct waiter *w, int64_t now, int64_t until)
{
	struct pollfd p[2] = {
		{ .fd = w->fd[0], .events = POLLIN },
		{ .fd = w->fd[1], .events = POLLIN },
	};
	int64_t next = w->tick && w->due < until ? w->due : until;
	int n = poll(p, 2, poll_timeout(now, next));

	/* EINTR is a reason to look at the clock, nothing more. */
	if (n <= 0)
		return WAIT_GO;
	return serve_descriptors(w, p);
}

int wait_until(struct waiter *w, int64_t until)
{
	struct waiter nobody = { .fd = { -1, -1 }, .due = CLOCK_NEVER };
	int64_t now;

	if (!w)
		w = &nobody;
	for (;;) {
		now = clock_ms();
		if (serve_timer(w, now))
			return WAIT_CANCEL;
		if (now >= until)
			return WAIT_GO;
		if (wait_once(w, now, until))
			return WAIT_CANCEL;
	}
}
