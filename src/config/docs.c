/*
 * The table of options as text for people: the sample file, a page of tables, the man page's
 * section, and a plain list. What is generated stands in the tree, and a test compares it, so that
 * no option is missing there.
 */
#include "config/emit.h"
#include "config/preset.h"

#include <stdlib.h>
#include <string.h>

/* "1024 to 1073741824", or the words that it may be; "" when there is no limit to tell. */
static void put_limits(struct buf *b, const struct option *o)
{
	size_t i;

	for (i = 0; o->words && o->words[i]; i++)
		buf_printf(b, "%s%s", i ? ", " : "", o->words[i]);
	if (!o->words && o->most)
		buf_printf(b, "%lld to %lld", (long long)o->least, (long long)o->most);
}

static const char *default_text(const struct option *o)
{
	return o->note ? o->note : o->value ? o->value : "not set";
}

/* The default as it would stand in a file, or an example's shape. */
static void put_sample(struct buf *b, const struct option *o)
{
	bool plain =
		o->value && (o->type == TYPE_INT || o->type == TYPE_COUNT || o->type == TYPE_BOOL);

	if (plain)
		buf_puts(b, o->value);
	else if (o->value)
		buf_printf(b, "\"%s\"", o->value);
	else if (o->type == TYPE_LIST || o->type == TYPE_HEADERS || o->type == TYPE_RULES ||
		 o->type == TYPE_KEYS || o->type == TYPE_SECRETS || o->type == TYPE_ROUTES)
		buf_puts(b, "( )");
	else if (o->type == TYPE_BODY || o->type == TYPE_TARGETS)
		buf_puts(b, "{ }");
	else if (o->type == TYPE_INT || o->type == TYPE_SIZE)
		buf_puts(b, "…");
	else
		buf_puts(b, "\"…\"");
}

static void conf_option(struct emit *e, const struct option *o)
{
	const char *name = emit_path(e, o->path);
	struct buf b;

	buf_init(&b, 4096);
	emit_comment(e, o->help);
	buf_printf(&b, "Default: %s.", default_text(o));
	if (o->words || o->most) {
		buf_puts(&b, o->words ? " One of: " : " From ");
		put_limits(&b, o);
		buf_puts(&b, ".");
	}
	if (o->env)
		buf_printf(&b, " Environment: %s.", o->env);
	emit_comment(e, buf_cstr(&b));
	buf_reset(&b);
	put_sample(&b, o);
	emit_line(e, "#%s = %s;", name, buf_cstr(&b));
	fputc('\n', e->out);
	buf_release(&b);
}

static void conf_rows(struct emit *e, const struct option_table *t)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		conf_option(e, &t->rows[i]);
	emit_path_end(e);
}

static const char conf_head[] =
	"# messages.fcgi: every setting with its default. All of them are optional; with a "
	"provider's key in\n"
	"# the environment no file is needed at all. `messages.fcgi --check` says what is used, "
	"and why.\n"
	"#\n"
	"# A whole configuration can be as short as this:\n"
	"#\n"
	"#   proxy_backend = \"OPENROUTER\";\n"
	"#   models = { big = \"anthropic/claude-sonnet-4.5\"; small = "
	"\"anthropic/claude-haiku-4.5\";\n"
	"#              map = ( { match = \"claude-*haiku*\"; to = \"small\"; },\n"
	"#                      { match = \"claude-*\"; to = \"big\"; } ); };\n"
	"#   backends = { OPENROUTER = { api_key = \"env:OPENROUTER_API_KEY\"; };\n"
	"#                lab = { dialect = \"openai-chat\"; base_url = "
	"\"http://127.0.0.1:8000/v1\";\n"
	"#                        api_key = \"file:/etc/messages/lab.key\"; timeout = 600; retries "
	"= 2; }; };\n"
	"#   access = { keys = ( { name = \"laptop\"; sha256 = \"…\"; } ); };\n"
	"#   limits = { max_body = 33554432; };\n"
	"#   stream = { ping_interval = 10; };\n"
	"#   log = { level = \"info\"; };\n"
	"#\n"
	"# Each group may be written once. Further files: @include \"name\" on a line of its "
	"own.\n";

static void write_conf(FILE *out)
{
	struct emit e = { .out = out };
	size_t i;

	fprintf(out, "%s\n", conf_head);
	for (i = 0; i < options_global.n; i++)
		if (options_global.rows[i].type != TYPE_BACKENDS)
			conf_option(&e, &options_global.rows[i]);
	emit_path_end(&e);
	emit_comment(
		&e,
		"Members of a rule of models.map: match and to. Members of a key of access.keys:");
	for (i = 0; i < options_key.n; i++)
		emit_line(&e, "#   %-9s %s", options_key.rows[i].path, options_key.rows[i].help);
	fprintf(out, "\n# %s\nbackends = {\n", options_backend.about);
	fprintf(out, "\t# NAME = {\n\n");
	e.depth = 1;
	e.sample = true;
	conf_rows(&e, &options_backend);
	fprintf(out, "\t# };\n};\n");
}

