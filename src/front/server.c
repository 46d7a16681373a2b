/*
 * The FastCGI server: one acceptor, a pool of workers, and the main thread, which looks after
 * signals, kept connections and the end.
 *
 * The listening socket belongs to others too (spawn-fcgi and mod_fcgid start several processes on
 * one), so nothing that changes the socket itself may be done to it: no O_NONBLOCK, no shutdown(),
 * no timeout. Polling it and accepting afterwards would not do: poll wakes every process for one
 * connection, all but one then block in accept(), and while they block they serve neither signals
 * nor kept connections. Hence a thread that does nothing but block in accept(): the kernel wakes
 * exactly one process, and the thread is told to stop by a signal that has a handler without
 * SA_RESTART. A signal that comes before accept() blocks is lost, so it is sent again until the
 * thread has ended.
 *
 * Signals are blocked everywhere but in the main thread. Their handlers count and write a byte into
 * the pipe that the main thread polls; the pipe is also how workers wake it.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memo.h"
#include "base/os.h"
#include "base/spare.h"
#include "fcgi.h"
#include "front/front.h"
#include "kept.h"
#include "listen.h"
#include "parent.h"
#include "pool.h"

enum {
	SIGNAL_ACCEPTOR = SIGUSR2,      /* ends a blocking accept(), nothing else */
	WORKERS_MOST = 4096,
	KEPT_LEAST = 256,               /* room for connections without a thread, if files allow */
	BUSY_READ_SECONDS = 2,          /* how long the refuser waits for a request */
	EXIT_MS = 2000,                 /* after STOP_NOW */
	IDLE_MS = 30000,                /* between two calls of the caller's idle function */
	TRIM_MS = 1000,                 /* between two os_memory_trim() */
};

struct server {
	const struct server_options *o;
	const struct front_handler *h;
	struct pool pool;
	struct kept kept;
	pthread_t acceptor;
	atomic_bool accept_stop, accept_ended;
	bool tcp;
	struct pollfd *fds;             /* for poll: the pipe, then the kept ones' */
	size_t fds_cap;
	int64_t until;                  /* the end of the present stage of stopping */
	int left;                       /* threads, when they were last counted */
	int64_t trimmed;                /* when freed memory was last given back */
	int64_t idle_due;               /* when the caller's idle function is to be called */
};

/* ---- signals ---- */

static int wake_pipe[2] = { -1, -1 };
static atomic_int ends_asked[NSIG], reopens_asked;

static void server_wake(void)
{
	char byte = 0;

	/* A full pipe wakes as well. */
	(void)!write(wake_pipe[1], &byte, 1);
}

static void on_signal(int signo)
{
	int saved = errno;

	if (signo == SIGHUP)
		atomic_fetch_add(&reopens_asked, 1);
	else if (signo != SIGNAL_ACCEPTOR)
		atomic_fetch_add(&ends_asked[signo], 1);
	if (signo != SIGNAL_ACCEPTOR)
		server_wake();
	errno = saved;
}

static const int handled[] = { SIGTERM, SIGINT, SIGUSR1, SIGHUP };

/*
 * Before FCGX_Init, which puts its own handlers where there are none; before the first thread,
 * which inherits the mask.
 */
static int signals_setup(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	if (wake_pipe[0] < 0 && os_pipe(wake_pipe))
		return -1;
	for (int i = 0; i < 2; i++)
		fcntl(wake_pipe[i], F_SETFL, O_NONBLOCK);
	pool_block_signals();
	sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < sizeof(handled) / sizeof(*handled); i++)
		sigaction(handled[i], &sa, NULL);
	sigaction(SIGNAL_ACCEPTOR, &sa, NULL);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &sa, NULL);
	/* Not the signal that mod_fcgid repeats: only that one's count means impatience. */
	parent_follow(SIGUSR1);
	return 0;
}

static void signals_unblock(const int *list, size_t n)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < n; i++)
		sigaddset(&set, list[i]);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- a connection ---- */

static void seconds_option(int fd, int option, int seconds)
{
	struct timeval t = { .tv_sec = seconds };

	setsockopt(fd, SOL_SOCKET, option, &t, sizeof(t));
}

/* In a worker: one request, then the connection goes where it belongs. */
static void server_serve(void *ctx, int fd, bool busy)
{
	struct server *s = ctx;
	bool linger;

	if (busy)
		seconds_option(fd, SO_RCVTIMEO, BUSY_READ_SECONDS);
	switch (fcgi_serve(fd, s->h, busy)) {
	case FCGI_FATE_CLOSED:
		return;
	case FCGI_FATE_CLOSE:
		close(fd);
		return;
	case FCGI_FATE_LINGER:
		linger = true;
		break;
	default:
		linger = false;
		if (busy)
			seconds_option(fd, SO_RCVTIMEO, s->o->read_timeout);
		break;
	}
	kept_add(&s->kept, fd, linger);
	server_wake();
}

