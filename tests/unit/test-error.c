/* The shared table of errors: every wording and shape, one row each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dialect/dialect.h"

static struct backend backend = {
	.name = "lab", .origin = "lab", .dialect = "openai-chat",
	.api_key = "k", .api_key_from = "LAB_KEY in the environment",
};

static void run(const char *caller_key, int status, const char *body, struct fault *f)
{
	struct message_request request = { .max_tokens = 1 };
	struct target target = { .backend = &backend, .model = "m", .caller_key = caller_key };
	struct decode_context c = { .request = &request, .target = &target };
	struct arena a;

	arena_init(&a, 0);
	c.arena = &a;
	*f = FAULT_INIT;
	error_from_body(&c, status, str_of(body), f);
	arena_release(&a);
}

/* The provider's sentence stays as it is in all of these. */
static void test_mapping(void **state)
{
	static const struct {
		int status;
		const char *body;
		int as;
		const char *type, *message;
		enum fault_class class;
		int should_retry;
	} rows[] = {
		/* shapes */
		{ 400, "{\"error\":{\"message\":\"m\",\"type\":\"x\"}}", 400, "invalid_request_error", "m", FAULT_BAD_REQUEST, -1 },
		{ 400, "{\"error\":\"m\",\"code\":\"invalid-argument\"}", 400, "invalid_request_error", "m", FAULT_BAD_REQUEST, -1 },
		{ 400, "{\"object\":\"error\",\"message\":\"m\",\"code\":\"3230\"}", 400, "invalid_request_error", "m", FAULT_BAD_REQUEST, -1 },
		{ 400, "{\"detail\":\"m\"}", 400, "invalid_request_error", "m", FAULT_BAD_REQUEST, -1 },
		{ 422, "{\"detail\":[{\"loc\":[\"body\",\"tools\",0],\"msg\":\"m\"},{\"msg\":\"n\"}]}", 400, "invalid_request_error",
		  "body.tools.0: m; n", FAULT_BAD_REQUEST, -1 },
		{ 200, "{\"base_resp\":{\"status_code\":2013,\"status_msg\":\"m (2013)\"}}", 400, "invalid_request_error", "m (2013)", FAULT_BAD_REQUEST, -1 },
		{ 400, "{\"errors\":[\"m\",{\"message\":\"n\"}]}", 400, "invalid_request_error", "m; n", FAULT_BAD_REQUEST, -1 },
		{ 400, "[{\"error\":{\"code\":400,\"message\":\"m\",\"status\":\"INVALID_ARGUMENT\"}}]", 400, "invalid_request_error", "m", FAULT_BAD_REQUEST, -1 },
		{ 400, "{\"error\":{\"message\":{\"error\":\"guard\"}}}", 400, "invalid_request_error", "{\"error\":\"guard\"}", FAULT_BAD_REQUEST, -1 },
		{ 502, "<html><head><title>502 Bad\n Gateway</title></head><body>x</body></html>", 502, "api_error", "502 Bad Gateway", FAULT_TRANSIENT, -1 },
		{ 500, "<html><style>p{}</style><p>Some <b>bad</b> thing</p>", 500, "api_error", "Some bad thing", FAULT_TRANSIENT, -1 },
		{ 500, "upstream connect error", 500, "api_error", "upstream connect error", FAULT_TRANSIENT, -1 },
		{ 500, "bad \xff bytes\x01", 500, "api_error", "bad ? bytes ", FAULT_TRANSIENT, -1 },
		{ 500, "", 500, "api_error", "backend lab answered 500 without a message", FAULT_TRANSIENT, -1 },
		{ 400, "", 400, "invalid_request_error", "backend lab answered 400 without a message", FAULT_BAD_REQUEST, -1 },
		{ 400, "{\"error\":{\"message\":\"a\\u0000b \\ud83d\\ude00\"}}", 400, "invalid_request_error", "a b \xf0\x9f\x98\x80", FAULT_BAD_REQUEST, -1 },
		/* OpenRouter */
		{ 400, "{\"error\":{\"message\":\"Provider returned error\",\"code\":400,\"metadata\":{\"raw\":\"{\\\"error\\\":{\\\"message\\\":\\\"own words\\\"}}\","
		  "\"provider_name\":\"Google\"}}}", 400, "invalid_request_error", "Google: own words", FAULT_BAD_REQUEST, -1 },
		{ 429, "{\"error\":{\"message\":\"Provider returned error\",\"code\":429,\"metadata\":{\"raw\":\"slow down please\",\"provider_name\":\"X\"}}}",
		  429, "rate_limit_error", "X: slow down please", FAULT_RATE, -1 },
		{ 402, "{\"error\":{\"message\":\"m\",\"code\":402,\"metadata\":{\"limit_source\":\"openrouter_in_flight_budget\"}}}", 429, "rate_limit_error",
		  "m", FAULT_RATE, -1 },
		{ 200, "{\"error\":{\"message\":\"m\",\"code\":502,\"metadata\":{\"error_type\":\"provider_unavailable\"}}}", 502, "api_error", "m", FAULT_TRANSIENT, -1 },
		{ 502, "{\"error\":{\"message\":\"m\",\"code\":502,\"metadata\":{\"error_type\":\"provider_overloaded\"}}}", 529, "overloaded_error", "m", FAULT_OVERLOADED, -1 },
		/* statuses */
		{ 402, "{\"error\":{\"message\":\"m\"}}", 402, "billing_error", "m", FAULT_QUOTA, 0 },
		{ 404, "{\"error\":{\"message\":\"m\"}}", 404, "not_found_error", "m", FAULT_BAD_REQUEST, -1 },
		{ 405, "{\"error\":{\"message\":\"m\"}}", 400, "invalid_request_error", "m", FAULT_BAD_REQUEST, -1 },
		{ 408, "{\"error\":{\"message\":\"m\"}}", 504, "timeout_error", "m", FAULT_TRANSIENT, -1 },
		{ 409, "{\"error\":{\"message\":\"m\"}}", 409, "conflict_error", "m", FAULT_BAD_REQUEST, -1 },
		{ 413, "{\"error\":{\"message\":\"m\"}}", 413, "request_too_large", "m", FAULT_OVERFLOW, -1 },
		{ 429, "{\"error\":{\"message\":\"m\"}}", 429, "rate_limit_error", "m", FAULT_RATE, -1 },
		{ 498, "{\"error\":{\"message\":\"m\"}}", 529, "overloaded_error", "m", FAULT_OVERLOADED, -1 },
		{ 503, "{\"error\":{\"message\":\"m\"}}", 529, "overloaded_error", "m", FAULT_OVERLOADED, -1 },
		{ 504, "{\"error\":{\"message\":\"m\"}}", 504, "timeout_error", "m", FAULT_TRANSIENT, -1 },
		{ 524, "{\"error\":{\"message\":\"m\"}}", 504, "timeout_error", "m", FAULT_TRANSIENT, -1 },
		{ 529, "{\"error\":{\"message\":\"m\"}}", 529, "overloaded_error", "m", FAULT_OVERLOADED, -1 },
		{ 520, "{\"error\":{\"message\":\"m\"}}", 500, "api_error", "m", FAULT_TRANSIENT, -1 },
		{ 301, "moved", 502, "api_error",
			"backend lab answered 301, a redirect, which is not followed: correct backends.lab.base_url.",
			FAULT_TRANSIENT, 0 },
		{ 200, "{\"error\":{\"message\":\"m\",\"code\":\"server_error\"}}", 500, "api_error", "m", FAULT_TRANSIENT, -1 },
		{ 200, "{\"error\":{\"message\":\"m\",\"code\":\"content_filter\",\"status\":400}}", 400, "invalid_request_error", "m", FAULT_BAD_REQUEST, -1 },
		/* quota told from rate */
		{ 429, "{\"error\":{\"message\":\"m\",\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\"}}", 402, "billing_error", "m", FAULT_QUOTA, 0 },
		{ 429, "{\"error\":{\"message\":\"m\",\"code\":\"1113\"}}", 402, "billing_error", "m", FAULT_QUOTA, 0 },
		{ 429, "{\"type\":\"error\",\"error\":{\"type\":\"1113\",\"message\":\"m\"}}", 402, "billing_error", "m", FAULT_QUOTA, 0 },
		{ 429, "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"code\":1309,\"message\":\"m\"}}", 402, "billing_error", "m", FAULT_QUOTA, 0 },
		{ 400, "{\"error\":{\"message\":\"Budget has been exceeded! Current cost: 2\",\"type\":\"budget_exceeded\",\"code\":\"400\"}}", 402, "billing_error",
		  "Budget has been exceeded! Current cost: 2", FAULT_QUOTA, 0 },
		{ 400, "{\"error\":{\"message\":\"You have reached your specified API usage limits.\"}}", 402, "billing_error",
		  "You have reached your specified API usage limits.", FAULT_QUOTA, 0 },
		{ 429, "{\"error\":{\"message\":\"m\",\"type\":\"engine_overloaded_error\"}}", 529, "overloaded_error", "m", FAULT_OVERLOADED, -1 },
		{ 429, "{\"error\":{\"message\":\"Rate limit reached: too many tokens per minute\",\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\"}}", 429,
		  "rate_limit_error", "Rate limit reached: too many tokens per minute", FAULT_RATE, -1 },
		/* servers that say 500 to a bad request, and 400 to a failure of the model */
		{ 500, "{\"error\":{\"message\":\"System message must be at the beginning.\"}}", 400, "invalid_request_error",
		  "System message must be at the beginning.", FAULT_BAD_REQUEST, -1 },
		{ 500, "{\"error\":{\"message\":\"Jinja Exception: x\"}}", 400, "invalid_request_error", "Jinja Exception: x", FAULT_BAD_REQUEST, -1 },
		{ 500, "{\"error\":\"in raise_exception\"}", 400, "invalid_request_error", "in raise_exception", FAULT_BAD_REQUEST, -1 },
		{ 400, "{\"error\":{\"message\":\"Failed to call a function.\",\"code\":\"tool_use_failed\"}}", 500, "api_error", "Failed to call a function.",
		  FAULT_TRANSIENT, -1 },
		{ 400, "{\"error\":{\"message\":\"Invalid model name passed in model=x\"}}", 404, "not_found_error", "Invalid model name passed in model=x",
		  FAULT_BAD_REQUEST, -1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fault f;

		run(NULL, rows[i].status, rows[i].body, &f);
		if (strcmp(f.message, rows[i].message) || f.status != rows[i].as)
			print_error("%d %s\n", rows[i].status, rows[i].body);
		assert_string_equal(f.message, rows[i].message);
		assert_int_equal(f.status, rows[i].as);
		assert_string_equal(f.type, rows[i].type);
		assert_int_equal(f.class, rows[i].class);
		assert_int_equal(f.should_retry, rows[i].should_retry);
		assert_int_equal(f.upstream_status, rows[i].status);
		assert_int_equal(fault_retryable(&f), f.should_retry != 0 &&
				 (f.class == FAULT_RATE || f.class == FAULT_OVERLOADED ||
				  f.class == FAULT_TRANSIENT));
	}
}

#define LONG(n, m) "prompt is too long: " #n " tokens > " #m " maximum"
#define BOTH(n, o, m) "input length and `max_tokens` exceed context limit: " #n " + " #o " > " #m

/* Message, and what it becomes; NULL: "prompt is too long: " and the message itself. */
static void test_overflow(void **state)
{
	static const struct { const char *says, *becomes; } rows[] = {
		{ "prompt is too long: 210000 tokens > 200000 maximum", LONG(210000, 200000) },
		{ "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000, decrease input length", BOTH(190000, 32000, 200000) },
		{ "This model's maximum context length is 128000 tokens. However, your messages resulted in 130001 tokens. Please reduce the length of the messages.",
		  LONG(130001, 128000) },
		{ "This model's maximum context length is 131072 tokens. However, you requested 140000 tokens (131000 in the messages, 9000 in the completion).",
		  BOTH(131000, 9000, 131072) },
		{ "This model's maximum context length is 131072 tokens. However, you requested 150000 tokens (141000 in the messages, 9000 in the completion).",
		  LONG(141000, 131072) },
		{ "'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's maximum context length is 40960 tokens and your request has 25000 input "
		  "tokens (32000 > 40960 - 25000).", BOTH(25000, 32000, 40960) },
		{ "This model's maximum context length is 4096 tokens. However, you requested 1000 output tokens and your prompt contains at least 3597 input "
		  "tokens, for a total of at least 4597 tokens.", BOTH(3597, 1000, 4096) },
		{ "You passed 5000 input tokens and requested 1 output tokens. However, the model's context length is only 4096 tokens", LONG(5000, 4096) },
		{ "This endpoint's maximum context length is 131,072 tokens. However, you requested about 150000 tokens (120000 of text input, 2000 of tool input, "
		  "28000 in the output). Please reduce", BOTH(122000, 28000, 131072) },
		{ "Requested token count exceeds the model's maximum context length of 32768 tokens. You requested a total of 40000 tokens: 30000 tokens from the "
		  "input messages and 10000 tokens for the completion.", BOTH(30000, 10000, 32768) },
		{ "The input (5000 tokens) is longer than the model's context length (4096 tokens).", LONG(5000, 4096) },
		{ "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and 1000 `max_new_tokens`", BOTH(4000, 1000, 4096) },
		{ "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length", LONG(40000, 32768) },
		{ "The input token count (1100000) exceeds the maximum number of tokens allowed (1048576).", LONG(1100000, 1048576) },
		{ "The input token count exceeds the maximum number of tokens allowed (1048576).", NULL },
		{ "This model's maximum prompt length is 131072 but the request contains 140000 tokens.", LONG(140000, 131072) },
		{ "prompt token count of 140000 exceeds the limit of 128000", LONG(140000, 128000) },
		{ "Invalid request: Your request exceeded model token limit: 131072 (requested: 140000)", LONG(140000, 131072) },
		{ "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens", LONG(5000, 4096) },
		{ "the request exceeds the available context size, try increasing it", NULL },
		{ "request (9000 tokens) exceeds the available context size (8192 tokens), try increasing it", LONG(9000, 8192) },
		{ "Request too large for model `q` in organization `o` on tokens per minute (TPM): Limit 6000, Requested 7000, please reduce your message size",
		  LONG(7000, 6000) },
		{ "invalid params, context window exceeds limit (2013)", NULL },
		{ "input is too long for requested model", NULL },
		{ "Your input exceeds the context window of this model.", NULL },
		{ "tokens in request more than max tokens allowed", NULL },
		{ "Please reduce the length of the messages or completion.", NULL },
		{ "the prompt exceeds the maximum allowed input length", NULL },
		{ "prompt too long; exceeded max context length by 5 tokens", NULL },
		{ "greater than the context length", NULL },
		{ "litellm.ContextWindowExceededError: b'x'", NULL },
		{ "<400> Range of input length should be [1, 129024]", NULL },
		{ "model_context_window_exceeded", NULL },
		{ "too many tokens", NULL },
		{ "token limit exceeded", NULL },
		{ "the model's context length is only 4096 tokens", NULL },
		{ "Input length 9 exceeds the context length", NULL },
	};
	char body[1024], want[1024];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		static const int statuses[] = { 400, 413, 422, 200 };

		snprintf(body, sizeof(body), "{\"error\":{\"message\":\"%s\"}}", rows[i].says);
		snprintf(want, sizeof(want), "prompt is too long: %s", rows[i].says);
		for (size_t k = 0; k < 4; k++) {
			struct fault f;

			run(NULL, statuses[k], body, &f);
			assert_string_equal(f.message, rows[i].becomes ? rows[i].becomes : want);
			assert_int_equal(f.status, 400);
			assert_string_equal(f.type, "invalid_request_error");
			assert_int_equal(f.class, FAULT_OVERFLOW);
		}
	}
}

