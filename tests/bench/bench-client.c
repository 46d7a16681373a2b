/*
 * The benchmark's client: HTTP/1.1 on one thread and epoll. Two uses:
 *
 *   bench-client -n COUNT …          one connection, kept alive, COUNT requests one after the
 *                                    other: time to the first byte of the body
 *   bench-client -c STREAMS -w S …   STREAMS at once, opened at most RATE a second; when all of
 *                                    them have begun, S seconds are measured: lateness of each
 *                                    event (against the moment that the upstream wrote into it),
 *                                    memory and processor time of the given processes
 *
 *   -u PORT/PATH   -b FILE (body)   -r RATE   -p PID (up to 16)   -t SECONDS (give up)
 *   -k KEY (sent as x-api-key)
 *
 * Prints one JSON object. A request that does not end with status 200 is counted as failed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PIDS_MAX 16
#define HEAD_MAX 8192
#define STAMP_MAX 24

enum part {
	PART_HEAD,
	PART_SIZED,
	PART_CHUNK_SIZE,
	PART_CHUNK,
	PART_CHUNK_END,
	PART_TRAILER,
	PART_UNTIL_CLOSE
};

struct conn {
	int fd;
	enum part part;
	char head[HEAD_MAX];
	size_t nhead, left;             /* left: bytes of the body or chunk */
	size_t out;                     /* bytes of the request that are sent */
	int status;
	bool first, begun, want_out;
	int64_t asked_us;
	char stamp[STAMP_MAX];          /* digits behind an '@' */
	int nstamp;                     /* -1: not in a stamp */
};

static struct {
	int port, count, streams, rate, seconds, give_up;
	const char *path, *body_file, *key;
	int pid[PIDS_MAX], npids;
} opt = { .streams = 1, .rate = 500, .seconds = 5, .give_up = 120, .path = "/" };

static char *request;
static size_t nrequest;
static int epoll_fd;
static int64_t *samples;                /* µs: times to first byte, or lateness */
static size_t nsamples, room;
static int opened, begun, done, failed;
static bool measuring;
static uint64_t events;

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void sample(int64_t us)
{
	if (nsamples == room) {
		room = room ? room * 2 : 4096;
		samples = realloc(samples, room * sizeof(*samples));
		if (!samples)
			exit(1);
	}
	samples[nsamples++] = us;
}

/* ---- what other processes cost ---- */

static long private_dirty_kb(int pid)
{
	char path[64], line[256];
	long kb = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "Private_Dirty:", 14) == 0)
			kb = atol(line + 14);
	if (f)
		fclose(f);
	return kb;
}

/* User and system time so far, µs, in steps of the clock of /proc (10 ms). */
static int64_t cpu_us(int pid)
{
	char path[64], line[1024], *p;
	unsigned long user, sys;
	int64_t us = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	p = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	if (p &&
	    sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys) == 2)
		us = (int64_t)(user + sys) * 1000000 / sysconf(_SC_CLK_TCK);
	fclose(f);
	return us;
}

/* ---- one connection ---- */

static void watch(struct conn *c, bool out)
{
	struct epoll_event e = { .events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = c };

	if (out == c->want_out)
		return;
	c->want_out = out;
	epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
}

static void push(struct conn *c)
{
	ssize_t r;

	while (c->out < nrequest) {
		r = send(c->fd, request + c->out, nrequest - c->out, MSG_NOSIGNAL);
		if (r < 0)
			break;
		c->out += (size_t)r;
	}
	watch(c, c->out < nrequest);
}

static void ask(struct conn *c)
{
	c->part = PART_HEAD;
	c->nhead = c->out = 0;
	c->first = true;
	c->status = 0;
	c->nstamp = -1;
	c->asked_us = now_us();
	push(c);
}

static void conn_open(struct conn *c)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(c->fd, (struct sockaddr *)&a, sizeof(a))) {
		perror("bench-client: connect");
		exit(1);
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){ .tv_sec = 30 },
		   sizeof(struct timeval));
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e);
	opened++;
	ask(c);
}

static void stamp_end(struct conn *c)
{
	int64_t late;

	c->stamp[c->nstamp] = 0;
	late = now_us() - atoll(c->stamp);
	if (!c->begun) {
		c->begun = true;
		begun++;
	}
	if (measuring && opt.count == 0) {
		events++;
		sample(late);
	}
}

static void take_text(struct conn *c, const char *p, size_t n)
{
	const char *at;

	if (n && c->first) {
		c->first = false;
		if (opt.count)
			sample(now_us() - c->asked_us);
	}
	for (size_t i = 0; i < n; i++) {
		if (c->nstamp < 0) {
			at = memchr(p + i, '@', n - i);
			if (!at)
				return;
			i = (size_t)(at - p);
			c->nstamp = 0;
		} else if (p[i] >= '0' && p[i] <= '9' && c->nstamp < STAMP_MAX - 1) {
			c->stamp[c->nstamp++] = p[i];
		} else {
			if (p[i] == '@' && c->nstamp > 0)
				stamp_end(c);
			c->nstamp = -1;
		}
	}
}

