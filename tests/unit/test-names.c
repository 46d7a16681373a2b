/* Tool names: what fits stays, what doesn't has one short form for ever, and the way back finds it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dialect/dialect.h"

#define LONG_A "mcp__plugin_playwright_playwright__browser_take_screenshot_of_the_page_a"
#define LONG_B "mcp__plugin_playwright_playwright__browser_take_screenshot_of_the_page_b"

static struct span name_of(const char *json_content)
{
	return span_str(str_of(json_content));
}

static void encode(struct span name, int max, char out[128])
{
	struct buf b;

	buf_init(&b, 0);
	assert_int_equal(name_encode(&b, name, max), 0);
	assert_true(b.n < 128);
	memcpy(out, b.p, b.n);
	out[b.n] = 0;
	buf_release(&b);
}

static void assert_encodes(const char *name, int max, const char *want)
{
	char got[128];

	encode(name_of(name), max, got);
	assert_string_equal(got, want);
}

static void assert_legal(const char *name, size_t max)
{
	size_t n = strlen(name);

	assert_true(n > 0 && n <= max);
	assert_int_equal(
		strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"),
		n);
}

static void what_fits_stays(void **state)
{
	char name[66];

	(void)state;
	assert_encodes("Bash", 64, "Bash");
	assert_encodes("mcp__a-b__C9", 64, "mcp__a-b__C9");
	memset(name, 'x', 65);
	name[64] = 0;
	assert_encodes(name, 64, name);
	assert_true(name_fits(name_of(name), 64));
	name[64] = 'x';
	name[65] = 0;
	assert_false(name_fits(name_of(name), 64));
	/* Escapes are a way to write it, not part of the name. */
	assert_encodes("B\\u0061sh", 64, "Bash");
	assert_true(name_fits(name_of("B\\u0061sh"), 64));
	assert_false(name_fits(name_of("a b"), 64));
	assert_false(name_fits(name_of("a\\nb"), 64));
	assert_false(name_fits(name_of(""), 64));
	assert_false(name_fits(SPAN_ABSENT, 64));
}

static void short_forms(void **state)
{
	char a[128], b[128], again[128];

	(void)state;
	encode(name_of(LONG_A), 64, a);
	encode(name_of(LONG_B), 64, b);
	encode(span_utf8(STR(LONG_A)), 64, again);
	assert_legal(a, 64);
	assert_int_equal(strlen(a), 64);
	assert_memory_equal(a, LONG_A, 40);
	assert_string_not_equal(a, b);
	assert_string_equal(a, again);
	/* Written down: history of yesterday's release must still match today. */
	assert_string_equal(a, "mcp__plugin_playwright_playwright__browser_take_scree_bzro5hhztk");
}

static void odd_names(void **state)
{
	static const char *const names[] = {
		"",        " ",         "a.b",   "a/b", "werkzeug öffnen", "工具", "\\ud83d\\ude00",
		"\\ud800", "a\\u0000b", "x\\\"y"
	};
	char all[10][128];

	(void)state;
	for (size_t i = 0; i < 10; i++) {
		encode(name_of(names[i]), 64, all[i]);
		assert_legal(all[i], 64);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(all[i], all[j]);
	}
	/* The same character written in two ways is the same name. */
	encode(name_of("\\u5de5\\u5177"), 64, all[0]);
	assert_string_equal(all[0], all[5]);
}

static void other_limits(void **state)
{
	char got[128];

	(void)state;
	encode(name_of(LONG_A), 32, got);
	assert_legal(got, 32);
	encode(name_of(LONG_A), 12, got);
	assert_legal(got, 12);
	/* No limit given: the protocol's own. */
	encode(name_of(LONG_A), 0, got);
	assert_legal(got, 64);
	assert_encodes(LONG_A, 128, LONG_A);
}

static void way_back(void **state)
{
	struct tool tools[] = {
		{ .name = name_of("Bash") }, { .name = SPAN_ABSENT },
		{ .name = name_of(LONG_A) }, { .name = name_of(LONG_B) },
		{ .name = name_of("a.b") },
	};
	struct message_request r = { .tools = tools, .ntools = 5 };
	struct span got;
	char encoded[128];

	(void)state;
	for (size_t i = 0; i < r.ntools; i++) {
		if (!span_given(tools[i].name))
			continue;
		encode(tools[i].name, 64, encoded);
		got = name_restore(&r, str_of(encoded), 64);
		assert_ptr_equal(got.p, tools[i].name.p);
	}
	/* A name that no tool has comes back as it is. */
	got = name_restore(&r, STR("Unknown"), 64);
	assert_true(span_is(got, "Unknown"));
	r.ntools = 0;
	assert_true(span_is(name_restore(&r, STR("Bash"), 64), "Bash"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_fits_stays), cmocka_unit_test(short_forms),
		cmocka_unit_test(odd_names),       cmocka_unit_test(other_limits),
		cmocka_unit_test(way_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
