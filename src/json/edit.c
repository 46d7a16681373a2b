/*
 * Copy with edits. A scanner walks the text once, and says where something goes or changes; what it
 * says is either applied at once (edit_rewrite) or collected (edit_find). All between is kept byte
 * for byte, white space included; a dropped member takes its comma along. Recursion is bounded by
 * the scanner's depth limit.
 */
#include "json/edit.h"

#include <string.h>

#include "json/scan.h"

/* ---- edits ---- */

void edits_add(struct edits *e, struct edit one)
{
	struct edit *v = arena_grow(e->arena, e->v, e->n, &e->cap, sizeof(*v));

	if (!v) {
		e->failed = true;
		return;
	}
	e->v = v;
	v[e->n++] = one;
}

/* Additions stand before what begins at the same place. */
static bool stands_before(const struct edit *a, const struct edit *b)
{
	if (a->at != b->at)
		return a->at < b->at;
	if (!a->n != !b->n)
		return !a->n;
	return a->n > b->n;
}

/* By merging, since equal ones must keep their order and the runs that are added come sorted. */
static void sort(struct edit *v, struct edit *room, size_t n)
{
	size_t half = n / 2, a = 0, b = half;

	if (n < 2)
		return;
	sort(v, room, half);
	sort(v + half, room, n - half);
	if (!stands_before(&v[half], &v[half - 1]))
		return;
	for (size_t i = 0; i < n; i++)
		room[i] = b == n || (a < half && !stands_before(&v[b], &v[a])) ? v[a++] : v[b++];
	memcpy(v, room, n * sizeof(*v));
}

void edits_apply(struct segs *out, struct str src, struct edits *e)
{
	struct edit *room = arena_alloc(e->arena, (e->n + 1) * sizeof(*room));
	size_t at = 0;

	if (!room || e->failed) {
		out->failed = true;
		return;
	}
	sort(e->v, room, e->n);
	for (size_t i = 0; i < e->n; i++) {
		const struct edit *one = &e->v[i];

		if (one->at < at)
			continue;
		segs_add(out, (struct str){ src.p + at, one->at - at });
		segs_add(out, one->with);
		at = one->at + one->n;
	}
	segs_add(out, (struct str){ src.p + at, src.n - at });
}

/* ---- the walk ---- */

struct walk {
	struct scan scan;
	const struct edit_rule *rule;
	void (*cut)(struct walk *w, const char *from, const char *to, struct str with);
	struct buf *out;                /* edit_rewrite: what was copied so far … */
	const char *copied;             /* … up to here */
	struct edits *edits;            /* edit_find */
	const struct str *known, *known_end;
	struct span path[JSON_MAX_DEPTH];
};

static void walk_value(struct walk *w, unsigned depth);

/* Passes over the value before which the scanner stands. */
static void pass(struct walk *w)
{
	while (w->known < w->known_end && w->known->p < w->scan.p)
		w->known++;
	if (w->known < w->known_end && w->known->p == w->scan.p)
		w->scan.p += w->known->n;
	else
		scan_value(&w->scan);
}

static void walk_array(struct walk *w, unsigned depth)
{
	if (!scan_array(&w->scan))
		return;
	while (scan_element(&w->scan))
		walk_value(w, depth);
}

/* Does what the rule said with the value before which the scanner stands. */
static void walk_member(struct walk *w, unsigned depth, enum edit_action action, struct str with)
{
	const char *from = w->scan.p;

	if (action == EDIT_KEEP) {
		walk_value(w, depth + 1);
		return;
	}
	pass(w);
	if (action == EDIT_REPLACE && !w->scan.error)
		w->cut(w, from, w->scan.p, with);
}

static void walk_object(struct walk *w, unsigned depth)
{
	struct scan *s = &w->scan;
	const char *gone = NULL;        /* where the members that go now begin */
	bool any = false;               /* one has stayed */
	struct span key;

	if (!scan_object(s))
		return;
	for (const char *behind = s->p, *start = s->p; scan_member(s, &key); behind = s->p) {
		/* Only white space and the comma stand between a value and the next name. */
		const char *comma = behind == start ? behind :
				    memchr(behind, ',', (size_t)(key.p - behind));
		enum edit_action action = EDIT_WHOLE;
		struct str with = STR_NONE;

		w->path[depth] = key;
		if (scan_peek(s))
			action = w->rule->member(w->rule->ctx, w->path, depth, s, &with);
		if (action == EDIT_DROP) {
			/* With the comma before it, or where it is the first, that behind it. */
			gone = gone ? gone : any ? comma : start;
		} else {
			if (gone)
				w->cut(w, gone, any ? comma : comma + 1, STR(""));
			gone = NULL;
			any = true;
		}
		walk_member(w, depth, action, with);
	}
	if (gone && !s->error)
		w->cut(w, gone, s->p - 1, STR(""));
}

static void walk_value(struct walk *w, unsigned depth)
{
	char first = scan_peek(&w->scan);

	if (first == '{')
		walk_object(w, depth);
	else if (first == '[')
		walk_array(w, depth);
	else
		pass(w);
}

static int walk_text(struct walk *w, struct str src)
{
	scan_init(&w->scan, src);
	walk_value(w, 0);
	return scan_end(&w->scan) ? 0 : -1;
}

/* ---- its two uses ---- */

static void cut_copy(struct walk *w, const char *from, const char *to, struct str with)
{
	buf_put(w->out, w->copied, (size_t)(from - w->copied));
	buf_put_str(w->out, with);
	w->copied = to;
}

int edit_rewrite(struct buf *b, struct str src, const struct edit_rule *rule)
{
	struct walk w = { .rule = rule, .cut = cut_copy, .out = b, .copied = src.p };

	if (walk_text(&w, src))
		return -1;
	buf_put(b, w.copied, (size_t)(src.p + src.n - w.copied));
	return b->failed ? -1 : 0;
}

static void cut_note(struct walk *w, const char *from, const char *to, struct str with)
{
	edits_add(w->edits, (struct edit){ .at = (size_t)(from - w->scan.start),
					   .n = (size_t)(to - from), .with = with });
}

int edit_find(struct edits *e, struct str src, const struct edit_rule *rule,
	      const struct str *known, size_t nknown)
{
	struct walk w = { .rule = rule, .cut = cut_note, .edits = e, .known = known,
			  .known_end = known ? known + nknown : NULL };

	return walk_text(&w, src) || e->failed ? -1 : 0;
}
