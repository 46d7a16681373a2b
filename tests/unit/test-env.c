/* Secrets of the environment: after they were read, the process's own block, which /proc shows and
 * children would inherit, does not hold them any more. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/env.h"

extern char **environ;

/* Of the environment as it is now. */
static const char *entry_of(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; environ[i]; i++)
		if (!strncmp(environ[i], name, n) && environ[i][n] == '=')
			return environ[i];
	return NULL;
}

static void test_wipe(void **state)
{
	const char *raw, *value;

	setenv("T_KEY", "sk-SECRET", 1);
	raw = getenv("T_KEY");
	value = env_secret("T_KEY");
	assert_string_equal(value, "sk-SECRET");
	for (size_t i = 0; i < strlen("sk-SECRET"); i++)
		assert_int_equal(raw[i], 0);
	assert_string_equal(getenv("T_KEY"), "");
	assert_true(env_wiped(entry_of("T_KEY")));
	assert_ptr_equal(env_secret("T_KEY"), value);
	assert_string_equal(env_get("T_KEY"), "sk-SECRET");
}

static void test_set_anew(void **state)
{
	setenv("T_KEY", "first", 1);
	assert_string_equal(env_secret("T_KEY"), "first");
	setenv("T_KEY", "second", 1);
	assert_string_equal(env_get("T_KEY"), "second");
	assert_false(env_wiped(entry_of("T_KEY")));
	assert_string_equal(env_secret("T_KEY"), "second");
	unsetenv("T_KEY");
	assert_null(env_secret("T_KEY"));
	assert_null(env_get("T_KEY"));
}

static void test_others_stay(void **state)
{
	setenv("T_EMPTY", "", 1);
	setenv("T_PLAIN", "x", 1);
	assert_string_equal(env_secret("T_EMPTY"), "");
	assert_false(env_wiped(entry_of("T_EMPTY")));
	assert_string_equal(env_get("T_PLAIN"), "x");
	assert_string_equal(getenv("T_PLAIN"), "x");
	assert_false(env_wiped(entry_of("T_PLAIN")));
	assert_null(env_secret("T_ABSENT"));
	assert_false(env_wiped("no equals sign"));
}

#define ROUNDS 500
#define LONG 20000 /* so that it takes a while */

static atomic_int arrived;

static void *wipe_all(void *ctx)
{
	char name[32];

	for (int i = 0; i < ROUNDS; i++) {
		snprintf(name, sizeof(name), "T_KEY_%d", i);
		atomic_fetch_add(&arrived, 1);
		while (atomic_load(&arrived) < 2 * (i + 1))
			sched_yield();
		env_wipe(name);
	}
	return NULL;
}

/* Two backends may need the same secret for the first time at once. */
static void test_wiped_by_two(void **state)
{
	static char secret[LONG + 1];
	pthread_t other;
	char name[32];
	int lost = 0;

	memset(secret, 's', LONG);
	for (int i = 0; i < ROUNDS; i++) {
		snprintf(name, sizeof(name), "T_KEY_%d", i);
		setenv(name, secret, 1);
	}
	assert_int_equal(pthread_create(&other, NULL, wipe_all, NULL), 0);
	wipe_all(NULL);
	pthread_join(other, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		snprintf(name, sizeof(name), "T_KEY_%d", i);
		lost += strcmp(env_get(name), secret) != 0;
		unsetenv(name);
	}
	assert_int_equal(lost, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wipe),
		cmocka_unit_test(test_set_anew),
		cmocka_unit_test(test_others_stay),
		cmocka_unit_test(test_wiped_by_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
