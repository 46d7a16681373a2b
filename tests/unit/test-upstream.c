/*
 * Upstream calls against a scripted server on loopback: what arrives, what is kept, and each way
 * in which a backend fails.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/wait.h"
#include "scripted.h"
#include "upstream/head.h"
#include "upstream/proxy.h"
#include "upstream/slot.h"
#include "upstream/upstream.h"

static struct server http;
static struct backend lab;

static _Atomic int64_t stands_at;       /* ms, 0: the clock goes */

/* In place of the system's. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	int64_t at = stands_at;

	timespec_get(t, TIME_UTC);
	if (at) {
		t->tv_sec = (time_t)(at / 1000);
		t->tv_nsec = (long)(at % 1000) * 1000000;
	}
	return 0;
}

/* ---- one call and what came of it ---- */

struct result {
	struct upstream_head head;
	char pass[512];
	struct buf body;
	int heads, stop_at, pieces;
	int64_t ms_a_piece;     /* that it takes, where the clock stands else */
	struct upstream_report report;
	struct fault fault;
};

static int on_head(void *ctx, const struct upstream_head *h)
{
	struct result *r = ctx;

	r->head = *h;
	snprintf(r->pass, sizeof(r->pass), "%.*s", STR_ARGS(h->pass));
	r->heads++;
	return 0;
}

static int on_data(void *ctx, const char *p, size_t n)
{
	struct result *r = ctx;

	assert_int_equal(r->heads, 1);
	buf_put(&r->body, p, n);
	http.taken += (int)n;
	stands_at += r->ms_a_piece;
	return ++r->pieces == r->stop_at;
}

static void result_init(struct result *r)
{
	memset(r, 0, sizeof(*r));
	buf_init(&r->body, 0);
	r->fault = FAULT_INIT;
	http.taken = 0;
}

static enum upstream_result perform(struct upstream_call *c, struct result *r, const char *url)
{
	c->url = url;
	if (!c->method)
		c->method = c->body ? "POST" : "GET";
	if (!c->backend)
		c->backend = &lab;
	if (!c->deadline)
		c->deadline = CLOCK_NEVER;
	c->on_head = on_head;
	c->on_data = on_data;
	c->ctx = r;
	c->report = &r->report;
	return upstream_perform(c, &r->fault);
}

static const char *at(const char *path)
{
	static _Thread_local char url[256];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", http.port, path);
	return url;
}

/* A GET of the scripted server's path with the backend b (NULL: the usual one). */
static enum upstream_result get(struct result *r, const struct backend *b, const char *path)
{
	struct upstream_call c = { .backend = b };

	result_init(r);
	return perform(&c, r, at(path));
}

/* The call must fail with this status and these words in its sentence, which names the backend. */
static void fails(const struct backend *b, const char *path, int status, const char *words)
{
	struct result r;

	assert_int_equal(get(&r, b, path), UPSTREAM_FAILED);
	if (!strstr(r.fault.message, words) || !strstr(r.fault.message, "backend lab"))
		fail_msg("%s: \"%s\" does not say \"%s\"", path, r.fault.message, words);
	assert_int_equal(r.fault.status, status);
	assert_string_equal(r.fault.type, status == 504 ? "timeout_error" : "api_error");
	assert_int_equal(r.fault.class, FAULT_TRANSIENT);
	assert_int_equal(r.fault.scope, FAULT_OF_BACKEND);
	buf_release(&r.body);
}

/* ---- answers ---- */

static void test_ok(void **state)
{
	int64_t from = clock_ms(), took;
	struct result r;

	assert_int_equal(get(&r, NULL, "/ok"), UPSTREAM_DONE);
	took = clock_ms() - from + 1;
	assert_int_equal(r.head.status, 200);
	assert_string_equal(r.head.content_type, "application/json");
	assert_int_equal(r.head.retry_after, -1);
	assert_int_equal(r.head.should_retry, -1);
	assert_string_equal(buf_cstr(&r.body), "{}");
	assert_true(r.report.sent);
	assert_int_equal(r.report.received, 2);
	assert_in_range(r.report.connect_ms, 0, took);
	assert_in_range(r.report.first_byte_ms, 0, took);
	buf_release(&r.body);
}

static void test_statuses(void **state)
{
	struct result r;

	assert_int_equal(get(&r, NULL, "/redirect"), UPSTREAM_DONE);
	assert_int_equal(r.head.status, 302);
	assert_string_equal(buf_cstr(&r.body), "elsewhere");
	buf_release(&r.body);

	assert_int_equal(get(&r, NULL, "/nowhere"), UPSTREAM_DONE);
	assert_int_equal(r.head.status, 404);
	buf_release(&r.body);

	/* What an interim head says is forgotten. */
	assert_int_equal(get(&r, NULL, "/interim"), UPSTREAM_DONE);
	assert_int_equal(r.heads, 1);
	assert_int_equal(r.head.status, 429);
	assert_int_equal(r.head.retry_after, -1);
	assert_int_equal(r.head.should_retry, 0);
	assert_string_equal(r.head.request_id, "req_1");
	assert_string_equal(r.pass, "anthropic-ratelimit-tokens-limit: 5\n");
	buf_release(&r.body);
}

