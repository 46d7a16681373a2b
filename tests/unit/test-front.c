/*
 * The fronts. The FastCGI server runs in a child process on a Unix socket and is spoken to record
 * by record; what its handler does is chosen by REQUEST_URI, and what it sees comes back through
 * shared memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../src/front/listen.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/os.h"
#include "base/wait.h"
#include "fcgi_client.h"
#include "front/front.h"
#include "front/param.h"

/* ---- the handler ---- */

struct seen {
	atomic_int started, gone, stopped, busy, read_failed, write_failed, let_go;
};

static struct seen *seen;

static void say(struct front *f, const char *text)
{
	f->ops->write(f, text, strlen(text));
}

static void pause_ms(int ms)
{
	wait_until(NULL, clock_ms() + ms);
}

/* The body's length, or -1. sum: of its bytes. */
static long take_body(struct front *f, unsigned long *sum)
{
	unsigned char part[5000];
	long total = 0;
	ssize_t n;

	*sum = 0;
	while ((n = f->ops->read(f, part, sizeof(part))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			*sum += part[i];
		total += n;
	}
	if (n < 0)
		atomic_fetch_add(&seen->read_failed, 1);
	return n < 0 ? -1 : total;
}

static void do_echo(struct front *f)
{
	char text[64];
	unsigned long sum;
	long n = take_body(f, &sum);

	snprintf(text, sizeof(text), "Status: 200 OK\r\n\r\n%ld %lu", n, sum);
	say(f, text);
}

/* Reads no more than was announced and watches at once: is a live client taken for a gone one? */
static void do_watch(struct front *f)
{
	int64_t left = param_length(f->ops->param(f, "CONTENT_LENGTH"));
	struct pollfd p;
	char part[4096];
	bool quiet;
	ssize_t n;

	for (; left > 0; left -= n) {
		n = left > (int64_t)sizeof(part) ? (ssize_t)sizeof(part) : (ssize_t)left;
		n = f->ops->read(f, part, (size_t)n);
		if (n <= 0)
			break;
	}
	p = (struct pollfd){ .fd = f->ops->watch_fd(f), .events = POLLIN };
	quiet = p.fd >= 0 && poll(&p, 1, 0) == 0;
	say(f, quiet ? "Status: 200 OK\r\n\r\nquiet" : "Status: 500 No\r\n\r\n");
}

/* An open stream, until the client goes or the program stops. */
static void do_wait(struct front *f)
{
	struct pollfd p[2];
	unsigned long sum;

	take_body(f, &sum);
	say(f, "Status: 200 OK\r\n\r\nopen\n");
	f->ops->flush(f);
	p[0] = (struct pollfd){ .fd = f->ops->watch_fd(f), .events = POLLIN };
	p[1] = (struct pollfd){ .fd = stop_fd(), .events = POLLIN };
	atomic_fetch_add(&seen->started, 1);
	while (poll(p, 2, 10000) < 0 && errno == EINTR)
		;
	if (p[0].revents && f->ops->gone(f))
		atomic_fetch_add(&seen->gone, 1);
	if (p[1].revents) {
		atomic_fetch_add(&seen->stopped, 1);
		say(f, "stopped\n");
	}
}

static void do_flood(struct front *f)
{
	static const char text[1000];
	unsigned long sum;

	take_body(f, &sum);
	say(f, "Status: 200 OK\r\n\r\n");
	while (!f->ops->write(f, text, sizeof(text)))
		;
	atomic_fetch_add(&seen->write_failed, 1);
}

/* Keeps its worker until the test lets all of them go. */
static void do_held(struct front *f)
{
	unsigned long sum;

	take_body(f, &sum);
	atomic_fetch_add(&seen->started, 1);
	while (!atomic_load(&seen->let_go))
		pause_ms(5);
	say(f, "Status: 200 OK\r\n\r\nheld");
}

static void do_stubborn(struct front *f)
{
	atomic_fetch_add(&seen->started, 1);
	pause_ms(20000);
}

static void do_early(struct front *f)
{
	say(f, "Status: 413 Large\r\n\r\ntoo large");
}

static void handle(void *ctx, struct front *f, bool busy)
{
	static const struct { const char *uri; void (*run)(struct front *f); } table[] = {
		{ "/echo", do_echo },
		{ "/watch", do_watch },
		{ "/wait", do_wait },
		{ "/flood", do_flood },
		{ "/held", do_held },
		{ "/stubborn", do_stubborn },
		{ "/early", do_early },
	};
	const char *uri = f->ops->param(f, "REQUEST_URI");

	if (busy) {
		atomic_fetch_add(&seen->busy, 1);
		say(f, "Status: 529 Overloaded\r\n\r\nbusy");
		return;
	}
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (uri && !strcmp(uri, table[i].uri))
			table[i].run(f);
}

static const struct front_handler handler = { .handle = handle };

/* ---- the server in a child ---- */

static char dir[] = "/tmp/test-front-XXXXXX";

struct server_under_test {
	char path[64];
	int listen_fd;
	pid_t pid;
};

static int threads_max; /* of the next server, its main thread and acceptor included; 0: any */

/* The system counts by users, and doesn't hold root to it: one that has nothing else. */
static void limit_threads(void)
{
	struct rlimit l = { (rlim_t)threads_max, (rlim_t)threads_max };

	if (threads_max && (setuid((uid_t)(100000 + getpid())) || setrlimit(RLIMIT_NPROC, &l)))
		_exit(2);
}

static const struct server_options usual = {
	.workers_max = 64,
	.idle_seconds = 10,
	.stack_bytes = 512 * 1024,      /* sanitizers need more than the usual 256 KB */
	.shutdown_grace = 1,
	.read_timeout = 5,
	.write_timeout = 5,
};

static void listen_on(struct server_under_test *s)
{
	static int count;
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	snprintf(s->path, sizeof(s->path), "%s/%d.sock", dir, count++);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", s->path);
	s->listen_fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_true(s->listen_fd >= 0);
	assert_int_equal(bind(s->listen_fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(s->listen_fd, 128), 0);
}

static pid_t serve_in_child(const struct server_under_test *s, struct server_options o)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	limit_threads();
	/* The server of a test that failed must not outlive the program. */
	os_follow_parent(SIGKILL);
	o.listen_fd = s->listen_fd;
	log_setup(LOG_LEVEL_NONE, "none");
	_exit(server_run(&o, &handler) ? 1 : 0);
}

static struct server_under_test start(const struct server_options *o)
{
	struct server_under_test s;

	memset(seen, 0, sizeof(*seen));
	listen_on(&s);
	s.pid = serve_in_child(&s, *o);
	return s;
}

/* Waits for the end of the child and gives its exit status, -1 if it takes longer than ms. */
static int wait_exit(pid_t pid, int ms)
{
	int64_t end = clock_ms() + ms;
	int status;

	while (clock_ms() < end) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		pause_ms(5);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

static void forget(struct server_under_test *s)
{
	close(s->listen_fd);
	unlink(s->path);
}

static void stop(struct server_under_test *s)
{
	kill(s->pid, SIGTERM);
	assert_int_equal(wait_exit(s->pid, 30000), 0);
	forget(s);
}

static bool becomes(atomic_int *what, int value, int ms)
{
	int64_t end = clock_ms() + ms;

	while (atomic_load(what) < value && clock_ms() < end)
		pause_ms(5);
	return atomic_load(what) >= value;
}

/* How often its threads were put aside so far; -1 while not all of them sleep. */
static long put_aside(pid_t pid)
{
	char path[400], line[128], state;
	long sum = 0, n;
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	d = opendir(path);
	while (d && sum >= 0 && (e = readdir(d)) != NULL) {
		FILE *f;

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/status", (int)pid, e->d_name);
		f = fopen(path, "r");
		if (!f)
			sum = -1;
		while (f && sum >= 0 && fgets(line, sizeof(line), f)) {
			if (sscanf(line, "State: %c", &state) == 1 && !strchr("SZ", state))
				sum = -1;
			else if (sscanf(line, "%*[nov]luntary_ctxt_switches: %ld", &n) == 1)
				sum += n;
		}
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	return sum;
}

/* Until all its threads wait for something and none has run between two looks at them: a worker is
 * free a moment after its answer. */
static void settle(const struct server_under_test *s)
{
	int64_t end = clock_ms() + 30000;
	long was = -1, now;

	while (((now = put_aside(s->pid)) < 0 || now != was) && clock_ms() < end) {
		was = now;
		pause_ms(1);
	}
}

/* Sends the signal, and waits until it has come: the same one sent twice may come once. */
static void signal_server(const struct server_under_test *s, int signo)
{
	int64_t end = clock_ms() + 30000;
	unsigned long long pending = 1;
	char path[64], line[128];

	kill(s->pid, signo);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)s->pid);
	while (pending && clock_ms() < end) {
		FILE *f = fopen(path, "r");

		for (pending = 0; f && fgets(line, sizeof(line), f);)
			if (sscanf(line, "ShdPnd: %llx", &pending) == 1)
				break;
		if (f)
			fclose(f);
		pending &= 1ULL << (signo - 1);
		pause_ms(1);
	}
}

static bool buf_has(struct buf *b, const char *text)
{
	return str_find(buf_str(b), text) != NULL;
}

/* One POST on a connection of its own; the answer, to be freed. */
static struct buf post(const struct server_under_test *s, const char *uri, const void *p, size_t n)
{
	int fd = fcgi_client_connect(s->path);
	struct buf out;

	buf_init(&out, 0);
	assert_true(fd >= 0);
	assert_true(fcgi_client_post(fd, uri, p, n, 0, &out));
	close(fd);
	return out;
}

static int open_stream(const struct server_under_test *s, int started)
{
	static const char *const params[] = { "REQUEST_METHOD=POST", "REQUEST_URI=/wait", NULL };
	int fd = fcgi_client_connect(s->path);

	assert_true(fd >= 0);
	assert_int_equal(fcgi_client_begin(fd, params, 0), 0);
	assert_int_equal(fcgi_client_record(fd, RECORD_STDIN, "", 0), 0);
	assert_true(becomes(&seen->started, started, 30000));
	return fd;
}

/* ---- requests ---- */

static void check_echo(const struct server_under_test *s, size_t n)
{
	unsigned char *p = malloc(n + 1);
	unsigned long sum = 0;
	char want[64];
	struct buf out;

	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		sum += p[i] = (unsigned char)(i * 7 + i / 251);
	out = post(s, "/echo", p, n);
	snprintf(want, sizeof(want), "\r\n\r\n%zu %lu", n, sum);
	assert_true(buf_has(&out, want));
	buf_release(&out);
	free(p);
}

static void test_bodies(void **state)
{
	static const size_t sizes[] = { 0, 1, 8191, 8192, 65535, 65536, 131070, 1000000, 8 << 20 };
	struct server_under_test s = start(&usual);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		check_echo(&s, sizes[i]);
	stop(&s);
}

static void check_watch(const struct server_under_test *s, size_t n)
{
	static char body[200000];
	struct buf out = post(s, "/watch", body, n);

	if (!buf_has(&out, "quiet"))
		fail_msg("a body of %zu bytes makes a live client look gone", n);
	buf_release(&out);
}

static void test_live_client_is_quiet(void **state)
{
	struct server_under_test s = start(&usual);

	for (size_t n = 0; n <= 300; n++)
		check_watch(&s, n);
	for (size_t n = 65535 - 60; n <= 65535 + 60; n++)
		check_watch(&s, n);
	for (size_t n = 131070 - 30; n <= 131070 + 30; n++)
		check_watch(&s, n);
	for (size_t n = 8192 - 100; n <= 8192 + 20; n++)
		check_watch(&s, n);
	stop(&s);
}

static void test_keep_connection(void **state)
{
	struct server_under_test s = start(&usual);
	int fd = fcgi_client_connect(s.path);
	struct buf out;

	assert_true(fd >= 0);
	buf_init(&out, 0);
	for (int i = 0; i < 200; i++) {
		buf_reset(&out);
		assert_true(fcgi_client_post(fd, "/echo", "ab", 2, FCGI_CLIENT_KEEP, &out));
		assert_true(buf_has(&out, "\r\n\r\n2 195"));
	}
	close(fd);
	buf_release(&out);
	stop(&s);
}

/* A kept connection that is silent must not hold a worker. */
static void test_kept_holds_no_worker(void **state)
{
	struct server_options o = usual;
	struct server_under_test s;
	struct buf out;
	int kept[3];

	o.workers_max = 1;
	s = start(&o);
	buf_init(&out, 0);
	for (int i = 0; i < 3; i++) {
		kept[i] = fcgi_client_connect(s.path);
		buf_reset(&out);
		assert_true(fcgi_client_post(kept[i], "/echo", "", 0, FCGI_CLIENT_KEEP, &out));
		settle(&s);
		assert_true(buf_has(&out, "200 OK"));
	}
	for (int i = 0; i < 3; i++)
		close(kept[i]);
	buf_release(&out);
	check_echo(&s, 10);
	stop(&s);
}

static void test_not_fastcgi(void **state)
{
	struct server_under_test s = start(&usual);
	int fd = fcgi_client_connect(s.path);
	char byte;

	assert_int_equal(os_send(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, 0), 27);
	assert_true(recv(fd, &byte, 1, 0) <= 0);
	close(fd);
	fd = fcgi_client_connect(s.path);
	close(fd);
	check_echo(&s, 10);
	stop(&s);
}

static void test_body_cut_short(void **state)
{
	static const char *const params[] = { "REQUEST_URI=/echo", "CONTENT_LENGTH=10", NULL };
	struct server_under_test s = start(&usual);
	int fd = fcgi_client_connect(s.path);

	fcgi_client_begin(fd, params, 0);
	fcgi_client_record(fd, RECORD_STDIN, "12345", 5);
	fcgi_client_record(fd, RECORD_STDIN, "", 0);
	assert_true(becomes(&seen->read_failed, 1, 30000));
	close(fd);
	fd = fcgi_client_connect(s.path);
	fcgi_client_begin(fd, params, 0);
	fcgi_client_record(fd, RECORD_STDIN, "12345", 5);
	close(fd);
	assert_true(becomes(&seen->read_failed, 2, 30000));
	stop(&s);
}

/* The whole body goes out before the answer is read: it must not be lost to a reset. */
static void test_answer_before_body(void **state)
{
	static char body[1 << 20];
	struct server_under_test s = start(&usual);
	struct buf out;

	for (int i = 0; i < 20; i++) {
		out = post(&s, "/early", body, 300000 + (size_t)i);
		assert_true(buf_has(&out, "too large"));
		buf_release(&out);
	}
	stop(&s);
}

/* ---- clients that go, stall, or read nothing ---- */

static void test_client_gone(void **state)
{
	struct server_under_test s = start(&usual);
	int fd = open_stream(&s, 1);

	fcgi_client_record(fd, RECORD_ABORT, "", 0);
	assert_true(becomes(&seen->gone, 1, 30000));
	close(fd);
	fd = open_stream(&s, 2);
	close(fd);
	assert_true(becomes(&seen->gone, 2, 30000));
	/* Something else on the line is no reason to give up. */
	fd = open_stream(&s, 3);
	fcgi_client_record(fd, RECORD_STDIN, "x", 1);
	pause_ms(100);
	assert_int_equal(atomic_load(&seen->gone), 2);
	close(fd);
	stop(&s);
}

static void test_reads_nothing(void **state)
{
	static const char *const params[] = { "REQUEST_URI=/flood", NULL };
	struct server_options o = usual;
	struct server_under_test s;
	int64_t since;
	int fd;

	o.write_timeout = 1;
	s = start(&o);
	fd = fcgi_client_connect(s.path);
	since = clock_ms();
	fcgi_client_begin(fd, params, 0);
	fcgi_client_record(fd, RECORD_STDIN, "", 0);
	assert_true(becomes(&seen->write_failed, 1, 300000));
	assert_in_range(clock_ms() - since, 800, 25000);
	/* The worker is free at once, not after a second timeout. */
	check_echo(&s, 10);
	close(fd);
	stop(&s);
}

static void test_body_stalls(void **state)
{
	static const char *const params[] = { "REQUEST_URI=/echo", "CONTENT_LENGTH=10", NULL };
	struct server_options o = usual;
	struct server_under_test s;
	int64_t since = clock_ms();
	int fd;

	o.read_timeout = 1;
	s = start(&o);
	fd = fcgi_client_connect(s.path);
	fcgi_client_begin(fd, params, 0);
	fcgi_client_record(fd, RECORD_STDIN, "12345", 5);
	assert_true(becomes(&seen->read_failed, 1, 30000));
	assert_in_range(clock_ms() - since, 800, 25000);
	close(fd);
	stop(&s);
}

/* ---- many at once ---- */

struct parallel {
	pthread_t thread;
	const struct server_under_test *s;
	struct buf out;
};

static void *parallel_main(void *arg)
{
	static const char body[100000];
	struct parallel *x = arg;
	int fd = fcgi_client_connect(x->s->path);

	buf_init(&x->out, 0);
	if (fd >= 0) {
		(void)!fcgi_client_post(fd, "/held", body, sizeof(body), 0, &x->out);
		close(fd);
	}
	return NULL;
}

/* n requests for /held, of which `served` get a worker. */
static void start_parallel(struct parallel *x, int n, int served, const struct server_under_test *s)
{
	for (int i = 0; i < n; i++) {
		x[i] = (struct parallel){ .s = s };
		assert_int_equal(pthread_create(&x[i].thread, NULL, parallel_main, &x[i]), 0);
	}
	assert_true(becomes(&seen->started, served, 60000));
	assert_true(becomes(&seen->busy, n - served, 60000));
}

/* Lets them go; how many were served. */
static int end_parallel(struct parallel *x, int n)
{
	int served = 0;

	atomic_store(&seen->let_go, 1);
	for (int i = 0; i < n; i++) {
		pthread_join(x[i].thread, NULL);
		served += buf_has(&x[i].out, "held");
		assert_true(buf_has(&x[i].out, "held") || buf_has(&x[i].out, "529 Overloaded"));
		buf_release(&x[i].out);
	}
	return served;
}

static void test_busy(void **state)
{
	struct server_options o = usual;
	struct parallel x[40];
	struct server_under_test s;

	o.workers_max = 4;
	s = start(&o);
	start_parallel(x, 40, 4, &s);
	assert_int_equal(end_parallel(x, 40), 4);
	settle(&s);
	check_echo(&s, 10);
	stop(&s);
}

/* The thread sanitizer has a thread of its own, which counts. */
static bool own_threads_alone(void)
{
#if defined(__SANITIZE_THREAD__)
	return false;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
	return false;
#else
	return true;
#endif
#else
	return true;
#endif
}

/* Nobody waits: who gets no thread is refused by the thread that accepts. */
static void test_no_more_threads(void **state)
{
	struct parallel x[10];
	struct server_under_test s;

	if (geteuid() != 0 || !own_threads_alone())
		skip();
	for (threads_max = 2; threads_max <= 4; threads_max += 2) {
		s = start(&usual);
		start_parallel(x, 10, threads_max - 2, &s);
		assert_int_equal(end_parallel(x, 10), threads_max - 2);
		stop(&s);
	}
	threads_max = 0;
}

static int threads_of(pid_t pid)
{
	char path[64], line[128];
	int n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Threads: %d", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

static void test_idle_workers_end(void **state)
{
	struct server_options o = usual;
	struct parallel x[12];
	struct server_under_test s;
	int at_work;

	o.idle_seconds = 1;
	s = start(&o);
	check_echo(&s, 1);
	if (threads_of(s.pid) < 0)
		skip();
	start_parallel(x, 12, 12, &s);
	/* The main thread's and the acceptor beside them. */
	at_work = threads_of(s.pid);
	assert_true(at_work >= 12 + 2);
	assert_int_equal(end_parallel(x, 12), 12);
	for (int i = 0; i < 3000 && threads_of(s.pid) > at_work - 12; i++)
		pause_ms(20);
	assert_true(threads_of(s.pid) <= at_work - 12);
	check_echo(&s, 1);
	stop(&s);
}

static void test_one_worker_is_enough(void **state)
{
	struct server_under_test s = start(&usual);
	int before;

	check_echo(&s, 1);
	before = threads_of(s.pid);
	for (int i = 0; i < 20; i++) {
		settle(&s);
		check_echo(&s, 1);
	}
	assert_true(threads_of(s.pid) <= before);
	stop(&s);
}

static void test_siblings(void **state)
{
	struct server_under_test s = start(&usual);
	pid_t sibling;

	/* Served by the first alone: it is ready for signals. */
	check_echo(&s, 100);
	sibling = serve_in_child(&s, usual);
	for (int i = 0; i < 40; i++)
		check_echo(&s, 100);
	kill(s.pid, SIGTERM);
	assert_int_equal(wait_exit(s.pid, 30000), 0);
	for (int i = 0; i < 40; i++)
		check_echo(&s, 100);
	assert_int_equal(fcntl(s.listen_fd, F_GETFL) & O_NONBLOCK, 0);
	s.pid = sibling;
	stop(&s);
}

static void test_nonblocking_socket(void **state)
{
	struct server_under_test s;

	memset(seen, 0, sizeof(*seen));
	listen_on(&s);
	fcntl(s.listen_fd, F_SETFL, O_NONBLOCK);
	s.pid = serve_in_child(&s, usual);
	check_echo(&s, 100);
	stop(&s);
}

/* ---- the end ---- */

static void test_stop_idle(void **state)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGUSR1 };

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		struct server_under_test s = start(&usual);

		check_echo(&s, 1);
		kill(s.pid, SIGHUP);
		check_echo(&s, 1);
		kill(s.pid, signals[i]);
		assert_int_equal(wait_exit(s.pid, 20000), 0);
		forget(&s);
	}
}

