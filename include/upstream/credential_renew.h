/*
 * One renewal of a credential: by this process or, where the processes of the host share theirs, by
 * whichever of them has the lock.
 */
#ifndef UPSTREAM_CREDENTIAL_RENEW_H
#define UPSTREAM_CREDENTIAL_RENEW_H

#include "upstream/credential_provider.h"
#include "upstream/credential_share.h"

/* After a renewal that failed the next is not tried for this long: the old one serves, or, when it
 * has expired, the failure. */
#define CREDENTIAL_AGAIN_MS 5000
/* Between two looks whether another thread or process is done. */
#define CREDENTIAL_LOOK_MS 20

struct renewal {
	const struct backend *b;
	const char *dir;                /* where it is shared; NULL: nowhere */
	const unsigned char *id;        /* CREDENTIAL_ID_SIZE bytes */
	uint64_t refused;               /* version that the backend does not take any more */
	bool early;                     /* the old one is still good */
	struct waiter *w;
};

enum renewed {
	RENEWAL_FAILED = -1,            /* the fault says why */
	RENEWED = 0,
	RENEWED_ELSEWHERE = 1,          /* early ones alone: another process is at it */
};

/* It serves for a call that begins now. */
bool credential_good(const struct credential *c, uint64_t refused);
/* Good, but not for long any more, or not what its source says now. */
bool credential_due(const struct backend *b, const struct credential *c);
enum renewed credential_renew(const struct renewal *n, struct credential *out,
			      struct fault *f) MUST_CHECK;

#endif
