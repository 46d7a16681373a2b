/*
 * Limits of keys: the shared table with processes that fight for it or are killed holding
 * something; the same through a locked file.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "state/place.h"
#include "state/rates.h"

#define PROCESSES 8

static char dir[64], file[96];
static bool may_map;
static _Atomic int64_t clock_us_now = 1000000000;

/* In place of the system's: a microsecond a look, whatever the machine takes. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	int64_t us = atomic_fetch_add(&clock_us_now, 1);

	*t = (struct timespec){ (time_t)(us / 1000000), (long)(us % 1000000) * 1000 };
	return 0;
}

static int setup(void **state)
{
	may_map = *state == NULL;
	strcpy(dir, "/tmp/test-rates.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/.htmessages-rates", dir);
	rates_setup(dir, 1, may_map);
	return 0;
}

static int teardown(void **state)
{
	rates_close();
	unlink(file);
	return rmdir(dir);
}

/* ---- processes ---- */

/* Each runs `act` with a table of its own opening once all are there; the sum of what they return
 * is what happened. The pipe's end is the starting gun. */
static int together(int (*act)(int n), int n)
{
	pid_t pids[PROCESSES];
	int gun[2], sum = 0;

	assert_int_equal(pipe(gun), 0);
	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			char c;

			close(gun[1]);
			rates_setup(dir, 1, may_map);
			if (read(gun[0], &c, 1) != 0)
				_exit(255);
			_exit(act(n));
		}
	}
	close(gun[0]);
	close(gun[1]);
	for (int i = 0; i < PROCESSES; i++) {
		int status = 0;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 255);
		sum += WEXITSTATUS(status);
	}
	return sum;
}

static int take_requests(int limit)
{
	struct rate r;
	int taken = 0;

	for (int i = 0; i < 40; i++)
		taken += rate_take(77, RATE_REQUESTS, limit, 1, &r);
	return taken;
}

static void test_requests_of_all_processes(void **state)
{
	assert_int_equal(together(take_requests, 100), 100);
	assert_string_equal(rates_kind(), may_map ? "shared memory" : "a locked file");
}

static int hold_one(int limit)
{
	struct permit p;

	return permit_take(78, limit, &p);
}

/* The holders end without giving back: what they held is taken by whoever comes next. */
static void test_permits_of_ended_processes(void **state)
{
	struct permit p[4], none;

	assert_int_equal(together(hold_one, 100), PROCESSES);
	for (int i = 0; i < 4; i++)
		assert_true(permit_take(78, 4, &p[i]));
	assert_false(permit_take(78, 4, &none));
	permit_give(&p[2]);
	assert_true(permit_take(78, 4, &p[2]));
	assert_false(permit_take(78, 4, &none));
	/* Given back twice counts once. */
	permit_give(&p[0]);
	permit_give(&p[0]);
	assert_true(permit_take(78, 4, &p[0]));
	assert_false(permit_take(78, 4, &none));
	for (int i = 0; i < 4; i++)
		permit_give(&p[i]);
}

/* While all live, no more than the limit are held, of more rows than one. */
static void test_permits_have_an_end(void **state)
{
	struct permit p[70], none;

	for (int i = 0; i < 70; i++)
		assert_true(permit_take(79, 70, &p[i]));
	assert_false(permit_take(79, 70, &none));
	assert_int_equal(none.word, 0);
	permit_give(&none);
	/* Another key has its own. */
	assert_true(permit_take(80, 1, &none));
	permit_give(&none);
	permit_give(&p[69]);
	assert_true(permit_take(79, 70, &p[69]));
	/* A lower limit holds at once. */
	assert_false(permit_take(79, 5, &none));
	for (int i = 0; i < 70; i++)
		permit_give(&p[i]);
	assert_true(permit_take(79, 1, &none));
	permit_give(&none);
}

