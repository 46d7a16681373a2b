/*
 * The end of the chain of sinks: notes what events say, decides when the 200 goes out, keeps a
 * silent answer alive, and ends it in exactly one way. How things are printed is the form's
 * business.
 *
 * A failure before the 200 is an HTTP error with its own status, even when a message_start is
 * already waiting to go out. After it clients read only the event: overloaded_error before any
 * content is what makes Claude Code ask for a stream again.
 */
#include <string.h>

#include "base/clock.h"
#include "base/ids.h"
#include "ingress/writer.h"
#include "json/scan.h"

#define FLUSH_AT (16 * 1024)            /* bytes that do not wait for the end of a read */
#define DELTA_FRAME 80                  /* bytes of a delta event that are not content */
#define KEEP_BUFFER (32 * 1024)         /* a larger buffer is given back after it was sent */

/* ---- out ---- */

static int writer_commit(struct writer *w)
{
	if (w->committed)
		return 0;
	w->committed = true;
	if (w->o.on_commit)
		w->o.on_commit(w->o.ctx, w->o.answer);
	return answer_begin(w->o.answer, 200, w->form->content_type);
}

static int writer_send(struct writer *w, struct str bytes)
{
	struct answer *a = w->o.answer;

	if (w->gone)
		return -1;
	if (writer_commit(w) || answer_write(a, bytes) || answer_flush(a)) {
		w->gone = true;
		return -1;
	}
	w->last_bytes = clock_ms();
	return 0;
}

static int writer_flush(struct writer *w)
{
	int rc = writer_send(w, buf_str(&w->out));
	size_t max = w->out.max;

	w->last_event = w->last_bytes;
	if (w->out.cap > KEEP_BUFFER) {
		buf_release(&w->out);
		buf_init(&w->out, max);
	}
	buf_reset(&w->out);
	return rc;
}

/* ---- the end ---- */

static struct fault *keep_fault(struct writer *w, const struct fault *f)
{
	struct fault *kept = arena_alloc(w->o.arena, sizeof(*kept));

	if (kept)
		*kept = *f;
	return kept;
}

/* What waits up to `whole` bytes, then that there is no memory to say more. */
static int send_spare(struct writer *w, size_t whole)
{
	char text[ERROR_SPARE_SIZE];
	const char *id = w->o.answer->request->id;

	if (whole && writer_send(w, (struct str){ w->out.p, whole }))
		return -1;
	if (writer_commit(w) || answer_write(w->o.answer, w->form->before) ||
	    answer_write(w->o.answer, anthropic_error_spare(text, sizeof(text), id)))
		w->gone = true;
	return writer_send(w, w->form->after);
}

int writer_fault(struct writer *w, const struct fault *f)
{
	struct fault late = *f;
	size_t whole;

	if (w->ended)
		return w->gone ? -1 : 0;
	w->ended = true;
	if (w->committed && !w->content && fault_retryable(f)) {
		late.type = "overloaded_error";
		late.raw = STR_NONE;
	}
	w->fault = keep_fault(w, &late);
	if (w->gone)
		return -1;
	if (!w->committed) {
		w->gone = anthropic_error_answer(w->o.answer, f) < 0;
		return w->gone ? -1 : 0;
	}
	/* What waits is part of the answer, unless it could not be held. */
	if (w->out.failed || w->form == &writer_whole)
		buf_reset(&w->out);
	whole = w->out.n;
	w->form->fault(w, &late);
	return w->out.failed ? send_spare(w, whole) : writer_flush(w);
}

void writer_fail_at(const struct error_site *site, struct writer *w, const char *problem)
{
	struct fault f;

	fault_set_at(site, &f, FAULT_TRANSIENT, 502, "api_error", "%s", problem);
	writer_fault(w, &f);
}

static void writer_check_memory(struct writer *w)
{
	struct fault f;

	if (w->ended)
		return;
	if (w->o.max_whole && !w->o.stream && (w->out.full || w->held.full)) {
		fault_set(&f, FAULT_TRANSIENT, 502, "api_error",
			  "The backend's answer is larger than the %zu bytes that are kept of one; "
			  "ask for a stream.", w->o.max_whole);
		writer_fault(w, &f);
	} else if (w->out.failed || w->held.failed || w->citations.failed || w->members.failed ||
		   w->id.failed || w->stop_sequence.failed) {
		fault_no_memory(&f);
		writer_fault(w, &f);
	}
}

