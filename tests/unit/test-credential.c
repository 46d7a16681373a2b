/* Credentials of this machine and the store: files that change, commands, threads and a state dir
 * that two lives of the process share; the forms of times, and what is not quoted. (Endpoints:
 * test-credential-cloud.c.) */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/clock.h"
#include "upstream/credential_provider.h"
#include "upstream/credential_renew.h"

static char dir[64];

static char *in_dir(const char *name)
{
	static char path[4][128];
	static int next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(in_dir(name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* Lines of a file, 0 if there is none. */
static int lines(const char *name)
{
	FILE *f = fopen(in_dir(name), "r");
	int c, n = 0;

	while (f && (c = fgetc(f)) != EOF)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

static const char *awaited;             /* the clock stands until this file has a line */

/* In place of the system's. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	static const struct timespec stands = { .tv_sec = 1000 };

	timespec_get(t, TIME_UTC);
	if (awaited && !lines(awaited))
		*t = stands;
	return 0;
}

static struct backend backend(enum credential_kind kind, const char *source)
{
	return (struct backend){ .name = "lab", .base_url = "http://h", .auth = AUTH_BEARER,
				 .credential = { .kind = kind, .source = source } };
}

static void gets(const struct backend *b, const char *token)
{
	struct credential c;
	struct fault f = FAULT_INIT;

	assert_int_equal(credential_get(b, NULL, 0, &c, &f), 0);
	assert_string_equal(c.token, token);
	credential_release(&c);
}

static void fails(const struct backend *b, const char *words)
{
	struct credential c;
	struct fault f = FAULT_INIT;

	assert_int_equal(credential_get(b, NULL, 0, &c, &f), -1);
	if ((!strstr(f.message, words) && !strstr(f.note, words)) ||
	    !strstr(f.message, "backend lab"))
		fail_msg("\"%s\" does not say \"%s\"", f.message, words);
	/* Paths are for the log alone. */
	assert_null(strchr(f.message, '/'));
	assert_int_equal(f.status, 502);
	assert_int_equal(f.class, FAULT_AUTH);
}

static void test_key(void **state)
{
	struct backend b = backend(CREDENTIAL_KEY, NULL);
	struct credential used = { .token = "k" };

	b.api_key = "k";
	gets(&b, "k");
	assert_false(credential_renewable(&b));
	assert_false(credential_refused(&b, &used, 401, STR("expired")));
}

static void test_file(void **state)
{
	struct backend b = backend(CREDENTIAL_FILE, in_dir("token"));
	struct credential used;
	struct fault f = FAULT_INIT;

	fails(&b, "No such file");
	put("token", " \n");
	fails(&b, "its file is empty");
	put("token", "one\n");
	gets(&b, "one");
	assert_int_equal(credential_get(&b, NULL, 0, &used, &f), 0);
	assert_false(credential_refused(&b, &used, 401, STR("")));
	put("token", "another\n");
	assert_true(credential_refused(&b, &used, 401, STR("")));
	credential_release(&used);
	gets(&b, "another");
	/* Gone for a moment, as while it is being replaced. */
	unlink(in_dir("token"));
	gets(&b, "another");
	/* Empty for a moment, as while it is being written: what is there serves on. */
	put("token", "");
	gets(&b, "another");
	put("token", "bad\x01");
	fails(&(struct backend){ .name = "lab", .base_url = "x", .credential = b.credential },
	      "control character");
}

static void test_commands(void **state)
{
	static const struct { const char *command, *token; } good[] = {
		{ "printf tok", "tok" },
		{ "printf '%s' 'a b'", "a b" },
		{ "printf %s \"q\\\"$HOME\"", "q\"$HOME" },
		{ "echo '{\"accessToken\":\"t\",\"expires_on\":\"4000000000\"}'", "t" },
		{ "echo '{\"access_token\":\"d\","
		  "\"expiry\":\"2100-01-01T00:00:00.1+02:00\"}'", "d" },
		{ "echo '{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"k8s\","
		  "\"expirationTimestamp\":\"2100-01-01T00:00:00Z\"}}'", "k8s" },
		{ "echo '{\"credential\":{\"access_token\":\"g\",\"token_expiry\":"
		  "\"2100-01-01T00:00:00Z\"}}'", "g" },
		{ "echo '{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"sk\"}'", "sk" },
		/* Whoever it has started and left behind does not hold it up. */
		{ "sh -c 'sleep 25 & echo left'", "left" },
	};
	static const struct { const char *command, *words; } bad[] = {
		/* Under valgrind it is the child that finds it missing. */
		{ "/nonexistent/program", "/nonexistent/program" },
		{ "false", "ended with status 1" },
		{ "true", "printed nothing" },
		{ "  ", "empty command" },
		{ "echo '{}'", "without an access_token" },
		{ "sh -c 'kill -9 $$'", "ended by a signal" },
		{ "sh -c 'echo Run: az login with eyJhbGciOiJSUzI1NiIsInR5cCI6 >&2; echo more >&2; "
		  "exit 3'", "sh: Run: az login with [redacted]" },
		{ "sh -c 'while :; do echo 0123456789012345678901234567890123456789; done'",
		  "more than 64 KB" },
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct backend b = backend(CREDENTIAL_EXEC, bad[i].command);

		fails(&b, bad[i].words);
	}
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct backend b = backend(CREDENTIAL_EXEC, good[i].command);

		gets(&b, good[i].token);
	}
}

/* Gone, or dead and not yet waited for by whoever inherited it. */
static bool is_dead(int pid)
{
	char path[64], text[256] = "", *at;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f)
		return true;
	at = fgets(text, sizeof(text), f) ? strrchr(text, ')') : NULL;
	fclose(f);
	return !at || at[2] == 'Z' || at[2] == 'X';
}

/* One that takes too long is killed with all that it has started, and is waited for. */
static void test_command_too_slow(void **state)
{
	struct backend b = backend(CREDENTIAL_EXEC, "");
	struct credential_program p = { .seconds = 1 };
	struct fault f = FAULT_INIT;
	char text[256];
	struct buf out;
	int pid = 0;
	FILE *file;

	snprintf(text, sizeof(text), "sh -c 'trap : TERM; sleep 60 & echo $! >%s; wait; wait'",
		 in_dir("pid"));
	p.command = text;
	buf_init(&out, 0);
	/* Its time is over once it has started another. */
	awaited = "pid";
	assert_int_equal(credential_run(&b, &p, NULL, &out, &f), -1);
	awaited = NULL;
	assert_non_null(strstr(f.message, "its command took too long"));
	file = fopen(in_dir("pid"), "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &pid), 1);
	fclose(file);
	for (int i = 0; i < 500 && !is_dead(pid); i++)
		wait_until(NULL, clock_ms() + 10);
	assert_true(is_dead(pid));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	buf_release(&out);
}

/* Closed standard descriptors of ours and ignored signals do not reach it. */
static void test_command_surroundings(void **state)
{
	/* Builtins alone: a shell opens descriptors of its own for pipes and redirections. */
	struct backend b = backend(CREDENTIAL_EXEC, "sh -c 'for n in 0 1 2 3 4 5 6 7 8 9; do "
				   "test -e /proc/$$/fd/$n && printf %s, $n; done; "
				   "while read -r name value; do case $name in SigIgn:) printf "
				   "%s $name$value;; esac; done </proc/$$/status'");
	struct credential c;
	struct fault f = FAULT_INIT;
	int in = dup(0), r;

	signal(SIGPIPE, SIG_IGN);
	close(0);
	r = credential_get(&b, NULL, 0, &c, &f);
	dup2(in, 0);
	close(in);
	signal(SIGPIPE, SIG_DFL);
	assert_string_equal(f.message, "");
	assert_int_equal(r, 0);
	assert_memory_equal(c.token, "0,1,2,SigIgn:", 13);
	/* Those above 31 are the C library's own. */
	assert_int_equal(strtoull(c.token + 13, NULL, 16) & 0x7fffffff, 0);
	credential_release(&c);
}

/* A call's deadline ends its wait for another's renewal too. */
static void test_deadline(void **state)
{
	struct backend b = backend(CREDENTIAL_EXEC, "sh -c 'sleep 20; echo late'");
	struct credential c;
	struct fault f = FAULT_INIT;

	assert_int_equal(credential_get(&b, NULL, clock_ms() + 100, &c, &f), -1);
	assert_non_null(strstr(f.message, "in the time that was left"));
	assert_int_equal(f.class, FAULT_TRANSIENT);
	assert_int_equal(f.status, 502);
}

static void test_moments(void **state)
{
	static const struct { const char *json; int64_t ms; } cases[] = {
		{ "\"2026-11-22T12:00:00Z\"", 1795348800000 },
		{ "\"2026-11-22T12:00:00.123456789Z\"", 1795348800000 },
		{ "\"2026-11-22T14:00:00+02:00\"", 1795348800000 },
		{ "\"2026-11-22T10:30:00-0130\"", 1795348800000 },
		{ "\"2026-11-22T12:00:00\"", 1795348800000 },
		{ "\"2024-02-29 00:00:00 +00:00\"", 1709164800000 },
		{ "\"2026-11-22 12:00:00.000000\"", 1795348800000 }, /* local: TZ is UTC */
		{ "1795348800", 1795348800000 }, { "\"1795348800\"", 1795348800000 },
		{ "1795348800000", 1795348800000 }, { "1795348800.5", 1795348800000 },
		{ "1.7953488E9", 1795348800000 },
		{ "\"\"", 0 }, { "\"soon\"", 0 }, { "\"2026-13-01T00:00:00Z\"", 0 }, { "null", 0 },
		{ "-5", 0 }, { "0", 0 }, { "1e300", 0 }, { "{}", 0 },
		{ "\"99999999999999999999999999\"", 0 },
	};
	int64_t now = clock_wall_ms(), at;

	setenv("TZ", "UTC", 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (credential_moment(span_json(str_of(cases[i].json))) != cases[i].ms)
			fail_msg("%s is %lld", cases[i].json,
				 (long long)credential_moment(span_json(str_of(cases[i].json))));
	/* The sooner of both; a moment that has passed leaves a minute, or what is said beside. */
	at = credential_expiry(span_json(STR("\"100\"")), span_json(STR("4102444800")), 0);
	assert_true(at >= now + 100000 && at < now + 110000);
	at = credential_expiry(span_json(STR("100.9")), SPAN_ABSENT, 0);
	assert_true(at >= now + 100000 && at < now + 110000);
	at = credential_expiry(span_json(STR("1e300")), SPAN_ABSENT, 7);
	assert_true(at >= now + 7000 && at < now + 17000);
	at = credential_expiry(span_json(STR("-0.5")), SPAN_ABSENT, 7);
	assert_true(at >= now + 7000 && at < now + 17000);
	at = credential_expiry(span_json(STR("100")), span_json(STR("1")), 0);
	assert_true(at >= now + 100000 && at < now + 110000);
	at = credential_expiry(SPAN_ABSENT, span_json(STR("1")), 0);
	assert_true(at >= now + 60000 && at < now + 70000);
	at = credential_expiry(SPAN_ABSENT, SPAN_ABSENT, 7);
	assert_true(at >= now + 7000 && at < now + 17000);
	assert_int_equal(credential_expiry(SPAN_ABSENT, span_json(STR("4102444800")), 7),
			 4102444800000);
}

static void test_quotes(void **state)
{
	static const struct { const char *said, *quoted; } cases[] = {
		{ "AADSTS7000215: Invalid client secret provided.\nTrace",
		  "AADSTS7000215: Invalid client secret provided." },
		{ "  no such file: /home/user/.config/gcloud/application_default_credentials.json",
		  "no such file: /home/user/.config/gcloud/application_default_credentials.json" },
		{ "token=ya29.a0AfH6SMBx1234567890abcdef!", "[redacted]!" },
		{ "key wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY was", "key [redacted] was" },
		{ "https://login.microsoftonline.com/common/ refused",
		  "https://login.microsoftonline.com/common/ refused" },
		{ "", "" },
	};
	struct buf b;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_init(&b, 0);
		credential_quote(&b, str_of(cases[i].said));
		assert_string_equal(buf_cstr(&b), cases[i].quoted);
		buf_release(&b);
	}
}

/* While the old one is good nobody waits for the process that renews it. */
static void test_early_renewal_elsewhere(void **state)
{
	struct backend b = backend(CREDENTIAL_EXEC, "echo mine");
	unsigned char id[CREDENTIAL_ID_SIZE] = { 1 };
	struct renewal n = { .b = &b, .dir = dir, .id = id, .early = true };
	struct credential c = CREDENTIAL_INIT;
	struct fault f = FAULT_INIT, told = FAULT_INIT;
	int held = -1;

	awaited = "none";
	assert_int_equal(credential_share_lock(dir, id, &held), SHARE_LOCKED);
	assert_int_equal(credential_renew(&n, &c, &f), RENEWED_ELSEWHERE);
	assert_null(c.token);
	/* What that one has met is told, while it is new. */
	credential_fault(&b, &f, "was refused");
	credential_share_fail(held, &f);
	assert_false(credential_share_failed(held, 0, &told));
	credential_share_unlock(held);
	assert_int_equal(credential_renew(&n, &c, &told), RENEWAL_FAILED);
	assert_string_equal(told.message, f.message);
	assert_int_equal(told.class, FAULT_AUTH);
	awaited = NULL;
	held = -1;
	assert_int_equal(credential_share_lock(dir, id, &held), SHARE_LOCKED);
	credential_share_fail(held, NULL);
	credential_share_unlock(held);
	assert_int_equal(credential_renew(&n, &c, &f), RENEWED);
	assert_string_equal(c.token, "mine");
	credential_release(&c);
}

static void test_due(void **state)
{
	struct backend b = backend(CREDENTIAL_EXEC, "true");
	int64_t now = clock_wall_ms();
	struct credential c = { .token = "t", .version = 1, .obtained = now,
				.expires = now + 3600000 };

	assert_true(credential_good(&c, 0) && !credential_due(&b, &c));
	assert_false(credential_good(&c, 1));
	c.obtained = now - 3600000;
	c.expires = now + 299000;
	assert_true(credential_good(&c, 0) && credential_due(&b, &c));
	c.expires = now + 4000;
	assert_false(credential_good(&c, 0));
	/* Got by a clock that was an hour ahead. */
	c.obtained = now + 3600000;
	c.expires = now + 7200000;
	assert_true(credential_good(&c, 0) && credential_due(&b, &c));
}

static char command[256];

static const char *counted(const char *count)
{
	snprintf(command, sizeof(command), "sh -c 'echo run >>%s; sleep 0.2; echo tok-$$'",
		 in_dir(count));
	return command;
}

static void *get_in_thread(void *ctx)
{
	struct credential c;
	struct fault f = FAULT_INIT;

	if (credential_get(ctx, NULL, 0, &c, &f))
		return NULL;
	credential_release(&c);
	return ctx;
}

static void test_one_thread_renews(void **state)
{
	struct backend b = backend(CREDENTIAL_EXEC, counted("threads"));
	pthread_t t[8];
	void *done;

	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&t[i], NULL, get_in_thread, &b), 0);
	for (int i = 0; i < 8; i++) {
		pthread_join(t[i], &done);
		assert_non_null(done);
	}
	assert_int_equal(lines("threads"), 1);
}

