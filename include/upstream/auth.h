/*
 * The header list of a call: what the encoder wants, who we are, and the credential.
 */
#ifndef UPSTREAM_AUTH_H
#define UPSTREAM_AUTH_H

#include <curl/curl.h>
#include "upstream/credential.h"
#include "upstream/upstream.h"

/* own: the backend's credential, not read when the call has its caller's key. *out is to be freed
 * with curl_slist_free_all. -1 with a fault: no memory, or a credential that can't stand in a
 * header. */
int auth_headers(const struct upstream_call *c, const struct credential *own,
		 struct curl_slist **out, struct fault *f) MUST_CHECK;

#endif
