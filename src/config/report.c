/* Collects what a load finds wrong; names nearest to a misspelt one. */
#include "config/report.h"

#include <ctype.h>
#include <string.h>

#define REPORT_MAX (256 * 1024)
#define NAME_MAX_COMPARED 64

void report_init(struct report *r)
{
	buf_init(&r->errors, REPORT_MAX);
	buf_init(&r->warnings, REPORT_MAX);
	r->nerrors = r->nwarnings = r->nunset = 0;
}

void report_release(struct report *r)
{
	buf_release(&r->errors);
	buf_release(&r->warnings);
}

void origin_put(struct buf *b, const struct origin *o)
{
	switch (o->kind) {
	case ORIGIN_DEFAULT:
		buf_puts(b, o->where ? o->where : "default");
		return;
	case ORIGIN_PRESET:
		buf_printf(b, "preset %s", o->where);
		return;
	case ORIGIN_FILE:
		buf_puts(b, o->where);
		if (o->line > 0)
			buf_printf(b, ":%d", o->line);
		return;
	case ORIGIN_ENV:
		buf_printf(b, "%s in the environment", o->where);
		return;
	}
}

static void report_line(struct buf *b, const struct origin *at, const char *fmt, va_list ap)
{
	if (at && at->kind != ORIGIN_DEFAULT) {
		origin_put(b, at);
		buf_puts(b, ": ");
	}
	buf_vprintf(b, fmt, ap);
	buf_putc(b, '\n');
}

void report_error(struct report *r, const struct origin *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report_line(&r->errors, at, fmt, ap);
	va_end(ap);
	r->nerrors++;
}

void report_warn(struct report *r, const struct origin *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report_line(&r->warnings, at, fmt, ap);
	va_end(ap);
	r->nwarnings++;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Edits (insert, delete, replace, swap of neighbours) between two names, case folded. */
static unsigned edit_distance(const char *a, const char *b)
{
	unsigned row[3][NAME_MAX_COMPARED + 1];
	size_t n = strlen(a), m = strlen(b), i, j;

	if (n > NAME_MAX_COMPARED || m > NAME_MAX_COMPARED)
		return NAME_MAX_COMPARED;
	for (j = 0; j <= m; j++)
		row[0][j] = (unsigned)j;
	for (i = 1; i <= n; i++) {
		unsigned *now = row[i % 3], *above = row[(i - 1) % 3], *above2 = row[(i + 1) % 3];

		now[0] = (unsigned)i;
		for (j = 1; j <= m; j++) {
			int x = tolower((unsigned char)a[i - 1]),
			    y = tolower((unsigned char)b[j - 1]);

			now[j] = least(least(above[j], now[j - 1]) + 1, above[j - 1] + (x != y));
			if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
			    y == tolower((unsigned char)a[i - 2]))
				now[j] = least(now[j], above2[j - 2] + 1);
		}
	}
	return row[n % 3][m];
}

void nearest_init(struct nearest *n, const char *name)
{
	*n = (struct nearest){ .name = name, .distance = (unsigned)(strlen(name) + 2) / 3 + 1 };
}

/* "max_body" is near "limits.max_body" too: who leaves the group out gets the whole path. */
void nearest_see(struct nearest *n, const char *candidate)
{
	const char *dot = strrchr(candidate, '.');
	unsigned d = edit_distance(n->name, candidate);

	if (dot && !strchr(n->name, '.'))
		d = least(d, edit_distance(n->name, dot + 1) + 1);
	if (d < n->distance) {
		n->distance = d;
		n->best = candidate;
	}
}
