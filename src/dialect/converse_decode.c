/*
 * Answers of Bedrock's Converse. What sets its streams apart: only a tool call announces its block,
 * text and reasoning begin with their first fragment; the end of a block may be missing before the
 * next one; usage comes in an event of its own, before or after the stop. A signature and redacted
 * reasoning may come in pieces and are sent when their block ends.
 */
#include <string.h>

#include "dialect/bedrock.h"
#include "dialect/converse.h"
#include "dialect/openai_decode.h"
#include "json/scan.h"

#define BLOCKS_MAX 65536        /* blocks of one answer whose kind is remembered */

enum kind { KIND_NONE, KIND_TEXT, KIND_THINKING, KIND_REDACTED, KIND_TOOL };

struct decoder {
	const struct decode_context *c;
	bool started, stopped;
	int64_t open;           /* index of the text or reasoning block that is open */
	enum kind kind;         /* what it is; KIND_NONE: none is */
	struct gather held;     /* its signature or redacted content so far */
	bool *tools;            /* by index: a tool call that has not ended */
	size_t ntools, tools_cap;
};

static const struct { const char *name; enum stop_reason reason; } reasons[] = {
	{ "end_turn", STOP_END_TURN },
	{ "tool_use", STOP_TOOL_USE },
	{ "max_tokens", STOP_MAX_TOKENS },
	{ "stop_sequence", STOP_SEQUENCE },
	{ "guardrail_intervened", STOP_REFUSAL },
	{ "content_filtered", STOP_REFUSAL },
	{ "model_context_window_exceeded", STOP_CONTEXT_WINDOW },
};

/* ---- faults ---- */

static NOINLINE enum flow no_memory(struct sink *s)
{
	struct fault f = FAULT_INIT;

	fault_no_memory(&f);
	return sink_fault(s, &f);
}

static NOINLINE enum flow send_error(struct decoder *d, struct sink *s, struct str body)
{
	struct fault f = FAULT_INIT;

	bedrock_decode_error(d->c, 200, body, &f);
	return sink_fault(s, &f);
}

/* "malformed_model_output", "malformed_tool_use": what came is no answer. */
static NOINLINE enum flow malformed(struct decoder *d, struct sink *s, struct span reason)
{
	struct fault f = FAULT_INIT;

	fault_set(&f, FAULT_TRANSIENT, 502, "api_error",
		  "backend %s: the model's answer can't be used (%.*s)",
		  d->c->target->backend->name, (int)(reason.n < 100 ? reason.n : 100), reason.p);
	return sink_fault(s, &f);
}

/* ---- blocks ---- */

static enum flow start(struct decoder *d, struct sink *s)
{
	struct event e = { .type = EVENT_START, .index = -1, .usage = USAGE_UNKNOWN };

	if (d->started)
		return FLOW_GO;
	d->started = true;
	return sink_event(s, &e);
}

/* The state goes back to this backend only, in the form that it gave it. */
static enum flow send_state(struct decoder *d, struct sink *s, enum event_type type)
{
	const char *origin = bedrock_origin(d->c->arena, d->c->target);
	struct buf b;
	enum flow flow;

	buf_init(&b, 0);
	if (!origin || opaque_put(&b, origin, (struct str){ d->held.p, d->held.n }))
		flow = no_memory(s);
	else
		flow = sink_text(s, type, span_utf8(buf_str(&b)));
	buf_release(&b);
	d->held.n = 0;
	return flow;
}

static enum flow close_block(struct decoder *d, struct sink *s)
{
	enum kind kind = d->kind;
	enum flow flow = FLOW_GO;

	d->kind = KIND_NONE;
	if (kind == KIND_REDACTED)
		return d->held.n ? send_state(d, s, EVENT_REDACTED) : FLOW_GO;
	if (kind == KIND_THINKING && d->held.n)
		flow = send_state(d, s, EVENT_SIGNATURE);
	if (!flow && kind != KIND_NONE)
		flow = sink_text(s, EVENT_BLOCK_STOP, SPAN_ABSENT);
	return flow;
}

/* A fragment of this kind comes for the block at index: whatever else was open has ended. */
static enum flow open_block(struct decoder *d, struct sink *s, int64_t index, enum kind kind)
{
	enum flow flow = FLOW_GO;