static void test_overflow_elsewhere(void **state)
{
	struct fault f;

	run(NULL, 400, "{\"error\":{\"code\":400,\"message\":\"the request is too big\",\"type\":\"exceed_context_size_error\","
	    "\"n_prompt_tokens\":9000,\"n_ctx\":8192}}", &f);
	assert_string_equal(f.message, LONG(9000, 8192));
	run(NULL, 400, "{\"error\":{\"message\":\"no\",\"code\":\"context_length_exceeded\"}}", &f);
	assert_string_equal(f.message, "prompt is too long: no");
	run(NULL, 400, "{\"error\":{\"message\":\"Provider returned error\",\"metadata\":{\"raw\":\"{\\\"error\\\":{\\\"message\\\":\\\"prompt is too long: 5 tokens > 4 "
	    "maximum\\\"}}\",\"provider_name\":\"A\"}}}", &f);
	assert_string_equal(f.message, LONG(5, 4));
	/* An output limit of the model is no overflow of the window. */
	run(NULL, 400, "{\"error\":{\"message\":\"max_tokens is too large: 32000. This model supports at most 16384 completion tokens\"}}", &f);
	assert_int_equal(f.class, FAULT_BAD_REQUEST);
	/* Nor is a rate limit, whatever it counts. */
	run(NULL, 429, "{\"error\":{\"message\":\"too many tokens, rate limit\"}}", &f);
	assert_int_equal(f.class, FAULT_RATE);
}

