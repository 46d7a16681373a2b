/*
 * The whole way of a request through api_handle, over the memory front and against a scripted
 * backend on loopback: every endpoint, method, refusal, CORS. What the backend does is said by the
 * model's name.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/api.h"
#include "base/log.h"
#include "state/host.h"

/* ---- backend ---- */

static int listen_fd = -1;
static pthread_t backend_thread;
static char last_request[65536];
static atomic_bool client_has;          /* the client has got something of the answer */

#define CHUNK(json) "data: " json "\n\n"
#define SSE_HEAD \
	"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nanthropic-ratelimit-x: " \
	"7\r\nConnection: close\r\n\r\n"
#define JSON_HEAD(status) \
	"HTTP/1.1 " status "\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
#define DELTA(text) \
	CHUNK("{\"id\":\"c1\",\"model\":\"real\",\"choices\":[{\"index\":0,\"delta\":{" \
	      "\"content\":\"" text "\"}}]}")
#define FINISH \
	CHUNK("{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]," \
	      "\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":2,\"total_tokens\":13}}") \
	"data: [DONE]\n\n"

static const struct {
	const char *marker, *answer;
} script[] = {
	{ "GET /v1/models",
	  JSON_HEAD("200 OK") "{\"object\":\"list\",\"data\":[{\"id\":\"vendor/"
			      "one\",\"object\":\"model\","
			      "\"created\":1700000000,\"context_length\":9000},{\"id\":\"m-big\","
			      "\"object\":\"model\",\"created\":1700000001}]}" },
	{ "do-refuse", JSON_HEAD("400 Bad Request") "{\"error\":{\"message\":\"temperature is "
						    "odd\",\"type\":\"x\"}}" },
	{ "do-key", JSON_HEAD("401 Unauthorized") "{\"error\":{\"message\":\"bad key\"}}" },
	{ "do-cut", SSE_HEAD DELTA("Hel") },
	{ "", SSE_HEAD DELTA("Hel") DELTA("lo") FINISH },
};

static void read_request(int fd)
{
	size_t n = 0, want = 0;
	const char *end, *length;

	while (n < sizeof(last_request) - 1) {
		ssize_t got = read(fd, last_request + n, sizeof(last_request) - 1 - n);

		if (got <= 0)
			break;
		n += (size_t)got;
		last_request[n] = '\0';
		end = strstr(last_request, "\r\n\r\n");
		length = strcasestr(last_request, "content-length:");
		want = length ? (size_t)atoi(length + 15) : 0;
		if (end && n >= (size_t)(end + 4 - last_request) + want)
			break;
	}
}

static void *backend_run(void *ctx)
{
	int fd;

	while ((fd = accept(listen_fd, NULL, NULL)) >= 0) {
		size_t i = 0;

		read_request(fd);
		while (!strstr(last_request, script[i].marker))
			i++;
		if (write(fd, script[i].answer, strlen(script[i].answer)) < 0)
			last_request[0] = '\0';
		/* What comes in one read goes out in one write: the end must come later to find
		 * something sent. */
		while (strcmp(script[i].marker, "do-cut") == 0 && !atomic_load(&client_has))
			usleep(1000);
		shutdown(fd, SHUT_WR);
		close(fd);
	}
	return NULL;
}

static int backend_start(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);

	listen_fd = socket(AF_INET, SOCK_STREAM, 0);
	if (listen_fd < 0 || bind(listen_fd, (struct sockaddr *)&a, sizeof(a)) ||
	    listen(listen_fd, 16) || getsockname(listen_fd, (struct sockaddr *)&a, &n) ||
	    pthread_create(&backend_thread, NULL, backend_run, NULL))
		return -1;
	return ntohs(a.sin_port);
}

/* ---- gateway ---- */

static char config_path[] = "/tmp/test-api.XXXXXX";

static int backend_port;

/* more: what it has besides */
static int write_config(const char *more)
{
	FILE *f = fopen(config_path, "w");

	if (!f)
		return -1;
	fprintf(f,
		"proxy_backend = \"lab\";\n"
		"backends = { lab = { dialect = \"openai-chat\"; base_url = "
		"\"http://127.0.0.1:%d/v1\"; auth = \"none\"; retries = 0; }; };\n"
		"models = { big = \"m-big\"; small = \"anthropic/m-small\"; map = ( { match = "
		"\"claude-*haiku*\"; to = \"small\"; }, { match = \"fast\"; to = \"m-fast\"; },\n"
		"  { match = \"claude-*\"; to = \"big\"; } ); };\n"
		"access = { origins = [ \"http://ok.example\" ]; };\n"
		"limits = { max_body = 8192; };\n%s",
		backend_port, more);
	return fclose(f);
}

