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
#include "base/redact.h"
#include "trace/trace.h"

#define SEED_KEY 1 /* for str_hash; the router has one of its own */

/* Whose breakers stand in a way, in the order in which they are asked. */
enum part { PART_BACKEND, PART_KEY, PART_MODEL, PARTS };

struct way {
	struct target t;
	size_t member;
	const char *part[PARTS];        /* names in the host table; NULL: there is none */
	bool done;                      /* tried, or there is no use in trying it any more */
};

struct chain {
	const struct chain_options *o;
	struct way *v;
	size_t n;
	struct way *now;
	struct sink sink, *next;
	bool answered;                  /* the way that is asked now has begun its answer */
	struct way *worth;              /* whose fault says most so far, */
	struct fault *kept;             /* and that fault, in the request's arena */
	int64_t deadline;               /* of all members together; 0: the only one's own */
	int64_t soonest;                /* wall ms at which a benched way may be tried */
};

static size_t ways_of(const struct target *t)
{
	return t->caller_key || !t->backend->nways ? 1 : t->backend->nways;
}

/* A session's number, or the next one of all requests. */
static uint64_t whose_turn(const struct chain_options *o, size_t n)
{
	if (n < 2)
		return 0;
	return o->session ? str_hash(SEED_KEY, str_of(o->session)) : host_turn();
}

/* The i-th of n keys in a turn. Who stands in for one that rests changes too, or a single key would
 * have all of its work. */
static size_t key_in_turn(uint64_t turn, size_t n, size_t i)
{
	return i == 0 || n < 2 ? turn % n : (turn + 1 + (turn / n + i - 1) % (n - 1)) % n;
}

const char *chain_model_name(const struct backend *b, const char *model, struct arena *a)
{
	return arena_printf(a, "%s %s", b->key_mark ? b->key_mark : b->name, model);
}

/* What becomes of a caller's own key is no concern of others. */
static void name_parts(struct chain *c, struct way *w)
{
	const struct backend *b = w->t.backend;

	w->part[PART_BACKEND] = b->name;
	if (w->t.caller_key)
		return;
	w->part[PART_KEY] = b->key_mark;
	w->part[PART_MODEL] = chain_model_name(b, w->t.model, c->o->run.arena);
}

