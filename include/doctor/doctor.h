/*
 * Looks for what would keep the gateway from working: its configuration, the machine, the backends
 * and the web server in front. Every part only adds findings, and ends by the deadline that it is
 * given.
 */
#ifndef DOCTOR_DOCTOR_H
#define DOCTOR_DOCTOR_H

#include "config/config.h"
#include "doctor/finding.h"

/* What --check finds. `used` gets what will be used, as --check prints it, and what `more` says of
 * it; NULL: not wanted. */
void doctor_config(struct findings *l, const struct config_load *load,
		   void (*more)(const struct config *c, FILE *out), FILE *used);
/* Folders, limits of the process, the clock. */
void doctor_host(struct findings *l, const struct config *c);
/* Each backend, side by side. deadline: clock_ms. */
void doctor_backends(struct findings *l, const struct config *c, int64_t deadline);

struct doctor_web {
	const char *base_url;           /* as clients have it: "https://host/ai" */
	const char *key;                /* a client's; NULL: a ticket made from the configuration */
	int silence;                    /* seconds that are tried, 0: none */
	int64_t deadline;               /* clock_ms */
};
/* The web server at the base URL. */
void doctor_web(struct findings *l, const struct config *c, const struct doctor_web *o);

#endif
