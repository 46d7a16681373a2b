/*
 * What model families take and refuse, whoever serves them: their limits, sampling, stop sequences,
 * and words of effort. What is a backend's own is in its options (message/target.h).
 */
#include <string.h>

#include "dialect/openai_encode.h"

#define REASONER (TRAIT_COMPLETION | TRAIT_NO_SAMPLING | TRAIT_NO_STOP)

/*
 * glob | flags | effort for "thinking": disabled | highest effort. The first row that matches the
 * name behind its last slash counts. Sources: the reference of chat completions
 * (developers.openai.com/api/reference: max_completion_tokens, reasoning_effort, stop) and each
 * vendor's page on thinking.
 */
static const struct model_traits models[] = {
	{ "gpt-5*-chat*",         TRAIT_COMPLETION | TRAIT_NO_REASONING,  NULL,      "high" },
	{ "gpt-5.1-codex-max*",   REASONER,                               "none",    "xhigh" },
	{ "gpt-5.1*",             REASONER,                               "none",    "high" },
	{ "gpt-5.2*",             REASONER,                               "none",    "xhigh" },
	{ "gpt-5.3*",             REASONER,                               "none",    "xhigh" },
	{ "gpt-5.*",              REASONER | TRAIT_TOOLS_OR_EFFORT,       "none",    "xhigh" },
	{ "gpt-5*",               REASONER,                               "minimal", "high" },
	{ "gpt-oss*",             TRAIT_MUST_THINK,                       "low",     "high" },
	{ "gpt-4*",               TRAIT_NO_REASONING,                     NULL,      "high" },
	{ "gpt-3*",               TRAIT_NO_REASONING,                     NULL,      "high" },
	{ "chatgpt-*",            TRAIT_NO_REASONING,                     NULL,      "high" },
	{ "gpt-6.1*",             REASONER | TRAIT_MUST_THINK,            "low",     "xhigh" },
	{ "gpt-6-astra*",         REASONER | TRAIT_MUST_THINK,            "low",     "xhigh" },
	{ "gpt-*",                REASONER | TRAIT_TOOLS_OR_EFFORT,       "none",    "xhigh" },
	{ "o1-mini*",             REASONER | TRAIT_NO_REASONING,          NULL,      "high" },
	{ "o1-preview*",          REASONER | TRAIT_NO_REASONING,          NULL,      "high" },
	{ "o1*",                  REASONER | TRAIT_MUST_THINK,            "low",     "high" },
	{ "o3*",                  REASONER | TRAIT_MUST_THINK,            "low",     "high" },
	{ "o4*",                  REASONER | TRAIT_MUST_THINK,            "low",     "high" },
	{ "*claude*",             TRAIT_CLAUDE,                           NULL,      "max" },
	{ "gemini-2.5-pro*",      TRAIT_MUST_THINK,                       "low",     "high" },
	{ "gemini-3*",            TRAIT_MUST_THINK,                       "low",     "high" },
	{ "deepseek-r1*",         TRAIT_MUST_THINK | TRAIT_TAGS,          NULL,      "high" },
	{ "deepseek-*",           0,                                      NULL,      "max" },
	{ "kimi-k2.7-code*",      TRAIT_NO_SAMPLING | TRAIT_MUST_THINK,   NULL,      "high" },
	{ "kimi-*-thinking*",     TRAIT_NO_SAMPLING | TRAIT_MUST_THINK,   NULL,      "high" },
	{ "kimi-k3*",             TRAIT_NO_SAMPLING | TRAIT_MUST_THINK | TRAIT_EFFORT_ONLY,
		NULL, "max" },
	{ "kimi-*",               TRAIT_NO_SAMPLING,                      NULL,      "high" },
	{ "*-thinking*",          TRAIT_MUST_THINK,                       NULL,      "high" },
	{ "glm-5.3",              TRAIT_MUST_THINK,                       NULL,      "high" },
	{ "grok-4.3*",            TRAIT_NO_STOP,                          "none",    "xhigh" },
	{ "grok-4.20*",           TRAIT_NO_STOP | TRAIT_NO_REASONING,     NULL,      "high" },
	{ "grok-4.1-*",           TRAIT_NO_STOP | TRAIT_NO_REASONING,     NULL,      "high" },
	{ "grok-4.7*",            TRAIT_NO_STOP | TRAIT_MUST_THINK,       "low",     "xhigh" },
	{ "grok-4.*",             TRAIT_NO_STOP | TRAIT_MUST_THINK,       "low",     "high" },
	{ "grok-4*",              TRAIT_NO_STOP | TRAIT_NO_REASONING,     NULL,      "high" },
	{ "grok-build*",          TRAIT_NO_STOP | TRAIT_NO_REASONING,     NULL,      "high" },
	{ "grok-code*",           TRAIT_NO_STOP | TRAIT_NO_REASONING,     NULL,      "high" },
	{ "grok-3-mini*",         TRAIT_NO_STOP,                          "low",     "high" },
	{ "magistral*",           TRAIT_NO_REASONING | TRAIT_PROMPT_MODE, NULL,      "high" },
	{ "mistral-small-latest", 0,                                      "none",    "high" },
	{ "mistral-medium-3-5*",  0,                                      "none",    "high" },
	{ "mistral-medium-latest", 0,                                     "none",    "high" },
	{ "*stral*",              TRAIT_NO_REASONING,                     NULL,      "high" },
	{ "*llama*",              TRAIT_NO_REASONING,                     NULL,      "high" },
	{ "gemma*",               TRAIT_NO_REASONING,                     NULL,      "high" },
	{ "*-instruct*",          TRAIT_NO_REASONING,                     NULL,      "high" },
	{ "qwen3-coder*",         TRAIT_NO_REASONING,                     NULL,      "high" },
	{ "qwen3-?b*",            TRAIT_TAGS,                             "none",    "high" },
	{ "qwen3-??b*",           TRAIT_TAGS,                             "none",    "high" },
	{ "qwen3.?-??b*",         TRAIT_TAGS,                             "none",    "high" },
	{ "qwen-3.8-*",           TRAIT_TAGS,                             "none",    "high" },
	{ "*",                    0,                                      NULL,      "high" },
};

/*
 * Models that know fewer words of effort than there are: the next one above the wanted is said, or
 * the last.
 */
static const struct { const char *glob, *words[4]; } few_efforts[] = {
	{ "*kimi-k3*", { "low", "high", "max", NULL } },
	{ "*mistral-*", { "high", NULL } },
};

const struct model_traits *openai_model_traits(const char *model)
{
	const char *slash = strrchr(model, '/');
	struct str name = str_of(slash ? slash + 1 : model);
	const struct model_traits *m = models;

	while (!str_glob(m->glob, name))
		m++;
	return m;
}

const char *openai_effort_word(const char *model, const char *wanted)
{
	static const char *const levels[] = { "low", "medium", "high", "xhigh", "max" };
	const char *const *words = NULL;
	size_t at = 0;

	for (size_t i = 0; i < sizeof(few_efforts) / sizeof(*few_efforts) && !words; i++)
		if (str_glob(few_efforts[i].glob, str_of(model)))
			words = few_efforts[i].words;
	if (!words || !wanted)
		return wanted;
	while (strcmp(levels[at], wanted))
		at++;
	for (; at < sizeof(levels) / sizeof(*levels); at++)
		for (size_t i = 0; words[i]; i++)
			if (!strcmp(levels[at], words[i]))
				return words[i];
	while (words[1])
		words++;
	return *words;
}
