/*
 * Credentials are providers, not strings: a row says how one is got, how its refusal is told from
 * other refusals, and whether it is worth sharing (upstream/credential_provider.h). What is got is
 * kept per process and, in the state dir, for all processes of the host: one of them renews it
 * before it expires, the others take what that one has written.
 */
#ifndef UPSTREAM_CREDENTIAL_H
#define UPSTREAM_CREDENTIAL_H

#include "base/buf.h"
#include "base/wait.h"
#include "message/fault.h"
#include "message/target.h"

/* Owns its texts when memory is set; else they are the backend's. */
struct credential {
	const char *token;              /* key or bearer token; AWS: the secret access key */
	const char *key_id, *session;   /* AWS: access key id, session token; else NULL */
	int64_t obtained, expires;      /* clock_wall_ms; expires 0: it does not say */
	uint64_t version;               /* hash of the texts: another value, another credential */
	uint64_t stamp;                 /* for the provider: what its source looked like */
	bool local;                     /* for the provider: not to be written to the state dir */
	char *memory;
};

#define CREDENTIAL_INIT ((struct credential){ .memory = NULL })

void credential_release(struct credential *c);
/* Sets c (released before) to copies of these; p NULL: none. `obtained` is now. -1 with the fault:
 * no memory. */
int credential_fill(struct credential *c, struct str token, struct str key_id, struct str session,
		    int64_t expires, struct fault *f) MUST_CHECK;
/* The same with everything of another one; `to` is not released before. */
int credential_copy(struct credential *to, const struct credential *from,
		    struct fault *f) MUST_CHECK;
/* Nothing in it that would end a header's line. */
bool credential_printable(const struct credential *c);

/* Once per process, before threads: where processes share what they got; NULL: nowhere. */
void credential_setup(const char *state_dir);
void credential_cleanup(void);

/* The backend's credential, renewed if need be: *out is to be released. token NULL when it has
 * none. deadline: clock_ms, CLOCK_NEVER or 0 for none. Thread-safe. -1 with the fault (FAULT_AUTH,
 * FAULT_TRANSIENT or FAULT_CANCELLED). */
int credential_get(const struct backend *b, struct waiter *w, int64_t deadline,
		   struct credential *out, struct fault *f) MUST_CHECK;
/* The backend answered a call that `used` signed with this status and body: true when that says
 * that the credential is no longer good and another one can be had, so the call is worth one more
 * try with a new credential_get. */
bool credential_refused(const struct backend *b, const struct credential *used, int status,
			struct str body);
/* Can a refusal be cured at all? (False for a plain key.) */
bool credential_renewable(const struct backend *b);

#endif
