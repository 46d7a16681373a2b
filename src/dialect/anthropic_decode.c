/*
 * Answers of a Messages backend. A streaming client gets its events as they came (EVENT_RAW), told apart only as far as the order keeper
 * and the log need; what the log wants to know goes ahead as events with `echo` set. Where the forms differ (a whole
 * Message although a stream was asked for, a stream although the client wants a whole answer) the same content goes out as content events.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "dialect/anthropic.h"
#include "dialect/anthropic_sign.h"
#include "dialect/gemini.h"
#include "dialect/openai.h"
#include "dialect/vertex.h"
#include "json/scan.h"

struct anthropic_decoder {
	const struct decode_context *c;
	bool started;           /* a message_start, or a whole Message, was seen */
	bool block_open;
	bool reason_given;      /* a message_delta said why it stopped */
	bool stopped;           /* message_stop */
	/* Content events: what the open block is; one of a type that passes whole waits for its input's last fragment. */
	enum event_type open;
	struct span block;
	char *input;
	size_t ninput, input_cap;
};

static const struct { const char *name; enum raw_kind kind; } raw_kinds[] = {
	{ "content_block_delta", RAW_BLOCK_DELTA },
	{ "content_block_start", RAW_BLOCK_START },
	{ "content_block_stop", RAW_BLOCK_STOP },
	{ "message_start", RAW_MESSAGE_START },
	{ "message_delta", RAW_MESSAGE_DELTA },
	{ "message_stop", RAW_MESSAGE_STOP },
	{ "ping", RAW_PING },
	{ "error", RAW_ERROR },
};

static enum raw_kind raw_kind_of(struct span type)
{
	for (size_t i = 0; i < sizeof(raw_kinds) / sizeof(*raw_kinds); i++)
		if (span_is(type, raw_kinds[i].name))
			return raw_kinds[i].kind;
	return RAW_OTHER;
}

static const struct { const char *name; enum stop_reason reason; } reasons[] = {
	{ "end_turn", STOP_END_TURN },
	{ "tool_use", STOP_TOOL_USE },
	{ "max_tokens", STOP_MAX_TOKENS },
	{ "stop_sequence", STOP_SEQUENCE },
	{ "pause_turn", STOP_PAUSE_TURN },
	{ "refusal", STOP_REFUSAL },
	{ "model_context_window_exceeded", STOP_CONTEXT_WINDOW },
	{ "compaction", STOP_COMPACTION },
};

static enum stop_reason reason_of(struct span s)
{
	if (!span_is_string(s))
		return STOP_NOT_GIVEN;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (span_is(s, reasons[i].name))
			return reasons[i].reason;
	return STOP_END_TURN;   /* an open list: an unknown reason is an end all the same */
}

static int64_t count_of(struct span usage, const char *member)
{
	int64_t v;

	return span_int(json_get(usage, member), &v) && v >= 0 ? v : -1;
}

static struct usage usage_of(struct span u)
{
	struct usage known = USAGE_UNKNOWN;

	known.input = count_of(u, "input_tokens");
	known.output = count_of(u, "output_tokens");
	known.cache_read = count_of(u, "cache_read_input_tokens");
	known.cache_write = count_of(u, "cache_creation_input_tokens");
	known.thinking = count_of(json_get(u, "output_tokens_details"), "thinking_tokens");
	return known;
}

static enum flow send_usage(struct sink *s, struct span usage, bool echo)
{
	struct event e = { .type = EVENT_USAGE, .echo = echo, .index = -1 };

	if (!span_is_object(usage))
		return FLOW_GO;
	e.usage = usage_of(usage);
	return sink_event(s, &e);
}

static enum flow send_reason(struct anthropic_decoder *d, struct sink *s, struct span from, bool echo)
{
	struct event e = { .type = EVENT_STOP_REASON, .echo = echo, .index = -1 };

	e.stop = reason_of(json_get(from, "stop_reason"));
	if (e.stop == STOP_NOT_GIVEN)
		return FLOW_GO;
	d->reason_given = true;
	e.text = json_get(from, "stop_sequence");
	if (!span_is_string(e.text))
		e.text = SPAN_ABSENT;
	return sink_event(s, &e);
}

