/*
 * Stop sequences for backends that don't enforce them. Text comes as the content of JSON strings,
 * in fragments that may cut a sequence anywhere, and any character of it may be escaped; so the
 * text is walked in units (a character or one escape), each is decoded, and every sequence is
 * matched over the decoded bytes as Knuth, Morris and Pratt do it. What goes on is cut between
 * units and never written anew: bytes that are no match come out as they came in.
 *
 * Held back is only what may still become a sequence: text that has nothing to do with one is not
 * delayed.
 */
#include <string.h>

#include "base/utf8.h"
#include "json/escape.h"
#include "run/filters.h"

struct pattern {
	struct span as_given;   /* for the answer's stop_sequence */
	const char *p;          /* decoded */
	size_t n;
	size_t *back;           /* length of the longest border of p[0..i] */
	size_t matched;         /* of p, by the text so far */
};

/* Lengths of a unit: as it stands in the text, and decoded. */
struct unit {
	unsigned char raw, decoded;
};

struct stopper {
	struct sink sink;
	struct sink *next;
	struct pattern *patterns;
	size_t npatterns;
	struct unit *ring;      /* the last units, as many as the longest sequence has bytes */
	size_t ring_size, ring_at;
	struct buf held;        /* tail that may become a sequence: content of a JSON string */
	struct buf scratch;     /* a fragment of plain text, escaped */
	bool passed;            /* content has gone on */
	bool met;               /* a sequence was met: the message is over */
};

/* ---- units ---- */

/* The unit at s (n > 0 bytes, escapes were checked by the scanner). A lone surrogate is decoded
 * like any other character: it only has to be equal to itself. */
static struct unit unit_at(const char *s, size_t n, char out[4])
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	int32_t c = escape_unit(s, s + n), low = -1;
	const char *letter;

	out[0] = s[0];
	if (s[0] != '\\' || n < 2)
		return (struct unit){ 1, 1 };
	if (c < 0) {
		letter = s[1] ? strchr(from, s[1]) : NULL;
		out[0] = letter ? to[letter - from] : s[1];
		return (struct unit){ 2, 1 };
	}
	if (c >= 0xd800 && c < 0xdc00)
		low = escape_unit(s + 6, s + n);
	if (low >= 0xdc00 && low < 0xe000) {
		c = 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
		return (struct unit){ 12, (unsigned char)utf8_put(out, (uint32_t)c) };
	}
	return (struct unit){ 6, (unsigned char)utf8_put(out, (uint32_t)c) };
}

static void ring_put(struct stopper *s, struct unit u)
{
	s->ring_at = (s->ring_at + 1) % s->ring_size;
	s->ring[s->ring_at] = u;
}

/* How many bytes of the text as it stands make the last `decoded` ones. */
static size_t raw_tail(const struct stopper *s, size_t decoded)
{
	size_t at = s->ring_at, raw = 0;

	while (decoded) {
		decoded -= s->ring[at].decoded < decoded ? s->ring[at].decoded : decoded;
		raw += s->ring[at].raw;
		at = (at + s->ring_size - 1) % s->ring_size;
	}
	return raw;
}

/* ---- matching ---- */

static void pattern_step(struct pattern *p, char c)
{
	if (p->matched == p->n)
		p->matched = p->back[p->n - 1];
	while (p->matched && p->p[p->matched] != c)
		p->matched = p->back[p->matched - 1];
	if (p->p[p->matched] == c)
		p->matched++;
}

/* The longest of the sequences that are complete here: it began first. */
static const struct pattern *step(struct stopper *s, const char *bytes, size_t n)
{
	const struct pattern *met = NULL;

	for (size_t i = 0; i < s->npatterns; i++) {
		struct pattern *p = &s->patterns[i];

		for (size_t j = 0; j < n; j++)
			pattern_step(p, bytes[j]);
		if (p->matched == p->n && (!met || p->n > met->n))
			met = p;
	}
	return met;
}

static size_t longest_begun(const struct stopper *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->npatterns; i++)
		if (s->patterns[i].matched > n)
			n = s->patterns[i].matched;
	return n;
}

static void forget(struct stopper *s)
{
	for (size_t i = 0; i < s->npatterns; i++)
		s->patterns[i].matched = 0;
	buf_reset(&s->held);
}

/* ---- text ---- */

static enum flow send_text(struct stopper *s, const char *p, size_t n)
{
	if (!n)
		return FLOW_GO;
	s->passed = true;
	return sink_text(s->next, EVENT_TEXT, span_str((struct str){ p, n }));
}

/* Sends what was held and text[0..n) but for the last `keep` bytes of the two together. */
static enum flow send_but(struct stopper *s, const char *text, size_t n, size_t keep)
{
	enum flow flow;
	size_t from_held;

	if (keep > n) {
		from_held = s->held.n + n - keep;
		flow = send_text(s, s->held.p, from_held);
		buf_consume(&s->held, from_held);
		return flow;
	}
	flow = send_text(s, s->held.p, s->held.n);
	buf_reset(&s->held);
	return flow ? flow : send_text(s, text, n - keep);
}

static enum flow stop_met(struct stopper *s, const struct pattern *p)
{
	struct event e = { .type = EVENT_STOP_REASON, .stop = STOP_SEQUENCE, .index = -1,
			   .text = p->as_given, .usage = USAGE_UNKNOWN };
	enum flow flow = sink_event(s->next, &e);

	s->met = true;
	forget(s);
	return flow ? flow : FLOW_STOP;
}

static enum flow out_of_memory(struct stopper *s)
{
	struct fault f = FAULT_INIT;

	fault_no_memory(&f);
	sink_fault(s->next, &f);
	return FLOW_ABORT;
}