static void test_stop_grace(void **state)
{
	struct server_options o = usual;
	struct server_under_test s;
	struct buf out;
	int64_t since;
	int fd, left;

	o.shutdown_grace = 3;
	s = start(&o);
	fd = open_stream(&s, 1);
	left = open_stream(&s, 2);
	since = clock_ms();
	buf_init(&out, 0);
	kill(s.pid, SIGTERM);
	kill(s.pid, SIGINT);
	close(left);
	assert_true(becomes(&seen->gone, 1, 20000));
	assert_true(fcgi_client_answer(fd, &out));
	assert_true(buf_has(&out, "open\nstopped\n"));
	assert_in_range(clock_ms() - since, 2900, 25000);
	assert_int_equal(wait_exit(s.pid, 20000), 0);
	buf_release(&out);
	close(fd);
	forget(&s);
}

/* A second TERM is mod_fcgid's habit, a third one is impatience. */
static void test_stop_impatient(void **state)
{
	struct server_options o = usual;
	struct server_under_test s;
	int64_t since;
	int fd;

	o.shutdown_grace = 30;
	s = start(&o);
	fd = open_stream(&s, 1);
	since = clock_ms();
	for (int i = 0; i < 2; i++) {
		signal_server(&s, SIGTERM);
		pause_ms(100);
		assert_int_equal(atomic_load(&seen->stopped), 0);
	}
	kill(s.pid, SIGTERM);
	assert_int_equal(wait_exit(s.pid, 30000), 0);
	assert_true(clock_ms() - since < 25000);
	assert_int_equal(atomic_load(&seen->stopped), 1);
	close(fd);
	forget(&s);
}