static void test_gzip(void **state)
{
	struct upstream_call c = { .compress = true };
	struct result r;

	/* Decoded although nobody asked for it; the trailer's retry-after is no header. */
	assert_int_equal(get(&r, NULL, "/gzip"), UPSTREAM_DONE);
	assert_int_equal(r.body.n, 500);
	assert_memory_equal(r.body.p, "hello gziphello", 15);
	assert_int_equal(r.head.retry_after, -1);
	buf_release(&r.body);
	fails(NULL, "/gzip-broken", 502, "can't be decoded");

	assert_int_equal(get(&r, NULL, "/headers"), UPSTREAM_DONE);
	assert_non_null(strstr(buf_cstr(&r.body), "\ncoding=identity\n"));
	buf_release(&r.body);
	result_init(&r);
	assert_int_equal(perform(&c, &r, at("/headers")), UPSTREAM_DONE);
	assert_non_null(strstr(buf_cstr(&r.body), "\ncoding=gzip\n"));
	buf_release(&r.body);
}

static void test_slow_bytes(void **state)
{
	struct result r;

	assert_int_equal(get(&r, NULL, "/slow"), UPSTREAM_DONE);
	assert_string_equal(buf_cstr(&r.body), "0123456789");
	assert_int_equal(r.pieces, 10);         /* as they came, not at the end */
	buf_release(&r.body);
}

/* ---- the head, line by line ---- */

static int retry_after(const char *line)
{
	struct head h;
	int v;

	head_init(&h);
	/* 2026-11-22 12:00:00 UTC and half a second */
	head_line(&h, str_of(line), 1795348800500);
	v = h.out.retry_after;
	head_release(&h);
	return v;
}

static void test_retry_after(void **state)
{
	static const struct { const char *line; int seconds;
	} forms[] = {
		{ "Retry-After: 7", 7 },
		{ "retry-after:0", 0 },
		{ "retry-after: 1.2", 2 },
		{ "retry-after: -1", -1 },
		{ "retry-after: soon", -1 },
		{ "retry-after:", -1 },
		{ "retry-after: 99999999999", 604800 },
		{ "retry-after: Sun, 22 Nov 2026 12:00:30 GMT", 30 },
		{ "retry-after: Sun, 22 Nov 2026 11:00:00 GMT", 0 },
		{ "retry-after-ms: 1500", 2 },
		{ "retry-after-ms: 1000", 1 },
		{ "Retry-After-Ms: 1", 1 },
		{ "retry-after-ms: x", -1 },
		{ "x-retry-after: 4", -1 },
	};
	struct head h;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (retry_after(forms[i].line) != forms[i].seconds)
			fail_msg("%s: %d", forms[i].line, retry_after(forms[i].line));
	/* Milliseconds win in whatever order. */
	head_init(&h);
	head_line(&h, STR("retry-after-ms: 2500"), 0);
	head_line(&h, STR("retry-after: 60"), 0);
	assert_int_equal(h.out.retry_after, 3);
	head_start(&h, 200);
	head_line(&h, STR("retry-after: 60"), 0);
	head_line(&h, STR("retry-after-ms: 2500"), 0);
	assert_int_equal(h.out.retry_after, 3);
	head_release(&h);
}

static void test_head_lines(void **state)
{
	char longer[20000] = "anthropic-x: ";
	struct head h;

	head_init(&h);
	head_start(&h, 200);
	head_line(&h, STR("no colon"), 0);
	head_line(&h, STR("X-Generation-Id: gen-1"), 0);
	head_line(&h, STR("Request-Id: second"), 0);
	head_line(&h, STR("x-litellm-response-cost: 1.2e-05"), 0);
	head_line(&h, STR("X-Amzn-ErrorType: ThrottlingException:http://x/"), 0);
	head_line(&h, STR("X-Should-Retry: TRUE"), 0);
	head_line(&h, STR("Anthropic-Organization-Id:  o1 "), 0);
	head_line(&h, STR("llm_provider-anthropic-ratelimit-x: 5"), 0);
	head_line(&h, STR("llm_provider-anthropic-organization-id: o2"), 0);
	head_line(&h, STR("x-litellm-model-api-base: http://inner"), 0);
	memset(longer + 13, 'y', sizeof(longer) - 14);
	head_line(&h, str_of(longer), 0);
	head_line(&h, STR("anthropic-b:"), 0);
	assert_string_equal(head_end(&h)->request_id, "gen-1");
	assert_string_equal(h.out.cost, "1.2e-05");
	assert_string_equal(h.out.error_type, "ThrottlingException:http://x/");
	assert_int_equal(h.out.should_retry, 1);
	assert_true(str_is(h.out.pass, "anthropic-organization-id: o1\n"
					   "anthropic-ratelimit-x: 5\nanthropic-b: \n"));
	head_release(&h);
	assert_int_equal(head_status(STR("HTTP/1.1 204 No Content")), 204);
	assert_int_equal(head_status(STR("HTTP/2 529")), 529);
	assert_int_equal(head_status(STR("HTTP/1.1 2x4")), 0);
	assert_int_equal(head_status(STR("HTTP/1.1 20")), 0);
	assert_int_equal(head_status(STR("Http: 200 1")), 0);
}

