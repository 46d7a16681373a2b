/* Who gets in: every mode against a table of requests, over the memory front. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "access/access.h"
#include "base/clock.h"
#include "state/rates.h"

#define LOCAL \
	"REMOTE_ADDR=127.0.0.1", "SERVER_ADDR=127.0.0.1", "HTTP_HOST=localhost:4000", \
		"CONTENT_TYPE=application/json"
#define MAX_PARAMS 12

struct row {
	const char *params[MAX_PARAMS];
	int status;       /* 0: let in */
	const char *says; /* part of the message */
};

static char hash_a[65], hash_b[65], hash_old[65], hash_off[65];

static const struct access_key keys[] = {
	{ .name = "laptop", .owner = "ann", .group = "dev", .sha256 = { hash_a, hash_b } },
	{ .name = "old", .sha256 = { hash_old, NULL }, .expires = 1000 },
	{ .name = "off", .sha256 = { hash_off, NULL }, .disabled = true },
};

static const char *const hosts[] = { "gateway.lan", NULL };
static const char *const origins[] = { "http://localhost:5173", NULL };

static int setup(void **state)
{
	access_hash("key-a", 5, hash_a);
	access_hash("key-b", 5, hash_b);
	access_hash("key-old", 7, hash_old);
	access_hash("key-off", 7, hash_off);
	return 0;
}

static int ask(const struct config *c, const char *const *params, enum access_need need,
	       struct access_result *out, struct fault *f, bool *cors)
{
	struct memory_front *m = memory_front_new(params, STR_NONE, 0);
	struct http_request r;
	struct arena a;
	int rc;

	assert_non_null(m);
	arena_init(&a, 0);
	http_request_init(&r, memory_front(m), &a);
	*f = FAULT_INIT;
	rc = access_check(c, &r, need, out, f);
	if (cors)
		*cors = r.cors_origin != NULL;
	arena_release(&a);
	memory_front_free(m);
	return rc;
}

static void check_rows(const struct config *c, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *params[MAX_PARAMS + 2] = { "REQUEST_METHOD=POST" };
		struct access_result out;
		struct fault f;
		int rc;

		memcpy(params + 1, rows[i].params, sizeof(rows[i].params));
		rc = ask(c, params, NEED_KEY, &out, &f, NULL);
		if (rc != (rows[i].status ? -1 : 0) || (rc && f.status != rows[i].status))
			fail_msg("row %zu: %d, status %d: %s", i, rc, f.status, f.message);
		if (rc && rows[i].says && !strstr(f.message, rows[i].says))
			fail_msg("row %zu says: %s", i, f.message);
	}
}

#define CHECK(config, rows) check_rows(config, rows, sizeof(rows) / sizeof((rows)[0]))