static int setup(void **state)
{
	struct config_load load = { .path = config_path };
	struct buf err;
	int fd = mkstemp(config_path);

	unsetenv("PROXY_BACKEND");
	backend_port = backend_start();
	if (backend_port < 0 || fd < 0 || write_config(""))
		return -1;
	close(fd);
	buf_init(&err, 0);
	log_setup(LOG_LEVEL_NONE, "none");
	if (config_start(&load, &err)) {
		fprintf(stderr, "%s\n", buf_cstr(&err));
		return -1;
	}
	buf_release(&err);
	return host_open(NULL) || upstream_setup();
}

static int teardown(void **state)
{
	upstream_cleanup();
	host_close();
	config_stop();
	shutdown(listen_fd, SHUT_RDWR);
	pthread_join(backend_thread, NULL);
	close(listen_fd);
	return unlink(config_path);
}

static char answer[262144];

static int (*memory_flush)(struct front *f);

static int told_flush(struct front *f)
{
	atomic_store(&client_has, true);
	return memory_flush(f);
}

/* The memory front, which tells the backend when something goes out. */
static struct front *told(struct memory_front *m)
{
	static struct front_ops ops;
	struct front *f = memory_front(m);

	ops = *f->ops;
	memory_flush = ops.flush;
	ops.flush = told_flush;
	f->ops = &ops;
	atomic_store(&client_has, false);
	return f;
}

/* A request from this machine, as a web server would hand it over; extra: one further parameter or
 * NULL. */
static int ask(const char *method, const char *uri, const char *body, const char *extra)
{
	char m[64], u[512], q[256], l[64];
	const char *params[] = { m,
				 u,
				 q,
				 l,
				 "SCRIPT_NAME=",
				 "REMOTE_ADDR=127.0.0.1",
				 "SERVER_ADDR=127.0.0.1",
				 "HTTP_HOST=localhost",
				 "CONTENT_TYPE=application/json",
				 extra,
				 NULL };
	const char *query = strchr(uri, '?');
	struct memory_front *front;
	struct str out;
	int status = 0;

	snprintf(m, sizeof(m), "REQUEST_METHOD=%s", method);
	snprintf(u, sizeof(u), "REQUEST_URI=%s", uri);
	snprintf(q, sizeof(q), "QUERY_STRING=%s", query ? query + 1 : "");
	snprintf(l, sizeof(l), "CONTENT_LENGTH=%zu", body ? strlen(body) : 0);
	front = memory_front_new(params, str_of(body), 100);
	assert_non_null(front);
	api_handle(NULL, told(front), false);
	out = memory_front_output(front);
	assert_true(out.n < sizeof(answer));
	memcpy(answer, out.p, out.n);
	answer[out.n] = '\0';
	memory_front_free(front);
	assert_int_equal(sscanf(answer, "Status: %d", &status), 1);
	assert_non_null(strcasestr(answer, "\nrequest-id: req_"));
	return status;
}

/* ---- the log ---- */

static char log_dir[] = "/tmp/test-api-log.XXXXXX";

static const char *log_file(const char *name)
{
	static char path[2][64];
	static int i;

	i = !i;
	snprintf(path[i], sizeof(path[i]), "%s/%s", log_dir, name);
	return path[i];
}

/* The next request finds that changed. */
static void log_to(const char *name)
{
	char line[128];

	snprintf(line, sizeof(line), "log = { dest = \"%s\"; };\n", log_file(name));
	assert_int_equal(write_config(line), 0);
	usleep(1100000);
}

