/*
 * Requests to an openai-chat backend: OpenAI, OpenRouter, LiteLLM and every server that speaks the
 * same. The body is written front to back in one pass and in one order, so that equal requests give
 * equal bytes (backends cache prefixes); long texts and images are borrowed from the client's body.
 * The groups of members have files of their own.
 */
#include <string.h>

#include "dialect/openai.h"
#include "dialect/demand.h"
#include "dialect/openai_encode.h"

/* ---- what the other files use ---- */

static const struct body_member *own_member(const struct backend *b, const char *key)
{
	const struct body_member *m = b->body;

	while (m && m->name && !str_is(str_of(m->name), key))
		m++;
	return m && m->name ? m : NULL;
}

bool openai_leaves_out(const struct openai_encoder *e, const char *key)
{
	const struct body_member *m = own_member(e->backend, key);

	return m && !m->json;
}

bool openai_member(struct openai_encoder *e, const char *key)
{
	if (own_member(e->backend, key))
		return false;
	segs_key(e->body, &e->first, key);
	return true;
}

void openai_dropped(struct openai_encoder *e, struct span what)
{
	struct outgoing *out = e->out;
	const char **v =
		arena_grow(e->arena, out->dropped, out->ndropped, &e->dropped_cap, sizeof(*v));

	if (!v || !span_given(what))
		return;
	out->dropped = v;
	buf_reset(&e->scratch);
	span_put_text(&e->scratch, what);
	v[out->ndropped] = arena_buf(e->arena, &e->scratch).p;
	if (v[out->ndropped])
		out->ndropped++;
}

/* The scratch buffer is used again, so what stands in it is copied before segments may borrow it.
 */
static void put_scratch(struct openai_encoder *e)
{
	segs_string(e->body, span_utf8(arena_buf(e->arena, &e->scratch)));
}

void openai_put_name(struct openai_encoder *e, struct span name)
{
	buf_reset(&e->scratch);
	if (name_encode(&e->scratch, name, e->backend->tool_name_max))
		e->body->failed = true;
	put_scratch(e);
}

int openai_own_state(struct openai_encoder *e, struct span signature)
{
	int rc;

	buf_reset(&e->scratch);
	rc = opaque_get(&e->scratch, e->backend->origin, signature);
	if (e->scratch.failed)
		e->body->failed = true;
	return rc;
}

void openai_put_id(struct openai_encoder *e, struct span id, unsigned repeat)
{
	buf_reset(&e->scratch);
	if (id_to_upstream(&e->scratch, id) ||
	    (repeat && buf_printf(&e->scratch, "_%u", repeat + 1)))
		e->body->failed = true;
	if (e->backend->call_id_length)
		segs_string(e->body, span_utf8(openai_short_id(e, buf_str(&e->scratch))));
	else
		put_scratch(e);
}

/* ---- headers ---- */

struct header_list {
	struct arena *arena;
	const char **v;
	size_t n, cap;
};

static void header_add(struct header_list *h, const char *text)
{
	const char **v = text ? arena_grow(h->arena, h->v, h->n, &h->cap, sizeof(*v)) : NULL;

	if (!v)
		return;
	h->v = v;
	v[h->n++] = text;
}

static bool beta_passes(const struct backend *b, struct str value)
{
	for (size_t i = 0; b->pass_betas && b->pass_betas[i]; i++) {
		if (str_glob(b->pass_betas[i], value))
			return true;
	}
	return false;
}

static void header_betas(const struct encode_context *c, struct header_list *h)
{
	const struct backend *b = c->target->backend;
	struct str rest = str_of(c->request->beta), one;
	const char *kept = NULL;

	while (b->beta_header && str_split(&rest, ',', &one)) {
		one = str_trim(one);
		if (!one.n || !beta_passes(b, one))
			continue;
		kept = kept ? arena_printf(h->arena, "%s,%.*s", kept, STR_ARGS(one))
			    : arena_printf(h->arena, "%s: %.*s", b->beta_header, STR_ARGS(one));
	}
	header_add(h, kept);
}

static void put_headers(const struct encode_context *c, enum op op, struct outgoing *out)
{
	struct header_list h = { .arena = c->arena };
	const struct header_setting *set = c->target->backend->headers;

	if (op == OP_MESSAGE) {
		header_add(&h, "Content-Type: application/json");
		header_add(&h, "Accept: text/event-stream");
		header_betas(c, &h);
	} else {
		header_add(&h, "Accept: application/json");
	}
	for (; set && set->name; set++)
		header_add(&h, arena_printf(c->arena, "%s: %s", set->name, set->value));
	out->headers = h.v;
	out->nheaders = h.n;
}

