/* Lines of a config file, indented by the groups that are open. */
#include "config/emit.h"

#include <string.h>

#define COLUMNS 100

static void indent(struct emit *e)
{
	unsigned i;

	for (i = 0; i < e->depth; i++)
		fputc('\t', e->out);
}

void emit_line(struct emit *e, const char *fmt, ...)
{
	va_list ap;

	indent(e);
	va_start(ap, fmt);
	vfprintf(e->out, fmt, ap);
	va_end(ap);
	fputc('\n', e->out);
}

static void open_group(struct emit *e, const char *group)
{
	emit_line(e, "%s%s = {", e->sample ? "# " : "", group);
	e->depth++;
}

static void close_group(struct emit *e)
{
	e->depth--;
	emit_line(e, "%s};", e->sample ? "# " : "");
}

void emit_path_end(struct emit *e)
{
	if (*e->group)
		close_group(e);
	*e->group = '\0';
}

void emit_open(struct emit *e, const char *group)
{
	emit_path_end(e);
	open_group(e, group);
}

void emit_close(struct emit *e)
{
	emit_path_end(e);
	close_group(e);
}

const char *emit_path(struct emit *e, const char *path)
{
	const char *dot = strrchr(path, '.');
	size_t n = dot ? (size_t)(dot - path) : 0;

	if (n >= sizeof(e->group))
		n = 0;
	if (strlen(e->group) != n || strncmp(e->group, path, n)) {
		emit_path_end(e);
		memcpy(e->group, path, n);
		e->group[n] = '\0';
		if (n)
			open_group(e, e->group);
	}
	return dot ? dot + 1 : path;
}

void emit_comment(struct emit *e, const char *text)
{
	size_t left = COLUMNS - 8 * e->depth - 2, n;

	while (*text) {
		n = strlen(text);
		if (n > left)
			for (n = left; n && text[n] != ' '; n--)
				;
		if (!n)
			n = strcspn(text, " ");
		emit_line(e, "# %.*s", (int)n, text);
		text += n;
		text += strspn(text, " ");
	}
}
