/*
 * What stands beside the messages in a request to Converse: tools, limits, what only the model's
 * maker knows (additionalModelRequestFields), and how the call is served.
 */
#include "dialect/bedrock.h"
#include "dialect/converse.h"
#include "json/scan.h"

/* Members to drop become members of the body without a value, beside those that are forced. */
int converse_settle_body(struct converse *v)
{
	const char *const *drop = v->backend.drop_members;
	const struct body_member *given = v->backend.body;
	struct body_member *list;
	size_t n = 0, m = 0;

	while (given && given[n].name)
		n++;
	while (drop && drop[m])
		m++;
	if (!m)
		return 0;
	list = arena_alloc(v->e.arena, (n + m + 1) * sizeof(*list));
	if (!list)
		return -1;
	for (size_t i = 0; i < n; i++)
		list[i] = given[i];
	for (size_t i = 0; i < m; i++)
		list[n + i] = (struct body_member){ drop[i], NULL };
	list[n + m] = (struct body_member){ NULL, NULL };
	v->backend.body = list;
	return 0;
}

/* ---- tools ---- */

static void put_tool(struct converse *v, const struct tool *t, bool *first)
{
	converse_comma(v, first);
	converse_put(v, "{\"toolSpec\":{\"name\":");
	openai_put_name(&v->e, t->name);
	if (!span_blank(t->description)) {
		converse_put(v, ",\"description\":");
		segs_string(v->e.body, t->description);
	}
	converse_put(v, ",\"inputSchema\":{\"json\":");
	if (span_is_object(t->input_schema))
		segs_value(v->e.body, t->input_schema);
	else
		converse_put(v, "{\"type\":\"object\"}");
	converse_put(v, span_true(t->strict) && !openai_leaves_out(&v->e, "tools.strict") ?
		     "},\"strict\":true}}" : "}}}");
	if (v->caches == BEDROCK_CACHES)
		converse_put_cache_point(v, t->cache_control);
}

/* A conversation that holds calls is refused without tools: those that it names are declared. */
static void put_history_tools(struct converse *v, bool *first)
{
	const struct message_request *r = v->e.request;
	struct span *seen = NULL;
	size_t n = 0, cap = 0;

	for (size_t i = 0; i < r->nturns; i++) {
		for (size_t j = 0; j < r->turns[i].nblocks; j++) {
			const struct block *b = &r->turns[i].blocks[j];
			struct tool tool = { .name = b->name };
			struct span *grown;
			size_t k = 0;

			if (b->type != BLOCK_TOOL_USE || r->turns[i].role != ROLE_ASSISTANT)
				continue;
			while (k < n && !span_eq(seen[k], b->name))
				k++;
			grown = k < n ? NULL : arena_grow(v->e.arena, seen, n, &cap, sizeof(*seen));
			if (!grown)
				continue;
			seen = grown;
			seen[n++] = b->name;
			put_tool(v, &tool, first);
		}
	}
}

static bool sent(const struct tool *t)
{
	return !t->server && span_given(t->name);
}

static bool has_calls(const struct message_request *r)
{
	for (size_t i = 0; i < r->nturns; i++)
		for (size_t j = 0; j < r->turns[i].nblocks; j++)
			if (r->turns[i].blocks[j].type == BLOCK_TOOL_USE)
				return true;
	return false;
}

/* A demanded call that the backend refuses, or of a tool that had to be left out, becomes an open
 * choice. */
static enum tool_choice choice_of(const struct converse *v)
{
	const struct message_request *r = v->e.request;

	if (openai_choice_stays_open(&v->e) ||
	    (r->tool_choice == CHOICE_TOOL && !openai_find_tool(r, r->tool_choice_name)))
		return CHOICE_AUTO;
	return r->tool_choice;
}

/* Claude's word for a choice with one call at most goes to the model itself; Claude 3 refuses
 * it. */
static bool choice_is_claudes(const struct converse *v)
{
	enum tool_choice choice = choice_of(v);

	return v->claude && v->e.request->no_parallel_tools && choice != CHOICE_NONE &&
	       choice != CHOICE_NONE_GIVEN && v->backend.parallel_tool_calls &&
	       !str_find(str_of(v->e.context->target->model), "claude-3");
}

/* There is no "none": without a choice the tools stay, as the cached prefix wants it. Both places
 * at once are refused. */
static void put_choice(struct converse *v)
{
	enum tool_choice choice = choice_of(v);

	if (choice_is_claudes(v) || openai_leaves_out(&v->e, "tool_choice"))
		return;
	if (choice == CHOICE_AUTO) {
		converse_put(v, ",\"toolChoice\":{\"auto\":{}}");
	} else if (choice == CHOICE_ANY) {
		converse_put(v, ",\"toolChoice\":{\"any\":{}}");
	} else if (choice == CHOICE_TOOL) {
		converse_put(v, ",\"toolChoice\":{\"tool\":{\"name\":");
		openai_put_name(&v->e, v->e.request->tool_choice_name);
		converse_put(v, "}}");
	}
}

