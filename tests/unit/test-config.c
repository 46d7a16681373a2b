/*
 * The configuration: every type of option, every error with its place, precedence, secrets that
 * never show, what a client can set, what a web server would hand out, reload, and the commands.
 * Each test has a folder of its own and an empty environment.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "config/option.h"
#include "config/preset.h"

#define HASH_A "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define HASH_B "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
#define LAB                                                                                        \
	"proxy_backend = \"lab\"; backends = { lab = { dialect = \"openai-chat\"; base_url = "     \
	"\"http://127.0.0.1:8000\"; "

static char dir[64];
static struct buf err;

static int setup(void **state)
{
	strcpy(dir, "/tmp/test-config-XXXXXX");
	clearenv();
	buf_init(&err, 0);
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int teardown(void **state)
{
	config_stop();
	buf_release(&err);
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Path of a file in the test's folder; a few at a time. */
static const char *at(const char *name)
{
	static char path[4][256];
	static unsigned turn;

	snprintf(path[turn % 4], sizeof(path[0]), "%s/%s", dir, name);
	return path[turn++ % 4];
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(at(name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	chmod(at(name), 0600);
}

static struct config *load(const char *text)
{
	struct config_load how = { .path = at("m.conf") };

	put("m.conf", text);
	buf_reset(&err);
	return config_load(&how, &err);
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("\"%s\" is in:\n%s", part, text);
}

/* The load fails and says so at this line. */
static void assert_error(const char *text, int line, const char *message)
{
	char place[300];

	if (load(text))
		fail_msg("no error in:\n%s", text);
	snprintf(place, sizeof(place), "%s:%d: %s", at("m.conf"), line, message);
	assert_has(buf_cstr(&err), place);
}

static struct config *must(struct config *c)
{
	if (!c)
		fail_msg("refused:\n%s", buf_cstr(&err));
	return c;
}

/* Output of a command, in a buffer that the next call reuses. */
static char shown[128 * 1024];

static FILE *show_begin(void)
{
	memset(shown, 0, sizeof(shown));
	return fmemopen(shown, sizeof(shown) - 1, "w");
}

static int check(const char *text, bool (*feature)(const char *))
{
	struct config_load how = { .path = at("m.conf") };
	FILE *f = show_begin();
	int rc;

	put("m.conf", text);
	rc = config_check(&how, feature, NULL, f);
	fclose(f);
	return rc;
}

static void test_no_file(void **state)
{
	struct config_load how = { .path = NULL };
	struct config *c;

	setenv("HOME", dir, 1);
	assert_null(config_load(&how, &err));
	assert_has(buf_cstr(&err), "OPENROUTER_API_KEY");
	setenv("OPENROUTER_API_KEY", "sk-or-1", 1);
	buf_reset(&err);
	c = must(config_load(&how, &err));
	assert_null(c->source);
	assert_string_equal(c->proxy_backend, "OPENROUTER");
	assert_ptr_equal(c->backend, config_backend(c, "openrouter"));
	assert_string_equal(c->backend->base_url, "https://openrouter.ai/api/v1");
	assert_string_equal(c->backend->path_message, "/chat/completions");
	assert_null(c->backend->path_count);
	assert_string_equal(c->backend->origin, "openrouter");
	assert_string_equal(c->backend->api_key, "sk-or-1");
	assert_int_equal(c->backend->auth, AUTH_BEARER);
	assert_int_equal(c->backend->reasoning, REASONING_OPENROUTER);
	assert_int_equal(c->backend->replay, REPLAY_DETAILS);
	assert_true(c->backend->cache_control);
	assert_false(c->backend->think_tags);
	assert_true(c->backend->tls_verify);
	assert_int_equal(c->nrules, 2);
	assert_string_equal(c->rules[0].to, "small");
	assert_string_equal(c->rules[1].match, "claude-*");
	assert_non_null(c->model_big);
	assert_non_null(c->model_small);
	assert_int_equal(c->access_mode, ACCESS_LOCAL);
	assert_false(c->access_mode_given);
	assert_int_equal(c->max_body, 33554432);
	assert_true(c->memory >= c->max_body);
	assert_in_range(c->requests, 16, 4096);
	assert_true(c->workers >= 4);
	assert_int_equal(c->commit_after, 25);
	assert_int_equal(c->ping_interval, 10);
	assert_int_equal(c->probe_interval, 2);
	assert_string_equal(c->log_level, "info");
	assert_true(c->log_requests);
	config_unref(c);
}

/* On a small machine one of the two is enough to say. */
static void test_memory_and_body(void **state)
{
	struct config *c;

	setenv("OPENROUTER_API_KEY", "sk-or-1", 1);
	c = must(load("limits = { memory = \"8M\"; };"));
	assert_int_equal(c->memory, 8 << 20);
	assert_int_equal(c->max_body, 8 << 20);
	config_unref(c);
	c = must(load("limits = { memory = \"64M\"; };"));
	assert_int_equal(c->max_body, 32 << 20);
	config_unref(c);
	c = must(load("limits = { max_body = \"1024M\"; };"));
	assert_true(c->memory >= c->max_body);
	config_unref(c);
	assert_int_equal(check("limits = { requests = 5; };", NULL), 0);
	assert_has(shown, "a quarter of the ");
	assert_has(shown, " MB of ");
}

/* The example of the sample file's head and the README. */
static void test_example(void **state)
{
	struct config *c;
	const struct backend *lab;

	put("lab.key", "  lab-secret\n");
	setenv("OPENROUTER_API_KEY", "sk-or-1", 1);
	c = must(load("proxy_backend = \"OPENROUTER\";\n"
		      "models = { big = \"b/big\"; small = \"b/small\";\n"
		      "  map = ( { match = \"claude-*haiku*\"; to = \"small\"; }, { match = "
		      "\"claude-*\"; to = \"big\"; } ); };\n"
		      "backends = { OPENROUTER = { api_key = \"env:OPENROUTER_API_KEY\"; };\n"
		      "  lab = { dialect = \"openai-chat\"; base_url = "
		      "\"http://127.0.0.1:8000/v1\"; api_key = \"file:lab.key\";\n"
		      "    timeout = 600; retries = 2; }; };\n"
		      "access = { keys = ( { name = \"laptop\"; sha256 = \"" HASH_A "\"; } ); };\n"
		      "limits = { max_body = 1048576; };\nstream = { ping_interval = 7; };\nlog = "
		      "{ level = \"debug\"; };\n"));
	assert_string_equal(c->source, at("m.conf"));
	assert_string_equal(c->model_big, "b/big");
	assert_string_equal(c->model_small, "b/small");
	assert_int_equal(c->nbackends, 2);
	lab = config_backend(c, "lab");
	assert_string_equal(lab->api_key, "lab-secret");
	assert_string_equal(lab->api_key_from, "the file lab.key");
	assert_int_equal(lab->timeout, 600);
	assert_int_equal(lab->retries, 2);
	assert_true(lab->think_tags);
	assert_int_equal(c->access_mode, ACCESS_KEYS);
	assert_false(c->access_mode_given);
	assert_int_equal(c->nkeys, 1);
	assert_string_equal(c->keys[0].name, "laptop");
	assert_string_equal(c->keys[0].sha256[0], HASH_A);
	assert_null(c->keys[0].sha256[1]);
	assert_int_equal(c->max_body, 1048576);
	assert_int_equal(c->ping_interval, 7);
	assert_string_equal(c->log_level, "debug");
	config_unref(c);
}

static void test_types(void **state)
{
	struct config *c;
	const struct backend *b;

	c = must(load(LAB "headers = ( { name = \"X-Team\"; value = \"blue\"; } );\n"
			  "body = { provider = { sort = \"pri\\\"ce\"; order = [ \"a\", \"b\" ]; "
			  "}; temperature = 0.2; n = 3; flag = true; "
			  "bias = \"json:{\\\"5\\\":-1}\"; };\n"
			  "drop_members = ( \"foo\", \"bar\" ); drop_betas = \"one, two-*\"; "
			  "tls_verify = true; http2 = true;\n"
			  "mid_system = \"HOIST\"; max_tokens_max = 9000; max_tokens_member = "
			  "\"max_completion_tokens\"; proxy = \"\"; }; };\n"
			  "limits = { max_body = \"2M\"; memory = 5000000000L; };\n"
			  "access = { mode = \"local\"; hosts = ( \"a.example\", \"b.example\" ); "
			  "origins = \"https://x.example\"; keys = (\n"
			  " { name = \"k\"; sha256 = ( \"" HASH_A "\", \"" HASH_B
			  "\" ); expires = \"2027-01-31T01:00:00+01:00\"; disabled = true; owner = "
			  "\"o\"; group = \"g\"; } ); };\n"
			  "log = { requests = false; };\n"));
	b = c->backend;
	assert_string_equal(b->headers[0].name, "X-Team");
	assert_string_equal(b->headers[0].value, "blue");
	assert_null(b->headers[1].name);
	assert_string_equal(b->body[0].name, "provider");
	assert_string_equal(b->body[0].json, "{\"sort\":\"pri\\\"ce\",\"order\":[\"a\",\"b\"]}");
	assert_string_equal(b->body[1].json, "0.2");
	assert_string_equal(b->body[2].json, "3");
	assert_string_equal(b->body[3].json, "true");
	assert_string_equal(b->body[4].json, "{\"5\":-1}");
	assert_string_equal(b->body[5].name, "foo");
	assert_null(b->body[5].json);
	assert_null(b->body[7].name);
	assert_string_equal(b->drop_betas[1], "two-*");
	assert_null(b->drop_betas[2]);
	assert_true(b->http2);
	assert_int_equal(b->mid_system, MID_SYSTEM_HOIST);
	assert_int_equal(b->max_tokens_max, 9000);
	assert_string_equal(b->max_tokens_member, "max_completion_tokens");
	assert_string_equal(b->proxy, "");
	assert_int_equal(b->auth, AUTH_NONE);
	assert_int_equal(c->max_body, 2 * 1024 * 1024);
	assert_true(c->memory == 5000000000LL);
	assert_int_equal(c->access_mode, ACCESS_LOCAL);
	assert_true(c->access_mode_given);
	assert_string_equal(c->hosts[1], "b.example");
	assert_null(c->hosts[2]);
	assert_string_equal(c->origins[0], "https://x.example");
	assert_string_equal(c->keys[0].sha256[1], HASH_B);
	assert_true(c->keys[0].disabled);
	assert_true(c->keys[0].expires == 1801353600000LL);
	assert_string_equal(c->keys[0].group, "g");
	assert_false(c->log_requests);
	/* A backend without models takes every name as it is. */
	assert_null(c->model_big);
	assert_int_equal(c->nrules, 0);
	config_unref(c);
}

static const struct { const char *text; int line; const char *message;
} wrong[] = {
	{ "\nlimts = { };", 2, "unknown setting \"limts\"; did you mean \"limits\"?" },
	{ "limits = {\n max_bdy = 3; };", 2,
	  "unknown setting \"limits.max_bdy\"; did you mean \"limits.max_body\"?" },
	{ "max_body = 3;", 1, "unknown setting \"max_body\"; did you mean \"limits.max_body\"?" },
	{ "tls_verify = true;", 1,
	  "unknown setting \"tls_verify\"; it belongs to \"backends.NAME.tls_verify\"" },
	{ "zzzzzzzz = 1;", 1, "unknown setting \"zzzzzzzz\"\n" },
	{ "limits = { max_body = \"lots\"; };", 1, "limits.max_body must be a number of bytes" },
	{ "limits = { max_body = 12; };", 1,
	  "limits.max_body: 12 is out of range (1024 to 1073741824)" },
	{ "limits = { requests = -1; };", 1, "limits.requests: -1 is out of range" },
	{ "limits = { memory = 1048576; max_body = 1048577; };", 1,
	  "limits.memory (1048576) is less than limits.max_body" },
	{ "stream = { ping_interval = \"10\"; };", 1,
	  "stream.ping_interval must be a whole number without quotes" },
	{ "stream = { ping_interval = 1.5; };", 1,
	  "stream.ping_interval must be a whole number, not a fraction" },
	{ "log = { requests = 1; };", 1, "log.requests must be true or false, not a number" },
	{ "log = { level = 3; };", 1, "log.level must be text in quotes, not a number" },
	{ "log = { level = \"inf\"; };", 1,
	  "log.level: \"inf\" is none of debug, info, warn, error, none; did you mean \"info\"?" },
	{ "log = { dest = \"sylog\"; };", 1, "log.dest: \"sylog\" is none of" },
	{ "log = true;", 1, "log must be a group" },
	{ "access = { mode = \"lcal\"; };", 1, "access.mode: \"lcal\" is none of" },
	{ "access = { hosts = 3; };", 1, "access.hosts must be a list of texts" },
	{ "access = { hosts = ( 3 ); };", 1, "access.hosts must be a list of texts alone" },
	{ "access = { keys = ( { name = \"x\"; } ); };", 1, "key \"x\" has no sha256" },
	{ "access = { keys = ( { sha256 = \"" HASH_A "\"; } ); };", 1, "key has no name" },
	{ "access = { keys = ( { name = \"x\"; sha256 = \"12\"; } ); };", 1,
	  "access.keys[0].sha256 must be the SHA-256" },
	{ "access = { keys = (\n{ name = \"x\"; sha256 = \"" HASH_A
	  "\"; },\n{ name = \"x\"; sha256 = \"" HASH_B "\"; } ); };",
	  3, "key \"x\": there is a key of this name already" },
	{ "access = { keys = ( { name = \"x\"; sha256 = \"" HASH_A
	  "\"; expires = \"soon\"; } ); };",
	  1, "access.keys[0].expires must be a time" },
	{ "access = { keys = { name = \"x\"; }; };", 1, "access.keys must be a list" },
	{ "access = { keys = ( { nme = \"x\"; } ); };", 1,
	  "unknown setting \"access.keys[0].nme\"; did you mean \"access.keys[0].name\"?" },
	{ "models = { map = ( { match = \"x\"; } ); };", 1,
	  "models.map[0] needs both match and to" },
	{ "models = { map = ( { match = \"x\"; to = \"\"; } ); };", 1,
	  "models.map[0] needs both match and to" },
	{ "models = { map = \"x\"; };", 1, "models.map must be a list" },
	{ "backends = 3;", 1, "backends must be a group" },
	{ "backends = { lab = 3; };", 1, "backends.lab must be a group" },
	{ "backends = { lab = { base_url = \"http://h\"; }; };", 1,
	  "backends.lab needs a dialect" },
	{ "backends = { lab = { dialect = \"openai-chats\"; }; };", 1,
	  "backends.lab.dialect: \"openai-chats\" is none of" },
	{ "backends = { lab = { preset = \"NOPE\"; }; };", 1,
	  "backends.lab.preset: there is no preset \"NOPE\"" },
	{ "backends = { lab = { dialect = \"openai-chat\";\nbase_url = \"h:80\"; }; };", 2,
	  "backends.lab.base_url must be a URL" },
	{ "backends = { OPENROUTER = { base_url = \"http://u:pw@h/\"; }; };", 1,
	  "backends.OPENROUTER.base_url must be a URL without a user" },
	{ "backends = { OPENROUTER = { base_url = \"http://h/?key=1\"; }; };", 1,
	  "backends.OPENROUTER.base_url must be a URL without spaces" },
	{ "backends = { OPENROUTER = { proxy = \"ftp://h\"; }; };", 1,
	  "backends.OPENROUTER.proxy must be a proxy's URL" },
	{ "backends = { OPENROUTER = { retres = 1; }; };", 1,
	  "unknown setting \"backends.OPENROUTER.retres\"; did you mean "
	  "\"backends.OPENROUTER.retries\"?" },
	{ "backends = { OPENROUTER = { headers = ( { name = \"a b\"; value = \"c\"; } ); }; };", 1,
	  "backends.OPENROUTER.headers must be headers" },
	{ "backends = { OPENROUTER = { headers = ( { name = \"Host\"; value = \"c\"; } ); }; };", 1,
	  "backends.OPENROUTER.headers must be headers that the gateway does not set" },
	{ "backends = { OPENROUTER = { headers = ( { name = \"A\"; value = \"c\\nB: d\"; } ); }; "
	  "};",
	  1, "backends.OPENROUTER.headers must be headers without control characters" },
	{ "backends = { OPENROUTER = { body = 3; }; };", 1,
	  "backends.OPENROUTER.body must be a group" },
	{ "backends = { OPENROUTER = { api_key = \"env:HTTP_X_KEY\"; }; };", 1,
	  "backends.OPENROUTER.api_key: a client can set HTTP_X_KEY" },
	{ "backends = { OPENROUTER = { api_key = \"env:QUERY_STRING\"; }; };", 1,
	  "backends.OPENROUTER.api_key: a client can set QUERY_STRING" },
	{ "proxy_backend = \"openruter\";", 1,
	  "proxy_backend: there is no backend \"openruter\"; did you mean \"OPENROUTER\"?" },
	{ "proxy_backend = \"OPENAI\";", 1,
	  "proxy_backend: backend OPENAI has no API key: set OPENAI_API_KEY" },
	{ "backends = { OPENROUTER = { api_keys = ( \"a\", \"exec:pass b\" ); }; };", 1,
	  "backends.OPENROUTER.api_keys: a command (exec:) can be api_key alone" },
	{ "backends = { OPENROUTER = { api_keys = \"(2 set)\"; }; };", 1,
	  "backends.OPENROUTER.api_keys: \"(2 set)\" is what --print-config shows" },
	{ "backends = { OPENROUTER = { api_keys = ( \"a\", \"b\\nc: d\" ); }; };", 1,
	  "backends.OPENROUTER.api_keys: key 2 has a space, a line end" },
	{ "backends = { OPENROUTER = { credential = { client_secret = \"exec:pass\"; }; }; };", 1,
	  "backends.OPENROUTER.credential.client_secret must be a secret or where it is; a " },
	{ "backends = { OPENROUTER = { headers = 3; }; };", 1,
	  "backends.OPENROUTER.headers must be a list of { name = " },
	{ "backends = { OPENROUTER = { headers = (\n3 ); }; };", 2,
	  "backends.OPENROUTER.headers must be a list of { name = " },
	{ "backends = { OPENROUTER = { headers = (\n{ name = \"A\"; value = \"env:NONE\"; } ); "
	  "}; };", 2, "backends.OPENROUTER.headers.A: NONE is not set in the environment" },
	{ "backends = { OPENROUTER = { body = { a = \"json:{\"; }; }; };", 1,
	  "backends.OPENROUTER.body must be a group of members of at most 64 KB and 16 levels" },
	{ "backends = { OPENROUTER = { base_url = \"https:///v1\"; }; };", 1,
	  "backends.OPENROUTER.base_url must be a URL with a host" },
	{ "backends = { OPENROUTER = { base_url = \"https://:80/v1\"; }; };", 1,
	  "backends.OPENROUTER.base_url must be a URL with a host" },
	{ "backends = { OPENROUTER = { auth = \"header\"; }; }; proxy_backend = \"OPENROUTER\";", 1,
	  "proxy_backend: backend OPENROUTER has auth = \"header\" but no auth_header" },
	{ "backends = { lab = { dialect = \"anthropic\"; }; };\nproxy_backend = \"lab\";", 2,
	  "proxy_backend: backend lab has no base_url" },
	{ "backends = { AZURE_DATABRICKS = { api_key = \"k\"; }; };\nproxy_backend = "
	  "\"AZURE_DATABRICKS\";", 2, "proxy_backend: backend AZURE_DATABRICKS has no host: set "
	  "DATABRICKS_HOST in the environment, or backends.AZURE_DATABRICKS.host" },
	{ "backends = {\nlab = { dialect = \"anthropic\"; };\nLAB = { dialect = \"anthropic\"; "
	  "}; };", 3, "backends.LAB: there is a backend of this name already" },
	{ "state = { dir = \"\"; };", 1, "state.dir must be a path" },
	{ "models = { big = \"\xff\"; };", 1, "models.big must be UTF-8 text" },
	{ "access = { keys = (\n3 ); };", 2, "access.keys[0] must be a group" },
	{ "access = { keys = ( { name = \"x\"; sha256 = ( \"" HASH_A "\", \"" HASH_A "\", \"" HASH_A
	  "\" ); } ); };", 1, "access.keys[0].sha256 must be the SHA-256" },
	{ "access = { keys = ( { name = \"x\"; sha256 = \"\"; } ); };", 1,
	  "access.keys[0].sha256 must be the SHA-256" },
	{ "models = { map = ( 3 ); };", 1, "models.map[0] must be a group" },
	{ "targets = 3;", 1, "targets must be a group" },
	{ "targets = { a = 3; };", 1, "targets.a must be text, a group" },
	{ "targets = { a = \"\"; };", 1, "targets.a: \"\" has no model or no backend" },
	{ LAB "}; };\ntargets = { a = \"small\"; };", 2,
	  "targets.a: \"small\" has no model or no backend" },
	{ "routes = ( 3 );", 1, "routes[0] must be a group" },
	{ "routes = ( { to = \"m\"; when = 3; } );", 1, "routes[0].when must be a group" },
	{ "routes = ( { to = \"m\"; options = 3; } );", 1,
	  "routes[0].options must be a group of a backend's options" },
	{ "routes = ( { to = { weight = 2; }; } );", 1,
	  "routes[0].to: a member needs a backend or a model" },
	{ "routes = ( { to = ( ); } );", 1, "routes[0].to has no member that can be used" },
	{ "\n\nbroken", 3, "syntax error" },
};

static void test_errors(void **state)
{
	size_t i;

	setenv("OPENROUTER_API_KEY", "sk-or-1", 1);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_error(wrong[i].text, wrong[i].line, wrong[i].message);
}

static void test_times(void **state)
{
	static const struct { const char *text; int64_t ms;
	} cases[] = {
		{ "2027-01-31", 1801353600000LL },
		{ "2027-01-31T00:00:00Z", 1801353600000LL },
		{ "2027-01-31 01:00:00.25+01:00", 1801353600000LL },
		{ "2027-01-30t22:30:00-01:30", 1801353600000LL },
		{ "2024-03-01T00:00:01z", 1709251201000LL },
		{ "2027-01-31T00:00:00", 0 }, { "2027-01-31T00:00:00+1", 0 },
		{ "2027-01-31T00:00:00+01:99", 0 }, { "2027-01-31T00:00:00Zulu", 0 },
		{ "2027-01-31T24:00:00Z", 0 }, { "2027-13-01", 0 }, { "2027-01", 0 }, { "", 0 },
	};
	char text[400];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *c;

		snprintf(text, sizeof(text), LAB "}; }; access = { keys = ( { name = \"k\"; "
			 "sha256 = \"" HASH_A "\"; expires = \"%s\"; } ); };", cases[i].text);
		if (!cases[i].ms) {
			assert_error(text, 1, "access.keys[0].expires must be a time");
			continue;
		}
		c = must(load(text));
		assert_true(c->keys[0].expires == cases[i].ms);
		config_unref(c);
	}
}

/* What can't be used today takes nothing from the others. */
static void test_left_out(void **state)
{
	struct config *c;

	assert_int_equal(check(LAB "api_key = \"k\"; api_keys = ( \"env:NONE\", \"b\" ); }; };\n"
			       "routes = ( { to = ( \"GROQ/llama\", \"lab/m\" ); } );", NULL), 0);
	assert_has(shown, "m.conf:1: backends.lab.api_keys: env:NONE is left out: NONE is not set");
	assert_has(shown, "m.conf:2: routes[0].to: \"GROQ/llama\" is left out: backend GROQ "
			  "can't be used (has it a key?)");
	c = must(load(LAB "api_key = \"k\"; api_keys = ( \"env:NONE\", \"b\" ); }; };\n"
		      "routes = ( { to = ( \"GROQ/llama\", \"lab/m\" ); } );"));
	assert_int_equal(c->backend->nways, 2);
	assert_string_equal(c->backend->ways[1].api_key, "b");
	assert_int_equal(c->routes[0].to.n, 1);
	assert_string_equal(c->routes[0].to.v[0].model, "m");
	config_unref(c);
}

/* One run tells all of them. */
static void test_all_errors(void **state)
{
	assert_null(load("a_typo = 1;\nlimits = { max_body = 1; requests = 0; };\nproxy_backend = "
			 "\"x\";\n"));
	assert_has(buf_cstr(&err), "a_typo");
	assert_has(buf_cstr(&err), "limits.max_body: 1");
	assert_has(buf_cstr(&err), "limits.requests: 0");
	assert_has(buf_cstr(&err), "there is no backend \"x\"");
}

static void test_missing_files(void **state)
{
	struct config_load how = { .path = "/nonexistent/m.conf" };

	assert_null(config_load(&how, &err));
	assert_has(buf_cstr(&err), "/nonexistent/m.conf: cannot be read: No such file");
	assert_error(LAB "}; };\n\n@include \"none.conf\"\n", 3,
		     "@include \"none.conf\": No such file");
	assert_error(LAB "}; };\naccess = { keys_file = \"nokeys\"; };", 2, "access.keys_file: ");
	assert_error("proxy_backend = \"OPENAI\";\nbackends = { OPENAI = { api_key = "
		     "\"file:none.key\"; }; };",
		     1, "proxy_backend: backend OPENAI has no API key: ");
	assert_error(
		"proxy_backend = \"OPENAI\";\nbackends = { OPENAI = { api_key = \"env:NONE\"; }; "
		"};",
		1,
		"proxy_backend: backend OPENAI has no API key: NONE is not set in the environment");
	put("empty.key", " \n");
	assert_error("proxy_backend = \"OPENAI\";\nbackends = { OPENAI = { api_key = "
		     "\"file:empty.key\"; }; };",
		     1, "proxy_backend: backend OPENAI has no API key: ");
}

static void test_include(void **state)
{
	struct config *c;

	put("more.conf", "log = { level = \"warn\"; };\nlimits = { requests = 99; };\n");
	c = must(load(LAB "}; };\n@include \"more.conf\"\n"));
	assert_string_equal(c->log_level, "warn");
	assert_int_equal(c->requests, 99);
	config_unref(c);
	put("more.conf", "log = { level = \"warn\"; };\n\nlimits = { requsts = 99; };\n");
	assert_null(load(LAB "}; };\n@include \"more.conf\"\n"));
	assert_has(buf_cstr(&err), "more.conf:3: unknown setting \"limits.requsts\"");
	put("loop.conf", "@include \"loop.conf\"\n");
	assert_null(load("@include \"loop.conf\"\n"));
	assert_has(buf_cstr(&err), "more than 10 deep");
}

/* libconfig would end the process at a folder, wait at a pipe, and read other names than we do. */
static void test_includes_that_are_no_files(void **state)
{
	struct config_load how = { .path = "/" };

	assert_null(config_load(&how, &err));
	assert_has(buf_cstr(&err), "/: cannot be read: it is no file");
	assert_int_equal(mkfifo(at("pipe"), 0600), 0);
	assert_error(LAB "}; };\n@include \"pipe\"\n", 2, "@include \"pipe\": it is no file");
	assert_error(LAB "}; };\n@include \"/tmp\"\n", 2, "@include \"/tmp\": it is no file");
	assert_error(LAB "}; };\n \t@include \"\"\n", 2, "@include \"\": a name on one line");
	assert_error(LAB "}; };\n@include \"a\nb\"\n", 2, "@include \"\": a name on one line");
	assert_error(LAB "}; };\n@include \"a\\\"b\"\n", 2, "@include \"\": a name on one line");
}

static void test_env_wins(void **state)
{
	static const char text[] =
		"models = { big = \"file-big\"; };\nlog = { level = \"debug\"; };\n"
		"backends = { OPENROUTER = { timeout = 5; model_small = \"file-small\"; }; };";
	struct config *c;

	setenv("OPENROUTER_API_KEY", "k", 1);
	c = must(load(text));
	assert_string_equal(c->model_big, "file-big");
	assert_string_equal(c->model_small, "file-small");
	assert_int_equal(c->backend->timeout, 5);
	config_unref(c);

	setenv("ANTHROPIC_MODEL", "env-big", 1);
	setenv("ANTHROPIC_SMALL_FAST_MODEL", "env-small", 1);
	setenv("LOG_LEVEL", "WARNING", 1);
	setenv("REQUEST_TIMEOUT", "90", 1);
	setenv("MAX_RETRIES", "7", 1);
	setenv("MAX_TOKENS_LIMIT", "4096", 1);
	setenv("OPENROUTER_BASE_URL", "https://proxy.example/api/v1/", 1);
	setenv("OPENROUTER_APP_NAME", "name", 1);
	setenv("OPENROUTER_APP_URL", "https://app.example", 1);
	setenv("MESSAGES_ORIGINS", "https://a.example, https://b.example", 1);
	c = must(load(text));
	assert_string_equal(c->model_big, "env-big");
	assert_string_equal(c->model_small, "env-small");
	assert_string_equal(c->log_level, "warn");
	assert_int_equal(c->backend->timeout, 90);
	assert_int_equal(c->backend->retries, 7);
	assert_int_equal(c->backend->max_tokens_max, 4096);
	assert_string_equal(c->backend->base_url, "https://proxy.example/api/v1");
	assert_string_equal(c->backend->headers[0].name, "HTTP-Referer");
	assert_string_equal(c->backend->headers[1].name, "X-Title");
	assert_string_equal(c->backend->headers[1].value, "name");
	assert_string_equal(c->origins[1], "https://b.example");
	config_unref(c);

	setenv("MESSAGES_MODEL", "gateway-big", 1);
	setenv("MESSAGES_SMALL_MODEL", "gateway-small", 1);
	c = must(load(text));
	assert_string_equal(c->model_big, "gateway-big");
	assert_string_equal(c->model_small, "gateway-small");
	config_unref(c);

	setenv("LOG_LEVEL", "loud", 1);
	assert_null(load(text));
	assert_has(buf_cstr(&err), "LOG_LEVEL in the environment: log.level: \"loud\" is none of");
}

/* What the client's own variables hold must not steer the gateway. */
static void test_client_variables(void **state)
{
	struct config *c;

	setenv("OPENROUTER_API_KEY", "k", 1);
	setenv("ANTHROPIC_MODEL", "opus[1m]", 1);
	setenv("ANTHROPIC_SMALL_FAST_MODEL", "haiku", 1);
	setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:4000", 1);
	setenv("ANTHROPIC_AUTH_TOKEN", "client", 1);
	setenv("HTTP_PROXY_BACKEND", "OPENAI", 1);
	setenv("HOST", "evil", 1);
	c = must(load("models = { big = \"b\"; small = \"s\"; };"));
	assert_string_equal(c->model_big, "b");
	assert_string_equal(c->model_small, "s");
	assert_int_equal(c->nbackends, 1);
	config_unref(c);
	unsetenv("OPENROUTER_API_KEY");
	setenv("ANTHROPIC_API_KEY", "sk-ant-1", 1);
	c = must(load(""));
	assert_string_equal(c->backend->name, "ANTHROPIC");
	assert_string_equal(c->backend->base_url, "https://api.anthropic.com");
	assert_string_equal(c->backend->auth_header, "x-api-key");
	assert_true(c->backend->anthropic_host);
	assert_int_equal(c->nrules, 0);
	config_unref(c);
}

/* No table may name a variable that a request fills. */
static void test_table(void **state)
{
	size_t t, i, k;

	for (t = 0; options_all[t]; t++)
		for (i = 0; i < options_all[t]->n; i++) {
			const struct option *o = &options_all[t]->rows[i];
			struct str rest = str_of(o->env), one;

			assert_true(strlen(o->help) > 10);
			assert_ptr_equal(option_find(options_all[t], o->path), o);
			while (rest.n && str_split(&rest, ' ', &one)) {
				static const char *const not [] = {
					"HTTP_*", "SERVER_*", "REQUEST_[!T]*", "REMOTE_*",
					"PATH",	  "HOST",     "PORT",	       "ANTHROPIC_BASE_URL"
				};

				for (k = 0; k < sizeof(not) / sizeof(not[0]); k++)
					assert_false(str_glob(not[k], one));
			}
			assert_true(o->least <= o->most);
		}
}

static void test_urls(void **state)
{
	static const struct { const char *dialect, *given, *used; } urls[] = {
		{ "openai-chat", "http://127.0.0.1:8080", "http://127.0.0.1:8080/v1" },
		{ "openai-chat", "http://127.0.0.1:8080/", "http://127.0.0.1:8080/v1" },
		{ "openai-chat", "http://h/v1/", "http://h/v1" },
		{ "openai-chat", "http://h/api/v3", "http://h/api/v3" },
		{ "openai-chat", "http://h/v1/chat/completions", "http://h/v1" },
		{ "openai-chat", "HTTPS://[::1]:80", "HTTPS://[::1]:80/v1" },
		{ "anthropic", "http://h", "http://h" },
		{ "anthropic", "http://h/v1", "http://h" },
		{ "anthropic", "http://h/v1/messages", "http://h" },
		{ "anthropic", "https://openrouter.ai/api", "https://openrouter.ai/api" },
		{ "anthropic", "https://openrouter.ai/api/v1/", "https://openrouter.ai/api" },
	};
	char text[256];
	size_t i;

	for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct config *c;

		snprintf(text, sizeof(text),
			 "backends = { x = { dialect = \"%s\"; base_url = \"%s\"; }; };",
			 urls[i].dialect, urls[i].given);
		c = must(load(text));
		assert_string_equal(c->backend->base_url, urls[i].used);
		config_unref(c);
	}
}