int writer_finish(struct writer *w)
{
	struct str body;

	if (w->ended)
		return w->gone ? -1 : 0;
	w->form->finish(w);
	writer_check_memory(w);
	if (w->ended || w->gone)
		return w->gone ? -1 : 0;
	w->ended = true;
	body = buf_str(&w->out);
	if (w->o.stream || w->committed)
		return writer_flush(w);
	w->committed = true;
	if (w->o.on_commit)
		w->o.on_commit(w->o.ctx, w->o.answer);
	w->gone = answer_whole(w->o.answer, 200, w->form->content_type, body) < 0;
	return w->gone ? -1 : 0;
}

/* ---- what events say ---- */

static void take_member(struct writer *w, const struct event *e)
{
	buf_putc(&w->members, ',');
	span_put_string(&w->members, e->name);
	buf_putc(&w->members, ':');
	span_put_value(&w->members, e->text);
}

static void take_id(struct writer *w, struct span id)
{
	char made[ID_SIZE];

	if (w->id.n)
		return;
	id = span_unquote(id);
	if (span_is_string(id) && id.n > 4 && memcmp(id.p, "msg_", 4) == 0) {
		span_put_content(&w->id, id);
	} else {
		id_make(made, "msg_01");
		buf_puts(&w->id, made);
	}
}

static void take_note(struct writer *w, const struct event *e)
{
	switch (e->type) {
	case EVENT_START:
		take_id(w, e->id);
		usage_update(&w->usage, &e->usage);
		break;
	case EVENT_USAGE:
		usage_update(&w->usage, &e->usage);
		break;
	case EVENT_STOP_REASON:
		w->stop = e->stop;
		buf_reset(&w->stop_sequence);
		if (span_given(e->text))
			span_put_content(&w->stop_sequence, e->text);
		break;
	case EVENT_MEMBER:
		take_member(w, e);
		break;
	case EVENT_MODEL:
		buf_reset(&w->model);
		span_put_text(&w->model, e->text);
		break;
	default:
		break;
	}
}

static void take_raw(struct writer *w, const struct event *e)
{
	if (e->raw == RAW_BLOCK_DELTA && e->text.n > DELTA_FRAME)
		w->content_bytes += e->text.n - DELTA_FRAME;
	w->raw = true;
	w->raw_reason = w->raw_reason || e->raw == RAW_MESSAGE_DELTA;
	w->raw_stopped = w->raw_stopped || e->raw == RAW_MESSAGE_STOP;
	w->content = w->content || e->raw == RAW_BLOCK_START || e->raw == RAW_WHOLE;
	w->form->event(w, e);
	w->started = w->started || e->raw == RAW_MESSAGE_START;
}

static void take_block(struct writer *w, const struct event *e)
{
	if (e->type == EVENT_OPEN || e->type == EVENT_REDACTED || e->type == EVENT_BLOCK) {
		w->content = true;
		w->tool = w->tool || (e->type == EVENT_OPEN && e->opens == EVENT_TOOL_START);
		w->blocks = e->index + 1;
	}
	w->content_bytes += e->text.n;
	w->form->event(w, e);
}

static enum flow writer_event(struct sink *self, const struct event *e)
{
	struct writer *w = (struct writer *)self;

	if (w->ended || w->gone)
		return FLOW_ABORT;
	take_note(w, e);
	if (e->echo)
		return FLOW_GO;
	switch (e->type) {
	case EVENT_RAW:
		take_raw(w, e);
		break;
	case EVENT_FAULT:
		writer_fault(w, e->fault);
		break;
	case EVENT_START:
		w->form->event(w, e);
		break;
	case EVENT_OPEN:
	case EVENT_CLOSE:
	case EVENT_TEXT:
	case EVENT_THINKING:
	case EVENT_SIGNATURE:
	case EVENT_CITATION:
	case EVENT_TOOL_DELTA:
	case EVENT_REDACTED:
	case EVENT_BLOCK:
		take_block(w, e);
		break;
	default:
		break;
	}
	writer_check_memory(w);
	if (w->o.stream && w->out.n >= FLUSH_AT && !w->ended)
		writer_flush(w);
	return w->ended || w->gone ? FLOW_ABORT : FLOW_GO;
}

