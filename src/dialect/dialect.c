/* The table of dialects: a new wire format is a file and a row here. */
#include "base/parts.h"
#include "dialect/anthropic.h"
#include "dialect/cohere.h"
#include "dialect/bedrock.h"
#include "dialect/gemini.h"
#include "dialect/openai.h"
#include "dialect/responses.h"
#include "dialect/vertex.h"

static const struct dialect *const dialects[] = {
	&dialect_openai_chat,
#if WITH_RESPONSES
	&dialect_responses,
	&dialect_openai,
#endif
#if WITH_ANTHROPIC
	&dialect_anthropic,
#endif
#if WITH_COHERE
	&dialect_cohere,
#endif
#if WITH_AWS
	&dialect_bedrock,
	&dialect_bedrock_anthropic,
	&dialect_bedrock_converse,
#endif
#if WITH_GOOGLE
	&dialect_gemini,
	&dialect_vertex_anthropic,
#endif
	NULL,
};

const struct dialect *const *dialect_all(void)
{
	return dialects;
}

const struct dialect *dialect_find(const char *name)
{
	for (size_t i = 0; name && dialects[i]; i++) {
		if (str_is(str_of(name), dialects[i]->name))
			return dialects[i];
	}
	return NULL;
}
