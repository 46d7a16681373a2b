/*
 * The answer as one Message object, collected and sent at the end. Once it had to be committed
 * (white space keeps it alive from then on, which JSON allows before its first token) a failure can
 * only be an error object under a 200.
 */
#include "ingress/writer.h"
#include "json/scan.h"

static void put_separator(struct buf *b)
{
	if (b->n)
		buf_putc(b, ',');
}

static void put_open(struct writer *w, const struct event *e)
{
	struct buf *b = &w->out;

	w->open = e->opens;
	buf_reset(&w->held);
	buf_reset(&w->citations);
	put_separator(b);
	if (e->opens == EVENT_TEXT) {
		buf_puts(b, "{\"type\":\"text\",\"text\":\"");
	} else if (e->opens == EVENT_THINKING) {
		buf_puts(b, "{\"type\":\"thinking\",\"thinking\":\"");
	} else {
		buf_puts(b, "{\"type\":\"tool_use\",\"id\":");
		span_put_string(b, e->id);
		buf_puts(b, ",\"name\":");
		span_put_string(b, e->name);
		buf_puts(b, ",\"input\":");
	}
}

/* The API wants an object here, always. Nothing at all is one without members; what is no object (a
 * call cut off by the token limit, a model that can't write JSON) goes under the name that the
 * API's documents give for such input, so that the tool refuses it and the model sees what it
 * wrote; an empty object might be run. */
static void put_input(struct writer *w)
{
	struct buf *b = &w->out, text;
	struct span input = span_str(buf_str(&w->held));

	buf_init(&text, w->o.max_whole);
	if (span_blank(input)) {
		buf_puts(b, "{}");
	} else if (span_put_text(&text, input)) {
		b->failed = true;
	} else if (str_trim(buf_str(&text)).p[0] == '{' &&
		   !json_check(buf_str(&text), NULL, NULL)) {
		buf_put_str(b, str_trim(buf_str(&text)));
	} else {
		buf_puts(b, "{\"INVALID_JSON\":");
		span_put_string(b, input);
		buf_putc(b, '}');
	}
	buf_release(&text);
}

static void put_close(struct writer *w)
{
	struct buf *b = &w->out;

	if (w->open == EVENT_TOOL_START) {
		put_input(w);
	} else if (w->open == EVENT_THINKING) {
		buf_puts(b, "\",\"signature\":\"");
		buf_put_str(b, buf_str(&w->held));
		buf_putc(b, '"');
	} else {
		buf_putc(b, '"');
		if (w->citations.n) {
			buf_puts(b, ",\"citations\":[");
			buf_put_str(b, buf_str(&w->citations));
			buf_putc(b, ']');
		}
	}
	buf_putc(b, '}');
}

static void put_whole_block(struct writer *w, const struct event *e)
{
	struct buf *b = &w->out;

	put_separator(b);
	if (e->type == EVENT_BLOCK) {
		span_put_value(b, e->text);
		return;
	}
	buf_puts(b, "{\"type\":\"redacted_thinking\",\"data\":");
	span_put_string(b, e->text);
	buf_putc(b, '}');
}

static void put_raw(struct writer *w, const struct event *e)
{
	if (e->raw == RAW_WHOLE)
		writer_put_message(w, &w->out, e->text, e->text);
	else
		writer_fail(w, "The backend sent a stream although a whole answer was asked for.");
}

static void whole_event(struct writer *w, const struct event *e)
{
	switch (e->type) {
	case EVENT_RAW:
		put_raw(w, e);
		break;
	case EVENT_OPEN:
		put_open(w, e);
		break;
	case EVENT_TEXT:
	case EVENT_THINKING:
		span_put_content(&w->out, e->text);
		break;
	case EVENT_SIGNATURE:
		buf_reset(&w->held);
		span_put_content(&w->held, e->text);
		break;
	case EVENT_TOOL_DELTA:
		span_put_content(&w->held, e->text);
		break;
	case EVENT_CITATION:
		put_separator(&w->citations);
		span_put_value(&w->citations, e->text);
		break;
	case EVENT_REDACTED:
	case EVENT_BLOCK:
		put_whole_block(w, e);
		break;
	case EVENT_CLOSE:
		put_close(w);
		break;
	default:
		break;
	}
}

/* The blocks are there; what stands before and after them is known only now. */
static void whole_finish(struct writer *w)
{
	struct buf content = w->out;
	struct buf *b = &w->out;

	if (w->raw)
		return;
	buf_init(b, 0);
	buf_putc(b, '{');
	writer_put_head(w, b);
	buf_puts(b, ",\"content\":[");
	if (w->blocks)
		buf_put_str(b, buf_str(&content));
	else
		buf_puts(b, "{\"type\":\"text\",\"text\":\"\"}");
	buf_puts(b, "],");
	writer_put_stop(w, b);
	buf_puts(b, ",\"usage\":");
	writer_put_usage(w, b, true);
	buf_put_str(b, buf_str(&w->members));
	buf_putc(b, '}');
	b->failed = b->failed || content.failed;
	b->full = b->full || content.full;
	buf_release(&content);
}

static void whole_fault(struct writer *w, const struct fault *f)
{
	anthropic_error_body(&w->out, f, w->o.answer->request->id);
}

const struct writer_form writer_whole = {
	.content_type = "application/json",
	.event = whole_event,
	.finish = whole_finish,
	.fault = whole_fault,
	.comment = " ",
};