static void test_answer_limit(void **state)
{
	static const struct { const char *says; int64_t limit; } rows[] = {
		{ "max_tokens is too large: 128000. This model supports at most 16384 completion tokens, whereas you provided 128000.", 16384 },
		{ "max_completion_tokens is too large: 128000. This model supports at most 32768 completion tokens.", 32768 },
		{ "`max_tokens` must be less than or equal to `40960`, the maximum value for `max_tokens` is less than the `context_window`", 40960 },
		{ "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", 8192 },
		{ "<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 65536]", 65536 },
		{ "The parameter `max_completion_tokens` specified in the request are not valid: integer above maximum value, expected a value <= 12288, "
		  "but got 32000 instead.", 12288 },
		{ "max_tokens: 128000 > 64000, which is the maximum allowed number of output tokens for claude-haiku-4-5", 64000 },
		{ "The maximum tokens you requested exceeds the model limit of 10000. Try again with a maximum tokens value that is lower than 10000.", 10000 },
		{ "Unable to submit request because it has a maxOutputTokens value of 65536 but the supported range is from 1 (inclusive) to 65536 "
		  "(exclusive). Update the value and try again.", 65535 },
		{ "maxOutputTokens value of 1 but the supported range is from 1 (inclusive) to 1 (exclusive)", 0 },
		{ "max_tokens must be at least 1", 0 },
		{ "max_tokens is too large", 0 },
	};
	char body[1024];
	struct fault f;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(body, sizeof(body), "{\"error\":{\"message\":\"%s\"}}", rows[i].says);
		run(NULL, 400, body, &f);
		assert_int_equal(f.class, FAULT_BAD_REQUEST);
		assert_int_equal(f.answer_limit, rows[i].limit);
		run(NULL, 503, body, &f);
		assert_int_equal(f.answer_limit, 0);
	}
}

