/*
 * How Gemini is to answer: limits, sampling, stop sequences, thinking. What each model family
 * takes is the table below (the API's pages on thinking and on each release); one wrong member of
 * thinkingConfig is a 400.
 */
#include <inttypes.h>
#include <string.h>

#include "dialect/gemini_encode.h"
#include "json/scan.h"

#define STOP_MAX 5              /* stop sequences that the API takes */
#define SHORT_ANSWER 1024       /* tokens; fewer leave no room for thinking */
#define HEADROOM 1024           /* tokens for thinking that can't be switched off */
#define HEADROOM_BELOW 4096     /* larger limits have room enough */

/* glob | flags | least and most thinkingBudget | thinkingLevels. The first row that matches
 * counts; names that are not known are newer than this table. */
static const struct gemini_model models[] = {
	{ "gemma*",                 0,                                0,   0,     NULL },
	{ "learnlm*",               0,                                0,   0,     NULL },
	{ "gemini-1*",              0,                                0,   0,     NULL },
	{ "gemini-pro",             0,                                0,   0,     NULL },
	{ "gemini-pro-vision*",     0,                                0,   0,     NULL },
	{ "gemini-2.5-flash-image*", 0,                               0,   0,     NULL },
	{ "gemini-2.5-pro*",        GEMINI_BUDGET,                    128, 32768, NULL },
	{ "gemini-2.5-flash-lite*", GEMINI_BUDGET | GEMINI_OFF,       512, 24576, NULL },
	{ "gemini-2.5-*",           GEMINI_BUDGET | GEMINI_OFF,       1,   24576, NULL },
	{ "gemini-2*",              0,                                0,   0,     NULL },
	{ "gemini-3.8-flash*",      GEMINI_LEVEL | GEMINI_SIGNED,     0,   0,     "low medium high" },
	{ "gemini-3*-image*",       GEMINI_SIGNED,                    0,   0,     NULL },
	{ "gemini-3*flash*",        GEMINI_LEVEL | GEMINI_SIGNED,     0,   0,
		"minimal low medium high" },
	{ "gemini-3*",              GEMINI_LEVEL | GEMINI_SIGNED,     0,   0,     "low high" },
	{ "*",                      GEMINI_LEVEL | GEMINI_SIGNED | GEMINI_FIXED | GEMINI_NO_PREFILL,
		0, 0, "low medium high" },
};

