/*
 * What single stages cost, in processor time, without a network:
 *
 *   bench-stages CONFIG encode BODY   a request into each backend's wire format
 *   bench-stages CONFIG decode        the same answer out of each wire format (bench-wires.c)
 *   bench-stages CONFIG route BODY    the decision where it goes
 *
 * Prints one JSON object. Everything is measured in turns of a few milliseconds, all backends one
 * after the other, and of many turns the fastest counts: a busy moment of the machine then hits
 * none of them, and what is left is the work itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/api.h"
#include "bench-wires.h"
#include "ingress/ingress.h"
#include "route/route.h"

#define TURNS 40
#define TURN_NS 3000000
#define BACKENDS_MAX 32

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static _Noreturn void fail(const char *what, const char *why)
{
	fprintf(stderr, "bench-stages: %s: %s\n", what, why);
	exit(1);
}

struct work {
	const struct config *config;
	const struct backend *backend;
	const struct message_request *request;
	struct wire wire;
	size_t events, bytes;           /* out of the decoder; into the outgoing body */
	double best;                    /* ns of one run */
};

/* Runs once; what it made goes into events and bytes. */
typedef void run_once(struct work *w);

static void measure(struct work *w, size_t n, run_once *run)
{
	for (int turn = 0; turn < TURNS; turn++) {
		for (size_t i = 0; i < n; i++) {
			double from = now_ns(), spent = 0;
			unsigned times = 0;

			for (; spent < TURN_NS; spent = now_ns() - from, times++)
				run(&w[i]);
			if (!w[i].best || spent / times < w[i].best)
				w[i].best = spent / times;
		}
	}
}

/* ---- what is measured ---- */

static struct target target_of(const struct backend *b)
{
	return (struct target){ .backend = b, .model = b->model_big ? b->model_big : "bench" };
}

static void encode(struct work *w)
{
	const struct dialect *d = dialect_find(w->backend->dialect);
	struct target t = target_of(w->backend);
	struct fault f = FAULT_INIT;
	struct arena a;
	struct encode_context c = { .arena = &a, .request = w->request, .target = &t,
				    .want_stream = true };
	struct outgoing out = { 0 };

	arena_init(&a, 0);
	segs_init(&out.body, &a);
	if (d->encode(&c, OP_MESSAGE, &out, &f))
		fail(w->backend->name, f.message);
	w->bytes = out.body.total;
	arena_release(&a);
}

struct counter {
	struct sink sink;
	size_t bytes;
	bool failed;
};

static enum flow count_event(struct sink *self, const struct event *e)
{
	struct counter *c = (struct counter *)self;

	if (e->type == EVENT_TEXT || e->type == EVENT_THINKING || e->type == EVENT_TOOL_DELTA)
		c->bytes += e->text.n;
	c->failed = c->failed || e->type == EVENT_FAULT;
	return FLOW_GO;
}

static void decode(struct work *w)
{
	static const struct message_request request = { .max_tokens = 1 };
	const struct dialect *d = dialect_find(w->backend->dialect);
	struct target t = target_of(w->backend);
	struct counter counter = { .sink = { count_event } };
	struct arena a;
	struct decode_context c = { .arena = &a, .request = &request, .target = &t };
	struct fault f = FAULT_INIT;
	enum flow flow = FLOW_GO;
	void *state;

	arena_init(&a, 0);
	state = arena_alloc(&a, d->decoder_size);
	d->decode_start(state, &c);
	for (size_t i = 0; !flow && i < w->wire.n; i++)
		flow = d->decode_event(state, w->wire.v[i].name, w->wire.v[i].data, &counter.sink);
	if (flow || counter.failed || d->decode_end(state, &counter.sink, &flow, &f))
		fail(w->backend->name, "its answer was not understood");
	w->events = w->wire.n;
	w->bytes = counter.bytes;
	arena_release(&a);
}

static int64_t tokens(void *ctx, const struct message_request *r)
{
	return estimate_tokens(r, true);
}

static void route(struct work *w)
{
	struct route_ask ask = { .model = w->request->model_name, .request = w->request,
				 .tokens = tokens };
	struct fault f = FAULT_INIT;
	struct target_chain chain;
	struct arena a;

	arena_init(&a, 0);
	if (route_decide(w->config, &ask, &a, &chain, &f))
		fail("route", f.message);
	arena_release(&a);
}

/* ---- in and out ---- */

static struct str read_body(const char *path)
{
	struct buf b;
	FILE *f = fopen(path, "r");
	size_t n = 1;

	buf_init(&b, 0);
	while (f && n) {
		char *room = buf_room(&b, 1 << 16);

		n = room ? fread(room, 1, 1 << 16, f) : 0;
		b.n += n;
	}
	if (!f || !b.n)
		fail(path, "can't be read");
	fclose(f);
	return buf_str(&b);
}

static void print(const struct work *w, size_t n)
{
	for (size_t i = 0; i < n; i++)
		printf("%s\"%s\":{\"dialect\":\"%s\",\"us\":%.3f,\"events\":%zu,\"bytes\":%zu}",
		       i ? "," : "{", w[i].backend->name, w[i].backend->dialect, w[i].best / 1000,
		       w[i].events, w[i].bytes);
	printf("}\n");
}

int main(int argc, char **argv)
{
	static struct work work[BACKENDS_MAX];
	struct config_load how = { .path = argc > 2 ? argv[1] : NULL };
	bool decodes = argc > 2 && strcmp(argv[2], "decode") == 0;
	bool routes = argc > 2 && strcmp(argv[2], "route") == 0;
	struct message_request request;
	struct fault f = FAULT_INIT;
	struct config *config;
	struct arena a;
	struct buf err;
	size_t n = 0;

	buf_init(&err, 0);
	arena_init(&a, 0);
	if (argc < (decodes ? 3 : 4))
		fail("usage", "bench-stages CONFIG encode|decode|route [BODY]");
	config = config_load(&how, &err);
	if (!config)
		fail(how.path, buf_cstr(&err));
	if (!decodes && anthropic_parse(&request, read_body(argv[3]), PARSE_MESSAGE, &a, &f))
		fail(argv[3], f.message);
	for (size_t i = 0; i < config->nbackends && n < BACKENDS_MAX; i++) {
		struct work *w = &work[n];

		*w = (struct work){ .config = config, .backend = &config->backends[i],
				    .request = &request };
		if (decodes && !wire_make(&w->wire, w->backend->name, &a) &&
		    !wire_make(&w->wire, w->backend->dialect, &a))
			fail(w->backend->dialect, "has no answer in bench-wires.c");
		n++;
	}
	n = routes ? 1 : n;
	measure(work, n, decodes ? decode : routes ? route : encode);
	print(work, n);
	buf_release(&err);
	arena_release(&a);
	config_unref(config);
	return 0;
}
