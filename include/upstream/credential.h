/*
 * Credentials are providers, not strings: a row says how one is got, how its refusal is told from
 * other refusals, and whether it is worth sharing. What is got is kept per process and, in the
 * state dir, for all processes of the host: one of them renews it before it expires, the others
 * take what that one has written. Adding a provider is a file with one row, an enum credential_kind
 * (message/target.h), its word in config/options.c and its place in the table of credential.c.
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
	char *memory;
};

#define CREDENTIAL_INIT ((struct credential){ NULL, NULL, NULL, 0, 0, 0, 0, NULL })

void credential_release(struct credential *c);
/* Sets c (released before) to copies of these; p NULL: none. `obtained` is now. -1 with the fault:
 * no memory. */
int credential_fill(struct credential *c, struct str token, struct str key_id, struct str session,
		    int64_t expires, struct fault *f) MUST_CHECK;

/* All fields are const and shared by all threads. */
struct credential_provider {
	/* Costs a call or a process: kept in the state dir too, for all processes. */
	bool shared;
	/* Further wordings of a 400, 401 or 403 that a renewal may cure, any case; NULL-terminated.
	 * 401 alone always counts, and so do the usual words about expired tokens. NULL: none. */
	const char *const *refusals;
	/* Gets a new one: credential_fill or -1 with the fault. Blocks, serving w (may be NULL);
	 * keeps a time limit of its own of 30 seconds at most. */
	int (*fetch)(const struct backend *b, struct waiter *w, struct credential *out,
		     struct fault *f);
	/* Has the source changed since c was fetched? NULL: only time makes it old. */
	bool (*stale)(const struct backend *b, const struct credential *c);
};

/* Once per process, before threads: where processes share what they got; NULL: nowhere. */
void credential_setup(const char *state_dir);
void credential_cleanup(void);

/* The backend's credential, renewed if need be: *out is to be released. token NULL when it has
 * none. Thread-safe. -1 with the fault (FAULT_AUTH, FAULT_TRANSIENT or FAULT_CANCELLED). */
int credential_get(const struct backend *b, struct waiter *w, struct credential *out,
		   struct fault *f) MUST_CHECK;
/* The backend answered a call that `used` signed with this status and body: true when that says
 * that the credential is no longer good and another one can be had, so the call is worth one more
 * try with a new credential_get. */
bool credential_refused(const struct backend *b, const struct credential *used, int status,
			struct str body);
/* Can a refusal be cured at all? (False for a plain key.) */
bool credential_renewable(const struct backend *b);

/* ---- for providers ---- */

/* One small HTTP call without the backend's own credential, but through its proxy and trust. */
struct credential_call {
	const char *method, *url;
	const char *const *headers;     /* "Name: value" */
	size_t nheaders;
	struct str body;
	bool direct;                    /* never through a proxy: an address of this machine's cloud */
	int seconds;                    /* for all of it, at most; 0: 30 */
};
/* 0 with *status and the body (up to 256 KB) in out (initialised by the caller), whatever the
 * status; -1 with the fault. */
int credential_http(const struct backend *b, const struct credential_call *c, struct waiter *w,
		    int *status, struct buf *out, struct fault *f) MUST_CHECK;
/* Runs a program without a shell (quotes and backslashes are understood) and reads what it prints,
 * 64 KB and 30 seconds at most; out is initialised by the caller. -1 with the fault. */
int credential_run(const struct backend *b, const char *command, struct waiter *w, struct buf *out,
		   struct fault *f) MUST_CHECK;
/* An OAuth answer: access_token (also accessToken, token), expires_in seconds, or expires_on in
 * seconds since 1970. lifetime: seconds, for answers that don't say. -1 with the fault, which
 * quotes error and error_description and never a token. */
int credential_oauth_answer(const struct backend *b, int status, struct str body, int lifetime,
			    struct credential *out, struct fault *f) MUST_CHECK;
/* Appends name=value for a form body, percent-encoded, with '&' where b is not empty. */
void credential_form(struct buf *b, const char *name, const char *value);
/* FAULT_AUTH for the backend: "backend NAME: its credential (KIND) …". Returns -1. */
#define credential_fault(b, f, ...) \
	credential_fault_at(ERROR_SITE("credential/" SITE_TEXT(__VA_ARGS__), \
				       SITE_TEXT(__VA_ARGS__)), b, f, __VA_ARGS__)
int credential_fault_at(const struct error_site *site, const struct backend *b, struct fault *f,
			const char *fmt, ...)
	PRINTF_LIKE(4, 5);

extern const struct credential_provider credential_file, credential_exec, credential_oauth,
	credential_databricks, credential_entra, credential_aws, credential_aws_keys, credential_google;

#endif
