/*
 * A scripted HTTP server in a thread, on a loopback port picked free, for tests of the upstream
 * side. The request's path says what it does: see scripted.c. TLS if a certificate and key are
 * given.
 */
#ifndef TESTS_SCRIPTED_H
#define TESTS_SCRIPTED_H

#include <pthread.h>
#include <stdatomic.h>

struct server {
	int fd, port;
	pthread_t thread;
	void *ssl_ctx;
	atomic_int connections, requests, open;
	atomic_int taken;       /* by the test: bytes of the answer that it has been given so far */
};

/* 0, or -1. */
int server_start(struct server *s, const char *cert, const char *key);
void server_stop(struct server *s);

#endif
