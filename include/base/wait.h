/*
 * What must be watched while a request waits for anything (an upstream call, a backoff): the client,
 * the program's stop, and timers. No stage sleeps or polls by itself: it hands this to the one function that
 * waits (upstream_perform, wait_until).
 */
#ifndef BASE_WAIT_H
#define BASE_WAIT_H

#include <stdint.h>

enum { WAIT_GO = 0, WAIT_CANCEL = 1 };

struct waiter {
	/* Descriptors to poll for reading: the client's connection, the stop event; -1 leaves a place out. */
	int fd[2];
	/* fd[i] became readable. The callee may set fd[i] = -1 to end the watching (level-triggered
	 * descriptors would spin). Non-zero cancels what is running: the client is gone. */
	int (*ready)(struct waiter *w, int i);
	/* Called when *due (monotonic ms, clock_ms) has passed; does what is due (ping, comment, commit)
	 * and sets the next due time, CLOCK_NEVER for none. Non-zero cancels. */
	int (*tick)(struct waiter *w, int64_t now);
	int64_t due;
};

/* Waits until `until` (clock_ms) while serving w. WAIT_GO at the time, WAIT_CANCEL if told so. w may be NULL. */
int wait_until(struct waiter *w, int64_t until);

#endif
