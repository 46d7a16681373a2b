/* Findings as a list, and as the three forms in which they are shown. */
#include "doctor/finding.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <string.h>

#define TEXT_MAX 8192

/* name in JSON, in words for several, before each in a terminal */
static const struct {
	const char *name, *heading, *mark;
} levels[FINDING_LEVELS] = {
	[FINDING_ERROR] = { "error", "Errors", "ERROR  " },
	[FINDING_WARNING] = { "warning", "Warnings", "warning" },
	[FINDING_NOTE] = { "note", "Notes", "note   " },
	[FINDING_OK] = { "ok", "In order", "ok     " },
};

const char *finding_level_name(enum finding_level level)
{
	return levels[level].name;
}

void finding_add(struct findings *l, enum finding_level level, const char *area, const char *id,
		 const char *what, const char *why, const char *todo)
{
	struct finding *v = arena_grow(l->arena, l->v, l->n, &l->cap, sizeof(*v));

	if (!v)
		return;
	l->v = v;
	v[l->n++] = (struct finding){
		.level = level, .area = area, .id = id, .what = what, .why = why, .todo = todo
	};
}

const char *finding_text(struct findings *l, const char *fmt, ...)
{
	struct buf b;
	const char *copy;
	va_list ap;

	buf_init(&b, TEXT_MAX);
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	copy = arena_dup(l->arena, buf_cstr(&b), b.failed ? 0 : b.n);
	buf_release(&b);
	return copy ? copy : "";
}

const char *finding_plain(struct findings *l, const char *message, const char *name)
{
	const char *prefix = finding_text(l, "backend %s: ", name);
	size_t n = strlen(prefix);

	return finding_text(l, "%s", n && strncmp(message, prefix, n) == 0 ? message + n : message);
}

void findings_sort(struct findings *l)
{
	for (size_t i = 1; i < l->n; i++) {
		struct finding moved = l->v[i];
		size_t at = i;

		for (; at > 0 && l->v[at - 1].level > moved.level; at--)
			l->v[at] = l->v[at - 1];
		l->v[at] = moved;
	}
}

size_t findings_count(const struct findings *l, enum finding_level level)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		n += l->v[i].level == level;
	return n;
}

const struct finding *findings_get(const struct findings *l, const char *id)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i].id, id) == 0)
			return &l->v[i];
	return NULL;
}

/* ---- terminal ---- */

/* What others sent may hold controls, which a terminal obeys. */
static void print_clean(FILE *out, struct str line)
{
	for (size_t i = 0; i < line.n; i++)
		if ((unsigned char)line.p[i] >= ' ' && line.p[i] != 0x7f)
			fputc(line.p[i], out);
		else
			fputc(line.p[i] == '\t' ? '\t' : ' ', out);
	fputc('\n', out);
}

static void print_part(FILE *out, const char *label, const char *text)
{
	struct str rest = str_of(text), line;

	for (bool first = true; str_split(&rest, '\n', &line); first = false) {
		fprintf(out, "          %s", first ? label : "     ");
		print_clean(out, line);
	}
}

void findings_print(const struct findings *l, FILE *out)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct finding *f = &l->v[i];

		fprintf(out, "%s   %s: ", levels[f->level].mark, f->area);
		print_clean(out, str_of(f->what));
		if (f->why)
			print_part(out, "why: ", f->why);
		if (f->todo)
			print_part(out, "do:  ", f->todo);
	}
}

/* ---- JSON ---- */

/* A text that is no UTF-8 would make the whole answer none. */
static void add_text(cJSON *o, const char *key, const char *text)
{
	if (text)
		cJSON_AddStringToObject(o, key, str_utf8(str_of(text)) ? text : "(not UTF-8)");
}

cJSON *findings_json(const struct findings *l)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; list && i < l->n; i++) {
		const struct finding *f = &l->v[i];
		cJSON *o = cJSON_CreateObject();

		add_text(o, "level", levels[f->level].name);
		add_text(o, "area", f->area);
		add_text(o, "id", f->id);
		add_text(o, "finding", f->what);
		add_text(o, "why", f->why);
		add_text(o, "do", f->todo);
		cJSON_AddItemToArray(list, o);
	}
	return list;
}

/* ---- HTML ---- */

void html_put(struct buf *b, struct str text)
{
	if (!str_utf8(text))
		text = STR("(not UTF-8)");
	for (size_t i = 0; i < text.n; i++) {
		switch (text.p[i]) {
		case '&':
			buf_puts(b, "&amp;");
			break;
		case '<':
			buf_puts(b, "&lt;");
			break;
		case '>':
			buf_puts(b, "&gt;");
			break;
		case '"':
			buf_puts(b, "&quot;");
			break;
		case '\'':
			buf_puts(b, "&#39;");
			break;
		default:
			buf_putc(b, text.p[i]);
		}
	}
}

static void put_element(struct buf *b, const char *tag, const char *text)
{
	if (!text)
		return;
	buf_printf(b, "<%s>", tag);
	html_put(b, str_of(text));
	buf_printf(b, "</%s>\n", tag);
}

static void put_finding(struct buf *b, const struct finding *f)
{
	buf_puts(b, "<li><b>");
	html_put(b, str_of(f->area));
	buf_puts(b, "</b>: ");
	html_put(b, str_of(f->what));
	buf_putc(b, '\n');
	put_element(b, "p", f->why);
	put_element(b, "pre", f->todo);
	buf_puts(b, "</li>\n");
}

void findings_html(const struct findings *l, struct buf *b)
{
	for (int level = 0; level < FINDING_LEVELS; level++) {
		if (!findings_count(l, (enum finding_level)level))
			continue;
		buf_printf(b, "<h2 class=\"%s\">%s</h2>\n<ul>\n", levels[level].name,
			   levels[level].heading);
		for (size_t i = 0; i < l->n; i++)
			if ((int)l->v[i].level == level)
				put_finding(b, &l->v[i]);
		buf_puts(b, "</ul>\n");
	}
}
