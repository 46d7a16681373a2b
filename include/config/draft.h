/*
 * Backends in the making (config/backends.c fills them, config/choose.c picks): all that the file
 * and the environment know of each, whether it can be used or not.
 */
#ifndef CONFIG_DRAFT_H
#define CONFIG_DRAFT_H

#include "config/snapshot.h"

struct draft {
	struct backend b;
	struct option_set set;
	const struct preset *preset;    /* NULL: none */
	bool own_name;                  /* it has its preset's name: that one's variables count */
	const config_setting_t *group;  /* NULL: not in the file */
	const char *lacks;              /* why it can't be used; NULL when it can */
};

struct drafts {
	struct draft *v;
	size_t n;
	const config_setting_t *group;  /* the file's; NULL: none */
};

/* Every backend of the group and every preset that counts, complete. False without memory. */
bool drafts_fill(struct loader *l, struct drafts *all, const struct config *c);
/* What follows from a backend's options, for one of the list and for one with a target's options
 * laid over it: empty texts say "none", members to drop. */
void backend_settle(struct loader *l, struct backend *b);
/* Its ways and its key's mark (config/turns.c). */
void backend_keys(struct loader *l, struct backend *b);
/* base_url and what follows from it for the paths (config/address.c). */
void address_settle(struct loader *l, struct draft *d);
/* The option whose place in the base URL was left open; NULL: none. */
const char *address_lacks(const struct backend *b);
/* Decides the credential's kind, once all values are there and api_key was checked. */
void credential_settle(struct loader *l, struct draft *d);
/* What its kind needs and is not set, as a sentence for people; NULL when all is there. */
const char *credential_lacks(struct loader *l, const struct draft *d);
/* Where the file speaks of it; else its preset. */
struct origin draft_origin(struct loader *l, const struct draft *d);

#endif
