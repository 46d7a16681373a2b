/*
 * Filters between decoder and writer; each is a sink that passes on to the next.
 */
#ifndef RUN_FILTERS_H
#define RUN_FILTERS_H

#include "base/arena.h"
#include "message/event.h"
#include "message/request.h"

/*
 * Order keeper: opens and closes blocks and holds back what may not come yet, so that the writer
 * sees a legal sequence whatever the upstream sends. What it emits, and nothing else:
 *
 *   START ( OPEN delta* CLOSE | REDACTED | BLOCK )* END
 *
 * with USAGE, STOP_REASON, MEMBER, MODEL, PING anywhere after START.
 *
 * FAULT may come at any time, before START too, and is the last. Echo events (event.h) pass
 * untouched.
 *
 * delta: TEXT or CITATION in a text block, THINKING or SIGNATURE in a thinking block, TOOL_DELTA in
 * a tool block; .index is the block's place, from 0 without gaps. One block is open at a time.
 * Calls whose fragments interleave come one after the other: fragments of a later call are held
 * until the input of the earlier one is complete JSON (or TOOL_STOP or END came); text that comes
 * meanwhile waits behind it. A START that comes again is dropped; a missing one is made. EVENT_RAW
 * passes through with the same care for clones: a second message_start, a block event for a block
 * that is not open and a second block stop are dropped.
 */
struct keeper;
struct keeper *keeper_new(struct sink *next, struct arena *a, size_t max_held);
void keeper_release(struct keeper *k);
struct sink *keeper_sink(struct keeper *k);
bool keeper_saw_tool(const struct keeper *k);

/* Stop sequences that the backend does not enforce: holds back what may still become one, cuts text
 * at the first match, sends STOP_SEQUENCE and answers FLOW_STOP.
 * Text blocks alone, each by itself. */
struct stopper;
struct stopper *stopper_new(struct sink *next, const struct message_request *r, struct arena *a);
void stopper_release(struct stopper *s);
struct sink *stopper_sink(struct stopper *s);

#endif