static void test_hash(void **state)
{
	char out[65];

	access_hash("abc", 3, out);
	assert_string_equal(out,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_true(access_equal("abcd", "abcd", 4));
	assert_false(access_equal("abcd", "abce", 4));
}

static void test_keys(void **state)
{
	const struct config c = {
		.access_mode = ACCESS_KEYS, .access_mode_given = true, .keys = keys, .nkeys = 3
	};
	static const struct row rows[] = {
		{ { "HTTP_X_API_KEY=key-a" }, 0, NULL },
		{ { "HTTP_AUTHORIZATION=Bearer key-a" }, 0, NULL },
		{ { "HTTP_AUTHORIZATION=bearer   key-b " }, 0, NULL },
		{ { "REDIRECT_HTTP_AUTHORIZATION=Bearer key-a" }, 0, NULL },
		{ { "HTTP_X_API_KEY=wrong", "HTTP_AUTHORIZATION=Bearer key-a" }, 0, NULL },
		{ { "HTTP_X_API_KEY=key-a", "REMOTE_ADDR=192.0.2.7", "HTTP_VIA=1.1 x" }, 0, NULL },
		{ { "HTTP_X_API_KEY=key-aa" }, 401, "does not know" },
		{ { "HTTP_AUTHORIZATION=Basic key-a" }, 401, "No key was sent" },
		{ { NULL }, 401, "No key was sent" },
		{ { "SERVER_SOFTWARE=Apache/2.4.71" }, 401, "CGIPassAuth On" },
		{ { "SERVER_SOFTWARE=uhttpd" }, 401, "uhttpd keeps x-api-key" },
		{ { "HTTP_X_API_KEY=key-old" }, 401, "expired at 1970-01-01" },
		{ { "HTTP_X_API_KEY=key-off" }, 401, "disabled" },
		{ { "HTTP_X_API_KEY=key-off", "HTTP_AUTHORIZATION=Bearer key-a" }, 0, NULL },
		{ { "HTTP_X_API_KEY=key-a", "HTTP_AUTHORIZATION=Bearer key-off" }, 0, NULL },
		{ { "HTTP_X_API_KEY=key-off", "HTTP_AUTHORIZATION=Bearer wrong" }, 401, "disabled" },
		{ { "HTTP_X_API_KEY=wrong", "HTTP_AUTHORIZATION=Bearer key-off" }, 401, "disabled" },
		{ { LOCAL }, 401, "No key was sent" },
	};
	struct access_result out;
	struct fault f;

	CHECK(&c, rows);
	assert_int_equal(ask(&c, (const char *const[]){ "HTTP_X_API_KEY=key-b", NULL }, NEED_KEY,
			     &out, &f, NULL),
			 0);
	assert_string_equal(out.key_name, "laptop");
	assert_string_equal(out.owner, "ann");
	assert_string_equal(out.group, "dev");
	assert_null(out.caller_key);
	assert_int_equal(ask(&c, (const char *const[]){ NULL }, NEED_NOTHING, &out, &f, NULL), 0);
}

/* A rejected hint must not appear when another server is in front. */
static void test_keys_no_hint(void **state)
{
	const struct config c = { .access_mode = ACCESS_KEYS, .keys = keys, .nkeys = 3 };
	struct access_result out;
	struct fault f;

	assert_int_equal(ask(&c, (const char *const[]){ "SERVER_SOFTWARE=lighttpd/1.4", NULL },
			     NEED_KEY, &out, &f, NULL),
			 -1);
	assert_null(strstr(f.message, "CGIPassAuth"));
	assert_string_equal(f.type, "authentication_error");
}

static void test_local(void **state)
{
	const struct config c = { .access_mode = ACCESS_LOCAL, .hosts = hosts, .origins = origins };
	static const struct row rows[] = {
		{ { LOCAL }, 0, NULL },
		{ { "REMOTE_ADDR=::1", "SERVER_ADDR=::1", "HTTP_HOST=[::1]:4000",
		    "CONTENT_TYPE=application/json; charset=utf-8" },
		  0,
		  NULL },
		{ { "REMOTE_ADDR=::ffff:127.0.0.1", "SERVER_ADDR=127.0.0.1", "HTTP_HOST=127.0.0.1",
		    "CONTENT_TYPE=application/json" },
		  0,
		  NULL },
		{ { "REMOTE_ADDR=127.0.0.1", "SERVER_ADDR=127.0.0.1", "HTTP_HOST=Gateway.LAN:80",
		    "CONTENT_TYPE=application/json" },
		  0,
		  NULL },
		{ { LOCAL, "HTTP_ORIGIN=http://localhost:5173" }, 0, NULL },
		{ { LOCAL, "HTTP_ORIGIN=http://evil.example" }, 403, "access.origins" },
		{ { LOCAL, "HTTP_ORIGIN=null" }, 403, "access.origins" },
		{ { LOCAL, "HTTP_FORWARDED=for=1.2.3.4" }, 403, "proxy" },
		{ { LOCAL, "HTTP_X_FORWARDED_FOR=1.2.3.4" }, 403, "proxy" },
		{ { LOCAL, "HTTP_X_FORWARDED_PROTO=https" }, 403, "proxy" },
		{ { LOCAL, "HTTP_X_REAL_IP=1.2.3.4" }, 403, "proxy" },
		{ { LOCAL, "HTTP_VIA=1.1 proxy" }, 403, "proxy" },
		{ { LOCAL, "HTTP_X_CLIENT_IP=127.0.0.1" }, 403, "proxy" },
		{ { LOCAL, "HTTP_CF_CONNECTING_IP=1.2.3.4" }, 403, "proxy" },
		{ { LOCAL, "HTTP_TRUE_CLIENT_IP=1.2.3.4" }, 403, "proxy" },
		{ { LOCAL, "HTTP_CDN_LOOP=x" }, 403, "proxy" },
		{ { "REMOTE_ADDR=192.0.2.7", "SERVER_ADDR=127.0.0.1", "HTTP_HOST=localhost",
		    "CONTENT_TYPE=application/json" },
		  403,
		  "not on this machine" },
		{ { "REMOTE_ADDR=127.0.0.1", "SERVER_ADDR=192.0.2.1", "HTTP_HOST=localhost",
		    "CONTENT_TYPE=application/json" },
		  403,
		  "not loopback" },
		{ { "REMOTE_ADDR=127.0.0.1", "HTTP_HOST=localhost",
		    "CONTENT_TYPE=application/json" },
		  403,
		  "SERVER_ADDR" },
		{ { "REMOTE_ADDR=127.0.0.1", "SERVER_ADDR=127.0.0.1",
		    "HTTP_HOST=localhost.evil.example:4000", "CONTENT_TYPE=application/json" },
		  403,
		  "Host header" },
		{ { "REMOTE_ADDR=127.0.0.1", "SERVER_ADDR=127.0.0.1",
		    "CONTENT_TYPE=application/json" },
		  403,
		  "Host header" },
		{ { "REMOTE_ADDR=127.0.0.1", "SERVER_ADDR=127.0.0.1", "HTTP_HOST=localhost",
		    "CONTENT_TYPE=text/plain" },
		  403,
		  "application/json" },
		{ { "REMOTE_ADDR=127.0.0.1", "SERVER_ADDR=127.0.0.1", "HTTP_HOST=localhost" },
		  403,
		  "application/json" },
		{ { LOCAL, "SERVER_SOFTWARE=Apache/2.4.71 (Debian)" }, 403, "keys are required" },
		{ { LOCAL, "SERVER_SOFTWARE=LiteSpeed" }, 403, "keys are required" },
	};
	struct config given = c;
	static const struct row apache[] = {
		{ { LOCAL, "SERVER_SOFTWARE=Apache/2.4.71" }, 0, NULL }
	};

	CHECK(&c, rows);
	given.access_mode_given = true;
	CHECK(&given, apache);
}

static void test_passthrough(void **state)
{
	const struct backend backends[] = { { .name = "lab" },
					    { .name = "ANTHROPIC", .anthropic_host = true } };
	struct config c = {
		.access_mode = ACCESS_PASSTHROUGH,
		.backends = backends,
		.nbackends = 2,
		.passthrough_backend = "lab",
	};
	static const struct row lab[] = {
		{ { "HTTP_X_API_KEY=sk-123" }, 0, NULL },
		{ { "HTTP_X_API_KEY=sk-ant-api03-x" }, 403, "was not sent there" },
		{ { "HTTP_AUTHORIZATION=Bearer sk-ant-oat01-x" }, 403, "was not sent there" },
		{ { "HTTP_X_API_KEY=a b" }, 401, "white space" },
		{ { NULL }, 401, "No key" },
	};
	static const struct row host[] = { { { "HTTP_X_API_KEY=sk-ant-api03-x" }, 0, NULL } };
	struct access_result out;
	struct fault f;

	CHECK(&c, lab);
	c.passthrough_backend = "ANTHROPIC";
	CHECK(&c, host);
	assert_int_equal(
		ask(&c, (const char *const[]){ "HTTP_AUTHORIZATION=Bearer sk-ant-oat01-x", NULL },
		    NEED_KEY, &out, &f, NULL),
		0);
	assert_true(out.caller_bearer);
	assert_int_equal(
		ask(&c,
		    (const char *const[]){ "HTTP_X_API_KEY=sk-ant-oat01-x",
					   "HTTP_AUTHORIZATION=Bearer sk-ant-oat01-x", NULL },
		    NEED_KEY, &out, &f, NULL),
		0);
	assert_true(out.caller_bearer);
	assert_int_equal(ask(&c,
			     (const char *const[]){ "HTTP_X_API_KEY=k",
						    "HTTP_AUTHORIZATION=Bearer k", NULL },
			     NEED_KEY, &out, &f, NULL),
			 0);
	assert_false(out.caller_bearer);
	c.passthrough_backend = "missing";
	assert_int_equal(ask(&c, (const char *const[]){ "HTTP_X_API_KEY=k", NULL }, NEED_KEY, &out,
			     &f, NULL),
			 -1);
	assert_int_equal(f.status, 500);
}

static void test_open_and_cors(void **state)
{
	struct config c = { .access_mode = ACCESS_OPEN, .origins = origins };
	static const char *const all[] = { "*", NULL };
	const char *const listed[] = { "HTTP_ORIGIN=http://localhost:5173", NULL };
	const char *const other[] = { "HTTP_ORIGIN=http://elsewhere", NULL };
	struct access_result out;
	struct fault f;
	bool cors;

	assert_int_equal(ask(&c, listed, NEED_KEY, &out, &f, &cors), 0);
	assert_true(cors);
	assert_int_equal(ask(&c, other, NEED_KEY, &out, &f, &cors), 0);
	assert_false(cors);
	c.origins = all;
	assert_int_equal(ask(&c, other, NEED_KEY, &out, &f, &cors), 0);
	assert_true(cors);
}

/* ---- what a key may use ---- */

static void test_rights(void **state)
{
	static const char *const models[] = { "claude-haiku*", "lab/deep*", NULL };
	static const char *const backends[] = { "la?", NULL };
	const struct access_key all = { .rights = RIGHTS_DEFAULT };
	const struct access_key some = { .models = models, .backends = backends,
					 .rights = 1u << RIGHT_MODELS | 1u << RIGHT_DEBUG };

	assert_true(access_may(NULL, RIGHT_HEALTH));
	assert_false(access_may(NULL, RIGHT_DEBUG));
	assert_true(access_may(&all, RIGHT_MESSAGES) && access_may(&all, RIGHT_COUNT_TOKENS));
	assert_false(access_may(&all, RIGHT_DOCTOR) || access_may(&all, RIGHT_CAPTURE));
	assert_true(access_may(&some, RIGHT_DEBUG) && !access_may(&some, RIGHT_MESSAGES));
	assert_true(access_backend(NULL, "x") && access_backend(&all, "x"));
	assert_true(access_backend(&some, "LAB") && !access_backend(&some, "labs"));
	assert_true(access_model(NULL, "x", "lab", "y") && access_model(&all, "x", "lab", "y"));
	assert_true(access_model(&some, "Claude-Haiku-4[1m]", "lab", "small"));
	assert_true(access_model(&some, "small", "lab", "claude-haiku-4"));
	assert_true(access_model(&some, "x", "lab", "deepseek"));
	assert_false(access_model(&some, "x", "other", "deepseek"));
	assert_false(access_model(&some, "claude-sonnet", "lab", "y"));
	assert_false(access_model(&some, "", "lab", ""));
}

static void test_endpoints(void **state)
{
	struct access_key key = { .name = "laptop", .sha256 = { hash_a, NULL },
				  .rights = 1u << RIGHT_MODELS };
	struct config c = { .access_mode = ACCESS_KEYS, .keys = &key, .nkeys = 1 };
	const char *const params[] = { "HTTP_X_API_KEY=key-a", NULL };
	struct access_result out;
	struct fault f;

	assert_int_equal(ask(&c, params, NEED_MODELS, &out, &f, NULL), 0);
	assert_ptr_equal(out.key, &key);
	assert_string_equal(out.sha256, hash_a);
	assert_int_equal(ask(&c, params, NEED_KEY, &out, &f, NULL), 0);
	assert_int_equal(ask(&c, params, NEED_MESSAGES, &out, &f, NULL), -1);
	assert_int_equal(f.status, 403);
	assert_string_equal(f.type, "permission_error");
	assert_non_null(strstr(f.message, "\"messages\""));
	/* Without keys what has to be granted is nobody's. */
	c.access_mode = ACCESS_OPEN;
	assert_int_equal(ask(&c, params, NEED_MESSAGES, &out, &f, NULL), 0);
	assert_int_equal(ask(&c, params, NEED_DEBUG, &out, &f, NULL), -1);
	assert_int_equal(f.status, 403);
}

/* A key of a running request, and the configuration of now. */
static void test_still_good(void **state)
{
	struct access_key now = { .name = "renamed", .sha256 = { hash_b, hash_a } };
	struct config c = { .access_mode = ACCESS_KEYS, .keys = &now, .nkeys = 1 };
	const struct access_result was = { .key = &keys[0], .sha256 = hash_a };

	assert_true(access_still(&c, &was));
	now.expires = 1000;
	assert_false(access_still(&c, &was));
	now.expires = INT64_MAX;
	assert_true(access_still(&c, &was));
	now.disabled = true;
	assert_false(access_still(&c, &was));
	now.disabled = false;
	now.sha256[1] = NULL;
	assert_false(access_still(&c, &was));
	c.nkeys = 0;
	assert_false(access_still(&c, &was));
	c.access_mode = ACCESS_OPEN;
	assert_true(access_still(&c, &was));
}

/* ---- whose request it is, and refused keys ---- */

static void test_client(void **state)
{
	struct net nets[2];
	struct config c = { .access_mode = ACCESS_OPEN, .proxies = nets, .nproxies = 2 };
	/* REMOTE_ADDR, X-Forwarded-For, client ("" unknown), vague */
	static const struct { const char *remote, *forwarded, *client; bool vague; } rows[] = {
		{ "192.0.2.1", "HTTP_X_FORWARDED_FOR=10.0.0.1", "192.0.2.1", false },
		{ "10.0.0.1", "HTTP_X_FORWARDED_FOR=192.0.2.1", "192.0.2.1", false },
		{ "10.0.0.1", "HTTP_X_FORWARDED_FOR=192.0.2.9,192.0.2.1 , ::1", "192.0.2.1", false },
		{ "10.0.0.1", "HTTP_X_FORWARDED_FOR=192.0.2.9, x, 10.2.2.2", "10.2.2.2", true },
		{ "10.0.0.1", "HTTP_X_FORWARDED_FOR=", "10.0.0.1", false },
		{ "10.0.0.1", "HTTP_X_FORWARDED_FOR=,", "10.0.0.1", true },
		{ "10.0.0.1", "HTTP_VIA=1.1 x", "10.0.0.1", false },
		{ "unix:", "HTTP_X_FORWARDED_FOR=192.0.2.1", "", false },
	};

	assert_true(net_parse(STR("10.0.0.0/8"), &nets[0]) && net_parse(STR("::1"), &nets[1]));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char remote[64], text[ADDRESS_TEXT] = "";
		const char *const params[] = { remote, rows[i].forwarded, NULL };
		struct access_result out;
		struct fault f;

		snprintf(remote, sizeof(remote), "REMOTE_ADDR=%s", rows[i].remote);
		assert_int_equal(ask(&c, params, NEED_KEY, &out, &f, NULL), 0);
		if (out.client.known)
			address_text(&out.client.address, text);
		if (strcmp(text, rows[i].client) != 0 || out.client.vague != rows[i].vague)
			fail_msg("row %zu: %s", i, text);
	}
}

