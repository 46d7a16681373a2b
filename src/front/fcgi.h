/*
 * One FastCGI connection, one request: between the server (who owns threads and connections) and
 * libfcgi (who parses and writes). Private to src/front.
 */
#ifndef FRONT_FCGI_H
#define FRONT_FCGI_H

#include "front/front.h"

/* What is to become of the connection after a request. */
enum fcgi_fate {
	FCGI_FATE_CLOSED,       /* libfcgi has closed it: it made no sense */
	FCGI_FATE_CLOSE,        /* everything was read and written */
	FCGI_FATE_LINGER,       /* the client may still send: a close would reset the answer */
	FCGI_FATE_KEEP,         /* the web server wants to send its next request on it */
};

/*
 * Once per process, after the signal handlers are set (libfcgi puts in its own where there are
 * none).
 */
int fcgi_setup(void);
/* Reads one request from the connected, blocking fd, lets h answer it, and finishes the answer. */
enum fcgi_fate fcgi_serve(int fd, const struct front_handler *h, bool busy);

#endif
