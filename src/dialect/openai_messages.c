/*
 * The conversation as openai-chat messages. Two steps: turns become groups (neighbours of one role
 * together, system entries where the backend wants them, turns without anything to say left out),
 * then groups become messages.
 *
 * What backends insist on, and clients' histories don't always hold: each call of an assistant
 * message is answered by exactly one tool message directly behind it, in the order of the calls. So
 * results are looked up by call; a call without one gets a sentence, a result without a call
 * becomes text of the user. Everything else of that user turn comes after the last tool message.
 */
#include <string.h>

#include "dialect/openai_turns.h"

#define LITERAL(text) span_utf8(STR(text))
#define BILLING_MARK "x-anthropic-billing-header:"
#define PARAGRAPH "\\n\\n" /* between texts that become one string, as JSON string content */
#define NEW_LINE "\\n"
#define NO_OUTPUT "(no output)"
#define FAILED "[The call failed.]"
#define BETWEEN "I have the results."

/* ---- system ---- */

/*
 * Claude Code begins its system text with a line that changes with every request, so a prefix cache
 * never matches. Only Anthropic's own API takes it out itself.
 */
static struct span without_billing(struct span text)
{
	bool escaped = text.form == SPAN_STR;

	if (!str_starts((struct str){ text.p, text.n }, BILLING_MARK))
		return text;
	for (size_t i = 0; i < text.n; i++) {
		size_t step = escaped && text.p[i] == '\\' ? 2 : 1;
		bool line_end =
			step == 2 ? i + 1 < text.n && text.p[i + 1] == 'n' : text.p[i] == '\n';

		if (line_end)
			return (struct span){ text.p + i + step, text.n - i - step, text.form };
		i += step - 1;
	}
	return (struct span){ text.p, 0, text.form };
}

static void add_system_block(struct parts *ps, const struct block *b)
{
	struct span text = history_system_text(ps->e, b);

	if (!ps->e->backend->billing_header)
		text = without_billing(text);
	if (span_blank(text))
		return;
	parts_text(ps, text);
	parts_cache(ps, b->cache_control);
}

static void begin_message(struct openai_encoder *e, const char *role, bool *first)
{
	struct segs *s = e->body;

	segs_puts(s, *first ? "{\"role\":\"" : ",{\"role\":\"");
	segs_puts(s, role);
	segs_puts(s, "\"");
	*first = false;
}

static void put_plain_message(struct openai_encoder *e, const char *role, struct parts *ps,
			      bool *first)
{
	if (!ps->n)
		return;
	begin_message(e, role, first);
	segs_puts(e->body, ",\"content\":");
	parts_write(ps, PARAGRAPH);
	segs_puts(e->body, "}");
}

void openai_system_parts(struct parts *ps)
{
	struct openai_encoder *e = ps->e;
	const struct message_request *r = e->request;

	parts_init(ps, e, WANT_TEXT);
	for (size_t i = 0; i < r->nsystem; i++)
		add_system_block(ps, &r->system[i]);
	for (size_t i = 0; e->backend->mid_system == MID_SYSTEM_HOIST && i < r->nturns; i++) {
		for (size_t j = 0; r->turns[i].role == ROLE_SYSTEM && j < r->turns[i].nblocks; j++)
			add_system_block(ps, &r->turns[i].blocks[j]);
	}
}

static void put_system(struct openai_encoder *e, bool *first)
{
	struct parts ps = { .e = e };

	openai_system_parts(&ps);
	put_plain_message(e, "system", &ps, first);
}

static void put_mid_system(struct openai_encoder *e, const struct group *g, bool *first)
{
	struct parts ps;

	parts_init(&ps, e, WANT_TEXT);
	for (size_t i = 0; i < g->n; i++)
		add_system_block(&ps, g->items[i].block);
	put_plain_message(e, "system", &ps, first);
}

/* ---- assistant ---- */

