/*
 * A request against a chain: which failures the next member cures and which it never sees, what the
 * backends' and keys' breakers learn, who is asked when, and what the client is told in the end. The
 * backends are a scripted server on loopback; the first part of the path says which one is meant.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
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
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "ingress/ingress.h"
#include "run/chain.h"

/* ---- backends ---- */

enum way { ANSWERS, DROPS, STALLS, HOLDS };

struct script {
	const char *status, *headers, *body;
	enum way way;
};

#define JSON "Content-Type: application/json\r\n"
#define SSE "Content-Type: text/event-stream\r\n"
#define ERROR_BODY "{\"error\":{\"message\":\"scripted failure\",\"type\":\"x\"}}"
#define CHUNK(json) "data: " json "\n\n"
#define HALF CHUNK("{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"half\"}}]}")
#define NO_HALF CHUNK("{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}")
#define WELL                                                                                 \
	{ "200 OK", JSON,                                                                    \
	  "{\"id\":\"c\",\"model\":\"real\",\"choices\":[{\"index\":0,\"finish_reason\":"      \
	  "\"stop\",\"message\":{\"role\":\"assistant\",\"content\":\"well\"}}]}", ANSWERS }
#define FAILS(status) { status, JSON, ERROR_BODY, ANSWERS }

static const struct script well = WELL;
static struct script script[3];         /* of A, B, C */
static struct script for_key[3];        /* of keys k1, k2, k3 at C; status NULL: C's own */
static atomic_int calls[3], keys[3], held;
static atomic_bool let_go;
static int listen_fd = -1, port, closed_port;

static size_t read_request(int fd, char *text, size_t size)
{
	size_t n = 0;

	while (n < size - 1) {
		ssize_t got = read(fd, text + n, size - 1 - n);
		const char *end, *length;

		/* What is no "POST" is a TLS handshake. */
		if (got <= 0 || (n == 0 && text[0] != 'P'))
			return 0;
		n += (size_t)got;
		text[n] = '\0';
		end = strstr(text, "\r\n\r\n");
		length = strcasestr(text, "content-length:");
		if (end && n >= (size_t)(end + 4 - text) + (length ? (size_t)atoi(length + 15) : 0))
			break;
	}
	return n;
}

static const struct script *script_of(const char *request)
{
	int who = request[6] - 'a', key = 0;
	const char *at = strstr(request, "Bearer k");

	if (who < 0 || who > 2)
		return NULL;
	atomic_fetch_add(&calls[who], 1);
	if (who < 2 || !at)
		return &script[who];
	key = at[8] - '1';
	atomic_fetch_add(&keys[key], 1);
	return for_key[key].status ? &for_key[key] : &script[who];
}

static void *serve(void *ctx)
{
	int fd = (int)(intptr_t)ctx;
	struct pollfd gone = { .fd = fd, .events = POLLIN };
	char text[16384];
	const struct script *s = read_request(fd, text, sizeof(text)) > 6 ? script_of(text) : NULL;

	if (s && s->way == STALLS)
		poll(&gone, 1, 20000);
	if (s && s->way == HOLDS) {
		atomic_fetch_add(&held, 1);
		while (!atomic_load(&let_go))
			usleep(1000);
	}
	if (s && (s->way == ANSWERS || s->way == HOLDS))
		dprintf(fd, "HTTP/1.1 %s\r\n%sConnection: close\r\n\r\n%s", s->status, s->headers,
			s->body);
	shutdown(fd, SHUT_WR);
	close(fd);
	return NULL;
}

static void *accept_all(void *ctx)
{
	pthread_t t;
	int fd;

	while ((fd = accept(listen_fd, NULL, NULL)) >= 0)
		if (pthread_create(&t, NULL, serve, (void *)(intptr_t)fd) == 0)
			pthread_detach(t);
	return NULL;
}

/* Bound; its port is a free one. */
static int bound(int *at)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) ||
	    getsockname(fd, (struct sockaddr *)&a, &n))
		return -1;
	*at = ntohs(a.sin_port);
	return fd;
}

/* ---- the gateway's side ---- */

