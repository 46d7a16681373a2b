/* See bench-http.h. */
#include "bench-http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const struct http_hooks *hooks;
static int epoll_fd;

int64_t http_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

void http_setup(const struct http_hooks *h)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	hooks = h;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0) {
		perror("epoll_create1");
		exit(1);
	}
}

/* ---- requests ---- */

static void read_file(const char *path, char **text, size_t *n)
{
	FILE *f = fopen(path, "rb");
	long size;

	if (!f || fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0 || fseek(f, 0, SEEK_SET) ||
	    !(*text = malloc((size_t)size + 1))) {
		perror(path);
		exit(1);
	}
	*n = fread(*text, 1, (size_t)size, f);
	fclose(f);
}

void http_request_make(struct http_request *r, const char *target, const char *file,
	const char *key)
{
	const char *path = strchr(target, '/') ? strchr(target, '/') : "/";
	char head[1024], *body = NULL;
	size_t nhead, nbody = 0;

	r->port = atoi(target);
	if (file)
		read_file(file, &body, &nbody);
	if (file)
		snprintf(head, sizeof(head),
			 "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: "
			 "application/json\r\nanthropic-version: 2023-06-01\r\nx-api-key: %s\r\n"
			 "Content-Length: %zu\r\n\r\n",
			 path, r->port, key ? key : "bench", nbody);
	else
		snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
			 path, r->port);
	nhead = strlen(head);
	r->n = nhead + nbody;
	r->text = malloc(r->n + 1);
	if (!r->text)
		exit(1);
	memcpy(r->text, head, nhead);
	if (nbody)
		memcpy(r->text + nhead, body, nbody);
	r->text[r->n] = 0;
	free(body);
}

/* ---- one connection ---- */

static void watch(struct http_conn *c, bool out)
{
	struct epoll_event e = { .events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = c };

	if (out == c->want_out)
		return;
	c->want_out = out;
	epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
}

static void push(struct http_conn *c)
{
	const struct http_request *q = c->request;
	ssize_t r;

	while (c->out < q->n) {
		r = send(c->fd, q->text + c->out, q->n - c->out, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (r < 0)
			break;
		c->out += (size_t)r;
	}
	watch(c, c->out < q->n);
}

void http_ask(struct http_conn *c, const struct http_request *r)
{
	c->request = r;
	c->part = HTTP_HEAD;
	c->nhead = c->out = c->body = 0;
	c->busy = c->first = true;
	c->status = c->stamps = 0;
	c->nstamp = -1;
	c->asked_us = http_now_us();
	push(c);
}

void http_open(struct http_conn *c, const struct http_request *r)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)r->port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(c->fd, (struct sockaddr *)&a, sizeof(a))) {
		perror("connect");
		exit(1);
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e);
	c->want_out = false;
	http_ask(c, r);
}

void http_leave(struct http_conn *c, bool abrupt)
{
	struct linger reset = { .l_onoff = 1 };

	if (abrupt)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(c->fd);
	c->fd = -1;
	c->busy = false;
}

/* ---- its answer ---- */

static void stamp_end(struct http_conn *c)
{
	c->stamp[c->nstamp] = 0;
	c->stamps++;
	if (hooks->stamp)
		hooks->stamp(c, http_now_us() - atoll(c->stamp));
}

static void find_stamps(struct http_conn *c, const char *p, size_t n)
{
	const char *at;

	for (size_t i = 0; i < n; i++) {
		if (c->nstamp < 0) {
			at = memchr(p + i, '@', n - i);
			if (!at)
				return;
			i = (size_t)(at - p);
			c->nstamp = 0;
		} else if (p[i] >= '0' && p[i] <= '9' && c->nstamp < HTTP_STAMP_MAX - 1) {
			c->stamp[c->nstamp++] = p[i];
		} else {
			if (p[i] == '@' && c->nstamp > 0)
				stamp_end(c);
			c->nstamp = -1;
		}
	}
}

static void take_text(struct http_conn *c, const char *p, size_t n)
{
	size_t skip = n > HTTP_TAIL ? n - HTTP_TAIL : 0;

	if (n && c->first) {
		c->first = false;
		if (hooks->began)
			hooks->began(c);
	}
	for (size_t i = skip; i < n; i++)
		c->tail[(c->body + i) % HTTP_TAIL] = p[i];
	c->body += n;
	find_stamps(c, p, n);
}

