/*
 * By the book a fragment of a call's arguments is what is new. Some backends send all of them so
 * far each time (saberjack/SHTUCodeProxy#1), which glued together is no JSON. The second fragment
 * tells: it begins with the whole first one, which as a delta could only be the value of a member,
 * `{"a":` before `{"a":1}`. In that one case it is held until the third, or the end, has told.
 *
 * Of what was seen only length and hash are kept: arguments may be long, and one that sends
 * snapshots sends their squares anyway.
 */
#include "dialect/openai_snapshots.h"

#include <string.h>

#include "json/progress.h"

static uint64_t hash_of(const char *p, size_t n)
{
	uint64_t h = 0xcbf29ce484222325u; /* FNV-1a, 64 bits */

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)p[i]) * 0x100000001b3u;
	return h;
}

static void note_seen(struct snapshots *s, struct span f)
{
	s->seen = f.n;
	s->hash = hash_of(f.p, f.n);
}

static bool repeats(const struct snapshots *s, struct span f)
{
	return f.n >= s->seen && hash_of(f.p, s->seen) == s->hash;
}

static bool whole_object(struct span f)
{
	struct json_progress p = { 0 };

	return json_progress_feed(&p, f) == f.n && p.complete;
}

/* Only what begins an object can be told apart. */
static void first_fragment(struct snapshots *s, struct span f)
{
	struct str text = str_trim((struct str){ f.p, f.n });

	if (!text.n || *text.p != '{') {
		s->form = FRAGMENTS_DELTAS;
		return;
	}
	note_seen(s, f);
	s->whole = whole_object(f);
	s->value_next = strchr(":,[", text.p[text.n - 1]) != NULL;
}

static int put(struct span piece, struct span out[2])
{
	out[0] = piece;
	return piece.n ? 1 : 0;
}

static int new_of(struct snapshots *s, struct span f, struct span out[2])
{
	struct span tail = { f.p + s->seen, f.n - s->seen, f.form };

	s->form = FRAGMENTS_SNAPSHOTS;
	note_seen(s, f);
	return put(tail, out);
}

static int doubt_it(struct arena *a, struct snapshots *s, struct span f)
{
	s->form = FRAGMENTS_DOUBT;
	s->doubt = (struct span){ arena_dup(a, f.p, f.n), f.n, f.form };
	return s->doubt.p ? 0 : -1;
}

static int second_fragment(struct arena *a, struct snapshots *s, struct span f, struct span out[2])
{
	if (repeats(s, f)) {
		if (s->whole && f.n == s->seen) /* the same again */
			return 0;
		if (!s->whole)
			return s->value_next ? doubt_it(a, s, f) : new_of(s, f, out);
	}
	s->form = FRAGMENTS_DELTAS;
	return put(f, out);
}

static int resolve(struct snapshots *s, struct span f, struct span out[2])
{
	struct span held = s->doubt;

	if (f.n >= held.n && !memcmp(f.p, held.p, held.n))
		return new_of(s, f, out);
	s->form = FRAGMENTS_DELTAS;
	out[0] = held;
	out[1] = f;
	return 2;
}

int snapshots_feed(struct arena *a, struct snapshots *s, struct span f, struct span out[2])
{
	switch (s->form) {
	case FRAGMENTS_OPEN:
		if (s->seen)
			return second_fragment(a, s, f, out);
		first_fragment(s, f);
		return put(f, out);
	case FRAGMENTS_DOUBT:
		return resolve(s, f, out);
	case FRAGMENTS_SNAPSHOTS:
		/* What has gone out can't be taken back: one that says it otherwise is no help. */
		return repeats(s, f) ? new_of(s, f, out) : 0;
	case FRAGMENTS_DELTAS:
		break;
	}
	return put(f, out);
}

struct span snapshots_end(struct snapshots *s)
{
	struct span held = s->doubt;

	if (s->form != FRAGMENTS_DOUBT)
		return SPAN_ABSENT;
	s->form = FRAGMENTS_DELTAS;
	if (!whole_object(held))
		return held;
	return (struct span){ held.p + s->seen, held.n - s->seen, held.form };
}

bool snapshots_continue(const struct snapshots *s, struct span f)
{
	return s->form == FRAGMENTS_SNAPSHOTS && span_given(f) && repeats(s, f);
}