static int status_of(const struct config *c, const char *key, const char *address)
{
	const char *const params[] = { key, address, NULL };
	struct access_result out;
	struct fault f;

	if (ask(c, params, NEED_KEY, &out, &f, NULL) == 0)
		return 200;
	assert_true(f.status != 429 || f.retry_after >= 1);
	return f.status;
}

static void test_throttle(void **state)
{
	const struct config c = { .access_mode = ACCESS_KEYS, .keys = keys, .nkeys = 3,
				  .throttle_failures = 3, .throttle_window = 6000 };
	char dir[] = "/tmp/test-access.XXXXXX", file[64];

	assert_non_null(mkdtemp(dir));
	rates_setup(dir, 0, true);
	for (int i = 0; i < 3; i++) {
		char key[40];

		snprintf(key, sizeof(key), "HTTP_X_API_KEY=guess-%d", i);
		assert_int_equal(status_of(&c, key, "REMOTE_ADDR=192.0.2.1"), 401);
	}
	assert_int_equal(status_of(&c, "HTTP_X_API_KEY=guess-4", "REMOTE_ADDR=192.0.2.1"), 429);
	assert_int_equal(status_of(&c, "HTTP_X_API_KEY=key-a", "REMOTE_ADDR=192.0.2.1"), 200);
	assert_int_equal(status_of(&c, "HTTP_X_API_KEY=key-off", "REMOTE_ADDR=192.0.2.1"), 429);
	assert_int_equal(status_of(&c, "HTTP_VIA=none", "REMOTE_ADDR=192.0.2.1"), 401);
	for (int i = 0; i < 3; i++) {
		char address[40];

		snprintf(address, sizeof(address), "REMOTE_ADDR=198.51.100.%d", i);
		assert_int_equal(status_of(&c, "HTTP_AUTHORIZATION=Bearer key-old", address), 401);
	}
	assert_int_equal(status_of(&c, "HTTP_X_API_KEY=key-old", "REMOTE_ADDR=198.51.100.9"), 429);
	assert_int_equal(status_of(&c, "HTTP_X_API_KEY=key-off", "REMOTE_ADDR=198.51.100.9"), 401);
	/* No address is none to count by; the key still is. */
	for (int i = 0; i < 4; i++)
		assert_int_equal(status_of(&c, "HTTP_X_API_KEY=blind", "REMOTE_ADDR="),
				 i < 3 ? 401 : 429);
	rates_close();
	snprintf(file, sizeof(file), "%s/.htmessages-rates", dir);
	assert_int_equal(unlink(file) || rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash),         cmocka_unit_test(test_keys),
		cmocka_unit_test(test_keys_no_hint), cmocka_unit_test(test_local),
		cmocka_unit_test(test_passthrough),  cmocka_unit_test(test_open_and_cors),
		cmocka_unit_test(test_rights),       cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_still_good),   cmocka_unit_test(test_client),
		cmocka_unit_test(test_throttle),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
