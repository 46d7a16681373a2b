/*
 * The whole way: a request as a web server hands it over and the answers of its backends, through
 * the memory front, access, router, encoder, decoder, filters and writer; libcurl alone is not
 * there (world.h). Whatever comes, the client gets one answer of the API: an error object, a legal
 * stream, or a message that is JSON, behind a head that nobody could add a line to.
 *
 * An input is readable: DIALS characters, then parameters "NAME=value" to an empty line, the body,
 * and the answers (labs.h). Parameters that it does not name are those of a call that is allowed.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../unit/sse_grammar.h"
#include "api/api.h"
#include "base/log.h"
#include "checker.h"
#include "echo.h"
#include "json/scan.h"
#include "labs.h"
#include "state/host.h"
#include "upstream/credential.h"
#include "world.h"

#define PARAMS 32               /* of an input; ours follow */
/* SHA-256 of "sk-fuzz", which the default parameters present. */
#define KEY_HASH "aa49f5bd7d6edbcbc9ec60fc22914ab89cc8500d8f7df46dd7703fd1f4d0cfec"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* ---- the gateway ---- */

static void write_config(FILE *f)
{
	fputs("proxy_backend = \"lab0\";\n"
	      "access = { mode = \"keys\"; origins = ( \"http://ok.example\" );\n"
	      "  keys = ( { name = \"k\"; group = \"g\"; sha256 = \"" KEY_HASH "\";\n"
	      "    endpoints = ( \"messages\", \"count_tokens\", \"models\", \"health\", "
	      "\"debug\" ); } );\n"
	      "  trusted_proxies = ( \"127.0.0.1\" ); };\n"
	      "models = { big = \"m-big\"; small = \"m-small\"; };\n"
	      "targets = { chain = ( \"lab0/one\", \"lab10/two\", \"lab2/claude-x\" ); };\n"
	      "routes = ( { name = \"first\"; when = { model = \"first*\"; }; to = \"chain\"; },\n"
	      "  { when = { thinking = true; path = \"chain\"; }; to = ( \"lab3/g\", \"lab11\" ); } );\n"
	      "backends = {\n", f);
	for (size_t i = 0; i < LABS; i++) {
		const char *of = lab_table[i].of;

		fprintf(f, "lab%zu = { %s = \"%s\"; base_url = \"http://upstream.test/v1\"; "
			"api_key = \"secret\"; auth = \"bearer\"; timeout = 60; "
			"idle_timeout = 20; %s };\n",
			i, isupper((unsigned char)*of) ? "preset" : "dialect", of,
			lab_table[i].settings);
	}
	fputs("};\n", f);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char path[] = "/tmp/fuzz-path.XXXXXX"; /* looked for again when time has passed */
	struct config_load load = { .path = path };
	struct buf err;
	int fd = mkstemp(path);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	require(f);
	write_config(f);
	require(fclose(f) == 0);
	buf_init(&err, 0);
	world_set(&(struct world){ .answers = STR("") });
	log_setup(LOG_LEVEL_NONE, "none");
	if (config_start(&load, &err)) {
		fprintf(stderr, "%s\n", buf_cstr(&err));
		exit(1);
	}
	buf_release(&err);
	unlink(path);
	credential_setup(NULL);
	return 0;
}

/* ---- what comes out ---- */

static struct str header_of(struct str head, const char *name)
{
	struct str line, key;

	while (str_split(&head, '\n', &line))
		if (str_split(&line, ':', &key) && str_is_nocase(key, name))
			return str_trim(line);
	return STR_NONE;
}

/* Each line is "Name: value" in visible characters, and ends in CR LF. */
static void check_head(struct str head)
{
	struct str line, name;

	while (str_split(&head, '\n', &line)) {
		require(line.n && line.p[line.n - 1] == '\r');
		line.n--;
		for (size_t i = 0; i < line.n; i++)
			require((unsigned char)line.p[i] >= ' ' && line.p[i] != 127);
		require(str_split(&line, ':', &name) && name.n && !memchr(name.p, ' ', name.n));
	}
}

static void check_error(struct span body)
{
	require(span_is(json_get(body, "type"), "error"));
	require(span_is_string(json_path(body, "error", "type", NULL)));
	require(span_is_string(json_path(body, "error", "message", NULL)));
}

static void check_message(struct span body)
{
	struct span type = json_get(body, "type");

	if (!span_is(type, "message"))
		return;         /* of another endpoint */
	require(span_is_string(json_get(body, "id")) && span_is_array(json_get(body, "content")));
	require(span_is_string(json_get(body, "stop_reason")));
	require(span_given(json_path(body, "usage", "output_tokens", NULL)));
}

/* Did the answer come from a backend that speaks the client's own protocol? */
static bool is_echo(struct str head)
{
	struct str name = header_of(head, "x-messages-backend");
	struct config *c = config_current();
	const struct backend *b = NULL;
	bool yes;

	for (size_t i = 0; i < c->nbackends; i++)
		if (str_is(name, c->backends[i].name))
			b = &c->backends[i];
	yes = b && (strstr(b->dialect, "anthropic") || !strcmp(b->dialect, "bedrock"));
	config_unref(c);
	return yes;
}

