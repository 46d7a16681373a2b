/*
 * Reads answers of the Responses API: a stream of typed events about the items of the output, or a
 * whole response object. Text, thinking and arguments go on as their fragments come; an item's
 * "done" fills in what no fragment brought (some servers send no fragments at all) and carries what
 * only the whole item has: a reasoning item's encrypted content, which travels to the next turn in
 * the signature of the thinking block.
 *
 * Calls, text and the end of the message are the openai-chat decoder's.
 */
#include "dialect/openai.h"
#include "dialect/responses.h"

#include <string.h>

#include "json/scan.h"

/* Items of one answer are looked for one after the other. */
#define ITEMS_MAX 4096

enum {
	FIELD_TYPE, FIELD_INDEX, FIELD_ITEM, FIELD_DELTA, FIELD_TEXT, FIELD_ARGUMENTS,
	FIELD_REFUSAL, FIELD_RESPONSE, FIELD_SUMMARY, FIELD_ERROR, FIELDS,
};
static const char *const field_names[FIELDS] = {
	[FIELD_TYPE] = "type", [FIELD_INDEX] = "output_index", [FIELD_ITEM] = "item",
	[FIELD_DELTA] = "delta", [FIELD_TEXT] = "text", [FIELD_ARGUMENTS] = "arguments",
	[FIELD_REFUSAL] = "refusal", [FIELD_RESPONSE] = "response",
	[FIELD_SUMMARY] = "summary_index", [FIELD_ERROR] = "error",
};

enum {
	ITEM_TYPE, ITEM_ID, ITEM_CALL_ID, ITEM_NAME, ITEM_ARGUMENTS, ITEM_CONTENT, ITEM_SUMMARY,
	ITEM_ENCRYPTED, ITEM_FIELDS,
};
static const char *const item_names[ITEM_FIELDS] = {
	[ITEM_TYPE] = "type", [ITEM_ID] = "id", [ITEM_CALL_ID] = "call_id", [ITEM_NAME] = "name",
	[ITEM_ARGUMENTS] = "arguments", [ITEM_CONTENT] = "content", [ITEM_SUMMARY] = "summary",
	[ITEM_ENCRYPTED] = "encrypted_content",
};

/* ---- items ---- */

static struct responses_item *find_item(struct responses_decoder *d, int64_t index)
{
	for (size_t i = d->nitems; i-- > 0;)
		if (d->items[i].index == index)
			return &d->items[i];
	return NULL;
}

/* The item of this place, new if need be. NULL: no memory, or too many. */
static struct responses_item *item_at(struct responses_decoder *d, int64_t index)
{
	struct responses_item *v = find_item(d, index);

	if (v)
		return v;
	if (d->nitems == ITEMS_MAX)
		return NULL;
	v = arena_grow(d->base.c->arena, d->items, d->nitems, &d->cap, sizeof(*v));
	if (!v)
		return NULL;
	d->items = v;
	v[d->nitems] = (struct responses_item){ .index = index };
	return &v[d->nitems++];
}

/* ---- what fragments and whole items say ---- */

static enum flow say_text(struct responses_decoder *d, struct sink *s, struct responses_item *it,
			  struct span text)
{
	if (!span_is_string(text) || !text.n)
		return FLOW_GO;
	it->text = true;
	return openai_text(&d->base, s, text);
}

static enum flow say_refusal(struct responses_decoder *d, struct sink *s,
			     struct responses_item *it, struct span text)
{
	if (span_is_string(text) && text.n)
		d->base.stop = STOP_REFUSAL;
	return say_text(d, s, it, text);
}

static enum flow say_thinking(struct responses_decoder *d, struct sink *s,
			      struct responses_item *it, struct span text)
{
	if (!span_is_string(text) || !text.n)
		return FLOW_GO;
	it->text = true;
	d->base.content = true;
	return sink_text(s, EVENT_THINKING, text);
}

/* Parts of a summary are paragraphs. */
static enum flow say_paragraph(struct responses_decoder *d, struct sink *s,
			       struct responses_item *it)
{
	return it->text ? sink_text(s, EVENT_THINKING, span_str(STR("\\n\\n"))) : FLOW_GO;
}

static enum flow say_call(struct responses_decoder *d, struct sink *s, struct responses_item *it,
			  struct span item, struct span arguments)
{
	struct openai_fragment f = { .index = it->index };
	struct span v[ITEM_FIELDS];

	if (span_is_object(item)) {
		openai_pick(item, item_names, ITEM_FIELDS, v);
		f.id = span_is_string(v[ITEM_CALL_ID]) ? v[ITEM_CALL_ID] : v[ITEM_ID];
		f.name = v[ITEM_NAME];
	}
	if (span_is_string(arguments) && arguments.n) {
		f.arguments = arguments;
		it->text = true;
	}
	if (!span_is_string(f.id) || !f.id.n)
		f.id = SPAN_ABSENT;
	if (!span_is_string(f.name) || !f.name.n)
		f.name = SPAN_ABSENT;
	return openai_call_fragment(&d->base, s, &f, false);
}