static void test_presets(void **state)
{
	struct config *c;

	setenv("LITELLM_BASE_URL", "http://10.0.0.1:4000", 1);
	setenv("LITELLM_MASTER_KEY", "sk-l", 1);
	setenv("PROXY_BACKEND", "litellm_openrouter", 1);
	c = must(load(""));
	assert_string_equal(c->backend->base_url, "http://10.0.0.1:4000/v1");
	assert_string_equal(c->backend->model_prefix, "openrouter/");
	assert_string_equal(c->backend->origin, "litellm-openrouter");
	assert_string_equal(config_backend(c, "LITELLM_MESSAGES")->base_url,
			    "http://10.0.0.1:4000");
	assert_int_equal(config_backend(c, "LITELLM_MESSAGES")->auth, AUTH_BEARER);
	config_unref(c);
	clearenv();
	setenv("OPENAI_API_KEY", "sk-o", 1);
	c = must(load("backends = { OPENAI = { }; two = { preset = \"OPENAI\"; api_key = "
		      "\"env:TWO\"; }; };"));
	assert_string_equal(c->backend->name, "OPENAI");
	assert_int_equal(c->nbackends, 1);
	assert_int_equal(c->backend->reasoning, REASONING_EFFORT);
	assert_null(c->backend->max_tokens_member);
	assert_int_equal(c->backend->stop_max, 4);
	config_unref(c);
	setenv("TWO", "sk-two", 1);
	c = must(load("proxy_backend = \"two\"; backends = { two = { preset = \"OPENAI\"; api_key "
		      "= \"env:TWO\"; }; };"));
	assert_string_equal(c->backend->api_key, "sk-two");
	assert_string_equal(c->backend->base_url, "https://api.openai.com/v1");
	config_unref(c);
	/* OpenRouter's Messages endpoint: the preset's own settings in another dialect. */
	setenv("OPENROUTER_API_KEY", "k", 1);
	c = must(load("proxy_backend = \"OPENROUTER\"; backends = { OPENROUTER = { dialect = "
		      "\"anthropic\"; auth = \"bearer\"; }; };"));
	assert_string_equal(c->backend->dialect, "anthropic");
	assert_string_equal(c->backend->base_url, "https://openrouter.ai/api");
	assert_string_equal(c->backend->path_message, "/v1/messages");
	config_unref(c);
}

