/*
 * The request's path as each web server words it, headers, queries, and the answer's head. The
 * parameter sets of the path table are what these servers send by their documentation (lighttpd 1.4.69, Apache
 * 2.4, nginx 1.22, Caddy 2.6), less what has no bearing on the path.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "http/answer.h"
#include "http/request.h"

struct path_case {
	const char *what;
	/* NULL: the server doesn't send it. */
	const char *uri, *script, *info;
	const char *path, *prefix;
};

static const struct path_case path_cases[] = {
	/* lighttpd: SCRIPT_NAME is the mount and the text up to the next slash behind it. */
	{ "lighttpd /, check-local off", "/v1/messages?beta=true", "/v1",
		"/messages", "/v1/messages", "" },
	{ "lighttpd /, one segment", "/health", "/health", "", "/health", "" },
	{ "lighttpd /, two segments", "/health/detailed", "/health",
		"/detailed", "/health/detailed", "" },
	{ "lighttpd /, hello", "/api/hello", "/api", "/hello", "/api/hello", "" },
	{ "lighttpd /, root", "/", "/", "", "/", "" },
	{ "lighttpd /, unknown", "/nothing", "/nothing", "", "/nothing", "" },
	{ "lighttpd /, model with slashes", "/v1/models/anthropic/claude-x", "/v1",
		"/models/anthropic/claude-x", "/v1/models/anthropic/claude-x", "" },
	{ "lighttpd /, fix-root-scriptname", "/v1/messages", "",
		"/v1/messages", "/v1/messages", "" },
	{ "lighttpd /, fix-root-scriptname, root", "/", "", "/", "/", "" },
	{ "lighttpd /ai", "/ai/v1/messages", "/ai", "/v1/messages", "/v1/messages", "/ai" },
	{ "lighttpd /ai, root", "/ai/", "/ai", "/", "/", "/ai" },
	{ "lighttpd /ai/", "/ai/v1/messages", "/ai/v1", "/messages", "/v1/messages", "/ai" },
	{ "lighttpd /ai/, status", "/ai/status", "/ai/status", "", "/status", "/ai" },
	{ "lighttpd /ai/, root", "/ai/", "/ai/", "", "/", "/ai" },
	{ "lighttpd .fcgi, check-local on", "/cgi-bin/messages.fcgi/v1/messages",
		"/cgi-bin/messages.fcgi", "/v1/messages",
		"/v1/messages", "/cgi-bin/messages.fcgi" },
	/* Apache mod_cgi and mod_fcgid: PATH_INFO is what follows the file. */
	{ "Apache script", "/cgi-bin/messages.fcgi/v1/messages?beta=true", "/cgi-bin/messages.fcgi",
		"/v1/messages", "/v1/messages", "/cgi-bin/messages.fcgi" },
	{ "Apache script, bare", "/cgi-bin/messages.fcgi", "/cgi-bin/messages.fcgi", NULL, "/",
		"/cgi-bin/messages.fcgi" },
	{ "Apache user directory", "/~user/messages.fcgi/v1/messages", "/~user/messages.fcgi",
		"/v1/messages", "/v1/messages", "/~user/messages.fcgi" },
	{ "Apache user directory, encoded", "/%7Euser/messages.fcgi/health", "/~user/messages.fcgi",
		"/health", "/health", "/~user/messages.fcgi" },
	{ "Apache .htaccess RewriteRule", "/ai/v1/messages", "/ai/messages.fcgi", "/v1/messages",
		"/v1/messages", "/ai" },
	{ "a rewritten URL, split like lighttpd's", "/chat", "/ai/v1", "/messages",
		"/v1/messages", "/ai" },
	{ "Apache RewriteRule from elsewhere", "/chat", "/messages.fcgi", "/v1/messages",
		"/v1/messages", "/messages.fcgi" },
	{ "Apache RewriteRule, root", "/ai/", "/ai/messages.fcgi", "/", "/", "/ai" },
	{ "Apache ScriptAlias /ai", "/ai/v1/models", "/ai", "/v1/models", "/v1/models", "/ai" },
	{ "Apache AllowEncodedSlashes On", "/ai/v1/models/anthropic%2Fclaude-x", "/ai",
		"/v1/models/anthropic/claude-x", "/v1/models/anthropic%2Fclaude-x", "/ai" },
	{ "Apache AllowEncodedSlashes NoDecode", "/ai/v1/models/anthropic%2Fclaude-x", "/ai",
		"/v1/models/anthropic%2Fclaude-x", "/v1/models/anthropic%2Fclaude-x", "/ai" },
	/* mod_proxy_fcgi: SCRIPT_NAME is all of it. */
	{ "Apache ProxyPass /", "/v1/messages", "/v1/messages", NULL, "/v1/messages", "" },
	{ "Apache ProxyPass /ai/", "/ai/v1/messages?beta=true", "/ai/v1/messages", NULL,
		"/v1/messages", "/ai" },
	{ "Apache ProxyPass, proxy-fcgi-pathinfo", "/ai/v1/messages", "/ai", "/v1/messages",
		"/v1/messages", "/ai" },
	{ "Apache ProxyPass /, root", "/", "/", NULL, "/", "" },
	/* nginx with its own fastcgi_params, and with fastcgi_split_path_info. */
	{ "nginx /ai/, doctor", "/ai/doctor?web=1", "/ai/doctor", NULL, "/doctor", "/ai" },
	{ "nginx /ai/, debug", "/ai/debug/errors/recent", "/ai/debug/errors/recent", NULL,
		"/debug/errors/recent", "/ai" },
	{ "nginx /ai/, readiness", "/ai/health/claude-code/readiness",
		"/ai/health/claude-code/readiness", NULL, "/health/claude-code/readiness", "/ai" },
	{ "nginx /", "/v1/messages?beta=true", "/v1/messages", NULL, "/v1/messages", "" },
	{ "nginx /, unknown", "/nothing", "/nothing", NULL, "/nothing", "" },
	{ "nginx /ai/", "/ai/v1/messages", "/ai/v1/messages", "", "/v1/messages", "/ai" },
	{ "nginx /ai/, split", "/ai/v1/messages", "/ai", "/v1/messages", "/v1/messages", "/ai" },
	{ "nginx SCRIPT_NAME /ai alone", "/ai/health", "/ai", NULL, "/health", "/ai" },
	{ "nginx SCRIPT_NAME /ai alone, root", "/ai/", "/ai", NULL, "/", "/ai" },
	{ "nginx SCRIPT_NAME /ai alone, unknown", "/ai/nothing", "/ai", NULL, "/nothing", "/ai" },
	{ "nginx, model with %2F", "/v1/models/anthropic%2fclaude-x",
		"/v1/models/anthropic/claude-x", NULL, "/v1/models/anthropic%2Fclaude-x", "" },
	/* Caddy: what `split` finds, else all in SCRIPT_NAME; handle_path leaves REQUEST_URI. */
	{ "Caddy", "/v1/messages", "/v1/messages", "", "/v1/messages", "" },
	{ "Caddy handle_path /ai/*", "/ai/v1/messages", "/v1/messages", "", "/v1/messages", "/ai" },
	{ "Caddy split .fcgi", "/messages.fcgi/v1/messages", "/messages.fcgi", "/v1/messages",
		"/v1/messages", "/messages.fcgi" },
	/* Odd ones. */
	{ "nothing at all", NULL, NULL, NULL, "/", "" },
	{ "no REQUEST_URI", NULL, "/ai", "/v1/messages", "/v1/messages", "/ai" },
	{ "no REQUEST_URI, lighttpd's split", NULL, "/ai/v1", "/messages", "/v1/messages", "/ai" },
	{ "absolute form", "http://host:4000/ai/v1/messages?x", "/ai", "/v1/messages",
		"/v1/messages", "/ai" },
	{ "absolute form, root", "http://host", "", "/", "/", "" },
	{ "a URL as query", "/v1/messages?u=http://a/v1/b", "",
		"/v1/messages", "/v1/messages", "" },
	{ "slashes", "//v1//messages", "", "//v1//messages", "/v1/messages", "" },
	{ "slash at the end", "/v1/models/", "", "/v1/models/", "/v1/models/", "" },
	{ "base URL with /v1", "/v1/v1/messages", "", "/v1/v1/messages", "/v1/messages", "/v1" },
	{ "mount that looks like ours", "/v1/claude/v1/messages", "/v1/claude", "/v1/messages",
		"/v1/messages", "/v1/claude" },
	{ "dot segments", "/ai/../v1/./messages", "/v1", "/messages", "/v1/messages", "" },
	{ "encoded dots", "/x/%2e%2e/v1/messages", "/v1", "/messages", "/v1/messages", "" },
	{ "above the root", "/../../v1/messages", "/v1", "/messages", "/v1/messages", "" },
	{ "encoded once", "/v1/models/a%2520b%3A1", "",
		"/v1/models/a%20b:1", "/v1/models/a%20b:1", "" },
	{ "encoded, seen by nobody else", "/v1/models/a%20b", NULL, NULL, "/v1/models/a b", "" },
	{ "NUL and bad escapes stay", "/v1/models/%00%zz%4", NULL,
		NULL, "/v1/models/%00%zz%4", "" },
	{ "not ours by half", "/v1x/healthy", "", "/v1x/healthy", "/v1x/healthy", "" },
};

