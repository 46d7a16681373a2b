/*
 * Chains. A way is a member with one of its keys; the ways stand in the order in which they are
 * tried: the members as the router has ordered them, the keys of each beginning with the one whose
 * turn it is. run_message does one way; here stands what its end says about the backend and the
 * key, and whether another way is worth trying.
 */
#include "run/chain.h"

#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

struct way {
	struct target t;
	size_t member;
	bool done;                      /* tried, or there is no use in trying it any more */
};

struct chain {
	const struct chain_options *o;
	struct way *v;
	size_t n;
	struct way *now;
	struct sink sink, *next;
	bool answered;                  /* the way that is asked now has said something */
	int64_t deadline;               /* of all members together; 0: the only one's own */
	int64_t soonest;                /* wall ms at which a benched way may be tried */
};

static size_t ways_of(const struct target *t)
{
	return t->caller_key || !t->backend->nways ? 1 : t->backend->nways;
}

/* FNV-1a */
static uint64_t hash(const char *s)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
	return h;
}

static size_t whose_turn(const struct chain_options *o, size_t n)
{
	return n < 2 ? 0 : (size_t)((o->session ? hash(o->session) : host_turn()) % n);
}

static void add_member(struct chain *c, size_t member)
{
	const struct target *t = &c->o->chain.v[member];
	size_t n = ways_of(t), first = whose_turn(c->o, n);

	for (size_t i = 0; i < n; i++) {
		struct way *w = &c->v[c->n++];

		*w = (struct way){ .t = *t, .member = member };
		if (n > 1)
			w->t.backend = &t->backend->ways[(first + i) % n];
	}
}

static int fill(struct chain *c, struct fault *f)
{
	size_t n = 0;

	for (size_t i = 0; i < c->o->chain.n; i++)
		n += ways_of(&c->o->chain.v[i]);
	c->v = arena_alloc(c->o->run.arena, n * sizeof(*c->v));
	if (!c->v)
		return fault_no_memory(f);
	for (size_t i = 0; i < c->o->chain.n; i++)
		add_member(c, i);
	if (c->n > 1 && c->v[0].t.backend->timeout > 0)
		c->deadline = clock_ms() + c->v[0].t.backend->timeout * 1000LL;
	return 0;
}

/* ---- who may be asked ---- */

/* NULL where the key is the caller's: what becomes of it is no concern of others. */
static const char *key_of(const struct way *w)
{
	return w->t.caller_key ? NULL : w->t.backend->key_mark;
}

static bool ready(const struct way *w)
{
	const char *key = key_of(w);

	return !w->done && host_breaker_ready(w->t.backend->name) &&
	       (!key || host_breaker_ready(key));
}

static bool benched_until(struct chain *c, int64_t until)
{
	if (!c->soonest || until < c->soonest)
		c->soonest = until;
	return false;
}

/* Takes the way, as its prober where it needs one. */
static bool take(struct chain *c, struct way *w)
{
	const char *key = key_of(w);
	int64_t until = 0;

	if (!host_breaker_ask(w->t.backend->name, &until))
		return benched_until(c, until);
	if (key && !host_breaker_ask(key, &until)) {
		host_breaker_release(w->t.backend->name);
		return benched_until(c, until);
	}
	return true;
}

static struct way *next_way(struct chain *c)
{
	for (size_t i = 0; i < c->n; i++) {
		struct way *w = &c->v[i];

		if (!w->done && (c->n == 1 || take(c, w)))
			return w;
	}
	return NULL;
}

static bool another(const struct chain *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (ready(&c->v[i]))
			return true;
	return false;
}

/* ---- what the end of a call says ---- */

static void both(const struct way *w, void (*say)(const char *name))
{
	say(w->t.backend->name);
	if (key_of(w))
		say(key_of(w));
}

static enum flow on_event(struct sink *self, const struct event *e)
{
	struct chain *c = (struct chain *)((char *)self - offsetof(struct chain, sink));

	if (!c->answered) {
		c->answered = true;
		both(c->now, host_breaker_well);
	}
	return sink_event(c->next, e);
}

static bool listed(const struct chain_options *o, const struct fault *f)
{
	int64_t status;

	for (size_t i = 0; o->statuses && o->statuses[i]; i++)
		if (str_int(str_of(o->statuses[i]), &status) && status == f->upstream_status)
			return true;
	return false;
}

