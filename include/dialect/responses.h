/*
 * Dialect "openai-responses": OpenAI's Responses API, stateless (store: false). Requests are made
 * with the openai-chat encoder's parts (openai_encode.h), answers are typed events about items.
 * Dialect "openai" takes it or openai-chat, by the request.
 */
#ifndef DIALECT_RESPONSES_H
#define DIALECT_RESPONSES_H

#include "dialect/openai_decode.h"
#include "dialect/openai_encode.h"

extern const struct dialect dialect_responses, dialect_openai;

int responses_encode(const struct encode_context *c, enum op op, struct outgoing *out,
		     struct fault *f);
/* responses_input.c: the member "input". */
void responses_put_input(struct openai_encoder *e);

/* What is known of one item of the output. */
struct responses_item {
	int64_t index;                  /* output_index */
	bool text;                      /* some text, thinking or arguments of it have been sent */
	bool whole;                     /* its "done" has come */
};

struct responses_decoder {
	struct openai_decoder base;     /* calls, text, usage and how it ended */
	struct responses_item *items;
	size_t nitems, cap;
};

void responses_decode_start(void *d, const struct decode_context *c);
enum flow responses_decode_event(void *d, struct str name, struct str data, struct sink *s);
enum flow responses_decode_body(void *d, struct str body, struct sink *s);
int responses_decode_end(void *d, struct sink *s, enum flow *flow, struct fault *f);

#endif
