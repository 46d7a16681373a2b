/*
 * The order keeper. What the upstream says becomes a list of blocks in the order in which they
 * began. The first of the list is the one that is open: its fragments go straight through. The
 * others wait, with what came for them, until the ones before have ended, so calls whose fragments
 * interleave come out one after the other and nothing is ever copied twice.
 *
 * When a block has ended: text and thinking when anything else begins; a call when its input is
 * complete JSON and something waits behind it, or the upstream says so, or the message ends. What
 * follows a complete input (a brace too many is a habit of small models) is dropped: the fragments
 * of a call together are one JSON value or the beginning of one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/progress.h"
#include "run/filters.h"

/* Pieces of one kind that came one after the other, joined as the content of a JSON string
 * (citations: as JSON). */
struct part {
	struct part *next;
	enum event_type type;
	struct buf bytes;
};

struct pending {
	struct pending *next;
	enum event_type kind;           /* EVENT_TEXT, _THINKING, _TOOL_START, _REDACTED, _BLOCK */
	unsigned key;                   /* of a call */
	bool opened, ended;
	struct json_progress input;
	struct buf id, name, signature;
	struct part *parts, *last;      /* what could not go out yet */
};

/* Blocks of an upstream that numbers its own. */
struct raw_state {
	bool started, stopped;
	bool ended;                     /* a message_delta has come */
	int64_t *open;
	size_t nopen, cap;
	int64_t highest;                /* highest index that began, -1 */
};

struct keeper {
	struct sink sink;
	struct sink *next;
	struct arena *arena;
	struct pending *first, *last;
	size_t held, max_held;          /* bytes that wait */
	int64_t index;                  /* of the block that opens next */
	bool started, saw_tool;
	enum flow flow;                 /* the last word from below: sticky */
	struct raw_state raw;
};

static void keeper_pass(struct keeper *k, const struct event *e)
{
	enum flow flow;

	if (k->flow == FLOW_ABORT)
		return;
	flow = sink_event(k->next, e);
	if (flow)
		k->flow = flow;
}

static void keeper_fail(struct keeper *k, bool memory)
{
	struct fault f = FAULT_INIT;

	if (memory)
		fault_no_memory(&f);
	else
		fault_set(&f, FAULT_TRANSIENT, 502, "api_error",
			  "the backend interleaves its blocks: more than %zu bytes have to wait",
			  k->max_held);
	keeper_pass(k, &(struct event){ .type = EVENT_FAULT, .index = -1, .fault = &f });
	k->flow = FLOW_ABORT;
}

/* ---- the list ---- */

static void part_free(struct keeper *k, struct part *p)
{
	k->held -= p->bytes.n;
	buf_release(&p->bytes);
	free(p);
}

static void block_free(struct keeper *k, struct pending *b)
{
	while (b->parts) {
		struct part *next = b->parts->next;

		part_free(k, b->parts);
		b->parts = next;
	}
	k->held -= sizeof(*b) + b->id.n + b->name.n + b->signature.n;
	buf_release(&b->id);
	buf_release(&b->name);
	buf_release(&b->signature);
	free(b);
}

/* Counts what waits; false when it is too much. */
static bool keeper_hold(struct keeper *k, size_t n)
{
	k->held += n;
	if (k->held <= k->max_held || k->flow == FLOW_ABORT)
		return k->flow != FLOW_ABORT;
	keeper_fail(k, false);
	return false;
}

static struct pending *block_add(struct keeper *k, enum event_type kind)
{
	struct pending *b = calloc(1, sizeof(*b));

	if (!b) {
		keeper_fail(k, true);
		return NULL;
	}
	b->kind = kind;
	buf_init(&b->id, 0);
	buf_init(&b->name, 0);
	buf_init(&b->signature, 0);
	if (k->last)
		k->last->next = b;
	else
		k->first = b;
	k->last = b;
	keeper_hold(k, sizeof(*b));
	return b;
}

static void copy_content(struct keeper *k, struct buf *to, struct span s)
{
	size_t before = to->n;

	if (span_given(s) && span_put_content(to, s))
		keeper_fail(k, true);
	else
		keeper_hold(k, to->n - before);
}

static struct part *part_add(struct keeper *k, struct pending *b, enum event_type type)
{
	struct part *p = calloc(1, sizeof(*p));