static void test_stop_stubborn(void **state)
{
	static const char *const params[] = { "REQUEST_URI=/stubborn", NULL };
	struct server_options o = usual;
	struct server_under_test s;
	int64_t since;
	int fd;

	o.shutdown_grace = 0;
	s = start(&o);
	fd = fcgi_client_connect(s.path);
	fcgi_client_begin(fd, params, 0);
	assert_true(becomes(&seen->started, 1, 30000));
	since = clock_ms();
	kill(s.pid, SIGTERM);
	assert_int_equal(wait_exit(s.pid, 30000), 0);
	assert_in_range(clock_ms() - since, 1800, 25000);
	close(fd);
	forget(&s);
}

static void test_stop_kept(void **state)
{
	struct server_under_test s = start(&usual);
	int fd = fcgi_client_connect(s.path);
	struct buf out;

	buf_init(&out, 0);
	assert_true(fcgi_client_post(fd, "/echo", "", 0, FCGI_CLIENT_KEEP, &out));
	kill(s.pid, SIGTERM);
	assert_int_equal(wait_exit(s.pid, 20000), 0);
	close(fd);
	buf_release(&out);
	forget(&s);
}

/* ---- which socket ---- */

static int listen_fd_in_child(const struct server_under_test *s, int at, const char *fds)
{
	pid_t pid = fork();
	char text[16];

	assert_true(pid >= 0);
	if (!pid) {
		snprintf(text, sizeof(text), "%d", (int)getpid());
		setenv("LISTEN_PID", text, 1);
		setenv("LISTEN_FDS", fds, 1);
		log_setup(LOG_LEVEL_NONE, "none");
		close(0);
		if (at >= 0)
			dup2(s->listen_fd, at);
		_exit(server_listen_fd() + 1);
	}
	return wait_exit(pid, 30000) - 1;
}

