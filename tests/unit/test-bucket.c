/* Token buckets: pure functions from a word to the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "state/bucket.h"

#define SECOND INT64_C(1000000000)      /* of a bucket's clock */

static void test_bucket(void **state)
{
	const struct bucket_rule r = { .limit = 7, .window_ms = 60000 };
	int64_t now = 1000 * SECOND, word = 0;

	assert_int_equal(bucket_left(word, now, &r), 7);
	for (int i = 6; i >= 0; i--) {
		assert_int_equal(bucket_wait_ms(word, now, &r, 1), 0);
		word = bucket_take(word, now, &r, 1);
		assert_int_equal(bucket_left(word, now, &r), i);
	}
	assert_int_equal(bucket_wait_ms(word, now, &r, 1), 8572);
	assert_int_equal(bucket_full_ms(word, now), 60000);
	/* It fills evenly, and no further than full. */
	now += 9 * SECOND;
	assert_int_equal(bucket_left(word, now, &r), 1);
	assert_int_equal(bucket_wait_ms(word, now, &r, 1), 0);
	now += 1000 * SECOND;
	assert_int_equal(bucket_left(word, now, &r), 7);
	assert_int_equal(bucket_full_ms(word, now), 0);
	/* More than there can ever be is asked for: a full one will do. */
	assert_int_equal(bucket_wait_ms(word, now, &r, 100), 0);
}

static void test_bucket_debt(void **state)
{
	const struct bucket_rule r = { .limit = 1000, .window_ms = 60000 };
	int64_t now = 5 * SECOND, word = bucket_take(0, now, &r, 3000);

	assert_int_equal(bucket_left(word, now, &r), 0);
	assert_int_equal(bucket_wait_ms(word, now, &r, 1), 120060);
	/* Given back it is as it was. */
	assert_int_equal(bucket_left(bucket_take(word, now, &r, -3000), now, &r), 1000);
	/* What is owed has an end. */
	word = bucket_take(0, now, &r, INT64_C(1) << 60);
	assert_int_equal(bucket_full_ms(word, now), 60000 + BUCKET_DEBT_MAX_MS);
	/* Giving back what was never taken makes it no more than full. */
	word = bucket_take(0, now, &r, -(INT64_C(1) << 60));
	assert_int_equal(bucket_left(word, now, &r), 1000);
}

/* After a reboot the clock is back at nothing, and the file still there. */
static void test_bucket_of_an_earlier_boot(void **state)
{
	const struct bucket_rule r = { .limit = 10, .window_ms = 60000 };
	int64_t word = bucket_take(0, 90000 * SECOND, &r, 10);

	assert_int_equal(bucket_left(word, 90000 * SECOND, &r), 0);
	assert_int_equal(bucket_left(word, 3 * SECOND, &r), 10);
	assert_int_equal(bucket_wait_ms(word, 3 * SECOND, &r, 10), 0);
	word = bucket_take(word, 3 * SECOND, &r, 4);
	assert_int_equal(bucket_left(word, 3 * SECOND, &r), 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bucket),
		cmocka_unit_test(test_bucket_debt),
		cmocka_unit_test(test_bucket_of_an_earlier_boot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
