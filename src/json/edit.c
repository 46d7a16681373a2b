/*
 * Copy with edits. A text is rewritten while a scanner walks it: what is kept goes out byte for
 * byte, white space included; a dropped member takes its comma along. Recursion is bounded by the
 * scanner's depth limit.
 */
#include "json/edit.h"

#include <string.h>

#include "json/scan.h"

void edit_splice(struct segs *out, struct str src, const struct edit *edits, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		segs_add(out, (struct str){ src.p + at, edits[i].at - at });
		segs_add(out, edits[i].with);
		at = edits[i].at + edits[i].n;
	}
	segs_add(out, (struct str){ src.p + at, src.n - at });
}

struct rewrite {
	struct scan scan;
	struct buf *out;
	const struct edit_rule *rule;
	struct span path[JSON_MAX_DEPTH];
};

static void rewrite_value(struct rewrite *r, unsigned depth);

static void put_between(struct rewrite *r, const char *from, const char *to)
{
	buf_put(r->out, from, (size_t)(to - from));
}

static void rewrite_array(struct rewrite *r, unsigned depth)
{
	const char *from = r->scan.p;

	if (!scan_array(&r->scan))
		return;
	while (scan_element(&r->scan)) {
		scan_peek(&r->scan);
		put_between(r, from, r->scan.p);
		rewrite_value(r, depth);
		from = r->scan.p;
	}
	put_between(r, from, r->scan.p);
}

/* The value of the member path[depth], before which `lead` (its name, colon and white space)
 * begins. Returns whether the member stays; *any tells whether one stands before it. */
static bool rewrite_member(struct rewrite *r, unsigned depth, const char *lead, bool any)
{
	struct scan ahead = r->scan;
	struct span value = scan_value(&ahead);
	struct str with = STR_NONE;
	enum edit_action action;

	if (ahead.error) {
		r->scan = ahead;
		return false;
	}
	action = r->rule->member(r->rule->ctx, r->path, depth, value, &with);
	if (action != EDIT_DROP) {
		if (any)
			buf_putc(r->out, ',');
		put_between(r, lead, value.p);
	}
	if (action == EDIT_KEEP) {
		r->scan.p = value.p;
		rewrite_value(r, depth + 1);
		return true;
	}
	if (action == EDIT_REPLACE)
		buf_put_str(r->out, with);
	r->scan = ahead;
	return action == EDIT_REPLACE;
}

static void rewrite_object(struct rewrite *r, unsigned depth)
{
	struct scan *s = &r->scan;
	bool any = false, last = true, first = true;
	const char *from, *lead, *comma;
	struct span key;

	if (!scan_object(s))
		return;
	buf_putc(r->out, '{');
	for (from = s->p; scan_member(s, &key); from = s->p, first = false) {
		lead = from;
		if (!first) {
			/* Only white space and the comma stand between a value and the next
			 * name. */
			comma = memchr(from, ',', (size_t)(key.p - from));
			if (last)
				put_between(r, from, comma);
			lead = comma + 1;
		}
		r->path[depth] = key;
		last = rewrite_member(r, depth, lead, any);
		any = any || last;
	}
	if (s->error)
		return;
	if (last)
		put_between(r, from, s->p - 1);
	buf_putc(r->out, '}');
}

static void rewrite_value(struct rewrite *r, unsigned depth)
{
	struct span value;

	switch (scan_peek(&r->scan)) {
	case '{':
		rewrite_object(r, depth);
		break;
	case '[':
		rewrite_array(r, depth);
		break;
	default:
		value = scan_value(&r->scan);
		buf_put(r->out, value.p, value.n);
	}
}

int edit_rewrite(struct buf *b, struct str src, const struct edit_rule *rule)
{
	struct rewrite r = { .out = b, .rule = rule };
	const char *from;

	scan_init(&r.scan, src);
	from = r.scan.p;
	scan_peek(&r.scan);
	put_between(&r, from, r.scan.p);
	rewrite_value(&r, 0);
	from = r.scan.p;
	if (!scan_end(&r.scan))
		return -1;
	put_between(&r, from, r.scan.p);
	return b->failed ? -1 : 0;
}
