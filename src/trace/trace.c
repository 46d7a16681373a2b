/*
 * What happened becomes an entry in the files: the options in force, the request that a thread is
 * at, what the log says, and when to tidy.
 */
#include "trace/trace.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/parts.h"
#include "trace/setting.h"

#define TIDY_EVERY 3600         /* seconds, over all processes */
#define TIDY_MS 2000            /* one pass in a thread of its own */
#define MCP_FAILED "a tool of an MCP server has failed"
#define HEAD_MAX 1024           /* bytes of an upstream's error body that are kept */

static struct {
	pthread_mutex_t lock;
	struct trace_setting *now;
	pthread_t tidier;
	bool tidying, joinable;         /* under lock */
	atomic_bool on, wanted, silent; /* wanted: to tidy; silent: the failure has been said */
} trace = { .lock = PTHREAD_MUTEX_INITIALIZER };

static _Thread_local struct trace_request *current;

static struct trace_setting *setting_get(void)
{
	struct trace_setting *s;

	if (!WITH_ERROR_FILES || !atomic_load_explicit(&trace.on, memory_order_relaxed))
		return NULL;
	pthread_mutex_lock(&trace.lock);
	s = trace.now;
	if (s)
		atomic_fetch_add(&s->refs, 1);
	pthread_mutex_unlock(&trace.lock);
	return s;
}

static void setting_put(struct trace_setting *s)
{
	if (s && atomic_fetch_sub(&s->refs, 1) == 1)
		free(s);
}

/* ---- entries ---- */

static void note_failure(const struct trace_setting *s, int cause)
{
	/* A full file of which another process is about to make a part. */
	if (cause == EFBIG || atomic_exchange(&trace.silent, true))
		return;
	log_warn("log.dir %s: errors can't be recorded: %s; requests are served all the same",
		 s->place.dir, strerror(cause));
}

static void write_entry(const struct trace_setting *s, enum trace_kind kind, struct str line,
			int64_t wall_us)
{
	bool untidy = false;

	if (store_append(&s->place, kind, line, wall_us / 1000, &untidy) < 0)
		note_failure(s, errno);
	else if (atomic_exchange(&trace.silent, false))
		log_info("log.dir %s: errors are recorded again", s->place.dir);
	if (untidy)
		atomic_store(&trace.wanted, true);
}

/* What a client was told and errors of the log are everybody's; the rest is the instance's. */
static bool is_general(const struct trace_event *e)
{
	return e->fault ? e->fate == TRACE_ANSWERED : e->level >= LOG_LEVEL_ERROR;
}

/* What is known of the request by now. */
static void bring_up_to_date(struct trace_event *e)
{
	if (current && current->fill)
		current->fill(current);
	e->request = current;
	e->wall_us = clock_wall_us();
	e->now_us = clock_us();
}

static NOINLINE void record(const struct trace_setting *s, struct trace_event *e)
{
	struct buf b;

	bring_up_to_date(e);
	buf_init(&b, TRACE_LINE_MAX);
	entry_put(&b, s, e, false);
	if (!b.failed) {
		if (is_general(e))
			write_entry(s, TRACE_ERRORS, buf_str(&b), e->wall_us);
		write_entry(s, TRACE_OWN, buf_str(&b), e->wall_us);
	}
	if (s->debug) {
		buf_reset(&b);
		entry_put(&b, s, e, true);
		if (!b.failed)
			write_entry(s, TRACE_DEBUG, buf_str(&b), e->wall_us);
	}
	buf_release(&b);
}

void trace_fault(const struct fault *f, enum trace_fate fate)
{
	struct trace_event e = { .site = f->site, .fault = f, .fate = fate };
	char text[sizeof(f->message) + sizeof(f->note) + 4];
	struct trace_setting *s;
	int saved = errno;

	/* A client that has gone is no error, and happens all the time. */
	if (f->class == FAULT_CANCELLED || !(s = setting_get()))
		return;
	e.level = fate != TRACE_ANSWERED ? LOG_LEVEL_WARN
		: f->status >= 500 ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN;
	snprintf(text, sizeof(text), "%s%s%s%s", f->message, f->note[0] ? " [" : "", f->note,
		 f->note[0] ? "]" : "");
	e.text = str_of(text);
	record(s, &e);
	setting_put(s);
	errno = saved;
}

void trace_mcp(const char *tool, size_t result_bytes)
{
	struct trace_event e = {
		.site = ERROR_SITE("mcp_tool", SITE_TEXT(MCP_FAILED)), .fate = TRACE_LOGGED,
		.level = LOG_LEVEL_WARN, .text = STR(MCP_FAILED),
		.tool = tool, .result_bytes = result_bytes,
	};
	struct trace_setting *s = setting_get();
	struct buf b;

	if (!s)
		return;
	bring_up_to_date(&e);
	buf_init(&b, TRACE_LINE_MAX);
	entry_put(&b, s, &e, false);
	if (!b.failed)
		write_entry(s, TRACE_MCP, buf_str(&b), e.wall_us);
	buf_release(&b);
	setting_put(s);
}

