/*
 * Turns become groups: neighbours of one role together, system entries where the backend wants
 * them, turns without anything to say left out. Results are looked up by the id of their call, in a
 * table, since a request may hold any number of them.
 */
#include "dialect/openai_turns.h"

/* Call ids of one assistant turn: open addressing, since a request may hold any number of them. */
struct slot {
	struct span id;
	struct item *first, *last;
	unsigned calls;
};

struct slots {
	struct slot *v;
	size_t mask;
};

/* ---- groups ---- */

static bool says_something(enum role role, const struct block *b)
{
	switch (b->type) {
	case BLOCK_TEXT:
		return !span_blank(b->text);
	case BLOCK_THINKING:
	case BLOCK_REDACTED_THINKING:
		return false;
	case BLOCK_TOOL_USE:
		return role == ROLE_ASSISTANT;
	case BLOCK_SERVER_TOOL_USE:
	case BLOCK_SERVER_TOOL_RESULT:
		return role != ROLE_SYSTEM;
	case BLOCK_OTHER:
		return role == ROLE_USER || (role == ROLE_SYSTEM && history_is_tool_change(b)) ||
		       (role == ROLE_ASSISTANT && !span_blank(history_other_text(b)));
	default:
		return role == ROLE_USER;
	}
}

static bool turn_says_something(const struct turn *t)
{
	for (size_t i = 0; i < t->nblocks; i++) {
		if (says_something(t->role, &t->blocks[i]))
			return true;
	}
	return false;
}

static struct group *group_for(struct openai_encoder *e, struct groups *gs, enum role role)
{
	struct group *v;

	if (gs->n && gs->v[gs->n - 1].role == role)
		return &gs->v[gs->n - 1];
	v = arena_grow(e->arena, gs->v, gs->n, &gs->cap, sizeof(*v));
	if (!v)
		return NULL;
	gs->v = v;
	v[gs->n] = (struct group){ .role = role };
	return &v[gs->n++];
}

static void group_add(struct openai_encoder *e, struct group *g, const struct turn *t,
		      const struct block *b)
{
	struct item *v = g ? arena_grow(e->arena, g->items, g->n, &g->cap, sizeof(*v)) : NULL;

	if (!v)
		return;
	g->items = v;
	v[g->n++] = (struct item){ .block = b, .turn = t, .reminder = t->role == ROLE_SYSTEM };
}

void openai_collect_groups(struct openai_encoder *e, struct groups *gs)
{
	const struct message_request *r = e->request;
	bool to_user = e->backend->mid_system == MID_SYSTEM_USER;

	for (size_t i = 0; i < r->nturns; i++) {
		const struct turn *t = &r->turns[i];
		bool system = t->role == ROLE_SYSTEM;
		struct group *g;

		if (!turn_says_something(t) ||
		    (system && e->backend->mid_system == MID_SYSTEM_HOIST))
			continue;
		g = group_for(e, gs, system && to_user ? ROLE_USER : t->role);
		for (size_t j = 0; j < t->nblocks; j++)
			group_add(e, g, t, &t->blocks[j]);
	}
}

/* ---- calls and their results ---- */

static size_t hash_of(struct span id)
{
	uint64_t h = 14695981039346656037u; /* FNV-1a */

	for (size_t i = 0; i < id.n; i++)
		h = (h ^ (unsigned char)id.p[i]) * 1099511628211u;
	return (size_t)(h ^ h >> 32);
}

static bool slots_init(struct openai_encoder *e, struct slots *t, size_t ids)
{
	size_t size = 8;

	while (size < ids * 2)
		size *= 2;
	t->mask = size - 1;
	t->v = arena_alloc(e->arena, size * sizeof(*t->v));
	return t->v != NULL;
}

static struct slot *slot_of(struct slots *t, struct span id)
{
	size_t i = hash_of(id) & t->mask;

	while (span_given(t->v[i].id) && !span_eq(t->v[i].id, id))
		i = (i + 1) & t->mask;
	t->v[i].id = id;
	return &t->v[i];
}

static void slots_add_results(struct slots *t, struct group *g)
{
	for (size_t i = 0; g && i < g->n; i++) {
		struct item *it = &g->items[i];
		struct slot *s;

		if (it->block->type != BLOCK_TOOL_RESULT)
			continue;
		s = slot_of(t, it->block->id);
		if (s->last)
			s->last->next_same = it;
		else
			s->first = it;
		s->last = it;
	}
}

/* A client that was shown a call twice sends it twice: the second one stays only if it has a result
 * of its own. */
size_t openai_pair_calls(struct openai_encoder *e, const struct group *g, struct group *user,
			 struct call **out)
{
	struct slots t;
	size_t n = 0;

	*out = arena_alloc(e->arena, g->n * sizeof(**out));
	if (!*out || !slots_init(e, &t, g->n + (user ? user->n : 0)))
		return 0;
	slots_add_results(&t, user);
	for (size_t i = 0; i < g->n; i++) {
		const struct block *b = g->items[i].block;
		struct slot *s;

		if (b->type != BLOCK_TOOL_USE)
			continue;
		s = slot_of(&t, b->id);
		if (s->calls && !s->first)
			continue;
		(*out)[n++] = (struct call){ b, s->first, s->calls++ };
		if (s->first) {
			s->first->used = true;
			s->first = s->first->next_same;
		}
	}
	return n;
}
