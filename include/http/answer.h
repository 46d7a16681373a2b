/*
 * The answer to one request: state (head, body, done), headers that every answer carries, CORS.
 * Nothing behind it knows whether it is CGI or FastCGI.
 */
#ifndef HTTP_ANSWER_H
#define HTTP_ANSWER_H

#include "base/buf.h"
#include "front/front.h"
#include "http/request.h"

enum answer_state { ANSWER_NONE, ANSWER_HEAD, ANSWER_BODY, ANSWER_BROKEN };

struct answer {
	struct front *front;
	enum answer_state state;
	bool head_only;                 /* HEAD: headers, no body */
	int status;
	struct buf headers;             /* "Name: value\r\n" of answer_header */
	int retry_after;                /* seconds, a header of its own; -1: none */
	int64_t started_us;
	int64_t first_byte_us;          /* 0 until the first body byte was flushed */
	size_t bytes;                   /* body bytes written */
	const struct http_request *request;     /* for ids and CORS */
};

void answer_init(struct answer *a, struct front *f, const struct http_request *r);
void answer_release(struct answer *a);
/*
 * Adds a header (before the head is written). CR, LF and other controls in value are replaced by
 * spaces. Left out where there is no memory for it, or either is NULL.
 */
void answer_header(struct answer *a, const char *name, const char *value);
void answer_header_int(struct answer *a, const char *name, int64_t v);
/*
 * Writes "Status:", request-id, X-Request-ID, the caller's x-correlation-id, X-Accel-Buffering: no,
 * Cache-Control: no-cache, no-transform (streams) or no-store, CORS headers for an allowed origin,
 * then the added ones. -1: the client has gone. Needs no memory: an error that says that there is
 * none must go out.
 */
int answer_begin(struct answer *a, int status, const char *content_type);
/*
 * Body bytes; answer_flush sends them on. -1: the client has gone (state ANSWER_BROKEN; later calls
 * do nothing and fail).
 */
int answer_write(struct answer *a, struct str s);
int answer_flush(struct answer *a);
/* A whole answer with X-Processing-Time (milliseconds), flushed. */
int answer_whole(struct answer *a, int status, const char *content_type, struct str body);

#endif
