/*
 * What the limits of a key add to a request: the time of the calls that a message makes to them,
 * headers included, against the same calls with a key that has none. Prints both in nanoseconds,
 * and what a refused key costs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/api.h"

#define TIMES 200000

static const char *const params[] = { "REQUEST_METHOD=POST", "REMOTE_ADDR=192.0.2.1", NULL };

/* Processor time, because other work runs beside it. */
static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double message(const struct access_key *k)
{
	struct memory_front *front = memory_front_new(params, STR_NONE, 0);
	struct http_request request;
	struct answer answer;
	struct arena arena;
	struct fault f = FAULT_INIT;
	struct api_call c = { .front = memory_front(front), .answer = &answer,
			      .request = &request, .access = { .key = k, .key_name = "bench" } };
	double start;

	arena_init(&arena, 0);
	http_request_init(&request, c.front, &arena);
	answer_init(&answer, c.front, &request);
	start = cpu_ns();
	for (int i = 0; i < TIMES; i++) {
		c.limits = (struct key_limits){ .counted = 0 };
		buf_reset(&answer.headers);
		if (limits_enter(&c, RATE_REQUESTS, &f)) {
			fprintf(stderr, "bench-limits: %s\n", f.message);
			exit(1);
		}
		limits_estimate(&c, 1000);
		limits_tell(&c);
		limits_count(&c, 1);
		limits_count(&c, 2);
		limits_leave(&c);
	}
	start = cpu_ns() - start;
	answer_release(&answer);
	arena_release(&arena);
	memory_front_free(front);
	return start / TIMES;
}

static double refused(void)
{
	struct config c = { .throttle_failures = 20, .throttle_window = 60 };
	struct access_client client = { .known = true };
	struct fault f = FAULT_INIT;
	double start = cpu_ns();

	for (int i = 0; i < TIMES; i++) {
		memcpy(client.address.b, &i, sizeof(i));
		access_refused(&c, &client, STR("sk-bench-0123456789"), &f);
	}
	return (cpu_ns() - start) / TIMES;
}

int main(void)
{
	const struct access_key none = { .name = "none" };
	const struct access_key all = { .name = "bench", .mark = 1, .requests = 10000000,
					.tokens = 1000000000, .streams = 100 };
	char dir[] = "/tmp/bench-limits.XXXXXX", file[64];

	if (!mkdtemp(dir))
		return 1;
	rates_setup(dir, 1, true);
	printf("{\"none_ns\": %.0f, ", message(&none));
	printf("\"all_ns\": %.0f, ", message(&all));
	printf("\"refused_ns\": %.0f}\n", refused());
	rates_close();
	snprintf(file, sizeof(file), "%s/.htmessages-rates", dir);
	unlink(file);
	return rmdir(dir) ? 1 : 0;
}