static bool is_of_key(const struct fault *f)
{
	return f->class == FAULT_RATE || f->class == FAULT_QUOTA || f->class == FAULT_AUTH;
}

static bool is_of_backend(const struct fault *f)
{
	return f->class == FAULT_TRANSIENT || f->class == FAULT_OVERLOADED;
}

static void note(const struct chain *c, const struct fault *f)
{
	const struct way *w = c->now;
	struct host_error e = { .wall_ms = clock_wall_ms(), .status = f->upstream_status,
				.kind = (int32_t)f->class };
	int64_t ms = f->retry_after < 0 ? -1 : f->retry_after * 1000LL;

	if (f->class == FAULT_CANCELLED || f->ours) {
		both(w, host_breaker_release);
	} else if (is_of_key(f) && key_of(w)) {
		host_breaker_rest(key_of(w), ms, &c->o->breaker, &e);
		host_breaker_well(w->t.backend->name);
	} else if (is_of_backend(f) || (is_of_key(f) && !w->t.caller_key) || listed(c->o, f)) {
		host_breaker_failed(w->t.backend->name, &c->o->breaker, &e);
		if (key_of(w))
			host_breaker_release(key_of(w));
	} else {
		both(w, host_breaker_well);
	}
}

/* A bad request is bad everywhere, and a caller's own key is good for one backend alone. */
static bool curable(const struct chain *c, const struct fault *f)
{
	if (f->ours || (c->o->run.content_sent && c->o->run.content_sent(c->o->run.ctx)))
		return false;
	if (c->deadline && clock_ms() >= c->deadline)
		return false;
	return is_of_backend(f) || (is_of_key(f) && !c->now->t.caller_key) || listed(c->o, f);
}

/* What is the backend's fault another key of the same member does not cure. */
static void strike(struct chain *c, const struct fault *f)
{
	c->now->done = true;
	for (size_t i = 0; i < c->n && !is_of_key(f); i++)
		if (c->v[i].member == c->now->member)
			c->v[i].done = true;
}

static int all_benched(const struct chain *c, struct fault *f)
{
	int64_t wait = c->soonest - clock_wall_ms();

	fault_set(f, FAULT_OVERLOADED, 529, "overloaded_error",
		  "Every backend for this model has failed a moment ago and rests; try again.");
	f->retry_after = wait > 1000 ? (int)((wait + 999) / 1000) : 1;
	return -1;
}

static int ask(struct chain *c, struct run_report *rep, struct fault *f)
{
	struct run_options o = c->o->run;
	int before = rep->attempts, members = rep->members, rc;

	c->answered = false;
	c->now->done = true;
	o.target = &c->now->t;
	o.once = another(c);
	o.deadline = c->deadline;
	if (c->o->on_member)
		c->o->on_member(o.ctx, &c->now->t);
	rc = run_message(&o, &c->sink, rep, f);
	rep->attempts += before;
	rep->members = members + 1;
	if (rc)
		note(c, f);
	return rc;
}

int run_chain(const struct chain_options *o, struct sink *sink, struct run_report *rep,
	      struct fault *f)
{
	struct chain c = { .o = o, .next = sink, .sink.event = on_event };
	char id[SITE_ID_SIZE];

	*rep = (struct run_report){ 0 };
	if (fill(&c, f))
		return -1;
	while ((c.now = next_way(&c))) {
		if (ask(&c, rep, f) == 0)
			return 0;
		if (!curable(&c, f))
			return -1;
		strike(&c, f);
		log_info("backend %s: failed with %d (error %s), the next member is asked",
			 c.now->t.backend->name, f->status, fault_id(f, id));
	}
	return rep->members ? -1 : all_benched(&c, f);
}

struct target chain_first(const struct chain_options *o)
{
	struct target first = o->chain.v[0];

	for (size_t i = 0; i < o->chain.n; i++) {
		const struct target *t = &o->chain.v[i];
		size_t n = ways_of(t), turn = whose_turn(o, n);

		for (size_t k = 0; k < n; k++) {
			struct way w = { .t = *t };

			if (n > 1)
				w.t.backend = &t->backend->ways[(turn + k) % n];
			if (ready(&w))
				return w.t;
			if (i == 0 && k == 0)
				first = w.t;
		}
	}
	return first;
}
