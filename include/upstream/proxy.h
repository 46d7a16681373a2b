/*
 * Which proxy a call takes: the backend's own setting, or the environment's, and none for loopback.
 */
#ifndef UPSTREAM_PROXY_H
#define UPSTREAM_PROXY_H

#include "message/target.h"

/* The proxy's URL, borrowed from the backend or the environment; "" for none. host: without
 * brackets. */
const char *proxy_for(const struct backend *b, const char *scheme, const char *host, int port);
/* Is it this machine: 127.0.0.0/8, ::1, localhost? */
bool proxy_loopback(const char *host);
/* Does a no_proxy list name the host? Entries are separated by commas or spaces: "*", a domain
 * (with all below it; a leading dot changes nothing), an address, a network such as 10.0.0.0/8;
 * each may end in ":port". */
bool proxy_excluded(struct str list, const char *host, int port);

#endif
