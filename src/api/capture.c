/*
 * What a capture holds is taken where it passes: calls by standing in for upstream_perform, the
 * answer by a front that is put before the client's. See api/capture.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/api.h"
#include "api/capture.h"
#include "api/capture_files.h"
#include "base/clock.h"
#include "base/redact.h"

struct capture {
	struct front tee;               /* first member: the front is the capture */
	struct front *client;
	const struct api_call *call;
	int64_t started;                /* clock_ms */
	char name[CAPTURE_NAME_SIZE];
	const char *key;                /* that the client presented; or NULL */
	struct buf secrets;             /* that calls carried */
	struct buf request, answer, answer_times;
	struct capture_call calls[CAPTURE_CALLS];
	size_t ncalls;
	size_t more;                    /* calls that were not kept */
	size_t held;                    /* bytes that count against limits.memory */
};

/* b has been put to, and had so many bytes of memory before: what it has grown by counts. Where that
 * is too much, all of it goes. */
static void count(struct capture *k, struct buf *b, size_t before)
{
	size_t more = b->cap - before;

	if (!more)
		return;
	if (gate_spare(k->call->config, more)) {
		k->held += more;
		return;
	}
	buf_release(b);
	b->failed = true;
	gate_give(before);
	k->held -= before;
}

static void keep(struct capture *k, struct buf *b, const void *p, size_t n)
{
	size_t before = b->cap;

	buf_put(b, p, n);
	count(k, b, before);
}

/* ---- the answer ---- */

static struct capture *of(struct front *f)
{
	return (struct capture *)f;
}

static const char *tee_param(struct front *f, const char *name)
{
	return of(f)->client->ops->param(of(f)->client, name);
}

static const char *const *tee_params(struct front *f)
{
	return of(f)->client->ops->params(of(f)->client);
}

static ssize_t tee_read(struct front *f, void *p, size_t n)
{
	return of(f)->client->ops->read(of(f)->client, p, n);
}

/* "MS BYTES" */
static void keep_time(struct capture *k, struct buf *b, size_t n)
{
	char text[64];

	keep(k, b, text, (size_t)snprintf(text, sizeof(text), "%" PRId64 " %zu\n",
					  clock_ms() - k->started, n));
}

static int tee_write(struct front *f, const void *p, size_t n)
{
	struct capture *k = of(f);

	keep(k, &k->answer, p, n);
	keep_time(k, &k->answer_times, n);
	return k->client->ops->write(k->client, p, n);
}

static int tee_flush(struct front *f)
{
	return of(f)->client->ops->flush(of(f)->client);
}

static int tee_watch_fd(struct front *f)
{
	return of(f)->client->ops->watch_fd(of(f)->client);
}

static int tee_gone(struct front *f)
{
	return of(f)->client->ops->gone(of(f)->client);
}

static const struct front_ops tee_ops = {
	.name = "capture",
	.param = tee_param,
	.params = tee_params,
	.read = tee_read,
	.write = tee_write,
	.flush = tee_flush,
	.watch_fd = tee_watch_fd,
	.gone = tee_gone,
};

/* ---- calls ---- */

void capture_call_init(struct capture_call *k, size_t max)
{
	buf_init(&k->sent, max);
	buf_init(&k->head, max);
	buf_init(&k->body, max);
	buf_init(&k->times, max);
}

void capture_call_release(struct capture_call *k)
{
	buf_release(&k->sent);
	buf_release(&k->head);
	buf_release(&k->body);
	buf_release(&k->times);
}

/* A call that is recorded while it runs. */
struct recorded {
	struct capture *capture;
	struct capture_call *to;
	const struct upstream_call *ask;
	size_t answered;                /* bytes that the client had got before this piece */
};

/* Whether an error still has a status of its own depends on what had gone out between two
 * pieces. */
static void note_flush(struct recorded *r)
{
	struct capture *k = r->capture;
	size_t before = r->to->times.cap;

	if (k->answer.n != r->answered)
		buf_printf(&r->to->times, "%" PRId64 " flush\n", clock_ms() - k->started);
	count(k, &r->to->times, before);
	r->answered = k->answer.n;
}

