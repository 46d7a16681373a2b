/*
 * Thinking of earlier turns on its way back. Most backends don't want it; DeepSeek and Kimi answer
 * 400 when a message that calls tools comes without it; OpenRouter wants its own items back as they
 * were, in their order. Those travelled through the client inside the signature (dialect/opaque.c)
 * and go to the backend they came from only.
 */
#include "dialect/openai_encode.h"
#include "json/scan.h"

/* Where DeepSeek and Kimi demand the member and the history has nothing (another model wrote it),
 * an empty text is refused. */
#define PLACEHOLDER " "

static bool has_text(const struct block *const *blocks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (blocks[i]->type == BLOCK_THINKING && !span_blank(blocks[i]->text))
			return true;
	}
	return false;
}

/* The backend gave its reasoning as one text; what cut it into blocks was other content between. */
static bool own_piece(struct openai_encoder *e, const struct block *b)
{
	return openai_own_state(e, b->signature) == 1;
}

static void put_text(struct openai_encoder *e, const char *member,
		     const struct block *const *blocks, size_t n)
{
	struct segs *s = e->body;
	bool some = false;

	segs_puts(s, member);
	segs_puts(s, "\"");
	for (size_t i = 0; i < n; i++) {
		if (blocks[i]->type != BLOCK_THINKING || span_blank(blocks[i]->text))
			continue;
		segs_puts(s, some && !own_piece(e, blocks[i]) ? "\\n\\n" : "");
		segs_content(s, blocks[i]->text);
		some = true;
	}
	segs_puts(s, "\"");
}

static void put_content(struct openai_encoder *e, const struct block *const *blocks, size_t n,
			bool calls)
{
	if (has_text(blocks, n))
		put_text(e, ",\"reasoning_content\":", blocks, n);
	else if (calls && e->request->thinking != THINKING_DISABLED &&
		 e->backend->replay == REPLAY_TOOLS)
		segs_puts(e->body, ",\"reasoning_content\":\"" PLACEHOLDER "\"");
}

/* A signature that Anthropic made, in the item that stands for it at OpenRouter. Valid for any host
 * of Claude, for no other model. */
static void put_claude_item(struct openai_encoder *e, const struct block *b, size_t index)
{
	struct segs *s = e->body;
	bool text = b->type == BLOCK_THINKING;

	segs_puts(s, text ? "{\"type\":\"reasoning.text\",\"text\":"
			  : "{\"type\":\"reasoning.encrypted\"");
	if (text)
		segs_string(s, b->text);
	segs_puts(s, text ? ",\"signature\":" : ",\"data\":");
	segs_string(s, b->signature);
	segs_puts(s, ",\"format\":\"anthropic-claude-v1\",\"index\":");
	segs_put_int(s, (int64_t)index);
	segs_puts(s, "}");
}

/* Claude refuses state that is not its own, and its own means nothing to another model. */
static bool item_fits(const struct openai_encoder *e, struct span item)
{
	struct span format = json_get(item, "format");

	if (!span_is_object(item))
		return false;
	if (!span_is_string(format) || span_is(format, "unknown"))
		return true;
	return span_is(format, "anthropic-claude-v1") == !!(e->model->flags & TRAIT_CLAUDE);
}

static void begin_item(struct openai_encoder *e, size_t *items)
{
	segs_puts(e->body, (*items)++ ? "," : ",\"reasoning_details\":[");
}

static void put_item(struct openai_encoder *e, struct span item, size_t *items)
{
	if (!item_fits(e, item))
		return;
	begin_item(e, items);
	segs_add(e->body, (struct str){ item.p, item.n });
}

/* State is one item or an array of them; several blocks make one list. */
static void put_state(struct openai_encoder *e, const struct block *b, size_t *items)
{
	struct buf *state = &e->scratch;
	struct span all;
	struct scan it;

	if (openai_own_state(e, b->signature) != 1 ||
	    json_check(buf_str(state), NULL, NULL))
		return;
	all = span_json(str_trim(arena_buf(e->arena, state)));
	if (!json_each(all, &it)) {
		put_item(e, all, items);
		return;
	}
	while (scan_element(&it))
		put_item(e, scan_value(&it), items);
}

/* ---- signed thinking of Claude behind other hosts ---- */

enum signed_form { AS_BLOCK, AS_SUMMARY };

/* A block with a signature of Anthropic's own, as an item of the host's. */
static struct span claude_item(struct openai_encoder *e, const struct block *b, enum signed_form form)
{
	struct buf *item = &e->scratch;
	bool text = b->type == BLOCK_THINKING;

	buf_reset(item);
	if (form == AS_SUMMARY)
		buf_puts(item, "{\"type\":\"summary_text\",\"text\":");
	else
		buf_puts(item, text ? "{\"type\":\"thinking\",\"thinking\":"
				    : "{\"type\":\"redacted_thinking\"");
	if (text)
		span_put_string(item, b->text);
	buf_puts(item, text ? ",\"signature\":" : ",\"data\":");
	span_put_string(item, b->signature);
	buf_puts(item, "}");
	return span_json(arena_buf(e->arena, item));
}

/* The items of one block without the brackets around them: those that the backend gave, or one that
 * is made from a signature of Claude's; absent: it can't go back. */
static struct span signed_items(struct openai_encoder *e, const struct block *b,
				enum signed_form form)
{
	struct buf *state = &e->scratch;
	struct str all;