static pid_t start_holder(int limit, int *ready)
{
	int told[2];
	pid_t pid;

	assert_int_equal(pipe(told), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct permit p;
		char ok;

		rates_setup(dir, 1, may_map);
		ok = permit_take(81, limit, &p) ? 'y' : 'n';
		if (write(told[1], &ok, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(told[1]);
	*ready = told[0];
	return pid;
}

static void test_killed_holders(void **state)
{
	pid_t pids[3];
	struct permit p;
	char ok;

	for (int i = 0; i < 3; i++) {
		int ready;

		pids[i] = start_holder(3, &ready);
		assert_int_equal(read(ready, &ok, 1), 1);
		assert_int_equal(ok, 'y');
		close(ready);
	}
	assert_false(permit_take(81, 3, &p));
	assert_int_equal(kill(pids[1], SIGKILL), 0);
	assert_int_equal(waitpid(pids[1], NULL, 0), pids[1]);
	assert_true(permit_take(81, 3, &p));
	/* The other two live. */
	{
		struct permit none;

		assert_false(permit_take(81, 3, &none));
	}
	permit_give(&p);
	for (int i = 0; i < 3; i += 2) {
		assert_int_equal(kill(pids[i], SIGKILL), 0);
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	}
	assert_true(permit_take(81, 1, &p));
	permit_give(&p);
}

static void take_and_give_for_ever(void)
{
	rates_setup(dir, 1, may_map);
	for (;;) {
		struct permit p;
		struct rate r;

		if (permit_take(83, 3, &p))
			permit_give(&p);
		rate_take(83, RATE_REQUESTS, 1000000, 1, &r);
		failure_note(FAILURE_KEY, (uint64_t)r.left, &(struct bucket_rule){ 5, 1000 });
	}
}

/* Killed at whatever they are doing, again and again: the limit is what it was. */
static void test_kills_at_any_time(void **state)
{
	pid_t pids[4] = { 0 };
	struct permit p[3], none;

	for (int i = 0; i < 60; i++) {
		pid_t *pid = &pids[i % 4];

		if (*pid) {
			assert_int_equal(kill(*pid, SIGKILL), 0);
			assert_int_equal(waitpid(*pid, NULL, 0), *pid);
		}
		*pid = fork();
		assert_true(*pid >= 0);
		if (*pid == 0)
			take_and_give_for_ever();
		usleep(3000);
	}
	for (int i = 0; i < 4; i++) {
		assert_int_equal(kill(pids[i], SIGKILL), 0);
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	}
	for (int i = 0; i < 3; i++)
		assert_true(permit_take(83, 3, &p[i]));
	assert_false(permit_take(83, 3, &none));
	for (int i = 0; i < 3; i++)
		permit_give(&p[i]);
}

/* ---- threads ---- */

#define THREADS 6
#define THREAD_LIMIT 4

static _Atomic int held, most, got;

/* Never more than the limit at once, and no permit is lost. */
static void *take_and_give(void *arg)
{
	for (int i = 0; i < 300; i++) {
		struct permit p;
		int now, seen;

		if (!permit_take(82, THREAD_LIMIT, &p))
			continue;
		now = atomic_fetch_add(&held, 1) + 1;
		seen = atomic_load(&most);
		while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
			;
		atomic_fetch_add(&got, 1);
		atomic_fetch_sub(&held, 1);
		permit_give(&p);
	}
	return NULL;
}

static void test_permits_of_threads(void **state)
{
	pthread_t threads[THREADS];
	struct permit p[THREAD_LIMIT];

	held = most = got = 0;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_in_range(most, 1, THREAD_LIMIT);
	assert_true(got > 0);
	for (int i = 0; i < THREAD_LIMIT; i++)
		assert_true(permit_take(82, THREAD_LIMIT, &p[i]));
	for (int i = 0; i < THREAD_LIMIT; i++)
		permit_give(&p[i]);
}

/* ---- tokens ---- */

static void test_tokens(void **state)
{
	struct rate r;

	/* At most what is left is set aside; nothing is owed for an estimate. */
	assert_int_equal(rate_reserve(90, RATE_TOKENS, 1000, 600, &r), 600);
	assert_in_range(r.left, 400, 401);
	assert_in_range(rate_reserve(90, RATE_TOKENS, 1000, 5000, &r), 400, 500);
	assert_in_range(r.left, 0, 1);
	/* What was used takes its place, and may be owed. */
	rate_settle(90, RATE_TOKENS, 1000, 2000 - 1000);
	rate_look(90, RATE_TOKENS, 1000, &r);
	assert_int_equal(r.left, 0);
	assert_in_range(r.wait_ms, 50000, 61000);
	rate_settle(90, RATE_TOKENS, 1000, -2000);
	rate_look(90, RATE_TOKENS, 1000, &r);
	assert_int_equal(r.wait_ms, 0);
	assert_in_range(r.left, 999, 1000);
	/* Kinds and keys are apart. */
	assert_true(rate_take(90, RATE_REQUESTS, 1, 1, &r));
	assert_false(rate_take(90, RATE_REQUESTS, 1, 1, &r));
	assert_int_equal(r.left, 0);
	assert_in_range(r.wait_ms, 50000, 60000);
	assert_true(rate_take(90, RATE_COUNTS, 1, 1, &r));
	assert_true(rate_take(91, RATE_REQUESTS, 1, 1, &r));
}

/* More keys than rows: those that hold nothing make room, and one that does keeps its own. */
static void test_many_keys(void **state)
{
	struct rate r;
	struct permit p;

	assert_true(permit_take(5, 1, &p));
	assert_true(rate_take(6, RATE_REQUESTS, 1, 1, &r));
	for (uint64_t i = 0; i < 3000; i++)
		assert_true(rate_take(i * UINT64_C(0x9e3779b97f4a7c15), RATE_REQUESTS, 1000000000,
				      1, &r));
	for (uint64_t i = 0; i < 3000; i++)
		rate_look(i * UINT64_C(0x9e3779b97f4a7c15), RATE_REQUESTS, 10, &r);
	{
		struct permit none;

		assert_false(permit_take(5, 1, &none));
	}
	assert_false(rate_take(6, RATE_REQUESTS, 1, 1, &r));
	permit_give(&p);
}

/* All rows where a key may stand are others', who hold something: it is let in, and not counted. */
static void test_no_row(void **state)
{
	struct permit others[40], p;
	struct rate r;

	for (uint64_t i = 0; i < 40; i++)
		assert_true(permit_take(9 + (i << 32), 1, &others[i]));
	assert_false(permit_take(9, 1, &p));
	for (int i = 0; i < 3; i++) {
		assert_true(permit_take(9 + (UINT64_C(39) << 32), 1, &p));
		assert_true(rate_take(9 + (UINT64_C(39) << 32), RATE_REQUESTS, 1, 1, &r));
		permit_give(&p);
	}
	for (int i = 0; i < 40; i++)
		permit_give(&others[i]);
	assert_true(permit_take(9 + (UINT64_C(39) << 32), 1, &others[0]));
	assert_false(permit_take(9 + (UINT64_C(39) << 32), 1, &p));
	permit_give(&others[0]);
}

/* ---- failures ---- */

static const struct bucket_rule few = { .limit = 5, .window_ms = 300000 };

static void test_failures(void **state)
{
	assert_int_equal(failure_wait_ms(FAILURE_ADDRESS, 0, &few), 0);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(failure_wait_ms(FAILURE_ADDRESS, 0, &few), 0);
		assert_true(failure_note(FAILURE_ADDRESS, 0, &few));
	}
	assert_in_range(failure_wait_ms(FAILURE_ADDRESS, 0, &few), 50000, 60000);
	assert_int_equal(failure_wait_ms(FAILURE_KEY, 0, &few), 0);
	assert_int_equal(failure_wait_ms(FAILURE_ADDRESS, 2, &few), 0);
}

static int fail_once(int id)
{
	return failure_note(FAILURE_ADDRESS, (uint64_t)id, &few);
}

static void test_failures_of_all_processes(void **state)
{
	assert_int_equal(together(fail_once, 42), PROCESSES);
	assert_true(failure_wait_ms(FAILURE_ADDRESS, 42, &few) > 0);
}

/* A set is full of others: who failed more than once stays, who failed once may have to go, and
 * who finds no room is told so. */
static void test_failures_are_not_pushed_out(void **state)
{
	const uint64_t sets = 512;

	assert_true(failure_note(FAILURE_KEY, 3, &few));
	assert_true(failure_note(FAILURE_KEY, 3, &few));
	for (uint64_t i = 1; i < 100; i++)
		assert_true(failure_note(FAILURE_KEY, 3 + i * sets, &few));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(failure_wait_ms(FAILURE_KEY, 3, &few), 0);
		assert_true(failure_note(FAILURE_KEY, 3, &few));
	}
	assert_true(failure_wait_ms(FAILURE_KEY, 3, &few) > 0);
	for (uint64_t i = 100; i < 107; i++)
		for (int k = 0; k < 2; k++)
			assert_true(failure_note(FAILURE_KEY, 3 + i * sets, &few));
	assert_false(failure_note(FAILURE_KEY, 3 + 200 * sets, &few));
	assert_true(failure_wait_ms(FAILURE_KEY, 3, &few) > 0);
	/* Others are elsewhere. */
	assert_true(failure_note(FAILURE_KEY, 4, &few));
}

/* ---- places ---- */

static void test_file_is_private(void **state)
{
	struct stat st;
	uint64_t secret = rates_secret();

	assert_int_not_equal(secret, 0);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* The same for who comes later. */
	rates_setup(dir, 1, may_map);
	assert_true(rates_secret() == secret);
}

/* Nothing is opened before it is needed. */
static void test_no_file_without_limits(void **state)
{
	struct stat st;

	assert_int_equal(stat(file, &st), -1);
}

static void test_without_a_folder(void **state)
{
	char path[128];
	struct permit p, none;
	struct rate r;

	rates_setup(NULL, UINT64_C(0x7e57000000000000) | (uint64_t)getpid(), may_map);
	assert_true(rate_take(1, RATE_REQUESTS, 1, 1, &r));
	assert_false(rate_take(1, RATE_REQUESTS, 1, 1, &r));
	assert_true(permit_take(1, 1, &p));
	assert_false(permit_take(1, 1, &none));
	permit_give(&p);
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/messages-fcgi-%u/.htmessages-rates-%016llx",
			 i ? "/tmp" : "/dev/shm", (unsigned)geteuid(),
			 0x7e57000000000000ULL | (unsigned long long)getpid());
		unlink(path);
	}
	rates_setup(dir, 1, may_map);
}

