/*
 * Claude through Bedrock's InvokeModel: a Messages body without model and stream, and a stream
 * whose frames hold the API's own events in base64. Both are the anthropic dialect's business; here
 * they are only wrapped and unwrapped.
 */
#include <openssl/evp.h>
#include <string.h>

#include "dialect/anthropic.h"
#include "dialect/bedrock.h"
#include "dialect/caller.h"
#include "json/edit.h"
#include "json/scan.h"

#define FRAMES "application/vnd.amazon.eventstream"
#define METADATA "X-Amzn-Bedrock-Request-Metadata"

static const struct anthropic_wrapped wrapped = {
	.version = "bedrock-2023-05-31", .stream_type = FRAMES, .betas = true,
};

/* ---- requests ---- */

/* A body must have max_tokens, even one that is only counted; more than a thinking budget. */
static void put_count_limit(const struct encode_context *c, struct buf *b)
{
	if (!span_given(request_member(c->request, "max_tokens")))
		buf_printf(b, "\"max_tokens\":%lld,",
			   (long long)c->request->thinking_budget + 1);
}

/* {"input":{"invokeModel":{"body":"base64"}}} */
static int wrap_count(const struct encode_context *c, struct outgoing *out)
{
	struct buf body, coded;
	char *room;
	int rc = -1;

	buf_init(&body, 0);
	buf_init(&coded, 0);
	buf_putc(&body, '{');
	put_count_limit(c, &body);
	segs_flatten(&out->body, &coded);
	if (coded.n)
		buf_put(&body, coded.p + 1, coded.n - 1);
	buf_reset(&coded);
	room = body.failed ? NULL : buf_room(&coded, body.n / 3 * 4 + 5);
	if (room) {
		coded.n = (size_t)EVP_EncodeBlock((unsigned char *)room,
						  (const unsigned char *)body.p, (int)body.n);
		segs_init(&out->body, c->arena);
		segs_puts(&out->body, "{\"input\":{\"invokeModel\":{\"body\":\"");
		segs_add(&out->body, arena_buf(c->arena, &coded));
		segs_puts(&out->body, "\"}}}");
		rc = out->body.failed ? -1 : 0;
	}
	buf_release(&body);
	buf_release(&coded);
	return rc;
}

/* What Converse has a member for stands in a header here, as an object (Amazon Bedrock's user
 * guide, "Per-request metadata tagging"). */
static void put_caller(const struct encode_context *c, struct outgoing *out)
{
	const struct backend *b = c->target->backend;
	const char **v;
	struct caller_field f;
	struct str name;

	if (!caller_field(b, c->request, &f) || !str_is(f.outer, "requestMetadata") ||
	    !f.inner.n || bedrock_header_set(b, METADATA))
		return;
	name = caller_name(c->arena, c->request, &f);
	v = arena_alloc(c->arena, (out->nheaders + 1) * sizeof(*v));
	if (!v)
		return;
	if (out->nheaders)
		memcpy(v, out->headers, out->nheaders * sizeof(*v));
	v[out->nheaders] = arena_printf(c->arena, METADATA ": {\"%.*s\":\"%.*s\"}",
					STR_ARGS(f.inner), STR_ARGS(name));
	out->headers = v;
	out->nheaders++;
}

static int encode(const struct encode_context *c, enum op op, struct outgoing *out,
		  struct fault *f)
{
	if (op == OP_MODELS)
		return models_encode(c, out, f);
	if (anthropic_encode_wrapped(c, op, &wrapped, out, f))
		return -1;
	if (op == OP_MESSAGE && bedrock_service_headers(c, out))
		return fault_no_memory(f);
	if (op == OP_MESSAGE)
		put_caller(c, out);
	out->url = bedrock_url(c, op, "/{invoke-with-response-stream|invoke}");
	if (!out->url || (op == OP_COUNT && wrap_count(c, out)))
		return fault_no_memory(f);
	return 0;
}

/* ---- answers ---- */

struct decoder {
	void *inner;            /* the anthropic dialect's; NULL: there was no memory */
	struct arena *arena;
	char *room;             /* an event, decoded */
	size_t cap;
	bool intervened;        /* a guardrail has */
};

static void decode_start(void *state, const struct decode_context *c)
{
	struct decoder *d = state;

	d->arena = c->arena;
	d->inner = arena_alloc(c->arena, dialect_anthropic.decoder_size);
	if (d->inner)
		dialect_anthropic.decode_start(d->inner, c);
}