static void test_listen_fd(void **state)
{
	struct server_under_test s;

	listen_on(&s);
	assert_int_equal(listen_fd_in_child(&s, 3, "1"), 3);
	assert_int_equal(listen_fd_in_child(&s, 3, "2"), 3);
	assert_int_equal(listen_fd_in_child(&s, 0, "0"), 0);
	assert_int_equal(listen_fd_in_child(&s, 0, "x"), 0);
	assert_int_equal(listen_fd_in_child(&s, -1, "0"), -1);
	forget(&s);
}

/* FCGI_WEB_SERVER_ADDRS, for a connection's other side. */
static void test_listen_peers(void **state)
{
	static const struct {
		const char *list, *peer;        /* NULL: it is not set; a Unix socket */
		bool ok;
	} cases[] = {
		{ NULL, "192.0.2.7", true },
		{ "", "192.0.2.7", true },
		{ "192.0.2.7", "192.0.2.7", true },
		{ "127.0.0.1, 192.0.2.7", "192.0.2.7", true },
		{ "127.0.0.1,192.0.2.70", "192.0.2.7", false },
		{ "::1, 2001:DB8::7", "2001:db8::7", true },
		{ "::1", "2001:db8::7", false },
		{ "192.0.2.7", "::ffff:192.0.2.7", true },
		{ "192.0.2.8", "::ffff:192.0.2.7", false },
		{ "127.0.0.1", NULL, true },
	};

	log_setup(LOG_LEVEL_NONE, "none");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sockaddr_storage peer = { .ss_family = AF_UNIX };
		struct sockaddr_in *v4 = (struct sockaddr_in *)&peer;
		struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&peer;
		const char *text = cases[i].peer;

		if (text)
			peer.ss_family = strchr(text, ':') ? AF_INET6 : AF_INET;
		if (peer.ss_family == AF_INET)
			assert_int_equal(inet_pton(AF_INET, text, &v4->sin_addr), 1);
		else if (text)
			assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
		unsetenv("FCGI_WEB_SERVER_ADDRS");
		if (cases[i].list)
			setenv("FCGI_WEB_SERVER_ADDRS", cases[i].list, 1);
		if (listen_peer_ok(&peer) != cases[i].ok)
			fail_msg("%s of %s", text, cases[i].list);
	}
	unsetenv("FCGI_WEB_SERVER_ADDRS");
}

