/*
 * Rules: a configuration file on one side, requests on the other, and what the router makes of
 * them. The time of a decision is measured too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/api.h"
#include "base/clock.h"
#include "ingress/ingress.h"

static const char settings[] =
	"proxy_backend = \"MAIN\";\n"
	"models = { big = \"big-model\"; small = \"small-model\";\n"
	"  map = ( { match = \"claude-*haiku*\"; to = \"small\"; },\n"
	"          { match = \"claude-*\"; to = \"big\"; },\n"
	"          { match = \"mapped\"; to = \"LAB/llama\"; } ); };\n"
	"backends = {\n"
	"  MAIN = { dialect = \"openai-chat\"; base_url = \"http://127.0.0.1:1\";\n"
	"           api_key = \"k\"; };\n"
	"  LAB = { dialect = \"openai-chat\"; base_url = \"http://127.0.0.1:2\";\n"
	"          model_big = \"lab-big\"; api_keys = ( \"k1\", \"k2\", \"k3\" );\n"
	"          headers = ( { name = \"X-A\"; value = \"1\"; } ); };\n"
	"  CLAUDE = { dialect = \"anthropic\"; base_url = \"https://api.anthropic.com\";\n"
	"             api_key = \"k\"; };\n"
	"};\n"
	"targets = { safe = ( \"LAB/llama\", { backend = \"MAIN\"; model = \"fallback\"; } );\n"
	"  shared = ( { backend = \"LAB\"; model = \"a\"; weight = 3; },\n"
	"             { backend = \"MAIN\"; model = \"b\"; weight = 1; }, \"CLAUDE/c\" ); };\n"
	"routes = (\n"
	"  { name = \"by path\"; when = { path = \"team\"; }; to = \"LAB/team\"; },\n"
	"  { name = \"blue\"; when = { key = \"blue-*\"; model = \"x\"; }; to = \"LAB/blue\"; },\n"
	"  { name = \"green\"; when = { group = \"green\"; model = \"x\"; }; to = \"LAB/green\"; },\n"
	"  { name = \"search\"; when = { web_search = true; }; to = \"CLAUDE\"; },\n"
	"  { name = \"agents\"; when = { agent = true; }; to = \"LAB/agent\"; },\n"
	"  { name = \"compaction\"; when = { class = \"compaction\"; }; to = \"LAB/compact\"; },\n"
	"  { name = \"pictures\"; when = { images = true; }; to = \"LAB/eyes\"; },\n"
	"  { name = \"papers\"; when = { documents = true; }; to = \"LAB/reader\"; },\n"
	"  { name = \"long\"; when = { tokens_over = 5000; }; to = \"LAB/long\"; },\n"
	"  { name = \"hard\"; when = { effort = ( \"high\", \"max\" ); }; to = \"LAB/hard\"; },\n"
	"  { name = \"thinks\"; when = { thinking = true; model = \"x*\"; }; to = \"LAB/thinks\"; },\n"
	"  { name = \"opus\"; when = { family = \"opus-4\"; }; to = \"CLAUDE\"; },\n"
	"  { name = \"background\"; when = { background = true; model = \"claude-*\"; };\n"
	"    to = \"LAB/quick\"; options = { max_tokens_max = 99; retries = 0;\n"
	"      headers = ( { name = \"X-B\"; value = \"2\"; } ); drop_members = ( \"top_p\" ); }; },\n"
	"  { name = \"million\"; when = { model = \"gpt-*[1m]\"; }; to = \"LAB/wide\"; },\n"
	"  { name = \"odd\"; when = { model = \"we.rd+(x)^$*\\\\end\"; }; to = \"LAB/odd\"; },\n"
	"  { name = \"both\"; when = { model = \"y*\"; agent = true; images = false;\n"
	"      thinking = true; }; to = \"LAB/never\"; },\n"
	"  { name = \"calm\"; when = { model = \"z*\"; images = false; thinking = true; };\n"
	"    to = \"LAB/calm\"; },\n"
	"  { name = \"safe\"; when = { model = ( \"s?fe-model\", \"other\" ); }; to = \"safe\"; },\n"
	"  { name = \"big of the lab\"; when = { model = \"labbig\"; }; to = \"LAB/big\"; }\n"
	");\n";

static char dir[64];
static struct config *config;
static struct arena arena;

static struct config *load(const char *text, char *err, size_t size)
{
	char path[128];
	struct config_load how = { .path = path };
	struct config *c;
	struct buf b;
	FILE *f;

	snprintf(path, sizeof(path), "%s/m.conf", dir);
	umask(077);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	buf_init(&b, 0);
	c = config_load(&how, &b);
	if (err)
		snprintf(err, size, "%s", buf_cstr(&b));
	else if (!c)
		print_error("%s\n", buf_cstr(&b));
	buf_release(&b);
	unlink(path);
	return c;
}

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/test-rules-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	config = load(settings, NULL, 0);
	arena_init(&arena, 0);
	return config ? 0 : -1;
}

static int teardown(void **state)
{
	arena_release(&arena);
	config_unref(config);
	return rmdir(dir);
}

static int estimates;   /* made so far: the one thing in a decision that costs */

