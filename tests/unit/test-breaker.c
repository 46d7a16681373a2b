/* Circuit breakers: the state machine, and processes that share one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "state/host.h"

static const struct breaker_rule rule = { .failures = 3, .cooldown_ms = 1000,
					  .cooldown_max_ms = 8000 };
static const struct host_error error = { .wall_ms = 1, .status = 500, .kind = 7 };

#define NOW INT64_C(1800000000000)

static int64_t clock_at = NOW;          /* ms; what other processes do takes no time of it */

/* In place of the system's. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	t->tv_sec = (time_t)(clock_at / 1000);
	t->tv_nsec = (long)(clock_at % 1000) * 1000000;
	return 0;
}

static void expect(uint64_t word, enum breaker_phase phase, int64_t until)
{
	struct breaker b = breaker_read(word);

	assert_int_equal(b.phase, phase);
	if (phase != BREAKER_CLOSED)
		assert_int_equal(b.until, until);
}

static void test_opens_and_grows(void **state)
{
	uint64_t w = 0, next;
	int64_t now = NOW, waits[] = { 1000, 2000, 4000, 8000, 8000, 8000 };

	w = breaker_failed(w, now, &rule);
	w = breaker_failed(w, now, &rule);
	expect(w, BREAKER_CLOSED, 0);
	assert_true(breaker_ask(w, now, &next));
	assert_true(next == w);
	w = breaker_failed(w, now, &rule);
	for (size_t i = 0; i < sizeof(waits) / sizeof(*waits); i++) {
		expect(w, BREAKER_OPEN, now + waits[i]);
		assert_false(breaker_ask(w, now + waits[i] - 1, &next));
		now += waits[i];
		assert_true(breaker_ask(w, now, &next));
		expect(next, BREAKER_PROBING, now + BREAKER_LEASE_MS);
		w = breaker_failed(next, now, &rule);
	}
	assert_true(BREAKER_WELL == 0);
	expect(BREAKER_WELL, BREAKER_CLOSED, 0);
}

/* One probes; when it is killed, its lease ends; when its client leaves, the next may at once. */
static void test_probe(void **state)
{
	uint64_t open = breaker_rest(0, NOW, 5000, &rule), probing, next;

	expect(open, BREAKER_OPEN, NOW + 5000);
	assert_true(breaker_ask(open, NOW + 5000, &probing));
	assert_false(breaker_ask(probing, NOW + 5001, &next));
	assert_true(breaker_ask(probing, NOW + 5000 + BREAKER_LEASE_MS, &next));
	next = breaker_release(probing, NOW + 6000);
	expect(next, BREAKER_OPEN, NOW + 6000);
	assert_true(breaker_ask(next, NOW + 6000, &next));
	assert_true(breaker_release(0, NOW) == 0);
	assert_true(breaker_release(open, NOW) == open);
}

static void test_late_failures_change_nothing(void **state)
{
	uint64_t open = breaker_rest(0, NOW, 5000, &rule);

	assert_true(breaker_failed(open, NOW + 100, &rule) == open);
	assert_true(breaker_rest(open, NOW + 100, -1, &rule) == open);
}

/* What a backend says is kept to, within reason; a clock that was set back locks nothing for
 * ever. */
static void test_limits(void **state)
{
	uint64_t w = breaker_rest(0, NOW, INT64_C(86400000), &rule), next;

	expect(w, BREAKER_OPEN, NOW + BREAKER_REST_MAX_MS);
	expect(breaker_rest(0, NOW, 0, &rule), BREAKER_OPEN, NOW + 1000);
	assert_true(breaker_ask(w, NOW - INT64_C(86400000), &next));
	w = 0;
	for (int i = 0; i < 1000; i++)
		w = breaker_rest(w, NOW + i * INT64_C(10000), -1, &rule);
	assert_int_equal(breaker_read(w).opened, 255);
	assert_int_equal(breaker_read(w).failures, 255);
	expect(w, BREAKER_OPEN, NOW + 999 * 10000 + 8000);
}

/* ---- shared ---- */

static char dir[64];

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/test-breaker-XXXXXX");
	return mkdtemp(dir) && host_open(dir) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	char path[128];

	host_close();
	snprintf(path, sizeof(path), "%s/.htmessages-host", dir);
	unlink(path);
	return rmdir(dir);
}