static int lines_in(const char *name)
{
	FILE *f = fopen(log_file(name), "r");
	int c, n = 0;

	while (f && (c = getc(f)) != EOF)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

static void *ask_beside(void *ctx)
{
	const char *params[] = { "REQUEST_METHOD=GET", "REQUEST_URI=/v1/models", "SCRIPT_NAME=",
				 "REMOTE_ADDR=127.0.0.1", "HTTP_HOST=localhost", NULL };
	struct memory_front *front = memory_front_new(params, STR_NONE, 100);

	api_handle(NULL, memory_front(front), false);
	memory_front_free(front);
	return NULL;
}

/* What has changed before the first request counts, too. */
static void test_log_changed_before_all(void **state)
{
	assert_non_null(mkdtemp(log_dir));
	log_to("first");
	assert_int_equal(ask("GET", "/v1/models", NULL, NULL), 200);
	assert_true(lines_in("first") > 0);
}

/* A request that is held up while it opens the log of its settings does not bring them back when
 * there are newer ones. */
static void test_log_of_the_newest(void **state)
{
	pthread_t late;
	int fd, before;

	assert_int_equal(mkfifo(log_file("second"), 0600), 0);
	log_to("second");
	assert_int_equal(pthread_create(&late, NULL, ask_beside, NULL), 0);
	usleep(300000);
	log_to("third");
	assert_int_equal(ask("GET", "/v1/models", NULL, NULL), 200);
	fd = open(log_file("second"), O_RDONLY | O_NONBLOCK);
	pthread_join(late, NULL);
	assert_int_equal(ask("GET", "/v1/models", NULL, NULL), 200);
	before = lines_in("third");
	assert_int_equal(ask("GET", "/v1/models", NULL, NULL), 200);
	assert_true(lines_in("third") > before);
	close(fd);
	log_setup(LOG_LEVEL_NONE, "none");
	for (int i = 0; i < 3; i++)
		unlink(log_file((const char *const[]){ "first", "second", "third" }[i]));
	rmdir(log_dir);
}

/* ---- what answers say ---- */

static void says(const char *text)
{
	if (!strcasestr(answer, text))
		fail_msg("no \"%s\" in: %.2000s", text, answer);
}

static void says_not(const char *text)
{
	if (strcasestr(answer, text))
		fail_msg("\"%s\" in: %.2000s", text, answer);
}

#define BODY(model, more) \
	"{\"model\":\"" model "\",\"max_tokens\":50" more \
	",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}"

/* ---- messages ---- */

static void test_stream(void **state)
{
	assert_int_equal(
		ask("POST", "/v1/messages?beta=true", BODY("claude-x", ",\"stream\":true"), NULL),
		200);
	says("text/event-stream");
	says("x-messages-backend: lab");
	says("x-messages-model: m-big");
	says("anthropic-ratelimit-x: 7");
	says("event: message_start\n");
	says("\"model\":\"claude-x\"");
	says("\"text\":\"Hel\"");
	says("\"stop_reason\":\"end_turn\"");
	says("\"input_tokens\":11");
	says("event: message_stop\n");
	assert_non_null(strstr(last_request, "\"model\":\"m-big\""));
}

static void test_whole(void **state)
{
	assert_int_equal(ask("POST", "/v1/messages", BODY("claude-haiku-9", ""), NULL), 200);
	says("application/json");
	says("X-Processing-Time:");
	says("\"text\":\"Hello\"");
	says("\"output_tokens\":2");
	assert_non_null(strstr(last_request, "\"model\":\"anthropic/m-small\""));
}

static void test_always_streams(void **state)
{
	assert_int_equal(ask("POST", "/v1/messages/stream", BODY("claude-x", ""), NULL), 200);
	says("event: message_stop\n");
}

static void test_prefix(void **state)
{
	assert_int_equal(ask("POST", "/ai/v1/messages/", BODY("claude-x", ""), NULL), 200);
	says("\"text\":\"Hello\"");
}

static void test_backend_errors(void **state)
{
	assert_int_equal(ask("POST", "/v1/messages", BODY("do-refuse", ",\"stream\":true"), NULL),
			 400);
	says("invalid_request_error");
	says("temperature is odd");
	assert_int_equal(ask("POST", "/v1/messages", BODY("do-key", ""), NULL), 502);
	says("x-should-retry: false");
	says("lab");
	assert_int_equal(ask("POST", "/v1/messages", BODY("do-cut", ",\"stream\":true"), NULL),
			 200);
	says("event: error\n");
	says_not("message_stop");
}

static void test_stop_sequence(void **state)
{
	assert_int_equal(ask("POST", "/v1/messages",
			     BODY("m", ",\"stop_sequences\":[\"1\",\"2\",\"3\",\"4\",\"llo\"]"),
			     NULL),
			 200);
	says("\"text\":\"He\"");
	says("\"stop_reason\":\"stop_sequence\"");
	says("\"stop_sequence\":\"llo\"");
}

static void test_thread(void **state)
{
	assert_int_equal(
		ask("POST", "/v1/messages", BODY("m", ",\"thread\":{\"type\":\"create\"}"), NULL),
		200);
	assert_int_equal(
		ask("POST", "/v1/messages",
		    BODY("m",
			 ",\"thread\":{\"type\":\"continue\",\"previous_message_id\":\"msg_1\"}"),
		    NULL),
		400);
	says("\"error_code\":\"thread_unsupported_request\"");
	says("capability_rejected: beta_header:message-threads-2026-08-12");
	assert_int_equal(
		ask("POST", "/v1/messages/count_tokens",
		    BODY("m",
			 ",\"thread\":{\"type\":\"continue\",\"previous_message_id\":\"msg_1\"}"),
		    NULL),
		200);
}

static void test_bad_bodies(void **state)
{
	static char big[10000];

	assert_int_equal(ask("POST", "/v1/messages", "", NULL), 400);
	assert_int_equal(ask("POST", "/v1/messages", "{\"model\":", NULL), 400);
	assert_int_equal(ask("POST", "/v1/messages", BODY("m", "") "x", NULL), 400);
	assert_int_equal(
		ask("POST", "/v1/messages",
		    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}",
		    NULL),
		400);
	says("max_tokens");
	memset(big, ' ', sizeof(big) - 1);
	assert_int_equal(ask("POST", "/v1/messages", big, NULL), 413);
	says("request_too_large");
	says("9999 bytes");
	says("limits.max_body");
}

