/*
 * Stop sequences over a text in fragments: every way to cut it in two, and byte by byte where
 * escapes allow; the outcome must not depend on it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run/filters.h"

struct witness {
	struct sink sink;
	struct buf seen;        /* text as it came; other events as <letter> */
	int texts;
};

static enum flow witness_event(struct sink *self, const struct event *e)
{
	struct witness *w = (struct witness *)self;

	switch (e->type) {
	case EVENT_TEXT:
		assert_int_equal(e->text.form, SPAN_STR);
		assert_true(e->text.n > 0);
		buf_put(&w->seen, e->text.p, e->text.n);
		w->texts++;
		break;
	case EVENT_STOP_REASON:
		buf_puts(&w->seen, e->stop == STOP_SEQUENCE ? "<stop:" : "<reason:");
		if (span_given(e->text))
			span_put_content(&w->seen, e->text);
		buf_putc(&w->seen, '>');
		break;
	case EVENT_TOOL_START: buf_puts(&w->seen, "<tool>"); break;
	case EVENT_THINKING: buf_puts(&w->seen, "<think>"); break;
	case EVENT_USAGE: buf_puts(&w->seen, "<usage>"); break;
	case EVENT_BLOCK_STOP: buf_puts(&w->seen, "<b>"); break;
	case EVENT_END: buf_puts(&w->seen, "<end>"); break;
	default: break;
	}
	return FLOW_GO;
}

struct rig {
	struct arena arena;
	struct witness w;
	struct message_request request;
	struct span stops[4];
	struct stopper *s;
};

/* stops: JSON string contents with a space between them. */
static void rig_start(struct rig *r, const char *stops)
{
	struct str rest = str_of(stops), one;

	memset(r, 0, sizeof(*r));
	arena_init(&r->arena, 0);
	buf_init(&r->w.seen, 0);
	r->w.sink.event = witness_event;
	r->request.stop_sequences = r->stops;
	while (str_split(&rest, ' ', &one))
		r->stops[r->request.nstop_sequences++] = span_str(one);
	r->s = stopper_new(&r->w.sink, &r->request, &r->arena);
	assert_non_null(r->s);
}

static void rig_end(struct rig *r)
{
	stopper_release(r->s);
	buf_release(&r->w.seen);
	arena_release(&r->arena);
}

static enum flow send(struct rig *r, enum event_type t, const char *text, size_t n)
{
	return sink_text(stopper_sink(r->s), t,
			 text ? span_str((struct str){ text, n }) : SPAN_ABSENT);
}

static enum flow finish(struct rig *r)
{
	return send(r, EVENT_END, NULL, 0);
}

static const struct { const char *stops, *text, *out;
} cases[] = {
	{ "</block>", "yes</block> and more", "yes<stop:</block>><end>" },
	{ "</block>", "yes</bloc", "yes</bloc<end>" },
	{ "</block>", "</block>", "<stop:</block>><end>" },
	{ "</block>", "<</</b</block>x", "<</</b<stop:</block>><end>" },
	{ "aab", "aaaab", "aa<stop:aab><end>" },
	{ "abab", "abacabab", "abac<stop:abab><end>" },
	{ "b abc", "xabcx", "xa<stop:b><end>" },
	{ "bc abc", "xabcx", "x<stop:abc><end>" },
	{ "\\n\\nHuman:", "hi\\n\\n\\nHuman: x", "hi\\n<stop:\\n\\nHuman:><end>" },
	{ "\\n\\nHuman:", "hi\\u000a\\u000AHuman: x", "hi<stop:\\n\\nHuman:><end>" },
	{ "</s>", "a\\u003c/s\\u003eb", "a<stop:</s>><end>" },
	{ "</s>", "a\\u003C\\/s>b", "a<stop:</s>><end>" },
	{ "\\u003c/s>", "a</s>b", "a<stop:\\u003c/s>><end>" },
	{ "\xC3\xA9", "caf\\u00e9!", "caf<stop:\xC3\xA9><end>" },
	{ "\xC3\xA9", "caf\xC3\xA8!", "caf\xC3\xA8!<end>" },
	{ "\\ud83d\\ude00", "a\xF0\x9F\x98\x80z", "a<stop:\\ud83d\\ude00><end>" },
	{ "\xF0\x9F\x98\x80", "a\\uD83D\\uDE00z", "a<stop:\xF0\x9F\x98\x80><end>" },
	{ "\\ud800", "a\\ud800z", "a<stop:\\ud800><end>" },
	{ "D800", "a\\ud800D80", "a\\ud800D80<end>" },
	{ "u003c", "a\\u003c", "a\\u003c<end>" },
	{ "n", "a\\nb", "a\\nb<end>" },
	{ "\\\\n", "a\\nb\\\\nc", "a\\nb<stop:\\\\n><end>" },
	{ "\\u0000", "a\\u0000b", "a<stop:\\u0000><end>" },
	{ "\\\"", "say \\\"x", "say <stop:\\\"><end>" },
	{ "x", "a\\u0000\\ud83d\\/\\t\\u00ff\xE2\x82\xAC",
	  "a\\u0000\\ud83d\\/\\t\\u00ff\xE2\x82\xAC<end>" },
};

