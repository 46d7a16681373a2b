/*
 * Limits, sampling, stop sequences and thinking: the members of the body that say how to
 * answer. What a backend takes is in its options (message/target.h), what a model family takes
 * beside that in openai_traits.c. Numbers go out as they came.
 */
#include <string.h>

#include "dialect/openai_encode.h"
#include "json/scan.h"

#define STOP_MAX 4      /* stop sequences that the protocol allows */
#define BUDGET_MIN 1024 /* tokens; the least thinking budget of the API and of OpenRouter */

/* ---- limits ---- */

/* What max_tokens will be. 0, a cache pre-warm, has no counterpart: one token is the least that can
 * be asked for. */
int64_t openai_output_limit(const struct openai_encoder *e)
{
	const struct backend *b = e->backend;
	int64_t n = e->request->max_tokens;

	if (b->max_tokens_max && n > b->max_tokens_max)
		n = b->max_tokens_max;
	if (n < b->max_tokens_min)
		n = b->max_tokens_min;
	return n > 0 ? n : 1;
}

static void put_limit(struct openai_encoder *e)
{
	const char *member = e->backend->max_tokens_member;

	if (!member)
		member =
			e->model->flags & TRAIT_COMPLETION ? "max_completion_tokens" : "max_tokens";
	if (openai_member(e, member))
		segs_put_int(e->body, openai_output_limit(e));
}

/* ---- sampling and stop ---- */

static void put_number(struct openai_encoder *e, const char *member, struct span value)
{
	if (!span_is_null(value) && openai_member(e, member))
		segs_value(e->body, value);
}

static struct span temperature_of(const struct openai_encoder *e)
{
	double t;

	if (e->backend->temperature_zero && span_double(e->request->temperature, &t) && t <= 0)
		return span_json(str_of(e->backend->temperature_zero));
	return e->request->temperature;
}

static void put_sampling(struct openai_encoder *e)
{
	const struct message_request *r = e->request;

	if (!(e->model->flags & TRAIT_NO_SAMPLING)) {
		put_number(e, "temperature", temperature_of(e));
		put_number(e, "top_p", r->top_p);
	}
	if (e->backend->top_k)
		put_number(e, "top_k", r->top_k);
}

/* The gateway enforces them in any case: some servers know the member and go on writing, and what
 * the client does with the text depends on its end. */
static void put_stop(struct openai_encoder *e)
{
	const struct message_request *r = e->request;
	size_t max = e->backend->stop_max > 0 ? (size_t)e->backend->stop_max : STOP_MAX;
	bool takes = e->backend->stop && !(e->model->flags & TRAIT_NO_STOP);
	size_t n = r->nstop_sequences < max ? r->nstop_sequences : max;

	e->out->enforce_stop = r->nstop_sequences > 0;
	if (!takes || !n || !openai_member(e, "stop"))
		return;
	for (size_t i = 0; i < n; i++) {
		segs_puts(e->body, i ? "," : "[");
		segs_string(e->body, r->stop_sequences[i]);
	}
	segs_puts(e->body, "]");
}

/* ---- thinking ---- */

/* The effort that counts: a system entry may set it for the turns after it. */
static struct span effort_of(const struct message_request *r)
{
	for (size_t i = r->nturns; i-- > 0;) {
		struct span effort = json_get(r->turns[i].output_config, "effort");

		if (span_is_string(effort))
			return effort;
	}
	return span_is_string(r->effort) ? r->effort : SPAN_ABSENT;
}

/* A budget said as effort: a quarter of what Claude Code gives at most is low, half of it medium.
 */
static const char *effort_of_budget(int64_t budget)
{
	return budget < 8000 ? "low" : budget < 16000 ? "medium" : "high";
}

/* What the client asks for, in the backend's words and no higher than the model goes; NULL:
 * nothing. */
