/*
 * The writers over the memory front: complete answers compared byte by byte, then what depends on
 * time and on failures.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "ingress/ingress.h"
#include "json/scan.h"
#include "run/filters.h"
#include "sse_grammar.h"

static const char *const params[] = { "REQUEST_METHOD=POST", NULL };

struct rig {
	struct arena arena;
	struct memory_front *front;
	struct http_request request;
	struct answer answer;
	struct writer *w;
	struct keeper *k;
	struct sink *s;
	int commits;
};

static void committed(void *ctx, struct answer *a)
{
	((struct rig *)ctx)->commits++;
	answer_header(a, "x-test", "on");
}

static void rig_start_with(struct rig *r, bool stream, bool mapped, size_t max_whole)
{
	memset(r, 0, sizeof(*r));
	arena_init(&r->arena, 0);
	r->front = memory_front_new(params, STR(""), 0);
	http_request_init(&r->request, memory_front(r->front), &r->arena);
	strcpy(r->request.id, "req_1");
	answer_init(&r->answer, memory_front(r->front), &r->request);
	r->w = writer_new(&(struct writer_options){
		.answer = &r->answer, .arena = &r->arena, .model = "m\"x", .model_raw = "m\\\"x",
		.model_mapped = mapped, .stream = stream, .input_estimate = 11,
		.stream_settings = { .commit_after_ms = 25000, .ping_ms = 10000, .probe_ms = 2000 },
		.on_commit = committed, .ctx = r, .max_whole = max_whole,
	});
	assert_non_null(r->w);
	r->k = keeper_new(writer_sink(r->w), &r->arena, 1 << 20);
	assert_non_null(r->k);
	r->s = keeper_sink(r->k);
}

static void rig_start(struct rig *r, bool stream)
{
	rig_start_with(r, stream, false, 1 << 20);
}

static void rig_end(struct rig *r)
{
	keeper_release(r->k);
	writer_release(r->w);
	answer_release(&r->answer);
	memory_front_free(r->front);
	arena_release(&r->arena);
}

static struct str output(struct rig *r)
{
	return memory_front_output(r->front);
}

static struct str body(struct rig *r)
{
	struct str out = output(r);
	const char *p = str_find(out, "\r\n\r\n");

	if (!p)
		return STR_NONE;
	return (struct str){ p + 4, out.n - (size_t)(p + 4 - out.p) };
}

static void expect_body(struct rig *r, const char *want)
{
	struct str b = body(r);

	if (!str_is(b, want))
		fail_msg("\n got  %.*s\n want %s", STR_ARGS(b), want);
}

static void expect_header(struct rig *r, const char *line)
{
	struct str out = output(r);

	if (!str_find(out, line))
		fail_msg("no '%s' in %.*s", line, STR_ARGS(out));
}

static enum flow start(struct rig *r)
{
	struct event e = { .type = EVENT_START,
			   .index = -1,
			   .id = span_utf8(STR("msg_1")),
			   .usage = USAGE_UNKNOWN };

	return sink_event(r->s, &e);
}

static enum flow text(struct rig *r, enum event_type type, const char *content)
{
	return sink_text(r->s, type, span_str(str_of(content)));
}

static void call(struct rig *r, unsigned key, const char *id, const char *input)
{
	sink_tool(r->s, EVENT_TOOL_START, key, span_str(str_of(id)), span_utf8(STR("ls")),
		  SPAN_ABSENT);
	sink_tool(r->s, EVENT_TOOL_DELTA, key, SPAN_ABSENT, SPAN_ABSENT, span_str(str_of(input)));
	sink_tool(r->s, EVENT_TOOL_STOP, key, SPAN_ABSENT, SPAN_ABSENT, SPAN_ABSENT);
}

static void usage(struct rig *r)
{
	struct usage u = {
		.input = 20, .output = 7, .cache_read = 5, .cache_write = -1, .thinking = 3
	};

	sink_usage(r->s, &u);
}

static int finish(struct rig *r)
{
	struct event e = { .type = EVENT_END, .index = -1 };

	sink_event(r->s, &e);
	return writer_finish(r->w);
}

#define MESSAGE_START(input) \
	"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\"," \
	"\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\\\"x\",\"content\":[]," \
	"\"stop_reason\":null,\"stop_sequence\":null,\"usage\":" USAGE(input, "1") "}}\n\n"
#define BLOCK_START(i, block) \
	"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":" i \
	",\"content_block\":" block "}\n\n"
#define DELTA(i, delta) \
	"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":" i \
	",\"delta\":{\"type\":" delta "}}\n\n"
#define BLOCK_STOP(i) \
	"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":" i "}\n\n"
#define MESSAGE_END(delta, usage) \
	"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{" delta \
	"},\"usage\":" usage "}\n\n" \
	"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
#define TEXT_START "{\"type\":\"text\",\"text\":\"\"}"
#define USAGE(input, output) \
	"{\"input_tokens\":" input ",\"cache_creation_input_tokens\":0," \
	"\"cache_read_input_tokens\":0,\"output_tokens\":" output "}"
#define USAGE_FULL \
	"{\"input_tokens\":20,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":5," \
	"\"output_tokens\":7,\"output_tokens_details\":{\"thinking_tokens\":3}}"

/* Everything an answer may hold, once. */
static void everything(struct rig *r)
{
	struct event member = { .type = EVENT_MEMBER,
				.index = -1,
				.name = span_utf8(STR("safeguard_results")),
				.text = span_json(STR("[1.50,\n{}]")) };

	start(r);
	text(r, EVENT_THINKING, "hm\\n");
	text(r, EVENT_SIGNATURE, "Sig==");
	sink_text(r->s, EVENT_REDACTED, span_utf8(STR("D")));
	text(r, EVENT_TEXT, "\\ud800 \xF0\x9F\x98\x80");
	sink_text(r->s, EVENT_CITATION,
		  span_json(STR("{\"n\":12345678901234567890,\n\"s\":\"\\u0000\"}")));
	call(r, 0, "toolu_1", "{\\\"n\\\": 9007199254740993, \\\"s\\\":\\\"\\\\u0000\\\"}");
	sink_text(r->s, EVENT_BLOCK,
		  span_json(STR("{\"type\":\"server_tool_use\",\"id\":\"s\",\"input\":{\"q\":\"a\"}"
				",\"x\":1}")));
	sink_event(r->s, &member);
	usage(r);
	sink_stop(r->s, STOP_END_TURN);
}