void openai_assistant_block(struct parts *ps, const struct block *b, bool glued)
{
	size_t before = ps->n;

	if (b->type == BLOCK_TEXT || b->type == BLOCK_SERVER_TOOL_USE ||
	    b->type == BLOCK_SERVER_TOOL_RESULT)
		parts_add(ps, b);
	else if (b->type == BLOCK_OTHER && !span_blank(history_other_text(b)))
		parts_text(ps, history_other_text(b));
	if (ps->n > before)
		ps->v[before].glued = glued;
}

/* Neighbouring texts of one turn are pieces of one text, cut where a citation begins or ends. */
bool openai_continues_text(const struct item *last, const struct item *it)
{
	return last->turn == it->turn && last->block->type == BLOCK_TEXT &&
	       it->block->type == BLOCK_TEXT;
}

static void add_assistant_texts(struct parts *ps, const struct group *g)
{
	for (size_t i = 0; i < g->n; i++) {
		const struct item *it = &g->items[i];

		openai_assistant_block(ps, it->block, i && openai_continues_text(it - 1, it));
	}
}

static void put_calls(struct openai_encoder *e, const struct call *calls, size_t n)
{
	struct segs *s = e->body;

	segs_puts(s, ",\"tool_calls\":[");
	for (size_t i = 0; i < n; i++) {
		segs_puts(s, i ? ",{\"id\":" : "{\"id\":");
		openai_put_id(e, calls[i].use->id, calls[i].repeat);
		segs_puts(s, ",\"type\":\"function\",\"function\":{\"name\":");
		openai_put_name(e, calls[i].use->name);
		segs_puts(s, ",\"arguments\":");
		segs_string(e->body, calls[i].use->input);
		segs_puts(s, "}}");
	}
	segs_puts(s, "]");
}

/* The thinking blocks of a group; how many there are in *n. */
static const struct block **thinking_of(struct openai_encoder *e, const struct group *g, size_t *n)
{
	const struct block **v = arena_alloc(e->arena, g->n * sizeof(*v));

	*n = 0;
	for (size_t i = 0; v && i < g->n; i++) {
		const struct block *b = g->items[i].block;

		if (b->type == BLOCK_THINKING || b->type == BLOCK_REDACTED_THINKING)
			v[(*n)++] = b;
	}
	return v;
}

static bool says_something(const struct parts *ps)
{
	for (size_t i = 0; i < ps->n; i++) {
		if (ps->v[i].kind != PART_JSON)
			return true;
	}
	return false;
}

/* Cohere's form: what is said beside calls is their plan, and the content holds thinking alone. */
static void put_plan(struct openai_encoder *e, struct parts *thinking, struct parts *plan)
{
	if (thinking->n) {
		segs_puts(e->body, ",\"content\":");
		parts_write(thinking, PARAGRAPH);
	}
	if (plan->n) {
		segs_puts(e->body, ",\"tool_plan\":");
		parts_write(plan, PARAGRAPH);
	}
}

static void put_content(struct openai_encoder *e, struct parts *ps)
{
	segs_puts(e->body, ",\"content\":");
	if (ps->n)
		parts_write(ps, PARAGRAPH);
	else
		segs_puts(e->body, "null");
}

/* last: nothing comes behind it, so it is the beginning of the answer. */
static void put_assistant(struct openai_encoder *e, const struct group *g, const struct call *calls,
			  size_t ncalls, bool last, bool *first)
{
	size_t nthinking;
	const struct block **thinking = thinking_of(e, g, &nthinking);
	bool plan = ncalls && e->backend->tool_plan;
	struct parts ps, beside;

	parts_init(&ps, e, WANT_TEXT);
	parts_init(&beside, e, WANT_TEXT);
	openai_add_reasoning(&ps, thinking, nthinking);
	add_assistant_texts(plan ? &beside : &ps, g);
	if (!says_something(&ps) && !ncalls)
		return;
	begin_message(e, "assistant", first);
	openai_put_reasoning(e, thinking, nthinking, ncalls > 0);
	if (last && !ncalls && e->backend->prefill_member)
		segs_puts(e->body,
			  arena_printf(e->arena, ",\"%s\":true", e->backend->prefill_member));
	if (plan)
		put_plan(e, &ps, &beside);
	else
		put_content(e, &ps);
	if (ncalls)
		put_calls(e, calls, ncalls);
	segs_puts(e->body, "}");
}

