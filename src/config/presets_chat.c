/*
 * Presets of providers that speak OpenAI's chat completions or Responses API, and their other ways
 * in.
 */
#include "config/preset_rows.h"

/* OpenRouter takes Anthropic's cache marks and its own reasoning object; it needs its
 * reasoning_details back unchanged. */
const struct preset_setting preset_openrouter[] = {
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
	{ "pass_members", "provider, models, route, transforms, plugins, min_p, top_a, "
		"repetition_penalty, frequency_penalty, presence_penalty, seed, logit_bias, user, "
		"verbosity" },
	END
};
/* Its own Messages endpoint takes any of its models; the members of its router pass with the
 * body. */
const struct preset_setting preset_openrouter_messages[] = {
	{ "base_url", "https://openrouter.ai/api" },
	{ "model_big", "anthropic/claude-sonnet-5.5" },
	{ "model_small", "anthropic/claude-haiku-5.5" },
	{ "path_count", "" },
	{ "auth", "bearer" },
	{ "drop_members", "safeguards, diagnostics, thread, messages.output_config, messages.clear_at" },
	END
};
const struct preset_env preset_openrouter_env[] = {
	{ "api_key", "OPENROUTER_API_KEY", NULL },
	{ "base_url", "OPENROUTER_BASE_URL", NULL },
	{ "headers", "OPENROUTER_APP_URL OPENROUTER_SITE_URL", "HTTP-Referer: " },
	{ "headers", "OPENROUTER_APP_NAME OPENROUTER_APP_TITLE", "X-Title: " },
	END_ENV
};

/*
 * Chat completions has no tools for models that think (tools_or_reasoning), and nothing of their
 * thoughts. So these go to the Responses API: all that think, by their names, and those that only
 * it has.
 */
#define OPENAI_RESPONSES "gpt-5, gpt-5-*, gpt-5.*, gpt-6*, gpt-7*, o1*, o3*, o4*, *codex*, "\
	"computer-use-*"
const struct preset_setting preset_openai[] = {
	{ "base_url", "https://api.openai.com/v1" },
	{ "model_big", "gpt-6-sol" },
	{ "model_small", "gpt-6-luna" },
	{ "mid_system", "keep" },
	{ "reasoning", "effort" },
	{ "responses_models", OPENAI_RESPONSES },
	{ "tools_or_reasoning", "true" },
	{ "session_member", "prompt_cache_key" },
	{ "files", "true" },
	{ "user", "true" },
	{ "think_tags", "false" },
	END
};
const struct preset_env preset_openai_env[] = {
	{ "api_key", "OPENAI_API_KEY", NULL },
	{ "base_url", "OPENAI_BASE_URL OPENAI_API_BASE", NULL },
	{ "headers", "OPENAI_ORGANIZATION OPENAI_ORG_ID", "OpenAI-Organization: " },
	{ "headers", "OPENAI_PROJECT OPENAI_PROJECT_ID", "OpenAI-Project: " },
	END_ENV
};

/* The API without dates, where the deployment is the model's name; api_version leads to the dated
 * one. */
const struct preset_setting preset_azure_openai[] = {
	{ "host_suffix", ".openai.azure.com" },
	{ "base_path", "/openai/v1" },
	{ "auth", "header" },
	{ "auth_header", "api-key" },
	{ "mid_system", "keep" },
	{ "reasoning", "effort" },
	{ "responses_models", OPENAI_RESPONSES },
	{ "tools_or_reasoning", "true" },
	{ "session_member", "prompt_cache_key" },
	{ "files", "true" },
	{ "user", "true" },
	{ "think_tags", "false" },
	{ "credential.kind", "entra" },
	END
};
const struct preset_env preset_azure_openai_env[] = {
	{ "api_key", "AZURE_OPENAI_API_KEY", NULL },
	{ "base_url", "AZURE_OPENAI_ENDPOINT", NULL },
	{ "host", "AZURE_OPENAI_RESOURCE", NULL },
	{ "api_version", "AZURE_OPENAI_API_VERSION OPENAI_API_VERSION", NULL },
	{ "model_big", "AZURE_OPENAI_DEPLOYMENT", NULL },
	{ "credential.tenant", "AZURE_TENANT_ID", NULL },
	{ "credential.client_id", "AZURE_CLIENT_ID", NULL },
	{ "credential.client_secret", "AZURE_CLIENT_SECRET", NULL },
	{ "credential.source", "AZURE_FEDERATED_TOKEN_FILE", NULL },
	END_ENV
};

