/*
 * The host table: what all processes of one machine should know of each other, in one mapped file
 * of fixed slots. Only atomics, no locks: a process that is killed between two stores leaves a
 * value that is a little old, nothing else.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "state/host.h"
#include "state/note.h"
#include "state/shared.h"

#define HOST_MAGIC UINT64_C(0x31744f48732d666d)
#define HOST_VERSION 3
/* Apache serves no name that begins so, wherever state.dir is. */
#define HOST_FILE ".htmessages-host"
#define HEALTH_SLOTS 64
#define BREAKER_SLOTS 256

/* One backend's reachability. A slot is taken once by its name's hash and never given back. */
struct health_slot {
	_Atomic uint64_t name;   /* hash, 0: free */
	_Atomic int64_t claimed; /* wall ms when a probe was last begun */
	_Atomic int64_t checked; /* wall ms when its result was stored */
	_Atomic uint64_t result; /* latency + 1 (32 bits), status (16), reachable (1) */
};

/* The breaker of a backend, a key, or a key's model. Taken by the first failure: who never fails
 * has no slot. */
struct breaker_slot {
	_Atomic uint64_t name;   /* hash, 0: free */
	_Atomic uint64_t of;     /* hash of what it is a part of, 0: of nothing */
	_Atomic uint64_t word;   /* state/breaker.h */
	_Atomic uint64_t error;  /* count (32 bits), status (16), kind (16) */
	_Atomic int64_t failed;  /* wall ms of the last error */
	NOTE(HOST_LABEL) label;
	NOTE(HOST_ERROR_TEXT) text;
};

struct table {
	struct shared_head head;
	_Atomic uint64_t turn;
	struct health_slot health[HEALTH_SLOTS];
	struct breaker_slot breaker[BREAKER_SLOTS];
};

static struct table *table;

static uint64_t name_hash(const char *s)
{
	uint64_t h = str_hash(0, str_of(s));

	return h ? h : 1;
}

/* ---- the file ---- */

static const struct shared_head our_head = { HOST_MAGIC, HOST_VERSION, sizeof(struct table) };

