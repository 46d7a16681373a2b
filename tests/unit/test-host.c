/* The host table: shared by processes, one winner for a claim, broken files replaced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "state/host.h"
#include "state/shared.h"

#define PROCESSES 12

static char dir[64], file[96];
static int64_t clock_at = 1795348800000;        /* ms */
static void (*after_look)(void);   /* what others do as soon as we have looked at the clock */

/* In place of the system's. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	void (*then)(void) = after_look;

	t->tv_sec = (time_t)(clock_at / 1000);
	t->tv_nsec = (long)(clock_at % 1000) * 1000000;
	after_look = NULL;
	if (then)
		then();
	return 0;
}

static void (*before_rename)(void);

int rename(const char *from, const char *to)
{
	void (*first)(void) = before_rename;

	before_rename = NULL;
	if (first)
		first();
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

static int setup(void **state)
{
	strcpy(dir, "/tmp/test-host.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/.htmessages-host", dir);
	return 0;
}

static int teardown(void **state)
{
	host_close();
	unlink(file);
	return rmdir(dir);
}

static int count_winners(const pid_t *pids)
{
	int winners = 0;

	for (int i = 0; i < PROCESSES; i++) {
		int status = 0;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
		winners += WEXITSTATUS(status);
	}
	return winners;
}

/* Each process opens the table itself and all try at once; the pipe's end is the starting gun. */
static int race(int64_t interval)
{
	pid_t pids[PROCESSES];
	int gun[2];
	char c;

	assert_int_equal(pipe(gun), 0);
	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			close(gun[1]);
			if (host_open(dir))
				_exit(9);
			while (read(gun[0], &c, 1) > 0)
				;
			_exit(host_health_claim("lab", interval) ? 1 : 0);
		}
	}
	close(gun[0]);
	close(gun[1]);
	return count_winners(pids);
}

static void test_race(void **state)
{
	assert_int_equal(host_open(dir), 0);
	assert_int_equal(race(60000), 1);
	assert_int_equal(race(60000), 0);
	clock_at += 61000;
	assert_int_equal(race(60000), 1);
	clock_at -= 3600000;
	assert_int_equal(race(60000), 1);
}

static void rival(void)
{
	clock_at += 2;
	assert_true(host_health_claim("lab", 60000));
}

/* Whoever was put aside between its look at the clock and its look at the table has lost. */
static void test_late(void **state)
{
	assert_int_equal(host_open(dir), 0);
	after_look = rival;
	assert_false(host_health_claim("lab", 60000));
	assert_null(after_look);
}