static void check_stream(struct str head, struct str body)
{
	const char *problem = sse_grammar_check(body, SSE_END_COMPLETE);

	if (problem)
		problem = sse_grammar_check(body, SSE_END_ERROR);
	if (problem && is_echo(head))
		problem = echo_check(body);
	if (!problem)
		return;
	fprintf(stderr, "%s:\n%.*s\n", problem, STR_ARGS(body));
	abort();
}

static void check_body(struct str head, struct str body)
{
	struct str type = header_of(head, "Content-Type"), status = header_of(head, "Status");

	require(str_utf8(body));
	if (str_starts(type, "text/event-stream")) {
		check_stream(head, body);
		return;
	}
	if (!body.n || !str_starts(type, "application/json"))
		return;
	require(json_check(body, NULL, NULL) == 0);
	if (status.n && (status.p[0] == '4' || status.p[0] == '5'))
		check_error(span_json(body));
	else if (!is_echo(head))
		check_message(span_json(body));
}

static void check_output(struct str out)
{
	const char *gap = str_find(out, "\r\n\r\n");
	struct str head;

	require(gap && str_starts(out, "Status: "));
	head = (struct str){ out.p, (size_t)(gap + 1 - out.p) };
	check_head(head);
	require(header_of(head, "request-id").n);
	check_body(head, (struct str){ gap + 4, out.n - head.n - 3 });
}

/* ---- what goes in ---- */

struct input {
	struct str params, body;
	uint8_t lab, cut, pause, end, chunk, leave;
	struct world world;
	const char *list[PARAMS + 16];
	size_t n;
};

static struct str take_section(struct str *rest, const char *mark)
{
	struct str part = *rest;
	const char *end = str_find(*rest, mark);

	if (!end) {
		*rest = STR("");
		return part;
	}
	part.n = (size_t)(end - part.p);
	rest->n -= part.n + strlen(mark);
	rest->p = end + strlen(mark);
	return part;
}

static void read_dials(struct input *in, const uint8_t *data)
{
	static const int64_t pauses[] = { 0, 1, 50, 1000, 6000, 19000, 26000, 70000 };
	static const size_t pieces[] = { 0, 1, 2, 7, 40, 300 };

	in->lab = (uint8_t)(data[0] - '0') % LABS;
	in->cut = (uint8_t)(data[1] - '0');
	in->chunk = (uint8_t)(data[4] - '0');
	in->leave = (uint8_t)(data[5] - '0');
	in->world.piece = pieces[in->cut % 6];
	in->world.frames = in->cut / 6 % 3;
	in->world.pause_ms = pauses[(uint8_t)(data[2] - '0') % 8];
	in->world.end = (enum world_end)((uint8_t)(data[3] - '0') % WORLD_ENDS);
}

/* Ours stand behind the input's: the first of a name counts. */
static void list_params(struct input *in, struct arena *a)
{
	struct str rest = in->params, line;

	while (in->n < PARAMS && str_split(&rest, '\n', &line))
		if (memchr(line.p, '=', line.n))
			in->list[in->n++] = arena_str(a, line).p;
	in->list[in->n++] = arena_printf(a, "REQUEST_URI=/b/lab%u/v1/messages?beta=true",
					 in->lab);
	in->list[in->n++] = arena_printf(a, "CONTENT_LENGTH=%zu", in->body.n);
	in->list[in->n++] = "REQUEST_METHOD=POST";
	in->list[in->n++] = "SCRIPT_NAME=";
	in->list[in->n++] = "QUERY_STRING=beta=true";
	in->list[in->n++] = "REMOTE_ADDR=127.0.0.1";
	in->list[in->n++] = "SERVER_ADDR=127.0.0.1";
	in->list[in->n++] = "HTTP_HOST=localhost";
	in->list[in->n++] = "CONTENT_TYPE=application/json";
	in->list[in->n++] = "HTTP_X_API_KEY=sk-fuzz";
	in->list[in->n] = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .n = 0 };
	struct str rest = { (const char *)data + DIALS, size - DIALS };
	struct memory_front *m;
	struct arena a;

	if (size <= DIALS)
		return 0;
	read_dials(&in, data);
	in.params = take_section(&rest, "\n\n");
	in.body = take_section(&rest, SECTION);
	in.world.answers = rest;
	arena_init(&a, 0);
	list_params(&in, &a);
	world_set(&in.world);
	require(host_open(NULL) == 0);
	m = memory_front_new(in.list, in.body, in.chunk);
	require(m && !a.failed);
	if (in.leave)
		memory_front_fail_after(m, in.leave * 64u);
	api_handle(NULL, memory_front(m), false);
	if (!in.leave)
		check_output(memory_front_output(m));
	memory_front_free(m);
	host_close();
	arena_release(&a);
	return 0;
}