static int count_alone(int n)
{
	static const struct rlimit none = { 0, 0 };
	struct permit p, no;
	struct rate r;
	int taken = 0;

	/* No file may have a byte: there is none for what processes share. */
	log_setup(LOG_LEVEL_NONE, "none");
	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &none))
		return 0;
	rates_setup(dir, UINT64_C(0x7e57000000000000) | (uint64_t)getpid(), may_map);
	for (int i = 0; i < n + 1; i++)
		taken += rate_take(1, RATE_REQUESTS, n, 1, &r);
	return taken == n && permit_take(1, 1, &p) && !permit_take(1, 1, &no) && rates_secret() &&
	       !strcmp(rates_kind(), "this process alone");
}

/* Without room for a file, each process keeps to the limits by itself. */
static void test_without_a_file(void **state)
{
	assert_int_equal(together(count_alone, 3), PROCESSES);
}

/* A holder's number is not its successor's. */
static void test_holders(void **state)
{
	static const struct shared_head head = { 1, 1, sizeof(struct place_head) };
	struct place p = PLACE_INIT;
	char path[128];
	uint32_t self;

	assert_int_equal(place_open(&p, dir, "holders", 0, &head, may_map), 0);
	assert_int_equal(p.kind, may_map ? PLACE_MAPPED : PLACE_LOCKED);
	assert_non_null(place_enter(&p));
	self = place_self(&p);
	assert_int_not_equal(self, 0);
	assert_int_equal(place_self(&p), self);
	assert_true(place_alive(&p, self));
	assert_false(place_alive(&p, self + (1u << 12)));
	assert_false(place_alive(&p, self - (1u << 12)));
	assert_false(place_alive(&p, 0));
	place_leave(&p);
	place_close(&p);
	snprintf(path, sizeof(path), "%s/holders", dir);
	unlink(path);
}

