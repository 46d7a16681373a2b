/*
 * Credentials that the processes of a host share: a file each in the state dir, and a lock beside
 * it. Files are readable for their owner alone; one that anyone else could have written or read is
 * not believed.
 */
#ifndef UPSTREAM_CREDENTIAL_SHARE_H
#define UPSTREAM_CREDENTIAL_SHARE_H

#include "upstream/credential.h"

#define CREDENTIAL_ID_SIZE 32

enum share_lock {
	SHARE_LOCKED,
	SHARE_BUSY,             /* another process, or thread, has it */
	SHARE_NONE,             /* no lock can be had here */
};

/* Does not wait. *fd: to be given to credential_share_unlock; -1 when there is none. */
enum share_lock credential_share_lock(const char *dir, const unsigned char id[CREDENTIAL_ID_SIZE],
				      int *fd);
void credential_share_unlock(int fd);
/* A renewal failed, or (f NULL) did not; the lock is held. fd -1: nobody is told. */
void credential_share_fail(int fd, const struct fault *f);
/* True, with the fault, when the last renewal of whichever process failed less than so long ago. */
bool credential_share_failed(int fd, int64_t ms, struct fault *f);
/* -1: there is none, or none to be believed (f is filled without use for a client). */
int credential_share_read(const char *dir, const unsigned char id[CREDENTIAL_ID_SIZE],
			  struct credential *out, struct fault *f) MUST_CHECK;
/* Failures are logged: the others then get one of their own. */
void credential_share_write(const char *dir, const unsigned char id[CREDENTIAL_ID_SIZE],
			    const struct credential *c);

#endif