/* A cut that falls into a character or an escape can't come: each fragment is a JSON string of its
 * own. */
static bool can_cut(const char *text, size_t at)
{
	size_t i = 0;

	while (i < at && text[i]) {
		size_t n = 1;

		if (text[i] == '\\')
			n = text[i + 1] == 'u' ? 6 : 2;
		if (text[i] == '\\' && (text[i + 2] == 'd' || text[i + 2] == 'D') &&
		    text[i + 6] == '\\')
			n = 12;
		while ((text[i + n] & 0xc0) == 0x80)
			n++;
		i += n;
	}
	return i == at;
}

static void expect(struct rig *r, size_t i, const char *how)
{
	if (strcmp(buf_cstr(&r->w.seen), cases[i].out))
		fail_msg("case %zu, %s:\n got  %s\n want %s", i, how, buf_cstr(&r->w.seen),
			 cases[i].out);
}

static void test_whole(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rig r;

		rig_start(&r, cases[i].stops);
		send(&r, EVENT_TEXT, cases[i].text, strlen(cases[i].text));
		finish(&r);
		expect(&r, i, "whole");
		rig_end(&r);
	}
}

static void test_cut_in_three(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *text = cases[i].text;
		size_t n = strlen(text);

		for (size_t a = 0; a <= n; a++) {
			for (size_t b = a; b <= n; b++) {
				struct rig r;

				if (!can_cut(text, a) || !can_cut(text, b))
					continue;
				rig_start(&r, cases[i].stops);
				send(&r, EVENT_TEXT, text, a);
				send(&r, EVENT_TEXT, text + a, b - a);
				send(&r, EVENT_TEXT, text + b, n - b);
				finish(&r);
				expect(&r, i, "cut in three");
				rig_end(&r);
			}
		}
	}
}

static void test_piece_by_piece(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *text = cases[i].text;
		size_t n = strlen(text), from = 0;
		struct rig r;

		rig_start(&r, cases[i].stops);
		for (size_t at = 1; at <= n; at++) {
			if (!can_cut(text, at))
				continue;
			send(&r, EVENT_TEXT, text + from, at - from);
			from = at;
		}
		finish(&r);
		expect(&r, i, "piece by piece");
		rig_end(&r);
	}
}

/* Plain UTF-8 comes out escaped, and is matched all the same. */
static void test_plain_text(void **state)
{
	struct rig r;
	struct sink *s;

	rig_start(&r, "\\n\\n");
	s = stopper_sink(r.s);
	assert_int_equal(sink_text(s, EVENT_TEXT, span_utf8(STR("a\n"))), FLOW_GO);
	assert_int_equal(sink_text(s, EVENT_TEXT, span_utf8(STR("b\"\n"))), FLOW_GO);
	assert_int_equal(sink_text(s, EVENT_TEXT, span_json(STR("\"\\n!\""))), FLOW_STOP);
	assert_string_equal(buf_cstr(&r.w.seen), "a\\nb\\\"<stop:\\n\\n>");
	rig_end(&r);
}

