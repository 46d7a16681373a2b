/*
 * Where a request goes: a backend's settings with preset and config merged, and the model's name there.
 * Part of the config snapshot, which the request holds; nothing here is changed after load.
 */
#ifndef MESSAGE_TARGET_H
#define MESSAGE_TARGET_H

#include "base/str.h"

enum framing { FRAMING_SSE, FRAMING_JSON };
enum auth_kind { AUTH_NONE, AUTH_BEARER, AUTH_HEADER, AUTH_BASIC, AUTH_SIGV4 };
/* What becomes of role "system" entries in the middle of the conversation. */
enum mid_system { MID_SYSTEM_KEEP, MID_SYSTEM_USER, MID_SYSTEM_HOIST };
/* How thinking budget and effort are said to the backend. */
enum reasoning_style {
	REASONING_NONE,         /* not said */
	REASONING_EFFORT,       /* "reasoning_effort": "low|medium|high…" (OpenAI and most) */
	REASONING_OPENROUTER,   /* "reasoning": {"effort"|"max_tokens"|"enabled"} */
	REASONING_THINKING,     /* "thinking": {"type":"enabled"|"disabled"} (DeepSeek, Kimi, GLM), with reasoning_effort */
	REASONING_BUDGET,       /* "thinking": {"type":"enabled","budget_tokens":n}, as the API itself (Databricks, Cohere) */
	REASONING_SWITCH,       /* "enable_thinking": true|false, "thinking_budget": n (Alibaba) */
	REASONING_PARSED,       /* reasoning_effort, and "reasoning_format": "parsed" (Groq) */
};
/* What becomes of thinking blocks in the history. */
enum reasoning_replay {
	REPLAY_DROP,
	REPLAY_TOOLS,           /* "reasoning_content" on assistant messages that call tools (DeepSeek, Kimi) */
	REPLAY_ALL,             /* "reasoning_content" on every assistant message that has it */
	REPLAY_DETAILS,         /* OpenRouter's "reasoning_details", restored from the signature; plain "reasoning" without one */
	REPLAY_PARTS,           /* content begins with {"type":"thinking","thinking":[text parts]} (Mistral) */
	REPLAY_SUMMARY,         /* content begins with {"type":"reasoning","summary":[…]}, restored from the signature (Databricks) */
	REPLAY_BLOCKS,          /* "thinking_blocks", restored from the signature (LiteLLM) */
};
/* A tool choice that demands a call. */
enum forced_tool {
	FORCED_TAKEN,
	FORCED_UNTHINKING,      /* refused while thinking is on: switched off, or the choice left open (Kimi) */
	FORCED_REFUSED,         /* the choice is left open */
};

/* What another provider signed, at a backend that verifies no signatures. */
enum foreign_thinking {
	FOREIGN_UNSIGNED,       /* without its signature */
	FOREIGN_BLANK,          /* with an empty one */
	FOREIGN_DROPPED,        /* left out */
};

/* Where a backend's credential comes from; rows of upstream/credential.c. */
enum credential_kind {
	CREDENTIAL_KEY,         /* api_key as it stands */
	CREDENTIAL_FILE,        /* a file, read again when it changes */
	CREDENTIAL_EXEC,        /* what a command prints */
	CREDENTIAL_OAUTH,       /* OAuth 2.0 client credentials at any token_url */
	CREDENTIAL_DATABRICKS,  /* the same of a Databricks workspace (M2M) */
	CREDENTIAL_ENTRA,       /* the same of Microsoft Entra ID; or a federated token for the secret */
	CREDENTIAL_MANAGED_IDENTITY,    /* Azure: the machine's own identity */
	CREDENTIAL_AWS,         /* AWS: profile, web identity, container or instance role; assumed role */
	CREDENTIAL_AWS_KEYS,    /* AWS: access key id, secret, session token as they stand */
	CREDENTIAL_GOOGLE,      /* Google: service account, the user's own login, metadata server */
};

/* "credential" of a backend: what its kind needs (config/credential.c checks). Never printed
 * where it is secret. */
