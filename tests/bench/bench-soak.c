/*
 * Load that is held: STREAMS at once for a time, each replaced when it ends; of those, LEAVERS go
 * away at random moments, half of them with a reset, and are replaced too. A few streams go
 * directly to the upstream meanwhile, so that what the machine itself costs is known from the same
 * moments.
 *
 *   bench-soak -u PORT/PATH -d PORT/PATH -b FILE… -c STREAMS -l LEAVERS -n DIRECT -w SECONDS
 *              [-r RATE (openings a second)]
 *
 *   -u what is tested; -d the upstream itself; -b bodies, taken in turn. Their model, "bench-eN…",
 *   says how many events the answer must have.
 *
 * Prints "warm" when all have begun, and one JSON object at the end, when the last stream has come
 * to its own end. Failed is a request without status 200, without its last event, or with other
 * than N events; a leaver's fails only by that before it leaves.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench-http.h"

enum {
	BODIES_MAX = 16,
	LEAVE_US = 20 * 1000000,        /* the longest that a leaver stays */
	SETTLE_US = 1000000,
	DRAIN_US = 180 * 1000000,
};

struct kind {
	const char *target, *end;       /* end: how its answers do */
	struct http_request bodies[BODIES_MAX];
	struct samples late, first;
	long done, left, failed;
};

struct stream {
	struct http_conn http;
	struct kind *kind;
	bool leaver, begun;
	int events;                     /* that the answer must have */
	int64_t leave_at;
};

static struct {
	int streams, leavers, direct, seconds, rate, nbodies;
	const char *body[BODIES_MAX];
} opt = { .seconds = 300, .rate = 400 };

static struct kind tested = { .end = "message_stop" }, straight = { .end = "[DONE]" };
static int expected[BODIES_MAX], begun;
static bool measuring, ending;

static int64_t leave_time(void)
{
	return http_now_us() + (int64_t)(drand48() * LEAVE_US);
}

static void ask(struct stream *s)
{
	static unsigned turn;
	unsigned i = turn++ % (unsigned)opt.nbodies;

	s->events = expected[i];
	if (s->leaver)
		s->leave_at = leave_time();
	if (s->http.fd < 0)
		http_open(&s->http, &s->kind->bodies[i]);
	else
		http_ask(&s->http, &s->kind->bodies[i]);
}

static void fail(struct stream *s, const char *why)
{
	if (s->kind->failed++ < 10)
		fprintf(stderr, "bench-soak: %s: %s after %.3f s, status %d, %d of %d events\n",
			s->kind->target, why,
			(double)(http_now_us() - s->http.asked_us) / 1e6, s->http.status,
			s->http.stamps, s->events);
}

static void on_began(struct http_conn *c)
{
	struct stream *s = (struct stream *)c;

	samples_add(&s->kind->first, http_now_us() - c->asked_us);
}

static void on_stamp(struct http_conn *c, int64_t late_us)
{
	struct stream *s = (struct stream *)c;

	begun += !s->begun;
	s->begun = true;
	if (measuring)
		samples_add(&s->kind->late, late_us);
}

static void on_finished(struct http_conn *c)
{
	struct stream *s = (struct stream *)c;

	s->kind->done++;
	if (c->status != 200)
		fail(s, "refused");
	else if (c->stamps != s->events || !http_ends_with(c, s->kind->end))
		fail(s, "not whole");
	if (!ending)
		ask(s);
}

static void on_closed(struct http_conn *c)
{
	struct stream *s = (struct stream *)c;

	if (c->busy)
		fail(s, "cut");
	c->busy = false;
	if (!ending)
		ask(s);
}

static const struct http_hooks hooks = {
	.began = on_began, .stamp = on_stamp, .finished = on_finished, .closed = on_closed,
};

/* ---- the run ---- */

static void leave(struct stream *all)
{
	int64_t now = http_now_us();

	for (int i = 0; i < opt.leavers; i++) {
		struct stream *s = &all[i];

		if (!s->http.busy || now < s->leave_at)
			continue;
		s->kind->left++;
		http_leave(&s->http, drand48() < 0.5);
		if (!ending)
			ask(s);
	}
}

static void hold(struct stream *all, int64_t until)
{
	while (http_now_us() < until) {
		leave(all);
		http_wait(1);
	}
}

