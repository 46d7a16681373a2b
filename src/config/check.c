/*
 * --check and --print-config: what is wrong, what will be used, and where each value came from.
 * Both show a snapshot through the table of options; no secret is ever in their output.
 */
#include "config/emit.h"
#include "config/snapshot.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What a backend's settings need of libcurl, by libcurl's own names. */
static void warn_features(struct report *r, const struct snapshot *s,
			  bool (*feature)(const char *name))
{
	size_t i, k;

	for (i = 0; i < s->c.nbackends; i++) {
		const struct backend *b = &s->c.backends[i];
		const struct {
			bool needed;
			const char *feature, *what;
		} needs[] = {
			{ !strncasecmp(b->base_url, "https:", 6), "https", "https" },
			{ b->http2, "http2", "HTTP/2" },
			{ b->proxy && !strncasecmp(b->proxy, "https:", 6), "https-proxy",
			  "proxies over https" },
		};

		for (k = 0; k < sizeof(needs) / sizeof(needs[0]); k++)
			if (needs[k].needed && !feature(needs[k].feature))
				report_warn(
					r, NULL,
					"backend %s needs %s, which this libcurl was built without",
					b->name, needs[k].what);
	}
}

static void print_lines(FILE *out, const char *kind, struct str lines)
{
	struct str line;

	while (str_split(&lines, '\n', &line))
		if (line.n)
			fprintf(out, "%s: %.*s\n", kind, STR_ARGS(line));
}

static void print_row(FILE *out, const char *path, const char *value, const char *from)
{
	fprintf(out, "  %-24s %-44s %s\n", path, value, from);
}

static void print_option(FILE *out, const struct option *o, const void *base,
			 const struct origin *from)
{
	struct buf value, where;

	buf_init(&value, 64 * 1024);
	buf_init(&where, 8192);
	option_show(&value, o, base, from);
	origin_put(&where, from);
	print_row(out, o->path, buf_cstr(&value),
		  o->note && from->kind == ORIGIN_DEFAULT && !from->where ? o->note :
									    buf_cstr(&where));
	buf_release(&value);
	buf_release(&where);
}

/* Every option that has a value, or only those that were set. */
static void print_set(FILE *out, const struct option_set *s, bool all)
{
	size_t i;

	for (i = 0; i < s->table->n; i++) {
		const struct option *o = &s->table->rows[i];

		if (option_given(o, s->base) && (all || s->from[i].kind > ORIGIN_PRESET))
			print_option(out, o, s->base, &s->from[i]);
	}
}

static void print_rules(FILE *out, const struct snapshot *s)
{
	struct buf rule, where;
	char path[48];
	size_t i;

	buf_init(&rule, 8192);
	buf_init(&where, 8192);
	origin_put(&where, option_from(&s->globals, "models.map"));
	for (i = 0; i < s->c.nrules; i++) {
		buf_reset(&rule);
		buf_printf(&rule, "\"%s\" -> \"%s\"", s->c.rules[i].match, s->c.rules[i].to);
		snprintf(path, sizeof(path), "models.map[%zu]", i);
		print_row(out, path, buf_cstr(&rule), buf_cstr(&where));
	}
	buf_release(&rule);
	buf_release(&where);
}

static void print_chain(FILE *out, const char *path, const struct route_target *t,
			const char *from)
{
	struct buf b;

	buf_init(&b, 8192);
	for (size_t i = 0; i < t->n; i++)
		buf_printf(&b, "%s%s/%s", i ? ", " : "", t->v[i].backend->name,
			   t->v[i].model ? t->v[i].model : "(as asked for)");
	print_row(out, path, buf_cstr(&b), from);
	buf_release(&b);
}

static void print_routes(FILE *out, const struct snapshot *s)
{
	char path[80];

	for (size_t i = 0; i < s->c.ntargets; i++) {
		snprintf(path, sizeof(path), "targets.%s", s->c.targets[i].name);
		print_chain(out, path, &s->c.targets[i], "");
	}
	for (size_t i = 0; i < s->c.nroutes; i++) {
		snprintf(path, sizeof(path), "routes[%zu]", i);
		print_chain(out, path, &s->c.routes[i].to,
			    s->c.routes[i].name ? s->c.routes[i].name : "");
	}
}

static void put_globs(struct buf *b, const char *what, const char *const *list)
{
	for (size_t i = 0; list && list[i]; i++)
		buf_printf(b, "%s%s", i ? ", " : what, list[i]);
	if (list)
		buf_puts(b, "; ");
}

static void put_limit(struct buf *b, int64_t limit, const char *what)
{
	if (limit > 0)
		buf_printf(b, "%lld %s; ", (long long)limit, what);
}

/* What a key is held to, in words. */
static void put_key(struct buf *b, const struct access_key *k)
{
	buf_puts(b, k->disabled ? "disabled; " : k->expires ? "expires; " : "");
	put_globs(b, "models ", k->models);
	put_globs(b, "backends ", k->backends);
	put_globs(b, "endpoints ", k->endpoints);
	put_limit(b, k->requests, "requests a minute");
	put_limit(b, k->tokens, "tokens a minute");
	put_limit(b, k->streams, "answers at once");
	if (b->n)
		b->n -= 2;
}

