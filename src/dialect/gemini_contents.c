/*
 * The conversation as Gemini's contents. What the API insists on: the responses to all calls of a
 * model's turn stand alone in the content directly behind it, as many as there were calls; a
 * signature of Gemini's own goes back on the part it came with; the first call of each turn has
 * one, or the word that stands for a lost one (ai.google.dev/gemini-api/docs/thought-signatures).
 *
 * A signature travels through the client in the thinking block in front of its part
 * (gemini_decode.c); a call id that Gemini made carries a mark, and only such an id is sent.
 */
#include <string.h>

#include "dialect/gemini_encode.h"
#include "json/scan.h"

#define LOST_SIGNATURE "skip_thought_signature_validator"
#define NO_RESULT "[No result was recorded for this call.]"
#define NO_OUTPUT "(no output)"
#define GO_ON "Continue your answer from where it ends."

/* ---- parts ---- */

static const struct { const char *ending, *type; } url_types[] = {
	{ ".png", "image/png" }, { ".webp", "image/webp" }, { ".gif", "image/gif" },
	{ ".jpg", "image/jpeg" }, { ".jpeg", "image/jpeg" }, { ".pdf", "application/pdf" },
	{ ".heic", "image/heic" },
};

/* A file's type must be said; an address tells it by its ending at best. */
static const char *url_type(const struct block *b)
{
	struct str url = { b->data.p, b->data.n }, path = url;

	str_split(&url, '?', &path);
	for (size_t i = 0; i < sizeof(url_types) / sizeof(url_types[0]); i++)
		if (str_ends_nocase(path, url_types[i].ending))
			return url_types[i].type;
	return b->type == BLOCK_IMAGE ? "image/jpeg" : "application/pdf";
}

static void put_media(struct segs *s, const struct block *b)
{
	bool url = b->source == SOURCE_URL;

	segs_puts(s, url ? "{\"fileData\":{\"mimeType\":" : "{\"inlineData\":{\"mimeType\":");
	segs_string(s, url ? span_utf8(str_of(url_type(b))) : b->media_type);
	segs_puts(s, url ? ",\"fileUri\":" : ",\"data\":");
	segs_string(s, b->data);
	segs_puts(s, "}}");
}

static void put_part(struct segs *s, const struct part *p)
{
	if (p->kind != PART_TEXT) {
		put_media(s, p->block);
		return;
	}
	segs_puts(s, "{\"text\":\"");
	parts_write_text(s, p);
	segs_puts(s, "\"}");
}

/* One content being written: it begins with its first part, since one without any is refused. */
struct content {
	struct gemini_encoder *g;
	const char *role;
	bool *first;            /* no content has been written yet */
	bool open;
};

static void content_part(struct content *c)
{
	struct segs *s = c->g->e.body;

	if (c->open) {
		segs_puts(s, ",");
		return;
	}
	segs_puts(s, *c->first ? "{\"role\":\"" : ",{\"role\":\"");
	segs_puts(s, c->role);
	segs_puts(s, "\",\"parts\":[");
	c->open = true;
	*c->first = false;
}

static void content_end(struct content *c)
{
	if (c->open)
		segs_puts(c->g->e.body, "]}");
	c->open = false;
}

static void content_parts(struct content *c, const struct parts *ps)
{
	for (size_t i = 0; i < ps->n; i++) {
		content_part(c);
		put_part(c->g->e.body, &ps->v[i]);
	}
}

/* ---- the model's turn ---- */

/* The signature that waits for the part it belongs to. */
struct pending {
	enum gemini_signed on;
	struct str signature;   /* n 0: none */
};

static void put_signature(struct segs *s, struct str signature)
{
	segs_puts(s, ",\"thoughtSignature\":");
	segs_string(s, span_utf8(signature));
}

