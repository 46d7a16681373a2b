/*
 * The host table: one mmapped file in state.dir shared by all processes of the host; versioned,
 * fixed slots, atomics only, no locks, so a SIGKILL at any time harms nothing. Without state.dir an
 * anonymous table serves this process alone.
 */
#ifndef STATE_HOST_H
#define STATE_HOST_H

#include <stdbool.h>
#include <stdint.h>

/* Reachability of a backend as last probed. */
struct host_health {
	int64_t checked_wall_ms; /* 0: never */
	int32_t latency_ms;      /* -1 unknown */
	int32_t status;          /* HTTP status, 0: no answer */
	bool reachable;
};

int host_open(const char *state_dir); /* NULL: anonymous. 0, or -1 (then anonymous) with errno */
void host_close(void);
/* True for exactly one caller per interval (over all processes): it must probe and call
 * host_health_put. */
bool host_health_claim(const char *backend, int64_t interval_ms);
void host_health_get(const char *backend, struct host_health *out);
void host_health_put(const char *backend, const struct host_health *h);

#endif