/* ---- whole items ---- */

static enum flow whole_message(struct responses_decoder *d, struct sink *s,
			       struct responses_item *it, const struct span v[ITEM_FIELDS])
{
	enum flow flow = FLOW_GO;
	struct span part;
	struct scan parts;

	if (it->text || !json_each(v[ITEM_CONTENT], &parts))
		return FLOW_GO;
	while (!flow && scan_element(&parts)) {
		part = scan_any(&parts);
		if (span_is(json_get(part, "type"), "refusal"))
			flow = say_refusal(d, s, it, json_get(part, "refusal"));
		else
			flow = say_text(d, s, it, json_get(part, "text"));
	}
	return flow;
}

static enum flow whole_texts(struct responses_decoder *d, struct sink *s,
			     struct responses_item *it, struct span list)
{
	enum flow flow = FLOW_GO;
	struct scan parts;
	struct span text;

	json_each(list, &parts);
	while (span_is_array(list) && !flow && scan_element(&parts)) {
		text = json_get(scan_any(&parts), "text");
		if (!span_is_string(text) || !text.n)
			continue;
		flow = say_paragraph(d, s, it);
		if (!flow)
			flow = say_thinking(d, s, it, text);
	}
	return flow;
}

/* The item as the next request needs it: status and readable content stay behind. Without its
 * encrypted content the backend, which keeps nothing, can't take it back. */
static int put_state(struct buf *b, const struct span v[ITEM_FIELDS])
{
	if (!span_is_string(v[ITEM_ENCRYPTED]) || !v[ITEM_ENCRYPTED].n)
		return 0;
	buf_puts(b, "{\"type\":\"reasoning\",");
	if (span_is_string(v[ITEM_ID])) {
		buf_puts(b, "\"id\":");
		span_put_string(b, v[ITEM_ID]);
		buf_putc(b, ',');
	}
	buf_puts(b, "\"summary\":");
	if (span_is_array(v[ITEM_SUMMARY]))
		span_put_value(b, v[ITEM_SUMMARY]);
	else
		buf_puts(b, "[]");
	buf_puts(b, ",\"encrypted_content\":");
	span_put_string(b, v[ITEM_ENCRYPTED]);
	return buf_putc(b, '}');
}

static enum flow say_signature(struct responses_decoder *d, struct sink *s,
			       struct responses_item *it, const struct span v[ITEM_FIELDS])
{
	struct event stop = { .type = EVENT_BLOCK_STOP, .index = -1, .usage = USAGE_UNKNOWN };
	struct buf state, signature;
	enum flow flow = FLOW_GO;

	buf_init(&state, 0);
	buf_init(&signature, 0);
	if (put_state(&state, v) ||
	    opaque_put(&signature, d->base.c->target->backend->origin, buf_str(&state)))
		flow = openai_no_memory(s);
	else if (it->text || state.n) {
		/* Encrypted reasoning alone: an empty block carries it. */
		if (!it->text)
			flow = sink_text(s, EVENT_THINKING, span_str(STR("")));
		if (!flow)
			flow = sink_text(s, EVENT_SIGNATURE, span_str(buf_str(&signature)));
		if (!flow)
			flow = sink_event(s, &stop);
		d->base.content = true;
	}
	buf_release(&state);
	buf_release(&signature);
	return flow;
}

static enum flow whole_reasoning(struct responses_decoder *d, struct sink *s,
				 struct responses_item *it, const struct span v[ITEM_FIELDS])
{
	enum flow flow = FLOW_GO;

	if (!it->text)
		flow = whole_texts(d, s, it, v[ITEM_SUMMARY]);
	/* Open models show their thoughts themselves. */
	if (!flow && !it->text)
		flow = whole_texts(d, s, it, v[ITEM_CONTENT]);
	return flow ? flow : say_signature(d, s, it, v);
}

/* Tools that the backend runs itself are never asked for: items of other types say nothing. */
static enum flow whole_item(struct responses_decoder *d, struct sink *s, int64_t index,
			    struct span item)
{
	struct responses_item *it = item_at(d, index);
	struct span v[ITEM_FIELDS];

	if (!it)
		return openai_no_memory(s);
	if (it->whole || !span_is_object(item))
		return FLOW_GO;
	it->whole = index >= 0;
	openai_pick(item, item_names, ITEM_FIELDS, v);
	if (span_is(v[ITEM_TYPE], "message"))
		return whole_message(d, s, it, v);
	if (span_is(v[ITEM_TYPE], "reasoning"))
		return whole_reasoning(d, s, it, v);
	if (span_is(v[ITEM_TYPE], "function_call"))
		return say_call(d, s, it, item, it->text ? SPAN_ABSENT : v[ITEM_ARGUMENTS]);
	return FLOW_GO;
}

