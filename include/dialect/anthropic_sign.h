/*
 * What backends with the Messages API that are not Claude's (plain_thinking) sign thinking with:
 * wrapped on its way to the client, unwrapped on its way back.
 */
#ifndef DIALECT_ANTHROPIC_SIGN_H
#define DIALECT_ANTHROPIC_SIGN_H

#include "dialect/dialect.h"

/* An event or a whole Message, checked JSON: its signatures and redacted thinking become this
 * backend's state, in the arena. -1 when memory ends. */
int anthropic_sign(const struct decode_context *c, struct span *doc) MUST_CHECK;

/* Is it another's? What a clone signs comes back as its state, so that all else is of Claude, or of
 * a conversation that began elsewhere; where signatures travel as they came, only another's state
 * is known to be foreign. */
bool anthropic_foreign(const struct backend *b, struct span signature);
/* The content of a JSON string: what this backend gave. */
int anthropic_unsign(struct arena *a, const struct backend *b, struct span signature,
		     struct str *made) MUST_CHECK;

#endif