static void finished(struct conn *c)
{
	done++;
	if (c->status != 200)
		failed++;
	if (opt.count && done < opt.count)
		ask(c);
	else
		c->part = PART_HEAD;
}

static void head_end(struct conn *c)
{
	const char *length = strcasestr(c->head, "\ncontent-length:");

	c->status = atoi(c->head + 9);
	if (c->status >= 100 && c->status < 200) {
		c->nhead = 0;
		return;
	}
	if (strcasestr(c->head, "\ntransfer-encoding: chunked")) {
		c->part = PART_CHUNK_SIZE;
		c->left = 0;
	} else if (length) {
		c->part = PART_SIZED;
		c->left = strtoul(length + 16, NULL, 10);
		if (c->left == 0)
			finished(c);
	} else {
		c->part = PART_UNTIL_CLOSE;
	}
	c->nhead = 0;
}

/* Lines: the head's, a chunk's size, a trailer's. Returns the bytes used. */
static size_t take_line(struct conn *c, const char *p, size_t n)
{
	const char *lf = memchr(p, '\n', n);
	size_t use = lf ? (size_t)(lf - p) + 1 : n,
	       keep = c->nhead + use < HEAD_MAX ? use : HEAD_MAX - 1 - c->nhead;
	bool blank;

	memcpy(c->head + c->nhead, p, keep);
	c->nhead += keep;
	c->head[c->nhead] = 0;
	if (!lf)
		return use;
	blank = c->nhead <= 2 ||
		(c->nhead >= 4 && memcmp(c->head + c->nhead - 4, "\r\n\r\n", 4) == 0);
	if (c->part == PART_HEAD) {
		if (blank)
			head_end(c);
	} else if (c->part == PART_CHUNK_SIZE) {
		c->left = strtoul(c->head, NULL, 16);
		c->part = c->left ? PART_CHUNK : PART_TRAILER;
		c->nhead = 0;
	} else if (c->part == PART_CHUNK_END) {
		c->part = PART_CHUNK_SIZE;
		c->nhead = 0;
	} else {
		c->nhead = 0;
		if (blank)
			finished(c);
	}
	return use;
}

static void take(struct conn *c, const char *p, size_t n)
{
	size_t use;

	while (n > 0) {
		if (c->part == PART_SIZED || c->part == PART_CHUNK) {
			use = n < c->left ? n : c->left;
			take_text(c, p, use);
			c->left -= use;
			if (c->left == 0 && c->part == PART_CHUNK)
				c->part = PART_CHUNK_END;
			else if (c->left == 0)
				finished(c);
		} else if (c->part == PART_UNTIL_CLOSE) {
			take_text(c, p, n);
			use = n;
		} else {
			use = take_line(c, p, n);
		}
		p += use;
		n -= use;
	}
}

static void closed(struct conn *c)
{
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
	close(c->fd);
	c->fd = -1;
	if (c->part == PART_UNTIL_CLOSE) {
		finished(c);
	} else if (c->part != PART_HEAD || c->nhead || (opt.count && done < opt.count)) {
		failed++;
		done++;
	}
	if (opt.count && done < opt.count)
		conn_open(c);
}

