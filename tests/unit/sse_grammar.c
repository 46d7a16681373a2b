/*
 * message_start ( content_block_start content_block_delta* content_block_stop )* message_delta
 * message_stop, with pings and comments after the start, or an error that ends it at any place.
 * Each record has one event line and one data line of the same type.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "json/scan.h"
#include "sse_grammar.h"

enum place { PLACE_BEGIN, PLACE_MESSAGE, PLACE_BLOCK, PLACE_DELTA, PLACE_STOPPED, PLACE_ERROR };

struct grammar {
	enum place place;
	int64_t index;          /* of the block that opens next or is open */
	struct span block_type;
	bool tool_seen, signed_thinking;
	char problem[256];
};

static const char *wrong(struct grammar *g, const char *fmt, ...) PRINTF_LIKE(2, 3);
static const char *wrong(struct grammar *g, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(g->problem, sizeof(g->problem), fmt, ap);
	va_end(ap);
	return g->problem;
}

static const char *check_start(struct grammar *g, struct span data)
{
	struct span m = json_get(data, "message");
	int64_t n;

	if (g->place != PLACE_BEGIN)
		return wrong(g, "message_start in the middle");
	if (!span_is_string(json_get(m, "id")) || !span_is(json_get(m, "type"), "message") ||
	    !span_is(json_get(m, "role"), "assistant") || !span_is_string(json_get(m, "model")))
		return wrong(g, "message_start lacks id, type, role or model");
	if (!span_is_array(json_get(m, "content")) || !span_is_null(json_get(m, "stop_reason")))
		return wrong(g, "message_start has no empty content or a stop reason");
	if (!span_int(json_path(m, "usage", "input_tokens", NULL), &n) ||
	    !span_int(json_path(m, "usage", "output_tokens", NULL), &n))
		return wrong(g, "message_start lacks usage");
	g->place = PLACE_MESSAGE;
	return NULL;
}

static const char *check_index(struct grammar *g, struct span data)
{
	int64_t index;

	if (!span_int(json_get(data, "index"), &index) || index != g->index)
		return wrong(g, "a block event has another index than %lld", (long long)g->index);
	return NULL;
}

static const char *check_block_start(struct grammar *g, struct span data)
{
	struct span block = json_get(data, "content_block");

	if (g->place != PLACE_MESSAGE)
		return wrong(g, "content_block_start while a block is open or out of the message");
	g->block_type = json_get(block, "type");
	if (!span_is_string(g->block_type))
		return wrong(g, "content_block_start without a type");
	if (span_is(g->block_type, "tool_use")) {
		g->tool_seen = true;
		if (span_blank(json_get(block, "id")) || span_blank(json_get(block, "name")) ||
		    !span_is_object(json_get(block, "input")))
			return wrong(g, "a tool_use block lacks id, name or input");
	}
	g->signed_thinking = false;
	g->place = PLACE_BLOCK;
	return check_index(g, data);
}

static const char *check_delta(struct grammar *g, struct span data)
{
	static const struct { const char *delta, *block, *member;
	} kinds[] = {
		{ "text_delta", "text", "text" },
		{ "citations_delta", "text", "citation" },
		{ "thinking_delta", "thinking", "thinking" },
		{ "signature_delta", "thinking", "signature" },
		{ "input_json_delta", "tool_use", "partial_json" },
		{ "input_json_delta", "server_tool_use", "partial_json" },
		{ "input_json_delta", "mcp_tool_use", "partial_json" },
	};
	struct span delta = json_get(data, "delta"), type = json_get(delta, "type");

	if (g->place != PLACE_BLOCK)
		return wrong(g, "content_block_delta while no block is open");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (!span_is(type, kinds[i].delta) || !span_is(g->block_type, kinds[i].block))
			continue;
		if (!span_given(json_get(delta, kinds[i].member)))
			return wrong(g, "%s without %s", kinds[i].delta, kinds[i].member);
		if (g->signed_thinking)
			return wrong(g, "a delta after the signature");
		g->signed_thinking = span_is(type, "signature_delta");
		return check_index(g, data);
	}
	return wrong(g, "a delta that does not belong into its block: %.*s", (int)delta.n, delta.p);
}

