/*
 * Reasoning of an openai-chat answer. It comes as plain text under one of several names, as
 * OpenRouter's "reasoning_details", or as both, which say the same: the text is sent once. The
 * details themselves are gathered, because the backend wants the complete sequence back; they
 * travel in the signature of the thinking block. Without details the signature only marks whose
 * thinking it is.
 */
#include "dialect/openai_decode.h"

#include <string.h>

#include "json/scan.h"

enum {
	DETAIL_TYPE, DETAIL_ID, DETAIL_INDEX, DETAIL_TEXT, DETAIL_THINKING, DETAIL_SUMMARY, DETAIL_DATA,
	DETAIL_SIGNATURE, DETAIL_FIELDS,
};
static const char *const detail_names[DETAIL_FIELDS] = {
	[DETAIL_TYPE] = "type", [DETAIL_ID] = "id", [DETAIL_INDEX] = "index",
	[DETAIL_TEXT] = "text", [DETAIL_THINKING] = "thinking", [DETAIL_SUMMARY] = "summary", [DETAIL_DATA] = "data",
	[DETAIL_SIGNATURE] = "signature",
};

int gather_put(struct arena *a, struct gather *g, const char *p, size_t n)
{
	size_t need = g->n + n, cap = g->cap ? g->cap : 256;
	char *to;

	if (need > g->cap) {
		while (cap < need)
			cap *= 2;
		to = arena_alloc(a, cap);
		if (!to)
			return -1;
		if (g->n)
			memcpy(to, g->p, g->n);
		g->p = to;
		g->cap = cap;
	}
	if (n)
		memcpy(g->p + g->n, p, n);
	g->n = need;
	return 0;
}

enum flow openai_thinking_text(struct openai_decoder *d, struct sink *s, struct span text)
{
	if (!span_is_string(text) || !text.n)
		return FLOW_GO;
	d->thinking = true;
	d->content = true;
	return sink_text(s, EVENT_THINKING, text);
}

/* The member that holds what the pieces of an item add up to. */
static struct span detail_text(const struct span v[DETAIL_FIELDS])
{
	for (int i = DETAIL_TEXT; i <= DETAIL_DATA; i++)
		if (span_is_string(v[i]))
			return v[i];
	return SPAN_ABSENT;
}

/* Its data is nothing to read. */
static bool is_encrypted(struct span type)
{
	return span_is(type, "reasoning.encrypted") || span_is(type, "redacted_thinking");
}

/* Pieces of one item share type and index; where there is no index, its id, or they are texts that
 * follow each other. */
static bool same_item(const struct openai_detail *t, const struct span v[DETAIL_FIELDS], bool last)
{
	if (!span_eq(t->type, v[DETAIL_TYPE]))
		return false;
	if (span_is_string(t->id) && span_is_string(v[DETAIL_ID])) {
		if (!span_eq(t->id, v[DETAIL_ID]))
			return false;
		last = true;
	}
	if (!span_is_null(t->index) || !span_is_null(v[DETAIL_INDEX]))
		return span_eq(t->index, v[DETAIL_INDEX]);
	/* A signature ends an item. */
	if (span_given(t->signature) && detail_text(v).n)
		return false;
	return last && !is_encrypted(t->type);
}

/* Pieces come close together: a long list is not searched to its beginning. */
#define DETAILS_NEAR 256

static struct openai_detail *find_detail(struct openai_decoder *d, const struct span v[DETAIL_FIELDS])
{
	size_t from = d->details_sent;

	if (d->ndetails - from > DETAILS_NEAR)
		from = d->ndetails - DETAILS_NEAR;
	for (size_t i = d->ndetails; i-- > from; )
		if (same_item(&d->details[i], v, i + 1 == d->ndetails))
			return &d->details[i];
	return NULL;
}

static struct span keep_span(struct arena *a, struct span s)
{
	struct str kept = arena_str(a, (struct str){ s.p, s.n });

	return kept.p ? (struct span){ kept.p, kept.n, s.form } : SPAN_ABSENT;
}

static struct openai_detail *new_detail(struct openai_decoder *d, struct span item)
{
	struct openai_detail *t = arena_grow(d->c->arena, d->details, d->ndetails, &d->details_cap,
					     sizeof(*t));
	struct span v[DETAIL_FIELDS];

	if (!t)
		return NULL;
	d->details = t;
	t += d->ndetails;
	*t = (struct openai_detail){ .raw = keep_span(d->c->arena, item) };
	openai_pick(t->raw, detail_names, DETAIL_FIELDS, v);
	t->type = v[DETAIL_TYPE];
	t->id = v[DETAIL_ID];
	t->index = v[DETAIL_INDEX];
	d->ndetails++;
	return t;
}