static int record_head(void *ctx, const struct upstream_head *h)
{
	struct recorded *r = ctx;
	struct buf *b = &r->to->head;

	buf_printf(b, "HTTP/1.1 %d\n", h->status);
	if (h->content_type[0])
		buf_printf(b, "content-type: %s\n", h->content_type);
	if (h->retry_after >= 0)
		buf_printf(b, "retry-after: %d\n", h->retry_after);
	if (h->should_retry >= 0)
		buf_printf(b, "x-should-retry: %s\n", h->should_retry ? "true" : "false");
	if (h->request_id[0])
		buf_printf(b, "request-id: %s\n", h->request_id);
	if (h->error_type[0])
		buf_printf(b, "x-amzn-errortype: %s\n", h->error_type);
	if (h->cost[0])
		buf_printf(b, "x-litellm-response-cost: %s\n", h->cost);
	buf_put_str(b, h->pass);
	count(r->capture, b, 0);
	return r->ask->on_head ? r->ask->on_head(r->ask->ctx, h) : 0;
}

static int record_data(void *ctx, const char *p, size_t n)
{
	struct recorded *r = ctx;
	int rc;

	note_flush(r);
	keep(r->capture, &r->to->body, p, n);
	keep_time(r->capture, &r->to->times, n);
	rc = r->ask->on_data ? r->ask->on_data(r->ask->ctx, p, n) : 0;
	r->answered = r->capture->answer.n;
	return rc;
}

static void put_end(struct recorded *r, enum upstream_result result, const struct fault *f)
{
	static const char *const names[] = { "done", "stopped", "cancelled", "failed" };
	struct buf *b = &r->to->times;

	note_flush(r);
	buf_printf(b, "%" PRId64 " %s", clock_ms() - r->capture->started, names[result]);
	if (result == UPSTREAM_FAILED)
		buf_printf(b, " %d %d %d %d %d %s %s", f->class, f->scope, f->status,
			   f->retry_after, f->should_retry, f->type, f->message);
	buf_putc(b, '\n');
}

enum upstream_result capture_perform(void *ctx, const struct upstream_call *c, struct fault *f)
{
	struct capture *k = ctx;
	const struct config *config = k->call->config;
	struct upstream_call hooked = *c;
	struct recorded r = { .capture = k, .ask = c, .answered = k->answer.n };
	enum upstream_result result;

	hooked.secrets = &k->secrets;
	if (k->ncalls < CAPTURE_CALLS) {
		r.to = &k->calls[k->ncalls++];
		capture_call_init(r.to, (size_t)config->capture_max_request);
		capture_put_sent(&r.to->sent, c, config->capture_base64);
		count(k, &r.to->sent, 0);
		hooked.on_head = record_head;
		hooked.on_data = record_data;
		hooked.ctx = &r;
	}
	result = upstream_perform(&hooked, f);
	if (c->secrets)
		buf_put_str(c->secrets, buf_str(&k->secrets));
	if (r.to)
		put_end(&r, result, f);
	else
		k->more++;
	return result;
}

/* ---- beginning and end ---- */

static bool asked(const struct api_call *c)
{
	const char *v = http_header(c->request, "x-debug-capture");

	return v && *v && strcmp(v, "0") && strcasecmp(v, "false");
}

static const char *presented_key(const struct api_call *c)
{
	const char *key = http_header(c->request, "x-api-key");
	const char *bearer = key ? NULL : http_header(c->request, "authorization");

	if (bearer && strncasecmp(bearer, "bearer ", 7) == 0)
		key = bearer + 7 + strspn(bearer + 7, " ");
	return key;
}

static struct capture *start(struct api_call *c)
{
	struct capture *k = calloc(1, sizeof(*k));
	size_t max = (size_t)c->config->capture_max_request;

	if (!k)
		return NULL;
	k->tee.ops = &tee_ops;
	k->client = c->answer->front;
	k->call = c;
	k->started = clock_ms();
	k->key = presented_key(c);
	buf_init(&k->secrets, 0);
	buf_init(&k->request, max);
	buf_init(&k->answer, max);
	buf_init(&k->answer_times, max);
	capture_name(k->name, clock_wall_ms(), c->request->id);
	return k;
}

void capture_begin(struct api_call *c)
{
	const struct access_key *key = c->access.key;
	const char *dir = capture_dir(c->config, c->arena);

	if (c->perform || (!(key && key->capture) && !asked(c)))
		return;
	if (!(key && key->capture) && !access_may(key, RIGHT_CAPTURE))
		answer_header(c->answer, "x-messages-capture", "refused: the key has not the right");
	else if (!dir)
		answer_header(c->answer, "x-messages-capture", "off: capture.dir is not set");
	else if (!capture_possible(dir))
		answer_header(c->answer, "x-messages-capture", "off: capture.dir can't be written");
	else
		c->capture = start(c);
	if (!c->capture)
		return;
	answer_header(c->answer, "x-messages-capture", c->capture->name);
	c->answer->front = &c->capture->tee;
	c->perform = capture_perform;
	c->perform_ctx = c->capture;
}

