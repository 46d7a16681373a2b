/*
 * POST /v1/messages: body in, target chosen, the chain of sinks built, the run driven with the
 * client watched, the end written.
 *
 *   run() ─► observer ─► [stopper] ─► keeper ─► writer ─► front
 *
 * The observer stands first so that, after each event, it sees what the writer behind it has done:
 * when time is due next, and whether content has gone out (then nothing will be sent again and the
 * body can be freed).
 */
#include <stddef.h>
#include <string.h>

#include "api/api.h"
#include "api/capture.h"
#include "base/clock.h"
#include "base/parts.h"
#include "ingress/ingress.h"
#include "run/filters.h"

#define LOOK_MS 1000            /* between two looks at the client's key */
#define ANSWER_MAX (64u << 20) /* bytes of a whole answer, from the backend or to the client */

struct exchange {
	struct api_call *call;
	struct api_body body;
	struct chain_options run;
	const struct target *target; /* the member that is asked, or was asked last */
	struct writer *writer;
	struct keeper *keeper;
	struct stopper *stopper;
	struct sink observer, *next;
	struct waiter waiter;
	bool universal;      /* the body names its backend */
	bool stopped;        /* the program ends */
	bool revoked;        /* the client's key was taken away */
	int64_t look_at;     /* when that is looked at next, monotonic ms */
	bool drop_due;       /* the body can go as soon as no decoder is on the stack */
	struct str pass;     /* the backend's headers for the client, "name: value\n" each */
};

/* A continued thread holds only the newest turn: a backend that has not kept the rest would answer
 * without memory. The client knows this refusal and sends everything again. */
static int check_thread(struct exchange *x, struct fault *f)
{
	struct target_chain *chain = &x->run.chain;
	size_t n = 0;

	if (!x->body.request.thread_continue)
		return 0;
	for (size_t i = 0; i < chain->n; i++)
		if (chain->v[i].backend->anthropic_host)
			chain->v[n++] = chain->v[i];
	if (n) {
		chain->n = n;
		return 0;
	}
	fault_bad(f, "capability_rejected: beta_header:message-threads-2026-08-12; this backend "
		     "keeps no thread state. "
		     "Resend the full conversation.");
	f->details = "{\"error_code\":\"thread_unsupported_request\"}";
	return -1;
}

/* ---- the waiter: client, stop, time ---- */

static struct exchange *of_waiter(struct waiter *w)
{
	return (struct exchange *)((char *)w - offsetof(struct exchange, waiter));
}

static int waiter_ready(struct waiter *w, int i)
{
	struct exchange *x = of_waiter(w);
	struct front *f = x->call->front;

	if (i == 1) {
		x->stopped = true;
		return WAIT_CANCEL;
	}
	if (f->ops->gone(f)) {
		x->call->account.gone = true;
		return WAIT_CANCEL;
	}
	w->fd[0] = -1;
	return WAIT_GO;
}

/* Where access.end_streams is off nobody wakes up to look: it may have been switched on since. */
static int64_t due(const struct exchange *x)
{
	int64_t writer = writer_due(x->writer);

	return x->call->access.key && x->call->config->end_streams && x->look_at < writer ?
		       x->look_at : writer;
}

static int waiter_tick(struct waiter *w, int64_t now)
{
	struct exchange *x = of_waiter(w);

	if (now >= x->look_at) {
		x->look_at = now + LOOK_MS;
		x->revoked = limits_key_gone(x->call);
		if (x->revoked)
			return WAIT_CANCEL;
	}

	if (x->drop_due) {
		x->drop_due = false;
		api_body_drop(x->call, &x->body);
	}
	if (now >= writer_due(x->writer) && writer_tick(x->writer, now) < 0) {
		x->call->account.gone = true;
		return WAIT_CANCEL;
	}
	w->due = due(x);
	return WAIT_GO;
}

static void waiter_setup(struct exchange *x)
{
	struct front *f = x->call->front;

	x->look_at = clock_ms() + LOOK_MS;
	x->waiter = (struct waiter){
		.fd = { f->ops->watch_fd(f), stop_fd() },
		.ready = waiter_ready,
		.tick = waiter_tick,
		.due = due(x),
	};
}

