/*
 * The backends of fuzz-path: one for each dialect and for each preset of the golden cases. The
 * first byte of an input is a place in this table, so a new one goes to its end.
 */
#ifndef TESTS_FUZZ_LABS_H
#define TESTS_FUZZ_LABS_H

/* what it is of; presets are in capitals | its further settings in the configuration. Its name there
 * is "labN", N being its place. */
static const struct { const char *of, *settings;
} lab_table[] = {
	{ "openai-chat", "" },
	{ "openai-responses", "" },
	{ "anthropic", "" },
	{ "gemini", "" },
	{ "cohere", "" },
	{ "bedrock-converse", "" },
	{ "bedrock-anthropic", "" },
	{ "bedrock", "" },
	{ "vertex-anthropic", "" },
	{ "openai-chat", "reasoning = \"openrouter\"; replay = \"details\";"
		     "stop = false; tool_images = true; cache_control = true;" },
	{ "openai-chat", "reasoning = \"switch\"; replay = \"all\";"
		  "think_tags = true; strip_thinking_retry = true; retries = 2;" },
	{ "openai-chat", "model_big = \"other\";" },
	{ "ANTHROPIC", "" },	 { "GEMINI", "" },   { "XAI", "" },	   { "BEDROCK", "" },
	{ "MISTRAL", "" },	 { "COHERE", "" },   { "GROQ", "" },	   { "DEEPSEEK", "" },
	{ "PERPLEXITY", "" },	 { "ALIBABA", "" },  { "ZAI", "" },	   { "OPENAI", "" },
	{ "MOONSHOT", "" },	 { "CEREBRAS", "" }, { "TOGETHER", "" },   { "FIREWORKS", "" },
	{ "LITELLM_OPENROUTER", "" },
};
#define LABS (sizeof(lab_table) / sizeof(lab_table[0]))

#endif
