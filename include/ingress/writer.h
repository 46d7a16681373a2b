/*
 * What the two forms of an answer share: a stream of events (writer_sse.c) and one Message object
 * (writer_whole.c). Time, commit and the end are the same for both (writer.c).
 */
#ifndef INGRESS_WRITER_H
#define INGRESS_WRITER_H

#include "ingress/ingress.h"

struct writer_form {
	const char *content_type;
	/* One block event or EVENT_START, or EVENT_RAW. */
	void (*event)(struct writer *w, const struct event *e);
	/* Prints the rest into w->out. */
	void (*finish)(struct writer *w);
	/* Prints the fault of an answer whose 200 has gone out. */
	void (*fault)(struct writer *w, const struct fault *f);
	const char *comment;            /* says nothing and shows whether the client is there */
	struct str before, after;       /* what stands around the JSON of a fault */
};
extern const struct writer_form writer_sse, writer_whole;

struct writer {
	struct sink sink;
	struct writer_options o;
	const struct writer_form *form;
	struct buf out;                 /* stream: what waits to go out; whole: the answer so far */
	bool committed;                 /* the 200 has gone out */
	bool started;                   /* message_start was printed */
	bool content, tool;             /* a block, a tool_use block was begun */
	bool ended, gone;
	/* The upstream's own events: any, a message_delta, message_stop. */
	bool raw, raw_reason, raw_stopped;
	int64_t commit_at;              /* when the 200 goes out at the latest; monotonic ms */
	int64_t last_bytes;
	int64_t last_event;             /* the same, of an event and not a comment */
	struct fault *fault;            /* what it ended with, in the arena */

	struct usage usage;
	enum stop_reason stop;
	int64_t blocks;                 /* begun so far */
	size_t content_bytes;           /* of all deltas, to guess the tokens nobody counted */
	struct buf id;                  /* content of a JSON string */
	struct buf stop_sequence;       /* the same */
	struct buf members;             /* ,"name":value … of the final delta */
	struct buf model;               /* what the backend reported, plain text */

	/* whole: of the block that is open */
	enum event_type open;
	struct buf held;                /* its input or signature, content of a JSON string */
	struct buf citations;
};

/* Makes a fault of our own and ends the answer with it. */
#define writer_fail(w, problem) \
	writer_fail_at(FAULT_SITE(FAULT_TRANSIENT, "api_error", problem), w, problem)
void writer_fail_at(const struct error_site *site, struct writer *w, const char *problem);
enum stop_reason writer_final_stop(const struct writer *w);
/* "id":…,"type":"message","role":"assistant","model":… */
void writer_put_head(struct writer *w, struct buf *b);
/* {"input_tokens":…}; final: all that is known, else what message_start says. */
void writer_put_usage(struct writer *w, struct buf *b, bool final);
/* "stop_reason":…,"stop_sequence":… */
void writer_put_stop(struct writer *w, struct buf *b);
/* An upstream's JSON text, which is or holds a message: its model is replaced when the route mapped
 * it; in an event around it (message_start), an input count of nothing by the estimate. */
void writer_put_message(struct writer *w, struct buf *b, struct span message, struct span text);

#endif
