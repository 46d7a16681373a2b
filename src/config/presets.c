/*
 * Presets and dialect defaults, as settings in the words of the options table. Default models are
 * each provider's current ones in autumn 2026 by its own list of models; docs/backends/ says of each
 * provider what no page of its own could confirm.
 */
#include "config/preset_rows.h"

#include <string.h>
#include <strings.h>

#include "base/parts.h"
#include "config/config.h"

static const struct preset_setting openai_chat[] = {
	{ "path_message", "/chat/completions" },
	{ "path_models", "/models" },
	END
};
static const char *const openai_chat_tails[] = { "/chat/completions", NULL };

/* Results of tools may hold images there. Effort is the only way to say thinking. */
static const struct preset_setting openai_responses[] = {
	{ "path_responses", "/responses" },
	{ "path_models", "/models" },
	{ "mid_system", "keep" },
	{ "reasoning", "effort" },
	{ "tool_images", "true" },
	{ "files", "true" },
	{ "think_tags", "false" },
	END
};
static const struct preset_setting openai_either[] = {
	{ "path_message", "/chat/completions" },
	{ "path_responses", "/responses" },
	{ "path_models", "/models" },
	END
};
static const char *const openai_tails[] = { "/chat/completions", "/responses", NULL };

/* Messages-compatible servers all take x-api-key; the API's own version of the path begins at the
 * host. */
static const struct preset_setting anthropic[] = {
	{ "path_message", "/v1/messages" },
	{ "path_count", "/v1/messages/count_tokens" },
	{ "path_models", "/v1/models" },
	{ "auth", "header" },
	{ "auth_header", "x-api-key" },
	{ "cache_control", "true" },
	{ "stop_max", "1000" },
	{ "tool_images", "true" },
	{ "files", "true" },
	{ "top_k", "true" },
	{ "think_tags", "false" },
	{ "tool_name_max", "128" },
	END
};
static const char *const anthropic_tails[] = { "/messages", "/v1", NULL };

/* What the two ways of Bedrock and the row that chooses share; the rest of the path is the
 * dialect's. */
static const struct preset_setting bedrock_dialect[] = {
	{ "path_message", "/model/{model}" },
	{ "path_count", "/model/{model}/count-tokens" },
	{ "path_models", "/foundation-models?byOutputModality=TEXT /inference-profiles?maxResults=1000" },
	{ "auth", "sigv4" },
	{ "cache_control", "true" },
	{ "tool_images", "true" },
	{ "files", "true" },
	{ "top_k", "true" },
	{ "think_tags", "false" },
	END
};
static const char *const bedrock_tails[] = { "/model", NULL };

/* Descriptions of functions hold names of 63 characters at most; five stop sequences. A refused
 * signature is worth one try without any. */
static const struct preset_setting gemini_dialect[] = {
	{ "path_message", "/models/{model}:streamGenerateContent?alt=sse" },
	{ "path_count", "/models/{model}:countTokens" },
	{ "path_models", "/models?pageSize=1000" },
	{ "auth", "header" },
	{ "auth_header", "x-goog-api-key" },
	{ "stop_max", "5" },
	{ "top_k", "true" },
	{ "files", "true" },
	{ "think_tags", "false" },
	{ "tool_name_max", "63" },
	{ "max_tokens_max", "65536" },
	{ "strip_thinking_retry", "true" },
	END
};
static const char *const gemini_tails[] = { "/models", NULL };

static const struct preset_setting vertex_anthropic_dialect[] = {
	{ "path_message", "/models/{model}:{streamRawPredict|rawPredict}" },
	{ "path_count", "/models/count-tokens:rawPredict" },
	{ "cache_control", "true" },
	{ "stop_max", "1000" },
	{ "tool_images", "true" },
	{ "files", "true" },
	{ "top_k", "true" },
	{ "think_tags", "false" },
	{ "tool_name_max", "128" },
	END
};

static const struct preset_setting cohere[] = {
	{ "path_message", "/v2/chat" },
	{ "path_models", "/v1/models" },
	{ "replay", "parts" },
	{ "tool_plan", "true" },
	{ "think_tags", "false" },
	{ "top_k", "true" },
	END
};
static const char *const cohere_tails[] = { "/chat", "/v2", "/v1", NULL };

const struct dialect_preset dialects[] = {
	{ "openai-chat", "/v1", openai_chat_tails, openai_chat, NULL },
	{ "openai-responses", "/v1", openai_tails, openai_responses, "responses" },
	{ "openai", "/v1", openai_tails, openai_either, "responses" },
	{ "cohere", NULL, cohere_tails, cohere, "cohere" },
	{ "anthropic", NULL, anthropic_tails, anthropic, "anthropic" },
	{ "bedrock", NULL, bedrock_tails, bedrock_dialect, "aws" },
	{ "bedrock-anthropic", NULL, bedrock_tails, bedrock_dialect, "aws" },
	{ "bedrock-converse", NULL, bedrock_tails, bedrock_dialect, "aws" },
	{ "gemini", "/v1beta", gemini_tails, gemini_dialect, "google" },
	{ "vertex-anthropic", NULL, gemini_tails, vertex_anthropic_dialect, "google" },
	{ NULL, NULL, NULL, NULL, NULL }
};

/* Settings and variables of one name. */
#define ROW(name) preset_##name, preset_##name##_env

/* Those of a dialect that this build may be without: the name stays, so that it can be told. */
static const struct preset_setting no_settings[] __attribute__((unused)) = { END };
static const struct preset_env no_env[] __attribute__((unused)) = { END_ENV };
#define IF_0(settings, env) no_settings, no_env
#define IF_1(settings, env) settings, env
#define CHOSEN(with, settings, env) CHOSEN_1(with, settings, env)
#define CHOSEN_1(with, settings, env) IF_##with(settings, env)
#define ROW_IF(with, name) CHOSEN(with, preset_##name, preset_##name##_env)
/* One that has another dialect too, with the same variables. */
#if WITH_ANTHROPIC
#define SETTINGS(name) ROW(name)
#else
#define SETTINGS(name) no_settings, preset_##name##_env
#endif