static void put_headers(struct buf *b, const char *const *params)
{
	for (; params && *params; params++) {
		const char *name = *params, *eq = strchr(name, '=');
		bool type = strncmp(name, "CONTENT_TYPE=", 13) == 0, secret;

		if (!eq || (strncmp(name, "HTTP_", 5) && !type))
			continue;
		if (!type)
			name += 5;
		for (const char *p = name; p < eq; p++)
			buf_putc(b, *p == '_' ? '-' : *p >= 'A' && *p <= 'Z' ? *p | 32 : *p);
		secret = redact_is_secret_name((struct str){ name, (size_t)(eq - name) });
		buf_printf(b, ": %s\n", secret ? "***" : eq + 1);
	}
}

void capture_request(struct api_call *c, struct str body)
{
	struct capture *k = c->capture;
	const struct http_request *r = c->request;
	struct front *f = c->front;

	if (!k)
		return;
	buf_printf(&k->request, "%s %s%s%s\n", r->method, r->path, *r->query ? "?" : "", r->query);
	put_headers(&k->request, f->ops->params(f));
	buf_putc(&k->request, '\n');
	capture_put_short(&k->request, body, c->config->capture_base64);
	count(k, &k->request, 0);
}

/* ---- writing ---- */

static void put_about(struct buf *b, const struct capture *k, bool cut)
{
	const struct api_call *c = k->call;
	char when[32];

	clock_rfc3339(when, sizeof(when), clock_wall_ms() - (clock_ms() - k->started), 1);
	buf_printf(b, "version: %d\ntime: %s\nrequest-id: %s\ncalls: %zu\nestimate: %" PRId64
		   "\n", CAPTURE_VERSION, when, c->request->id, k->ncalls, c->estimate);
	if (c->access.key_name)
		buf_printf(b, "key: %s\n", c->access.key_name);
	if (c->account.backend)
		buf_printf(b, "backend: %s\nmodel: %s\n", c->account.backend,
			   c->account.routed ? c->account.routed : "");
	if (c->account.gone)
		buf_puts(b, "client: gone\n");
	if (cut || k->more)
		buf_puts(b, "cut: yes\n");
}

/* What is known of secrets, and what only a call knew. */
static void mask(const struct capture *k, struct buf *b)
{
	capture_mask(k->call->config, k->key, b);
	redact_all(b->p, b->n, &k->secrets);
}

static bool call_failed(const struct capture_call *c)
{
	return c->sent.failed || c->head.failed || c->body.failed || c->times.failed;
}

static bool write_calls(struct capture *k, struct capture_folder *to)
{
	bool ok = true;

	for (size_t i = 0; ok && i < k->ncalls; i++) {
		struct capture_call *c = &k->calls[i];

		buf_putc(&c->head, '\n');
		mask(k, &c->sent);
		mask(k, &c->head);
		mask(k, &c->body);
		ok = capture_put_file(to, i + 1, "sent", &c->sent, NULL) &&
		     capture_put_file(to, i + 1, "answer", &c->head, &c->body) &&
		     capture_put_file(to, i + 1, "times", &c->times, NULL);
	}
	return ok;
}

static void write_all(struct capture *k)
{
	const struct config *c = k->call->config;
	bool cut = k->request.failed || k->answer.failed || k->answer_times.failed;
	struct capture_folder to;
	struct buf about;
	bool ok;

	for (size_t i = 0; i < k->ncalls; i++)
		cut = cut || call_failed(&k->calls[i]);
	buf_init(&about, 0);
	put_about(&about, k, cut);
	mask(k, &k->request);
	mask(k, &k->answer);
	ok = capture_folder_open(&to, capture_dir(c, k->call->arena), k->name) &&
	     capture_put_file(&to, 0, "request", &k->request, NULL) && write_calls(k, &to) &&
	     capture_put_file(&to, 0, "answer", &k->answer, NULL) &&
	     capture_put_file(&to, 0, "answer-times", &k->answer_times, NULL) &&
	     capture_put_file(&to, 0, "about", &about, NULL);
	capture_folder_close(&to, ok);
	capture_tidy(to.dir, c->capture_max_requests, c->capture_max_bytes);
	buf_release(&about);
}

void capture_end(struct api_call *c)
{
	struct capture *k = c->capture;

	if (!k)
		return;
	c->answer->front = k->client;
	c->capture = NULL;
	c->perform = NULL;
	write_all(k);
	for (size_t i = 0; i < k->ncalls; i++)
		capture_call_release(&k->calls[i]);
	redact_release(&k->secrets);
	buf_release(&k->request);
	buf_release(&k->answer);
	buf_release(&k->answer_times);
	gate_give(k->held);
	free(k);
}