static const char whole_stream[] =
	MESSAGE_START("11")
	BLOCK_START("0", "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}")
	DELTA("0", "\"thinking_delta\",\"thinking\":\"hm\\n\"")
	DELTA("0", "\"signature_delta\",\"signature\":\"Sig==\"")
	BLOCK_STOP("0")
	BLOCK_START("1", "{\"type\":\"redacted_thinking\",\"data\":\"D\"}")
	BLOCK_STOP("1")
	BLOCK_START("2", TEXT_START)
	DELTA("2", "\"text_delta\",\"text\":\"\\ud800 \xF0\x9F\x98\x80\"")
	DELTA("2", "\"citations_delta\",\"citation\":"
		   "{\"n\":12345678901234567890, \"s\":\"\\u0000\"}")
	BLOCK_STOP("2")
	BLOCK_START("3", "{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"ls\",\"input\":{}}")
	DELTA("3", "\"input_json_delta\",\"partial_json\":\"\"")
	DELTA("3", "\"input_json_delta\",\"partial_json\":"
		   "\"{\\\"n\\\": 9007199254740993, \\\"s\\\":\\\"\\\\u0000\\\"}\"")
	BLOCK_STOP("3")
	BLOCK_START("4", "{\"type\":\"server_tool_use\",\"id\":\"s\",\"input\":{},\"x\":1}")
	DELTA("4", "\"input_json_delta\",\"partial_json\":\"{\\\"q\\\":\\\"a\\\"}\"")
	BLOCK_STOP("4")
	MESSAGE_END("\"stop_reason\":\"tool_use\",\"stop_sequence\":null,"
		    "\"safeguard_results\":[1.50, {}]", USAGE_FULL);

static void test_stream(void **state)
{
	struct rig r;

	rig_start(&r, true);
	everything(&r);
	assert_int_equal(finish(&r), 0);
	expect_header(&r, "Status: 200 OK\r\n");
	expect_header(&r, "Content-Type: text/event-stream; charset=utf-8\r\n");
	expect_header(&r, "x-test: on\r\n");
	expect_body(&r, whole_stream);
	assert_null(sse_grammar_check(body(&r), SSE_END_COMPLETE));
	assert_int_equal(r.commits, 1);
	assert_int_equal(memory_front_flushes(r.front), 1);
	assert_int_equal(writer_usage(r.w)->output, 7);
	assert_int_equal(writer_stop_reason(r.w), STOP_TOOL_USE);
	rig_end(&r);
}

