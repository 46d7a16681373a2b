/* The doctor's own parts: directives by server, tickets, the forms of a finding, the clock. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "doctor/doctor.h"
#include "doctor/finding.h"
#include "doctor/server.h"
#include "doctor/ticket.h"
#include "message/fault.h"

#define NOW INT64_C(1800000000)

/* ---- servers ---- */

static const struct {
	const char *software, *front;
	bool proxied;
	enum server_kind kind;
} servers[] = {
	{ "lighttpd/1.4.69", "fcgi", false, SERVER_LIGHTTPD },
	{ "Apache/2.4.57 (Debian)", "", false, SERVER_APACHE },
	{ "Apache", "cgi", false, SERVER_APACHE_CGI },
	{ "Apache", "fcgi", false, SERVER_APACHE_FCGID },
	{ "Apache", "fcgi", true, SERVER_APACHE_PROXY },
	{ "nginx/1.22.1", "fcgi", false, SERVER_NGINX },
	{ "Caddy", "", false, SERVER_CADDY },
	{ "Caddy/v2.6.2", "fcgi", false, SERVER_CADDY },
	{ "LiteSpeed", "cgi", false, SERVER_LITESPEED },
	{ "cloudflare", "", false, SERVER_CLOUDFLARE },
	{ "SomethingElse/9", "fcgi", false, SERVER_UNKNOWN },
	{ "", "", false, SERVER_UNKNOWN },
};

static void test_server_tell(void **state)
{
	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++)
		assert_int_equal(server_tell(servers[i].software, servers[i].front,
					     servers[i].proxied),
				 servers[i].kind);
}

/* Nobody is left without an answer, whatever is wrong where. */
static void test_server_every_problem(void **state)
{
	for (int kind = 0; kind < SERVER_KINDS; kind++) {
		assert_true(*server_name((enum server_kind)kind));
		for (int problem = 0; problem < PROBLEMS; problem++)
			assert_true(*server_todo((enum server_kind)kind,
						 (enum server_problem)problem));
	}
}

static const struct {
	enum server_kind kind;
	enum server_problem problem;
	const char *directive;
} directives[] = {
	{ SERVER_LIGHTTPD, PROBLEM_NOT_STREAMED, "server.stream-response-body = 1" },
	{ SERVER_LIGHTTPD, PROBLEM_BODY_SIZE, "server.max-request-size" },
	{ SERVER_APACHE_FCGID, PROBLEM_NOT_STREAMED, "FcgidOutputBufferSize 0" },
	{ SERVER_APACHE_FCGID, PROBLEM_BODY_SIZE, "FcgidMaxRequestLen 67108864" },
	{ SERVER_APACHE_FCGID, PROBLEM_SILENCE, "FcgidIOTimeout" },
	{ SERVER_APACHE_PROXY, PROBLEM_NOT_STREAMED, "flushpackets=on" },
	{ SERVER_APACHE_PROXY, PROBLEM_AUTHORIZATION, "CGIPassAuth On" },
	{ SERVER_APACHE_CGI, PROBLEM_AUTHORIZATION, "CGIPassAuth On" },
	{ SERVER_APACHE_CGI, PROBLEM_FIREWALL, "SecRuleEngine Off" },
	{ SERVER_APACHE, PROBLEM_BODY_SIZE, "SecRequestBodyNoFilesLimit" },
	{ SERVER_NGINX, PROBLEM_BODY_SIZE, "client_max_body_size 64m;" },
	{ SERVER_NGINX, PROBLEM_SILENCE, "fastcgi_read_timeout" },
	{ SERVER_CADDY, PROBLEM_BODY_SIZE, "max_size" },
	{ SERVER_LITESPEED, PROBLEM_FIREWALL, "Imunify360" },
	{ SERVER_CLOUDFLARE, PROBLEM_FIREWALL, "Skip" },
};

