/* See checker.h. */
#include "checker.h"

#include <stdlib.h>

#include "json/scan.h"

void require(bool ok)
{
	if (!ok)
		abort();
}

static void check_text(struct span text)
{
	struct buf b;

	buf_init(&b, 0);
	require(span_put_string(&b, text) == 0);
	require(json_check(buf_str(&b), NULL, NULL) == 0);
	buf_release(&b);
}

static void check_open(struct checker *c, const struct event *e)
{
	require(!c->open && e->index == c->index);
	c->open = true;
	c->call = e->opens == EVENT_TOOL_START;
	buf_reset(&c->input);
}

static void check_close(struct checker *c, const struct event *e)
{
	require(c->open && e->index == c->index);
	if (c->whole_inputs && c->call && c->input.n)
		require(json_check(buf_str(&c->input), NULL, NULL) == 0);
	c->open = false;
	c->index++;
}

static enum flow check_event(struct sink *self, const struct event *e)
{
	struct checker *c = (struct checker *)self;

	require(!c->ended);
	switch (e->type) {
	case EVENT_OPEN:
		check_open(c, e);
		break;
	case EVENT_CLOSE:
		check_close(c, e);
		break;
	case EVENT_BLOCK:
	case EVENT_REDACTED:
		require(!c->open && e->index == c->index);
		c->index++;
		break;
	case EVENT_TEXT:
	case EVENT_THINKING:
	case EVENT_SIGNATURE:
	case EVENT_TOOL_DELTA:
		require(c->open);
		check_text(e->text);
		if (e->type == EVENT_TOOL_DELTA)
			span_put_text(&c->input, e->text);
		break;
	case EVENT_END:
		require(!c->open);
		c->ended = true;
		break;
	case EVENT_FAULT:
		require(str_utf8(str_of(e->fault->message)) && e->fault->status >= 400);
		return FLOW_ABORT;
	default:
		break;
	}
	return FLOW_GO;
}

void checker_init(struct checker *c, bool whole_inputs)
{
	*c = (struct checker){ .sink = { check_event }, .whole_inputs = whole_inputs };
	buf_init(&c->input, 0);
}

void checker_release(struct checker *c)
{
	buf_release(&c->input);
}
