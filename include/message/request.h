/*
 * A Messages request, parsed once and immutable: turns of blocks whose values are spans into the body.
 * Every ingress fills it; dialects read it and never see the body (but for an egress of the same protocol: raw and its
 * splice points). All memory is the request arena's or the body's.
 */
#ifndef MESSAGE_REQUEST_H
#define MESSAGE_REQUEST_H

#include "json/span.h"

enum role { ROLE_USER, ROLE_ASSISTANT, ROLE_SYSTEM };

enum block_type {
	BLOCK_TEXT,
	BLOCK_IMAGE,
	BLOCK_DOCUMENT,
	BLOCK_SEARCH_RESULT,
	BLOCK_TOOL_USE,
	BLOCK_TOOL_RESULT,
	BLOCK_THINKING,
	BLOCK_REDACTED_THINKING,
	BLOCK_SERVER_TOOL_USE,          /* server_tool_use, mcp_tool_use */
	BLOCK_SERVER_TOOL_RESULT,       /* *_tool_result but tool_result itself, mcp_tool_result */
	BLOCK_TOOL_REFERENCE,
	BLOCK_OTHER,                    /* a type this program does not know: never an error */
};

enum source_kind { SOURCE_NONE, SOURCE_BASE64, SOURCE_URL, SOURCE_FILE, SOURCE_TEXT, SOURCE_CONTENT };

/* Spans are SPAN_STR for strings, SPAN_JSON for other values, absent (SPAN_NONE) when not given or null. */
struct block {
	enum block_type type;
	enum source_kind source;        /* image, document */
	bool is_error;                  /* tool_result */
	struct span raw;                /* the whole block; SPAN_STR when content was a plain string */
	struct span type_name;
	struct span text;               /* text; thinking; search_result: source */
	struct span signature;          /* thinking: signature; redacted_thinking: data */
	struct span id;                 /* tool_use: id; results: tool_use_id */
	struct span name;               /* tool_use, server tools: name; tool_reference: tool_name */
	struct span input;              /* tool_use: an object; {} when absent */
	struct span media_type;         /* image, document */
	struct span data;               /* source's data, url, file_id or plain text */
	struct span title, context;     /* document, search_result */
	struct span cache_control;      /* an object */
	struct block *blocks;           /* tool_result, search_result, document of SOURCE_CONTENT */
	size_t nblocks;
};

struct turn {
	enum role role;
	struct block *blocks;           /* a plain string is one text block */
	size_t nblocks;
	struct span raw;                /* the whole message object */
	struct span output_config;      /* per-turn effort on a system entry */
};

struct tool {
	struct span raw;
	struct span name;               /* absent only for some server tools */
	struct span description;
	struct span input_schema;       /* an object; absent for server tools */
	struct span type;               /* absent for custom tools */
	struct span strict;
	struct span cache_control;
	bool server;                    /* has a type other than "custom" */
};

enum tool_choice { CHOICE_NONE_GIVEN, CHOICE_AUTO, CHOICE_ANY, CHOICE_TOOL, CHOICE_NONE };
enum thinking_mode { THINKING_NOT_GIVEN, THINKING_DISABLED, THINKING_ENABLED, THINKING_ADAPTIVE };

/* A member of the body itself. */
struct request_member {
	struct span name;               /* SPAN_STR */
	struct span value;              /* SPAN_JSON */
};

struct message_request {
	struct str body;                /* as received */
	/* All members of the body in their order, so that nobody walks it again to find one. */
	struct request_member *members;
	size_t nmembers;
	struct span model;              /* SPAN_STR; points into body: the splice point of an egress of the same protocol */
	const char *model_name;         /* the same as UTF-8, NUL-terminated */
	int64_t max_tokens;             /* 0 only in a count_tokens request or a cache pre-warm */
	bool stream;
	struct span stream_value;       /* JSON true/false; absent when not given */

	struct block *system;           /* a string is one text block */
	size_t nsystem;
	struct turn *turns;
	size_t nturns;
	struct tool *tools;
	size_t ntools;
	enum tool_choice tool_choice;
	struct span tool_choice_name;
	bool no_parallel_tools;         /* tool_choice.disable_parallel_tool_use */

	struct span temperature, top_p, top_k;          /* JSON numbers */
	struct span *stop_sequences;    /* SPAN_STR each, none empty */
	size_t nstop_sequences;
	struct span user_id;            /* metadata.user_id */
	enum thinking_mode thinking;
	int64_t thinking_budget;        /* tokens, 0 when not given */
	struct span effort;             /* output_config.effort */
	struct span format;             /* output_config.format (or output_format): {"type":"json_schema","schema":…} */
	struct span service_tier;
	struct span cache_control;      /* top level */
	bool thread_continue;           /* thread.type == "continue": the body holds only the new turn */
	struct span thread, safeguards, context_management, mcp_servers, container;     /* as given */

	/* What the header list says, for egress and log; NULL when not sent. */
	const char *beta;               /* anthropic-beta */
	const char *version;            /* anthropic-version */
	const char *session_id;         /* x-claude-code-session-id */
	const char *caller;             /* name of the client's access key; NULL: none */
	/* All anthropic-* headers but the two above, for an egress of the same protocol: "name: value", NULL-terminated; NULL for none. */
	const char *const *anthropic_headers;
};

/* A member of the body by its name, the last of equal ones; SPAN_STR for a string, else SPAN_JSON;
 * absent when it is not there. */
struct span request_member(const struct message_request *r, const char *name);

#endif
