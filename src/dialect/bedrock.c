/*
 * What the two ways into Bedrock share: addresses, errors, token counts, and the row that chooses
 * between them by the model's name.
 */
#include <string.h>

#include "dialect/bedrock.h"
#include "json/scan.h"

bool bedrock_claude(const char *model)
{
	return str_find_nocase(str_of(model), "anthropic.") ||
	       str_find_nocase(str_of(model), "claude");
}

/* ---- addresses ---- */

/* "eu.anthropic.claude-…" is the inference profile of "anthropic.claude-…". */
static const char *const regions[] = { "us.", "us-gov.", "eu.", "apac.", "jp.", "au.", "ca.",
					"global." };

static const char *without_region(const char *model)
{
	for (size_t i = 0; i < sizeof(regions) / sizeof(*regions); i++)
		if (!strncmp(model, regions[i], strlen(regions[i])))
			return model + strlen(regions[i]);
	return model;
}

const char *bedrock_url(const struct encode_context *c, enum op op, const char *action)
{
	const struct backend *b = c->target->backend;
	struct target t = *c->target;
	const char *path = b->path_count;

	if (op == OP_COUNT)
		t.model = without_region(t.model);
	else
		path = arena_printf(c->arena, "%s%s", b->path_message, action);
	return path ? dialect_url(c->arena, &t, path, c->want_stream) : NULL;
}

/* ---- errors ---- */

/*
 * An exception's name and the status that it would have. In a stream the name is all there is;
 * some say more than the status beside them. Names come with a service in front ("…#Name") and an
 * address behind (":http…").
 */
static const struct { const char *name; int status; } exceptions[] = {
	{ "AccessDeniedException", 403 },
	{ "ExpiredTokenException", 403 },
	{ "IncompleteSignature", 403 },
	{ "InternalFailure", 500 },
	{ "InternalServerException", 500 },
	{ "InvalidSignatureException", 403 },
	{ "ModelErrorException", 424 },
	{ "ModelNotReadyException", 429 },
	{ "ModelStreamErrorException", 424 },
	{ "ModelTimeoutException", 408 },
	{ "ResourceNotFoundException", 404 },
	{ "ServiceQuotaExceededException", 429 },
	{ "ServiceUnavailableException", 503 },
	{ "ThrottlingException", 429 },
	{ "UnrecognizedClientException", 403 },
	{ "ValidationException", 400 },
};

static int status_of_exception(struct span type, int status)
{
	struct str name = { type.p, type.n };
	const char *hash = name.n ? memchr(name.p, '#', name.n) : NULL;
	struct str rest;

	if (!span_is_string(type))
		return status;
	if (hash)
		name = (struct str){ hash + 1, (size_t)(name.p + name.n - hash - 1) };
	rest = name;
	str_split(&rest, ':', &name);
	for (size_t i = 0; i < sizeof(exceptions) / sizeof(*exceptions); i++)
		if (str_is_nocase(name, exceptions[i].name))
			return exceptions[i].status;
	return status < 400 ? 500 : status;
}

void bedrock_decode_error(const struct decode_context *c, int status, struct str body,
			  struct fault *f)
{
	struct span doc = span_json(str_trim(body));
	int said = status;

	if (doc.n && !json_check((struct str){ doc.p, doc.n }, NULL, NULL) && span_is_object(doc))
		said = status_of_exception(json_get(doc, "__type"), status);
	error_from_body(c, said, body, f);
	f->upstream_status = status;
}

/* ---- token counts ---- */

int bedrock_decode_count(struct str body, int64_t *tokens)
{
	struct str text = str_trim(body);

	if (!text.n || json_check(text, NULL, NULL))
		return -1;
	return span_int(json_get(span_json(text), "inputTokens"), tokens) && *tokens >= 0 ? 0 : -1;
}

/* ---- the row that chooses ---- */

static const struct dialect *row_of(const struct target *t)
{
	return bedrock_claude(t->model) ? &dialect_bedrock_anthropic : &dialect_bedrock_converse;
}

static int encode(const struct encode_context *c, enum op op, struct outgoing *out,
		  struct fault *f)
{
	return row_of(c->target)->encode(c, op, out, f);
}

struct either {
	const struct dialect *row;
	void *decoder;                  /* of the row; NULL: there was no memory */
};

static void decode_start(void *state, const struct decode_context *c)
{
	struct either *d = state;

	d->row = row_of(c->target);
	d->decoder = arena_alloc(c->arena, d->row->decoder_size);
	if (d->decoder)
		d->row->decode_start(d->decoder, c);
}

static NOINLINE enum flow no_memory(struct sink *s)
{
	struct fault f = FAULT_INIT;

	fault_no_memory(&f);
	return sink_fault(s, &f);
}

static enum flow decode_event(void *state, struct str name, struct str data, struct sink *s)
{
	struct either *d = state;

	return d->decoder ? d->row->decode_event(d->decoder, name, data, s) : no_memory(s);
}

static enum flow decode_body(void *state, struct str body, struct sink *s)
{
	struct either *d = state;

	return d->decoder ? d->row->decode_body(d->decoder, body, s) : no_memory(s);
}

static int decode_end(void *state, struct sink *s, enum flow *flow, struct fault *f)
{
	struct either *d = state;

	*flow = FLOW_GO;
	return d->decoder ? d->row->decode_end(d->decoder, s, flow, f) : fault_no_memory(f);
}

const struct dialect dialect_bedrock = {
	.name = "bedrock",
	.encode = encode,
	.decoder_size = sizeof(struct either),
	.decode_start = decode_start,
	.decode_event = decode_event,
	.decode_body = decode_body,
	.decode_end = decode_end,
	.decode_error = bedrock_decode_error,
	.decode_count = bedrock_decode_count,
};
