/*
 * Requests to Bedrock's Converse. The conversation is put in order by the openai-chat encoder's own
 * steps (groups of one role, each call with its result, content as parts); here it gets Converse's
 * shape: every result stands in the user message behind its call, cache marks are blocks of their
 * own, and what Converse has no member for goes to the model in additionalModelRequestFields.
 */
#include "dialect/bedrock.h"
#include "dialect/converse.h"
#include "dialect/demand.h"
#include "json/scan.h"

#define NO_OUTPUT "(no output)"

/* Claude cites by itself; others get the texts of documents as text. */
static unsigned wants(const struct converse *v)
{
	return v->claude ? WANT_ALL | WANT_CITED : WANT_ALL;
}

/* ---- assistant ---- */

/* What of a thinking block the backend gave itself, in the scratch buffer; false: nothing goes
 * back. */
static bool own_state(struct converse *v, const struct block *b)
{
	struct buf *state = &v->e.scratch;
	int rc;

	if (v->e.context->strip_thinking || !span_is_string(b->signature) || !b->signature.n)
		return false;
	rc = openai_own_state(&v->e, b->signature);
	/* Claude's own signatures are the same wherever it runs. */
	if (rc == 0 && v->claude)
		rc = span_put_text(state, b->signature) ? -1 : 1;
	/* Anyone can write a state of ours: what goes out must be text all the same. */
	return rc == 1 && state->n && str_utf8(buf_str(state));
}

static void put_reasoning(struct converse *v, const struct block *b, bool *first)
{
	struct span state;

	if (!own_state(v, b))
		return;
	state = span_utf8(arena_buf(v->e.arena, &v->e.scratch));
	converse_comma(v, first);
	if (b->type == BLOCK_REDACTED_THINKING) {
		converse_put(v, "{\"reasoningContent\":{\"redactedContent\":");
		segs_string(v->e.body, state);
		converse_put(v, "}}");
		return;
	}
	converse_put(v, "{\"reasoningContent\":{\"reasoningText\":{\"text\":");
	segs_string(v->e.body, span_given(b->text) ? b->text : span_utf8(STR("")));
	converse_put(v, ",\"signature\":");
	segs_string(v->e.body, state);
	converse_put(v, "}}}");
}

static void put_call(struct converse *v, const struct call *call, bool *first)
{
	converse_comma(v, first);
	converse_put(v, "{\"toolUse\":{\"toolUseId\":");
	openai_put_id(&v->e, call->use->id, call->repeat);
	converse_put(v, ",\"name\":");
	openai_put_name(&v->e, call->use->name);
	converse_put(v, ",\"input\":");
	segs_value(v->e.body, call->use->input);
	converse_put(v, "}}");
	converse_put_cache_point(v, call->use->cache_control);
}

static void put_assistant_text(struct converse *v, const struct block *b, bool *first)
{
	struct parts ps;

	parts_init(&ps, &v->e, WANT_TEXT);
	if (b->type == BLOCK_OTHER) {
		if (span_blank(history_other_text(b)))
			return;
		parts_text(&ps, history_other_text(b));
	} else {
		parts_add(&ps, b);
	}
	converse_put_parts(v, &ps, first);
}

/* In the order in which the model wrote it: thinking stands before the calls that it led to. */
static void put_assistant_content(struct converse *v, const struct group *g,
				  const struct call *calls, size_t ncalls, bool *first)
{
	size_t next = 0;

	for (size_t i = 0; i < g->n; i++) {
		const struct block *b = g->items[i].block;

		if (b->type == BLOCK_THINKING || b->type == BLOCK_REDACTED_THINKING) {
			put_reasoning(v, b, first);
		} else if (b->type == BLOCK_TOOL_USE) {
			if (next < ncalls && calls[next].use == b)
				put_call(v, &calls[next++], first);
		} else {
			put_assistant_text(v, b, first);
		}
	}
}

/* ---- user ---- */

static void put_result(struct converse *v, const struct call *call, bool *first)
{
	const struct block *b = call->result ? call->result->block : NULL;
	bool inner = true;
	struct parts ps;

	parts_init(&ps, &v->e, wants(v));
	for (size_t i = 0; b && i < b->nblocks; i++)
		parts_add(&ps, &b->blocks[i]);
	if (!ps.n)
		parts_note(&ps, b ? NO_OUTPUT : NO_RESULT);
	converse_comma(v, first);
	converse_put(v, "{\"toolResult\":{\"toolUseId\":");
	openai_put_id(&v->e, call->use->id, call->repeat);
	converse_put(v, b && b->is_error ? ",\"status\":\"error\",\"content\":[" : ",\"content\":[");
	/* A cache mark within a result counts for all of it. */
	for (size_t i = 0; i < ps.n; i++)
		ps.v[i].cache_control = SPAN_ABSENT;
	converse_put_parts(v, &ps, &inner);
	converse_put(v, "]}}");
	if (b)
		converse_put_cache_point(v, b->cache_control);
}

static void begin_message(struct converse *v, const char *role, bool *first)
{
	converse_comma(v, first);
	converse_put(v, "{\"role\":\"");
	converse_put(v, role);
	converse_put(v, "\",\"content\":[");
}

/* The results of the calls before, then what else the user's group says; it may be NULL. */
static void put_user(struct converse *v, const struct call *calls, size_t ncalls,
		     struct group *user, bool *first)
{
	bool inner = true;
	struct parts ps;

