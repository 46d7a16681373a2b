/*
 * One request against its target. An attempt is: encode, call, framing, decode; whatever goes wrong becomes one fault, and as long
 * as no content has reached the client a transient one is tried again with backoff. The end of an upstream call is not the
 * end of the message: only here EVENT_END is sent.
 *
 * What the backend answers is told by its first byte, not by its content type (servers mislabel both ways): '{' is a whole JSON
 * answer, '<' a page of some proxy, anything else a stream of events. AWS's binary stream alone is told by its type: its first byte
 * is part of a length.
 */
#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "base/redact.h"
#include "base/ids.h"
#include "base/log.h"
#include "run/again.h"
#include "run/run.h"
#include "trace/trace.h"
#include "upstream/eventstream.h"

#define LARGE_BODY (16 * 1024)           /* what it is converted to gets one piece of memory */
#define ERROR_BODY_MAX (256 * 1024)     /* bytes of an error answer that are read */
#define RETRY_AFTER_MAX 5               /* seconds; a longer wait is the client's to make */
#define BACKOFF_FIRST_MS 500            /* doubled each time, as the SDKs do */
#define BACKOFF_MAX_MS 8000

enum body_kind { BODY_UNKNOWN, BODY_EVENTS, BODY_FRAMES, BODY_WHOLE, BODY_ERROR };

struct attempt {
	const struct run_options *o;
	const struct dialect *dialect;
	struct arena arena;             /* the converted request; gone when the answer begins */
	struct outgoing out;
	struct decode_context context;
	void *decoder;
	int status, retry_after, should_retry;  /* of the upstream's head */
	char error_type[80];
	enum body_kind kind;
	struct sse sse;
	struct eventstream frames;
	struct buf body;                /* a whole or an error answer */
	struct sink guard;              /* keeps faults from going down */
	struct sink *next;
	struct run_report *report;
	struct buf secrets;             /* that the call carries */
	struct fault *fault;
	bool faulted;
	enum flow flow;                 /* what the sinks said last */
};

static enum flow guard_event(struct sink *self, const struct event *e)
{
	struct attempt *a = (struct attempt *)((char *)self - offsetof(struct attempt, guard));

	if (e->type != EVENT_FAULT)
		return sink_event(a->next, e);
	*a->fault = *e->fault;
	a->faulted = true;
	return FLOW_ABORT;
}

static int on_event(void *ctx, struct str name, struct str data)
{
	struct attempt *a = ctx;

	a->flow = a->dialect->decode_event(a->decoder, name, data, &a->guard);
	return a->flow;
}

static int on_head(void *ctx, const struct upstream_head *h)
{
	struct attempt *a = ctx;

	a->status = h->status;
	a->retry_after = h->retry_after;
	a->should_retry = h->should_retry;
	memcpy(a->error_type, h->error_type, sizeof(a->error_type));
	if (h->request_id[0])
		memcpy(a->report->upstream_id, h->request_id, sizeof(a->report->upstream_id));
	if (h->status < 200 || h->status > 299) {
		a->kind = BODY_ERROR;
		buf_init(&a->body, ERROR_BODY_MAX);
	} else if (!strcmp(h->content_type, "application/vnd.amazon.eventstream")) {
		a->kind = BODY_FRAMES;
		eventstream_init(&a->frames, a->o->max_event);
	}
	if (a->o->on_head)
		a->o->on_head(a->o->ctx, h, &a->out);
	/* The upstream call has no use for the body any more, and a stream may go on for an hour. */
	arena_release(&a->arena);
	a->out = (struct outgoing){ 0 };
	return 0;
}

/* White space and a byte order mark tell nothing yet; *p moves over them. */
static void tell_kind(struct attempt *a, const char **p, size_t *n)
{
	while (*n && strchr(" \t\r\n\xEF\xBB\xBF", **p)) {
		(*p)++;
		(*n)--;
	}
	if (!*n)
		return;
	if (**p == '{' || **p == '[' || **p == '<') {
		a->kind = **p == '<' ? BODY_ERROR : BODY_WHOLE;
		buf_init(&a->body, a->kind == BODY_ERROR ? ERROR_BODY_MAX : a->o->max_answer);
	} else {
		a->kind = BODY_EVENTS;
		sse_init(&a->sse, a->o->max_event);
	}
}