bool http_ends_with(const struct http_conn *c, const char *text)
{
	size_t n = c->body < HTTP_TAIL ? c->body : HTTP_TAIL;
	char tail[HTTP_TAIL];

	for (size_t i = 0; i < n; i++)
		tail[i] = c->tail[(c->body - n + i) % HTTP_TAIL];
	return memmem(tail, n, text, strlen(text)) != NULL;
}

static void finished(struct http_conn *c)
{
	c->part = HTTP_HEAD;
	c->nhead = 0;
	c->busy = false;
	hooks->finished(c);
}

static void head_end(struct http_conn *c)
{
	const char *length = strcasestr(c->head, "\ncontent-length:");

	c->status = atoi(c->head + 9);
	c->nhead = 0;
	if (c->status >= 100 && c->status < 200)
		return;
	if (strcasestr(c->head, "\ntransfer-encoding: chunked")) {
		c->part = HTTP_CHUNK_SIZE;
		c->left = 0;
	} else if (length) {
		c->part = HTTP_SIZED;
		c->left = strtoul(length + 16, NULL, 10);
		if (c->left == 0)
			finished(c);
	} else {
		c->part = HTTP_UNTIL_CLOSE;
	}
}

static void line_end(struct http_conn *c)
{
	bool blank = c->nhead <= 2 ||
		     (c->nhead >= 4 && memcmp(c->head + c->nhead - 4, "\r\n\r\n", 4) == 0);

	switch (c->part) {
	case HTTP_HEAD:
		if (blank)
			head_end(c);
		return;
	case HTTP_CHUNK_SIZE:
		c->left = strtoul(c->head, NULL, 16);
		c->part = c->left ? HTTP_CHUNK : HTTP_TRAILER;
		break;
	case HTTP_CHUNK_END:
		c->part = HTTP_CHUNK_SIZE;
		break;
	default:
		if (blank)
			finished(c);
		break;
	}
	c->nhead = 0;
}

/* Lines: the head's, a chunk's size, a trailer's. Returns the bytes used. */
static size_t take_line(struct http_conn *c, const char *p, size_t n)
{
	const char *lf = memchr(p, '\n', n);
	size_t use = lf ? (size_t)(lf - p) + 1 : n, room = HTTP_HEAD_MAX - 1 - c->nhead,
	       keep = use < room ? use : room;

	memcpy(c->head + c->nhead, p, keep);
	c->nhead += keep;
	c->head[c->nhead] = 0;
	if (lf)
		line_end(c);
	return use;
}

static size_t take_some(struct http_conn *c, const char *p, size_t n)
{
	size_t use = n;

	switch (c->part) {
	case HTTP_SIZED:
	case HTTP_CHUNK:
		use = n < c->left ? n : c->left;
		take_text(c, p, use);
		c->left -= use;
		if (c->left == 0 && c->part == HTTP_CHUNK)
			c->part = HTTP_CHUNK_END;
		else if (c->left == 0)
			finished(c);
		return use;
	case HTTP_UNTIL_CLOSE:
		take_text(c, p, n);
		return n;
	default:
		return take_line(c, p, n);
	}
}

static void closed(struct http_conn *c)
{
	bool whole = c->part == HTTP_UNTIL_CLOSE;

	close(c->fd);
	c->fd = -1;
	if (whole)
		finished(c);
	else if (hooks->closed)
		hooks->closed(c);
}

static void ready(struct http_conn *c, uint32_t what)
{
	static char part[65536];
	const char *p = part;
	ssize_t n;
	size_t use;

	if (c->fd < 0)                  /* left since the kernel said so */
		return;
	if (what & EPOLLOUT)
		push(c);
	if (!(what & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	n = recv(c->fd, part, sizeof(part), MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN))
		closed(c);
	for (; n > 0 && c->fd >= 0; n -= (ssize_t)use, p += use)
		use = take_some(c, p, (size_t)n);
}

void http_wait(int ms)
{
	struct epoll_event e[256];
	int n = epoll_wait(epoll_fd, e, 256, ms);

	for (int i = 0; i < n; i++)
		ready(e[i].data.ptr, e[i].events);
}

/* ---- samples ---- */

void samples_add(struct samples *s, int64_t us)
{
	if (s->n == s->room) {
		s->room = s->room ? s->room * 2 : 4096;
		s->us = realloc(s->us, s->room * sizeof(*s->us));
		if (!s->us)
			exit(1);
	}
	s->us[s->n++] = us;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

void samples_sort(struct samples *s)
{
	if (s->n)
		qsort(s->us, s->n, sizeof(*s->us), by_value);
}

int64_t samples_percentile(const struct samples *s, double p)
{
	return s->n ? s->us[(size_t)(p * (double)(s->n - 1))] : -1;
}
