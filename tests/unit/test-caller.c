/* The name of the client's key in each provider's field: characters, length, and when nothing is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dialect/caller.h"

static struct arena arena;

static int setup(void **state)
{
	arena_init(&arena, 0);
	return 0;
}

static int teardown(void **state)
{
	arena_release(&arena);
	return 0;
}

static const char *told(const char *member, const char *caller)
{
	struct backend b = { .user = true, .user_member = member };
	struct message_request r = { .caller = caller };
	struct caller_field f;

	return caller_field(&b, &r, &f) ? caller_name(&arena, &r, &f).p : NULL;
}

static void test_nothing_to_tell(void **state)
{
	struct backend off = { .user = false, .user_member = "user" };
	struct message_request r = { .caller = "team" };
	struct caller_field f;

	assert_null(told("user", NULL));
	assert_null(told("user", ""));
	assert_null(told(NULL, "team"));
	assert_null(told("", "team"));
	assert_null(told(".user", "team"));
	assert_false(caller_field(&off, &r, &f));
}

static void test_place(void **state)
{
	struct backend b = { .user = true, .user_member = "usage_context.end_user" };
	struct message_request r = { .caller = "team" };
	struct caller_field f;

	assert_true(caller_field(&b, &r, &f));
	assert_true(str_is(f.outer, "usage_context"));
	assert_true(str_is(f.inner, "end_user"));
	b.user_member = "user";
	assert_true(caller_field(&b, &r, &f));
	assert_true(str_is(f.outer, "user"));
	assert_int_equal(f.inner.n, 0);
}

static void test_characters(void **state)
{
	assert_string_equal(told("user", "Jörg \"x\"\n"), "Jörg \"x\"\n");
	assert_string_equal(told("labels.user", "Team_1-A b.ö€"), "team_1-a-b---");
	assert_string_equal(told("requestMetadata.user", "A b:c@d$e#f=g/h+i,j-k.l_m"),
			    "A b:c@d$e#f=g/h+i,j-k.l_m");
	assert_string_equal(told("requestMetadata.user", "a\"b\\c\r\nd{}ö"), "a-b-c--d---");
}

/* Exactly as long as may be, one more, and far more than there is room for. */
static void check_length(const char *member, size_t max)
{
	static const size_t lengths[] = { 1, 62, 63, 64, 65, 255, 256, 257, 258, 5000 };
	char name[5001], other[5001];

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		size_t n = lengths[i];
		const char *got;

		memset(name, 'a', n);
		name[n] = 0;
		got = told(member, name);
		assert_int_equal(strlen(got), n < max ? n : max);
		if (n <= max) {
			assert_string_equal(got, name);
			continue;
		}
		assert_memory_equal(got, name, max - 17);
		assert_int_equal(got[max - 17], '-');
		memcpy(other, name, n + 1);
		other[n - 1] = 'b';
		assert_string_not_equal(got, told(member, other));
		assert_string_equal(got, told(member, name));
	}
}

static void test_lengths(void **state)
{
	check_length("user", 64);
	check_length("safety_identifier", 64);
	check_length("labels.user", 63);
	check_length("requestMetadata.user", 256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_to_tell, setup, teardown),
		cmocka_unit_test_setup_teardown(test_place, setup, teardown),
		cmocka_unit_test_setup_teardown(test_characters, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lengths, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
