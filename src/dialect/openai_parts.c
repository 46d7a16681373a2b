/*
 * Content of an openai-chat message. Blocks become parts, parts become one JSON string where that
 * says it all, else an array. Texts are lists of borrowed pieces, so that a document gets its title
 * around it, and an image its "data:" in front, without being copied.
 */
#include <string.h>

#include "dialect/openai_encode.h"
#include "json/scan.h"

#define LITERAL(text) span_utf8(STR(text))

void parts_init(struct parts *ps, struct openai_encoder *e, unsigned want)
{
	*ps = (struct parts){ .e = e, .want = want };
}

static struct part *part_new(struct parts *ps, enum part_kind kind)
{
	struct part *v = arena_grow(ps->e->arena, ps->v, ps->n, &ps->cap, sizeof(*v));

	if (!v)
		return NULL;
	ps->v = v;
	v[ps->n] = (struct part){ .kind = kind };
	ps->media = ps->media || kind != PART_TEXT;
	return &v[ps->n++];
}

void parts_piece(struct parts *ps, struct part *p, struct span text)
{
	struct span *v;

	if (!p || !span_given(text))
		return;
	v = arena_grow(ps->e->arena, p->pieces, p->npieces, &p->cap, sizeof(*v));
	if (!v)
		return;
	p->pieces = v;
	v[p->npieces++] = text;
}

struct part *parts_text(struct parts *ps, struct span text)
{
	struct part *p = part_new(ps, PART_TEXT);

	parts_piece(ps, p, text);
	return p;
}

struct part *parts_json(struct parts *ps, struct span json)
{
	struct part *p = part_new(ps, PART_JSON);

	parts_piece(ps, p, json);
	return p;
}

void parts_note(struct parts *ps, const char *cstr)
{
	parts_text(ps, span_utf8(str_of(cstr)));
}

void parts_cache(struct parts *ps, struct span cache_control)
{
	if (!ps->n || !ps->e->backend->cache_control || !span_is_object(cache_control))
		return;
	ps->v[ps->n - 1].cache_control = cache_control;
	ps->cached = true;
}

/* <tag>text</tag> and a line's end; nothing when the text is not given. */
static void tagged(struct parts *ps, struct part *p, const char *tag, struct span text)
{
	struct arena *a = ps->e->arena;

	if (!span_given(text))
		return;
	parts_piece(ps, p, span_utf8(str_of(arena_printf(a, "<%s>", tag))));
	parts_piece(ps, p, text);
	parts_piece(ps, p, span_utf8(str_of(arena_printf(a, "</%s>\n", tag))));
}

static void add_image(struct parts *ps, const struct block *b)
{
	struct part *p;

	if (b->source != SOURCE_BASE64 && b->source != SOURCE_URL) {
		if (ps->want & WANT_TEXT)
			parts_note(ps, "[image left out: this backend does not have the file]");
		return;
	}
	if (ps->want & WANT_IMAGES) {
		p = part_new(ps, PART_IMAGE);
		if (p)
			p->block = b;
	} else if (ps->want & WANT_TEXT) {
		parts_note(ps, "[image: attached to the user message that follows]");
	}
}

static void document_note(struct parts *ps, const struct block *b, const char *what)
{
	struct part *p;

	if (!(ps->want & WANT_TEXT))
		return;
	p = parts_text(ps, LITERAL("[document"));
	if (span_given(b->title)) {
		parts_piece(ps, p, LITERAL(" \""));
		parts_piece(ps, p, b->title);
		parts_piece(ps, p, LITERAL("\""));
	}
	if (b->source == SOURCE_URL) {
		parts_piece(ps, p, LITERAL(" at "));
		parts_piece(ps, p, b->data);
	}
	parts_piece(ps, p, span_utf8(str_of(what)));
}

static void add_whole(struct parts *ps, const struct block *b)
{
	struct part *p = part_new(ps, PART_FILE);

	if (p)
		p->block = b;
}

