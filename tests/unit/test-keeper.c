/*
 * The order keeper: what goes in as a line of letters, what comes out as text; and storms of random
 * events, whose outcome must always have the shape that run/filters.h promises.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json/progress.h"
#include "json/scan.h"
#include "run/filters.h"

/* ---- a sink that checks the grammar and writes down what it sees ---- */

struct witness {
	struct sink sink;
	struct buf seen;
	bool started, ended, open, signed_, faulted;
	enum event_type opens;
	int64_t next;
	struct buf input;
	enum flow answer;       /* given to every content event */
};

static void note(struct witness *w, const char *what, const struct event *e)
{
	buf_puts(&w->seen, what);
	if (span_given(e->text))
		span_put_text(&w->seen, e->text);
	buf_putc(&w->seen, ' ');
}

static void see_open(struct witness *w, const struct event *e)
{
	assert_false(w->open);
	assert_int_equal(e->index, w->next);
	w->open = true;
	w->opens = e->opens;
	w->signed_ = false;
	buf_reset(&w->input);
	if (e->opens == EVENT_TOOL_START) {
		assert_true(span_given(e->id) && span_given(e->name));
		buf_puts(&w->seen, "{tool:");
		span_put_text(&w->seen, e->id);
		buf_putc(&w->seen, ' ');
		return;
	}
	assert_true(e->opens == EVENT_TEXT || e->opens == EVENT_THINKING);
	buf_puts(&w->seen, e->opens == EVENT_TEXT ? "{text " : "{think ");
}

static void see_delta(struct witness *w, const struct event *e, enum event_type in,
		      const char *what)
{
	assert_true(w->open);
	assert_int_equal(w->opens, in);
	assert_int_equal(e->index, w->next);
	assert_false(w->signed_);
	w->signed_ = e->type == EVENT_SIGNATURE;
	if (e->type == EVENT_TOOL_DELTA) {
		assert_int_equal(e->text.form == SPAN_JSON, 0);
		span_put_content(&w->input, e->text);
	}
	note(w, what, e);
}

static enum flow witness_event(struct sink *self, const struct event *e)
{
	struct witness *w = (struct witness *)self;

	assert_false(w->faulted);
	assert_false(w->ended);
	assert_true(w->started || e->type == EVENT_START || e->type == EVENT_FAULT ||
		    e->type == EVENT_RAW || e->echo);
	switch (e->type) {
	case EVENT_START:
		assert_false(w->started);
		w->started = true;
		break;
	case EVENT_OPEN: see_open(w, e); break;
	case EVENT_TEXT: see_delta(w, e, EVENT_TEXT, ""); break;
	case EVENT_CITATION: see_delta(w, e, EVENT_TEXT, "cite"); break;
	case EVENT_THINKING: see_delta(w, e, EVENT_THINKING, ""); break;
	case EVENT_SIGNATURE: see_delta(w, e, EVENT_THINKING, "sig:"); break;
	case EVENT_TOOL_DELTA: see_delta(w, e, EVENT_TOOL_START, ""); break;
	case EVENT_CLOSE:
		assert_true(w->open);
		assert_int_equal(e->index, w->next);
		w->open = false;
		w->next++;
		buf_puts(&w->seen, "} ");
		break;
	case EVENT_REDACTED:
	case EVENT_BLOCK:
		assert_false(w->open);
		assert_int_equal(e->index, w->next);
		w->next++;
		note(w, e->type == EVENT_BLOCK ? "block" : "redacted:", e);
		break;
	case EVENT_END:
		assert_false(w->open);
		w->ended = true;
		buf_puts(&w->seen, "end");
		break;
	case EVENT_FAULT:
		w->faulted = true;
		buf_puts(&w->seen, "fault");
		return FLOW_ABORT;
	case EVENT_RAW: note(w, "", e); break;
	case EVENT_USAGE:
	case EVENT_STOP_REASON:
	case EVENT_MEMBER:
	case EVENT_MODEL:
	case EVENT_PING: break;
	default:
		fail_msg("event %d behind the keeper", e->type);
	}
	return w->answer;
}

struct rig {
	struct arena arena;
	struct witness w;
	struct keeper *k;
};