/* ---- time ---- */

static int64_t after(int64_t from, int64_t ms)
{
	return ms > 0 ? from + ms : CLOCK_NEVER;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t ping_due(const struct writer *w)
{
	return w->started ? after(w->last_event, w->o.stream_settings.ping_ms) : CLOCK_NEVER;
}

int64_t writer_due(const struct writer *w)
{
	const struct stream_settings *t = &w->o.stream_settings;

	if (w->ended || w->gone)
		return CLOCK_NEVER;
	if (w->o.stream && w->out.n)
		return 0;
	if (!w->committed)
		return w->commit_at;
	return earlier(ping_due(w), after(w->last_bytes, t->probe_ms));
}

void writer_opened(struct writer *w)
{
	/* A whole answer comes soon after its head; an error after it keeps its status longer. */
	if (w->o.stream)
		w->commit_at = earlier(w->commit_at,
				       after(clock_ms(), w->o.stream_settings.probe_ms));
}

int writer_tick(struct writer *w, int64_t now)
{
	if (w->gone)
		return -1;
	if (now < writer_due(w))
		return 0;
	if (w->o.stream && w->out.n)
		return writer_flush(w);
	if (!w->committed || now < ping_due(w))
		return writer_send(w, str_of(w->form->comment));
	w->last_event = now;
	return writer_send(w, STR("event: ping\ndata: {\"type\":\"ping\"}\n\n"));
}

/* ---- what both forms print ---- */

/* A tool block means tool_use whatever the backend called it, and nothing else does. But a call
 * that was cut off is not one to be run: the reasons that say so stay, as with the API itself. */
enum stop_reason writer_final_stop(const struct writer *w)
{
	switch (w->stop) {
	case STOP_MAX_TOKENS:
	case STOP_CONTEXT_WINDOW:
	case STOP_REFUSAL:
	case STOP_SEQUENCE:
		return w->stop;
	case STOP_PAUSE_TURN:
	case STOP_COMPACTION:
		return w->tool ? STOP_TOOL_USE : w->stop;
	default:
		return w->tool ? STOP_TOOL_USE : STOP_END_TURN;
	}
}

void writer_put_head(struct writer *w, struct buf *b)
{
	take_id(w, SPAN_ABSENT);
	buf_puts(b, "\"id\":\"");
	buf_put_str(b, buf_str(&w->id));
	buf_puts(b, "\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"");
	buf_puts(b, w->o.model_raw);
	buf_putc(b, '"');
}

static void put_count(struct buf *b, const char *name, int64_t n)
{
	buf_puts(b, name);
	buf_put_int(b, n > 0 ? n : 0);
}

void writer_put_usage(struct writer *w, struct buf *b, bool final)
{
	const struct usage *u = &w->usage;
	int64_t output = u->output;

	/* Better than the nothing that a backend reported. */
	if (output < 0)
		output = writer_tokens_sent(w);
	if (!final && output < 1)
		output = 1;
	put_count(b, "{\"input_tokens\":", u->input >= 0 ? u->input : w->o.input_estimate);
	put_count(b, ",\"cache_creation_input_tokens\":", u->cache_write);
	put_count(b, ",\"cache_read_input_tokens\":", u->cache_read);
	put_count(b, ",\"output_tokens\":", output);
	if (final && u->thinking >= 0) {
		put_count(b, ",\"output_tokens_details\":{\"thinking_tokens\":", u->thinking);
		buf_putc(b, '}');
	}
	buf_putc(b, '}');
}

void writer_put_stop(struct writer *w, struct buf *b)
{
	enum stop_reason stop = writer_final_stop(w);

	buf_puts(b, "\"stop_reason\":\"");
	buf_puts(b, stop_reason_name(stop));
	buf_puts(b, "\",\"stop_sequence\":");
	if (stop == STOP_SEQUENCE && w->stop_sequence.n)
		span_put_string(b, span_str(buf_str(&w->stop_sequence)));
	else
		buf_puts(b, "null");
}

/* The input count of a message_start that counts nothing, as proxies say it that learn it only at
 * the end (LiteLLM): a client would show an empty context until then, and after an abort for good. */
static struct span empty_count(const struct writer *w, struct span message)
{
	static const char *const inputs[] = { "input_tokens", "cache_read_input_tokens",
					      "cache_creation_input_tokens" };
	struct span usage = json_get(message, "usage");
	int64_t n;

	for (size_t i = 0; i < sizeof(inputs) / sizeof(*inputs); i++)
		if (span_int(json_get(usage, inputs[i]), &n) && n != 0)
			return SPAN_ABSENT;
	return w->o.input_estimate > 0 ? json_get(usage, "input_tokens") : SPAN_ABSENT;
}

/* Copies up to the span, which is left out; what comes behind it. */
static const char *copy_until(struct buf *b, const char *from, struct span until)
{
	buf_put(b, from, (size_t)(until.p - from));
	return until.p + until.n;
}

void writer_put_message(struct writer *w, struct buf *b, struct span message, struct span text)
{
	struct span model = w->o.model_mapped ? json_get(message, "model") : SPAN_ABSENT;
	struct span count = message.p == text.p ? SPAN_ABSENT : empty_count(w, message);
	bool mapped = model.form == SPAN_STR, counted = span_given(count);
	const char *from = text.p;

	if (counted && (!mapped || count.p < model.p)) {
		from = copy_until(b, from, count);
		buf_put_int(b, w->o.input_estimate);
	}
	if (mapped) {
		from = copy_until(b, from, model);
		buf_puts(b, w->o.model_raw);
	}
	if (counted && count.p >= from) {
		from = copy_until(b, from, count);
		buf_put_int(b, w->o.input_estimate);
	}
	buf_put(b, from, (size_t)(text.p + text.n - from));
}

/* ---- life ---- */

struct writer *writer_new(const struct writer_options *o)
{
	struct writer *w = arena_alloc(o->arena, sizeof(*w));

	if (!w)
		return NULL;
	w->sink.event = writer_event;
	w->o = *o;
	w->form = o->stream ? &writer_sse : &writer_whole;
	w->commit_at = clock_ms() + o->stream_settings.commit_after_ms;
	w->usage = USAGE_UNKNOWN;
	buf_init(&w->out, o->stream ? 0 : o->max_whole);
	buf_init(&w->held, o->stream ? 0 : o->max_whole);
	buf_init(&w->citations, o->max_whole);
	buf_init(&w->id, 0);
	buf_init(&w->stop_sequence, 0);
	buf_init(&w->members, 0);
	buf_init(&w->model, 0);
	return w;
}

void writer_release(struct writer *w)
{
	if (!w)
		return;
	buf_release(&w->out);
	buf_release(&w->held);
	buf_release(&w->citations);
	buf_release(&w->id);
	buf_release(&w->stop_sequence);
	buf_release(&w->members);
	buf_release(&w->model);
}

struct sink *writer_sink(struct writer *w)
{
	return &w->sink;
}

bool writer_committed(const struct writer *w)
{
	return w->committed;
}

bool writer_content(const struct writer *w)
{
	return w->content;
}

bool writer_gone(const struct writer *w)
{
	return w->gone;
}

const struct fault *writer_ended_with(const struct writer *w)
{
	return w->fault;
}

const struct usage *writer_usage(const struct writer *w)
{
	return &w->usage;
}

/* About four bytes make a token. */
int64_t writer_tokens_sent(const struct writer *w)
{
	return (int64_t)(w->content_bytes + 3) / 4;
}

enum stop_reason writer_stop_reason(const struct writer *w)
{
	return w->raw ? w->stop : writer_final_stop(w);
}

struct str writer_backend_model(const struct writer *w)
{
	return buf_str(&w->model);
}
