/* The config section: "key = value" lines over struct backend, in one table. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "golden.h"

#define LIST_MAX 16

enum kind { TEXT, YES, INT, LONG, ENUM, LIST };

static const char *const mid_system[] = { "keep", "user", "hoist", NULL };
static const char *const reasoning[] = { "none", "effort", "openrouter", "thinking", "budget",
					 "switch", "parsed", NULL };
static const char *const replay_names[] = { "drop", "tools", "all", "details", "parts", "summary",
					    "blocks", NULL };
static const char *const foreign_thinking[] = { "unsigned", "blank", "dropped", NULL };
static const char *const forced_tool[] = { "taken", "unthinking", "refused", NULL };

/* key | how its value reads | where it goes | ENUM: its words, in the order of the enum */
static const struct {
	const char *key;
	enum kind kind;
	size_t at;
	const char *const *words;
} table[] = {
#define AT(member) offsetof(struct case_options, backend.member)
	{ "name", TEXT, AT(name), NULL },
	{ "origin", TEXT, AT(origin), NULL },
	{ "dialect", TEXT, AT(dialect), NULL },
	{ "base_url", TEXT, AT(base_url), NULL },
	{ "path_message", TEXT, AT(path_message), NULL },
	{ "path_responses", TEXT, AT(path_responses), NULL },
	{ "responses_models", LIST, AT(responses_models), NULL },
	{ "path_count", TEXT, AT(path_count), NULL },
	{ "anthropic_host", YES, AT(anthropic_host), NULL },
	{ "passthrough", YES, AT(passthrough), NULL },
	{ "api_key_from", TEXT, AT(api_key_from), NULL },
	{ "mid_system", ENUM, AT(mid_system), mid_system },
	{ "reasoning", ENUM, AT(reasoning), reasoning },
	{ "replay", ENUM, AT(replay), replay_names },
	{ "tools_or_reasoning", YES, AT(tools_or_reasoning), NULL },
	{ "stream_options", YES, AT(stream_options), NULL },
	{ "stop", YES, AT(stop), NULL },
	{ "stop_max", INT, AT(stop_max), NULL },
	{ "cache_control", YES, AT(cache_control), NULL },
	{ "parallel_tool_calls", YES, AT(parallel_tool_calls), NULL },
	{ "tool_images", YES, AT(tool_images), NULL },
	{ "files", YES, AT(files), NULL },
	{ "top_k", YES, AT(top_k), NULL },
	{ "user", YES, AT(user), NULL },
	{ "user_member", TEXT, AT(user_member), NULL },
	{ "response_format", YES, AT(response_format), NULL },
	{ "strip_schema_null", YES, AT(strip_schema_null), NULL },
	{ "think_tags", YES, AT(think_tags), NULL },
	{ "tool_result_merge", YES, AT(tool_result_merge), NULL },
	{ "billing_header", YES, AT(billing_header), NULL },
	{ "tool_name_max", INT, AT(tool_name_max), NULL },
	{ "call_id_length", INT, AT(call_id_length), NULL },
	{ "tool_result_name", YES, AT(tool_result_name), NULL },
	{ "plain_parts", YES, AT(plain_parts), NULL },
	{ "tool_plan", YES, AT(tool_plan), NULL },
	{ "prefill_member", TEXT, AT(prefill_member), NULL },
	{ "required_word", TEXT, AT(required_word), NULL },
	{ "forced_tool", ENUM, AT(forced_tool), forced_tool },
	{ "temperature_zero", TEXT, AT(temperature_zero), NULL },
	{ "pass_members", LIST, AT(pass_members), NULL },
	{ "foreign_thinking", ENUM, AT(foreign_thinking), foreign_thinking },
	{ "plain_thinking", YES, AT(plain_thinking), NULL },
	{ "drop_server_tools", YES, AT(drop_server_tools), NULL },
	{ "model_prefix", TEXT, AT(model_prefix), NULL },
	{ "session_member", TEXT, AT(session_member), NULL },
	{ "beta_header", TEXT, AT(beta_header), NULL },
	{ "pass_betas", LIST, AT(pass_betas), NULL },
	{ "pass_server_tools", LIST, AT(pass_server_tools), NULL },
	{ "max_tokens_member", TEXT, AT(max_tokens_member), NULL },
	{ "max_tokens_min", LONG, AT(max_tokens_min), NULL },
	{ "max_tokens_max", LONG, AT(max_tokens_max), NULL },
	{ "context_tokens", LONG, AT(context_tokens), NULL },
	{ "drop_members", LIST, AT(drop_members), NULL },
	{ "drop_betas", LIST, AT(drop_betas), NULL },
	{ "json_schema", YES, AT(json_schema), NULL },
	{ "region", TEXT, AT(region), NULL },
	{ "guardrail.id", TEXT, AT(guardrail.id), NULL },
	{ "guardrail.version", TEXT, AT(guardrail.version), NULL },
	{ "guardrail.trace", TEXT, AT(guardrail.trace), NULL },
	{ "service_tier", TEXT, AT(service_tier), NULL },
	{ "latency", TEXT, AT(latency), NULL },
#undef AT
	{ "model", TEXT, offsetof(struct case_options, model), NULL },
	{ "beta", TEXT, offsetof(struct case_options, beta), NULL },
	{ "session_id", TEXT, offsetof(struct case_options, session_id), NULL },
	{ "caller", TEXT, offsetof(struct case_options, caller), NULL },
	{ "input_estimate", LONG, offsetof(struct case_options, input_estimate), NULL },
	{ "strip_thinking", YES, offsetof(struct case_options, strip_thinking), NULL },
};