static void test_server_directives(void **state)
{
	for (size_t i = 0; i < sizeof(directives) / sizeof(directives[0]); i++)
		assert_non_null(strstr(server_todo(directives[i].kind, directives[i].problem),
				       directives[i].directive));
}

/* ---- tickets ---- */

static const char hash_a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char hash_b[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

static void test_ticket(void **state)
{
	struct access_key keys[] = { { .name = "a", .sha256 = { hash_a } },
				     { .name = "b", .sha256 = { hash_b } } };
	struct config c = { .keys = keys, .nkeys = 2 }, other = { .keys = keys, .nkeys = 1 };
	struct config word = { .doctor_word = "open-sesame-0123" }, none = { .nkeys = 0 };
	char ticket[TICKET_SIZE], again[TICKET_SIZE];

	assert_true(ticket_make(&c, NOW, ticket));
	assert_true(ticket_valid(&c, ticket, NOW));
	assert_true(ticket_valid(&c, ticket, NOW + TICKET_SECONDS - 1));
	assert_false(ticket_valid(&c, ticket, NOW + TICKET_SECONDS));
	assert_false(ticket_valid(&c, ticket, NOW - 3600));     /* made in the future */
	assert_false(ticket_valid(&other, ticket, NOW));
	assert_false(ticket_valid(&word, ticket, NOW));
	assert_true(ticket_make(&word, NOW, again));
	assert_true(ticket_valid(&word, again, NOW));
	assert_string_not_equal(ticket, again);
	/* Nothing secret, no ticket: none is made, and none is good. */
	assert_false(ticket_make(&none, NOW, again));
	assert_false(ticket_valid(&none, ticket, NOW));
}

static void test_ticket_forged(void **state)
{
	struct access_key keys[] = { { .name = "a", .sha256 = { hash_a, hash_b } } };
	struct config c = { .keys = keys, .nkeys = 1 };
	char ticket[TICKET_SIZE], forged[TICKET_SIZE + 8];
	const char *const bad[] = { "", ".", "1800000300", "1800000300.", "x.y", "-1.00",
				    "99999999999999999999999.00" };

	assert_true(ticket_make(&c, NOW, ticket));
	for (size_t i = 0; i < strlen(ticket); i++) {
		memcpy(forged, ticket, sizeof(ticket));
		forged[i] = forged[i] == '1' ? '2' : '1';
		assert_false(ticket_valid(&c, forged, NOW));
	}
	snprintf(forged, sizeof(forged), "%s0", ticket);
	assert_false(ticket_valid(&c, forged, NOW));
	snprintf(forged, sizeof(forged), "0%s", ticket);
	assert_false(ticket_valid(&c, forged, NOW));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(ticket_valid(&c, bad[i], NOW));
	assert_false(ticket_valid(&c, NULL, NOW));
}

/* ---- findings ---- */

static void fill(struct findings *l)
{
	finding_add(l, FINDING_OK, "a", "a.ok", "well", NULL, NULL);
	finding_add(l, FINDING_WARNING, "b", "b.first", "first", NULL, "do\nthis");
	finding_add(l, FINDING_ERROR, "c", "c.error", "<script>\"'&", "why <b>", NULL);
	finding_add(l, FINDING_WARNING, "b", "b.second", "bad \x1b[31m \xff", NULL, NULL);
}

static void test_findings_order(void **state)
{
	struct arena arena;
	struct findings l = { .arena = &arena };

	arena_init(&arena, 0);
	fill(&l);
	findings_sort(&l);
	assert_string_equal(l.v[0].id, "c.error");
	assert_string_equal(l.v[1].id, "b.first");
	assert_string_equal(l.v[2].id, "b.second");
	assert_string_equal(l.v[3].id, "a.ok");
	assert_int_equal(findings_count(&l, FINDING_WARNING), 2);
	assert_non_null(findings_get(&l, "a.ok"));
	assert_null(findings_get(&l, "a"));
	arena_release(&arena);
}

static void test_findings_text(void **state)
{
	struct arena arena;
	struct findings l = { .arena = &arena };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	arena_init(&arena, 0);
	fill(&l);
	findings_print(&l, out);
	fclose(out);
	assert_non_null(strstr(text, "ok        a: well\n"));
	assert_non_null(strstr(text, "          do:  do\n               this\n"));
	assert_null(strchr(text, '\x1b'));      /* a terminal obeys nothing that others said */
	free(text);
	arena_release(&arena);
}

static void test_findings_json(void **state)
{
	struct arena arena;
	struct findings l = { .arena = &arena };
	cJSON *list;

	arena_init(&arena, 0);
	fill(&l);
	list = findings_json(&l);
	assert_int_equal(cJSON_GetArraySize(list), 4);
	assert_string_equal(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 2), "level")->valuestring,
			    "error");
	assert_string_equal(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 1), "do")->valuestring,
			    "do\nthis");
	assert_null(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 0), "why"));
	assert_string_equal(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 3), "finding")->valuestring,
			    "(not UTF-8)");
	cJSON_Delete(list);
	arena_release(&arena);
}