/* ---- the chain ---- */

/* As the API counts against its limits: what was read from a cache is free. Of an answer that was
 * cut off no figure may have come: then what has gone out is one. */
static int64_t used_tokens(const struct exchange *x)
{
	const struct usage *u = writer_usage(x->writer);
	int64_t input = u->input, output = u->output;
	bool cut = x->call->account.fault_type || x->call->account.gone;

	if (input < 0 && !writer_content(x->writer))
		return 0;
	if (input < 0)
		input = x->call->estimate;
	if (u->cache_write > 0)
		input += u->cache_write;
	if (output < 0 || (cut && output < writer_tokens_sent(x->writer)))
		output = writer_tokens_sent(x->writer);
	return input + output;
}

static enum flow observe(struct sink *self, const struct event *e)
{
	struct exchange *x =
		(struct exchange *)((char *)self - offsetof(struct exchange, observer));
	enum flow flow = sink_event(x->next, e);

	x->waiter.due = due(x);
	if (x->call->limits.estimated && writer_usage(x->writer)->input >= 0)
		limits_count(x->call, used_tokens(x));
	if (x->body.buf.p && writer_content(x->writer)) {
		x->drop_due = true;
		x->waiter.due = 0;
	}
	return flow;
}

static void add_passed(const struct exchange *x, struct answer *a)
{
	struct str rest = x->pass, line, name;

	while (str_split(&rest, '\n', &line)) {
		if (!str_split(&line, ':', &name) || !name.n)
			continue;
		/* Those of the key's own limits stand there already. */
		if (x->call->limits.told && str_starts(name, "anthropic-ratelimit-"))
			continue;
		line = str_trim(line);
		answer_header(a, arena_dup(x->call->arena, name.p, name.n),
			      arena_dup(x->call->arena, line.p, line.n));
	}
}

static void add_headers(void *ctx, struct answer *a)
{
	struct exchange *x = ctx;

	answer_header(a, "x-messages-backend", x->target->backend->name);
	answer_header(a, "x-messages-model", x->target->model);
	if (x->call->account.dropped)
		answer_header(a, "x-messages-dropped", x->call->account.dropped);
	add_passed(x, a);
}

static const char *join_dropped(struct arena *a, const struct outgoing *out)
{
	struct buf b;
	const char *text;

	if (!out->ndropped)
		return NULL;
	buf_init(&b, 1024);
	for (size_t i = 0; i < out->ndropped; i++) {
		buf_puts(&b, i ? ", " : "");
		buf_puts(&b, out->dropped[i]);
	}
	text = arena_dup(a, b.p ? b.p : "", b.n);
	buf_release(&b);
	return text;
}

static void note_head(void *ctx, const struct upstream_head *h, const struct outgoing *out)
{
	struct exchange *x = ctx;
	struct arena *a = x->call->arena;

	/* Which sequences the backend takes depends on the model too: the dialect knows. */
	x->next =
		out->enforce_stop && x->stopper ? stopper_sink(x->stopper) : keeper_sink(x->keeper);
	x->call->account.dropped = join_dropped(a, out);
	x->pass = arena_str(a, h->pass);
	snprintf(x->call->account.upstream_cost, sizeof(x->call->account.upstream_cost), "%s",
		 h->cost);
	writer_opened(x->writer);
	x->waiter.due = writer_due(x->writer);
}

static void note_member(void *ctx, const struct target *t)
{
	struct exchange *x = ctx;

	x->target = t;
	x->pass = STR_NONE;
	api_note_member(x->call, t);
}

static bool content_sent(void *ctx)
{
	struct exchange *x = ctx;

	return writer_content(x->writer);
}

/* Members have names of their own for the model; the client reads the one that it asked for. */
static bool is_mapped(const struct target_chain *chain)
{
	for (size_t i = 0; i < chain->n; i++)
		if (chain->v[i].mapped)
			return true;
	return false;
}