static void add_file(struct parts *ps, const struct block *b)
{
	struct part *p;

	if (!ps->e->backend->files) {
		document_note(ps, b, " left out: this backend takes no files]");
		return;
	}
	if (!(ps->want & WANT_FILES)) {
		document_note(ps, b, ": attached to the user message that follows]");
		return;
	}
	if (span_given(b->context)) {
		p = parts_text(ps, SPAN_ABSENT);
		tagged(ps, p, "context", b->context);
	}
	add_whole(ps, b);
}

/* Texts inside a document or search result, one after the other; its images become parts of their
 * own behind it. */
static void add_inner(struct parts *ps, struct part **p, const struct block *b)
{
	size_t place = (size_t)(*p - ps->v);

	for (size_t i = 0; i < b->nblocks; i++) {
		const struct block *in = &b->blocks[i];

		if (in->type == BLOCK_TEXT) {
			parts_piece(ps, *p, in->text);
			parts_piece(ps, *p, LITERAL("\n"));
		} else if (in->type == BLOCK_IMAGE) {
			add_image(ps, in);
			*p = &ps->v[place];
		}
	}
}

static void add_inner_media(struct parts *ps, const struct block *b)
{
	for (size_t i = 0; i < b->nblocks; i++) {
		if (b->blocks[i].type == BLOCK_IMAGE)
			add_image(ps, &b->blocks[i]);
	}
}

static void add_text_document(struct parts *ps, const struct block *b)
{
	bool search = b->type == BLOCK_SEARCH_RESULT;
	struct part *p;

	if (!(ps->want & WANT_TEXT)) {
		add_inner_media(ps, b);
		return;
	}
	p = parts_text(ps, search ? LITERAL("<search_result>\n") : LITERAL("<document>\n"));
	tagged(ps, p, "title", b->title);
	tagged(ps, p, search ? "source" : "context", search ? b->text : b->context);
	if (b->source == SOURCE_TEXT) {
		parts_piece(ps, p, b->data);
		parts_piece(ps, p, LITERAL("\n"));
	}
	if (p)
		add_inner(ps, &p, b);
	parts_piece(ps, p, search ? LITERAL("</search_result>") : LITERAL("</document>"));
}

bool parts_cited(const struct block *b)
{
	return span_true(json_path(b->raw, "citations", "enabled", NULL));
}

/* A document or search result that holds texts, which the backend itself cites. */
static bool goes_whole(const struct parts *ps, const struct block *b)
{
	bool texts = b->source == SOURCE_TEXT || b->source == SOURCE_CONTENT;

	return (ps->want & WANT_CITED) && (b->type == BLOCK_SEARCH_RESULT || texts) &&
	       parts_cited(b);
}

static void add_document(struct parts *ps, const struct block *b)
{
	switch (b->source) {
	case SOURCE_BASE64:
		add_file(ps, b);
		break;
	case SOURCE_TEXT:
	case SOURCE_CONTENT:
		add_text_document(ps, b);
		break;
	case SOURCE_URL:
		if (ps->want & WANT_FILE_URLS)
			add_file(ps, b);
		else
			document_note(ps, b, " left out: this backend does not fetch documents]");
		break;
	case SOURCE_FILE:
	case SOURCE_NONE:
		document_note(ps, b, " left out: this backend does not have the file]");
		break;
	}
}

static void add_reference(struct parts *ps, const struct block *b)
{
	struct buf *name = &ps->e->scratch;
	struct part *p = parts_text(ps, LITERAL("Tool available: "));

	buf_reset(name);
	if (name_encode(name, b->name, ps->e->backend->tool_name_max) == 0)
		parts_piece(ps, p, span_utf8(arena_buf(ps->e->arena, name)));
}

static void add_other(struct parts *ps, const struct block *b)
{
	struct part *p;

	if (history_is_mid_system(b)) {
		history_mid_system(ps, b);
		return;
	}
	p = parts_text(ps, LITERAL("[a block of type "));
	parts_piece(ps, p, b->type_name);
	parts_piece(ps, p, LITERAL(" was left out]"));
}