static int64_t tokens(void *ctx, const struct message_request *r)
{
	estimates++;
	return estimate_tokens(r, true);
}

struct given {
	const char *model, *more;       /* further members of the body */
	const char *content;            /* of the one message; NULL: "hi" */
	struct route_ask ask;
};

static int decide(const struct given *g, struct target_chain *out, struct fault *f)
{
	struct message_request *r = arena_alloc(&arena, sizeof(*r));
	struct route_ask ask = g->ask;
	const char *body = arena_printf(&arena,
		"{\"model\":\"%s\",\"max_tokens\":10,"
		"\"messages\":[{\"role\":\"user\",\"content\":%s}]%s%s}",
		g->model, g->content ? g->content : "\"hi\"", g->more ? "," : "",
		g->more ? g->more : "");

	*f = FAULT_INIT;
	assert_int_equal(anthropic_parse(r, str_of(body), PARSE_MESSAGE, &arena, f), 0);
	ask.model = r->model_name;
	ask.request = r;
	ask.tokens = tokens;
	return route_decide(config, &ask, &arena, out, f);
}

#define IMAGE                                                                       \
	"{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\"," \
	"\"data\":\"AA==\"}}"

static void test_table(void **state)
{
	char *longer = arena_alloc(&arena, 60003);
	/* model, more, content, ask; backend, model there, part of the rule */
	const struct {
		struct given g;
		const char *backend, *model, *rule;
	} cases[] = {
		{ { .model = "claude-sonnet-4-5" }, "MAIN", "big-model", "models.map[1]" },
		{ { .model = "claude-sonnet-4-5[1m]" }, "MAIN", "big-model", "models.map[1]" },
		{ { .model = "big" }, "MAIN", "big-model", "models.big" },
		{ { .model = "small" }, "MAIN", "small-model", "models.small" },
		{ { .model = "big-model" }, "MAIN", "big-model", "as it came" },
		{ { .model = "mapped" }, "LAB", "llama", "models.map[2]" },
		{ { .model = "anthropic/mapped" }, "LAB", "llama", "models.map[2]" },
		{ { .model = "safe-model" }, "LAB", "llama", "safe" },
		{ { .model = "other" }, "LAB", "llama", "safe" },
		{ { .model = "safe" }, "LAB", "llama", "named by the client" },
		{ { .model = "anthropic/safe" }, "LAB", "llama", "id of the model list" },
		{ { .model = "labbig" }, "LAB", "lab-big", "big of the lab" },
		{ { .model = "LAB/some/model" }, "LAB", "some/model", "named by the client" },
		{ { .model = "LAB,some/model" }, "LAB", "some/model", "named by the client" },
		{ { .model = "anthropic/LAB/x" }, "LAB", "x", "named by the client" },
		{ { .model = "LAB/big" }, "LAB", "lab-big", "named by the client" },
		{ { .model = "claude-opus-4-1-20250805" }, "CLAUDE", "claude-opus-4-1-20250805", "opus" },
		{ { .model = "anthropic/claude-opus-4.5" }, "CLAUDE", "anthropic/claude-opus-4.5",
			"opus" },
		{ { .model = "claude-opus-5-5" }, "MAIN", "big-model", "models.map[1]" },
		{ { .model = "claude-haiku-4-5" }, "LAB", "quick", "background" },
		{ { .model = "claude-x", .ask.request_class = "auxiliary" }, "LAB", "quick",
			"background" },
		{ { .model = "claude-x", .ask.request_class = "compaction" }, "LAB", "compact",
			"compaction" },
		{ { .model = "claude-x", .ask.agent = "a1" }, "LAB", "agent", "agents" },
		{ { .model = "claude-x", .ask.request_class = "subagent" }, "LAB", "agent", "agents" },
		{ { .model = "x", .ask.key = "blue-1" }, "LAB", "blue", "blue" },
		{ { .model = "x", .ask.key = "red-1", .ask.group = "green" }, "LAB", "green", "green" },
		{ { .model = "claude-x", .content = "[" IMAGE "]" }, "LAB", "eyes", "pictures" },
		{ { .model = "claude-x", .content = "[{\"type\":\"tool_result\",\"tool_use_id\":\"t\","
			"\"content\":[" IMAGE "]}]" }, "LAB", "eyes", "pictures" },
		{ { .model = "claude-x", .content = "[{\"type\":\"document\",\"source\":{\"type\":\"url\","
			"\"url\":\"https://x/y\"}}]" }, "LAB", "reader", "papers" },
		{ { .model = "claude-x", .content = "[{\"type\":\"tool_result\",\"tool_use_id\":\"t\","
			"\"content\":[{\"type\":\"document\",\"source\":{\"type\":\"text\",\"media_type\":"
			"\"text/plain\",\"data\":\"x\"}}]}]" }, "LAB", "reader", "papers" },
		{ { .model = "gpt-7[1m]" }, "LAB", "wide", "million" },
		{ { .model = "WE.rd+(x)^$anything\\\\end" }, "LAB", "odd", "odd" },
		{ { .model = "z1", .more = "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}" },
			"LAB", "calm", "calm" },
		{ { .model = "claude-x", .more = "\"thinking\":{\"type\":\"disabled\"}" }, "MAIN",
			"big-model", "models.map[1]" },
		{ { .model = "claude-x", .more = "\"tools\":[{\"type\":\"web_search_20250305\","
			"\"name\":\"web_search\"}]" }, "CLAUDE", "claude-x", "search" },
		{ { .model = "claude-x", .more = "\"tools\":[{\"name\":\"web_search\","
			"\"input_schema\":{}}]" }, "MAIN", "big-model", "models.map[1]" },
		{ { .model = "claude-x", .more = "\"output_config\":{\"effort\":\"high\"}" }, "LAB",
			"hard", "hard" },
		{ { .model = "claude-x", .more = "\"output_config\":{\"effort\":\"low\"}" }, "MAIN",
			"big-model", "models.map[1]" },
		{ { .model = "x1", .more = "\"thinking\":{\"type\":\"adaptive\"}" }, "LAB", "thinks",
			"thinks" },
		{ { .model = "claude-x", .content = longer }, "LAB", "long", "long" },
		{ { .model = "claude-x", .ask.path = "team" }, "LAB", "team", "by path" },
		{ { .model = "claude-x", .ask.path = "LAB" }, "LAB", "lab-big", "path /b/LAB" },
		{ { .model = "llama", .ask.path = "lab" }, "LAB", "llama", "path /b/lab" },
		{ { .model = "claude-x", .ask.path = "MAIN" }, "MAIN", "big-model", "models.map[1]" },
		{ { .model = "x", .ask.path = "safe" }, "LAB", "llama", "path /b/safe" },
	};

	longer[0] = '"';
	for (size_t i = 1; i < 60000; i += 6)
		memcpy(longer + i, "words ", 6);
	strcpy(longer + 60000, "\"");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct target_chain chain;
		struct fault f;

		if (decide(&cases[i].g, &chain, &f))
			fail_msg("case %zu (%s): %s", i, cases[i].g.model, f.message);
		if (strcmp(chain.v[0].backend->name, cases[i].backend) ||
		    strcmp(chain.v[0].model, cases[i].model) ||
		    !strstr(chain.v[0].rule, cases[i].rule))
			fail_msg("case %zu (%s): %s, %s by %s", i, cases[i].g.model,
				 chain.v[0].backend->name, chain.v[0].model, chain.v[0].rule);
	}
}