static const char *effort_wanted(const struct openai_encoder *e)
{
	static const char *const levels[] = { "low", "medium", "high", "xhigh", "max" };
	const size_t n = sizeof(levels) / sizeof(levels[0]);
	struct span effort = effort_of(e->request);
	const char *wanted = NULL;

	for (size_t i = 0; i < n; i++) {
		if (span_is(effort, levels[i]))
			wanted = levels[i];
		if (wanted && !strcmp(levels[i], e->model->effort_top))
			return openai_effort_word(e->context->target->model, wanted);
	}
	if (wanted)
		return openai_effort_word(e->context->target->model, e->model->effort_top);
	return NULL;
}

static const char *effort_or_budget(const struct openai_encoder *e)
{
	const char *effort = effort_wanted(e);

	if (!effort && e->request->thinking == THINKING_ENABLED && e->request->thinking_budget)
		effort = openai_effort_word(e->context->target->model,
					    effort_of_budget(e->request->thinking_budget));
	return effort;
}

static bool forces_tool(const struct message_request *r)
{
	return r->ntools && (r->tool_choice == CHOICE_ANY || r->tool_choice == CHOICE_TOOL);
}

bool openai_choice_stays_open(const struct openai_encoder *e)
{
	if (!forces_tool(e->request))
		return false;
	return e->backend->forced_tool == FORCED_REFUSED ||
	       (e->backend->forced_tool == FORCED_UNTHINKING &&
		e->model->flags & TRAIT_MUST_THINK);
}

/*
 * What the client said of thinking. Nothing means none to the API, but much of the world thinks by
 * itself then, and thinking counts as output: a short answer (Claude Code's own judgements on
 * commands have 64 tokens) would be used up before its first word. There it is switched off
 * where it is known how.
 */
static enum thinking_mode mode_of(const struct openai_encoder *e)
{
	const struct message_request *r = e->request;
	bool known = e->model->effort_off || e->backend->reasoning == REASONING_THINKING ||
		     e->backend->reasoning == REASONING_SWITCH;

	if (e->backend->forced_tool == FORCED_UNTHINKING && forces_tool(r) &&
	    !(e->model->flags & TRAIT_MUST_THINK))
		return THINKING_DISABLED;
	if (r->thinking == THINKING_NOT_GIVEN && known && r->max_tokens < BUDGET_MIN &&
	    !span_given(effort_of(r)))
		return THINKING_DISABLED;
	return r->thinking;
}

static void put_effort(struct openai_encoder *e, const char *effort)
{
	if (!effort || e->model->flags & TRAIT_NO_REASONING ||
	    !openai_member(e, "reasoning_effort"))
		return;
	segs_string(e->body, span_utf8(str_of(effort)));
}

/* {"type":"enabled"} and effort are two members; DeepSeek refuses an effort beside "disabled". */
static void put_thinking_object(struct openai_encoder *e)
{
	enum thinking_mode mode = mode_of(e);

	if (mode == THINKING_DISABLED) {
		if (!(e->model->flags & TRAIT_MUST_THINK) && openai_member(e, "thinking"))
			segs_puts(e->body, "{\"type\":\"disabled\"}");
		return;
	}
	if (mode != THINKING_NOT_GIVEN && !(e->model->flags & TRAIT_EFFORT_ONLY) &&
	    openai_member(e, "thinking"))
		segs_puts(e->body, "{\"type\":\"enabled\"}");
	put_effort(e, effort_wanted(e));
}

/* The budget must leave room for the answer, a quarter where the limit had to be lowered; 0: there
 * is not enough for any. */
static int64_t budget_within(const struct openai_encoder *e)
{
	int64_t budget = e->request->thinking_budget, limit = openai_output_limit(e);

	if (budget >= limit)
		budget = limit - limit / 4;
	return budget >= BUDGET_MIN ? budget : 0;
}

static void put_reasoning(struct openai_encoder *e, const char *member, const char *text)
{
	if (!text || !openai_member(e, "reasoning"))
		return;
	segs_puts(e->body, "{\"");
	segs_puts(e->body, member);
	segs_puts(e->body, "\":");
	segs_puts(e->body, text);
	segs_puts(e->body, "}");
}

static void put_reasoning_effort(struct openai_encoder *e, const char *effort)
{
	put_reasoning(e, "effort", arena_printf(e->arena, "\"%s\"", effort));
}

