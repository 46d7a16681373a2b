/*
 * Call ids of a fixed length (Mistral's nine): no two calls of a conversation share one, each result
 * has its call's, and a longer conversation keeps the ids that its beginning had. Short lengths make
 * hashes meet, so that the table that keeps them apart has something to do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "dialect/openai.h"
#include "ingress/ingress.h"

#define MAX_CALLS 2000

/* Every seventh id is one of Mistral's own already. */
static void put_id(struct buf *b, size_t i, int length)
{
	if (i % 7 == 0 && length == 9)
		buf_printf(b, "own%06zu", i);
	else
		buf_printf(b, "toolu_%024zx", i * 2654435761u);
}

static void put_conversation(struct buf *b, size_t n, int length)
{
	buf_puts(b, "{\"model\":\"m\",\"max_tokens\":9,\"messages\":["
		    "{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":[");
	for (size_t i = 0; i < n; i++) {
		buf_puts(b, i ? ",{\"type\":\"tool_use\",\"id\":\"" : "{\"type\":\"tool_use\",\"id\":\"");
		put_id(b, i, length);
		buf_printf(b, "\",\"name\":\"f\",\"input\":{\"i\":%zu}}", i);
	}
	buf_puts(b, "]},{\"role\":\"user\",\"content\":[");
	for (size_t i = n; i-- > 0;) {
		buf_puts(b, "{\"type\":\"tool_result\",\"tool_use_id\":\"");
		put_id(b, i, length);
		buf_printf(b, "\",\"content\":\"%zu\"}%s", i, i ? "," : "");
	}
	buf_puts(b, "]}]}");
}

static cJSON *encode(size_t n, int length)
{
	struct backend backend = { .name = "TEST", .origin = "test", .dialect = "openai-chat",
				   .base_url = "http://upstream.test/v1",
				   .path_message = "/chat/completions", .tool_name_max = 64,
				   .call_id_length = length };
	struct target target = { .backend = &backend, .model = "m" };
	struct fault f = FAULT_INIT;
	struct arena parsed, arena;
	struct message_request r;
	struct outgoing out = { 0 };
	struct encode_context c = { .arena = &arena, .request = &r, .target = &target };
	struct buf body, sent;
	cJSON *root;

	buf_init(&body, 0);
	buf_init(&sent, 0);
	arena_init(&parsed, 0);
	arena_init(&arena, 0);
	put_conversation(&body, n, length);
	assert_int_equal(anthropic_parse(&r, buf_str(&body), PARSE_MESSAGE, &parsed, &f), 0);
	segs_init(&out.body, &arena);
	assert_int_equal(openai_encode(&c, OP_MESSAGE, &out, &f), 0);
	assert_int_equal(segs_flatten(&out.body, &sent), 0);
	root = cJSON_ParseWithLength(sent.p, sent.n);
	assert_non_null(root);
	buf_release(&body);
	buf_release(&sent);
	arena_release(&arena);
	arena_release(&parsed);
	return root;
}

static const char *text(const cJSON *object, const char *name)
{
	const char *s = cJSON_GetStringValue(cJSON_GetObjectItem(object, name));

	assert_non_null(s);
	return s;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* ids[i]: what the i-th call got; they point into root. */
static size_t read_calls(const cJSON *root, int length, const char **ids)
{
	const cJSON *messages = cJSON_GetObjectItem(root, "messages"), *call;
	const cJSON *said = cJSON_GetArrayItem(messages, 1);
	size_t n = 0;

	cJSON_ArrayForEach(call, cJSON_GetObjectItem(said, "tool_calls")) {
		assert_true(n < MAX_CALLS);
		ids[n] = text(call, "id");
		assert_int_equal(strlen(ids[n++]), length);
	}
	return n;
}

static void assert_results(const cJSON *root, const char *const *ids, size_t n)
{
	const cJSON *message;
	size_t results = 0;

	cJSON_ArrayForEach(message, cJSON_GetObjectItem(root, "messages")) {
		if (strcmp(text(message, "role"), "tool") != 0)
			continue;
		assert_string_equal(text(message, "tool_call_id"),
				    ids[atoi(text(message, "content"))]);
		results++;
	}
	assert_int_equal(results, n);
}

static void assert_distinct(const char *const *ids, size_t n)
{
	const char **sorted = calloc(n, sizeof(*sorted));

	assert_non_null(sorted);
	memcpy(sorted, ids, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare);
	for (size_t i = 1; i < n; i++)
		assert_string_not_equal(sorted[i - 1], sorted[i]);
	free(sorted);
}

static void check(size_t n, int length)
{
	static const char *ids[MAX_CALLS], *before[MAX_CALLS];
	cJSON *root = encode(n, length), *shorter = encode(n / 2, length);

	assert_int_equal(read_calls(root, length, ids), n);
	assert_distinct(ids, n);
	assert_results(root, ids, n);
	assert_int_equal(read_calls(shorter, length, before), n / 2);
	for (size_t i = 0; i < n / 2; i++)
		assert_string_equal(ids[i], before[i]);
	cJSON_Delete(root);
	cJSON_Delete(shorter);
}

/* 62 * 62 codes of two characters: of 1000 ids about 120 meet another one. */
static void test_hashes_that_meet(void **state)
{
	check(1000, 2);
}

static void test_nearly_all_codes(void **state)
{
	check(50, 1);
}

static void test_nine(void **state)
{
	const char *ids[MAX_CALLS];
	cJSON *root;

	check(MAX_CALLS, 9);
	root = encode(8, 9);
	assert_int_equal(read_calls(root, 9, ids), 8);
	assert_string_equal(ids[0], "own000000");
	assert_string_equal(ids[7], "own000007");
	cJSON_Delete(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hashes_that_meet),
		cmocka_unit_test(test_nearly_all_codes),
		cmocka_unit_test(test_nine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