static void test_whole(void **state)
{
	struct rig r;

	rig_start(&r, false);
	everything(&r);
	assert_int_equal(output(&r).n, 0);
	assert_true(writer_content(r.w));
	assert_int_equal(finish(&r), 0);
	expect_header(&r, "Content-Type: application/json\r\n");
	expect_header(&r, "x-test: on\r\n");
	expect_header(&r, "X-Processing-Time");
	expect_body(&r, "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":"
			"\"m\\\"x\",\"content\":["
			"{\"type\":\"thinking\",\"thinking\":\"hm\\n\",\"signature\":\"Sig==\"},{"
			"\"type\":\"redacted_thinking\",\"data\":\"D\"},"
			"{\"type\":\"text\",\"text\":\"\\ud800 "
			"\xF0\x9F\x98\x80\",\"citations\":[{\"n\":12345678901234567890,\n\"s\":"
			"\"\\u0000\"}]},"
			"{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"ls\",\"input\":{"
			"\"n\": 9007199254740993, \"s\":\"\\u0000\"}},"
			"{\"type\":\"server_tool_use\",\"id\":\"s\",\"input\":{\"q\":\"a\"},\"x\":"
			"1}],"
			"\"stop_reason\":\"tool_use\",\"stop_sequence\":null,\"usage\":" USAGE_FULL
			",\"safeguard_results\":[1.50,\n{}]}");
	assert_int_equal(json_check(body(&r), NULL, NULL), 0);
	rig_end(&r);
}

static void test_empty(void **state)
{
	struct rig r;

	rig_start(&r, true);
	start(&r);
	finish(&r);
	expect_body(&r, MESSAGE_START("11") BLOCK_START("0", TEXT_START) BLOCK_STOP("0")
				MESSAGE_END("\"stop_reason\":\"end_turn\",\"stop_sequence\":null",
					    USAGE("11", "0")));
	rig_end(&r);
	rig_start(&r, false);
	start(&r);
	finish(&r);
	expect_body(&r, "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":"
			"\"m\\\"x\",\"content\":["
			"{\"type\":\"text\",\"text\":\"\"}],\"stop_reason\":\"end_turn\",\"stop_"
			"sequence\":null,\"usage\":" USAGE("11", "0") "}");
	rig_end(&r);
}

