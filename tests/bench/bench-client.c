/*
 * The benchmark's client. Two uses:
 *
 *   bench-client -n COUNT …          one connection, kept alive, COUNT requests one after the
 *                                    other: time to the first byte of the body
 *   bench-client -c STREAMS -w S …   STREAMS at once, opened at most RATE a second; when all of
 *                                    them have begun, S seconds are measured: lateness of each
 *                                    event (against the moment that the upstream wrote into it),
 *                                    memory and processor time of the given processes
 *
 *   -u PORT/PATH   -b FILE (body)   -r RATE   -p PID (up to 16)   -t SECONDS (give up)
 *   -k KEY (sent as x-api-key)
 *
 * Prints one JSON object. A request that does not end with status 200 is counted as failed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench-http.h"

#define PIDS_MAX 16

/* A stream that has begun is one whose first event has come. */
struct stream {
	struct http_conn http;
	bool begun;
};

static struct {
	int count, streams, rate, seconds, give_up;
	const char *target, *body_file, *key;
	int pid[PIDS_MAX], npids;
} opt = { .streams = 1, .rate = 500, .seconds = 5, .give_up = 120 };

static struct http_request request;
static struct samples samples;          /* times to first byte, or lateness */
static int opened, begun, done, failed;
static bool measuring;
static uint64_t events;

/* ---- what other processes cost ---- */

static long private_dirty_kb(int pid)
{
	char path[64], line[256];
	long kb = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "Private_Dirty:", 14) == 0)
			kb = atol(line + 14);
	if (f)
		fclose(f);
	return kb;
}

/* User and system time so far, µs, in steps of the clock of /proc (10 ms). */
static int64_t cpu_us(int pid)
{
	char path[64], line[1024], *p;
	unsigned long user, sys;
	int64_t us = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	p = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	if (p &&
	    sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys) == 2)
		us = (int64_t)(user + sys) * 1000000 / sysconf(_SC_CLK_TCK);
	fclose(f);
	return us;
}

/* ---- what comes ---- */

static void on_began(struct http_conn *c)
{
	if (opt.count)
		samples_add(&samples, http_now_us() - c->asked_us);
}

static void on_stamp(struct http_conn *c, int64_t late_us)
{
	struct stream *s = (struct stream *)c;

	if (!s->begun) {
		s->begun = true;
		begun++;
	}
	if (measuring && opt.count == 0) {
		events++;
		samples_add(&samples, late_us);
	}
}

static void on_finished(struct http_conn *c)
{
	done++;
	if (c->status != 200)
		failed++;
	if (!opt.count || done >= opt.count)
		return;
	if (c->fd < 0)
		http_open(c, &request);
	else
		http_ask(c, &request);
}

static void on_closed(struct http_conn *c)
{
	if (!c->busy)
		return;
	failed++;
	done++;
	if (opt.count && done < opt.count)
		http_open(c, &request);
}

static const struct http_hooks hooks = {
	.began = on_began, .stamp = on_stamp, .finished = on_finished, .closed = on_closed,
};

/* ---- the two uses ---- */

static void print_samples(void)
{
	double sum = 0;

	samples_sort(&samples);
	for (size_t i = 0; i < samples.n; i++)
		sum += (double)samples.us[i];
	printf("\"samples\":%zu,\"p50_us\":%lld,\"p99_us\":%lld,\"max_us\":%lld,\"mean_us\":%.0f,"
	       "\"done\":%d,\"failed\":%d",
	       samples.n, (long long)samples_percentile(&samples, 0.5),
	       (long long)samples_percentile(&samples, 0.99),
	       (long long)samples_percentile(&samples, 1),
	       samples.n ? sum / (double)samples.n : -1, done, failed);
}

static void run_latency(struct stream *s, int64_t until)
{
	http_open(&s->http, &request);
	while (done < opt.count && http_now_us() < until)
		http_wait(100);
	printf("{");
	print_samples();
	printf("}\n");
}

static void run_streams(struct stream *all, int64_t until)
{
	int64_t start = http_now_us(), from, cpu[PIDS_MAX];
	long kb[PIDS_MAX] = { 0 };

	while (begun + done < opt.streams && http_now_us() < until) {
		while (opened < opt.streams && http_now_us() - start >= opened * 1000000LL / opt.rate)
			http_open(&all[opened++].http, &request);
		http_wait(1);
	}
	/* A second for what the opening has stirred up. */
	for (from = http_now_us() + 1000000; http_now_us() < from; )
		http_wait(1);
	for (int i = 0; i < opt.npids; i++)
		cpu[i] = cpu_us(opt.pid[i]);
	from = http_now_us();
	measuring = opt.seconds > 0;
	while (http_now_us() < from + opt.seconds * 1000000LL)
		http_wait(1);
	measuring = false;
	printf("{\"streams\":%d,\"begun\":%d,\"seconds\":%.3f,\"events\":%llu,", opt.streams, begun,
	       (double)(http_now_us() - from) / 1e6, (unsigned long long)events);
	for (int i = 0; i < opt.npids; i++) {
		cpu[i] = cpu_us(opt.pid[i]) - cpu[i];
		kb[i] = private_dirty_kb(opt.pid[i]);
	}
	print_samples();
	printf(",\"processes\":[");
	for (int i = 0; i < opt.npids; i++)
		printf("%s{\"pid\":%d,\"cpu_us\":%lld,\"private_dirty_kb\":%ld}", i ? "," : "",
		       opt.pid[i], (long long)cpu[i], kb[i]);
	printf("]}\n");
	fflush(stdout);
	/* The streams end by themselves; who measures memory afterwards wants them gone in
	 * order. */
	while (done < opened && http_now_us() < until)
		http_wait(50);
}

static int parse_options(int argc, char **argv)
{
	int o;

	while ((o = getopt(argc, argv, "n:c:w:u:b:r:p:t:k:")) != -1) {
		switch (o) {
		case 'n': opt.count = atoi(optarg); break;
		case 'c': opt.streams = atoi(optarg); break;
		case 'w': opt.seconds = atoi(optarg); break;
		case 'r': opt.rate = atoi(optarg); break;
		case 't': opt.give_up = atoi(optarg); break;
		case 'b': opt.body_file = optarg; break;
		case 'k': opt.key = optarg; break;
		case 'u': opt.target = optarg; break;
		case 'p':
			if (opt.npids < PIDS_MAX)
				opt.pid[opt.npids++] = atoi(optarg);
			break;
		default:
			return -1;
		}
	}
	return opt.target && opt.rate > 0 && opt.streams > 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct stream *all;
	int64_t until;

	if (parse_options(argc, argv)) {
		fprintf(stderr, "usage: bench-client -u PORT/PATH [-b FILE] -n COUNT | -c STREAMS "
				"-w SECONDS [-r RATE] [-p PID]…\n");
		return 2;
	}
	http_setup(&hooks);
	http_request_make(&request, opt.target, opt.body_file, opt.key);
	all = calloc((size_t)opt.streams, sizeof(*all));
	if (!all)
		return 1;
	until = http_now_us() + opt.give_up * 1000000LL;
	if (opt.count)
		run_latency(all, until);
	else
		run_streams(all, until);
	return failed > 0;
}