	if (!p) {
		keeper_fail(k, true);
		return NULL;
	}
	p->type = type;
	buf_init(&p->bytes, 0);
	if (b->last)
		b->last->next = p;
	else
		b->parts = p;
	b->last = p;
	return p;
}

static bool is_json_part(enum event_type type)
{
	return type == EVENT_CITATION || type == EVENT_BLOCK;
}

static void block_hold(struct keeper *k, struct pending *b, enum event_type type,
		       struct span text)
{
	struct part *p = b->last;
	size_t before;

	if (!p || p->type != type || is_json_part(type))
		p = part_add(k, b, type);
	if (!p)
		return;
	before = p->bytes.n;
	if (is_json_part(type) ? span_put_value(&p->bytes, text) :
				 span_put_content(&p->bytes, text))
		keeper_fail(k, true);
	else
		keeper_hold(k, p->bytes.n - before);
}

/* ---- what goes out ---- */

static bool is_whole(const struct pending *b)
{
	return b->kind == EVENT_REDACTED || b->kind == EVENT_BLOCK;
}

static void block_send(struct keeper *k, const struct pending *b, enum event_type type,
		       struct span text)
{
	struct event e = { .type = type, .index = k->index, .key = b->key, .text = text };

	keeper_pass(k, &e);
}

static void block_open(struct keeper *k, struct pending *b)
{
	struct event e = { .type = EVENT_OPEN, .opens = b->kind, .index = k->index, .key = b->key };

	b->opened = true;
	if (is_whole(b))
		return;
	if (b->kind == EVENT_TOOL_START) {
		e.id = span_str(buf_str(&b->id));
		e.name = span_str(buf_str(&b->name));
	}
	keeper_pass(k, &e);
}

static void block_flush(struct keeper *k, struct pending *b)
{
	while (b->parts) {
		struct part *p = b->parts;
		struct str bytes = buf_str(&p->bytes);

		block_send(k, b, p->type,
			   is_json_part(p->type) ? span_json(bytes) : span_str(bytes));
		b->parts = p->next;
		part_free(k, p);
	}
	b->last = NULL;
}

static void block_close(struct keeper *k, struct pending *b)
{
	if (b->signature.n)
		block_send(k, b, EVENT_SIGNATURE, span_str(buf_str(&b->signature)));
	if (!is_whole(b))
		block_send(k, b, EVENT_CLOSE, SPAN_ABSENT);
	k->index++;
	k->first = b->next;
	if (!k->first)
		k->last = NULL;
	block_free(k, b);
}

/* Whether the open block makes place for the next one. */
static bool block_done(const struct pending *b)
{
	if (b->ended || is_whole(b))
		return true;
	return b->next && (b->kind != EVENT_TOOL_START || b->input.complete);
}

static void keeper_advance(struct keeper *k)
{
	while (k->first && k->flow != FLOW_ABORT) {
		struct pending *b = k->first;

		if (!b->opened)
			block_open(k, b);
		block_flush(k, b);
		if (!block_done(b))
			break;
		block_close(k, b);
	}
}

/* A fragment for b: straight through when b is the open block, else it waits. */
static void block_fragment(struct keeper *k, struct pending *b, enum event_type type,
			   struct span text)
{
	if (b == k->first && b->opened)
		block_send(k, b, type, text);
	else
		block_hold(k, b, type, text);
}

/* ---- what comes in ---- */

static void keeper_start(struct keeper *k, const struct event *e)
{
	struct event start = { .type = EVENT_START, .index = -1, .usage = USAGE_UNKNOWN };

	if (k->started)
		return;
	k->started = true;
	keeper_pass(k, e ? e : &start);
}

/* Text and thinking: more of the last block if it is of that kind and goes on, else a new one. */
static void take_fragment(struct keeper *k, const struct event *e)
{
	struct pending *b = k->last;

	if (!span_given(e->text) || !e->text.n)
		return;
	if (!b || b->kind != e->type || b->ended || b->signature.n)
		b = block_add(k, e->type);
	keeper_advance(k);
	if (k->last == b && k->flow != FLOW_ABORT)
		block_fragment(k, b, e->type, e->text);
}

