/*
 * What the demo backend answers: one OpenAI-chat request in, one reply out, decided by a few fixed
 * rules. No I/O here; the server (demo/demo.c) sends the reply as a stream or whole.
 */
#ifndef DEMO_DEMO_H
#define DEMO_DEMO_H

#include "base/buf.h"

#define DEMO_CALLS 8 /* tool calls in one reply at most */
#define DEMO_CONTEXT_TOKENS 200000
#define DEMO_OUTPUT_TOKENS 32000

struct cJSON;

struct demo_reply {
	int status;                          /* 200, or an error's: then `text` is its message */
	const char *error_type, *error_code; /* NULL: null on the wire */
	bool stream, usage;                  /* usage: stream_options.include_usage */
	const char *model;
	struct buf text;
	size_t ncalls;
	struct {
		char *name, *arguments;
	} calls[DEMO_CALLS];                      /* owned */
	const char *finish;                       /* "stop", "length", "tool_calls" */
	int64_t prompt_tokens, completion_tokens; /* four bytes a token */
};

/* Fills reply from a request body; never fails: what can't be served is a reply with an error
 * status. */
void demo_reply_make(struct demo_reply *reply, struct str body);
void demo_reply_release(struct demo_reply *reply);

/* The name if this server has such a model, else NULL. NULL asks for the first. */
const char *demo_model(const char *name);
/* GET /v1/models as JSON. */
void demo_models(struct buf *out);

#endif
