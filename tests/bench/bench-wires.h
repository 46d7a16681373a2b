/* One answer in each wire format: thinking, text and two calls, cut into the same fragments. */
#ifndef TESTS_BENCH_WIRES_H
#define TESTS_BENCH_WIRES_H

#include "base/arena.h"

struct wire_event {
	struct str name, data;          /* as the framing hands them to a decoder */
};

struct wire {
	struct wire_event *v;
	size_t n;
};

/* kind: a backend with a form of its own, or a dialect. False: there is none of this name. */
bool wire_make(struct wire *w, const char *kind, struct arena *a);

#endif
