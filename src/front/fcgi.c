/*
 * The FastCGI front: a request on a connection that the server has accepted. The only file that
 * knows libfcgi.
 *
 * libfcgi gets the connection as if it were one that it had kept (ipcFd set, keepConnection set),
 * so that it neither accepts by itself nor finishes a request that never was; with listen_sock -1
 * the accept that follows an unreadable request fails at once instead of waiting. `detached` makes
 * the one close that libfcgi may do an immediate one: it would otherwise wait two seconds for the
 * client's end. All other closing is the server's.
 *
 * The socket carries SO_RCVTIMEO and SO_SNDTIMEO, so every read and write here has an end. libfcgi
 * writes again when a stream is closed after a failed write, which would wait a second time: hence
 * the shutdown() at the first failure.
 */
#include "fcgi.h"

#include <errno.h>
#include <fcgiapp.h>
#include <fastcgi.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/clock.h"
#include "front/param.h"

enum {
	TAIL_BYTES = 256 * 1024,        /* what is waited for of a body that nobody has read */
	TAIL_MS = 200,
	TAIL_BUSY_MS = 50,              /* for what has come; the clock of a loaded machine jumps */
	TAIL_BUSY_WAIT_MS = 1,          /* for more of it: 0 would mean for ever */
};

struct fcgi_front {
	struct front front;
	FCGX_Request request;
	int fd;
	int64_t announced;              /* CONTENT_LENGTH, -1 when not given */
	int64_t received;               /* body bytes so far */
	bool body_done;                 /* the empty record that ends the body was read */
	bool busy;                      /* refused: what has come is all that is read */
	bool begun;                     /* something of the answer was written */
	bool cut;                       /* the body will never be whole: no more of it is read */
	bool broken;                    /* writing failed: the connection is worth nothing more */
};

static struct fcgi_front *of(struct front *f)
{
	return (struct fcgi_front *)f;
}

static const char *const *fcgi_params(struct front *f)
{
	return (const char *const *)of(f)->request.envp;
}

static const char *fcgi_param(struct front *f, const char *name)
{
	return param_find(fcgi_params(f), name);
}

/* Ends the connection for both directions: what libfcgi still tries on it fails at once. */
static int fcgi_break(struct fcgi_front *x)
{
	if (!x->broken)
		shutdown(x->fd, SHUT_RDWR);
	x->broken = true;
	return -1;
}

/*
 * The client stalled, sent less than it said, or has left. No more is read, but the answer that
 * says so is still written: a web server that finds the connection closed makes a page of its own.
 */
static int fcgi_cut(struct fcgi_front *x)
{
	x->cut = true;
	return -1;
}

static ssize_t fcgi_read(struct front *f, void *p, size_t n)
{
	struct fcgi_front *x = of(f);
	int got;

	if (x->broken || x->cut)
		return -1;
	if (x->body_done || !n)
		return 0;
	got = FCGX_GetStr(p, n > INT32_MAX ? INT32_MAX : (int)n, x->request.in);
	if (FCGX_GetError(x->request.in))
		return fcgi_cut(x);
	x->received += got;
	/* GetStr gives less than asked for at the end alone. */
	x->body_done = (size_t)got < n && FCGX_HasSeenEOF(x->request.in);
	if (x->body_done && x->received < x->announced)
		return fcgi_cut(x);
	return got;
}

/*
 * An answer that does not need the body (401, 529) is made before the web server has sent it all,
 * or got it all itself; told the end in the middle, lighttpd drops its client's connection and
 * nginx may make a 502 of the answer. So the answer waits a moment for a body that is no larger
 * than a usual one. Byte by byte, because a read of more would wait for all of it.
 *
 * The one thread that refuses all others (busy) takes only what has come already. It has to: a web
 * server that has sent its whole request and gets a whole answer keeps the connection, as it asked
 * to, and may have put the next request on it before it sees that we have closed it.
 */
