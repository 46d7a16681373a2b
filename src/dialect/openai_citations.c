/*
 * Citations of an openai-chat answer: pages that the backend has read (Perplexity). Which of them
 * stands behind which word is only in the text itself ("[2]"), so all of them go with the text as it
 * ends, in their order.
 */
#include "dialect/openai_decode.h"

#include "json/scan.h"

#define CITATIONS_MAX 64

/* Every chunk repeats the whole list. */
int openai_note_citations(struct openai_decoder *d, struct span list)
{
	struct str kept;

	if (!span_is_array(list) || list.n <= d->citations.n)
		return 0;
	kept = arena_str(d->c->arena, (struct str){ list.p, list.n });
	if (!kept.p)
		return -1;
	d->citations = span_json(kept);
	return 0;
}

int citation_put(struct buf *b, struct span source, struct span title, struct span text, size_t at)
{
	buf_puts(b, "{\"type\":\"search_result_location\",\"cited_text\":");
	span_put_string(b, span_is_string(text) ? text : span_utf8(STR("")));
	buf_puts(b, ",\"source\":");
	span_put_string(b, source);
	buf_puts(b, ",\"title\":");
	span_put_value(b, span_is_string(title) ? title : SPAN_ABSENT);
	return buf_printf(b,
			  ",\"search_result_index\":%zu,\"start_block_index\":0,"
			  "\"end_block_index\":1}",
			  at);
}

static enum flow send_citation(struct openai_decoder *d, struct sink *s, struct span item, size_t at)
{
	bool object = span_is_object(item);
	struct span url = object ? json_get(item, "url") : item;
	enum flow flow = FLOW_GO;
	struct buf b;

	if (!span_is_string(url) || span_blank(url))
		return FLOW_GO;
	buf_init(&b, 0);
	if (citation_put(&b, url, object ? json_get(item, "title") : SPAN_ABSENT,
			 object ? json_get(item, "snippet") : SPAN_ABSENT, at))
		flow = openai_no_memory(s);
	else
		flow = sink_text(s, EVENT_CITATION, span_json(buf_str(&b)));
	buf_release(&b);
	return flow;
}

enum flow openai_citations_end(struct openai_decoder *d, struct sink *s)
{
	enum flow flow = FLOW_GO;
	struct scan it;

	if (!json_each(d->citations, &it))
		return FLOW_GO;
	for (size_t i = 0; !flow && i < CITATIONS_MAX && scan_element(&it); i++)
		flow = send_citation(d, s, scan_any(&it), i);
	d->citations = SPAN_ABSENT;
	return flow;
}
