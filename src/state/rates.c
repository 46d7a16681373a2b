/*
 * The table of rates. A key has a row, found by its mark: its buckets, and words for the first of
 * its permits; further permits stand in further rows, found by the mark and their number. A permit
 * is held by writing the holder's number into its word.
 *
 * A row that holds nothing (full buckets, no permit of a process that lives) says nothing that a
 * fresh one would not say, so it may be taken over by another key when there is no free one. A
 * process that is just about to use it may then do so under the wrong name: one request more or
 * less, in a table that is full.
 *
 * Failures are counted in sets of a few ways, found by a hash that nobody outside can compute. Who
 * has failed more than once is never pushed out by others; a newcomer who finds no way is told so.
 */
#include "state/rates.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "state/place.h"

#define RATES_MAGIC UINT64_C(0x3173657461722d6d)
#define RATES_VERSION 1
/* Apache serves no name that begins so, wherever state.dir is. */
#define RATES_FILE ".htmessages-rates"
#define ROWS 1024
#define PROBES 32                       /* rows that are looked at for a mark */
#define ROW_PERMITS 28
#define SETS 512
#define WAYS 8
#define PATH_SIZE 4000

struct row {
	_Atomic uint64_t mark;          /* 0: free */
	_Atomic int64_t bucket[RATE_KINDS];
	_Atomic uint64_t permit[ROW_PERMITS];   /* holder, 0: free */
};

struct failure {
	_Atomic uint64_t id;            /* 0: free */
	_Atomic int64_t bucket;
};

struct table {
	struct place_head place;
	struct row rows[ROWS];
	struct failure failures[FAILURE_KINDS][SETS][WAYS];
};

static struct {
	pthread_mutex_t lock;
	_Atomic bool open;
	char dir[PATH_SIZE];            /* "": none */
	uint64_t mark;
	bool may_map;
} rates = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct place shared = PLACE_INIT;

/* ---- the table ---- */

void rates_setup(const char *state_dir, uint64_t mark, bool may_map)
{
	rates_close();
	snprintf(rates.dir, sizeof(rates.dir), "%s", state_dir ? state_dir : "");
	rates.mark = mark;
	rates.may_map = may_map;
}

void rates_close(void)
{
	pthread_mutex_lock(&rates.lock);
	if (rates.open)
		place_close(&shared);
	rates.open = false;
	pthread_mutex_unlock(&rates.lock);
}

static void open_table(void)
{
	static const struct shared_head head = { RATES_MAGIC, RATES_VERSION, sizeof(struct table) };

	pthread_mutex_lock(&rates.lock);
	if (!rates.open) {
		if (place_open(&shared, *rates.dir ? rates.dir : NULL, RATES_FILE, rates.mark,
			       &head, rates.may_map))
			log_warn("limits of keys: no file for what processes share (%s); each "
				 "counts for itself", strerror(errno));
		rates.open = true;
	}
	pthread_mutex_unlock(&rates.lock);
}

static struct table *enter(void)
{
	if (!atomic_load(&rates.open))
		open_table();
	return place_enter(&shared);
}

static void leave(void)
{
	place_leave(&shared);
}

const char *rates_kind(void)
{
	static const char *const names[] = {
		[PLACE_NONE] = "none", [PLACE_MAPPED] = "shared memory",
		[PLACE_LOCKED] = "a locked file", [PLACE_PRIVATE] = "this process alone",
	};

	enter();
	leave();
	return names[shared.kind];
}

uint64_t rates_secret(void)
{
	struct table *t = enter();
	uint64_t secret = t ? atomic_load(&t->place.secret) : 0;

	leave();
	return secret;
}

/* ---- rows ---- */

static bool holds_permit(const struct row *r)
{
	for (size_t i = 0; i < ROW_PERMITS; i++) {
		uint64_t holder = atomic_load(&r->permit[i]);

		if (holder && place_alive(&shared, (uint32_t)holder))
			return true;
	}
	return false;
}

static bool holds_nothing(const struct row *r, int64_t now)
{
	for (size_t i = 0; i < RATE_KINDS; i++)
		if (bucket_full_ms(atomic_load(&r->bucket[i]), now))
			return false;
	return !holds_permit(r);
}

