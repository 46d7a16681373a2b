/* Checks that what a client got is a legal Messages stream: framing, event order, block numbers,
 * tool inputs. For tests. */
#ifndef TESTS_SSE_GRAMMAR_H
#define TESTS_SSE_GRAMMAR_H

#include "base/str.h"

/* How the stream has to end. */
enum sse_end { SSE_END_COMPLETE, SSE_END_ERROR, SSE_END_ANY };

/* NULL when the stream is legal, else a sentence that says what is wrong (static buffer). Headers
 * must have been cut off. */
const char *sse_grammar_check(struct str stream, enum sse_end end);

#endif
