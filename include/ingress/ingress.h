/*
 * Ingress: what clients speak. A table row parses a request, writes errors, and makes the writers
 * that end the chain of sinks. Anthropic's Messages is the first row.
 */
#ifndef INGRESS_INGRESS_H
#define INGRESS_INGRESS_H

#include "base/arena.h"
#include "http/answer.h"
#include "message/event.h"
#include "message/request.h"

/* PARSE_NAMED: a message whose path names the model, so that the body need not. */
enum parse_for { PARSE_MESSAGE, PARSE_COUNT, PARSE_NAMED };

/* Parses and validates a Messages body into r (zeroed here); spans borrow from body, the rest lives
 * in the arena. -1 with a fault that names the field ("messages.3.content.0.text: …") or the byte
 * where it stops being JSON. Unknown members and block types never fail. */
int anthropic_parse(struct message_request *r, struct str body, enum parse_for what,
		    struct arena *a, struct fault *f);

/* {"type":"error","error":{"type","message"[,"details"]},"error_id","request_id"}; appended to b.
 * error_id is the site's (base/site.h). A fault with raw set gives raw itself. */
int anthropic_error_body(struct buf *b, const struct fault *f, const char *request_id);
/* The same where there is no memory: that of running out of it, in text of ERROR_SPARE_SIZE. */
#define ERROR_SPARE_SIZE 256
struct str anthropic_error_spare(char *text, size_t size, const char *request_id);
/* Answers with a fault: status, x-error-id, retry-after, x-should-retry, Allow, body. Before
 * answer_begin. */
int anthropic_error_answer(struct answer *a, const struct fault *f);

struct stream_settings {
	int64_t commit_after_ms;        /* 25000: then 200 and comments */
	int64_t ping_ms;                /* after message_start */
	int64_t probe_ms;               /* comment on a silent stream: has the client gone? */
};

/*
 * Last sink for stream and whole answers. The 200 comes late: nothing is written before the first
 * event or commit_after, or probe_ms after the backend's own 200 (writer_opened). writer_fault before the commit answers with the fault's status; after it
 * with an `error` event (stream) or an error object (whole).
 *
 * What the events of one upstream read come to goes out together, with one write and one flush: it
 * is collected, and as long as something waits writer_due() is 0, so that the owner's next look at
 * the clock calls writer_tick (16 KB do not wait).
 */
struct writer;
struct writer_options {
	struct answer *answer;
	struct arena *arena;
	const char *model;              /* what the client asked for: `model` of the answer */
	const char *model_raw;          /* JSON string content of the same, as it came */
	bool model_mapped;              /* EVENT_RAW: replace message.model by it */
	bool stream;
	int64_t input_estimate;         /* for message_start when the upstream has not said */
	struct stream_settings stream_settings;
	/* Called once right before the head of a 200 is written: adds headers that depend on the
	 * upstream's. */
	void (*on_commit)(void *ctx, struct answer *a);
	void *ctx;
	size_t max_whole;               /* bytes of a whole answer that may be collected */
};
/* In the arena; NULL when memory ends. */
struct writer *writer_new(const struct writer_options *o);
void writer_release(struct writer *w);
struct sink *writer_sink(struct writer *w);
/* Time: call when writer_due() has passed; writes a comment, ping, or commits. -1: the client has
 * gone. */
int writer_tick(struct writer *w, int64_t now);
int64_t writer_due(const struct writer *w);
/* The backend has answered 200. Its stream may stay silent for long, and then most web servers
 * would not tell that the client has gone; an error that follows at once still gets its own
 * status. */
void writer_opened(struct writer *w);
bool writer_committed(const struct writer *w);
/* Content has gone out (or been collected): no retry any more. */
bool writer_content(const struct writer *w);
bool writer_gone(const struct writer *w);       /* a write failed */
/* Ends the message: message_delta and message_stop, or the whole Message. Nothing happens after a
 * fault. -1: the client has gone. */
int writer_finish(struct writer *w);
/* Ends it with a fault; only the first one counts, be it this or an EVENT_FAULT. */
int writer_fault(struct writer *w, const struct fault *f);
/* The fault that the client was told, NULL when there was none: filters and the writer itself make
 * some (too large, illegal order). */
const struct fault *writer_ended_with(const struct writer *w);
/* For the log. */
const struct usage *writer_usage(const struct writer *w);
/* Output tokens as far as the answer has gone, by its size. */
int64_t writer_tokens_sent(const struct writer *w);
enum stop_reason writer_stop_reason(const struct writer *w);
struct str writer_backend_model(const struct writer *w);

#endif
