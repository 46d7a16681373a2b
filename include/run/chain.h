/*
 * One request against a chain of members: the first that is not benched is asked, and as long as
 * nothing of an answer has gone out, the next takes over what a failing one could not do.
 *
 * What a failure says is kept in the host table: a backend that fails is benched by its breaker, a
 * key that is refused or used up rests, and so does a key's model that is rate-limited. All that
 * only steers: where there is no other way, the only one is taken.
 */
#ifndef RUN_CHAIN_H
#define RUN_CHAIN_H

#include "run/run.h"
#include "state/host.h"

struct chain_options {
	struct run_options run;         /* .target is the chain's business */
	struct target_chain chain;
	struct breaker_rule breaker;
	const char *const *statuses;    /* further ones that the next member may cure; or NULL */
	/* The client's session: it stays with one key, whose backend has its prompt in a cache.
	 * NULL: keys take turns by the request. */
	const char *session;
	/* This member is asked now and its events follow; or, last of all, its fault is the one
	 * that is reported. */
	void (*on_member)(void *ctx, const struct target *t);
};

/* As run_message. When all have failed the fault is the one that says most to the client: a limit
 * or an overload that passes, then a failure, then a key that is refused; or that all are
 * benched. */
int run_chain(const struct chain_options *o, struct sink *sink, struct run_report *rep,
	      struct fault *f) MUST_CHECK;
/* The member that would be asked now, with the key whose turn it is. */
struct target chain_first(const struct chain_options *o);
/* Under which the host table has the rate limit of a backend's model with its one key; NULL without
 * memory. */
const char *chain_model_name(const struct backend *b, const char *model, struct arena *a);

#endif
