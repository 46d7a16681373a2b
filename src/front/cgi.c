/*
 * The CGI front: one request a process, over stdin, stdout and environ (RFC 3875).
 *
 * Nothing here may block for ever, and the descriptors' flags are left alone, since a wrapper may
 * share them: reading waits in poll() first, and a pipe is written in pieces of PIPE_BUF, for which
 * there is room once poll() says so.
 */
#include "front/front.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/os.h"
#include "front/param.h"

enum { CGI_BUFFER = 8192, DRAIN_MS = 2000 };

struct cgi_front {
	struct front front;
	int64_t left;                   /* body bytes to come, -1: until the end of stdin */
	struct buf out;
	bool pipe, socket;              /* what stdout is */
	bool cut;                       /* reading has failed: the body stalled or ended early */
	bool broken;                    /* writing has failed */
	int read_ms, write_ms;
};

static struct cgi_front *of(struct front *f)
{
	return (struct cgi_front *)f;
}

extern char **environ;

static const char *const *cgi_params(struct front *f)
{
	return (const char *const *)environ;
}

static const char *cgi_param(struct front *f, const char *name)
{
	return param_find(cgi_params(f), name);
}

/* Waits until fd can be used or has failed; false when the time is over. */
static bool wait_for(int fd, short events, int ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t end = clock_ms() + ms, now;
	int n;

	do {
		now = clock_ms();
		n = poll(&p, 1, now < end ? (int)(end - now) : 0);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

/*
 * RFC 3875, 4.2: no more than CONTENT_LENGTH bytes may be read, there needn't be an end behind
 * them.
 */
static ssize_t cgi_read(struct front *f, void *p, size_t n)
{
	struct cgi_front *x = of(f);
	ssize_t got;

	if (x->cut)
		return -1;
	if (x->left >= 0 && n > (size_t)x->left)
		n = (size_t)x->left;
	if (!n)
		return 0;
	do {
		got = -1;
		if (!wait_for(STDIN_FILENO, POLLIN, x->read_ms))
			break;
		got = read(STDIN_FILENO, p, n);
	} while (got < 0 && (errno == EINTR || errno == EAGAIN));
	x->cut = got < 0 || (got == 0 && x->left > 0);
	if (x->cut)
		return -1;
	if (got == 0)
		x->left = 0;
	if (x->left > 0)
		x->left -= got;
	return got;
}

static ssize_t cgi_send(const struct cgi_front *x, const char *p, size_t n)
{
	if (x->socket)
		return os_send(STDOUT_FILENO, p, n, MSG_DONTWAIT);
	return write(STDOUT_FILENO, p, x->pipe && n > PIPE_BUF ? PIPE_BUF : n);
}

static int cgi_flush(struct front *f)
{
	struct cgi_front *x = of(f);
	size_t sent = 0;
	ssize_t n;

	while (sent < x->out.n && !x->broken) {
		if (!wait_for(STDOUT_FILENO, POLLOUT, x->write_ms)) {
			x->broken = true;
			break;
		}
		n = cgi_send(x, x->out.p + sent, x->out.n - sent);
		if (n >= 0)
			sent += (size_t)n;
		else if (errno != EINTR && errno != EAGAIN)
			x->broken = true;
	}
	buf_reset(&x->out);
	return x->broken ? -1 : 0;
}

static int cgi_write(struct front *f, const void *p, size_t n)
{
	struct cgi_front *x = of(f);
	const char *from = p;
	size_t part;

	while (n && !x->broken) {
		part = CGI_BUFFER - x->out.n;
		if (part > n)
			part = n;
		if (buf_put(&x->out, from, part))
			x->broken = true;
		from += part;
		n -= part;
		if (x->out.n == CGI_BUFFER)
			cgi_flush(f);
	}
	return x->broken ? -1 : 0;
}

/*
 * A pipe or socket whose reader has closed it reports an error or hang-up to whoever polls for
 * anything.
 */
static int cgi_watch_fd(struct front *f)
{
	struct cgi_front *x = of(f);

	return x->pipe || x->socket ? STDOUT_FILENO : -1;
}

/*
 * Apache's mod_cgid uses one socket for both ways and ends its own after the body: readable, but
 * not gone.
 */
static int cgi_gone(struct front *f)
{
	struct pollfd p = { .fd = STDOUT_FILENO };

	return poll(&p, 1, 0) > 0 && p.revents & (POLLERR | POLLHUP | POLLNVAL);
}

static const struct front_ops cgi_ops = {
	.name = "cgi",
	.param = cgi_param,
	.params = cgi_params,
	.read = cgi_read,
	.write = cgi_write,
	.flush = cgi_flush,
	.watch_fd = cgi_watch_fd,
	.gone = cgi_gone,
};

/*
 * Web servers follow a TERM with a KILL within seconds: the stream's error event has to go out at
 * once.
 */
static void on_term(int signo)
{
	stop_set(STOP_NOW);
}

static int signals_setup(void)
{
	struct sigaction sa = { .sa_handler = on_term };

	sigemptyset(&sa.sa_mask);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &sa, NULL);
	return stop_setup();
}

/*
 * Without CONTENT_LENGTH there is no body, unless it came in chunks: then stdin's end is its end.
 */
static int64_t body_length(struct front *f)
{
	int64_t n = param_length(cgi_param(f, "CONTENT_LENGTH"));

	if (n >= 0)
		return n;
	return cgi_param(f, "HTTP_TRANSFER_ENCODING") ? -1 : 0;
}

/*
 * What an early answer (401, 413) left unread. mod_cgid sends the whole body before it reads the
 * answer, on one socket: ended with bytes unread, that is reset, and the answer's end is lost. As
 * long as bytes keep coming they are read; a pause of DRAIN_MS ends it.
 */
static void drain_body(struct cgi_front *x)
{
	char scrap[CGI_BUFFER];

	x->read_ms = DRAIN_MS;
	while (cgi_read(&x->front, scrap, sizeof(scrap)) > 0)
		;
}

int cgi_run(int read_timeout, int write_timeout, const struct front_handler *h)
{
	struct cgi_front x = {
		.front.ops = &cgi_ops,
		.read_ms = read_timeout * 1000,
		.write_ms = write_timeout * 1000,
	};
	struct stat st;

	if (signals_setup())
		return -1;
	if (!fstat(STDOUT_FILENO, &st)) {
		x.pipe = S_ISFIFO(st.st_mode);
		x.socket = S_ISSOCK(st.st_mode);
	}
	x.left = body_length(&x.front);
	buf_init(&x.out, CGI_BUFFER);
	h->handle(h->ctx, &x.front, false);
	cgi_flush(&x.front);
	buf_release(&x.out);
	if (!x.broken)
		drain_body(&x);
	return 0;
}