static struct writer *make_writer(struct exchange *x)
{
	const struct message_request *r = &x->body.request;
	const struct config *c = x->call->config;
	struct str raw = arena_str(x->call->arena, (struct str){ r->model.p, r->model.n });
	struct writer_options o = {
		.answer = x->call->answer, .arena = x->call->arena,
		.model = r->model_name, .model_raw = raw.p, .model_mapped = is_mapped(&x->run.chain),
		.stream = r->stream, .input_estimate = api_estimate(x->call, r),
		.stream_settings = {
			.commit_after_ms = c->commit_after * 1000LL,
			.ping_ms = c->ping_interval * 1000LL,
			.probe_ms = c->probe_interval * 1000LL,
		},
		.on_commit = add_headers, .ctx = x, .max_whole = ANSWER_MAX,
	};

	return raw.p ? writer_new(&o) : NULL;
}

static int chain_setup(struct exchange *x, struct fault *f)
{
	struct arena *a = x->call->arena;

	x->writer = make_writer(x);
	x->keeper = x->writer ? keeper_new(writer_sink(x->writer), a,
					   (size_t)x->call->config->max_event)
			      : NULL;
	if (!x->keeper)
		return fault_no_memory(f);
	x->next = keeper_sink(x->keeper);
	if (x->body.request.nstop_sequences) {
		x->stopper = stopper_new(x->next, &x->body.request, a);
		if (!x->stopper)
			return fault_no_memory(f);
	}
	x->observer.event = observe;
	return 0;
}

static void chain_release(struct exchange *x)
{
	if (x->stopper)
		stopper_release(x->stopper);
	if (x->keeper)
		keeper_release(x->keeper);
	if (x->writer)
		writer_release(x->writer);
}

/* ---- the run and its end ---- */

static void restarting(struct fault *f)
{
	fault_set(f, FAULT_OVERLOADED, 529, "overloaded_error",
		  "The gateway is restarting; try again.");
	f->retry_after = 1;
}

/* The writer has ended the answer itself, and the backend's call was cancelled for it. */
static void trace_told(const struct exchange *x)
{
	const struct fault *told = writer_ended_with(x->writer);

	if (told && !x->call->account.gone)
		trace_fault(told, TRACE_ANSWERED);
}

static int end_with_fault(struct exchange *x, struct fault *f)
{
	struct api_call *c = x->call;

	if (x->stopped)
		restarting(f);
	if (x->revoked)
		limits_key_fault(c, f);
	if (writer_gone(x->writer))
		c->account.gone = true;
	account_fault(&c->account, f);
	if (c->account.gone || f->class == FAULT_CANCELLED) {
		trace_told(x);
		return -1;
	}
	if (!writer_committed(x->writer))
		add_headers(x, c->answer);
	trace_fault(f, TRACE_ANSWERED);
	return writer_fault(x->writer, f);
}

static void fill_account(struct exchange *x)
{
	struct account *a = &x->call->account;

	a->stop = a->fault_type ? STOP_NOT_GIVEN : writer_stop_reason(x->writer);
	a->usage = *writer_usage(x->writer);
	if (!a->usage.cost[0])
		snprintf(a->usage.cost, sizeof(a->usage.cost), "%.23s", a->upstream_cost);
	a->reported = arena_str(x->call->arena, writer_backend_model(x->writer));
}

static int run_and_finish(struct exchange *x, struct fault *f)
{
	struct api_call *c = x->call;
	int rc;

	x->run.on_member = note_member;
	x->run.run = (struct run_options){
		.request = &x->body.request,
		.arena = c->arena,
		.waiter = &x->waiter,
		.stream = x->body.request.stream,
		.max_event = (size_t)c->config->max_event,
		.max_answer = ANSWER_MAX,
		.content_sent = content_sent,
		.on_head = note_head,
		.ctx = x,
		.perform = c->perform,
		.perform_ctx = c->perform_ctx,
	};
	waiter_setup(x);
	if (run_chain(&x->run, &x->observer, &c->account.run, f))
		rc = end_with_fault(x, f);
	else
		rc = writer_finish(x->writer);
	if (writer_gone(x->writer))
		c->account.gone = true;
	fill_account(x);
	limits_count(c, used_tokens(x));
	return rc;
}