struct request_fixture {
	char text[8][512];
	const char *params[9];
	struct memory_front *m;
	struct arena arena;
	struct http_request r;
};

static void add_param(struct request_fixture *x, const char *name, const char *value)
{
	size_t i = 0;

	if (!value)
		return;
	while (x->params[i])
		i++;
	assert_true(i < 8);
	snprintf(x->text[i], sizeof(x->text[i]), "%s=%s", name, value);
	x->params[i] = x->text[i];
}

static void begin(struct request_fixture *x)
{
	memset(x, 0, sizeof(*x));
	arena_init(&x->arena, 0);
}

static void read_request(struct request_fixture *x)
{
	x->m = memory_front_new(x->params, STR_NONE, 0);
	assert_non_null(x->m);
	http_request_init(&x->r, memory_front(x->m), &x->arena);
}

static void end(struct request_fixture *x)
{
	memory_front_free(x->m);
	arena_release(&x->arena);
}

static void test_paths(void **state)
{
	struct request_fixture x;
	int wrong = 0;

	for (size_t i = 0; i < sizeof(path_cases) / sizeof(*path_cases); i++) {
		const struct path_case *c = &path_cases[i];

		begin(&x);
		add_param(&x, "REQUEST_URI", c->uri);
		add_param(&x, "SCRIPT_NAME", c->script);
		add_param(&x, "PATH_INFO", c->info);
		read_request(&x);
		if (strcmp(x.r.path, c->path) || strcmp(x.r.prefix, c->prefix)) {
			print_error("%s: \"%s\", prefix \"%s\"\n", c->what, x.r.path, x.r.prefix);
			wrong++;
		}
		end(&x);
	}
	assert_int_equal(wrong, 0);
}