static void test_nowhere(void **state)
{
	const struct given unknown = { .model = "gpt-unknown" };
	const struct given path = { .model = "x", .ask.path = "NOBODY" };
	struct target_chain chain;
	struct fault f;

	assert_int_equal(decide(&unknown, &chain, &f), -1);
	assert_int_equal(f.status, 404);
	assert_string_equal(f.type, "not_found_error");
	assert_non_null(strstr(f.message, "model: gpt-unknown"));
	assert_int_equal(decide(&(struct given){ .model = "gpt-7" }, &chain, &f), -1);
	/* All of a rule must hold. */
	assert_int_equal(decide(&(struct given){ .model = "z1", .content = "[" IMAGE "]" }, &chain,
				&f), 0);
	assert_string_equal(chain.v[0].model, "eyes");
	assert_int_equal(decide(&(struct given){ .model = "z1" }, &chain, &f), -1);
	assert_int_equal(decide(&(struct given){ .model = "we.rdend" }, &chain, &f), -1);
	assert_int_equal(decide(&path, &chain, &f), -1);
	assert_int_equal(f.status, 404);
	assert_non_null(strstr(f.message, "NOBODY"));
	config->direct = false;
	assert_int_equal(decide(&(struct given){ .model = "LAB/x" }, &chain, &f), -1);
	assert_int_equal(decide(&(struct given){ .model = "x", .ask.path = "LAB" }, &chain, &f), -1);
	config->direct = true;
}