static void rig_start(struct rig *r, size_t max_held)
{
	memset(r, 0, sizeof(*r));
	arena_init(&r->arena, 0);
	buf_init(&r->w.seen, 0);
	buf_init(&r->w.input, 0);
	r->w.sink.event = witness_event;
	r->k = keeper_new(&r->w.sink, &r->arena, max_held);
	assert_non_null(r->k);
}

static void rig_end(struct rig *r)
{
	keeper_release(r->k);
	buf_release(&r->w.seen);
	buf_release(&r->w.input);
	arena_release(&r->arena);
}

/*
 * A script: words, each an event. S start, E end, p ping, u usage, b block stop, B a whole block, R
 * redacted, t:TEXT  h:THINKING  g:SIGNATURE  c citation  nK a call begins with key K (id and name
 * are idK)  dK:JSON  sK a call's stop.
 * '_' in the text stands for a space.
 */
static enum flow play_word(struct keeper *k, char *word)
{
	struct sink *s = keeper_sink(k);
	char *text = strchr(word, ':'), id[32];
	unsigned key = (unsigned)atoi(word + 1);
	struct span span = text ? span_utf8(str_of(text + 1)) : SPAN_ABSENT;
	struct event e = { .type = EVENT_START, .index = -1, .usage = USAGE_UNKNOWN };

	for (char *p = text; p && *p; p++)
		if (*p == '_')
			*p = ' ';
	snprintf(id, sizeof(id), "id%u", key);
	switch (word[0]) {
	case 'S': return sink_event(s, &e);
	case 'E': e.type = EVENT_END; return sink_event(s, &e);
	case 'p': e.type = EVENT_PING; return sink_event(s, &e);
	case 'u': return sink_usage(s, &e.usage);
	case 'b': return sink_text(s, EVENT_BLOCK_STOP, SPAN_ABSENT);
	case 'B': return sink_text(s, EVENT_BLOCK, span_json(STR("{\"type\":\"x\"}")));
	case 'R': return sink_text(s, EVENT_REDACTED, span_utf8(STR("data")));
	case 't': return sink_text(s, EVENT_TEXT, span);
	case 'h': return sink_text(s, EVENT_THINKING, span);
	case 'g': return sink_text(s, EVENT_SIGNATURE, span);
	case 'c': return sink_text(s, EVENT_CITATION, span_json(STR("{\"c\":1}")));
	case 'n':
		return sink_tool(s, EVENT_TOOL_START, key, span_utf8(str_of(id)),
				 span_utf8(str_of(id)), SPAN_ABSENT);
	case 'd': return sink_tool(s, EVENT_TOOL_DELTA, key, SPAN_ABSENT, SPAN_ABSENT, span);
	case 's': return sink_tool(s, EVENT_TOOL_STOP, key, SPAN_ABSENT, SPAN_ABSENT, SPAN_ABSENT);
	default: fail_msg("no such word: %s", word); return FLOW_ABORT;
	}
}

static enum flow play(struct keeper *k, const char *script)
{
	char copy[1024], *rest = copy, *word;
	enum flow flow = FLOW_GO;

	snprintf(copy, sizeof(copy), "%s", script);
	while ((word = strsep(&rest, " ")) != NULL)
		if (*word)
			flow = play_word(k, word);
	return flow;
}

