/* The program's error sites, listed: a place that several lines of a function share stands once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/site.h"
#include "json/span.h"
#include "trace/query.h"

#define TEXT_MAX 1024

static int by_place(const void *a, const void *b)
{
	const struct error_site *x = *(const struct error_site *const *)a;
	const struct error_site *y = *(const struct error_site *const *)b;
	int files = strcmp(site_file(x), site_file(y));

	return files ? files : x->line - y->line;
}

static const struct error_site **sorted(size_t *n)
{
	const struct error_site *const *all = site_all(n);
	const struct error_site **v = malloc((*n + 1) * sizeof(const struct error_site *));

	if (v && *n) {
		memcpy(v, all, *n * sizeof(const struct error_site *));
		qsort(v, *n, sizeof(const struct error_site *), by_place);
	}
	return v;
}

static bool same(const struct error_site *a, const struct error_site *b)
{
	char x[SITE_ID_SIZE], y[SITE_ID_SIZE];

	if (strcmp(a->function, b->function) != 0)
		return false;
	site_id(a, x);
	site_id(b, y);
	return strcmp(x, y) == 0;
}

/* A function's sites stand near each other: the one of this id before i, or none. */
static bool stood_before(const struct error_site **v, size_t i)
{
	for (size_t k = i; k-- > 0 && strcmp(v[k]->file, v[i]->file) == 0;)
		if (same(v[k], v[i]))
			return true;
	return false;
}

static void put_member(struct buf *b, const char *key, const char *value)
{
	buf_printf(b, "\"%s\":", key);
	span_put_string(b, span_utf8(str_of(value)));
	buf_putc(b, ',');
}

static void put_site(struct buf *b, const struct error_site **v, size_t i, size_t n)
{
	char id[SITE_ID_SIZE], code[SITE_CODE_SIZE], text[TEXT_MAX];

	site_id(v[i], id);
	site_code(v[i], code);
	site_text(v[i], text, sizeof(text));
	buf_putc(b, '{');
	put_member(b, "hash", id);
	put_member(b, "file", site_file(v[i]));
	put_member(b, "function", v[i]->function);
	put_member(b, "code", code);
	put_member(b, "text", text);
	buf_printf(b, "\"lines\":[%d", v[i]->line);
	for (size_t k = i + 1; k < n && strcmp(v[k]->file, v[i]->file) == 0; k++)
		if (same(v[k], v[i]))
			buf_printf(b, ",%d", v[k]->line);
	buf_puts(b, "]}");
}

int query_registry(struct buf *out)
{
	size_t n, count = 0;
	const struct error_site **v = sorted(&n);

	buf_puts(out, "{\"sites\":[");
	for (size_t i = 0; v && i < n; i++) {
		if (stood_before(v, i))
			continue;
		if (count++)
			buf_putc(out, ',');
		put_site(out, v, i, n);
	}
	buf_printf(out, "],\"count\":%zu}", count);
	free(v);
	return v && !out->failed ? 0 : -1;
}

int query_registry_text(struct buf *out)
{
	char id[SITE_ID_SIZE], code[SITE_CODE_SIZE], text[TEXT_MAX];
	size_t n;
	const struct error_site **v = sorted(&n);

	for (size_t i = 0; v && i < n; i++) {
		if (stood_before(v, i))
			continue;
		site_id(v[i], id);
		site_code(v[i], code);
		site_text(v[i], text, sizeof(text));
		for (char *p = text; *p; p++)
			*p = *p == '\n' ? ' ' : *p;
		buf_printf(out, "%s  %s:%d  %s  %s  %s\n", id, site_file(v[i]), v[i]->line,
			   v[i]->function, code, text);
	}
	free(v);
	return v && !out->failed ? 0 : -1;
}