const struct gemini_model *gemini_model_find(const char *name)
{
	const struct gemini_model *m = models;

	while (!str_glob(m->glob, str_of(name)))
		m++;
	return m;
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

/* Nothing means no thinking to the API, but Gemini thinks by itself: in a short answer, such as
 * Claude Code's judgements on commands, it would use up all there is. */
static enum thinking_mode mode_of(const struct message_request *r)
{
	if (r->thinking == THINKING_NOT_GIVEN && r->max_tokens < SHORT_ANSWER &&
	    !span_given(effort_of(r)))
		return THINKING_DISABLED;
	return r->thinking;
}

/* The level nearest to the wish among those that the model has, the higher one of two. */
static struct str nearest_level(const struct gemini_model *m, const char *wish)
{
	static const char *const order[] = { "minimal", "low", "medium", "high" };
	struct str rest = str_of(m->levels), level = STR_NONE;
	size_t at = 0, want = 0;

	while (strcmp(order[want], wish))
		want++;
	while (str_split(&rest, ' ', &level)) {
		while (!str_is(level, order[at]))
			at++;
		if (at >= want)
			break;
	}
	return level;
}

static const char *level_wanted(const struct message_request *r)
{
	struct span effort = effort_of(r);

	if (span_is(effort, "low") || span_is(effort, "medium"))
		return span_is(effort, "low") ? "low" : "medium";
	if (span_given(effort))
		return "high";
	if (r->thinking != THINKING_ENABLED || !r->thinking_budget)
		return NULL;
	return r->thinking_budget < 8000 ? "low" : r->thinking_budget < 16000 ? "medium" : "high";
}

static void put_level(struct gemini_encoder *g, enum thinking_mode mode, bool *first)
{
	const char *wish = mode == THINKING_DISABLED ? "minimal" : level_wanted(g->e.request);

	if (!wish)
		return;
	segs_key(g->e.body, first, "thinkingLevel");
	segs_string(g->e.body, span_utf8(nearest_level(g->model, wish)));
}

static int64_t within(const struct gemini_model *m, int64_t budget)
{
	return budget < m->budget_min ? m->budget_min :
	       budget > m->budget_max ? m->budget_max : budget;
}

/* -1: as much as the model finds right. */
static int64_t budget_wanted(const struct gemini_encoder *g, enum thinking_mode mode)
{
	const struct message_request *r = g->e.request;
	struct span effort = effort_of(r);

	if (mode == THINKING_DISABLED)
		return g->model->flags & GEMINI_OFF ? 0 : g->model->budget_min;
	if (mode == THINKING_ENABLED && r->thinking_budget)
		return within(g->model, r->thinking_budget);
	if (span_is(effort, "low"))
		return within(g->model, 2048);
	return span_is(effort, "medium") ? within(g->model, 8192) : -1;
}

static void put_budget(struct gemini_encoder *g, enum thinking_mode mode, bool *first)
{
	if (mode == THINKING_NOT_GIVEN && !span_given(effort_of(g->e.request)))
		return;
	segs_key(g->e.body, first, "thinkingBudget");
	segs_put_int(g->e.body, budget_wanted(g, mode));
}

static void put_thinking(struct gemini_encoder *g, bool *first)
{
	enum thinking_mode mode = mode_of(g->e.request);
	bool shown = mode == THINKING_ENABLED || mode == THINKING_ADAPTIVE;
	bool says = shown || mode == THINKING_DISABLED || level_wanted(g->e.request), none = true;
	struct segs *s = g->e.body;

	if (!says || !(g->model->flags & (GEMINI_LEVEL | GEMINI_BUDGET)))
		return;
	segs_key(s, first, "thinkingConfig");
	segs_puts(s, "{");
	if (shown) {
		segs_key(s, &none, "includeThoughts");
		segs_puts(s, "true");
	}
	if (g->model->flags & GEMINI_LEVEL)
		put_level(g, mode, &none);
	else
		put_budget(g, mode, &none);
	segs_puts(s, "}");
}

/* ---- limits, sampling, stop ---- */

/* Thinking counts as output, which is what the client's limit says too where it asked for it. */
static int64_t output_limit(const struct gemini_encoder *g)
{
	const struct message_request *r = g->e.request;
	int64_t n = r->max_tokens > 0 ? r->max_tokens : 1;
	bool thinks = g->model->flags & (GEMINI_LEVEL | GEMINI_BUDGET) &&
		      !(g->model->flags & GEMINI_OFF && mode_of(r) == THINKING_DISABLED);

	if (thinks && n < HEADROOM_BELOW && r->thinking != THINKING_ENABLED)
		n += HEADROOM;
	if (g->backend.max_tokens_max && n > g->backend.max_tokens_max)
		n = g->backend.max_tokens_max;
	return n < g->backend.max_tokens_min ? g->backend.max_tokens_min : n;
}

static void put_number(struct gemini_encoder *g, const char *key, struct span v, bool *first)
{
	if (span_is_null(v) || g->model->flags & GEMINI_FIXED)
		return;
	segs_key(g->e.body, first, key);
	segs_value(g->e.body, v);
}

/* The gateway enforces them in any case: what the client does with the text depends on its end. */
static void put_stop(struct gemini_encoder *g, bool *first)
{
	const struct message_request *r = g->e.request;
	size_t max = g->backend.stop_max > 0 ? (size_t)g->backend.stop_max : STOP_MAX;
	size_t n = r->nstop_sequences < max ? r->nstop_sequences : max;

	g->e.out->enforce_stop = r->nstop_sequences > 0;
	if (!n || !g->backend.stop)
		return;
	segs_key(g->e.body, first, "stopSequences");
	for (size_t i = 0; i < n; i++) {
		segs_puts(g->e.body, i ? "," : "[");
		segs_string(g->e.body, r->stop_sequences[i]);
	}
	segs_puts(g->e.body, "]");
}

void gemini_put_options(struct gemini_encoder *g)
{
	const struct message_request *r = g->e.request;
	bool first = true;

	if (!openai_member(&g->e, "generationConfig"))
		return;
	segs_puts(g->e.body, "{");
	segs_key(g->e.body, &first, "maxOutputTokens");
	segs_put_int(g->e.body, output_limit(g));
	put_number(g, "temperature", r->temperature, &first);
	put_number(g, "topP", r->top_p, &first);
	put_number(g, "topK", r->top_k, &first);
	put_stop(g, &first);
	put_thinking(g, &first);
	gemini_put_format(g, &first);
	segs_puts(g->e.body, "}");
}
