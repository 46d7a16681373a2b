/*
 * `messages.fcgi replay FOLDER`: a captured request (api/capture.h) goes the way of any other, over
 * the memory front and with the configuration in force; the backends' answers are the captured
 * ones, in the same pieces. It says whether the calls and the answer are still what they were.
 *
 * What is different each time is not compared: ids that are made up, times, pings and comments.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/capture.h"
#include "api/capture_compare.h"
#include "api/capture_files.h"
#include "base/clock.h"
#include "base/log.h"
#include "state/host.h"
#include "upstream/head.h"

#define SAME 0
#define DIFFERS 1
#define UNPLAYABLE 2
#define FILE_MAX ((size_t)1 << 30)
#define HEADERS_MAX 128

struct replay {
	const char *folder;
	struct config *config;
	FILE *out;
	struct arena arena;
	struct buf about, request, answer;
	const char *params[HEADERS_MAX + 8];
	size_t nparams;
	struct str body;
	struct access_key key;          /* whose it was, without limits: they are of this minute */
	size_t calls;                   /* made so far */
	int result;
};

static int unplayable(struct replay *r, const char *why)
{
	fprintf(r->out, "%s can't be played: %s\n", r->folder, why);
	return r->result = UNPLAYABLE;
}

/* The value of a line of `about`; p NULL: there is none. */
static struct str about(const struct replay *r, const char *name)
{
	struct str rest = buf_str(&r->about), line, key;

	while (str_split(&rest, '\n', &line))
		if (str_split(&line, ':', &key) && str_is(key, name))
			return str_trim(line);
	return STR_NONE;
}

/* ---- the backends ---- */

static enum upstream_result play_end(struct replay *r, struct str line, struct fault *f)
{
	int class = FAULT_TRANSIENT, scope = FAULT_OF_BACKEND, status = 502, after = -1, retry = -1;
	char type[80] = "api_error";
	int at = 0;

	if (str_starts(line, "done"))
		return UPSTREAM_DONE;
	if (!str_starts(line, "failed"))
		return str_starts(line, "stopped") ? UPSTREAM_STOPPED : UPSTREAM_CANCELLED;
	line = arena_str(&r->arena, line);
	if (!line.p || sscanf(line.p, "failed %d %d %d %d %d %79s %n", &class, &scope, &status,
			      &after, &retry, type, &at) < 6)
		at = 0;
	fault_set(f, (enum fault_class)class, status, "api_error", "%s", at ? line.p + at : "failed");
	f->type = arena_str(&r->arena, str_of(type)).p;
	f->scope = (enum fault_scope)scope;
	f->retry_after = after;
	f->should_retry = retry;
	return UPSTREAM_FAILED;
}

/* Something went out here, when it was time for it. */
static int play_flush(const struct upstream_call *c)
{
	struct waiter *w = c->waiter;

	return w && w->tick && w->due != CLOCK_NEVER ? w->tick(w, w->due) : 0;
}

/* Takes head lines off text. */
static bool play_head(const struct upstream_call *c, struct str *text, int *stop)
{
	struct str line;
	struct head h;
	bool any = false;
	int status;

	head_init(&h);
	while (str_split(text, '\n', &line) && line.n) {
		status = head_status(line);
		any = any || status;
		if (status)
			head_start(&h, status);
		else
			head_line(&h, line, 0);
	}
	if (any && c->on_head)
		*stop = c->on_head(c->ctx, head_end(&h));
	head_release(&h);
	return any;
}

static enum upstream_result play(struct replay *r, const struct upstream_call *c,
				 struct str answer, struct str times, struct fault *f)
{
	int stop = 0;
	struct str line, ms;
	int64_t n;

