/* Kept and lingering connections. See kept.h. */
#include "kept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { FRESH_MS = 100 };        /* what a web server may need to see that we have closed */
enum next { NEXT_NONE, NEXT_BEGUN, NEXT_CLOSED };

struct kept_one {
	int fd;
	bool linger;
	int64_t since, until;
};

void kept_init(struct kept *k, size_t max)
{
	*k = (struct kept){ .max = max };
	pthread_mutex_init(&k->lock, NULL);
}

void kept_close(struct kept *k)
{
	for (size_t i = 0; i < k->n; i++)
		close(k->v[i].fd);
	free(k->v);
	pthread_mutex_destroy(&k->lock);
}

/* The caller holds the lock. */
static bool kept_room(struct kept *k)
{
	size_t cap = k->cap ? 2 * k->cap : 16;
	struct kept_one *v;

	if (k->n >= k->max)
		return false;
	if (k->n < k->cap)
		return true;
	v = realloc(k->v, cap * sizeof(*v));
	if (!v)
		return false;
	k->v = v;
	k->cap = cap;
	return true;
}

/* The caller holds the lock. The others stay in the order in which they came. */
static void kept_forget(struct kept *k, size_t i)
{
	k->n--;
	memmove(k->v + i, k->v + i + 1, (k->n - i) * sizeof(*k->v));
}

/* Has the other end sent something? NEXT_NONE: not yet. */
static enum next next_request(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n == 1)
		return NEXT_BEGUN;
	return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) ?
		NEXT_NONE : NEXT_CLOSED;
}

/*
 * Closes the oldest one that nobody misses: it only lingers, the other end has closed it, or has
 * had the time to see that it is closed before it puts a request on it. The caller holds the lock.
 */
static bool kept_make_room(struct kept *k, int64_t now)
{
	for (size_t i = 0; i < k->n; i++) {
		struct kept_one *one = &k->v[i];
		enum next next = one->linger ? NEXT_CLOSED : next_request(one->fd);

		if (next == NEXT_CLOSED || (next == NEXT_NONE && now - one->since >= FRESH_MS)) {
			close(one->fd);
			kept_forget(k, i);
			return true;
		}
	}
	return false;
}

static bool kept_put(struct kept *k, const struct kept_one *one)
{
	int64_t now = clock_ms();
	bool room;

	pthread_mutex_lock(&k->lock);
	room = kept_room(k) || (kept_make_room(k, now) && kept_room(k));
	if (room) {
		k->v[k->n] = *one;
		k->v[k->n++].since = now;
	}
	pthread_mutex_unlock(&k->lock);
	return room;
}

/*
 * Without room it waits, so that refusals by the hundred don't outrun the web server: one that has
 * just read the end of an answer would put the next request on a connection that we then close.
 */
void kept_add(struct kept *k, int fd, bool linger)
{
	static const struct timespec pause = { .tv_nsec = 1000 * 1000 };
	struct kept_one one = {
		.fd = fd, .linger = linger,
		.until = linger ? clock_ms() + KEPT_LINGER_MS : CLOCK_NEVER,
	};
	bool room;

	if (linger)
		shutdown(fd, SHUT_WR);
	room = kept_put(k, &one);
	for (int i = 0; i < FRESH_MS && !room; i++) {
		nanosleep(&pause, NULL);
		room = kept_put(k, &one);
	}
	if (!room)
		close(fd);
}

void kept_expire(struct kept *k, int64_t now, bool ending)
{
	pthread_mutex_lock(&k->lock);
	for (size_t i = k->n; i-- > 0;)
		if (k->v[i].until <= now ||
		    (ending && !k->v[i].linger && next_request(k->v[i].fd) != NEXT_BEGUN)) {
			close(k->v[i].fd);
			kept_forget(k, i);
		}
	pthread_mutex_unlock(&k->lock);
}

bool kept_empty(struct kept *k)
{
	bool empty;

	pthread_mutex_lock(&k->lock);
	empty = !k->n;
	pthread_mutex_unlock(&k->lock);
	return empty;
}

static bool poll_room(struct pollfd **fds, size_t *cap, size_t need)
{
	struct pollfd *v;

	if (need <= *cap)
		return true;
	v = realloc(*fds, 2 * need * sizeof(*v));
	if (!v)
		return false;
	*fds = v;
	*cap = 2 * need;
	return true;
}

size_t kept_poll(struct kept *k, struct pollfd **fds, size_t *cap, size_t skip, int64_t *until)
{
	size_t n = skip;

	pthread_mutex_lock(&k->lock);
	for (size_t i = 0; i < k->n; i++)
		if (k->v[i].until < *until)
			*until = k->v[i].until;
	if (poll_room(fds, cap, skip + k->n))
		for (size_t i = 0; i < k->n; i++)
			(*fds)[n++] = (struct pollfd){ .fd = k->v[i].fd, .events = POLLIN };
	pthread_mutex_unlock(&k->lock);
	return n;
}

/*
 * Reads away what has come, at most 256 KB a call: others wait for their turn. False: it has ended.
 */
static bool drain(int fd)
{
	char trash[4096];
	ssize_t n = 1;

	for (int turn = 0; turn < 64 && n > 0; turn++)
		n = recv(fd, trash, sizeof(trash), MSG_DONTWAIT);
	if (n > 0)
		return true;
	return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

/*
 * An entry that was polled may be elsewhere by now, or gone since another took its place, and its
 * number another's. Hence the connection is asked, not poll's result.
 */
static void kept_serve(struct kept *k, int fd, void (*next)(void *ctx, int fd), void *ctx)
{
	bool begun = false, ended = false;
	enum next what;

	pthread_mutex_lock(&k->lock);
	for (size_t i = 0; i < k->n; i++)
		if (k->v[i].fd == fd) {
			what = k->v[i].linger ? NEXT_NONE : next_request(fd);
			begun = what == NEXT_BEGUN;
			ended = k->v[i].linger ? !drain(fd) : what == NEXT_CLOSED;
			if (begun || ended)
				kept_forget(k, i);
			break;
		}
	pthread_mutex_unlock(&k->lock);
	if (ended)
		close(fd);
	if (begun)
		next(ctx, fd);
}

void kept_ready(struct kept *k, const struct pollfd *fds, size_t n,
	void (*next)(void *ctx, int fd), void *ctx)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i].revents)
			kept_serve(k, fds[i].fd, next, ctx);
}
