/*
 * One Messages request against its target: encode, call, decode, retry before the first content. Needs no front: batches, tool rounds and
 * tests call it with any sink.
 */
#ifndef RUN_RUN_H
#define RUN_RUN_H

#include "base/arena.h"
#include "base/wait.h"
#include "dialect/dialect.h"
#include "upstream/upstream.h"

struct run_options {
	const struct message_request *request;
	const struct target *target;
	struct arena *arena;
	struct waiter *waiter;          /* may be NULL */
	bool stream;                    /* the client wants a stream */
	bool once;                      /* another member follows: no second try here */
	int64_t deadline;               /* clock_ms, of all members together; 0: none */
	size_t max_event, max_answer;   /* bytes: one upstream event; a whole upstream answer */
	/* True once content has reached the client: no retry any more. */
	bool (*content_sent)(void *ctx);
	/* The upstream's head of an attempt, whatever its status; the last one is the one that counts.
	 * Both are borrowed for the call. */
	void (*on_head)(void *ctx, const struct upstream_head *h, const struct outgoing *out);
	void *ctx;
	/* Makes the calls in the place of upstream_perform, for those who record or play them; NULL:
	 * that. */
	enum upstream_result (*perform)(void *perform_ctx, const struct upstream_call *c,
					struct fault *f);
	void *perform_ctx;
};

/* What happened, for the log. */
struct run_report {
	int attempts;
	int members;                    /* of a chain, that were asked */
	int upstream_status;            /* of the last attempt, 0 none */
	char upstream_id[128];
};

/* Returns 0 when the message is complete: EVENT_END has been sent to the sink. -1 with the fault filled otherwise (FAULT_CANCELLED when the client left). */
int run_message(const struct run_options *o, struct sink *sink, struct run_report *rep, struct fault *f) MUST_CHECK;
/* Asks a backend that can count. -1 with the fault filled; FAULT_CAPABILITY when it can't. */
int run_count(const struct run_options *o, int64_t *tokens, struct fault *f) MUST_CHECK;
/* GET of the backend's model list: calls add for each. Times out after `seconds`. */
int run_models(const struct backend *b, const char *caller_key, bool caller_bearer, struct arena *a, int seconds, struct waiter *w,
	       void (*add)(void *ctx, const struct model_info *m), void *ctx, struct fault *f) MUST_CHECK;

#endif
