/*
 * The rows of the Responses API, and of "openai", which chooses between it and Chat Completions for
 * each request: some models have tools, or thinking with tools, only there (the backend's
 * responses_models).
 */
#include <string.h>

#include "dialect/openai.h"
#include "dialect/responses.h"

const struct dialect dialect_responses = {
	.name = "openai-responses",
	.encode = responses_encode,
	.decoder_size = sizeof(struct responses_decoder),
	.decode_start = responses_decode_start,
	.decode_event = responses_decode_event,
	.decode_body = responses_decode_body,
	.decode_end = responses_decode_end,
	.decode_error = openai_decode_error,
	.decode_models = openai_decode_models,
};

static const struct dialect *chosen(const struct target *t)
{
	const char *slash = t->model ? strrchr(t->model, '/') : NULL;
	struct str model = str_of(slash ? slash + 1 : t->model);
	const char *const *glob = t->backend->responses_models;

	for (; glob && *glob; glob++)
		if (str_glob(*glob, model))
			return &dialect_responses;
	return &dialect_openai_chat;
}

static int encode(const struct encode_context *c, enum op op, struct outgoing *out,
		  struct fault *f)
{
	return chosen(c->target)->encode(c, op, out, f);
}

/* The rest of the memory is the chosen decoder's. */
union either {
	struct openai_decoder chat;
	struct responses_decoder responses;
};
struct choice {
	const struct dialect *dialect;
	union either decoder;
};

static void decode_start(void *state, const struct decode_context *c)
{
	struct choice *d = state;

	d->dialect = chosen(c->target);
	d->dialect->decode_start(&d->decoder, c);
}

static enum flow decode_event(void *state, struct str name, struct str data, struct sink *s)
{
	struct choice *d = state;

	return d->dialect->decode_event(&d->decoder, name, data, s);
}

static enum flow decode_body(void *state, struct str body, struct sink *s)
{
	struct choice *d = state;

	return d->dialect->decode_body(&d->decoder, body, s);
}

static int decode_end(void *state, struct sink *s, enum flow *flow, struct fault *f)
{
	struct choice *d = state;

	return d->dialect->decode_end(&d->decoder, s, flow, f);
}

const struct dialect dialect_openai = {
	.name = "openai",
	.encode = encode,
	.decoder_size = sizeof(struct choice),
	.decode_start = decode_start,
	.decode_event = decode_event,
	.decode_body = decode_body,
	.decode_end = decode_end,
	.decode_error = openai_decode_error,
	.decode_models = openai_decode_models,
};
