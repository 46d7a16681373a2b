/* Which model a name comes to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "route/route.h"

static const struct model_rule rules[] = {
	{ "claude-*haiku*", "small" },
	{ "claude-*", "big" },
	{ "exact", "lab/llama" },
};
static const struct backend lab = { .name = "lab" },
			    anthropic = { .name = "ANTHROPIC", .anthropic_host = true },
			    proxy = { .name = "P", .model_prefix = "openrouter/" };

static struct config base(void)
{
	return (struct config){ .backend = &lab,
				.model_big = "gpt-big",
				.model_small = "anthropic/mini",
				.rules = rules,
				.nrules = 3 };
}

static void expect(const struct config *c, const char *asked, const char *model, bool mapped)
{
	struct arena a;
	struct target t;
	struct fault f = FAULT_INIT;

	arena_init(&a, 0);
	assert_int_equal(route_select(c, asked, &a, &t, &f), 0);
	assert_string_equal(t.model, model);
	assert_int_equal(t.mapped, mapped);
	assert_non_null(t.rule);
	assert_null(t.caller_key);
	arena_release(&a);
}

static void test_rules(void **state)
{
	struct config c = base();

	expect(&c, "claude-3-5-haiku-20241022", "anthropic/mini", true);
	expect(&c, "Claude-Sonnet-5-5", "gpt-big", true);
	expect(&c, "claude-opus-5-5[1m]", "gpt-big", true);
	expect(&c, "big", "gpt-big", true);
	expect(&c, "small", "anthropic/mini", true);
	expect(&c, "exact", "lab/llama", true);
	expect(&c, "exactly", "exactly", false);
	expect(&c, "gpt-big", "gpt-big", false);
	expect(&c, "other[1M]", "other", true);
	c.model_default = "fallback";
	expect(&c, "exactly", "fallback", true);
	expect(&c, "claude-x", "gpt-big", true);
}

static void test_alias(void **state)
{
	struct config c = base();

	expect(&c, "anthropic/gpt-big", "gpt-big", true);
	expect(&c, "anthropic/lab/llama", "lab/llama", true);
	expect(&c, "anthropic/mini", "anthropic/mini", false);
	expect(&c, "anthropic/unknown", "unknown", true);
	expect(&c, "anthropic/claude-x", "anthropic/claude-x", false);
	expect(&c, "anthropic/big", "anthropic/big", false);
	assert_true(route_needs_alias("gpt-big"));
	assert_false(route_needs_alias("openrouter/Claude-x"));
	assert_false(route_needs_alias("Anthropic/x"));
}

/* A role without a model decides nothing: the next rule does. */
static void test_no_small(void **state)
{
	struct config c = base();

	c.model_small = NULL;
	expect(&c, "claude-haiku", "gpt-big", true);
	expect(&c, "small", "small", false);
}

static void test_anthropic_unchanged(void **state)
{
	struct config c = { .backend = &anthropic };

	expect(&c, "claude-sonnet-5-5[1m]", "claude-sonnet-5-5[1m]", false);
	expect(&c, "claude-sonnet-5-5", "claude-sonnet-5-5", false);
}

static void test_prefix(void **state)
{
	struct config c = { .backend = &proxy };

	expect(&c, "x/y", "openrouter/x/y", true);
	expect(&c, "openrouter/x/y", "openrouter/x/y", false);
}

static void test_passthrough_backend(void **state)
{
	const struct backend both[] = { lab, anthropic };
	struct config c = { .backend = &both[0],
			    .backends = both,
			    .nbackends = 2,
			    .access_mode = ACCESS_PASSTHROUGH,
			    .passthrough_backend = "ANTHROPIC" };
	struct arena a;
	struct target t;
	struct fault f = FAULT_INIT;

	arena_init(&a, 0);
	assert_int_equal(route_select(&c, "m", &a, &t, &f), 0);
	assert_string_equal(t.backend->name, "ANTHROPIC");
	c.passthrough_backend = NULL;
	assert_int_equal(route_select(&c, "m", &a, &t, &f), -1);
	assert_int_equal(f.status, 500);
	arena_release(&a);
}

/* Below /b/NAME a role is what that backend has for it, and its own name before a model is none. */
static void test_paths(void **state)
{
	const struct backend both[] = { lab, { .name = "other", .model_big = "o-big" } };
	struct config c = base();
	static const struct { const char *path, *asked, *model; } cases[] = {
		{ "other", "big", "o-big" },
		{ "other", "small", "o-big" },
		{ "other", "claude-haiku", "o-big" },
		{ "other", "plain", "plain" },
		{ "other", "other/plain", "plain" },
		{ "other", "lab/plain", "lab/plain" },
		{ "lab", "claude-haiku", "anthropic/mini" },
		{ "nobody", "m", NULL },
		{ "\xff", "m", NULL },
	};

	c.backends = both;
	c.backend = &both[0];
	c.nbackends = 2;
	c.direct = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct route_ask ask = { .model = cases[i].asked, .path = cases[i].path };
		struct target_chain chain;
		struct fault f = FAULT_INIT;
		struct arena a;

		arena_init(&a, 0);
		assert_int_equal(route_decide(&c, &ask, &a, &chain, &f), cases[i].model ? 0 : -1);
		if (cases[i].model) {
			assert_string_equal(chain.v[0].model, cases[i].model);
			assert_string_equal(chain.v[0].backend->name, cases[i].path);
		} else {
			assert_int_equal(f.status, 404);
			assert_non_null(strstr(f.message, strcmp(cases[i].path, "nobody") ?
					       "\"(not UTF-8)\"" : "\"nobody\""));
		}
		arena_release(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),    cmocka_unit_test(test_alias),
		cmocka_unit_test(test_no_small), cmocka_unit_test(test_anthropic_unchanged),
		cmocka_unit_test(test_prefix),   cmocka_unit_test(test_passthrough_backend),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