struct credential_setting {
	enum credential_kind kind;
	const char *source;             /* FILE, GOOGLE, ENTRA: the path; EXEC: the command */
	const char *client_id, *client_secret;
	const char *host;               /* of the workspace; NULL: base_url's */
	const char *tenant;
	const char *scope;              /* NULL: the kind's usual one */
	const char *token_url;          /* NULL: the kind's usual one */
	const char *session;            /* AWS: session token beside the keys */
	const char *profile;            /* AWS: of the shared files */
	const char *role;               /* AWS: ARN of the role to assume; Google: account to be */
	const char *external_id, *session_name; /* AWS: of the role's session */
	int role_seconds;               /* AWS, Google: how long a session of the role is to last */
	int lifetime;                   /* seconds, where the answer does not say */
};

/* Bedrock's guardrail; id NULL: none. */
struct guardrail_setting {
	const char *id, *version;
	const char *trace;              /* "enabled", "disabled", "enabled_full"; NULL: not said */
};

struct header_setting { const char *name, *value; };
struct body_member { const char *name; const char *json; };    /* json NULL: drop the member */

struct backend {
	const char *name;               /* as in the config; "OPENROUTER" */
	const char *origin;             /* lower case [a-z0-9-]: marks opaque state that may go back here only */
	const char *preset;             /* preset it begins with; NULL: none */
	const char *dialect;            /* name of the dialect table row */
	const char *base_url;           /* without a slash at its end, "https://openrouter.ai/api/v1" */
	const char *base_path;          /* appended to a base_url that has no path; NULL: the dialect's */
	const char *path_message;       /* appended to base_url: "/chat/completions" */
	const char *path_responses;     /* the same for openai-responses: "/responses" */
	const char *const *responses_models;    /* dialect "openai": models that it is used for (glob); NULL-terminated */
	const char *path_count;         /* NULL: cannot count */
	const char *path_models;        /* NULL: has no list; several are separated by spaces */
	const char *models_url;         /* where those are; NULL: at base_url */
	enum auth_kind auth;
	const char *region;             /* AWS, Google: where base_url is; NULL elsewhere */
	struct guardrail_setting guardrail;     /* Bedrock */
	const char *service_tier;       /* Bedrock: "priority", "default", "flex", "reserved"; NULL: not said */
	const char *latency;            /* Bedrock: "standard", "optimized"; NULL: not said */
	const char *project;            /* Google: whose base_url it is; NULL elsewhere */
	const char *auth_header;        /* header name for AUTH_HEADER, "x-api-key" */
	const char *api_key;            /* resolved; NULL when none. Never printed. */
	const char *api_key_from;       /* where it came from, for messages: "OPENROUTER_API_KEY in the environment" */
	/* Further keys that take turns with api_key; NULL-terminated. */
	const char *const *api_keys;
	/* With several keys: this backend with each of them alone, for the run to choose from. */
	const struct backend *ways;
	size_t nways;
	/* Its key's name in the host table: the backend's and a hash. NULL: it has no key. */
	const char *key_mark;
	struct credential_setting credential;
	const char *proxy;              /* NULL: from the environment; "" : never */
	const char *ca_file;            /* NULL: the system's */
	bool tls_verify;
	bool http2;
	bool passthrough;               /* the caller's own key goes here */
	bool anthropic_host;            /* Anthropic's own API: nothing in the body changes but what must */

	int connect_timeout;            /* seconds each */
	int first_byte_timeout;
	int idle_timeout;
	int timeout;                    /* whole call */
	int retries;                    /* further tries after the first, before any content */