static void test_silent_overflow(void **state)
{
	struct message_request request = { .body = { "", 600 * 1024 } };
	struct target target = { .backend = &backend };
	struct decode_context c = { .request = &request, .target = &target };
	struct fault f = FAULT_INIT;

	error_from_body(&c, 413, STR(""), &f);
	assert_int_equal(f.class, FAULT_OVERFLOW);
	assert_non_null(strstr(f.message, "prompt is too long"));
	request.body.n = 100;
	error_from_body(&c, 413, STR(""), &f);
	assert_int_equal(f.status, 413);
}

static void test_credentials(void **state)
{
	static const struct { int status; const char *type; } rows[] = {
		{ 401, "authentication_error" }, { 403, "permission_error" },
	};
	static const char body[] = "{\"error\":{\"message\":\"Incorrect API key provided\"}}";

	for (size_t i = 0; i < 2; i++) {
		struct fault f;

		run("sk-caller", rows[i].status, body, &f);
		assert_int_equal(f.status, rows[i].status);
		assert_string_equal(f.type, rows[i].type);
		assert_string_equal(f.message, "Incorrect API key provided");
		run(NULL, rows[i].status, body, &f);
		assert_int_equal(f.status, 502);
		assert_string_equal(f.type, "api_error");
		assert_int_equal(f.should_retry, 0);
		assert_int_equal(f.class, FAULT_AUTH);
		assert_false(fault_retryable(&f));
		assert_non_null(strstr(f.message, "lab"));
		/* Where the key stands is for who runs the gateway, not for its clients. */
		assert_non_null(strstr(f.message, "backends.lab.api_key"));
		assert_null(strstr(f.message, "LAB_KEY"));
		assert_non_null(strstr(f.note, "LAB_KEY in the environment"));
		assert_non_null(strstr(f.message, "Incorrect API key provided"));
	}
}

static void test_size(void **state)
{
	struct fault f;
	struct buf b;

	buf_init(&b, 0);
	buf_puts(&b, "{\"error\":{\"message\":\"");
	for (int i = 0; i < 3000; i++)
		buf_puts(&b, "\xc3\xa9");
	buf_puts(&b, "\"}}");
	run(NULL, 401, buf_cstr(&b), &f);
	assert_true(str_utf8(str_of(f.message)));
	assert_true(strlen(f.message) > 1000);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mapping),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_overflow_elsewhere),
		cmocka_unit_test(test_answer_limit),
		cmocka_unit_test(test_silent_overflow),
		cmocka_unit_test(test_credentials),
		cmocka_unit_test(test_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
