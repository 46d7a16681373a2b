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
	{ "user", "true" },
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
	{ "user", "true" },
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
	{ "openai-chat", "/v1", openai_chat_tails, openai_chat },
	{ "openai-responses", "/v1", openai_tails, openai_responses },
	{ "openai", "/v1", openai_tails, openai_either },
	{ "cohere", NULL, cohere_tails, cohere },
	{ "anthropic", NULL, anthropic_tails, anthropic },
	{ "bedrock", NULL, bedrock_tails, bedrock_dialect },
	{ "bedrock-anthropic", NULL, bedrock_tails, bedrock_dialect },
	{ "bedrock-converse", NULL, bedrock_tails, bedrock_dialect },
	{ "gemini", "/v1beta", gemini_tails, gemini_dialect },
	{ "vertex-anthropic", NULL, gemini_tails, vertex_anthropic_dialect },
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
	{ "pass_members", "provider, models, route, transforms, plugins, min_p, top_a, "
		"repetition_penalty, frequency_penalty, presence_penalty, seed, logit_bias, user, "
		"verbosity" },
	END
};
/* Its own Messages endpoint takes any of its models; the members of its router pass with the
 * body. */
static const struct preset_setting openrouter_messages[] = {
	{ "base_url", "https://openrouter.ai/api" },
	{ "model_big", "anthropic/claude-sonnet-5.5" },
	{ "model_small", "anthropic/claude-haiku-5.5" },
	{ "path_count", "" },
	{ "auth", "bearer" },
	{ "drop_members", "safeguards, diagnostics, thread, messages.output_config, messages.clear_at" },
	END
};
static const struct preset_env openrouter_env[] = {
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
static const struct preset_setting openai[] = {
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
	{ "replay", "blocks" },
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

/*
 * Members of the Messages API and its betas that no clone knows; what drops a member drops its beta
 * with it. Foreign signatures stay: DeepSeek, Kimi and MiniMax demand the thinking of earlier turns
 * and look at nothing but its text.
 */
#define CLONE_MEMBERS \
	"safeguards, diagnostics, thread, context_management, container, mcp_servers, speed, " \
	"fallbacks, inference_geo, service_tier, output_config.format, output_config.task_budget, " \
	"thinking.display, thinking.block_binding, messages.output_config, messages.clear_at, " \
	"tools.eager_input_streaming, tools.defer_loading, tools.input_examples, " \
	"tools.allowed_callers, tools.strict, *cache_control.ttl"
#define CLONE \
	{ "path_count", "" }, \
	{ "path_models", "" }, \
	{ "auth", "bearer" }, \
	{ "drop_betas", "*" }, \
	{ "drop_server_tools", "true" }, \
	{ "strip_schema_null", "true" }, \
	{ "plain_thinking", "true" }

static const struct preset_setting mistral[] = {
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
static const struct preset_env mistral_env[] = {
	{ "api_key", "MISTRAL_API_KEY", NULL },
	{ "base_url", "MISTRAL_BASE_URL", NULL },
	END_ENV
};

static const struct preset_setting groq[] = {
	{ "base_url", "https://api.groq.com/openai/v1" },
	{ "model_big", "openai/gpt-oss-120b" },
	{ "model_small", "openai/gpt-oss-20b" },
	{ "reasoning", "parsed" },
	{ "max_tokens_member", "max_completion_tokens" },
	{ "user", "true" },
	END
};
static const struct preset_env groq_env[] = {
	{ "api_key", "GROQ_API_KEY", NULL },
	{ "base_url", "GROQ_BASE_URL", NULL },
	END_ENV
};

/* Its models that think refuse stop, and Claude Code's judgements on commands live on it: the
 * gateway enforces it. */
static const struct preset_setting xai[] = {
	{ "base_url", "https://api.x.ai/v1" },
	{ "model_big", "grok-4.7" },
	{ "model_small", "grok-4.3" },
	{ "reasoning", "effort" },
	{ "stop", "false" },
	{ "user", "true" },
	{ "think_tags", "false" },
	END
};
static const struct preset_env xai_env[] = {
	{ "api_key", "XAI_API_KEY", NULL },
	{ "base_url", "XAI_BASE_URL", NULL },
	END_ENV
};

static const struct preset_setting together[] = {
	{ "base_url", "https://api.together.xyz/v1" },
	{ "model_big", "openai/gpt-oss-120b" },
	{ "model_small", "openai/gpt-oss-20b" },
	{ "reasoning", "effort" },
	{ "max_tokens_member", "max_tokens" },
	{ "top_k", "true" },
	END
};
static const struct preset_env together_env[] = {
	{ "api_key", "TOGETHER_API_KEY", NULL },
	{ "base_url", "TOGETHER_BASE_URL", NULL },
	END_ENV
};

static const struct preset_setting fireworks[] = {
	{ "base_url", "https://api.fireworks.ai/inference/v1" },
	{ "model_big", "accounts/fireworks/models/gpt-oss-120b" },
	{ "model_small", "accounts/fireworks/models/gpt-oss-20b" },
	{ "reasoning", "effort" },
	{ "replay", "all" },
	{ "max_tokens_member", "max_tokens" },
	{ "top_k", "true" },
	{ "user", "true" },
	END
};
static const struct preset_env fireworks_env[] = {
	{ "api_key", "FIREWORKS_API_KEY", NULL },
	{ "base_url", "FIREWORKS_BASE_URL", NULL },
	END_ENV
};

static const struct preset_setting cerebras[] = {
	{ "base_url", "https://api.cerebras.ai/v1" },
	{ "model_big", "gpt-oss-120b" },
	{ "model_small", "gpt-oss-120b" },
	{ "reasoning", "effort" },
	{ "max_tokens_member", "max_completion_tokens" },
	{ "user", "true" },
	END
};
static const struct preset_env cerebras_env[] = {
	{ "api_key", "CEREBRAS_API_KEY", NULL },
	{ "base_url", "CEREBRAS_BASE_URL", NULL },
	END_ENV
};

/* It searches by itself and has no tools of the client's. */
static const struct preset_setting perplexity[] = {
	{ "base_url", "https://api.perplexity.ai" },
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
static const struct preset_env perplexity_env[] = {
	{ "api_key", "PERPLEXITY_API_KEY PPLX_API_KEY", NULL },
	{ "base_url", "PERPLEXITY_BASE_URL", NULL },
	END_ENV
};

static const struct preset_setting alibaba[] = {
	{ "base_url", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1" },
	{ "model_big", "qwen3-max" },
	{ "model_small", "qwen-flash" },
	{ "reasoning", "switch" },
	{ "max_tokens_member", "max_tokens" },
	{ "forced_tool", "unthinking" },
	{ "cache_control", "true" },
	{ "top_k", "true" },
	END
};
static const struct preset_setting alibaba_messages[] = {
	CLONE,
	{ "base_url", "https://dashscope-intl.aliyuncs.com/apps/anthropic" },
	{ "model_big", "qwen3-max" },
	{ "model_small", "qwen-flash" },
	{ "forced_tool", "unthinking" },
	{ "drop_members", CLONE_MEMBERS },
	END
};
static const struct preset_env alibaba_env[] = {
	{ "api_key", "DASHSCOPE_API_KEY ALIBABA_API_KEY", NULL },
	{ "base_url", "DASHSCOPE_BASE_URL ALIBABA_BASE_URL", NULL },
	END_ENV
};

static const struct preset_setting deepseek[] = {
	CLONE,
	{ "base_url", "https://api.deepseek.com/anthropic" },
	{ "model_big", "deepseek-v4-pro" },
	{ "model_small", "deepseek-flash" },
	{ "drop_members", CLONE_MEMBERS },
	END
};
static const struct preset_setting deepseek_chat[] = {
	{ "base_url", "https://api.deepseek.com/v1" },
	{ "model_big", "deepseek-v4-pro" },
	{ "model_small", "deepseek-flash" },
	{ "reasoning", "thinking" },
	{ "replay", "tools" },
	{ "max_tokens_member", "max_tokens" },
	{ "think_tags", "false" },
	END
};
static const struct preset_env deepseek_env[] = {
	{ "api_key", "DEEPSEEK_API_KEY", NULL },
	{ "base_url", "DEEPSEEK_BASE_URL", NULL },
	END_ENV
};

/* The temperature is pinned there, and any other is refused. */
static const struct preset_setting moonshot[] = {
	CLONE,
	{ "base_url", "https://api.moonshot.ai/anthropic" },
	{ "model_big", "kimi-k3" },
	{ "model_small", "kimi-k2.6" },
	{ "forced_tool", "unthinking" },
	{ "drop_members", "temperature, top_p, top_k, " CLONE_MEMBERS },
	END
};
static const struct preset_setting moonshot_chat[] = {
	{ "base_url", "https://api.moonshot.ai/v1" },
	{ "model_big", "kimi-k3" },
	{ "model_small", "kimi-k2.6" },
	{ "reasoning", "thinking" },
	{ "replay", "tools" },
	{ "forced_tool", "unthinking" },
	{ "prefill_member", "partial" },
	{ "max_tokens_member", "max_tokens" },
	{ "parallel_tool_calls", "false" },
	{ "drop_members", "tools.strict" },
	{ "strip_schema_null", "true" },
	{ "think_tags", "false" },
	END
};
static const struct preset_env moonshot_env[] = {
	{ "api_key", "MOONSHOT_API_KEY KIMI_API_KEY", NULL },
	{ "base_url", "MOONSHOT_BASE_URL", NULL },
	END_ENV
};

static const struct preset_setting zai[] = {
	CLONE,
	{ "base_url", "https://api.z.ai/api/anthropic" },
	{ "model_big", "glm-5.3" },
	{ "model_small", "glm-5.3-flash" },
	{ "drop_members", CLONE_MEMBERS },
	END
};
static const struct preset_setting zai_chat[] = {
	{ "base_url", "https://api.z.ai/api/paas/v4" },
	{ "model_big", "glm-5.3" },
	{ "model_small", "glm-5.3-flash" },
	{ "reasoning", "thinking" },
	{ "replay", "all" },
	{ "forced_tool", "refused" },
	{ "max_tokens_member", "max_tokens" },
	{ "parallel_tool_calls", "false" },
	{ "drop_members", "tools.strict" },
	{ "body", "tool_stream: true" },
	END
};
static const struct preset_env zai_env[] = {
	{ "api_key", "ZAI_API_KEY ZHIPU_API_KEY", NULL },
	{ "base_url", "ZAI_BASE_URL", NULL },
	END_ENV
};

/* A temperature of 0 is refused; M2 models have neither images nor documents. */
static const struct preset_setting minimax[] = {
	CLONE,
	{ "base_url", "https://api.minimax.io/anthropic" },
	{ "model_big", "MiniMax-M3" },
	{ "model_small", "MiniMax-M3" },
	{ "temperature_zero", "0.01" },
	{ "drop_members", "output_config, " CLONE_MEMBERS },
	END
};
/* Without reasoning_split its thinking stands in the text. */
static const struct preset_setting minimax_chat[] = {
	{ "base_url", "https://api.minimax.io/v1" },
	{ "model_big", "MiniMax-M3" },
	{ "model_small", "MiniMax-M3" },
	{ "replay", "details" },
	{ "max_tokens_member", "max_completion_tokens" },
	{ "temperature_zero", "0.01" },
	{ "body", "reasoning_split: true" },
	END
};
static const struct preset_env minimax_env[] = {
	{ "api_key", "MINIMAX_API_KEY", NULL },
	{ "base_url", "MINIMAX_BASE_URL", NULL },
	END_ENV
};

/* It has no tool_choice on its Messages side. */
static const struct preset_setting ollama[] = {
	CLONE,
	{ "base_url", "http://127.0.0.1:11434" },
	{ "path_models", "/v1/models" },
	{ "drop_members", "tool_choice, output_config, " CLONE_MEMBERS },
	END
};
static const struct preset_setting ollama_chat[] = {
	{ "base_url", "http://127.0.0.1:11434/v1" },
	{ "reasoning", "effort" },
	{ "max_tokens_member", "max_tokens" },
	{ "parallel_tool_calls", "false" },
	END
};
static const struct preset_env ollama_env[] = {
	{ "api_key", "OLLAMA_API_KEY", NULL },
	{ "base_url", "OLLAMA_BASE_URL", NULL },
	END_ENV
};

static const struct preset_setting llamacpp[] = {
	CLONE,
	{ "base_url", "http://127.0.0.1:8080" },
	{ "path_count", "/v1/messages/count_tokens" },
	{ "path_models", "/v1/models" },
	{ "drop_members", "output_config, " CLONE_MEMBERS },
	END
};
static const struct preset_setting llamacpp_chat[] = {
	{ "base_url", "http://127.0.0.1:8080/v1" },
	{ "replay", "all" },
	{ "max_tokens_member", "max_tokens" },
	{ "top_k", "true" },
	END
};
static const struct preset_env llamacpp_env[] = {
	{ "api_key", "LLAMACPP_API_KEY", NULL },
	{ "base_url", "LLAMACPP_BASE_URL", NULL },
	END_ENV
};

static const struct preset_setting vllm[] = {
	CLONE,
	{ "base_url", "http://127.0.0.1:8000" },
	{ "path_models", "/v1/models" },
	{ "drop_members", "output_config, " CLONE_MEMBERS },
	END
};
static const struct preset_setting vllm_chat[] = {
	{ "base_url", "http://127.0.0.1:8000/v1" },
	{ "reasoning", "effort" },
	{ "replay", "all" },
	{ "max_tokens_member", "max_tokens" },
	{ "top_k", "true" },
	END
};
static const struct preset_env vllm_env[] = {
	{ "api_key", "VLLM_API_KEY", NULL },
	{ "base_url", "VLLM_BASE_URL", NULL },
	END_ENV
};

/* A workspace refuses members that it does not know, the model's name among them where the path has
 * it. Its Claude 5.5 think through its Messages endpoint only. */
static const struct preset_setting databricks[] = {
	{ "host_suffix", ".azuredatabricks.net" },
	{ "base_path", "" },
	{ "auth_user", "token" },
	{ "path_message", "/serving-endpoints/{model}/invocations" },
	{ "path_models", "/api/2.0/serving-endpoints" },
	{ "model_big", "databricks-claude-sonnet-4-6" },
	{ "model_small", "databricks-claude-haiku-4-5" },
	{ "model_prefix", "databricks-" },
	{ "reasoning", "budget" },
	{ "replay", "summary" },
	{ "max_tokens_member", "max_tokens" },
	{ "stream_options", "false" },
	{ "cache_control", "true" },
	{ "parallel_tool_calls", "false" },
	{ "response_format", "false" },
	{ "strip_schema_null", "true" },
	{ "strip_thinking_retry", "true" },
	{ "think_tags", "false" },
	{ "drop_members", "model, tools.strict" },
	END
};
static const struct preset_setting databricks_messages[] = {
	{ "host_suffix", ".azuredatabricks.net" },
	{ "auth", "bearer" },
	{ "auth_user", "token" },
	{ "path_message", "/serving-endpoints/anthropic/v1/messages" },
	{ "path_count", "" },
	{ "path_models", "" },
	{ "model_big", "databricks-claude-sonnet-5-5" },
	{ "model_small", "databricks-claude-haiku-5-5" },
	{ "model_prefix", "databricks-" },
	{ "drop_betas", "*" },
	{ "drop_server_tools", "true" },
	{ "strip_schema_null", "true" },
	{ "strip_thinking_retry", "true" },
	{ "drop_members", "safeguards, diagnostics, thread, context_management, container, mcp_servers, "
		"speed, fallbacks, inference_geo, service_tier, output_config.task_budget, "
		"thinking.block_binding, messages.output_config, messages.clear_at, "
		"tools.eager_input_streaming, tools.defer_loading, tools.input_examples, "
		"tools.allowed_callers, *cache_control.ttl" },
	END
};
static const struct preset_env databricks_env[] = {
	{ "api_key", "DATABRICKS_TOKEN", NULL },
	{ "host", "DATABRICKS_HOST", NULL },
	END_ENV
};

/*
 * Claude's models on Bedrock are reached through inference profiles alone. One beta that is not
 * known there fails the whole request, so only those pass that have been seen to be taken; no API
 * lists them.
 */
static const struct preset_setting bedrock[] = {
	{ "base_url", "https://bedrock-runtime.{region}.amazonaws.com" },
	{ "region", "us-east-1" },
	{ "credential.kind", "aws" },
	{ "model_big", "global.anthropic.claude-sonnet-5-5" },
	{ "model_small", "global.anthropic.claude-haiku-5-5" },
	{ "drop_members", "metadata, cache_control, container, mcp_servers, service_tier, thread, "
		"diagnostics, speed, fallbacks, inference_geo" },
	{ "pass_betas", "claude-code-*, interleaved-thinking-*, thinking-token-count-*, "
		"context-management-2025-06-27, mid-conversation-system-2026-04-07, "
		"per-turn-control-2026-07-01, mid-conversation-tool-changes-2026-07-01, "
		"effort-2025-11-24, dangerous-tool-use-2026-09-03, tool-search-tool-2025-10-19, "
		"thinking-binding-controls-2026-08-01, context-1m-2025-08-07" },
	END
};
static const struct preset_env bedrock_env[] = {
	{ "api_key", "AWS_BEARER_TOKEN_BEDROCK", NULL },
	{ "base_url", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", NULL },
	{ "region", "AWS_REGION AWS_DEFAULT_REGION", NULL },
	{ "credential.client_id", "AWS_ACCESS_KEY_ID", NULL },
	{ "credential.client_secret", "AWS_SECRET_ACCESS_KEY", NULL },
	{ "credential.session", "AWS_SESSION_TOKEN", NULL },
	{ "credential.profile", "AWS_PROFILE", NULL },
	END_ENV
};

static const struct preset_setting gemini[] = {
	{ "base_url", "https://generativelanguage.googleapis.com/v1beta" },
	{ "model_big", "gemini-3.1-pro-preview" },
	{ "model_small", "gemini-3.8-flash" },
	END
};
static const struct preset_env gemini_env[] = {
	{ "api_key", "GEMINI_API_KEY GOOGLE_API_KEY", NULL },
	{ "base_url", "GEMINI_BASE_URL", NULL },
	END_ENV
};

static const struct preset_setting vertex[] = {
	{ "base_url", "https://{region-}aiplatform.googleapis.com/v1/projects/{project}"
		"/locations/{region}/publishers/google" },
	{ "region", "global" },
	{ "credential.kind", "google" },
	{ "auth", "bearer" },
	{ "path_models", "" },
	{ "count_wrapped", "false" },
	{ "model_big", "gemini-3.1-pro-preview" },
	{ "model_small", "gemini-3.8-flash" },
	END
};
static const struct preset_setting vertex_claude[] = {
	{ "base_url", "https://{region-}aiplatform.googleapis.com/v1/projects/{project}"
		"/locations/{region}/publishers/anthropic" },
	{ "region", "global" },
	{ "credential.kind", "google" },
	{ "mid_system", "keep" },
	{ "model_big", "claude-sonnet-5-5" },
	{ "model_small", "claude-haiku-5-5" },
	{ "drop_members", "container, mcp_servers, service_tier, thread, diagnostics, speed, "
		"fallbacks, inference_geo, safeguards" },
	{ "strip_thinking_retry", "true" },
	END
};
static const struct preset_env vertex_env[] = {
	{ "project", "VERTEX_PROJECT VERTEX_PROJECT_ID", NULL },
	{ "region", "VERTEX_LOCATION VERTEX_REGION GOOGLE_CLOUD_LOCATION CLOUD_ML_REGION", NULL },
	{ "base_url", "VERTEX_BASE_URL", NULL },
	{ "api_key", "VERTEX_ACCESS_TOKEN", NULL },
	{ "credential.source", "GOOGLE_APPLICATION_CREDENTIALS", NULL },
	END_ENV
};

/*
 * The v1 API, where the deployment is the model's name. The dated one that it replaces is had with
 * base_path = "" and path_message = "/openai/deployments/{model}/chat/completions?api-version=…".
 */
static const struct preset_setting azure_openai[] = {
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
static const struct preset_env azure_openai_env[] = {
	{ "api_key", "AZURE_OPENAI_API_KEY", NULL },
	{ "base_url", "AZURE_OPENAI_ENDPOINT", NULL },
	{ "host", "AZURE_OPENAI_RESOURCE", NULL },
	{ "model_big", "AZURE_OPENAI_DEPLOYMENT", NULL },
	{ "credential.tenant", "AZURE_TENANT_ID", NULL },
	{ "credential.client_id", "AZURE_CLIENT_ID", NULL },
	{ "credential.client_secret", "AZURE_CLIENT_SECRET", NULL },
	END_ENV
};

static const struct preset_setting cohere_api[] = {
	{ "base_url", "https://api.cohere.com" },
	{ "model_big", "command-a-03-2025" },
	{ "model_small", "command-r7b-12-2024" },
	END
};
static const struct preset_env cohere_env[] = {
	{ "api_key", "COHERE_API_KEY CO_API_KEY", NULL },
	{ "base_url", "COHERE_BASE_URL", NULL },
	END_ENV
};

const struct preset presets[] = {
	{ "OPENROUTER", "OpenRouter", "openai-chat", true, false, openrouter, openrouter_env },
	{ "OPENAI", "OpenAI", "openai", true, false, openai, openai_env },
	{ "LITELLM_OPENROUTER", "LiteLLM with OpenRouter's models", "openai-chat", false, false,
		litellm_openrouter, litellm_env },
	{ "LITELLM_MESSAGES", "LiteLLM, Messages API", "anthropic", false, true, litellm_messages,
		litellm_env },
	{ "ANTHROPIC", "Anthropic", "anthropic", true, true, anthropic_api, anthropic_env },
	{ "AZURE_OPENAI", "Azure OpenAI", "openai", true, false, azure_openai, azure_openai_env },
	{ "AZURE_DATABRICKS", "Databricks", "openai-chat", true, false, databricks, databricks_env },
	{ "COHERE", "Cohere", "cohere", true, false, cohere_api, cohere_env },
	{ "MISTRAL", "Mistral", "openai-chat", true, false, mistral, mistral_env },
	{ "GROQ", "Groq", "openai-chat", true, false, groq, groq_env },
	{ "XAI", "xAI", "openai-chat", true, false, xai, xai_env },
	{ "TOGETHER", "Together", "openai-chat", true, false, together, together_env },
	{ "FIREWORKS", "Fireworks", "openai-chat", true, false, fireworks, fireworks_env },
	{ "CEREBRAS", "Cerebras", "openai-chat", true, false, cerebras, cerebras_env },
	{ "PERPLEXITY", "Perplexity", "openai-chat", true, false, perplexity, perplexity_env },
	{ "ALIBABA", "Alibaba Model Studio", "openai-chat", true, false, alibaba, alibaba_env },
	{ "DEEPSEEK", "DeepSeek", "anthropic", true, false, deepseek, deepseek_env },
	{ "MOONSHOT", "Moonshot", "anthropic", true, false, moonshot, moonshot_env },
	{ "ZAI", "Z.ai", "anthropic", true, false, zai, zai_env },
	{ "MINIMAX", "MiniMax", "anthropic", true, false, minimax, minimax_env },
	{ "OLLAMA", "Ollama", "anthropic", false, false, ollama, ollama_env },
	{ "LLAMACPP", "llama.cpp", "anthropic", false, false, llamacpp, llamacpp_env },
	{ "VLLM", "vLLM", "anthropic", false, false, vllm, vllm_env },
	{ "BEDROCK", "AWS Bedrock", "bedrock", true, false, bedrock, bedrock_env },
	{ "GEMINI", "Google Gemini", "gemini", true, false, gemini, gemini_env },
	{ "VERTEX", "Google Vertex", "gemini", true, false, vertex, vertex_env },
	{ "VERTEX_ANTHROPIC", "Claude on Google Vertex", "vertex-anthropic", true, true,
		vertex_claude, vertex_env },
	{ NULL, NULL, NULL, false, false, NULL, NULL }
};

const struct preset_variant preset_variants[] = {
	{ "VERTEX", "vertex-anthropic", vertex_claude },
	{ "OPENROUTER", "anthropic", openrouter_messages },
	{ "AZURE_DATABRICKS", "anthropic", databricks_messages },
	{ "ALIBABA", "anthropic", alibaba_messages },
	{ "DEEPSEEK", "openai-chat", deepseek_chat },
	{ "MOONSHOT", "openai-chat", moonshot_chat },
	{ "ZAI", "openai-chat", zai_chat },
	{ "MINIMAX", "openai-chat", minimax_chat },
	{ "OLLAMA", "openai-chat", ollama_chat },
	{ "LLAMACPP", "openai-chat", llamacpp_chat },
	{ "VLLM", "openai-chat", vllm_chat },
	{ NULL, NULL, NULL }
};

const struct preset_absent presets_absent[] = {
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