static void test_request_members(void **state)
{
	struct request_fixture x;

	begin(&x);
	add_param(&x, "REQUEST_METHOD", "POST");
	add_param(&x, "CONTENT_LENGTH", "33554432");
	add_param(&x, "CONTENT_TYPE", "application/json");
	add_param(&x, "HTTP_ANTHROPIC_BETA", "a,b");
	add_param(&x, "HTTP_X_CORRELATION_ID", "trace-1");
	add_param(&x, "QUERY_STRING", "beta=true&name=a%20b+c&empty=&flag&x=1&x=2");
	read_request(&x);
	assert_string_equal(x.r.method, "POST");
	assert_int_equal(x.r.content_length, 33554432);
	assert_string_equal(http_header(&x.r, "content-type"), "application/json");
	assert_string_equal(http_header(&x.r, "Content-Length"), "33554432");
	assert_string_equal(http_header(&x.r, "anthropic-beta"), "a,b");
	assert_null(http_header(&x.r, "anthropic-version"));
	assert_null(http_header(&x.r, "authorization"));
	assert_string_equal(x.r.correlation_id, "trace-1");
	assert_int_equal(strncmp(x.r.id, "req_", 4), 0);
	assert_string_equal(http_query(&x.r, &x.arena, "beta"), "true");
	assert_string_equal(http_query(&x.r, &x.arena, "name"), "a b c");
	assert_string_equal(http_query(&x.r, &x.arena, "empty"), "");
	assert_string_equal(http_query(&x.r, &x.arena, "flag"), "");
	assert_string_equal(http_query(&x.r, &x.arena, "x"), "1");
	assert_null(http_query(&x.r, &x.arena, "bet"));
	end(&x);
}

