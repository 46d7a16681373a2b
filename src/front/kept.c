/* Kept and lingering connections. See kept.h. */
#include "kept.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct kept_one {
	int fd;
	bool linger;
	int64_t until;
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

void kept_add(struct kept *k, int fd, bool linger, int64_t until)
{
	bool room;

	if (linger)
		shutdown(fd, SHUT_WR);
	pthread_mutex_lock(&k->lock);
	room = kept_room(k);
	if (room)
		k->v[k->n++] = (struct kept_one){ .fd = fd, .linger = linger, .until = until };
	pthread_mutex_unlock(&k->lock);
	if (!room)
		close(fd);
}

/* The caller holds the lock. The order of the others may change. */
static void kept_forget(struct kept *k, size_t i)
{
	k->v[i] = k->v[--k->n];
}

void kept_expire(struct kept *k, int64_t now, bool ending)
{
	pthread_mutex_lock(&k->lock);
	for (size_t i = k->n; i-- > 0;)
		if (k->v[i].until <= now || (ending && !k->v[i].linger)) {
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

/* Has the other end sent something, rather than closed? */
static bool has_request(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

/*
 * Called by the one thread that also removes: an entry that was polled is still there, though maybe
 * elsewhere since kept_forget moves the last one. New ones may have been added meanwhile.
 */
static void kept_serve(struct kept *k, int fd, void (*next)(void *ctx, int fd), void *ctx)
{
	bool begun = false, ended = false;

	pthread_mutex_lock(&k->lock);
	for (size_t i = 0; i < k->n; i++)
		if (k->v[i].fd == fd) {
			begun = !k->v[i].linger && has_request(fd);
			ended = k->v[i].linger ? !drain(fd) : !begun;
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
