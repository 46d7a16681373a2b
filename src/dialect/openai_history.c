/*
 * What only the API itself has in a conversation, told as text to a backend that can't have it:
 * calls of server tools with their results, and system entries inside a user turn. Encrypted and
 * binary members stay out; titles, addresses, outputs and texts are what the model needs to go on.
 */
#include "dialect/openai_encode.h"
#include "json/scan.h"

#define LITERAL(text) span_utf8(STR(text))
#define MAX_NESTING 8 /* containers inside a result that are looked into */

/* Members of server tool results that hold something to read; the label stands before the text. */
static const struct {
	const char *key, *label;
} readable[] = {
	{ "title", "" },
	{ "url", "" },
	{ "text", "" },
	{ "page_age", "" },
	{ "stdout", "" },
	{ "stderr", "stderr: " },
	{ "error_code", "error: " },
	{ "tool_name", "tool: " },
};

static void add_line(struct parts *ps, struct part *p, struct span key, struct span text)
{
	for (size_t i = 0; i < sizeof(readable) / sizeof(readable[0]); i++) {
		if (!span_is(key, readable[i].key) || span_blank(text))
			continue;
		parts_piece(ps, p, LITERAL("\n"));
		parts_piece(ps, p, span_utf8(str_of(readable[i].label)));
		parts_piece(ps, p, text);
		return;
	}
}

/* Walks a result without recursion: the scanner keeps the depth, `object` what kind of container
 * each level is. */
static void add_readable(struct parts *ps, struct part *p, struct span value)
{
	bool object[MAX_NESTING];
	int depth = 0;
	struct span key = SPAN_ABSENT;
	struct scan s;

	scan_init(&s, (struct str){ value.p, value.n });
	do {
		bool more = depth == 0 ||
			    (object[depth - 1] ? scan_member(&s, &key) : scan_element(&s));
		char next;

		if (!more) {
			depth--;
			continue;
		}
		next = scan_peek(&s);
		if (depth < MAX_NESTING && next == '{' && scan_object(&s))
			object[depth++] = true;
		else if (depth < MAX_NESTING && next == '[' && scan_array(&s))
			object[depth++] = false;
		else if (next == '"')
			add_line(ps, p, key, scan_any(&s));
		else
			scan_value(&s);
	} while (depth > 0 && !s.error);
}

void history_server_block(struct parts *ps, const struct block *b)
{
	struct part *p = parts_text(ps, LITERAL("["));
	struct span content = json_get(b->raw, "content");

	if (b->type == BLOCK_SERVER_TOOL_USE) {
		parts_piece(ps, p, b->name);
		parts_piece(ps, p, LITERAL(" "));
		parts_piece(ps, p, b->input);
		parts_piece(ps, p, LITERAL("]"));
		return;
	}
	parts_piece(ps, p, b->type_name);
	parts_piece(ps, p, LITERAL("]"));
	if (content.form == SPAN_STR) {
		parts_piece(ps, p, LITERAL("\n"));
		parts_piece(ps, p, content);
	} else if (span_given(content)) {
		add_readable(ps, p, content);
	}
}

/* Blocks that this program does not know, such as a compaction's summary. */
struct span history_other_text(const struct block *b)
{
	struct span content = json_get(b->raw, "content");

	return content.form == SPAN_STR ? content : SPAN_ABSENT;
}

bool history_is_mid_system(const struct block *b)
{
	return b->type == BLOCK_OTHER && span_is(b->type_name, "mid_conv_system");
}

void history_mid_system(struct parts *ps, const struct block *b)
{
	struct span content = json_get(b->raw, "content");
	struct scan it;

	if (!json_each(content, &it))
		return;
	while (scan_element(&it)) {
		struct span text = json_get(scan_value(&it), "text");
		struct part *p;

		if (span_blank(text))
			continue;
		p = parts_text(ps, LITERAL("<system-reminder>\n"));
		parts_piece(ps, p, text);
		parts_piece(ps, p, LITERAL("\n</system-reminder>"));
	}
}

struct span history_changed_tool(const struct block *b)
{
	struct span tool = json_get(b->raw, "tool"), name = json_get(tool, "name");

	return span_given(name) ? name : json_path(tool, "definition", "name", NULL);
}

bool history_is_tool_change(const struct block *b)
{
	return b->type == BLOCK_OTHER &&
	       (span_is(b->type_name, "tool_addition") || span_is(b->type_name, "tool_removal")) &&
	       span_is_string(history_changed_tool(b)) && !span_blank(history_changed_tool(b));
}

const char *history_change_words(const struct block *b)
{
	return span_is(b->type_name, "tool_addition") ? " is available from here on." :
							" is not available any more.";
}

/* All tools are always sent, since the list stands before the conversation in every prompt: a
 * change in it would be a change of the whole prefix. So the model is told. */
struct span history_system_text(struct openai_encoder *e, const struct block *b)
{
	struct buf *text = &e->scratch;

	if (b->type == BLOCK_TEXT && !span_blank(b->text))
		return b->text;
	if (!history_is_tool_change(b))
		return SPAN_ABSENT;
	buf_reset(text);
	buf_puts(text, "The tool ");
	if (name_encode(text, history_changed_tool(b), e->backend->tool_name_max))
		return SPAN_ABSENT;
	buf_puts(text, history_change_words(b));
	return span_utf8(arena_buf(e->arena, text));
}
