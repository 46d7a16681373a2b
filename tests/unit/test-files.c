/* Descriptors: how many streams they are enough for, and what becomes of kept connections and of
 * calls when there are few. */
#include "config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/files.h"
#include "upstream/fail.h"
#include "upstream/slot.h"
#include "upstream/upstream.h"

static struct rlimit before;

static void allow(rlim_t n)
{
	struct rlimit files = { .rlim_cur = n, .rlim_max = before.rlim_max };

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
}

static int remember(void **state)
{
	return getrlimit(RLIMIT_NOFILE, &before);
}

static int restore(void **state)
{
	return setrlimit(RLIMIT_NOFILE, &before);
}

/* ---- how many ---- */

static void test_streams(void **state)
{
	static const struct {
		rlim_t files;
		int streams;
	} rows[] = {
		{ 0, 1 }, { 1, 1 }, { 35, 1 }, { 36, 1 }, { 39, 1 }, { 40, 2 }, { 256, 56 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		allow(rows[i].files);
		assert_int_equal(files_streams(), rows[i].streams);
	}
}

static void test_raise(void **state)
{
	struct rlimit now;

	allow(40);
	files_raise();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
	assert_true(now.rlim_cur == before.rlim_max);
	files_raise();
	assert_true(files_streams() > 2);
}

/* The lowest number that is free: a limit there allows no descriptor more. */
static rlim_t next_file(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	close(fd);
	return (rlim_t)fd;
}

static void test_used_up(void **state)
{
	assert_false(files_used_up());
	allow(next_file());
	assert_true(files_used_up());
}

/* ---- connections that are kept ---- */

static void keep(const char *origin)
{
	struct slot *s = slot_take(origin);

	assert_non_null(s);
	slot_give(s);
}

/* The kept one of each of these, and no other; looked at by taking it. */
static void is_kept(const char *origin, size_t left)
{
	struct slot *s = slot_take(origin);

	assert_non_null(s);
	assert_int_equal(slots_idle(), left);
	slot_drop(s);
}

static void test_kept_ones_make_room(void **state)
{
	struct slot *a, *b;

	assert_int_equal(upstream_setup(), 0);
	keep("a");
	keep("b");
	keep("c");
	assert_int_equal(slots_idle(), 3);
	/* As many slots as streams: a new one takes the place of the one that is idle longest. */
	allow(32 + 3 * 4);
	keep("d");
	assert_int_equal(slots_idle(), 3);
	is_kept("b", 2);
	is_kept("c", 1);
	is_kept("d", 0);
	/* What is in use stays, however many there are. */
	a = slot_take("a");
	allow(32 + 4);
	b = slot_take("b");
	assert_non_null(a);
	assert_non_null(b);
	slot_give(a);
	assert_int_equal(slots_idle(), 1);
	slot_give(b);
	upstream_cleanup();
}

/* ---- calls ---- */

static void fail_call(CURLcode code, bool ready, struct fault *f)
{
	struct backend backend = { .name = "test" };
	struct failure w = { .code = code, .text = "no way", .backend = &backend,
			     .host = "host.example", .port = 443, .proxy = "", .ready = ready };

	fail_fault(&w, f);
}

static void test_no_descriptor_for_a_call(void **state)
{
	static const CURLcode codes[] = { CURLE_COULDNT_CONNECT, CURLE_COULDNT_RESOLVE_HOST,
					  CURLE_OUT_OF_MEMORY };
	struct fault f = FAULT_INIT;

	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		allow(next_file());
		fail_call(codes[i], false, &f);
		assert_int_equal(f.status, 529);
		assert_int_equal(f.class, FAULT_OVERLOADED);
		assert_int_equal(f.retry_after, 1);
		assert_true(f.ours);
		assert_non_null(strstr(f.message, "descriptor"));
		restore(state);
	}
	/* The connection was there: something else went wrong. */
	allow(next_file());
	fail_call(CURLE_RECV_ERROR, true, &f);
	assert_int_equal(f.status, 502);
	restore(state);
	fail_call(CURLE_COULDNT_CONNECT, false, &f);
	assert_int_equal(f.status, 502);
	assert_false(f.ours);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_streams, remember, restore),
		cmocka_unit_test_setup_teardown(test_raise, remember, restore),
		cmocka_unit_test_setup_teardown(test_used_up, remember, restore),
		cmocka_unit_test_setup_teardown(test_kept_ones_make_room, remember, restore),
		cmocka_unit_test_setup_teardown(test_no_descriptor_for_a_call, remember, restore),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
