/* Credentials of this machine and the store: files that change, commands, threads and a state dir
 * that two lives of the process share. (Token endpoints: tests/e2e/test_credentials.py.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/clock.h"
#include "upstream/credential.h"

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
	if (!strstr(f.message, words) || !strstr(f.message, "backend lab"))
		fail_msg("\"%s\" does not say \"%s\"", f.message, words);
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
	fails(&b, "the file is empty");
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
	};
	static const struct { const char *command, *words; } bad[] = {
		{ "/nonexistent/program", "/nonexistent/program" },
		{ "false", "ended with status 1" },
		{ "true", "printed nothing" },
		{ "  ", "empty command" },
		{ "echo '{}'", "without an access_token" },
		{ "sh -c 'kill -9 $$'", "ended by a signal" },
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
		TEST(test_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
