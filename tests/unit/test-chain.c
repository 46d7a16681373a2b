/*
 * A request against a chain: which failures the next member cures and which it never sees, what the
 * breakers learn, who is asked when, and what the client is told in the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "chain_rig.h"

/* ---- which failures move on ---- */

static void test_what_the_next_cures(void **state)
{
	static const struct script cases[] = {
		FAILS("408 T"),
		FAILS("429 R"),
		FAILS("500 E"),
		FAILS("502 E"),
		FAILS("503 E"),
		FAILS("504 E"),
		FAILS("529 O"),
		FAILS("401 K"),
		FAILS("403 K"),
		FAILS("402 Q"),
		{ "200 OK", JSON, ERROR_BODY, ANSWERS },
		{ "200 OK", SSE, CHUNK("{\"error\":{\"message\":\"x\",\"code\":503}}"), ANSWERS },
		{ "200 OK", SSE, NO_HALF, ANSWERS },
		{ "200 OK", SSE, "", ANSWERS },
		{ "502 Bad", "Content-Type: text/html\r\n", "<html>no</html>", ANSWERS },
		{ NULL, NULL, NULL, DROPS },
		{ NULL, NULL, NULL, STALLS },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		rig_forget();
		script_put(&script[0], cases[i]);
		atomic_store(&stall_seconds, 60);
		rig_expect("A/m B/m", "AB", 0);
		/* Another follows: not tried twice. */
		assert_int_equal(calls[0], 1);
	}
	rig_forget();
	rig_expect("GONE/m B/m", "GB", 0);
	rig_expect("TLS/m B/m", "TB", 0);
}

