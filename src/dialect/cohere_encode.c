/*
 * Requests to Cohere's v2 chat. Messages are openai-chat's but for what stands beside calls (option
 * tool_plan); tools have that shape too, and the choice among them is REQUIRED or NONE: a tool that
 * is asked for by name becomes the only one.
 */
#include "dialect/cohere.h"

#include "dialect/openai_encode.h"
#include "json/scan.h"

#define STOP_MAX 5
#define BUDGET_MIN 1024

static bool wanted(const struct message_request *r, const struct tool *t)
{
	if (!openai_tool_sent(t))
		return false;
	return r->tool_choice != CHOICE_TOOL || span_eq(t->name, r->tool_choice_name);
}

static bool named_tool_is_there(const struct message_request *r)
{
	for (size_t i = 0; i < r->ntools; i++) {
		if (wanted(r, &r->tools[i]))
			return true;
	}
	return false;
}

/* "strict_tools" holds for all of them, and refuses a tool that demands no member of its input. */
static bool can_be_strict(const struct tool *t)
{
	struct scan it;

	return span_true(t->strict) && json_each(json_get(t->input_schema, "required"), &it) &&
	       scan_element(&it);
}

/* strict: whether all that go out can be. */
static void put_list(struct openai_encoder *e, bool *strict)
{
	const struct message_request *r = e->request;
	bool all = !named_tool_is_there(r);
	size_t n = 0;

	*strict = true;

	for (size_t i = 0; i < r->ntools; i++) {
		const struct tool *t = &r->tools[i];

		if (!openai_tool_sent(t))
			openai_dropped(e, span_given(t->type) ? t->type : t->name);
		else if (all || wanted(r, t)) {
			segs_puts(e->body, n++ ? "," : "[");
			openai_put_tool(e, t);
			*strict = *strict && can_be_strict(t);
		}
	}
}

static bool any_tool(const struct message_request *r)
{
	for (size_t i = 0; i < r->ntools; i++) {
		if (openai_tool_sent(&r->tools[i]))
			return true;
	}
	return false;
}

static void put_tools(struct openai_encoder *e)
{
	enum tool_choice choice = e->request->tool_choice;
	bool strict;

	if (!any_tool(e->request) || !openai_member(e, "tools"))
		return;
	put_list(e, &strict);
	segs_puts(e->body, "]");
	if (strict && openai_member(e, "strict_tools"))
		segs_puts(e->body, "true");
	if (choice == CHOICE_TOOL && !named_tool_is_there(e->request))
		return;
	if ((choice == CHOICE_ANY || choice == CHOICE_TOOL) && openai_member(e, "tool_choice"))
		segs_puts(e->body, "\"REQUIRED\"");
	else if (choice == CHOICE_NONE && openai_member(e, "tool_choice"))
		segs_puts(e->body, "\"NONE\"");
}

static void put_value(struct openai_encoder *e, const char *member, struct span value)
{
	if (!span_is_null(value) && openai_member(e, member))
		segs_value(e->body, value);
}

/* The gateway enforces them in any case, as the answer does not tell which one was met. */
static void put_stop(struct openai_encoder *e)
{
	const struct message_request *r = e->request;
	size_t n = r->nstop_sequences < STOP_MAX ? r->nstop_sequences : STOP_MAX;

	e->out->enforce_stop = r->nstop_sequences > 0;
	if (!n || !e->backend->stop || !openai_member(e, "stop_sequences"))
		return;
	for (size_t i = 0; i < n; i++) {
		segs_puts(e->body, i ? "," : "[");
		segs_string(e->body, r->stop_sequences[i]);
	}
	segs_puts(e->body, "]");
}

/* Parts of the names of models that think, unless they are told not to. */
static const char *const thinkers[] = { "reasoning", "command-a-plus", "north" };

static bool can_think(const char *model)
{
	for (size_t i = 0; i < sizeof(thinkers) / sizeof(*thinkers); i++)
		if (str_find_nocase(str_of(model), thinkers[i]))
			return true;
	return false;
}

/* Models that can't think refuse the member, so only who asks for thinking gets it; a short answer
 * is not thought over where the model would do so by itself. */
static void put_thinking(struct openai_encoder *e)
{
	const struct message_request *r = e->request;
	int64_t budget = r->thinking_budget;

	if (!can_think(e->context->target->model) || !openai_member(e, "thinking"))
		return;
	if (r->thinking == THINKING_NOT_GIVEN || r->thinking == THINKING_DISABLED) {
		segs_puts(e->body, "{\"type\":\"disabled\"}");
		return;
	}
	segs_puts(e->body, "{\"type\":\"enabled\"");
	if (r->thinking == THINKING_ENABLED && budget >= BUDGET_MIN) {
		segs_puts(e->body, ",\"token_budget\":");
		segs_put_int(e->body, budget);
	}
	segs_puts(e->body, "}");
}

static void put_format(struct openai_encoder *e)
{
	struct span schema = json_get(e->request->format, "schema");

	if (!span_is_object(schema))
		return;
	/* Not both: an answer in a format can call no tool there. */
	if (any_tool(e->request)) {
		openai_dropped(e, span_utf8(STR("output_config.format")));
		return;
	}
	if (!openai_member(e, "response_format"))
		return;
	segs_puts(e->body, "{\"type\":\"json_object\",\"json_schema\":");
	segs_value(e->body, schema);
	segs_puts(e->body, "}");
}

static void put_body(struct openai_encoder *e)
{
	const struct message_request *r = e->request;

	segs_puts(e->body, "{");
	if (openai_member(e, "model"))
		segs_string(e->body, span_utf8(str_of(e->context->target->model)));
	openai_put_messages(e);
	put_tools(e);
	if (openai_member(e, "max_tokens"))
		segs_put_int(e->body, openai_output_limit(e));
	put_value(e, "temperature", r->temperature);
	put_value(e, "p", r->top_p);
	put_value(e, "k", r->top_k);
	put_stop(e);
	put_thinking(e);
	put_format(e);
	if (openai_member(e, "stream"))
		segs_puts(e->body, "true");
	openai_put_own_members(e);
	segs_puts(e->body, "}");
}

int cohere_encode(const struct encode_context *c, enum op op, struct outgoing *out, struct fault *f)
{
	const struct backend *b = c->target->backend;

	return openai_encode_as(c, op, op == OP_MODELS ? b->path_models : b->path_message, put_body,
				out, f);
}