/* Options are laid over the backend for the rule alone; what the backend has stays. */
static void test_options(void **state)
{
	const struct given haiku = { .model = "claude-haiku-4-5" };
	const struct backend *plain = config_backend(config, "LAB"), *b;
	struct target_chain chain;
	struct fault f;

	assert_int_equal(decide(&haiku, &chain, &f), 0);
	b = chain.v[0].backend;
	assert_int_equal(b->max_tokens_max, 99);
	assert_int_equal(b->retries, 0);
	assert_string_equal(b->headers[0].name, "X-A");
	assert_string_equal(b->headers[1].name, "X-B");
	assert_null(b->headers[2].name);
	assert_string_equal(b->body[0].name, "top_p");
	assert_null(b->body[0].json);
	assert_int_equal(plain->max_tokens_max, 0);
	assert_null(plain->headers[1].name);
	assert_int_equal(plain->nways, 3);
	assert_int_equal(b->nways, 3);
	assert_int_equal(b->ways[2].max_tokens_max, 99);
	assert_string_equal(b->ways[2].api_key, "k3");
	assert_string_equal(b->ways[0].key_mark, plain->ways[0].key_mark);
	assert_string_not_equal(b->ways[0].key_mark, b->ways[1].key_mark);
	assert_null(strstr(b->ways[0].key_mark, "k1"));
}

/* Weights: three of four begin at LAB, a session always at the same; the others follow in order. */
static void test_weights(void **state)
{
	struct given g = { .model = "shared" };
	struct target_chain chain;
	struct fault f;
	char session[16];
	int lab = 0;

	for (int i = 0; i < 2000; i++) {
		const char *first;

		snprintf(session, sizeof(session), "s%d", i);
		g.ask.session = session;
		assert_int_equal(decide(&g, &chain, &f), 0);
		assert_int_equal(chain.n, 3);
		assert_string_equal(chain.v[2].backend->name, "CLAUDE");
		first = chain.v[0].backend->name;
		lab += strcmp(first, "LAB") == 0;
		assert_string_not_equal(first, chain.v[1].backend->name);
		assert_int_equal(decide(&g, &chain, &f), 0);
		assert_string_equal(chain.v[0].backend->name, first);
	}
	assert_in_range(lab, 1400, 1600);
}

/* A caller's own key: whatever leads elsewhere is left out. */
static void test_own_key(void **state)
{
	struct target_chain chain;
	struct fault f;

	config->access_mode = ACCESS_PASSTHROUGH;
	config->passthrough_backend = "MAIN";
	assert_int_equal(decide(&(struct given){ .model = "safe" }, &chain, &f), 0);
	assert_int_equal(chain.n, 1);
	assert_string_equal(chain.v[0].backend->name, "MAIN");
	assert_int_equal(decide(&(struct given){ .model = "LAB/x" }, &chain, &f), 0);
	assert_string_equal(chain.v[0].backend->name, "MAIN");
	config->access_mode = ACCESS_OPEN;
	config->passthrough_backend = NULL;
}

