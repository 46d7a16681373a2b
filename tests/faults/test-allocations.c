/*
 * Memory that runs out anywhere on a request's way. Each row is a request and what its backend
 * answers; it is asked again and again, and each time another allocation fails: the first, the
 * second, and so on until there are no more. Once that allocation alone fails, once all that follow
 * it too. Every time the client must get the right answer or an error in the API's form, the
 * backend must never be asked something else, nothing may be left behind, and the next request must
 * be answered as ever.
 *
 * Allocations are those of this program, libcurl, cJSON and OpenSSL (alloc.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../golden/golden.h"
#include "../unit/sse_grammar.h"
#include "alloc.h"
#include "api/api.h"
#include "backend.h"
#include "base/log.h"
#include "base/memo.h"
#include "base/spare.h"
#include "json/scan.h"
#include "state/host.h"
#include "upstream/credential.h"

#define ANSWER_MAX (64 * 1024)
#define JSON "application/json"
#define SSE "text/event-stream"
#define FRAMES "application/vnd.amazon.eventstream"

static const char tools_body[] =
	"{\"model\":\"claude-x\",\"max_tokens\":2000,%s\"stop_sequences\":[\"END\"],\"system\":"
	"[{\"type\":\"text\",\"text\":\"Be brief.\",\"cache_control\":{\"type\":\"ephemeral\"}}],"
	"\"metadata\":{\"user_id\":\"u-1\"},\"temperature\":1,"
	"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"look\"},"
	"{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":"
	"\"iVBORw0KGgo=\"}}]},{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":"
	"\"toolu_01A\",\"name\":\"f\",\"input\":{\"a\":[1,2.50]}}]},{\"role\":\"user\",\"content\":"
	"[{\"type\":\"tool_result\",\"tool_use_id\":\"toolu_01A\",\"content\":[{\"type\":\"text\","
	"\"text\":\"42\"}]},{\"type\":\"text\",\"text\":\"and now?\"}]}],"
	"\"tools\":[{\"name\":\"f\",\"description\":\"Finds\",\"input_schema\":{\"$schema\":"
	"\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\",\"properties\":{\"a\":"
	"{\"anyOf\":[{\"type\":\"array\",\"items\":{\"type\":\"number\"}},{\"type\":\"null\"}]}},"
	"\"additionalProperties\":false}},{\"name\":\"a_name_that_is_longer_than_sixty_four_characters_"
	"and_so_has_to_be_shortened\",\"input_schema\":{\"type\":\"object\"}}]}";

/* path: below the gateway. answer: a golden case whose upstream's bytes are sent, or the bytes.
 * request: a golden case whose request is asked; NULL: tools_body. */
struct row {
	const char *name, *method, *path, *status, *content_type, *answer;
	bool stream;
	const char *request;
};

#define CASES "tests/golden/cases/"
#define POST(name, backend, type, answer, stream)                                             \
	{ name, "POST", "/b/" backend "/v1/messages", "200 OK", type, CASES answer ".case", stream, \
	  NULL }
#define TURN(name, backend, type, answer, request)                                            \
	{ name, "POST", "/b/" backend "/v1/messages", "200 OK", type, CASES answer ".case", true, \
	  CASES request ".case" }