	if (!opaque_ours(b->signature)) {
		bool claude = e->model->flags & TRAIT_CLAUDE && !span_blank(b->signature);

		return claude && (b->type == BLOCK_THINKING || form == AS_BLOCK)
			       ? claude_item(e, b, form)
			       : SPAN_ABSENT;
	}
	if (openai_own_state(e, b->signature) != 1 ||
	    json_check(buf_str(state), NULL, NULL))
		return SPAN_ABSENT;
	all = str_trim(arena_buf(e->arena, state));
	if (all.n < 3 || all.p[0] != '[')
		return SPAN_ABSENT;
	return span_json(str_trim((struct str){ all.p + 1, all.n - 2 }));
}

static void put_blocks(struct openai_encoder *e, const struct block *const *blocks, size_t n)
{
	bool some = false;

	for (size_t i = 0; i < n; i++) {
		struct span items = signed_items(e, blocks[i], AS_BLOCK);

		if (!items.n)
			continue;
		segs_puts(e->body, some ? "," : ",\"thinking_blocks\":[");
		segs_add(e->body, (struct str){ items.p, items.n });
		some = true;
	}
	segs_puts(e->body, some ? "]" : "");
}

static bool turn_complete(struct openai_encoder *e, const struct turn *t)
{
	enum signed_form form = e->backend->replay == REPLAY_BLOCKS ? AS_BLOCK : AS_SUMMARY;
	bool calls = false, thinking = false;

	for (size_t i = 0; i < t->nblocks; i++) {
		const struct block *b = &t->blocks[i];

		calls = calls || b->type == BLOCK_TOOL_USE;
		if (b->type == BLOCK_THINKING || b->type == BLOCK_REDACTED_THINKING)
			thinking = thinking || signed_items(e, b, form).n;
	}
	return thinking || !calls;
}

bool openai_thinking_complete(struct openai_encoder *e)
{
	const struct message_request *r = e->request;

	if (e->context->strip_thinking)
		return false;
	for (size_t i = 0; i < r->nturns; i++) {
		if (r->turns[i].role == ROLE_ASSISTANT && !turn_complete(e, &r->turns[i]))
			return false;
	}
	return true;
}

/* ---- thinking as parts of the content ---- */

void openai_add_reasoning(struct parts *ps, const struct block *const *blocks, size_t n)
{
	struct openai_encoder *e = ps->e;
	/* Cohere takes it as a string, and only while the model thinks. */
	bool plain = e->backend->tool_plan;
	struct str open = plain ? STR("{\"type\":\"thinking\",\"thinking\":")
				: STR("{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\","
				      "\"text\":");

	if (e->context->strip_thinking || (plain && e->request->thinking != THINKING_ENABLED &&
					   e->request->thinking != THINKING_ADAPTIVE))
		return;
	for (size_t i = 0; i < n; i++) {
		struct span items;
		struct part *p;

		if (e->backend->replay == REPLAY_PARTS && !span_blank(blocks[i]->text) &&
		    blocks[i]->type == BLOCK_THINKING) {
			p = parts_json(ps, span_json(open));
			parts_piece(ps, p, blocks[i]->text);
			parts_piece(ps, p, span_json(plain ? STR("}") : STR("}]}")));
		} else if (e->backend->replay == REPLAY_SUMMARY) {
			items = signed_items(e, blocks[i], AS_SUMMARY);
			if (!items.n)
				continue;
			p = parts_json(ps, span_json(STR("{\"type\":\"reasoning\",\"summary\":[")));
			parts_piece(ps, p, items);
			parts_piece(ps, p, span_json(STR("]}")));
		}
	}
}

/* ---- the message ---- */

/* True when at least one item was written. */
static bool put_details(struct openai_encoder *e, const struct block *const *blocks, size_t n)
{
	size_t items = 0;

	for (size_t i = 0; i < n; i++) {
		if (opaque_ours(blocks[i]->signature)) {
			put_state(e, blocks[i], &items);
		} else if (!span_blank(blocks[i]->signature) && e->model->flags & TRAIT_CLAUDE) {
			begin_item(e, &items);
			put_claude_item(e, blocks[i], items - 1);
		}
	}
	segs_puts(e->body, items ? "]" : "");
	return items > 0;
}

void openai_put_reasoning(struct openai_encoder *e, const struct block *const *blocks, size_t n,
			  bool calls)
{
	bool gone = e->context->strip_thinking;

	switch (e->backend->replay) {
	case REPLAY_DROP:
	case REPLAY_PARTS:
	case REPLAY_SUMMARY:
		break;
	case REPLAY_BLOCKS:
		if (gone)
			break;
		if (e->model->flags & TRAIT_CLAUDE)
			put_blocks(e, blocks, n);
		else
			put_content(e, blocks, n, calls);
		break;
	case REPLAY_TOOLS:
		if (calls)
			put_content(e, blocks, gone ? 0 : n, calls);
		break;
	case REPLAY_ALL:
		put_content(e, blocks, gone ? 0 : n, calls);
		break;
	case REPLAY_DETAILS:
		/* Claude refuses thinking without a signature, others read it. */
		if (!gone && !put_details(e, blocks, n) && !(e->model->flags & TRAIT_CLAUDE) &&
		    has_text(blocks, n))
			put_text(e, ",\"reasoning\":", blocks, n);
		break;
	}
}
