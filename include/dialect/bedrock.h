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
/* Whose state a signature holds: one backend has models of several makers, and Claude refuses the
 * others' state, as they do Claude's. */
const char *bedrock_origin(struct arena *a, const struct target *t);

/*
 * Where Converse takes cache marks: a request with one that the model doesn't know is refused (403,
 * "did not allow prompt caching"; for Nova's tools 400, "extraneous key"). What an ARN stands for is
 * not known, and taken for Claude. docs.aws.amazon.com/bedrock, "Prompt caching".
 */
enum bedrock_cache {
	BEDROCK_CACHES_NOT,
	BEDROCK_CACHES_CONVERSATION,    /* system and messages; for five minutes */
	BEDROCK_CACHES,
};
enum bedrock_cache bedrock_caches(const char *model);
/* base_url, path_message or path_count with the model in it, and the action: "/{a|b}" as in
 * dialect_url. A model's ARN says its region, which the host then gets. A token count knows models
 * only, no inference profiles. NULL without memory. */
const char *bedrock_url(const struct encode_context *c, enum op op, const char *action);
/* The config sets this header itself. */
bool bedrock_header_set(const struct backend *b, const char *name);
/* Of InvokeModel: guardrail, tier and latency, added to the headers. -1 without memory. */
int bedrock_service_headers(const struct encode_context *c, struct outgoing *out) MUST_CHECK;
/* bedrock_models.c: an answer of ListFoundationModels or ListInferenceProfiles. */
int bedrock_decode_models(struct arena *a, struct str body,
			  void (*add)(void *ctx, const struct model_info *m), void *ctx);
void bedrock_decode_error(const struct decode_context *c, int status, struct str body,
			  struct fault *f);
int bedrock_decode_count(struct str body, int64_t *tokens);

int converse_encode(const struct encode_context *c, enum op op, struct outgoing *out,
		    struct fault *f);

#endif