static void test_findings_html(void **state)
{
	struct arena arena;
	struct findings l = { .arena = &arena };
	struct buf b;

	arena_init(&arena, 0);
	buf_init(&b, 0);
	fill(&l);
	findings_html(&l, &b);
	assert_null(strstr(buf_cstr(&b), "<script"));
	assert_non_null(strstr(buf_cstr(&b), "&lt;script&gt;&quot;&#39;&amp;"));
	assert_non_null(strstr(buf_cstr(&b), "why &lt;b&gt;"));
	assert_non_null(strstr(buf_cstr(&b), "(not UTF-8)"));
	buf_release(&b);
	arena_release(&arena);
}

static void test_findings_without_memory(void **state)
{
	struct arena arena;
	struct findings l = { .arena = &arena };

	arena_init(&arena, 64);
	for (int i = 0; i < 100; i++)
		finding_add(&l, FINDING_OK, "a", "a.b", finding_text(&l, "text %d", i), NULL, NULL);
	assert_true(arena.failed);
	assert_true(l.n < 100);
	arena_release(&arena);
}

/* ---- the machine ---- */

/* Without making it: the file would be that of whoever runs the doctor. */
static void test_log_file(void **state)
{
	char dir[] = "/tmp/test-doctor-XXXXXX", path[64], link[64], none[64];
	const struct { const char *dest, *id; } cases[] = {
		{ path, "log.writable" }, { link, "log.writable" }, { none, "log.unwritable" },
	};

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(link, sizeof(link), "%s/link", dir);
	snprintf(none, sizeof(none), "%s/no/log", dir);
	assert_int_equal(symlink("log", link), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config c = { .log_dest = cases[i].dest };
		struct arena arena;
		struct findings l = { .arena = &arena };

		arena_init(&arena, 0);
		doctor_host(&l, &c);
		assert_non_null(findings_get(&l, cases[i].id));
		assert_int_equal(access(path, F_OK), -1);
		arena_release(&arena);
	}
	unlink(link);
	assert_int_equal(rmdir(dir), 0);
}