/* Runs f in n processes that begin together; how many of them return true. */
static int count_true(int n, bool (*f)(void))
{
	int go[2], status, sum = 0;
	char byte;

	assert_int_equal(pipe(go), 0);
	for (int i = 0; i < n; i++) {
		if (fork() == 0) {
			close(go[1]);
			host_open(dir);
			if (read(go[0], &byte, 1) < 0)
				_exit(2);
			_exit(f() ? 1 : 0);
		}
	}
	close(go[0]);
	close(go[1]);
	for (int i = 0; i < n; i++) {
		wait(&status);
		assert_true(WIFEXITED(status));
		sum += WEXITSTATUS(status);
	}
	return sum;
}

static bool may_ask(void)
{
	int64_t until;

	return host_breaker_ask("lab", &until);
}

static bool fails_once(void)
{
	host_breaker_failed("lab", &rule, &error);
	return false;
}

static bool takes_turns(void)
{
	for (int i = 0; i < 1000; i++)
		host_turn();
	return false;
}

static void test_one_prober_of_all_processes(void **state)
{
	static const struct breaker_rule quick = { 1, 20, 20 };
	int64_t until = 0;

	host_breaker_failed("lab", &quick, &error);
	assert_false(host_breaker_ask("lab", &until));
	assert_true(until == clock_wall_ms() + 20);
	assert_false(host_breaker_ready("lab"));
	clock_at += 20;
	assert_true(host_breaker_ready("lab"));
	assert_int_equal(count_true(8, may_ask), 1);
	assert_false(host_breaker_ready("lab"));
	host_breaker_well("lab");
	assert_int_equal(count_true(8, may_ask), 8);
}

static void test_failures_of_all_processes_add_up(void **state)
{
	struct host_error e;
	struct breaker b;

	count_true(3, fails_once);
	host_breaker_get("lab", &b, &e);
	assert_int_equal(b.phase, BREAKER_OPEN);
	assert_int_equal(e.status, 500);
	assert_int_equal(e.kind, 7);
	assert_true(e.count >= 1 && e.count <= 3);
	assert_false(may_ask());
	host_breaker_get("other", &b, &e);
	assert_int_equal(b.phase, BREAKER_CLOSED);
	assert_int_equal(e.wall_ms, 0);
}

static void test_turns(void **state)
{
	uint64_t first = host_turn();

	count_true(8, takes_turns);
	assert_int_equal(host_turn() - first, 8001);
}

/* A table that is full benches nobody. */
static void test_full(void **state)
{
	char name[16];
	int64_t until;

	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "b%d", i);
		host_breaker_rest(name, 60000, &rule, &error);
	}
	assert_true(host_breaker_ask("b299", &until));
	assert_false(host_breaker_ask("b0", &until));
	host_breaker_release("b299");
	host_breaker_well("b299");
}

/* ---- texts ---- */

static void test_error_text(void **state)
{
	struct host_error e = { .wall_ms = 5, .status = 401 }, got;
	struct breaker b;

	memset(e.text, 'x', sizeof(e.text) - 1);
	memcpy(e.text, "Key refused", 11);
	host_breaker_failed("lab", &rule, &e);
	host_breaker_get("lab", &b, &got);
	assert_string_equal(got.text, e.text);
	strcpy(e.text, "no");
	host_breaker_rest("lab", 1000, &rule, &e);
	host_breaker_get("lab", &b, &got);
	assert_string_equal(got.text, "no");
	host_breaker_get("other", &b, &got);
	assert_string_equal(got.text, "");
}

/* Half of one text and half of another is none. */
static void test_torn_note(void **state)
{
	NOTE(32) a = { 0 }, b = { 0 };
	char text[32];

	NOTE_GET(a, text);
	assert_string_equal(text, "");
	NOTE_PUT(a, "the first of the two texts");
	NOTE_PUT(b, "another one that is as long");
	NOTE_GET(a, text);
	assert_string_equal(text, "the first of the two texts");
	a.word[1] = b.word[1];
	NOTE_GET(a, text);
	assert_string_equal(text, "");
	NOTE_PUT(a, "and written again");
	NOTE_GET(a, text);
	assert_string_equal(text, "and written again");
	NOTE_PUT(a, "cut between two characters: \xc3\xa4\xc3\xb6");
	NOTE_GET(a, text);
	assert_string_equal(text, "cut between two characters: \xc3\xa4");
}