static int too_large(struct attempt *a, const char *what, size_t max)
{
	a->faulted = true;
	fault_set(a->fault, FAULT_TRANSIENT, 502, "api_error",
		  "backend %s sent %s larger than %zu bytes", a->o->target->backend->name, what,
		  max);
	a->fault->should_retry = 0;
	return -1;
}

static int no_memory(struct attempt *a)
{
	a->faulted = true;
	return fault_no_memory(a->fault);
}

static int bad_events(struct attempt *a)
{
	return a->sse.full ? too_large(a, "an event (see limits.max_event)", a->o->max_event) : no_memory(a);
}

/* An exception in the middle of a stream: the same as an error body. */
static int on_frame_fault(void *ctx, struct str body)
{
	struct attempt *a = ctx;

	a->faulted = true;
	a->dialect->decode_error(&a->context, 200, body, a->fault);
	a->flow = FLOW_ABORT;
	return -1;
}

static int on_frames(struct attempt *a, const char *p, size_t n)
{
	struct eventstream_handler h = { .event = on_event, .fault = on_frame_fault, .ctx = a };
	int rc = eventstream_feed(&a->frames, p, n, &h);

	if (a->frames.no_memory) {
		no_memory(a);
	} else if (a->frames.error) {
		a->faulted = true;
		fault_set(a->fault, FAULT_TRANSIENT, 502, "api_error", "backend %s sent %s",
			  a->o->target->backend->name, a->frames.error);
	}
	return rc;
}

static int on_data(void *ctx, const char *p, size_t n)
{
	struct attempt *a = ctx;
	struct sse_handler h = { .event = on_event, .ctx = a };
	int rc;

	if (a->kind == BODY_UNKNOWN)
		tell_kind(a, &p, &n);
	switch (a->kind) {
	case BODY_EVENTS:
		rc = sse_feed(&a->sse, p, n, &h);
		return rc < 0 ? bad_events(a) : rc;
	case BODY_FRAMES:
		return on_frames(a, p, n);
	case BODY_WHOLE:
		if (buf_put(&a->body, p, n))
			return a->body.full ? too_large(a, "an answer", a->o->max_answer)
					    : no_memory(a);
		return 0;
	case BODY_ERROR:
		/* The head of a long page says enough. */
		if (buf_put(&a->body, p, n))
			return a->body.full ? 1 : no_memory(a);
		return 0;
	default:
		return 0;
	}
}

static int attempt_prepare(struct attempt *a, bool strip_thinking)
{
	const struct run_options *o = a->o;
	struct encode_context ec = {
		.arena = &a->arena, .request = o->request, .target = o->target,
		.strip_thinking = strip_thinking, .want_stream = o->stream,
	};

	segs_init(&a->out.body, &a->arena);
	if (a->dialect->encode(&ec, OP_MESSAGE, &a->out, a->fault))
		return -1;
	/* What the sinks and a fault may keep beyond this call lives in the request's arena. */
	a->context = (struct decode_context){ .arena = o->arena, .request = o->request,
					      .target = o->target, .streaming = o->stream };
	a->decoder = arena_alloc(o->arena, a->dialect->decoder_size);
	if (!a->decoder || a->out.body.failed)
		return fault_no_memory(a->fault);
	a->dialect->decode_start(a->decoder, &a->context);
	return 0;
}

static void fill_call(struct upstream_call *call, const struct run_options *o, const struct outgoing *out,
		      struct buf *secrets, int64_t deadline)
{
	*call = (struct upstream_call){
		.method = out->method, .url = out->url,
		.headers = out->headers, .nheaders = out->nheaders,
		.body = out->body.total ? &out->body : NULL,
		.backend = o->target->backend,
		.caller_key = o->target->caller_key, .caller_bearer = o->target->caller_bearer,
		.compress = !out->stream, .waiter = o->waiter, .deadline = deadline,
		.secrets = secrets,
	};
}