static void test_stop_reasons(void **state)
{
	static const struct { enum stop_reason given; bool tool; const char *want;
	} cases[] = {
		{ STOP_NOT_GIVEN, false, "end_turn" },
		{ STOP_NOT_GIVEN, true, "tool_use" },
		{ STOP_END_TURN, true, "tool_use" },
		{ STOP_TOOL_USE, false, "end_turn" },
		{ STOP_MAX_TOKENS, false, "max_tokens" },
		{ STOP_MAX_TOKENS, true, "max_tokens" },
		{ STOP_REFUSAL, false, "refusal" },
		{ STOP_PAUSE_TURN, false, "pause_turn" },
		{ STOP_CONTEXT_WINDOW, false, "model_context_window_exceeded" },
		{ STOP_COMPACTION, false, "compaction" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rig r;
		struct str b;

		rig_start(&r, false);
		start(&r);
		if (cases[i].tool)
			call(&r, 0, "t", "{}");
		if (cases[i].given)
			sink_stop(r.s, cases[i].given);
		finish(&r);
		b = body(&r);
		assert_true(span_is(json_get(span_json(b), "stop_reason"), cases[i].want));
		rig_end(&r);
	}
}

static void test_stop_sequence(void **state)
{
	struct rig r;
	struct event e = { .type = EVENT_STOP_REASON,
			   .index = -1,
			   .stop = STOP_SEQUENCE,
			   .text = span_str(STR("\\n\\\"")) };

	rig_start(&r, true);
	text(&r, EVENT_TEXT, "abcde");
	sink_event(r.s, &e);
	finish(&r);
	expect_header(&r, MESSAGE_END("\"stop_reason\":\"stop_sequence\",\"stop_sequence\":"
				      "\"\\n\\\"\"",
				      USAGE("11", "2")));
	assert_null(sse_grammar_check(body(&r), SSE_END_COMPLETE));
	assert_non_null(str_find(body(&r), "\"id\":\"msg_01"));
	rig_end(&r);
}

static void test_tool_inputs(void **state)
{
	static const struct { const char *input, *want;
	} cases[] = {
		{ "", "{}" },
		{ " \\n", "{}" },
		{ "{}", "{}" },
		{ "\\n{\\\"a\\\": 1e400}", "{\"a\": 1e400}" },
		{ "{\\\"a", "{\"INVALID_JSON\":\"{\\\"a\"}" },
		{ "[1]", "{\"INVALID_JSON\":\"[1]\"}" },
		{ "\\ud800", "{\"INVALID_JSON\":\"\\ud800\"}" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rig r;
		struct str b;
		struct span blocks;
		struct scan it;

		rig_start(&r, false);
		start(&r);
		call(&r, 0, "t", cases[i].input);
		finish(&r);
		b = body(&r);
		assert_int_equal(json_check(b, NULL, NULL), 0);
		blocks = json_get(span_json(b), "content");
		assert_true(json_each(blocks, &it) && scan_element(&it));
		blocks = json_get(scan_value(&it), "input");
		assert_int_equal(blocks.n, strlen(cases[i].want));
		assert_memory_equal(blocks.p, cases[i].want, blocks.n);
		rig_end(&r);
	}
}

/* ---- time ---- */

/* One write and flush for what came together; nothing before there is something to say. */
static void test_batches(void **state)
{
	struct rig r;
	int64_t now = clock_ms();

	rig_start(&r, true);
	assert_true(writer_due(r.w) >= now + 25000);
	assert_int_equal(writer_tick(r.w, now), 0);
	assert_int_equal(output(&r).n, 0);
	start(&r);
	text(&r, EVENT_TEXT, "a");
	text(&r, EVENT_TEXT, "b");
	assert_int_equal(output(&r).n, 0);
	assert_int_equal(writer_due(r.w), 0);
	assert_int_equal(writer_tick(r.w, now), 0);
	assert_int_equal(memory_front_flushes(r.front), 1);
	assert_non_null(str_find(output(&r), "\"text\":\"b\""));
	assert_true(writer_due(r.w) > now);
	for (int i = 0; i < 400; i++)
		text(&r, EVENT_TEXT, "0123456789");
	assert_true(memory_front_flushes(r.front) > 1);
	rig_end(&r);
}

static void test_silence(void **state)
{
	struct rig r;
	int64_t now = clock_ms(), due;
	size_t before;

	rig_start(&r, true);
	assert_int_equal(writer_tick(r.w, now + 24000), 0);
	assert_false(writer_committed(r.w));
	assert_int_equal(writer_tick(r.w, now + 26000), 0);
	assert_true(writer_committed(r.w));
	expect_body(&r, ": waiting\n\n");
	due = writer_due(r.w);
	assert_true(due >= now + 2000 && due < now + 4000);
	before = output(&r).n;
	writer_tick(r.w, due);
	assert_int_equal(output(&r).n - before, strlen(": waiting\n\n"));
	/* A ping only behind message_start; comments in between. */
	start(&r);
	writer_tick(r.w, now);
	writer_tick(r.w, writer_due(r.w));
	assert_null(str_find(output(&r), "event: ping"));
	writer_tick(r.w, now + 12000);
	assert_non_null(str_find(output(&r), "event: ping\ndata: {\"type\":\"ping\"}\n\n"));
	text(&r, EVENT_TEXT, "late");
	finish(&r);
	assert_null(sse_grammar_check(body(&r), SSE_END_COMPLETE));
	assert_int_equal(writer_due(r.w), CLOCK_NEVER);
	assert_int_equal(r.commits, 1);
	rig_end(&r);
}

static void test_silence_whole(void **state)
{
	struct rig r;
	int64_t now = clock_ms();

	rig_start(&r, false);
	writer_tick(r.w, now + 26000);
	writer_tick(r.w, now + 30000);
	expect_body(&r, "  ");
	text(&r, EVENT_TEXT, "x");
	assert_int_equal(finish(&r), 0);
	assert_true(str_starts(body(&r), "  {\"id\":"));
	assert_int_equal(json_check(body(&r), NULL, NULL), 0);
	rig_end(&r);
}

/* ---- failures ---- */

static void failure(struct fault *f)
{
	fault_set(f, FAULT_RATE, 429, "rate_limit_error", "slow \"down\" \xff");
	f->retry_after = 3;
	f->should_retry = 1;
}

/* Faults have ids of their places; replaces "*" in want by the id of f. */
static const char *with_id(char *out, size_t size, const char *want, const struct fault *f)
{
	const char *star = strchr(want, '*');
	char id[SITE_ID_SIZE];

	snprintf(out, size, "%.*s%s%s", (int)(star - want), want, fault_id(f, id), star + 1);
	return out;
}

static void test_fault_before(void **state)
{
	struct rig r;
	struct fault f;
	char want[512], id[SITE_ID_SIZE], line[64];

	rig_start(&r, true);
	start(&r);
	failure(&f);
	assert_int_equal(writer_fault(r.w, &f), 0);
	expect_header(&r, "Status: 429");
	expect_header(&r, "retry-after: 3\r\n");
	expect_header(&r, "x-should-retry: true\r\n");
	snprintf(line, sizeof(line), "x-error-id: %s\r\n", fault_id(&f, id));
	expect_header(&r, line);
	expect_body(&r, with_id(want, sizeof(want),
				"{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":"
				"\"slow \\\"down\\\" \xEF\xBF\xBD\"},\"error_id\":\"*\","
				"\"request_id\":\"req_1\"}", &f));
	assert_int_equal(r.commits, 0);
	assert_int_equal(writer_ended_with(r.w)->status, 429);
	/* Nothing comes after it. */
	assert_int_equal(text(&r, EVENT_TEXT, "x"), FLOW_ABORT);
	assert_int_equal(writer_fault(r.w, &f), 0);
	assert_int_equal(writer_finish(r.w), 0);
	assert_true(str_ends(output(&r), "\"req_1\"}"));
	rig_end(&r);
}

/* Behind the 200: what may be tried again is overloaded_error before any content, itself after it.
 */
static void test_fault_in_stream(void **state)
{
	struct rig r;
	struct fault f;
	char want[512];

	failure(&f);
	rig_start(&r, true);
	start(&r);
	writer_tick(r.w, clock_ms());
	f.raw = STR("{\"raw\":1}");
	sink_fault(r.s, &f);
	with_id(want, sizeof(want),
		"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
		"\"message\":\"slow \\\"down\\\" \xEF\xBF\xBD\"},\"error_id\":\"*\","
		"\"request_id\":\"req_1\"}\n\n", &f);
	assert_true(str_ends(body(&r), want));
	assert_null(sse_grammar_check(body(&r), SSE_END_ERROR));
	rig_end(&r);
	rig_start(&r, true);
	text(&r, EVENT_TEXT, "a");
	writer_tick(r.w, clock_ms());
	text(&r, EVENT_TEXT, "b");
	writer_fault(r.w, &f);
	assert_true(str_ends(body(&r), "event: error\ndata: {\"raw\":1}\n\n"));
	assert_non_null(str_find(body(&r), "\"text\":\"b\""));
	rig_end(&r);
}

static void test_fault_in_whole(void **state)
{
	struct rig r;
	struct fault f = FAULT_INIT;
	char want[512];

	rig_start(&r, false);
	text(&r, EVENT_TEXT, "a");
	writer_tick(r.w, clock_ms() + 26000);
	fault_set(&f, FAULT_TRANSIENT, 502, "api_error", "broke");
	f.details = "{\"a\":1}";
	assert_int_equal(writer_fault(r.w, &f), 0);
	expect_body(&r, with_id(want, sizeof(want),
				" {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":"
				"\"broke\",\"details\":{\"a\":1}},\"error_id\":\"*\","
				"\"request_id\":\"req_1\"}", &f));
	rig_end(&r);
}

static void test_too_large(void **state)
{
	struct rig r;
	int n = 0;

	rig_start_with(&r, false, false, 1000);
	while (text(&r, EVENT_TEXT, "0123456789") == FLOW_GO)
		assert_true(n++ < 200);
	expect_header(&r, "Status: 502");
	assert_non_null(str_find(body(&r), "larger than the 1000 bytes"));
	rig_end(&r);
}

static void test_client_gone(void **state)
{
	struct rig r;

	rig_start(&r, true);
	memory_front_fail_after(r.front, 0);
	text(&r, EVENT_TEXT, "a");
	assert_false(writer_gone(r.w));
	assert_int_equal(writer_tick(r.w, clock_ms()), -1);
	assert_true(writer_gone(r.w));
	assert_int_equal(text(&r, EVENT_TEXT, "b"), FLOW_ABORT);
	assert_int_equal(writer_due(r.w), CLOCK_NEVER);
	assert_int_equal(writer_finish(r.w), -1);
	rig_end(&r);
}

/* ---- events of the client's own protocol ---- */

static enum flow raw(struct rig *r, enum raw_kind kind, const char *name, const char *data)
{
	struct event e = { .type = EVENT_RAW,
			   .raw = kind,
			   .index = 0,
			   .name = span_utf8(str_of(name)),
			   .text = span_json(str_of(data)) };

	return sink_event(r->s, &e);
}

#define RAW_START(model) \
	"{\"type\":\"message_start\",\"message\":{\"id\":\"msg_up\",  \"model\":\"" model "\"," \
											  "\"usag" \
											  "e\":{}" \
											  "}}"

static void raw_stream(struct rig *r)
{
	raw(r, RAW_MESSAGE_START, "message_start", RAW_START("real"));
	raw(r, RAW_BLOCK_START, "content_block_start",
	    "{\"type\":\"content_block_start\",\"index\":0,\n\"x\":1.50}");
	raw(r, RAW_BLOCK_STOP, "content_block_stop", "{}");
	raw(r, RAW_MESSAGE_DELTA, "message_delta", "{\"m\":\"\\ud800\"}");
	raw(r, RAW_MESSAGE_STOP, "message_stop", "{}");
}

static void test_raw(void **state)
{
	static const char rest[] = "event: content_block_start\ndata: "
				   "{\"type\":\"content_block_start\",\"index\":0,\ndata: "
				   "\"x\":1.50}\n\n"
				   "event: content_block_stop\ndata: {}\n\nevent: "
				   "message_delta\ndata: {\"m\":\"\\ud800\"}\n\nevent: "
				   "message_stop\ndata: {}\n\n";
	char want[1024];

	for (int mapped = 0; mapped < 2; mapped++) {
		struct rig r;

		rig_start_with(&r, true, mapped, 0);
		raw_stream(&r);
		assert_int_equal(finish(&r), 0);
		snprintf(want, sizeof(want), "event: message_start\ndata: %s\n\n%s",
			 mapped ? RAW_START("m\\\"x") : RAW_START("real"), rest);
		expect_body(&r, want);
		rig_end(&r);
	}
}

static void test_raw_whole(void **state)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		struct rig r;

		rig_start_with(&r, false, mapped, 1 << 20);
		raw(&r, RAW_WHOLE, "message", "{ \"content\":[],\"model\":\"real\",\"n\":1.50 }");
		assert_int_equal(finish(&r), 0);
		expect_body(&r, mapped ? "{ \"content\":[],\"model\":\"m\\\"x\",\"n\":1.50 }"
				       : "{ \"content\":[],\"model\":\"real\",\"n\":1.50 }");
		rig_end(&r);
	}
}

