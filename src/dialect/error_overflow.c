/*
 * The ways in which backends say that a prompt does not fit. Claude Code compacts a conversation
 * when it reads "prompt is too long", and lowers max_tokens when it reads the sentence about both;
 * everything else it shows to its user. So every backend's wording is known here, with the counts
 * it names; and the words for a model that writes no answer as long as max_tokens, which a client
 * that takes it for one of Claude's can't know (128,000 with the newest).
 */
#include "dialect/error.h"

#include "json/scan.h"

/*
 * Patterns, ASCII case ignored. '*' skips as little as possible; \1 … \4 are numbers (digits, with
 * commas or underscores): the model's limit, the prompt, the room asked for the answer, and both
 * together. The first pattern that matches counts, so those with more numbers come first.
 */
static const char *const patterns[] = {
	/* Anthropic, and backends that took over its words */
	"input length and `max_tokens` exceed context limit: \2 + \3 > \1",
	"prompt is too long: \2 tokens > \1",
	/* OpenAI, Azure, DeepSeek, vLLM through its versions */
	"maximum context length is \1 tokens*requested \4 tokens (\2 in the messages, \3 in the completion",
	"maximum context length is \1 tokens*requested \4 tokens (\2 in your prompt; \3 for the completion",
	"is too large: \3.*maximum context length is \1 tokens and your request has \2 input tokens",
	"maximum context length is \1 tokens*requested \3 output tokens and your prompt contains*\2 input tokens",
	"passed \2 input tokens and requested \3 output tokens*context length is only \1 tokens",
	"maximum context length is \1 tokens*resulted in \2 tokens",
	"maximum context length is \1 tokens*your request has \2 input tokens",
	/* OpenRouter */
	"maximum context length is \1 tokens*requested about \4 tokens*\3 in the output",
	"maximum context length is \1 tokens*requested*\4 tokens",
	/* SGLang */
	"maximum context length of \1 tokens*total of \4 tokens: \2 tokens from the input messages and \3 tokens for the completion",
	"input (\2 tokens) is longer than the model's context length (\1",
	/* TGI */
	"`inputs` tokens + `max_new_tokens` must be <= \1. given: \2 `inputs` tokens and \3 `max_new_tokens`",
	"`inputs` must have less than \1 tokens. given: \2",
	/* Mistral, Gemini, xAI, Copilot, Kimi, LM Studio, llama.cpp */
	"prompt contains \2 tokens*too large for model with \1 maximum context length",
	"input token count (\2) exceeds the maximum number of tokens allowed (\1)",
	"input token count*exceeds the maximum number of tokens allowed (\1)",
	"input token count*exceeds the maximum",
	"maximum prompt length is \1 but the request contains \2 tokens",
	"maximum prompt length is \1",
	"prompt token count of \2 exceeds the limit of \1",
	"exceeded model token limit: \1 (requested: \2)",
	"first \2 tokens when context the overflows*context length of only \1 tokens",
	"request (\2 tokens) exceeds the available context size (\1",
	/* Groq: one request above the tokens of a minute will never fit */
	"request too large*tokens per minute*limit \1, requested \2",
	/* wordings without numbers, or with the limit alone */
	"prompt is too long",
	"prompt too long",
	"input is too long for requested model",
	"exceeds the context window",
	"exceeds the model's maximum context length of \1",
	"maximum context length is \1 tokens",
	"exceeds the maximum allowed input length",
	"longer than the model's context length",
	"tokens in request more than max tokens allowed",
	"reduce the length of the messages",
	"exceeds the limit of \1 tokens",
	"exceeds the available context size",
	"greater than the context length",
	"context window exceeds limit",
	"exceeded model token limit",
	"context length is only \1 tokens",
	"input length*exceeds*context length",
	"range of input length should be",
	"contextwindowexceedederror",
	"context_length_exceeded",
	"model_context_window_exceeded",
	"too many tokens",
	"token limit exceeded",
};

