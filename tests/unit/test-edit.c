/* Copy with edits: what stays is the same to the byte, commas are right wherever members fall away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json/edit.h"
#include "json/scan.h"

/* Drops members named "d…", replaces those named "r…" by 0, and notes each path. */
static enum edit_action rule_member(void *ctx, const struct span *path, unsigned depth,
				  const struct scan *at, struct str *with)
{
	struct buf *seen = ctx;
	struct span key = path[depth];

	for (unsigned i = 0; i <= depth; i++)
		buf_printf(seen, "%s%.*s", i ? "." : "", (int)path[i].n, path[i].p);
	buf_printf(seen, "=%c ", *at->p);
	*with = STR("0");
	return key.n && key.p[0] == 'd' ? EDIT_DROP : key.n && key.p[0] == 'r' ? EDIT_REPLACE : EDIT_KEEP;
}

static void test_rewrite(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "{}", "{}" }, { " { } ", " { } " }, { "[ ]", "[ ]" }, { "1.50", "1.50" }, { " \"\\u0000\" ", " \"\\u0000\" " },
		{ "{\"a\" : 1e400 ,\n\t\"b\":[ 1 , {\"c\":null} ] }", "{\"a\" : 1e400 ,\n\t\"b\":[ 1 , {\"c\":null} ] }" },
		{ "{\"d\":1}", "{}" }, { "{ \"d\" : 1 }", "{}" }, { "{\"d\":1,\"a\":2}", "{\"a\":2}" }, { "{\"a\":2,\"d\":1}", "{\"a\":2}" },
		{ "{\"a\":1,\"d\":2,\"b\":3}", "{\"a\":1,\"b\":3}" }, { "{\"d\":1,\"d2\":2,\"a\":3,\"d3\":4}", "{\"a\":3}" },
		{ "{ \"a\" : 1 , \"d\" : 2 , \"b\" : 3 }", "{ \"a\" : 1 , \"b\" : 3 }" },
		{ "{\"r\":[1,{\"d\":2}],\"a\":2}", "{\"r\":0,\"a\":2}" }, { "{\"r\" : \"x\" }", "{\"r\" : 0 }" },
		{ "{\"a\":{\"d\":1,\"x\":{\"r\":2}},\"d\":{\"a\":1}}", "{\"a\":{\"x\":{\"r\":0}}}" },
		{ "[{\"d\":1},{\"a\":[{\"d\":2,\"b\":9007199254740993}]}, 3]", "[{},{\"a\":[{\"b\":9007199254740993}]}, 3]" },
		{ "{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":2}" }, { "{\"a\\u0022,\":1,\"d\":2}", "{\"a\\u0022,\":1}" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf out, seen;
		struct edit_rule rule = { rule_member, &seen };

		buf_init(&out, 0);
		buf_init(&seen, 0);
		assert_int_equal(edit_rewrite(&out, str_of(rows[i].in), &rule), 0);
		assert_string_equal(buf_cstr(&out), rows[i].out);
		assert_int_equal(json_check(buf_str(&out), NULL, NULL), 0);
		buf_release(&out);
		buf_release(&seen);
	}
}

static void test_order(void **state)
{
	struct buf out, seen;
	struct edit_rule rule = { rule_member, &seen };

	buf_init(&out, 0);
	buf_init(&seen, 0);
	assert_int_equal(edit_rewrite(&out, STR("{\"a\":{\"b\":[{\"c\":1}]},\"d\":{\"e\":2}}"), &rule), 0);
	/* Outermost first; arrays add no key; what is dropped is not entered. */
	assert_string_equal(buf_cstr(&seen), "a={ a.b=[ a.b.c=1 d={ ");
	buf_release(&out);
	buf_release(&seen);
}

static void test_refuses(void **state)
{
	static const char *const texts[] = { "", "{", "{\"a\":}", "{\"a\":1,}", "[1,]", "{\"a\":1} x", "{\"a\":{\"b\":1}", "{\"d\":tru}" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct buf out, seen;
		struct edit_rule rule = { rule_member, &seen };

		buf_init(&out, 0);
		buf_init(&seen, 0);
		assert_int_equal(edit_rewrite(&out, str_of(texts[i]), &rule), -1);
		buf_release(&out);
		buf_release(&seen);
	}
}