static void put_claudes_choice(struct converse *v, bool *first)
{
	static const char *const types[] = {
		[CHOICE_AUTO] = "auto", [CHOICE_ANY] = "any", [CHOICE_TOOL] = "tool",
	};
	enum tool_choice choice = choice_of(v);

	if (!v->tools || !choice_is_claudes(v) || openai_leaves_out(&v->e, "tool_choice"))
		return;
	segs_key(v->e.body, first, "tool_choice");
	converse_put(v, "{\"type\":\"");
	converse_put(v, types[choice]);
	converse_put(v, "\"");
	if (choice == CHOICE_TOOL) {
		converse_put(v, ",\"name\":");
		openai_put_name(&v->e, v->e.request->tool_choice_name);
	}
	converse_put(v, ",\"disable_parallel_tool_use\":true}");
}

void converse_put_tools(struct converse *v)
{
	const struct message_request *r = v->e.request;
	bool first = true;
	size_t n = 0;

	for (size_t i = 0; i < r->ntools; i++) {
		n += sent(&r->tools[i]);
		if (!sent(&r->tools[i]))
			openai_dropped(&v->e, r->tools[i].type);
	}
	if ((!n && !has_calls(r)) || openai_leaves_out(&v->e, "tools") ||
	    !openai_member(&v->e, "toolConfig"))
		return;
	converse_put(v, "{\"tools\":[");
	for (size_t i = 0; i < r->ntools; i++)
		if (sent(&r->tools[i]))
			put_tool(v, &r->tools[i], &first);
	if (!n)
		put_history_tools(v, &first);
	converse_put(v, "]");
	v->tools = n > 0;
	if (v->tools)
		put_choice(v);
	converse_put(v, "}");
}

/* ---- options ---- */

/* member: the API's name of it; name: Converse's. */
static void put_raw(struct converse *v, bool *first, const char *member, const char *name,
		    struct span value)
{
	if (span_is_null(value) || openai_leaves_out(&v->e, member))
		return;
	segs_key(v->e.body, first, name);
	segs_value(v->e.body, value);
}

static int64_t output_limit(const struct converse *v)
{
	const struct backend *b = &v->backend;
	int64_t n = v->e.request->max_tokens;

	if (b->max_tokens_max && n > b->max_tokens_max)
		n = b->max_tokens_max;
	if (n < b->max_tokens_min)
		n = b->max_tokens_min;
	return n > 0 ? n : 1;
}

static void put_stop(struct converse *v, bool *first)
{
	const struct message_request *r = v->e.request;
	size_t n = r->nstop_sequences, max = (size_t)v->backend.stop_max;

	v->e.out->enforce_stop = n > 0;
	n = n < max ? n : max;
	if (!n || !v->backend.stop || openai_leaves_out(&v->e, "stop_sequences"))
		return;
	segs_key(v->e.body, first, "stopSequences");
	for (size_t i = 0; i < n; i++) {
		converse_put(v, i ? "," : "[");
		segs_string(v->e.body, r->stop_sequences[i]);
	}
	converse_put(v, "]");
}

void converse_put_inference(struct converse *v)
{
	const struct message_request *r = v->e.request;
	bool first = true;

	if (!openai_member(&v->e, "inferenceConfig"))
		return;
	converse_put(v, "{");
	segs_key(v->e.body, &first, "maxTokens");
	segs_put_int(v->e.body, output_limit(v));
	put_raw(v, &first, "temperature", "temperature", r->temperature);
	put_raw(v, &first, "top_p", "topP", r->top_p);
	put_stop(v, &first);
	converse_put(v, "}");
}

/* What safeguards find can't come back through Converse, so they are not asked for at all. */
static bool beta_passes(const struct backend *b, struct str value)
{
	if (str_glob("dangerous-tool-use-*", value))
		return false;
	for (size_t i = 0; b->pass_betas && b->pass_betas[i]; i++)
		if (str_glob(b->pass_betas[i], value))
			return true;
	return false;
}

static void put_betas(struct converse *v, bool *first)
{
	struct str rest = str_of(v->e.request->beta), one;
	size_t n = 0;

	while (v->e.request->beta && str_split(&rest, ',', &one)) {
		one = str_trim(one);
		if (!beta_passes(&v->backend, one))
			continue;
		if (!n++) {
			segs_key(v->e.body, first, "anthropic_beta");
			converse_put(v, "[");
		} else {
			converse_put(v, ",");
		}
		segs_string(v->e.body, span_utf8(one));
	}
	converse_put(v, n ? "]" : "");
}

/* Claude takes the API's own members there. */
static void claude_fields(struct converse *v, bool *first)
{
	const struct message_request *r = v->e.request;
	struct span config = request_member(r, "output_config"), key;
	struct scan it;

	put_raw(v, first, "thinking", "thinking", request_member(r, "thinking"));
	if (json_each_member(config, &it) && scan_member(&it, &key))
		put_raw(v, first, "output_config", "output_config", config);
	put_raw(v, first, "top_k", "top_k", r->top_k);
	put_claudes_choice(v, first);
	put_betas(v, first);
}