static void test_raw_wrong_form(void **state)
{
	struct rig r;

	rig_start(&r, false);
	assert_int_equal(raw(&r, RAW_MESSAGE_START, "message_start", RAW_START("x")), FLOW_ABORT);
	expect_header(&r, "Status: 502");
	rig_end(&r);
	rig_start(&r, true);
	assert_int_equal(raw(&r, RAW_WHOLE, "message", "{}"), FLOW_ABORT);
	expect_header(&r, "Status: 502");
	rig_end(&r);
}

/* A stream that has said why it ended may lack its last event; one that has not is broken. */
static void test_raw_end(void **state)
{
	struct rig r;

	rig_start(&r, true);
	raw(&r, RAW_MESSAGE_START, "message_start", RAW_START("x"));
	raw(&r, RAW_MESSAGE_DELTA, "message_delta", "{}");
	finish(&r);
	assert_true(str_ends(body(&r), "event: message_stop\ndata: "
				       "{\"type\":\"message_stop\"}\n\n"));
	rig_end(&r);
	rig_start(&r, true);
	raw(&r, RAW_MESSAGE_START, "message_start", RAW_START("x"));
	writer_tick(r.w, clock_ms());
	finish(&r);
	assert_non_null(str_find(body(&r), "event: error\n"));
	rig_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_stop_reasons),
		cmocka_unit_test(test_stop_sequence),
		cmocka_unit_test(test_tool_inputs),
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_silence_whole),
		cmocka_unit_test(test_fault_before),
		cmocka_unit_test(test_fault_in_stream),
		cmocka_unit_test(test_fault_in_whole),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_client_gone),
		cmocka_unit_test(test_raw),
		cmocka_unit_test(test_raw_whole),
		cmocka_unit_test(test_raw_wrong_form),
		cmocka_unit_test(test_raw_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