/* The backend that the body names; without one the router decides. */
static int take_provider(struct exchange *x, struct fault *f)
{
	struct span name = request_member(&x->body.request, "provider");
	struct buf text;

	if (!span_given(name) || span_is_null(name))
		return 0;
	if (!span_is_string(name))
		return fault_bad(f, "provider: Input should be a valid string");
	buf_init(&text, 256);
	span_put_text(&text, name);
	x->call->provider = api_provider(x->call, arena_dup(x->call->arena, text.p ? text.p : "", text.n));
	buf_release(&text);
	return 0;
}

/* The list with `name` added, or (add false) without it. */
static const char *const *list_with(struct arena *a, const char *const *old, const char *name,
				    bool add)
{
	const char **list;
	size_t n = 0, k = 0;

	while (old && old[n])
		n++;
	list = arena_alloc(a, (n + 2) * sizeof(*list));
	for (size_t i = 0; list && i < n; i++)
		if (strcmp(old[i], name) != 0)
			list[k++] = old[i];
	if (list && add)
		list[k] = name;
	return list;
}

static void hide_at(struct arena *a, struct backend *b)
{
	b->drop_members = list_with(a, b->drop_members, "provider", true);
	b->pass_members = list_with(a, b->pass_members, "provider", false);
}

/* The backend, with each of its keys, as it is for one request. */
static const struct backend *without_provider(struct arena *a, const struct backend *b)
{
	struct backend *copy = arena_alloc(a, (1 + b->nways) * sizeof(*copy));

	if (!copy)
		return b;
	copy[0] = *b;
	copy[0].ways = copy + 1;
	memcpy(copy + 1, b->ways ? b->ways : b, b->nways * sizeof(*copy));
	for (size_t i = 0; i <= b->nways; i++)
		hide_at(a, &copy[i]);
	return copy;
}

/* The member is ours: a backend that gets the body as it came, or takes members of that name (as
 * OpenRouter does), must not see it. */
static int hide_provider(struct exchange *x, struct fault *f)
{
	struct target_chain *chain = &x->run.chain;
	struct arena *a = x->call->arena;

	for (size_t i = 0; x->call->provider && i < chain->n; i++)
		chain->v[i].backend = without_provider(a, chain->v[i].backend);
	return a->failed ? fault_no_memory(f) : 0;
}

/* Up to the call everything is a plain refusal; from there on the writer knows what has already
 * been said. */
static int prepare(struct exchange *x, bool always_stream, struct fault *f)
{
	struct api_call *c = x->call;

	if (limits_enter(c, RATE_REQUESTS, f) || api_body_read(c, OP_MESSAGE, &x->body, f))
		return -1;
	if (always_stream)
		x->body.request.stream = c->account.stream = true;
	if (x->universal && take_provider(x, f))
		return -1;
	if (api_route(c, x->body.request.model_name, &x->body.request, &x->run, f) ||
	    hide_provider(x, f) || check_thread(x, f))
		return -1;
	x->target = &x->run.chain.v[0];
	if (c->access.key && c->access.key->tokens)
		limits_estimate(c, api_estimate(c, &x->body.request));
	limits_tell(c);
	return chain_setup(x, f);
}

static int exchange_run(struct api_call *c, bool always_stream, bool universal)
{
	struct exchange *x = arena_alloc(c->arena, sizeof(*x));
	struct fault f = FAULT_INIT;
	int rc;

	if (!x) {
		fault_no_memory(&f);
		return api_fault(c, &f);
	}
	x->call = c;
	x->universal = universal;
	if (WITH_CAPTURE)
		capture_begin(c);
	rc = prepare(x, always_stream, &f);
	if (WITH_CAPTURE)
		capture_request(c, buf_str(&x->body.buf));
	if (rc) {
		limits_count(c, 0);
		rc = api_fault(c, &f);
	} else {
		rc = run_and_finish(x, &f);
	}
	if (WITH_CAPTURE)
		capture_end(c);
	chain_release(x);
	api_body_release(&x->body);
	return rc;
}

int api_messages(struct api_call *c)
{
	return exchange_run(c, false, false);
}

int api_messages_stream(struct api_call *c)
{
	return exchange_run(c, true, false);
}

int api_universal_stream(struct api_call *c)
{
	return exchange_run(c, true, true);
}
