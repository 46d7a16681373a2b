/* Claude on Vertex: the Messages API behind Google's addresses (rawPredict, streamRawPredict). */
#ifndef DIALECT_VERTEX_H
#define DIALECT_VERTEX_H

#include "dialect/dialect.h"

/* Its decoder is the anthropic dialect's, so the row stands in anthropic_decode.c. */
extern const struct dialect dialect_vertex_anthropic;

int vertex_anthropic_encode(const struct encode_context *c, enum op op, struct outgoing *out,
			    struct fault *f);
void vertex_anthropic_decode_error(const struct decode_context *c, int status, struct str body,
				   struct fault *f);

#endif