/* Thinking of another provider is dropped; Gemini's own goes back as it came. */
static void put_thinking(struct content *c, const struct block *b, struct pending *p)
{
	struct openai_encoder *e = &c->g->e;
	struct str state;

	if (e->context->strip_thinking || b->type != BLOCK_THINKING ||
	    openai_own_state(e, b->signature) != 1)
		return;
	state = arena_buf(e->arena, &e->scratch);
	if (state.n > 1 && str_utf8(state))
		*p = (struct pending){ (enum gemini_signed)state.p[0],
				       { state.p + 1, state.n - 1 } };
	if (span_blank(b->text) && p->on != GEMINI_SIGNED_THOUGHT)
		return;
	content_part(c);
	segs_puts(e->body, "{\"text\":");
	segs_string(e->body, b->text);
	segs_puts(e->body, ",\"thought\":true");
	if (p->on == GEMINI_SIGNED_THOUGHT && p->signature.n)
		put_signature(e->body, p->signature);
	segs_puts(e->body, "}");
	if (p->on == GEMINI_SIGNED_THOUGHT)
		*p = (struct pending){ 0 };
}

/* "id":"…", — only one that Gemini made, and only to models that know ids. */
static void put_id(struct gemini_encoder *g, const struct call *call)
{
	struct buf *id = &g->e.scratch;
	struct str text;

	buf_reset(id);
	if (!(g->model->flags & GEMINI_SIGNED) || call->repeat)
		return;
	if (id_to_upstream(id, call->use->id)) {
		g->e.body->failed = true;
		return;
	}
	if (!str_starts(buf_str(id), GEMINI_ID_MARK))
		return;
	text = arena_buf(g->e.arena, id);
	if (!text.p)
		return;
	segs_puts(g->e.body, "\"id\":");
	segs_string(g->e.body, span_utf8((struct str){ text.p + strlen(GEMINI_ID_MARK),
						       text.n - strlen(GEMINI_ID_MARK) }));
	segs_puts(g->e.body, ",");
}

static void put_call(struct content *c, const struct call *call, bool first, struct pending *p)
{
	struct gemini_encoder *g = c->g;
	struct segs *s = g->e.body;

	content_part(c);
	segs_puts(s, "{\"functionCall\":{");
	put_id(g, call);
	segs_puts(s, "\"name\":");
	openai_put_name(&g->e, call->use->name);
	segs_puts(s, ",\"args\":");
	segs_value(s, call->use->input);
	segs_puts(s, "}");
	if (p->signature.n && p->on == GEMINI_SIGNED_CALL)
		put_signature(s, p->signature);
	else if (first && g->model->flags & GEMINI_SIGNED)
		put_signature(s, STR(LOST_SIGNATURE));
	segs_puts(s, "}");
	*p = (struct pending){ 0 };
}

static void put_model_text(struct content *c, const struct block *b, struct pending *p)
{
	struct openai_encoder *e = &c->g->e;
	struct parts ps;

	parts_init(&ps, e, WANT_TEXT);
	if (b->type == BLOCK_OTHER && !span_blank(history_other_text(b)))
		parts_text(&ps, history_other_text(b));
	else if (b->type != BLOCK_OTHER)
		parts_add(&ps, b);
	if (ps.n != 1 || p->on != GEMINI_SIGNED_TEXT || !p->signature.n) {
		content_parts(c, &ps);
		return;
	}
	content_part(c);
	segs_puts(e->body, "{\"text\":\"");
	parts_write_text(e->body, &ps.v[0]);
	segs_puts(e->body, "\"");
	put_signature(e->body, p->signature);
	segs_puts(e->body, "}");
	*p = (struct pending){ 0 };
}

static void put_model(struct gemini_encoder *g, const struct group *group, const struct call *calls,
		      size_t ncalls, bool *first)
{
	struct content c = { .g = g, .role = "model", .first = first };
	struct pending pending = { 0 };
	size_t call = 0;

	for (size_t i = 0; i < group->n; i++) {
		const struct block *b = group->items[i].block;

		if (b->type == BLOCK_THINKING || b->type == BLOCK_REDACTED_THINKING) {
			put_thinking(&c, b, &pending);
		} else if (call < ncalls && calls[call].use == b) {
			put_call(&c, &calls[call], call == 0, &pending);
			call++;
		} else if (b->type == BLOCK_TEXT || b->type == BLOCK_SERVER_TOOL_USE ||
			   b->type == BLOCK_SERVER_TOOL_RESULT || b->type == BLOCK_OTHER) {
			put_model_text(&c, b, &pending);
		}
	}
	content_end(&c);
}

