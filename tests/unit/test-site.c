/* The table of error sites: ids that stay, codes, texts, and that no two errors share an id. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/api.h"
#include "base/log.h"
#include "message/fault.h"

/* All of the program's objects are in this one too. */
void *volatile whole_program;

static void ids(void **state)
{
	struct error_site s = { "../../src/api/gate.c", "too_busy",
				"FAULT_OVERLOADED/\"overloaded_error\"", "\"x\"", 12 };
	char id[SITE_ID_SIZE], again[SITE_ID_SIZE], code[SITE_CODE_SIZE];

	site_code(&s, code);
	assert_string_equal(code, "overloaded/overloaded_error");
	assert_string_equal(site_file(&s), "src/api/gate.c");
	site_id(&s, id);
	/* printf 'src/api/gate.c\ntoo_busy\noverloaded/overloaded_error' | sha256sum */
	assert_string_equal(id, "532db93752cb");
	s.file = "/home/src/messages/src/api/gate.c";
	s.line = 300;
	s.text = "\"other words\"";
	site_id(&s, again);
	assert_string_equal(id, again);
	s.function = "too_late";
	site_id(&s, again);
	assert_string_not_equal(id, again);
}

static void codes(void **state)
{
	static const struct { const char *source, *code; } rows[] = {
		{ "key_expired", "key_expired" },
		{ "log/warn", "log/warn" },
		{ "FAULT_RATE/\"rate_limit_error\"", "rate/rate_limit_error" },
		{ "o->class/fault_type_of_status(status)", "any/any" },
		{ "FAULT_BAD_REQUEST/a ? \"x\" : \"y\"", "bad_request/any" },
		{ "PARSE_REQUIRED/\"max_tokens\"", "required/max_tokens" },
		{ "FAULT_BAD_REQUEST/\"Input should \" \"be 1, or 2.\"",
			"bad_request/input_should_be_1_or_2" },
	};
	char code[SITE_CODE_SIZE];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct error_site s = { "a.c", "f", rows[i].source, "", 1 };

		site_code(&s, code);
		assert_string_equal(code, rows[i].code);
	}
}

static void texts(void **state)
{
	static const struct { const char *source, *text; bool quotes; } rows[] = {
		{ "\"plain\"", "plain", false },
		{ "\"two \" \"parts: \" \"%\" \"ld\"", "two parts: %ld", false },
		{ "a ? \"yes %d\" : \"no %s\"", "yes %d | no %s", true },
		{ "\"say \\\"%.*s\\\"\\n\"", "say \"%.*s\"\n", true },
		{ "problem", "", true },
	};
	char text[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct error_site s = { "a.c", "f", "c", rows[i].source, 1 };

		site_text(&s, text, sizeof(text));
		assert_string_equal(text, rows[i].text);
		assert_int_equal(site_quotes(&s), rows[i].quotes);
	}
	site_text(&(struct error_site){ "", "", "", "\"a long one\"", 1 }, text, 5);
	assert_string_equal(text, "a lo");
}

static bool same_place(const struct error_site *a, const struct error_site *b)
{
	char x[SITE_CODE_SIZE], y[SITE_CODE_SIZE];

	site_code(a, x);
	site_code(b, y);
	return strcmp(site_file(a), site_file(b)) == 0 && strcmp(a->function, b->function) == 0 &&
	       strcmp(x, y) == 0;
}

/* One id, one meaning: places of a function that share a code say the same. */
static void every_site_is_its_own(void **state)
{
	size_t n;
	const struct error_site *const *all = site_all(&n);
	char a[SITE_ID_SIZE], b[SITE_ID_SIZE], code[SITE_CODE_SIZE];
	int bad = 0;

	assert_true(n > 150);
	for (size_t i = 0; i < n; i++) {
		site_id(all[i], a);
		assert_int_equal(strlen(a), 12);
		assert_true(all[i]->line > 0 && all[i]->function[0]);
		for (size_t k = 0; k < i; k++) {
			site_id(all[k], b);
			if (strcmp(a, b) != 0)
				continue;
			assert_true(same_place(all[i], all[k]));
			if (strcmp(all[i]->text, all[k]->text) == 0)
				continue;
			site_code(all[i], code);
			print_error("%s:%d and :%d, %s: both are \"%s\"; fault_set_as gives one a "
				    "code of its own\n", site_file(all[i]), all[i]->line,
				    all[k]->line, all[i]->function, code);
			bad++;
		}
	}
	assert_int_equal(bad, 0);
}

static void faults_know_their_place(void **state)
{
	struct fault f = FAULT_INIT;
	char id[SITE_ID_SIZE], code[SITE_CODE_SIZE], other[SITE_ID_SIZE];

	assert_string_equal(fault_id(&f, id), "");
	fault_bad(&f, "messages: %d", 1);
	assert_string_equal(site_file(f.site), "tests/unit/test-site.c");
	assert_string_equal(f.site->function, "faults_know_their_place");
	site_code(f.site, code);
	assert_string_equal(code, "bad_request/invalid_request_error");
	fault_id(&f, id);
	fault_no_memory(&f);
	site_code(f.site, code);
	assert_string_equal(code, "no_memory");
	assert_string_equal(f.site->function, "faults_know_their_place");
	assert_string_not_equal(id, fault_id(&f, other));
	fault_set_as("one_of_two", &f, FAULT_RATE, 429, "rate_limit_error", "slow");
	site_code(f.site, code);
	assert_string_equal(code, "one_of_two");
}

/* ---- the log ---- */

static struct {
	int calls;
	enum log_level level;
	const struct error_site *site;
	char text[64];
} heard;

static void hear(const struct error_site *site, enum log_level level, struct str text)
{
	heard.calls++;
	heard.level = level;
	heard.site = site;
	snprintf(heard.text, sizeof(heard.text), "%.*s", STR_ARGS(text));
	log_error("a listener may log, and is not told of it");
}

static void warnings_are_told(void **state)
{
	log_setup(LOG_LEVEL_NONE, "none");
	log_listen(hear);
	log_info("not told: %d", 1);
	assert_int_equal(heard.calls, 0);
	log_warn("told: %d", 2);
	assert_int_equal(heard.calls, 1);
	assert_int_equal(heard.level, LOG_LEVEL_WARN);
	assert_string_equal(heard.text, "told: 2");
	assert_string_equal(heard.site->function, "warnings_are_told");
	log_listen(NULL);
	log_warn_as("untold", "not told any more");
	assert_int_equal(heard.calls, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids),
		cmocka_unit_test(codes),
		cmocka_unit_test(texts),
		cmocka_unit_test(every_site_is_its_own),
		cmocka_unit_test(faults_know_their_place),
		cmocka_unit_test(warnings_are_told),
	};

	whole_program = (void *)(uintptr_t)api_handle;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
