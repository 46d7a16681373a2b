/*
 * import-env: a config file from the .env of an earlier system. What a variable sets is found in
 * the same tables that the loader reads; secrets stay where they are and are only referred to, so
 * the output can be shown to anyone.
 */
#include "config/emit.h"
#include "config/snapshot.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "config/secret.h"

#define ENV_FILE_MAX (1024 * 1024)

struct var {
	const char *name, *value;
	int line;
	bool used;
};

struct import {
	struct loader l;
	struct report report;
	struct arena arena;
	struct watch watch;
	struct emit e;
	struct var *v;
	size_t n, cap;
	const struct preset *preset;    /* the backend in use; NULL when none of ours */
	bool explained;                 /* how a secret is given */
};

/* Names that such files have for options, but that are too common to be read from the environment of
 * a running gateway. */
static const struct { const char *option, *vars; } other_vars[] = {
	{ "models.big", "BIG_MODEL OPENROUTER_MODEL OPENAI_MODEL DEFAULT_MODEL MODEL" },
	{ "models.small", "SMALL_MODEL" },
	{ "log.dest", "LOG_FILE" },
	{ "log.dir", "LOG_DIR" },
	{ "log.retention_days", "LOG_RETENTION_DAYS" },
	{ "environment", "ENVIRONMENT" },
	{ "stream.ping_interval", "PING_INTERVAL" },
	{ "timeout", "TIMEOUT OPENROUTER_TIMEOUT" },
	{ "retries", "RETRIES NUM_RETRIES" },
	{ "max_tokens_max", "MAX_TOKENS MAX_OUTPUT_TOKENS" },
};

/* Variables that have no counterpart, with the reason. */
static const struct { const char *match, *why; } known_vars[] = {
	{ "HOST", "the web server's address: its own configuration says where it listens" },
	{ "PORT", "the web server's port: its own configuration says where it listens" },
	{ "SERVER_HOST", "the web server's address" },
	{ "SERVER_PORT", "the web server's port" },
	{ "WORKERS", "limits.workers is made for threads, not for processes: its default fits" },
	{ "RELOAD", "a changed configuration is always picked up" },
	{ "DEBUG", "log.level = \"debug\" says more" },
	{ "ANTHROPIC_BASE_URL", "the client's: it holds this gateway's own address" },
	{ "ANTHROPIC_AUTH_TOKEN", "the client's: it holds a key of this gateway (access.keys)" },
	{ "CLAUDE_CODE_*", "the client's" },
	{ "DISABLE_*", "the client's" },
	{ "HTTP_PROXY", "https_proxy, all_proxy and no_proxy are honoured in the environment" },
	{ "*_PROXY", "https_proxy, all_proxy and no_proxy are honoured in the environment" },
	{ "PYTHON*", "Python's" },
	{ "UVICORN_*", "the earlier server's" },
	{ "CORS_*", "access.origins lists web origins one by one" },
};

static bool var_name(struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '_')
			return false;
	return s.n && !isdigit((unsigned char)s.p[0]);
}

/* The value behind '=': in single quotes as it stands, in double quotes with \n, \" and \\, bare up
 * to a comment. */
static const char *var_value(struct arena *a, struct str s)
{
	char *out = arena_alloc(a, s.n + 1), quote;
	size_t i, n = 0;

	s = str_trim(s);
	if (!out)
		return NULL;
	if (!s.n)
		return out;
	quote = s.p[0] == '"' || s.p[0] == '\'' ? s.p[0] : '\0';
	for (i = quote ? 1 : 0; i < s.n; i++) {
		if (quote && s.p[i] == quote)
			return out;
		if (!quote && s.p[i] == '#' && (i == 0 || s.p[i - 1] == ' ' || s.p[i - 1] == '\t'))
			break;
		if (quote == '"' && s.p[i] == '\\' && i + 1 < s.n) {
			i++;
			out[n++] = s.p[i] == 'n' ? '\n' : s.p[i];
		} else {
			out[n++] = s.p[i];
		}
	}
	while (!quote && n && (out[n - 1] == ' ' || out[n - 1] == '\t'))
		out[--n] = '\0';
	return out;
}

