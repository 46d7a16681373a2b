/*
 * What is outside the program, for harnesses that run all of it: backends whose answers are part of
 * the input, and a clock that moves only when the program waits, so that minutes of silence take no
 * time and the same input does the same each time.
 *
 * The linker puts world.c in the place of the clock, of poll and of call_perform (--wrap); libcurl
 * is the only part of the way that is not run.
 */
#ifndef TESTS_FUZZ_WORLD_H
#define TESTS_FUZZ_WORLD_H

#include "base/buf.h"

/* Between the body of a request and the answers to it. */
#define SECTION "\n%%\n"
/* What stands in front of them, a character each: the backend's place in labs.h, '0' the first; how
 * the answer is cut into pieces; the pause between them; how it ends; how the request's body comes;
 * when the client leaves. */
#define DIALS 6

enum world_end {
	WORLD_WHOLE,            /* the answer ends as it should */
	WORLD_CUT,              /* the connection breaks behind it */
	WORLD_SILENT,           /* nothing comes after it */
	WORLD_REFUSED,          /* no connection: the first answer is for the next call */
	WORLD_ENDS
};

struct world {
	/* One for each call, the last for all further ones: lines of a head, an empty line, the
	 * body; SECTION between them. */
	struct str answers;
	size_t piece;                   /* bytes of the body at a time at most; 0: all at once */
	int64_t pause_ms;               /* before each piece */
	enum world_end end;
	unsigned frames;                /* 1: each line of a body becomes a message of an AWS event
					 * stream; 2: and there an event of the Messages API */
};

/* The world in force from now on; borrowed. */
void world_set(const struct world *w);
/* Upstream calls since then. */
size_t world_calls(void);

#endif
