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

const char *bedrock_origin(struct arena *a, const struct target *t)
{
	const char *origin = t->backend->origin;

	return bedrock_claude(t->model) ? origin : arena_printf(a, "%s-others", origin);
}

enum bedrock_cache bedrock_caches(const char *model)
{
	struct str m = str_of(model);

	if (bedrock_claude(model))
		return BEDROCK_CACHES;
	if (str_find_nocase(m, "nova"))
		return BEDROCK_CACHES_CONVERSATION;
	return str_find(m, ":application-inference-profile/") ||
	       str_find(m, ":provisioned-model/") ? BEDROCK_CACHES : BEDROCK_CACHES_NOT;
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

/* What a count is asked for: the model behind a profile of AWS's own. */
static const char *counted_model(const char *model)
{
	const char *profile = strstr(model, ":inference-profile/");

	return without_region(profile ? strchr(profile, '/') + 1 : model);
}

/* "arn:aws:bedrock:REGION:…"; empty when it is no ARN. */
static struct str arn_region(const char *model)
{
	struct str rest = str_of(model), part = STR_NONE;

	if (!str_starts(rest, "arn:"))
		return STR_NONE;
	for (int i = 0; i < 4; i++)
		if (!str_split(&rest, ':', &part))
			return STR_NONE;
	return part;
}

/* The host that has the model: that of its ARN's region, where base_url names the backend's. */
static int set_region(const struct encode_context *c, struct backend *b, const char *model)
{
	struct str region = arn_region(model);
	const char *label = b->region ? arena_printf(c->arena, ".%s.", b->region) : NULL;
	const char *at = label ? strstr(b->base_url, label) : NULL;

	if (!region.n || !at || str_is(region, b->region))
		return 0;
	b->base_url = arena_printf(c->arena, "%.*s.%.*s.%s", (int)(at - b->base_url), b->base_url,
				   STR_ARGS(region), at + strlen(label));
	return b->base_url ? 0 : -1;
}

const char *bedrock_url(const struct encode_context *c, enum op op, const char *action)
{
	struct backend b = *c->target->backend;
	struct target t = *c->target;
	const char *path = b.path_count;

	t.backend = &b;
	if (op == OP_COUNT)
		t.model = counted_model(t.model);
	else
		path = arena_printf(c->arena, "%s%s", b.path_message, action);
	if (!path || set_region(c, &b, c->target->model))
		return NULL;
	return dialect_url(c->arena, &t, path, c->want_stream);
}

/* ---- how a call is served ---- */

bool bedrock_header_set(const struct backend *b, const char *name)
{
	const struct header_setting *h = b->headers;

	while (h && h->name && !str_is_nocase(str_of(h->name), name))
		h++;
	return h && h->name;
}

/* InvokeModel spells this one in capitals. */
static const char *upper(struct arena *a, const char *word)
{
	char *out = word ? arena_dup(a, word, strlen(word)) : NULL;

	for (char *p = out; p && *p; p++)
		*p = *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
	return out;
}

int bedrock_service_headers(const struct encode_context *c, struct outgoing *out)
{
	const struct backend *b = c->target->backend;
	bool guarded = b->guardrail.id != NULL;
	const struct { const char *name, *value; } all[] = {
		{ "X-Amzn-Bedrock-GuardrailIdentifier", b->guardrail.id },
		{ "X-Amzn-Bedrock-GuardrailVersion", guarded ? b->guardrail.version : NULL },
		{ "X-Amzn-Bedrock-Trace", guarded ? upper(c->arena, b->guardrail.trace) : NULL },
		{ "X-Amzn-Bedrock-Service-Tier", b->service_tier },
		{ "X-Amzn-Bedrock-PerformanceConfig-Latency", b->latency },
	};
	const size_t most = sizeof(all) / sizeof(*all);
	const char **v = arena_alloc(c->arena, (out->nheaders + most) * sizeof(*v));

	if (!v)
		return -1;
	for (size_t i = 0; i < out->nheaders; i++)
		v[i] = out->headers[i];
	for (size_t i = 0; i < most; i++) {
		if (all[i].value && !bedrock_header_set(b, all[i].name))
			v[out->nheaders++] = arena_printf(c->arena, "%s: %s", all[i].name,
							  all[i].value);
	}
	out->headers = v;
	return c->arena->failed ? -1 : 0;
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

static int status_of_exception(struct str name, int status)
{
	const char *hash = str_chr(name, '#');
	struct str rest;

	if (hash)
		name = (struct str){ hash + 1, (size_t)(name.p + name.n - hash - 1) };
	rest = name;
	str_split(&rest, ':', &name);
	for (size_t i = 0; i < sizeof(exceptions) / sizeof(*exceptions); i++)
		if (str_is_nocase(name, exceptions[i].name))
			return exceptions[i].status;
	return status < 400 ? 500 : status;
}

/* The name stands in a header beside an error's status, in the body within a stream. */
void bedrock_decode_error(const struct decode_context *c, int status, struct str body,
			  struct fault *f)
{
	struct str name = str_of(c->error_type);
	struct span doc = span_json(str_trim(body)), type;

	if (doc.n && !json_check((struct str){ doc.p, doc.n }, NULL, NULL)) {
		type = json_get(doc, "__type");
		if (span_is_string(type))
			name = (struct str){ type.p, type.n };
	}
	error_from_body(c, name.n ? status_of_exception(name, status) : status, body, f);
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
	.decode_models = bedrock_decode_models,
};
