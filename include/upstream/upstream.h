/*
 * One HTTP call to a backend through libcurl: slots that keep connections, the transfer driven
 * together with the client's descriptor and timers, answers pushed to the caller as they arrive.
 * Nothing else in the program mentions curl_easy or curl_multi.
 */
#ifndef UPSTREAM_UPSTREAM_H
#define UPSTREAM_UPSTREAM_H

#include "base/wait.h"
#include "json/segs.h"
#include "message/fault.h"
#include "message/target.h"
#include "upstream/sse.h"

/* Once per process, before threads / after them. Returns -1 when libcurl is not usable. */
int upstream_setup(void) MUST_CHECK;
void upstream_cleanup(void);
/* Closes kept connections that nobody has used for a while. Every call does so too; a process
 * that gets no requests calls this now and then (each half minute or so). */
void upstream_idle(void);

/* Belongs to the call; valid while on_head runs. */
struct upstream_head {
	int status;
	char content_type[96];          /* lower case, without parameters */
	/* Seconds, rounded up; HTTP dates and retry-after-ms converted; -1 none. */
	int retry_after;
	int should_retry;               /* x-should-retry; -1 none */
	char request_id[128];           /* request-id, x-request-id or x-generation-id; "" */
	char error_type[80];            /* x-amzn-errortype as it came; "" */
	char cost[32];                  /* x-litellm-response-cost, in dollars, as it came; "" */
	char server[64];                /* "" */
	/* Headers that pass to the client as they are ("anthropic-*"), names in lower case, one
	 * after the other as "name: value\n"; borrowed like all of this. (A fixed table would
	 * cost every stream 15 KB.) */
	struct str pass;
};

/* How far a call came that has failed. */
enum upstream_lost {
	LOST_NOT,
	LOST_CREDENTIAL,     /* there was none to be had: the fault says why */
	LOST_URL,
	LOST_NAME,           /* the host's name is not known */
	LOST_PROXY,
	LOST_CONNECT,        /* refused, or no way there */
	LOST_CONNECT_TIME,
	LOST_TRUST,          /* the certificate is not trusted */
	LOST_ANCHORS,        /* what is trusted can't be read */
	LOST_TLS,
	LOST_SENDING,        /* the connection broke while the request was sent */
	LOST_ANSWER,         /* broken, cut, or no HTTP */
	LOST_TIME,           /* no answer, or not all of it, in time */
	LOST_OTHER,
};

/* What is to be seen of the connection itself, for who looks for faults in it. Times are
 * milliseconds from the call's start, -1: not so far. */
struct upstream_look {
	int64_t resolved_ms, connected_ms, secured_ms;
	char address[64];               /* of the peer (or the proxy), "" */
	int64_t certificate_expires;    /* the peer's own, wall seconds; 0: not known */
	char issuer[128];               /* of it, "" */
	char anchors[256];              /* where the trusted certificates come from, "" not known */
};

/* What became of a call, for the log and for deciding on a retry. Times count from the call's
 * start; -1: not reached. */
struct upstream_report {
	int64_t connect_ms;             /* connection (TLS, proxy) ready; 0 for a kept one */
	int64_t first_byte_ms;          /* the answer's head */
	uint64_t received;              /* bytes of the body, as on_data got them */
	bool sent;                      /* the request may have reached the backend */
	bool reused;                    /* a kept connection was used */
	enum upstream_lost lost;
};

struct upstream_call {
	const char *method, *url;
	const char *const *headers;     /* "Name: value" */
	size_t nheaders;
	const struct segs *body;        /* NULL: none */
	const struct backend *backend;  /* authentication, timeouts, proxy, TLS */
	const char *caller_key;         /* passthrough: used instead of the backend's own */
	bool caller_bearer;
	/* The answer is no stream and may come compressed. A stream is asked for as it is:
	 * compressors hold bytes back. (One that comes compressed all the same is decoded.) */
	bool compress;
	struct waiter *waiter;          /* may be NULL */
	int64_t deadline;               /* clock_ms; CLOCK_NEVER */
	size_t max_body;                /* bytes that on_data may get in all, 0: no limit */
	/* Called once when the final status line and headers have arrived. Non-zero stops the
	 * call. */
	int (*on_head)(void *ctx, const struct upstream_head *h);
	/* Bytes of the body, decoded (gzip), as they arrive. Non-zero stops the call (result
	 * UPSTREAM_STOPPED). */
	int (*on_data)(void *ctx, const char *p, size_t n);
	void *ctx;
	struct upstream_report *report; /* filled if not NULL */
	struct buf *secrets;            /* not NULL: gets each that goes out (base/redact.h) */
	struct upstream_look *look;     /* not NULL: a connection of its own, that is looked at */
};

enum upstream_result {
	UPSTREAM_DONE,          /* the whole answer has arrived */
	UPSTREAM_STOPPED,       /* on_head or on_data asked to stop */
	UPSTREAM_CANCELLED,     /* the waiter cancelled: client gone or stop */
	UPSTREAM_FAILED,        /* fault filled: connect, TLS, timeout, reset, cut … */
};

/*
 * Blocks until the call has ended, serving the waiter. The slot is given back before it returns.
 * Time that passes inside on_head, on_data and the waiter's functions (a client that is slow to
 * read) counts against none of the backend's timeouts; the deadline stands.
 */
enum upstream_result upstream_perform(const struct upstream_call *c, struct fault *f) MUST_CHECK;

/* True if the linked libcurl has "http2", "https-proxy", or speaks the protocol ("https", "socks5"
 * …). */
bool upstream_feature(const char *name);
const char *upstream_library(void);     /* "libcurl/7.88.1 OpenSSL/3.0.22 …" */

#endif