/* ---- the response object ---- */

static int64_t count_at(struct span usage, const char *key, const char *inner)
{
	int64_t n;

	return span_int(json_path(usage, key, inner, NULL), &n) && n >= 0 ? n : -1;
}

static void read_usage(struct responses_decoder *d, struct span usage)
{
	struct usage u = USAGE_UNKNOWN;
	int64_t input;

	if (!span_is_object(usage))
		return;
	input = count_at(usage, "input_tokens", NULL);
	u.output = count_at(usage, "output_tokens", NULL);
	u.cache_read = count_at(usage, "input_tokens_details", "cached_tokens");
	u.cache_write = count_at(usage, "input_tokens_details", "cache_write_tokens");
	u.thinking = count_at(usage, "output_tokens_details", "reasoning_tokens");
	/* Input includes what came from the cache or went there. */
	if (input >= 0) {
		input -= u.cache_read > 0 ? u.cache_read : 0;
		input -= u.cache_write > 0 ? u.cache_write : 0;
		u.input = input > 0 ? input : 0;
	}
	usage_update(&d->base.usage, &u);
}

static enum flow send_start(struct responses_decoder *d, struct sink *s, struct span response)
{
	struct event e = { .type = EVENT_START, .index = -1 };
	struct span model = json_get(response, "model"), id = json_get(response, "id");
	enum flow flow;

	if (d->base.started)
		return FLOW_GO;
	d->base.started = true;
	e.usage = d->base.usage;
	if (span_is_string(id))
		e.id = id;
	flow = sink_event(s, &e);
	if (!flow && span_is_string(model) && model.n)
		flow = sink_text(s, EVENT_MODEL, model);
	return flow;
}

static enum flow whole_output(struct responses_decoder *d, struct sink *s, struct span response)
{
	enum flow flow = FLOW_GO;
	struct scan it;
	int64_t i = 0;

	if (d->nitems || !json_each(json_get(response, "output"), &it))
		return FLOW_GO;
	while (!flow && scan_element(&it))
		flow = whole_item(d, s, i++, scan_any(&it));
	return flow;
}

/* How a response ended; only "completed" and "incomplete" are ends of an answer. */
static enum flow read_end(struct responses_decoder *d, struct sink *s, struct span response)
{
	struct span status = json_get(response, "status"), error = json_get(response, "error");
	struct span why = json_path(response, "incomplete_details", "reason", NULL);
	struct fault f = FAULT_INIT;

	if (span_is_object(error) && error.n > 2)
		return openai_answer_failed(&d->base, s, (struct str){ response.p, response.n },
					    error);
	if (span_is(status, "failed") || span_is(status, "cancelled")) {
		fault_set(&f, FAULT_TRANSIENT, 502, "api_error",
			  "backend %s ended its answer with status %.*s",
			  d->base.c->target->backend->name,
			  STR_ARGS(((struct str){ status.p, status.n })));
		return openai_fault(s, &f);
	}
	if (span_is(why, "content_filter"))
		d->base.stop = STOP_REFUSAL;
	else if (span_is(status, "incomplete") && d->base.stop == STOP_NOT_GIVEN)
		d->base.stop = STOP_MAX_TOKENS;
	d->base.finished = d->base.done = true;
	return FLOW_GO;
}

static enum flow read_response(struct responses_decoder *d, struct sink *s, struct span response)
{
	enum flow flow;

	read_usage(d, json_get(response, "usage"));
	flow = send_start(d, s, response);
	if (!flow)
		flow = whole_output(d, s, response);
	/* A stop sequence was met: there will be no other time to tell what it cost. */
	if (flow == FLOW_STOP)
		sink_usage(s, &d->base.usage);
	return flow ? flow : read_end(d, s, response);
}

/* ---- events ---- */

typedef enum flow on_event(struct responses_decoder *d, struct sink *s, struct responses_item *it,
			   const struct span v[FIELDS]);

static enum flow on_item_added(struct responses_decoder *d, struct sink *s,
			       struct responses_item *it, const struct span v[FIELDS])
{
	if (!span_is(json_get(v[FIELD_ITEM], "type"), "function_call"))
		return FLOW_GO;
	return say_call(d, s, it, v[FIELD_ITEM], SPAN_ABSENT);
}

static enum flow on_item_done(struct responses_decoder *d, struct sink *s,
			      struct responses_item *it, const struct span v[FIELDS])
{
	return whole_item(d, s, it->index, v[FIELD_ITEM]);
}

