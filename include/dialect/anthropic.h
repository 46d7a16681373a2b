/* The Messages API as a backend: Anthropic's own and every compatible one. */
#ifndef DIALECT_ANTHROPIC_H
#define DIALECT_ANTHROPIC_H

#include "dialect/dialect.h"

extern const struct dialect dialect_anthropic;

int anthropic_encode(const struct encode_context *c, enum op op, struct outgoing *out,
		     struct fault *f);

#endif