static void read_line(struct import *im, struct str line, int number)
{
	struct str name;
	struct var *v;
	const char *eq;

	line = str_trim(line);
	if (str_starts(line, "export "))
		line = str_trim((struct str){ line.p + 7, line.n - 7 });
	eq = str_chr(line, '=');
	if (!eq || *line.p == '#')
		return;
	name = str_trim((struct str){ line.p, (size_t)(eq - line.p) });
	v = var_name(name) ? arena_grow(&im->arena, im->v, im->n, &im->cap, sizeof(*v)) : NULL;
	if (!v)
		return;
	im->v = v;
	im->v[im->n].name = arena_dup(&im->arena, name.p, name.n);
	im->v[im->n].value =
		var_value(&im->arena, (struct str){ eq + 1, line.n - (size_t)(eq + 1 - line.p) });
	im->v[im->n].line = number;
	im->v[im->n].used = false;
	if (im->v[im->n].name && im->v[im->n].value)
		im->n++;
}

static bool read_vars(struct import *im, const char *file)
{
	bool in = !strcmp(file, "-");
	size_t size;
	char *text = path_read(&im->l, in ? "/dev/stdin" : file, ENV_FILE_MAX, &size);
	struct str rest, line;
	int number = 0;

	if (!text)
		return false;
	rest = (struct str){ text, size };
	while (str_split(&rest, '\n', &line))
		read_line(im, line, ++number);
	return true;
}

/* The first of `names` that the file sets; the last line of a name wins, as in a shell. All of them
 * count as used. */
static struct var *take(struct import *im, const char *names)
{
	struct str rest = str_of(names), one;
	struct var *found = NULL;
	size_t i;

	while (str_split(&rest, ' ', &one)) {
		struct var *last = NULL;

		for (i = 0; i < im->n; i++)
			if (str_is(one, im->v[i].name)) {
				im->v[i].used = true;
				last = *im->v[i].value ? &im->v[i] : NULL;
			}
		found = found ? found : last;
	}
	return found;
}

/* The file's value for an option: its own variables first, then the other names. */
static struct var *take_option(struct import *im, const struct option *o)
{
	struct var *v = o->env ? take(im, o->env) : NULL, *other;
	size_t i;

	for (i = 0; i < sizeof(other_vars) / sizeof(other_vars[0]); i++)
		if (!strcmp(other_vars[i].option, o->path)) {
			other = take(im, other_vars[i].vars);
			v = v ? v : other;
		}
	return v;
}

static void put_secret(struct import *im, const struct option *o, const struct var *v)
{
	const char *name = emit_path(&im->e, o->path);

	if (!im->explained)
		emit_comment(&im->e, "Secrets are not copied: give the web server's process their "
				     "variables, or put each into a file that only its user can "
				     "read (chmod 600) and name it: \"file:/path/to/file\".");
	im->explained = true;
	emit_line(&im->e, "%s = \"env:%s\";", name, v->name);
}

/* Of a secret word and a proxy's password --print-config's form shows that they are there, no more;
 * both have variables that the gateway reads itself. */
static bool holds_secret(const struct option *o, const struct var *v)
{
	return o->type == TYPE_HIDDEN || (o->type == TYPE_PROXY && strchr(v->value, '@'));
}

/* One option with its value in the form that a config file has; a value that is refused becomes a
 * comment. */
static void put_option(struct import *im, const struct option *o, const struct var *v,
		       void *scratch)
{
	struct value value = { .text = v->value, .from = { .kind = ORIGIN_ENV, .where = v->name } };
	const char *name;
	struct buf shown;

	if (o->type == TYPE_SECRET) {
		put_secret(im, o, v);
		return;
	}
	name = emit_path(&im->e, o->path);
	buf_init(&shown, 8192);
	buf_reset(&im->report.errors);
	im->l.prefix = "";
	if (!option_put(&im->l, o, scratch, &value)) {
		emit_line(&im->e, "# %s (line %d) does not fit %s (%s)", v->name, v->line, o->path,
			  option_type_name(o));
	} else if (holds_secret(o, v)) {
		emit_line(&im->e, "# %s: not copied, give the web server's process %s", name,
			  v->name);
	} else {
		option_show(&shown, o, scratch, NULL);
		emit_line(&im->e, "%s = %s;  # %s", name, buf_cstr(&shown), v->name);
	}
	buf_release(&shown);
}

static void put_globals(struct import *im)
{
	struct config scratch = { .source = NULL };
	size_t i;

	for (i = 0; i < options_global.n; i++) {
		const struct option *o = &options_global.rows[i];
		struct var *v = strcmp(o->path, "proxy_backend") ? take_option(im, o) : NULL;

		if (v)
			put_option(im, o, v, &scratch);
	}
	emit_path_end(&im->e);
}

static void put_quoted(struct import *im, const char *format, const char *text, const char *name)
{
	struct buf b;
	const char *p;

	buf_init(&b, 8192);
	for (p = text; *p; p++) {
		if (*p == '"' || *p == '\\')
			buf_putc(&b, '\\');
		buf_putc(&b, (unsigned char)*p < 0x20 ? ' ' : *p);
	}
	emit_line(&im->e, format, buf_cstr(&b), name);
	buf_release(&b);
}

