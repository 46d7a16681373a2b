/*
 * Storms of content events through stop sequences, order keeper and both writers: whatever a
 * decoder may send, the client gets a legal stream, or one Message object that is JSON. Two bytes
 * of input make an event.
 */
#include <stdlib.h>
#include <string.h>

#include "../unit/sse_grammar.h"
#include "ingress/ingress.h"
#include "json/scan.h"
#include "run/filters.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const params[] = { "REQUEST_METHOD=POST", NULL };

static const struct { const char *text; enum span_form form;
} texts[] = {
	{ "", SPAN_STR },	 { "a", SPAN_STR },
	{ "\\n", SPAN_STR },	 { "\\ud83d", SPAN_STR },
	{ "\\u003c", SPAN_STR }, { "</s>", SPAN_STR },
	{ "x\"\n", SPAN_UTF8 },	 { "{", SPAN_UTF8 },
	{ "}", SPAN_UTF8 },	 { "{\\\"a\\\":1}", SPAN_STR },
	{ "\"q\"", SPAN_JSON },	 { "{\"type\":\"mcp_tool_use\",\n\"input\":{\"b\":1}}", SPAN_JSON },
	{ " ", SPAN_STR },	 { "/", SPAN_STR },
	{ "s>", SPAN_STR },	 { "\\\"", SPAN_STR },
};

static struct span text_of(uint8_t i)
{
	const char *t = texts[i % 16].text;

	return (struct span){ t, strlen(t), texts[i % 16].form };
}

static enum flow send(struct sink *s, uint8_t type, uint8_t arg)
{
	static const enum event_type types[] = {
		EVENT_START,	  EVENT_TEXT,	   EVENT_TEXT,	      EVENT_THINKING,
		EVENT_SIGNATURE,  EVENT_REDACTED,  EVENT_TOOL_START,  EVENT_TOOL_DELTA,
		EVENT_TOOL_DELTA, EVENT_TOOL_STOP, EVENT_BLOCK,	      EVENT_CITATION,
		EVENT_BLOCK_STOP, EVENT_USAGE,	   EVENT_STOP_REASON, EVENT_PING,
	};
	struct event e = { .type = types[type % 16],
			   .index = -1,
			   .key = arg / 16 % 4,
			   .usage = USAGE_UNKNOWN,
			   .text = text_of(arg) };

	if (e.type == EVENT_TOOL_START)
		e.id = e.name = span_utf8(STR("id"));
	if (e.type == EVENT_STOP_REASON)
		e.stop = (enum stop_reason)(arg % 8);
	if (e.type == EVENT_USAGE)
		e.usage.output = arg;
	if (e.type == EVENT_BLOCK || e.type == EVENT_CITATION)
		e.text = text_of(11);
	return sink_event(s, &e);
}

static void check(struct memory_front *m, bool stream)
{
	struct str out = memory_front_output(m);
	const char *head = str_find(out, "\r\n\r\n");
	struct str body;

	if (!head)
		abort();
	body = (struct str){ head + 4, out.n - (size_t)(head + 4 - out.p) };
	if (stream ? sse_grammar_check(body, SSE_END_COMPLETE) != NULL
		   : json_check(body, NULL, NULL) != 0)
		abort();
}

static void storm(const uint8_t *data, size_t size, bool stream)
{
	struct span stop = span_str(STR("</s>"));
	struct message_request request = { .stop_sequences = &stop, .nstop_sequences = 1 };
	struct memory_front *m = memory_front_new(params, STR(""), 0);
	struct http_request http;
	struct answer answer;
	struct arena a;
	struct writer *w;
	struct keeper *k;
	struct stopper *s;
	enum flow flow = FLOW_GO;

	arena_init(&a, 0);
	http_request_init(&http, memory_front(m), &a);
	answer_init(&answer, memory_front(m), &http);
	w = writer_new(&(struct writer_options){ .answer = &answer,
						 .arena = &a,
						 .model = "m",
						 .model_raw = "m",
						 .stream = stream,
						 .max_whole = 1 << 24 });
	k = keeper_new(writer_sink(w), &a, 1 << 24);
	s = stopper_new(keeper_sink(k), &request, &a);
	for (size_t i = 0; i + 1 < size && !flow; i += 2)
		flow = send(stopper_sink(s), data[i], data[i + 1]);
	sink_event(stopper_sink(s), &(struct event){ .type = EVENT_END, .index = -1 });
	writer_finish(w);
	check(m, stream);
	stopper_release(s);
	keeper_release(k);
	writer_release(w);
	answer_release(&answer);
	arena_release(&a);
	memory_front_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	storm(data, size, true);
	storm(data, size, false);
	return 0;
}