static void hear_log(const struct error_site *site, enum log_level level, struct str text)
{
	struct trace_event e = { .site = site, .fate = TRACE_LOGGED, .level = level, .text = text };
	struct trace_setting *s = setting_get();

	if (!s)
		return;
	record(s, &e);
	setting_put(s);
}

/* ---- the request ---- */

void trace_begin(struct trace_request *r)
{
	current = r;
}

void trace_end(void)
{
	current = NULL;
}

void trace_upstream_error(struct arena *a, struct str body)
{
	if (!current || !trace_on())
		return;
	if (body.n > HEAD_MAX)
		body = str_cut_utf8(body, HEAD_MAX);
	current->upstream_head = body.n ? arena_str(a, body) : STR_NONE;
}

/* ---- setup ---- */

int trace_place_of(struct trace_place *p, const struct trace_options *o)
{
	struct trace_instance i;

	if (strlen(o->dir) > TRACE_DIR_MAX)
		return -1;
	trace_instance_of(&i, o);
	*p = (struct trace_place){ .retention_days = o->retention_days, .compress = o->compress,
				   .max_bytes = o->max_bytes, .max_files = o->max_files };
	memcpy(p->dir, o->dir, strlen(o->dir) + 1);
	memcpy(p->instance, i.id, sizeof(p->instance));
	return 0;
}

static struct trace_setting *make_setting(const struct trace_options *o)
{
	struct trace_setting *s = calloc(1, sizeof(*s));

	if (!s || trace_place_of(&s->place, o)) {
		free(s);
		return NULL;
	}
	atomic_init(&s->refs, 1);
	s->debug = o->debug;
	s->content_bytes = (size_t)o->content_bytes;
	return s;
}

int trace_setup(const struct trace_options *o)
{
	struct trace_setting *s = NULL, *old;

	if (!WITH_ERROR_FILES)
		return o->dir ? -1 : 0;
	if (o->dir)
		s = make_setting(o);
	if (o->dir && !s)
		log_warn("log.dir: no errors are recorded: its path is longer than %d bytes, or "
			 "there is no memory", TRACE_DIR_MAX);
	pthread_mutex_lock(&trace.lock);
	old = trace.now;
	trace.now = s;
	atomic_store(&trace.on, s != NULL);
	pthread_mutex_unlock(&trace.lock);
	setting_put(old);
	log_listen(s ? hear_log : NULL);
	return o->dir && !s ? -1 : 0;
}

void trace_stop(void)
{
	bool join;

	pthread_mutex_lock(&trace.lock);
	join = trace.joinable;
	trace.joinable = false;
	pthread_mutex_unlock(&trace.lock);
	if (join)
		pthread_join(trace.tidier, NULL);
	trace_setup(&(struct trace_options){ 0 });
}

bool trace_on(void)
{
	return atomic_load_explicit(&trace.on, memory_order_relaxed);
}

bool trace_place_get(struct trace_place *out)
{
	struct trace_setting *s = setting_get();

	if (s)
		*out = s->place;
	setting_put(s);
	return s != NULL;
}

/* ---- tidying ---- */

/* A time far ahead is of a clock that was set back. */
static bool is_long_ago(int64_t seconds)
{
	int64_t age = clock_wall_ms() / 1000 - seconds;

	return age >= TIDY_EVERY || age <= -TIDY_EVERY;
}

bool trace_tidy_due(void)
{
	struct trace_setting *s = setting_get();
	bool due = s && (atomic_load(&trace.wanted) || is_long_ago(store_tidied(&s->place)));

	setting_put(s);
	return due;
}

void trace_tidy_now(int budget_ms)
{
	struct trace_setting *s = trace_tidy_due() ? setting_get() : NULL;
	struct trace_tidied done;
	int rc;

	if (!s)
		return;
	atomic_store(&trace.wanted, false);
	rc = store_tidy(&s->place, s->place.retention_days, clock_wall_ms(), budget_ms, &done);
	/* Who is at it now may have listed the files before there was one too many. */
	if (rc ? errno == EWOULDBLOCK : done.more)
		atomic_store(&trace.wanted, true);
	setting_put(s);
}

static void *tidy_thread(void *unused)
{
	trace_tidy_now(TIDY_MS);
	pthread_mutex_lock(&trace.lock);
	trace.tidying = false;
	pthread_mutex_unlock(&trace.lock);
	return NULL;
}

void trace_tidy_later(void)
{
	if (!trace_tidy_due())
		return;
	pthread_mutex_lock(&trace.lock);
	if (!trace.tidying) {
		if (trace.joinable)
			pthread_join(trace.tidier, NULL);
		trace.tidying = trace.joinable =
			pthread_create(&trace.tidier, NULL, tidy_thread, NULL) == 0;
	}
	pthread_mutex_unlock(&trace.lock);
}