/*
 * OpenRouter takes effort or a budget, not both, and refuses to switch off what a model can't do
 * without. Claude thinks there only when told to, so an effort alone, which the API reads as how
 * thorough to be, must not switch it on.
 */
static void put_openrouter(struct openai_encoder *e)
{
	const char *effort = effort_wanted(e);
	const char *off = e->model->effort_off;
	int64_t budget = budget_within(e);

	switch (mode_of(e)) {
	case THINKING_DISABLED:
		if (off)
			put_reasoning_effort(e, off);
		else if (!(e->model->flags & TRAIT_MUST_THINK))
			put_reasoning(e, "enabled", "false");
		break;
	case THINKING_ENABLED:
		if (budget)
			put_reasoning(e, "max_tokens",
				      arena_printf(e->arena, "%lld", (long long)budget));
		else if (!e->request->thinking_budget)
			put_reasoning(e, "enabled", "true");
		break;
	case THINKING_ADAPTIVE:
		if (effort)
			put_reasoning_effort(e, effort);
		else
			put_reasoning(e, "enabled", "true");
		break;
	case THINKING_NOT_GIVEN:
		if (effort && !(e->model->flags & TRAIT_CLAUDE))
			put_reasoning_effort(e, effort);
		break;
	}
}

/* GPT-5.4 and later think by themselves, and answer 400 to tools unless they are told not to
 * (openai/openai-openapi#541): chat completions has one or the other. */
static bool tools_forbid_effort(const struct openai_encoder *e)
{
	return e->backend->tools_or_reasoning && e->request->ntools &&
	       e->model->flags & TRAIT_TOOLS_OR_EFFORT;
}

/* A turn with tools whose signed thinking is missing is refused: Claude may think where there are no
 * tools, or where all of it goes back. */
static bool claude_may_think(struct openai_encoder *e)
{
	if (!e->request->ntools)
		return true;
	return (e->backend->replay == REPLAY_BLOCKS || e->backend->replay == REPLAY_DETAILS ||
		e->backend->replay == REPLAY_SUMMARY) &&
	       openai_thinking_complete(e);
}

/* Claude behind a proxy that says thinking as reasoning_effort (LiteLLM), by words that every release
 * of it knows. */
static const char *claude_effort(struct openai_encoder *e)
{
	const char *effort = effort_or_budget(e);

	if (e->request->thinking == THINKING_NOT_GIVEN || !claude_may_think(e))
		return NULL;
	if (!effort)
		return "medium";
	return strcmp(effort, "low") && strcmp(effort, "medium") ? "high" : effort;
}

static const char *plain_effort(struct openai_encoder *e)
{
	if (mode_of(e) == THINKING_DISABLED || tools_forbid_effort(e))
		return e->model->effort_off;
	return e->model->flags & TRAIT_CLAUDE ? claude_effort(e) : effort_or_budget(e);
}

/* Of an adaptive model's tokens half are for thinking; a budget that was given stays as far as it
 * fits. */
static int64_t budget_or_half(const struct openai_encoder *e)
{
	int64_t half = openai_output_limit(e) / 2;

	if (e->request->thinking == THINKING_ENABLED && e->request->thinking_budget)
		return budget_within(e);
	return half >= BUDGET_MIN ? half : 0;
}

/* Claude as the API itself has it; other models of such a host know reasoning_effort. */
static void put_budget(struct openai_encoder *e)
{
	enum thinking_mode mode = mode_of(e);
	int64_t budget = budget_or_half(e);

	if (!(e->model->flags & TRAIT_CLAUDE)) {
		put_effort(e, plain_effort(e));
	} else if (mode == THINKING_DISABLED) {
		if (openai_member(e, "thinking"))
			segs_puts(e->body, "{\"type\":\"disabled\"}");
	} else if (mode != THINKING_NOT_GIVEN && budget && claude_may_think(e) &&
		   openai_member(e, "thinking")) {
		segs_puts(e->body, "{\"type\":\"enabled\",\"budget_tokens\":");
		segs_put_int(e->body, budget);
		segs_puts(e->body, "}");
	}
}

