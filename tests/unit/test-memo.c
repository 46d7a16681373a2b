/* What was made of a text is found again for the same text alone, within limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/memo.h"

static const char one[] = "one", other[] = "other";

static void take(void *ctx, struct str made)
{
	buf_reset(ctx);
	buf_put_str(ctx, made);
}

static bool found(const char *kind, struct str text, const char *want)
{
	struct buf b;
	bool is;

	buf_init(&b, 0);
	is = memo_find(kind, text, take, &b);
	if (is)
		assert_string_equal(buf_cstr(&b), want);
	buf_release(&b);
	return is;
}

static void test_same_text(void **state)
{
	memo_keep(one, STR("abc"), STR("ABC"));
	memo_keep(other, STR("abc"), STR("123"));
	memo_keep(one, STR("nothing"), STR(""));
	assert_true(found(one, STR("abc"), "ABC"));
	assert_true(found(other, STR("abc"), "123"));
	assert_true(found(one, STR("nothing"), ""));
	assert_false(found(one, STR("abd"), ""));
	assert_false(found(one, STR("ab"), ""));
	assert_false(found(other, STR("nothing"), ""));
	memo_keep(one, STR("abc"), STR("new"));
	assert_true(found(one, STR("abc"), "new"));
	memo_trim();
	assert_false(found(one, STR("abc"), ""));
}

/* A byte that no hash looks at makes another text all the same. */
static void test_every_byte(void **state)
{
	char *text = malloc(4000);

	assert_non_null(text);
	memset(text, 'a', 4000);
	memo_keep(one, (struct str){ text, 4000 }, STR("made"));
	for (size_t i = 0; i < 4000; i++) {
		text[i] = 'b';
		assert_false(found(one, (struct str){ text, 4000 }, ""));
		text[i] = 'a';
	}
	assert_true(found(one, (struct str){ text, 4000 }, "made"));
	memo_trim();
	free(text);
}

static void test_limits(void **state)
{
	char *text = calloc(1, MEMO_TEXT_MAX + 1);
	struct str big = { text, MEMO_TEXT_MAX + 1 }, full = { text, MEMO_TEXT_MAX };
	size_t kept = 0;

	assert_non_null(text);
	memo_keep(one, STR(""), STR("x"));
	assert_false(found(one, STR(""), ""));
	memo_keep(one, big, STR("x"));
	assert_false(found(one, big, ""));
	memo_keep(one, STR("x"), big);
	assert_false(found(one, STR("x"), ""));
	/* More than there is room for: what is kept never exceeds it, and the last is there. */
	for (size_t i = 0; i < 200; i++) {
		text[0] = (char)i;
		memo_keep(one, full, STR("x"));
	}
	assert_true(found(one, full, "x"));
	for (size_t i = 0; i < 200; i++) {
		text[0] = (char)i;
		kept += found(one, full, "x");
	}
	assert_in_range(kept, 1, MEMO_BYTES / (MEMO_TEXT_MAX + 1));
	memo_trim();
	free(text);
}

static void test_many(void **state)
{
	char text[16], last[16];
	size_t kept = 0;

	for (int i = 0; i < 4 * MEMO_ENTRIES; i++) {
		snprintf(text, sizeof(text), "text %d", i);
		memo_keep(one, str_of(text), str_of(text));
		assert_true(found(one, str_of(text), text));
	}
	for (int i = 0; i < 4 * MEMO_ENTRIES; i++) {
		snprintf(last, sizeof(last), "text %d", i);
		kept += found(one, str_of(last), last);
	}
	assert_in_range(kept, MEMO_ENTRIES / 2, MEMO_ENTRIES);
	memo_trim();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_text),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
