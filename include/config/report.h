/*
 * What a load finds wrong, and where each value came from. All problems are collected, so that one
 * run of --check shows them all.
 */
#ifndef CONFIG_REPORT_H
#define CONFIG_REPORT_H

#include "base/buf.h"

/* In rising precedence. */
enum origin_kind { ORIGIN_DEFAULT, ORIGIN_PRESET, ORIGIN_FILE, ORIGIN_ENV };

struct origin {
	enum origin_kind kind;
	/* the preset's name, the file, the variable; of a default what it was made of, or NULL */
	const char *where;
	int line;               /* of the file; 0 when there is none */
	/* a secret's reference as written ("env:NAME"); NULL for a literal one and all else */
	const char *ref;
	const char *problem;    /* why a secret has no value; NULL when it has */
};

struct report {
	struct buf errors, warnings;    /* a line each: "FILE:LINE: sentence" */
	unsigned nerrors, nwarnings;
	unsigned nunset;                /* of the errors: that no backend was ever set up */
};

void report_init(struct report *r);
void report_release(struct report *r);
/* at may be NULL: the sentence stands alone. */
void report_error(struct report *r, const struct origin *at, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
void report_warn(struct report *r, const struct origin *at, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* "FILE:LINE", "NAME in the environment", "preset NAME" or "default". */
void origin_put(struct buf *b, const struct origin *o);

/* Spelling help: shows candidates to nearest_see, then the closest one (at most a third of it
 * wrong) is in best, NULL if none is near. */
struct nearest {
	const char *name;
	const char *best;
	unsigned distance;
};
void nearest_init(struct nearest *n, const char *name);
void nearest_see(struct nearest *n, const char *candidate);

#endif
