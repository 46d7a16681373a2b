/* Worker threads: who is idle, who ends, who refuses. See pool.h for the design. */
#include "pool.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

/*
 * Connections that may wait for the refuser; it needs well under a millisecond for each. Few,
 * because each holds a descriptor that a stream may need; further ones wait with the kernel.
 */
enum { PENDING_MAX = 8 };

struct pending {
	struct pending *next;
	int fd;
};

struct worker {
	struct pool *pool;
	struct worker *next;            /* in pool->idle or pool->dead */
	pthread_t thread;
	pthread_cond_t wake;
	int fd;                         /* handed over, -1: nothing yet */
};

void pool_init(struct pool *p, const struct pool_options *o)
{
	*p = (struct pool){ .o = *o };
	p->last = &p->first;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->room, NULL);
}

void pool_release(struct pool *p)
{
	pthread_cond_destroy(&p->room);
	pthread_mutex_destroy(&p->lock);
}

void pool_block_signals(void)
{
	static const int faults[] = {
		SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF,
	};
	sigset_t set;

	sigfillset(&set);
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		sigdelset(&set, faults[i]);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* All below: the caller holds p->lock. */

static int pending_put(struct pool *p, int fd)
{
	struct pending *x = malloc(sizeof(*x));

	if (!x)
		return -1;
	*x = (struct pending){ .fd = fd };
	*p->last = x;
	p->last = &x->next;
	p->pending++;
	return 0;
}

/* The connection that has waited longest, -1: none waits. */
static int pending_take(struct pool *p)
{
	struct pending *x = p->first;
	int fd;

	if (!x)
		return -1;
	p->first = x->next;
	if (!p->first)
		p->last = &p->first;
	p->pending--;
	pthread_cond_signal(&p->room);
	fd = x->fd;
	free(x);
	return fd;
}

/*
 * The wall clock is what every system's condition variables know; that it may jump only moves an
 * idle thread's end.
 */
static struct timespec idle_end(const struct pool *p)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += p->o.idle_seconds;
	return t;
}

static void idle_remove(struct pool *p, const struct worker *w)
{
	for (struct worker **at = &p->idle; *at; at = &(*at)->next)
		if (*at == w) {
			*at = w->next;
			return;
		}
}

/* What w shall serve next, which may need waiting; -1: nothing, w shall end. */
static int worker_next(struct worker *w)
{
	struct pool *p = w->pool;
	struct timespec end;
	int fd, rc = 0;

	if (w->fd < 0)
		w->fd = pending_take(p);
	if (w->fd < 0 && !p->ending) {
		end = idle_end(p);
		w->next = p->idle;
		p->idle = w;
		while (w->fd < 0 && !p->ending && rc != ETIMEDOUT)
			rc = pthread_cond_timedwait(&w->wake, &p->lock, &end);
		if (w->fd < 0)
			idle_remove(p, w);
	}
	fd = w->fd;
	w->fd = -1;
	return fd;
}

static int refuser_next(struct worker *w)
{
	struct pool *p = w->pool;
	struct timespec end = idle_end(p);
	int fd, rc = 0;

	while ((fd = pending_take(p)) < 0 && !p->ending && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&w->wake, &p->lock, &end);
	return fd;
}

/*
 * The end of the caller's own thread: from here on pool_reap owns w, and once the lock is free the
 * pool may be gone.
 */
static void worker_leave(struct worker *w)
{
	struct pool *p = w->pool;

	w->next = p->dead;
	p->dead = w;
	p->o.ended(p->o.ctx);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct pool *p = w->pool;
	int fd;

	pool_block_signals();
	pthread_mutex_lock(&p->lock);
	while ((fd = worker_next(w)) >= 0) {
		pthread_mutex_unlock(&p->lock);
		p->o.serve(p->o.ctx, fd, false);
		pthread_mutex_lock(&p->lock);
	}
	p->workers--;
	worker_leave(w);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void *refuser_main(void *arg)
{
	struct worker *w = arg;
	struct pool *p = w->pool;
	int fd;

	pool_block_signals();
	pthread_mutex_lock(&p->lock);
	while ((fd = refuser_next(w)) >= 0) {
		pthread_mutex_unlock(&p->lock);
		p->o.serve(p->o.ctx, fd, true);
		pthread_mutex_lock(&p->lock);
	}
	p->refuser = NULL;
	worker_leave(w);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* A new thread that begins with fd (-1: nothing); NULL if the system has none left. */
static struct worker *worker_start(struct pool *p, void *(*run)(void *), int fd)
{
	const size_t least = (size_t)PTHREAD_STACK_MIN;
	struct worker *w = malloc(sizeof(*w));
	pthread_attr_t attr;
	int rc;

	if (!w)
		return NULL;
	*w = (struct worker){ .pool = p, .fd = fd };
	pthread_cond_init(&w->wake, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr,
		p->o.stack_bytes < least ? least : p->o.stack_bytes);
	rc = pthread_create(&w->thread, &attr, run, w);
	pthread_attr_destroy(&attr);
	if (!rc) {
		p->starved = false;
		return w;
	}
	if (!p->starved)
		log_warn("no thread for a connection: error %d", rc);
	p->starved = true;
	pthread_cond_destroy(&w->wake);
	free(w);
	return NULL;
}

static bool give_idle(struct pool *p, int fd)
{
	struct worker *w = p->idle;

	if (!w)
		return false;
	p->idle = w->next;
	w->fd = fd;
	pthread_cond_signal(&w->wake);
	return true;
}

static bool give_new(struct pool *p, int fd)
{
	if (p->workers >= p->o.workers_max || !worker_start(p, worker_main, fd))
		return false;
	p->workers++;
	return true;
}

/* To whoever comes first, the refuser or a worker that has become free. Workers alone could be busy
 * for an hour. */
static bool give_pending(struct pool *p, int fd)
{
	if (!p->refuser)
		p->refuser = worker_start(p, refuser_main, -1);
	if (!p->refuser || pending_put(p, fd))
		return false;
	pthread_cond_signal(&p->refuser->wake);
	return true;
}

void pool_give(struct pool *p, int fd, bool may_wait)
{
	bool given;

	pthread_mutex_lock(&p->lock);
	while (may_wait && p->pending >= PENDING_MAX && !p->ending)
		pthread_cond_wait(&p->room, &p->lock);
	given = give_idle(p, fd) || give_new(p, fd) || give_pending(p, fd);
	pthread_mutex_unlock(&p->lock);
	if (!given)
		p->o.serve(p->o.ctx, fd, true);
}

void pool_end(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->ending = true;
	for (struct worker *w = p->idle; w; w = w->next)
		pthread_cond_signal(&w->wake);
	if (p->refuser)
		pthread_cond_signal(&p->refuser->wake);
	pthread_cond_broadcast(&p->room);
	pthread_mutex_unlock(&p->lock);
}

int pool_reap(struct pool *p)
{
	struct worker *w, *next;
	int left;

	pthread_mutex_lock(&p->lock);
	w = p->dead;
	p->dead = NULL;
	left = p->workers + (p->refuser != NULL);
	pthread_mutex_unlock(&p->lock);
	for (; w; w = next) {
		next = w->next;
		pthread_join(w->thread, NULL);
		pthread_cond_destroy(&w->wake);
		free(w);
	}
	return left;
}
