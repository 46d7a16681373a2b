/*
 * A stream whose events are the backend's own, byte by byte, is legal in its order; what stands in
 * an event is the backend's word. For such, in the place of tests/unit/sse_grammar.h.
 */
#ifndef TESTS_FUZZ_ECHO_H
#define TESTS_FUZZ_ECHO_H

#include "base/str.h"

/* NULL, or what is wrong with the stream. */
const char *echo_check(struct str stream);

#endif