static void test_limits(void **state)
{
	struct buf out, seen, deep;
	struct edit_rule rule = { rule_member, &seen };

	buf_init(&out, 10);
	buf_init(&seen, 0);
	buf_init(&deep, 0);
	assert_int_equal(edit_rewrite(&out, STR("[1,2,3,4,5,6,7,8,9]"), &rule), -1);
	assert_true(out.failed);
	buf_release(&out);
	buf_init(&out, 0);
	for (int i = 0; i < 128; i++)
		buf_puts(&deep, "{\"a\":");
	buf_puts(&deep, "1");
	for (int i = 0; i < 128; i++)
		buf_puts(&deep, "}");
	assert_int_equal(edit_rewrite(&out, buf_str(&deep), &rule), 0);
	assert_true(str_eq(buf_str(&out), buf_str(&deep)));
	buf_reset(&out);
	buf_puts(&deep, " ");
	deep.p[0] = '[';
	assert_int_equal(edit_rewrite(&out, buf_str(&deep), &rule), -1);
	buf_release(&deep);
	buf_release(&seen);
	buf_release(&out);
}

static void apply(struct edits *e, const char *src, const char *want)
{
	struct segs g;
	struct buf b;

	buf_init(&b, 0);
	segs_init(&g, e->arena);
	edits_apply(&g, str_of(src), e);
	assert_int_equal(segs_flatten(&g, &b), 0);
	assert_string_equal(buf_cstr(&b), want);
	buf_release(&b);
	*e = (struct edits){ .arena = e->arena };
}

static void test_edits(void **state)
{
	static const char src[] = "{\"model\":\"claude\",\"stream\":false}";
	struct arena a;
	struct edits e = { .arena = &a };

	arena_init(&a, 0);
	apply(&e, src, src);
	edits_add(&e, (struct edit){ 27, 5, STR("true") });
	edits_add(&e, (struct edit){ 9, 8, STR("\"lab/x\"") });
	apply(&e, src, "{\"model\":\"lab/x\",\"stream\":true}");
	/* The one that begins first and the longer one count; an addition stands before both. */
	edits_add(&e, (struct edit){ 9, 8, STR("\"lab/x\"") });
	edits_add(&e, (struct edit){ 1, 3, STR("?") });
	edits_add(&e, (struct edit){ 1, 17, STR("") });
	edits_add(&e, (struct edit){ 1, 0, STR("\"a\":1,") });
	edits_add(&e, (struct edit){ 27, 5, STR("1") });
	edits_add(&e, (struct edit){ 27, 5, STR("2") });
	edits_add(&e, (struct edit){ 1, 0, STR("\"b\":2,") });
	edits_add(&e, (struct edit){ 18, 0, STR("\"c\":3,") });
	apply(&e, src, "{\"a\":1,\"b\":2,\"c\":3,\"stream\":1}");
	arena_release(&a);
}

/* What is known is not read: not even what is no JSON there matters. */
static void test_known(void **state)
{
	static const char src[] =
		"{\"d\":1,\"a\":\"one , \"b\":[\"two,{\"r\":\"three}],\"d\":{}}";
	struct str known[3];
	struct arena a;
	struct edits e = { .arena = &a };
	struct buf seen;
	struct edit_rule rule = { rule_member, &seen };

	known[0] = (struct str){ strstr(src, "\"one"), 4 };
	known[1] = (struct str){ strstr(src, "\"two"), 4 };
	known[2] = (struct str){ strstr(src, "\"three"), 6 };
	arena_init(&a, 0);
	buf_init(&seen, 0);
	assert_int_equal(edit_find(&e, STR(src), &rule, known, 3), 0);
	apply(&e, src, "{\"a\":\"one , \"b\":[\"two,{\"r\":0}]}");
	assert_int_equal(edit_find(&e, STR(src), &rule, known, 2), -1);
	buf_release(&seen);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rewrite),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_edits),
		cmocka_unit_test(test_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