/* A LiteLLM proxy whose models are OpenRouter's, through its OpenAI side: it says effort its own way,
 * and passes OpenRouter's reasoning_details in both directions. */
const struct preset_setting preset_litellm_openrouter[] = {
	{ "base_url", "http://127.0.0.1:4000/v1" },
	{ "model_big", "anthropic/claude-sonnet-5.5" },
	{ "model_small", "anthropic/claude-haiku-5.5" },
	{ "model_prefix", "openrouter/" },
	{ "reasoning", "effort" },
	{ "replay", "details" },
	{ "max_tokens_member", "max_tokens" },
	{ "cache_control", "true" },
	{ "user", "true" },
	END
};
/* A LiteLLM proxy through its Messages side; the names are those of its own model list. */
const struct preset_setting preset_litellm_messages[] = {
	{ "base_url", "http://127.0.0.1:4000" },
	{ "auth", "bearer" },
	END
};
const struct preset_env preset_litellm_env[] = {
	{ "api_key", "LITELLM_MASTER_KEY LITELLM_API_KEY", NULL },
	{ "base_url", "LITELLM_BASE_URL LITELLM_API_BASE", NULL },
	END_ENV
};

const struct preset_setting preset_mistral[] = {
	{ "base_url", "https://api.mistral.ai/v1" },
	{ "model_big", "mistral-medium-3-5" },
	{ "model_small", "mistral-small-latest" },
	{ "reasoning", "effort" },
	{ "replay", "parts" },
	{ "max_tokens_member", "max_tokens" },
	{ "stream_options", "false" },
	{ "files", "true" },
	{ "plain_parts", "true" },
	{ "think_tags", "false" },
	{ "session_member", "prompt_cache_key" },
	{ "tool_result_merge", "true" },
	{ "tool_result_name", "true" },
	{ "call_id_length", "9" },
	{ "required_word", "any" },
	{ "prefill_member", "prefix" },
	END
};
const struct preset_env preset_mistral_env[] = {
	{ "api_key", "MISTRAL_API_KEY", NULL },
	{ "base_url", "MISTRAL_BASE_URL", NULL },
	END_ENV
};

const struct preset_setting preset_groq[] = {
	{ "base_url", "https://api.groq.com/openai/v1" },
	{ "model_big", "openai/gpt-oss-120b" },
	{ "model_small", "openai/gpt-oss-20b" },
	{ "reasoning", "parsed" },
	{ "max_tokens_member", "max_completion_tokens" },
	{ "user", "true" },
	END
};
const struct preset_env preset_groq_env[] = {
	{ "api_key", "GROQ_API_KEY", NULL },
	{ "base_url", "GROQ_BASE_URL", NULL },
	END_ENV
};

/* Its models that think refuse stop, and Claude Code's judgements on commands live on it: the
 * gateway enforces it. */
const struct preset_setting preset_xai[] = {
	{ "base_url", "https://api.x.ai/v1" },
	{ "model_big", "grok-4.7" },
	{ "model_small", "grok-4.3" },
	{ "reasoning", "effort" },
	{ "stop", "false" },
	{ "user", "true" },
	{ "think_tags", "false" },
	END
};
const struct preset_env preset_xai_env[] = {
	{ "api_key", "XAI_API_KEY", NULL },
	{ "base_url", "XAI_BASE_URL", NULL },
	END_ENV
};