static void test_passthrough(void **state)
{
	struct config *c =
		must(load("proxy_backend = \"ANTHROPIC\";\naccess = { mode = \"passthrough\"; };"));

	assert_string_equal(c->passthrough_backend, "ANTHROPIC");
	assert_true(c->backend->passthrough);
	assert_null(c->backend->api_key);
	assert_int_equal(c->backend->auth, AUTH_HEADER);
	config_unref(c);
	c = must(load("access = { mode = \"passthrough\"; };\nbackends = { x = { dialect = "
		      "\"anthropic\"; base_url = \"http://h\"; }; };"));
	assert_string_equal(c->passthrough_backend, "x");
	assert_true(c->backend->passthrough);
	assert_int_equal(c->backend->auth, AUTH_HEADER);
	config_unref(c);
	assert_error("access = { mode = \"passthrough\"; passthrough_backend = \"ANTROPIC\"; };" LAB
		     "}; };",
		     1,
		     "access.passthrough_backend: there is no backend \"ANTROPIC\"; did you mean "
		     "\"ANTHROPIC\"?");
}

static void test_keys_file(void **state)
{
	static const char conf[] = LAB "}; };\naccess = { keys_file = \"keys\"; };";
	struct config *c;

	put("keys",
	    "# comment\n\nann\t" HASH_A "  owner=Ann group=team expires=2027-01-31T00:00:00Z\n"
	    "  bob " HASH_A " " HASH_B " disabled\r\n");
	c = must(load(conf));
	assert_int_equal(c->nkeys, 2);
	assert_int_equal(c->access_mode, ACCESS_KEYS);
	assert_string_equal(c->keys[0].owner, "Ann");
	assert_string_equal(c->keys[0].group, "team");
	assert_true(c->keys[0].expires == 1801353600000LL);
	assert_string_equal(c->keys[1].name, "bob");
	assert_string_equal(c->keys[1].sha256[1], HASH_B);
	assert_true(c->keys[1].disabled);
	config_unref(c);
	/* As some tools print it. */
	put("keys", "ann 9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08\n");
	c = must(load(conf));
	assert_string_equal(c->keys[0].sha256[0], HASH_A);
	config_unref(c);
	put("keys", "ann 9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A0G\n");
	assert_null(load(conf));
	assert_has(buf_cstr(&err), "keys:1: sha256 must be the SHA-256 of a key");
	put("keys", "ann " HASH_A "\n\nbob 123\n");
	assert_null(load(conf));
	assert_has(buf_cstr(&err), "keys:3: sha256 must be the SHA-256 of a key");
	put("keys", "ann " HASH_A " ownr=x\n");
	assert_null(load(conf));
	assert_has(buf_cstr(&err), "keys:1: unknown \"ownr=x\"");
}

