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
	buf_reset(&e->scratch);
	return opaque_get(&e->scratch, e->backend->origin, b->signature) == 1;
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

	buf_reset(state);
	if (opaque_get(state, e->backend->origin, b->signature) != 1 ||
	    json_check(buf_str(state), NULL, NULL))
		return;
	all = span_json(str_trim(arena_str(e->arena, buf_str(state))));
	if (!json_each(all, &it)) {
		put_item(e, all, items);
		return;
	}
	while (scan_element(&it))
		put_item(e, scan_value(&it), items);
}

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