	if (d->kind != kind || d->open != index)
		flow = close_block(d, s);
	d->kind = kind;
	d->open = index;
	return flow;
}

static enum flow hold(struct decoder *d, struct sink *s, struct span piece)
{
	struct buf text;
	int rc;

	buf_init(&text, 0);
	rc = span_put_text(&text, piece) || gather_put(d->c->arena, &d->held, text.p, text.n);
	buf_release(&text);
	return rc ? no_memory(s) : FLOW_GO;
}

static enum flow take_text(struct decoder *d, struct sink *s, int64_t index, enum kind kind,
			   struct span text)
{
	enum flow flow = open_block(d, s, index, kind);

	if (!flow && kind == KIND_REDACTED)
		return hold(d, s, text);
	if (!flow && text.n)
		flow = sink_text(s, kind == KIND_TEXT ? EVENT_TEXT : EVENT_THINKING, text);
	return flow;
}

/* It belongs to the text before it. */
static enum flow take_citation(struct decoder *d, struct sink *s, int64_t index,
			       struct span citation)
{
	enum flow flow = open_block(d, s, index, KIND_TEXT);
	struct buf b;

	if (flow)
		return flow;
	buf_init(&b, 0);
	if (converse_put_citation(&b, citation))
		flow = no_memory(s);
	else if (b.n)
		flow = sink_text(s, EVENT_CITATION, span_json(buf_str(&b)));
	buf_release(&b);
	return flow;
}

/* "reasoningContent" of a delta, or "reasoningText" of a whole block. */
static enum flow take_reasoning(struct decoder *d, struct sink *s, int64_t index, struct span r)
{
	struct span text = json_get(r, "text"), signature = json_get(r, "signature");
	struct span redacted = json_get(r, "redactedContent");
	enum flow flow = FLOW_GO;

	if (span_is_string(redacted))
		flow = take_text(d, s, index, KIND_REDACTED, redacted);
	if (!flow && span_is_string(text))
		flow = take_text(d, s, index, KIND_THINKING, text);
	if (!flow && span_is_string(signature))
		flow = open_block(d, s, index, KIND_THINKING);
	if (!flow && span_is_string(signature))
		flow = hold(d, s, signature);
	return flow;
}

/* ---- tool calls ---- */

static bool *tool_at(struct decoder *d, int64_t index)
{
	bool *v = d->tools;

	if (index < 0 || index >= BLOCKS_MAX)
		return NULL;
	while (d->ntools <= (size_t)index) {
		v = arena_grow(d->c->arena, d->tools, d->ntools, &d->tools_cap, sizeof(*v));
		if (!v)
			return NULL;
		d->tools = v;
		v[d->ntools++] = false;
	}
	return &v[index];
}

static enum flow send_tool_start(struct decoder *d, struct sink *s, int64_t index,
				 struct span use)
{
	struct span restored = SPAN_ABSENT;
	struct buf id, name;
	enum flow flow;

	buf_init(&id, 0);
	buf_init(&name, 0);
	if (!id_to_client(&id, json_get(use, "toolUseId")) &&
	    !span_put_text(&name, json_get(use, "name")))
		restored = name_restore(d->c->request, buf_str(&name),
					d->c->target->backend->tool_name_max);
	if (span_given(restored))
		flow = sink_tool(s, EVENT_TOOL_START, (unsigned)index, span_utf8(buf_str(&id)),
				 restored, SPAN_ABSENT);
	else
		flow = no_memory(s);
	buf_release(&id);
	buf_release(&name);
	return flow;
}

static enum flow tool_start(struct decoder *d, struct sink *s, int64_t index, struct span use)
{
	bool *tool = tool_at(d, index);
	enum flow flow = close_block(d, s);

	if (!tool)
		return flow ? flow : no_memory(s);
	*tool = true;
	return flow ? flow : send_tool_start(d, s, index, use);
}

static enum flow tool_stop(struct decoder *d, struct sink *s, int64_t index)
{
	d->tools[index] = false;
	return sink_tool(s, EVENT_TOOL_STOP, (unsigned)index, SPAN_ABSENT, SPAN_ABSENT,
			 SPAN_ABSENT);
}

static bool is_tool(const struct decoder *d, int64_t index)
{
	return index >= 0 && (uint64_t)index < d->ntools && d->tools[index];
}

