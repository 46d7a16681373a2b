/* Faults as the Messages API says them: the only place where a fault becomes HTTP and JSON. */
#include <stdio.h>

#include "base/utf8.h"
#include "ingress/ingress.h"

/* Messages may quote what a backend sent; a byte that is no UTF-8 must not spoil our JSON. */
static void put_message(struct buf *b, struct str m)
{
	size_t from = 0, at = 0;

	buf_putc(b, '"');
	while (at < m.n) {
		size_t n = (unsigned char)m.p[at] < 0x80 ? 1 : utf8_sequence(m.p + at, m.n - at);

		if (n) {
			at += n;
			continue;
		}
		span_put_content(b, span_utf8((struct str){ m.p + from, at - from }));
		buf_puts(b, "\xEF\xBF\xBD");
		from = ++at;
	}
	span_put_content(b, span_utf8(str_from(m, from)));
	buf_putc(b, '"');
}

int anthropic_error_body(struct buf *b, const struct fault *f, const char *request_id)
{
	const char *type = f->type ? f->type : fault_type_of_status(f->status);
	char id[SITE_ID_SIZE];

	if (f->raw.p)
		return buf_put_str(b, f->raw);
	buf_puts(b, "{\"type\":\"error\",\"error\":{\"type\":");
	span_put_string(b, span_utf8(str_of(type)));
	buf_puts(b, ",\"message\":");
	put_message(b, str_of(f->message));
	if (f->details) {
		buf_puts(b, ",\"details\":");
		buf_puts(b, f->details);
	}
	buf_putc(b, '}');
	/* What the log and /debug know the place by that reports it. */
	if (f->site)
		buf_printf(b, ",\"error_id\":\"%s\"", fault_id(f, id));
	buf_puts(b, ",\"request_id\":");
	span_put_string(b, span_utf8(str_of(request_id)));
	return buf_putc(b, '}');
}

struct str anthropic_error_spare(char *text, size_t size, const char *request_id)
{
	int n = snprintf(text, size, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
			 "\"message\":\"The gateway is out of memory; try again in a moment.\"},"
			 "\"request_id\":\"%s\"}", request_id);

	return (struct str){ text, n < 0 || (size_t)n >= size ? 0 : (size_t)n };
}

/* The fault could not be put into words: that there is no memory is what the client has to know. */
static int answer_spare(struct answer *a)
{
	char text[ERROR_SPARE_SIZE];

	a->retry_after = 1;
	return answer_whole(a, 529, "application/json",
			    anthropic_error_spare(text, sizeof(text), a->request->id));
}

int anthropic_error_answer(struct answer *a, const struct fault *f)
{
	char id[SITE_ID_SIZE];
	struct buf b;
	int rc;

	buf_init(&b, 0);
	if (anthropic_error_body(&b, f, a->request->id)) {
		rc = answer_spare(a);
	} else {
		if (f->site)
			answer_header(a, "x-error-id", fault_id(f, id));
		a->retry_after = f->retry_after;
		if (f->should_retry >= 0)
			answer_header(a, "x-should-retry", f->should_retry ? "true" : "false");
		if (f->allow)
			answer_header(a, "Allow", f->allow);
		rc = answer_whole(a, f->status ? f->status : 500, "application/json", buf_str(&b));
	}
	buf_release(&b);
	return rc;
}