static const struct row rows[] = {
	POST("chat, stream", "OPENROUTER", SSE, "openai-chat/answer-reasoning-then-call", true),
	POST("chat, whole", "OPENROUTER", JSON, "openai-chat/answer-body-calls", false),
	POST("messages, stream", "ANTHROPIC", SSE, "anthropic/events-mapped", true),
	POST("messages, whole", "ANTHROPIC", JSON, "anthropic/whole", false),
	POST("gemini, stream", "GEMINI", SSE, "gemini/answer-thinking-signed", true),
	POST("gemini, whole", "GEMINI", JSON, "gemini/answer-whole", false),
	POST("responses, stream", "OPENAI", SSE, "openai-responses/answer-thinking-call", true),
	POST("responses, whole", "OPENAI", JSON, "openai-responses/answer-body", false),
	POST("converse, stream", "BEDROCK", FRAMES, "bedrock/converse-answer", true),
	POST("converse, whole", "BEDROCK", JSON, "bedrock/converse-answer-body", false),
	POST("cohere, stream", "COHERE", SSE, "cohere/stream-calls", true),
	POST("cohere, whole", "COHERE", JSON, "cohere/whole-citations", false),
	TURN("chat, thoughts given back", "OPENROUTER", SSE, "openai-chat/answer-text",
	     "openai-chat/claude-code-turn"),
	TURN("chat, documents", "OPENROUTER", SSE, "openai-chat/answer-text",
	     "openai-chat/result-document-and-search"),
	TURN("messages, blocks taken out", "ANTHROPIC", SSE, "anthropic/events-mapped",
	     "anthropic/signature-foreign"),
	TURN("gemini, a schema of references", "GEMINI", SSE, "gemini/answer-text",
	     "gemini/schema-recursive"),
	TURN("gemini, thoughts given back", "GEMINI", SSE, "gemini/answer-text",
	     "gemini/request-signature-steps"),
	TURN("responses, thoughts given back", "OPENAI", SSE, "openai-responses/answer-text",
	     "openai-responses/round-trip"),
	TURN("converse, documents", "BEDROCK", FRAMES, "bedrock/converse-answer",
	     "bedrock/converse-media"),
	{ "an error of the backend's", "POST", "/b/OPENROUTER/v1/messages", "429 Too Many", JSON,
	  "{\"error\":{\"message\":\"slower\",\"metadata\":{\"raw\":\"really\"}}}", true, NULL },
	{ "a chain of two", "POST", "/b/both/v1/messages", "200 OK", SSE,
	  CASES "openai-chat/answer-text.case", true, NULL },
	{ "count", "POST", "/v1/messages/count_tokens", "200 OK", JSON, "{\"input_tokens\":9}",
	  false, NULL },
	{ "models", "GET", "/b/OPENROUTER/v1/models", "200 OK", JSON,
	  "{\"data\":[{\"id\":\"vendor/one\",\"created\":1700000000,\"context_length\":9000}]}",
	  false, NULL },
	{ "health", "GET", "/health/detailed", "200 OK", JSON, "{\"data\":[]}", false, NULL },
	{ "an unknown path", "GET", "/v1/nothing", "200 OK", JSON, "{}", false, NULL },
};

/* ---- the gateway ---- */

static char config_path[] = "/tmp/test-allocations.XXXXXX";
static struct arena cases;

static int write_config(int port)
{
	static const char *const presets[][2] = {
		{ "OPENROUTER", "" }, { "ANTHROPIC", "" }, { "GEMINI", "" },
		{ "OPENAI", "dialect = \"openai-responses\";" }, { "COHERE", "" },
		{ "BEDROCK", "dialect = \"bedrock-converse\"; region = \"eu-central-1\"; "
			     "credential = { client_id = \"id\"; client_secret = \"secret\"; };" },
	};
	int fd = mkstemp(config_path);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (!f)
		return -1;
	fprintf(f, "proxy_backend = \"OPENROUTER\";\nbackends = {\n");
	for (size_t i = 0; i < sizeof(presets) / sizeof(*presets); i++)
		fprintf(f, "%s = { base_url = \"http://127.0.0.1:%d\"; retries = 0; %s %s };\n",
			presets[i][0], port,
			strcmp(presets[i][0], "BEDROCK") ? "api_key = \"secret\";" : "",
			presets[i][1]);
	fprintf(f, "gone = { dialect = \"openai-chat\"; base_url = \"http://127.0.0.1:1\"; auth = "
		   "\"none\"; retries = 0; }; };\n"
		   "targets = { both = ( \"gone/m\", \"OPENROUTER/m\" ); };\n");
	return fclose(f);
}

static int start_parts(void)
{
	credential_setup(NULL);
	return host_open(NULL) || upstream_setup();
}

static void stop_parts(void)
{
	upstream_cleanup();
	credential_cleanup();
	host_close();
}

/* Nothing kept of earlier requests, so that each one makes the same allocations. */
static void forget_all(void)
{
	stop_parts();
	spare_trim();
	memo_trim();
	assert_int_equal(start_parts(), 0);
}

static int setup(void **state)
{
	struct config_load load = { .path = config_path };
	struct buf err;
	int port = backend_start();

	if (alloc_setup() || port < 0 || write_config(port))
		return -1;
	unsetenv("PROXY_BACKEND");
	log_setup(LOG_LEVEL_NONE, "none");
	arena_init(&cases, 0);
	buf_init(&err, 0);
	if (config_start(&load, &err)) {
		fprintf(stderr, "%s\n", buf_cstr(&err));
		return -1;
	}
	buf_release(&err);
	return start_parts();
}

static int teardown(void **state)
{
	stop_parts();
	config_stop();
	backend_stop();
	arena_release(&cases);
	return unlink(config_path);
}

/* ---- one request ---- */

/* What the client got. */
struct got {
	char bytes[ANSWER_MAX];
	struct str head, body;
	int status;
};