static void test_defaults(void **state)
{
	struct request_fixture x;

	begin(&x);
	add_param(&x, "CONTENT_LENGTH", "");
	add_param(&x, "QUERY_STRING", "");
	add_param(&x, "REQUEST_URI", "/v1/messages?beta=true");
	read_request(&x);
	assert_string_equal(x.r.method, "GET");
	assert_int_equal(x.r.content_length, -1);
	assert_string_equal(x.r.query, "beta=true");
	assert_null(x.r.correlation_id);
	end(&x);
}

static void test_content_length(void **state)
{
	static const struct { const char *text; int64_t n; } cases[] = {
		{ "0", 0 }, { "12", 12 }, { "-1", -1 }, { "+1", -1 }, { "1x", -1 }, { " 1", -1 },
		{ "99999999999999999999", -1 }, { "9223372036854775807", INT64_MAX },
	};
	struct request_fixture x;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		begin(&x);
		add_param(&x, "CONTENT_LENGTH", cases[i].text);
		read_request(&x);
		assert_int_equal(x.r.content_length, cases[i].n);
		end(&x);
	}
}

static void test_authorization(void **state)
{
	static const char *const names[] = {
		"HTTP_AUTHORIZATION",
		"REDIRECT_HTTP_AUTHORIZATION",
		"REDIRECT_REDIRECT_HTTP_AUTHORIZATION",
	};
	struct request_fixture x;

	for (size_t i = 0; i < 3; i++) {
		begin(&x);
		if (i)
			add_param(&x, "HTTP_AUTHORIZATION", "");
		add_param(&x, names[i], "Bearer k");
		read_request(&x);
		assert_string_equal(http_header(&x.r, "Authorization"), "Bearer k");
		end(&x);
	}
}

static void test_correlation_is_checked(void **state)
{
	static const char *const bad[] = { "", "a b", "a\"b", "a\\b", "a\nb", "\xc3\xa4", "a\x7f" };
	struct request_fixture x;
	char text[200];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		begin(&x);
		add_param(&x, "HTTP_X_CORRELATION_ID", bad[i]);
		add_param(&x, "HTTP_X_REQUEST_ID", "fallback");
		read_request(&x);
		assert_string_equal(x.r.correlation_id, "fallback");
		end(&x);
	}
	memset(text, 'a', sizeof(text));
	text[129] = 0;
	begin(&x);
	add_param(&x, "HTTP_X_CORRELATION_ID", text);
	read_request(&x);
	assert_null(x.r.correlation_id);
	end(&x);
}

/* ---- answers ---- */

static struct answer answer_for(struct request_fixture *x, const char *method)
{
	struct answer a;

	begin(x);
	add_param(x, "REQUEST_METHOD", method);
	add_param(x, "HTTP_X_CORRELATION_ID", "trace-1");
	read_request(x);
	answer_init(&a, memory_front(x->m), &x->r);
	return a;
}

