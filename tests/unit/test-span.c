/* Spans and segments: comparisons, the ways out, and that nothing on the way changes a byte that need not change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json/segs.h"

static struct span make(const char *text, enum span_form form)
{
	return (struct span){ text, strlen(text), form };
}

static void test_text(void **state)
{
	static const struct { const char *escaped; struct str text; } rows[] = {
		{ "plain", { "plain", 5 } },
		{ "", { "", 0 } },
		{ "\\\"\\\\\\/\\b\\f\\n\\r\\t", { "\"\\/\b\f\n\r\t", 8 } },
		{ "a\\u0000b", { "a\0b", 3 } },
		{ "\\u00e9\\u20AC", { "\xc3\xa9\xe2\x82\xac", 5 } },
		{ "\\ud83d\\ude00", { "\xf0\x9f\x98\x80", 4 } },
		{ "\\uD800", { "\\uD800", 6 } },
		{ "\\ud800x", { "\\ud800x", 7 } },
		{ "\\udc00\\ud800", { "\\udc00\\ud800", 12 } },
		{ "\\ud800\\ud83d\\ude00", { "\\ud800\xf0\x9f\x98\x80", 10 } },
		{ "\\udbff\\udfff", { "\xf4\x8f\xbf\xbf", 4 } },
		{ "caf\xc3\xa9", { "caf\xc3\xa9", 5 } },
	};
	struct buf b;

	buf_init(&b, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct span s = make(rows[i].escaped, SPAN_STR);

		buf_reset(&b);
		assert_int_equal(span_put_text(&b, s), 0);
		assert_true(str_eq(buf_str(&b), rows[i].text));
		assert_int_equal(span_text_size(s), rows[i].text.n);
	}
	buf_reset(&b);
	span_put_text(&b, make("\"q\\n\"", SPAN_JSON));
	span_put_text(&b, make("{\"a\":\"\\n\"}", SPAN_JSON));
	assert_string_equal(buf_cstr(&b), "q\n{\"a\":\"\\n\"}");
	buf_release(&b);
}

static void test_compare(void **state)
{
	assert_true(span_is(make("abc", SPAN_STR), "abc"));
	assert_true(span_is(make("\\u0061b\\u0063", SPAN_STR), "abc"));
	assert_true(span_is(make("\"abc\"", SPAN_JSON), "abc"));
	assert_false(span_is(make("abc", SPAN_JSON), "abc"));
	assert_false(span_is(make("ab", SPAN_STR), "abc"));
	assert_false(span_is(make("a\\u0000", SPAN_STR), "a"));
	assert_false(span_is(SPAN_ABSENT, ""));
	assert_true(span_is(span_utf8(STR_NONE), "") && span_is(span_str(STR_NONE), ""));
	assert_false(span_is(span_utf8(STR_NONE), "a"));
	assert_true(span_eq(SPAN_ABSENT, SPAN_ABSENT) && span_eq(span_utf8(STR_NONE), span_str(STR(""))));
	assert_true(span_is(make("", SPAN_STR), ""));
	assert_true(span_eq(make("a\\nb", SPAN_STR), make("a\nb", SPAN_UTF8)));
	assert_true(span_eq(make("\\u00e9x", SPAN_STR), make("\"\xc3\xa9x\"", SPAN_JSON)));
	assert_false(span_eq(make("a\\n", SPAN_STR), make("a\\n", SPAN_UTF8)));
	assert_false(span_eq(make("1", SPAN_JSON), make("1", SPAN_STR)));
	assert_true(span_eq(make("1", SPAN_JSON), make("1", SPAN_JSON)));
	assert_true(span_blank(SPAN_ABSENT) && span_blank(make("null", SPAN_JSON)));
	assert_true(span_blank(make(" \\n\\t\\r\\u0020", SPAN_STR)) && span_blank(make("\" \"", SPAN_JSON)));
	assert_false(span_blank(make(" \\n.", SPAN_STR)) || span_blank(make("{}", SPAN_JSON)));
	assert_true(span_true(make("true", SPAN_JSON)));
	assert_false(span_true(make("true", SPAN_STR)));
	assert_true(span_is_string(make("\"a\"", SPAN_JSON)) && !span_is_string(make("[]", SPAN_JSON)));
	assert_true(span_is_array(make("[]", SPAN_JSON)) && span_is_object(make("{}", SPAN_JSON)));
}

static void test_numbers(void **state)
{
	static const struct { const char *text; bool ok; int64_t n; } rows[] = {
		{ "0", true, 0 }, { "-0", true, 0 }, { "42", true, 42 }, { "-42", true, -42 }, { "9007199254740993", true, 9007199254740993 },
		{ "9223372036854775807", true, INT64_MAX }, { "-9223372036854775808", true, INT64_MIN }, { "9223372036854775808", false, 0 },
		{ "12345678901234567890", false, 0 }, { "1.0", false, 0 }, { "1e3", false, 0 }, { "\"1\"", false, 0 }, { "null", false, 0 }, { "-", false, 0 },
	};
	int64_t n;
	double x;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(span_int(make(rows[i].text, SPAN_JSON), &n), rows[i].ok);
		if (rows[i].ok)
			assert_true(n == rows[i].n);
	}
	assert_false(span_int(make("1", SPAN_STR), &n));
	assert_true(span_double(make("1.50", SPAN_JSON), &x) && x == 1.5);
	assert_true(span_double(make("-2e3", SPAN_JSON), &x) && x == -2000);
	assert_true(span_double(make("1e400", SPAN_JSON), &x) && isinf(x));
	assert_false(span_double(make("\"1\"", SPAN_JSON), &x));
	assert_false(span_double(make("true", SPAN_JSON), &x));
}

/* Each row by buffer and by segments. */
static void test_ways_out(void **state)
{
	static const struct { const char *in; enum span_form form; const char *string, *content, *value; } rows[] = {
		{ "a\\n\\ud800", SPAN_STR, "\"a\\n\\ud800\"", "a\\n\\ud800", "\"a\\n\\ud800\"" },
		{ "a\n\"\\\x01\x1f\xc3\xa9", SPAN_UTF8, "\"a\\n\\\"\\\\\\u0001\\u001f\xc3\xa9\"", "a\\n\\\"\\\\\\u0001\\u001f\xc3\xa9",
		  "\"a\\n\\\"\\\\\\u0001\\u001f\xc3\xa9\"" },
		{ "\"q\\t\"", SPAN_JSON, "\"q\\t\"", "q\\t", "\"q\\t\"" },
		{ "{\"n\":1e400,\"s\":\"\\u0000\"}", SPAN_JSON, "\"{\\\"n\\\":1e400,\\\"s\\\":\\\"\\\\u0000\\\"}\"",
		  "{\\\"n\\\":1e400,\\\"s\\\":\\\"\\\\u0000\\\"}", "{\"n\":1e400,\"s\":\"\\u0000\"}" },
		{ "12345678901234567890", SPAN_JSON, "\"12345678901234567890\"", "12345678901234567890", "12345678901234567890" },
		{ "", SPAN_NONE, "\"\"", "", "null" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct span s = make(rows[i].in, rows[i].form);
		struct buf b, flat, want;
		struct arena a;
		struct segs g;

		buf_init(&b, 0);
		buf_init(&flat, 0);
		buf_init(&want, 0);
		arena_init(&a, 0);
		segs_init(&g, &a);
		span_put_string(&b, s);
		span_put_content(&b, s);
		span_put_value(&b, s);
		segs_string(&g, s);
		segs_content(&g, s);
		segs_value(&g, s);
		buf_printf(&want, "%s%s%s", rows[i].string, rows[i].content, rows[i].value);
		assert_string_equal(buf_cstr(&b), buf_cstr(&want));
		assert_int_equal(segs_flatten(&g, &flat), 0);
		assert_string_equal(buf_cstr(&flat), buf_cstr(&want));
		assert_int_equal(g.total, want.n);
		buf_release(&b);
		buf_release(&flat);
		buf_release(&want);
		arena_release(&a);
	}
}

static bool borrowed(const struct segs *g, const char *p)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->v[i].p == p)
			return true;
	return false;
}