static void test_key_limits(void **state)
{
	static const char conf[] = LAB "}; };\naccess = { default_streams = 3; "
		"default_tokens_per_minute = 500; trusted_proxies = ( \"10.0.0.0/8\", \"::1\" );\n"
		"keys_file = \"keys\"; keys = ( { name = \"a\"; sha256 = \"" HASH_A "\";\n"
		"models = ( \"m*\", \"n\" ); backends = \"la?\"; endpoints = [ \"models\", "
		"\"DEBUG\" ];\nrequests_per_minute = 5; tokens_per_minute = 0; } ); };";
	const struct access_key *k;
	struct config *c;

	put("keys", "b " HASH_B " models=x,y endpoints=messages streams=0\n");
	c = must(load(conf));
	k = &c->keys[0];
	assert_string_equal(k->models[1], "n");
	assert_string_equal(k->backends[0], "la?");
	assert_int_equal(k->rights, 1u << RIGHT_MODELS | 1u << RIGHT_DEBUG);
	assert_int_equal(k->requests, 5);
	assert_int_equal(k->tokens, 0);
	assert_int_equal(k->streams, 3);
	k = &c->keys[1];
	assert_string_equal(k->models[1], "y");
	assert_null(k->backends);
	assert_int_equal(k->rights, 1u << RIGHT_MESSAGES);
	assert_int_equal(k->requests, 0);
	assert_int_equal(k->tokens, 500);
	assert_int_equal(k->streams, 0);
	assert_true(k->mark && k->mark != c->keys[0].mark);
	assert_int_equal(c->nproxies, 2);
	assert_int_equal(c->throttle_failures, 20);
	config_unref(c);

	assert_int_equal(check(conf, NULL), 0);
	assert_has(shown, "models m*, n; backends la?; endpoints models, debug; 5 requests a minute; "
			  "3 answers at once");
	assert_has(shown, "models x, y; endpoints messages; 500 tokens a minute");
	assert_error("access = {\nkeys = ( { name = \"a\"; sha256 = \"" HASH_A
		     "\"; endpoints = \"mesages\"; } ); };", 2,
		     "access.keys[0].endpoints: \"mesages\" is none of messages, ");
	assert_error("access = {\ntrusted_proxies = \"lan\"; };", 2,
		     "access.trusted_proxies: \"lan\" is no address or network");
	assert_error("access = {\ndefault_streams = -1; };", 2, "access.default_streams: -1");
	check(LAB "}; };\naccess = { trusted_proxies = \"0.0.0.0/0\"; default_streams = 1; keys = ( "
		  "{ name = \"a\"; sha256 = \"" HASH_A "\"; backends = \"other\"; } ); };", NULL);
	assert_has(shown, "\"0.0.0.0/0\" is everybody");
	assert_has(shown, "key \"a\": backends: there is no backend \"other\"");
	check(LAB "}; };\naccess = { mode = \"open\"; default_streams = 1; };", NULL);
	assert_has(shown, "nobody is held to them");
}