/* Whatever the backend has not ended ends with the message. */
static enum flow close_all(struct decoder *d, struct sink *s)
{
	enum flow flow = close_block(d, s);

	for (size_t i = 0; !flow && i < d->ntools; i++)
		if (d->tools[i])
			flow = tool_stop(d, s, (int64_t)i);
	return flow;
}

/* ---- events of a stream ---- */

static int64_t index_of(struct span event)
{
	int64_t index;

	return span_int(json_get(event, "contentBlockIndex"), &index) ? index : 0;
}

static enum flow block_start(struct decoder *d, struct sink *s, struct span event)
{
	struct span use = json_path(event, "start", "toolUse", NULL);

	return span_is_object(use) ? tool_start(d, s, index_of(event), use) : FLOW_GO;
}

static enum flow block_delta(struct decoder *d, struct sink *s, struct span event)
{
	struct span delta = json_get(event, "delta"), text = json_get(delta, "text");
	struct span input = json_path(delta, "toolUse", "input", NULL);
	int64_t index = index_of(event);

	if (span_is_string(text))
		return take_text(d, s, index, KIND_TEXT, text);
	if (span_is_string(input))
		return !is_tool(d, index) ? FLOW_GO :
		       sink_tool(s, EVENT_TOOL_DELTA, (unsigned)index, SPAN_ABSENT, SPAN_ABSENT,
				 input);
	if (span_is_object(json_get(delta, "citation")))
		return take_citation(d, s, index, json_get(delta, "citation"));
	return take_reasoning(d, s, index, json_get(delta, "reasoningContent"));
}

static enum flow block_stop(struct decoder *d, struct sink *s, struct span event)
{
	int64_t index = index_of(event);

	if (is_tool(d, index))
		return tool_stop(d, s, index);
	return d->open == index ? close_block(d, s) : FLOW_GO;
}

/* Which sequence it was is said only where it was asked for; one alone needs no saying. */
static struct span stop_sequence(const struct decoder *d, struct span event)
{
	const struct message_request *r = d->c->request;
	struct span said = json_path(event, "additionalModelResponseFields", "stop_sequence", NULL);

	if (span_is_string(said))
		return said;
	return r->nstop_sequences == 1 ? r->stop_sequences[0] : SPAN_ABSENT;
}

static enum flow message_stop(struct decoder *d, struct sink *s, struct span event)
{
	struct event e = { .type = EVENT_STOP_REASON, .index = -1, .stop = STOP_END_TURN };
	struct span reason = json_get(event, "stopReason");
	enum flow flow = close_all(d, s);

	d->stopped = true;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (span_is(reason, reasons[i].name))
			e.stop = reasons[i].reason;
	if (flow)
		return flow;
	if (span_is(reason, "malformed_model_output") || span_is(reason, "malformed_tool_use"))
		return malformed(d, s, reason);
	if (e.stop == STOP_SEQUENCE)
		e.text = stop_sequence(d, event);
	return sink_event(s, &e);
}

static int64_t count_of(struct span usage, const char *member)
{
	int64_t v;

	return span_int(json_get(usage, member), &v) && v >= 0 ? v : -1;
}

/* inputTokens excludes what was read from and written to the cache, as the API's own count does. */
static enum flow send_usage(struct decoder *d, struct sink *s, struct span event)
{
	struct span usage = json_get(event, "usage");
	struct usage u = USAGE_UNKNOWN;

	if (!span_is_object(usage))
		return FLOW_GO;
	u.input = count_of(usage, "inputTokens");
	u.output = count_of(usage, "outputTokens");
	u.cache_read = count_of(usage, "cacheReadInputTokens");
	u.cache_write = count_of(usage, "cacheWriteInputTokens");
	return sink_usage(s, &u);
}

static enum flow message_start(struct decoder *d, struct sink *s, struct span event)
{
	return FLOW_GO;         /* start() has said it */
}

static const struct {
	const char *name;
	enum flow (*take)(struct decoder *d, struct sink *s, struct span event);
} events[] = {
	{ "contentBlockDelta", block_delta },
	{ "contentBlockStart", block_start },
	{ "contentBlockStop", block_stop },
	{ "messageStart", message_start },
	{ "messageStop", message_stop },
	{ "metadata", send_usage },
};

