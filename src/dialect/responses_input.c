/*
 * The conversation as items of "input": messages, calls, their outputs and reasoning, each an item
 * of its own in the order in which the turn has them. A reasoning item must be followed by the item
 * that came of it, or the request is refused; so one that nothing follows stays out.
 */
#include <string.h>

#include "dialect/openai_turns.h"
#include "dialect/responses.h"
#include "json/scan.h"

#define LITERAL(text) span_utf8(STR(text))

struct input {
	struct openai_encoder *e;
	bool first;
	const struct block **thoughts;  /* whose item has not been written yet */
	size_t nthoughts;
};

static void begin_item(struct input *in, const char *text)
{
	segs_puts(in->e->body, in->first ? "{" : ",{");
	segs_puts(in->e->body, text);
	in->first = false;
}

/* ---- content ---- */

static void put_data_url(struct segs *s, const struct block *b)
{
	segs_puts(s, "\"data:");
	segs_content(s, b->media_type);
	segs_puts(s, ";base64,");
	segs_content(s, b->data);
	segs_puts(s, "\"");
}

static void put_media(struct segs *s, const struct part *p)
{
	const struct block *b = p->block;
	bool url = b->source == SOURCE_URL;

	if (p->kind == PART_IMAGE) {
		segs_puts(s, "{\"type\":\"input_image\",\"image_url\":");
	} else if (url) {
		segs_puts(s, "{\"type\":\"input_file\",\"file_url\":");
	} else {
		segs_puts(s, "{\"type\":\"input_file\",\"filename\":");
		segs_string(s, span_given(b->title) ? b->title : LITERAL("document.pdf"));
		segs_puts(s, ",\"file_data\":");
	}
	if (url)
		segs_string(s, b->data);
	else
		put_data_url(s, b);
	segs_puts(s, "}");
}

/* A string where that says it all. */
static void put_parts(struct segs *s, const struct parts *ps, const char *glue)
{
	segs_puts(s, ps->media ? "[" : "\"");
	for (size_t i = 0; i < ps->n; i++) {
		const struct part *p = &ps->v[i];

		if (!ps->media) {
			segs_puts(s, i && !p->glued ? glue : "");
			parts_write_text(s, p);
			continue;
		}
		segs_puts(s, i ? "," : "");
		if (p->kind != PART_TEXT) {
			put_media(s, p);
			continue;
		}
		segs_puts(s, "{\"type\":\"input_text\",\"text\":\"");
		parts_write_text(s, p);
		segs_puts(s, "\"}");
	}
	segs_puts(s, ps->media ? "]" : "\"");
}

static void put_message(struct input *in, const char *role, const struct parts *ps)
{
	struct segs *s = in->e->body;

	if (!ps->n)
		return;
	begin_item(in, "\"role\":\"");
	segs_puts(s, role);
	segs_puts(s, "\",\"content\":");
	put_parts(s, ps, "\\n\\n");
	segs_puts(s, "}");
}

/* ---- assistant ---- */

/* Only what this backend encrypted itself means anything to it. */
static void put_thought(struct input *in, const struct block *b)
{
	struct openai_encoder *e = in->e;
	struct str state;

	if (openai_own_state(e, b->signature) != 1)
		return;
	state = arena_str(e->arena, str_trim(buf_str(&e->scratch)));
	if (!state.n || json_check(state, NULL, NULL) || !span_is_object(span_json(state)) ||
	    !span_is(json_get(span_json(state), "type"), "reasoning"))
		return;
	segs_puts(e->body, in->first ? "" : ",");
	segs_add(e->body, state);
	in->first = false;
}

static void put_thoughts(struct input *in)
{
	for (size_t i = 0; i < in->nthoughts; i++)
		put_thought(in, in->thoughts[i]);
	in->nthoughts = 0;
}

static void put_texts(struct input *in, struct parts *ps)
{
	if (!ps->n)
		return;
	put_thoughts(in);
	put_message(in, "assistant", ps);
	parts_init(ps, in->e, WANT_TEXT);
}