static const char *output(struct request_fixture *x)
{
	struct str s = memory_front_output(x->m);

	return arena_dup(&x->arena, s.p, s.n);
}

static bool has(struct request_fixture *x, const char *line)
{
	char text[512];

	snprintf(text, sizeof(text), "\r\n%s\r\n", line);
	return strstr(output(x), text) != NULL;
}

static void test_whole(void **state)
{
	struct request_fixture x;
	struct answer a = answer_for(&x, "POST");
	char id[128];

	answer_header_int(&a, "retry-after", 7);
	assert_int_equal(answer_whole(&a, 529, "application/json", STR("{}")), 0);
	assert_int_equal(strncmp(output(&x), "Status: 529 Overloaded\r\n", 24), 0);
	snprintf(id, sizeof(id), "request-id: %s", x.r.id);
	assert_true(has(&x, id));
	snprintf(id, sizeof(id), "X-Request-ID: %s", x.r.id);
	assert_true(has(&x, id));
	assert_true(has(&x, "x-correlation-id: trace-1"));
	assert_true(has(&x, "Content-Type: application/json"));
	assert_true(has(&x, "Content-Length: 2"));
	assert_true(has(&x, "Cache-Control: no-store"));
	assert_true(has(&x, "retry-after: 7"));
	assert_non_null(strstr(output(&x), "\r\nX-Processing-Time: "));
	assert_null(strstr(output(&x), "X-Accel-Buffering"));
	assert_null(strstr(output(&x), "Access-Control"));
	assert_string_equal(strstr(output(&x), "\r\n\r\n"), "\r\n\r\n{}");
	assert_int_equal(a.bytes, 2);
	assert_true(a.first_byte_us > 0);
	assert_int_equal(memory_front_flushes(x.m), 1);
	answer_release(&a);
	end(&x);
}