static void test_docroot(void **state)
{
	struct config_load how = { .path = NULL };
	struct config *c;
	char path[256];

	mkdir(at("www"), 0700);
	setenv("DOCUMENT_ROOT", at("www"), 1);
	put("www/messages.conf", LAB "}; };");
	snprintf(path, sizeof(path), "%s", at("www/messages.conf"));
	how.path = path;
	assert_null(config_load(&how, &err));
	assert_has(buf_cstr(&err), "lies below DOCUMENT_ROOT");
	assert_has(buf_cstr(&err), "call it .htmessages.conf");
	snprintf(path, sizeof(path), "%s", at("www/.htmessages.conf"));
	put("www/.htmessages.conf", LAB "}; };");
	buf_reset(&err);
	config_unref(must(config_load(&how, &err)));
	/* A link below the root is followed by servers. */
	assert_int_equal(symlink(at("m.conf"), at("www/link.conf")), 0);
	put("m.conf", LAB "}; };");
	snprintf(path, sizeof(path), "%s", at("www/link.conf"));
	buf_reset(&err);
	assert_null(config_load(&how, &err));
	assert_has(buf_cstr(&err), "call it .htlink.conf");

	put("www/lab.key", "k");
	assert_error(LAB "api_key = \"file:www/lab.key\"; }; };", 1, "backends.lab.api_key: ");
	assert_has(buf_cstr(&err), "call it .htlab.key");
	assert_error(LAB "}; };\nlog = { dest = \"www/x.log\"; };", 2, "log.dest: ");
	assert_error(LAB "}; };\nstate = { dir = \"www/state\"; };", 2, "state.dir: ");
	put("www/keys", "");
	assert_error(LAB "}; };\naccess = { keys_file = \"www/keys\"; };", 2, "access.keys_file: ");
	put("www/more.conf", "");
	assert_error("@include \"www/more.conf\"\n" LAB "}; };", 1, "@include: ");
	c = must(load(
		LAB
		"}; };\nlog = { dest = \"www/.htlog\"; }; state = { dir = \"www/.htstate\"; };"));
	assert_string_equal(c->state_dir, at("www/.htstate"));
	config_unref(c);
}

