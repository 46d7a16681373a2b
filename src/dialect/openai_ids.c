/*
 * Call ids on their way to a backend. Most take any; Mistral takes exactly nine letters and digits,
 * and a conversation may hold ids of any other provider. Those become a hash of themselves, always
 * the same one, so that prompts keep their prefix; a table of the request's own calls makes sure
 * that no two share one.
 */
#include <string.h>

#include "dialect/openai_encode.h"

#define DIGITS_PER_HASH 9 /* of 62: 54 bits of 64 */
#define CODE_MAX 32 /* letters; options.c allows no more */

struct call_id {
	struct str id;       /* with the number of its repetition; p NULL: a free slot */
	char code[CODE_MAX];
};

struct call_ids {
	struct call_id *v;
	size_t mask;
};

static size_t count_calls(const struct message_request *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->nturns; i++) {
		for (size_t j = 0; j < r->turns[i].nblocks; j++)
			n += r->turns[i].blocks[j].type == BLOCK_TOOL_USE ||
			     r->turns[i].blocks[j].type == BLOCK_TOOL_RESULT;
	}
	return n;
}

static struct call_ids *ids_of(struct openai_encoder *e)
{
	size_t size = 8, want;

	if (e->ids)
		return e->ids;
	want = 2 * count_calls(e->request);
	while (size < want)
		size *= 2;
	e->ids = arena_alloc(e->arena, sizeof(*e->ids));
	if (!e->ids)
		return NULL;
	e->ids->mask = size - 1;
	e->ids->v = arena_alloc(e->arena, size * sizeof(*e->ids->v));
	return e->ids->v ? e->ids : NULL;
}

static bool fits(struct str id, size_t length)
{
	size_t n = 0;

	while (n < id.n && ((id.p[n] >= '0' && id.p[n] <= '9') ||
			    (id.p[n] >= 'A' && id.p[n] <= 'Z') ||
			    (id.p[n] >= 'a' && id.p[n] <= 'z')))
		n++;
	return n == length && n == id.n;
}

/* The id itself where it fits, else its hash; every attempt gives another one. */
static void make_code(struct str id, size_t length, unsigned attempt, char code[CODE_MAX])
{
	static const char digits[] =
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	uint64_t h = 0;

	memset(code, 0, CODE_MAX);
	if (!attempt && fits(id, length)) {
		memcpy(code, id.p, length);
		return;
	}
	for (size_t i = 0; i < length; i++) {
		if (i % DIGITS_PER_HASH == 0)
			h = str_hash(attempt << 8 | i, id);
		code[i] = digits[h % (sizeof(digits) - 1)];
		h /= sizeof(digits) - 1;
	}
}

/* The slot of a code, or the free one where it belongs: slots are found by the code, so that two
 * ids of one code meet. The table has more slots than there are ids. */
static struct call_id *slot_of(struct call_ids *t, const char *code)
{
	uint64_t word[CODE_MAX / sizeof(uint64_t)], h = 0;
	size_t at;

	memcpy(word, code, CODE_MAX);
	for (size_t i = 0; i < sizeof(word) / sizeof(*word) && word[i]; i++)
		h = (h ^ word[i]) * UINT64_C(0x9e3779b97f4a7c15);
	at = (size_t)(h >> 32);
	while (t->v[at & t->mask].id.p && memcmp(t->v[at & t->mask].code, code, CODE_MAX) != 0)
		at++;
	return &t->v[at & t->mask];
}

struct str openai_short_id(struct openai_encoder *e, struct str id)
{
	size_t length = (size_t)e->backend->call_id_length;
	struct call_ids *t = ids_of(e);
	struct call_id *slot = NULL;
	char code[CODE_MAX];

	for (unsigned attempt = 0; t && attempt < 256; attempt++) {
		make_code(id, length, attempt, code);
		slot = slot_of(t, code);
		if (!slot->id.p || str_eq(slot->id, id))
			break;
	}
	if (!slot)
		return STR_NONE;
	if (!slot->id.p) {
		slot->id = arena_str(e->arena, id);
		memcpy(slot->code, code, CODE_MAX);
	}
	return (struct str){ slot->code, length };
}