static void test_folders(void **state)
{
	char dir[] = "/tmp/test-doctor-XXXXXX", new[64], deep[64], file[64], below[80];
	const struct { const char *dir, *id, *finding, *todo; bool open; } cases[] = {
		{ "", "folder.unset", "state.dir is not set.", NULL, false },
		{ dir, "folder.writable", "can be written.", NULL, false },
		{ dir, "folder.open", "by every user of this machine", "chmod o-w '/tmp/", true },
		{ new, "folder.writable", "is not there yet and can be made.", NULL, false },
		{ deep, "folder.unwritable", "can't be written by user ", "mkdir -p '", false },
		{ file, "folder.unwritable", "can't be written by user ", "is a file", false },
		{ below, "folder.unwritable", "can't be written by user ", "is a file", false },
	};

	assert_non_null(mkdtemp(dir));
	snprintf(new, sizeof(new), "%s/new", dir);
	snprintf(deep, sizeof(deep), "%s/no/new", dir);
	snprintf(file, sizeof(file), "%s/file", dir);
	snprintf(below, sizeof(below), "%s/state", file);
	fclose(fopen(file, "w"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config c = { .state_dir = cases[i].dir, .log_dir = dir };
		struct arena arena;
		struct findings l = { .arena = &arena };
		const struct finding *f;

		arena_init(&arena, 0);
		assert_int_equal(chmod(dir, cases[i].open ? 0777 : 0700), 0);
		doctor_host(&l, &c);
		f = findings_get(&l, cases[i].id);
		assert_non_null(f);
		assert_non_null(strstr(f->what, cases[i].finding));
		assert_true(!cases[i].todo || strstr(f->todo, cases[i].todo));
		assert_true(cases[i].open == !!findings_get(&l, "folder.open"));
		arena_release(&arena);
	}
	assert_int_equal(access(new, F_OK), -1);
	unlink(file);
	assert_int_equal(rmdir(dir), 0);
}

#define UNKNOWN 77      /* valgrind lets no hard limit be lowered */

/* In a process of its own: limits stay. 0: the doctor says what it should. */
static int look_at_limits(void)
{
	struct rlimit files = { 100, 100 }, size = { 1 << 20, RLIM_INFINITY };
	struct config c = { .state_dir = "" };
	struct arena arena;
	struct findings l = { .arena = &arena };
	const struct finding *f;

	arena_init(&arena, 0);
	if (setrlimit(RLIMIT_NOFILE, &files) || setrlimit(RLIMIT_FSIZE, &size))
		return UNKNOWN;
	doctor_host(&l, &c);
	f = findings_get(&l, "limit.files");
	if (!f || f->level != FINDING_WARNING ||
	    !strstr(f->what, "100 files: enough for 17 streams"))
		return 2;
	f = findings_get(&l, "limit.size");
	if (!f || !strstr(f->what, "of a file's size is 1024 KB.") || !strstr(f->todo, "to 64 MB"))
		return 3;
	arena_release(&arena);
	return 0;
}

static void test_limits(void **state)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0)
		_exit(look_at_limits());
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == UNKNOWN)
		skip();
	assert_int_equal(status, 0);
}

static void test_clock(void **state)
{
	struct fault f = FAULT_INIT;

	assert_true(clock_build() > 1700000000);
	fault_bad(&f, "The certificate is not valid yet.");
	fault_note_clock(&f, clock_build() * 1000);
	assert_string_equal(f.message, "The certificate is not valid yet.");
	fault_note_clock(&f, 86400 * 1000);
	assert_string_equal(f.message,
			    "The certificate is not valid yet. This machine's clock says "
			    "1970-01-02T00:00:00Z, which is before this program was made: set the "
			    "clock.");
}

/* However little room is left. */
static void test_clock_full_message(void **state)
{
	struct fault f = FAULT_INIT;

	memset(f.message, 'x', sizeof(f.message) - 1);
	fault_note_clock(&f, 0);
	assert_int_equal(strlen(f.message), sizeof(f.message) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server_tell),
		cmocka_unit_test(test_server_every_problem),
		cmocka_unit_test(test_server_directives),
		cmocka_unit_test(test_ticket),
		cmocka_unit_test(test_ticket_forged),
		cmocka_unit_test(test_findings_order),
		cmocka_unit_test(test_findings_text),
		cmocka_unit_test(test_findings_json),
		cmocka_unit_test(test_findings_html),
		cmocka_unit_test(test_findings_without_memory),
		cmocka_unit_test(test_log_file),
		cmocka_unit_test(test_folders),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_clock_full_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
