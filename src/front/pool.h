/*
 * Worker threads. A connection goes to the worker that has been idle for the shortest time, so that
 * the memory of the others stays cold and they can end; threads are made when none is idle. At the
 * cap one reserved thread, the refuser, takes what waits and has it answered as busy; where the
 * system gives no thread for that either, whoever brings the connection does it. Private to
 * src/front.
 */
#ifndef FRONT_POOL_H
#define FRONT_POOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct pool_options {
	int workers_max;
	int idle_seconds;
	size_t stack_bytes;
	/* Runs in a worker; owns fd. busy: this is the refuser, or the caller of pool_give. */
	void (*serve)(void *ctx, int fd, bool busy);
	/* A thread has ended and wants to be joined (pool_reap); called in that thread. */
	void (*ended)(void *ctx);
	void *ctx;
};

struct worker;
struct pending;
struct pool {
	struct pool_options o;
	pthread_mutex_t lock;
	struct worker *idle;            /* a stack: the latest on top */
	struct worker *dead;            /* ended, not yet joined */
	int workers;                    /* threads that serve, idle ones too */
	struct worker *refuser;         /* NULL while there is none */
	struct pending *first, **last;  /* connections that nobody was free for */
	int pending;
	pthread_cond_t room;            /* pending has become less */
	bool starved;                   /* the system gave no thread the last time; said once */
	bool ending;
};

void pool_init(struct pool *p, const struct pool_options *o);
/*
 * Hands fd over. may_wait: while too many connections wait already, wait with them (the acceptor
 * does: what is not accepted stays in the kernel's queue or goes to a sibling process).
 */
void pool_give(struct pool *p, int fd, bool may_wait);
/* Idle threads end now, others after what they serve. pool_give must not be called any more. */
void pool_end(struct pool *p);
/* Joins the threads that have ended. How many are left. */
int pool_reap(struct pool *p);
/* After pool_end, when pool_reap has said 0. */
void pool_release(struct pool *p);
/*
 * Keeps the calling thread's hands off all signals that the program handles; faults still reach it.
 */
void pool_block_signals(void);

#endif