static enum flow decode_event(void *state, struct str name, struct str data, struct sink *s)
{
	struct decoder *d = state;
	enum flow flow;

	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
		if (!str_is(name, events[i].name))
			continue;
		if (json_check(data, NULL, NULL))
			return malformed(d, s, span_utf8(STR("an event that is not JSON")));
		flow = start(d, s);
		return flow ? flow : events[i].take(d, s, span_json(str_trim(data)));
	}
	return FLOW_GO;
}

/* ---- whole answers ---- */

/* A whole input as one fragment: its JSON text as the content of a string. */
static enum flow whole_input(struct sink *s, int64_t index, struct span input)
{
	struct buf content;
	enum flow flow;

	if (!span_is_object(input))
		return FLOW_GO;
	buf_init(&content, 0);
	if (span_put_content(&content, input))
		flow = no_memory(s);
	else
		flow = sink_tool(s, EVENT_TOOL_DELTA, (unsigned)index, SPAN_ABSENT, SPAN_ABSENT,
				 span_str(buf_str(&content)));
	buf_release(&content);
	return flow;
}

static enum flow whole_tool(struct decoder *d, struct sink *s, int64_t index, struct span use)
{
	enum flow flow = tool_start(d, s, index, use);

	if (!flow)
		flow = whole_input(s, index, json_get(use, "input"));
	return flow ? flow : tool_stop(d, s, index);
}

/* "citationsContent": a text in pieces, and what all of it rests on. */
static enum flow whole_cited(struct decoder *d, struct sink *s, int64_t index, struct span cited)
{
	enum flow flow = FLOW_GO;
	struct scan it;

	if (json_each(json_get(cited, "content"), &it)) {
		while (!flow && scan_element(&it)) {
			struct span text = json_get(scan_value(&it), "text");

			if (span_is_string(text))
				flow = take_text(d, s, index, KIND_TEXT, text);
		}
	}
	if (json_each(json_get(cited, "citations"), &it)) {
		while (!flow && scan_element(&it))
			flow = take_citation(d, s, index, scan_value(&it));
	}
	return flow;
}

static enum flow whole_block(struct decoder *d, struct sink *s, int64_t index, struct span block)
{
	struct span text = json_get(block, "text"), use = json_get(block, "toolUse");
	struct span reasoning = json_get(block, "reasoningContent");
	struct span whole = json_get(reasoning, "reasoningText");

	if (span_is_string(text))
		return take_text(d, s, index, KIND_TEXT, text);
	if (span_is_object(use))
		return whole_tool(d, s, index, use);
	if (span_is_object(reasoning))
		return take_reasoning(d, s, index, span_is_object(whole) ? whole : reasoning);
	return whole_cited(d, s, index, json_get(block, "citationsContent"));
}

static enum flow decode_body(void *state, struct str body, struct sink *s)
{
	struct decoder *d = state;
	struct str text = str_trim(body);
	enum flow flow;
	struct span doc;
	struct scan it;

	doc = span_json(text);
	if (json_check(text, NULL, NULL) ||
	    !json_each(json_path(doc, "output", "message", "content", NULL), &it))
		return send_error(d, s, body);
	flow = start(d, s);
	/* First: behind a stop sequence nothing more is read. */
	if (!flow)
		flow = send_usage(d, s, doc);
	for (int64_t i = 0; !flow && scan_element(&it); i++)
		flow = whole_block(d, s, i, scan_value(&it));
	return flow ? flow : message_stop(d, s, doc);
}

static int decode_end(void *state, struct sink *s, enum flow *flow, struct fault *f)
{
	struct decoder *d = state;

	*flow = FLOW_GO;
	if (d->stopped)
		return 0;
	return fault_set(f, FAULT_TRANSIENT, 502, "api_error", d->started ?
			 "backend %s closed the stream before its answer was complete" :
			 "backend %s sent an empty answer", d->c->target->backend->name);
}

static void decode_start(void *state, const struct decode_context *c)
{
	struct decoder *d = state;

	d->c = c;
}

const struct dialect dialect_bedrock_converse = {
	.name = "bedrock-converse",
	.encode = converse_encode,
	.decoder_size = sizeof(struct decoder),
	.decode_start = decode_start,
	.decode_event = decode_event,
	.decode_body = decode_body,
	.decode_end = decode_end,
	.decode_error = bedrock_decode_error,
	.decode_count = bedrock_decode_count,
	.decode_models = bedrock_decode_models,
};
