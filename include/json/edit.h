/*
 * Copy with edits: replaces, removes or adds members of a JSON text without touching any other byte.
 */
#ifndef JSON_EDIT_H
#define JSON_EDIT_H

#include "json/scan.h"
#include "json/segs.h"

/* One replacement: bytes [at, at+n) of the source become `with` (may be empty). */
struct edit {
	size_t at, n;
	struct str with;
};

/* Edits being collected, in any order. Of two that overlap the one that begins first counts, the
 * longer one where both begin together, and of equal ones that which was added first: what stands
 * inside of a removed member needs no edit any more. */
struct edits {
	struct arena *arena;
	struct edit *v;
	size_t n, cap;
	bool failed;            /* sticky; memory ended */
};

void edits_add(struct edits *e, struct edit one);
/* Writes src with the edits applied; long untouched stretches are borrowed. Sorts them. */
void edits_apply(struct segs *out, struct str src, struct edits *e);

/* Called for each member of each object met, outermost first; depth 0 is the outermost object.
 * at: the scanner right before the value, to look at its first byte; a copy of it may read on. */
enum edit_action {
	EDIT_KEEP,              /* and look into it */
	EDIT_WHOLE,             /* keep it as it is */
	EDIT_DROP,
	EDIT_REPLACE,
};
struct edit_rule {
	/* path: keys from the root, as SPAN_STR, depth+1 of them (array elements add no key). */
	enum edit_action (*member)(void *ctx, const struct span *path, unsigned depth,
				   const struct scan *at, struct str *with);
	void *ctx;
};

/* Rewrites a JSON text by rule into b: EDIT_DROP leaves the member out (commas kept right),
 * EDIT_REPLACE writes *with as its value. Everything kept is copied byte for byte. -1 when src is
 * no valid JSON or memory ends. */
int edit_rewrite(struct buf *b, struct str src, const struct edit_rule *rule) MUST_CHECK;

/*
 * The same as edits of src. known: values of src that need not be looked into, by their address and
 * in its order; they are passed over without being read. For a text that a scanner has passed.
 */
int edit_find(struct edits *e, struct str src, const struct edit_rule *rule,
	      const struct str *known, size_t nknown) MUST_CHECK;

#endif