/* The row of that mark, or a free one made it, among the few where it may stand. */
static struct row *find_row(struct table *t, uint64_t mark)
{
	for (size_t i = 0; i < PROBES; i++) {
		struct row *r = &t->rows[(mark + i) % ROWS];
		uint64_t seen = atomic_load(&r->mark);

		if (seen == 0 && atomic_compare_exchange_strong(&r->mark, &seen, mark))
			return r;
		if (seen == mark)
			return r;
	}
	return NULL;
}

static struct row *take_over(struct table *t, uint64_t mark)
{
	int64_t now = bucket_now();

	for (size_t i = 0; i < PROBES; i++) {
		struct row *r = &t->rows[(mark + i) % ROWS];
		uint64_t seen = atomic_load(&r->mark);

		if (holds_nothing(r, now) && atomic_compare_exchange_strong(&r->mark, &seen, mark))
			return r;
	}
	return NULL;
}

/* NULL when all rows where it may stand are in use: then nothing is counted. */
static struct row *row_of(struct table *t, uint64_t mark)
{
	struct row *r;

	if (!t)
		return NULL;
	if (!mark)
		mark = 1;
	r = find_row(t, mark);
	return r ? r : take_over(t, mark);
}

/* ---- buckets ---- */

/* Changes the word by `n`, or (least >= 0) as far as `least` of it are there; what it holds before
 * that is told in *out. */
static int64_t change(_Atomic int64_t *word, const struct bucket_rule *rule, int64_t n,
		      int64_t least, struct rate *out)
{
	int64_t was = atomic_load(word), now, taken, next;

	do {
		now = bucket_now();
		out->left = bucket_left(was, now, rule);
		out->wait_ms = least < 0 ? 0 : bucket_wait_ms(was, now, rule, least);
		taken = out->wait_ms ? 0 : least >= 0 && n > out->left ? out->left : n;
		next = taken ? bucket_take(was, now, rule, taken) : was;
	} while (next != was && !atomic_compare_exchange_weak(word, &was, next));
	out->left -= taken;
	out->full_ms = bucket_full_ms(next, now);
	return taken;
}

static int64_t with_row(uint64_t mark, enum rate_kind kind, int64_t limit, int64_t n, int64_t least,
			struct rate *out)
{
	struct bucket_rule rule = { .limit = limit, .window_ms = RATE_WINDOW_MS };
	struct table *t = enter();
	struct row *r = row_of(t, mark);
	int64_t taken = n;

	*out = (struct rate){ .limit = limit, .left = limit };
	if (r)
		taken = change(&r->bucket[kind], &rule, n, least, out);
	leave();
	return taken;
}

bool rate_take(uint64_t mark, enum rate_kind kind, int64_t limit, int64_t n, struct rate *out)
{
	with_row(mark, kind, limit, n, n, out);
	return !out->wait_ms;
}

int64_t rate_reserve(uint64_t mark, enum rate_kind kind, int64_t limit, int64_t n,
		     struct rate *out)
{
	return with_row(mark, kind, limit, n, 0, out);
}

void rate_settle(uint64_t mark, enum rate_kind kind, int64_t limit, int64_t n)
{
	struct rate unused;

	with_row(mark, kind, limit, n, -1, &unused);
}

void rate_look(uint64_t mark, enum rate_kind kind, int64_t limit, struct rate *out)
{
	with_row(mark, kind, limit, 0, 1, out);
}

/* ---- permits ---- */

/* Of a key's rows the first is its own; the golden ratio spreads the others. */
static uint64_t block_mark(uint64_t mark, int block)
{
	return mark + (uint64_t)block * UINT64_C(0x9e3779b97f4a7c15);
}

/* Holders that were seen alive in this look: to ask the kernel costs a system call. */
struct living {
	uint64_t holder[16];
};

static bool is_dead(struct living *l, uint64_t holder)
{
	uint64_t *known = &l->holder[holder % 16];

	if (*known == holder)
		return false;
	if (!place_alive(&shared, (uint32_t)holder))
		return true;
	*known = holder;
	return false;
}

