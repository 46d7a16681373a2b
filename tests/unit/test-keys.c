/* Keys of one backend: whose turn it is, which rests for what and how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "chain_rig.h"

static void test_keys_take_turns(void **state)
{
	struct run r;

	for (int i = 0; i < 6; i++)
		rig_expect("C/m", "C", 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(keys[i], 2);
	rig_forget();
	for (int i = 0; i < 5; i++) {
		rig_prepare(&r, "C/m");
		r.o.session = "one and the same";
		rig_go(&r);
		rig_done(&r);
	}
	assert_true(keys[0] == 5 || keys[1] == 5 || keys[2] == 5);
}

/* The work of one that rests is shared by the others. */
static void test_who_stands_in(void **state)
{
	static const struct host_error e = { .wall_ms = 1 };

	host_breaker_rest(rig_key("C", 1), 60000, &rig_rule, &e);
	for (int i = 0; i < 12; i++)
		rig_expect("C/m", "C", 0);
	assert_int_equal(keys[0], 6);
	assert_int_equal(keys[1], 0);
	assert_int_equal(keys[2], 6);
}

/* Refused or used up: the key, for every model. Rate-limited: this model with this key. */
static void test_what_rests(void **state)
{
	struct host_error e;

	script_put(&for_key[0], (struct script){ "401 K", JSON,
						 "{\"error\":{\"message\":\"Incorrect API key "
						 "provided: k1 (sk-abcdefghijkl)\"}}",
						 ANSWERS });
	script_put(&for_key[1],
		   (struct script){ "429 R", JSON "retry-after: 30\r\n", ERROR_BODY, ANSWERS });
	for (int i = 0; i < 3; i++) {
		struct run r;

		rig_prepare(&r, "C/m");
		rig_go(&r);
		assert_int_equal(r.rc, 0);
		rig_done(&r);
	}
	assert_int_equal(keys[0], 1);
	assert_int_equal(keys[1], 1);
	assert_int_equal(keys[2], 3);
	assert_int_equal(rig_breaker("C", NULL).phase, BREAKER_CLOSED);
	assert_int_equal(rig_breaker(rig_key("C", 0), &e).phase, BREAKER_OPEN);
	assert_null(strstr(e.text, "sk-abc"));
	assert_non_null(strstr(e.text, "Incorrect API key"));
	assert_int_equal(rig_breaker(rig_key("C", 1), NULL).phase, BREAKER_CLOSED);
	assert_int_equal(rig_breaker(rig_model("C", 1, "m"), NULL).phase, BREAKER_OPEN);
	/* The limited key still serves another model, the refused one none. */
	script_put(&for_key[1], (struct script){ NULL, NULL, NULL, ANSWERS });
	for (int i = 0; i < 4; i++) {
		struct run r;

		rig_prepare(&r, "C/other");
		rig_go(&r);
		assert_int_equal(r.rc, 0);
		rig_done(&r);
	}
	assert_int_equal(keys[0], 1);
	assert_true(keys[1] > 1);
}

/* A rate limit where there is no key is the model's, too. */
static void test_limit_without_a_key(void **state)
{
	script_put(&script[1],
		   (struct script){ "429 R", JSON "retry-after: 30\r\n", ERROR_BODY, ANSWERS });
	rig_expect("B/m A/m", "BA", 0);
	rig_expect("B/m A/m", "A", 0);
	script_put(&script[1], script_well);
	rig_expect("B/n A/m", "B", 0);
}

/* What is the backend's fault the member's other keys are not asked about. */
static void test_other_keys_cure_no_backend(void **state)
{
	script_put(&script[2], (struct script)FAILS("500 E"));
	rig_expect("C/m B/m", "CB", 0);
	assert_int_equal(calls[2], 1);
}

/* How long a key rests: what the backend says, within reason; else as a breaker does. */
static void test_how_long(void **state)
{
	static const struct {
		const char *header;
		int64_t least, most;
	} cases[] = {
		{ "retry-after: 30\r\n", 28000, 30000 },
		{ "retry-after: 99999999999\r\n", BREAKER_REST_MAX_MS - 2000, BREAKER_REST_MAX_MS },
		{ "retry-after: Wed, 21 Oct 2065 07:28:00 GMT\r\n", BREAKER_REST_MAX_MS - 2000,
		  BREAKER_REST_MAX_MS },
		{ "retry-after: Wed, 21 Oct 2015 07:28:00 GMT\r\n", -1000, 1000 },
		{ "retry-after: 0\r\n", -1000, 1000 },
		{ "retry-after: -5\r\n", 58000, 60000 },
		{ "retry-after: soon\r\n", 58000, 60000 },
		{ "", 58000, 60000 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char headers[256];
		int64_t rests;

		rig_forget();
		snprintf(headers, sizeof(headers), "%s%s", JSON, cases[i].header);
		script_put(&script[0], (struct script){ "429 R", headers, ERROR_BODY, ANSWERS });
		rig_expect("A/m B/m", "AB", 0);
		rests = rig_breaker(rig_model("A", 0, "m"), NULL).until - clock_wall_ms();
		if (rests < cases[i].least || rests > cases[i].most)
			fail_msg("%s rests %lld ms", cases[i].header, (long long)rests);
	}
}

/* A caller's own key: whatever becomes of it, others are not benched for it. */
static void test_callers_key(void **state)
{
	struct run r;

	script_put(&script[0], (struct script)FAILS("401 K"));
	rig_prepare(&r, "A/m B/m");
	r.o.chain.v[0].caller_key = "theirs";
	rig_go(&r);
	assert_int_equal(r.rc, -1);
	assert_string_equal(r.asked, "A");
	assert_int_equal(rig_breaker("A", NULL).failures, 0);
	assert_int_equal(rig_breaker(rig_key("A", 0), NULL).phase, BREAKER_CLOSED);
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(test_keys_take_turns),
		RIG_TEST(test_who_stands_in),
		RIG_TEST(test_what_rests),
		RIG_TEST(test_limit_without_a_key),
		RIG_TEST(test_other_keys_cure_no_backend),
		RIG_TEST(test_how_long),
		RIG_TEST(test_callers_key),
	};

	return cmocka_run_group_tests(tests, rig_setup_all, rig_teardown_all);
}