static char dir[64];
static struct config *config;
static struct arena arena;
static pthread_t acceptor;
static const struct breaker_rule rule = { .failures = 3, .cooldown_ms = 60000,
					  .cooldown_max_ms = 600000 };

static const char settings[] =
	"backends = {\n"
	"  A = { dialect = \"openai-chat\"; base_url = \"http://127.0.0.1:%d/a\"; api_key = \"ka\";\n"
	"        first_byte_timeout = 1; retries = 2; };\n"
	"  B = { dialect = \"openai-chat\"; base_url = \"http://127.0.0.1:%d/b\"; retries = 0;\n"
	"        auth = \"none\"; };\n"
	"  C = { dialect = \"openai-chat\"; base_url = \"http://127.0.0.1:%d/c\"; retries = 0;\n"
	"        api_key = \"k1\"; api_keys = ( \"k2\", \"k3\" ); };\n"
	"  GONE = { dialect = \"openai-chat\"; base_url = \"http://127.0.0.1:%d\"; };\n"
	"  TLS = { dialect = \"openai-chat\"; base_url = \"https://127.0.0.1:%d\"; };\n"
	"};\n"
	"proxy_backend = \"A\";\n";

static int load(void)
{
	char path[128];
	struct config_load how = { .path = path };
	struct buf err;
	FILE *f;

	snprintf(path, sizeof(path), "%s/m.conf", dir);
	f = fopen(path, "w");
	if (!f)
		return -1;
	fprintf(f, settings, port, port, port, closed_port, port);
	fclose(f);
	buf_init(&err, 0);
	config = config_load(&how, &err);
	if (!config)
		print_error("%s\n", buf_cstr(&err));
	buf_release(&err);
	unlink(path);
	return config ? 0 : -1;
}

static int setup_all(void **state)
{
	strcpy(dir, "/tmp/test-chain.XXXXXX");
	listen_fd = bound(&port);
	if (!mkdtemp(dir) || listen_fd < 0 || listen(listen_fd, 64) || bound(&closed_port) < 0 ||
	    pthread_create(&acceptor, NULL, accept_all, NULL) || load())
		return -1;
	log_setup(LOG_LEVEL_NONE, "none");
	return upstream_setup();
}

static int teardown_all(void **state)
{
	shutdown(listen_fd, SHUT_RDWR);
	pthread_join(acceptor, NULL);
	config_unref(config);
	upstream_cleanup();
	return rmdir(dir);
}

static void forget(void)
{
	for (int i = 0; i < 3; i++) {
		script[i] = well;
		for_key[i] = (struct script){ NULL, NULL, NULL, ANSWERS };
		atomic_store(&calls[i], 0);
		atomic_store(&keys[i], 0);
	}
	atomic_store(&held, 0);
	atomic_store(&let_go, false);
	host_open(NULL);
}

static int setup(void **state)
{
	arena_init(&arena, 0);
	forget();
	return 0;
}

static int teardown(void **state)
{
	arena_release(&arena);
	host_close();
	return 0;
}

/* One request, and what came of it. */
struct run {
	struct sink sink;
	struct message_request request;
	struct chain_options o;
	struct run_report report;
	struct fault fault;
	struct arena arena;
	int content, ends, members;
	char asked[8];                  /* initials of the backends, in order */
	int cancel_at;                  /* the client leaves when so many have been asked */
	struct waiter waiter;
	int rc;
};

static enum flow on_event(struct sink *self, const struct event *e)
{
	struct run *r = (struct run *)((char *)self - offsetof(struct run, sink));

	r->content += e->type == EVENT_TEXT;
	r->ends += e->type == EVENT_END;
	return FLOW_GO;
}

static bool content_sent(void *ctx)
{
	return ((struct run *)ctx)->content > 0;
}

static int on_tick(struct waiter *w, int64_t now)
{
	struct run *r = (struct run *)((char *)w - offsetof(struct run, waiter));

	w->due = CLOCK_NEVER;
	return r->cancel_at && r->members >= r->cancel_at ? WAIT_CANCEL : WAIT_GO;
}

