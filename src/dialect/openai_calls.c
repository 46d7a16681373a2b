/*
 * Tool calls of an openai-chat answer. By the book each fragment carries the index of its call,
 * and the first one its id and name. In the field the index is missing or always 0, ids repeat on
 * every fragment or change with each, several calls share one delta, and arguments come as an
 * object. So a fragment finds its call by what it has, in this order: index, id, the place behind
 * the last call.
 */
#include "dialect/openai_decode.h"

#include "json/scan.h"

/* No model makes so many calls at once; looking for one is linear. */
#define CALLS_MAX 4096

enum { CALL_INDEX, CALL_ID, CALL_FUNCTION, CALL_NAME, CALL_ARGUMENTS, CALL_FIELDS };
static const char *const call_names[CALL_FIELDS] = {
	[CALL_INDEX] = "index", [CALL_ID] = "id", [CALL_FUNCTION] = "function",
	/* Some clones leave the wrapping object out. */
	[CALL_NAME] = "name", [CALL_ARGUMENTS] = "arguments",
};

struct fragment {
	int64_t index;                  /* -1: none */
	struct span id, name;           /* absent when empty */
	struct span arguments;          /* SPAN_STR or SPAN_UTF8; absent when empty */
};

/* Absent, null, "" and Mistral's "null" all say that there is none. */
static struct span text_or_none(struct span s)
{
	return span_is_string(s) && s.n && !span_is(s, "null") ? s : SPAN_ABSENT;
}

static struct span arguments_of(struct span v)
{
	if (span_is_null(v))
		return SPAN_ABSENT;
	if (span_is_string(v))
		return v.n ? v : SPAN_ABSENT;
	return (struct span){ v.p, v.n, SPAN_UTF8 };
}

static void read_fragment(struct span call, struct fragment *f)
{
	struct span v[CALL_FIELDS], inner[CALL_FIELDS];

	openai_pick(call, call_names, CALL_FIELDS, v);
	if (span_is_object(v[CALL_FUNCTION])) {
		openai_pick(v[CALL_FUNCTION], call_names, CALL_FIELDS, inner);
		v[CALL_NAME] = inner[CALL_NAME];
		v[CALL_ARGUMENTS] = inner[CALL_ARGUMENTS];
	}
	if (!span_int(v[CALL_INDEX], &f->index) || f->index < 0)
		f->index = -1;
	f->id = text_or_none(v[CALL_ID]);
	f->name = text_or_none(v[CALL_NAME]);
	f->arguments = arguments_of(v[CALL_ARGUMENTS]);
}

static struct openai_call *last_call(const struct openai_decoder *d)
{
	return d->ncalls ? &d->calls[d->ncalls - 1] : NULL;
}

/* The last call with this index, or with this id. */
static struct openai_call *known_call(const struct openai_decoder *d, const struct fragment *f)
{
	for (size_t i = d->ncalls; i-- > 0; ) {
		struct openai_call *c = &d->calls[i];

		if (f->index >= 0 && c->index >= 0 ? c->index == f->index :
		    span_given(f->id) && span_given(c->id) && span_eq(c->id, f->id))
			return c;
	}
	return NULL;
}

static bool other_text(struct span a, struct span b)
{
	return span_given(a) && span_given(b) && !span_eq(a, b);
}

/* Can f be a further fragment of c, which its index or its place points to? */
static bool continues(const struct openai_call *c, const struct fragment *f)
{
	bool same_id = span_given(f->id) && span_given(c->id) && span_eq(f->id, c->id);

	if (same_id)
		return true;
	/* A new id with a name is a new call. Without one it is only if the call before has ended:
	 * a server that makes up an id for every fragment (older vLLM) means the same call. */
	if (other_text(c->id, f->id))
		return !span_given(f->name) && !c->progress.complete;
	if (!span_given(f->name) || !span_given(c->name))
		return true;
	/* The name again: repeated by some on every fragment, but more arguments behind
	 * complete ones are a second call. */
	return span_eq(f->name, c->name) && !(c->progress.complete && span_given(f->arguments));
}

static struct openai_call *new_call(struct openai_decoder *d, const struct fragment *f)
{
	struct openai_call *v;

	if (d->ncalls == CALLS_MAX)
		return NULL;
	v = arena_grow(d->c->arena, d->calls, d->ncalls, &d->calls_cap, sizeof(*v));
	if (!v)
		return NULL;
	d->calls = v;
	v[d->ncalls] = (struct openai_call){ .index = f->index };
	return &v[d->ncalls++];
}

static struct openai_call *find_call(struct openai_decoder *d, const struct fragment *f, bool whole)
{
	struct openai_call *c = whole ? NULL : known_call(d, f), *last = last_call(d);

