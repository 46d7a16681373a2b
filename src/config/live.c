/*
 * The snapshot in force in this process. Any worker may find that a file has changed; one loads,
 * the others go on with the old snapshot. A broken change is logged once, since its files are
 * watched in place of the old ones.
 */
#include "config/snapshot.h"

#include <pthread.h>
#include <stdlib.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"

#define LOOK_EVERY 1000         /* ms between two rounds of stat */

static struct {
	pthread_mutex_t lock;
	struct config *now;             /* holds one reference; NULL before config_start */
	struct config_load how;
	struct watch watch;             /* only the thread that has set `busy` changes it */
	int64_t look_at;                /* clock_ms of the next round */
	int64_t generation;
	bool busy;                      /* a thread is looking or loading */
} live = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct config *config_ref(struct config *c)
{
	if (c)
		atomic_fetch_add_explicit(&((struct snapshot *)c)->refs, 1, memory_order_relaxed);
	return c;
}

void config_unref(struct config *c)
{
	if (c &&
	    atomic_fetch_sub_explicit(&((struct snapshot *)c)->refs, 1, memory_order_acq_rel) == 1)
		snapshot_free((struct snapshot *)c);
}

/* All errors, or when there are none the warnings are kept for the log. */
static struct config *load(const struct config_load *how, struct watch *w, struct report *r,
			   bool unset)
{
	struct snapshot *s;

	report_init(r);
	s = snapshot_load(how, r, w, unset);
	if (!s)
		return NULL;
	snapshot_forget(s);
	s->c.generation = 1;
	return &s->c;
}

struct config *config_load(const struct config_load *how, struct buf *err)
{
	struct watch w = { NULL, 0, 0 };
	struct report r;
	struct config *c = load(how, &w, &r, false);

	buf_put_str(err, buf_str(&r.errors));
	report_release(&r);
	watch_release(&w);
	return c;
}

static void log_report(bool refused, struct str lines)
{
	struct str line;

	while (str_split(&lines, '\n', &line)) {
		if (line.n && refused)
			log_error_as("config_error", "config: %.*s", STR_ARGS(line));
		else if (line.n)
			log_warn_as("config_warning", "config: %.*s", STR_ARGS(line));
	}
}

int config_start(const struct config_load *how, struct buf *err)
{
	struct report r;

	config_stop();
	live.how = *how;
	/* A package is installed before anybody has said which backend: until then requests are told
	 * so, which a process that does not run can't do. */
	live.now = load(how, &live.watch, &r, true);
	live.look_at = clock_ms() + LOOK_EVERY;
	live.generation = 1;
	buf_put_str(err, buf_str(&r.errors));
	report_release(&r);
	if (!live.now)
		watch_release(&live.watch);
	return live.now ? 0 : -1;
}

const struct config_load *config_how(void)
{
	return &live.how;
}

void config_stop(void)
{
	config_unref(live.now);
	live.now = NULL;
	watch_release(&live.watch);
}

void config_watched(void (*see)(void *ctx, const char *path), void *ctx)
{
	watch_each(&live.watch, see, ctx);
}

/* Called by the one thread that holds `busy`, without the lock. */
static void reload(void)
{
	struct watch w = { NULL, 0, 0 };
	struct config *next, *old = NULL;
	struct report r;

	/* A backend that was there is not given up for none. */
	next = load(&live.how, &w, &r, !live.now->backend);
	pthread_mutex_lock(&live.lock);
	watch_release(&live.watch);
	live.watch = w;
	if (next) {
		next->generation = ++live.generation;
		old = live.now;
		live.now = next;
	}
	pthread_mutex_unlock(&live.lock);
	config_unref(old);
	if (next) {
		log_info("config: loaded anew, generation %lld", (long long)next->generation);
		log_report(false, buf_str(&r.warnings));
	} else {
		log_error_as("config_refused", "config: the change is refused, the old settings stay");
		log_report(true, buf_str(&r.errors));
	}
	report_release(&r);
}

struct config *config_current(void)
{
	int64_t now = clock_ms();
	struct config *c;
	bool look;

	pthread_mutex_lock(&live.lock);
	look = live.now && !live.busy && now >= live.look_at;
	if (look) {
		live.busy = true;
		live.look_at = now + LOOK_EVERY;
	}
	c = look ? NULL : config_ref(live.now);
	pthread_mutex_unlock(&live.lock);
	if (!look)
		return c;
	if (watch_changed(&live.watch))
		reload();
	pthread_mutex_lock(&live.lock);
	live.busy = false;
	c = config_ref(live.now);
	pthread_mutex_unlock(&live.lock);
	return c;
}

const struct backend *config_backend(const struct config *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->nbackends; i++)
		if (!strcasecmp(c->backends[i].name, name))
			return &c->backends[i];
	return NULL;
}