/* What one life of the process has got serves the next, until it is refused. */
static void test_shared(void **state)
{
	struct backend b = backend(CREDENTIAL_EXEC, counted("shared"));
	struct credential first, again;
	struct fault f = FAULT_INIT;

	credential_setup(dir);
	assert_int_equal(credential_get(&b, NULL, 0, &first, &f), 0);
	credential_cleanup();
	credential_setup(dir);
	gets(&b, first.token);
	assert_int_equal(lines("shared"), 1);
	assert_false(credential_refused(&b, &first, 500, STR("expired")));
	assert_false(credential_refused(&b, &first, 403, STR("not for you")));
	assert_true(credential_refused(&b, &first, 403, STR("The access token EXPIRED")));
	assert_int_equal(credential_get(&b, NULL, 0, &again, &f), 0);
	assert_string_not_equal(again.token, first.token);
	assert_int_equal(lines("shared"), 2);
	/* Whoever still holds the first one is told of the second without another renewal. */
	assert_true(credential_refused(&b, &first, 401, STR("")));
	gets(&b, again.token);
	assert_int_equal(lines("shared"), 2);
	/* One renewal a minute: a backend that refuses everything is not asked twice as often. */
	assert_false(credential_refused(&b, &again, 401, STR("")));
	credential_release(&first);
	credential_release(&again);
}

static int setup(void **state)
{
	strcpy(dir, "/tmp/messages-credential-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char text[128];

	credential_cleanup();
	snprintf(text, sizeof(text), "rm -rf %s", dir);
	return system(text);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_key), TEST(test_file), TEST(test_commands), TEST(test_one_thread_renews),
		TEST(test_shared), TEST(test_command_too_slow), TEST(test_command_surroundings),
		TEST(test_deadline), TEST(test_moments), TEST(test_quotes), TEST(test_due),
		TEST(test_early_renewal_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