static const struct { const char *what, *in, *out;
} scripts[] = {
	{ "nothing but an end", "E", "end" },
	{ "text", "S t:a t:b E", "{text a b } end" },
	{ "a missing start is made", "t:a E", "{text a } end" },
	{ "a second start is dropped", "S t:a S t:b E", "{text a b } end" },
	{ "a ping before the start is dropped", "p S p E", "end" },
	{ "empty fragments open nothing", "S t: h: E", "end" },
	{ "thinking, then text", "S h:x t:a E", "{think x } {text a } end" },
	{ "the signature goes out last", "S h:x g:s1 t:a E", "{think x sig:s1 } {text a } end" },
	{ "the last signature counts", "S h:x g:s1 g:s2 E", "{think x sig:s2 } end" },
	{ "thinking after a signature is another block", "S h:x g:s1 h:y E",
	  "{think x sig:s1 } {think y } end" },
	{ "a signature alone", "S g:s E", "{think sig:s } end" },
	{ "a signature after the text", "S t:a g:s t:b E",
	  "{text a } {think sig:s } {text b } end" },
	{ "block stop splits text", "S t:a b t:b b b E", "{text a } {text b } end" },
	{ "citations", "S c t:a c t:b b c E", "{text a cite{\"c\":1} b } end" },
	{ "whole blocks", "S t:a B R t:b E",
	  "{text a } block{\"type\":\"x\"} redacted:data {text b } end" },
	{ "one call", "S n0 d0:{\"a\": d0:1} s0 E", "{tool:id0 {\"a\": 1} } end" },
	{ "a call without arguments", "S n0 s0 n1 E", "{tool:id0 } {tool:id1 } end" },
	{ "a call without a stop", "S n0 d0:{} E", "{tool:id0 {} } end" },
	{ "two stops", "S n0 d0:{} s0 s0 d0:{} E", "{tool:id0 {} } end" },
	{ "text closes a complete call", "S n0 d0:{} t:a d0:x E", "{tool:id0 {} } {text a } end" },
	{ "text waits for an incomplete call", "S n0 d0:{ t:a t:b d0:} t:c E",
	  "{tool:id0 { } } {text ab c } end" },
	{ "a whole block waits too", "S n0 d0:{ B t:a d0:} E",
	  "{tool:id0 { } } block{\"type\":\"x\"} {text a } end" },
	{ "interleaved calls", "S n0 n1 d0:{\"a\" d1:{\"b\" d0::1} d1::2} E",
	  "{tool:id0 {\"a\" :1} } {tool:id1 {\"b\" :2} } end" },
	{ "three, the last one first", "S n0 n1 n2 d2:{} s2 d1:{} s1 d0:{} s0 E",
	  "{tool:id0 {} } {tool:id1 {} } {tool:id2 {} } end" },
	{ "a brace in a string completes nothing", "S n0 d0:{\"a\":\"}\" t:x d0:} E",
	  "{tool:id0 {\"a\":\"}\" } } {text x } end" },
	{ "what follows a complete input is dropped", "S n0 d0:{}} d0:{} s0 E",
	  "{tool:id0 {} } end" },
	{ "the same start again", "S n0 d0:{ n0 d0:} E", "{tool:id0 { } } end" },
	{ "a fragment of no call", "S d7:{} s7 E", "end" },
	{ "a key that comes again in a later round", "S n0 d0:{} s0 t:a n0 d0:[] s0 E",
	  "{tool:id0 {} } {text a } {tool:id0 [] } end" },
	{ "thinking that is held keeps its signature", "S n0 d0:{ h:x g:s t:a d0:} E",
	  "{tool:id0 { } } {think x sig:s } {text a } end" },
	{ "a citation that is held", "S n0 d0:{ t:a c t:b d0:} E",
	  "{tool:id0 { } } {text a cite{\"c\":1} b } end" },
	{ "a call cut off", "S n0 d0:{\"a E", "{tool:id0 {\"a } end" },
};

static void test_scripts(void **state)
{
	for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++) {
		struct rig r;

		rig_start(&r, 1 << 20);
		assert_int_equal(play(r.k, scripts[i].in), FLOW_GO);
		if (strcmp(buf_cstr(&r.w.seen), scripts[i].out))
			fail_msg("%s:\n got  %s\n want %s", scripts[i].what, buf_cstr(&r.w.seen),
				 scripts[i].out);
		rig_end(&r);
	}
}

static void test_saw_tool(void **state)
{
	struct rig r;

	rig_start(&r, 1 << 20);
	play(r.k, "S t:a");
	assert_false(keeper_saw_tool(r.k));
	play(r.k, "n0");
	assert_true(keeper_saw_tool(r.k));
	rig_end(&r);
}

/* The open block's fragments are not held: the same pointer goes through. */
static struct event last_seen;
static char last_text[64];

static enum flow remember(struct sink *self, const struct event *e)
{
	last_seen = *e;
	if (e->text.n && e->text.n < sizeof(last_text))
		memcpy(last_text, e->text.p, e->text.n);
	return FLOW_GO;
}