/* ---- requests ---- */

static unsigned sum_of(const char *p, size_t n)
{
	unsigned sum = 0;

	for (size_t i = 0; i < n; i++)
		sum = sum * 31 + (unsigned char)p[i];
	return sum;
}

/* A body of n bytes in borrowed pieces, and what the server must say of it. */
static char *make_body(struct segs *s, struct arena *a, size_t n, char *expect, size_t size)
{
	char *p = malloc(n ? n : 1);

	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(i * 7 + i / 251);
	arena_init(a, 0);
	segs_init(s, a);
	for (size_t at_ = 0; at_ < n; at_ += 5000)
		segs_add(s, (struct str){ p + at_, n - at_ < 5000 ? n - at_ : 5000 });
	snprintf(expect, size, "%zu %u", n, sum_of(p, n));
	return p;
}

/* The milliseconds that the last call took. */
static int64_t upload(const char *path, size_t n, int times)
{
	struct arena a;
	struct segs s;
	char expect[64], *p = make_body(&s, &a, n, expect, sizeof(expect));
	struct result r;
	int64_t took = 0;

	for (int i = 0; i < times; i++) {
		struct upstream_call c = { .body = &s };
		int64_t from = clock_ms();

		result_init(&r);
		if (perform(&c, &r, at(path)) != UPSTREAM_DONE)
			fail_msg("%s %zu: %s", path, n, r.fault.message);
		took = clock_ms() - from;
		assert_string_equal(buf_cstr(&r.body), expect);
		buf_release(&r.body);
	}
	arena_release(&a);
	free(p);
	return took;
}

static void test_upload(void **state)
{
	static const size_t sizes[] = { 0,     1,     100,   16383,  16384,
					16385, 65536, 76000, 300000, 8 << 20 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		upload("/sum", sizes[i], 2);
}

static void test_upload_time(void **state)
{
	int64_t took = 1000;

	/* "Expect: 100-continue" would cost a second each time; a busy machine does so once. */
	for (int i = 0; i < 5 && took > 900; i++)
		took = upload("/sum", 8 << 20, 1);
	assert_in_range(took, 0, 900);
}

/* A kept connection that the server closes when the next request comes: sent again on a new one,
 * from its beginning. */
static void test_stale(void **state)
{
	static const size_t sizes[] = { 100, 100000, 3 << 20 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int before = http.connections;

		upload("/once", sizes[i], 3);
		assert_in_range(http.connections - before, 3, 4);
	}
}

/* A connection that breaks while a body is being sent: if it was a kept one, the whole body goes
 * over a new one; else the call has failed, and says how far it was. */
static void test_cut_while_sending(void **state)
{
	struct upstream_call c = { 0 };
	struct result r;
	char expect[64], *p;
	struct arena a;
	struct segs s;
	int before = http.connections;

	upload("/cut", 8 << 20, 3);
	assert_int_equal(http.connections - before, 3);
	p = make_body(&s, &a, 8 << 20, expect, sizeof(expect));
	c.body = &s;
	upstream_cleanup();
	assert_int_equal(upstream_setup(), 0);
	result_init(&r);
	assert_int_equal(perform(&c, &r, at("/unread")), UPSTREAM_FAILED);
	if (!strstr(r.fault.message, "broke the connection while the request was being sent (") ||
	    !strstr(r.fault.message, " of 8388608 bytes)"))
		fail_msg("%s", r.fault.message);
	assert_int_equal(r.fault.class, FAULT_TRANSIENT);
	arena_release(&a);
	free(p);
}

/* The caller frees the body when the head is there, although the backend has not read it yet. */
static char *early_body;

static int early_head(void *ctx, const struct upstream_head *h)
{
	free(early_body);
	early_body = NULL;
	return on_head(ctx, h);
}

static void test_early_answer(void **state)
{
	struct arena a;
	struct segs s;
	char expect[64];
	struct result r;
	struct upstream_call c = { .method = "POST",
				   .body = &s,
				   .url = at("/early"),
				   .backend = &lab,
				   .deadline = CLOCK_NEVER,
				   .on_head = early_head,
				   .on_data = on_data,
				   .ctx = &r };

	early_body = make_body(&s, &a, 6 << 20, expect, sizeof(expect));
	result_init(&r);
	assert_int_equal(upstream_perform(&c, &r.fault), UPSTREAM_DONE);
	assert_null(early_body);
	assert_string_equal(buf_cstr(&r.body), expect);
	buf_release(&r.body);
	arena_release(&a);
}

static void credential(const struct backend *b, const char *caller, bool bearer, const char *expect)
{
	struct upstream_call c = { .backend = b, .caller_key = caller, .caller_bearer = bearer };
	struct result r;

	result_init(&r);
	assert_int_equal(perform(&c, &r, at("/headers")), UPSTREAM_DONE);
	if (!strstr(buf_cstr(&r.body), expect))
		fail_msg("%s is not in %s", expect, buf_cstr(&r.body));
	buf_release(&r.body);
}

static void test_headers(void **state)
{
	struct backend b = lab;
	const char *own[] = { "X-Api-Key: mine", "Content-Type: text/plain" },
		   *bad[] = { "X-A: b\r\nX-C: d" };
	struct upstream_call c = { .headers = own, .nheaders = 2 };
	struct arena a;
	struct segs s;
	struct result r;

	b.api_key = "k1";
	b.auth = AUTH_BEARER;
	credential(&b, NULL, false, "\nauth=Bearer k1\nkey=\n");
	credential(&b, "own", false, "\nauth=Bearer own\nkey=\n");
	b.auth = AUTH_HEADER;
	b.auth_header = "X-API-Key";
	credential(&b, NULL, false, "\nauth=\nkey=k1\n");
	credential(&b, "own", false, "\nauth=\nkey=own\n");
	credential(&b, "own", true, "\nauth=Bearer own\nkey=\n");
	b.auth = AUTH_BASIC;
	b.api_key = "Aladdin:open sesame";
	credential(&b, NULL, false, "\nauth=Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\nkey=\n");
	b.auth = AUTH_NONE;
	credential(&b, NULL, false, "\nauth=\nkey=\n");

	result_init(&r);
	assert_int_equal(perform(&c, &r, at("/headers")), UPSTREAM_DONE);
	assert_non_null(strstr(buf_cstr(&r.body), "\nkey=mine\nexpect=\n"));
	assert_non_null(strstr(buf_cstr(&r.body), "\ntype=text/plain\n"));
	buf_release(&r.body);

	arena_init(&a, 0);
	segs_init(&s, &a);
	segs_puts(&s, "{}");
	c = (struct upstream_call){ .body = &s };
	result_init(&r);
	assert_int_equal(perform(&c, &r, at("/headers")), UPSTREAM_DONE);
	assert_non_null(strstr(buf_cstr(&r.body), "POST /headers"));
	assert_non_null(strstr(buf_cstr(&r.body), "\ntype=application/json\n"));
	buf_release(&r.body);
	arena_release(&a);

	c = (struct upstream_call){ .headers = bad, .nheaders = 1 };
	result_init(&r);
	assert_int_equal(perform(&c, &r, at("/headers")), UPSTREAM_FAILED);
	b.auth = AUTH_BEARER;
	b.api_key = "k\r\nX-Evil: 1";
	b.api_key_from = "LAB_KEY in the environment";
	assert_int_equal(get(&r, &b, "/headers"), UPSTREAM_FAILED);
	assert_non_null(strstr(r.fault.note, "LAB_KEY"));
	assert_null(strstr(r.fault.message, "Evil"));
}

/* ---- connections ---- */

static void test_reuse(void **state)
{
	int before;
	struct result r;

	assert_int_equal(get(&r, NULL, "/ok"), UPSTREAM_DONE);
	buf_release(&r.body);
	before = http.connections;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(get(&r, NULL, "/ok"), UPSTREAM_DONE);
		assert_true(r.report.reused);
		assert_int_equal(r.report.connect_ms, 0);
		buf_release(&r.body);
	}
	assert_int_equal(http.connections, before);
	/* An answer that was not read to its end takes its connection with it. */
	struct upstream_call c = { 0 };

	result_init(&r);
	r.stop_at = 1;
	assert_int_equal(perform(&c, &r, at("/slow")), UPSTREAM_STOPPED);
	buf_release(&r.body);
	assert_int_equal(get(&r, NULL, "/ok"), UPSTREAM_DONE);
	assert_false(r.report.reused);
	assert_int_equal(http.connections, before + 1);
	buf_release(&r.body);
}