static void test_families(void **state)
{
	static const struct {
		const char *family, *model;
		bool is;
	} cases[] = {
		{ "sonnet", "claude-3-5-sonnet-20241022", true },
		{ "sonnet-3.5", "claude-3-5-sonnet-20241022", true },
		{ "sonnet-3", "claude-3-5-sonnet-latest", true },
		{ "sonnet-3.7", "claude-3-5-sonnet-20241022", false },
		{ "opus-4.1", "us.anthropic.claude-opus-4-1-20250805-v1:0", true },
		{ "opus-4.1", "claude-opus-4-20250514", false },
		{ "haiku", "Claude-Haiku-5-5", true },
		{ "haiku", "opus", false },
		{ "opus", "opus", true },
		{ "opus", "claude-opus", true },
		{ "opus-4", "claude-opus", false },
		{ "fable-5.1", "claude-fable-5-1", true },
		{ "sonnet", "gpt-6", false },
		{ "", "claude-opus", false },
		{ "sonnet-4", "claude-sonnet-4-5", true },
		{ "sonnet-4", "claude-sonnet-4-5-20250929", true },
		{ "sonnet-4.5", "claude-sonnet-4-20250514", false },
		{ "sonnet-4.5", "databricks-claude-sonnet-4-5", true },
		{ "sonnet-4.5", "claude-sonnet-4-5@20250929", true },
		{ "opus-4.1", "claude-opus-4-1-20250805", true },
		{ "opus-4.1", "anthropic/claude-opus-4.1", true },
		{ "opus-4.1", "claude-opus-4-10", false },
		{ "claude-sonnet-4-5", "anthropic/claude-sonnet-4.5", true },
		{ "3-5-sonnet", "claude-3-5-sonnet-20241022", true },
		{ "Opus", "claude-opus-4-1", true },
		{ "newone", "claude-newone-6-1", true },
		{ "newone", "claude-opus-6-1", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (route_family(cases[i].family, cases[i].model) != cases[i].is)
			fail_msg("%s of %s", cases[i].family, cases[i].model);
}

static void test_wrong_settings(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "routes = ( { when = { modle = \"x\"; }; to = \"big\"; } );", "routes[0].when.modle" },
		{ "routes = ( { when = { model = \"x\"; }; } );", "routes[0] has no `to`" },
		{ "routes = ( { to = \"NOPE\"; options = { base_url = \"http://x\"; }; } );",
			"only the backend itself" },
		{ "routes = ( { to = \"big\"; options = { max_tokns_max = 1; }; } );",
			"did you mean" },
		{ "routes = ( { to = 5; } );", "routes[0].to must be text" },
		{ "routes = ( { to = \"GROQ/x\"; } );", "no member that can be used" },
		{ "routes = 1;", "routes must be a list" },
		{ "targets = ( );", "targets must be a group" },
		{ "targets = { OPENAI = ( \"big\" ); };", "a backend has this name" },
		{ "routes = ( { to = \"OPENIA/gpt\"; } );", "m.conf:2: routes[0].to: \"OPENIA/gpt\": there "
			"is no backend OPENIA" },
		{ "routes = ( { to = ( \"big\",\n { backend = \"lab\"; model = \"x\"; } ); } );",
			"m.conf:3: routes[0].to: \"lab/x\": there is no backend lab" },
		{ "routes = ( { to = \"lab,x\"; } );", "there is no backend lab" },
		{ "targets = { t = \"THUDM/GLM-4\"; };", "{ backend = \"OPENAI\"; model = \"THUDM/GLM-4\"; }" },
		{ "routing = { failover_statuses = ( \"99\" ); };", "no status" },
	};
	char text[1024], err[4096];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct config *c;

		snprintf(text, sizeof(text),
			 "backends = { OPENAI = { api_key = \"k\"; }; };\n%s\n", cases[i].text);
		c = load(text, err, sizeof(err));
		if (c || !strstr(err, cases[i].says))
			fail_msg("%s: says %s", cases[i].text, err);
		config_unref(c);
	}
}