static void put_headers(struct import *im, const struct preset *p)
{
	const struct preset_env *env;
	bool open = false;

	for (env = p->env; env->option; env++) {
		struct var *v = strcmp(env->option, "headers") ? NULL : take(im, env->vars);
		char row[160];

		if (!v)
			continue;
		snprintf(row, sizeof(row), "\t%s{ name = \"%.*s\"; value = \"%%s\"; }  # %%s",
			 open ? ", " : "  ", (int)strcspn(env->before, ":"), env->before);
		if (!open)
			emit_line(&im->e, "headers = (");
		put_quoted(im, row, v->value, v->name);
		open = true;
	}
	if (open)
		emit_line(&im->e, ");");
}

/* A preset's own variables, and for the backend in use those that are for all backends. */
static void put_backend(struct import *im, const struct preset *p, bool general)
{
	struct backend scratch = { .name = p->name };
	const struct preset_env *env;
	size_t i;

	emit_open(&im->e, p->name);
	for (env = p->env; env->option; env++) {
		struct var *v = strcmp(env->option, "headers") ? take(im, env->vars) : NULL;

		if (v)
			put_option(im, option_find(&options_backend, env->option), v, &scratch);
	}
	emit_path_end(&im->e);
	put_headers(im, p);
	for (i = 0; general && i < options_backend.n; i++) {
		const struct option *o = &options_backend.rows[i];
		struct var *v = take_option(im, o);

		if (v)
			put_option(im, o, v, &scratch);
	}
	emit_close(&im->e);
}

static bool preset_in_file(struct import *im, const struct preset *p)
{
	const struct preset_env *env;

	for (env = p->env; env->option; env++)
		if (strcmp(env->option, "headers") && take(im, env->vars))
			return true;
	return false;
}

/* The backend in use: named, else the first whose key is there. A name that this version does not
 * serve is said so. */
static void put_choice(struct import *im)
{
	struct var *v = take(im, "PROXY_BACKEND");
	const struct preset *p;

	im->preset = v ? preset_find(v->value) : NULL;
	if (im->preset) {
		emit_line(&im->e, "proxy_backend = \"%s\";  # PROXY_BACKEND", im->preset->name);
		return;
	}
	if (v)
		put_quoted(im, "# proxy_backend = \"%s\";  # %s: not served by this version",
			   v->value, v->name);
	for (p = presets; p->name && !v && !im->preset; p++)
		if (preset_in_file(im, p))
			im->preset = p;
}

static void put_backends(struct import *im)
{
	const struct preset *p;
	bool open = false;

	for (p = presets; p->name; p++) {
		if (p != im->preset && !preset_in_file(im, p))
			continue;
		if (!open)
			emit_open(&im->e, "backends");
		open = true;
		put_backend(im, p, p == im->preset);
	}
	if (open)
		emit_close(&im->e);
}

static const char *why_unused(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(known_vars) / sizeof(known_vars[0]); i++)
		if (str_glob(known_vars[i].match, str_of(name)))
			return known_vars[i].why;
	return "not known";
}

static void put_unused(struct import *im)
{
	bool head = false;
	size_t i;

	for (i = 0; i < im->n; i++) {
		if (im->v[i].used)
			continue;
		if (!head)
			fprintf(im->e.out, "\n# Not taken over:\n");
		head = true;
		emit_line(&im->e, "#   %s (line %d): %s", im->v[i].name, im->v[i].line,
			  why_unused(im->v[i].name));
	}
}

int config_import_env(const char *file, FILE *out)
{
	struct import im = { .e.out = out };
	int rc = 0;

	report_init(&im.report);
	arena_init(&im.arena, 16 * 1024 * 1024);
	im.l = (struct loader){
		.arena = &im.arena, .notes = &im.arena, .report = &im.report,
		.watch = &im.watch, .prefix = "",
	};
	if (read_vars(&im, file)) {
		fprintf(out,
			"# Made by messages.fcgi import-env from %s. `messages.fcgi --config FILE "
			"--check` tries it.\n\n",
			strrchr(file, '/') ? strrchr(file, '/') + 1 : file);
		put_choice(&im);
		put_globals(&im);
		put_backends(&im);
		put_unused(&im);
	} else {
		fprintf(stderr, "messages.fcgi: %s: %s\n", file, strerror(errno));
		rc = 1;
	}
	report_release(&im.report);
	arena_release(&im.arena);
	watch_release(&im.watch);
	return rc;
}