static void test_search(void **state)
{
	struct config_load how = { .argv0 = at("bin/messages.fcgi") };
	struct config *c;
	char argv0[256];

	snprintf(argv0, sizeof(argv0), "%s", at("bin/messages.fcgi"));
	how.argv0 = argv0;
	setenv("HOME", dir, 1);
	mkdir(at("bin"), 0700);
	mkdir(at(".config"), 0700);
	mkdir(at(".config/messages"), 0700);
	put(".config/messages/messages.conf", LAB "}; };");
	c = must(config_load(&how, &err));
	assert_string_equal(c->source, at(".config/messages/messages.conf"));
	config_unref(c);
	/* Where the user has a folder for all that is set it is that one. */
	setenv("XDG_CONFIG_HOME", at("xdg"), 1);
	mkdir(at("xdg"), 0700);
	mkdir(at("xdg/messages"), 0700);
	put("xdg/messages/messages.conf", LAB "}; };");
	c = must(config_load(&how, &err));
	assert_string_equal(c->source, at("xdg/messages/messages.conf"));
	config_unref(c);
	put("bin/.htmessages.conf", LAB "}; };");
	c = must(config_load(&how, &err));
	assert_string_equal(c->source, at("bin/.htmessages.conf"));
	config_unref(c);
	put("env.conf", LAB "}; };");
	setenv("MESSAGES_CONF", at("env.conf"), 1);
	c = must(config_load(&how, &err));
	assert_string_equal(c->source, at("env.conf"));
	config_unref(c);
	put("arg.conf", LAB "}; };");
	how.path = at("arg.conf");
	c = must(config_load(&how, &err));
	assert_string_equal(c->source, at("arg.conf"));
	config_unref(c);
}

/* Names are of the folder that the file is in; a CGI program's own is where it starts. */
static void test_current_folder(void **state)
{
	struct config_load how = { .path = "m.conf" };
	struct config_load cgi = { .argv0 = "messages.fcgi", .cgi = true };
	struct config *c;

	put("keys", "ann " HASH_A "\n");
	put("m.conf", LAB "}; };\naccess = { keys_file = \"keys\"; };");
	put(".htmessages.conf", LAB "}; };");
	assert_int_equal(chdir(dir), 0);
	c = must(config_load(&how, &err));
	assert_string_equal(c->source, "m.conf");
	assert_int_equal(c->nkeys, 1);
	config_unref(c);
	c = must(config_load(&cgi, &err));
	assert_string_equal(c->source, "./.htmessages.conf");
	config_unref(c);
	cgi.cgi = false;
	assert_null(config_load(&cgi, &err));
	assert_int_equal(chdir("/"), 0);
}

static bool no_feature(const char *name)
{
	return false;
}

static void test_check(void **state)
{
	setenv("OPENROUTER_API_KEY", "sk-or-SECRET", 1);
	setenv("MESSAGES_PING_INTERVAL", "9", 1);
	assert_int_equal(check("limits = { requests = 77; };\nbackends = { OPENROUTER = { http2 = "
			       "true; tls_verify = false; };\n"
			       "lab = { dialect = \"openai-chat\"; base_url = "
			       "\"http://lab.example/v1\"; api_key = \"literal-SECRET\";\n"
			       "headers = ( { name = \"X-Key\"; value = \"header-SECRET\"; } ); "
			       "body = { user = \"body-SECRET\"; };\n"
			       "proxy = \"http://user:proxy-SECRET@p:1\"; }; };\naccess = { mode = "
			       "\"open\"; };\n",
			       no_feature),
			 0);
	assert_lacks(shown, "SECRET");
	assert_has(shown, "(set, from env:OPENROUTER_API_KEY)");
	assert_has(shown, "OPENROUTER_API_KEY in the environment");
	assert_has(shown, "m.conf:1");
	assert_has(shown, "MESSAGES_PING_INTERVAL in the environment");
	assert_has(shown, "preset OPENROUTER");
	assert_has(shown, "http://(set)@p:1");
	assert_has(shown, "warning: " );
	assert_has(shown, "access.mode is \"open\"");
	assert_has(shown, "backends.lab.api_key stands in the file itself");
	assert_has(shown, "backends.lab: the key travels unencrypted");
	assert_has(shown, "backends.OPENROUTER.tls_verify is false");
	assert_has(shown, "backend OPENROUTER needs https, which this libcurl was built without");
	assert_has(shown, "backend OPENROUTER needs HTTP/2");
	assert_has(shown, "0 errors");

	assert_int_equal(check("limts = 1;\n", NULL), 1);
	assert_has(shown, "error: ");
	assert_has(shown, "m.conf:1: unknown setting \"limts\"");
	assert_has(shown, "1 error,");
	/* Of a file that can't be read the error is all that is shown. */
	assert_int_equal(check("foo\n", NULL), 1);
	assert_has(shown, "syntax error");
}

/* A file with a secret that everyone can read is refused, and the sentence says what to run. */
static void test_world_readable(void **state)
{
	char remedy[300];

	put("lab.key", "k-SECRET");
	chmod(at("lab.key"), 0644);
	snprintf(remedy, sizeof(remedy), "run chmod 600 %s", at("lab.key"));
	assert_int_equal(check(LAB "api_key = \"file:lab.key\"; }; };", NULL), 1);
	assert_has(shown, "everyone on this machine can read");
	assert_has(shown, remedy);
	assert_lacks(shown, "k-SECRET");
	chmod(at("lab.key"), 0640);
	assert_int_equal(check(LAB "api_key = \"file:lab.key\"; }; };", NULL), 0);
	chmod(at("lab.key"), 0600);
	assert_int_equal(check(LAB "api_key = \"file:lab.key\"; }; };", NULL), 0);
	assert_lacks(shown, "chmod");
	assert_has(shown, "(set, from file:lab.key)");
}

static const struct mode_case {
	const char *text;
	mode_t mode;
	bool refused;
} mode_cases[] = {
	{ LAB "api_key = \"lit-SECRET\"; }; };", 0644, true },
	{ LAB "api_key = \"lit-SECRET\"; }; };", 0604, true },
	{ LAB "api_key = \"lit-SECRET\"; }; };", 0640, false },
	{ LAB "api_key = \"lit-SECRET\"; }; };", 0600, false },
	{ LAB "api_keys = ( \"lit-SECRET\" ); }; };", 0644, true },
	{ LAB "api_key = \"env:LAB_KEY\"; headers = ( { name = \"X-Api-Token\"; value = "
	      "\"SECRET\"; } ); }; };", 0644, true },
	{ LAB "api_key = \"env:LAB_KEY\"; headers = ( { name = \"X-Team\"; value = \"blue\"; } ); "
	      "}; };", 0644, false },
	{ LAB "api_key = \"env:LAB_KEY\"; proxy = \"http://u:SECRET@p:1\"; }; };", 0644, true },
	/* No secret stands in it: everyone may read it, nobody else may write it. */
	{ LAB "api_key = \"env:LAB_KEY\"; }; };", 0644, false },
	{ LAB "api_key = \"env:LAB_KEY\"; }; };", 0646, true },
};

static void test_modes(void **state)
{
	struct config_load how = { .path = at("m.conf") };

	setenv("LAB_KEY", "env-SECRET", 1);
	for (size_t i = 0; i < sizeof(mode_cases) / sizeof(mode_cases[0]); i++) {
		const struct mode_case *m = &mode_cases[i];
		FILE *f = show_begin();
		int rc;

		put("m.conf", m->text);
		chmod(at("m.conf"), m->mode);
		rc = config_check(&how, NULL, NULL, f);
		fclose(f);
		if (rc != m->refused)
			print_error("case %zu: %s\n", i, shown);
		assert_int_equal(rc, m->refused);
		assert_lacks(shown, "SECRET");
		if (m->refused)
			assert_has(shown, "run chmod 600 ");
	}
	unsetenv("LAB_KEY");
}

/* Of a file that others could read the old settings stay in force. */
static void test_modes_of_includes(void **state)
{
	char text[600];

	put("part.conf", "backends = { lab = { dialect = \"anthropic\"; base_url = \"http://h\"; "
			 "api_key = \"lit-SECRET\"; }; };");
	snprintf(text, sizeof(text), "@include \"%s\"\n", at("part.conf"));
	chmod(at("part.conf"), 0644);
	assert_int_equal(check(text, NULL), 1);

	assert_has(shown, "run chmod 600");
	chmod(at("part.conf"), 0666);
	assert_int_equal(check(text, NULL), 1);
	assert_has(shown, "can write");
	chmod(at("part.conf"), 0600);
	assert_int_equal(check(text, NULL), 0);
}

