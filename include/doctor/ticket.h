/*
 * How the doctor on the command line is known to the gateway that runs: both read the same
 * configuration, so a time signed with what is secret in it is proof enough for the few tests that
 * it opens (api/probe.c). Nothing else takes a ticket.
 */
#ifndef DOCTOR_TICKET_H
#define DOCTOR_TICKET_H

#include "config/config.h"

#define TICKET_SIZE 96
#define TICKET_SECONDS 600

#define DOCTOR_HEADER "x-messages-doctor"               /* what is to be tested */
#define DOCTOR_TICKET_HEADER "x-messages-doctor-ticket"
#define DOCTOR_EVENTS 5                                 /* of "stream" */
#define DOCTOR_GAP_MS 250                               /* between two of them */
#define DOCTOR_SILENCE_MAX 600                          /* seconds */

/* False when the configuration has neither keys nor a word: nothing in it is secret. */
bool ticket_make(const struct config *c, int64_t wall_seconds, char out[TICKET_SIZE]);
bool ticket_valid(const struct config *c, const char *ticket, int64_t wall_seconds);

#endif