/* ---- tool messages ---- */

static bool begins_with_error(const struct block *b)
{
	return b->nblocks && b->blocks[0].type == BLOCK_TEXT && b->blocks[0].text.n >= 5 &&
	       !memcmp(b->blocks[0].text.p, "Error", 5);
}

/* What a result says, as parts; the API's is_error has no counterpart but words. */
void openai_result_parts(struct parts *ps, const struct block *b)
{
	size_t at = ps->n;

	for (size_t i = 0; i < b->nblocks; i++)
		parts_add(ps, &b->blocks[i]);
	if (ps->n == at || (b->is_error && ps->v[at].kind != PART_TEXT))
		parts_note(ps, b->is_error && ps->n > at ? FAILED : NO_OUTPUT);
	if (ps->n > at && b->is_error && !begins_with_error(b))
		ps->v[at].lead = "Error: ";
	parts_cache(ps, b->cache_control);
}

static void put_tool_message(struct openai_encoder *e, const struct call *c, struct parts *ps,
			     bool *first)
{
	begin_message(e, "tool", first);
	segs_puts(e->body, ",\"tool_call_id\":");
	openai_put_id(e, c->use->id, c->repeat);
	if (e->backend->tool_result_name) {
		segs_puts(e->body, ",\"name\":");
		openai_put_name(e, c->use->name);
	}
	segs_puts(e->body, ",\"content\":");
	parts_write(ps, NEW_LINE);
	segs_puts(e->body, "}");
}

/* A call's id as the backend knows it. */
static struct span upstream_id(struct openai_encoder *e, struct span id)
{
	struct buf *text = &e->scratch;

	buf_reset(text);
	if (id_to_upstream(text, id))
		return id;
	return span_utf8(arena_buf(e->arena, text));
}

/* Media of a result that its tool message could not hold, with a line that says where it belongs.
 */
static void add_left_media(struct parts *ps, const struct block *result, unsigned left)
{
	unsigned want = ps->want;
	size_t before = ps->n;
	struct part *p = parts_text(ps, LITERAL("From the result of tool call "));

	parts_piece(ps, p, upstream_id(ps->e, result->id));
	parts_piece(ps, p, LITERAL(":"));
	ps->want = left;
	for (size_t i = 0; i < result->nblocks; i++)
		parts_add(ps, &result->blocks[i]);
	ps->want = want;
	if (p && ps->n == before + 1)
		ps->n = before;
}

static void add_orphan(struct parts *ps, const struct block *result)
{
	struct part *p = parts_text(ps, LITERAL("[Result of tool call "));

	parts_piece(ps, p, upstream_id(ps->e, result->id));
	parts_piece(ps, p, LITERAL(", recorded without its call]"));
	openai_result_parts(ps, result);
}

static void add_reminder(struct parts *ps, const struct block *b)
{
	struct span text = history_system_text(ps->e, b);
	struct part *p;

	if (!span_given(text))
		return;
	p = parts_text(ps, LITERAL("<system-reminder>\n"));
	parts_piece(ps, p, text);
	parts_piece(ps, p, LITERAL("\n</system-reminder>"));
	parts_cache(ps, b->cache_control);
}