/* Who could not read the file writes nothing back: what it has is not what others left there. */
static void test_unread_file(void **state)
{
	static const struct shared_head head = { 0x1234, 1, sizeof(struct place_head) };
	struct place p = PLACE_INIT;
	struct stat st;

	assert_int_equal(place_open(&p, dir, ".htmessages-rates", 0, &head, may_map), 0);
	assert_int_equal(truncate(file, 100), 0);
	assert_non_null(place_enter(&p));
	place_leave(&p);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_size, 100);
	place_close(&p);
}

#define LOCKED_STATE ((void *)1)
#define BOTH(f) \
	cmocka_unit_test_setup_teardown(f, setup, teardown), \
		{ #f " locked", f, setup, teardown, LOCKED_STATE }

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_requests_of_all_processes),
		BOTH(test_permits_of_ended_processes),
		BOTH(test_permits_have_an_end),
		BOTH(test_killed_holders),
		BOTH(test_kills_at_any_time),
		BOTH(test_permits_of_threads),
		BOTH(test_tokens),
		BOTH(test_many_keys),
		BOTH(test_no_row),
		BOTH(test_failures),
		BOTH(test_failures_of_all_processes),
		BOTH(test_failures_are_not_pushed_out),
		BOTH(test_file_is_private),
		BOTH(test_no_file_without_limits),
		BOTH(test_without_a_folder),
		BOTH(test_without_a_file),
		BOTH(test_holders),
		BOTH(test_unread_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
