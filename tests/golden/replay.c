/*
 * One exchange through the program's stages: parser, encoder, run, decoder, filters, writer, memory
 * front. Only the network is not there: this file's upstream_perform stands for the one in
 * upstream/call.c and plays a script.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "golden.h"
#include "ingress/ingress.h"
#include "run/filters.h"
#include "run/run.h"
#include "upstream/upstream.h"

#define WHOLE_MAX (64u << 20)

static const struct script *playing;

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

static size_t next_piece(enum chop chop, uint64_t *state, size_t left)
{
	size_t n = chop == CHOP_WHOLE   ? left
		   : chop == CHOP_BYTES ? 1
					: 1 + (size_t)(next_random(state) % 40);

	return n < left ? n : left;
}

static void fill_head(struct upstream_head *h)
{
	memset(h, 0, sizeof(*h));
	h->status = playing->status;
	h->retry_after = playing->retry_after;
	h->should_retry = playing->should_retry;
	snprintf(h->error_type, sizeof(h->error_type), "%.*s", STR_ARGS(playing->error_type));
	if (playing->framed)
		strcpy(h->content_type, "application/vnd.amazon.eventstream");
}

enum upstream_result upstream_perform(const struct upstream_call *c, struct fault *f)
{
	uint64_t state = playing->seed;
	struct upstream_head head;

	fill_head(&head);
	if (c->on_head && c->on_head(c->ctx, &head))
		return UPSTREAM_STOPPED;
	for (size_t at = 0; at < playing->bytes.n;) {
		size_t n = next_piece(playing->chop, &state, playing->bytes.n - at);
		/* A copy of its own, so that reading past a piece or keeping it shows under the
		 * sanitizers. */
		struct buf piece;
		int rc;

		buf_init(&piece, 0);
		buf_put(&piece, playing->bytes.p + at, n);
		rc = c->on_data(c->ctx, piece.p, piece.n);
		buf_release(&piece);
		if (rc)
			return UPSTREAM_STOPPED;
		if (clock_ms() >= c->waiter->due && c->waiter->tick(c->waiter, clock_ms()))
			return UPSTREAM_CANCELLED;
		at += n;
	}
	if (!playing->reset)
		return UPSTREAM_DONE;
	fault_set(f, FAULT_TRANSIENT, 502, "api_error",
		  "backend %s closed the connection in the middle of its answer", c->backend->name);
	return UPSTREAM_FAILED;
}

/* ---- request ---- */

static int parse(const struct exchange *x, struct message_request *r, struct target *t,
		 struct arena *a, struct fault *f)
{
	const struct case_options *o = x->options;

	if (anthropic_parse(r, x->request, PARSE_MESSAGE, a, f))
		return -1;
	r->stream = x->stream;
	r->beta = o->beta;
	r->session_id = o->session_id;
	r->caller = o->caller;
	*t = (struct target){ .backend = &o->backend,
			      .model = o->model ? o->model : r->model_name };
	t->mapped = !str_is(str_of(t->model), r->model_name);
	return 0;
}

static struct str lines_of(const char *const *v, size_t n, struct arena *a)
{
	struct buf b;
	struct str text;

	buf_init(&b, 0);
	for (size_t i = 0; i < n; i++) {
		buf_puts(&b, v[i]);
		buf_putc(&b, '\n');
	}
	text = arena_str(a, buf_str(&b));
	buf_release(&b);
	return text;
}

static struct str fault_text(const struct fault *f, struct arena *a)
{
	struct fault plain = *f;
	struct buf b;
	struct str text;

	buf_init(&b, 0);
	buf_printf(&b, "status: %d\n\n", f->status);
	/* An error's id is no case's business. */
	plain.site = NULL;
	anthropic_error_body(&b, &plain, "req_ID1");
	text = arena_str(a, buf_str(&b));
	buf_release(&b);
	return text;
}

static int flatten(const struct segs *s, struct arena *a, struct str *out)
{
	struct buf b;
	int rc;

	buf_init(&b, 0);
	rc = segs_flatten(s, &b);
	*out = arena_str(a, buf_str(&b));
	buf_release(&b);
	return rc;
}

int replay_encode(const struct exchange *x, struct encoded *out, struct arena *a)
{
	const struct dialect *d = dialect_find(x->options->backend.dialect);
	struct message_request r;
	struct target t;
	struct fault f = FAULT_INIT;
	struct encode_context c = { .arena = a,
				    .request = &r,
				    .target = &t,
				    .want_stream = x->stream,
				    .strip_thinking = x->options->strip_thinking };
	struct outgoing o = { 0 };

	memset(out, 0, sizeof(*out));
	segs_init(&o.body, a);
	if (!d || parse(x, &r, &t, a, &f) || d->encode(&c, OP_MESSAGE, &o, &f)) {
		out->fault = fault_text(&f, a);
		return d ? 0 : -1;
	}
	out->url = str_of(o.url);
	out->headers = lines_of(o.headers, o.nheaders, a);
	out->dropped = lines_of(o.dropped, o.ndropped, a);
	out->enforce_stop = o.enforce_stop;
	return flatten(&o.body, a, &out->body);
}

