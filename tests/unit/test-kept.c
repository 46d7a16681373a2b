/*
 * Connections without a thread: who gets the next request, who is drained, closed, and replaced when
 * there are too many. On socket pairs; the server around them is in test-front.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/front/kept.h"
#include "base/clock.h"

/* What it holds and the web server's end. */
struct pair {
	int ours, theirs;
};

static struct kept kept;
static struct pollfd *fds;
static size_t cap;
static int given;               /* the connection that a next request has begun on, -1: none */

static int setup(void **state)
{
	kept_init(&kept, 4);
	given = -1;
	return 0;
}

static int teardown(void **state)
{
	kept_close(&kept);
	free(fds);
	fds = NULL;
	cap = 0;
	return 0;
}

static struct pair pair(void)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	return (struct pair){ fd[0], fd[1] };
}

static struct pair add(bool linger)
{
	struct pair p = pair();

	kept_add(&kept, p.ours, linger);
	return p;
}

static void next(void *ctx, int fd)
{
	assert_ptr_equal(ctx, &kept);
	assert_int_equal(given, -1);
	given = fd;
}

/* Waits for something to happen, and serves it. */
static void serve(void)
{
	int64_t until = CLOCK_NEVER;
	size_t n = kept_poll(&kept, &fds, &cap, 0, &until);

	assert_int_equal(poll(fds, n, 10000) > 0, 1);
	kept_ready(&kept, fds, n, next, &kept);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* Has the other end closed it? */
static bool sees_end(const struct pair *p)
{
	char byte;

	return recv(p->theirs, &byte, 1, MSG_DONTWAIT) == 0;
}

static void next_request_is_handed_on(void **state)
{
	struct pair a = add(false), b = add(false);

	assert_int_equal(write(b.theirs, "x", 1), 1);
	serve();
	assert_int_equal(given, b.ours);
	assert_false(kept_empty(&kept));
	/* Not read, and not this module's any more. */
	assert_int_equal(read(b.ours, &(char){ 0 }, 1), 1);
	given = -1;
	assert_int_equal(write(a.theirs, "x", 1), 1);
	serve();
	assert_int_equal(given, a.ours);
	assert_true(kept_empty(&kept));
	close(a.ours);
	close(a.theirs);
	close(b.ours);
	close(b.theirs);
}

static void closed_ones_are_closed(void **state)
{
	struct pair a = add(false);

	close(a.theirs);
	serve();
	assert_true(kept_empty(&kept) && !is_open(a.ours));
	assert_int_equal(given, -1);
}

/* What still comes is read away until the other end has closed; nobody answers it. */
static void lingering_ones_are_drained(void **state)
{
	static const char much[400000];
	struct pair a = add(true);
	size_t sent = 0;

	assert_true(sees_end(&a));
	while (sent < sizeof(much)) {
		ssize_t n = send(a.theirs, much + sent, sizeof(much) - sent, MSG_DONTWAIT);

		assert_true(n > 0 || errno == EAGAIN);
		sent += n > 0 ? (size_t)n : 0;
		serve();
		assert_false(kept_empty(&kept));
	}
	assert_int_equal(given, -1);
	close(a.theirs);
	while (!kept_empty(&kept))
		serve();
	assert_false(is_open(a.ours));
}

/* What waits for a request is the web server's to close: it knows of those that it has sent. */
static void time_ends_what_lingers(void **state)
{
	int64_t before = clock_ms(), until = CLOCK_NEVER;
	struct pair a = add(false), b = add(true);

	kept_poll(&kept, &fds, &cap, 0, &until);
	assert_in_range(until, before + KEPT_LINGER_MS, clock_ms() + KEPT_LINGER_MS);
	kept_expire(&kept, until - 1, false);
	assert_true(is_open(a.ours) && is_open(b.ours));
	kept_expire(&kept, INT64_MAX - 1, false);
	assert_true(is_open(a.ours) && !is_open(b.ours));
	until = CLOCK_NEVER;
	kept_poll(&kept, &fds, &cap, 0, &until);
	assert_int_equal(until, CLOCK_NEVER);
	close(a.theirs);
	close(b.theirs);
}

/* What is closed already gets its time, and a request that has begun its answer. */
static void the_end_ends_the_others(void **state)
{
	struct pair a = add(false), b = add(true), c = add(false);

	assert_int_equal(write(c.theirs, "x", 1), 1);
	kept_expire(&kept, clock_ms(), true);
	assert_true(!is_open(a.ours) && is_open(b.ours) && is_open(c.ours));
	while (given < 0)
		serve();
	assert_int_equal(given, c.ours);
	assert_false(kept_empty(&kept));
	close(c.ours);
	close(c.theirs);
	kept_expire(&kept, INT64_MAX - 1, true);
	assert_true(kept_empty(&kept));
	close(a.theirs);
	close(b.theirs);
}

static void places_of_others_stay(void **state)
{
	struct pair a = add(false);
	int64_t until = CLOCK_NEVER;

	fds = calloc(2, sizeof(*fds));
	assert_non_null(fds);
	cap = 2;
	fds[0].fd = 77;
	fds[1].fd = 78;
	assert_int_equal(kept_poll(&kept, &fds, &cap, 2, &until), 3);
	assert_true(cap >= 3 && fds[0].fd == 77 && fds[1].fd == 78 && fds[2].fd == a.ours);
	assert_int_equal(until, CLOCK_NEVER);
	close(a.theirs);
}

/* What was polled may have gone, and its number be another's. */
static void strangers_are_left_alone(void **state)
{
	struct pair a = pair();
	struct pollfd p = { .fd = a.ours, .revents = POLLIN };

	assert_int_equal(write(a.theirs, "x", 1), 1);
	kept_ready(&kept, &p, 1, next, &kept);
	assert_true(given == -1 && is_open(a.ours));
	close(a.ours);
	close(a.theirs);
}

/* Has what only lingered been closed? */
static bool gone(const struct pair *p)
{
	return write(p->theirs, "x", 1) < 0 && errno == EPIPE;
}

/* At the limit the oldest goes that nobody misses: it lingers, or its other end has left it. */
static void the_oldest_makes_room(void **state)
{
	struct pair a = add(false), b = add(true), e, f, g;
	struct pair c = add(true), d = add(false);

	assert_int_equal(write(a.theirs, "x", 1), 1);
	e = add(true);
	assert_true(gone(&b) && !gone(&c));
	close(d.theirs);
	f = add(true);
	assert_true(gone(&c) && !gone(&e));
	g = add(true);
	assert_true(!gone(&e) && !gone(&f) && !gone(&g));
	while (given < 0)
		serve();
	assert_int_equal(given, a.ours);
	close(a.ours);
	close(a.theirs);
	close(b.theirs);
	close(c.theirs);
	close(e.theirs);
	close(f.theirs);
	close(g.theirs);
}

/* Without any such it waits until the oldest has had the time to see that it is closed; one on which
 * a request has begun is never closed for another. */
static void requests_that_have_begun_stay(void **state)
{
	struct pair a, b, c;

	kept.max = 1;
	a = add(false);
	b = add(false);
	assert_true(sees_end(&a) && !sees_end(&b));
	assert_int_equal(write(b.theirs, "x", 1), 1);
	c = add(false);
	assert_true(sees_end(&c));
	serve();
	assert_int_equal(given, b.ours);
	close(b.ours);
	close(a.theirs);
	close(b.theirs);
	close(c.theirs);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(next_request_is_handed_on),
		TEST(closed_ones_are_closed),
		TEST(lingering_ones_are_drained),
		TEST(time_ends_what_lingers),
		TEST(the_end_ends_the_others),
		TEST(places_of_others_stay),
		TEST(strangers_are_left_alone),
		TEST(the_oldest_makes_room),
		TEST(requests_that_have_begun_stay),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
