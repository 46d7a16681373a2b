/*
 * Where AWS credentials come from: the shared files, AWS's token service, its sign-on portal, and
 * the endpoints of containers and instances. Each finds credentials, or says that it has none.
 */
#ifndef UPSTREAM_AWS_H
#define UPSTREAM_AWS_H

#include "upstream/credential_provider.h"

#define AWS_FILE_MAX (256 * 1024)

/* What an answer to a search is; an error is -1, with the fault. */
enum aws_found { AWS_FOUND = 0, AWS_NOTHING = 1 };

/* One call whose answer is JSON with keys at path[0].path[1] … (NULL ends; path NULL: the answer
 * is them). `from`: who is asked, for messages. */
int aws_call(const struct backend *b, const struct credential_call *c, const char *const *path,
	     const char *from, struct waiter *w, struct credential *out, struct fault *f);

/* ---- the shared files ---- */

/* Settings of one profile; texts are in `memory`, "" where there are none. */
struct aws_profile {
	const char *key_id, *secret, *session;
	const char *process;            /* credential_process */
	const char *role, *source_profile, *credential_source, *web_identity_file;
	const char *external_id, *session_name, *seconds, *mfa;
	const char *sso_session, *sso_start_url, *sso_region, *sso_account, *sso_role;
	struct buf memory;
};

/* AWS_NOTHING: neither file has it. Release it, whatever the result. */
int aws_profile_read(const struct backend *b, const char *name, struct aws_profile *p,
		     struct fault *f) MUST_CHECK;
void aws_profile_release(struct aws_profile *p);
/* What the profile's settings lead to: its keys, a program, its role, single sign-on. */
int aws_from_profile(const struct backend *b, const char *name, struct waiter *w,
		     struct credential *out, struct fault *f);
int aws_from_sso(const struct backend *b, const struct aws_profile *p, struct waiter *w,
		 struct credential *out, struct fault *f);

/* ---- the token service ---- */

struct aws_role {
	const char *arn;
	const char *session_name, *external_id; /* NULL: the usual one, none */
	int64_t seconds;                /* 0: the service's own hour */
};

/* The credential becomes the role's. */
int aws_assume(const struct backend *b, const struct aws_role *role, struct credential *base,
	       struct waiter *w, struct fault *f);
/* file: a token of another issuer, read anew each time. */
int aws_web_identity(const struct backend *b, const struct aws_role *role, const char *file,
		     struct waiter *w, struct credential *out, struct fault *f);

/* ---- the machine ---- */

/* AWS_NOTHING: no variable names an endpoint. */
int aws_from_container(const struct backend *b, struct waiter *w, struct credential *out,
		       struct fault *f);
/* AWS_NOTHING: switched off, or nobody answers. */
int aws_from_instance(const struct backend *b, struct waiter *w, struct credential *out,
		      struct fault *f);
/* The instance's region, as text; AWS_NOTHING as above. */
int aws_instance_region(const struct backend *b, struct waiter *w, struct buf *out,
			struct fault *f);
/* Keys of the environment, as a profile's credential_source may name them. */
int aws_from_environment(const struct backend *b, struct credential *out, struct fault *f);

#endif
