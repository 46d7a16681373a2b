/*
 * What a request can't do without and a backend can't have: better refused than answered as if it
 * had been there. Asked by the encoders that leave such things out.
 */
#ifndef DIALECT_DEMAND_H
#define DIALECT_DEMAND_H

#include "dialect/dialect.h"

/* Only the new turn of a thread has come: whoever keeps no threads would answer from a conversation
 * without its beginning. The client knows this refusal and sends everything again. */
int demand_whole_conversation(const struct encode_context *c, struct fault *f);
/* Whether a tool doesn't go to the backend. */
typedef bool demand_left_out(const struct backend *b, const struct tool *t);

/* The choice demands a tool that only the API itself runs, or all tools are such (Claude Code's web
 * search is): without them a guess would pass for what was found. The class lets a chain go on to who
 * has them. left_out NULL: the tools with a type of their own. */
int demand_server_tool(const struct encode_context *c, enum op op, demand_left_out *left_out,
		       struct fault *f);

#endif