static void test_no_socket(void **state)
{
	struct server_under_test s = { .listen_fd = -1 };
	pid_t pid = serve_in_child(&s, usual);

	assert_int_equal(wait_exit(pid, 30000), 1);
}

/* ---- CGI ---- */

struct cgi_child {
	pid_t pid;
	int in, out;                    /* our ends */
};

static struct cgi_child cgi_start(const char *uri, const char *length)
{
	struct cgi_child c;
	int in[2], out[2];

	memset(seen, 0, sizeof(*seen));
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	c.pid = fork();
	assert_true(c.pid >= 0);
	if (!c.pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		close(out[0]);
		setenv("REQUEST_URI", uri, 1);
		if (length)
			setenv("CONTENT_LENGTH", length, 1);
		_exit(cgi_run(1, 1, &handler) ? 1 : 0);
	}
	close(in[0]);
	close(out[1]);
	c.in = in[1];
	c.out = out[0];
	return c;
}

static void cgi_read_all(struct cgi_child *c, char *text, size_t size)
{
	size_t n = 0;
	ssize_t got;

	while (n + 1 < size && (got = read(c->out, text + n, size - n - 1)) > 0)
		n += (size_t)got;
	text[n] = 0;
}

static void cgi_end(struct cgi_child *c)
{
	close(c->in);
	close(c->out);
	assert_int_equal(wait_exit(c->pid, 30000), 0);
}