/* The answer has arrived as far as it will: what does it come to? */
static int attempt_finish(struct attempt *a, enum upstream_result result)
{
	struct sse_handler h = { .event = on_event, .ctx = a };
	struct fault cut = FAULT_INIT;
	bool whole = result == UPSTREAM_DONE;

	if (a->kind == BODY_EVENTS && whole && !a->flow && sse_finish(&a->sse, &h) < 0)
		return bad_events(a);
	if (a->kind == BODY_WHOLE && whole)
		a->flow = a->dialect->decode_body(a->decoder, buf_str(&a->body), &a->guard);
	if (a->faulted)
		return -1;
	if (a->flow == FLOW_STOP)
		return 0;
	if (a->flow == FLOW_ABORT)
		return fault_gone(a->fault);
	/* A connection that breaks after the end of the message has broken nothing. */
	if (a->dialect->decode_end(a->decoder, &a->guard, &a->flow, &cut) == 0)
		return a->faulted ? -1 : 0;
	if (whole)
		*a->fault = cut;
	return -1;
}

static int attempt_error(struct attempt *a)
{
	int status = a->status > 299 ? a->status : 200;

	a->context.error_type = a->error_type;
	/* Providers quote the key that they refuse, and some the whole request; what a call carries is
	 * nobody's to see. First in the bytes, for what passes as received; then in what was made of
	 * them. */
	redact_all(a->body.p, a->body.n, &a->secrets);
	a->dialect->decode_error(&a->context, status, buf_str(&a->body), a->fault);
	if (a->fault->retry_after < 0)
		a->fault->retry_after = a->retry_after;
	if (a->fault->should_retry < 0)
		a->fault->should_retry = a->should_retry;
	a->fault->upstream_status = a->status;
	if (a->fault->class == FAULT_AUTH && a->o->target->backend->auth == AUTH_SIGV4)
		fault_note_clock(a->fault, clock_wall_ms());
	trace_upstream_error(a->o->arena, buf_str(&a->body));
	return -1;
}

static int attempt_call(struct attempt *a, int64_t deadline)
{
	struct upstream_call call;
	enum upstream_result result;

	fill_call(&call, a->o, &a->out, &a->secrets, deadline);
	call.on_head = on_head;
	call.on_data = on_data;
	call.ctx = a;
	result = a->o->perform ? a->o->perform(a->o->perform_ctx, &call, a->fault) :
				 upstream_perform(&call, a->fault);
	if (result == UPSTREAM_CANCELLED)
		return fault_gone(a->fault);
	if (a->faulted)
		return -1;
	if (a->kind == BODY_ERROR)
		return attempt_error(a);
	if (result == UPSTREAM_FAILED && !a->status)
		return -1;
	return attempt_finish(a, result);
}

static int attempt(const struct run_options *o, struct sink *sink, bool strip_thinking, int64_t deadline,
		   struct run_report *rep, struct fault *f)
{
	struct attempt *a = arena_alloc(o->arena, sizeof(*a));
	int rc;

	*f = FAULT_INIT;
	if (!a)
		return fault_no_memory(f);
	a->o = o;
	a->fault = f;
	a->report = rep;
	a->next = sink;
	a->guard.event = guard_event;
	a->dialect = dialect_find(o->target->backend->dialect);
	if (!a->dialect)
		return fault_set(f, FAULT_CAPABILITY, 500, "api_error", "backend %s has an unknown dialect",
				 o->target->backend->name);
	arena_init(&a->arena, 0);
	if (o->request->body.n >= LARGE_BODY)
		arena_expect(&a->arena, o->request->body.n);
	rc = attempt_prepare(a, strip_thinking);
	if (rc == 0)
		rc = attempt_call(a, deadline);
	if (rc)
		fault_hide(f, &a->secrets);
	rep->upstream_status = a->status;
	if (a->kind == BODY_EVENTS)
		sse_release(&a->sse);
	else if (a->kind == BODY_FRAMES)
		eventstream_release(&a->frames);
	buf_release(&a->body);
	redact_release(&a->secrets);
	arena_release(&a->arena);
	return rc;
}

/* ---- retries ---- */

