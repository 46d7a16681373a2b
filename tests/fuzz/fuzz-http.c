/*
 * What a web server says of a request: paths, prefixes, query strings, headers, and who may. An
 * input is parameters, "NAME=value" a line, for each access mode in turn.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access/access.h"
#include "base/log.h"
#include "checker.h"

#define PARAMS 64
/* SHA-256 of "sk-fuzz". */
#define KEY_HASH "aa49f5bd7d6edbcbc9ec60fc22914ab89cc8500d8f7df46dd7703fd1f4d0cfec"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static const char *const modes[] = {
	"mode = \"keys\"; keys = ( { name = \"k\"; sha256 = \"" KEY_HASH "\"; } );",
	"mode = \"local\"; hosts = ( \"lab.example\" ); origins = ( \"http://ok.example\" );",
	"mode = \"passthrough\";",
	"mode = \"open\"; origins = ( \"*\" );",
};
#define MODES (sizeof(modes) / sizeof(modes[0]))
static struct config *configs[MODES];

static struct config *load(const char *access)
{
	char path[] = "/tmp/fuzz-http.XXXXXX";
	struct config_load how = { .path = path };
	struct config *c;
	struct buf err;
	int fd = mkstemp(path);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	require(f);
	fprintf(f, "proxy_backend = \"lab\"; access = { %s "
		"trusted_proxies = ( \"127.0.0.1\", \"10.0.0.0/8\", \"fd00::/8\" ); };\n"
		"backends = { lab = { dialect = \"openai-chat\"; base_url = \"http://x.test\"; "
		"api_key = \"s\"; }; };\n", access);
	require(fclose(f) == 0);
	buf_init(&err, 0);
	c = config_load(&how, &err);
	if (!c)
		fprintf(stderr, "%s\n", buf_cstr(&err));
	buf_release(&err);
	unlink(path);
	return c;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	log_setup(LOG_LEVEL_NONE, "none");
	for (size_t i = 0; i < MODES; i++) {
		configs[i] = load(modes[i]);
		require(configs[i]);
	}
	return 0;
}

static void check_request(struct http_request *r, struct arena *a)
{
	static const char *const names[] = { "limit", "beta", "after_id", "" };

	require(r->path && r->path[0] == '/' && r->method && r->query && r->prefix);
	require(r->content_length >= -1);
	require(str_starts(str_of(r->id), "req_"));
	for (const char *p = r->correlation_id; p && *p; p++)
		require((unsigned char)*p > ' ' && (unsigned char)*p < 127);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		http_query(r, a, names[i]);
	http_header(r, "anthropic-beta");
	http_header(r, "authorization");
}

static void run(const struct config *c, const char *const *params)
{
	struct memory_front *m = memory_front_new(params, STR(""), 0);
	struct access_result who = { .key_name = NULL };
	struct fault f = FAULT_INIT;
	struct http_request r;
	struct arena a;

	require(m);
	arena_init(&a, 0);
	http_request_init(&r, memory_front(m), &a);
	check_request(&r, &a);
	if (access_check(c, &r, NEED_KEY, &who, &f))
		require(f.status >= 400 && f.message[0] && str_utf8(str_of(f.message)));
	else
		require(c->access_mode != ACCESS_KEYS || who.key_name);
	access_preflight(c, &r);
	arena_release(&a);
	memory_front_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = { (const char *)data, size }, line;
	const char *params[PARAMS + 1];
	struct arena a;
	size_t n = 0;

	arena_init(&a, 0);
	while (n < PARAMS && str_split(&rest, '\n', &line))
		if (line.n && memchr(line.p, '=', line.n))
			params[n++] = arena_str(&a, line).p;
	params[n] = NULL;
	for (size_t i = 0; i < MODES; i++)
		run(configs[i], params);
	arena_release(&a);
	return 0;
}
