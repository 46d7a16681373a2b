/*
 * What the parts of the openai-chat decoder share: openai_decode.c reads chunks, openai_calls.c
 * tells tool calls apart, openai_thinking.c gathers reasoning. All memory is the call's arena.
 */
#ifndef DIALECT_OPENAI_DECODE_H
#define DIALECT_OPENAI_DECODE_H

#include "dialect/dialect.h"
#include "dialect/openai_snapshots.h"
#include "json/progress.h"

/* Bytes gathered in an arena. */
struct gather {
	char *p;
	size_t n, cap;
};
int gather_put(struct arena *a, struct gather *g, const char *p, size_t n) MUST_CHECK;

/* How far the beginning of a call's arguments has told what they are: nothing yet, an object, whose
 * fragments go through as they come, or something else, which is looked at when the call ends. */
enum arguments_kind { ARGUMENTS_OPEN, ARGUMENTS_OBJECT, ARGUMENTS_OTHER };

/* One tool call of the answer. Nothing is sent before its name is known. */
struct openai_call {
	int64_t index;                  /* as the backend numbers it; -1: it did not */
	struct span id, name;           /* SPAN_UTF8 copies; absent until seen */
	struct json_progress progress;  /* of the arguments */
	struct gather held;             /* arguments that were not sent yet, as content of a string */
	enum arguments_kind kind;
	struct snapshots snapshots;     /* whether fragments repeat what was before */
	bool started, stopped;
};

/* One item of "reasoning_details", merged from the pieces that belong to it. */
struct openai_detail {
	struct span raw;                /* the first piece, a copy */
	struct span type, id, index;    /* into raw */
	unsigned pieces;
	struct gather text;             /* of text, summary or data, as content of a string */
	struct span signature;          /* the last one given; a copy */
};

/* Where the answer's text stands to "<think>…</think>". */
enum think_state { THINK_START, THINK_INSIDE, THINK_BEHIND, THINK_OVER };

struct openai_decoder {
	const struct decode_context *c;
	bool started;                   /* EVENT_START has been sent */
	bool content;                   /* so has a part of the answer */
	bool done;                      /* the answer's own end was met: "[DONE]", or a whole body */
	bool finished;                  /* a finish reason was given */
	enum stop_reason stop;
	struct span stop_sequence;
	struct usage usage;

	struct openai_call *calls;
	size_t ncalls, calls_cap;

	struct openai_detail *details;
	size_t ndetails, details_cap;
	size_t details_sent;            /* those before it are in a signature that has been sent */
	size_t plain_bytes, detail_bytes;       /* reasoning received in either form */
	bool thinking;                  /* a thinking block is open and has no signature yet */

	struct span citations;          /* pages that the answer rests on; openai_citations.c */

	enum think_state think;
	unsigned tag_at;                /* bytes of the tag that have matched so far */
};

/* Fills out[i] with the value of the member names[i] of obj, absent where there is none; one
 * pass. */
void openai_pick(struct span obj, const char *const *names, size_t n, struct span *out);
/* The message can't be finished: sends f; never FLOW_GO. */
enum flow openai_fault(struct sink *s, const struct fault *f);
enum flow openai_no_memory(struct sink *s);
/* body holds an error in any of the known shapes; error is its member of that name, if any. */
enum flow openai_answer_failed(struct openai_decoder *d, struct sink *s, struct str body,
			       struct span error);
/* A text that is no JSON object where one must be; what: "an answer". */
enum flow openai_not_json(struct openai_decoder *d, struct sink *s, const char *what,
			  struct str text);

/* One element of "tool_calls", or "function_call"; whole: it is complete and no part of another
 * one. */
enum flow openai_tool_call(struct openai_decoder *d, struct sink *s, struct span call, bool whole);
/* What one event says of a call. */
struct openai_fragment {
	int64_t index;                  /* -1: none */
	struct span id, name;           /* absent when empty */
	struct span arguments;          /* SPAN_STR or SPAN_UTF8; absent when empty */
};
enum flow openai_call_fragment(struct openai_decoder *d, struct sink *s,
			       const struct openai_fragment *f, bool whole);
/* Text begins: the call before it is as good as complete when its arguments look so. */
enum flow openai_calls_settle(struct openai_decoder *d, struct sink *s);
/* Ends every call. -1 when one never got a name. */
int openai_calls_end(struct openai_decoder *d, struct sink *s, enum flow *flow);
bool openai_calls_any(const struct openai_decoder *d);

/* Reasoning of one delta or message: the plain text (may be absent) and "reasoning_details". */
enum flow openai_reasoning(struct openai_decoder *d, struct sink *s, struct span plain,
			   struct span details);
enum flow openai_thinking_text(struct openai_decoder *d, struct sink *s, struct span text);
/* Other content comes, or nothing more: sends the signature that the thinking so far lacks. */
enum flow openai_thinking_end(struct openai_decoder *d, struct sink *s);

/* openai_citations.c: the list of one chunk; -1 when memory ends. */
int openai_note_citations(struct openai_decoder *d, struct span list) MUST_CHECK;
enum flow openai_citations_end(struct openai_decoder *d, struct sink *s);
/* One citation of the API's; at: number of the source in the answer. */
int citation_put(struct buf *b, struct span source, struct span title, struct span text, size_t at);

/* Text of the answer; takes a leading <think> element out where the backend writes one. */
enum flow openai_text(struct openai_decoder *d, struct sink *s, struct span text);
enum flow openai_text_end(struct openai_decoder *d, struct sink *s);

#endif