static void test_max_body(void **state)
{
	struct upstream_call c = { .max_body = 5 };
	struct result r;

	result_init(&r);
	assert_int_equal(perform(&c, &r, at("/slow")), UPSTREAM_FAILED);
	assert_non_null(strstr(r.fault.message, "larger than 5 bytes"));
	assert_int_equal(r.body.n, 5);
	buf_release(&r.body);
	c.max_body = 10;
	result_init(&r);
	assert_int_equal(perform(&c, &r, at("/slow")), UPSTREAM_DONE);
	buf_release(&r.body);
}

/* ---- failures ---- */

static void test_broken(void **state)
{
	fails(NULL, "/close", 502, "without an answer");
	fails(NULL, "/reset", 502, "without an answer");
	fails(NULL, "/reset-body", 502, "in the middle of its answer (after 9 bytes)");
	fails(NULL, "/short", 502, "too early: after 10 bytes");
	fails(NULL, "/chunk-cut", 502, "too early");
	fails(NULL, "/not-http", 502, "did not answer in HTTP");
}

/* A port of our own, where nobody listens as long as the socket is there. */
static int dead_port(int *fd)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);

	*fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(*fd, (struct sockaddr *)&a, n), 0);
	assert_int_equal(getsockname(*fd, (struct sockaddr *)&a, &n), 0);
	return ntohs(a.sin_port);
}

