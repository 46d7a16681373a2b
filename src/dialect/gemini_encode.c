/*
 * Requests to Gemini's generateContent. Always streamed. The model stands in the address; in the
 * body it is named only where a token count wraps a whole request.
 */
#include <string.h>

#include "dialect/demand.h"
#include "dialect/gemini_encode.h"

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

static void put_headers(const struct encode_context *c, enum op op, struct outgoing *out)
{
	const struct header_setting *set = c->target->backend->headers;
	struct header_list h = { .arena = c->arena };

	if (op != OP_MODELS)
		header_add(&h, "Content-Type: application/json");
	header_add(&h, out->stream ? "Accept: text/event-stream" : "Accept: application/json");
	for (; set && set->name; set++)
		header_add(&h, arena_printf(c->arena, "%s: %s", set->name, set->value));
	out->headers = h.v;
	out->nheaders = h.n;
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

static void put_system(struct gemini_encoder *g)
{
	struct parts ps = { .e = &g->e };
	struct segs *s = g->e.body;

	openai_system_parts(&ps);
	if (!ps.n || !openai_member(&g->e, "systemInstruction"))
		return;
	for (size_t i = 0; i < ps.n; i++) {
		segs_puts(s, i ? "\"},{\"text\":\"" : "{\"parts\":[{\"text\":\"");
		parts_write_text(s, &ps.v[i]);
	}
	segs_puts(s, "\"}]}");
}

/* AI Studio counts a whole request only as a member of the count's; Vertex takes it plain. */
static void put_count(struct gemini_encoder *g)
{
	bool wrapped = g->backend.count_wrapped;
	struct segs *s = g->e.body;

	if (wrapped) {
		segs_puts(s, "\"generateContentRequest\":{\"model\":");
		segs_string(s, span_utf8(str_of(arena_printf(g->e.arena, "models/%s", g->name))));
		g->e.first = false;
	}
	gemini_put_contents(g);
	put_system(g);
	gemini_put_tools(g);
	segs_puts(s, wrapped ? "}" : "");
}

static void put_body(struct gemini_encoder *g, enum op op)
{
	segs_puts(g->e.body, "{");
	if (op == OP_COUNT) {
		put_count(g);
	} else {
		gemini_put_contents(g);
		put_system(g);
		gemini_put_tools(g);
		gemini_put_options(g);
		openai_put_caller(&g->e);
		put_own_members(&g->e);
	}
	segs_puts(g->e.body, "}");
}

static int encode_body(struct gemini_encoder *g, enum op op, struct fault *f)
{
	bool failed;

	if (demand_whole_conversation(g->e.context, f) ||
	    demand_server_tool(g->e.context, op, NULL, f))
		return -1;
	buf_init(&g->e.scratch, 0);
	put_body(g, op);
	failed = g->e.scratch.failed || g->e.body->failed || g->e.arena->failed;
	buf_release(&g->e.scratch);
	return failed ? fault_no_memory(f) : 0;
}

/* What is said of the backend holds for the model in question from here on. */
static void encoder_init(struct gemini_encoder *g, const struct encode_context *c,
			 struct outgoing *out)
{
	const char *name = c->target->model ? c->target->model : "";

	if (str_starts(str_of(name), "models/"))
		name += strlen("models/");
	*g = (struct gemini_encoder){
		.backend = *c->target->backend,
		.name = name,
		.model = gemini_model_find(name),
		.e = { .context = c, .request = c->request, .arena = c->arena, .out = out,
		       .body = &out->body, .first = true },
	};
	g->e.backend = &g->backend;
	g->e.model = openai_model_traits(name);
	g->backend.files = true;
	g->backend.cache_control = false;
	g->backend.tool_images = g->model->flags & GEMINI_SIGNED;
	if (g->backend.mid_system == MID_SYSTEM_KEEP)
		g->backend.mid_system = MID_SYSTEM_USER;
}

int gemini_encode(const struct encode_context *c, enum op op, struct outgoing *out, struct fault *f)
{
	const struct backend *b = c->target->backend;
	const char *path = op == OP_MESSAGE ? b->path_message :
			   op == OP_COUNT ? b->path_count : b->path_models;
	struct target target = *c->target;
	struct gemini_encoder g;

	if (!path)
		return fault_set(f, FAULT_CAPABILITY, 404, "not_found_error",
				 "backend %s has no endpoint for this", b->name);
	encoder_init(&g, c, out);
	target.model = g.name;
	out->method = op == OP_MODELS ? "GET" : "POST";
	out->stream = op == OP_MESSAGE;
	out->url = dialect_url(c->arena, &target, path, out->stream);
	put_headers(c, op, out);
	if (op != OP_MODELS)
		return encode_body(&g, op, f);
	return c->arena->failed ? fault_no_memory(f) : 0;
}
