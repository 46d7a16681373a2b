/*
 * Slots: one CURLM with one easy handle each, because the connection lives in the CURLM (an easy
 * handle that is moved to another one opens a new connection). Idle slots keep their connection in
 * a stack per origin, the last used on top. A slot belongs to one call and one thread from
 * slot_take to slot_give or slot_drop.
 */
#ifndef UPSTREAM_SLOT_H
#define UPSTREAM_SLOT_H

#include <curl/curl.h>
#include "base/str.h"

struct slot {
	CURLM *multi;
	CURL *easy;             /* options as after curl_easy_reset, the DNS cache shared */
	struct slot *next;      /* in the list of idle ones */
	int64_t since;          /* clock_ms when it became idle */
	char *origin;
};

int slots_setup(void);
void slots_cleanup(void);
/* An idle slot of this origin, or a new one; NULL without memory. origin: scheme, host, port,
 * proxy and TLS options. */
struct slot *slot_take(const char *origin);
/* Back to the stack with its connection; the easy handle is not in the CURLM any more. */
void slot_give(struct slot *s);
/* Ends it together with its connection. */
void slot_drop(struct slot *s);
/* Ends those that have been idle for too long. */
void slots_sweep(void);
/* How many are idle, for tests. */
size_t slots_idle(void);

#endif