static void test_no_copy(void **state)
{
	struct arena a;
	struct sink s = { remember };
	struct keeper *k;
	static const char text[] = "a \\\"text\\\" \\u0000\\ud800";

	arena_init(&a, 0);
	k = keeper_new(&s, &a, 1 << 20);
	sink_text(keeper_sink(k), EVENT_TEXT, span_str(STR(text)));
	assert_ptr_equal(last_seen.text.p, text);
	assert_int_equal(last_seen.text.n, sizeof(text) - 1);
	assert_int_equal(last_seen.text.form, SPAN_STR);
	keeper_release(k);
	arena_release(&a);
}

/* Held as it came: escapes stay, plain text is escaped. */
static void test_held_bytes(void **state)
{
	struct arena a;
	struct sink s = { remember };
	struct keeper *k;

	arena_init(&a, 0);
	k = keeper_new(&s, &a, 1 << 20);
	play(k, "n0 d0:{");
	sink_text(keeper_sink(k), EVENT_TEXT, span_str(STR("\\u0000\\ud800\\/")));
	sink_text(keeper_sink(k), EVENT_TEXT, span_utf8(STR("\"\n")));
	play(k, "d0:}");
	assert_int_equal(last_seen.type, EVENT_TEXT);
	assert_int_equal(last_seen.text.form, SPAN_STR);
	assert_int_equal(last_seen.text.n, 18);
	assert_memory_equal(last_text, "\\u0000\\ud800\\/\\\"\\n", 18);
	keeper_release(k);
	arena_release(&a);
}

static void test_limit(void **state)
{
	struct rig r;
	enum flow flow = FLOW_GO;
	int n = 0;

	rig_start(&r, 4096);
	play(r.k, "S n0 d0:{");
	while (!flow && n++ < 10000)
		flow = play(r.k, "t:0123456789");
	assert_int_equal(flow, FLOW_ABORT);
	assert_true(n > 200 && n < 410);
	assert_true(r.w.faulted);
	assert_int_equal(play(r.k, "d0:} E"), FLOW_ABORT);
	rig_end(&r);
	/* What goes straight through counts for nothing. */
	rig_start(&r, 4096);
	for (n = 0; n < 10000; n++)
		assert_int_equal(play(r.k, "t:0123456789"), FLOW_GO);
	rig_end(&r);
}

static void test_flow_travels(void **state)
{
	struct rig r;

	rig_start(&r, 1 << 20);
	play(r.k, "S");
	r.w.answer = FLOW_STOP;
	assert_int_equal(play(r.k, "t:a"), FLOW_STOP);
	assert_int_equal(play(r.k, "E"), FLOW_STOP);
	assert_true(r.w.ended);
	rig_end(&r);
	rig_start(&r, 1 << 20);
	r.w.answer = FLOW_ABORT;
	assert_int_equal(play(r.k, "S t:a E"), FLOW_ABORT);
	assert_false(r.w.ended);
	rig_end(&r);
}

/* ---- events of the client's own protocol ---- */

static const struct { char c; enum raw_kind kind;
} raws[] = {
	{ 'M', RAW_MESSAGE_START }, { '[', RAW_BLOCK_START },	{ '.', RAW_BLOCK_DELTA },
	{ ']', RAW_BLOCK_STOP },    { 'D', RAW_MESSAGE_DELTA }, { 'X', RAW_MESSAGE_STOP },
	{ 'P', RAW_PING },	    { '!', RAW_ERROR },		{ '?', RAW_OTHER },
	{ 'W', RAW_WHOLE },
};

static void play_raw(struct keeper *k, const char *script)
{
	for (const char *p = script; *p; p++) {
		struct event e = { .type = EVENT_RAW, .index = -1 };
		char text[3] = { *p, 0, 0 };
		size_t i = 0;

		while (raws[i].c != *p)
			i++;
		e.raw = raws[i].kind;
		if (strchr("[.]", *p)) {
			e.index = p[1] - '0';
			text[1] = *++p;
		}
		e.text = span_utf8(str_of(text));
		sink_event(keeper_sink(k), &e);
	}
}