static const char *const *list_of(struct str value, struct arena *a)
{
	const char **v = arena_alloc(a, (LIST_MAX + 1) * sizeof(*v));
	struct str one;

	for (size_t n = 0; v && n < LIST_MAX && str_split(&value, ',', &one); n++)
		v[n] = arena_str(a, str_trim(one)).p;
	return v;
}

static int word_of(const char *const *words, struct str value)
{
	for (int i = 0; words[i]; i++) {
		if (str_is(value, words[i]))
			return i;
	}
	return -1;
}

/* Lists of the case's own, which begin with what the preset has. */
static int own_lists(struct case_options *o, struct arena *a)
{
	struct body_member *body = arena_alloc(a, LIST_MAX * sizeof(*body));
	struct header_setting *head = arena_alloc(a, LIST_MAX * sizeof(*head));
	const struct backend *b = &o->backend;

	if (!body || !head)
		return -1;
	for (; b->body && b->body[o->nbody].name && o->nbody < LIST_MAX - 2; o->nbody++)
		body[o->nbody] = b->body[o->nbody];
	for (; b->headers && b->headers[o->nheaders].name && o->nheaders < LIST_MAX - 2;
	     o->nheaders++)
		head[o->nheaders] = b->headers[o->nheaders];
	o->backend.body = body;
	o->backend.headers = head;
	o->own_lists = true;
	return 0;
}

/* "body.NAME = JSON" (or "drop") and "header.NAME = value". */
static int add_named(struct case_options *o, struct str name, struct str value, struct arena *a)
{
	const char *text = arena_str(a, value).p;
	struct body_member *body;
	struct header_setting *head;

	if (!o->own_lists && own_lists(o, a))
		return -1;
	if (o->nbody > LIST_MAX - 2 || o->nheaders > LIST_MAX - 2)
		return -1;
	body = (struct body_member *)o->backend.body;
	head = (struct header_setting *)o->backend.headers;
	if (str_starts(name, "body."))
		body[o->nbody++] = (struct body_member){
			arena_dup(a, name.p + 5, name.n - 5), str_is(value, "drop") ? NULL : text
		};
	else
		head[o->nheaders++] =
			(struct header_setting){ arena_dup(a, name.p + 7, name.n - 7), text };
	return 0;
}

static int set(struct case_options *o, struct str key, struct str value, struct arena *a)
{
	int64_t number = 0;

	if (str_starts(key, "body.") || str_starts(key, "header."))
		return add_named(o, key, value, a);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char *at = (char *)o + table[i].at;

		if (!str_is(key, table[i].key))
			continue;
		if ((table[i].kind == INT || table[i].kind == LONG) && !str_int(value, &number))
			return -1;
		switch (table[i].kind) {
		case TEXT:
			*(const char **)at = str_is(value, "none") ? NULL : arena_str(a, value).p;
			return 0;
		case YES:
			*(bool *)at = str_is(value, "true");
			return str_is(value, "true") || str_is(value, "false") ? 0 : -1;
		case INT:
			*(int *)at = (int)number;
			return 0;
		case LONG:
			*(int64_t *)at = number;
			return 0;
		case ENUM:
			*(int *)at = word_of(table[i].words, value);
			return *(int *)at < 0 ? -1 : 0;
		case LIST:
			*(const char *const **)at = list_of(value, a);
			return 0;
		}
	}
	return -1;
}

static void set_defaults(struct case_options *o)
{
	memset(o, 0, sizeof(*o));
	o->input_estimate = 100;
	o->backend = (struct backend){
		.name = "TEST",
		.origin = "test",
		.dialect = "openai-chat",
		.base_url = "http://upstream.test/v1",
		.path_message = "/chat/completions",
		.path_responses = "/responses",
		.path_models = "/models",
		.api_key = "secret",
		.api_key_from = "TEST_API_KEY in the environment",
		.mid_system = MID_SYSTEM_USER,
		.reasoning = REASONING_NONE,
		.replay = REPLAY_DROP,
		.stream_options = true,
		.stop = true,
		.stop_max = 4,
		.parallel_tool_calls = true,
		.response_format = true,
		.think_tags = true,
		.tool_name_max = 64,
		.user_member = "user",
	};
}

/* The value of one line of the section; NULL: it has none of this name. */
static const char *value_of(struct str config, const char *name, struct arena *a)
{
	struct str line, key;

	while (str_split(&config, '\n', &line)) {
		struct str value = line;

		if (str_split(&value, '=', &key) && str_is(str_trim(key), name))
			return arena_str(a, str_trim(value)).p;
	}
	return NULL;
}

void options_release(struct case_options *o)
{
	if (o->config)
		config_unref(o->config);
	o->config = NULL;
}

int options_read(struct case_options *o, struct str config, struct arena *a)
{
	const char *preset = value_of(config, "preset", a);
	struct str line, key;

	set_defaults(o);
	if (preset && preset_read(o, preset, value_of(config, "dialect", a)))
		return -1;
	while (str_split(&config, '\n', &line)) {
		struct str value = line;

		if (!str_trim(line).n || line.p[0] == '#')
			continue;
		key = STR_NONE;
		str_split(&value, '=', &key);
		key = str_trim(key);
		if (preset && (str_is(key, "preset") || str_is(key, "dialect")))
			continue;
		if (set(o, key, str_trim(value), a)) {
			printf("  config: not understood: %.*s\n", STR_ARGS(line));
			return -1;
		}
	}
	return 0;
}