void parts_add(struct parts *ps, const struct block *b)
{
	size_t before = ps->n;
	bool text = ps->want & WANT_TEXT;

	if (b->type == BLOCK_IMAGE)
		add_image(ps, b);
	else if ((b->type == BLOCK_DOCUMENT || b->type == BLOCK_SEARCH_RESULT) &&
		 goes_whole(ps, b))
		add_whole(ps, b);
	else if (b->type == BLOCK_DOCUMENT)
		add_document(ps, b);
	else if (b->type == BLOCK_SEARCH_RESULT)
		add_text_document(ps, b);
	else if (text && b->type == BLOCK_TEXT && !span_blank(b->text))
		parts_text(ps, b->text);
	else if (text && b->type == BLOCK_TOOL_REFERENCE)
		add_reference(ps, b);
	else if (text && (b->type == BLOCK_SERVER_TOOL_USE || b->type == BLOCK_SERVER_TOOL_RESULT))
		history_server_block(ps, b);
	else if (text && b->type == BLOCK_OTHER)
		add_other(ps, b);
	if (ps->n > before)
		parts_cache(ps, b->cache_control);
}

/* ---- writing ---- */

void parts_write_text(struct segs *s, const struct part *p)
{
	if (p->lead)
		segs_puts(s, p->lead);
	for (size_t i = 0; i < p->npieces; i++)
		segs_content(s, p->pieces[i]);
}

static void write_data_url(struct segs *s, const struct block *b)
{
	segs_puts(s, "\"data:");
	segs_content(s, b->media_type);
	segs_puts(s, ";base64,");
	segs_content(s, b->data);
	segs_puts(s, "\"");
}

static void write_source(struct segs *s, const struct block *b)
{
	if (b->source == SOURCE_URL)
		segs_string(s, b->data);
	else
		write_data_url(s, b);
}

static void write_image(struct segs *s, const struct part *p, bool plain)
{
	segs_puts(s, "{\"type\":\"image_url\",\"image_url\":");
	segs_puts(s, plain ? "" : "{\"url\":");
	write_source(s, p->block);
	segs_puts(s, plain ? "" : "}");
}

static void write_file(struct segs *s, const struct part *p, bool plain)
{
	bool named = span_given(p->block->title);

	if (plain) {
		segs_puts(s, "{\"type\":\"document_url\",\"document_url\":");
		write_source(s, p->block);
		return;
	}
	segs_puts(s, "{\"type\":\"file\",\"file\":{\"filename\":");
	segs_string(s, named ? p->block->title : LITERAL("document.pdf"));
	segs_puts(s, ",\"file_data\":");
	write_data_url(s, p->block);
	segs_puts(s, "}");
}

static void write_part(struct segs *s, const struct part *p, bool plain)
{
	if (p->kind == PART_JSON) {
		for (size_t i = 0; i < p->npieces; i++)
			segs_value(s, p->pieces[i]);
		return;
	}
	if (p->kind == PART_IMAGE) {
		write_image(s, p, plain);
	} else if (p->kind == PART_FILE) {
		write_file(s, p, plain);
	} else {
		segs_puts(s, "{\"type\":\"text\",\"text\":\"");
		parts_write_text(s, p);
		segs_puts(s, "\"");
	}
	if (span_given(p->cache_control)) {
		segs_puts(s, ",\"cache_control\":");
		segs_value(s, p->cache_control);
	}
	segs_puts(s, "}");
}

void parts_write(struct parts *ps, const char *glue)
{
	struct segs *s = ps->e->body;
	bool array = ps->media || ps->cached || (ps->e->backend->cache_control && ps->n > 1);

	segs_puts(s, array ? "[" : "\"");
	for (size_t i = 0; i < ps->n; i++) {
		if (array) {
			segs_puts(s, i ? "," : "");
			write_part(s, &ps->v[i], ps->e->backend->plain_parts);
			continue;
		}
		if (i && !ps->v[i].glued)
			segs_puts(s, glue);
		parts_write_text(s, &ps->v[i]);
	}
	segs_puts(s, array ? "]" : "\"");
}