static void on_member(void *ctx, const struct target *t)
{
	struct run *r = ctx;

	r->asked[r->members] = t->backend->name[0];
	r->asked[++r->members] = '\0';
	r->waiter.due = clock_ms();
}

/* members: "A/m B/m". */
static void prepare(struct run *r, const char *members)
{
	static const char body[] = "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\","
				   "\"content\":\"hi\"}]}";
	struct str rest = str_of(members), one;

	*r = (struct run){ .sink.event = on_event, .fault = FAULT_INIT };
	arena_init(&r->arena, 0);
	assert_int_equal(anthropic_parse(&r->request, str_of(body), PARSE_MESSAGE, &r->arena,
					 &r->fault), 0);
	r->o.chain.v = arena_alloc(&r->arena, 8 * sizeof(*r->o.chain.v));
	while (str_split(&rest, ' ', &one)) {
		struct route_target t;

		assert_true(config_target(config, arena_dup(&r->arena, one.p, one.n), &r->arena, &t));
		r->o.chain.v[r->o.chain.n++] = (struct target){ .backend = t.v[0].backend,
								.model = t.v[0].model };
	}
	r->waiter = (struct waiter){ .fd = { -1, -1 }, .tick = on_tick, .due = CLOCK_NEVER };
	r->o.breaker = rule;
	r->o.on_member = on_member;
	r->o.run = (struct run_options){
		.request = &r->request, .arena = &r->arena, .waiter = &r->waiter,
		.max_event = 1 << 20, .max_answer = 1 << 20, .content_sent = content_sent, .ctx = r,
	};
}

static void *go(void *ctx)
{
	struct run *r = ctx;

	r->rc = run_chain(&r->o, &r->sink, &r->report, &r->fault);
	return NULL;
}

static void done(struct run *r)
{
	arena_release(&r->arena);
}

/* Runs and forgets the rest; asked is who was asked, rc and status how it ended. */
static void expect(const char *members, const char *asked, int status)
{
	struct run r;

	prepare(&r, members);
	go(&r);
	if (strcmp(r.asked, asked) != 0 || (status ? r.fault.status : 0) != status ||
	    r.rc != (status ? -1 : 0))
		fail_msg("%s: asked %s, %d %s", members, r.asked, r.rc ? r.fault.status : 0,
			 r.rc ? r.fault.message : "");
	assert_int_equal(r.ends, r.rc == 0);
	assert_int_equal(r.report.members, (int)strlen(asked));
	done(&r);
}

static struct breaker breaker(const char *name, struct host_error *e)
{
	struct host_error other;
	struct breaker b;

	host_breaker_get(name, &b, e ? e : &other);
	return b;
}

static const char *key_of(const char *backend, size_t i)
{
	const struct backend *b = config_backend(config, backend);

	return b->nways ? b->ways[i].key_mark : b->key_mark;
}

static const char *model_of(const char *backend, size_t key, const char *model)
{
	const struct backend *b = config_backend(config, backend);

	return chain_model_name(b->nways ? &b->ways[key] : b, model, &arena);
}

/* ---- which failures move on ---- */

static void test_what_the_next_cures(void **state)
{
	static const struct script cases[] = {
		FAILS("408 T"), FAILS("429 R"), FAILS("500 E"), FAILS("502 E"), FAILS("503 E"),
		FAILS("504 E"), FAILS("529 O"), FAILS("401 K"), FAILS("403 K"), FAILS("402 Q"),
		{ "200 OK", JSON, ERROR_BODY, ANSWERS },
		{ "200 OK", SSE, CHUNK("{\"error\":{\"message\":\"x\",\"code\":503}}"), ANSWERS },
		{ "200 OK", SSE, NO_HALF, ANSWERS },
		{ "200 OK", SSE, "", ANSWERS },
		{ "502 Bad", "Content-Type: text/html\r\n", "<html>no</html>", ANSWERS },
		{ NULL, NULL, NULL, DROPS },
		{ NULL, NULL, NULL, STALLS },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		forget();
		script[0] = cases[i];
		expect("A/m B/m", "AB", 0);
		/* Another follows: not tried twice. */
		assert_int_equal(calls[0], 1);
	}
	forget();
	expect("GONE/m B/m", "GB", 0);
	expect("TLS/m B/m", "TB", 0);
}