	enum mid_system mid_system;
	enum reasoning_style reasoning;
	enum reasoning_replay replay;
	bool tools_or_reasoning;        /* newer GPT models take tools only with reasoning_effort "none" */
	bool stream_options;            /* send stream_options.include_usage */
	bool stop;                      /* the backend takes stop sequences (they are enforced here in any case) */
	int stop_max;                   /* at most this many are sent */
	bool cache_control;             /* keep cache_control on text parts */
	bool parallel_tool_calls;       /* knows the member of that name */
	bool tool_images;               /* tool messages may hold image parts */
	bool files;                     /* takes PDF as a "file" part */
	bool top_k;                     /* knows top_k */
	bool user;                      /* tell the name of the client's access key */
	const char *user_member;        /* where: "user", "usage_context.end_user"; NULL: nowhere */
	bool response_format;           /* knows json_schema response formats */
	bool strip_schema_null;         /* drop null "required"/"type" and "$schema" from schemas */
	bool think_tags;                /* "<think>…</think>" at the start of the text is thinking */
	bool strip_thinking_retry;      /* one retry without thinking when a signature is refused */
	bool json_schema;               /* gemini: schemas go as they stand, in the members for JSON Schema */
	bool count_wrapped;             /* gemini: a token count holds a whole request (AI Studio) */
	bool tool_result_merge;         /* user text after tool results goes into the last of them (Mistral) */
	bool billing_header;            /* keep Claude Code's x-anthropic-billing-header text */
	int tool_name_max;              /* longest tool name, 64 */
	int call_id_length;             /* call ids are so many letters and digits (Mistral: 9); 0: any id */
	bool tool_result_name;          /* tool messages carry the tool's "name" (Mistral) */
	bool plain_parts;               /* "image_url" is a string, PDF goes as "document_url" (Mistral) */
	bool tool_plan;                 /* text beside calls goes as "tool_plan" (Cohere) */
	const char *prefill_member;     /* marks an assistant message at the end ("prefix", "partial"); NULL: none */
	const char *required_word;      /* tool_choice for a call of any tool: "required", "any" */
	enum forced_tool forced_tool;
	const char *temperature_zero;   /* what 0 becomes where that is refused; NULL: 0 */
	const char *const *pass_members;/* openai-chat: members of the client's body that go on as they are; NULL-terminated */
	bool plain_thinking;            /* anthropic: knows thinking on and off, not adaptive; no effort beside "disabled" */
	enum foreign_thinking foreign_thinking; /* anthropic: of another provider's thinking */
	bool drop_server_tools;         /* anthropic: tools that only the API itself runs are left out */
	const char *const *pass_server_tools; /* of these the types that stay; NULL-terminated */
	const char *auth_user;          /* Basic: the user where the key is only a password ("token") */
	const char *host;               /* what base_url is made from where it is not set: "adb-123.4" */
	const char *api_version;        /* Azure OpenAI: "2024-10-21", "preview"; NULL: the API without dates */
	const char *host_suffix;        /* appended to a host without a domain: ".azuredatabricks.net" */
	const char *model_prefix;       /* put before the model's name unless it begins so ("openrouter/"); NULL: none */
	const char *model_big, *model_small;    /* what "big" and "small" mean here; NULL: models.big, models.small */
	const char *session_member;     /* body member for the client's session id ("session_id"); NULL: not sent */
	const char *beta_header;        /* header for the client's anthropic-beta values ("x-anthropic-beta"); NULL: none */
	const char *const *pass_betas;  /* openai-chat: the values that go there (glob); NULL-terminated */
	const char *max_tokens_member;  /* "max_tokens" or "max_completion_tokens"; NULL: by model name */
	int64_t max_tokens_min, max_tokens_max; /* clamp; 0: none */
	int64_t context_tokens;         /* the models' window where known; 0: not known */
	const char *const *drop_members;/* Messages-compatible: body members that it refuses; NULL-terminated */
	const char *const *drop_betas;  /* anthropic-beta values that it refuses (glob); NULL-terminated; {"*"}: all */
	const struct header_setting *headers;   /* further headers; name NULL ends */
	const struct body_member *body; /* forced or dropped body members (openai-chat: appended); name NULL ends */
};

/* One member of a chain: what one upstream call needs to know. */
struct target {
	const struct backend *backend;  /* with the target's own options laid over it */
	const char *model;              /* name at the backend */
	bool mapped;                    /* differs from what was asked for */
	const char *caller_key;         /* passthrough: the caller's own key; else NULL */
	bool caller_bearer;             /* it came as Authorization: Bearer */
	const char *rule;               /* which rule decided, for the log and --route */
};

/* A decision: members in the order in which they are tried, at least one. */
struct target_chain {
	struct target *v;
	size_t n;
};

#endif
