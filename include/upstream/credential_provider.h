/*
 * What a provider of credentials is, and what providers are made with: a small HTTP call, a program
 * that is run, a file that is read, and the forms in which tokens and their times come. Adding a
 * provider is a file with one row, an enum credential_kind (message/target.h), its word in
 * config/options.c, what it needs in config/credential.c and its place in the table
 * of credential_kinds.c.
 */
#ifndef UPSTREAM_CREDENTIAL_PROVIDER_H
#define UPSTREAM_CREDENTIAL_PROVIDER_H

#include "json/span.h"
#include "upstream/credential.h"

/* All fields are const and shared by all threads. */
struct credential_provider {
	/* Costs a call or a process: kept in the state dir too, for all processes, and not tried
	 * again right after a failure. */
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
	/* Variables that decide which credential is got; NULL-terminated. NULL: none. */
	const char *const *env;
};

extern const struct credential_provider credential_file, credential_exec, credential_oauth,
	credential_databricks, credential_entra, credential_managed_identity, credential_aws,
	credential_aws_keys, credential_google;

const struct credential_provider *credential_provider(const struct backend *b);
/* "entra", for messages. */
const char *credential_kind_name(const struct backend *b);

/* FAULT_AUTH for the backend: "backend NAME: its credential (KIND) …". Returns -1. */
#define credential_fault(b, f, ...) \
	credential_fault_at(CREDENTIAL_SITE(__VA_ARGS__), FAULT_AUTH, b, f, __VA_ARGS__)
/* The same for what may work when it is tried again: FAULT_TRANSIENT. */
#define credential_fault_now(b, f, ...) \
	credential_fault_at(CREDENTIAL_SITE(__VA_ARGS__), FAULT_TRANSIENT, b, f, __VA_ARGS__)
/* The words are the code: there are many in one function. */
#define CREDENTIAL_SITE(...) \
	ERROR_SITE("credential/" SITE_TEXT(__VA_ARGS__), SITE_TEXT(__VA_ARGS__))
int credential_fault_at(const struct error_site *site, enum fault_class class,
			const struct backend *b, struct fault *f, const char *fmt, ...)
	PRINTF_LIKE(5, 6);
/* A file of it that is no JSON. */
int credential_unreadable(const struct backend *b, const char *path, struct fault *f);
/* Appends the first line of what a program or an endpoint said, 300 bytes at most, without what
 * looks like a token or key. */
void credential_quote(struct buf *out, struct str text);
/* A variable that is set and not empty, or NULL. */
const char *credential_env(const char *name);
/* The same of one that is a secret: it does not stay in the environment. */
const char *credential_env_secret(const char *name);

/* One small HTTP call without the backend's own credential, but through its proxy and trust. */
struct credential_call {
	const char *method, *url;
	const char *const *headers;     /* "Name: value" */
	size_t nheaders;
	struct str body;
	bool direct;                    /* never through a proxy: this machine's cloud */
	int seconds;                    /* for all of it, at most; 0: 30 */
};
/* 0 with *status and the body (up to 256 KB) in out (initialised by the caller), whatever the
 * status; -1 with the fault, which names the URL's host. */
int credential_http(const struct backend *b, const struct credential_call *c, struct waiter *w,
		    int *status, struct buf *out, struct fault *f) MUST_CHECK;
/* True when what is secret may go to this address: https, or this machine itself. host: of the URL,
 * without brackets and port; "" when it is none. */
bool credential_safe_url(const char *url, char *host, size_t size);
/* Appends name=value for a form body, percent-encoded, with '&' where b is not empty. */
void credential_form(struct buf *b, const char *name, const char *value);
/* The value alone. */
void credential_encode(struct buf *b, const char *value);

/* A program that is run without a shell; quotes and backslashes are understood. */
struct credential_program {
	const char *command;
	int seconds;                    /* at most; 0: 30 */
	const char *const *env;         /* "NAME=value" beside our own, NULL ends; or NULL */
};
/* Runs it and reads what it prints, 64 KB at most; out is initialised by the caller. -1 with the
 * fault, which quotes what it said on standard error. */
int credential_run(const struct backend *b, const struct credential_program *p, struct waiter *w,
		   struct buf *out, struct fault *f) MUST_CHECK;

/* The text of a file, without white space around it; out is initialised by the caller with the most
 * that it may hold. -1 with the fault. */
int credential_read(const struct backend *b, const char *path, struct buf *out,
		    struct fault *f) MUST_CHECK;
/* Wipes it, then releases it. */
void credential_wipe(struct buf *b);

/* A moment in any of the forms in which one is written: RFC 3339, the same with a blank in local
 * time, seconds or milliseconds since 1970, as a number or a text. Wall ms; 0: none. */
int64_t credential_moment(struct span v);
/* When a credential expires that says so with these: seconds from now on, or a moment. Both are
 * taken with a clock of ours that may be wrong: a moment that has passed leaves a minute, for what
 * was just given out is hardly old. lifetime: seconds, where neither is said. */
int64_t credential_expiry(struct span seconds, struct span moment, int lifetime);
/* An OAuth answer, or what command line tools print in its place (docs/credentials.md lists the
 * members). lifetime: seconds, for answers that don't say; 0: 300. -1 with the fault, which quotes
 * error and error_description and never a token. */
int credential_oauth_answer(const struct backend *b, int status, struct str body, int lifetime,
			    struct credential *out, struct fault *f) MUST_CHECK;
/* What the endpoint answered instead of a credential; from NULL: it need not be named. Returns
 * -1. */
int credential_refusal(const struct backend *b, const char *from, int status, struct str body,
		       struct fault *f);
/* An object with AWS's keys, in the spelling of its credential_process, container and metadata
 * endpoints, or of its sign-on portal. `from`: who answered, for messages. */
int credential_aws_answer(const struct backend *b, struct span keys, const char *from,
			  struct credential *out, struct fault *f) MUST_CHECK;

#endif
