/*
 * Presets of Anthropic and of providers and servers that speak its Messages API, and their chat
 * side where they have one.
 */
#include "config/preset_rows.h"

/* ANTHROPIC_BASE_URL is not here: it is the client's, and holds this gateway's own address. */
const struct preset_setting preset_anthropic_api[] = {
	{ "base_url", "https://api.anthropic.com" },
	{ "model_big", "claude-sonnet-5-5" },
	{ "model_small", "claude-haiku-5-5" },
	{ "mid_system", "keep" },
	{ "billing_header", "true" },
	END
};
const struct preset_env preset_anthropic_env[] = {
	{ "api_key", "ANTHROPIC_API_KEY", NULL },
	END_ENV
};

const struct preset_setting preset_deepseek[] = {
	CLONE,
	{ "base_url", "https://api.deepseek.com/anthropic" },
	{ "model_big", "deepseek-v4-pro" },
	{ "model_small", "deepseek-flash" },
	{ "drop_members", CLONE_MEMBERS },
	END
};
const struct preset_setting preset_deepseek_chat[] = {
	{ "base_url", "https://api.deepseek.com" },
	{ "base_path", "" },
	{ "model_big", "deepseek-v4-pro" },
	{ "model_small", "deepseek-flash" },
	{ "reasoning", "thinking" },
	{ "replay", "tools" },
	{ "max_tokens_member", "max_tokens" },
	{ "response_format", "false" },
	{ "think_tags", "false" },
	END
};
const struct preset_env preset_deepseek_env[] = {
	{ "api_key", "DEEPSEEK_API_KEY", NULL },
	{ "base_url", "DEEPSEEK_BASE_URL", NULL },
	END_ENV
};

/* The temperature is pinned there, and any other is refused. */
const struct preset_setting preset_moonshot[] = {
	CLONE,
	{ "base_url", "https://api.moonshot.ai/anthropic" },
	{ "model_big", "kimi-k3" },
	{ "model_small", "kimi-k2.6" },
	{ "forced_tool", "unthinking" },
	{ "drop_members", "temperature, top_p, top_k, " CLONE_MEMBERS },
	END
};
const struct preset_setting preset_moonshot_chat[] = {
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
const struct preset_env preset_moonshot_env[] = {
	{ "api_key", "MOONSHOT_API_KEY KIMI_API_KEY", NULL },
	{ "base_url", "MOONSHOT_BASE_URL", NULL },
	END_ENV
};

const struct preset_setting preset_zai[] = {
	CLONE,
	{ "base_url", "https://api.z.ai/api/anthropic" },
	{ "model_big", "glm-5.3" },
	{ "model_small", "glm-5.3-flash" },
	{ "drop_members", CLONE_MEMBERS },
	END
};
const struct preset_setting preset_zai_chat[] = {
	{ "base_url", "https://api.z.ai/api/paas/v4" },
	{ "model_big", "glm-5.3" },
	{ "model_small", "glm-5.3-flash" },
	{ "reasoning", "thinking" },
	{ "replay", "all" },
	{ "forced_tool", "refused" },
	{ "max_tokens_member", "max_tokens" },
	{ "parallel_tool_calls", "false" },
	{ "drop_members", "tools.strict" },
	{ "response_format", "false" },
	{ "body", "tool_stream: true" },
	END
};
const struct preset_env preset_zai_env[] = {
	{ "api_key", "ZAI_API_KEY ZHIPU_API_KEY", NULL },
	{ "base_url", "ZAI_BASE_URL", NULL },
	END_ENV
};

/* A temperature of 0 is refused; M2 models have neither images nor documents. */
const struct preset_setting preset_minimax[] = {
	CLONE,
	{ "base_url", "https://api.minimax.io/anthropic" },
	{ "model_big", "MiniMax-M3" },
	{ "model_small", "MiniMax-M3" },
	{ "temperature_zero", "0.01" },
	{ "drop_members", "output_config, " CLONE_MEMBERS },
	END
};
/* Without reasoning_split its thinking stands in the text. */
const struct preset_setting preset_minimax_chat[] = {
	{ "base_url", "https://api.minimax.io/v1" },
	{ "model_big", "MiniMax-M3" },
	{ "model_small", "MiniMax-M3" },
	{ "replay", "details" },
	{ "max_tokens_member", "max_completion_tokens" },
	{ "temperature_zero", "0.01" },
	{ "body", "reasoning_split: true" },
	END
};
const struct preset_env preset_minimax_env[] = {
	{ "api_key", "MINIMAX_API_KEY", NULL },
	{ "base_url", "MINIMAX_BASE_URL", NULL },
	END_ENV
};

/* It has no tool_choice on its Messages side. */
const struct preset_setting preset_ollama[] = {
	CLONE,
	{ "base_url", "http://127.0.0.1:11434" },
	{ "path_models", "/v1/models" },
	{ "drop_members", "tool_choice, output_config, " CLONE_MEMBERS },
	END
};
const struct preset_setting preset_ollama_chat[] = {
	{ "base_url", "http://127.0.0.1:11434/v1" },
	{ "reasoning", "effort" },
	{ "max_tokens_member", "max_tokens" },
	{ "parallel_tool_calls", "false" },
	END
};
const struct preset_env preset_ollama_env[] = {
	{ "api_key", "OLLAMA_API_KEY", NULL },
	{ "base_url", "OLLAMA_BASE_URL", NULL },
	END_ENV
};

const struct preset_setting preset_llamacpp[] = {
	CLONE,
	{ "base_url", "http://127.0.0.1:8080" },
	{ "path_count", "/v1/messages/count_tokens" },
	{ "path_models", "/v1/models" },
	{ "drop_members", "output_config, " CLONE_MEMBERS },
	END
};
const struct preset_setting preset_llamacpp_chat[] = {
	{ "base_url", "http://127.0.0.1:8080/v1" },
	{ "replay", "all" },
	{ "max_tokens_member", "max_tokens" },
	{ "top_k", "true" },
	END
};
const struct preset_env preset_llamacpp_env[] = {
	{ "api_key", "LLAMACPP_API_KEY", NULL },
	{ "base_url", "LLAMACPP_BASE_URL", NULL },
	END_ENV
};

const struct preset_setting preset_vllm[] = {
	CLONE,
	{ "base_url", "http://127.0.0.1:8000" },
	{ "path_models", "/v1/models" },
	{ "drop_members", "output_config, " CLONE_MEMBERS },
	END
};
const struct preset_setting preset_vllm_chat[] = {
	{ "base_url", "http://127.0.0.1:8000/v1" },
	{ "reasoning", "effort" },
	{ "replay", "all" },
	{ "max_tokens_member", "max_tokens" },
	{ "top_k", "true" },
	END
};
const struct preset_env preset_vllm_env[] = {
	{ "api_key", "VLLM_API_KEY", NULL },
	{ "base_url", "VLLM_BASE_URL", NULL },
	END_ENV
};
