/*
 * A scripted token endpoint in a thread, on a loopback port picked free: it answers by path and
 * keeps what it was asked.
 */
#ifndef TESTS_ISSUER_H
#define TESTS_ISSUER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define ISSUER_ROUTES 8

struct issuer_route {
	const char *path;       /* what the request's target begins with */
	int status;             /* 0: says nothing until the other side goes */
	const char *body;       /* "%d" in it is how often this route was asked */
};

struct issuer {
	int fd, port;
	pthread_t thread;
	struct issuer_route routes[ISSUER_ROUTES];
	atomic_int pause_ms;    /* before each answer */
	atomic_bool held;       /* no answer until it is false */
	atomic_int asked[ISSUER_ROUTES];
	char seen[ISSUER_ROUTES][8192];         /* the last request of each */
	pthread_mutex_t lock;
};

int issuer_start(struct issuer *s);
void issuer_stop(struct issuer *s);
/* Sets the routes (path NULL ends) and forgets what was asked. */
void issuer_script(struct issuer *s, const struct issuer_route *routes);
/* The last request of the route holds this text. */
bool issuer_saw(struct issuer *s, int route, const char *text);

#endif