static void server_wake_by(void *ctx)
{
	server_wake();
}

/* ---- accepting ---- */

static int accept_one(int listen_fd, struct sockaddr_storage *peer)
{
	socklen_t n = sizeof(*peer);

	return os_accept(listen_fd, (struct sockaddr *)peer, &n);
}

static void accept_hand(struct server *s, int fd, const struct sockaddr_storage *peer)
{
	int on = 1;

	if (!listen_peer_ok(peer)) {
		close(fd);
		return;
	}
	seconds_option(fd, SO_RCVTIMEO, s->o->read_timeout);
	seconds_option(fd, SO_SNDTIMEO, s->o->write_timeout);
	if (s->tcp) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		/* A kept connection to a machine that has vanished ends by this alone. */
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	}
	pool_give(&s->pool, fd, true);
}

/*
 * Is there sense in trying again after accept() failed? What is wrong with one connection, and a
 * lack of descriptors or memory, passes; what is wrong with the socket itself stays.
 */
static bool accept_again(struct server *s, int error, bool *said)
{
	static const struct timespec pause = { .tv_nsec = 50 * 1000 * 1000 };
	struct pollfd p = { .fd = s->o->listen_fd, .events = POLLIN };

	switch (error) {
	case EINTR:
	case ECONNABORTED:
		return true;
	case EAGAIN:                    /* whoever gave us the socket has made it non-blocking */
		poll(&p, 1, -1);
		return true;
	case EBADF:
	case EINVAL:
	case ENOTSOCK:
	case EOPNOTSUPP:
		log_error("the listening socket can't be used any more: %s", strerror(error));
		return false;
	default:
		if (!*said)
			log_warn("accept: %s", strerror(error));
		*said = true;
		nanosleep(&pause, NULL);
		return true;
	}
}

static void *acceptor_main(void *arg)
{
	static const int mine = SIGNAL_ACCEPTOR;
	struct server *s = arg;
	struct sockaddr_storage peer;
	bool said = false;
	int fd;

	signals_unblock(&mine, 1);
	while (!atomic_load(&s->accept_stop)) {
		memset(&peer, 0, sizeof(peer));
		fd = accept_one(s->o->listen_fd, &peer);
		if (fd >= 0) {
			said = false;
			accept_hand(s, fd, &peer);
		} else if (!accept_again(s, errno, &said)) {
			break;
		}
	}
	atomic_store(&s->accept_ended, true);
	server_wake();
	return NULL;
}

static int acceptor_start(struct server *s)
{
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, s->pool.o.stack_bytes);
	rc = pthread_create(&s->acceptor, &attr, acceptor_main, s);
	pthread_attr_destroy(&attr);
	if (rc)
		log_error("no thread for the acceptor: %s", strerror(rc));
	return rc ? -1 : 0;
}

/*
 * Our descriptor of the listening socket is closed too: a client should go to a sibling or be
 * refused, not wait in a queue that we don't serve. Its number stays taken, so that nothing else
 * becomes descriptor 0.
 */
static void acceptor_join(struct server *s)
{
	static const struct timespec pause = { .tv_nsec = 2 * 1000 * 1000 };
	int null;

	while (!atomic_load(&s->accept_ended)) {
		pthread_kill(s->acceptor, SIGNAL_ACCEPTOR);
		nanosleep(&pause, NULL);
	}
	pthread_join(s->acceptor, NULL);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, s->o->listen_fd);
		close(null);
	}
}

/* ---- the main thread ---- */

static void server_next_request(void *ctx, int fd)
{
	struct server *s = ctx;

	pool_give(&s->pool, fd, false);
}

/* Waits for a signal, a worker's wake-up, or something on the held connections. */
static void server_poll(struct server *s)
{
	int64_t until = s->until < s->idle_due ? s->until : s->idle_due;
	int64_t now = clock_ms(), ms;
	char bytes[64];
	size_t n;

	n = kept_poll(&s->kept, &s->fds, &s->fds_cap, 1, &until);
	s->fds[0] = (struct pollfd){ .fd = wake_pipe[0], .events = POLLIN };
	ms = until == CLOCK_NEVER ? -1 : until > now ? until - now : 0;
	if (poll(s->fds, n, ms > INT32_MAX ? INT32_MAX : (int)ms) <= 0)
		return;
	if (s->fds[0].revents)
		while (read(wake_pipe[0], bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes))
			;
	kept_ready(&s->kept, s->fds + 1, n - 1, server_next_request, s);
}

/*
 * Joins what has ended. A thread ends after a quiet time, which is when freed memory should go back
 * to the system.
 */
static int server_reap(struct server *s, int64_t now)
{
	int left = pool_reap(&s->pool);

	if (left < s->left && now - s->trimmed >= TRIM_MS) {
		spare_trim();
		memo_trim();
		os_memory_trim();
		s->trimmed = now;
	}
	s->left = left;
	return left;
}

