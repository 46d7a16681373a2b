/*
 * `messages.fcgi env`: the line that starts Claude Code against a gateway, made from the
 * configuration and from what the backend says of its model, with warnings of what would override
 * them or could not work.
 */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "json/scan.h"

#define DEFAULT_URL "http://127.0.0.1:4000"
#define LIST_SECONDS 5
#define OUTPUT_DEFAULT 32000    /* what Claude Code asks for with a model it doesn't know */
/* What Claude Code (2.1.330, as measured) keeps free: for the answer, at most so much, and a margin. It
 * compacts beyond the rest, of which its system prompt and tools take FIRST_TURN_TOKENS. */
#define ANSWER_MOST 20000
#define MARGIN_TOKENS 13000
#define FIRST_TURN_TOKENS 11000
/* Sizes that CLAUDE_CODE_AUTO_COMPACT_WINDOW may have to do anything: below the least it is taken for
 * the least, and no name stands for a window above the most. */
#define COMPACT_LEAST 100000
#define COMPACT_MOST 1000000
#define SETTINGS_MAX (1u << 20)

struct limits {
	int64_t context, output; /* tokens, 0 not known */
};

struct lookup {
	const char *model;
	struct limits found;
};

static void note_model(void *ctx, const struct model_info *m)
{
	struct lookup *l = ctx;

	if (strcmp(m->id, l->model) == 0)
		l->found = (struct limits){ m->context_tokens, m->max_output_tokens };
}

/* The backend's own word first, then the configuration's; an output that leaves no room for input
 * is cut to a quarter. */
static struct limits limits_of(const struct target *t, struct arena *a)
{
	struct lookup l = { .model = t->model };
	struct fault f = FAULT_INIT;

	if (t->backend->path_models &&
	    run_models(t->backend, NULL, false, a, LIST_SECONDS, NULL, note_model, &l, &f))
		fprintf(stderr, "messages.fcgi: the backend gave no list of models: %s\n",
			f.message);
	if (!l.found.context)
		l.found.context = t->backend->context_tokens;
	if (!l.found.output)
		l.found.output = t->backend->max_tokens_max;
	if (l.found.context && !l.found.output)
		l.found.output = OUTPUT_DEFAULT;
	if (l.found.context && l.found.output > l.found.context / 4)
		l.found.output = l.found.context / 4;
	return l.found;
}

/* 'text' for a shell. */
static void put_quoted(struct buf *b, const char *text)
{
	buf_putc(b, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			buf_puts(b, "'\\''");
		else
			buf_putc(b, *text);
	}
	buf_putc(b, '\'');
}

static void put_var(struct buf *b, const char *name, const char *value)
{
	buf_printf(b, "%s=", name);
	put_quoted(b, value);
	buf_putc(b, ' ');
}

static const char *token_of(const struct config *c)
{
	switch (c->access_mode) {
	case ACCESS_KEYS:
		return "KEY-FROM-new-key";
	case ACCESS_PASSTHROUGH:
		return "YOUR-KEY-AT-THE-BACKEND";
	default:
		return "local";
	}
}

static bool loopback_url(const char *url)
{
	static const char *const local[] = { "://127.", "://localhost", "://[::1]" };

	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
		if (strstr(url, local[i]))
			return true;
	return false;
}

/* The first holds for names that Claude Code doesn't know, the second for those that it does: Claude's
 * through another provider, and aliases as sub-agents have them. */
static void put_limits(struct buf *b, const struct limits *l)
{
	if (l->context)
		buf_printf(b, "CLAUDE_CODE_MAX_CONTEXT_TOKENS=%lld ", (long long)l->context);
	if (l->context >= COMPACT_LEAST && l->context < COMPACT_MOST)
		buf_printf(b, "CLAUDE_CODE_AUTO_COMPACT_WINDOW=%lld ", (long long)l->context);
	if (l->output)
		buf_printf(b, "CLAUDE_CODE_MAX_OUTPUT_TOKENS=%lld ", (long long)l->output);
}

static void put_claude(struct buf *b, const struct config *c, const struct backend *backend,
		       const char *url, const struct limits *l)
{
	put_var(b, "ANTHROPIC_BASE_URL", url);
	put_var(b, "ANTHROPIC_AUTH_TOKEN", token_of(c));
	if (!backend->anthropic_host && c->model_big)
		put_var(b, "ANTHROPIC_MODEL", c->model_big);
	if (!backend->anthropic_host && c->model_small)
		put_var(b, "ANTHROPIC_DEFAULT_HAIKU_MODEL", c->model_small);
	if (loopback_url(url))
		buf_puts(b, "NO_PROXY=\"127.0.0.1,localhost${NO_PROXY:+,$NO_PROXY}\" ");
	put_limits(b, l);
	buf_puts(b, "claude\n");
}

