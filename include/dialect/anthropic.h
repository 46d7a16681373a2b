/* The Messages API as a backend: Anthropic's own and every compatible one. */
#ifndef DIALECT_ANTHROPIC_H
#define DIALECT_ANTHROPIC_H

#include "dialect/dialect.h"

extern const struct dialect dialect_anthropic;

int anthropic_encode(const struct encode_context *c, enum op op, struct outgoing *out,
		     struct fault *f);

/* A host that has the API's body but not its URL and headers: the model stands in the URL, the
 * version in the body. */
struct anthropic_wrapped {
	const char *version;            /* "bedrock-2023-05-31" */
	const char *stream_type;        /* Accept of a stream */
	bool betas;                     /* "anthropic_beta" in the body; false: the API's header */
	bool stream;                    /* "stream" stays in the body */
	bool model;                     /* so does "model" */
};
/* Body and headers; the URL is the caller's. op: OP_MESSAGE, or OP_COUNT for a body that is only to
 * be counted. */
int anthropic_encode_wrapped(const struct encode_context *c, enum op op,
			     const struct anthropic_wrapped *w, struct outgoing *out,
			     struct fault *f);

#endif
