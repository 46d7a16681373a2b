/*
 * Open addressing over a few neighbouring slots: a text is in one of WAYS places, and a new one
 * takes an empty place or that of the entry which was not asked for the longest. Where the bytes
 * run out, entries go in the order of the table.
 */
#include "base/memo.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WAYS 4

struct entry {
	const char *kind;
	size_t ntext, nmade;
	uint64_t used;          /* when it was last asked for, in questions */
	char bytes[];           /* the text, then what was made of it */
};

static struct entry *table[MEMO_ENTRIES];
static size_t total, hand;      /* bytes kept; where the next one goes when they run out */
static uint64_t questions;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Schemas begin and end alike, so words from all over the text count. */
static size_t place_of(const char *kind, struct str text)
{
	uint64_t h = (uintptr_t)kind ^ text.n * UINT64_C(0x9e3779b97f4a7c15), word;
	size_t step = text.n / 16;

	for (size_t at = 0; step >= sizeof(word) && at + sizeof(word) <= text.n; at += step) {
		memcpy(&word, text.p + at, sizeof(word));
		h = (h ^ word) * UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 32;
	}
	for (size_t at = 0; step < sizeof(word) && at < text.n; at++)
		h = (h ^ (unsigned char)text.p[at]) * UINT64_C(0x100000001b3);
	return (size_t)(h ^ h >> 29) % (MEMO_ENTRIES / WAYS) * WAYS;
}

static bool is(const struct entry *e, const char *kind, struct str text)
{
	return e && e->kind == kind && e->ntext == text.n && !memcmp(e->bytes, text.p, text.n);
}

static void drop(size_t i)
{
	if (table[i])
		total -= table[i]->ntext + table[i]->nmade;
	free(table[i]);
	table[i] = NULL;
}

bool memo_find(const char *kind, struct str text, void (*take)(void *ctx, struct str made),
	       void *ctx)
{
	struct entry *e = NULL;
	size_t at;

	if (!text.n || text.n > MEMO_TEXT_MAX)
		return false;
	at = place_of(kind, text);
	pthread_mutex_lock(&lock);
	for (size_t i = at; i < at + WAYS && !e; i++)
		if (is(table[i], kind, text))
			e = table[i];
	if (e) {
		e->used = ++questions;
		take(ctx, (struct str){ e->bytes + e->ntext, e->nmade });
	}
	pthread_mutex_unlock(&lock);
	return e != NULL;
}

/* Of the places at `at`: that of the same text, else an empty one, else the one used least. */
static size_t choose(size_t at, const char *kind, struct str text)
{
	size_t best = at;

	for (size_t i = at; i < at + WAYS; i++) {
		if (is(table[i], kind, text))
			return i;
		if (table[best] && (!table[i] || table[i]->used < table[best]->used))
			best = i;
	}
	return best;
}

static void put(struct entry *e, struct str text)
{
	size_t at = choose(place_of(e->kind, text), e->kind, text);

	drop(at);
	for (size_t i = 0; i < MEMO_ENTRIES && total + e->ntext + e->nmade > MEMO_BYTES; i++)
		drop(hand++ % MEMO_ENTRIES);
	e->used = ++questions;
	total += e->ntext + e->nmade;
	table[at] = e;
}

void memo_keep(const char *kind, struct str text, struct str made)
{
	struct entry *e;

	if (!text.n || text.n > MEMO_TEXT_MAX || made.n > MEMO_TEXT_MAX)
		return;
	e = malloc(sizeof(*e) + text.n + made.n);
	if (!e)
		return;
	*e = (struct entry){ .kind = kind, .ntext = text.n, .nmade = made.n };
	memcpy(e->bytes, text.p, text.n);
	if (made.n)
		memcpy(e->bytes + text.n, made.p, made.n);
	pthread_mutex_lock(&lock);
	put(e, text);
	pthread_mutex_unlock(&lock);
}

void memo_trim(void)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < MEMO_ENTRIES; i++)
		drop(i);
	pthread_mutex_unlock(&lock);
}
