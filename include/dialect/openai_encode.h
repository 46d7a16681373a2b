/*
 * What the files of the openai-chat encoder share: one encoder per call of openai_encode, writing
 * one body front to back. Borrows the request, the target and the arena; owns only its scratch
 * buffer.
 */
#ifndef DIALECT_OPENAI_ENCODE_H
#define DIALECT_OPENAI_ENCODE_H

#include "dialect/dialect.h"
#include "json/edit.h"

/* What a model family asks for beside its backend; openai_traits.c holds the table. */
struct model_traits {
	const char *glob; /* on the last path segment of the model's name */
	unsigned flags;
	const char *effort_off; /* effort nearest to no thinking; NULL: none is known */
	const char *effort_top; /* highest effort it takes */
};
enum {
	TRAIT_COMPLETION = 1,       /* max_completion_tokens */
	TRAIT_NO_SAMPLING = 2,      /* refuses temperature and top_p */
	TRAIT_NO_STOP = 4,          /* refuses stop */
	TRAIT_NO_REASONING = 8,     /* refuses reasoning_effort */
	TRAIT_MUST_THINK = 16,      /* refuses to be told not to think */
	TRAIT_CLAUDE = 32,          /* takes thinking signatures of the API back */
	TRAIT_TOOLS_OR_EFFORT = 64, /* OpenAI's own host: tools with reasoning_effort "none" only */
	TRAIT_TAGS = 128,           /* writes its thinking into the text unless told otherwise */
	TRAIT_PROMPT_MODE = 256,    /* thinks by "prompt_mode" (Mistral) */
	TRAIT_EFFORT_ONLY = 512,    /* knows no "thinking" beside its effort */
};

struct openai_encoder {
	const struct encode_context *context;
	const struct message_request *request;
	const struct backend *backend;
	const struct model_traits *model;
	struct arena *arena;
	struct outgoing *out;
	struct segs *body; /* &out->body */
	bool first;        /* no top-level member has been written yet */
	struct buf scratch;
	struct call_ids *ids;   /* openai_ids.c; NULL until the first one */
	size_t dropped_cap;
};

/* Begins the top-level member `key` unless the backend's own `body` options drop or force it; then
 * false: write no value. */
bool openai_member(struct openai_encoder *e, const char *key);
/* Notes something that this backend can't have; what: a name or type. */
void openai_dropped(struct openai_encoder *e, struct span what);
void openai_put_name(struct openai_encoder *e, struct span name); /* short form, as a JSON string */
/* As opaque_get, of this backend's own state and into the scratch buffer, which is emptied before;
 * without memory for it the encoding fails. */
int openai_own_state(struct openai_encoder *e, struct span signature);
void openai_put_id(struct openai_encoder *e, struct span id, unsigned repeat);
/* openai_ids.c: an id in the backend's call_id_length characters; STR_NONE when memory ends. */
struct str openai_short_id(struct openai_encoder *e, struct str id);
/* openai_tools.c: gives a schema without what strict validators refuse to `take`, which must copy
 * it. False when that can't be made. */
bool openai_clean_schema(struct span schema, void (*take)(void *ctx, struct str made), void *ctx);

/* openai_parts.c: content as a list of parts, written as one string or as an array. */
enum part_kind { PART_TEXT, PART_IMAGE, PART_FILE, PART_JSON };
struct part {
	enum part_kind kind;
	bool glued; /* belongs to the part before: no separator between them */
	const char
		*lead; /* PART_TEXT: stands before the text, JSON string content; NULL: nothing */
	struct span *pieces; /* PART_TEXT: the text; PART_JSON: values one after the other */
	size_t npieces, cap;
	const struct block *block; /* PART_IMAGE, PART_FILE: the source is in there */
	struct span cache_control;
};
struct parts {
	struct openai_encoder *e;
	struct part *v;
	size_t n, cap;
	bool media, cached; /* some part is no text; some part keeps its cache_control */
	unsigned want;
};
/* What parts_add takes; where texts are wanted, media that is not becomes a sentence that says so.
 */
/* WANT_FILE_URLS: with WANT_FILES, for backends that fetch documents. WANT_CITED: texts that are to
 * be cited as PART_FILE, for backends that cite by themselves. */
enum {
	WANT_TEXT = 1, WANT_IMAGES = 2, WANT_FILES = 4, WANT_ALL = 7, WANT_FILE_URLS = 8,
	WANT_CITED = 16,
};
bool parts_cited(const struct block *b); /* its "citations" are enabled */

void parts_init(struct parts *ps, struct openai_encoder *e, unsigned want);
struct part *parts_text(struct parts *ps, struct span text); /* NULL when memory ends */
void parts_piece(struct parts *ps, struct part *p, struct span text);
struct part *parts_json(struct parts *ps, struct span json);
void parts_note(struct parts *ps,
		const char *cstr); /* a text of our own; cstr is static or the arena's */