static void test_what_none_cures(void **state)
{
	static const struct {
		struct script script;
		int status;
	} cases[] = {
		{ FAILS("400 B"), 400 },
		{ FAILS("404 N"), 404 },
		{ FAILS("413 L"), 413 },
		{ FAILS("422 U"), 400 },
		{ { "400 B", JSON,
		    "{\"error\":{\"message\":\"This model's maximum context length is "
		    "10 tokens.\",\"code\":\"context_length_exceeded\"}}",
		    ANSWERS },
		  400 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct run r;

		rig_forget();
		script_put(&script[0], cases[i].script);
		rig_prepare(&r, "A/m B/m");
		rig_go(&r);
		assert_int_equal(r.rc, -1);
		assert_string_equal(r.asked, "A");
		assert_int_equal(r.fault.status, cases[i].status);
		/* It has said something about the request, so it works. */
		assert_int_equal(rig_breaker("A", NULL).failures, 0);
		rig_done(&r);
	}
}

static void test_listed_statuses(void **state)
{
	static const char *const listed[] = { "404", "422", NULL };
	struct run r;

	script_put(&script[0], (struct script)FAILS("404 N"));
	rig_prepare(&r, "A/m B/m");
	r.o.statuses = listed;
	rig_go(&r);
	assert_int_equal(r.rc, 0);
	assert_string_equal(r.asked, "AB");
	rig_done(&r);
}

/* ---- content ends it ---- */

static void test_nothing_after_content(void **state)
{
	struct run r;

	script_put(&script[0], (struct script){ "200 OK", SSE, HALF, ANSWERS });
	rig_prepare(&r, "A/m B/m");
	rig_go(&r);
	assert_int_equal(r.rc, -1);
	assert_string_equal(r.asked, "A");
	assert_int_equal(r.content, 1);
	assert_int_equal(rig_breaker("A", NULL).failures, 1);
	rig_done(&r);
}

/* ---- time ---- */

/* The first one's `timeout` is the time of all: B alone would wait for minutes. */
static void test_one_deadline(void **state)
{
	struct backend quick = *config_backend(rig_config, "A");
	struct run r;

	quick.timeout = 60;
	atomic_store(&stall_seconds, 60);
	script_put(&script[0], (struct script)FAILS("500 E"));
	script_way(&script[1], STALLS);
	rig_prepare(&r, "A/m B/m C/m");
	r.o.chain.v[0].backend = &quick;
	rig_go(&r);
	assert_int_equal(r.rc, -1);
	assert_string_equal(r.asked, "AB");
	assert_int_equal(r.fault.status, 504);
	assert_int_equal(calls[2], 0);
	rig_done(&r);
}

/* A wait that the deadline does not leave room for is the client's to make. */
static void test_retry_after_beyond_the_deadline(void **state)
{
	struct backend quick = *config_backend(rig_config, "A");
	struct run r;

	quick.timeout = 4;
	script_put(&script[0],
		   (struct script){ "503 S", JSON "retry-after: 5\r\n", ERROR_BODY, ANSWERS });
	rig_prepare(&r, "A/m");
	r.o.chain.v[0].backend = &quick;
	rig_go(&r);
	assert_int_equal(r.rc, -1);
	assert_int_equal(calls[0], 1);
	assert_int_equal(r.fault.retry_after, 5);
	rig_done(&r);
}

static void test_client_leaves_between_members(void **state)
{
	struct run r;

	script_put(&script[0], (struct script)FAILS("500 E"));
	script_way(&script[1], STALLS);
	rig_prepare(&r, "A/m B/m C/m");
	r.cancel_at = 2;
	rig_go(&r);
	assert_int_equal(r.rc, -1);
	assert_int_equal(r.fault.class, FAULT_CANCELLED);
	assert_string_equal(r.asked, "AB");
	assert_int_equal(calls[2], 0);
	assert_int_equal(rig_breaker("A", NULL).failures, 1);
	assert_int_equal(rig_breaker("B", NULL).failures, 0);
	rig_done(&r);
}

/* ---- what the client is told ---- */

static void test_the_fault_that_says_most(void **state)
{
	static const struct {
		struct script a, b;
		int status, retry_after;
		char last; /* whose fault it is */
	} cases[] = {
		{ { "429 R", JSON "retry-after: 7\r\n", ERROR_BODY, ANSWERS },
		  FAILS("500 E"),
		  429,
		  7,
		  'A' },
		{ FAILS("500 E"),
		  { "429 R", JSON "retry-after: 7\r\n", ERROR_BODY, ANSWERS },
		  429,
		  7,
		  'B' },
		{ FAILS("500 E"), FAILS("401 K"), 500, -1, 'A' },
		{ FAILS("401 K"), FAILS("503 E"), 529, -1, 'B' },
		{ { "429 R", JSON "retry-after: 9\r\n", ERROR_BODY, ANSWERS },
		  { "429 R", JSON "retry-after: 3\r\n", ERROR_BODY, ANSWERS },
		  429,
		  3,
		  'B' },
		{ { "429 R", JSON "retry-after: 3\r\n", ERROR_BODY, ANSWERS },
		  { "429 R", JSON "retry-after: 9\r\n", ERROR_BODY, ANSWERS },
		  429,
		  3,
		  'A' },
		/* A verdict on the request is the last word. */
		{ { "429 R", JSON "retry-after: 3\r\n", ERROR_BODY, ANSWERS },
		  FAILS("400 B"),
		  400,
		  -1,
		  'B' },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct run r;

		rig_forget();
		script_put(&script[0], cases[i].a);
		script_put(&script[1], cases[i].b);
		rig_prepare(&r, "A/m B/m");
		rig_go(&r);
		assert_int_equal(r.rc, -1);
		if (r.fault.status != cases[i].status ||
		    r.fault.retry_after != cases[i].retry_after ||
		    r.asked[r.members - 1] != cases[i].last)
			fail_msg("case %zu: %d, retry after %d, of %s", i, r.fault.status,
				 r.fault.retry_after, r.asked);
		rig_done(&r);
	}
}

/* ---- breakers ---- */

static void test_outcomes_are_recorded(void **state)
{
	struct host_error e;

	script_put(&script[0], (struct script)FAILS("500 E"));
	rig_expect("A/m B/m", "AB", 0);
	rig_expect("A/m B/m", "AB", 0);
	assert_int_equal(rig_breaker("A", &e).failures, 2);
	assert_int_equal(e.status, 500);
	assert_int_equal(e.kind, FAULT_TRANSIENT);
	assert_non_null(strstr(e.text, "scripted failure"));
	/* One that went well: they were not in a row. */
	script_put(&script[0], script_well);
	rig_expect("A/m B/m", "A", 0);
	assert_int_equal(rig_breaker("A", NULL).failures, 0);
	script_put(&script[0], (struct script)FAILS("500 E"));
	for (int i = 0; i < 3; i++)
		rig_expect("A/m B/m", "AB", 0);
	assert_int_equal(rig_breaker("A", NULL).phase, BREAKER_OPEN);
	rig_expect("A/m B/m", "B", 0);
	/* The only way is taken all the same, and what it says counts. */
	script_put(&script[0], script_well);
	rig_expect("A/m", "A", 0);
	assert_int_equal(rig_breaker("A", NULL).phase, BREAKER_CLOSED);
}

/* Whoever sends the beginning of a message and then fails, each time, has failed in a row. */
static void test_a_start_is_no_answer(void **state)
{
	script_put(&script[0], (struct script){ "200 OK", SSE, NO_HALF, ANSWERS });
	for (int i = 0; i < 3; i++)
		rig_expect("A/m B/m", "AB", 0);
	rig_expect("A/m B/m", "B", 0);
	rig_forget();
	script_put(&script[0], (struct script){ "200 OK", SSE, HALF, ANSWERS });
	for (int i = 0; i < 3; i++)
		rig_expect("A/m B/m", "A", 502);
	rig_expect("A/m B/m", "B", 0);
}

static void test_all_benched(void **state)
{
	struct run r;

	script_put(&script[0], (struct script)FAILS("500 E"));
	script_put(&script[1], (struct script)FAILS("500 E"));
	for (int i = 0; i < 3; i++)
		rig_expect("A/m B/m", "AB", 500);
	rig_prepare(&r, "A/m B/m");
	rig_go(&r);
	assert_int_equal(r.rc, -1);
	assert_int_equal(r.fault.status, 529);
	assert_in_range(r.fault.retry_after, 1, 60);
	assert_int_equal(r.report.members, 0);
	rig_done(&r);
}

/* Half open: of several at once one asks again; the others go on to the next member. */
static void test_one_probe(void **state)
{
	static const struct breaker_rule quick = { 1, 1, 1 };
	static const struct host_error e = { .wall_ms = 1 };
	struct run r[4];
	pthread_t t[4];
	int asked_a = 0;

	host_breaker_failed("A", &quick, &e);
	rig_wall_ms++;
	assert_true(host_breaker_ready("A"));
	script_way(&script[0], HOLDS);
	for (int i = 0; i < 4; i++) {
		rig_prepare(&r[i], "A/m B/m");
		r[i].o.chain.v[0].backend = config_backend(rig_config, "A");
		assert_int_equal(pthread_create(&t[i], NULL, rig_go, &r[i]), 0);
	}
	while (atomic_load(&calls[1]) < 3)
		usleep(1000);
	atomic_store(&let_go, true);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], NULL);
		asked_a += r[i].asked[0] == 'A';
		rig_done(&r[i]);
	}
	assert_int_equal(asked_a, 1);
	assert_int_equal(calls[0], 1);
}

