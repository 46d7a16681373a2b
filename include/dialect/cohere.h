/* Dialect "cohere": Cohere's v2 chat. The state of its decoder is openai_decode.h's. */
#ifndef DIALECT_COHERE_H
#define DIALECT_COHERE_H

#include "dialect/dialect.h"

extern const struct dialect dialect_cohere;

int cohere_encode(const struct encode_context *c, enum op op, struct outgoing *out,
		  struct fault *f);
enum flow cohere_decode_event(void *d, struct str name, struct str data, struct sink *s);
enum flow cohere_decode_body(void *d, struct str body, struct sink *s);

#endif