/* Kept until its block closes: it goes out last, and once. */
static void take_signature(struct keeper *k, const struct event *e)
{
	struct pending *b = k->last;

	if (span_blank(e->text))
		return;
	if (!b || b->kind != EVENT_THINKING || b->ended)
		b = block_add(k, EVENT_THINKING);
	if (!b)
		return;
	k->held -= b->signature.n;
	buf_reset(&b->signature);
	copy_content(k, &b->signature, e->text);
}

static void take_citation(struct keeper *k, const struct event *e)
{
	struct pending *b = k->last;

	if (b && b->kind == EVENT_TEXT && !b->ended && span_is_object(e->text))
		block_fragment(k, b, EVENT_CITATION, e->text);
}

static void take_whole(struct keeper *k, const struct event *e)
{
	struct pending *b;

	if (!span_given(e->text) || (e->type == EVENT_BLOCK && !span_is_object(e->text)))
		return;
	b = block_add(k, e->type);
	if (b)
		block_hold(k, b, e->type, e->text);
}

static void take_block_stop(struct keeper *k)
{
	if (k->last && k->last->kind != EVENT_TOOL_START)
		k->last->ended = true;
}

/* The latest call of that key that still takes fragments. Fragments mostly are for the last block
 * or for the open one. */
static struct pending *find_call(struct keeper *k, unsigned key)
{
	struct pending *found = NULL;

	if (k->last && k->last->kind == EVENT_TOOL_START && k->last->key == key)
		return k->last->ended ? NULL : k->last;
	for (struct pending *b = k->first; b; b = b->next)
		if (b->kind == EVENT_TOOL_START && b->key == key)
			found = b;
	return found && !found->ended ? found : NULL;
}

static void take_tool_start(struct keeper *k, const struct event *e)
{
	struct pending *b = find_call(k, e->key);

	if (b && span_eq(span_str(buf_str(&b->id)), e->id))
		return;
	if (b)
		b->ended = true;
	b = block_add(k, EVENT_TOOL_START);
	if (!b)
		return;
	k->saw_tool = true;
	b->key = e->key;
	copy_content(k, &b->id, e->id);
	copy_content(k, &b->name, e->name);
}

static void take_tool_delta(struct keeper *k, const struct event *e)
{
	struct pending *b = find_call(k, e->key);
	struct span text = span_is_string(e->text) ? span_unquote(e->text) : e->text;

	if (!b || !span_given(text))
		return;
	text.n = json_progress_feed(&b->input, text);
	if (text.form == SPAN_JSON)
		text.form = SPAN_UTF8;
	if (text.n)
		block_fragment(k, b, EVENT_TOOL_DELTA, text);
}

static void take_tool_stop(struct keeper *k, const struct event *e)
{
	struct pending *b = find_call(k, e->key);

	if (b)
		b->ended = true;
}

static void take_end(struct keeper *k, const struct event *e)
{
	for (struct pending *b = k->first; b; b = b->next)
		b->ended = true;
	keeper_advance(k);
	keeper_pass(k, e);
}

static void take_content(struct keeper *k, const struct event *e)
{
	switch (e->type) {
	case EVENT_TEXT:
	case EVENT_THINKING:
		take_fragment(k, e);
		break;
	case EVENT_SIGNATURE:
		take_signature(k, e);
		break;
	case EVENT_CITATION:
		take_citation(k, e);
		break;
	case EVENT_REDACTED:
	case EVENT_BLOCK:
		take_whole(k, e);
		break;
	case EVENT_BLOCK_STOP:
		take_block_stop(k);
		break;
	case EVENT_TOOL_START:
		take_tool_start(k, e);
		break;
	case EVENT_TOOL_DELTA:
		take_tool_delta(k, e);
		break;
	default:
		take_tool_stop(k, e);
		break;
	}
	keeper_advance(k);
}

/* ---- events of the client's own protocol ---- */

static bool raw_is_open(const struct raw_state *r, int64_t index)
{
	for (size_t i = 0; i < r->nopen; i++)
		if (r->open[i] == index)
			return true;
	return false;
}

static bool raw_open(struct keeper *k, int64_t index)
{
	struct raw_state *r = &k->raw;
	int64_t *v;

	if (index <= r->highest)
		return false;
	v = arena_grow(k->arena, r->open, r->nopen, &r->cap, sizeof(*v));
	if (!v) {
		keeper_fail(k, true);
		return false;
	}
	r->open = v;
	r->open[r->nopen++] = index;
	r->highest = index;
	return true;
}