static void test_raw(void **state)
{
	static const struct { const char *in, *out; } cases[] = {
		{ "M[0.0.0]0[1]1DX", "M [0 .0 .0 ]0 [1 ]1 D X " },
		{ "MMP[0]0]0DX", "M P [0 ]0 D X " },
		{ "M[0[0.0]0[0.0]0DX", "M [0 .0 ]0 D X " },
		{ "M.0]0[0.1]0DX", "M [0 ]0 D X " },
		{ "P[0DM[0]0DX", "M [0 ]0 D X " },
		{ "MDXX.0P", "M D X " },
		{ "M?!", "M ? ! " },
		{ "!", "! " },
		{ "WW", "W " },
		/* A stop that comes too early, and blocks that were never closed. */
		{ "M[0.0X", "M [0 .0 " },
		{ "M[0.0[1DX", "M [0 .0 [1 D "
			"{\"type\":\"content_block_stop\",\"index\":1} "
			"{\"type\":\"content_block_stop\",\"index\":0} X " },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rig r;

		rig_start(&r, 1 << 20);
		play_raw(r.k, cases[i].in);
		assert_string_equal(buf_cstr(&r.w.seen), cases[i].out);
		rig_end(&r);
	}
}

/* ---- storms ---- */

static uint32_t seed;

static uint32_t below(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static void storm_word(char *out, size_t size)
{
	static const char *const words[] = {
		"S", "p", "u", "b", "B", "R", "t:a", "t:", "h:x", "g:s", "c", "t:bb", "h:yy",
	};
	static const char *const pieces[] = { "{", "}", "{}",	"{\"a\":", "1}", "\"",
					      "[", "]", "\\\"", "_",	   "x" };
	uint32_t key = below(4);

	switch (below(6)) {
	case 0: snprintf(out, size, "n%u", key); break;
	case 1: snprintf(out, size, "s%u", key); break;
	case 2:
	case 3:
		snprintf(out, size, "d%u:%s", key, pieces[below(sizeof(pieces) / sizeof(*pieces))]);
		break;
	default: snprintf(out, size, "%s", words[below(sizeof(words) / sizeof(*words))]); break;
	}
}

static void test_storms(void **state)
{
	for (uint32_t i = 0; i < 3000; i++) {
		struct rig r;
		char word[64];
		uint32_t length = below(80);

		seed = i;
		rig_start(&r, below(4) ? 1 << 20 : 600 + below(2000));
		while (length--) {
			storm_word(word, sizeof(word));
			play(r.k, word);
		}
		play(r.k, "E");
		assert_true(r.w.ended || r.w.faulted);
		rig_end(&r);
	}
}

/* ---- when an input is complete ---- */

static void test_progress(void **state)
{
	static const struct {
		const char *text;
		enum span_form form;
		bool complete;
		size_t used;
	} cases[] = {
		{ "{}", SPAN_UTF8, true, 2 },
		{ " {} x", SPAN_UTF8, true, 3 },
		{ "{\"a\":\"}\"", SPAN_UTF8, false, 8 },
		{ "{\\\"a\\\":\\\"\\\\\\\"}\\\"}}", SPAN_STR, true, 17 },
		{ "\\u007b\\u007D", SPAN_STR, true, 12 },
		{ "{\"a\":\"\\\\\"}", SPAN_UTF8, true, 10 },
		{ "", SPAN_STR, false, 0 },
		{ "12", SPAN_UTF8, false, 2 },
		{ "\"x\"y", SPAN_UTF8, true, 3 },
		{ "}", SPAN_UTF8, true, 1 },
		{ "\\n\\t{\\n}", SPAN_STR, true, 8 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct json_progress p = { 0 };
		struct span s = { cases[i].text, strlen(cases[i].text), cases[i].form };

		assert_int_equal(json_progress_feed(&p, s), cases[i].used);
		assert_int_equal(p.complete, cases[i].complete);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts),	 cmocka_unit_test(test_saw_tool),
		cmocka_unit_test(test_no_copy),	 cmocka_unit_test(test_held_bytes),
		cmocka_unit_test(test_limit),	 cmocka_unit_test(test_flow_travels),
		cmocka_unit_test(test_raw),	 cmocka_unit_test(test_storms),
		cmocka_unit_test(test_progress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