/* stdin stays open: nothing behind CONTENT_LENGTH may be waited for. */
static void test_cgi(void **state)
{
	struct cgi_child c = cgi_start("/echo", "3");
	char text[256];

	assert_int_equal(write(c.in, "abcdef", 6), 6);
	cgi_read_all(&c, text, sizeof(text));
	assert_string_equal(text, "Status: 200 OK\r\n\r\n3 294");
	cgi_end(&c);
	c = cgi_start("/echo", NULL);
	cgi_read_all(&c, text, sizeof(text));
	assert_string_equal(text, "Status: 200 OK\r\n\r\n0 0");
	cgi_end(&c);
}

static void test_cgi_body_stalls(void **state)
{
	int64_t since = clock_ms();
	struct cgi_child c = cgi_start("/echo", "3");
	char text[256];

	cgi_read_all(&c, text, sizeof(text));
	assert_string_equal(text, "Status: 200 OK\r\n\r\n-1 0");
	assert_in_range(clock_ms() - since, 800, 25000);
	cgi_end(&c);
}

static void test_cgi_reads_nothing(void **state)
{
	int64_t since = clock_ms();
	struct cgi_child c = cgi_start("/flood", NULL);

	assert_true(becomes(&seen->write_failed, 1, 30000));
	assert_in_range(clock_ms() - since, 800, 25000);
	cgi_end(&c);
}

