/*
 * Claude on Vertex (platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai): the
 * Messages API but for two things. The model and the kind of answer stand in the address, the
 * version in the body. Tokens are counted by a model of that name, which gets the real one in the
 * body.
 */
#include "dialect/anthropic.h"
#include "dialect/gemini.h"
#include "dialect/vertex.h"

#define VERSION "vertex-2023-10-16"

static const struct anthropic_wrapped wrapped_message = {
	.version = VERSION, .stream_type = "text/event-stream", .stream = true,
};
static const struct anthropic_wrapped wrapped_count = { .version = VERSION, .model = true };

int vertex_anthropic_encode(const struct encode_context *c, enum op op, struct outgoing *out,
			    struct fault *f)
{
	const struct backend *b = c->target->backend;
	const char *path = op == OP_MESSAGE ? b->path_message : b->path_count;

	if (op == OP_MODELS)
		return models_encode(c, out, f);
	if (!path)
		return fault_set(f, FAULT_CAPABILITY, 404, "not_found_error",
				 "backend %s has no endpoint for this", b->name);
	if (anthropic_encode_wrapped(c, op, op == OP_COUNT ? &wrapped_count : &wrapped_message, out,
				     f))
		return -1;
	out->url = dialect_url(c->arena, c->target, path, out->stream);
	return out->url ? 0 : fault_no_memory(f);
}

/* What Claude says passes as it is; what Google says before it is reached has Google's form. */
void vertex_anthropic_decode_error(const struct decode_context *c, int status, struct str body,
				   struct fault *f)
{
	dialect_anthropic.decode_error(c, status, body, f);
	if (!f->raw.p)
		gemini_decode_error(c, status, body, f);
}
