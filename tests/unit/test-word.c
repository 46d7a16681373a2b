/* doctor.word: who has it is let in, once, and only for a while. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/doctor.h"
#include "base/clock.h"

#define HALF_HOUR 1800

struct fixture {
	struct config config;
	char dir[64];
};

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	strcpy(x->dir, "/tmp/test-word-XXXXXX");
	if (!mkdtemp(x->dir))
		return -1;
	x->config = (struct config){ .state_dir = x->dir, .changed = clock_wall_ms() / 1000 };
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/doctor-word", x->dir);
	unlink(path);
	rmdir(x->dir);
	free(x);
	return 0;
}

/* The fault's message, or NULL when it opened. */
static const char *ask(struct config *c, const char *query)
{
	static struct fault f;
	char param[128];
	const char *params[] = { "REQUEST_METHOD=GET", "REQUEST_URI=/doctor", param, NULL };
	struct memory_front *m;
	struct http_request request;
	struct arena arena;
	struct api_call call = { .config = c, .request = &request, .arena = &arena };
	int rc;

	snprintf(param, sizeof(param), "QUERY_STRING=%s", query);
	f = FAULT_INIT;
	m = memory_front_new(params, STR_NONE, 0);
	arena_init(&arena, 0);
	http_request_init(&request, memory_front(m), &arena);
	rc = doctor_word_check(&call, &f);
	arena_release(&arena);
	memory_front_free(m);
	return rc ? f.message : NULL;
}

static void test_once(void **state)
{
	struct fixture *x = *state;

	x->config.doctor_word = "word-of-test-once";
	assert_non_null(strstr(ask(&x->config, ""), "opens with a word"));
	assert_non_null(strstr(ask(&x->config, "word=another-word-entirely"), "not the word"));
	assert_null(ask(&x->config, "web=1&word=word-of-test-once"));
	assert_non_null(strstr(ask(&x->config, "word=word-of-test-once"), "has been used"));
	/* A new one opens; the one before it is no word any more. */
	x->config.doctor_word = "second-word-of-test";
	assert_non_null(strstr(ask(&x->config, "word=word-of-test-once"), "not the word"));
	assert_null(ask(&x->config, "word=second-word-of-test"));
	assert_non_null(strstr(ask(&x->config, "word=second-word-of-test"), "has been used"));
}

/* Without a folder, or with one that can't be written, the process remembers. */
static void test_once_without_folder(void **state)
{
	struct fixture *x = *state;

	x->config.doctor_word = "word-without-folder";
	x->config.state_dir = NULL;
	assert_null(ask(&x->config, "word=word-without-folder"));
	assert_non_null(strstr(ask(&x->config, "word=word-without-folder"), "has been used"));
	x->config.doctor_word = "word-with-no-such-folder";
	x->config.state_dir = "/proc/no/such/folder";
	assert_null(ask(&x->config, "word=word-with-no-such-folder"));
	assert_non_null(strstr(ask(&x->config, "word=word-with-no-such-folder"), "been used"));
}

static void test_half_an_hour(void **state)
{
	struct fixture *x = *state;
	int64_t now = x->config.changed;

	x->config.doctor_word = "word-of-half-an-hour";
	x->config.changed = now - HALF_HOUR - 5;
	assert_non_null(strstr(ask(&x->config, "word=word-of-half-an-hour"), "half an hour"));
	x->config.changed = now + 3600;         /* the clock was set back */
	assert_non_null(strstr(ask(&x->config, "word=word-of-half-an-hour"), "half an hour"));
	x->config.changed = 0;
	assert_non_null(strstr(ask(&x->config, "word=word-of-half-an-hour"), "a configuration file"));
	/* None of these has used it up. */
	x->config.changed = now - HALF_HOUR + 60;
	assert_null(ask(&x->config, "word=word-of-half-an-hour"));
}

/* A link in its place is not followed: what it leads to would be written over. */
static void test_link(void **state)
{
	struct fixture *x = *state;
	char path[128], target[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/doctor-word", x->dir);
	snprintf(target, sizeof(target), "%s/target", x->dir);
	assert_int_equal(symlink(target, path), 0);
	x->config.doctor_word = "word-behind-a-link";
	assert_null(ask(&x->config, "word=word-behind-a-link"));
	assert_int_equal(stat(target, &st), -1);
	assert_non_null(strstr(ask(&x->config, "word=word-behind-a-link"), "has been used"));
}

static void test_no_word(void **state)
{
	struct fixture *x = *state;

	assert_non_null(strstr(ask(&x->config, "word="), "opens with a word"));
	assert_non_null(strstr(ask(&x->config, "word=anything-at-all-here"), "opens with a word"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_once_without_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_an_hour, setup, teardown),
		cmocka_unit_test_setup_teardown(test_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_word, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