static void ready(struct conn *c, uint32_t what)
{
	static char part[65536];
	ssize_t n;

	if (what & EPOLLOUT)
		push(c);
	if (!(what & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	n = recv(c->fd, part, sizeof(part), MSG_DONTWAIT);
	if (n > 0)
		take(c, part, (size_t)n);
	else if (n == 0 || errno != EAGAIN)
		closed(c);
}

static void wait_events(int ms)
{
	struct epoll_event e[256];
	int n = epoll_wait(epoll_fd, e, 256, ms);

	for (int i = 0; i < n; i++)
		ready(e[i].data.ptr, e[i].events);
}

/* ---- the two uses ---- */

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int64_t percentile(double p)
{
	return nsamples ? samples[(size_t)(p * (double)(nsamples - 1))] : -1;
}

static void print_samples(void)
{
	double sum = 0;

	qsort(samples, nsamples, sizeof(*samples), by_value);
	for (size_t i = 0; i < nsamples; i++)
		sum += (double)samples[i];
	printf("\"samples\":%zu,\"p50_us\":%lld,\"p99_us\":%lld,\"max_us\":%lld,\"mean_us\":%.0f,"
	       "\"done\":%d,\"failed\":%d",
	       nsamples, (long long)percentile(0.5), (long long)percentile(0.99),
	       (long long)percentile(1), nsamples ? sum / (double)nsamples : -1, done, failed);
}

static void run_latency(struct conn *c, int64_t until)
{
	conn_open(c);
	while (done < opt.count && now_us() < until)
		wait_events(100);
	printf("{");
	print_samples();
	printf("}\n");
}

static void run_streams(struct conn *all, int64_t until)
{
	int64_t start = now_us(), from, cpu[PIDS_MAX];
	long kb[PIDS_MAX] = { 0 };

	while (begun + done < opt.streams && now_us() < until) {
		while (opened < opt.streams && now_us() - start >= opened * 1000000LL / opt.rate)
			conn_open(&all[opened]);
		wait_events(1);
	}
	/* A second for what the opening has stirred up. */
	for (from = now_us() + 1000000; now_us() < from; )
		wait_events(1);
	for (int i = 0; i < opt.npids; i++)
		cpu[i] = cpu_us(opt.pid[i]);
	from = now_us();
	measuring = opt.seconds > 0;
	while (now_us() < from + opt.seconds * 1000000LL)
		wait_events(1);
	measuring = false;
	printf("{\"streams\":%d,\"begun\":%d,\"seconds\":%.3f,\"events\":%llu,", opt.streams, begun,
	       (double)(now_us() - from) / 1e6, (unsigned long long)events);
	for (int i = 0; i < opt.npids; i++) {
		cpu[i] = cpu_us(opt.pid[i]) - cpu[i];
		kb[i] = private_dirty_kb(opt.pid[i]);
	}
	print_samples();
	printf(",\"processes\":[");
	for (int i = 0; i < opt.npids; i++)
		printf("%s{\"pid\":%d,\"cpu_us\":%lld,\"private_dirty_kb\":%ld}", i ? "," : "",
		       opt.pid[i], (long long)cpu[i], kb[i]);
	printf("]}\n");
	fflush(stdout);
	/* The streams end by themselves; who measures memory afterwards wants them gone in
	 * order. */
	while (done < opened && now_us() < until)
		wait_events(50);
}

static void make_request(void)
{
	char head[1024];
	FILE *f = opt.body_file ? fopen(opt.body_file, "rb") : NULL;
	long n = 0;
	size_t nhead;

	if (opt.body_file &&
	    (!f || fseek(f, 0, SEEK_END) || (n = ftell(f)) < 0 || fseek(f, 0, SEEK_SET))) {
		perror(opt.body_file);
		exit(1);
	}
	if (f)
		snprintf(head, sizeof(head),
			 "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: "
			 "application/json\r\n"
			 "anthropic-version: 2023-06-01\r\nx-api-key: %s\r\nContent-Length: "
			 "%ld\r\n\r\n",
			 opt.path, opt.port, opt.key ? opt.key : "bench", n);
	else
		snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
			 opt.path, opt.port);
	nhead = strlen(head);
	request = malloc(nhead + (size_t)n);
	if (!request)
		exit(1);
	memcpy(request, head, nhead);
	nrequest = nhead;
	if (f) {
		nrequest += fread(request + nhead, 1, (size_t)n, f);
		fclose(f);
	}
}

static int parse_options(int argc, char **argv)
{
	int o;

	while ((o = getopt(argc, argv, "n:c:w:u:b:r:p:t:k:")) != -1) {
		switch (o) {
		case 'n': opt.count = atoi(optarg); break;
		case 'c': opt.streams = atoi(optarg); break;
		case 'w': opt.seconds = atoi(optarg); break;
		case 'r': opt.rate = atoi(optarg); break;
		case 't': opt.give_up = atoi(optarg); break;
		case 'b': opt.body_file = optarg; break;
		case 'k': opt.key = optarg; break;
		case 'u':
			opt.port = atoi(optarg);
			opt.path = strchr(optarg, '/') ? strchr(optarg, '/') : "/";
			break;
		case 'p':
			if (opt.npids < PIDS_MAX)
				opt.pid[opt.npids++] = atoi(optarg);
			break;
		default:
			return -1;
		}
	}
	return opt.port && opt.rate > 0 && opt.streams > 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct rlimit files;
	struct conn *all;
	int64_t until;

	if (parse_options(argc, argv)) {
		fprintf(stderr, "usage: bench-client -u PORT/PATH [-b FILE] -n COUNT | -c STREAMS "
				"-w SECONDS [-r RATE] [-p PID]…\n");
		return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	make_request();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	all = calloc((size_t)opt.streams, sizeof(*all));
	if (!all || epoll_fd < 0)
		return 1;
	until = now_us() + opt.give_up * 1000000LL;
	if (opt.count)
		run_latency(all, until);
	else
		run_streams(all, until);
	return failed > 0;
}
