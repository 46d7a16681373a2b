/*
 * A load in the making: what struct config does not show to the rest of the program, but --check
 * and reload need.
 */
#ifndef CONFIG_SNAPSHOT_H
#define CONFIG_SNAPSHOT_H

#include <stdatomic.h>

#include "config/config.h"
#include "config/option.h"
#include "config/preset.h"

struct snapshot {
	struct config c;                /* first: a struct config * is one of these */
	atomic_int refs;
	struct arena arena, notes;
	struct option_set globals;      /* these two are gone when the notes are forgotten */
	struct option_set *sets;        /* one for each of c.backends */
};

/* Everything, whatever is wrong: problems are in r, files to watch in w. NULL when there were
 * errors, except, with `unset`, that no backend was ever set up. */
struct snapshot *snapshot_load(const struct config_load *how, struct report *r, struct watch *w,
			       bool unset);
/* The same even if there were errors, for --check; NULL only without memory. */
struct snapshot *snapshot_try(const struct config_load *how, struct report *r, struct watch *w);
/* Where the values are from is of no interest any more: a process that serves calls it, since that
 * takes more memory than the values. */
void snapshot_forget(struct snapshot *s);
void snapshot_free(struct snapshot *s);

/* The file to read (config/find.c): NULL when there is none. Places that were looked at are
 * watched. *named tells that it was asked for. */
const char *find_file(struct loader *l, const struct config_load *how, bool *named);
/* Reads it with what it includes into cfg; false when that failed (reported). */
bool find_read(struct loader *l, const char *path, config_t *cfg);

/* The parts of a load. root is NULL when there is no file. */
void load_backends(struct loader *l, struct snapshot *s, const config_setting_t *root);
void load_rules(struct loader *l, struct snapshot *s, const config_setting_t *root);
/* After load_backends and load_rules. */
void load_routes(struct loader *l, struct snapshot *s, const config_setting_t *root);
void load_keys(struct loader *l, struct snapshot *s, const config_setting_t *root);
void load_proxies(struct loader *l, struct snapshot *s);
void load_limits(struct loader *l, struct snapshot *s);

#endif
