/*
 * The outgoing body. Copies go one behind the other into chunks that grow with the body, so that a
 * body of a thousand small members is a few segments; what is long is borrowed.
 */
#include "json/segs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json/escape.h"
#include "json/swar.h"

#define ROOM_FIRST 1024
#define ROOM_LAST (64 * 1024)

void segs_init(struct segs *s, struct arena *a)
{
	*s = (struct segs){ .arena = a };
}

static void segs_append(struct segs *s, const char *p, size_t n)
{
	struct seg *v = arena_grow(s->arena, s->v, s->n, &s->cap, sizeof(*v));

	if (!v) {
		s->failed = true;
		return;
	}
	s->v = v;
	v[s->n++] = (struct seg){ p, n };
	s->total += n;
}

/* Copies what fits into the open chunk; the segment that ends there grows. */
static size_t segs_fill(struct segs *s, const char *p, size_t n)
{
	struct seg *last = s->n ? &s->v[s->n - 1] : NULL;

	if (n > s->left)
		n = s->left;
	if (!n)
		return 0;
	memcpy(s->room, p, n);
	if (last && last->p + last->n == s->room) {
		last->n += n;
		s->total += n;
	} else {
		segs_append(s, s->room, n);
	}
	s->room += n;
	s->left -= n;
	return n;
}

static int segs_open_chunk(struct segs *s, size_t need)
{
	size_t size = s->chunk ? s->chunk * 2 : ROOM_FIRST;

	if (size > ROOM_LAST)
		size = ROOM_LAST;
	s->chunk = size;
	if (size < need)
		size = need;
	s->room = arena_alloc(s->arena, size);
	s->left = s->room ? size : 0;
	if (!s->room)
		s->failed = true;
	return s->room ? 0 : -1;
}

void segs_put(struct segs *s, const void *p, size_t n)
{
	size_t done;

	if (s->failed || !n)
		return;
	done = segs_fill(s, p, n);
	if (done < n && segs_open_chunk(s, n - done) == 0)
		segs_fill(s, (const char *)p + done, n - done);
}

void segs_puts(struct segs *s, const char *cstr)
{
	segs_put(s, cstr, strlen(cstr));
}

void segs_put_int(struct segs *s, int64_t v)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%" PRId64, v);

	segs_put(s, text, (size_t)n);
}

void segs_add(struct segs *s, struct str text)
{
	if (text.n < SEG_BORROW_MIN)
		segs_put(s, text.p, text.n);
	else if (!s->failed)
		segs_append(s, text.p, text.n);
}

static void add_escaped(struct segs *s, struct span v)
{
	const char *p = v.n ? v.p : "", *end = p + v.n, *stop;
	char escape[6];

	while (p < end && !s->failed) {
		stop = swar_plain_run(p, end);
		segs_add(s, (struct str){ p, (size_t)(stop - p) });
		p = stop;
		if (p < end)
			segs_put(s, escape, escape_char(*p++, escape));
	}
}

void segs_content(struct segs *s, struct span v)
{
	v = span_unquote(v);
	if (v.form == SPAN_STR)
		segs_add(s, (struct str){ v.p, v.n });
	else
		add_escaped(s, v);
}

void segs_string(struct segs *s, struct span v)
{
	segs_put(s, "\"", 1);
	segs_content(s, v);
	segs_put(s, "\"", 1);
}

void segs_value(struct segs *s, struct span v)
{
	if (v.form == SPAN_NONE)
		segs_puts(s, "null");
	else if (v.form == SPAN_JSON)
		segs_add(s, (struct str){ v.p, v.n });
	else
		segs_string(s, v);
}

void segs_key(struct segs *s, bool *first, const char *key)
{
	segs_puts(s, *first ? "\"" : ",\"");
	*first = false;
	segs_puts(s, key);
	segs_put(s, "\":", 2);
}

size_t segs_read(const struct segs *s, struct segs_cursor *c, char *out, size_t n)
{
	size_t done = 0;

	while (done < n && c->i < s->n) {
		const struct seg *seg = &s->v[c->i];
		size_t part = seg->n - c->off;

		if (part > n - done)
			part = n - done;
		memcpy(out + done, seg->p + c->off, part);
		done += part;
		c->off += part;
		if (c->off == seg->n) {
			c->i++;
			c->off = 0;
		}
	}
	return done;
}

void segs_seek(const struct segs *s, struct segs_cursor *c, size_t at)
{
	*c = (struct segs_cursor){ 0, 0 };
	while (c->i < s->n && at >= s->v[c->i].n)
		at -= s->v[c->i++].n;
	if (c->i < s->n)
		c->off = at;
}

int segs_flatten(const struct segs *s, struct buf *b)
{
	if (s->failed)
		return -1;
	for (size_t i = 0; i < s->n; i++)
		buf_put(b, s->v[i].p, s->v[i].n);
	return b->failed ? -1 : 0;
}
