/*
 * Copy with edits: replaces, removes or adds members of a JSON text without touching any other byte.
 */
#ifndef JSON_EDIT_H
#define JSON_EDIT_H

#include "json/segs.h"

/* One replacement: bytes [at, at+n) of the source become `with` (may be empty). Sorted, not overlapping. */
struct edit {
	size_t at, n;
	struct str with;
};

/* Writes src with the edits applied; long untouched stretches are borrowed. */
void edit_splice(struct segs *out, struct str src, const struct edit *edits, size_t n);

/* Called for each member of each object met, outermost first; depth 0 is the outermost object. */
enum edit_action { EDIT_KEEP, EDIT_DROP, EDIT_REPLACE };
struct edit_rule {
	/* path: keys from the root, as SPAN_STR, depth+1 of them (array elements add no key). */
	enum edit_action (*member)(void *ctx, const struct span *path, unsigned depth, struct span value, struct str *with);
	void *ctx;
};
/* Rewrites a JSON text by rule into b: EDIT_DROP leaves the member out (commas kept right), EDIT_REPLACE writes *with as
 * its value, EDIT_KEEP goes on into containers. Everything kept is copied byte for byte. -1 when src is no valid JSON or memory ends. */
int edit_rewrite(struct buf *b, struct str src, const struct edit_rule *rule) MUST_CHECK;

#endif
