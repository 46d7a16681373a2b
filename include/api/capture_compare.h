/* What of a captured text and a replayed one has to be the same. */
#ifndef API_CAPTURE_COMPARE_H
#define API_CAPTURE_COMPARE_H

#include <stdio.h>

#include "base/buf.h"

/* True when they are, made-up ids aside; else the place where they begin to differ is printed. */
bool capture_same(FILE *out, const char *what, struct str was, struct str now);
/* The same of answers, with their heads: pings, comments and headers of the moment don't count.
 * part: the client left, so what it got has only to be the beginning. */
bool capture_same_answer(FILE *out, struct str was, struct str now, bool part);

#endif
