/*
 * The front: how a request comes in and its answer goes out. Three implementations (fcgi, cgi,
 * memory), one table each. A front belongs to one request at a time and to one thread.
 */
#ifndef FRONT_FRONT_H
#define FRONT_FRONT_H

#include <sys/types.h>
#include "base/str.h"

struct front;
struct front_ops {
	const char *name;                               /* "fcgi", "cgi", "memory" */
	/*
	 * A CGI parameter ("REQUEST_METHOD", "HTTP_X_API_KEY"), borrowed until the request ends;
	 * NULL if not given.
	 */
	const char *(*param)(struct front *f, const char *name);
	/* All of them as "NAME=value", NULL-terminated. */
	const char *const *(*params)(struct front *f);
	/*
	 * Body bytes: > 0, 0 at the end, -1 when the client has gone, stalled (client_read_timeout)
	 * or sent less than it said.
	 */
	ssize_t (*read)(struct front *f, void *p, size_t n);
	/*
	 * Everything or -1: the client has gone or reads nothing (client_write_timeout). Buffered
	 * until flush.
	 */
	int (*write)(struct front *f, const void *p, size_t n);
	int (*flush)(struct front *f);
	/*
	 * Descriptor that becomes readable when the client goes; -1: nothing tells. Valid once the
	 * body was read to its end.
	 */
	int (*watch_fd)(struct front *f);
	/*
	 * After watch_fd became readable: 1 gone, 0 not gone but nothing more will be learnt (stop
	 * watching it).
	 */
	int (*gone)(struct front *f);
};
struct front {
	const struct front_ops *ops;
};

/*
 * Handles one request: writes the whole answer ("Status: …" header first). busy: every worker is
 * taken; answer 529 without reading the body.
 */
struct front_handler {
	void (*handle)(void *ctx, struct front *f, bool busy);
	void *ctx;
};

/* ---- FastCGI server (front/server.c, front/fcgi.c) ---- */
struct server_options {
	int listen_fd;                  /* the shared listening socket (server_listen_fd) */
	int workers_max;                /* 0: from RLIMIT_NOFILE, about 4 descriptors each */
	int idle_seconds;               /* a worker idle for so long ends */
	void (*idle)(void);             /* called each half minute; NULL: nothing to do */
	size_t stack_bytes;             /* per worker, 256 KB */
	int shutdown_grace;             /* seconds that streams may go on after SIGTERM */
	int read_timeout, write_timeout;/* seconds, client side (SO_RCVTIMEO, SO_SNDTIMEO) */
};
/*
 * The socket this process was given to listen on: systemd's first one (LISTEN_FDS), else descriptor
 * 0; -1 if neither listens (then it is a CGI program or was started by hand).
 */
int server_listen_fd(void);
/*
 * Runs until SIGTERM/SIGINT/SIGUSR1 has been served or the socket is closed. 0, or -1 when it could
 * not start. A second SIGINT or third SIGTERM ends the grace (mod_fcgid sends two). Requests that
 * go on two seconds after STOP_NOW end the process here, with status 0. Call it before any other
 * thread exists: they inherit the signal mask that is set here.
 */
int server_run(const struct server_options *o, const struct front_handler *h);

/* ---- plain CGI (front/cgi.c) ---- */
int cgi_run(int read_timeout, int write_timeout, const struct front_handler *h);

/* ---- memory (front/memory.c), for tests and fuzzing ---- */
struct memory_front;
/*
 * params: "NAME=value" NULL-terminated, borrowed. body is borrowed. chunk: read() gives at most so
 * many bytes a call, 0: all.
 */
struct memory_front *memory_front_new(const char *const *params, struct str body, size_t chunk);
void memory_front_free(struct memory_front *m);
struct front *memory_front(struct memory_front *m);
struct str memory_front_output(struct memory_front *m); /* all written so far, headers too */
size_t memory_front_flushes(struct memory_front *m);
/* Writes fail from there on: the client left. */
void memory_front_fail_after(struct memory_front *m, size_t bytes);

/* ---- stop, shared by all (front/stop.c) ---- */
enum stop_state { STOP_RUNNING, STOP_DRAINING, STOP_NOW };
enum stop_state stop_get(void);
void stop_set(enum stop_state s);       /* async-signal-safe */
/*
 * A descriptor that is readable from STOP_NOW on: streams must end with an error event. -1 before
 * stop_setup.
 */
int stop_fd(void);
int stop_setup(void);

#endif