static char *check(const char *text)
{
	char path[128], *out = NULL;
	struct config_load how = { .path = path };
	size_t size;
	FILE *f;

	snprintf(path, sizeof(path), "%s/m.conf", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	f = open_memstream(&out, &size);
	assert_non_null(f);
	assert_int_equal(config_check(&how, NULL, NULL, f), 0);
	fclose(f);
	unlink(path);
	return out;
}

/* Rules that never win, and names that were hardly meant so, are told; what is as it should be is
 * not. */
static void test_warnings(void **state)
{
	static const struct {
		const char *text, *says;        /* NULL: nothing */
	} cases[] = {
		{ "routes = ( { to = \"big\"; }, { when = { family = \"opus\"; }; to = \"small\"; } );",
			"routes[1] never wins: routes[0] before it" },
		{ "routes = ( { when = { model = \"a*\"; }; to = \"big\"; },\n"
		  "{ name = \"n\"; when = { model = ( \"ab\", \"ac\" ); agent = true; }; to = \"small\"; } );",
			"m.conf:3: routes[1] \"n\" never wins" },
		{ "routes = ( { when = { family = \"opus\"; }; to = \"big\"; },"
		  "{ when = { family = \"opus-4\"; }; to = \"small\"; } );", "routes[1] never wins" },
		{ "routes = ( { when = { tokens_over = 10; }; to = \"big\"; },"
		  "{ when = { tokens_over = 10; }; to = \"small\"; } );", "routes[1] never wins" },
		{ "routes = ( { when = { effort = ( \"high\", \"max\" ); }; to = \"big\"; },"
		  "{ when = { effort = \"max\"; }; to = \"small\"; } );", "routes[1] never wins" },
		{ "routes = ( { when = { effort = \"max\"; }; to = \"big\"; },"
		  "{ when = { effort = ( \"high\", \"max\" ); }; to = \"small\"; } );", NULL },
		{ "routes = ( { when = { key = \"team-*\"; group = \"a\"; }; to = \"big\"; },"
		  "{ when = { key = \"team-x\"; group = \"a\"; }; to = \"small\"; } );",
			"routes[1] never wins" },
		{ "routes = ( { when = { key = \"team-*\"; group = \"a\"; }; to = \"big\"; },"
		  "{ when = { key = \"team-x\"; group = \"b\"; }; to = \"small\"; } );", NULL },
		{ "routes = ( { when = { tokens_over = 20; }; to = \"big\"; },"
		  "{ when = { tokens_over = 10; }; to = \"small\"; } );", NULL },
		{ "routes = ( { when = { family = \"opus-4\"; }; to = \"big\"; },"
		  "{ when = { family = \"opus\"; }; to = \"small\"; } );", NULL },
		{ "routes = ( { when = { images = true; }; to = \"big\"; },"
		  "{ when = { images = false; }; to = \"small\"; },"
		  "{ when = { images = true; path = \"p\"; }; to = \"small\"; } );", NULL },
		{ "routes = ( { when = { model = \"a?\"; }; to = \"big\"; },"
		  "{ when = { model = \"a*\"; }; to = \"small\"; } );", NULL },
		{ "routes = ( { name = \"x\"; when = { images = true; }; to = \"big\"; },"
		  "{ name = \"x\"; when = { agent = true; }; to = \"small\"; } );", "same name, \"x\"" },
		{ "models = { map = ( { match = \"claude-*\"; to = \"big\"; },"
		  "{ match = \"claude-haiku\"; to = \"small\"; } ); };",
			"models.map[1] \"claude-haiku\" never wins: models.map[0]" },
		{ "models = { map = ( { match = \"*haiku*\"; to = \"small\"; },"
		  "{ match = \"claude-*\"; to = \"big\"; } ); };", NULL },
		{ "targets = { careful = ( \"big\" ); }; routes = ( { to = \"carefull\"; } );",
			"taken as a model of OPENAI; did you mean careful?" },
		{ "routes = ( { to = \"mybox2/x\"; } );", "did you mean mybox?" },
		{ "routes = ( { to = ( \"mybox/x\", \"openai/gpt\", \"x-ai/grok\", \"gpt-6\" ); } );", NULL },
	};
	char text[1024];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *out;

		snprintf(text, sizeof(text), "backends = { OPENAI = { api_key = \"k\"; }; mybox = { dialect "
			 "= \"openai-chat\"; base_url = \"http://h\"; }; }; proxy_backend = \"OPENAI\";\n"
			 "%s\n", cases[i].text);
		out = check(text);
		if (cases[i].says ? !strstr(out, cases[i].says)
				  : strstr(out, "never wins") || strstr(out, "did you mean"))
			fail_msg("%s: says %s", cases[i].text, out);
		free(out);
	}
}

/* With several backends an unknown name is an error; with one it goes on as it came, rules or not.
 * Claude's own names always go to whoever has them. */