static void test_client_gone(void **state)
{
	const char *params[] = { "REQUEST_METHOD=POST",
				 "REQUEST_URI=/v1/messages",
				 "REMOTE_ADDR=127.0.0.1",
				 "SERVER_ADDR=127.0.0.1",
				 "HTTP_HOST=localhost",
				 "CONTENT_TYPE=application/json",
				 NULL };
	struct memory_front *front =
		memory_front_new(params, STR(BODY("m", ",\"stream\":true")), 0);

	memory_front_fail_after(front, 300);
	api_handle(NULL, memory_front(front), false);
	assert_null(str_find(memory_front_output(front), "message_stop"));
	assert_int_equal(gate_requests(), 0);
	memory_front_free(front);
}

static void test_busy(void **state)
{
	const char *params[] = { "REQUEST_METHOD=POST", "REQUEST_URI=/v1/messages", NULL };
	struct memory_front *front = memory_front_new(params, STR_NONE, 0);

	api_handle(NULL, memory_front(front), true);
	assert_non_null(str_find(memory_front_output(front), "Status: 529"));
	assert_non_null(str_find_nocase(memory_front_output(front), "retry-after: 1"));
	memory_front_free(front);
}

/* ---- the others ---- */

static void test_count(void **state)
{
	assert_int_equal(ask("POST", "/v1/messages/count_tokens",
			     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
			     "\"one two three four five\"}]}",
			     NULL),
			 200);
	says("x-messages-count: estimate");
	says("\"input_tokens\":13");
}

static void test_models(void **state)
{
	assert_int_equal(ask("GET", "/v1/models?limit=1000", NULL, NULL), 200);
	says("{\"data\":[{\"type\":\"model\",\"id\":\"m-big\"");
	says("\"id\":\"anthropic/m-big\"");
	says("\"id\":\"anthropic/m-small\"");
	says_not("anthropic/anthropic/");
	/* Names of rules lead where a request of that name would go. */
	says("{\"type\":\"model\",\"id\":\"fast\",\"display_name\":\"m-fast\"");
	says("\"id\":\"m-fast\"");
	says("\"id\":\"anthropic/m-fast\"");
	says_not("claude-*");
	says("\"id\":\"vendor/one\"");
	says("\"max_input_tokens\":9000");
	says("\"has_more\":false");
	assert_int_equal(ask("GET", "/v1/models?limit=2", NULL, NULL), 200);
	says("\"has_more\":true");
	says("\"last_id\":\"anthropic/m-big\"");
	assert_int_equal(ask("GET", "/v1/models?limit=1&after_id=anthropic%2Fm-big", NULL, NULL),
			 200);
	says("\"first_id\":\"anthropic/m-small\"");
	assert_int_equal(ask("GET", "/v1/models?limit=1&before_id=anthropic/m-small", NULL, NULL),
			 200);
	says("\"first_id\":\"anthropic/m-big\"");
	/* Nothing lies behind the later and before the earlier one. */
	assert_int_equal(ask("GET", "/v1/models?after_id=anthropic/m-small&before_id=m-big", NULL,
			     NULL),
			 200);
	says("{\"data\":[],");
	says("\"first_id\":null,\"last_id\":null}");
	assert_int_equal(ask("GET", "/v1/models?limit=0", NULL, NULL), 400);
	assert_int_equal(ask("GET", "/v1/models?after_id=none", NULL, NULL), 400);
}