static bool writes_texts(void)
{
	struct host_error e = { .wall_ms = 1 };

	for (int i = 0; i < 500; i++) {
		memset(e.text, 'a' + (int)(getpid() % 26), 100);
		host_breaker_failed("lab", &rule, &e);
	}
	return false;
}

static bool reads_texts(void)
{
	for (int i = 0; i < 5000; i++) {
		struct host_error e;
		struct breaker b;

		host_breaker_get("lab", &b, &e);
		for (size_t k = 1; e.text[0] && k < 100; k++)
			if (e.text[k] != e.text[0])
				return true;
	}
	return false;
}

static bool writes_or_reads(void)
{
	return getpid() % 2 ? reads_texts() : writes_texts();
}

static void test_texts_of_all_processes(void **state)
{
	assert_int_equal(count_true(8, writes_or_reads), 0);
}

/* ---- parts: a key's models ---- */

struct seen {
	char labels[256];
	int open;
};

static void see(void *ctx, const char *label, const struct breaker *b, const struct host_error *e)
{
	struct seen *s = ctx;

	strcat(strcat(s->labels, label), ";");
	s->open += b->phase == BREAKER_OPEN;
}

static void test_parts(void **state)
{
	struct seen seen = { "", 0 };

	host_breaker_label("key m", "key", "m");
	host_breaker_each("key", see, &seen);
	assert_string_equal(seen.labels, "");
	host_breaker_rest("key m", 60000, &rule, &error);
	host_breaker_label("key m", "key", "m");
	host_breaker_rest("other m", 60000, &rule, &error);
	host_breaker_label("other m", "other", "m");
	host_breaker_each("key", see, &seen);
	assert_string_equal(seen.labels, "m;");
	assert_int_equal(seen.open, 1);
	assert_true(host_breaker_ready("key"));
	assert_false(host_breaker_ready("key m"));
}

/* Names that clients make up can't use up the table: what has been well again is taken over. */
static void test_taken_over(void **state)
{
	char name[16];
	int64_t until;

	for (int i = 0; i < 256; i++) {
		snprintf(name, sizeof(name), "b%d", i);
		host_breaker_rest(name, 60000, &rule, &error);
	}
	host_breaker_rest("new", 60000, &rule, &error);
	assert_true(host_breaker_ask("new", &until));
	host_breaker_well("b7");
	host_breaker_rest("new", 60000, &rule, &error);
	assert_false(host_breaker_ask("new", &until));
	for (int i = 0; i < 256; i++) {
		snprintf(name, sizeof(name), "b%d", i);
		assert_int_equal(host_breaker_ask(name, &until), i == 7);
	}
}

/* A probe is over when an answer begins; failures count until one ends. */
static void test_answers_and_ended(void **state)
{
	struct host_error e;
	struct breaker b;

	host_breaker_failed("lab", &rule, &error);
	host_breaker_answers("lab");
	host_breaker_get("lab", &b, &e);
	assert_int_equal(b.failures, 1);
	host_breaker_ended("lab");
	host_breaker_get("lab", &b, &e);
	assert_int_equal(b.failures, 0);
	host_breaker_rest("lab", 60000, &rule, &error);
	host_breaker_ended("lab");
	assert_false(host_breaker_ready("lab"));
	host_breaker_answers("lab");
	assert_true(host_breaker_ready("lab"));
}

#define SHARED(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opens_and_grows),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_late_failures_change_nothing),
		cmocka_unit_test(test_limits),
		SHARED(test_one_prober_of_all_processes),
		SHARED(test_failures_of_all_processes_add_up),
		SHARED(test_turns),
		SHARED(test_full),
		SHARED(test_error_text),
		cmocka_unit_test(test_torn_note),
		SHARED(test_texts_of_all_processes),
		SHARED(test_parts),
		SHARED(test_taken_over),
		SHARED(test_answers_and_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