	if (!c && !whole && last && (f->index < 0 || last->index < 0))
		c = last;
	return c && continues(c, f) ? c : new_call(d, f);
}

/* The text of s as a plain copy in the arena. */
static struct span keep_text(struct arena *a, struct span s)
{
	struct span kept = SPAN_ABSENT;
	struct str text;
	struct buf b;

	buf_init(&b, 0);
	if (span_put_text(&b, s) == 0) {
		text = arena_str(a, buf_str(&b));
		if (text.p)
			kept = span_utf8(text);
	}
	buf_release(&b);
	return kept;
}

static enum flow start_call(struct openai_decoder *d, struct sink *s, struct openai_call *c)
{
	const struct backend *b = d->c->target->backend;
	struct span name = name_restore(d->c->request, (struct str){ c->name.p, c->name.n },
					b->tool_name_max);
	enum flow flow = openai_thinking_end(d, s);
	struct buf id;

	if (flow)
		return flow;
	buf_init(&id, 0);
	if (id_to_client(&id, c->id))
		flow = openai_no_memory(s);
	else
		flow = sink_tool(s, EVENT_TOOL_START, (unsigned)(c - d->calls),
				 span_utf8(buf_str(&id)), name, SPAN_ABSENT);
	buf_release(&id);
	c->started = true;
	d->content = true;
	if (!flow && c->held.n)
		flow = sink_tool(s, EVENT_TOOL_DELTA, (unsigned)(c - d->calls), SPAN_ABSENT, SPAN_ABSENT,
				 (struct span){ c->held.p, c->held.n, SPAN_STR });
	return flow;
}

static enum flow hold_arguments(struct openai_decoder *d, struct sink *s, struct openai_call *c,
				struct span text)
{
	struct buf b;
	int rc;

	buf_init(&b, 0);
	rc = span_put_content(&b, text);
	if (rc == 0)
		rc = gather_put(d->c->arena, &c->held, b.p, b.n);
	buf_release(&b);
	return rc ? openai_no_memory(s) : FLOW_GO;
}

static enum flow add_arguments(struct openai_decoder *d, struct sink *s, struct openai_call *c,
			       struct span text)
{
	json_progress_feed(&c->progress, text);
	if (!c->started)
		return hold_arguments(d, s, c, text);
	return sink_tool(s, EVENT_TOOL_DELTA, (unsigned)(c - d->calls), SPAN_ABSENT, SPAN_ABSENT, text);
}

static enum flow stop_call(struct openai_decoder *d, struct sink *s, struct openai_call *c)
{
	if (!c->started || c->stopped)
		return FLOW_GO;
	c->stopped = true;
	return sink_tool(s, EVENT_TOOL_STOP, (unsigned)(c - d->calls), SPAN_ABSENT, SPAN_ABSENT,
			 SPAN_ABSENT);
}

static enum flow no_call(struct openai_decoder *d, struct sink *s)
{
	struct fault f = FAULT_INIT;

	if (d->c->arena->failed)
		return openai_no_memory(s);
	fault_set(&f, FAULT_TRANSIENT, 502, "api_error", "backend %s sent more than %d tool calls",
		  d->c->target->backend->name, CALLS_MAX);
	return openai_fault(s, &f);
}

enum flow openai_tool_call(struct openai_decoder *d, struct sink *s, struct span call, bool whole)
{
	enum flow flow = FLOW_GO;
	struct openai_call *c;
	struct fragment f;

	if (!span_is_object(call))
		return FLOW_GO;
	read_fragment(call, &f);
	if (!span_given(f.id) && !span_given(f.name) && !span_given(f.arguments))
		return FLOW_GO;
	c = find_call(d, &f, whole);
	if (!c)
		return no_call(d, s);
	if (!span_given(c->id) && span_given(f.id))
		c->id = keep_text(d->c->arena, f.id);
	if (!span_given(c->name) && span_given(f.name))
		c->name = keep_text(d->c->arena, f.name);
	if (d->c->arena->failed)
		return openai_no_memory(s);
	if (!c->started && span_given(c->name))
		flow = start_call(d, s, c);
	if (!flow && span_given(f.arguments))
		flow = add_arguments(d, s, c, f.arguments);
	return !flow && whole ? stop_call(d, s, c) : flow;
}

int openai_calls_end(struct openai_decoder *d, struct sink *s, enum flow *flow)
{
	for (size_t i = 0; i < d->ncalls && !*flow; i++) {
		if (!d->calls[i].started)
			return -1;
		*flow = stop_call(d, s, &d->calls[i]);
	}
	return 0;
}

bool openai_calls_any(const struct openai_decoder *d)
{
	return d->ncalls > 0;
}