static void test_print(void **state)
{
	struct config_load how = { .path = at("m.conf") };
	struct config *c;
	char *copy;
	FILE *f;

	setenv("OPENROUTER_API_KEY", "sk-or-SECRET", 1);
	put("m.conf", "backends = { OPENROUTER = { }; lab = { dialect = \"anthropic\"; base_url = "
		      "\"http://h\"; api_key = \"lit-SECRET\"; }; };"
		      "models = { map = ( { match = \"a\\\"b*\"; to = \"m\"; } ); };"
		      "access = { keys = ( { name = \"k\"; sha256 = \"" HASH_A "\"; }, { name = "
		      "\"l\\nl\"; sha256 = ( \"" HASH_A "\", \"" HASH_B "\" ); expires = "
		      "\"2027-01-31T01:00:00+01:00\"; models = ( \"a*\", \"b\" ); "
		      "requests_per_minute = 7; } ); };");
	f = show_begin();
	assert_int_equal(config_print(&how, f), 0);
	fclose(f);
	assert_lacks(shown, "SECRET");
	assert_lacks(shown, HASH_A);
	assert_lacks(shown, HASH_B);
	assert_has(shown, "#\t{ match = \"a\\\"b*\"; to = \"m\"; }\n");
	assert_has(shown, "#\t{ name = \"k\"; sha256 = \"9f86d081…\"; disabled = false; ");
	assert_has(shown, "#\t{ name = \"l\\x0al\"; sha256 = ( \"9f86d081…\", \"60303ae2…\" ); "
			  "expires = \"2027-01-31T00:00:00Z\"; disabled = false; models = ( "
			  "\"a*\", \"b\" ); requests_per_minute = 7; ");
	assert_has(shown, "api_key = \"(set, from env:OPENROUTER_API_KEY)\";");
	assert_has(shown, "# preset OPENROUTER");
	copy = strdup(shown);
	/* But for the secrets it is a config file again: what stands for them is not taken for a
	 * key. */
	c = load(copy);
	free(copy);
	assert_null(c);
	assert_has(buf_cstr(&err), "backends.lab.api_key must be the secret or where it is");
	assert_has(buf_cstr(&err), "backends.OPENROUTER.api_key must be");
	assert_int_equal(strchr(strchr(buf_cstr(&err), '\n') + 1, '\n')[1], '\0');
}

static void sleep_ms(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

/* The snapshot in force once a second has passed. */
static struct config *later(void)
{
	sleep_ms(1050);
	return config_current();
}

static void test_reload(void **state)
{
	static char path[256], log[256], text[8192];
	struct config_load how = { .path = path };
	struct config *first, *c;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s", at("m.conf"));
	snprintf(log, sizeof(log), "%s", at("log"));
	log_setup(LOG_LEVEL_INFO, log);
	put("more.conf", "limits = { requests = 11; };\n");
	put("keys", "");
	put("lab.key", "one\n");
	put("m.conf", LAB "api_key = \"file:lab.key\"; }; };\n@include \"more.conf\"\naccess = { "
			  "keys_file = \"keys\"; mode = \"keys\"; };");
	assert_int_equal(config_start(&how, &err), 0);
	first = config_current();
	assert_int_equal(first->requests, 11);
	assert_int_equal(first->generation, 1);
	c = later();
	assert_ptr_equal(c, first);
	config_unref(c);

	put("more.conf", "limits = { requests = 12; };\n");
	c = later();
	assert_int_equal(c->requests, 12);
	assert_int_equal(c->generation, 2);
	/* The old one lives as long as somebody holds it. */
	assert_int_equal(first->requests, 11);
	config_unref(first);
	config_unref(c);

	put("keys", "ann " HASH_A "\n");
	put("lab.key", "two\n");
	c = later();
	assert_int_equal(c->nkeys, 1);
	assert_string_equal(c->backend->api_key, "two");
	config_unref(c);

	put("more.conf", "limits = { requsts = 13; };\n");
	c = later();
	assert_int_equal(c->requests, 12);
	config_unref(c);
	config_unref(later());
	put("more.conf", "limits = { requests = 14; };\n");
	c = later();
	assert_int_equal(c->requests, 14);
	assert_int_equal(c->generation, 4);
	config_unref(c);
	unlink(at("more.conf"));
	c = later();
	assert_int_equal(c->requests, 14);
	config_unref(c);
	put("more.conf", "limits = { requests = 15; };\n");
	c = later();
	assert_int_equal(c->requests, 15);
	config_unref(c);
	log_setup(LOG_LEVEL_NONE, "none");

	f = fopen(log, "r");
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	assert_has(text, "more.conf:1: unknown setting");
	assert_has(text, "the old settings stay");
	assert_null(strstr(strstr(text, "limits.requsts") + 1, "limits.requsts"));
	assert_has(text, "generation 4");
	assert_lacks(text, "two");
}

static void *worker(void *arg)
{
	int64_t end = clock_ms() + 2500;
	int64_t *sum = arg;

	while (clock_ms() < end) {
		struct config *c = config_current();

		*sum += c->requests + (int64_t)strlen(c->backend->name);
		config_unref(c);
	}
	return NULL;
}

static void test_threads(void **state)
{
	static char path[256];
	struct config_load how = { .path = path };
	pthread_t t[4];
	int64_t sum[4] = { 0 };
	char text[512];
	int i;

	snprintf(path, sizeof(path), "%s", at("m.conf"));
	log_setup(LOG_LEVEL_NONE, "none");
	put("m.conf", LAB "}; };");
	assert_int_equal(config_start(&how, &err), 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, worker, &sum[i]), 0);
	for (i = 0; i < 6; i++) {
		snprintf(text, sizeof(text),
			 i % 3 == 2 ? "broken" : LAB "}; };\nlimits = { requests = %d; };",
			 100 + i);
		put("m.conf", text);
		sleep_ms(400);
	}
	for (i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	for (i = 0; i < 4; i++)
		assert_true(sum[i] > 0);
}

static void test_new_key(void **state)
{
	struct config *c;
	char key[80], hash[80], text[512], first[80];
	FILE *f = show_begin();

	assert_int_equal(config_new_key("laptop", f), 0);
	fclose(f);
	assert_int_equal(sscanf(strstr(shown, "sk-mf-"), "%79s", first), 1);
	assert_int_equal(strlen(first), 6 + 64);
	assert_int_equal(sscanf(strstr(shown, "\n    laptop ") + 12, "%79s", hash), 1);
	assert_int_equal(strlen(hash), 64);
	snprintf(text, sizeof(text), LAB "}; };\n%.*s", 200, strstr(shown, "access = {"));
	*strchr(strstr(text, "access = {"), '\n') = '\0';
	c = must(load(text));
	assert_string_equal(c->keys[0].sha256[0], hash);
	config_unref(c);
	f = show_begin();
	assert_int_equal(config_new_key("laptop", f), 0);
	fclose(f);
	assert_int_equal(sscanf(strstr(shown, "sk-mf-"), "%79s", key), 1);
	assert_string_not_equal(key, first);
	f = show_begin();
	assert_int_equal(config_new_key("a b", f), 2);
	assert_int_equal(config_new_key("", f), 2);
	fclose(f);
}

static void import(const char *text)
{
	FILE *f = show_begin();

	put("old.env", text);
	assert_int_equal(config_import_env(at("old.env"), f), 0);
	fclose(f);
}

static void test_import(void **state)
{
	struct config *c;

	import("# the old proxy\nexport PROXY_BACKEND=openrouter\nOPENROUTER_API_KEY=\"sk-SECRET\" "
	       "# key\n"
	       "OPENROUTER_APP_NAME='my \"app\"'\nMAX_TOKENS_LIMIT = "
	       "8192\nLOG_LEVEL=WARNING\nREQUEST_TIMEOUT=soon\nHOST=0.0.0.0\nPORT=8080\n"
	       "DEPLOYMENT=dapi-SECRET\nOTHER_THING=other-SECRET\nANTHROPIC_SMALL_FAST_MODEL="
	       "a/b#c # comment\nnot a line\n"
	       "ANTHROPIC_BASE_URL=http://localhost:1\nMESSAGES_MODEL=\n");
	assert_lacks(shown, "SECRET");
	assert_has(shown, "api_key = \"env:OPENROUTER_API_KEY\";");
	assert_has(shown, "file:/path/to/file");
	assert_has(shown, "HOST (line 8): the web server's");
	assert_has(shown, "PORT (line 9): the web server's");
	assert_has(shown, "DEPLOYMENT (line 10): not known");
	assert_has(shown, "OTHER_THING (line 11): not known");
	assert_has(shown, "ANTHROPIC_BASE_URL (line 14): the client's");
	assert_has(shown, "REQUEST_TIMEOUT (line 7) does not fit");
	setenv("OPENROUTER_API_KEY", "k", 1);
	c = must(load(shown));
	assert_string_equal(c->backend->name, "OPENROUTER");
	assert_string_equal(c->backend->headers[0].value, "my \"app\"");
	assert_int_equal(c->backend->max_tokens_max, 8192);
	assert_string_equal(c->model_small, "a/b#c");
	assert_string_equal(c->log_level, "warn");
	config_unref(c);

	import("OPENAI_API_KEY=x\nBIG_MODEL=gpt-big\nSMALL_MODEL=gpt-small\nTIMEOUT=120\n");
	assert_has(shown, "big = \"gpt-big\";  # BIG_MODEL");
	assert_has(shown, "small = \"gpt-small\";  # SMALL_MODEL");
	assert_has(shown, "timeout = 120;  # TIMEOUT");
	assert_lacks(shown, "Not taken over");

	import("PROXY_BACKEND=AZURE_DATABRICKS\nDATABRICKS_HOST=adb-1\nDATABRICKS_TOKEN=t\n"
	       "LITELLM_BASE_URL=http://h:4000\n");
	assert_has(shown, "proxy_backend = \"AZURE_DATABRICKS\";  # PROXY_BACKEND");
	assert_has(shown, "host = \"adb-1\";  # DATABRICKS_HOST");
	assert_has(shown, "api_key = \"env:DATABRICKS_TOKEN\";");
	assert_has(shown, "LITELLM_OPENROUTER = {");
	assert_has(shown, "base_url = \"http://h:4000\";  # LITELLM_BASE_URL");
	/* Values are shown on their line, whatever is in them. */
	import("PROXY_BACKEND=\"no\\n\\\"ne\\\\\"\nCLAUDE_CODE_X=1\nPYTHONPATH=/x\n"
	       "OPENROUTER_APP_NAME='a\\n'  # kept\nOPENROUTER_SITE_URL=#none\n1X=2\n");
	assert_has(shown, "# proxy_backend = \"no \\\"ne\\\\\";  # PROXY_BACKEND: not served");
	assert_has(shown, "CLAUDE_CODE_X (line 2): the client's");
	assert_has(shown, "PYTHONPATH (line 3): Python's");
	assert_lacks(shown, "1X");
	assert_int_equal(config_import_env("/nonexistent/.env", stdout), 1);
}

/* A value that fits, and "sEcReT" in all that may hold one. */
static void put_fitting(struct buf *b, const struct option *o)
{
	switch (o->type) {
	case TYPE_SECRET:
	case TYPE_HIDDEN:
		buf_puts(b, "sEcReT-of-its-own");
		break;
	case TYPE_PROXY:
		buf_puts(b, "http://me:sEcReT@127.0.0.1:3128");
		break;
	case TYPE_URL:
		buf_puts(b, "https://api.example.com/v1");
		break;
	case TYPE_PATH:
	case TYPE_CA:
		buf_puts(b, at("some.file"));
		break;
	case TYPE_LIST:
		buf_puts(b, "127.0.0.1");
		break;
	default:
		if (o->words)
			buf_puts(b, o->words[0]);
		else if (o->value)
			buf_puts(b, o->value);
		else if (o->most)
			buf_printf(b, "%lld", (long long)o->least);
		else
			buf_puts(b, "abc");
	}
}

/* NAME=value for each variable. */
static void put_vars(struct buf *b, const struct option *o, const char *vars)
{
	struct str rest = str_of(vars), one;

	while (str_split(&rest, ' ', &one)) {
		buf_printf(b, "%.*s='", STR_ARGS(one));
		put_fitting(b, o);
		buf_puts(b, "'\n");
	}
}

static void put_table_vars(struct buf *b, const struct option_table *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->rows[i].env && !strstr(t->rows[i].path, "_backend"))
			put_vars(b, &t->rows[i], t->rows[i].env);
}