/* Leavers that leave before their first event begin later, hence not all of them are waited for. */
static int open_all(struct stream *all, int n)
{
	int64_t start = http_now_us();
	int opened = 0;

	while (opened < n || begun < n - opt.leavers / 2) {
		while (opened < n && http_now_us() - start >= opened * 1000000LL / opt.rate)
			ask(&all[opened++]);
		leave(all);
		http_wait(1);
		if (http_now_us() - start > DRAIN_US)
			return -1;
	}
	return 0;
}

static int busy(const struct stream *all, int n)
{
	int count = 0;

	for (int i = 0; i < n; i++)
		count += all[i].http.busy;
	return count;
}

static void drain(struct stream *all, int n)
{
	int64_t until = http_now_us() + DRAIN_US;

	ending = true;
	while (busy(all, n) && http_now_us() < until)
		hold(all, http_now_us() + 50000);
	for (int i = 0; i < n; i++)
		if (all[i].http.busy)
			fail(&all[i], "no end");
}

static void print_kind(const char *name, struct kind *k)
{
	samples_sort(&k->late);
	samples_sort(&k->first);
	printf("\"%s\":{\"done\":%ld,\"left\":%ld,\"failed\":%ld,\"events\":%zu", name, k->done,
	       k->left, k->failed, k->late.n);
	printf(",\"late_us\":[%lld,%lld,%lld,%lld]",
	       (long long)samples_percentile(&k->late, 0.5),
	       (long long)samples_percentile(&k->late, 0.99),
	       (long long)samples_percentile(&k->late, 0.999),
	       (long long)samples_percentile(&k->late, 1));
	printf(",\"first_us\":[%lld,%lld,%lld]}", (long long)samples_percentile(&k->first, 0.5),
	       (long long)samples_percentile(&k->first, 0.99),
	       (long long)samples_percentile(&k->first, 1));
}

static int run(struct stream *all, int n)
{
	int64_t start = http_now_us();

	if (open_all(all, n)) {
		fprintf(stderr, "bench-soak: %d of %d streams have begun\n", begun, n);
		return 1;
	}
	hold(all, http_now_us() + SETTLE_US);
	printf("warm\n");
	fflush(stdout);
	measuring = true;
	hold(all, http_now_us() + opt.seconds * 1000000LL);
	measuring = false;
	drain(all, n);
	printf("{\"seconds\":%.1f,", (double)(http_now_us() - start) / 1e6);
	print_kind("tested", &tested);
	printf(",");
	print_kind("direct", &straight);
	printf("}\n");
	return tested.failed || straight.failed;
}

/* ---- start ---- */

static int parse_options(int argc, char **argv)
{
	int o;

	while ((o = getopt(argc, argv, "u:d:b:c:l:n:w:r:")) != -1) {
		switch (o) {
		case 'u': tested.target = optarg; break;
		case 'd': straight.target = optarg; break;
		case 'c': opt.streams = atoi(optarg); break;
		case 'l': opt.leavers = atoi(optarg); break;
		case 'n': opt.direct = atoi(optarg); break;
		case 'w': opt.seconds = atoi(optarg); break;
		case 'r': opt.rate = atoi(optarg); break;
		case 'b':
			if (opt.nbodies < BODIES_MAX)
				opt.body[opt.nbodies++] = optarg;
			break;
		default:
			return -1;
		}
	}
	return tested.target && straight.target && opt.nbodies && opt.rate > 0 &&
		opt.streams > 0 && opt.leavers <= opt.streams ? 0 : -1;
}

static void make_bodies(struct kind *k)
{
	for (int i = 0; i < opt.nbodies; i++) {
		const char *model;

		http_request_make(&k->bodies[i], k->target, opt.body[i], NULL);
		model = strstr(k->bodies[i].text, "\"bench-e");
		expected[i] = model ? atoi(model + strlen("\"bench-e")) : 1;
	}
}

int main(int argc, char **argv)
{
	struct stream *all;
	int n, rc;

	if (parse_options(argc, argv)) {
		fprintf(stderr, "usage: bench-soak -u PORT/PATH -d PORT/PATH -b FILE… -c STREAMS "
				"[-l LEAVERS] [-n DIRECT] [-w SECONDS] [-r RATE]\n");
		return 2;
	}
	srand48(1);
	http_setup(&hooks);
	make_bodies(&tested);
	make_bodies(&straight);
	n = opt.streams + opt.direct;
	all = calloc((size_t)n, sizeof(*all));
	if (!all)
		return 1;
	for (int i = 0; i < n; i++) {
		all[i].http.fd = -1;
		all[i].kind = i < opt.streams ? &tested : &straight;
		all[i].leaver = i < opt.leavers;
	}
	rc = run(all, n);
	free(all);
	return rc;
}