void parts_add(struct parts *ps, const struct block *b);
void parts_cache(struct parts *ps,
		 struct span cache_control); /* for the last part, where the backend keeps them */
/*
 * The value of "content": a string joined by `glue` (JSON string content) where it says it all,
 * since many servers take nothing else for text; else an array. No parts: "". Where cache_control
 * is kept several texts always stay apart: the client moves its marks with every turn, and what a
 * message looks like must not depend on them, or no prefix would ever match.
 */
void parts_write(struct parts *ps, const char *glue);
/* A PART_TEXT as the content of a JSON string. */
void parts_write_text(struct segs *s, const struct part *p);

/* openai_history.c: text for blocks that only the API itself has. */
void history_server_block(struct parts *ps, const struct block *b);
void history_mid_system(struct parts *ps, const struct block *b);
bool history_is_mid_system(const struct block *b);
/* What a block of a system entry says: its text, or which tool comes or goes; absent: nothing. */
struct span history_system_text(struct openai_encoder *e, const struct block *b);
bool history_is_tool_change(const struct block *b);
/* Of such a block: the tool's name, and what follows "The tool NAME". */
struct span history_changed_tool(const struct block *b);
const char *history_change_words(const struct block *b);
struct span history_other_text(
	const struct block *b); /* "content" of an unknown block when it is a string */

/*
 * openai_reasoning.c: thinking blocks of one assistant message as the members in which the backend
 * wants them back, each with a comma in front. calls: the message calls tools.
 */
void openai_put_reasoning(struct openai_encoder *e, const struct block *const *blocks, size_t n,
			  bool calls);

/* The same for backends that want it as parts of the content, in front of all others. */
void openai_add_reasoning(struct parts *ps, const struct block *const *blocks, size_t n);

/* The body options leave this member out; also for members further in ("tools.strict"). */
bool openai_leaves_out(const struct openai_encoder *e, const char *key);
/* A demanded tool call that the backend would refuse: the choice stays open. */
bool openai_choice_stays_open(const struct openai_encoder *e);
/* Every turn of the history that calls tools has thinking in a form that the backend takes back;
 * Claude refuses the others while it thinks. */
bool openai_thinking_complete(struct openai_encoder *e); /* openai_reasoning.c */

int64_t openai_output_limit(const struct openai_encoder *e);    /* openai_options.c */
bool openai_tool_sent(const struct tool *t);                    /* openai_tools.c */
void openai_put_tool(struct openai_encoder *e, const struct tool *t);
/* Its name, description and parameters as members of an object, for dialects that wrap them
 * otherwise. */
void openai_put_function(struct openai_encoder *e, const struct tool *t);
/* All tools that go out, the choice among them and whether calls may stand side by side. */
void openai_put_tool_list(struct openai_encoder *e,
			  void (*put)(struct openai_encoder *e, const struct tool *t),
			  void (*put_choice_as)(struct openai_encoder *e));

/* The members of the body, one function a group. */
void openai_put_messages(struct openai_encoder *e); /* openai_messages.c */
void openai_put_tools(struct openai_encoder *e);    /* openai_tools.c */
void openai_put_format(struct openai_encoder *e);   /* openai_tools.c */
void openai_put_options(struct openai_encoder *e);  /* openai_options.c */
/* openai_caller.c: the name of the client's key where the backend is told it, and the session. */
void openai_put_caller(struct openai_encoder *e);
void openai_put_session(struct openai_encoder *e);
/* openai_traits.c: the row of a model, and its own word for an effort (NULL for NULL). */
const struct model_traits *openai_model_traits(const char *model);
const char *openai_effort_word(const char *model, const char *wanted);

/* For dialects that differ in the body alone. path: appended to base_url; NULL: no such endpoint.
 * body is not called for OP_MODELS. */
int openai_encode_as(const struct encode_context *c, enum op op, const char *path,
		     void (*body)(struct openai_encoder *e), struct outgoing *out,
		     struct fault *f) MUST_CHECK;
/* The members that the config puts into each body, and those that clients may. */
void openai_put_own_members(struct openai_encoder *e);
/* How many tools go out; notes those that don't. */
size_t openai_count_tools(struct openai_encoder *e);
bool openai_tool_sent(const struct tool *t);
const struct tool *openai_find_tool(const struct message_request *r, struct span name);
void openai_put_schema(struct openai_encoder *e, struct span schema);
/* Limits, sampling, reasoning and caller for the Responses API. */
void openai_put_responses_options(struct openai_encoder *e);

#endif
