/*
 * Cohere's v2 chat answers: named events of a stream, or a whole message. Text, thinking and calls
 * are handed to the openai-chat decoder's own gathering, since their fragments are of the same kind:
 * a call comes as an object with its fragments in a row, what is planned before it as text.
 */
#include "dialect/cohere.h"

#include "dialect/openai.h"
#include "dialect/openai_decode.h"
#include "json/scan.h"

/* ---- usage ---- */

static int64_t count(struct span usage, const char *group, const char *name)
{
	int64_t n;

	return span_int(json_path(usage, group, name, NULL), &n) && n >= 0 ? n : -1;
}

/* What is billed may be less than what was read, which is what fills the window. */
static void read_usage(struct openai_decoder *d, struct span usage)
{
	struct usage u = USAGE_UNKNOWN;
	int64_t cached;

	u.input = count(usage, "tokens", "input_tokens");
	u.output = count(usage, "tokens", "output_tokens");
	if (u.input < 0)
		u.input = count(usage, "billed_units", "input_tokens");
	if (u.output < 0)
		u.output = count(usage, "billed_units", "output_tokens");
	if (span_int(json_get(usage, "cached_tokens"), &cached) && cached >= 0) {
		u.cache_read = cached;
		u.input = u.input > cached ? u.input - cached : u.input < 0 ? -1 : 0;
	}
	usage_update(&d->usage, &u);
}

/* ---- the end ---- */

enum finish { FINISH_END, FINISH_LENGTH, FINISH_STOP, FINISH_REFUSAL, FINISH_WINDOW, FINISH_ERROR,
	      FINISH_TIMEOUT };
static const struct { const char *name; enum finish finish; } finishes[] = {
	{ "MAX_TOKENS", FINISH_LENGTH },   { "STOP_SEQUENCE", FINISH_STOP },
	{ "ERROR_TOXIC", FINISH_REFUSAL }, { "ERROR_LIMIT", FINISH_WINDOW },
	{ "ERROR", FINISH_ERROR },         { "TIMEOUT", FINISH_TIMEOUT },
};

static enum finish finish_of(struct span reason)
{
	for (size_t i = 0; i < sizeof(finishes) / sizeof(*finishes); i++) {
		if (span_is(reason, finishes[i].name))
			return finishes[i].finish;
	}
	return FINISH_END;
}

static NOINLINE enum flow failed(struct openai_decoder *d, struct sink *s, bool timeout,
				 struct span why)
{
	const char *name = d->c->target->backend->name;
	struct fault f = FAULT_INIT;
	struct buf text;

	buf_init(&text, 2048);
	if (span_is_string(why))
		span_put_text(&text, why);
	fault_set(&f, FAULT_TRANSIENT, timeout ? 504 : 502, timeout ? "timeout_error" : "api_error",
		  "backend %s ended its answer with %s%s%.*s", name,
		  timeout ? "a timeout" : "an error", text.n ? ": " : "",
		  STR_ARGS(str_cut_utf8(buf_str(&text), 300)));
	buf_release(&text);
	return openai_fault(s, &f);
}

static enum flow note_finish(struct openai_decoder *d, struct sink *s, struct span reason,
			     struct span error)
{
	static const enum stop_reason stops[] = {
		[FINISH_END] = STOP_END_TURN,     [FINISH_LENGTH] = STOP_MAX_TOKENS,
		[FINISH_STOP] = STOP_SEQUENCE,    [FINISH_REFUSAL] = STOP_REFUSAL,
		[FINISH_WINDOW] = STOP_CONTEXT_WINDOW,
	};
	const struct message_request *r = d->c->request;
	enum finish finish = finish_of(reason);

	if (finish == FINISH_ERROR || finish == FINISH_TIMEOUT)
		return failed(d, s, finish == FINISH_TIMEOUT, error);
	if (!span_is_string(reason))
		return FLOW_GO;
	d->finished = d->done = true;
	d->stop = stops[finish];
	if (finish == FINISH_STOP && r->nstop_sequences == 1)
		d->stop_sequence = r->stop_sequences[0];
	return FLOW_GO;
}

/* ---- content ---- */

static enum flow read_content(struct openai_decoder *d, struct sink *s, struct span content)
{
	struct span thinking = json_get(content, "thinking");
	enum flow flow;

	if (span_is_string(content))
		return openai_text(d, s, content);
	flow = openai_thinking_text(d, s, thinking);
	return flow ? flow : openai_text(d, s, json_get(content, "text"));
}

/* A document has an id or an address and says something; the output of a tool goes by the id of
 * its call. */
static enum flow read_source(struct openai_decoder *d, struct sink *s, struct span source, size_t at)
{
	static const char *const texts[] = { "snippet", "text", "content" };
	struct span doc = json_get(source, "document"), where, text = SPAN_ABSENT;
	enum flow flow = FLOW_GO;
	struct buf b;

	if (!span_is_object(doc))
		doc = json_get(source, "tool_output");
	where = json_get(doc, "url");
	if (!span_is_string(where))
		where = json_get(source, "id");
	if (!span_is_string(where) || span_blank(where))
		return FLOW_GO;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts) && !span_is_string(text); i++)
		text = json_get(doc, texts[i]);
	buf_init(&b, 0);
	if (citation_put(&b, where, json_get(doc, "title"), text, at))
		flow = openai_no_memory(s);
	else
		flow = sink_text(s, EVENT_CITATION, span_json(buf_str(&b)));
	buf_release(&b);
	return flow;
}

