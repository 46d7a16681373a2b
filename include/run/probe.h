/*
 * A cheap call to a backend, to see what is on the way there: its model list with its credential
 * or, where it has none, its base URL without one.
 */
#ifndef RUN_PROBE_H
#define RUN_PROBE_H

#include "base/arena.h"
#include "upstream/upstream.h"

struct run_probe {
	struct upstream_report report;
	struct upstream_look look;
	int status;                     /* of the answer, 0: none */
	bool listed;                    /* the model list was asked for, with the credential */
	size_t models;                  /* that it named */
};

/* 0 when there was an answer that is none of an error; -1 with the fault filled. deadline:
 * clock_ms. */
int run_probe(const struct backend *b, struct arena *a, int64_t deadline, struct run_probe *p,
	      struct fault *f) MUST_CHECK;

#endif
