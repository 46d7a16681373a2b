/* See echo.h. */
#include "echo.h"

#include <string.h>

#include "json/scan.h"
#include "upstream/sse.h"

#define BLOCKS 64               /* open at once that are told apart */

struct echo {
	bool started, ended, over;
	int64_t open[BLOCKS];
	size_t nopen;
	const char *problem;
};

static bool close_block(struct echo *s, int64_t index)
{
	for (size_t i = 0; i < s->nopen; i++) {
		if (s->open[i] == index) {
			s->open[i] = s->open[--s->nopen];
			return true;
		}
	}
	return false;
}

static const char *on_block(struct echo *s, struct str name, struct span data)
{
	int64_t index;

	if (!span_int(json_get(data, "index"), &index))
		return "a block without an index";
	if (str_is(name, "content_block_start")) {
		if (close_block(s, index))
			return "a block begins that is open";
		if (s->nopen < BLOCKS)
			s->open[s->nopen++] = index;
		return NULL;
	}
	if (!close_block(s, index) && s->nopen < BLOCKS)
		return "an event of a block that is not open";
	if (str_is(name, "content_block_delta") && s->nopen < BLOCKS)
		s->open[s->nopen++] = index;
	return NULL;
}

static const char *check_event(struct echo *s, struct str name, struct str data)
{
	if (json_check(data, NULL, NULL))
		return "data that is no JSON";
	if (s->over)
		return "an event behind the end";
	if (str_is(name, "error")) {
		s->over = true;
		return NULL;
	}
	if (str_is(name, "message_start")) {
		if (s->started)
			return "message_start twice";
		s->started = true;
		return NULL;
	}
	if (!s->started)
		return "an event before message_start";
	/* Names that nobody knows yet pass. */
	if (str_is(name, "content_block_start") || str_is(name, "content_block_delta") ||
	    str_is(name, "content_block_stop"))
		return on_block(s, name, span_json(data));
	s->ended = s->ended || str_is(name, "message_delta");
	if (!str_is(name, "message_stop"))
		return NULL;
	s->over = true;
	if (!s->ended)
		return "message_stop without message_delta";
	return s->nopen ? "message_stop while a block is open" : NULL;
}

static int on_event(void *ctx, struct str name, struct str data)
{
	struct echo *s = ctx;

	s->problem = check_event(s, name, data);
	return s->problem != NULL;
}

const char *echo_check(struct str stream)
{
	struct echo state = { .nopen = 0 };
	struct sse_handler h = { .event = on_event, .ctx = &state };
	struct sse sse;

	sse_init(&sse, 0);
	if (sse_feed(&sse, stream.p, stream.n, &h) == 0)
		sse_finish(&sse, &h);
	sse_release(&sse);
	if (state.problem)
		return state.problem;
	/* Headers alone may have gone out before the backend said anything. */
	return state.over ? NULL : "a stream without an end";
}