static enum flow take_text(struct stopper *s, const struct event *e)
{
	struct span text = e->text;
	const struct pattern *met = NULL;
	size_t at = 0, keep;
	enum flow flow;

	while (at < text.n && !met) {
		char bytes[4];
		struct unit u = unit_at(text.p + at, text.n - at, bytes);

		at += u.raw;
		ring_put(s, u);
		met = step(s, bytes, u.decoded);
	}
	keep = raw_tail(s, met ? met->n : longest_begun(s));
	if (!met && !keep && !s->held.n && text.n) {
		s->passed = true;
		return sink_event(s->next, e);
	}
	flow = send_but(s, text.p, at, keep);
	if (flow)
		return flow;
	if (met)
		return stop_met(s, met);
	/* The rest of the fragment joins what is still held. */
	if (keep > at)
		keep = at;
	if (keep && buf_put(&s->held, text.p + at - keep, keep))
		return out_of_memory(s);
	return FLOW_GO;
}

/* Plain text is escaped first: then there is one kind of text to cut. */
static enum flow take_any_text(struct stopper *s, const struct event *e)
{
	struct event escaped = *e;

	escaped.text = span_unquote(e->text);
	if (escaped.text.form != SPAN_STR) {
		buf_reset(&s->scratch);
		if (span_put_content(&s->scratch, escaped.text))
			return out_of_memory(s);
		escaped.text = span_str(buf_str(&s->scratch));
	}
	return take_text(s, &escaped);
}

/* The text block is over, or the message: what was held is no sequence. */
static enum flow let_go(struct stopper *s)
{
	enum flow flow = send_text(s, s->held.p, s->held.n);

	forget(s);
	return flow;
}

/* ---- events ---- */

/* Events that say nothing of where blocks begin or end. */
static bool is_aside(enum event_type t)
{
	return t == EVENT_USAGE || t == EVENT_MEMBER || t == EVENT_MODEL || t == EVENT_PING ||
	       t == EVENT_STOP_REASON || t == EVENT_FAULT;
}

/* Behind the stop sequence only the account goes on. */
static enum flow after_stop(struct stopper *s, const struct event *e)
{
	enum flow flow = FLOW_GO;

	if (e->type == EVENT_USAGE || e->type == EVENT_MODEL || e->type == EVENT_MEMBER ||
	    e->type == EVENT_END)
		flow = sink_event(s->next, e);
	if (flow || e->type == EVENT_END)
		return flow;
	return FLOW_STOP;
}

static enum flow stopper_event(struct sink *self, const struct event *e)
{
	struct stopper *s = (struct stopper *)self;
	enum flow flow;

	if (!s->npatterns || e->echo || e->type == EVENT_RAW)
		return sink_event(s->next, e);
	if (s->met)
		return after_stop(s, e);
	if (e->type == EVENT_TEXT && span_is_string(e->text))
		return take_any_text(s, e);
	/* Another try after one that got nowhere: its text never was. */
	if (e->type == EVENT_START && !s->passed)
		forget(s);
	if (!is_aside(e->type)) {
		flow = let_go(s);
		if (flow)
			return flow;
		s->passed = s->passed || (e->type != EVENT_START && e->type != EVENT_END);
	}
	return sink_event(s->next, e);
}

/* ---- life ---- */

/* Decoded by the same units as the text, so that both agree on every escape. */
static int pattern_init(struct pattern *p, struct span given, struct arena *a)
{
	char *bytes = arena_alloc(a, given.n ? given.n : 1);
	/* The body that it stands in is freed at the first content. */
	struct str kept = arena_str(a, (struct str){ given.p, given.n });
	size_t k = 0;

	if (!bytes || !kept.p)
		return -1;
	p->as_given = (struct span){ kept.p, kept.n, given.form };
	for (size_t at = 0; at < given.n;) {
		char out[4];
		struct unit u = unit_at(given.p + at, given.n - at, out);

		memcpy(bytes + p->n, out, u.decoded);
		p->n += u.decoded;
		at += u.raw;
	}
	p->p = bytes;
	p->back = arena_alloc(a, (p->n ? p->n : 1) * sizeof(*p->back));
	if (!p->back)
		return -1;
	for (size_t i = 1; i < p->n; i++) {
		while (k && bytes[i] != bytes[k])
			k = p->back[k - 1];
		if (bytes[i] == bytes[k])
			k++;
		p->back[i] = k;
	}
	return 0;
}

struct stopper *stopper_new(struct sink *next, const struct message_request *r, struct arena *a)
{
	struct stopper *s = arena_alloc(a, sizeof(*s));

	if (!s)
		return NULL;
	s->sink.event = stopper_event;
	s->next = next;
	s->ring_size = 1;
	s->patterns = arena_alloc(a, (r->nstop_sequences + 1) * sizeof(*s->patterns));
	if (!s->patterns)
		return NULL;
	for (size_t i = 0; i < r->nstop_sequences; i++) {
		struct pattern *p = &s->patterns[s->npatterns];

		if (pattern_init(p, r->stop_sequences[i], a))
			return NULL;
		if (!p->n)
			continue;
		s->npatterns++;
		if (p->n >= s->ring_size)
			s->ring_size = p->n + 1;
	}
	s->ring = arena_alloc(a, s->ring_size * sizeof(*s->ring));
	buf_init(&s->held, 0);
	buf_init(&s->scratch, 0);
	return s->ring ? s : NULL;
}

void stopper_release(struct stopper *s)
{
	if (!s)
		return;
	buf_release(&s->held);
	buf_release(&s->scratch);
}

struct sink *stopper_sink(struct stopper *s)
{
	return &s->sink;
}