void openai_user_parts(struct parts *ps, const struct group *g, unsigned left)
{
	for (size_t i = 0; left && i < g->n; i++) {
		if (g->items[i].used)
			add_left_media(ps, g->items[i].block, left);
	}
	for (size_t i = 0; i < g->n; i++) {
		const struct item *it = &g->items[i];

		if (it->used)
			continue;
		if (it->reminder)
			add_reminder(ps, it->block);
		else if (it->block->type == BLOCK_TOOL_RESULT)
			add_orphan(ps, it->block);
		else if (it->block->type != BLOCK_TOOL_USE)
			parts_add(ps, it->block);
	}
}

/* What a user message takes; whoever has document_url fetches documents. */
static unsigned user_wants(const struct openai_encoder *e)
{
	return e->backend->plain_parts ? WANT_ALL | WANT_FILE_URLS : WANT_ALL;
}

static void add_user(struct parts *ps, const struct group *g)
{
	openai_user_parts(ps, g, WANT_FILES | (ps->e->backend->tool_images ? 0 : WANT_IMAGES));
}

static void put_between(struct openai_encoder *e, bool *first)
{
	begin_message(e, "assistant", first);
	segs_puts(e->body, ",\"content\":\"" BETWEEN "\"}");
}

/*
 * Some chat templates refuse a user message after a tool message. Then the user's text goes into
 * the last tool message; where it comes with media, which that can't hold, a short assistant
 * message stands between.
 */
static void merge_user(struct openai_encoder *e, struct group *user, struct parts *last)
{
	struct parts ps;

	parts_init(&ps, e, user_wants(e));
	add_user(&ps, user);
	if (ps.media)
		return;
	for (size_t i = 0; i < ps.n; i++) {
		struct part *p = parts_text(last, SPAN_ABSENT);

		if (p)
			*p = ps.v[i];
	}
	last->cached = last->cached || ps.cached;
	user->done = true;
}

static void put_results(struct openai_encoder *e, const struct call *calls, size_t n,
			struct group *user, bool directly, bool *first)
{
	bool merge = e->backend->tool_result_merge && user && directly;

	for (size_t i = 0; i < n; i++) {
		struct parts ps;

		parts_init(&ps, e, WANT_TEXT | (e->backend->tool_images ? WANT_IMAGES : 0));
		if (calls[i].result)
			openai_result_parts(&ps, calls[i].result->block);
		else
			parts_note(&ps, NO_RESULT);
		if (merge && i + 1 == n)
			merge_user(e, user, &ps);
		put_tool_message(e, &calls[i], &ps, first);
	}
	if (merge && n && !user->done)
		put_between(e, first);
}

/* ---- the whole ---- */

static struct group *next_user(struct groups *gs, size_t i)
{
	for (i++; i < gs->n && gs->v[i].role != ROLE_ASSISTANT; i++) {
		if (gs->v[i].role == ROLE_USER)
			return &gs->v[i];
	}
	return NULL;
}

static void put_group(struct openai_encoder *e, struct groups *gs, size_t i, bool *first)
{
	struct group *g = &gs->v[i];

	if (g->role == ROLE_ASSISTANT) {
		struct group *user = next_user(gs, i);
		struct call *calls;
		size_t n = openai_pair_calls(e, g, user, &calls);

		put_assistant(e, g, calls, n, i + 1 == gs->n, first);
		put_results(e, calls, n, user, user == g + 1, first);
	} else if (g->role == ROLE_SYSTEM) {
		put_mid_system(e, g, first);
	} else if (!g->done) {
		struct parts ps;

		parts_init(&ps, e, user_wants(e));
		add_user(&ps, g);
		put_plain_message(e, "user", &ps, first);
	}
}

void openai_put_messages(struct openai_encoder *e)
{
	struct groups gs = { 0 };
	bool first = true;

	if (!openai_member(e, "messages"))
		return;
	openai_collect_groups(e, &gs);
	segs_puts(e->body, "[");
	put_system(e, &first);
	for (size_t i = 0; i < gs.n; i++)
		put_group(e, &gs, i, &first);
	segs_puts(e->body, "]");
}