/* The secrets are where the output says that they are. */
static void set_secrets(const struct preset *p)
{
	for (const struct preset_env *e = p->env; e->option; e++) {
		const struct option *o = option_find(&options_backend, e->option);
		struct str rest = str_of(e->vars), one;

		while (o->type == TYPE_SECRET && str_split(&rest, ' ', &one)) {
			char name[80];

			snprintf(name, sizeof(name), "%.*s", STR_ARGS(one));
			setenv(name, "sEcReT-of-its-own", 1);
		}
	}
}

/* A .env with every variable there is, for each backend: what comes out is a configuration, and
 * shows no secret. */
static void test_import_all(void **state)
{
	put("some.file", "");
	for (const struct preset *p = presets; p->name; p++) {
		struct buf vars;
		struct config *c;

		buf_init(&vars, 0);
		buf_printf(&vars, "PROXY_BACKEND=%s\n", p->name);
		put_table_vars(&vars, &options_global);
		put_table_vars(&vars, &options_backend);
		for (const struct preset_env *e = p->env; e->option; e++)
			put_vars(&vars, option_find(&options_backend, e->option), e->vars);
		import(buf_cstr(&vars));
		buf_release(&vars);
		assert_lacks(shown, "sEcReT");
		assert_lacks(shown, "(set");
		assert_lacks(shown, "Not taken over");
		set_secrets(p);
		c = must(load(shown));
		assert_string_equal(c->backend->name, p->name);
		config_unref(c);
		clearenv();
	}
}

/* Credentials are a group of their own, and what comes behind it is not in it. */
static void test_import_credentials(void **state)
{
	struct config *c;

	import("AWS_ACCESS_KEY_ID=AKIA1\nAWS_SECRET_ACCESS_KEY=SECRET1\nAWS_SESSION_TOKEN=SECRET2\n"
	       "AWS_REGION=eu-west-1\nMESSAGES_TIMEOUT=77\nMESSAGES_DOCTOR_WORD=SECRET3SECRET3\n"
	       "MESSAGES_PROXY=http://me:SECRET4@127.0.0.1:1\n");
	assert_lacks(shown, "SECRET1");
	assert_lacks(shown, "SECRET2");
	assert_lacks(shown, "SECRET3");
	assert_lacks(shown, "SECRET4");
	assert_has(shown, "client_secret = \"env:AWS_SECRET_ACCESS_KEY\";");
	assert_has(shown, "session = \"env:AWS_SESSION_TOKEN\";");
	assert_has(shown, "# word: not copied, give the web server's process MESSAGES_DOCTOR_WORD");
	assert_has(shown, "# proxy: not copied, give the web server's process MESSAGES_PROXY");
	setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
	setenv("AWS_SESSION_TOKEN", "t", 1);
	c = must(load(shown));
	assert_string_equal(c->backend->name, "BEDROCK");
	assert_string_equal(c->backend->credential.client_id, "AKIA1");
	assert_string_equal(c->backend->credential.client_secret, "s");
	assert_string_equal(c->backend->credential.session, "t");
	assert_string_equal(c->backend->region, "eu-west-1");
	assert_int_equal(c->backend->timeout, 77);
	config_unref(c);
}

static void test_options(void **state)
{
	static const char *const formats[] = { "text", "conf", "markdown", "man" };
	size_t f, i;

	for (f = 0; f < 4; f++) {
		FILE *out = show_begin();

		assert_int_equal(config_options(out, formats[f]), 0);
		fclose(out);
		for (i = 0; i < options_global.n; i++)
			if (options_global.rows[i].env) {
				char env[64];

				snprintf(env, sizeof(env), "%.*s",
					 (int)strcspn(options_global.rows[i].env, " "),
					 options_global.rows[i].env);
				assert_has(shown, env);
			}
		for (i = 0; i < options_backend.n; i++) {
			const char *path = options_backend.rows[i].path, *dot = strchr(path, '.');

			assert_has(shown, dot && f == 1 ? dot + 1 : path);
		}
	}
	assert_int_equal(config_options(stdout, "pdf"), 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_file),	TEST(test_example),    TEST(test_memory_and_body),
		TEST(test_types),	TEST(test_errors),     TEST(test_all_errors),
		TEST(test_times),	TEST(test_left_out),   TEST(test_current_folder),
		TEST(test_missing_files),
		TEST(test_include),	TEST(test_includes_that_are_no_files), TEST(test_env_wins),   TEST(test_client_variables),
		TEST(test_table),	TEST(test_urls),       TEST(test_presets),
		TEST(test_passthrough), TEST(test_keys_file),  TEST(test_key_limits),
		TEST(test_docroot),	TEST(test_search),     TEST(test_check),
		TEST(test_world_readable), TEST(test_modes),   TEST(test_modes_of_includes),
		TEST(test_print),	TEST(test_reload),     TEST(test_threads),
		TEST(test_new_key),	TEST(test_import),     TEST(test_import_all),
		TEST(test_import_credentials), TEST(test_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