static enum flow read_citation(struct openai_decoder *d, struct sink *s, struct span citation)
{
	enum flow flow = FLOW_GO;
	struct scan it;

	/* The API has citations of texts alone. */
	if (span_is(json_get(citation, "type"), "THINKING_CONTENT") ||
	    !json_each(json_get(citation, "sources"), &it))
		return FLOW_GO;
	for (size_t i = 0; !flow && scan_element(&it); i++)
		flow = read_source(d, s, scan_any(&it), i);
	return flow;
}

/* Each element of a list, or the one object that stands in its place. */
static enum flow each(struct openai_decoder *d, struct sink *s, struct span v,
		      enum flow (*read)(struct openai_decoder *, struct sink *, struct span))
{
	enum flow flow = FLOW_GO;
	struct scan it;

	if (span_is_null(v))
		return FLOW_GO;
	if (!json_each(v, &it))
		return read(d, s, v);
	while (!flow && scan_element(&it))
		flow = read(d, s, scan_any(&it));
	return flow;
}

static enum flow whole_call(struct openai_decoder *d, struct sink *s, struct span call)
{
	return openai_tool_call(d, s, call, true);
}

static enum flow piece_of_call(struct openai_decoder *d, struct sink *s, struct span call)
{
	return openai_tool_call(d, s, call, false);
}

static enum flow read_message(struct openai_decoder *d, struct sink *s, struct span message,
			      bool whole)
{
	enum flow flow = FLOW_GO;

	if (!whole || span_is_null(json_get(message, "content")))
		flow = openai_text(d, s, json_get(message, "tool_plan"));
	if (!flow)
		flow = each(d, s, json_get(message, "content"), read_content);
	if (!flow && whole && !span_is_null(json_get(message, "content")))
		flow = openai_text(d, s, json_get(message, "tool_plan"));
	if (!flow)
		flow = each(d, s, json_get(message, "citations"), read_citation);
	if (!flow)
		flow = each(d, s, json_get(message, "tool_calls"),
			    whole ? whole_call : piece_of_call);
	return flow;
}

static enum flow start(struct openai_decoder *d, struct sink *s, struct span id)
{
	struct event e = { .type = EVENT_START, .index = -1, .usage = USAGE_UNKNOWN };

	if (d->started)
		return FLOW_GO;
	d->started = true;
	if (span_is_string(id))
		e.id = id;
	return sink_event(s, &e);
}

static NOINLINE enum flow no_message(struct openai_decoder *d, struct sink *s, struct str text)
{
	struct fault f = FAULT_INIT;

	error_from_body(d->c, 200, text, &f);
	return openai_fault(s, &f);
}

enum flow cohere_decode_event(void *state, struct str name, struct str data, struct sink *s)
{
	struct openai_decoder *d = state;
	struct span event = span_json(str_trim(data)), delta, type;
	enum flow flow;

	if (d->done || !event.n || str_is(str_trim(data), "[DONE]"))
		return FLOW_GO;
	if (!span_is_object(event) || json_check(data, NULL, NULL))
		return no_message(d, s, data);
	type = json_get(event, "type");
	delta = json_get(event, "delta");
	if (!span_is_string(type))
		return no_message(d, s, data);
	flow = start(d, s, json_get(event, "id"));
	if (!flow && span_is_object(delta))
		flow = read_message(d, s, json_get(delta, "message"), false);
	if (flow || !span_is(type, "message-end"))
		return flow;
	read_usage(d, json_get(delta, "usage"));
	return note_finish(d, s, json_get(delta, "finish_reason"), json_get(delta, "error"));
}

enum flow cohere_decode_body(void *state, struct str body, struct sink *s)
{
	struct openai_decoder *d = state;
	struct span answer = span_json(str_trim(body)), message;
	enum flow flow;

	if (json_check(body, NULL, NULL))
		return no_message(d, s, body);
	message = json_get(answer, "message");
	if (!span_is_object(message))
		return no_message(d, s, body);
	flow = start(d, s, json_get(answer, "id"));
	read_usage(d, json_get(answer, "usage"));
	if (!flow)
		flow = read_message(d, s, message, true);
	/* A stop sequence was met: there will be no other time to tell what it cost. */
	if (flow == FLOW_STOP)
		sink_usage(s, &d->usage);
	if (!flow)
		flow = note_finish(d, s, json_get(answer, "finish_reason"), SPAN_ABSENT);
	d->done = true;
	return flow;
}

/* 498 is a blocked prompt there, 499 a server that gave up. */
static void decode_error(const struct decode_context *c, int status, struct str body,
			 struct fault *f)
{
	error_from_body(c, status == 498 ? 400 : status == 499 ? 500 : status, body, f);
	f->upstream_status = status;
}

const struct dialect dialect_cohere = {
	.name = "cohere",
	.encode = cohere_encode,
	.decoder_size = sizeof(struct openai_decoder),
	.decode_start = openai_decode_start,
	.decode_event = cohere_decode_event,
	.decode_body = cohere_decode_body,
	.decode_end = openai_decode_end,
	.decode_error = decode_error,
	.decode_models = openai_decode_models,
};
