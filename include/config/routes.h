/*
 * Rules and targets as the file writes them (config/routes.c).
 */
#ifndef CONFIG_ROUTES_H
#define CONFIG_ROUTES_H

#include "config/snapshot.h"

/* A member of a chain that is written as a group. */
struct member_row {
	const char *backend, *model;
	int weight;
};

/* Warns of rules that never win (config/shadow.c); at: where each rule stands. */
void warn_rules(struct loader *l, const struct config *c, const struct origin *at);
void warn_map(struct loader *l, const struct config *c, const struct origin *at);

#endif