/* ---- responses ---- */

/* {"content":"…"} or {"error":"…"}: a response is an object. */
static void put_response(struct gemini_encoder *g, const struct parts *ps, bool error)
{
	struct segs *s = g->e.body;
	bool some = false;

	segs_puts(s, error ? "{\"error\":\"" : "{\"content\":\"");
	for (size_t i = 0; i < ps->n; i++) {
		if (ps->v[i].kind != PART_TEXT)
			continue;
		segs_puts(s, some ? "\\n" : "");
		parts_write_text(s, &ps->v[i]);
		some = true;
	}
	segs_puts(s, some ? "\"}" : NO_OUTPUT "\"}");
}

static void put_response_media(struct gemini_encoder *g, const struct parts *ps)
{
	struct segs *s = g->e.body;
	size_t n = 0;

	for (size_t i = 0; i < ps->n; i++) {
		if (ps->v[i].kind == PART_TEXT)
			continue;
		segs_puts(s, n++ ? "," : ",\"parts\":[");
		put_media(s, ps->v[i].block);
	}
	segs_puts(s, n ? "]" : "");
}

static unsigned response_wants(const struct gemini_encoder *g)
{
	return g->backend.tool_images ? WANT_ALL | WANT_FILE_URLS : WANT_TEXT;
}

static void put_result(struct content *c, const struct call *call)
{
	struct gemini_encoder *g = c->g;
	const struct block *result = call->result ? call->result->block : NULL;
	struct segs *s = g->e.body;
	struct parts ps;

	parts_init(&ps, &g->e, response_wants(g));
	for (size_t i = 0; result && i < result->nblocks; i++)
		parts_add(&ps, &result->blocks[i]);
	if (!result)
		parts_note(&ps, NO_RESULT);
	content_part(c);
	segs_puts(s, "{\"functionResponse\":{");
	put_id(g, call);
	segs_puts(s, "\"name\":");
	openai_put_name(&g->e, call->use->name);
	segs_puts(s, ",\"response\":");
	put_response(g, &ps, result && result->is_error);
	put_response_media(g, &ps);
	segs_puts(s, "}}");
}

static void put_results(struct gemini_encoder *g, const struct call *calls, size_t n, bool *first)
{
	struct content c = { .g = g, .role = "user", .first = first };

	for (size_t i = 0; i < n; i++)
		put_result(&c, &calls[i]);
	content_end(&c);
}

/* ---- the whole ---- */

static void put_user(struct gemini_encoder *g, const struct group *group, bool *first)
{
	struct content c = { .g = g, .role = "user", .first = first };
	unsigned left = g->backend.tool_images ? 0 : WANT_IMAGES | WANT_FILES | WANT_FILE_URLS;
	struct parts ps;

	parts_init(&ps, &g->e, WANT_ALL | WANT_FILE_URLS);
	openai_user_parts(&ps, group, left);
	content_parts(&c, &ps);
	content_end(&c);
}

static void put_group(struct gemini_encoder *g, struct groups *gs, size_t i, bool *first)
{
	struct group *group = &gs->v[i];
	struct call *calls;
	size_t n;

	if (group->role != ROLE_ASSISTANT) {
		put_user(g, group, first);
		return;
	}
	n = openai_pair_calls(&g->e, group, i + 1 < gs->n ? group + 1 : NULL, &calls);
	put_model(g, group, calls, n, first);
	put_results(g, calls, n, first);
	if (!n && i + 1 == gs->n && g->model->flags & GEMINI_NO_PREFILL)
		segs_puts(g->e.body, *first ? "{\"role\":\"user\",\"parts\":[{\"text\":\"" GO_ON "\"}]}" :
			  ",{\"role\":\"user\",\"parts\":[{\"text\":\"" GO_ON "\"}]}");
}

void gemini_put_contents(struct gemini_encoder *g)
{
	struct groups gs = { 0 };
	bool first = true;

	if (!openai_member(&g->e, "contents"))
		return;
	openai_collect_groups(&g->e, &gs);
	segs_puts(g->e.body, "[");
	for (size_t i = 0; i < gs.n; i++)
		put_group(g, &gs, i, &first);
	segs_puts(g->e.body, "]");
}