	play_head(c, &answer, &stop);
	while (!stop && str_split(&times, '\n', &line)) {
		str_split(&line, ' ', &ms);
		if (str_is(line, "flush")) {
			if (play_flush(c))
				return UPSTREAM_CANCELLED;
			continue;
		}
		if (!str_int(line, &n))
			return play_end(r, line, f);
		if (n < 0 || (size_t)n > answer.n)
			break;
		if (n && c->on_data)
			stop = c->on_data(c->ctx, answer.p, (size_t)n);
		answer = str_from(answer, (size_t)n);
	}
	return UPSTREAM_STOPPED;
}

static void compare_sent(struct replay *r, const struct upstream_call *c, const struct buf *was)
{
	struct buf now;
	char what[32];

	buf_init(&now, 0);
	capture_put_sent(&now, c, r->config->capture_base64);
	capture_mask(r->config, &now);
	snprintf(what, sizeof(what), "call %zu", r->calls);
	if (!capture_same(r->out, what, buf_str(was), buf_str(&now)))
		r->result = DIFFERS;
	buf_release(&now);
}

static enum upstream_result perform(void *ctx, const struct upstream_call *c, struct fault *f)
{
	struct replay *r = ctx;
	struct buf sent, answer, times;
	enum upstream_result result = UPSTREAM_FAILED;

	r->calls++;
	buf_init(&sent, FILE_MAX);
	buf_init(&answer, FILE_MAX);
	buf_init(&times, FILE_MAX);
	if (capture_read_file(r->folder, r->calls, "sent", &sent) &&
	    capture_read_file(r->folder, r->calls, "answer", &answer) &&
	    capture_read_file(r->folder, r->calls, "times", &times)) {
		compare_sent(r, c, &sent);
		result = play(r, c, buf_str(&answer), buf_str(&times), f);
	} else {
		fprintf(r->out, "call %zu: was not made when it was captured\n", r->calls);
		r->result = DIFFERS;
		fault_set(f, FAULT_BAD_REQUEST, 502, "api_error", "no such call was captured");
	}
	buf_release(&sent);
	buf_release(&answer);
	buf_release(&times);
	return result;
}

/* ---- the request ---- */

static void add_param(struct replay *r, const char *name, struct str value)
{
	if (r->nparams < HEADERS_MAX + 6)
		r->params[r->nparams++] = arena_printf(&r->arena, "%s=%.*s", name, STR_ARGS(value));
}

static void add_header(struct replay *r, struct str line)
{
	struct str name;
	char *to;
	size_t n = 5;

	if (!str_split(&line, ':', &name) || !(to = arena_alloc(&r->arena, name.n + 6)))
		return;
	memcpy(to, "HTTP_", 5);
	for (size_t i = 0; i < name.n; i++)
		to[n++] = name.p[i] == '-' ? '_' : name.p[i] >= 'a' && name.p[i] <= 'z' ?
			  name.p[i] & ~32 : name.p[i];
	add_param(r, str_is(name, "content-type") ? "CONTENT_TYPE" : to, str_trim(line));
}

/* "POST /v1/messages?beta=true", headers, an empty line, the body. */
static void read_request(struct replay *r)
{
	struct str rest = buf_str(&r->request), line, part;

	str_split(&rest, '\n', &line);
	if (str_split(&line, ' ', &part))
		add_param(r, "REQUEST_METHOD", part);
	add_param(r, "REQUEST_URI", line);
	str_split(&line, '?', &part);
	add_param(r, "SCRIPT_NAME", STR(""));
	add_param(r, "QUERY_STRING", line.p ? line : STR(""));
	while (str_split(&rest, '\n', &line) && line.n && r->nparams < HEADERS_MAX)
		add_header(r, line);
	r->body = rest.p ? rest : STR("");
	r->params[r->nparams++] = arena_printf(&r->arena, "CONTENT_LENGTH=%zu", r->body.n);
	r->params[r->nparams] = NULL;
}

static const struct access_key *key_of(struct replay *r)
{
	struct str name = about(r, "key");

	for (size_t i = 0; name.p && i < r->config->nkeys; i++) {
		if (!str_is(name, r->config->keys[i].name))
			continue;
		r->key = r->config->keys[i];
		r->key.requests = r->key.tokens = r->key.streams = 0;
		return &r->key;
	}
	return NULL;
}

