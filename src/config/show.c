/*
 * How the value of each type is shown: as it would stand in a config file, but never a secret, nor
 * what may hold one.
 */
#include <string.h>

#include "base/clock.h"
#include "config/config.h"
#include "config/emit.h"

static const void *get_pointer(const void *base, const struct option *o)
{
	const void *p;

	memcpy(&p, (const char *)base + o->offset, sizeof(p));
	return p;
}

static void show_quoted(struct buf *b, const char *text)
{
	buf_putc(b, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_putc(b, '\\');
		if ((unsigned char)*text < 0x20)
			buf_printf(b, "\\x%02x", (unsigned)*text);
		else
			buf_putc(b, *text);
	}
	buf_putc(b, '"');
}

static void show_text(struct buf *b, const struct option *o, const void *base,
		      const struct origin *from)
{
	show_quoted(b, get_pointer(base, o) ? get_pointer(base, o) : "");
}

static void show_word(struct buf *b, const struct option *o, const void *base,
		      const struct origin *from)
{
	int i;

	memcpy(&i, (const char *)base + o->offset, sizeof(i));
	show_quoted(b, o->words[i]);
}

static void show_int(struct buf *b, const struct option *o, const void *base,
		     const struct origin *from)
{
	int i;

	memcpy(&i, (const char *)base + o->offset, sizeof(i));
	buf_put_int(b, i);
}

static void show_int64(struct buf *b, const struct option *o, const void *base,
		       const struct origin *from)
{
	int64_t n;

	memcpy(&n, (const char *)base + o->offset, sizeof(n));
	buf_put_int(b, n);
	if (n > INT32_MAX)
		buf_putc(b, 'L');
}

static void show_bool(struct buf *b, const struct option *o, const void *base,
		      const struct origin *from)
{
	bool v;

	memcpy(&v, (const char *)base + o->offset, sizeof(v));
	buf_puts(b, v ? "true" : "false");
}

static void show_list(struct buf *b, const struct option *o, const void *base,
		      const struct origin *from)
{
	const char *const *v = get_pointer(base, o);
	size_t i;

	buf_puts(b, "( ");
	for (i = 0; v && v[i]; i++) {
		buf_puts(b, i ? ", " : "");
		show_quoted(b, v[i]);
	}
	buf_puts(b, i ? " )" : ")");
}

/* Never the value itself: only whether there is one, and the reference that names it. */
static void show_secret(struct buf *b, const struct option *o, const void *base,
			const struct origin *from)
{
	const char *set = get_pointer(base, o) ? "set" : "missing";

	if (from && from->ref)
		buf_printf(b, "\"(%s, from %s)\"", set, from->ref);
	else if (from && from->kind == ORIGIN_ENV)
		buf_printf(b, "\"(%s, from env:%s)\"", set, from->where);
	else
		buf_printf(b, "\"(%s)\"", set);
}

static void show_secrets(struct buf *b, const struct option *o, const void *base,
			 const struct origin *from)
{
	const char *const *v = get_pointer(base, o);
	size_t n = 0;

	while (v && v[n])
		n++;
	buf_printf(b, "\"(%zu set)\"", n);
}

/* A header's or member's value may be a secret: names alone are shown. */
static void show_headers(struct buf *b, const struct option *o, const void *base,
			 const struct origin *from)
{
	const struct header_setting *h = get_pointer(base, o);
	size_t i;

	buf_puts(b, "( ");
	for (i = 0; h && h[i].name; i++) {
		buf_puts(b, i ? ", { name = " : "{ name = ");
		show_quoted(b, h[i].name);
		buf_puts(b, "; value = \"(set)\"; }");
	}
	buf_puts(b, i ? " )" : ")");
}

static void show_body(struct buf *b, const struct option *o, const void *base,
		      const struct origin *from)
{
	const struct body_member *m = get_pointer(base, o);
	size_t i;

	buf_puts(b, "{ ");
	for (i = 0; m && m[i].name; i++)
		if (m[i].json)
			buf_printf(b, "%s = \"(set)\"; ", m[i].name);
	buf_putc(b, '}');
}

static void show_time(struct buf *b, const struct option *o, const void *base,
		      const struct origin *from)
{
	char text[40];
	int64_t t;

	memcpy(&t, (const char *)base + o->offset, sizeof(t));
	clock_rfc3339(text, sizeof(text), t, 0);
	show_quoted(b, text);
}

/* The first digits tell two keys apart. */
static void show_hashes(struct buf *b, const struct option *o, const void *base,
			const struct origin *from)
{
	const char *h[2];

	memcpy(h, (const char *)base + o->offset, sizeof(h));
	if (h[1])
		buf_printf(b, "( \"%.8s…\", \"%.8s…\" )", h[0], h[1]);
	else
		buf_printf(b, "\"%.8s…\"", h[0]);
}

/* "http://user:password@host" without what stands before the '@'. */
static void show_proxy(struct buf *b, const struct option *o, const void *base,
		       const struct origin *from)
{
	const char *url = get_pointer(base, o), *host, *at;

	if (!url)
		url = "";
	host = strstr(url, "://");
	at = host ? strrchr(host, '@') : NULL;
	if (at)
		buf_printf(b, "\"%.*s(set)%s\"", (int)(host + 3 - url), url, at);
	else
		show_quoted(b, url);
}

/* Lists of rows have no entry: who prints them knows their structs. */
static void (*const shows[])(struct buf *b, const struct option *o, const void *base,
			     const struct origin *from) = {
	[TYPE_TEXT] = show_text,
	[TYPE_URL] = show_text,
	[TYPE_PROXY] = show_proxy,
	[TYPE_PATH] = show_text,
	[TYPE_CA] = show_text,
	[TYPE_LOG] = show_text,
	[TYPE_INT] = show_int,
	[TYPE_COUNT] = show_int64,
	[TYPE_SIZE] = show_int64,
	[TYPE_BOOL] = show_bool,
	[TYPE_WORD] = show_word,
	[TYPE_LIST] = show_list,
	[TYPE_HIDDEN] = show_secret,
	[TYPE_SECRET] = show_secret,
	[TYPE_HEADERS] = show_headers,
	[TYPE_BODY] = show_body,
	[TYPE_TIME] = show_time,
	[TYPE_HASHES] = show_hashes,
	[TYPE_SECRETS] = show_secrets,
	[TYPE_OVERLAY] = NULL,
};

void option_show(struct buf *b, const struct option *o, const void *base,
		 const struct origin *from)
{
	if (shows[o->type])
		shows[o->type](b, o, base, from);
}

bool option_given(const struct option *o, const void *base)
{
	int64_t t;

	if (o->type >= TYPE_RULES)
		return false;
	switch (o->type) {
	case TYPE_INT:
	case TYPE_COUNT:
	case TYPE_SIZE:
	case TYPE_BOOL:
	case TYPE_WORD:
		return true;
	case TYPE_TIME:
		memcpy(&t, (const char *)base + o->offset, sizeof(t));
		return t != 0;
	default:
		return get_pointer(base, o) != NULL;
	}
}