static enum flow send_start(struct anthropic_decoder *d, struct sink *s, struct span message, bool echo)
{
	struct event start = { .type = EVENT_START, .echo = echo, .index = -1 };
	struct event model = { .type = EVENT_MODEL, .echo = echo, .index = -1 };
	enum flow flow;

	d->started = true;
	start.id = json_get(message, "id");
	start.usage = usage_of(json_get(message, "usage"));
	flow = sink_event(s, &start);
	model.text = json_get(message, "model");
	if (!flow && span_is_string(model.text))
		flow = sink_event(s, &model);
	if (!flow)
		flow = send_usage(s, json_get(message, "usage"), echo);
	return flow;
}

/* ---- errors ---- */

/* An error inside a stream or a 200 body: the fault is the same as if its status had come. */
static NOINLINE enum flow send_fault(struct anthropic_decoder *d, struct sink *s, struct str data)
{
	struct fault f = FAULT_INIT;

	dialect_anthropic.decode_error(d->c, 200, data, &f);
	return sink_fault(s, &f);
}

static NOINLINE enum flow not_json(struct anthropic_decoder *d, struct sink *s)
{
	struct fault f = FAULT_INIT;

	fault_set(&f, FAULT_TRANSIENT, 502, "api_error", "backend %s sent a stream event that is not JSON",
		  d->c->target->backend->name);
	return sink_fault(s, &f);
}

static bool is_error(struct span doc)
{
	struct span error = json_get(doc, "error");

	return span_is(json_get(doc, "type"), "error") || span_is_object(error) ||
	       (span_is_string(error) && !span_given(json_get(doc, "type")));
}

/* The API's own envelope, worth passing on byte by byte: clients match its wording. */
static bool own_envelope(struct span doc)
{
	return span_is(json_get(doc, "type"), "error") &&
	       span_is_string(json_path(doc, "error", "type", NULL)) &&
	       span_is_string(json_path(doc, "error", "message", NULL));
}

static void anthropic_decode_error(const struct decode_context *c, int status, struct str body,
				   struct fault *f)
{
	struct span doc = span_json(str_trim(body));

	error_from_body(c, status, body, f);
	if (json_check(doc.n ? (struct str){ doc.p, doc.n } : STR(""), NULL, NULL) ||
	    !own_envelope(doc))
		return;
	/* Rewritten ones (our key was refused; another vendor's wording of an overflow) stay rewritten. */
	if (f->class == FAULT_AUTH && !c->target->caller_key)
		return;
	/* So do those that another host calls by a name of its own (LiteLLM: an unknown model a bad
	 * request, an overload an api_error): clients decide by the type. */
	if (!c->target->backend->anthropic_host &&
	    (f->class == FAULT_OVERFLOW || f->class == FAULT_QUOTA ||
	     !span_is(json_path(doc, "error", "type", NULL), f->type)))
		return;
	f->raw = arena_str(c->arena, (struct str){ doc.p, doc.n });
	if (status >= 400)
		f->status = status;
}

/* ---- content events ---- */

static enum flow send_block(struct anthropic_decoder *d, struct sink *s, struct span block,
			    unsigned key, bool whole)
{
	struct span type = json_get(block, "type");
	struct event e = { .index = -1, .key = key };
	enum flow flow;

	if (span_is(type, "text") || span_is(type, "thinking")) {
		bool text = span_is(type, "text");

		d->open = text ? EVENT_TEXT : EVENT_THINKING;
		flow = sink_text(s, d->open, json_get(block, text ? "text" : "thinking"));
		e.text = json_get(block, "signature");
		if (!flow && !text && whole && span_given(e.text))
			flow = sink_text(s, EVENT_SIGNATURE, e.text);
		return flow;
	}
	if (span_is(type, "tool_use")) {
		d->open = EVENT_TOOL_START;
		flow = sink_tool(s, EVENT_TOOL_START, key, json_get(block, "id"),
				 json_get(block, "name"), SPAN_ABSENT);
		return flow;
	}
	d->open = span_is(type, "redacted_thinking") ? EVENT_REDACTED : EVENT_BLOCK;
	if (d->open == EVENT_REDACTED)
		return sink_text(s, EVENT_REDACTED, json_get(block, "data"));
	d->block = span_json(arena_str(d->c->arena, (struct str){ block.p, block.n }));
	d->ninput = 0;
	return d->block.p ? FLOW_GO : FLOW_ABORT;
}

