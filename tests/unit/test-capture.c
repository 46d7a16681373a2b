/*
 * Captures without a web server: what is masked and cut, what counts when two answers are compared,
 * which folders go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#include <cmocka.h>

#include "api/capture.h"
#include "api/capture_compare.h"
#include "api/capture_files.h"
#include "base/log.h"
#include "config/config.h"

static void test_mask(void **state)
{
	struct backend ways[2] = { { .api_key = "second-key" }, { .api_key = "organ" } };
	struct header_setting headers[] = { { "x-org", "organisation" }, { "x-team-token", "team-1234" },
					    { NULL, NULL } };
	struct backend b = { .api_key = "first-key", .ways = ways, .nways = 2, .headers = headers };
	struct config c = { .backends = &b, .nbackends = 1 };
	struct buf text;

	buf_init(&text, 0);
	buf_puts(&text, "first-key second-keyfirst-key team-1234 organisation key");
	/* One that is too short would mask words. */
	capture_mask(&c, &text);
	assert_string_equal(buf_cstr(&text),
			    "********* ******************* ********* organisation key");
	/* No text is no fault. */
	buf_reset(&text);
	capture_mask(&c, &text);
	buf_release(&text);
}

static void test_base64(void **state)
{
	static const struct { const char *in; int max; const char *out;
	} cases[] = {
		{ "", 4, "" },
		{ "data:image/png;base64,AAAABBBB\" x", 4, "data:imag;base,AAAA\" x" },
		{ "AAAA", 4, "AAAA" },
		{ "AAAAA==", 4, "AAAA" },
		{ "anything at all", 0, "anything at all" },
	};
	struct buf b;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		buf_init(&b, 0);
		capture_put_short(&b, str_of(cases[i].in), cases[i].max);
		assert_string_equal(buf_cstr(&b), cases[i].out);
		buf_release(&b);
	}
}

/* What a client adds to a call may be secret, too. */
static void test_sent(void **state)
{
	const char *headers[] = { "anthropic-beta: one", "anthropic-session-token: sk-own" };
	const struct upstream_call call = { .method = "POST", .url = "http://h/v1", .nheaders = 2,
					    .headers = headers };
	struct buf b;

	buf_init(&b, 0);
	capture_put_sent(&b, &call, 0);
	assert_string_equal(buf_cstr(&b), "POST http://h/v1\nanthropic-beta: one\n"
			    "anthropic-session-token: ***\n\n");
	buf_release(&b);
}

#define HEAD(type, id) "Status: 200 OK\r\nContent-Type: " type "\r\nrequest-id: " id "\r\n\r\n"
#define ID1 "msg_01AAAAAAAAAAAAAAAAAAAAAAAA"
#define ID2 "msg_01BBBBBBBBBBBBBBBBBBBBBBBB"
#define SSE(id) HEAD("text/event-stream", id)

static void test_compare(void **state)
{
	static const struct { const char *then, *now; bool part, same;
	} cases[] = {
		{ SSE(ID1) "data: " ID1 " " ID1 "\n\n", SSE(ID2) "data: " ID2 " " ID2 "\n\n", false, true },
		{ SSE(ID1) "data: " ID1 " " ID1 "\n\n", SSE(ID1) "data: " ID1 " " ID2 "\n\n", false, false },
		{ SSE(ID1) ": waiting\n\nevent: ping\ndata: {}\n\ndata: 1\n\n", SSE(ID1) "data: 1\n\n",
		  false, true },
		{ SSE(ID1) "data: 1\n\n", SSE(ID1) "data: 1\n\ndata: 2\n\n", false, false },
		{ SSE(ID1) "data: 1\n\n", SSE(ID1) "data: 1\n\ndata: 2\n\n", true, true },
		{ SSE(ID1) "data: 2\n\n", SSE(ID1) "data: 1\n\ndata: 2\n\n", true, false },
		{ HEAD("application/json", ID1) "{\"error_id\":\"0123456789ab\"}",
		  HEAD("application/json", ID1) "{\"error_id\":\"ba9876543210\"}", false, true },
		{ HEAD("application/json", ID1) "{}", SSE(ID1) "{}", false, false },
		{ "Status: 200 OK\r\n\r\n", "Status: 502 Bad\r\n\r\n", false, false },
		{ "", "", false, true },
	};
	FILE *out = fopen("/dev/null", "w");

	assert_non_null(out);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		bool same = capture_same_answer(out, str_of(cases[i].then), str_of(cases[i].now),
						cases[i].part);

		if (same != cases[i].same)
			fail_msg("%s", cases[i].then);
	}
	assert_true(capture_same(out, "x", STR("a " ID1), STR("a " ID2)));
	assert_false(capture_same(out, "x", STR("toolu_upstream"), STR("toolu_other")));
	assert_true(capture_same(out, "x", STR_NONE, STR("")));
	fclose(out);
}