/* Statuses of backends that pass and have no name here still have a line that is one. */
static void test_unnamed_status(void **state)
{
	static const struct { int status; const char *line; } cases[] = {
		{ 206, "Status: 206 OK\r\n" },
		{ 418, "Status: 418 Request Refused\r\n" },
		{ 507, "Status: 507 Server Error\r\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct request_fixture x;
		struct answer a = answer_for(&x, "POST");

		assert_int_equal(answer_whole(&a, cases[i].status, "text/plain", STR("x")), 0);
		assert_int_equal(strncmp(output(&x), cases[i].line, strlen(cases[i].line)), 0);
		answer_release(&a);
		end(&x);
	}
}

static void test_stream(void **state)
{
	struct request_fixture x;
	struct answer a = answer_for(&x, "POST");

	assert_int_equal(answer_write(&a, STR("too early")), -1);
	assert_int_equal(answer_begin(&a, 200, "text/event-stream; charset=utf-8"), 0);
	assert_int_equal(answer_flush(&a), 0);
	assert_int_equal(a.state, ANSWER_HEAD);
	assert_int_equal(a.first_byte_us, 0);
	assert_int_equal(answer_write(&a, STR("event: ping\n\n")), 0);
	assert_int_equal(a.state, ANSWER_BODY);
	assert_int_equal(a.first_byte_us, 0);
	assert_int_equal(answer_flush(&a), 0);
	assert_true(a.first_byte_us >= a.started_us);
	assert_true(has(&x, "X-Accel-Buffering: no"));
	assert_true(has(&x, "Cache-Control: no-cache, no-transform"));
	assert_null(strstr(output(&x), "Content-Length"));
	assert_null(strstr(output(&x), "X-Processing-Time"));
	answer_release(&a);
	end(&x);
}

static void test_head_only(void **state)
{
	struct request_fixture x;
	struct answer a = answer_for(&x, "HEAD");

	assert_int_equal(answer_whole(&a, 200, "text/plain", STR("hello\n")), 0);
	assert_true(has(&x, "Content-Length: 6"));
	assert_string_equal(strstr(output(&x), "\r\n\r\n"), "\r\n\r\n");
	assert_int_equal(a.bytes, 0);
	answer_release(&a);
	end(&x);
}

static void test_no_content(void **state)
{
	struct request_fixture x;
	struct answer a = answer_for(&x, "OPTIONS");

	assert_int_equal(answer_whole(&a, 204, NULL, STR_NONE), 0);
	assert_null(strstr(output(&x), "Content-Length"));
	assert_null(strstr(output(&x), "Content-Type"));
	answer_release(&a);
	end(&x);
}

static void test_cors(void **state)
{
	struct request_fixture x;
	struct answer a = answer_for(&x, "POST");

	x.r.cors_origin = "https://app.example";
	answer_header(&a, "x-messages-backend", "lab");
	answer_header(&a, "Access-Control-Max-Age", "60");
	a.retry_after = 7;
	assert_int_equal(answer_whole(&a, 200, "application/json", STR("{}")), 0);
	assert_true(has(&x, "Access-Control-Allow-Origin: https://app.example"));
	assert_true(has(&x, "Vary: Origin"));
	assert_true(has(&x, "Access-Control-Expose-Headers: request-id, X-Request-ID, "
		"x-correlation-id, X-Processing-Time, retry-after, x-messages-backend"));
	assert_true(has(&x, "retry-after: 7"));
	answer_release(&a);
	end(&x);
}

static void test_no_header_injection(void **state)
{
	struct request_fixture x;
	struct answer a = answer_for(&x, "POST");

	answer_header(&a, "x-messages-model", "a\r\nSet-Cookie: b\x01\tc\x7f\xc3\xa4");
	assert_int_equal(answer_whole(&a, 200, "application/json", STR_NONE), 0);
	assert_true(has(&x, "x-messages-model: a  Set-Cookie: b \tc \xc3\xa4"));
	answer_release(&a);
	end(&x);
}

static void test_too_many_headers(void **state)
{
	struct request_fixture x;
	struct answer a = answer_for(&x, "POST");
	char *big = malloc(20001);

	assert_non_null(big);
	memset(big, 'a', 20000);
	big[20000] = 0;
	answer_header(&a, "x-first", "1");
	answer_header(&a, "x-big", big);
	answer_header(&a, "x-last", "2");
	assert_int_equal(answer_whole(&a, 200, "application/json", STR("{}")), 0);
	assert_true(has(&x, "x-first: 1"));
	assert_true(has(&x, "x-last: 2"));
	assert_null(strstr(output(&x), "x-big"));
	free(big);
	answer_release(&a);
	end(&x);
}

static void test_client_gone(void **state)
{
	struct request_fixture x;
	struct answer a = answer_for(&x, "POST");

	assert_int_equal(answer_begin(&a, 200, "text/event-stream"), 0);
	memory_front_fail_after(x.m, memory_front_output(x.m).n + 4);
	assert_int_equal(answer_write(&a, STR("abc")), 0);
	assert_int_equal(answer_write(&a, STR("def")), -1);
	assert_int_equal(a.state, ANSWER_BROKEN);
	assert_int_equal(answer_write(&a, STR("g")), -1);
	assert_int_equal(answer_flush(&a), -1);
	assert_int_equal(answer_begin(&a, 200, NULL), -1);
	assert_int_equal(a.bytes, 3);
	answer_release(&a);
	end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_request_members),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_content_length),
		cmocka_unit_test(test_authorization),
		cmocka_unit_test(test_correlation_is_checked),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_head_only),
		cmocka_unit_test(test_no_content),
		cmocka_unit_test(test_unnamed_status),
		cmocka_unit_test(test_cors),
		cmocka_unit_test(test_no_header_injection),
		cmocka_unit_test(test_too_many_headers),
		cmocka_unit_test(test_client_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