/* low, medium or high; NULL: not asked for. */
static const char *effort_word(const struct converse *v)
{
	const struct message_request *r = v->e.request;

	if (r->thinking == THINKING_DISABLED || openai_leaves_out(&v->e, "thinking"))
		return NULL;
	if (span_is(r->effort, "low") || span_is(r->effort, "medium"))
		return span_is(r->effort, "low") ? "low" : "medium";
	if (span_given(r->effort))
		return "high";
	if (r->thinking == THINKING_ENABLED && r->thinking_budget)
		return r->thinking_budget < 8000 ? "low" :
		       r->thinking_budget < 16000 ? "medium" : "high";
	return r->thinking == THINKING_NOT_GIVEN ? NULL : "medium";
}

/* Amazon's own: only the second generation reasons (docs.aws.amazon.com/nova, "Reasoning
 * capabilities"); topK has a place of its own. */
static void nova_fields(struct converse *v, bool *first)
{
	const char *effort = effort_word(v);

	if (effort && str_find_nocase(str_of(v->e.context->target->model), "nova-2")) {
		segs_key(v->e.body, first, "reasoningConfig");
		converse_put(v, "{\"type\":\"enabled\",\"maxReasoningEffort\":\"");
		converse_put(v, effort);
		converse_put(v, "\"}");
	}
	if (!span_is_null(v->e.request->top_k) && !openai_leaves_out(&v->e, "top_k")) {
		segs_key(v->e.body, first, "inferenceConfig");
		converse_put(v, "{\"topK\":");
		segs_value(v->e.body, v->e.request->top_k);
		converse_put(v, "}");
	}
}

static void effort_fields(struct converse *v, bool *first)
{
	const char *effort = effort_word(v);

	if (!effort)
		return;
	segs_key(v->e.body, first, "reasoning_effort");
	segs_string(v->e.body, span_utf8(str_of(effort)));
}

/* What a model family takes beside Converse's own members. */
static const struct {
	const char *glob;
	void (*put)(struct converse *v, bool *first);
} families[] = {
	{ "*claude*", claude_fields },
	{ "*amazon.nova*", nova_fields },
	{ "*openai.gpt*", effort_fields },
};

void converse_put_fields(struct converse *v)
{
	struct segs *s = v->e.body, *fields;
	struct openai_encoder *e = &v->e;
	bool first = true;

	fields = arena_alloc(e->arena, sizeof(*fields));
	if (!fields)
		return;
	segs_init(fields, e->arena);
	e->body = fields;
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
		if (str_glob(families[i].glob, str_of(e->context->target->model))) {
			families[i].put(v, &first);
			break;
		}
	}
	e->body = s;
	s->failed = s->failed || fields->failed;
	if (first || !openai_member(e, "additionalModelRequestFields"))
		return;
	converse_put(v, "{");
	for (size_t i = 0; i < fields->n; i++)
		segs_add(s, (struct str){ fields->v[i].p, fields->v[i].n });
	converse_put(v, "}");
}

/* ---- the answer's form, and how the call is served ---- */

/* The schema is a string there. Claude has its own member for it, among the fields. */
void converse_put_format(struct converse *v)
{
	struct span schema = json_get(v->e.request->format, "schema");
	struct buf text;

	if (v->claude || !span_is_object(schema))
		return;
	if (!v->backend.response_format || openai_leaves_out(&v->e, "output_config.format")) {
		openai_dropped(&v->e, span_utf8(STR("output_config.format")));
		return;
	}
	if (!openai_member(&v->e, "outputConfig"))
		return;
	converse_put(v, "{\"textFormat\":{\"type\":\"json_schema\",\"structure\":{\"jsonSchema\":{"
			"\"name\":\"output\",\"schema\":");
	buf_init(&text, 0);
	if (span_put_value(&text, schema) == 0)
		segs_string(v->e.body, span_utf8(arena_buf(v->e.arena, &text)));
	v->e.body->failed = v->e.body->failed || text.failed;
	buf_release(&text);
	converse_put(v, "}}}}");
}

static void put_word(struct converse *v, bool *first, const char *name, const char *value)
{
	if (!value)
		return;
	segs_key(v->e.body, first, name);
	segs_string(v->e.body, span_utf8(str_of(value)));
}

void converse_put_service(struct converse *v)
{
	const struct backend *b = &v->backend;
	bool first = true;

	if (b->guardrail.id && openai_member(&v->e, "guardrailConfig")) {
		converse_put(v, "{");
		put_word(v, &first, "guardrailIdentifier", b->guardrail.id);
		put_word(v, &first, "guardrailVersion", b->guardrail.version);
		put_word(v, &first, "trace", b->guardrail.trace);
		converse_put(v, "}");
	}
	first = true;
	if (b->service_tier && openai_member(&v->e, "serviceTier")) {
		converse_put(v, "{");
		put_word(v, &first, "type", b->service_tier);
		converse_put(v, "}");
	}
	first = true;
	if (b->latency && openai_member(&v->e, "performanceConfig")) {
		converse_put(v, "{");
		put_word(v, &first, "latency", b->latency);
		converse_put(v, "}");
	}
}
