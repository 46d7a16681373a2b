/*
 * The answer as a stream of events. Every record has its event line and its type: SDKs look at the
 * first, and ignore records without one.
 */
#include "ingress/writer.h"
#include "json/scan.h"

#define SSE_BEFORE "event: error\ndata: "
#define SSE_AFTER "\n\n"

/* JSON as a backend wrote it may have line ends between its tokens; a data line may not. */
static void put_line(struct buf *b, struct str json)
{
	size_t from = 0;

	for (size_t at = 0; at < json.n; at++) {
		if (json.p[at] != '\n' && json.p[at] != '\r')
			continue;
		buf_put(b, json.p + from, at - from);
		buf_putc(b, ' ');
		from = at + 1;
	}
	if (from < json.n)
		buf_put(b, json.p + from, json.n - from);
}

static void put_begin(struct buf *b, const char *name)
{
	buf_puts(b, "event: ");
	buf_puts(b, name);
	buf_puts(b, "\ndata: {\"type\":\"");
	buf_puts(b, name);
	buf_putc(b, '"');
}

static void put_end(struct buf *b)
{
	buf_puts(b, "}\n\n");
}

static void put_index(struct buf *b, const char *name, int64_t index)
{
	put_begin(b, name);
	buf_puts(b, ",\"index\":");
	buf_put_int(b, index);
}

static void put_start(struct writer *w)
{
	struct buf *b = &w->out;

	if (w->started)
		return;
	w->started = true;
	put_begin(b, "message_start");
	buf_puts(b, ",\"message\":{");
	writer_put_head(w, b);
	buf_puts(b, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":");
	writer_put_usage(w, b, false);
	buf_putc(b, '}');
	put_end(b);
}

/* A delta of that type whose member is a string. */
static void put_delta(struct buf *b, int64_t index, const char *type, const char *member,
		      struct span text)
{
	put_index(b, "content_block_delta", index);
	buf_puts(b, ",\"delta\":{\"type\":\"");
	buf_puts(b, type);
	buf_puts(b, "\",\"");
	buf_puts(b, member);
	buf_puts(b, "\":\"");
	span_put_content(b, text);
	buf_puts(b, "\"}");
	put_end(b);
}

static void put_stop(struct buf *b, int64_t index)
{
	put_index(b, "content_block_stop", index);
	put_end(b);
}

static void put_open(struct writer *w, const struct event *e)
{
	struct buf *b = &w->out;

	put_index(b, "content_block_start", e->index);
	buf_puts(b, ",\"content_block\":");
	if (e->opens == EVENT_TEXT) {
		buf_puts(b, "{\"type\":\"text\",\"text\":\"\"}");
	} else if (e->opens == EVENT_THINKING) {
		buf_puts(b, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}");
	} else {
		buf_puts(b, "{\"type\":\"tool_use\",\"id\":");
		span_put_string(b, e->id);
		buf_puts(b, ",\"name\":");
		span_put_string(b, e->name);
		buf_puts(b, ",\"input\":{}}");
	}
	put_end(b);
	if (e->opens == EVENT_TOOL_START)
		put_delta(b, e->index, "input_json_delta", "partial_json", span_utf8(STR("")));
}

static void put_citation(struct buf *b, const struct event *e)
{
	put_index(b, "content_block_delta", e->index);
	buf_puts(b, ",\"delta\":{\"type\":\"citations_delta\",\"citation\":");
	put_line(b, (struct str){ e->text.p, e->text.n });
	buf_putc(b, '}');
	put_end(b);
}

static void put_redacted(struct buf *b, const struct event *e)
{
	put_index(b, "content_block_start", e->index);
	buf_puts(b, ",\"content_block\":{\"type\":\"redacted_thinking\",\"data\":");
	span_put_string(b, e->text);
	buf_putc(b, '}');
	put_end(b);
	put_stop(b, e->index);
}

static bool is_tool_use(struct span block)
{
	struct span type = json_get(block, "type");

	return span_is_string(type) && str_ends((struct str){ type.p, type.n }, "tool_use");
}

/* A block of another type comes whole in its start. But clients look for the input of a tool in
 * deltas alone. */