static void test_refused(void **state)
{
	struct upstream_call c = { 0 };
	struct result r;
	char url[64];
	int fd;

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/x", dead_port(&fd));
	result_init(&r);
	assert_int_equal(perform(&c, &r, url), UPSTREAM_FAILED);
	close(fd);
	assert_non_null(strstr(r.fault.message, "refused the connection"));
	assert_false(r.report.sent);
	assert_int_equal(r.report.connect_ms, -1);
	result_init(&r);
	assert_int_equal(perform(&c, &r, "ftp://127.0.0.1/x"), UPSTREAM_FAILED);
	assert_non_null(strstr(r.fault.message, "base_url"));
	assert_int_equal(r.fault.should_retry, 0);
	result_init(&r);
	assert_int_equal(perform(&c, &r, "nonsense://"), UPSTREAM_FAILED);
	assert_non_null(strstr(r.fault.message, "base_url"));
}

static void test_no_name(void **state)
{
	struct backend b = lab;
	struct upstream_call c = { .backend = &b };
	struct result r;

	b.connect_timeout = 3;
	result_init(&r);
	assert_int_equal(perform(&c, &r, "http://no-such-host.invalid/x"), UPSTREAM_FAILED);
	/* A machine without any DNS may wait for its resolver instead. */
	if (r.fault.status == 502)
		assert_non_null(
			strstr(r.fault.message, "no-such-host.invalid could not be resolved"));
	else
		assert_non_null(strstr(r.fault.message,
				       "its name was not resolved (backends.lab.connect_timeout)"));
	assert_false(r.report.sent);
}

/* The plain server waits for more of what it takes for a head: no TLS handshake comes about. */
static void test_connect_timeout(void **state)
{
	struct backend b = lab;
	struct upstream_call c = { .backend = &b };
	struct result r;
	int64_t from = clock_ms();
	char url[64];

	b.connect_timeout = 1;
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/x", http.port);
	result_init(&r);
	assert_int_equal(perform(&c, &r, url), UPSTREAM_FAILED);
	assert_int_equal(r.fault.status, 504);
	assert_non_null(strstr(r.fault.message, "no TLS connection"));
	assert_non_null(strstr(r.fault.message,
			       "within 1 s: it did not answer (backends.lab.connect_timeout)"));
	assert_in_range(clock_ms() - from, 900, 40000);
	assert_false(r.report.sent);
}

static void late(const struct backend *b, const char *path, const char *words)
{
	int64_t from = clock_ms();

	fails(b, path, 504, words);
	assert_in_range(clock_ms() - from, 900, 40000);
}

static void test_timeouts(void **state)
{
	struct backend b = lab;
	struct upstream_call c = { .deadline = clock_ms() + 300 };
	struct arena a;
	struct segs s;
	char expect[64], *body;
	struct result r;

	b.first_byte_timeout = 1;
	late(&b, "/stall", "sent no answer within 1 s (backends.lab.first_byte_timeout)");
	b.first_byte_timeout = 0;
	b.idle_timeout = 1;
	late(&b, "/stall-head",
	     "silent in the middle of its answer for 1 s (backends.lab.idle_timeout)");
	late(&b, "/stall-body", "(backends.lab.idle_timeout)");
	b.idle_timeout = 0;
	b.timeout = 1;
	late(&b, "/stall-body", "within 1 s (backends.lab.timeout)");

	result_init(&r);
	assert_int_equal(perform(&c, &r, at("/stall")), UPSTREAM_FAILED);
	assert_int_equal(r.fault.status, 504);
	assert_non_null(strstr(r.fault.message, "time that was left"));

	body = make_body(&s, &a, 16 << 20, expect, sizeof(expect));
	b.timeout = 0;
	b.first_byte_timeout = 1;
	c = (struct upstream_call){ .backend = &b, .body = &s };
	result_init(&r);
	assert_int_equal(perform(&c, &r, at("/hold")), UPSTREAM_FAILED);
	assert_non_null(strstr(r.fault.message,
			       "of the request's 16777216 bytes and then no more for 1 s"));
	arena_release(&a);
	free(body);
}

/* ---- the waiter ---- */

struct watch {
	struct waiter w;
	int ready, ticks, every, sleep_ms, cancel_at;
	bool cancel, leave;
	int64_t early;
};

static int watch_ready(struct waiter *w, int i)
{
	struct watch *x = (struct watch *)w;

	x->ready++;
	if (x->leave)
		w->fd[i] = -1;
	return x->cancel;
}

static int watch_tick(struct waiter *w, int64_t now)
{
	struct watch *x = (struct watch *)w;

	if (now - w->due < x->early)
		x->early = now - w->due;
	if (x->sleep_ms)
		wait_until(NULL, now + x->sleep_ms);
	w->due = x->every ? clock_ms() + x->every : CLOCK_NEVER;
	return ++x->ticks == x->cancel_at;
}

static void watch_init(struct watch *x)
{
	memset(x, 0, sizeof(*x));
	x->w = (struct waiter){ { -1, -1 }, watch_ready, watch_tick, CLOCK_NEVER };
}

static void *write_later(void *arg)
{
	wait_until(NULL, clock_ms() + 100);
	return (void *)(intptr_t)(write(*(int *)arg, "x", 1) != 1);
}