/* ---- warnings ---- */

static const char *const ours[] = {
	"ANTHROPIC_BASE_URL",
	"ANTHROPIC_AUTH_TOKEN",
	"ANTHROPIC_API_KEY",
	"ANTHROPIC_MODEL",
	"ANTHROPIC_DEFAULT_HAIKU_MODEL",
	"CLAUDE_CODE_MAX_CONTEXT_TOKENS",
	"CLAUDE_CODE_AUTO_COMPACT_WINDOW",
	"CLAUDE_CODE_MAX_OUTPUT_TOKENS",
	"CLAUDE_CODE_USE_BEDROCK",
	"CLAUDE_CODE_USE_VERTEX",
	"CLAUDE_CODE_USE_FOUNDRY",
	"CLAUDE_CODE_USE_MANTLE",
	"CLAUDE_CODE_USE_GATEWAY",
	"CLAUDE_CODE_USE_ANTHROPIC_AWS",
	"CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD",
};

static int read_file(const char *path, struct buf *b)
{
	FILE *f = fopen(path, "rb");
	char part[4096];
	size_t n;

	if (!f)
		return -1;
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_put(b, part, n);
	fclose(f);
	return b->failed ? -1 : 0;
}

/* The `env` of a client's settings file wins over what a shell exports. */
static void warn_file(const char *path)
{
	struct buf b;
	struct span env;

	buf_init(&b, SETTINGS_MAX);
	if (read_file(path, &b) == 0 && json_check(buf_str(&b), NULL, NULL) == 0) {
		env = json_get(span_json(str_trim(buf_str(&b))), "env");
		for (size_t i = 0; span_is_object(env) && i < sizeof(ours) / sizeof(ours[0]); i++)
			if (span_given(json_get(env, ours[i])))
				fprintf(stderr,
					"messages.fcgi: warning: %s sets %s, and that wins over "
					"the line above\n",
					path, ours[i]);
	}
	buf_release(&b);
}

static void warn_settings(struct arena *a)
{
	const char *home = getenv("HOME"), *dir = getenv("CLAUDE_CONFIG_DIR");
	const char *files[] = {
		dir    ? arena_printf(a, "%s/settings.json", dir)
		: home ? arena_printf(a, "%s/.claude/settings.json", home)
		       : NULL,
		".claude/settings.json",
		".claude/settings.local.json",
		"/etc/claude-code/managed-settings.json",
		"/Library/Application Support/ClaudeCode/managed-settings.json",
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (files[i])
			warn_file(files[i]);
}

/* Room for a first turn twice over is the least to work in. */
static void warn_window(const struct target *t, const struct limits *l)
{
	int64_t answer = l->output < ANSWER_MOST ? l->output : ANSWER_MOST;
	int64_t room = l->context - answer - MARGIN_TOKENS;

	if (l->context && room < 2 * FIRST_TURN_TOKENS)
		fprintf(stderr,
			"messages.fcgi: warning: %s has a window of %lld tokens; Claude Code keeps "
			"%lld of them free and fills about %d in its first turn, so that it must "
			"compact all the time. Give the backend's server a larger one.\n",
			t->model, (long long)l->context, (long long)(answer + MARGIN_TOKENS),
			FIRST_TURN_TOKENS);
}

static int print_lines(const struct config *c, const char *url, FILE *out, struct arena *a)
{
	struct limits l = { 0, 0 };
	struct fault f = FAULT_INIT;
	struct target t;
	struct buf b;
	int rc;

	if (route_select(c, "big", a, &t, &f)) {
		fprintf(stderr, "messages.fcgi: %s\n", f.message);
		return EXIT_FAILURE;
	}
	if (!t.backend->anthropic_host)
		l = limits_of(&t, a);
	buf_init(&b, 65536);
	put_claude(&b, c, t.backend, url, &l);
	fwrite(b.p, 1, b.n, out);
	fflush(out);
	rc = b.failed ? EXIT_FAILURE : EXIT_SUCCESS;
	buf_release(&b);
	warn_window(&t, &l);
	warn_settings(a);
	return rc;
}

int api_env(const struct config_load *load, const char *url, FILE *out)
{
	struct config *c;
	struct arena arena;
	struct buf err;
	int rc = EXIT_FAILURE;

	buf_init(&err, 65536);
	c = config_load(load, &err);
	if (!c)
		fprintf(stderr, "messages.fcgi: %s\n", buf_cstr(&err));
	buf_release(&err);
	if (!c)
		return EXIT_FAILURE;
	arena_init(&arena, 0);
	if (upstream_setup() == 0) {
		rc = print_lines(c, url ? url : DEFAULT_URL, out, &arena);
		upstream_cleanup();
	}
	arena_release(&arena);
	config_unref(c);
	return rc;
}