static enum flow hold_input(struct anthropic_decoder *d, struct span fragment)
{
	size_t n = span_text_size(fragment);
	char *grown = arena_grow(d->c->arena, d->input, d->ninput + n, &d->input_cap, 1);
	struct buf text;

	if (!grown)
		return FLOW_ABORT;
	d->input = grown;
	buf_init(&text, 0);
	span_put_text(&text, fragment);
	if (text.n == n)
		memcpy(d->input + d->ninput, text.p ? text.p : "", n);
	d->ninput += n;
	buf_release(&text);
	return FLOW_GO;
}

/* The held block, with the input that came in fragments in the place of the empty one. */
static enum flow send_held(struct anthropic_decoder *d, struct sink *s)
{
	struct span input = json_get(d->block, "input");
	struct str all = { d->input, d->ninput };
	struct buf made;
	enum flow flow;

	if (!d->ninput || !span_given(input) || json_check(all, NULL, NULL))
		return sink_text(s, EVENT_BLOCK, d->block);
	buf_init(&made, 0);
	buf_put(&made, d->block.p, (size_t)(input.p - d->block.p));
	buf_put_str(&made, all);
	buf_put(&made, input.p + input.n, d->block.n - (size_t)(input.p + input.n - d->block.p));
	flow = made.failed ? FLOW_ABORT : sink_text(s, EVENT_BLOCK, span_json(buf_str(&made)));
	buf_release(&made);
	return flow;
}

/* Whether an object has a member of this name; names are compared as text. */
static bool has_member(struct span obj, struct span name)
{
	struct scan it;
	struct span key;

	if (!json_each_member(obj, &it))
		return false;
	while (scan_member(&it, &key)) {
		if (span_eq(key, name))
			return true;
		scan_any(&it);
	}
	return false;
}

/* Adds the members of an object but its "type" and those that `but` has as well. */
static void put_members(struct buf *b, struct span obj, struct span but)
{
	struct scan it;
	struct span key;

	if (!json_each_member(obj, &it))
		return;
	while (scan_member(&it, &key)) {
		struct span value = scan_any(&it);

		if (span_is(key, "type") || has_member(but, key))
			continue;
		buf_puts(b, ",");
		span_put_string(b, key);
		buf_puts(b, ":");
		span_put_value(b, value);
	}
}

/* A delta of a kind that this program has no name for (compaction_delta) carries final values: they
 * take the place of the held block's own. */
static enum flow hold_members(struct anthropic_decoder *d, struct span delta)
{
	struct buf made;

	buf_init(&made, 0);
	buf_puts(&made, "{\"type\":");
	span_put_value(&made, json_get(d->block, "type"));
	put_members(&made, d->block, delta);
	put_members(&made, delta, SPAN_ABSENT);
	buf_puts(&made, "}");
	d->block = made.failed ? SPAN_ABSENT : span_json(arena_str(d->c->arena, buf_str(&made)));
	buf_release(&made);
	return d->block.p ? FLOW_GO : FLOW_ABORT;
}

static enum flow send_citations(struct sink *s, struct span citations)
{
	struct scan it;
	enum flow flow = FLOW_GO;

	if (!json_each(citations, &it))
		return FLOW_GO;
	while (!flow && scan_element(&it))
		flow = sink_text(s, EVENT_CITATION, scan_value(&it));
	return flow;
}

static enum flow close_block(struct anthropic_decoder *d, struct sink *s, unsigned key)
{
	if (d->open == EVENT_TOOL_START)
		return sink_tool(s, EVENT_TOOL_STOP, key, SPAN_ABSENT, SPAN_ABSENT, SPAN_ABSENT);
	if (d->open == EVENT_TEXT || d->open == EVENT_THINKING)
		return sink_text(s, EVENT_BLOCK_STOP, SPAN_ABSENT);
	return d->open == EVENT_BLOCK ? send_held(d, s) : FLOW_GO;
}