/* ---- body ---- */

static void put_stream(struct openai_encoder *e)
{
	if (openai_member(e, "stream"))
		segs_puts(e->body, "true");
	if (e->backend->stream_options && openai_member(e, "stream_options"))
		segs_puts(e->body, "{\"include_usage\":true}");
}

static void put_own_members(struct openai_encoder *e)
{
	const struct body_member *m = e->backend->body;

	for (; m && m->name; m++) {
		if (!m->json)
			continue;
		segs_key(e->body, &e->first, m->name);
		segs_puts(e->body, m->json);
	}
}

static bool passes(const struct backend *b, struct span key)
{
	for (size_t i = 0; b->pass_members && b->pass_members[i]; i++) {
		if (span_is(key, b->pass_members[i]))
			return true;
	}
	return false;
}

/* What the Messages API does not have and the backend does, from clients that know where they are;
 * the configuration's word goes before theirs. */
static void put_passed_members(struct openai_encoder *e)
{
	for (size_t i = 0; i < e->request->nmembers; i++) {
		const struct request_member *m = &e->request->members[i];

		if (!passes(e->backend, m->name))
			continue;
		buf_reset(&e->scratch);
		span_put_text(&e->scratch, m->name);
		if (own_member(e->backend, buf_cstr(&e->scratch)))
			continue;
		segs_key(e->body, &e->first, buf_cstr(&e->scratch));
		segs_value(e->body, m->value);
	}
}

void openai_put_own_members(struct openai_encoder *e)
{
	put_own_members(e);
	put_passed_members(e);
}

static void put_body(struct openai_encoder *e)
{
	segs_puts(e->body, "{");
	if (openai_member(e, "model"))
		segs_string(e->body, span_utf8(str_of(e->context->target->model)));
	openai_put_messages(e);
	openai_put_tools(e);
	openai_put_options(e);
	openai_put_format(e);
	put_stream(e);
	openai_put_own_members(e);
	segs_puts(e->body, "}");
}

/* The name that a model's family is known by. */
static const char *family_name(const struct target *t)
{
	const char *prefix = t->backend->model_prefix;

	return prefix && str_starts(str_of(t->model), prefix) ? t->model + strlen(prefix)
							      : t->model;
}

static int encode_message(const struct encode_context *c,
			  void (*body)(struct openai_encoder *e), struct outgoing *out,
			  struct fault *f)
{
	struct openai_encoder e = {
		.context = c,
		.request = c->request,
		.backend = c->target->backend,
		.model = openai_model_traits(family_name(c->target)),
		.arena = c->arena,
		.out = out,
		.body = &out->body,
		.first = true,
	};

	if (demand_whole_conversation(c, f) || demand_server_tool(c, OP_MESSAGE, NULL, f))
		return -1;
	buf_init(&e.scratch, 0);
	body(&e);
	out->stream = true;
	if (e.scratch.failed || out->body.failed || c->arena->failed) {
		buf_release(&e.scratch);
		return fault_no_memory(f);
	}
	buf_release(&e.scratch);
	return 0;
}

int openai_encode_as(const struct encode_context *c, enum op op, const char *path,
		     void (*body)(struct openai_encoder *e), struct outgoing *out,
		     struct fault *f)
{
	const struct backend *b = c->target->backend;

	if (!path)
		return fault_set(f, FAULT_CAPABILITY, 404, "not_found_error",
				 "backend %s has no endpoint for this", b->name);
	out->method = op == OP_MODELS ? "GET" : "POST";
	out->url = dialect_url(c->arena, c->target, path, op == OP_MESSAGE);
	put_headers(c, op, out);
	if (op == OP_MESSAGE)
		return encode_message(c, body, out, f);
	return c->arena->failed ? fault_no_memory(f) : 0;
}

int openai_encode(const struct encode_context *c, enum op op, struct outgoing *out, struct fault *f)
{
	const struct backend *b = c->target->backend;
	const char *path = op == OP_MESSAGE  ? b->path_message
			   : op == OP_MODELS ? b->path_models
					     : NULL;

	return openai_encode_as(c, op, path, put_body, out, f);
}