static void test_cgi_gone(void **state)
{
	struct cgi_child c = cgi_start("/wait", NULL);

	assert_true(becomes(&seen->started, 1, 30000));
	close(c.out);
	assert_true(becomes(&seen->gone, 1, 30000));
	c.out = -1;
	cgi_end(&c);
}

static void test_cgi_term(void **state)
{
	struct cgi_child c = cgi_start("/wait", NULL);
	char text[256];

	assert_true(becomes(&seen->started, 1, 30000));
	kill(c.pid, SIGTERM);
	cgi_read_all(&c, text, sizeof(text));
	assert_string_equal(text, "Status: 200 OK\r\n\r\nopen\nstopped\n");
	cgi_end(&c);
}

/* ---- memory, parameters, stop ---- */

static void test_memory(void **state)
{
	static const char *const params[] = { "A=1", "AB=2", "EMPTY=", NULL };
	struct memory_front *m = memory_front_new(params, STR("abcdefg"), 3);
	struct front *f = memory_front(m);
	char part[8];

	assert_string_equal(f->ops->param(f, "A"), "1");
	assert_string_equal(f->ops->param(f, "AB"), "2");
	assert_string_equal(f->ops->param(f, "EMPTY"), "");
	assert_null(f->ops->param(f, "B"));
	assert_int_equal(f->ops->read(f, part, 2), 2);
	assert_int_equal(f->ops->read(f, part, 8), 3);
	assert_int_equal(f->ops->read(f, part, 8), 2);
	assert_int_equal(f->ops->read(f, part, 8), 0);
	memory_front_fail_after(m, 5);
	assert_int_equal(f->ops->write(f, "abc", 3), 0);
	assert_int_equal(f->ops->flush(f), 0);
	assert_int_equal(f->ops->write(f, "def", 3), -1);
	assert_true(str_is(memory_front_output(m), "abc"));
	assert_int_equal(memory_front_flushes(m), 1);
	assert_int_equal(f->ops->watch_fd(f), -1);
	memory_front_free(m);
	memory_front_free(NULL);
}

