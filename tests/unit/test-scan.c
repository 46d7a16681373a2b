/* The scanner: what it takes, what it refuses and where, and the pull calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json/scan.h"

static void test_accepts(void **state)
{
	static const char *const texts[] = {
		"{}", "[]", " \t\r\n{ } ", "null", "true", "false", "0", "-0", "-1", "10", "1.50", "-0.0e-0", "1E+2", "1e400",
		"9007199254740993", "12345678901234567890", "\"\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"\\uD83D\\uDE00\"",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\x7f\"", "[1,[2,{\"a\":[]}],\"x\"]", "{\"a\":1,\"a\":2}", "{\"\":{}}", "[ 1 , 2 ]",
		"{ \"a\" : 1 , \"b\" : [ ] }", "\"\xc2\x80\"", "\"\xdf\xbf\"", "\"\xe0\xa0\x80\"", "\"\xed\x9f\xbf\"", "\"\xee\x80\x80\"",
		"\"\xef\xbf\xbf\"", "\"\xf0\x90\x80\x80\"", "\"\xf4\x8f\xbf\xbf\"",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct scan s;
		struct span v;

		if (json_check(str_of(texts[i]), NULL, NULL))
			fail_msg("refused: %s", texts[i]);
		scan_init(&s, str_of(texts[i]));
		v = scan_value(&s);
		assert_int_equal(v.form, SPAN_JSON);
		/* Byte for byte what stood there. */
		assert_true(str_eq((struct str){ v.p, v.n }, str_trim(str_of(texts[i]))));
		assert_true(scan_end(&s));
	}
}

