/*
 * AWS Bedrock's runtime. Three rows of the table: "bedrock-anthropic" is InvokeModel with a
 * Messages body, for Claude; "bedrock-converse" is Converse, for every model; "bedrock" takes the
 * first for models that it knows as Claude by their name, the second for others.
 */
#ifndef DIALECT_BEDROCK_H
#define DIALECT_BEDROCK_H

#include "dialect/dialect.h"

extern const struct dialect dialect_bedrock, dialect_bedrock_anthropic, dialect_bedrock_converse;

/* Is this id, inference profile or ARN one of Claude? */
bool bedrock_claude(const char *model);
/* base_url, path_message or path_count with the model in it, and the action: "/{a|b}" as in
 * dialect_url. A token count knows models only, no inference profiles. NULL without memory. */
const char *bedrock_url(const struct encode_context *c, enum op op, const char *action);
void bedrock_decode_error(const struct decode_context *c, int status, struct str body,
			  struct fault *f);
int bedrock_decode_count(struct str body, int64_t *tokens);

int converse_encode(const struct encode_context *c, enum op op, struct outgoing *out,
		    struct fault *f);

#endif
