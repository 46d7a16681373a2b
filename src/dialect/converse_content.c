/*
 * Content of Converse's messages: texts, images, documents with names that Converse allows, search
 * results, and cache marks, which are blocks of their own there.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "dialect/converse.h"
#include "json/scan.h"

#define NAME_BYTES 200          /* a document's name */

/* The formats that Converse has a word for; others go as the first of their row. */
static const struct { const char *type, *format; } images[] = {
	{ "image/png", "png" }, { "image/jpeg", "jpeg" }, { "image/jpg", "jpeg" },
	{ "image/gif", "gif" }, { "image/webp", "webp" },
};
static const struct { const char *type, *format; } files[] = {
	{ "application/pdf", "pdf" }, { "text/csv", "csv" }, { "application/msword", "doc" },
	{ "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx" },
	{ "application/vnd.ms-excel", "xls" },
	{ "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx" },
	{ "text/html", "html" }, { "text/plain", "txt" }, { "text/markdown", "md" },
};

static const char *image_format(struct span type)
{
	for (size_t i = 0; i < sizeof(images) / sizeof(*images); i++)
		if (span_is(type, images[i].type))
			return images[i].format;
	return images[0].format;
}

static const char *file_format(struct span type)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (span_is(type, files[i].type))
			return files[i].format;
	return files[0].format;
}

/* Letters, digits, single spaces, hyphens and brackets; a title's ending says what the format says
 * already. */
static const char *document_name(struct converse *v, struct span title)
{
	struct buf *text = &v->e.scratch;
	char name[NAME_BYTES];
	size_t n = 0, end;

	buf_reset(text);
	if (span_given(title) && span_put_text(text, title))
		v->e.body->failed = true;
	for (end = text->n; end > 0 && text->n - end < 5 && text->p[end - 1] != '.'; end--)
		;
	end = end > 1 && text->p[end - 1] == '.' && text->n - end < 5 ? end - 1 : text->n;
	for (size_t i = 0; i < end && n + 1 < sizeof(name); i++) {
		unsigned char ch = (unsigned char)text->p[i];
		bool plain = ch < 0x80 && (isalnum(ch) || strchr("-()[]", ch));

		if (plain)
			name[n++] = (char)ch;
		else if (n && name[n - 1] != ' ')
			name[n++] = ' ';
	}
	while (n && name[n - 1] == ' ')
		n--;
	if (!n)
		n = (size_t)snprintf(name, sizeof(name), "document");
	if (++v->documents > 1)
		return arena_printf(v->e.arena, "%.*s (%u)", (int)n, name, v->documents);
	return arena_dup(v->e.arena, name, n);
}

static void put_text_part(struct converse *v, const struct part *p)
{
	converse_put(v, "{\"text\":\"");
	converse_put(v, p->lead ? p->lead : "");
	for (size_t i = 0; i < p->npieces; i++)
		segs_content(v->e.body, p->pieces[i]);
	converse_put(v, "\"}");
}

static void put_image(struct converse *v, const struct block *b)
{
	if (b->source == SOURCE_URL) {
		converse_put(v, "{\"text\":\"[image at ");
		segs_content(v->e.body, b->data);
		converse_put(v, " left out: this backend does not fetch images]\"}");
		return;
	}
	converse_put(v, "{\"image\":{\"format\":\"");
	converse_put(v, image_format(b->media_type));
	converse_put(v, "\",\"source\":{\"bytes\":");
	segs_string(v->e.body, b->data);
	converse_put(v, "}}}");
}

/* "content": texts alone. */
static void put_inner_texts(struct converse *v, const struct block *b)
{
	bool first = true;

	converse_put(v, "\"content\":[");
	for (size_t i = 0; i < b->nblocks; i++) {
		if (b->blocks[i].type != BLOCK_TEXT || span_blank(b->blocks[i].text))
			continue;
		converse_comma(v, &first);
		converse_put(v, "{\"text\":");
		segs_string(v->e.body, b->blocks[i].text);
		converse_put(v, "}");
	}
	converse_put(v, "]");
}

static void put_citations(struct converse *v, const struct block *b)
{
	if (v->claude && parts_cited(b))
		converse_put(v, ",\"citations\":{\"enabled\":true}");
}

static void put_search_result(struct converse *v, const struct block *b)
{
	converse_put(v, "{\"searchResult\":{\"source\":");
	segs_string(v->e.body, b->text);
	converse_put(v, ",\"title\":");
	segs_string(v->e.body, span_given(b->title) ? b->title : b->text);
	converse_put(v, ",");
	put_inner_texts(v, b);
	put_citations(v, b);
	converse_put(v, "}}");
}

static void put_source(struct converse *v, const struct block *b)
{
	converse_put(v, ",\"source\":{");
	if (b->source == SOURCE_CONTENT) {
		put_inner_texts(v, b);
	} else {
		converse_put(v, b->source == SOURCE_TEXT ? "\"text\":" : "\"bytes\":");
		segs_string(v->e.body, b->data);
	}
	converse_put(v, "}");
}

static void put_document(struct converse *v, const struct block *b)
{
	const char *name = document_name(v, b->title);
	bool text = b->source == SOURCE_TEXT || b->source == SOURCE_CONTENT;

	converse_put(v, "{\"document\":{\"name\":");
	segs_string(v->e.body, span_utf8(str_of(name)));
	converse_put(v, ",\"format\":\"");
	converse_put(v, text ? "txt" : file_format(b->media_type));
	converse_put(v, "\"");
	put_source(v, b);
	if (text && span_given(b->context)) {
		converse_put(v, ",\"context\":");
		segs_string(v->e.body, b->context);
	}
	put_citations(v, b);
	converse_put(v, "}}");
}

/* A cache mark is a block behind what it marks. */
void converse_put_cache_point(struct converse *v, struct span cache_control)
{
	if (!span_is_object(cache_control) || v->caches == BEDROCK_CACHES_NOT)
		return;
	converse_put(v, v->caches == BEDROCK_CACHES &&
		     span_is(json_get(cache_control, "ttl"), "1h") ?
	       ",{\"cachePoint\":{\"type\":\"default\",\"ttl\":\"1h\"}}" :
	       ",{\"cachePoint\":{\"type\":\"default\"}}");
}

void converse_put_parts(struct converse *v, const struct parts *ps, bool *first)
{
	for (size_t i = 0; i < ps->n; i++) {
		const struct part *p = &ps->v[i];

		converse_comma(v, first);
		if (p->kind == PART_TEXT)
			put_text_part(v, p);
		else if (p->kind == PART_IMAGE)
			put_image(v, p->block);
		else if (p->block->type == BLOCK_SEARCH_RESULT)
			put_search_result(v, p->block);
		else
			put_document(v, p->block);
		converse_put_cache_point(v, p->cache_control);
	}
}

void converse_add_caption(struct parts *ps)
{
	bool file = false, text = false;

	for (size_t i = 0; i < ps->n; i++) {
		file = file || (ps->v[i].kind == PART_FILE &&
				ps->v[i].block->type == BLOCK_DOCUMENT);
		text = text || ps->v[i].kind == PART_TEXT;
	}
	if (file && !text)
		parts_note(ps, "See the document.");
}