static const struct front_ops *memory_ops;

static int write_well(struct front *f, const void *p, size_t n)
{
	int rc;

	alloc_pause(true);
	rc = memory_ops->write(f, p, n);
	alloc_pause(false);
	return rc;
}

static struct str request_body; /* of the row */

/* fail: which allocation does, 0: none. True when there were so many. */
static bool ask(const struct row *r, struct got *g, size_t fail, bool rest)
{
	char method[32], uri[128], length[64];
	const char *params[] = { method, uri, length, "SCRIPT_NAME=", "REMOTE_ADDR=127.0.0.1",
				 "SERVER_ADDR=127.0.0.1", "HTTP_HOST=localhost",
				 "CONTENT_TYPE=application/json", "HTTP_ANTHROPIC_BETA=x-1,y-2",
				 "HTTP_ANTHROPIC_VERSION=2023-06-01", "HTTP_ANTHROPIC_EXTRA=e",
				 "HTTP_X_CORRELATION_ID=c-1", NULL };
	bool post = strcmp(r->method, "POST") == 0, failed;
	struct memory_front *m;
	struct front_ops ops;
	struct str out;

	snprintf(method, sizeof(method), "REQUEST_METHOD=%s", r->method);
	snprintf(uri, sizeof(uri), "REQUEST_URI=%s", r->path);
	snprintf(length, sizeof(length), "CONTENT_LENGTH=%zu", post ? request_body.n : 0);
	m = memory_front_new(params, post ? request_body : STR_NONE, 300);
	assert_non_null(m);
	memory_ops = memory_front(m)->ops;
	ops = *memory_ops;
	ops.write = write_well;
	memory_front(m)->ops = &ops;
	alloc_fail(fail, rest);
	api_handle(NULL, memory_front(m), false);
	failed = alloc_well();
	out = memory_front_output(m);
	assert_true(out.n < ANSWER_MAX);
	memcpy(g->bytes, out.p ? out.p : "", out.n);
	g->bytes[out.n] = '\0';
	memory_front_free(m);
	return failed;
}

/* ---- what is right ---- */

static const char *const types[] = { "invalid_request_error", "authentication_error",
				     "billing_error", "permission_error", "not_found_error",
				     "conflict_error", "request_too_large", "rate_limit_error",
				     "api_error", "timeout_error", "overloaded_error" };

/* NULL, or what is wrong with a body that has to be an error. */
static const char *check_error(struct span body)
{
	struct span error = json_get(body, "error");

	if (!span_is(json_get(body, "type"), "error"))
		return "no error";
	if (!span_is_string(json_get(error, "message")))
		return "an error without a message";
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (span_is(json_get(error, "type"), types[i]))
			return NULL;
	return "an error of an unknown type";
}

static const char *split(struct got *g)
{
	char *end = strstr(g->bytes, "\r\n\r\n");

	if (!end || sscanf(g->bytes, "Status: %d", &g->status) != 1)
		return "no head";
	g->head = (struct str){ g->bytes, (size_t)(end + 4 - g->bytes) };
	g->body = str_of(end + 4);
	if (!str_find(g->head, "\r\nrequest-id: req_"))
		return "no request-id";
	return NULL;
}

/* /health/detailed tells times and what earlier requests met. */
static bool varies(const struct got *g)
{
	return str_starts(g->body, "{\"backend\":");
}

static bool same(const struct got *g, const struct got *well)
{
	struct buf a, b;
	bool yes;

	if (varies(g) && varies(well))
		return g->status == well->status;
	buf_init(&a, 0);
	buf_init(&b, 0);
	mask_ids(&a, g->body, STR_NONE);
	mask_ids(&b, well->body, STR_NONE);
	yes = g->status == well->status && str_eq(buf_str(&a), buf_str(&b));
	buf_release(&a);
	buf_release(&b);
	return yes;
}

static const char *check_stream(const struct got *g, const struct got *well)
{
	const char *problem = sse_grammar_check(g->body, SSE_END_ANY);

	if (problem)
		return problem;
	if (!sse_grammar_check(g->body, SSE_END_ERROR))
		return str_find(g->body, "memory") ? NULL : "an error event that tells nothing";
	problem = sse_grammar_check(g->body, SSE_END_COMPLETE);
	if (problem)
		return problem;
	return same(g, well) ? NULL : "a stream that lacks something";
}