static void test_what_none_cures(void **state)
{
	static const struct {
		struct script script;
		int status;
	} cases[] = {
		{ FAILS("400 B"), 400 }, { FAILS("404 N"), 404 }, { FAILS("413 L"), 413 },
		{ FAILS("422 U"), 400 },
		{ { "400 B", JSON, "{\"error\":{\"message\":\"This model's maximum context length is "
		    "10 tokens.\",\"code\":\"context_length_exceeded\"}}", ANSWERS }, 400 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct run r;

		forget();
		script[0] = cases[i].script;
		prepare(&r, "A/m B/m");
		go(&r);
		assert_int_equal(r.rc, -1);
		assert_string_equal(r.asked, "A");
		assert_int_equal(r.fault.status, cases[i].status);
		/* It has said something about the request, so it works. */
		assert_int_equal(breaker("A", NULL).failures, 0);
		done(&r);
	}
}

static void test_listed_statuses(void **state)
{
	static const char *const listed[] = { "404", "422", NULL };
	struct run r;

	script[0] = (struct script)FAILS("404 N");
	prepare(&r, "A/m B/m");
	r.o.statuses = listed;
	go(&r);
	assert_int_equal(r.rc, 0);
	assert_string_equal(r.asked, "AB");
	done(&r);
}

/* ---- content ends it ---- */

static void test_nothing_after_content(void **state)
{
	struct run r;

	script[0] = (struct script){ "200 OK", SSE, HALF, ANSWERS };
	prepare(&r, "A/m B/m");
	go(&r);
	assert_int_equal(r.rc, -1);
	assert_string_equal(r.asked, "A");
	assert_int_equal(r.content, 1);
	assert_int_equal(breaker("A", NULL).failures, 1);
	done(&r);
}

/* ---- time ---- */

/* The first one's `timeout` is the time of all: B alone would wait for minutes. */
static void test_one_deadline(void **state)
{
	struct backend quick = *config_backend(config, "A");
	struct run r;

	quick.timeout = 1;
	script[0] = (struct script)FAILS("500 E");
	script[1].way = STALLS;
	prepare(&r, "A/m B/m C/m");
	r.o.chain.v[0].backend = &quick;
	go(&r);
	assert_int_equal(r.rc, -1);
	assert_string_equal(r.asked, "AB");
	assert_int_equal(r.fault.status, 504);
	assert_int_equal(calls[2], 0);
	done(&r);
}

/* A wait that the deadline does not leave room for is the client's to make. */
static void test_retry_after_beyond_the_deadline(void **state)
{
	struct backend quick = *config_backend(config, "A");
	struct run r;

	quick.timeout = 2;
	script[0] = (struct script){ "503 S", JSON "retry-after: 4\r\n", ERROR_BODY, ANSWERS };
	prepare(&r, "A/m");
	r.o.chain.v[0].backend = &quick;
	go(&r);
	assert_int_equal(r.rc, -1);
	assert_int_equal(calls[0], 1);
	assert_int_equal(r.fault.retry_after, 4);
	done(&r);
}

static void test_client_leaves_between_members(void **state)
{
	struct run r;

	script[0] = (struct script)FAILS("500 E");
	script[1].way = STALLS;
	prepare(&r, "A/m B/m C/m");
	r.cancel_at = 2;
	go(&r);
	assert_int_equal(r.rc, -1);
	assert_int_equal(r.fault.class, FAULT_CANCELLED);
	assert_string_equal(r.asked, "AB");
	assert_int_equal(calls[2], 0);
	assert_int_equal(breaker("A", NULL).failures, 1);
	assert_int_equal(breaker("B", NULL).failures, 0);
	done(&r);
}

/* ---- what the client is told ---- */

static void test_the_fault_that_says_most(void **state)
{
	static const struct {
		struct script a, b;
		int status, retry_after;
		char last;      /* whose fault it is */
	} cases[] = {
		{ { "429 R", JSON "retry-after: 7\r\n", ERROR_BODY, ANSWERS }, FAILS("500 E"), 429, 7, 'A' },
		{ FAILS("500 E"), { "429 R", JSON "retry-after: 7\r\n", ERROR_BODY, ANSWERS }, 429, 7, 'B' },
		{ FAILS("500 E"), FAILS("401 K"), 500, -1, 'A' },
		{ FAILS("401 K"), FAILS("503 E"), 529, -1, 'B' },
		{ { "429 R", JSON "retry-after: 9\r\n", ERROR_BODY, ANSWERS },
		  { "429 R", JSON "retry-after: 3\r\n", ERROR_BODY, ANSWERS }, 429, 3, 'B' },
		{ { "429 R", JSON "retry-after: 3\r\n", ERROR_BODY, ANSWERS },
		  { "429 R", JSON "retry-after: 9\r\n", ERROR_BODY, ANSWERS }, 429, 3, 'A' },
		/* A verdict on the request is the last word. */
		{ { "429 R", JSON "retry-after: 3\r\n", ERROR_BODY, ANSWERS }, FAILS("400 B"), 400, -1,
		  'B' },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct run r;

		forget();
		script[0] = cases[i].a;
		script[1] = cases[i].b;
		prepare(&r, "A/m B/m");
		go(&r);
		assert_int_equal(r.rc, -1);
		if (r.fault.status != cases[i].status || r.fault.retry_after != cases[i].retry_after ||
		    r.asked[r.members - 1] != cases[i].last)
			fail_msg("case %zu: %d, retry after %d, of %s", i, r.fault.status,
				 r.fault.retry_after, r.asked);
		done(&r);
	}
}

/* ---- breakers ---- */

static void test_outcomes_are_recorded(void **state)
{
	struct host_error e;

	script[0] = (struct script)FAILS("500 E");
	expect("A/m B/m", "AB", 0);
	expect("A/m B/m", "AB", 0);
	assert_int_equal(breaker("A", &e).failures, 2);
	assert_int_equal(e.status, 500);
	assert_int_equal(e.kind, FAULT_TRANSIENT);
	assert_non_null(strstr(e.text, "scripted failure"));
	/* One that went well: they were not in a row. */
	script[0] = well;
	expect("A/m B/m", "A", 0);
	assert_int_equal(breaker("A", NULL).failures, 0);
	script[0] = (struct script)FAILS("500 E");
	for (int i = 0; i < 3; i++)
		expect("A/m B/m", "AB", 0);
	assert_int_equal(breaker("A", NULL).phase, BREAKER_OPEN);
	expect("A/m B/m", "B", 0);
	/* The only way is taken all the same, and what it says counts. */
	script[0] = well;
	expect("A/m", "A", 0);
	assert_int_equal(breaker("A", NULL).phase, BREAKER_CLOSED);
}

/* Whoever sends the beginning of a message and then fails, each time, has failed in a row. */
static void test_a_start_is_no_answer(void **state)
{
	script[0] = (struct script){ "200 OK", SSE, NO_HALF, ANSWERS };
	for (int i = 0; i < 3; i++)
		expect("A/m B/m", "AB", 0);
	expect("A/m B/m", "B", 0);
	forget();
	script[0] = (struct script){ "200 OK", SSE, HALF, ANSWERS };
	for (int i = 0; i < 3; i++)
		expect("A/m B/m", "A", 502);
	expect("A/m B/m", "B", 0);
}

static void test_all_benched(void **state)
{
	struct run r;

	script[0] = script[1] = (struct script)FAILS("500 E");
	for (int i = 0; i < 3; i++)
		expect("A/m B/m", "AB", 500);
	prepare(&r, "A/m B/m");
	go(&r);
	assert_int_equal(r.rc, -1);
	assert_int_equal(r.fault.status, 529);
	assert_in_range(r.fault.retry_after, 1, 60);
	assert_int_equal(r.report.members, 0);
	done(&r);
}

/* Half open: of several at once one asks again; the others go on to the next member. */
static void test_one_probe(void **state)
{
	static const struct breaker_rule quick = { 1, 1, 1 };
	static const struct host_error e = { .wall_ms = 1 };
	struct run r[4];
	pthread_t t[4];
	int asked_a = 0;

	host_breaker_failed("A", &quick, &e);
	while (!host_breaker_ready("A"))
		usleep(1000);
	script[0].way = HOLDS;
	for (int i = 0; i < 4; i++) {
		prepare(&r[i], "A/m B/m");
		r[i].o.chain.v[0].backend = config_backend(config, "A");
		assert_int_equal(pthread_create(&t[i], NULL, go, &r[i]), 0);
	}
	while (atomic_load(&calls[1]) < 3)
		usleep(1000);
	atomic_store(&let_go, true);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], NULL);
		asked_a += r[i].asked[0] == 'A';
		done(&r[i]);
	}
	assert_int_equal(asked_a, 1);
	assert_int_equal(calls[0], 1);
}