/* ---- answer ---- */

/* Sends events past the stopper unless the encoder asked for it, and lets the writer send what it
 * has after each read. */
struct chain {
	struct sink entry; /* first member: the sink is the chain */
	struct waiter waiter;
	struct sink *to;
	struct writer *writer;
	struct keeper *keeper;
	struct stopper *stopper;
};

static enum flow pass(struct sink *self, const struct event *e)
{
	struct chain *c = (struct chain *)self;
	enum flow flow = sink_event(c->to, e);

	c->waiter.due = writer_due(c->writer);
	return flow;
}

static int tick(struct waiter *w, int64_t now)
{
	struct chain *c = (struct chain *)((char *)w - offsetof(struct chain, waiter));
	int rc = writer_tick(c->writer, now);

	w->due = writer_due(c->writer);
	return rc < 0 ? WAIT_CANCEL : WAIT_GO;
}

static void note_head(void *ctx, const struct upstream_head *h, const struct outgoing *out)
{
	struct chain *c = ctx;

	c->to = out->enforce_stop ? stopper_sink(c->stopper) : keeper_sink(c->keeper);
}

static bool content_sent(void *ctx)
{
	return writer_content(((struct chain *)ctx)->writer);
}

static int chain_setup(struct chain *c, const struct exchange *x, const struct message_request *r,
		       const struct target *t, struct answer *answer, struct arena *a)
{
	struct writer_options o = {
		.answer = answer,
		.arena = a,
		.model = r->model_name,
		.model_mapped = t->mapped,
		.stream = x->stream,
		.model_raw = arena_dup(a, r->model.p, r->model.n),
		.input_estimate = x->options->input_estimate,
		.stream_settings = { 25000, 10000, 2000 },
		.max_whole = WHOLE_MAX,
	};

	*c = (struct chain){
		.entry.event = pass,
		.waiter = { .fd = { -1, -1 }, .tick = tick, .due = CLOCK_NEVER },
		.writer = writer_new(&o),
	};
	c->keeper = c->writer ? keeper_new(writer_sink(c->writer), a, WHOLE_MAX) : NULL;
	c->stopper = c->keeper ? stopper_new(keeper_sink(c->keeper), r, a) : NULL;
	c->to = c->stopper ? keeper_sink(c->keeper) : NULL;
	return c->stopper ? 0 : -1;
}

static void chain_release(struct chain *c)
{
	if (c->stopper)
		stopper_release(c->stopper);
	if (c->keeper)
		keeper_release(c->keeper);
	if (c->writer)
		writer_release(c->writer);
}

static int answer_message(const struct exchange *x, const struct message_request *r,
			  const struct target *t, struct answer *answer, struct arena *a)
{
	struct chain c;
	struct run_options o = {
		.request = r,
		.target = t,
		.arena = a,
		.waiter = &c.waiter,
		.stream = x->stream,
		.max_event = WHOLE_MAX,
		.max_answer = WHOLE_MAX,
		.content_sent = content_sent,
		.on_head = note_head,
		.ctx = &c,
	};
	struct run_report report;
	struct fault f = FAULT_INIT;
	int rc = chain_setup(&c, x, r, t, answer, a);

	if (rc == 0 && run_message(&o, &c.entry, &report, &f))
		rc = writer_fault(c.writer, &f);
	else if (rc == 0)
		rc = writer_finish(c.writer);
	chain_release(&c);
	return rc;
}

int replay(const struct exchange *x, struct buf *out)
{
	static const char *const params[] = { "REQUEST_METHOD=POST",
					      "SCRIPT_NAME=", "PATH_INFO=/v1/messages", NULL };
	struct memory_front *m = memory_front_new(params, x->request, 0);
	struct http_request http;
	struct message_request r;
	struct answer answer;
	struct target t;
	struct fault f = FAULT_INIT;
	struct arena a;
	int rc;

	if (!m)
		return -1;
	arena_init(&a, 0);
	playing = x->script;
	http_request_init(&http, memory_front(m), &a);
	answer_init(&answer, memory_front(m), &http);
	if (parse(x, &r, &t, &a, &f))
		rc = anthropic_error_answer(&answer, &f);
	else
		rc = answer_message(x, &r, &t, &answer, &a);
	buf_put_str(out, memory_front_output(m));
	answer_release(&answer);
	arena_release(&a);
	memory_front_free(m);
	return rc < 0 ? -1 : 0;
}