static bool exists(const char *dir, const char *name)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

static void make(const char *dir, char name[CAPTURE_NAME_SIZE], int64_t at, size_t bytes)
{
	struct capture_folder f;
	struct buf b;

	buf_init(&b, 0);
	while (b.n < bytes)
		buf_putc(&b, 'a');
	capture_name(name, at, "req_01x");
	assert_true(capture_folder_open(&f, dir, name));
	assert_false(exists(dir, name));
	assert_true(capture_put_file(&f, 0, "about", &b, NULL));
	/* Nothing is ever written over. */
	assert_false(capture_put_file(&f, 0, "about", &b, NULL));
	assert_true(capture_put_file(&f, 1, "answer", &b, &b));
	capture_folder_close(&f, true);
	assert_true(exists(dir, name));
	buf_release(&b);
}

/* What a process that was killed has begun goes after a while, with its files; another may still be
 * writing what is younger. */
static void test_left_behind(void **state)
{
	struct utimbuf old = { time(NULL) - 4000, time(NULL) - 4000 };
	char top[] = "/tmp/test-capture.XXXXXX", path[256];
	struct capture_folder f;
	struct buf b;

	buf_init(&b, 0);
	assert_non_null(mkdtemp(top));
	assert_true(capture_folder_open(&f, top, "20261122T171500.123Z-req_01x"));
	assert_true(capture_put_file(&f, 0, "request", &b, NULL));
	close(f.fd);
	close(f.dir_fd);
	snprintf(path, sizeof(path), "%s/.%s", top, f.name);
	capture_tidy(top, 3, 1000);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(utime(path, &old), 0);
	capture_tidy(top, 3, 1000);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(rmdir(top), 0);
}

static void test_folders(void **state)
{
	char top[] = "/tmp/test-capture.XXXXXX", names[4][CAPTURE_NAME_SIZE], dir[64], path[256];
	struct capture_folder f;
	struct stat st;

	assert_non_null(mkdtemp(top));
	snprintf(dir, sizeof(dir), "%s/captures", top);
	for (int i = 0; i < 4; i++)
		make(dir, names[i], INT64_C(1795000000000) + i, i == 2 ? 4000 : 10);
	snprintf(path, sizeof(path), "%s/%s", dir, names[0]);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	snprintf(path, sizeof(path), "%s/20260101-somebody's", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	capture_tidy(dir, 3, 1 << 20);
	assert_false(exists(dir, names[0]));
	assert_true(exists(dir, names[1]) && exists(dir, names[2]) && exists(dir, names[3]));
	/* What does not fit goes, and all that is older. */
	capture_tidy(dir, 3, 1000);
	assert_true(exists(dir, names[3]));
	assert_false(exists(dir, names[2]) || exists(dir, names[1]));
	assert_int_equal(rmdir(path), 0);
	/* One that was begun and is not whole is not there. */
	assert_true(capture_folder_open(&f, dir, names[0]));
	capture_folder_close(&f, false);
	assert_false(exists(dir, names[0]));
	capture_tidy(dir, 0, 1000);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(rmdir(top), 0);
	assert_false(capture_folder_open(&f, "/nonexistent/captures", names[0]));
	capture_folder_close(&f, false);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mask),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_sent),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_folders),
		cmocka_unit_test(test_left_behind),
	};

	log_setup(LOG_LEVEL_NONE, "none");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