static void put_switch(struct openai_encoder *e)
{
	enum thinking_mode mode = mode_of(e);
	int64_t budget = e->request->thinking_budget;

	if (mode == THINKING_NOT_GIVEN ||
	    (mode == THINKING_DISABLED && e->model->flags & TRAIT_MUST_THINK))
		return;
	if (openai_member(e, "enable_thinking"))
		segs_puts(e->body, mode == THINKING_DISABLED ? "false" : "true");
	if (mode == THINKING_ENABLED && budget && openai_member(e, "thinking_budget"))
		segs_put_int(e->body, budget);
}

/* Groq puts thinking into the text of some models unless told otherwise, and refuses that beside
 * tools; for those effort is only none or the default. */
static void put_parsed(struct openai_encoder *e)
{
	enum thinking_mode mode = mode_of(e);

	if (!(e->model->flags & TRAIT_TAGS)) {
		put_effort(e, plain_effort(e));
		return;
	}
	if (openai_member(e, "reasoning_format"))
		segs_puts(e->body, "\"parsed\"");
	if (e->model->effort_off && mode != THINKING_NOT_GIVEN)
		put_effort(e, mode == THINKING_DISABLED ? e->model->effort_off : "default");
}

static void put_prompt_mode(struct openai_encoder *e)
{
	bool wanted = e->request->thinking == THINKING_ENABLED ||
		      e->request->thinking == THINKING_ADAPTIVE;

	if (wanted && openai_member(e, "prompt_mode"))
		segs_puts(e->body, "\"reasoning\"");
}

static void put_thinking(struct openai_encoder *e)
{
	if (e->model->flags & TRAIT_PROMPT_MODE && e->backend->reasoning == REASONING_EFFORT)
		put_prompt_mode(e);
	switch (e->backend->reasoning) {
	case REASONING_NONE:
		break;
	case REASONING_EFFORT:
		put_effort(e, plain_effort(e));
		break;
	case REASONING_OPENROUTER:
		put_openrouter(e);
		break;
	case REASONING_THINKING:
		put_thinking_object(e);
		break;
	case REASONING_BUDGET:
		put_budget(e);
		break;
	case REASONING_SWITCH:
		put_switch(e);
		break;
	case REASONING_PARSED:
		put_parsed(e);
		break;
	}
}

void openai_put_options(struct openai_encoder *e)
{
	put_limit(e);
	put_sampling(e);
	put_stop(e);
	put_thinking(e);
	openai_put_caller(e);
	openai_put_session(e);
}

/* ---- the same in the words of the Responses API ---- */

/* Efforts are the same; "summary" asks for the thoughts that a reader may see. */
static void put_reasoning_object(struct openai_encoder *e)
{
	const char *effort = mode_of(e) == THINKING_DISABLED ? e->model->effort_off
							     : effort_or_budget(e);
	bool shown = e->request->thinking == THINKING_ENABLED ||
		     e->request->thinking == THINKING_ADAPTIVE;

	if (e->backend->reasoning == REASONING_NONE || e->model->flags & TRAIT_NO_REASONING ||
	    (!effort && !shown) || !openai_member(e, "reasoning"))
		return;
	segs_puts(e->body, "{");
	if (effort) {
		segs_puts(e->body, "\"effort\":\"");
		segs_puts(e->body, effort);
		segs_puts(e->body, shown ? "\"," : "\"");
	}
	segs_puts(e->body, shown ? "\"summary\":\"auto\"}" : "}");
}

void openai_put_responses_options(struct openai_encoder *e)
{
	/* 16 is the least that is taken (developers.openai.com/api/reference, max_output_tokens). */
	int64_t limit = openai_output_limit(e);

	if (openai_member(e, "max_output_tokens"))
		segs_put_int(e->body, limit < 16 ? 16 : limit);
	put_sampling(e);
	e->out->enforce_stop = e->request->nstop_sequences > 0;
	put_reasoning_object(e);
	openai_put_caller(e);
	openai_put_session(e);
}
