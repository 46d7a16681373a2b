/*
 * Content events: what a decoder says it saw, and what filters, the order keeper and the writers pass on.
 * Sinks stack; each returns whether to go on, and that travels back to the transfer. Spans in an event live only during the call.
 */
#ifndef MESSAGE_EVENT_H
#define MESSAGE_EVENT_H

#include "json/span.h"
#include "message/fault.h"

enum event_type {
	/* The upstream answered with its first sign of a message. Decoders send it once before any other; .id is the
	 * upstream's (may be absent), .usage what is known so far. */
	EVENT_START,
	EVENT_TEXT,             /* .text: fragment of text */
	EVENT_THINKING,         /* .text: fragment of thinking */
	EVENT_SIGNATURE,        /* .text: signature of the thinking block before; replaces, comes once */
	EVENT_REDACTED,         /* .text: data of a redacted_thinking block, whole */
	EVENT_TOOL_START,       /* .key tells calls of one message apart; .id, .name both known */
	EVENT_TOOL_DELTA,       /* .key; .text: fragment of the input's JSON text, as the content of a string */
	EVENT_TOOL_STOP,        /* .key: no more fragments will come */
	EVENT_BLOCK,            /* .text: a whole block of any other type, as a JSON object */
	EVENT_CITATION,         /* .text: one citation object for the text block before */
	EVENT_BLOCK_STOP,       /* the text or thinking block ends here: a next fragment of the same kind opens a new one */
	EVENT_USAGE,            /* .usage: members >= 0 replace what was known */
	EVENT_STOP_REASON,      /* .stop (enum stop_reason), .text: the matched stop sequence for STOP_SEQUENCE */
	EVENT_MEMBER,           /* .name, .text: a further member of the final delta, copied as it is (safeguard_results) */
	EVENT_MODEL,            /* .text: the model that the backend reports, for the log */
	EVENT_PING,             /* the upstream is alive but said nothing */
	/* One event of an upstream that speaks the client's own protocol. .name: event name, .text: its data as received, .raw: what it is.
	 * The decoder sends EVENT_START/EVENT_USAGE/EVENT_STOP_REASON/EVENT_MODEL with .echo set before it, for the log alone. */
	EVENT_RAW,
	EVENT_FAULT,            /* .fault: the message can't be finished */
	/* The whole message is finished (only run() says so): whoever holds something back lets it go. */
	EVENT_END,
	/* Only the order keeper sends these, and only writers get them: a block opens (.opens: EVENT_TEXT, EVENT_THINKING or
	 * EVENT_TOOL_START with .id and .name) and closes. Every block event behind the keeper carries its place in .index. */
	EVENT_OPEN,
	EVENT_CLOSE,
};

enum raw_kind {
	RAW_MESSAGE_START, RAW_BLOCK_START, RAW_BLOCK_DELTA, RAW_BLOCK_STOP, RAW_MESSAGE_DELTA, RAW_MESSAGE_STOP, RAW_PING, RAW_ERROR,
	RAW_OTHER,
	RAW_WHOLE,              /* a whole Message object */
};

enum stop_reason {
	STOP_NOT_GIVEN,
	STOP_END_TURN,
	STOP_MAX_TOKENS,
	STOP_SEQUENCE,
	STOP_TOOL_USE,
	STOP_PAUSE_TURN,
	STOP_REFUSAL,
	STOP_CONTEXT_WINDOW,
	STOP_COMPACTION,
};
const char *stop_reason_name(enum stop_reason r);       /* "end_turn" …; NULL for STOP_NOT_GIVEN */

/* Tokens as the Messages API counts them: input excludes both cache members. -1: not known. */
struct usage {
	int64_t input, output, cache_read, cache_write, thinking;
	char cost[24];          /* the provider's own figure as it was written, "" if none */
};
#define USAGE_UNKNOWN ((struct usage){ -1, -1, -1, -1, -1, "" })
void usage_update(struct usage *u, const struct usage *later);  /* known members replace */

struct event {
	enum event_type type;
	enum event_type opens;  /* EVENT_OPEN */
	enum raw_kind raw;
	enum stop_reason stop;
	bool echo;              /* for the log only: an EVENT_RAW carries the same */
	unsigned key;
	int64_t index;          /* behind the keeper: the block's place in the answer; EVENT_RAW of a block: its index; else -1 */
	struct span id, name, text;
	struct usage usage;
	const struct fault *fault;
};

enum flow {
	FLOW_GO = 0,
	FLOW_STOP,              /* enough: stop the upstream call, the message ends well (a stop sequence was met) */
	FLOW_ABORT,             /* nobody reads this any more, or it can't be finished */
};

struct sink {
	enum flow (*event)(struct sink *self, const struct event *e);
};
static inline enum flow sink_event(struct sink *s, const struct event *e) { return s->event(s, e); }

/* Shorthands for decoders. */
enum flow sink_text(struct sink *s, enum event_type type, struct span text);
enum flow sink_tool(struct sink *s, enum event_type type, unsigned key, struct span id, struct span name, struct span text);
enum flow sink_stop(struct sink *s, enum stop_reason r);
enum flow sink_usage(struct sink *s, const struct usage *u);
enum flow sink_fault(struct sink *s, const struct fault *f);

#endif
