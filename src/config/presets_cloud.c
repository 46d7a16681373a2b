/*
 * Presets of providers whose address or credential is more than a URL and a key, or whose protocol
 * is their own.
 */
#include "config/preset_rows.h"

/* A workspace refuses members that it does not know, the model's name among them where the path has
 * it. Its Claude 5.5 think through its Messages endpoint only. */
const struct preset_setting preset_databricks[] = {
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
	{ "user", "true" },
	{ "user_member", "usage_context.end_user" },
	END
};
const struct preset_setting preset_databricks_messages[] = {
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
const struct preset_env preset_databricks_env[] = {
	{ "api_key", "DATABRICKS_TOKEN", NULL },
	{ "host", "DATABRICKS_HOST", NULL },
	END_ENV
};

/*
 * Claude's models on Bedrock are reached through inference profiles alone. One beta that is not
 * known there fails the whole request, so only those pass that have been seen to be taken; no API
 * lists them. Of the tools that are the API's own it has those that clients run, and tool search; any
 * other fails the request (code.claude.com, "Feature availability").
 */
const struct preset_setting preset_bedrock[] = {
	{ "base_url", "https://bedrock-runtime.{region}.amazonaws.com" },
	{ "models_url", "https://bedrock.{region}.amazonaws.com" },
	{ "region", "us-east-1" },
	{ "credential.kind", "aws" },
	{ "user", "true" },
	{ "user_member", "requestMetadata.user" },
	{ "model_big", "global.anthropic.claude-sonnet-5-5" },
	{ "model_small", "global.anthropic.claude-haiku-5-5" },
	{ "drop_members", "metadata, cache_control, container, mcp_servers, service_tier, thread, "
		"diagnostics, speed, fallbacks, inference_geo" },
	{ "drop_server_tools", "true" },
	{ "pass_server_tools", "bash_*, text_editor_*, computer_*, memory_*, tool_search_tool_*" },
	{ "pass_betas", "claude-code-*, interleaved-thinking-*, thinking-token-count-*, "
		"context-management-2025-06-27, mid-conversation-system-2026-04-07, "
		"per-turn-control-2026-07-01, mid-conversation-tool-changes-2026-07-01, "
		"effort-2025-11-24, dangerous-tool-use-2026-09-03, tool-search-tool-2025-10-19, "
		"thinking-binding-controls-2026-08-01, context-1m-2025-08-07" },
	END
};
const struct preset_env preset_bedrock_env[] = {
	{ "api_key", "AWS_BEARER_TOKEN_BEDROCK", NULL },
	{ "base_url", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", NULL },
	{ "models_url", "AWS_ENDPOINT_URL_BEDROCK", NULL },
	{ "region", "AWS_REGION AWS_DEFAULT_REGION", NULL },
	{ "credential.client_id", "AWS_ACCESS_KEY_ID", NULL },
	{ "credential.client_secret", "AWS_SECRET_ACCESS_KEY", NULL },
	{ "credential.session", "AWS_SESSION_TOKEN", NULL },
	{ "credential.profile", "AWS_PROFILE", NULL },
	END_ENV
};

const struct preset_setting preset_gemini[] = {
	{ "base_url", "https://generativelanguage.googleapis.com/v1beta" },
	{ "model_big", "gemini-3.1-pro-preview" },
	{ "model_small", "gemini-3.8-flash" },
	END
};
const struct preset_env preset_gemini_env[] = {
	{ "api_key", "GEMINI_API_KEY GOOGLE_API_KEY", NULL },
	{ "base_url", "GEMINI_BASE_URL", NULL },
	END_ENV
};

const struct preset_setting preset_vertex[] = {
	{ "base_url", "https://{aiplatform}.googleapis.com/v1/projects/{project}"
		"/locations/{region}/publishers/google" },
	{ "region", "global" },
	{ "credential.kind", "google" },
	{ "auth", "bearer" },
	{ "models_url", "https://{aiplatform}.googleapis.com" },
	{ "path_models", "/v1beta1/publishers/google/models?pageSize=1000" },
	{ "count_wrapped", "false" },
	{ "user", "true" },
	{ "user_member", "labels.user" },
	{ "model_big", "gemini-3.1-pro-preview" },
	{ "model_small", "gemini-3.8-flash" },
	END
};
/* System entries in mid-conversation become the user's, as on Bedrock: only Anthropic's own API has
 * them (platform.claude.com, "Mid-conversation system messages"). */
const struct preset_setting preset_vertex_claude[] = {
	{ "base_url", "https://{aiplatform}.googleapis.com/v1/projects/{project}"
		"/locations/{region}/publishers/anthropic" },
	{ "models_url", "https://{aiplatform}.googleapis.com" },
	{ "path_models", "/v1beta1/publishers/anthropic/models?pageSize=1000" },
	{ "region", "global" },
	{ "credential.kind", "google" },
	{ "model_big", "claude-sonnet-5-5" },
	{ "model_small", "claude-haiku-5-5" },
	{ "drop_members", "container, mcp_servers, service_tier, thread, diagnostics, speed, "
		"fallbacks, inference_geo, safeguards" },
	{ "strip_thinking_retry", "true" },
	END
};
const struct preset_env preset_vertex_env[] = {
	{ "project", "VERTEX_PROJECT VERTEX_PROJECT_ID", NULL },
	{ "region", "VERTEX_LOCATION VERTEX_REGION GOOGLE_CLOUD_LOCATION CLOUD_ML_REGION", NULL },
	{ "base_url", "VERTEX_BASE_URL", NULL },
	{ "api_key", "VERTEX_ACCESS_TOKEN", NULL },
	{ "credential.source", "GOOGLE_APPLICATION_CREDENTIALS", NULL },
	END_ENV
};

const struct preset_setting preset_cohere_api[] = {
	{ "base_url", "https://api.cohere.com" },
	{ "model_big", "command-a-plus-05-2026" },
	{ "model_small", "command-r7b-12-2024" },
	END
};
const struct preset_env preset_cohere_env[] = {
	{ "api_key", "COHERE_API_KEY CO_API_KEY", NULL },
	{ "base_url", "COHERE_BASE_URL", NULL },
	END_ENV
};
