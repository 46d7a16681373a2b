/*
 * Dialect "openai-chat": OpenAI's Chat Completions and everything that speaks like it. The encoder
 * is openai_encode.c and its helpers, the decoder openai_decode.c with openai_reasoning_in.c;
 * openai.c joins both in one const row.
 */
#ifndef DIALECT_OPENAI_H
#define DIALECT_OPENAI_H

#include "dialect/dialect.h"

extern const struct dialect dialect_openai_chat;

int openai_encode(const struct encode_context *c, enum op op, struct outgoing *out,
		  struct fault *f);

/* One upstream answer being read; decoder_size is sizeof(struct openai_decoder) of
 * openai_decode.h. */
void openai_decode_start(void *d, const struct decode_context *c);
enum flow openai_decode_event(void *d, struct str name, struct str data, struct sink *s);
enum flow openai_decode_body(void *d, struct str body, struct sink *s);
int openai_decode_end(void *d, struct sink *s, enum flow *flow, struct fault *f);
void openai_decode_error(const struct decode_context *c, int status, struct str body,
			 struct fault *f);
int openai_decode_models(struct arena *a, struct str body,
			 void (*add)(void *ctx, const struct model_info *m), void *ctx);

#endif
