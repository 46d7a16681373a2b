/*
 * The answer's head and body on their way into the front. The head is written once, in CGI form:
 * "Status:" first, then what every answer carries, then what the endpoint has added.
 */
#include "http/answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum { ADDED_HEADERS_MAX = 16384 };

/* Apache turns a status that it has no text for into 500 unless the text is given. */
static const struct {
	int status;
	const char *text;
} reasons[] = {
	{ 200, "OK" },
	{ 204, "No Content" },
	{ 304, "Not Modified" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 402, "Payment Required" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 411, "Length Required" },
	{ 413, "Request Entity Too Large" },
	{ 415, "Unsupported Media Type" },
	{ 422, "Unprocessable Entity" },
	{ 424, "Failed Dependency" },
	{ 429, "Too Many Requests" },
	{ 499, "Client Closed Request" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 529, "Overloaded" },
};

static const char *reason_of(int status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return status < 400 ? "OK" : status < 500 ? "Request Refused" : "Server Error";
}

void answer_init(struct answer *a, struct front *f, const struct http_request *r)
{
	*a = (struct answer){
		.front = f,
		.head_only = !strcmp(r->method, "HEAD"),
		.started_us = clock_us(),
		.retry_after = -1,
		.request = r,
	};
	buf_init(&a->headers, ADDED_HEADERS_MAX);
}

void answer_release(struct answer *a)
{
	buf_release(&a->headers);
}

/*
 * Controls would end the line, and so let a value add headers; tab alone is allowed in one (RFC
 * 9110, 5.5).
 */
static bool is_clean(unsigned char c)
{
	return (c >= ' ' || c == '\t') && c != 0x7f;
}

static void put_clean(struct buf *b, const char *value)
{
	while (*value) {
		const char *from = value;

		while (*value && is_clean((unsigned char)*value))
			value++;
		buf_put(b, from, (size_t)(value - from));
		for (; *value && !is_clean((unsigned char)*value); value++)
			buf_putc(b, ' ');
	}
}

static void put_header(struct buf *b, const char *name, const char *value)
{
	put_clean(b, name);
	buf_puts(b, ": ");
	put_clean(b, value);
	buf_puts(b, "\r\n");
}

/* One that doesn't fit is left out whole, the others stay. */
void answer_header(struct answer *a, const char *name, const char *value)
{
	size_t before = a->headers.n;

	if (!name || !value)
		return;
	put_header(&a->headers, name, value);
	if (a->headers.failed) {
		buf_reset(&a->headers);
		a->headers.n = before;
	}
}

void answer_header_int(struct answer *a, const char *name, int64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, v);
	answer_header(a, name, text);
}

/* ---- the head, straight into the front, which buffers it ---- */

static void emit(struct answer *a, struct str s)
{
	if (a->state != ANSWER_BROKEN && a->front->ops->write(a->front, s.p, s.n))
		a->state = ANSWER_BROKEN;
}

static void emit_header(struct answer *a, const char *name, const char *value)
{
	emit(a, str_of(name));
	emit(a, STR(": "));
	emit(a, str_of(value));
	emit(a, STR("\r\n"));
}

static void emit_header_int(struct answer *a, const char *name, int64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, v);
	emit_header(a, name, text);
}

/* A page may read only the headers that are named; those that were added are named too. */
static void emit_cors(struct answer *a)
{
	struct str rest = buf_str(&a->headers), line, name;

	emit_header(a, "Access-Control-Allow-Origin", a->request->cors_origin);
	emit_header(a, "Vary", "Origin");
	emit(a, STR("Access-Control-Expose-Headers: "
		    "request-id, X-Request-ID, x-correlation-id, X-Processing-Time"));
	if (a->retry_after >= 0)
		emit(a, STR(", retry-after"));
	while (str_split(&rest, '\n', &line)) {
		if (!str_split(&line, ':', &name) || !name.n)
			continue;
		if (str_starts_nocase(name, "access-control-"))
			continue;
		emit(a, STR(", "));
		emit(a, name);
	}
	emit(a, STR("\r\n"));
}

static void emit_status(struct answer *a)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "Status: %d %s\r\n", a->status, reason_of(a->status));

	emit(a, (struct str){ line, (size_t)n });
}

static void emit_head(struct answer *a, const char *content_type)
{
	const struct http_request *r = a->request;
	bool stream = content_type && str_starts_nocase(str_of(content_type), "text/event-stream");

	emit_status(a);
	if (content_type)
		emit_header(a, "Content-Type", content_type);
	emit_header(a, "request-id", r->id);
	emit_header(a, "X-Request-ID", r->id);
	if (r->correlation_id)
		emit_header(a, "x-correlation-id", r->correlation_id);
	if (stream)
		emit_header(a, "X-Accel-Buffering", "no");
	emit_header(a, "Cache-Control", stream ? "no-cache, no-transform" : "no-store");
	if (a->retry_after >= 0)
		emit_header_int(a, "retry-after", a->retry_after);
	if (r->cors_origin)
		emit_cors(a);
}

/* body: what a whole answer consists of, NULL for a stream. */
static int begin(struct answer *a, int status, const char *content_type, const struct str *body)
{
	if (a->state != ANSWER_NONE)
		return a->state == ANSWER_BROKEN ? -1 : 0;
	a->status = status;
	emit_head(a, content_type);
	if (body)
		emit_header_int(a, "X-Processing-Time", (clock_us() - a->started_us) / 1000);
	/* RFC 9110, 8.6: never with 204. */
	if (body && status != 204)
		emit_header_int(a, "Content-Length", (int64_t)body->n);
	emit(a, buf_str(&a->headers));
	emit(a, STR("\r\n"));
	if (a->state == ANSWER_BROKEN)
		return -1;
	a->state = ANSWER_HEAD;
	return 0;
}

int answer_begin(struct answer *a, int status, const char *content_type)
{
	return begin(a, status, content_type, NULL);
}

static int answer_break(struct answer *a)
{
	a->state = ANSWER_BROKEN;
	return -1;
}

int answer_write(struct answer *a, struct str s)
{
	if (a->state != ANSWER_HEAD && a->state != ANSWER_BODY)
		return -1;
	if (a->head_only || !s.n)
		return 0;
	if (a->front->ops->write(a->front, s.p, s.n))
		return answer_break(a);
	a->state = ANSWER_BODY;
	a->bytes += s.n;
	return 0;
}

int answer_flush(struct answer *a)
{
	if (a->state != ANSWER_HEAD && a->state != ANSWER_BODY)
		return -1;
	if (a->front->ops->flush(a->front))
		return answer_break(a);
	if (a->bytes && !a->first_byte_us)
		a->first_byte_us = clock_us();
	return 0;
}

int answer_whole(struct answer *a, int status, const char *content_type, struct str body)
{
	int rc = begin(a, status, content_type, &body);

	return rc || answer_write(a, body) || answer_flush(a) ? -1 : 0;
}