/* A whole tool input as one fragment: its JSON text as the content of a string. */
static enum flow send_input(struct anthropic_decoder *d, struct sink *s, struct span input, unsigned key)
{
	struct buf content;
	enum flow flow;

	buf_init(&content, 0);
	span_put_content(&content, input);
	flow = content.failed ? FLOW_ABORT :
	       sink_tool(s, EVENT_TOOL_DELTA, key, SPAN_ABSENT, SPAN_ABSENT,
			 span_str(buf_str(&content)));
	buf_release(&content);
	return flow;
}

static enum flow send_content(struct anthropic_decoder *d, struct sink *s, struct span content)
{
	struct scan it;
	enum flow flow = FLOW_GO;

	if (!json_each(content, &it))
		return FLOW_GO;
	for (unsigned key = 0; !flow && scan_element(&it); key++) {
		struct span block = scan_value(&it);
		struct span input = json_get(block, "input");

		flow = send_block(d, s, block, key, true);
		if (!flow && d->open == EVENT_TOOL_START && span_is_object(input))
			flow = send_input(d, s, input, key);
		if (!flow && d->open == EVENT_TEXT)
			flow = send_citations(s, json_get(block, "citations"));
		if (!flow)
			flow = close_block(d, s, key);
	}
	return flow;
}

static enum flow send_delta(struct anthropic_decoder *d, struct sink *s, struct span delta, unsigned key)
{
	static const struct { const char *type, *member; enum event_type event; } kinds[] = {
		{ "text_delta", "text", EVENT_TEXT },
		{ "thinking_delta", "thinking", EVENT_THINKING },
		{ "signature_delta", "signature", EVENT_SIGNATURE },
		{ "input_json_delta", "partial_json", EVENT_TOOL_DELTA },
		{ "citations_delta", "citation", EVENT_CITATION },
	};
	struct span type = json_get(delta, "type");

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct span v = json_get(delta, kinds[i].member);

		if (!span_is(type, kinds[i].type) || !span_given(v))
			continue;
		if (kinds[i].event == EVENT_TOOL_DELTA && d->open == EVENT_BLOCK)
			return hold_input(d, v);
		if (kinds[i].event == EVENT_TOOL_DELTA)
			return sink_tool(s, EVENT_TOOL_DELTA, key, SPAN_ABSENT, SPAN_ABSENT, v);
		return sink_text(s, kinds[i].event, v);
	}
	return d->open == EVENT_BLOCK ? hold_members(d, delta) : FLOW_GO;
}

static const char *const known_delta[] = { "stop_reason", "stop_sequence", NULL };
static const char *const known_event[] = { "type", "delta", "usage", NULL };
static const char *const known_message[] = { "id", "type", "role", "model", "content", "stop_reason",
					     "stop_sequence", "usage", NULL };

/* Members that this program has no name for (safeguard_results, context_management) pass on as they
 * are: of the final delta and the event around it, or of a whole Message. */
static enum flow send_members(struct sink *s, struct span from, const char *const *names)
{
	struct scan it;
	struct span key;
	enum flow flow = FLOW_GO;

	if (!json_each_member(from, &it))
		return FLOW_GO;
	while (!flow && scan_member(&it, &key)) {
		struct event e = { .type = EVENT_MEMBER, .index = -1, .name = key };
		bool known = false;

		e.text = scan_value(&it);
		for (size_t i = 0; names[i]; i++)
			known = known || span_is(key, names[i]);
		if (!known && !span_is_null(e.text))
			flow = sink_event(s, &e);
	}
	return flow;
}

static enum flow content_event(struct anthropic_decoder *d, struct sink *s, enum raw_kind kind,
			       struct span doc)
{
	int64_t index = 0;
	enum flow flow;

	if (!span_int(json_get(doc, "index"), &index) || index < 0)
		index = 0;
	switch (kind) {
	case RAW_BLOCK_START:
		return send_block(d, s, json_get(doc, "content_block"), (unsigned)index, false);
	case RAW_BLOCK_DELTA:
		return send_delta(d, s, json_get(doc, "delta"), (unsigned)index);
	case RAW_BLOCK_STOP:
		return close_block(d, s, (unsigned)index);
	case RAW_MESSAGE_DELTA:
		flow = send_usage(s, json_get(doc, "usage"), false);
		if (!flow)
			flow = send_reason(d, s, json_get(doc, "delta"), false);
		if (!flow)
			flow = send_members(s, json_get(doc, "delta"), known_delta);
		return flow ? flow : send_members(s, doc, known_event);
	default:
		return FLOW_GO;
	}
}

