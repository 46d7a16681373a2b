/*
 * The exchange of a client's secret, or of an assertion in its place (RFC 7523), for a token.
 */
#ifndef UPSTREAM_CREDENTIAL_OAUTH_H
#define UPSTREAM_CREDENTIAL_OAUTH_H

#include "upstream/credential_provider.h"

struct oauth_client {
	const char *url, *scope;        /* scope NULL or "": not sent */
	/* Where the proof goes: the secret in the body or as Basic, or the assertion (a JWT). */
	enum { OAUTH_BODY, OAUTH_BASIC, OAUTH_ASSERTION } place;
	const char *assertion;
};

/* client_id, client_secret and lifetime are the backend's. -1 with the fault. */
int oauth_client_token(const struct backend *b, const struct oauth_client *c, struct waiter *w,
		       struct credential *out, struct fault *f) MUST_CHECK;

#endif