static void test_cancel(void **state)
{
	struct watch x;
	struct upstream_call c = { .waiter = &x.w };
	struct result r;
	int pipe_[2], open = http.open;
	pthread_t t;
	int64_t from;

	for (int i = 0; i < 2; i++) {
		watch_init(&x);
		assert_int_equal(pipe(pipe_), 0);
		x.w.fd[i] = pipe_[0];
		x.cancel = true;
		from = clock_ms();
		pthread_create(&t, NULL, write_later, &pipe_[1]);
		result_init(&r);
		assert_int_equal(perform(&c, &r, at("/stall-body")), UPSTREAM_CANCELLED);
		assert_in_range(clock_ms() - from, 95, 9000);
		assert_int_equal(x.ready, 1);
		pthread_join(t, NULL);
		buf_release(&r.body);
		close(pipe_[0]);
		close(pipe_[1]);
	}
	/* The backend is told at once. */
	for (int i = 0; i < 5000 && http.open > open; i++)
		wait_until(NULL, clock_ms() + 2);
	assert_in_range(http.open, 0, open);
}

/* A descriptor that is readable for ever, or hung up, neither spins nor hides the answer. */
static void test_left_out(void **state)
{
	struct watch x;
	struct upstream_call c = { .waiter = &x.w };
	struct result r;
	int pipe_[2];

	for (int end = 0; end < 2; end++) {
		watch_init(&x);
		assert_int_equal(pipe(pipe_), 0);
		close(pipe_[!end]);
		x.w.fd[0] = pipe_[end];
		x.leave = true;
		result_init(&r);
		assert_int_equal(perform(&c, &r, at("/slow")), UPSTREAM_DONE);
		assert_int_equal(x.ready, 1);
		buf_release(&r.body);
		close(pipe_[end]);
	}
}

static void test_tick(void **state)
{
	struct watch x;
	struct upstream_call c = { .waiter = &x.w };
	struct result r;

	watch_init(&x);
	x.every = 20;
	x.w.due = clock_ms() + 20;
	x.cancel_at = 10;
	result_init(&r);
	assert_int_equal(perform(&c, &r, at("/stall")), UPSTREAM_CANCELLED);
	assert_int_equal(x.ticks, 10);
	/* Never too soon; how late is the machine's matter. */
	assert_int_equal(x.early, 0);
}

/* Time in writes to a slow client counts against no timeout of the backend's. */
static void test_blocked(void **state)
{
	struct backend b = lab;
	struct watch x;
	struct upstream_call c = { .backend = &b };
	struct result r;

	b.idle_timeout = 1;
	b.timeout = 2;
	result_init(&r);
	r.ms_a_piece = 1200;
	stands_at = clock_ms();
	assert_int_equal(perform(&c, &r, at("/slow")), UPSTREAM_DONE);
	stands_at = 0;
	assert_string_equal(buf_cstr(&r.body), "0123456789");
	assert_int_equal(r.pieces, 10);
	buf_release(&r.body);

	watch_init(&x);
	c.waiter = &x.w;
	b.first_byte_timeout = 1;
	b.idle_timeout = b.timeout = 0;
	x.w.due = clock_ms() + 50;
	x.sleep_ms = 1200;
	result_init(&r);
	assert_int_equal(perform(&c, &r, at("/stall")), UPSTREAM_FAILED);
	/* 50 ms, 1200 in the tick, and what was left of the second. */
	assert_int_equal(r.fault.status, 504);
	assert_int_equal(x.ticks, 1);
}

/* ---- proxies ---- */

static void test_proxy_rules(void **state)
{
	static const struct { const char *list, *host; int port; bool excluded;
	} cases[] = {
		{ "*", "a.b", 80, true },
		{ "", "a.b", 80, false },
		{ "a.b", "a.b", 80, true },
		{ "A.b", "x.a.B", 80, true },
		{ ".a.b", "a.b", 80, true },
		{ ".a.b", "xa.b", 80, false },
		{ "a.b", "xa.b", 80, false },
		{ "x, a.b ,y", "a.b", 80, true },
		{ "x a.b", "a.b.", 80, true },
		{ "a.b:8080", "a.b", 80, false },
		{ "a.b:8080", "a.b", 8080, true },
		{ "10.0.0.0/8", "10.1.2.3", 80, true },
		{ "10.0.0.0/8", "11.1.2.3", 80, false },
		{ "10.0.0.0/9", "10.200.0.1", 80, false },
		{ "10.0.0.0/33", "10.0.0.0", 80, false },
		{ "192.168.1.7", "192.168.1.7", 80, true },
		{ "168.1.7", "192.168.1.7", 80, false },
		{ "fd00::/8", "fd12::1", 80, true },
		{ "[fd12::1]", "fd12::1", 80, true },
		{ "[fd12::1]:81", "fd12::1", 80, false },
		{ "fd12::1", "fd12::2", 80, false },
		{ "0.0.0.0/0", "1.2.3.4", 80, true },
		{ "0.0.0.0/0", "a.b", 80, false },
		{ ",, ,", "a.b", 80, false },
	};
	struct backend b = lab;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (proxy_excluded(str_of(cases[i].list), cases[i].host, cases[i].port) !=
		    cases[i].excluded)
			fail_msg("no_proxy=%s for %s", cases[i].list, cases[i].host);
	assert_true(proxy_loopback("127.9.9.9") && proxy_loopback("::1") &&
		    proxy_loopback("LocalHost") && proxy_loopback("a.localhost") &&
		    proxy_loopback("localhost.") && proxy_loopback("::ffff:127.0.0.1"));
	assert_false(proxy_loopback("128.0.0.1") || proxy_loopback("::2") ||
		     proxy_loopback("notlocalhost"));

	setenv("HTTP_PROXY", "http://evil:1", 1);
	assert_string_equal(proxy_for(&b, "http", "a.b", 80), "");
	assert_string_equal(proxy_for(&b, "https", "a.b", 443), "");
	setenv("all_proxy", "http://all:1", 1);
	assert_string_equal(proxy_for(&b, "http", "a.b", 80), "http://all:1");
	setenv("HTTPS_PROXY", "http://upper:1", 1);
	assert_string_equal(proxy_for(&b, "https", "a.b", 443), "http://upper:1");
	setenv("https_proxy", "http://lower:1", 1);
	assert_string_equal(proxy_for(&b, "https", "a.b", 443), "http://lower:1");
	assert_string_equal(proxy_for(&b, "https", "127.0.0.1", 443), "");
	setenv("no_proxy", "a.b", 1);
	assert_string_equal(proxy_for(&b, "https", "x.a.b", 443), "");
	b.proxy = "http://own:1";
	assert_string_equal(proxy_for(&b, "https", "x.a.b", 443), "http://own:1");
	assert_string_equal(proxy_for(&b, "https", "::1", 443), "");
	b.proxy = "";
	assert_string_equal(proxy_for(&b, "https", "c.d", 443), "");
	unsetenv("HTTP_PROXY");
	unsetenv("all_proxy");
	unsetenv("HTTPS_PROXY");
	unsetenv("https_proxy");
	unsetenv("no_proxy");
}

