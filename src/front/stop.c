/*
 * How far the program's end has come, and a descriptor that tells every waiting request at once.
 *
 * The state is one atomic, so that a signal handler may set it. The descriptor is the reading end
 * of a pipe into which one byte goes at STOP_NOW and which nobody ever reads: level-triggered, it
 * wakes all who poll it, also those that begin to poll later. A pipe rather than an eventfd,
 * because that exists everywhere.
 */
#include "front/front.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/os.h"

static atomic_int state = STOP_RUNNING;
static int ends[2] = { -1, -1 };

enum stop_state stop_get(void)
{
	return atomic_load_explicit(&state, memory_order_acquire);
}

static void tell(void)
{
	char byte = 0;

	(void)!write(ends[1], &byte, 1);
}

/* Back to STOP_RUNNING happens in tests alone; they get a silent descriptor again. */
void stop_set(enum stop_state s)
{
	int saved = errno;
	int old = atomic_exchange_explicit(&state, s, memory_order_acq_rel);
	char byte = 0;

	if (ends[1] >= 0 && s == STOP_NOW && old != STOP_NOW)
		tell();
	if (ends[0] >= 0 && s != STOP_NOW && old == STOP_NOW)
		(void)!read(ends[0], &byte, 1);
	errno = saved;
}

int stop_fd(void)
{
	return ends[0];
}

int stop_setup(void)
{
	int fd[2];

	if (ends[0] >= 0)
		return 0;
	if (os_pipe(fd))
		return -1;
	for (int i = 0; i < 2; i++)
		fcntl(fd[i], F_SETFL, O_NONBLOCK);
	ends[0] = fd[0];
	ends[1] = fd[1];
	/* A signal may have come before there was a descriptor to tell it. */
	if (stop_get() == STOP_NOW)
		tell();
	return 0;
}
