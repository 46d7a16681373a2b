/*
 * Tool calls of an openai-chat answer. By the book each fragment carries the index of its call,
 * and the first one its id and name. In the field the index is missing or always 0, ids repeat on
 * every fragment or change with each, several calls share one delta, and arguments come as an
 * object. So a fragment finds its call by what it has, in this order: index, id, the place behind
 * the last call.
 */
#include "dialect/openai_decode.h"

#include <string.h>

#include "json/scan.h"

/* No model makes so many calls at once; looking for one is linear. */
#define CALLS_MAX 4096

enum { CALL_INDEX, CALL_ID, CALL_FUNCTION, CALL_NAME, CALL_ARGUMENTS, CALL_FIELDS };
static const char *const call_names[CALL_FIELDS] = {
	[CALL_INDEX] = "index", [CALL_ID] = "id", [CALL_FUNCTION] = "function",
	/* Some clones leave the wrapping object out. */
	[CALL_NAME] = "name", [CALL_ARGUMENTS] = "arguments",
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

static void read_fragment(struct span call, struct openai_fragment *f)
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
static struct openai_call *known_call(const struct openai_decoder *d, const struct openai_fragment *f)
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
static bool continues(const struct openai_call *c, const struct openai_fragment *f)
{
	bool same_id = span_given(f->id) && span_given(c->id) && span_eq(f->id, c->id);

	if (same_id || snapshots_continue(&c->snapshots, f->arguments))
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

static struct openai_call *new_call(struct openai_decoder *d, const struct openai_fragment *f)
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

/* NULL: f begins a new call. */
static struct openai_call *find_call(struct openai_decoder *d, const struct openai_fragment *f, bool whole)
{
	struct openai_call *c = whole ? NULL : known_call(d, f), *last = last_call(d);

	if (!c && !whole && last && (f->index < 0 || last->index < 0))
		c = last;
	return c && continues(c, f) ? c : NULL;
}

/* The text of s as a plain copy in the arena; without memory that has failed. */
static struct span keep_text(struct arena *a, struct span s)
{
	struct span kept = SPAN_ABSENT;
	struct str text;
	struct buf b;

	buf_init(&b, 0);
	if (span_put_text(&b, s) == 0) {
		text = arena_buf(a, &b);
		if (text.p)
			kept = span_utf8(text);
	} else {
		a->failed = true;
	}
	buf_release(&b);
	return kept;
}

static enum flow send_arguments(struct openai_decoder *d, struct sink *s, struct openai_call *c,
				struct span text)
{
	return sink_tool(s, EVENT_TOOL_DELTA, (unsigned)(c - d->calls), SPAN_ABSENT, SPAN_ABSENT,
			 text);
}

/* ---- arguments ---- */

/* So much white space at the beginning is no beginning of anything. */
#define OPEN_MAX 64

static int hold(struct openai_decoder *d, struct openai_call *c, struct span text)
{
	struct buf b;
	int rc;

	buf_init(&b, 0);
	rc = span_put_content(&b, text);
	if (rc == 0)
		rc = gather_put(d->c->arena, &c->held, b.p, b.n);
	buf_release(&b);
	return rc;
}

static enum flow send_held(struct openai_decoder *d, struct sink *s, struct openai_call *c)
{
	struct span text = { c->held.p, c->held.n, SPAN_STR };

	c->held.n = 0;
	return text.n ? send_arguments(d, s, c, text) : FLOW_GO;
}

static struct str skip_blanks(struct str s)
{
	while (s.n && strchr(" \t\r\n", *s.p)) {
		s.p++;
		s.n--;
	}
	return s;
}

/* What arguments are that begin with this text. Databricks and some gateways begin with "{}" and
 * send the real ones behind it: *text moves to those. */
static enum arguments_kind kind_of(struct str *text)
{
	struct str rest = skip_blanks(*text);

	if (!rest.n)
		return ARGUMENTS_OPEN;
	if (*rest.p != '{')
		return ARGUMENTS_OTHER;
	rest = skip_blanks((struct str){ rest.p + 1, rest.n - 1 });
	if (rest.n && *rest.p != '}')
		return ARGUMENTS_OBJECT;
	if (rest.n)
		rest = skip_blanks((struct str){ rest.p + 1, rest.n - 1 });
	if (!rest.n)
		return ARGUMENTS_OPEN;
	if (*rest.p == '{')
		*text = rest;
	return ARGUMENTS_OBJECT;
}

/* Sends what is held as soon as it can only be the beginning of an object. */
static enum flow look_at_held(struct openai_decoder *d, struct sink *s, struct openai_call *c)
{
	struct str text;
	struct buf b;
	int rc;

	buf_init(&b, 0);
	rc = span_put_text(&b, (struct span){ c->held.p, c->held.n, SPAN_STR });
	text = buf_str(&b);
	if (!rc)
		c->kind = kind_of(&text);
	if (!rc && text.n < b.n) {
		c->held.n = 0;
		c->progress = (struct json_progress){ 0 };
		json_progress_feed(&c->progress, span_utf8(text));
		rc = hold(d, c, span_utf8(text));
	}
	buf_release(&b);
	if (rc)
		return openai_no_memory(s);
	if (c->kind == ARGUMENTS_OPEN && c->held.n > OPEN_MAX)
		c->kind = ARGUMENTS_OBJECT;
	return c->kind == ARGUMENTS_OBJECT ? send_held(d, s, c) : FLOW_GO;
}

static enum flow add_arguments(struct openai_decoder *d, struct sink *s, struct openai_call *c,
			       struct span text)
{
	json_progress_feed(&c->progress, text);
	if (c->started && c->kind == ARGUMENTS_OBJECT)
		return send_arguments(d, s, c, text);
	if (hold(d, c, text))
		return openai_no_memory(s);
	return c->started && c->kind == ARGUMENTS_OPEN ? look_at_held(d, s, c) : FLOW_GO;
}

static enum flow add_fragment(struct openai_decoder *d, struct sink *s, struct openai_call *c,
			      struct span text)
{
	struct span pieces[2];
	int n = snapshots_feed(d->c->arena, &c->snapshots, text, pieces);
	enum flow flow = n < 0 ? openai_no_memory(s) : FLOW_GO;

	for (int i = 0; i < n && !flow; i++)
		flow = add_arguments(d, s, c, pieces[i]);
	return flow;
}

/* Something else begins behind the last call: a "{}" that was held was all there is. */
enum flow openai_calls_settle(struct openai_decoder *d, struct sink *s)
{
	struct openai_call *c = last_call(d);

	if (!c || !c->started || c->stopped || c->kind != ARGUMENTS_OPEN || !c->progress.complete)
		return FLOW_GO;
	c->kind = ARGUMENTS_OBJECT;
	return send_held(d, s, c);
}

/* null, an empty list (PHP's empty object) and an empty string say that there are no arguments. */
static bool says_nothing(struct str text)
{
	return !text.n || str_is(text, "null") || str_is(text, "[]") || str_is(text, "\"\"");
}

/*
 * Arguments that are no object, now that they have come to their end. An object inside a string was
 * encoded twice. The rest goes under the name that the API's documents give for such input: the
 * tool refuses it and the model sees what it wrote.
 */
static int put_other(struct buf *out, struct str text)
{
	struct span value = span_unquote(span_json(text));
	struct buf inner;
	int rc = -1;

	buf_init(&inner, 0);
	if (json_check(text, NULL, NULL) == 0 && span_is_string(value))
		rc = span_put_text(&inner, value);
	if (rc == 0 && str_starts(skip_blanks(buf_str(&inner)), "{") &&
	    json_check(buf_str(&inner), NULL, NULL) == 0) {
		buf_put_str(out, buf_str(&inner));
	} else {
		buf_puts(out, "{\"INVALID_JSON\":");
		span_put_string(out, span_utf8(text));
		buf_putc(out, '}');
	}
	buf_release(&inner);
	return out->failed ? -1 : 0;
}

/* The call ends: nothing more can change what its arguments are. */
static enum flow end_arguments(struct openai_decoder *d, struct sink *s, struct openai_call *c)
{
	enum flow flow = FLOW_GO;
	struct buf all, object;
	struct str text;

	if (c->kind == ARGUMENTS_OBJECT || !c->held.n)
		return FLOW_GO;
	buf_init(&all, 0);
	buf_init(&object, 0);
	span_put_text(&all, (struct span){ c->held.p, c->held.n, SPAN_STR });
	text = str_trim(buf_str(&all));
	if (c->kind == ARGUMENTS_OPEN && text.n)
		flow = send_held(d, s, c);
	else if (all.failed || (!says_nothing(text) && put_other(&object, text)))
		flow = openai_no_memory(s);
	else if (object.n)
		flow = send_arguments(d, s, c, span_utf8(buf_str(&object)));
	buf_release(&all);
	buf_release(&object);
	return flow;
}

/* ---- calls ---- */

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
	if (!span_given(name) || id_to_client(&id, c->id))
		flow = openai_no_memory(s);
	else
		flow = sink_tool(s, EVENT_TOOL_START, (unsigned)(c - d->calls),
				 span_utf8(buf_str(&id)), name, SPAN_ABSENT);
	buf_release(&id);
	c->started = true;
	d->content = true;
	return !flow && c->held.n ? look_at_held(d, s, c) : flow;
}

static enum flow stop_call(struct openai_decoder *d, struct sink *s, struct openai_call *c)
{
	struct span rest;
	enum flow flow;

	if (!c->started || c->stopped)
		return FLOW_GO;
	c->stopped = true;
	rest = snapshots_end(&c->snapshots);
	flow = span_given(rest) ? add_arguments(d, s, c, rest) : FLOW_GO;
	flow = flow ? flow : end_arguments(d, s, c);
	if (flow)
		return flow;
	return sink_tool(s, EVENT_TOOL_STOP, (unsigned)(c - d->calls), SPAN_ABSENT, SPAN_ABSENT,
			 SPAN_ABSENT);
}

static NOINLINE enum flow no_call(struct openai_decoder *d, struct sink *s)
{
	struct fault f = FAULT_INIT;

	if (d->c->arena->failed)
		return openai_no_memory(s);
	fault_set(&f, FAULT_TRANSIENT, 502, "api_error", "backend %s sent more than %d tool calls",
		  d->c->target->backend->name, CALLS_MAX);
	return openai_fault(s, &f);
}

enum flow openai_call_fragment(struct openai_decoder *d, struct sink *s,
			       const struct openai_fragment *f, bool whole)
{
	struct openai_call *c = find_call(d, f, whole);
	enum flow flow = FLOW_GO;

	if (!c) {
		flow = openai_calls_settle(d, s);
		c = flow ? NULL : new_call(d, f);
	}
	if (!c)
		return flow ? flow : no_call(d, s);
	if (!span_given(c->id) && span_given(f->id))
		c->id = keep_text(d->c->arena, f->id);
	if (!span_given(c->name) && span_given(f->name))
		c->name = keep_text(d->c->arena, f->name);
	if (d->c->arena->failed)
		return openai_no_memory(s);
	if (!c->started && span_given(c->name))
		flow = start_call(d, s, c);
	if (!flow && span_given(f->arguments))
		flow = add_fragment(d, s, c, f->arguments);
	return !flow && whole ? stop_call(d, s, c) : flow;
}

enum flow openai_tool_call(struct openai_decoder *d, struct sink *s, struct span call, bool whole)
{
	struct openai_fragment f;

	if (!span_is_object(call))
		return FLOW_GO;
	read_fragment(call, &f);
	if (!span_given(f.id) && !span_given(f.name) && !span_given(f.arguments))
		return FLOW_GO;
	return openai_call_fragment(d, s, &f, whole);
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