static void test_as_it_came(void **state)
{
	static const struct {
		const char *text, *model;
		bool served;
	} cases[] = {
		{ "backends = { OPENAI = { api_key = \"k\"; }; };", "nobody", true },
		{ "backends = { OPENAI = { api_key = \"k\"; }; };", "anthropic/nobody", true },
		{ "backends = { OPENAI = { api_key = \"k\"; }; };\n"
		  "routes = ( { when = { images = true; }; to = \"big\"; } );", "nobody", true },
		{ "backends = { OPENAI = { api_key = \"k\"; }; };\n"
		  "routes = ( { when = { images = true; }; to = \"big\"; } );", "claude-opus-4-1", true },
		{ "backends = { OPENAI = { api_key = \"k\"; }; }; models = { default = \"big\"; };\n"
		  "routes = ( { when = { images = true; }; to = \"big\"; } );", "nobody", true },
		{ "backends = { ANTHROPIC = { api_key = \"k\"; }; OPENAI = { api_key = \"k\"; }; };\n"
		  "proxy_backend = \"ANTHROPIC\";", "claude-opus-4-1", true },
		{ "backends = { ANTHROPIC = { api_key = \"k\"; }; OPENAI = { api_key = \"k\"; }; };\n"
		  "proxy_backend = \"ANTHROPIC\";", "nobody", false },
		{ "backends = { own = { dialect = \"anthropic\"; base_url = \"https://api.anthropic.com\"; "
		  "api_key = \"k\"; }; OPENAI = { api_key = \"k\"; }; };\n"
		  "proxy_backend = \"own\";", "claude-opus-4-1", true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct config *c = load(cases[i].text, NULL, 0);
		struct fault f = FAULT_INIT;
		struct target t;

		assert_non_null(c);
		if ((route_select(c, cases[i].model, &arena, &t, &f) == 0) != cases[i].served)
			fail_msg("case %zu: %s", i, f.message);
		if (!cases[i].served)
			assert_string_equal(f.type, "not_found_error");
		config_unref(c);
	}
}

/* 50 rules, none of which holds, on 76 KB: the text is walked once for all of them. The time is printed, not judged: machines
 * differ (the goal is 20 microseconds). */
static void test_time(void **state)
{
	struct buf text, body;
	struct message_request r;
	struct fault f = FAULT_INIT;
	struct config *c;
	int64_t best = INT64_MAX;

	buf_init(&text, 0);
	buf_puts(&text, "backends = { MAIN = { dialect = \"openai-chat\"; base_url = \"http://h\"; }; };\n"
			"proxy_backend = \"MAIN\"; routes = (\n");
	for (int i = 0; i < 50; i++)
		buf_printf(&text, "%s{ when = { %s }; to = \"m\"; }", i ? ",\n" : "",
			   i % 5 == 0 ? "images = true;" : i % 5 == 1 ? "tokens_over = 60000;" :
			   i % 5 == 2 ? "model = \"gpt-*-mini*\";" : i % 5 == 3 ? "family = \"opus-4\";" :
			   "documents = true; web_search = true;");
	buf_puts(&text, "\n);\n");
	c = load(buf_cstr(&text), NULL, 0);
	assert_non_null(c);
	buf_init(&body, 0);
	buf_puts(&body, "{\"model\":\"claude-sonnet-4-5\",\"max_tokens\":1,\"messages\":[");
	for (int i = 0; body.n < 76000; i++)
		buf_printf(&body, "%s{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"%0300d\"}]}",
			   i ? "," : "", i);
	buf_puts(&body, "]}");
	assert_int_equal(anthropic_parse(&r, buf_str(&body), PARSE_MESSAGE, &arena, &f), 0);
	for (int i = 0; i < 200; i++) {
		struct route_ask ask = { .model = r.model_name, .request = &r, .tokens = tokens };
		struct target_chain chain;
		int64_t from = clock_us(), took;

		estimates = 0;
		assert_int_equal(route_decide(c, &ask, &arena, &chain, &f), 0);
		took = clock_us() - from;
		assert_int_equal(estimates, 1);
		best = took < best ? took : best;
	}
	print_message("a decision with 50 rules on %zu bytes: %lld us\n", body.n, (long long)best);
	buf_release(&text);
	buf_release(&body);
	config_unref(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),	 cmocka_unit_test(test_nowhere),
		cmocka_unit_test(test_options),	 cmocka_unit_test(test_weights),
		cmocka_unit_test(test_own_key),	 cmocka_unit_test(test_families),
		cmocka_unit_test(test_wrong_settings), cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_as_it_came), cmocka_unit_test(test_time),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
