/*
 * Google's access tokens: the exchanges that give one, and the JSON files that say which.
 */
#ifndef UPSTREAM_GOOGLE_H
#define UPSTREAM_GOOGLE_H

#include "upstream/credential_provider.h"

#define GOOGLE_SCOPE "https://www.googleapis.com/auth/cloud-platform"
#define GOOGLE_TOKEN_URL "https://oauth2.googleapis.com/token"
#define GOOGLE_FILE_MAX (64 * 1024)
#define GOOGLE_LIFETIME 3600    /* seconds; the longest that a JWT may ask for */

/* The scope that is configured, else the usual one. */
const char *google_scope(const struct backend *b);
/* Appends the JWT that a service account's file signs for a token (RFC 7523). -1: the file has no
 * usable key, or there is no memory. */
int google_jwt(struct buf *out, struct span account, const char *scope) MUST_CHECK;
/* The form goes to credential.token_url, else the file's token_url or token_uri, else `usual`. */
int google_exchange(const struct backend *b, struct span file, const char *usual,
		    const struct buf *form, struct waiter *w, struct credential *out,
		    struct fault *f);
/* A secret goes to this address of a file's: https at Google, or this machine (tests, proxies). */
bool google_address(struct span file, struct span url);
/* The token becomes that of the service account: url is its generateAccessToken. */
int google_impersonate(const struct backend *b, struct span file, struct span url,
		       struct waiter *w, struct credential *out, struct fault *f);
/* Workload identity federation: a file of type external_account. */
int google_external(const struct backend *b, struct span file, struct waiter *w,
		    struct credential *out, struct fault *f);

#endif
