/* Ids and opaque state on their way through the client: everything comes back, nothing goes to the
 * wrong backend. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dialect/dialect.h"

static void assert_buf(struct buf *b, const char *want)
{
	assert_string_equal(buf_cstr(b), want);
	assert_int_equal(b->n, strlen(want));
	buf_reset(b);
}

static void plain_ids_stay(void **state)
{
	static const char *const ids[] = { "toolu_01abc", "call_X-9", "a", "chatcmpl-tool-0",
					   "123456789" };
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(id_to_client(&b, span_str(str_of(ids[i]))), 0);
		assert_buf(&b, ids[i]);
		assert_int_equal(id_to_upstream(&b, span_str(str_of(ids[i]))), 0);
		assert_buf(&b, ids[i]);
	}
	buf_release(&b);
}

static void missing_ids_are_made(void **state)
{
	struct span none[] = { SPAN_ABSENT, span_json(STR("null")), span_str(STR("")),
			       span_str(STR("null")) };
	struct buf a, b;

	(void)state;
	buf_init(&a, 0);
	buf_init(&b, 0);
	for (size_t i = 0; i < 4; i++) {
		buf_reset(&a);
		buf_reset(&b);
		assert_int_equal(id_to_client(&a, none[i]), 0);
		assert_int_equal(id_to_client(&b, none[i]), 0);
		assert_true(str_starts(buf_str(&a), "toolu_"));
		assert_true(a.n > 20);
		assert_false(str_eq(buf_str(&a), buf_str(&b)));
	}
	buf_release(&a);
	buf_release(&b);
}

static void odd_ids_return(void **state)
{
	/* as JSON string content | as text */
	static const char *const ids[][2] = {
		{ "functions.Bash:0", "functions.Bash:0" },
		{ "call 1", "call 1" },
		{ "\\u00fc/\\\"", "ü/\"" },
		{ "toolu_mf1_abc", "toolu_mf1_abc" },
		{ "工具", "工具" },
	};
	struct buf there, back;

	(void)state;
	buf_init(&there, 0);
	buf_init(&back, 0);
	for (size_t i = 0; i < 5; i++) {
		buf_reset(&there);
		assert_int_equal(id_to_client(&there, span_str(str_of(ids[i][0]))), 0);
		assert_true(str_starts(buf_str(&there), "toolu_mf1_"));
		for (size_t k = 0; k < there.n; k++)
			assert_non_null(strchr(
				"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-",
				there.p[k]));
		assert_int_equal(id_to_upstream(&back, span_str(buf_str(&there))), 0);
		assert_buf(&back, ids[i][1]);
	}
	buf_release(&there);
	buf_release(&back);
}

static void broken_marks_are_ids(void **state)
{
	/* One digit too many, a stray bit, no UTF-8, nothing behind the mark, a digit that is none.
	 */
	static const char *const ids[] = { "toolu_mf1_abcde", "toolu_mf1_YWJ", "toolu_mf1__w",
					   "toolu_mf1_", "toolu_mf1_a.b" };
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(id_to_upstream(&b, span_str(str_of(ids[i]))), 0);
		assert_buf(&b, ids[i]);
	}
	buf_release(&b);
}

static void state_returns(void **state)
{
	char bytes[300];
	struct buf there, back;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7);
	buf_init(&there, 0);
	buf_init(&back, 0);
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		buf_reset(&there);
		buf_reset(&back);
		assert_int_equal(opaque_put(&there, "openrouter", (struct str){ bytes, n }), 0);
		assert_true(opaque_ours(span_str(buf_str(&there))));
		assert_int_equal(opaque_get(&back, "openrouter", span_str(buf_str(&there))), 1);
		assert_true(str_eq(buf_str(&back), (struct str){ bytes, n }));
	}
	buf_release(&there);
	buf_release(&back);
}

static void known_form(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	assert_int_equal(opaque_put(&b, "test", STR("a\xff?")), 0);
	assert_buf(&b, "mf1.test.Yf8_");
	buf_release(&b);
}

static void foreign_state_stays(void **state)
{
	static const struct {
		const char *signature;
		int want;
	} rows[] = {
		{ "mf1.lab.YWJj", -1 }, /* another backend's */
		{ "mf1.openrouter2.YWJj", -1 },
		{ "mf1.openrouter", -1 }, /* cut */
		{ "mf1.", -1 },
		{ "mf1.openrouter.YW!j", -1 }, /* damaged */
		{ "mf1.openrouter.YWJjY", -1 },
		{ "EqQBCkYIBxgC", 0 }, /* Anthropic's */
		{ "", 0 },
		{ "mf2.openrouter.YWJj", 0 },
	};
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	buf_puts(&b, "kept");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(opaque_get(&b, "openrouter", span_str(str_of(rows[i].signature))),
				 rows[i].want);
		assert_int_equal(b.n, 4);
		assert_int_equal(opaque_ours(span_str(str_of(rows[i].signature))),
				 rows[i].want != 0);
	}
	assert_int_equal(opaque_get(&b, "openrouter", SPAN_ABSENT), 0);
	assert_int_equal(opaque_get(&b, "openrouter", span_json(STR("\"mf1.openrouter.YWJj\""))),
			 1);
	assert_buf(&b, "keptabc");
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_ids_stay),      cmocka_unit_test(missing_ids_are_made),
		cmocka_unit_test(odd_ids_return),      cmocka_unit_test(broken_marks_are_ids),
		cmocka_unit_test(state_returns),       cmocka_unit_test(known_form),
		cmocka_unit_test(foreign_state_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