static const char *check_block_stop(struct grammar *g, struct span data)
{
	const char *problem;

	if (g->place != PLACE_BLOCK)
		return wrong(g, "content_block_stop while no block is open");
	problem = check_index(g, data);
	g->place = PLACE_MESSAGE;
	g->index++;
	return problem;
}

static const char *check_message_delta(struct grammar *g, struct span data)
{
	struct span delta = json_get(data, "delta");
	int64_t n;

	if (g->place != PLACE_MESSAGE)
		return wrong(g, "message_delta while a block is open, or twice");
	if (!span_is_string(json_get(delta, "stop_reason")))
		return wrong(g, "message_delta without a stop reason");
	if (span_is(json_get(delta, "stop_reason"), "tool_use") && !g->tool_seen)
		return wrong(g, "stop reason tool_use without a tool_use block");
	if (!span_int(json_path(data, "usage", "output_tokens", NULL), &n))
		return wrong(g, "message_delta without usage");
	g->place = PLACE_DELTA;
	return NULL;
}

static const char *check_message_stop(struct grammar *g, struct span data)
{
	if (g->place != PLACE_DELTA)
		return wrong(g, "message_stop before message_delta");
	g->place = PLACE_STOPPED;
	return NULL;
}

static const char *check_ping(struct grammar *g, struct span data)
{
	if (g->place == PLACE_BEGIN || g->place == PLACE_STOPPED)
		return wrong(g, "ping out of the message");
	return NULL;
}

static const char *check_error(struct grammar *g, struct span data)
{
	if (g->place == PLACE_STOPPED)
		return wrong(g, "error after message_stop");
	if (!span_is_string(json_path(data, "error", "type", NULL)) ||
	    !span_is_string(json_path(data, "error", "message", NULL)))
		return wrong(g, "error without type or message");
	g->place = PLACE_ERROR;
	return NULL;
}

static const struct {
	const char *name;
	const char *(*check)(struct grammar *, struct span);
} events[] = {
	{ "message_start", check_start },
	{ "content_block_start", check_block_start },
	{ "content_block_delta", check_delta },
	{ "content_block_stop", check_block_stop },
	{ "message_delta", check_message_delta },
	{ "message_stop", check_message_stop },
	{ "ping", check_ping },
	{ "error", check_error },
};

static const char *check_record(struct grammar *g, struct str name, struct str data)
{
	if (json_check(data, NULL, NULL))
		return wrong(g, "data is not JSON: %.*s", STR_ARGS(data));
	if (g->place == PLACE_ERROR)
		return wrong(g, "an event after the error");
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
		if (!str_is(name, events[i].name))
			continue;
		if (!span_is(json_get(span_json(data), "type"), events[i].name))
			return wrong(g, "type and event line differ in %s", events[i].name);
		return events[i].check(g, span_json(data));
	}
	return wrong(g, "unknown event '%.*s'", STR_ARGS(name));
}

static const char *check_lines(struct grammar *g, struct str stream)
{
	struct str line, name = STR_NONE, data = STR_NONE;
	const char *problem = NULL;

	if (stream.n && !str_ends(stream, "\n\n"))
		return wrong(g, "the stream does not end with an empty line");
	while (!problem && str_split(&stream, '\n', &line)) {
		if (str_starts(line, "event: ") && !name.p) {
			name = (struct str){ line.p + 7, line.n - 7 };
		} else if (str_starts(line, "data: ") && name.p && !data.p) {
			data = (struct str){ line.p + 6, line.n - 6 };
		} else if (!line.n && data.p) {
			problem = check_record(g, name, data);
			name = data = STR_NONE;
		} else if ((line.n || name.p) && !str_starts(line, ":")) {
			problem = wrong(g, "unexpected line '%.*s'", STR_ARGS(line));
		}
	}
	return problem;
}

const char *sse_grammar_check(struct str stream, enum sse_end end)
{
	static struct grammar g;
	const char *problem;

	memset(&g, 0, sizeof(g));
	problem = check_lines(&g, stream);
	if (!problem && end == SSE_END_COMPLETE && g.place != PLACE_STOPPED)
		problem = wrong(&g, "the stream is not complete");
	if (!problem && end == SSE_END_ERROR && g.place != PLACE_ERROR)
		problem = wrong(&g, "the stream does not end with an error");
	return problem;
}