static void test_proxy_calls(void **state)
{
	struct backend b = lab;
	struct upstream_call c = { .backend = &b };
	char proxy[64], secret[96];
	struct result r;
	int fd, port;

	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", http.port);
	snprintf(secret, sizeof(secret), "http://user:secret@127.0.0.1:%d", http.port);
	b.proxy = proxy;
	result_init(&r);
	assert_int_equal(perform(&c, &r, "http://somewhere.invalid/headers"), UPSTREAM_DONE);
	assert_non_null(
		strstr(buf_cstr(&r.body), "GET http://somewhere.invalid/headers HTTP/1.1\n"));
	buf_release(&r.body);
	/* Another proxy is another connection; its password is not shown, and its heads are not
	 * the backend's. */
	b.proxy = secret;
	result_init(&r);
	assert_int_equal(perform(&c, &r, "https://somewhere.invalid/headers"), UPSTREAM_FAILED);
	assert_int_equal(r.heads, 0);
	assert_non_null(strstr(r.fault.message, "the proxy 127.0.0.1:"));
	assert_non_null(strstr(r.fault.message, "answered 403"));
	assert_null(strstr(r.fault.message, "secret"));
	/* In the clear its refusal is a status of its own, which is the backend's where there is no
	 * proxy. */
	b.proxy = secret;
	result_init(&r);
	assert_int_equal(perform(&c, &r, "http://somewhere.invalid/proxy-auth"), UPSTREAM_FAILED);
	assert_int_equal(r.heads, 0);
	assert_non_null(strstr(r.fault.message, "refused to connect to somewhere.invalid:80: it "
			       "answered 407"));
	assert_int_equal(r.report.lost, LOST_PROXY);
	b.proxy = NULL;
	result_init(&r);
	assert_int_equal(perform(&c, &r, at("/proxy-auth")), UPSTREAM_DONE);
	assert_int_equal(r.head.status, 407);
	buf_release(&r.body);
	port = dead_port(&fd);
	snprintf(proxy, sizeof(proxy), "http://user:secret@127.0.0.1:%d", port);
	snprintf(secret, sizeof(secret), "the proxy 127.0.0.1:%d (set in its \"proxy\") can't be used: ",
		 port);
	b.proxy = proxy;
	result_init(&r);
	assert_int_equal(perform(&c, &r, "http://somewhere.invalid/headers"), UPSTREAM_FAILED);
	close(fd);
	if (!strstr(r.fault.message, secret) || strstr(r.fault.message, "user"))
		fail_msg("%s", r.fault.message);
	assert_int_equal(r.fault.class, FAULT_TRANSIENT);
	assert_false(r.report.sent);
	b.proxy = "http://no-proxy.invalid:1";
	b.connect_timeout = 3;
	result_init(&r);
	assert_int_equal(perform(&c, &r, "https://somewhere.invalid/headers"), UPSTREAM_FAILED);
	assert_int_equal(r.heads, 0);
}

/* ---- TLS ---- */

static bool make_certificates(char *dir, size_t size)
{
	char command[2048];

	snprintf(dir, size, "/tmp/test-upstream-XXXXXX");
	if (!mkdtemp(dir))
		return false;
	snprintf(command, sizeof(command),
		 "cd %s && exec 2>/dev/null && openssl req -x509 -newkey rsa:2048 -nodes -days 2 "
		 "-subj /CN=Test-CA -keyout ca.key -out ca.pem && "
		 "openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out "
		 "req.pem && "
		 "printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' > ext && "
		 "openssl x509 -req -in req.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
		 "-extfile ext -out cert.pem >/dev/null",
		 dir);
	return system(command) == 0;
}

