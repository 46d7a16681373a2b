/*
 * What a build may leave out (configure --disable-NAME, --enable-minimal). All of the sources are
 * compiled in every build; WITH_NAME is 0 where tables and callers do without a part, and the linker
 * takes only what is still asked for. So no choice of parts can fail to build, and tests of a part
 * that is left out still run.
 */
#ifndef BASE_PARTS_H
#define BASE_PARTS_H

#include "config.h"

#include <stdbool.h>
#include <stddef.h>

struct build_part {
	const char *name;               /* configure --disable-NAME */
	bool built;
};

/* All of them, name NULL ends. */
extern const struct build_part build_parts[];

/* The part's name when this build is without it; NULL: it has it. A name that is NULL or that of no
 * part is of every build. */
const char *part_missing(const char *name);
/* The names of what is left out, with ", " between them, "" for nothing; cut to size. */
void parts_left_out(char *out, size_t size);

#endif