/* Name | title | dialect | wants a key | its own models are Claude's | settings, variables. */
const struct preset presets[] = {
	{ "OPENROUTER", "OpenRouter", "openai-chat", true, false, ROW(openrouter) },
	{ "OPENAI", "OpenAI", "openai", true, false, ROW(openai) },
	{ "LITELLM_OPENROUTER", "LiteLLM with OpenRouter's models", "openai-chat", false, false,
		preset_litellm_openrouter, preset_litellm_env },
	{ "LITELLM_MESSAGES", "LiteLLM, Messages API", "anthropic", false, true,
		CHOSEN(WITH_ANTHROPIC, preset_litellm_messages, preset_litellm_env) },
	{ "ANTHROPIC", "Anthropic", "anthropic", true, true,
		CHOSEN(WITH_ANTHROPIC, preset_anthropic_api, preset_anthropic_env) },
	{ "AZURE_OPENAI", "Azure OpenAI", "openai", true, false, ROW(azure_openai) },
	{ "AZURE_DATABRICKS", "Databricks", "openai-chat", true, false, ROW(databricks) },
	{ "COHERE", "Cohere", "cohere", true, false,
		CHOSEN(WITH_COHERE, preset_cohere_api, preset_cohere_env) },
	{ "MISTRAL", "Mistral", "openai-chat", true, false, ROW(mistral) },
	{ "GROQ", "Groq", "openai-chat", true, false, ROW(groq) },
	{ "XAI", "xAI", "openai-chat", true, false, ROW(xai) },
	{ "TOGETHER", "Together", "openai-chat", true, false, ROW(together) },
	{ "FIREWORKS", "Fireworks", "openai-chat", true, false, ROW(fireworks) },
	{ "CEREBRAS", "Cerebras", "openai-chat", true, false, ROW(cerebras) },
	{ "PERPLEXITY", "Perplexity", "openai-chat", true, false, ROW(perplexity) },
	{ "ALIBABA", "Alibaba Model Studio", "openai-chat", true, false, ROW(alibaba) },
	{ "DEEPSEEK", "DeepSeek", "anthropic", true, false, SETTINGS(deepseek) },
	{ "MOONSHOT", "Moonshot", "anthropic", true, false, SETTINGS(moonshot) },
	{ "ZAI", "Z.ai", "anthropic", true, false, SETTINGS(zai) },
	{ "MINIMAX", "MiniMax", "anthropic", true, false, SETTINGS(minimax) },
	{ "OLLAMA", "Ollama", "anthropic", false, false, SETTINGS(ollama) },
	{ "LLAMACPP", "llama.cpp", "anthropic", false, false, SETTINGS(llamacpp) },
	{ "VLLM", "vLLM", "anthropic", false, false, SETTINGS(vllm) },
	{ "BEDROCK", "AWS Bedrock", "bedrock", true, false, ROW_IF(WITH_AWS, bedrock) },
	{ "GEMINI", "Google Gemini", "gemini", true, false, ROW_IF(WITH_GOOGLE, gemini) },
	{ "VERTEX", "Google Vertex", "gemini", true, false, ROW_IF(WITH_GOOGLE, vertex) },
	{ "VERTEX_ANTHROPIC", "Claude on Google Vertex", "vertex-anthropic", true, true,
		CHOSEN(WITH_GOOGLE, preset_vertex_claude, preset_vertex_env) },
	{ NULL, NULL, NULL, false, false, NULL, NULL }
};

const struct preset_variant preset_variants[] = {
#if WITH_GOOGLE
	{ "VERTEX", "vertex-anthropic", preset_vertex_claude },
#endif
#if WITH_ANTHROPIC
	{ "OPENROUTER", "anthropic", preset_openrouter_messages },
	{ "AZURE_DATABRICKS", "anthropic", preset_databricks_messages },
	{ "ALIBABA", "anthropic", preset_alibaba_messages },
#endif
	{ "DEEPSEEK", "openai-chat", preset_deepseek_chat },
	{ "MOONSHOT", "openai-chat", preset_moonshot_chat },
	{ "ZAI", "openai-chat", preset_zai_chat },
	{ "MINIMAX", "openai-chat", preset_minimax_chat },
	{ "OLLAMA", "openai-chat", preset_ollama_chat },
	{ "LLAMACPP", "openai-chat", preset_llamacpp_chat },
	{ "VLLM", "openai-chat", preset_vllm_chat },
	{ NULL, NULL, NULL }
};

const struct model_rule preset_claude_rules[] = {
	{ "claude-*haiku*", "small" },
	{ "claude-*", "big" },
	{ NULL, NULL }
};

const struct preset *preset_find(const char *name)
{
	const struct preset *p;

	for (p = presets; p->name; p++)
		if (name && !strcasecmp(p->name, name))
			return p;
	return NULL;
}

const struct preset_setting *preset_settings(const struct preset *p, const char *dialect)
{
	const struct preset_variant *v;

	for (v = preset_variants; v->preset; v++)
		if (!strcmp(v->preset, p->name) && !strcmp(v->dialect, dialect))
			return v->settings;
	return p->settings;
}

const struct dialect_preset *dialect_preset_find(const char *name)
{
	const struct dialect_preset *d;

	for (d = dialects; d->name; d++)
		if (name && !strcmp(d->name, name))
			return d;
	return NULL;
}
