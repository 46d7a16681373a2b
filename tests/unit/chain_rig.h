/*
 * Backends and one request for the tests of chains. Three backends, A, B and C, answer as their
 * scripts say; GONE is a port where nobody listens and TLS one where nobody speaks it. C has the
 * keys k1, k2 and k3, B has none.
 */
#ifndef TESTS_CHAIN_RIG_H
#define TESTS_CHAIN_RIG_H

#include <pthread.h>
#include <stdatomic.h>

#include "config/config.h"
#include "run/chain.h"

enum way { ANSWERS, DROPS, STALLS, HOLDS };

struct script {
	const char *status, *headers, *body;
	enum way way;
};

#define JSON "Content-Type: application/json\r\n"
#define SSE "Content-Type: text/event-stream\r\n"
#define ERROR_BODY "{\"error\":{\"message\":\"scripted failure\",\"type\":\"x\"}}"
#define CHUNK(json) "data: " json "\n\n"
#define HALF CHUNK("{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"half\"}}]}")
#define NO_HALF CHUNK("{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}")
#define WELL                                                                                 \
	{ "200 OK", JSON,                                                                    \
	  "{\"id\":\"c\",\"model\":\"real\",\"choices\":[{\"index\":0,\"finish_reason\":"      \
	  "\"stop\",\"message\":{\"role\":\"assistant\",\"content\":\"well\"}}]}", ANSWERS }
#define FAILS(status) { status, JSON, ERROR_BODY, ANSWERS }

extern const struct script script_well;
extern struct script script[3];         /* of A, B, C */
extern struct script for_key[3];        /* of keys k1, k2, k3 at C; status NULL: C's own */
extern atomic_int calls[3], keys[3];    /* that each has got */
extern atomic_bool let_go;              /* ends HOLDS */
extern atomic_int stall_seconds;        /* that pass at once when a backend begins to stall */
extern _Atomic int64_t rig_wall_ms;     /* the wall clock, which stands still */
extern struct config *rig_config;
extern struct arena rig_arena;
extern const struct breaker_rule rig_rule;

/* Connections of one test may outlive it by a moment: scripts change under a lock. */
void script_put(struct script *to, struct script s);
void script_way(struct script *to, enum way way);

int rig_setup_all(void **state);
int rig_teardown_all(void **state);
int rig_setup(void **state);
int rig_teardown(void **state);
/* All answer well again, and the host table knows nothing. */
void rig_forget(void);

/* One request, and what came of it. */
struct run {
	struct sink sink;
	struct message_request request;
	struct chain_options o;
	struct run_report report;
	struct fault fault;
	struct arena arena;
	int content, ends, members;
	char asked[8];                  /* initials of the backends, in order */
	int cancel_at;                  /* the client leaves when so many have been asked */
	struct waiter waiter;
	int rc;
};

/* members: "A/m B/m". */
void rig_prepare(struct run *r, const char *members);
void *rig_go(void *run);
void rig_done(struct run *r);
/* One request to members, of whom those of `asked` (initials) are asked; status 0: it goes well. */
void rig_expect(const char *members, const char *asked, int status);

/* What the host table knows; e may be NULL. */
struct breaker rig_breaker(const char *name, struct host_error *e);
const char *rig_key(const char *backend, size_t i);
const char *rig_model(const char *backend, size_t key, const char *model);

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

#endif