static void test_stop_state(void **state)
{
	struct pollfd p = { .events = POLLIN };

	assert_int_equal(stop_get(), STOP_RUNNING);
	/* However early it is told to stop. */
	assert_int_equal(stop_fd(), -1);
	stop_set(STOP_NOW);
	assert_int_equal(stop_setup(), 0);
	assert_int_equal(stop_setup(), 0);
	p.fd = stop_fd();
	assert_int_equal(poll(&p, 1, 0), 1);
	stop_set(STOP_RUNNING);
	assert_int_equal(poll(&p, 1, 0), 0);
	stop_set(STOP_DRAINING);
	assert_int_equal(poll(&p, 1, 0), 0);
	stop_set(STOP_NOW);
	stop_set(STOP_NOW);
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_int_equal(poll(&p, 1, 0), 1);
	stop_set(STOP_RUNNING);
	assert_int_equal(poll(&p, 1, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_live_client_is_quiet),
		cmocka_unit_test(test_keep_connection),
		cmocka_unit_test(test_kept_holds_no_worker),
		cmocka_unit_test(test_not_fastcgi),
		cmocka_unit_test(test_body_cut_short),
		cmocka_unit_test(test_answer_before_body),
		cmocka_unit_test(test_client_gone),
		cmocka_unit_test(test_reads_nothing),
		cmocka_unit_test(test_body_stalls),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_no_more_threads),
		cmocka_unit_test(test_idle_workers_end),
		cmocka_unit_test(test_one_worker_is_enough),
		cmocka_unit_test(test_siblings),
		cmocka_unit_test(test_nonblocking_socket),
		cmocka_unit_test(test_stop_idle),
		cmocka_unit_test(test_stop_grace),
		cmocka_unit_test(test_stop_impatient),
		cmocka_unit_test(test_stop_stubborn),
		cmocka_unit_test(test_stop_kept),
		cmocka_unit_test(test_listen_fd),
		cmocka_unit_test(test_listen_peers),
		cmocka_unit_test(test_no_socket),
		cmocka_unit_test(test_cgi),
		cmocka_unit_test(test_cgi_body_stalls),
		cmocka_unit_test(test_cgi_reads_nothing),
		cmocka_unit_test(test_cgi_gone),
		cmocka_unit_test(test_cgi_term),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_stop_state),
	};

	int failed;

	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(dir))
		return 1;
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return failed;
}