/* ---- events as they came ---- */

static enum flow echo_event(struct anthropic_decoder *d, struct sink *s, enum raw_kind kind,
			    struct span doc)
{
	enum flow flow;

	if (kind == RAW_MESSAGE_DELTA) {
		flow = send_usage(s, json_get(doc, "usage"), true);
		return flow ? flow : send_reason(d, s, json_get(doc, "delta"), true);
	}
	return FLOW_GO;
}

static enum flow raw_event(struct sink *s, enum raw_kind kind, struct span name, struct span doc)
{
	struct event e = { .type = EVENT_RAW, .raw = kind, .index = -1, .name = name, .text = doc };

	if ((kind == RAW_BLOCK_START || kind == RAW_BLOCK_DELTA || kind == RAW_BLOCK_STOP) &&
	    !span_int(json_get(doc, "index"), &e.index))
		e.index = -1;
	return sink_event(s, &e);
}

static void note_progress(struct anthropic_decoder *d, enum raw_kind kind)
{
	if (kind == RAW_BLOCK_START)
		d->block_open = true;
	else if (kind == RAW_BLOCK_STOP)
		d->block_open = false;
	else if (kind == RAW_MESSAGE_STOP)
		d->stopped = true;
}

static NOINLINE enum flow no_memory(struct sink *s)
{
	struct fault f = FAULT_INIT;

	fault_no_memory(&f);
	return sink_fault(s, &f);
}

static enum flow anthropic_decode_event(void *state, struct str name, struct str data, struct sink *s)
{
	struct anthropic_decoder *d = state;
	struct span doc = span_json(str_trim(data)), type;
	enum raw_kind kind;
	enum flow flow = FLOW_GO;

	if (d->stopped || !doc.n || str_is(data, "[DONE]"))
		return FLOW_GO;
	if (json_check((struct str){ doc.p, doc.n }, NULL, NULL) || !str_utf8(name))
		return not_json(d, s);
	type = json_get(doc, "type");
	kind = raw_kind_of(span_is_string(type) ? type : span_utf8(name));
	if ((kind == RAW_BLOCK_START || kind == RAW_BLOCK_DELTA) && anthropic_sign(d->c, &doc))
		return no_memory(s);
	if (kind == RAW_ERROR || (kind == RAW_OTHER && is_error(doc)))
		return send_fault(d, s, data);
	if (kind == RAW_MESSAGE_START && d->started)
		return FLOW_GO;         /* the same message announced twice */
	if (kind == RAW_MESSAGE_START)
		flow = send_start(d, s, json_get(doc, "message"), d->c->streaming);
	note_progress(d, kind);
	if (flow || !d->started)
		return flow;
	if (!d->c->streaming)
		return content_event(d, s, kind, doc);
	flow = echo_event(d, s, kind, doc);
	return flow ? flow : raw_event(s, kind, span_is_string(type) ? type : span_utf8(name), doc);
}

static enum flow anthropic_decode_body(void *state, struct str body, struct sink *s)
{
	struct anthropic_decoder *d = state;
	struct span doc = span_json(str_trim(body));
	bool echo = !d->c->streaming;
	enum flow flow;

	if (json_check((struct str){ doc.p, doc.n }, NULL, NULL) || is_error(doc) ||
	    !span_is_array(json_get(doc, "content")))
		return send_fault(d, s, body);
	if (anthropic_sign(d->c, &doc))
		return no_memory(s);
	d->stopped = true;
	flow = send_start(d, s, doc, echo);
	if (!flow && !echo)
		flow = send_content(d, s, json_get(doc, "content"));
	if (!flow)
		flow = send_reason(d, s, doc, echo);
	if (!flow && !echo)
		flow = send_members(s, doc, known_message);
	if (!flow && echo)
		flow = raw_event(s, RAW_WHOLE, span_utf8(STR("message")), doc);
	return flow;
}

