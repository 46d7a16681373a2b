/*
 * Rules and targets as the file writes them (config/routes.c).
 */
#ifndef CONFIG_ROUTES_H
#define CONFIG_ROUTES_H

/* A member of a chain that is written as a group. */
struct member_row {
	const char *backend, *model;
	int weight;
};

#endif
