/*
 * The rows of the presets table, a family a file: presets_chat.c, presets_messages.c,
 * presets_cloud.c. Only presets.c puts them together.
 */
#ifndef CONFIG_PRESET_ROWS_H
#define CONFIG_PRESET_ROWS_H

#include "config/preset.h"

#define END { NULL, NULL }
#define END_ENV { NULL, NULL, NULL }

extern const struct preset_setting preset_openrouter[], preset_openrouter_messages[],
	preset_openai[], preset_azure_openai[], preset_litellm_openrouter[],
	preset_litellm_messages[], preset_mistral[], preset_groq[], preset_xai[],
	preset_together[], preset_fireworks[], preset_cerebras[], preset_perplexity[],
	preset_alibaba[], preset_alibaba_messages[];
extern const struct preset_env preset_openrouter_env[], preset_openai_env[],
	preset_azure_openai_env[], preset_litellm_env[], preset_mistral_env[], preset_groq_env[],
	preset_xai_env[], preset_together_env[], preset_fireworks_env[], preset_cerebras_env[],
	preset_perplexity_env[], preset_alibaba_env[];

extern const struct preset_setting preset_anthropic_api[], preset_deepseek[],
	preset_deepseek_chat[], preset_moonshot[], preset_moonshot_chat[], preset_zai[],
	preset_zai_chat[], preset_minimax[], preset_minimax_chat[], preset_ollama[],
	preset_ollama_chat[], preset_llamacpp[], preset_llamacpp_chat[], preset_vllm[],
	preset_vllm_chat[];
extern const struct preset_env preset_anthropic_env[], preset_deepseek_env[],
	preset_moonshot_env[], preset_zai_env[], preset_minimax_env[], preset_ollama_env[],
	preset_llamacpp_env[], preset_vllm_env[];

extern const struct preset_setting preset_databricks[], preset_databricks_messages[],
	preset_bedrock[], preset_gemini[], preset_vertex[], preset_vertex_claude[],
	preset_cohere_api[];
extern const struct preset_env preset_databricks_env[], preset_bedrock_env[], preset_gemini_env[],
	preset_vertex_env[], preset_cohere_env[];

/*
 * Members of the Messages API and its betas that no clone knows; what drops a member drops its beta
 * with it. DeepSeek, Kimi and MiniMax demand the thinking of earlier turns; without a signature all
 * take it, and MiniMax refuses another's (NousResearch/hermes-agent#17510, #75779).
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

#endif