static enum flow on_text(struct responses_decoder *d, struct sink *s, struct responses_item *it,
			 const struct span v[FIELDS])
{
	return say_text(d, s, it, v[FIELD_DELTA]);
}

static enum flow on_refusal(struct responses_decoder *d, struct sink *s, struct responses_item *it,
			    const struct span v[FIELDS])
{
	return say_refusal(d, s, it, v[FIELD_DELTA]);
}

static enum flow on_thinking(struct responses_decoder *d, struct sink *s,
			     struct responses_item *it, const struct span v[FIELDS])
{
	return say_thinking(d, s, it, v[FIELD_DELTA]);
}

static enum flow on_paragraph(struct responses_decoder *d, struct sink *s,
			      struct responses_item *it, const struct span v[FIELDS])
{
	return say_paragraph(d, s, it);
}

static enum flow on_arguments(struct responses_decoder *d, struct sink *s,
			      struct responses_item *it, const struct span v[FIELDS])
{
	return say_call(d, s, it, SPAN_ABSENT, v[FIELD_DELTA]);
}

/* Events about one item. Those not here say what another one says too. */
static const struct { const char *type; on_event *run; } item_events[] = {
	{ "response.output_text.delta", on_text },
	{ "response.function_call_arguments.delta", on_arguments },
	{ "response.reasoning_summary_text.delta", on_thinking },
	{ "response.reasoning_text.delta", on_thinking },
	{ "response.reasoning_summary_part.added", on_paragraph },
	{ "response.output_item.added", on_item_added },
	{ "response.output_item.done", on_item_done },
	{ "response.refusal.delta", on_refusal },
};

static enum flow item_event(struct responses_decoder *d, struct sink *s,
			    const struct span v[FIELDS])
{
	struct responses_item *it;
	enum flow flow;
	int64_t index;

	for (size_t i = 0; i < sizeof(item_events) / sizeof(item_events[0]); i++) {
		if (!span_is(v[FIELD_TYPE], item_events[i].type))
			continue;
		it = item_at(d, span_int(v[FIELD_INDEX], &index) && index >= 0 ? index : -1);
		flow = it ? send_start(d, s, SPAN_ABSENT) : openai_no_memory(s);
		return flow ? flow : item_events[i].run(d, s, it, v);
	}
	return FLOW_GO;
}

static bool is_end(struct span type)
{
	return span_is(type, "response.completed") || span_is(type, "response.incomplete") ||
	       span_is(type, "response.failed") || span_is(type, "response.done");
}

static enum flow read_event(struct responses_decoder *d, struct sink *s, struct span event)
{
	struct span v[FIELDS];

	openai_pick(event, field_names, FIELDS, v);
	if (is_end(v[FIELD_TYPE]) && span_is_object(v[FIELD_RESPONSE]))
		return read_response(d, s, v[FIELD_RESPONSE]);
	/* Azure's filter answers with one bare error object. */
	if (span_is(v[FIELD_TYPE], "error") ||
	    (!span_given(v[FIELD_TYPE]) && span_is_object(v[FIELD_ERROR])))
		return openai_answer_failed(&d->base, s, (struct str){ event.p, event.n },
					    v[FIELD_ERROR]);
	if (span_is(v[FIELD_TYPE], "response.created") ||
	    span_is(v[FIELD_TYPE], "response.in_progress"))
		return send_start(d, s, v[FIELD_RESPONSE]);
	return item_event(d, s, v);
}

/* ---- the dialect's functions ---- */

void responses_decode_start(void *state, const struct decode_context *c)
{
	struct responses_decoder *d = state;

	openai_decode_start(&d->base, c);
}

enum flow responses_decode_event(void *state, struct str name, struct str data, struct sink *s)
{
	struct responses_decoder *d = state;
	struct str text = str_trim(data);

	if (d->base.done || !text.n || str_is(text, "[DONE]"))
		return FLOW_GO;
	if (json_check(text, NULL, NULL) || !span_is_object(span_json(text)))
		return openai_not_json(&d->base, s, "a stream event", data);
	return read_event(d, s, span_json(text));
}

enum flow responses_decode_body(void *state, struct str body, struct sink *s)
{
	struct responses_decoder *d = state;
	struct span answer = span_json(str_trim(body));

	if (!span_is_object(answer) || json_check(body, NULL, NULL))
		return openai_not_json(&d->base, s, "an answer", body);
	if (!span_is_array(json_get(answer, "output")))
		return openai_answer_failed(&d->base, s, body, json_get(answer, "error"));
	return read_response(d, s, answer);
}

int responses_decode_end(void *state, struct sink *s, enum flow *flow, struct fault *f)
{
	struct responses_decoder *d = state;

	return openai_decode_end(&d->base, s, flow, f);
}