const struct preset_setting preset_together[] = {
	{ "base_url", "https://api.together.ai/v1" },
	{ "model_big", "openai/gpt-oss-120b" },
	{ "model_small", "openai/gpt-oss-120b" },
	{ "reasoning", "effort" },
	{ "max_tokens_member", "max_tokens" },
	{ "top_k", "true" },
	END
};
const struct preset_env preset_together_env[] = {
	{ "api_key", "TOGETHER_API_KEY", NULL },
	{ "base_url", "TOGETHER_BASE_URL", NULL },
	END_ENV
};

const struct preset_setting preset_fireworks[] = {
	{ "base_url", "https://api.fireworks.ai/inference/v1" },
	{ "model_big", "accounts/fireworks/models/kimi-k3" },
	{ "model_small", "accounts/fireworks/models/gpt-oss-120b" },
	{ "reasoning", "effort" },
	{ "replay", "all" },
	{ "max_tokens_member", "max_tokens" },
	{ "top_k", "true" },
	{ "user", "true" },
	END
};
const struct preset_env preset_fireworks_env[] = {
	{ "api_key", "FIREWORKS_API_KEY", NULL },
	{ "base_url", "FIREWORKS_BASE_URL", NULL },
	END_ENV
};

const struct preset_setting preset_cerebras[] = {
	{ "base_url", "https://api.cerebras.ai/v1" },
	{ "model_big", "gpt-oss-120b" },
	{ "model_small", "gpt-oss-120b" },
	{ "reasoning", "effort" },
	{ "max_tokens_member", "max_completion_tokens" },
	{ "user", "true" },
	END
};
const struct preset_env preset_cerebras_env[] = {
	{ "api_key", "CEREBRAS_API_KEY", NULL },
	{ "base_url", "CEREBRAS_BASE_URL", NULL },
	END_ENV
};

/* It searches by itself and has no tools of the client's. */
const struct preset_setting preset_perplexity[] = {
	{ "base_url", "https://api.perplexity.ai" },
	{ "base_path", "" },
	{ "path_message", "/chat/completions" },
	{ "path_models", "" },
	{ "model_big", "sonar-pro" },
	{ "model_small", "sonar" },
	{ "reasoning", "none" },
	{ "max_tokens_member", "max_tokens" },
	{ "stream_options", "false" },
	{ "stop", "false" },
	{ "top_k", "true" },
	{ "parallel_tool_calls", "false" },
	{ "drop_members", "tools, tool_choice" },
	END
};
const struct preset_env preset_perplexity_env[] = {
	{ "api_key", "PERPLEXITY_API_KEY PPLX_API_KEY", NULL },
	{ "base_url", "PERPLEXITY_BASE_URL", NULL },
	END_ENV
};

const struct preset_setting preset_alibaba[] = {
	{ "base_url", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1" },
	{ "model_big", "qwen3.8-max" },
	{ "model_small", "qwen3.8-flash" },
	{ "reasoning", "switch" },
	{ "max_tokens_member", "max_tokens" },
	{ "forced_tool", "unthinking" },
	{ "cache_control", "true" },
	{ "top_k", "true" },
	END
};
const struct preset_setting preset_alibaba_messages[] = {
	CLONE,
	{ "base_url", "https://dashscope-intl.aliyuncs.com/apps/anthropic" },
	{ "model_big", "qwen3.8-max" },
	{ "model_small", "qwen3.8-flash" },
	{ "forced_tool", "unthinking" },
	{ "drop_members", CLONE_MEMBERS },
	END
};
const struct preset_env preset_alibaba_env[] = {
	{ "api_key", "DASHSCOPE_API_KEY ALIBABA_API_KEY", NULL },
	{ "base_url", "DASHSCOPE_BASE_URL ALIBABA_BASE_URL", NULL },
	END_ENV
};