static void print_keys(FILE *out, const struct snapshot *s)
{
	struct buf b;

	buf_init(&b, 8192);
	for (size_t i = 0; i < s->c.nkeys; i++) {
		buf_reset(&b);
		put_key(&b, &s->c.keys[i]);
		print_row(out, "access key", s->c.keys[i].name, buf_cstr(&b));
	}
	buf_release(&b);
}

static void print_backend(FILE *out, const struct backend *b)
{
	fprintf(out, "backend: %s, %s, %s, ", b->name, b->dialect, b->base_url);
	if (b->api_key || b->credential.kind != CREDENTIAL_KEY)
		fprintf(out, "key from %s\n", b->api_key_from);
	else
		fprintf(out, "%s\n", b->passthrough ? "each caller's own key" : "no key");
}

static void print_used(FILE *out, const struct snapshot *s)
{
	const struct config *c = &s->c;
	size_t i;

	if (c->source)
		fprintf(out, "\nconfiguration: %s\n", c->source);
	else
		fprintf(out, "\nconfiguration: no file; the environment and defaults\n");
	if (c->backend)
		print_backend(out, c->backend);
	fprintf(out, "\nsettings, with where each comes from:\n");
	/* A file that can't be read has none. */
	if (s->globals.table) {
		print_set(out, &s->globals, true);
		print_rules(out, s);
	}
	print_routes(out, s);
	print_keys(out, s);
	for (i = 0; i < c->nbackends; i++) {
		fprintf(out, "\nbackend %s%s:\n", c->backends[i].name,
			&c->backends[i] == c->backend ? " (in use)" : "");
		print_set(out, &s->sets[i], &c->backends[i] == c->backend);
	}
}

bool config_report(const struct config_load *how, bool (*feature)(const char *name),
		   void (*more)(const struct config *c, FILE *out), struct report *r, FILE *used)
{
	struct watch w = { NULL, 0, 0 };
	struct snapshot *s = snapshot_try(how, r, &w);
	bool good;

	if (s && feature)
		warn_features(r, s, feature);
	if (s && used)
		print_used(used, s);
	if (s && used && more)
		more(&s->c, used);
	good = s && !r->nerrors;
	snapshot_free(s);
	watch_release(&w);
	return good;
}

int config_check(const struct config_load *how, bool (*feature)(const char *name),
		 void (*more)(const struct config *c, FILE *out), FILE *out)
{
	char *used = NULL;
	size_t size = 0;
	FILE *kept = open_memstream(&used, &size);
	struct report r;
	bool good;

	report_init(&r);
	good = config_report(how, feature, more, &r, kept);
	print_lines(out, "error", buf_str(&r.errors));
	print_lines(out, "warning", buf_str(&r.warnings));
	if (kept && fclose(kept) == 0)
		fwrite(used, 1, size, out);
	free(used);
	fprintf(out, "\n%u error%s, %u warning%s\n", r.nerrors, r.nerrors == 1 ? "" : "s",
		r.nwarnings, r.nwarnings == 1 ? "" : "s");
	report_release(&r);
	return good ? 0 : 1;
}

static void emit_set(struct emit *e, const struct option_set *s)
{
	size_t i;

	for (i = 0; i < s->table->n; i++) {
		const struct option *o = &s->table->rows[i];
		const char *name;
		struct buf b;

		if (!option_given(o, s->base))
			continue;
		name = emit_path(e, o->path);
		buf_init(&b, 64 * 1024);
		option_show(&b, o, s->base, &s->from[i]);
		buf_puts(&b, ";  # ");
		origin_put(&b, &s->from[i]);
		emit_line(e, "%s = %s", name, buf_cstr(&b));
		buf_release(&b);
	}
	emit_path_end(e);
}

/* A row of a list, as a comment. */
static void emit_row(struct emit *e, const struct option_table *t, const void *base)
{
	struct buf b;

	buf_init(&b, 64 * 1024);
	for (size_t i = 0; i < t->n; i++) {
		if (!option_given(&t->rows[i], base))
			continue;
		buf_printf(&b, " %s = ", t->rows[i].path);
		option_show(&b, &t->rows[i], base, NULL);
		buf_putc(&b, ';');
	}
	emit_line(e, "#\t{%s }", buf_cstr(&b));
	buf_release(&b);
}

static void emit_rows(struct emit *e, const struct config *c)
{
	emit_line(e, "# models.map, in order:");
	for (size_t i = 0; i < c->nrules; i++)
		emit_row(e, &options_rule, &c->rules[i]);
	emit_line(e, "# access.keys and the keys file:");
	for (size_t i = 0; i < c->nkeys; i++)
		emit_row(e, &options_key, &c->keys[i]);
}

int config_print(const struct config_load *how, FILE *out)
{
	struct watch w = { NULL, 0, 0 };
	struct emit e = { .out = out };
	struct snapshot *s;
	struct report r;
	size_t i;

	report_init(&r);
	s = snapshot_load(how, &r, &w, false);
	print_lines(out, "# error", buf_str(&r.errors));
	if (s) {
		emit_set(&e, &s->globals);
		emit_rows(&e, &s->c);
		emit_open(&e, "backends");
		for (i = 0; i < s->c.nbackends; i++) {
			emit_open(&e, s->c.backends[i].name);
			emit_set(&e, &s->sets[i]);
			emit_close(&e);
		}
		emit_close(&e);
	}
	snapshot_free(s);
	report_release(&r);
	watch_release(&w);
	return s ? 0 : 1;
}