static void fcgi_take_tail(struct fcgi_front *x)
{
	struct timeval wait = { .tv_usec = 1000 * (x->busy ? TAIL_BUSY_WAIT_MS : TAIL_MS) };
	int64_t end = clock_ms() + (x->busy ? TAIL_BUSY_MS : TAIL_MS);
	struct timeval usual;
	socklen_t size = sizeof(usual);

	if (x->body_done || x->cut || x->announced - x->received > TAIL_BYTES)
		return;
	if (getsockopt(x->fd, SOL_SOCKET, SO_RCVTIMEO, &usual, &size))
		return;
	setsockopt(x->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	for (int n = 0; n < TAIL_BYTES && !x->body_done && clock_ms() < end; n++) {
		if (FCGX_GetChar(x->request.in) >= 0)
			x->received++;
		else if (FCGX_GetError(x->request.in))
			break;
		else
			x->body_done = true;
	}
	setsockopt(x->fd, SOL_SOCKET, SO_RCVTIMEO, &usual, sizeof(usual));
}

static int fcgi_write(struct front *f, const void *p, size_t n)
{
	struct fcgi_front *x = of(f);
	int rc = 0;

	if (x->broken)
		return -1;
	if (!x->begun)
		fcgi_take_tail(x);
	x->begun = true;
	for (const char *from = p; n && rc >= 0;) {
		int part = n > INT32_MAX ? INT32_MAX : (int)n;

		rc = FCGX_PutStr(from, part, x->request.out);
		from += part;
		n -= (size_t)part;
	}
	return rc < 0 ? fcgi_break(x) : 0;
}

static int fcgi_flush(struct front *f)
{
	struct fcgi_front *x = of(f);

	if (x->broken)
		return -1;
	return FCGX_FFlush(x->request.out) < 0 ? fcgi_break(x) : 0;
}

/*
 * Takes in the record that ends the body, once all that was announced has been read (web servers
 * send it with the body): unread, it would make the descriptor readable with a live client. True if
 * nothing more is to come.
 */
static bool fcgi_drained(struct fcgi_front *x)
{
	char more;

	if (!x->body_done && x->received >= x->announced)
		(void)!fcgi_read(&x->front, &more, 1);
	return x->body_done && !x->broken && !x->cut;
}

static int fcgi_watch_fd(struct front *f)
{
	struct fcgi_front *x = of(f);

	return fcgi_drained(x) ? x->fd : -1;
}

/*
 * FastCGI 1.0, 5.4: a web server whose client has left sends ABORT_REQUEST or (all that were tried)
 * just closes.
 */
static int fcgi_gone(struct front *f)
{
	struct fcgi_front *x = of(f);
	FCGI_Header head;
	ssize_t n = recv(x->fd, &head, sizeof(head), MSG_PEEK | MSG_DONTWAIT);

	if (n < 0)
		return errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR;
	if (n == 0)
		return 1;
	return (size_t)n > offsetof(FCGI_Header, type) && head.type == FCGI_ABORT_REQUEST;
}

static const struct front_ops fcgi_ops = {
	.name = "fcgi",
	.param = fcgi_param,
	.params = fcgi_params,
	.read = fcgi_read,
	.write = fcgi_write,
	.flush = fcgi_flush,
	.watch_fd = fcgi_watch_fd,
	.gone = fcgi_gone,
};

int fcgi_setup(void)
{
	return FCGX_Init() ? -1 : 0;
}

/*
 * Sends what is still buffered and END_REQUEST; frees all that libfcgi allocated, but leaves the
 * connection alone.
 */
static enum fcgi_fate fcgi_finish(struct fcgi_front *x, bool keep)
{
	/* err first: closed last, the out stream sends its end and END_REQUEST in one write. */
	bool failed = FCGX_FClose(x->request.err) || FCGX_FClose(x->request.out) || x->broken;
	bool drained = !failed && fcgi_drained(x);

	FCGX_Free(&x->request, 0);
	if (failed || x->broken)
		return FCGI_FATE_CLOSE;
	if (!drained)
		return FCGI_FATE_LINGER;
	return keep ? FCGI_FATE_KEEP : FCGI_FATE_CLOSE;
}

enum fcgi_fate fcgi_serve(int fd, const struct front_handler *h, bool busy)
{
	struct fcgi_front x = { .front.ops = &fcgi_ops, .fd = fd, .busy = busy };
	bool keep;

	FCGX_InitRequest(&x.request, -1, 0);
	x.request.ipcFd = fd;
	x.request.keepConnection = 1;
	x.request.detached = 1;
	if (FCGX_Accept_r(&x.request))
		return FCGI_FATE_CLOSED;
	keep = x.request.keepConnection;
	x.announced = param_length(fcgi_param(&x.front, "CONTENT_LENGTH"));
	h->handle(h->ctx, &x.front, busy);
	return fcgi_finish(&x, keep && stop_get() == STOP_RUNNING);
}