/* '|' and '<' mean something in a table's cell. */
static void put_cell(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '|' || *text == '<' || *text == '*')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void markdown_env(FILE *out, const char *names)
{
	struct str rest = str_of(names), one;
	bool more = false;

	while (rest.n && str_split(&rest, ' ', &one)) {
		fprintf(out, "%s`%.*s`", more ? ", " : "", STR_ARGS(one));
		more = true;
	}
}

static void markdown_table(FILE *out, const struct option_table *t)
{
	struct buf b;
	size_t i;

	buf_init(&b, 4096);
	if (*t->name)
		fprintf(out, "### `%s*`", t->name);
	else
		fprintf(out, "### Top level");
	fprintf(out, "\n\n%s\n\n", t->about);
	fprintf(out, "| option | type | default | limits | environment | meaning "
		     "|\n|---|---|---|---|---|---|\n");
	for (i = 0; i < t->n; i++) {
		const struct option *o = &t->rows[i];

		buf_reset(&b);
		put_limits(&b, o);
		fprintf(out, "| `%s` | %s | ", o->path, option_type_name(o));
		put_cell(out, default_text(o));
		fprintf(out, " | ");
		put_cell(out, buf_cstr(&b));
		fprintf(out, " | ");
		markdown_env(out, o->env);
		fprintf(out, " | ");
		put_cell(out, o->help);
		fprintf(out, " |\n");
	}
	fprintf(out, "\n");
	buf_release(&b);
}

static const char *preset_value(const struct preset *p, const char *option)
{
	const struct preset_setting *s;

	for (s = p->settings; s->option; s++)
		if (!strcmp(s->option, option))
			return s->value;
	return "";
}

static const char *preset_vars(const struct preset *p, const char *option)
{
	const struct preset_env *e;

	for (e = p->env; e->option; e++)
		if (!strcmp(e->option, option))
			return e->vars;
	return NULL;
}

static void markdown_presets(FILE *out)
{
	const struct preset *p;

	fprintf(out,
		"### Presets\n\n| preset | what | dialect | base URL | key | `big` | `small` |\n"
		"|---|---|---|---|---|---|---|\n");
	for (p = presets; p->name; p++) {
		fprintf(out, "| `%s` | %s | %s | `%s`", p->name, p->title, p->dialect,
			preset_value(p, "base_url"));
		if (preset_vars(p, "base_url")) {
			fprintf(out, ", ");
			markdown_env(out, preset_vars(p, "base_url"));
		}
		fprintf(out, " | ");
		markdown_env(out, preset_vars(p, "api_key"));
		fprintf(out, " | %s | %s |\n", preset_value(p, "model_big"),
			preset_value(p, "model_small"));
	}
	fprintf(out, "\n");
}

static void write_markdown(FILE *out)
{
	size_t i;

	markdown_presets(out);
	for (i = 0; options_all[i]; i++)
		markdown_table(out, options_all[i]);
}

/* roff: a backslash and a leading dot or quote mean something, '-' is a minus. */
static void put_roff(FILE *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else if (!strncmp(text, "…", strlen("…"))) {
			fputs("\\&...", out);
			text += strlen("…") - 1;
		} else {
			fputc(*text, out);
		}
	}
}

static void man_option(FILE *out, const struct option *o)
{
	struct buf b;

	buf_init(&b, 4096);
	fprintf(out, ".TP\n.B ");
	put_roff(out, o->path);
	fputc('\n', out);
	put_roff(out, o->help);
	fprintf(out, "\nDefault: ");
	put_roff(out, default_text(o));
	put_limits(&b, o);
	if (b.n) {
		fprintf(out, " (");
		put_roff(out, buf_cstr(&b));
		fputc(')', out);
	}
	fprintf(out, ".\n");
	if (o->env)
		fprintf(out, "Environment: %s.\n", o->env);
	buf_release(&b);
}

static void write_man(FILE *out)
{
	size_t t, i;

	for (t = 0; options_all[t]; t++) {
		fprintf(out, ".SS ");
		put_roff(out, *options_all[t]->name ? options_all[t]->name : "Top level");
		fputs(*options_all[t]->name ? "*\n" : "\n", out);
		put_roff(out, options_all[t]->about);
		fputc('\n', out);
		for (i = 0; i < options_all[t]->n; i++)
			man_option(out, &options_all[t]->rows[i]);
	}
}

static void write_text(FILE *out)
{
	size_t t, i;

	for (t = 0; options_all[t]; t++)
		for (i = 0; i < options_all[t]->n; i++) {
			const struct option *o = &options_all[t]->rows[i];

			fprintf(out, "%s%s (%s; default: %s)%s%s\n    %s\n", options_all[t]->name,
				o->path, option_type_name(o), default_text(o), o->env ? " " : "",
				o->env ? o->env : "", o->help);
		}
}

static const struct {
	const char *name;
	void (*write)(FILE *out);
} formats[] = {
	{ "text", write_text },
	{ "conf", write_conf },
	{ "markdown", write_markdown },
	{ "man", write_man },
};

int config_options(FILE *out, const char *format)
{
	size_t i;

	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (!strcmp(formats[i].name, format)) {
			formats[i].write(out);
			return 0;
		}
	fprintf(stderr, "messages.fcgi: --options takes text, conf, markdown or man, not %s\n",
		format);
	return 2;
}