static void add_member(struct chain *c, size_t member)
{
	const struct target *t = &c->o->chain.v[member];
	size_t n = ways_of(t);
	uint64_t turn = whose_turn(c->o, n);

	for (size_t i = 0; i < n; i++) {
		struct way *w = &c->v[c->n++];

		*w = (struct way){ .t = *t, .member = member };
		if (n > 1)
			w->t.backend = &t->backend->ways[key_in_turn(turn, n, i)];
		name_parts(c, w);
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
	if (c->o->run.arena->failed)
		return fault_no_memory(f);
	if (c->n > 1 && c->v[0].t.backend->timeout > 0)
		c->deadline = clock_ms() + c->v[0].t.backend->timeout * 1000LL;
	return 0;
}

/* ---- who may be asked ---- */

static bool ready(const struct way *w)
{
	for (int i = 0; i < PARTS; i++)
		if (w->part[i] && !host_breaker_ready(w->part[i]))
			return false;
	return !w->done;
}

static void all_parts(const struct way *w, int n, void (*say)(const char *name))
{
	for (int i = 0; i < n; i++)
		if (w->part[i])
			say(w->part[i]);
}

/* Takes the way, as its prober where it needs one. */
static bool take(struct chain *c, struct way *w)
{
	int64_t until = 0;

	for (int i = 0; i < PARTS; i++) {
		if (!w->part[i] || host_breaker_ask(w->part[i], &until))
			continue;
		all_parts(w, i, host_breaker_release);
		if (!c->soonest || until < c->soonest)
			c->soonest = until;
		return false;
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

/* The first sign of a message is none of an answer: some send that and then an error. */
static bool is_content(const struct event *e)
{
	switch (e->type) {
	case EVENT_START:
	case EVENT_USAGE:
	case EVENT_STOP_REASON:
	case EVENT_MEMBER:
	case EVENT_MODEL:
	case EVENT_PING:
	case EVENT_FAULT:
		return false;
	case EVENT_RAW:
		return e->raw != RAW_MESSAGE_START && e->raw != RAW_PING && e->raw != RAW_ERROR &&
		       e->raw != RAW_OTHER;
	default:
		return true;
	}
}

static enum flow on_event(struct sink *self, const struct event *e)
{
	struct chain *c = (struct chain *)((char *)self - offsetof(struct chain, sink));

	if (!c->answered && is_content(e)) {
		c->answered = true;
		all_parts(c->now, PARTS, host_breaker_answers);
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

static void fail_backend(const struct chain *c, const char *name, const struct host_error *e)
{
	bool ready = host_breaker_ready(name);

	host_breaker_failed(name, &c->o->breaker, e);
	if (ready && !host_breaker_ready(name))
		log_warn("backend %s: its breaker has opened: it is passed over for a while", name);
}

/* Of a failure that is not the request's. Most providers limit each model by itself; a key that is
 * refused or used up is so for all of them. */
static void note_failure(const struct chain *c, const struct fault *f)
{
	const struct way *w = c->now;
	const char *key = w->part[PART_KEY], *model = w->part[PART_MODEL];
	struct host_error e = { .wall_ms = clock_wall_ms(), .status = f->upstream_status,
				.kind = (int32_t)f->class };
	int64_t ms = f->retry_after < 0 ? -1 : f->retry_after * 1000LL;

	redact(e.text, sizeof(e.text), f->message, w->t.backend->api_key);
	if (f->class == FAULT_RATE && model) {
		host_breaker_rest(model, ms, &c->o->breaker, &e);
		host_breaker_label(model, key ? key : w->part[PART_BACKEND], w->t.model);
		all_parts(w, PART_MODEL, host_breaker_well);
	} else if (is_of_key(f) && key) {
		host_breaker_rest(key, ms, &c->o->breaker, &e);
		host_breaker_well(w->part[PART_BACKEND]);
		host_breaker_release(model);
	} else {
		fail_backend(c, w->part[PART_BACKEND], &e);
		for (int i = PART_KEY; i < PARTS; i++)
			if (w->part[i])
				host_breaker_release(w->part[i]);
	}
}

/* Is it the fault of who was asked, so that another may do better? A bad request is bad everywhere,
 * and a caller's own key is good for one backend alone. What this one can't do another may. */
static bool is_of_way(const struct chain *c, const struct fault *f)
{
	if (f->ours || f->class == FAULT_CANCELLED)
		return false;
	return is_of_backend(f) || f->class == FAULT_CAPABILITY ||
	       (is_of_key(f) && !c->now->t.caller_key) || listed(c->o, f);
}

static void note(const struct chain *c, const struct fault *f)
{
	bool callers = is_of_key(f) && c->now->t.caller_key;

	if (f->class == FAULT_CANCELLED || f->class == FAULT_CAPABILITY || f->ours)
		all_parts(c->now, PARTS, host_breaker_release);
	else if (is_of_way(c, f) && !callers)
		note_failure(c, f);
	else
		all_parts(c->now, PARTS, host_breaker_well);
}

static bool too_late(const struct chain *c)
{
	const struct run_options *run = &c->o->run;

	return (run->content_sent && run->content_sent(run->ctx)) ||
	       (c->deadline && clock_ms() >= c->deadline);
}

/* What is the backend's fault another key of the same member does not cure. */
static void strike(struct chain *c, const struct fault *f)
{
	for (size_t i = 0; i < c->n && !is_of_key(f); i++)
		if (c->v[i].member == c->now->member)
			c->v[i].done = true;
}

/* ---- what the client is told when all have failed ---- */

/* What passes by itself is worth more to the client than what its user can't change. */
static int worth(const struct fault *f)
{
	switch (f->class) {
	case FAULT_RATE:
	case FAULT_OVERLOADED:
		return 3;
	case FAULT_TRANSIENT:
		return 2;
	case FAULT_QUOTA:
	case FAULT_AUTH:
		return 0;
	default:
		return 1;
	}
}

/* Of two that are worth as much the one that is over sooner, else the later one. */
static bool is_worth_more(const struct fault *f, const struct fault *kept)
{
	if (worth(f) != worth(kept))
		return worth(f) > worth(kept);
	return f->retry_after < 0 || kept->retry_after < 0 || f->retry_after <= kept->retry_after;
}

static void keep(struct chain *c, const struct fault *f)
{
	if (c->kept && !is_worth_more(f, c->kept))
		return;
	if (!c->kept)
		c->kept = arena_alloc(c->o->run.arena, sizeof(*c->kept));
	if (!c->kept)
		return;
	*c->kept = *f;
	c->worth = c->now;
}

static int give_up(struct chain *c, struct fault *f)
{
	if (!c->kept || c->worth == c->now)
		return -1;
	*f = *c->kept;
	if (c->o->on_member)
		c->o->on_member(c->o->run.ctx, &c->worth->t);
	return -1;
}

static int all_benched(const struct chain *c, struct fault *f)
{
	int64_t wait = c->soonest - clock_wall_ms();

	fault_set(f, FAULT_OVERLOADED, 529, "overloaded_error",
		  "Every backend for this model has failed a moment ago and rests; try again.");
	f->retry_after = wait > 1000 ? (int)((wait + 999) / 1000) : 1;
	return -1;
}

/* ---- the chain ---- */

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
	else
		all_parts(c->now, PARTS, host_breaker_ended);
	return rc;
}

int run_chain(const struct chain_options *o, struct sink *sink, struct run_report *rep,
	      struct fault *f)
{
	struct chain c = { .o = o, .next = sink, .sink.event = on_event };
	char id[SITE_ID_SIZE];
	struct way *next;

	*rep = (struct run_report){ 0 };
	if (fill(&c, f))
		return -1;
	while ((next = next_way(&c))) {
		c.now = next;
		if (ask(&c, rep, f) == 0)
			return 0;
		if (!is_of_way(&c, f))
			return -1;
		keep(&c, f);
		if (too_late(&c))
			break;
		strike(&c, f);
		log_info("backend %s: failed with %d (error %s)%s", c.now->t.backend->name,
			 f->status, fault_id(f, id),
			 another(&c) ? ", the next member is asked" : "");
		if (another(&c))
			trace_fault(f, TRACE_PASSED_ON);
	}
	return rep->members ? give_up(&c, f) : all_benched(&c, f);
}

struct target chain_first(const struct chain_options *o)
{
	struct target first = o->chain.v[0];

	for (size_t i = 0; i < o->chain.n; i++) {
		const struct target *t = &o->chain.v[i];
		size_t n = ways_of(t);
		uint64_t turn = whose_turn(o, n);

		for (size_t k = 0; k < n; k++) {
			struct way w = { .t = *t };

			if (n > 1)
				w.t.backend = &t->backend->ways[key_in_turn(turn, n, k)];
			w.part[PART_BACKEND] = w.t.backend->name;
			w.part[PART_KEY] = t->caller_key ? NULL : w.t.backend->key_mark;
			if (ready(&w))
				return w.t;
			if (i == 0 && k == 0)
				first = w.t;
		}
	}
	return first;
}