/* The first stage of stopping: nothing new is taken in, what runs goes on. */
static void server_drain(struct server *s, int64_t now)
{
	log_debug("stopping: no new requests");
	stop_set(STOP_DRAINING);
	atomic_store(&s->accept_stop, true);
	pool_end(&s->pool);
	acceptor_join(s);
	s->until = now + 1000 * (int64_t)s->o->shutdown_grace;
}

static bool end_asked(void)
{
	for (int i = 0; i < NSIG; i++)
		if (atomic_load(&ends_asked[i]))
			return true;
	return false;
}

/*
 * Is somebody tired of waiting? A terminal's second INT says so. TERM has to come three times:
 * mod_fcgid sends it twice, 1.3 s apart, and the second one must not end the grace.
 */
static bool end_urged(void)
{
	return atomic_load(&ends_asked[SIGINT]) >= 2 || atomic_load(&ends_asked[SIGTERM]) >= 3;
}

static void server_stop(struct server *s, int64_t now)
{
	switch (stop_get()) {
	case STOP_RUNNING:
		if (end_asked() || atomic_load(&s->accept_ended))
			server_drain(s, now);
		break;
	case STOP_DRAINING:
		if (end_urged() || now >= s->until) {
			stop_set(STOP_NOW);
			s->until = now + EXIT_MS;
		}
		break;
	case STOP_NOW:
		break;
	}
}

/*
 * Requests that ignore STOP_NOW must not keep the process, nor may the caller free what they still
 * use.
 */
static void server_abandon(int left)
{
	log_warn("stopped with %d requests still running", left);
	_exit(0);
}

static void server_idle(struct server *s, int64_t now)
{
	if (now < s->idle_due)
		return;
	s->o->idle();
	s->idle_due = now + IDLE_MS;
}

static void server_loop(struct server *s)
{
	int64_t now;
	bool over;
	int left;

	for (;;) {
		now = clock_ms();
		if (atomic_exchange(&reopens_asked, 0))
			log_reopen();
		server_stop(s, now);
		kept_expire(&s->kept, now, stop_get() != STOP_RUNNING);
		left = server_reap(s, now);
		server_idle(s, now);
		over = stop_get() == STOP_NOW && now >= s->until;
		if (stop_get() != STOP_RUNNING && !left && (over || kept_empty(&s->kept)))
			return;
		if (over)
			server_abandon(left);
		server_poll(s);
	}
}

/* ---- start ---- */

/* As many descriptors as we may have, and the workers that fit into them. */
static int workers_max(int wanted)
{
	int fit;

	files_raise();
	fit = files_streams();
	if (fit > WORKERS_MOST)
		fit = WORKERS_MOST;
	return wanted > 0 && wanted < fit ? wanted : fit;
}

/* Connections without a thread: as many as workers, and some more of those that only linger. */
static size_t kept_max(int workers)
{
	int fit = files_streams();
	int least = fit < KEPT_LEAST ? fit : KEPT_LEAST;

	return (size_t)(workers > least ? workers : least);
}

static int server_setup(struct server *s)
{
	struct pool_options p = {
		.workers_max = workers_max(s->o->workers_max),
		.idle_seconds = s->o->idle_seconds,
		.stack_bytes = s->o->stack_bytes,
		.serve = server_serve,
		.ended = server_wake_by,
		.ctx = s,
	};
	struct sockaddr_storage own;
	socklen_t n = sizeof(own);

	if (getsockname(s->o->listen_fd, (struct sockaddr *)&own, &n)) {
		log_error("no listening socket: %s", strerror(errno));
		return -1;
	}
	s->tcp = own.ss_family == AF_INET || own.ss_family == AF_INET6;
	s->fds_cap = 16;
	s->fds = malloc(s->fds_cap * sizeof(*s->fds));
	if (!s->fds || stop_setup() || signals_setup() || fcgi_setup()) {
		log_error("the server can't start: %s", strerror(errno));
		free(s->fds);
		return -1;
	}
	s->until = CLOCK_NEVER;
	s->idle_due = s->o->idle ? clock_ms() + IDLE_MS : CLOCK_NEVER;
	pool_init(&s->pool, &p);
	kept_init(&s->kept, kept_max(p.workers_max));
	return 0;
}

static void server_release(struct server *s)
{
	kept_close(&s->kept);
	pool_release(&s->pool);
	free(s->fds);
}

int server_run(const struct server_options *o, const struct front_handler *h)
{
	struct server s = { .o = o, .h = h };
	int rc;

	if (server_setup(&s))
		return -1;
	rc = acceptor_start(&s);
	if (!rc) {
		signals_unblock(handled, sizeof(handled) / sizeof(*handled));
		server_loop(&s);
	}
	server_release(&s);
	return rc;
}