static void test_refuses(void **state)
{
	static const struct { const char *text; size_t at; const char *error; } rows[] = {
		{ "", 0, "unexpected end" }, { "   ", 3, "unexpected end" }, { "{", 1, "unexpected end" }, { "[", 1, "unexpected end" },
		{ "[1", 2, "unexpected end" }, { "[1,", 3, "unexpected end" }, { "{\"a\"", 4, "unexpected end" }, { "{\"a\":", 5, "unexpected end" },
		{ "{\"a\":1", 6, "unexpected end" }, { "{\"a\":1,", 7, "unexpected end" }, { "\"a", 2, "unexpected end" }, { "\"a\\", 3, "unexpected end" },
		{ "\"\\u12", 5, "unexpected end" }, { "[1,]", 3, "unexpected character" }, { "[,1]", 1, "unexpected character" },
		{ "{\"a\":1,}", 7, "name" }, { "{,}", 1, "name" }, { "{1:2}", 1, "name" }, { "{\"a\" 1}", 5, "':'" }, { "{\"a\":}", 5, "unexpected character" },
		{ "[1 2]", 3, "','" }, { "{\"a\":1 \"b\":2}", 7, "','" }, { "[1}", 2, "','" }, { "{\"a\":1]", 6, "','" }, { "]", 0, "unexpected character" },
		{ "1 2", 2, "unexpected bytes" }, { "{} x", 3, "unexpected bytes" }, { "[]]", 2, "unexpected bytes" }, { "01", 1, "unexpected bytes" },
		{ "-", 0, "invalid number" }, { "-a", 0, "invalid number" }, { "1.", 0, "invalid number" }, { "1.e1", 0, "invalid number" },
		{ "1e", 0, "invalid number" }, { "1e+", 0, "invalid number" }, { ".5", 0, "unexpected character" }, { "+1", 0, "unexpected character" },
		{ "0x10", 1, "unexpected bytes" }, { "NaN", 0, "unexpected character" }, { "Infinity", 0, "unexpected character" },
		{ "nul", 0, "invalid literal" }, { "True", 0, "unexpected character" }, { "truex", 4, "unexpected bytes" }, { "'a'", 0, "unexpected character" },
		{ "// c\n1", 0, "unexpected character" }, { "\xef\xbb\xbf{}", 0, "unexpected character" }, { "\"\\x\"", 1, "invalid escape" },
		{ "\"\\u12g4\"", 1, "invalid \\u" }, { "\"a\nb\"", 2, "control" }, { "\"\x1f\"", 1, "control" }, { "\v1", 0, "unexpected character" },
		{ "\"\x80\"", 1, "UTF-8" }, { "\"\xbf\"", 1, "UTF-8" }, { "\"\xc0\x80\"", 1, "UTF-8" }, { "\"\xc1\xbf\"", 1, "UTF-8" },
		{ "\"\xc2\"", 1, "UTF-8" }, { "\"\xc2\xc0\"", 1, "UTF-8" }, { "\"\xe0\x9f\xbf\"", 1, "UTF-8" }, { "\"\xe1\x80\"", 1, "UTF-8" },
		{ "\"\xe1\x80\xc0\"", 1, "UTF-8" }, { "\"\xed\xa0\x80\"", 1, "UTF-8" }, { "\"\xf0\x8f\xbf\xbf\"", 1, "UTF-8" },
		{ "\"\xf1\x80\x80\"", 1, "UTF-8" }, { "\"\xf4\x90\x80\x80\"", 1, "UTF-8" }, { "\"\xf5\x80\x80\x80\"", 1, "UTF-8" },
		{ "\"\xff\"", 1, "UTF-8" }, { "\"0123456789abcdef0123456789abcdef0123456789\xff\"", 43, "UTF-8" }, { "\"\xc3\xa9\xc3\"", 3, "UTF-8" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *error = NULL;
		size_t at = 99;

		if (json_check(str_of(rows[i].text), &error, &at) == 0)
			fail_msg("taken: %s", rows[i].text);
		if (at != rows[i].at || !strstr(error, rows[i].error))
			fail_msg("%s: %s at %zu", rows[i].text, error, at);
	}
}

/* Every place of a special byte to the words in which strings are read. */
static void test_string_places(void **state)
{
	char text[100];

	for (size_t n = 0; n < 80; n++) {
		for (size_t k = 0; k < n; k++) {
			size_t at;

			memset(text, 'x', sizeof(text));
			text[0] = text[n + 1] = '"';
			assert_int_equal(json_check((struct str){ text, n + 2 }, NULL, NULL), 0);
			text[k + 1] = '\x01';
			assert_int_equal(json_check((struct str){ text, n + 2 }, NULL, &at), -1);
			assert_int_equal(at, k + 1);
			text[k + 1] = '"';
			assert_int_equal(json_check((struct str){ text, n + 2 }, NULL, &at), -1);
			assert_int_equal(at, k + 2);
		}
	}
}

static struct str nested(char *p, size_t n, char open, char close)
{
	memset(p, open, n);
	memset(p + n, close, n);
	return (struct str){ p, 2 * n };
}

static void test_depth(void **state)
{
	static const char opens[] = "{\"a\":";
	char *p = malloc(400000);
	const char *error;
	struct scan s;
	size_t at, n = 0;

	assert_int_equal(json_check(nested(p, 128, '[', ']'), NULL, NULL), 0);
	assert_int_equal(json_check(nested(p, 129, '[', ']'), &error, &at), -1);
	assert_int_equal(at, 128);
	assert_non_null(strstr(error, "128"));
	assert_int_equal(json_check(nested(p, 200000, '[', ']'), NULL, &at), -1);
	assert_int_equal(at, 128);
	for (; n < 200000; n += sizeof(opens) - 1)
		memcpy(p + n, opens, sizeof(opens) - 1);
	assert_int_equal(json_check((struct str){ p, n }, NULL, &at), -1);
	assert_int_equal(at, 128 * (sizeof(opens) - 1));
	/* Entering counts like passing over. */
	scan_init(&s, nested(p, 129, '[', ']'));
	for (int i = 0; i < 128; i++)
		assert_true(scan_array(&s) && scan_element(&s));
	assert_int_equal(scan_value(&s).form, SPAN_NONE);
	assert_false(scan_array(&s));
	scan_init(&s, nested(p, 129, '[', ']'));
	for (int i = 0; i < 128; i++)
		assert_true(scan_array(&s) && scan_element(&s));
	assert_false(scan_array(&s));
	assert_string_equal(s.error, error);
	free(p);
}

static void test_pull(void **state)
{
	struct scan s;
	struct span key, v;

	scan_init(&s, STR(" { \"a\" : [ 1 , \"x\" , {} ] , \"b\\u0061\" : \"t\\n\" , \"c\":null } "));
	assert_int_equal(scan_peek(&s), '{');
	assert_true(scan_object(&s));
	assert_true(scan_member(&s, &key) && span_is(key, "a"));
	assert_int_equal(scan_peek(&s), '[');
	assert_true(scan_array(&s));
	assert_true(scan_element(&s));
	assert_int_equal(scan_peek(&s), '0');
	assert_true(str_is((struct str){ scan_value(&s).p, 1 }, "1"));
	assert_true(scan_element(&s));
	v = scan_any(&s);
	assert_true(v.form == SPAN_STR && span_is(v, "x"));
	assert_true(scan_element(&s));
	assert_true(scan_object(&s));
	assert_false(scan_member(&s, &key));
	assert_null(s.error);
	assert_false(scan_element(&s));
	assert_int_equal(s.depth, 1);
	assert_true(scan_member(&s, &key) && span_is(key, "ba"));
	v = scan_value(&s);
	assert_true(v.form == SPAN_JSON && v.n == 5);
	assert_true(scan_member(&s, &key) && span_is(key, "c"));
	assert_int_equal(scan_peek(&s), 'n');
	assert_true(span_is_null(scan_value(&s)));
	assert_false(scan_member(&s, &key));
	assert_null(s.error);
	assert_true(scan_end(&s));
	assert_int_equal(scan_peek(&s), 0);
}

static void test_pull_errors(void **state)
{
	struct scan s;
	struct span key;

	scan_init(&s, STR("[1]"));
	assert_false(scan_object(&s));
	assert_non_null(s.error);
	assert_false(scan_array(&s));           /* sticky */
	scan_init(&s, STR("{\"a\":1 x}"));
	assert_true(scan_object(&s) && scan_member(&s, &key));
	scan_value(&s);
	assert_false(scan_member(&s, &key));
	assert_int_equal(s.error_at, 7);
	scan_init(&s, STR("[1,]"));
	assert_true(scan_array(&s) && scan_element(&s));
	scan_value(&s);
	assert_true(scan_element(&s));
	assert_int_equal(scan_value(&s).form, SPAN_NONE);
	assert_false(scan_end(&s));
	scan_init(&s, STR_NONE);
	assert_int_equal(scan_peek(&s), 0);
	assert_int_equal(scan_value(&s).form, SPAN_NONE);
}

static void test_get(void **state)
{
	struct span obj = { "{\"a\":1,\"b\":{\"c\":[{\"d\":\"x\"}],\"c\":\"last\"},\"a\":2.50}", 49, SPAN_JSON };
	struct span v = json_get(obj, "a");
	struct scan it;
	int n = 0;

	obj.n = strlen(obj.p);
	v = json_get(obj, "a");
	assert_true(str_is((struct str){ v.p, v.n }, "2.50"));
	assert_true(span_is(json_path(obj, "b", "c", NULL), "last"));
	assert_false(span_given(json_get(obj, "x")));
	assert_false(span_given(json_path(obj, "a", "b", "c", NULL)));
	assert_false(span_given(json_get(SPAN_ABSENT, "a")));
	assert_false(json_each(obj, &it));
	assert_true(json_each_member(obj, &it));
	assert_true(json_each((struct span){ "[1,2,3]", 7, SPAN_JSON }, &it));
	while (scan_element(&it)) {
		scan_any(&it);
		n++;
	}
	assert_int_equal(n, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepts),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_string_places),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_pull),
		cmocka_unit_test(test_pull_errors),
		cmocka_unit_test(test_get),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