static void remove_dir(const char *dir)
{
	static const char *const files[] = { "ca.key",	"ca.pem", "ca.srl",  "key.pem",
					     "req.pem", "ext",	  "cert.pem" };
	char path[256];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
}

static void test_tls(void **state)
{
	struct server tls;
	struct backend b = lab;
	struct upstream_call c = { .backend = &b };
	char dir[64], cert[128], key[128], ca[128], url[64];
	struct result r;

	if (!make_certificates(dir, sizeof(dir))) {
		remove_dir(dir);
		skip();
	}
	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	snprintf(ca, sizeof(ca), "%s/ca.pem", dir);
	assert_int_equal(server_start(&tls, cert, key), 0);
	snprintf(url, sizeof(url), "https://localhost:%d/ok", tls.port);

	b.ca_file = ca;
	for (int i = 0; i < 5; i++) {
		result_init(&r);
		if (perform(&c, &r, url) != UPSTREAM_DONE)
			fail_msg("%s", r.fault.message);
		assert_string_equal(buf_cstr(&r.body), "{}");
		assert_int_equal(r.report.reused, i > 0);
		buf_release(&r.body);
	}
	/* The system does not trust this authority, and connections that were made with the file
	 * are not used. */
	b.ca_file = NULL;
	result_init(&r);
	assert_int_equal(perform(&c, &r, url), UPSTREAM_FAILED);
	assert_non_null(strstr(r.fault.message, "is not trusted"));
	assert_non_null(strstr(r.fault.message, "backends.lab.ca_file"));
	assert_int_equal(r.fault.should_retry, 0);
	b.ca_file = key;
	result_init(&r);
	assert_int_equal(perform(&c, &r, url), UPSTREAM_FAILED);
	assert_non_null(strstr(r.fault.message, "can't be read or holds none"));
	assert_null(strstr(r.fault.message, "key.pem"));
	assert_non_null(strstr(r.fault.note, "key.pem"));
	b.ca_file = "/nonexistent/ca.pem";
	result_init(&r);
	assert_int_equal(perform(&c, &r, url), UPSTREAM_FAILED);
	assert_non_null(strstr(r.fault.note, "/nonexistent/ca.pem"));
	b.ca_file = NULL;
	b.tls_verify = false;
	result_init(&r);
	assert_int_equal(perform(&c, &r, url), UPSTREAM_DONE);
	buf_release(&r.body);

	upstream_cleanup();
	assert_int_equal(upstream_setup(), 0);
	server_stop(&tls);
	remove_dir(dir);
}

/* ---- many at once ---- */

#define THREADS 50

static void *many(void *arg)
{
	static const char *const paths[] = { "/short", "/headers", "/gzip", "/pieces", "/ok" };
	struct result r;

	for (int i = 0; i < 10; i++) {
		enum upstream_result e = get(&r, NULL, paths[i % 5]);

		if ((e == UPSTREAM_DONE) != (i % 5 != 0))
			return arg;    /* not NULL */
		buf_release(&r.body);
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t t[THREADS];
	void *wrong;
	int before = http.connections, idle = slots_idle();

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, many, &http), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], &wrong);
		assert_null(wrong);
	}
	/* Each thread breaks two connections of its own; all others are shared. */
	assert_in_range(http.connections - before, 1, THREADS * 3);
	assert_in_range(slots_idle(), 1, idle + THREADS);
}

static void test_features(void **state)
{
	assert_true(upstream_feature("http"));
	assert_true(upstream_feature("https"));
	assert_false(upstream_feature("teleport"));
	assert_non_null(strstr(upstream_library(), "libcurl/"));
}

static int setup(void **state)
{
	static const char *const variables[] = { "http_proxy", "https_proxy", "HTTPS_PROXY",
						 "all_proxy",  "ALL_PROXY",   "no_proxy",
						 "NO_PROXY",   NULL };

	for (size_t i = 0; variables[i]; i++)
		unsetenv(variables[i]);
	lab = (struct backend){ .name = "lab",
				.tls_verify = true,
				.connect_timeout = 5,
				.first_byte_timeout = 10,
				.idle_timeout = 10,
				.timeout = 30 };
	return server_start(&http, NULL, NULL) || upstream_setup();
}

static int teardown(void **state)
{
	upstream_cleanup();
	server_stop(&http);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ok),
		cmocka_unit_test(test_statuses),
		cmocka_unit_test(test_gzip),
		cmocka_unit_test(test_slow_bytes),
		cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_head_lines),
		cmocka_unit_test(test_upload),
		cmocka_unit_test(test_upload_time),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_cut_while_sending),
		cmocka_unit_test(test_early_answer),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_max_body),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_name),
		cmocka_unit_test(test_connect_timeout),
		cmocka_unit_test(test_timeouts),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_tick),
		cmocka_unit_test(test_blocked),
		cmocka_unit_test(test_proxy_rules),
		cmocka_unit_test(test_proxy_calls),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_features),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