static void test_shared_result(void **state)
{
	struct host_health h = { .checked_wall_ms = 123456,
				 .latency_ms = 42,
				 .status = 401,
				 .reachable = true },
			   got;
	int status = 0;
	pid_t pid;

	assert_int_equal(host_open(dir), 0);
	host_health_get("lab", &got);
	assert_int_equal(got.checked_wall_ms, 0);
	assert_int_equal(got.latency_ms, -1);
	pid = fork();
	if (pid == 0) {
		host_open(dir);
		host_health_put("lab", &h);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	host_health_get("lab", &got);
	assert_int_equal(got.checked_wall_ms, 123456);
	assert_int_equal(got.latency_ms, 42);
	assert_int_equal(got.status, 401);
	assert_true(got.reachable);
	host_health_get("other", &got);
	assert_int_equal(got.checked_wall_ms, 0);
}

#define RESULTS 500000

static void *put_results(void *ctx)
{
	for (int32_t i = 1; i <= RESULTS; i++)
		host_health_put("lab", &(struct host_health){ .checked_wall_ms = i,
							      .latency_ms = i, .status = 200 });
	return NULL;
}

/* What is told of a moment is never older than that moment. */
static void test_result_of_its_time(void **state)
{
	struct host_health got = { 0 };
	pthread_t writer;
	bool old = false;

	assert_int_equal(host_open(dir), 0);
	assert_int_equal(pthread_create(&writer, NULL, put_results, NULL), 0);
	while (got.checked_wall_ms < RESULTS) {
		host_health_get("lab", &got);
		old = old || (got.checked_wall_ms && got.latency_ms < got.checked_wall_ms);
	}
	pthread_join(writer, NULL);
	assert_false(old);
}

static void write_file(const char *text, size_t size)
{
	FILE *f = fopen(file, "wb");

	assert_non_null(f);
	fwrite(text, 1, strlen(text), f);
	assert_int_equal(ftruncate(fileno(f), (off_t)size), 0);
	fclose(f);
}

static void test_broken_file(void **state)
{
	static const size_t sizes[] = { 0, 10, 2064, 100000 };
	struct stat st;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		host_close();
		write_file("garbage", sizes[i]);
		assert_int_equal(host_open(dir), 0);
		assert_true(host_health_claim("lab", 1000));
		assert_false(host_health_claim("lab", 1000));
		assert_int_equal(stat(file, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
}

/* A table of an earlier version, even of the same size, is left to those who still map it. */
static void test_earlier_version(void **state)
{
	uint32_t version = 0;
	struct stat st;
	ino_t before;
	int fd;

	assert_int_equal(host_open(dir), 0);
	assert_true(host_health_claim("lab", 60000));
	host_close();
	fd = open(file, O_RDWR);
	assert_true(fd >= 0 && pread(fd, &version, 4, 8) == 4);
	version--;
	assert_int_equal(pwrite(fd, &version, 4, 8), 4);
	close(fd);
	assert_int_equal(stat(file, &st), 0);
	before = st.st_ino;
	assert_int_equal(host_open(dir), 0);
	assert_true(host_health_claim("lab", 60000));
	assert_int_equal(stat(file, &st), 0);
	assert_true(st.st_ino != before);
}

static const struct shared_head some_head = { 1, 1, 65536 };
static int to_rival[2], from_rival[2];

/* The inode of the table that it gets. */
static void other_process(void)
{
	struct stat st;
	char byte;
	int fd;

	if (read(to_rival[0], &byte, 1) != 1)
		_exit(1);
	fd = shared_open(file, &some_head);
	if (fd < 0 || fstat(fd, &st) || write(from_rival[1], &st.st_ino, sizeof(st.st_ino)) < 0)
		_exit(1);
	_exit(0);
}

/* It gets as far as it can. */
static void let_rival_run(void)
{
	assert_int_equal(write(to_rival[1], "", 1), 1);
	poll(&(struct pollfd){ .fd = from_rival[0], .events = POLLIN }, 1, 300);
}

/* Two that start at once, and both have found a table that can't be used, share the new one. */
static void test_replaced_once(void **state)
{
	int fd, status = -1;
	struct stat st;
	ino_t theirs;
	pid_t pid;

	write_file("garbage", 100);
	assert_int_equal(pipe(to_rival) | pipe(from_rival), 0);
	pid = fork();
	if (pid == 0)
		other_process();
	before_rename = let_rival_run;
	fd = shared_open(file, &some_head);
	assert_true(fd >= 0);
	assert_null(before_rename);
	assert_int_equal(read(from_rival[0], &theirs, sizeof(theirs)), sizeof(theirs));
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_ino == theirs);
	assert_int_equal(stat(file, &st), 0);
	assert_true(st.st_ino == theirs);
	close(fd);
	for (int i = 0; i < 2; i++) {
		close(to_rival[i]);
		close(from_rival[i]);
	}
}

/* Somebody else's table, or a link of theirs, is not used; nor is what the link leads to touched. */
static void test_not_ours(void **state)
{
	struct stat st;
	char target[200];

	snprintf(target, sizeof(target), "%s/target", dir);
	assert_int_equal(symlink(target, file), 0);
	assert_int_equal(host_open(dir), -1);
	assert_int_equal(stat(target, &st), -1);
	unlink(file);
	assert_int_equal(host_open(dir), 0);
	host_close();
	if (geteuid() != 0)
		return;
	assert_int_equal(chown(file, 65534, (gid_t)-1), 0);
	assert_int_equal(host_open(dir), 0);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_uid, 0);
}

/* Without a folder, or without a usable one, the process keeps a table of its own. */
static void test_anonymous(void **state)
{
	assert_int_equal(host_open(NULL), 0);
	assert_true(host_health_claim("lab", 1000));
	assert_false(host_health_claim("lab", 1000));
	assert_int_equal(host_open("/nonexistent/folder"), -1);
	assert_true(host_health_claim("lab", 1000));
	host_close();
	assert_false(host_health_claim("lab", 1000));
}

/* A folder that is not there yet is made, for its owner alone. */
static void test_new_folder(void **state)
{
	char path[200], name[240];
	struct stat st;

	snprintf(path, sizeof(path), "%s/state", dir);
	assert_int_equal(host_open(path), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	host_close();
	snprintf(name, sizeof(name), "%s/%s", path, strrchr(file, '/') + 1);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(rmdir(path), 0);
}

static void test_full(void **state)
{
	char name[16];

	assert_int_equal(host_open(NULL), 0);
	for (int i = 0; i < 64; i++) {
		snprintf(name, sizeof(name), "b%d", i);
		assert_true(host_health_claim(name, 1000));
	}
	assert_false(host_health_claim("one-too-many", 1000));
}

static const struct breaker_rule rule = { .failures = 3, .cooldown_ms = 1000,
					  .cooldown_max_ms = 60000 };
static const struct host_error some_error = { .wall_ms = 1, .status = 429 };

static void rest_elsewhere(void)
{
	host_breaker_rest("new", 60000, &rule, &some_error);
}

/* Two that need a slot of a full table for the same name at once get the same one. */
static void test_full_of_breakers(void **state)
{
	struct host_error e;
	struct breaker b;
	char name[16];

	assert_int_equal(host_open(NULL), 0);
	for (int i = 0; i < 256; i++) {
		snprintf(name, sizeof(name), "b%d", i);
		host_breaker_rest(name, 1000, &rule, &some_error);
	}
	clock_at += 3 * 3600 * 1000;
	after_look = rest_elsewhere;
	host_breaker_rest("new", 600000, &rule, &some_error);
	assert_null(after_look);
	host_breaker_get("new", &b, &e);
	assert_int_equal(e.count, 2);
	assert_int_equal(b.until, clock_at + 600000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_race, setup, teardown),
		cmocka_unit_test_setup_teardown(test_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shared_result, setup, teardown),
		cmocka_unit_test_setup_teardown(test_result_of_its_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_of_breakers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_earlier_version, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replaced_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_ours, setup, teardown),
		cmocka_unit_test(test_anonymous),
		cmocka_unit_test_setup_teardown(test_new_folder, setup, teardown),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
