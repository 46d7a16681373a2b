/* What a legal answer is, for harnesses that put a decoder and the order keeper before it: blocks
 * one after the other, numbered from 0, texts that are sound content of JSON strings. Aborts at
 * anything else. */
#ifndef TESTS_FUZZ_CHECKER_H
#define TESTS_FUZZ_CHECKER_H

#include "message/event.h"

struct checker {
	struct sink sink;
	bool open, ended, call;
	int64_t index;
	bool whole_inputs;              /* inputs of calls must be JSON in the end */
	struct buf input;               /* of the call that is open */
};

/* Only in a harness whose runs take milliseconds: `make check` then makes fewer (driver.c). */
extern const int fuzz_slow;

void require(bool ok);
void checker_init(struct checker *c, bool whole_inputs);
void checker_release(struct checker *c);

#endif