	parts_init(&ps, &v->e, wants(v));
	if (user) {
		openai_user_parts(&ps, user, 0);
		user->done = true;
	}
	converse_add_caption(&ps);
	if (!ncalls && !ps.n)
		return;
	begin_message(v, "user", first);
	for (size_t i = 0; i < ncalls; i++)
		put_result(v, &calls[i], &inner);
	converse_put_parts(v, &ps, &inner);
	converse_put(v, "]}");
}

/* Of an assistant group: does anything but thinking go out? */
static bool has_content(const struct group *g, size_t ncalls)
{
	for (size_t i = 0; i < g->n; i++) {
		const struct block *b = g->items[i].block;

		if (b->type == BLOCK_TEXT ? !span_blank(b->text) :
		    b->type == BLOCK_OTHER ? !span_blank(history_other_text(b)) :
		    b->type == BLOCK_SERVER_TOOL_USE || b->type == BLOCK_SERVER_TOOL_RESULT)
			return true;
	}
	return ncalls > 0;
}

static void put_group(struct converse *v, struct groups *gs, size_t i, bool *first)
{
	struct group *g = &gs->v[i], *user = i + 1 < gs->n ? g + 1 : NULL;
	bool inner = true;
	struct call *calls;
	size_t n;

	if (g->role != ROLE_ASSISTANT) {
		if (!g->done)
			put_user(v, NULL, 0, g, first);
		return;
	}
	n = openai_pair_calls(&v->e, g, user, &calls);
	if (!has_content(g, n))
		return;
	begin_message(v, "assistant", first);
	put_assistant_content(v, g, calls, n, &inner);
	converse_put(v, "]}");
	if (n)
		put_user(v, calls, n, user, first);
}

static void put_conversation(struct converse *v)
{
	struct parts system = { .e = &v->e };
	struct groups gs = { 0 };
	bool first = true;

	openai_system_parts(&system);
	if (system.n && openai_member(&v->e, "system")) {
		converse_put(v, "[");
		converse_put_parts(v, &system, &first);
		converse_put(v, "]");
	}
	if (!openai_member(&v->e, "messages"))
		return;
	first = true;
	openai_collect_groups(&v->e, &gs);
	converse_put(v, "[");
	for (size_t i = 0; i < gs.n; i++)
		put_group(v, &gs, i, &first);
	converse_put(v, "]");
}

/* ---- the whole ---- */

static void put_body(struct converse *v, enum op op)
{
	converse_put(v, op == OP_COUNT ? "{\"input\":{\"converse\":{" : "{");
	put_conversation(v);
	converse_put_tools(v);
	if (op == OP_COUNT) {
		converse_put(v, "}}}");
		return;
	}
	converse_put_inference(v);
	converse_put_fields(v);
	converse_put_format(v);
	converse_put_service(v);
	/* Only then Claude says which sequence it met. */
	if (v->claude && v->e.request->nstop_sequences &&
	    openai_member(&v->e, "additionalModelResponseFieldPaths"))
		converse_put(v, "[\"/stop_sequence\"]");
	openai_put_caller(&v->e);
	openai_put_own_members(&v->e);
	converse_put(v, "}");
}

static void put_headers(const struct encode_context *c, struct outgoing *out)
{
	const struct header_setting *set = c->target->backend->headers;
	const char **v;
	size_t n = 0;

	while (set && set[n].name)
		n++;
	v = arena_alloc(c->arena, (n + 2) * sizeof(*v));
	if (!v)
		return;
	v[0] = "Content-Type: application/json";
	v[1] = out->stream ? "Accept: application/vnd.amazon.eventstream" :
			     "Accept: application/json";
	for (size_t i = 0; i < n; i++)
		v[i + 2] = arena_printf(c->arena, "%s: %s", set[i].name, set[i].value);
	out->headers = v;
	out->nheaders = n + 2;
}

static int encode_body(const struct encode_context *c, enum op op, struct outgoing *out)
{
	struct converse *v = arena_alloc(c->arena, sizeof(*v));
	int rc;

	if (!v)
		return -1;
	v->backend = *c->target->backend;
	/* There is no third role. */
	if (v->backend.mid_system == MID_SYSTEM_KEEP)
		v->backend.mid_system = MID_SYSTEM_USER;
	v->claude = bedrock_claude(c->target->model);
	v->backend.origin = bedrock_origin(c->arena, c->target);
	v->caches = v->backend.cache_control ? bedrock_caches(c->target->model) :
					       BEDROCK_CACHES_NOT;
	v->e = (struct openai_encoder){
		.context = c, .request = c->request, .backend = &v->backend,
		.model = openai_model_traits(c->target->model), .arena = c->arena, .out = out,
		.body = &out->body, .first = true,
	};
	if (converse_settle_body(v))
		return -1;
	buf_init(&v->e.scratch, 0);
	put_body(v, op);
	rc = v->e.scratch.failed || out->body.failed ? -1 : 0;
	buf_release(&v->e.scratch);
	return rc;
}

int converse_encode(const struct encode_context *c, enum op op, struct outgoing *out,
		    struct fault *f)
{
	if (op == OP_MODELS)
		return models_encode(c, out, f);
	if (demand_whole_conversation(c, f) || demand_server_tool(c, op, NULL, f))
		return -1;
	out->method = "POST";
	out->stream = op == OP_MESSAGE && c->want_stream;
	out->url = bedrock_url(c, op, "/{converse-stream|converse}");
	put_headers(c, out);
	if (encode_body(c, op, out) || c->arena->failed || !out->url)
		return fault_no_memory(f);
	return 0;
}