/* A prober whose client leaves has learnt nothing: the next one may. */
static void test_probe_given_back(void **state)
{
	static const struct breaker_rule quick = { 1, 1, 1 };
	static const struct host_error e = { .wall_ms = 1 };
	struct run r;

	host_breaker_failed("A", &quick, &e);
	rig_wall_ms++;
	assert_true(host_breaker_ready("A"));
	script_way(&script[0], STALLS);
	rig_prepare(&r, "A/m B/m");
	r.cancel_at = 1;
	rig_go(&r);
	assert_int_equal(r.fault.class, FAULT_CANCELLED);
	rig_done(&r);
	script_put(&script[0], script_well);
	rig_expect("A/m B/m", "A", 0);
	assert_int_equal(rig_breaker("A", NULL).phase, BREAKER_CLOSED);
}

static void test_first(void **state)
{
	static const struct host_error e = { .wall_ms = 1 };
	struct run r;

	rig_prepare(&r, "A/m B/m");
	assert_string_equal(chain_first(&r.o).backend->name, "A");
	host_breaker_rest("A", 60000, &rig_rule, &e);
	assert_string_equal(chain_first(&r.o).backend->name, "B");
	host_breaker_rest("B", 60000, &rig_rule, &e);
	assert_string_equal(chain_first(&r.o).backend->name, "A");
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(test_what_the_next_cures),
		RIG_TEST(test_what_none_cures),
		RIG_TEST(test_listed_statuses),
		RIG_TEST(test_nothing_after_content),
		RIG_TEST(test_one_deadline),
		RIG_TEST(test_retry_after_beyond_the_deadline),
		RIG_TEST(test_client_leaves_between_members),
		RIG_TEST(test_the_fault_that_says_most),
		RIG_TEST(test_outcomes_are_recorded),
		RIG_TEST(test_a_start_is_no_answer),
		RIG_TEST(test_all_benched),
		RIG_TEST(test_one_probe),
		RIG_TEST(test_probe_given_back),
		RIG_TEST(test_first),
	};

	return cmocka_run_group_tests(tests, rig_setup_all, rig_teardown_all);
}