static bool raw_close(struct raw_state *r, int64_t index)
{
	for (size_t i = 0; i < r->nopen; i++) {
		if (r->open[i] == index) {
			r->open[i] = r->open[--r->nopen];
			return true;
		}
	}
	return false;
}

/* A message ends with no block open: those that the upstream has forgotten are closed. */
static void raw_close_all(struct keeper *k)
{
	static const char name[] = "content_block_stop";
	struct raw_state *r = &k->raw;
	char json[64];

	while (r->nopen) {
		struct event e = { .type = EVENT_RAW, .raw = RAW_BLOCK_STOP };

		e.index = r->open[--r->nopen];
		snprintf(json, sizeof(json), "{\"type\":\"%s\",\"index\":%" PRId64 "}", name, e.index);
		e.name = span_utf8(STR(name));
		e.text = span_json(str_of(json));
		keeper_pass(k, &e);
	}
}

/* Whether a client's own reading of the stream survives this event. */
static bool raw_legal(struct keeper *k, const struct event *e)
{
	struct raw_state *r = &k->raw;
	bool begins = e->raw == RAW_MESSAGE_START || e->raw == RAW_WHOLE || e->raw == RAW_ERROR;

	if (r->stopped || (begins && e->raw != RAW_ERROR && r->started) || (!begins && !r->started))
		return false;
	switch (e->raw) {
	case RAW_MESSAGE_START:
	case RAW_WHOLE:
		r->started = true;
		return true;
	case RAW_BLOCK_START:
		return raw_open(k, e->index);
	case RAW_BLOCK_DELTA:
		return raw_is_open(r, e->index);
	case RAW_BLOCK_STOP:
		return raw_close(r, e->index);
	case RAW_MESSAGE_DELTA:
		r->ended = true;
		return true;
	case RAW_MESSAGE_STOP:
		/* Without a stop reason nobody knows whether it is one: the writer says so. */
		if (!r->ended)
			return false;
		raw_close_all(k);
		r->stopped = true;
		return true;
	default:
		return true;
	}
}

static enum flow keeper_event(struct sink *self, const struct event *e)
{
	struct keeper *k = (struct keeper *)self;

	if (k->flow == FLOW_ABORT)
		return k->flow;
	if (e->echo) {
		keeper_pass(k, e);
		return k->flow;
	}
	switch (e->type) {
	case EVENT_START:
		keeper_start(k, e);
		break;
	case EVENT_RAW:
		if (raw_legal(k, e))
			keeper_pass(k, e);
		break;
	case EVENT_FAULT:
		keeper_pass(k, e);
		k->flow = FLOW_ABORT;
		break;
	case EVENT_PING:
		if (k->started)
			keeper_pass(k, e);
		break;
	case EVENT_END:
		if (!k->raw.started)
			keeper_start(k, NULL);
		take_end(k, e);
		break;
	case EVENT_USAGE:
	case EVENT_STOP_REASON:
	case EVENT_MEMBER:
	case EVENT_MODEL:
		keeper_start(k, NULL);
		keeper_pass(k, e);
		break;
	case EVENT_OPEN:
	case EVENT_CLOSE:
		break;          /* the keeper's own: nobody above it may send them */
	default:
		keeper_start(k, NULL);
		take_content(k, e);
		break;
	}
	return k->flow;
}

struct keeper *keeper_new(struct sink *next, struct arena *a, size_t max_held)
{
	struct keeper *k = arena_alloc(a, sizeof(*k));

	if (!k)
		return NULL;
	k->sink.event = keeper_event;
	k->next = next;
	k->arena = a;
	k->max_held = max_held;
	k->raw.highest = -1;
	return k;
}

void keeper_release(struct keeper *k)
{
	if (!k)
		return;
	while (k->first) {
		struct pending *next = k->first->next;

		block_free(k, k->first);
		k->first = next;
	}
	k->last = NULL;
}

struct sink *keeper_sink(struct keeper *k)
{
	return &k->sink;
}

bool keeper_saw_tool(const struct keeper *k)
{
	return k->saw_tool;
}