static int64_t backoff_ms(int attempt_number, const struct fault *f)
{
	int64_t wait = BACKOFF_FIRST_MS;

	if (f->retry_after >= 0)
		return (int64_t)f->retry_after * 1000 + id_random_below(250);
	for (int i = 1; i < attempt_number && wait < BACKOFF_MAX_MS; i++)
		wait *= 2;
	return wait - id_random_below((uint32_t)(wait / 4));
}

/* again: when the next attempt would begin. When that is too late, the backend's own word is worth
 * more than that time is up. */
static bool worth_retry(const struct run_options *o, const struct fault *f, int attempts,
			int64_t again, int64_t deadline)
{
	if (o->once || attempts > o->target->backend->retries || !fault_retryable(f))
		return false;
	if (f->once && attempts > 1)
		return false;
	if (f->retry_after > RETRY_AFTER_MAX || again >= deadline)
		return false;
	return !o->content_sent || !o->content_sent(o->ctx);
}

static int send_end(struct sink *sink, struct fault *f)
{
	struct event end = { .type = EVENT_END, .index = -1 };

	if (sink_event(sink, &end) == FLOW_ABORT)
		return fault_gone(f);
	return 0;
}

static int64_t whole_deadline(const struct backend *b)
{
	return b->timeout > 0 ? clock_ms() + (int64_t)b->timeout * 1000 : CLOCK_NEVER;
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int run_message(const struct run_options *o, struct sink *sink, struct run_report *rep, struct fault *f)
{
	const struct backend *b = o->target->backend;
	const struct run_options *shorter = NULL;
	int64_t shared = o->deadline ? o->deadline : CLOCK_NEVER;
	int64_t deadline = sooner(whole_deadline(b), shared);
	bool strip = false;

	*rep = (struct run_report){ 0 };
	for (;;) {
		char id[SITE_ID_SIZE];
		int64_t again;
		bool sent;

		rep->attempts++;
		/* The first attempt has the call's own timeout, which does not count waiting for a slow client. */
		if (attempt(shorter ? shorter : o, sink, strip, rep->attempts > 1 ? deadline : shared, rep,
			    f) == 0)
			return send_end(sink, f);
		sent = o->content_sent && o->content_sent(o->ctx);
		if (!strip && !sent && b->strip_thinking_retry && again_without_thinking(f)) {
			strip = true;
			continue;
		}
		if (!shorter && !sent && (shorter = again_shorter(o, f)) != NULL)
			continue;
		again = clock_ms() + backoff_ms(rep->attempts, f);
		if (!worth_retry(o, f, rep->attempts, again, deadline))
			return -1;
		log_info("backend %s: attempt %d failed with %d (error %s), trying again", b->name,
			 rep->attempts, f->status, fault_id(f, id));
		trace_fault(f, TRACE_RETRIED);
		if (wait_until(o->waiter, again) == WAIT_CANCEL)
			return fault_gone(f);
	}
}

/* ---- small calls: one answer, read whole ---- */

struct small_call {
	struct buf body, secrets;
	int status, retry_after;
	char error_type[80];
};

static int small_head(void *ctx, const struct upstream_head *h)
{
	struct small_call *s = ctx;

	s->status = h->status;
	s->retry_after = h->retry_after;
	memcpy(s->error_type, h->error_type, sizeof(s->error_type));
	return 0;
}

static int small_data(void *ctx, const char *p, size_t n)
{
	struct small_call *s = ctx;

	return buf_put(&s->body, p, n);
}

static void small_release(struct small_call *s)
{
	buf_release(&s->body);
	redact_release(&s->secrets);
}

/* 0 with status 2xx and the body read; -1 with the fault filled. */
static int small_perform(struct small_call *s, const struct run_options *o, const struct dialect *d,
			 const struct outgoing *out, int64_t deadline, struct fault *f)
{
	struct decode_context dc = { .arena = o->arena, .request = o->request, .target = o->target,
				     .error_type = s->error_type };
	struct upstream_call call;
	enum upstream_result result;

	fill_call(&call, o, out, &s->secrets, deadline);
	call.on_head = small_head;
	call.on_data = small_data;
	call.ctx = s;
	buf_init(&s->body, o->max_answer);
	buf_init(&s->secrets, 0);
	result = upstream_perform(&call, f);
	if (result == UPSTREAM_CANCELLED)
		return fault_gone(f);
	if (result == UPSTREAM_FAILED)
		return -1;
	if (s->body.failed && !s->body.full)
		return fault_no_memory(f);
	if (s->body.failed)
		return fault_set(f, FAULT_TRANSIENT, 502, "api_error",
				 "backend %s sent an answer larger than %zu bytes",
				 o->target->backend->name, o->max_answer);
	if (s->status >= 200 && s->status <= 299)
		return 0;
	redact_all(s->body.p, s->body.n, &s->secrets);
	d->decode_error(&dc, s->status, buf_str(&s->body), f);
	fault_hide(f, &s->secrets);
	f->upstream_status = s->status;
	if (f->retry_after < 0)
		f->retry_after = s->retry_after;
	return -1;
}

int run_count(const struct run_options *o, int64_t *tokens, struct fault *f)
{
	const struct backend *b = o->target->backend;
	const struct dialect *d = dialect_find(b->dialect);
	struct encode_context ec = { .arena = o->arena, .request = o->request, .target = o->target };
	struct outgoing out = { 0 };
	struct small_call s = { 0 };
	int rc;

	*f = FAULT_INIT;
	if (!d || !d->decode_count || !b->path_count)
		return fault_set(f, FAULT_CAPABILITY, 404, "not_found_error",
				 "backend %s cannot count tokens", b->name);
	segs_init(&out.body, o->arena);
	if (d->encode(&ec, OP_COUNT, &out, f))
		return -1;
	rc = small_perform(&s, o, d, &out, whole_deadline(b), f);
	if (rc == 0 && d->decode_count(buf_str(&s.body), tokens))
		rc = fault_set(f, FAULT_TRANSIENT, 502, "api_error",
			       "backend %s answered a token count without one", b->name);
	small_release(&s);
	return rc;
}

/* One list. */
static int list_models(const struct run_options *o, void (*add)(void *ctx, const struct model_info *m),
		       void *ctx, int64_t deadline, struct fault *f)
{
	const struct dialect *d = dialect_find(o->target->backend->dialect);
	struct encode_context ec = { .arena = o->arena, .target = o->target };
	struct outgoing out = { 0 };
	struct small_call s = { 0 };
	int rc;

	*f = FAULT_INIT;
	segs_init(&out.body, o->arena);
	if (d->encode(&ec, OP_MODELS, &out, f))
		return -1;
	rc = small_perform(&s, o, d, &out, deadline, f);
	if (rc == 0 && d->decode_models(o->arena, buf_str(&s.body), add, ctx))
		rc = fault_set(f, FAULT_TRANSIENT, 502, "api_error",
			       "backend %s answered without a model list", o->target->backend->name);
	small_release(&s);
	return rc;
}

/* Some backends have several lists, and some have them at another host. One that fails takes
 * nothing from the others. */
int run_models(const struct backend *b, const char *caller_key, bool caller_bearer, struct arena *a, int seconds,
	       struct waiter *w, void (*add)(void *ctx, const struct model_info *m), void *ctx, struct fault *f)
{
	const struct dialect *d = dialect_find(b->dialect);
	struct backend at = *b;
	struct target target = { .backend = &at, .caller_key = caller_key, .caller_bearer = caller_bearer };
	struct run_options o = { .target = &target, .arena = a, .waiter = w, .max_answer = 16 << 20 };
	struct str paths = str_of(b->path_models), path;
	int64_t deadline = clock_ms() + (int64_t)seconds * 1000;
	bool listed = false;

	*f = FAULT_INIT;
	if (!d || !d->decode_models || !b->path_models)
		return fault_set(f, FAULT_CAPABILITY, 404, "not_found_error", "backend %s lists no models",
				 b->name);
	if (b->models_url)
		at.base_url = b->models_url;
	while (str_split(&paths, ' ', &path)) {
		at.path_models = arena_str(a, path).p;
		if (!at.path_models)
			return fault_no_memory(f);
		listed = list_models(&o, add, ctx, deadline, f) == 0 || listed;
	}
	return listed ? 0 : -1;
}
