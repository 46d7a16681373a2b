/* The memory gate: never more than the limits, everything given back, also with threads. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/api.h"

#define THREADS 4
#define ROUNDS 2000

static const struct config limits = { .memory = 1000, .requests = 3, .max_body = 1000 };

static void test_memory(void **state)
{
	struct gate_ticket a, b, c;
	struct fault f = FAULT_INIT;

	assert_int_equal(gate_enter(&limits, 600, &a, &f), 0);
	assert_int_equal(gate_enter(&limits, 401, &b, &f), -1);
	assert_int_equal(f.status, 529);
	assert_string_equal(f.type, "overloaded_error");
	assert_true(f.retry_after > 0);
	assert_non_null(strstr(f.message, "limits.memory"));
	assert_int_equal(gate_requests(), 1);
	assert_int_equal(gate_enter(&limits, 400, &b, &f), 0);
	assert_int_equal(gate_grow(&limits, &b, 401, &f), -1);
	gate_shrink(&a, 0);
	assert_int_equal(gate_grow(&limits, &b, 1000, &f), 0);
	assert_int_equal(gate_enter(&limits, 1, &c, &f), -1);
	gate_leave(&c);
	gate_leave(&a);
	gate_leave(&b);
	gate_leave(&b);
	assert_int_equal(gate_requests(), 0);
	assert_int_equal(gate_enter(&limits, 1000, &a, &f), 0);
	gate_leave(&a);
}

/* Of 64 bits in the configuration none are lost where a size has 32. */
static void test_much_memory(void **state)
{
	static const struct config large = { .memory = INT64_C(0x100001000), .requests = 3 };
	struct gate_ticket a;
	struct fault f = FAULT_INIT;

	assert_int_equal(gate_enter(&large, 1 << 20, &a, &f), 0);
	assert_int_equal(gate_grow(&large, &a, 3 << 20, &f), 0);
	gate_leave(&a);
	assert_int_equal(gate_memory(&limits), 1000);
	assert_true(gate_memory(&large) > UINT32_MAX / 2);
}

/* What can be done without leaves requests their half. */
static void test_spare(void **state)
{
	struct gate_ticket a;
	struct fault f = FAULT_INIT;

	assert_int_equal(gate_enter(&limits, 200, &a, &f), 0);
	assert_true(gate_spare(&limits, 300));
	assert_false(gate_spare(&limits, 1));
	assert_int_equal(gate_grow(&limits, &a, 700, &f), 0);
	assert_int_equal(gate_grow(&limits, &a, 701, &f), -1);
	gate_give(300);
	gate_leave(&a);
	assert_true(gate_spare(&limits, 500) && !gate_spare(&limits, 1));
	gate_give(500);
	assert_int_equal(gate_enter(&limits, 1000, &a, &f), 0);
	gate_leave(&a);
}

/* What can never fit is no matter of waiting. */
static void test_never(void **state)
{
	struct gate_ticket a;
	struct fault f = FAULT_INIT;

	assert_int_equal(gate_enter(&limits, 1001, &a, &f), -1);
	assert_int_equal(f.status, 413);
	assert_non_null(strstr(f.message, "limits.memory"));
	assert_non_null(strstr(f.message, "1001"));
}

static void test_requests(void **state)
{
	struct gate_ticket t[4];
	struct fault f = FAULT_INIT;

	for (int i = 0; i < 3; i++)
		assert_int_equal(gate_enter(&limits, 0, &t[i], &f), 0);
	assert_int_equal(gate_enter(&limits, 0, &t[3], &f), -1);
	assert_int_equal(f.status, 529);
	assert_non_null(strstr(f.message, "limits.requests"));
	gate_leave(&t[0]);
	assert_int_equal(gate_enter(&limits, 0, &t[3], &f), 0);
	for (int i = 1; i < 4; i++)
		gate_leave(&t[i]);
}

static void *worker(void *ctx)
{
	struct fault f = FAULT_INIT;

	for (int i = 0; i < ROUNDS; i++) {
		struct gate_ticket t;

		if (gate_enter(&limits, 300, &t, &f) == 0) {
			if (gate_grow(&limits, &t, 500, &f) == 0)
				gate_shrink(&t, 100);
			gate_leave(&t);
		}
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[THREADS];
	struct gate_ticket t;
	struct fault f = FAULT_INIT;

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, worker, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(gate_requests(), 0);
	assert_int_equal(gate_enter(&limits, 1000, &t, &f), 0);
	gate_leave(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_much_memory),
		cmocka_unit_test(test_spare), cmocka_unit_test(test_never),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