static void put_call(struct input *in, const struct call *c)
{
	struct openai_encoder *e = in->e;

	put_thoughts(in);
	begin_item(in, "\"type\":\"function_call\",\"call_id\":");
	openai_put_id(e, c->use->id, c->repeat);
	segs_puts(e->body, ",\"name\":");
	openai_put_name(e, c->use->name);
	segs_puts(e->body, ",\"arguments\":");
	segs_string(e->body, c->use->input);
	segs_puts(e->body, "}");
}

static void put_assistant(struct input *in, const struct group *g, const struct call *calls,
			  size_t ncalls)
{
	struct openai_encoder *e = in->e;
	struct parts ps;
	size_t next = 0;

	parts_init(&ps, e, WANT_TEXT);
	in->thoughts = arena_alloc(e->arena, (g->n + 1) * sizeof(*in->thoughts));
	in->nthoughts = 0;
	for (size_t i = 0; in->thoughts && i < g->n; i++) {
		const struct item *it = &g->items[i];
		const struct block *b = it->block;

		if (b->type == BLOCK_THINKING || b->type == BLOCK_REDACTED_THINKING) {
			put_texts(in, &ps);
			if (!e->context->strip_thinking)
				in->thoughts[in->nthoughts++] = b;
		} else if (next < ncalls && b == calls[next].use) {
			put_texts(in, &ps);
			put_call(in, &calls[next++]);
		} else {
			openai_assistant_block(&ps, b, i && openai_continues_text(it - 1, it));
		}
	}
	put_texts(in, &ps);
}

/* ---- outputs ---- */

static void put_outputs(struct input *in, const struct call *calls, size_t n)
{
	struct openai_encoder *e = in->e;

	for (size_t i = 0; i < n; i++) {
		struct parts ps;

		parts_init(&ps, e, WANT_TEXT | (e->backend->tool_images ? WANT_IMAGES : 0));
		if (calls[i].result)
			openai_result_parts(&ps, calls[i].result->block);
		else
			parts_note(&ps, NO_RESULT);
		begin_item(in, "\"type\":\"function_call_output\",\"call_id\":");
		openai_put_id(e, calls[i].use->id, calls[i].repeat);
		segs_puts(e->body, ",\"output\":");
		put_parts(e->body, &ps, "\\n");
		segs_puts(e->body, "}");
	}
}

/* ---- the whole ---- */

static void put_mid_system(struct input *in, const struct group *g)
{
	struct parts ps;

	parts_init(&ps, in->e, WANT_TEXT);
	for (size_t i = 0; i < g->n; i++) {
		struct span text = history_system_text(in->e, g->items[i].block);

		if (!span_blank(text))
			parts_text(&ps, text);
	}
	put_message(in, "developer", &ps);
}

static void put_user(struct input *in, const struct group *g)
{
	bool images = in->e->backend->tool_images;
	struct parts ps;

	parts_init(&ps, in->e, WANT_ALL | WANT_FILE_URLS);
	openai_user_parts(&ps, g, WANT_FILES | (images ? 0 : WANT_IMAGES));
	put_message(in, "user", &ps);
}

static struct group *next_user(struct groups *gs, size_t i)
{
	for (i++; i < gs->n && gs->v[i].role != ROLE_ASSISTANT; i++)
		if (gs->v[i].role == ROLE_USER)
			return &gs->v[i];
	return NULL;
}

static void put_group(struct input *in, struct groups *gs, size_t i)
{
	struct group *g = &gs->v[i];
	struct call *calls;
	size_t n;

	if (g->role == ROLE_USER) {
		put_user(in, g);
	} else if (g->role == ROLE_SYSTEM) {
		put_mid_system(in, g);
	} else {
		n = openai_pair_calls(in->e, g, next_user(gs, i), &calls);
		put_assistant(in, g, calls, n);
		put_outputs(in, calls, n);
	}
}

void responses_put_input(struct openai_encoder *e)
{
	struct input in = { .e = e, .first = true };
	struct groups gs = { 0 };

	openai_collect_groups(e, &gs);
	segs_puts(e->body, "[");
	for (size_t i = 0; i < gs.n; i++)
		put_group(&in, &gs, i);
	segs_puts(e->body, "]");
}
