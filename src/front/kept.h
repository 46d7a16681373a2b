/*
 * Connections without a thread: those that a web server keeps for its next request, and those that
 * are closed but whose other end may still be sending. The server's main thread polls them. Private
 * to src/front.
 */
#ifndef FRONT_KEPT_H
#define FRONT_KEPT_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How long a connection whose request was not read to its end is drained: what libfcgi takes, too.
 */
#define KEPT_LINGER_MS 2000

struct kept_one;
struct kept {
	pthread_mutex_t lock;
	struct kept_one *v;
	size_t n, cap, max;
};

/* At most max connections: a further one takes the place of an old one. */
void kept_init(struct kept *k, size_t max);
/* Closes all. */
void kept_close(struct kept *k);
/*
 * Takes fd over, from any thread; the main thread must be woken then. linger: it is drained and
 * closed, after KEPT_LINGER_MS at the latest. Else kept_ready gives it back when it becomes readable,
 * however late: whoever closes a quiet connection first may meet a request that is on its way, and
 * the web server alone can try again. Without room it may wait a moment.
 */
void kept_add(struct kept *k, int fd, bool linger);
/*
 * Closes what has come to its time; if `ending`, also what is kept for a next request and has none
 * yet.
 */
void kept_expire(struct kept *k, int64_t now, bool ending);
bool kept_empty(struct kept *k);
/*
 * For poll: the held descriptors into a vector of its own behind the first `skip` places of it
 * (*fds and *cap are grown as needed). How many places are used in all; skip alone when memory is
 * short. *until becomes the earliest time at which kept_expire has something to do, if that is
 * before it.
 */
size_t kept_poll(struct kept *k, struct pollfd **fds, size_t *cap, size_t skip, int64_t *until);
/* After poll: calls next for each connection on which a next request has begun, and forgets it. */
void kept_ready(struct kept *k, const struct pollfd *fds, size_t n,
	void (*next)(void *ctx, int fd), void *ctx);

#endif
