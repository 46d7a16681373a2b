/*
 * Content events: names, and the shorthands with which decoders send them.
 */
#include "message/event.h"

#include <string.h>

const char *stop_reason_name(enum stop_reason r)
{
	static const char *const names[] = {
		[STOP_NOT_GIVEN] = NULL,
		[STOP_END_TURN] = "end_turn",
		[STOP_MAX_TOKENS] = "max_tokens",
		[STOP_SEQUENCE] = "stop_sequence",
		[STOP_TOOL_USE] = "tool_use",
		[STOP_PAUSE_TURN] = "pause_turn",
		[STOP_REFUSAL] = "refusal",
		[STOP_CONTEXT_WINDOW] = "model_context_window_exceeded",
		[STOP_COMPACTION] = "compaction",
	};

	return (size_t)r < sizeof(names) / sizeof(*names) ? names[r] : NULL;
}

static void take_known(int64_t *to, int64_t from)
{
	if (from >= 0)
		*to = from;
}

void usage_update(struct usage *u, const struct usage *later)
{
	take_known(&u->input, later->input);
	take_known(&u->output, later->output);
	take_known(&u->cache_read, later->cache_read);
	take_known(&u->cache_write, later->cache_write);
	take_known(&u->thinking, later->thinking);
	if (later->cost[0])
		memcpy(u->cost, later->cost, sizeof(u->cost));
}

enum flow sink_text(struct sink *s, enum event_type type, struct span text)
{
	return sink_event(s, &(struct event){ .type = type, .index = -1, .text = text,
					      .usage = USAGE_UNKNOWN });
}

enum flow sink_tool(struct sink *s, enum event_type type, unsigned key, struct span id,
		    struct span name, struct span text)
{
	return sink_event(s, &(struct event){ .type = type, .index = -1, .key = key, .id = id,
					      .name = name, .text = text, .usage = USAGE_UNKNOWN });
}

enum flow sink_stop(struct sink *s, enum stop_reason r)
{
	return sink_event(s, &(struct event){ .type = EVENT_STOP_REASON, .index = -1, .stop = r,
					      .usage = USAGE_UNKNOWN });
}

enum flow sink_usage(struct sink *s, const struct usage *u)
{
	return sink_event(s, &(struct event){ .type = EVENT_USAGE, .index = -1, .usage = *u });
}

enum flow sink_fault(struct sink *s, const struct fault *f)
{
	return sink_event(s, &(struct event){ .type = EVENT_FAULT, .index = -1, .fault = f,
					      .usage = USAGE_UNKNOWN });
}
