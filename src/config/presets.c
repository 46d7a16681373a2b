/*
 * Presets and dialect defaults, as settings in the words of the options table. Default models are
 * each provider's current ones in autumn 2026 (openrouter.ai/models,
 * developers.openai.com/api/docs/models, platform.claude.com/docs/en/about-claude/models).
 */
#include "config/preset.h"

#include <string.h>
#include <strings.h>

#include "config/config.h"

#define END { NULL, NULL }
#define END_ENV { NULL, NULL, NULL }

static const struct preset_setting openai_chat[] = {
	{ "path_message", "/chat/completions" },
	{ "path_models", "/models" },
	END
};
static const char *const openai_chat_tails[] = { "/chat/completions", NULL };

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
	{ "user", "true" },
	{ "think_tags", "false" },
	{ "tool_name_max", "128" },
	END
};
static const char *const anthropic_tails[] = { "/messages", "/v1", NULL };

const struct dialect_preset dialects[] = {
	{ "openai-chat", "/v1", openai_chat_tails, openai_chat },
	{ "anthropic", NULL, anthropic_tails, anthropic },
	{ NULL, NULL, NULL, NULL }
};

/* OpenRouter takes Anthropic's cache marks and its own reasoning object; it needs its
 * reasoning_details back unchanged. */
static const struct preset_setting openrouter[] = {
	{ "base_url", "https://openrouter.ai/api/v1" },
	{ "model_big", "anthropic/claude-sonnet-5.5" },
	{ "model_small", "anthropic/claude-haiku-5.5" },
	{ "reasoning", "openrouter" },
	{ "replay", "details" },
	{ "max_tokens_member", "max_tokens" },
	{ "cache_control", "true" },
	{ "files", "true" },
	{ "top_k", "true" },
	{ "user", "true" },
	{ "think_tags", "false" },
	{ "session_member", "session_id" },
	{ "beta_header", "x-anthropic-beta" },
	{ "pass_betas", "interleaved-thinking-2025-05-14, structured-outputs-2025-11-13" },
	END
};
static const struct preset_env openrouter_env[] = {
	{ "api_key", "OPENROUTER_API_KEY", NULL },
	{ "base_url", "OPENROUTER_BASE_URL", NULL },
	{ "headers", "OPENROUTER_APP_URL OPENROUTER_SITE_URL", "HTTP-Referer: " },
	{ "headers", "OPENROUTER_APP_NAME OPENROUTER_APP_TITLE", "X-Title: " },
	END_ENV
};

/* gpt-6.1-sol and gpt-6-astra can't be told not to think, so they have no tools in chat
 * completions: they are no defaults here. */
static const struct preset_setting openai[] = {
	{ "base_url", "https://api.openai.com/v1" },
	{ "model_big", "gpt-6-sol" },
	{ "model_small", "gpt-6-luna" },
	{ "mid_system", "keep" },
	{ "reasoning", "effort" },
	{ "tools_or_reasoning", "true" },
	{ "session_member", "prompt_cache_key" },
	{ "files", "true" },
	{ "user", "true" },
	{ "think_tags", "false" },
	END
};
static const struct preset_env openai_env[] = {
	{ "api_key", "OPENAI_API_KEY", NULL },
	{ "base_url", "OPENAI_BASE_URL OPENAI_API_BASE", NULL },
	{ "headers", "OPENAI_ORGANIZATION OPENAI_ORG_ID", "OpenAI-Organization: " },
	{ "headers", "OPENAI_PROJECT OPENAI_PROJECT_ID", "OpenAI-Project: " },
	END_ENV
};

/* A LiteLLM proxy whose models are OpenRouter's, through its OpenAI side: it takes what OpenRouter
 * takes, but says reasoning its own way. */
static const struct preset_setting litellm_openrouter[] = {
	{ "base_url", "http://127.0.0.1:4000/v1" },
	{ "model_big", "anthropic/claude-sonnet-5.5" },
	{ "model_small", "anthropic/claude-haiku-5.5" },
	{ "model_prefix", "openrouter/" },
	{ "reasoning", "effort" },
	{ "max_tokens_member", "max_tokens" },
	{ "cache_control", "true" },
	{ "user", "true" },
	END
};
/* A LiteLLM proxy through its Messages side; the names are those of its own model list. */
static const struct preset_setting litellm_messages[] = {
	{ "base_url", "http://127.0.0.1:4000" },
	{ "auth", "bearer" },
	END
};
static const struct preset_env litellm_env[] = {
	{ "api_key", "LITELLM_MASTER_KEY LITELLM_API_KEY", NULL },
	{ "base_url", "LITELLM_BASE_URL LITELLM_API_BASE", NULL },
	END_ENV
};

/* ANTHROPIC_BASE_URL is not here: it is the client's, and holds this gateway's own address. */
static const struct preset_setting anthropic_api[] = {
	{ "base_url", "https://api.anthropic.com" },
	{ "model_big", "claude-sonnet-5-5" },
	{ "model_small", "claude-haiku-5-5" },
	{ "mid_system", "keep" },
	{ "billing_header", "true" },
	END
};
static const struct preset_env anthropic_env[] = {
	{ "api_key", "ANTHROPIC_API_KEY", NULL },
	END_ENV
};

const struct preset presets[] = {
	{ "OPENROUTER", "OpenRouter", "openai-chat", true, false, openrouter, openrouter_env },
	{ "OPENAI", "OpenAI", "openai-chat", true, false, openai, openai_env },
	{ "LITELLM_OPENROUTER", "LiteLLM with OpenRouter's models", "openai-chat", false, false,
		litellm_openrouter, litellm_env },
	{ "LITELLM_MESSAGES", "LiteLLM, Messages API", "anthropic", false, true, litellm_messages,
		litellm_env },
	{ "ANTHROPIC", "Anthropic", "anthropic", true, true, anthropic_api, anthropic_env },
	{ NULL, NULL, NULL, false, false, NULL, NULL }
};

const struct preset_absent presets_absent[] = {
	{ "AZURE_DATABRICKS", "DATABRICKS_HOST DATABRICKS_TOKEN" },
	{ "AZURE_OPENAI", "AZURE_OPENAI_API_KEY AZURE_OPENAI_ENDPOINT" },
	{ "GEMINI", "GEMINI_API_KEY GOOGLE_API_KEY" },
	{ "VERTEX", "VERTEX_PROJECT VERTEX_PROJECT_ID" },
	{ "BEDROCK", "AWS_BEARER_TOKEN_BEDROCK" },
	{ NULL, NULL }
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

const struct dialect_preset *dialect_preset_find(const char *name)
{
	const struct dialect_preset *d;

	for (d = dialects; d->name; d++)
		if (name && !strcmp(d->name, name))
			return d;
	return NULL;
}
