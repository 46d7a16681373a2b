/*
 * Who may do what: keys, local, passthrough, open. Reads the request's headers and the config
 * snapshot; never logs a key.
 */
#ifndef ACCESS_ACCESS_H
#define ACCESS_ACCESS_H

#include "config/config.h"
#include "http/request.h"
#include "message/fault.h"

enum access_need { NEED_NOTHING, NEED_KEY };

struct access_result {
	const char *key_name, *owner, *group; /* NULL unless a key matched */
	const char *caller_key; /* passthrough: the caller's own, borrowed from the parameters */
	bool caller_bearer;
};

/* -1 with a fault (401, 403) that says what to do. Sets r->cors_origin. */
int access_check(const struct config *c, struct http_request *r, enum access_need need,
		 struct access_result *out, struct fault *f) MUST_CHECK;
/* Preflight: 1 when the origin is allowed (cors_origin set), 0 when the answer gets no allow
 * headers. */
int access_preflight(const struct config *c, struct http_request *r);
/* May this request's origin and address use POST bodies at all (access.mode "local" wants
 * application/json)? Part of access_check. */

/* SHA-256 of a key as 64 lower-case hex digits. */
void access_hash(const char *key, size_t n, char out[65]);
/* Constant time for equal lengths. */
bool access_equal(const char *a, const char *b, size_t n);

#endif