/* Adds one item of "reasoning_details"; *text gets what it adds to read. */
static int add_detail(struct openai_decoder *d, struct span item, struct span *text)
{
	struct arena *a = d->c->arena;
	struct span v[DETAIL_FIELDS], piece;
	struct openai_detail *t;

	openai_pick(item, detail_names, DETAIL_FIELDS, v);
	piece = detail_text(v);
	t = find_detail(d, v);
	if (!t)
		t = new_detail(d, item);
	if (!t || gather_put(a, &t->text, piece.p, piece.n))
		return -1;
	t->pieces++;
	if (span_is_string(v[DETAIL_SIGNATURE]) && v[DETAIL_SIGNATURE].n)
		t->signature = keep_span(a, v[DETAIL_SIGNATURE]);
	*text = is_encrypted(v[DETAIL_TYPE]) ? SPAN_ABSENT : piece;
	return a->failed ? -1 : 0;
}

static enum flow read_details(struct openai_decoder *d, struct sink *s, struct span details, bool silent)
{
	enum flow flow = FLOW_GO;
	struct span item, text;
	struct scan it;

	json_each(details, &it);
	while (!flow && scan_element(&it)) {
		item = scan_any(&it);
		if (!span_is_object(item))
			continue;
		if (add_detail(d, item, &text))
			return openai_no_memory(s);
		/* Behind plain text that the details only repeat, they lag; in step with it,
		 * they are new. */
		if (!silent && d->detail_bytes >= d->plain_bytes)
			flow = openai_thinking_text(d, s, text);
		d->detail_bytes += text.n;
	}
	return flow;
}

enum flow openai_reasoning(struct openai_decoder *d, struct sink *s, struct span plain,
			   struct span details)
{
	bool said = span_is_string(plain) && plain.n;
	enum flow flow = FLOW_GO;

	if (said)
		flow = openai_thinking_text(d, s, plain);
	if (!flow && span_is_array(details))
		flow = read_details(d, s, details, said);
	if (said)
		d->plain_bytes += plain.n;
	return flow;
}

static void put_member(struct buf *b, bool *first, struct span key)
{
	if (!*first)
		buf_putc(b, ',');
	*first = false;
	span_put_string(b, key);
	buf_putc(b, ':');
}

static bool is_text_name(struct span key)
{
	return span_is(key, "text") || span_is(key, "thinking") || span_is(key, "summary") ||
	       span_is(key, "data");
}

/* An item that came in one piece goes back as it stood; a merged one is its first piece with text
 * and signature of all of them. */
static void put_detail(struct buf *b, const struct openai_detail *t)
{
	bool first = true, text = false;
	struct span key, value;
	struct scan it;

	if (t->pieces == 1) {
		buf_put(b, t->raw.p, t->raw.n);
		return;
	}
	buf_putc(b, '{');
	json_each_member(t->raw, &it);
	while (scan_member(&it, &key)) {
		value = scan_value(&it);
		if (span_is(key, "signature") && span_given(t->signature))
			continue;
		put_member(b, &first, key);
		if (is_text_name(key) && !text) {
			text = true;
			value = (struct span){ t->text.p, t->text.n, SPAN_STR };
		}
		span_put_value(b, value);
	}
	if (!text && t->text.n) {
		put_member(b, &first, span_utf8(STR("text")));
		span_put_value(b, (struct span){ t->text.p, t->text.n, SPAN_STR });
	}
	if (span_given(t->signature)) {
		put_member(b, &first, span_utf8(STR("signature")));
		span_put_value(b, t->signature);
	}
	buf_putc(b, '}');
}

static int put_signature(struct openai_decoder *d, struct buf *signature)
{
	struct buf state;
	int rc;

	buf_init(&state, 0);
	for (size_t i = d->details_sent; i < d->ndetails; i++) {
		buf_putc(&state, i == d->details_sent ? '[' : ',');
		put_detail(&state, &d->details[i]);
	}
	if (d->details_sent < d->ndetails)
		buf_putc(&state, ']');
	rc = state.failed ? -1 :
		opaque_put(signature, d->c->target->backend->origin, buf_str(&state));
	buf_release(&state);
	return rc;
}

enum flow openai_thinking_end(struct openai_decoder *d, struct sink *s)
{
	enum flow flow = FLOW_GO;
	struct buf signature;

	if (!d->thinking && d->details_sent == d->ndetails)
		return FLOW_GO;
	/* Encrypted reasoning alone: an empty block carries it. */
	if (!d->thinking)
		flow = sink_text(s, EVENT_THINKING, span_str(STR("")));
	buf_init(&signature, 0);
	if (put_signature(d, &signature))
		flow = openai_no_memory(s);
	if (!flow)
		flow = sink_text(s, EVENT_SIGNATURE, span_str(buf_str(&signature)));
	buf_release(&signature);
	d->details_sent = d->ndetails;
	d->thinking = false;
	d->content = true;
	return flow;
}
