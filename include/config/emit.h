/*
 * Writing settings as a config file: opens and closes groups as paths come along. --print-config,
 * the sample file and import-env share it.
 */
#ifndef CONFIG_EMIT_H
#define CONFIG_EMIT_H

#include <stdio.h>

#include "config/option.h"

struct emit {
	FILE *out;
	unsigned depth;         /* groups that are open */
	bool sample;            /* groups are comments, as what stands in them */
	char group[64];         /* the innermost one that emit_path opened, "" for none */
};

void emit_line(struct emit *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Opens the group of an option's path (and closes the one before); returns its name there. */
const char *emit_path(struct emit *e, const char *path);
/* Closes the group that emit_path opened, if any. */
void emit_path_end(struct emit *e);
/* Open a group, and close the one that emit_open opened last; either ends emit_path's first. */
void emit_open(struct emit *e, const char *group);
void emit_close(struct emit *e);
/* A comment of any length, wrapped at 100 columns. */
void emit_comment(struct emit *e, const char *text);

/* Has this option a value in base? Always true for numbers and the like. */
bool option_given(const struct option *o, const void *base);

#endif
