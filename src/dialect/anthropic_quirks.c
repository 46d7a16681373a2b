/*
 * What Messages-compatible backends have otherwise: thinking that is on or off and never adaptive, no
 * effort beside thinking that is off, demanded tool calls only without thinking, temperatures above
 * 0. Each is an option of the backend; what a model family takes is openai_traits.c's table.
 */
#include "dialect/anthropic_quirks.h"

#include "dialect/anthropic_refuse.h"
#include "dialect/openai_encode.h"
#include "json/scan.h"

#define BUDGET_MIN 1024

static bool forces_tool(const struct message_request *r)
{
	return r->ntools && (r->tool_choice == CHOICE_ANY || r->tool_choice == CHOICE_TOOL);
}

/* Half of the answer's tokens, as nobody says how many an adaptive model would take. */
static const char *enabled(struct arena *a, const struct message_request *r)
{
	long long half = (long long)(r->max_tokens / 2);

	if (half < BUDGET_MIN)
		return "";
	return arena_printf(a, "{\"type\":\"enabled\",\"budget_tokens\":%lld}", half);
}

static void read_thinking(const struct encode_context *c, struct anthropic_quirks *q)
{
	const struct message_request *r = c->request;
	unsigned flags = openai_model_traits(c->target->model)->flags;
	bool off = r->thinking == THINKING_DISABLED;

	if (flags & TRAIT_EFFORT_ONLY || (off && flags & TRAIT_MUST_THINK))
		q->thinking = "";
	else if (r->thinking == THINKING_ADAPTIVE)
		q->thinking = enabled(c->arena, r);
	q->effort_gone = off && !(flags & TRAIT_EFFORT_ONLY);
}

static void read_choice(const struct encode_context *c, struct anthropic_quirks *q)
{
	const struct backend *b = c->target->backend;
	unsigned flags = openai_model_traits(c->target->model)->flags;

	if (!forces_tool(c->request) || b->forced_tool == FORCED_TAKEN)
		return;
	if (b->forced_tool == FORCED_REFUSED || flags & TRAIT_MUST_THINK) {
		q->tool_choice = "{\"type\":\"auto\"}";
		return;
	}
	q->thinking = "{\"type\":\"disabled\"}";
	q->thinking_added = c->request->thinking == THINKING_NOT_GIVEN;
	q->effort_gone = true;
}

void anthropic_quirks_read(const struct encode_context *c, struct anthropic_quirks *q)
{
	const struct message_request *r = c->request;
	const struct backend *b = c->target->backend;
	size_t gone = 0;
	double t;

	*q = (struct anthropic_quirks){ 0 };
	if (b->plain_thinking)
		read_thinking(c, q);
	read_choice(c, q);
	if (b->temperature_zero && span_double(r->temperature, &t) && t <= 0)
		q->temperature = b->temperature_zero;
	for (size_t i = 0; b->drop_server_tools && i < r->ntools; i++)
		gone += anthropic_tool_refused(b, &r->tools[i]);
	q->tools_gone = gone && gone == r->ntools;
	q->any = q->thinking || q->effort_gone || q->tool_choice || q->temperature ||
		 q->tools_gone;
}

static enum edit_action replace(const char *with, struct str *out)
{
	if (!with)
		return EDIT_KEEP;
	*out = str_of(with);
	return out->n ? EDIT_REPLACE : EDIT_DROP;
}

enum edit_action anthropic_quirks_member(const struct anthropic_quirks *q, const char *path,
					 struct str *with)
{
	struct str name = str_of(path);

	if (str_is(name, "thinking"))
		return replace(q->thinking, with);
	if (str_is(name, "output_config.effort") || str_is(name, "messages.output_config.effort"))
		return q->effort_gone ? EDIT_DROP : EDIT_KEEP;
	if (str_is(name, "tools"))
		return q->tools_gone ? EDIT_DROP : EDIT_KEEP;
	if (str_is(name, "tool_choice"))
		return q->tools_gone ? EDIT_DROP : replace(q->tool_choice, with);
	if (str_is(name, "temperature"))
		return replace(q->temperature, with);
	return EDIT_KEEP;
}