/* l: NULL to leave the dead alone. */
static bool take_word(_Atomic uint64_t *word, uint32_t self, struct living *l)
{
	uint64_t seen = atomic_load(word);

	if (seen && !(l && is_dead(l, seen)))
		return false;
	return atomic_compare_exchange_strong(word, &seen, self);
}

/* True when one was taken, or when a row is missing: then nothing can be counted. */
static bool take_any(struct table *t, uint64_t mark, int limit, uint32_t self, struct living *l,
		     struct permit *p)
{
	struct row *r = NULL;

	for (int i = 0; i < limit; i++) {
		if (i % ROW_PERMITS == 0)
			r = row_of(t, block_mark(mark, i / ROW_PERMITS));
		if (!r)
			return true;
		if (!take_word(&r->permit[i % ROW_PERMITS], self, l))
			continue;
		*p = (struct permit){ (uint32_t)(r - t->rows), (uint32_t)(i % ROW_PERMITS), self };
		return true;
	}
	return false;
}

bool permit_take(uint64_t mark, int limit, struct permit *p)
{
	struct table *t = enter();
	uint32_t self = t ? place_self(&shared) : 0;
	struct living living = { { 0 } };
	bool ok;

	*p = (struct permit){ 0, 0, 0 };
	/* Who has died is asked only when there is no other way: a system call each. */
	ok = !self || take_any(t, mark, limit, self, NULL, p) ||
	     take_any(t, mark, limit, self, &living, p);
	leave();
	return ok;
}

void permit_give(struct permit *p)
{
	struct table *t = p->word ? enter() : NULL;
	uint64_t mine = p->word;

	if (t)
		atomic_compare_exchange_strong(&t->rows[p->row].permit[p->place], &mine, 0);
	if (p->word)
		leave();
	p->word = 0;
}

/* ---- failures ---- */

static struct failure *find_failure(struct failure *set, uint64_t id)
{
	for (size_t i = 0; i < WAYS; i++)
		if (atomic_load(&set[i].id) == id)
			return &set[i];
	return NULL;
}

/* The way of whoever has failed longest ago, as long as that was not more than once. */
static struct failure *oldest(struct failure *set, const struct bucket_rule *r)
{
	int64_t now = bucket_now(), least = bucket_full_ms(bucket_take(0, now, r, 1), now) + 1;
	struct failure *found = NULL;

	for (size_t i = 0; i < WAYS; i++) {
		int64_t full = bucket_full_ms(atomic_load(&set[i].bucket), now);

		if (!atomic_load(&set[i].id))
			return &set[i];
		if (full < least) {
			least = full;
			found = &set[i];
		}
	}
	return found;
}

static struct failure *new_failure(struct failure *set, uint64_t id, const struct bucket_rule *r)
{
	for (size_t tries = 0; tries < WAYS; tries++) {
		struct failure *f = oldest(set, r);
		uint64_t seen = f ? atomic_load(&f->id) : 0;

		if (!f || !atomic_compare_exchange_strong(&f->id, &seen, id))
			continue;
		atomic_store(&f->bucket, 0);
		return f;
	}
	return NULL;
}

int64_t failure_wait_ms(enum failure_kind kind, uint64_t id, const struct bucket_rule *r)
{
	struct table *t = enter();
	uint64_t name = id ? id : 1;
	struct failure *f = t ? find_failure(t->failures[kind][name % SETS], name) : NULL;
	int64_t wait = f ? bucket_wait_ms(atomic_load(&f->bucket), bucket_now(), r, 1) : 0;

	leave();
	return wait;
}

bool failure_note(enum failure_kind kind, uint64_t id, const struct bucket_rule *r)
{
	struct table *t = enter();
	uint64_t name = id ? id : 1;
	struct failure *set = t ? t->failures[kind][name % SETS] : NULL;
	struct failure *f = set ? find_failure(set, name) : NULL;
	struct rate unused;

	if (set && !f)
		f = new_failure(set, name, r);
	if (f)
		change(&f->bucket, r, 1, -1, &unused);
	leave();
	return f || !t;
}