static struct table *map_fd(int fd)
{
	void *p = mmap(NULL, sizeof(struct table), PROT_READ | PROT_WRITE,
		       fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

static struct table *open_file(const char *path)
{
	int fd = shared_open(path, &our_head);
	struct table *t = fd < 0 ? NULL : map_fd(fd);

	if (fd >= 0)
		close(fd);
	return t;
}

int host_open(const char *state_dir)
{
	char path[4000];
	int saved;

	host_close();
	if (state_dir)
		mkdir(state_dir, 0700); /* what can't be made can't be opened either */
	if (state_dir &&
	    snprintf(path, sizeof(path), "%s/%s", state_dir, HOST_FILE) < (int)sizeof(path))
		table = open_file(path);
	if (table)
		return 0;
	saved = errno;
	table = map_fd(-1);
	if (table)
		table->head = our_head;
	errno = saved;
	return state_dir || !table ? -1 : 0;
}

void host_close(void)
{
	if (table)
		munmap(table, sizeof(*table));
	table = NULL;
}

/* The backend's slot, taken now if it has none; NULL when all are taken. */
static struct health_slot *slot_of(const char *backend)
{
	uint64_t name = name_hash(backend);

	for (size_t i = 0; table && i < HEALTH_SLOTS; i++) {
		struct health_slot *s = &table->health[(name + i) % HEALTH_SLOTS];
		uint64_t seen = atomic_load(&s->name);

		if (seen == 0 && atomic_compare_exchange_strong(&s->name, &seen, name))
			return s;
		if (seen == name)
			return s;
	}
	return NULL;
}

bool host_health_claim(const char *backend, int64_t interval_ms)
{
	struct health_slot *s = slot_of(backend);
	int64_t last, now;

	if (!s)
		return false;
	/* In this order: what a rival claims after our look at the clock lies in our future. */
	last = atomic_load(&s->claimed);
	now = clock_wall_ms();
	/* A time in the future is a clock that was set back. */
	if (last && last <= now && last > now - interval_ms)
		return false;
	return atomic_compare_exchange_strong(&s->claimed, &last, now);
}

void host_health_get(const char *backend, struct host_health *out)
{
	struct health_slot *s = slot_of(backend);
	/* In this order, the other one than host_health_put's: the first result is never missed. */
	int64_t checked = s ? atomic_load(&s->checked) : 0;
	uint64_t r = s ? atomic_load(&s->result) : 0;

	*out = (struct host_health){
		.checked_wall_ms = checked,
		.latency_ms = (int32_t)((int64_t)(r >> 32) - 1),
		.status = (int32_t)((r >> 1) & 0xffff),
		.reachable = r & 1,
	};
}

void host_health_put(const char *backend, const struct host_health *h)
{
	struct health_slot *s = slot_of(backend);
	uint64_t latency = h->latency_ms < 0 ? 0 : (uint64_t)h->latency_ms + 1;

	if (!s)
		return;
	atomic_store(&s->result,
		     latency << 32 | (uint64_t)(h->status & 0xffff) << 1 | (h->reachable ? 1 : 0));
	atomic_store(&s->checked, h->checked_wall_ms);
}

/* ---- breakers ---- */

/* Nobody waits for what this slot says any more. */
static bool is_stale(const struct breaker_slot *s)
{
	struct breaker b = breaker_read(atomic_load(&s->word));

	return b.phase == BREAKER_CLOSED || b.until + BREAKER_REST_MAX_MS < clock_wall_ms();
}

/* Gives a full table's first stale slot to `name`: clients make up names of models. It never
 * becomes free in between, or others would not find what stands behind it. */
static struct breaker_slot *take_over(uint64_t name)
{
	for (size_t i = 0; i < BREAKER_SLOTS; i++) {
		struct breaker_slot *s = &table->breaker[(name + i) % BREAKER_SLOTS];
		uint64_t seen = atomic_load(&s->name);

		if (seen == name)
			return s;
		if (!is_stale(s))
			continue;
		if (!atomic_compare_exchange_strong(&s->name, &seen, name)) {
			/* Taken just now, maybe for the same name. */
			if (seen == name)
				return s;
			continue;
		}
		atomic_store(&s->of, 0);
		atomic_store(&s->word, BREAKER_WELL);
		atomic_store(&s->error, 0);
		atomic_store(&s->failed, 0);
		return s;
	}
	return NULL;
}

/* NULL when it has none and `make` is false, or all are taken: it counts as closed then. */
static struct breaker_slot *breaker_of(const char *of, bool make)
{
	uint64_t name = name_hash(of);

	for (size_t i = 0; table && i < BREAKER_SLOTS; i++) {
		struct breaker_slot *s = &table->breaker[(name + i) % BREAKER_SLOTS];
		uint64_t seen = atomic_load(&s->name);

		if (seen == 0 && !make)
			return NULL;
		if (seen == 0 && atomic_compare_exchange_strong(&s->name, &seen, name))
			return s;
		if (seen == name)
			return s;
	}
	return table && make ? take_over(name) : NULL;
}

bool host_breaker_ask(const char *name, int64_t *until)
{
	struct breaker_slot *s = breaker_of(name, false);
	uint64_t word = s ? atomic_load(&s->word) : 0, next;

	do {
		*until = breaker_read(word).until;
		if (!breaker_ask(word, clock_wall_ms(), &next))
			return false;
		if (next == word)
			return true;
	} while (!atomic_compare_exchange_weak(&s->word, &word, next));
	return true;
}

bool host_breaker_ready(const char *name)
{
	struct breaker_slot *s = breaker_of(name, false);
	uint64_t next;

	return !s || breaker_ask(atomic_load(&s->word), clock_wall_ms(), &next);
}

static void note_error(struct breaker_slot *s, const struct host_error *e)
{
	uint64_t was = atomic_load(&s->error);
	uint64_t count = (was >> 32) + 1;

	/* Two at once may count as one: a figure for people. */
	atomic_store(&s->error, count << 32 | (uint64_t)(e->status & 0xffff) << 16 |
					(uint64_t)(e->kind & 0xffff));
	atomic_store(&s->failed, e->wall_ms);
	NOTE_PUT(s->text, e->text);
}

void host_breaker_well(const char *name)
{
	struct breaker_slot *s = breaker_of(name, false);

	if (s && atomic_load(&s->word) != BREAKER_WELL)
		atomic_store(&s->word, BREAKER_WELL);
}

static void well_if(const char *name, bool closed)
{
	struct breaker_slot *s = breaker_of(name, false);
	uint64_t word = s ? atomic_load(&s->word) : BREAKER_WELL;

	while (word != BREAKER_WELL && (breaker_read(word).phase == BREAKER_CLOSED) == closed &&
	       !atomic_compare_exchange_weak(&s->word, &word, BREAKER_WELL))
		;
}

void host_breaker_answers(const char *name)
{
	well_if(name, false);
}

void host_breaker_ended(const char *name)
{
	well_if(name, true);
}

void host_breaker_failed(const char *name, const struct breaker_rule *r,
			 const struct host_error *e)
{
	struct breaker_slot *s = breaker_of(name, true);
	uint64_t word, next;

	if (!s)
		return;
	note_error(s, e);
	word = atomic_load(&s->word);
	do {
		next = breaker_failed(word, clock_wall_ms(), r);
	} while (!atomic_compare_exchange_weak(&s->word, &word, next));
}

void host_breaker_rest(const char *name, int64_t ms, const struct breaker_rule *r,
		       const struct host_error *e)
{
	struct breaker_slot *s = breaker_of(name, true);
	uint64_t word, next;

	if (!s)
		return;
	note_error(s, e);
	word = atomic_load(&s->word);
	do {
		next = breaker_rest(word, clock_wall_ms(), ms, r);
	} while (!atomic_compare_exchange_weak(&s->word, &word, next));
}

void host_breaker_release(const char *name)
{
	struct breaker_slot *s = breaker_of(name, false);
	uint64_t word = s ? atomic_load(&s->word) : 0, next;

	if (!s)
		return;
	do {
		next = breaker_release(word, clock_wall_ms());
	} while (!atomic_compare_exchange_weak(&s->word, &word, next));
}

static void read_slot(struct breaker_slot *s, struct breaker *b, struct host_error *e)
{
	uint64_t error = atomic_load(&s->error);

	*b = breaker_read(atomic_load(&s->word));
	*e = (struct host_error){
		.wall_ms = atomic_load(&s->failed),
		.status = (int32_t)(error >> 16 & 0xffff),
		.kind = (int32_t)(error & 0xffff),
		.count = (uint32_t)(error >> 32),
	};
	if (e->wall_ms)
		NOTE_GET(s->text, e->text);
}

void host_breaker_get(const char *name, struct breaker *b, struct host_error *e)
{
	struct breaker_slot *s = breaker_of(name, false);

	*b = breaker_read(BREAKER_WELL);
	*e = (struct host_error){ .wall_ms = 0 };
	if (s)
		read_slot(s, b, e);
}

void host_breaker_label(const char *name, const char *of, const char *label)
{
	struct breaker_slot *s = breaker_of(name, false);
	uint64_t parent = name_hash(of);

	if (!s || atomic_load(&s->of) == parent)
		return;
	NOTE_PUT(s->label, label);
	atomic_store(&s->of, parent);
}

void host_breaker_each(const char *of, host_breaker_tell *tell, void *ctx)
{
	uint64_t parent = name_hash(of);

	for (size_t i = 0; table && i < BREAKER_SLOTS; i++) {
		struct breaker_slot *s = &table->breaker[i];
		char label[HOST_LABEL];
		struct host_error e;
		struct breaker b;

		if (atomic_load(&s->of) != parent)
			continue;
		NOTE_GET(s->label, label);
		read_slot(s, &b, &e);
		tell(ctx, label, &b, &e);
	}
}

uint64_t host_turn(void)
{
	return table ? atomic_fetch_add(&table->turn, 1) : 0;
}