/* A message is complete with message_stop, or with a stop reason and no block open; the stop is made up then, because SDKs wait for it. */
static int anthropic_decode_end(void *state, struct sink *s, enum flow *flow, struct fault *f)
{
	struct anthropic_decoder *d = state;

	*flow = FLOW_GO;
	if (d->stopped)
		return 0;
	if (d->started && d->reason_given && !d->block_open) {
		d->stopped = true;
		if (d->c->streaming)
			*flow = raw_event(s, RAW_MESSAGE_STOP, span_utf8(STR("message_stop")),
					  span_json(STR("{\"type\":\"message_stop\"}")));
		return 0;
	}
	return fault_set(f, FAULT_TRANSIENT, 502, "api_error", d->started ?
			 "backend %s closed the stream before its answer was complete" :
			 "backend %s sent an empty answer", d->c->target->backend->name);
}

static void anthropic_decode_start(void *state, const struct decode_context *c)
{
	struct anthropic_decoder *d = state;

	d->c = c;
}

static int anthropic_decode_count(struct str body, int64_t *tokens)
{
	struct span doc = span_json(str_trim(body));

	if (json_check((struct str){ doc.p, doc.n }, NULL, NULL))
		return -1;
	/* LiteLLM says 0 where its provider has told no count. */
	return span_int(json_get(doc, "input_tokens"), tokens) && *tokens > 0 ? 0 : -1;
}

/* "2026-01-01T00:00:00Z" to unix seconds; 0 when it is anything else. */
static int64_t created_of(const char *text)
{
	int y, m, day, h, min, s;

	if (!text || sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &y, &m, &day, &h, &min, &s) != 6 ||
	    m < 1 || m > 12)
		return 0;
	return clock_seconds(y, m, day, h, min, s);
}

static int64_t limit_of(struct span model, const char *member)
{
	int64_t n;

	return span_int(json_get(model, member), &n) && n > 0 ? n : 0;
}

/* Servers that speak both APIs (vLLM, Ollama, llama.cpp) have the list of the other one. */
static int anthropic_decode_models(struct arena *a, struct str body,
				   void (*add)(void *ctx, const struct model_info *m), void *ctx)
{
	struct span doc = span_json(str_trim(body));
	struct scan it;

	if (json_check((struct str){ doc.p, doc.n }, NULL, NULL))
		return -1;
	if (span_is(json_get(doc, "object"), "list"))
		return openai_decode_models(a, body, add, ctx);
	if (!json_each(json_get(doc, "data"), &it))
		return -1;
	while (scan_element(&it)) {
		struct span one = scan_value(&it);
		struct model_info m = { .id = model_text(a, json_get(one, "id")) };

		if (!m.id)
			continue;
		m.display_name = model_text(a, json_get(one, "display_name"));
		m.created = created_of(model_text(a, json_get(one, "created_at")));
		m.context_tokens = limit_of(one, "max_input_tokens");
		m.max_output_tokens = limit_of(one, "max_tokens");
		add(ctx, &m);
	}
	return 0;
}

const struct dialect dialect_anthropic = {
	.name = "anthropic",
	.encode = anthropic_encode,
	.decoder_size = sizeof(struct anthropic_decoder),
	.decode_start = anthropic_decode_start,
	.decode_event = anthropic_decode_event,
	.decode_body = anthropic_decode_body,
	.decode_end = anthropic_decode_end,
	.decode_error = anthropic_decode_error,
	.decode_count = anthropic_decode_count,
	.decode_models = anthropic_decode_models,
};

const struct dialect dialect_vertex_anthropic = {
	.name = "vertex-anthropic",
	.encode = vertex_anthropic_encode,
	.decoder_size = sizeof(struct anthropic_decoder),
	.decode_start = anthropic_decode_start,
	.decode_event = anthropic_decode_event,
	.decode_body = anthropic_decode_body,
	.decode_end = anthropic_decode_end,
	.decode_error = vertex_anthropic_decode_error,
	.decode_count = anthropic_decode_count,
	.decode_models = gemini_decode_models,
};
