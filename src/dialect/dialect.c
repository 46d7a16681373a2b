/* The table of dialects: a new wire format is a file and a row here. */
#include "dialect/anthropic.h"
#include "dialect/cohere.h"
#include "dialect/bedrock.h"
#include "dialect/gemini.h"
#include "dialect/openai.h"
#include "dialect/responses.h"
#include "dialect/vertex.h"

static const struct dialect *const dialects[] = {
	&dialect_openai_chat,
	&dialect_responses,
	&dialect_openai,
	&dialect_anthropic,
	&dialect_cohere,
	&dialect_bedrock,
	&dialect_bedrock_anthropic,
	&dialect_bedrock_converse,
	&dialect_gemini,
	&dialect_vertex_anthropic,
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