static int send(struct replay *r, struct front *f)
{
	struct http_request request;
	struct answer answer;
	struct api_call c = {
		.front = f, .request = &request, .answer = &answer, .config = r->config,
		.arena = &r->arena, .account = { .usage = USAGE_UNKNOWN },
		.perform = perform, .perform_ctx = r,
	};
	const struct api_route *rt;

	/* Counted with the keys that are masked now. */
	if (!str_int(about(r, "estimate"), &c.estimate))
		c.estimate = 0;
	http_request_init(&request, f, &r->arena);
	answer_init(&answer, f, &request);
	c.access.key = key_of(r);
	if (c.access.key) {
		c.access.key_name = c.access.key->name;
		c.access.owner = c.access.key->owner;
		c.access.group = c.access.key->group;
	}
	rt = api_find_route(&c);
	if (rt)
		rt->handle(&c);
	answer_release(&answer);
	return rt ? 0 : unplayable(r, "its path is not there any more");
}

static int run(struct replay *r)
{
	struct memory_front *m;
	size_t calls = 0;
	struct buf now;
	int64_t n;

	read_request(r);
	m = memory_front_new(r->params, r->body, 0);
	if (!m || r->arena.failed)
		return unplayable(r, "out of memory");
	if (send(r, memory_front(m)) == 0) {
		buf_init(&now, 0);
		buf_put_str(&now, memory_front_output(m));
		capture_mask(r->config, &now);
		if (!capture_same_answer(r->out, buf_str(&r->answer), buf_str(&now),
					 str_is(about(r, "client"), "gone")))
			r->result = DIFFERS;
		buf_release(&now);
		if (str_int(about(r, "calls"), &n))
			calls = (size_t)n;
		if (r->calls < calls) {
			fprintf(r->out, "calls: %zu then, %zu now\n", calls, r->calls);
			r->result = DIFFERS;
		}
	}
	memory_front_free(m);
	return r->result;
}

static int open_and_run(struct replay *r)
{
	if (!capture_read_file(r->folder, 0, "about", &r->about) ||
	    !capture_read_file(r->folder, 0, "request", &r->request) ||
	    !capture_read_file(r->folder, 0, "answer", &r->answer))
		return unplayable(r, "it is no folder of a capture, or can't be read");
	if (!str_is(about(r, "version"), "1"))
		return unplayable(r, "another version made it");
	if (str_is(about(r, "cut"), "yes"))
		return unplayable(r, "it is not whole: too large (capture.max_request), or of too "
				     "many calls");
	return run(r);
}

int api_replay(const struct config_load *load, const char *folder, FILE *out)
{
	struct replay r = { .folder = folder, .out = out, .result = SAME };
	struct buf err;

	buf_init(&err, 65536);
	r.config = config_load(load, &err);
	if (!r.config) {
		fprintf(out, "%s\n", buf_cstr(&err));
		buf_release(&err);
		return UNPLAYABLE;
	}
	buf_release(&err);
	log_setup(LOG_LEVEL_NONE, "none");
	arena_init(&r.arena, 0);
	buf_init(&r.about, FILE_MAX);
	buf_init(&r.request, FILE_MAX);
	buf_init(&r.answer, FILE_MAX);
	/* What this machine knows of its backends has no part in it. */
	if (host_open(NULL))
		unplayable(&r, "out of memory");
	else
		open_and_run(&r);
	if (r.result == SAME)
		fprintf(out, "%s: %zu call%s and the answer: as captured\n", folder, r.calls,
			r.calls == 1 ? "" : "s");
	host_close();
	buf_release(&r.about);
	buf_release(&r.request);
	buf_release(&r.answer);
	arena_release(&r.arena);
	config_unref(r.config);
	return r.result;
}
