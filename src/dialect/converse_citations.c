/*
 * Citations of Converse as the API's own. Claude made both, so places mean the same: characters of
 * a text, pages of a PDF, blocks of a document or search result. A place that the API has no
 * counterpart for (a page of the web, or none at all) becomes a search result's.
 */
#include "dialect/converse.h"
#include "dialect/openai_decode.h"
#include "json/scan.h"

/* Converse's name of the place | its number of the source | the API's type, and its names of
 * number, beginning and end */
static const struct {
	const char *place, *number, *type, *index, *start, *end;
} places[] = {
	{ "documentChar", "documentIndex", "char_location", "document_index",
	  "start_char_index", "end_char_index" },
	{ "documentPage", "documentIndex", "page_location", "document_index",
	  "start_page_number", "end_page_number" },
	{ "documentChunk", "documentIndex", "content_block_location", "document_index",
	  "start_block_index", "end_block_index" },
	{ "searchResultLocation", "searchResultIndex", "search_result_location",
	  "search_result_index", "start_block_index", "end_block_index" },
};
#define SEARCH_RESULT 3

static void put_number(struct buf *b, const char *name, struct span object, const char *member)
{
	int64_t n;

	if (!span_int(json_get(object, member), &n) || n < 0)
		n = 0;
	buf_printf(b, ",\"%s\":%lld", name, (long long)n);
}

/* The cited words, in one or several pieces, as one string. */
static int put_words(struct buf *b, struct span pieces)
{
	struct buf text;
	struct scan it;
	int rc = 0;

	buf_init(&text, 0);
	if (json_each(pieces, &it)) {
		while (!rc && scan_element(&it)) {
			struct span piece = json_get(scan_value(&it), "text");

			rc = span_is_string(piece) ? span_put_text(&text, piece) : 0;
		}
	}
	rc = rc ? rc : span_put_string(b, span_utf8(buf_str(&text)));
	buf_release(&text);
	return rc;
}

static void put_title(struct buf *b, const char *name, struct span title)
{
	buf_printf(b, ",\"%s\":", name);
	if (span_is_string(title))
		span_put_string(b, title);
	else
		buf_puts(b, "null");
}

/* A place of the table. */
static int put_place(struct buf *b, struct span citation, size_t i, struct span place)
{
	struct span title = json_get(citation, "title"), source = json_get(citation, "source");

	buf_printf(b, "{\"type\":\"%s\",\"cited_text\":", places[i].type);
	if (put_words(b, json_get(citation, "sourceContent")))
		return -1;
	put_number(b, places[i].index, place, places[i].number);
	if (i == SEARCH_RESULT) {
		buf_puts(b, ",\"source\":");
		span_put_string(b, span_is_string(source) ? source : span_utf8(STR("")));
		put_title(b, "title", title);
	} else {
		put_title(b, "document_title", title);
	}
	put_number(b, places[i].start, place, "start");
	put_number(b, places[i].end, place, "end");
	if (i != SEARCH_RESULT)
		buf_puts(b, ",\"file_id\":null");
	return buf_puts(b, "}");
}

int converse_put_citation(struct buf *b, struct span citation)
{
	struct span location = json_get(citation, "location"), title = json_get(citation, "title");
	struct span where = json_path(location, "web", "url", NULL), text = SPAN_ABSENT;
	struct scan it;

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		struct span place = json_get(location, places[i].place);

		if (span_is_object(place))
			return put_place(b, citation, i, place);
	}
	if (!span_is_string(where))
		where = json_get(citation, "source");
	if (!span_is_string(where))
		where = title;
	if (!span_is_string(where))
		return 0;
	if (json_each(json_get(citation, "sourceContent"), &it) && scan_element(&it))
		text = json_get(scan_value(&it), "text");
	return citation_put(b, where, title, text, 0);
}
