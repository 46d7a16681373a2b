/* What a Messages-compatible backend refuses (anthropic_refuse.c), for anthropic_encode.c. */
#ifndef DIALECT_ANTHROPIC_REFUSE_H
#define DIALECT_ANTHROPIC_REFUSE_H

#include "dialect/anthropic.h"
#include "dialect/anthropic_quirks.h"

/* Is the member with this path ("tools.strict") left out, by its name or with its beta? */
bool anthropic_member_refused(const struct backend *b, struct str path);
/* A tool that only the API itself runs, and this backend does not. */
bool anthropic_tool_refused(const struct backend *b, const struct tool *t);
/* Edits of the request's body: what is refused goes, what the config or a quirk says of a member
 * takes its place. w: NULL for the API itself. -1 when memory ends. */
int anthropic_find_refused(const struct encode_context *c, const struct anthropic_wrapped *w,
			   const struct anthropic_quirks *q, struct edits *e) MUST_CHECK;
/* The same for a text of our own in the form of a body. */
int anthropic_rewrite_refused(const struct encode_context *c, const struct anthropic_quirks *q,
			      struct str body, struct buf *out) MUST_CHECK;
/* The client's betas without what the backend refuses, separated by commas. */
void anthropic_kept_betas(const struct encode_context *c, struct buf *kept);

#endif
