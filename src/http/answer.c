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

static void put_header_int(struct buf *b, const char *name, int64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, v);
	put_header(b, name, text);
}

/* One that doesn't fit is left out whole, the others stay. */
void answer_header(struct answer *a, const char *name, const char *value)
{
	size_t before = a->headers.n;

	put_header(&a->headers, name, value);
	if (a->headers.failed) {
		a->headers.failed = false;
		a->headers.n = before;
	}
}

void answer_header_int(struct answer *a, const char *name, int64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, v);
	answer_header(a, name, text);
}

/* A page may read only the headers that are named; those that were added are named too. */
static void put_cors(struct buf *b, const struct answer *a)
{
	struct str rest = buf_str(&a->headers), line, name;

	put_header(b, "Access-Control-Allow-Origin", a->request->cors_origin);
	put_header(b, "Vary", "Origin");
	buf_puts(b, "Access-Control-Expose-Headers: "
		"request-id, X-Request-ID, x-correlation-id, X-Processing-Time");
	while (str_split(&rest, '\n', &line)) {
		if (!str_split(&line, ':', &name) || !name.n)
			continue;
		if (str_starts_nocase(name, "access-control-"))
			continue;
		buf_puts(b, ", ");
		buf_put_str(b, name);
	}
	buf_puts(b, "\r\n");
}

static void put_head(struct buf *b, const struct answer *a, const char *content_type)
{
	const struct http_request *r = a->request;
	bool stream = content_type && str_starts_nocase(str_of(content_type), "text/event-stream");

	buf_printf(b, "Status: %d %s\r\n", a->status, reason_of(a->status));
	if (content_type)
		put_header(b, "Content-Type", content_type);
	put_header(b, "request-id", r->id);
	put_header(b, "X-Request-ID", r->id);
	if (r->correlation_id)
		put_header(b, "x-correlation-id", r->correlation_id);
	if (stream)
		put_header(b, "X-Accel-Buffering", "no");
	put_header(b, "Cache-Control", stream ? "no-cache, no-transform" : "no-store");
	if (r->cors_origin)
		put_cors(b, a);
}

static int answer_break(struct answer *a)
{
	a->state = ANSWER_BROKEN;
	return -1;
}

/* extra: header lines of a whole answer, or empty. */
static int begin(struct answer *a, int status, const char *content_type, struct str extra)
{
	struct buf b;
	int rc;

	if (a->state != ANSWER_NONE)
		return a->state == ANSWER_BROKEN ? -1 : 0;
	a->status = status;
	buf_init(&b, 0);
	put_head(&b, a, content_type);
	buf_put_str(&b, extra);
	buf_put_str(&b, buf_str(&a->headers));
	buf_puts(&b, "\r\n");
	rc = b.failed ? -1 : a->front->ops->write(a->front, b.p, b.n);
	buf_release(&b);
	a->state = ANSWER_HEAD;
	return rc ? answer_break(a) : 0;
}

int answer_begin(struct answer *a, int status, const char *content_type)
{
	return begin(a, status, content_type, STR_NONE);
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
	struct buf extra;
	int rc;

	buf_init(&extra, 0);
	put_header_int(&extra, "X-Processing-Time", (clock_us() - a->started_us) / 1000);
	/* RFC 9110, 8.6: never with 204. */
	if (status != 204)
		put_header_int(&extra, "Content-Length", (int64_t)body.n);
	rc = begin(a, status, content_type, buf_str(&extra));
	buf_release(&extra);
	return rc || answer_write(a, body) || answer_flush(a) ? -1 : 0;
}