static const char *check_answer(struct got *g, const struct got *well)
{
	const char *problem = split(g);

	if (problem)
		return problem;
	if (str_find(g->head, "Content-Type: " SSE))
		return check_stream(g, well);
	if (str_find(g->head, "Content-Type: " JSON)) {
		if (json_check(g->body, NULL, NULL))
			return "not JSON";
		if (same(g, well))
			return NULL;
		/* A backend's own error may lose some of its words. */
		if (g->status == well->status && g->status != 200)
			return check_error(span_json(g->body));
		if (g->status < 500 && g->status != 200)
			return "an error that blames the client";
		if (!str_find(g->body, "memory"))
			return "an error that does not say what is the matter";
		return check_error(span_json(g->body));
	}
	return same(g, well) ? NULL : "another answer";
}

/* What the backend was asked, in all that came whole. */
struct asked {
	struct str body[2];
	char bytes[2][16384];
};

static void note_asked(struct asked *a)
{
	for (size_t i = 0; i < 2; i++) {
		struct str body = backend_body(i);

		assert_true(body.n < sizeof(a->bytes[i]));
		if (body.n)
			memcpy(a->bytes[i], body.p, body.n);
		a->body[i] = (struct str){ a->bytes[i], body.n };
	}
}

static const char *check_asked(const struct asked *well)
{
	struct str body;

	for (size_t i = 0; i < 2 && backend_head(i).p; i++) {
		body = backend_body(i);
		if (!str_eq(body, well->body[i]))
			return "the backend was asked something else";
		if (!str_find_nocase(backend_head(i), "secret") &&
		    !str_find_nocase(backend_head(i), "Credential=id/"))
			return "the backend was asked without its key";
	}
	return NULL;
}

/* ---- all of them ---- */

static void read_case(struct golden_case *c, const char *name)
{
	const char *top = getenv("srcdir");
	const char *path = arena_printf(&cases, "%s/%s", top ? top : ".", name);

	if (case_read(c, path, &cases))
		fail_msg("%s can't be read", path);
}

static void set_row(const struct row *r)
{
	struct str bytes = str_of(r->answer);
	struct golden_case c;

	if (str_starts(bytes, CASES)) {
		read_case(&c, r->answer);
		assert_int_equal(case_upstream(&c, NULL, &cases, &bytes), 0);
	}
	backend_answers(r->status, r->content_type, bytes);
	if (r->request) {
		read_case(&c, r->request);
		request_body = case_text(&c, "request");
	} else {
		request_body = str_of(arena_printf(&cases, tools_body,
						   r->stream ? "\"stream\":true," : ""));
	}
}

/* All are shown, so that one run tells what there is to do. */
static size_t wrong;

static void complain(const struct row *r, size_t n, bool rest, const char *problem,
		     const char *bytes)
{
	printf("%s: allocation %zu%s: %s:\n%s\n", r->name, n, rest ? " and on" : "", problem,
		    bytes);
	wrong++;
}

/* True when there was an n-th allocation. */
static bool one(const struct row *r, size_t n, bool rest, const struct got *well,
		const struct asked *asked)
{
	static struct got got;
	const char *problem;
	char left[64];
	long before;
	bool more;

	forget_all();
	before = alloc_blocks();
	backend_forget();
	more = ask(r, &got, n, rest);
	problem = check_answer(&got, well);
	if (!problem)
		problem = check_asked(asked);
	if (problem)
		complain(r, n, rest, problem, got.bytes);
	ask(r, &got, 0, false);
	if (split(&got) || !same(&got, well))
		complain(r, n, rest, "the next request got", got.bytes);
	forget_all();
	snprintf(left, sizeof(left), "%ld", alloc_blocks() - before);
	if (alloc_blocks() != before)
		complain(r, n, rest, "blocks are left", left);
	return more;
}

static void test_row(void **state)
{
	static struct got well;
	static struct asked asked;
	const struct row *r = *state;
	size_t n;

	wrong = 0;
	set_row(r);
	ask(r, &well, 0, false);
	assert_null(split(&well));
	note_asked(&asked);
	for (n = 1; one(r, n, false, &well, &asked); n++)
		;
	printf("%s: %zu allocations; %.*s\n", r->name, n - 1,
		      STR_ARGS(str_cut_utf8(well.body, 40)));
	fflush(stdout);
	for (n = 1; one(r, n, true, &well, &asked); n++)
		;
	assert_int_equal(wrong, 0);
}

int main(void)
{
	struct CMUnitTest tests[sizeof(rows) / sizeof(*rows)];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		tests[i] = (struct CMUnitTest){ .name = rows[i].name, .test_func = test_row,
						.initial_state = (void *)&rows[i] };
	return cmocka_run_group_tests(tests, setup, teardown);
}
