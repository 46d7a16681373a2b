/*
 * The host table: one mmapped file in state.dir shared by all processes of the host; versioned,
 * fixed slots, atomics only, no locks, so a SIGKILL at any time harms nothing. Without state.dir an
 * anonymous table serves this process alone.
 */
#ifndef STATE_HOST_H
#define STATE_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "state/breaker.h"
#include "state/note.h"

/* Reachability of a backend as last probed. */
struct host_health {
	int64_t checked_wall_ms; /* 0: never */
	int32_t latency_ms;      /* -1 unknown */
	int32_t status;          /* HTTP status, 0: no answer */
	bool reachable;
};

int host_open(const char *state_dir); /* made if missing; NULL: anonymous. 0, or -1 (then anonymous) with errno */
void host_close(void);
/* True for exactly one caller per interval (over all processes): it must probe and call
 * host_health_put. */
bool host_health_claim(const char *backend, int64_t interval_ms);
void host_health_get(const char *backend, struct host_health *out);
void host_health_put(const char *backend, const struct host_health *h);

/* ---- breakers: of backends and of their keys, by name ---- */

#define HOST_ERROR_TEXT NOTE_MAX
#define HOST_LABEL 64

/* What went wrong last. */
struct host_error {
	int64_t wall_ms;         /* 0: nothing yet */
	int32_t status;          /* HTTP status of the backend, 0: it gave none */
	int32_t kind;            /* enum fault_class */
	uint32_t count;          /* since the table was made */
	char text[HOST_ERROR_TEXT]; /* UTF-8, "": it said nothing; no credential is in it */
};

/* May a call go out? False: not before *until (wall ms). True may mean that this caller alone
 * probes: one of well, failed, rest or release must follow. */
bool host_breaker_ask(const char *name, int64_t *until);
/* The same without becoming the prober. */
bool host_breaker_ready(const char *name);
/* All is well: a rest is over, what failed before is forgotten. */
void host_breaker_well(const char *name);
/* It answers: a rest or a probe is over. What failed before still counts until a call ends well,
 * else one who answers and then fails, time after time, would never be benched. */
void host_breaker_answers(const char *name);
/* A call has ended well. A rest that began while it was running stays. */
void host_breaker_ended(const char *name);
void host_breaker_failed(const char *name, const struct breaker_rule *r,
			 const struct host_error *e);
/* ms < 0: as long as the rule says. */
void host_breaker_rest(const char *name, int64_t ms, const struct breaker_rule *r,
		       const struct host_error *e);
void host_breaker_release(const char *name);
void host_breaker_get(const char *name, struct breaker *b, struct host_error *e);
/* For a breaker that is one of several of `of` (a key's models): remembers that, and a word for
 * people. Does nothing as long as `name` has never failed. */
void host_breaker_label(const char *name, const char *of, const char *label);
typedef void host_breaker_tell(void *ctx, const char *label, const struct breaker *b,
			       const struct host_error *e);
/* Each labelled one of `of`. */
void host_breaker_each(const char *of, host_breaker_tell *tell, void *ctx);

/* Counts up over all processes: whose turn it is. */
uint64_t host_turn(void);

#endif