static void put_block(struct buf *b, const struct event *e)
{
	struct span input = json_get(e->text, "input");
	const char *end = e->text.p + e->text.n;
	bool split = span_is_object(input) && input.n > 2 && is_tool_use(e->text);

	put_index(b, "content_block_start", e->index);
	buf_puts(b, ",\"content_block\":");
	if (split) {
		put_line(b, (struct str){ e->text.p, (size_t)(input.p - e->text.p) });
		buf_puts(b, "{}");
		put_line(b, (struct str){ input.p + input.n, (size_t)(end - input.p) - input.n });
	} else {
		put_line(b, (struct str){ e->text.p, e->text.n });
	}
	put_end(b);
	if (split)
		put_delta(b, e->index, "input_json_delta", "partial_json", input);
	put_stop(b, e->index);
}

/* The upstream's event as it came. Its data had the line ends that separate data lines: they
 * separate them again. */
static void put_raw(struct writer *w, const struct event *e)
{
	struct buf *b = &w->out;
	struct buf mapped;
	struct str data = { e->text.p, e->text.n }, line;

	if (e->raw == RAW_WHOLE) {
		writer_fail(w, "The backend sent a whole answer although a stream was asked for.");
		return;
	}
	buf_init(&mapped, 0);
	if (e->raw == RAW_MESSAGE_START) {
		writer_put_message(w, &mapped, json_get(e->text, "message"), e->text);
		data = buf_str(&mapped);
	}
	buf_puts(b, "event: ");
	span_put_content(b, e->name);
	buf_putc(b, '\n');
	while (str_split(&data, '\n', &line)) {
		buf_puts(b, "data: ");
		buf_put_str(b, line);
		buf_putc(b, '\n');
	}
	buf_putc(b, '\n');
	b->failed = b->failed || mapped.failed;
	buf_release(&mapped);
}

static void sse_event(struct writer *w, const struct event *e)
{
	struct buf *b = &w->out;

	if (e->type == EVENT_RAW) {
		put_raw(w, e);
		return;
	}
	put_start(w);
	switch (e->type) {
	case EVENT_OPEN:
		put_open(w, e);
		break;
	case EVENT_TEXT:
		put_delta(b, e->index, "text_delta", "text", e->text);
		break;
	case EVENT_THINKING:
		put_delta(b, e->index, "thinking_delta", "thinking", e->text);
		break;
	case EVENT_SIGNATURE:
		put_delta(b, e->index, "signature_delta", "signature", e->text);
		break;
	case EVENT_TOOL_DELTA:
		put_delta(b, e->index, "input_json_delta", "partial_json", e->text);
		break;
	case EVENT_CITATION:
		put_citation(b, e);
		break;
	case EVENT_REDACTED:
		put_redacted(b, e);
		break;
	case EVENT_BLOCK:
		put_block(b, e);
		break;
	case EVENT_CLOSE:
		put_stop(b, e->index);
		break;
	default:
		break;
	}
}

static void put_message_stop(struct buf *b)
{
	put_begin(b, "message_stop");
	put_end(b);
}

static void sse_finish_raw(struct writer *w)
{
	if (w->raw_stopped)
		return;
	if (w->raw_reason)
		put_message_stop(&w->out);
	else
		writer_fail(w, "The backend's stream ended before its message did.");
}

static void sse_finish(struct writer *w)
{
	struct event empty = { .type = EVENT_OPEN, .opens = EVENT_TEXT };
	struct buf *b = &w->out;

	if (w->raw) {
		sse_finish_raw(w);
		return;
	}
	put_start(w);
	if (!w->blocks) {
		put_open(w, &empty);
		put_stop(b, 0);
	}
	put_begin(b, "message_delta");
	buf_puts(b, ",\"delta\":{");
	writer_put_stop(w, b);
	put_line(b, buf_str(&w->members));
	buf_puts(b, "},\"usage\":");
	writer_put_usage(w, b, true);
	put_end(b);
	put_message_stop(b);
}

static void sse_fault(struct writer *w, const struct fault *f)
{
	struct buf body;

	buf_init(&body, 0);
	anthropic_error_body(&body, f, w->o.answer->request->id);
	buf_put_str(&w->out, w->form->before);
	put_line(&w->out, buf_str(&body));
	buf_put_str(&w->out, w->form->after);
	w->out.failed = w->out.failed || body.failed;
	buf_release(&body);
}

const struct writer_form writer_sse = {
	.content_type = "text/event-stream; charset=utf-8",
	.event = sse_event,
	.finish = sse_finish,
	.fault = sse_fault,
	.comment = ": waiting\n\n",
	.before = { SSE_BEFORE, sizeof(SSE_BEFORE) - 1 },
	.after = { SSE_AFTER, sizeof(SSE_AFTER) - 1 },
};