/* Text that cannot become a sequence is not delayed. */
static void test_no_delay(void **state)
{
	struct rig r;

	rig_start(&r, "</block>");
	send(&r, EVENT_TEXT, "hello", 5);
	assert_string_equal(buf_cstr(&r.w.seen), "hello");
	send(&r, EVENT_TEXT, " <", 2);
	assert_string_equal(buf_cstr(&r.w.seen), "hello ");
	send(&r, EVENT_TEXT, "i", 1);
	assert_string_equal(buf_cstr(&r.w.seen), "hello <i");
	rig_end(&r);
}

static void test_blocks(void **state)
{
	struct rig r;
	struct usage u = USAGE_UNKNOWN;

	/* A sequence does not span blocks, and thinking is none of ours; usage does not end a
	 * block. */
	rig_start(&r, "abc");
	send(&r, EVENT_THINKING, "abc", 3);
	send(&r, EVENT_TEXT, "xab", 3);
	send(&r, EVENT_BLOCK_STOP, NULL, 0);
	send(&r, EVENT_TEXT, "cab", 3);
	sink_tool(stopper_sink(r.s), EVENT_TOOL_START, 0, span_utf8(STR("i")), span_utf8(STR("n")),
		  SPAN_ABSENT);
	send(&r, EVENT_TEXT, "ab", 2);
	sink_usage(stopper_sink(r.s), &u);
	assert_int_equal(send(&r, EVENT_TEXT, "cd", 2), FLOW_STOP);
	assert_string_equal(buf_cstr(&r.w.seen), "<think>xab<b>cab<tool><usage><stop:abc>");
	rig_end(&r);
}

/* Behind the sequence the account goes on, and nothing else. */
static void test_after_stop(void **state)
{
	struct rig r;
	struct usage u = USAGE_UNKNOWN;

	rig_start(&r, "!");
	assert_int_equal(send(&r, EVENT_TEXT, "a!b", 3), FLOW_STOP);
	assert_int_equal(send(&r, EVENT_TEXT, "c", 1), FLOW_STOP);
	assert_int_equal(sink_stop(stopper_sink(r.s), STOP_END_TURN), FLOW_STOP);
	assert_int_equal(sink_usage(stopper_sink(r.s), &u), FLOW_STOP);
	assert_int_equal(send(&r, EVENT_END, NULL, 0), FLOW_GO);
	assert_string_equal(buf_cstr(&r.w.seen), "a<stop:!><usage><end>");
	rig_end(&r);
}

/* What a failed try had held back never was. */
static void test_retry(void **state)
{
	struct rig r;

	rig_start(&r, "abc");
	send(&r, EVENT_START, NULL, 0);
	send(&r, EVENT_TEXT, "ab", 2);
	send(&r, EVENT_START, NULL, 0);
	send(&r, EVENT_TEXT, "c", 1);
	send(&r, EVENT_END, NULL, 0);
	assert_string_equal(buf_cstr(&r.w.seen), "c<end>");
	rig_end(&r);
}

static void test_none(void **state)
{
	struct rig r;

	rig_start(&r, "");
	send(&r, EVENT_TEXT, "abc", 3);
	finish(&r);
	assert_string_equal(buf_cstr(&r.w.seen), "abc<end>");
	rig_end(&r);
	rig_start(&r, "x");
	assert_int_equal(sink_text(stopper_sink(r.s), EVENT_TEXT, span_utf8(STR_NONE)), FLOW_GO);
	finish(&r);
	assert_string_equal(buf_cstr(&r.w.seen), "<end>");
	rig_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),	       cmocka_unit_test(test_cut_in_three),
		cmocka_unit_test(test_piece_by_piece), cmocka_unit_test(test_plain_text),
		cmocka_unit_test(test_no_delay),       cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_after_stop),     cmocka_unit_test(test_retry),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