static void test_model(void **state)
{
	assert_int_equal(ask("GET", "/v1/models/vendor%2Fone", NULL, NULL), 200);
	says("\"id\":\"vendor/one\"");
	assert_int_equal(ask("GET", "/v1/models/vendor/one", NULL, NULL), 200);
	assert_int_equal(ask("GET", "/v1/models/none", NULL, NULL), 404);
	says("not_found_error");
}

static void test_health(void **state)
{
	assert_int_equal(ask("GET", "/health", NULL, "HTTP_VIA=1.1 proxy"), 200);
	says("\r\n\r\nok\n");
	assert_int_equal(ask("GET", "/status", NULL, NULL), 200);
	says("\"reachable\":null");
	assert_int_equal(ask("GET", "/health/detailed", NULL, NULL), 200);
	says("\"reachable\":true");
	says("\"latency_ms\":");
	says("\"dialect\":\"openai-chat\"");
	assert_int_equal(ask("GET", "/status", NULL, "HTTP_VIA=1.1 proxy"), 403);
}

static void test_roots(void **state)
{
	assert_int_equal(ask("GET", "/", NULL, "HTTP_VIA=1.1 proxy"), 200);
	says("POST /v1/messages");
	assert_int_equal(ask("HEAD", "/", NULL, "HTTP_VIA=1.1 proxy"), 200);
	says_not("POST /v1/messages");
	assert_int_equal(ask("HEAD", "/api/hello", NULL, NULL), 200);
}

static void test_unknown(void **state)
{
	assert_int_equal(ask("GET", "/v1/nothing", NULL, NULL), 404);
	says("\"type\":\"not_found_error\"");
	assert_int_equal(ask("GET", "/v1/universal/providers/lab/models", NULL, NULL), 200);
	assert_int_equal(ask("GET", "/v1/universal/providers/lab/other", NULL, NULL), 404);
	assert_int_equal(ask("GET", "/v1/\xff", NULL, NULL), 404);
	says("There is no path of that name here");
	assert_int_equal(ask("GET", "/v1/messages", NULL, NULL), 405);
	says("Allow: POST");
	assert_int_equal(ask("DELETE", "/v1/models", NULL, NULL), 405);
	says("Allow: GET, HEAD");
	assert_int_equal(ask("GET", "/v1/nothing", NULL, "HTTP_VIA=1.1 proxy"), 403);
}

static void test_cors(void **state)
{
	assert_int_equal(ask("OPTIONS", "/v1/messages", NULL, "HTTP_ORIGIN=http://ok.example"),
			 204);
	says("Access-Control-Allow-Origin: http://ok.example");
	says("Access-Control-Allow-Methods:");
	assert_int_equal(ask("OPTIONS", "/v1/messages", NULL, "HTTP_ORIGIN=http://evil.example"),
			 403);
	says_not("Access-Control-Allow");
	assert_int_equal(
		ask("POST", "/v1/messages", BODY("m", ""), "HTTP_ORIGIN=http://ok.example"), 200);
	says("Access-Control-Expose-Headers:");
	assert_int_equal(
		ask("POST", "/v1/messages", BODY("m", ""), "HTTP_ORIGIN=http://evil.example"), 403);
	says_not("Access-Control-Allow");
}

static void test_draining(void **state)
{
	stop_set(STOP_DRAINING);
	assert_int_equal(ask("GET", "/health", NULL, NULL), 503);
	says("draining");
	assert_int_equal(ask("POST", "/v1/messages", BODY("m", ""), NULL), 529);
	stop_set(STOP_RUNNING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_changed_before_all),
		cmocka_unit_test(test_log_of_the_newest),
		cmocka_unit_test(test_stream),         cmocka_unit_test(test_whole),
		cmocka_unit_test(test_always_streams), cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_backend_errors), cmocka_unit_test(test_stop_sequence),
		cmocka_unit_test(test_thread),         cmocka_unit_test(test_bad_bodies),
		cmocka_unit_test(test_client_gone),    cmocka_unit_test(test_busy),
		cmocka_unit_test(test_count),          cmocka_unit_test(test_models),
		cmocka_unit_test(test_model),          cmocka_unit_test(test_health),
		cmocka_unit_test(test_roots),          cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_cors),           cmocka_unit_test(test_draining),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
