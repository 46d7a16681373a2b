/*
 * Who may do what: keys, local, passthrough, open. Reads the request's headers and the config
 * snapshot; never logs a key.
 */
#ifndef ACCESS_ACCESS_H
#define ACCESS_ACCESS_H

#include "config/config.h"
#include "http/request.h"
#include "message/fault.h"

/* NEED_KEY: any key will do. What stands behind NEED_RIGHT needs one that has this right; without
 * keys (mode local, open, passthrough) those of RIGHTS_DEFAULT are everybody's. */
enum access_need {
	NEED_NOTHING,
	NEED_KEY,
	NEED_RIGHT,
	NEED_MESSAGES = NEED_RIGHT + RIGHT_MESSAGES,
	NEED_COUNT_TOKENS = NEED_RIGHT + RIGHT_COUNT_TOKENS,
	NEED_MODELS = NEED_RIGHT + RIGHT_MODELS,
	NEED_HEALTH = NEED_RIGHT + RIGHT_HEALTH,
	NEED_DEBUG = NEED_RIGHT + RIGHT_DEBUG,
	NEED_DOCTOR = NEED_RIGHT + RIGHT_DOCTOR,
};

/* Where a request comes from: the web server's peer or, where that is a trusted proxy, whom it
 * names. */
struct access_client {
	struct address address;
	bool known;
	bool forwarded;                 /* a trusted proxy said so */
	bool vague;                     /* it named what is no address; this is a proxy's */
};

struct access_result {
	const struct access_key *key;   /* of the config snapshot; NULL unless one matched */
	const char *sha256;             /* that one of its two */
	const char *key_name, *owner, *group; /* the same's */
	const char *caller_key; /* passthrough: the caller's own, borrowed from the parameters */
	bool caller_bearer;
	struct access_client client;
};

/* -1 with a fault (401, 403, 429) that says what to do. Sets r->cors_origin. out->client is set in
 * any case. */
int access_check(const struct config *c, struct http_request *r, enum access_need need,
		 struct access_result *out, struct fault *f) MUST_CHECK;
/* Preflight: 1 when the origin is allowed (cors_origin set), 0 when the answer gets no allow
 * headers. */
int access_preflight(const struct config *c, struct http_request *r);
/* May this request's origin and address use POST bodies at all (access.mode "local" wants
 * application/json)? Part of access_check. */

/* access/client.c */
void access_client_of(const struct config *c, const struct http_request *r,
		      struct access_client *out);

/* ---- what a key may use (access/rights.c); a NULL key may use everything but what has to be
 * granted ---- */

bool access_may(const struct access_key *k, enum access_right right);
bool access_backend(const struct access_key *k, const char *backend);
/* asked: the name that the client sent; model: what that leads to at the backend. One of them has
 * to be allowed. */
bool access_model(const struct access_key *k, const char *asked, const char *backend,
		  const char *model);
/* Neither disabled nor expired. */
bool access_good(const struct access_key *k);
/* Is what was let in with an earlier snapshot still good in this one? */
bool access_still(const struct config *now, const struct access_result *was);

/* ---- refused keys (access/throttle.c) ---- */

/* Counts a refused key against the client's address and the key itself. When there were too many f
 * becomes a 429. Returns -1. */
int access_refused(const struct config *c, const struct access_client *client,
		   struct str presented, struct fault *f);

/* SHA-256 of a key as 64 lower-case hex digits. */
void access_hash(const char *key, size_t n, char out[65]);
/* HMAC-SHA-256 with the secret, its first 64 bits. */
uint64_t access_hash64(uint64_t secret, const void *data, size_t n);
/* Constant time for equal lengths. */
bool access_equal(const char *a, const char *b, size_t n);

#endif