static void test_segments(void **state)
{
	size_t n = 300000;
	char *big = malloc(n), *back = malloc(2 * n);
	struct segs_cursor c = { 0, 0 };
	struct arena a;
	struct segs g;
	size_t got = 0;
	bool first = true;

	memset(big, 'x', n);
	arena_init(&a, 0);
	segs_init(&g, &a);
	segs_puts(&g, "{");
	segs_key(&g, &first, "big");
	segs_string(&g, (struct span){ big, n, SPAN_STR });
	segs_key(&g, &first, "n");
	segs_put_int(&g, INT64_MIN);
	for (int i = 0; i < 20000; i++)
		segs_puts(&g, ",\"k\"");
	segs_puts(&g, "}");
	assert_false(g.failed);
	assert_true(borrowed(&g, big));
	assert_true(g.n < 40);                  /* copies stand together */
	assert_true(a.used < 400000);           /* and the long text is not among them */
	while (got < g.total) {
		size_t part = segs_read(&g, &c, back + got, 777);

		assert_true(part > 0);
		got += part;
	}
	assert_int_equal(segs_read(&g, &c, back, 10), 0);
	assert_memory_equal(back, "{\"big\":\"xxx", 11);
	assert_memory_equal(back + 8 + n, "\",\"n\":-9223372036854775808,\"k\",", 31);
	segs_seek(&g, &c, 8 + n);
	assert_int_equal(segs_read(&g, &c, back, 6), 6);
	assert_memory_equal(back, "\",\"n\":", 6);
	segs_seek(&g, &c, g.total);
	assert_int_equal(segs_read(&g, &c, back, 6), 0);
	arena_release(&a);
	free(big);
	free(back);
}

static void test_segments_fail(void **state)
{
	struct arena a;
	struct segs g;
	struct buf b;
	char text[1000] = { 0 };

	arena_init(&a, 4096);
	segs_init(&g, &a);
	for (int i = 0; i < 100; i++)
		segs_put(&g, text, sizeof(text));
	assert_true(g.failed);
	buf_init(&b, 0);
	assert_int_equal(segs_flatten(&g, &b), -1);
	buf_release(&b);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_ways_out),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_segments_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