/* Base64 (RFC 4648, section 4) into d->room. -1 when it is none, or without memory. */
static int decode_base64(struct decoder *d, struct str coded, struct str *out)
{
	char *room = arena_grow(d->arena, d->room, coded.n / 4 * 3, &d->cap, 1);
	int n;

	if (!room || coded.n % 4 || coded.n > INT32_MAX)
		return -1;
	d->room = room;
	n = EVP_DecodeBlock((unsigned char *)room, (const unsigned char *)coded.p, (int)coded.n);
	if (n < 0)
		return -1;
	for (size_t i = coded.n; i > 0 && n > 0 && coded.p[i - 1] == '='; i--)
		n--;
	*out = (struct str){ room, (size_t)n };
	return 0;
}

/* Some writers of JSON escape the slashes of base64. */
static int take_bytes(struct decoder *d, struct span bytes, struct str *out)
{
	struct buf text;
	int rc;

	if (!str_chr((struct str){ bytes.p, bytes.n }, '\\'))
		return decode_base64(d, (struct str){ bytes.p, bytes.n }, out);
	buf_init(&text, 0);
	rc = span_put_text(&text, bytes);
	rc = rc ? rc : decode_base64(d, buf_str(&text), out);
	buf_release(&text);
	return rc;
}

/*
 * Bedrock's own members: measurements in the last event, a guardrail's verdict and trace. Where a
 * guardrail stepped in, what stands there are its words, and the model's reason to stop is none.
 */
static enum edit_action edit_own(void *ctx, const struct span *path, unsigned depth,
				 const struct scan *at, struct str *with)
{
	const bool *intervened = ctx;
	unsigned level = depth;

	if (depth == 0 && str_starts((struct str){ path[0].p, path[0].n }, "amazon-bedrock-"))
		return EDIT_DROP;
	if (depth == 1 && span_is(path[0], "delta"))
		level = 0;
	if (!*intervened || level || !span_is(path[depth], "stop_reason") || *at->p != '"')
		return EDIT_KEEP;
	*with = STR("\"refusal\"");
	return EDIT_REPLACE;
}

/* json: an event or a message. The result is in made, or is the text itself. */
static struct str without_own(struct decoder *d, struct str json, struct buf *made)
{
	const struct edit_rule rule = { .member = edit_own, .ctx = &d->intervened };

	if (str_find(json, "\"amazon-bedrock-guardrailAction\"") &&
	    span_is(json_get(span_json(json), "amazon-bedrock-guardrailAction"), "INTERVENED"))
		d->intervened = true;
	if (!d->intervened && !str_find(json, "\"amazon-bedrock-"))
		return json;
	return edit_rewrite(made, json, &rule) ? json : buf_str(made);
}

static enum flow pass_event(struct decoder *d, struct str data, struct sink *s)
{
	enum flow flow;
	struct buf made;

	buf_init(&made, 0);
	flow = dialect_anthropic.decode_event(d->inner, STR(""), without_own(d, data, &made), s);
	buf_release(&made);
	return flow;
}

static NOINLINE enum flow broken(struct sink *s, bool memory)
{
	struct fault f = FAULT_INIT;

	if (memory)
		fault_no_memory(&f);
	else
		fault_set(&f, FAULT_TRANSIENT, 502, "api_error",
			  "the backend sent a chunk that holds no event");
	return sink_fault(s, &f);
}

static enum flow decode_event(void *state, struct str name, struct str data, struct sink *s)
{
	struct decoder *d = state;
	struct span bytes;
	struct str event;

	if (!d->inner)
		return broken(s, true);
	if (!str_is(name, "chunk"))
		return FLOW_GO;
	if (json_check(data, NULL, NULL))
		return broken(s, false);
	bytes = json_get(span_json(data), "bytes");
	if (bytes.form != SPAN_STR || take_bytes(d, bytes, &event))
		return broken(s, d->arena->failed);
	return pass_event(d, event, s);
}

static enum flow decode_body(void *state, struct str body, struct sink *s)
{
	struct decoder *d = state;
	enum flow flow;
	struct buf made;

	if (!d->inner)
		return broken(s, true);
	buf_init(&made, 0);
	flow = dialect_anthropic.decode_body(d->inner, without_own(d, body, &made), s);
	buf_release(&made);
	return flow;
}

static int decode_end(void *state, struct sink *s, enum flow *flow, struct fault *f)
{
	struct decoder *d = state;

	*flow = FLOW_GO;
	return d->inner ? dialect_anthropic.decode_end(d->inner, s, flow, f) : fault_no_memory(f);
}

const struct dialect dialect_bedrock_anthropic = {
	.name = "bedrock-anthropic",
	.encode = encode,
	.decoder_size = sizeof(struct decoder),
	.decode_start = decode_start,
	.decode_event = decode_event,
	.decode_body = decode_body,
	.decode_end = decode_end,
	.decode_error = bedrock_decode_error,
	.decode_count = bedrock_decode_count,
	.decode_models = bedrock_decode_models,
};