/* A prober whose client leaves has learnt nothing: the next one may. */
static void test_probe_given_back(void **state)
{
	static const struct breaker_rule quick = { 1, 1, 1 };
	static const struct host_error e = { .wall_ms = 1 };
	struct run r;

	host_breaker_failed("A", &quick, &e);
	while (!host_breaker_ready("A"))
		usleep(1000);
	script[0].way = STALLS;
	prepare(&r, "A/m B/m");
	r.cancel_at = 1;
	go(&r);
	assert_int_equal(r.fault.class, FAULT_CANCELLED);
	done(&r);
	script[0] = well;
	expect("A/m B/m", "A", 0);
	assert_int_equal(breaker("A", NULL).phase, BREAKER_CLOSED);
}

/* ---- keys ---- */

static void test_keys_take_turns(void **state)
{
	struct run r;

	for (int i = 0; i < 6; i++)
		expect("C/m", "C", 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(keys[i], 2);
	forget();
	for (int i = 0; i < 5; i++) {
		prepare(&r, "C/m");
		r.o.session = "one and the same";
		go(&r);
		done(&r);
	}
	assert_true(keys[0] == 5 || keys[1] == 5 || keys[2] == 5);
}

/* The work of one that rests is shared by the others. */
static void test_who_stands_in(void **state)
{
	static const struct host_error e = { .wall_ms = 1 };

	host_breaker_rest(key_of("C", 1), 60000, &rule, &e);
	for (int i = 0; i < 12; i++)
		expect("C/m", "C", 0);
	assert_int_equal(keys[0], 6);
	assert_int_equal(keys[1], 0);
	assert_int_equal(keys[2], 6);
}

/* Refused or used up: the key, for every model. Rate-limited: this model with this key. */
static void test_what_rests(void **state)
{
	struct host_error e;

	for_key[0] = (struct script){ "401 K", JSON, "{\"error\":{\"message\":\"Incorrect API key "
				      "provided: k1 (sk-abcdefghijkl)\"}}", ANSWERS };
	for_key[1] = (struct script){ "429 R", JSON "retry-after: 30\r\n", ERROR_BODY, ANSWERS };
	for (int i = 0; i < 3; i++) {
		struct run r;

		prepare(&r, "C/m");
		go(&r);
		assert_int_equal(r.rc, 0);
		done(&r);
	}
	assert_int_equal(keys[0], 1);
	assert_int_equal(keys[1], 1);
	assert_int_equal(keys[2], 3);
	assert_int_equal(breaker("C", NULL).phase, BREAKER_CLOSED);
	assert_int_equal(breaker(key_of("C", 0), &e).phase, BREAKER_OPEN);
	assert_null(strstr(e.text, "sk-abc"));
	assert_non_null(strstr(e.text, "Incorrect API key"));
	assert_int_equal(breaker(key_of("C", 1), NULL).phase, BREAKER_CLOSED);
	assert_int_equal(breaker(model_of("C", 1, "m"), NULL).phase, BREAKER_OPEN);
	/* The limited key still serves another model, the refused one none. */
	for_key[1] = (struct script){ NULL, NULL, NULL, ANSWERS };
	for (int i = 0; i < 4; i++) {
		struct run r;

		prepare(&r, "C/other");
		go(&r);
		assert_int_equal(r.rc, 0);
		done(&r);
	}
	assert_int_equal(keys[0], 1);
	assert_true(keys[1] > 1);
}

/* A rate limit where there is no key is the model's, too. */
static void test_limit_without_a_key(void **state)
{
	script[1] = (struct script){ "429 R", JSON "retry-after: 30\r\n", ERROR_BODY, ANSWERS };
	expect("B/m A/m", "BA", 0);
	expect("B/m A/m", "A", 0);
	script[1] = well;
	expect("B/n A/m", "B", 0);
}

/* What is the backend's fault the member's other keys are not asked about. */
static void test_other_keys_cure_no_backend(void **state)
{
	script[2] = (struct script)FAILS("500 E");
	expect("C/m B/m", "CB", 0);
	assert_int_equal(calls[2], 1);
}

/* How long a key rests: what the backend says, within reason; else as a breaker does. */
static void test_how_long(void **state)
{
	static const struct {
		const char *header;
		int64_t least, most;
	} cases[] = {
		{ "retry-after: 30\r\n", 28000, 30000 },
		{ "retry-after: 99999999999\r\n", BREAKER_REST_MAX_MS - 2000, BREAKER_REST_MAX_MS },
		{ "retry-after: Wed, 21 Oct 2065 07:28:00 GMT\r\n", BREAKER_REST_MAX_MS - 2000,
		  BREAKER_REST_MAX_MS },
		{ "retry-after: Wed, 21 Oct 2015 07:28:00 GMT\r\n", -1000, 1000 },
		{ "retry-after: 0\r\n", -1000, 1000 },
		{ "retry-after: -5\r\n", 58000, 60000 },
		{ "retry-after: soon\r\n", 58000, 60000 },
		{ "", 58000, 60000 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char headers[256];
		int64_t rests;

		forget();
		snprintf(headers, sizeof(headers), "%s%s", JSON, cases[i].header);
		script[0] = (struct script){ "429 R", headers, ERROR_BODY, ANSWERS };
		expect("A/m B/m", "AB", 0);
		rests = breaker(model_of("A", 0, "m"), NULL).until - clock_wall_ms();
		if (rests < cases[i].least || rests > cases[i].most)
			fail_msg("%s rests %lld ms", cases[i].header, (long long)rests);
	}
}

/* A caller's own key: whatever becomes of it, others are not benched for it. */
static void test_callers_key(void **state)
{
	struct run r;

	script[0] = (struct script)FAILS("401 K");
	prepare(&r, "A/m B/m");
	r.o.chain.v[0].caller_key = "theirs";
	go(&r);
	assert_int_equal(r.rc, -1);
	assert_string_equal(r.asked, "A");
	assert_int_equal(breaker("A", NULL).failures, 0);
	assert_int_equal(breaker(key_of("A", 0), NULL).phase, BREAKER_CLOSED);
	done(&r);
}

static void test_first(void **state)
{
	static const struct host_error e = { .wall_ms = 1 };
	struct run r;

	prepare(&r, "A/m B/m");
	assert_string_equal(chain_first(&r.o).backend->name, "A");
	host_breaker_rest("A", 60000, &rule, &e);
	assert_string_equal(chain_first(&r.o).backend->name, "B");
	host_breaker_rest("B", 60000, &rule, &e);
	assert_string_equal(chain_first(&r.o).backend->name, "A");
	done(&r);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_the_next_cures),
		TEST(test_what_none_cures),
		TEST(test_listed_statuses),
		TEST(test_nothing_after_content),
		TEST(test_one_deadline),
		TEST(test_retry_after_beyond_the_deadline),
		TEST(test_client_leaves_between_members),
		TEST(test_the_fault_that_says_most),
		TEST(test_outcomes_are_recorded),
		TEST(test_a_start_is_no_answer),
		TEST(test_all_benched),
		TEST(test_one_probe),
		TEST(test_probe_given_back),
		TEST(test_keys_take_turns),
		TEST(test_who_stands_in),
		TEST(test_what_rests),
		TEST(test_limit_without_a_key),
		TEST(test_other_keys_cure_no_backend),
		TEST(test_how_long),
		TEST(test_callers_key),
		TEST(test_first),
	};

	return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
