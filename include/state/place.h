/*
 * A table of fixed size that all processes of the machine see, and which of them are alive.
 *
 * It is a mapped file. Where files can't be mapped the same bytes are read and written back under a
 * lock, for each use; where there is no file at all the table is this process's alone. Who uses it
 * says place_enter and place_leave around each look and needs to know no more.
 *
 * A process that holds something is told by a lock on a byte of the file that is its own: the
 * kernel takes it back however the process ends, and no pid that came again, no other pid namespace
 * and no missing /proc can confuse that. (The locks are of the process: another descriptor of the
 * same file must not be closed while one is held.)
 */
#ifndef STATE_PLACE_H
#define STATE_PLACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "state/shared.h"

/* MAPPED: the usual way; LOCKED: read and written for each use; PRIVATE: of this process. */
enum place_kind { PLACE_NONE, PLACE_MAPPED, PLACE_LOCKED, PLACE_PRIVATE };

#define PLACE_HOLDERS 4096u

/* What a table begins with. */
struct place_head {
	struct shared_head head;
	_Atomic uint64_t secret;        /* random; 0: not made yet */
	_Atomic uint32_t generation[PLACE_HOLDERS]; /* of the processes whose byte it was */
};

struct place {
	enum place_kind kind;
	int fd;
	struct place_head *table;
	pthread_mutex_t lock;           /* LOCKED: one thread at a time; else for `self` alone */
	bool current;                   /* LOCKED: the lock is held, the table is the file's */
	_Atomic uint32_t self;          /* this process as a holder; 0: none yet */
	_Atomic int owner;              /* the process that took it: a fork's child is another */
};

#define PLACE_INIT { .fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER }

/* Tried in this order: dir (NULL: none); a folder of this user's in /dev/shm or /tmp, where `mark`
 * tells tables apart. -1 with errno when only a private one could be had, and without memory for
 * that (PLACE_NONE). may_map: false takes the second way, for tests. */
int place_open(struct place *p, const char *dir, const char *name, uint64_t mark,
	       const struct shared_head *head, bool may_map);
void place_close(struct place *p);

/* For reading and changing until place_leave; NULL when there is none. */
void *place_enter(struct place *p);
void place_leave(struct place *p);

/* Both between enter and leave. This process as a holder, for as long as it lives; 0: there are
 * PLACE_HOLDERS already. */
uint32_t place_self(struct place *p);
bool place_alive(struct place *p, uint32_t holder);

#endif