/* The same for an answer: \1 is the most that the model writes, \4 the first that is too much. */
static const char *const answer_patterns[] = {
	"max_tokens is too large*supports at most \1 completion tokens",               /* OpenAI */
	"max_completion_tokens is too large*supports at most \1 completion tokens",
	"max_tokens`*must be less than or equal to `\1`",                              /* Groq */
	"max_completion_tokens`*must be less than or equal to `\1`",
	"range of max_tokens is [1, \1]",                                              /* DeepSeek */
	"range of max_tokens should be [1, \1]",                                       /* Alibaba */
	"max_completion_tokens`*expected a value <= \1",                               /* Volcengine */
	"max_tokens`*expected a value <= \1",
	"max_tokens: \3 > \1, which is the maximum allowed number of output tokens",   /* Claude */
	"maximum tokens you requested exceeds the model limit of \1",                  /* Bedrock */
	"maxoutputtokens value of \3 but the supported range*to \4 (exclusive)",       /* Vertex */
};

/* Codes and types that say it; 1261 is GLM's. */
static const char *const codes[] = {
	"context_length_exceeded", "exceed_context_size_error", "model_context_window_exceeded",
	"string_too_long", "1261",
};

/* Limits of requests a minute are worded in tokens too. */
static const char *const exclusions[] = {
	"rate limit", "rate_limit", "ratelimit", "too many requests", "throttl",
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Reads a number at *p; false when there is none. Counts beyond any window are no counts. */
static bool take_number(const char **p, const char *end, int64_t *out)
{
	const char *at = *p;
	int64_t n = 0;

	if (at == end || !is_digit(*at))
		return false;
	for (; at < end; at++) {
		if (is_digit(*at))
			n = n < INT64_MAX / 100 ? n * 10 + (*at - '0') : n;
		else if ((*at != ',' && *at != '_') || end - at < 2 || !is_digit(at[1]))
			break;
	}
	*p = at;
	*out = n;
	return true;
}

static int64_t *count_at(struct overflow *o, char mark)
{
	switch (mark) {
	case '\1':
		return &o->max;
	case '\2':
		return &o->prompt;
	case '\3':
		return &o->output;
	default:
		return &o->total;
	}
}

/* One stretch of a pattern, up to '*' or its end, at *p; moves both on when it matches. */
static bool match_here(const char **pattern, const char **p, const char *end, struct overflow *o)
{
	const char *want = *pattern, *at = *p;

	for (; *want && *want != '*'; want++) {
		if (*want <= '\4') {
			if (!take_number(&at, end, count_at(o, *want)))
				return false;
		} else if (at == end || lower(*at++) != lower(*want)) {
			return false;
		}
	}
	*pattern = want;
	*p = at;
	return true;
}

static bool match(const char *pattern, struct str text, struct overflow *o)
{
	const char *p = text.n ? text.p : "", *end = p + text.n;

	*o = (struct overflow){ 0 };
	for (;;) {
		while (!match_here(&pattern, &p, end, o)) {
			if (p == end)
				return false;
			p++;
		}
		if (!*pattern)
			return true;
		pattern++;
	}
}

/* llama.cpp names the counts beside the message. */
static bool object_counts(struct span object, struct overflow *o)
{
	*o = (struct overflow){ 0 };
	return span_int(json_get(object, "n_prompt_tokens"), &o->prompt) &&
		span_int(json_get(object, "n_ctx"), &o->max) && o->prompt > 0 && o->max > 0;
}

static bool excluded(const struct backend_error *e, struct str text)
{
	/* Groq's "request too large" carries the code of a rate limit and is none. */
	if (str_find_nocase(text, "request too large"))
		return false;
	for (size_t i = 0; i < sizeof(exclusions) / sizeof(*exclusions); i++)
		if (str_find_nocase(text, exclusions[i]))
			return true;
	return backend_error_is(e, "rate_limit_exceeded") || backend_error_is(e, "rate_limit_error");
}

bool error_overflow(const struct backend_error *e, struct overflow *o)
{
	struct str text = buf_str(&e->message);

	if (object_counts(e->object, o))
		return true;
	if (text.n && excluded(e, text))
		return false;
	for (size_t i = 0; text.n && i < sizeof(patterns) / sizeof(*patterns); i++)
		if (match(patterns[i], text, o))
			return true;
	*o = (struct overflow){ 0 };
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
		if (backend_error_is(e, codes[i]))
			return true;
	return false;
}

int64_t error_answer_limit(const struct backend_error *e)
{
	struct overflow o;

	for (size_t i = 0; i < sizeof(answer_patterns) / sizeof(*answer_patterns); i++)
		if (match(answer_patterns[i], buf_str(&e->message), &o))
			return o.total ? o.total - 1 : o.max;
	return 0;
}
