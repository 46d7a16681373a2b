/*
 * One HTTP call to a backend through libcurl: slots that keep connections, the transfer driven together with the client's
 * descriptor and timers, answers pushed to the caller as they arrive. Nothing else in the program mentions curl_easy or curl_multi.
 */
#ifndef UPSTREAM_UPSTREAM_H
#define UPSTREAM_UPSTREAM_H

#include "base/wait.h"
#include "json/segs.h"
#include "message/fault.h"
#include "message/target.h"

/* Once per process, before threads / after them. Returns -1 when libcurl is not usable. */
int upstream_setup(void);
void upstream_cleanup(void);

#define UPSTREAM_HEADERS 48
struct upstream_head {
	int status;
	char content_type[96];          /* lower case, without parameters */
	int retry_after;                /* seconds, rounded up; HTTP dates and retry-after-ms converted; -1 none */
	int should_retry;               /* x-should-retry; -1 none */
	char request_id[128];           /* request-id, x-request-id or x-generation-id; "" */
	/* Headers that pass to the client as they are: "anthropic-ratelimit-*", "anthropic-organization-id" … */
	size_t n;
	struct { char name[64]; char value[256]; } pass[UPSTREAM_HEADERS];
};

struct upstream_call {
	const char *method, *url;
	const char *const *headers;     /* "Name: value" */
	size_t nheaders;
	const struct segs *body;        /* NULL: none */
	const struct backend *backend;  /* authentication, timeouts, proxy, TLS */
	const char *caller_key;         /* passthrough: used instead of the backend's own */
	bool caller_bearer;
	struct waiter *waiter;          /* may be NULL */
	int64_t deadline;               /* clock_ms; CLOCK_NEVER */
	size_t max_body;                /* bytes of answer that on_data may get in all, 0: no limit */
	/* Called once when the final status line and headers have arrived. */
	int (*on_head)(void *ctx, const struct upstream_head *h);
	/* Bytes of the body, decoded (gzip), as they arrive. Non-zero stops the call (result UPSTREAM_STOPPED). */
	int (*on_data)(void *ctx, const char *p, size_t n);
	void *ctx;
};

enum upstream_result {
	UPSTREAM_DONE,          /* the whole answer has arrived */
	UPSTREAM_STOPPED,       /* on_data asked to stop */
	UPSTREAM_CANCELLED,     /* the waiter cancelled: client gone or stop */
	UPSTREAM_FAILED,        /* fault filled: connect, TLS, timeout (each with its own sentence), reset, cut */
};

/* Blocks until the call has ended, serving the waiter. The slot is given back before it returns. *sent tells whether the request
 * reached the backend (a connect failure did not). */
enum upstream_result upstream_perform(const struct upstream_call *c, struct fault *f);
/* A call whose waiter spent time blocked in a client write does not count that time against idle timeouts: the client side calls this. */
void upstream_note_blocked(struct waiter *w, int64_t ms);
/* True if the linked libcurl has the feature ("http2", "brotli", "ssl-openssl", "aws-sigv4"). */
bool upstream_feature(const char *name);
const char *upstream_library(void);     /* "libcurl/7.88.1 OpenSSL/3.0.22 …" */

/* SSE framing (upstream/sse.c): WHATWG rules; CRLF, CR or LF; comments skipped (counted as a sign of life); events of any size up to max. */
struct sse {
	struct buf line, data, name;    /* the partial line; the event so far */
	bool skip_lf, bom_seen;
	size_t max;
};
/* event: name ("" when there was none) and the joined data; comment: a ':' line. Both may be NULL. Non-zero stops the feeding and is returned. */
struct sse_handler {
	int (*event)(void *ctx, struct str name, struct str data);
	int (*comment)(void *ctx);
	void *ctx;
};
void sse_init(struct sse *s, size_t max);
void sse_release(struct sse *s);
/* -1: an event is larger than max (or memory ended). */
int sse_feed(struct sse *s, const char *p, size_t n, const struct sse_handler *h);
/* End of input: an event that lacks only its blank line is delivered (providers end so). */
int sse_finish(struct sse *s, const struct sse_handler *h);

#endif
