/*
 * The scripted server. One thread a connection; a connection serves requests until its script ends
 * it.
 */
#include "scripted.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/os.h"

struct conn {
	struct server *server;
	int fd;
	SSL *ssl;
	int served;             /* requests so far */
	char head[16384];
	size_t nhead, extra;    /* bytes of the head; bytes of the body that came with it */
	size_t length;          /* Content-Length */
	bool close;
};

static ssize_t conn_read(struct conn *c, void *p, size_t n)
{
	return c->ssl ? SSL_read(c->ssl, p, (int)n) : recv(c->fd, p, n, 0);
}

static void put(struct conn *c, const void *p, size_t n)
{
	const char *at = p;
	ssize_t r;

	while (n > 0) {
		r = c->ssl ? SSL_write(c->ssl, at, (int)n) : os_send(c->fd, at, n, 0);
		if (r <= 0) {
			c->close = true;
			return;
		}
		at += r;
		n -= (size_t)r;
	}
}

static void puts_(struct conn *c, const char *s)
{
	put(c, s, strlen(s));
}

static void answer(struct conn *c, const char *status, const char *headers, const char *body)
{
	char head[1024];

	snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n", status,
		 strlen(body), headers);
	puts_(c, head);
	puts_(c, body);
}

static void pause_ms(int ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
}

/* Until the test has been given n bytes of the answer, or the client has gone. */
static void await_taken(struct conn *c, int n)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };

	while (c->server->taken < n && poll(&p, 1, 1) == 0)
		;
}

/* Says no more until the client goes (or 20 s). */
static void stall(struct conn *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	char sink[4096];

	while (poll(&p, 1, 20000) > 0 && recv(c->fd, sink, sizeof(sink), 0) > 0)
		;
	c->close = true;
}

static const char *header(const struct conn *c, const char *name, char *out, size_t size)
{
	size_t n = strlen(name);
	const char *p = c->head, *end;

	out[0] = 0;
	while ((p = strstr(p, "\r\n"))) {
		p += 2;
		if (strncasecmp(p, name, n) == 0 && p[n] == ':') {
			p += n + 1 + (p[n + 1] == ' ');
			end = strstr(p, "\r\n");
			snprintf(out, size, "%.*s", (int)(end - p), p);
			break;
		}
	}
	return out;
}

/* ---- scripts ---- */

static void read_rest(struct conn *c, unsigned *sum)
{
	char part[8192];
	size_t got = c->extra;
	ssize_t n;

	*sum = 0;
	for (size_t i = 0; i < c->extra; i++)
		*sum = *sum * 31 + (unsigned char)c->head[c->nhead + i];
	while (got < c->length) {
		n = conn_read(c, part,
			      c->length - got < sizeof(part) ? c->length - got : sizeof(part));
		if (n <= 0) {
			c->close = true;
			return;
		}
		for (ssize_t i = 0; i < n; i++)
			*sum = *sum * 31 + (unsigned char)part[i];
		got += (size_t)n;
	}
}

static void do_ok(struct conn *c)
{
	answer(c, "200 OK", "Content-Type: Application/JSON; charset=utf-8\r\n", "{}");
}

static void do_headers(struct conn *c)
{
	char out[2048], auth[256], key[256], expect[64], coding[64], type[64];

	snprintf(out, sizeof(out), "%.*s\nauth=%s\nkey=%s\nexpect=%s\ncoding=%s\ntype=%s\n",
		 (int)strcspn(c->head, "\r"), c->head,
		 header(c, "authorization", auth, sizeof(auth)),
		 header(c, "x-api-key", key, sizeof(key)),
		 header(c, "expect", expect, sizeof(expect)),
		 header(c, "accept-encoding", coding, sizeof(coding)),
		 header(c, "content-type", type, sizeof(type)));
	answer(c, "200 OK", "", out);
}

static void do_stall(struct conn *c)
{
	stall(c);
}

/* Reads no more of the body. */
static void do_hold(struct conn *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLRDHUP };

	poll(&p, 1, 20000);
	c->close = true;
}

static void do_stall_head(struct conn *c)
{
	puts_(c, "HTTP/1.1 200 OK\r\nContent-Ty");
	stall(c);
}

static void do_stall_body(struct conn *c)
{
	puts_(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
	stall(c);
}

static void do_reset(struct conn *c)
{
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger));
	c->close = true;
}

static void do_reset_body(struct conn *c)
{
	puts_(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n");
	await_taken(c, 9);
	do_reset(c);
}

static void do_close(struct conn *c)
{
	c->close = true;
}

static void do_short(struct conn *c)
{
	puts_(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789");
	c->close = true;
}

static void do_chunk_cut(struct conn *c)
{
	puts_(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nff\r\nde");
	c->close = true;
}

static void do_slow(struct conn *c)
{
	puts_(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
	for (int i = 0; i < 10; i++) {
		pause_ms(20);
		put(c, &"0123456789"[i], 1);
		await_taken(c, i + 1);
	}
}

static void do_pieces(struct conn *c)
{
	puts_(c, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n1");
	pause_ms(100);
	puts_(c, "2");
	pause_ms(100);
	puts_(c, "3");
}

static void do_gzip(struct conn *c)
{
	/* "hello gzip", fifty times */
	static const unsigned char packed[] = {
		0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xcb, 0x48,
		0xcd, 0xc9, 0xc9, 0x57, 0x48, 0xaf, 0xca, 0x2c, 0xc8, 0x18, 0x65, 0x8d,
		0x10, 0x16, 0x00, 0xfd, 0xe9, 0x54, 0x04, 0xf4, 0x01, 0x00, 0x00,
	};

	puts_(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (size_t i = 0; i < sizeof(packed); i++) {
		puts_(c, "1\r\n");
		put(c, packed + i, 1);
		puts_(c, "\r\n");
	}
	puts_(c, "0\r\nX-Trailer: 1\r\nRetry-After: 9\r\n\r\n");
}

static void do_gzip_broken(struct conn *c)
{
	answer(c, "200 OK", "Content-Encoding: gzip\r\n", "no gzip at all");
}

static void do_redirect(struct conn *c)
{
	answer(c, "302 Found", "Location: /ok\r\n", "elsewhere");
}

static void do_interim(struct conn *c)
{
	puts_(c, "HTTP/1.1 103 Early Hints\r\nretry-after: 77\r\n\r\n");
	pause_ms(20);
	answer(c, "429 Too Many",
	       "request-id: req_1\r\nx-should-retry: false\r\nAnthropic-Ratelimit-Tokens-Limit: "
	       "5\r\n",
	       "no");
}

/* Whatever the request's own header X-Give holds becomes a header of the answer. */
static void do_give(struct conn *c)
{
	char give[256], line[300];

	snprintf(line, sizeof(line), "%s\r\n", header(c, "x-give", give, sizeof(give)));
	answer(c, "429 Too Many Requests", line, "");
}

static void do_not_http(struct conn *c)
{
	puts_(c, "SSH-2.0-OpenSSH_9.2\r\n");
	c->close = true;
}

static void do_sum(struct conn *c)
{
	unsigned sum;
	char out[64], expect[64];

	/* Who expects to be told to go on would wait a second for it. */
	if (*header(c, "expect", expect, sizeof(expect))) {
		answer(c, "400 Bad Request", "Connection: close\r\n", "expects something");
		c->close = true;
		return;
	}
	read_rest(c, &sum);
	snprintf(out, sizeof(out), "%zu %u", c->length, sum);
	if (!c->close)
		answer(c, "200 OK", "", out);
}

/* A connection takes a second request whole and closes then, as servers do whose keep-alive time
 * ends at this moment. */
static void do_once(struct conn *c)
{
	unsigned sum;

	if (c->served == 1) {
		do_sum(c);
		return;
	}
	read_rest(c, &sum);
	c->close = true;
}

/* Breaks the connection while the body is on its way; a connection's first request is taken. */
static void do_cut(struct conn *c)
{
	if (c->served == 1)
		do_sum(c);
	else
		do_reset(c);
}

/* The answer begins before the request has been read. */
static void do_early(struct conn *c)
{
	unsigned sum;
	char out[64];

	puts_(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	pause_ms(100);
	read_rest(c, &sum);
	snprintf(out, sizeof(out), "%zu %u", c->length, sum);
	snprintf(out + 40, 24, "%zx\r\n", strlen(out));
	puts_(c, out + 40);
	puts_(c, out);
	puts_(c, "\r\n0\r\n\r\n");
}

static void do_proxy_auth(struct conn *c)
{
	answer(c, "407 Proxy Authentication Required", "Proxy-Authenticate: Basic realm=x\r\n", "no");
}

static void do_refuse_tunnel(struct conn *c)
{
	answer(c, "403 Forbidden", "", "not through here");
}

static const struct {
	const char *path;
	void (*run)(struct conn *c);
	bool body;              /* reads the body itself */
} scripts[] = {
	{ "/ok", do_ok, false },
	{ "/headers", do_headers, false },
	{ "/stall-head", do_stall_head, false },
	{ "/stall-body", do_stall_body, false },
	{ "/hold", do_hold, true },
	{ "/stall", do_stall, false },
	{ "/reset-body", do_reset_body, false },
	{ "/reset", do_reset, false },
	{ "/close", do_close, false },
	{ "/short", do_short, false },
	{ "/chunk-cut", do_chunk_cut, false },
	{ "/slow", do_slow, false },
	{ "/pieces", do_pieces, false },
	{ "/gzip-broken", do_gzip_broken, false },
	{ "/gzip", do_gzip, false },
	{ "/redirect", do_redirect, false },
	{ "/interim", do_interim, false },
	{ "/give", do_give, false },
	{ "/not-http", do_not_http, false },
	{ "/proxy-auth", do_proxy_auth, false },
	{ "/sum", do_sum, true },
	{ "/once", do_once, true },
	{ "/cut", do_cut, true },
	{ "/unread", do_reset, true },
	{ "/early", do_early, true },
};

static void serve_request(struct conn *c)
{
	char length[32];
	const char *path = strchr(c->head, ' ') + 1;
	unsigned sum;

	c->length = strtoul(header(c, "content-length", length, sizeof(length)), NULL, 10);
	if (strncmp(c->head, "CONNECT ", 8) == 0) {
		do_refuse_tunnel(c);
		return;
	}
	if (strncmp(path, "http://", 7) == 0)
		path = strchr(path + 7, '/');
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		if (strncmp(path, scripts[i].path, strlen(scripts[i].path)) != 0)
			continue;
		if (!scripts[i].body)
			read_rest(c, &sum);
		scripts[i].run(c);
		return;
	}
	answer(c, "404 Not Found", "", "");
}

/* Reads a head, and maybe a part of the body behind it. */
static bool read_head(struct conn *c)
{
	size_t n = 0;
	ssize_t r;
	char *end;

	for (;;) {
		r = conn_read(c, c->head + n, sizeof(c->head) - 1 - n);
		if (r <= 0)
			return false;
		n += (size_t)r;
		c->head[n] = 0;
		end = os_find(c->head, n, "\r\n\r\n", 4);
		if (end)
			break;
		if (n == sizeof(c->head) - 1)
			return false;
	}
	c->nhead = (size_t)(end - c->head) + 4;
	c->extra = n - c->nhead;
	return true;
}

static void *serve(void *arg)
{
	struct conn *c = arg;

	if (c->server->ssl_ctx) {
		c->ssl = SSL_new(c->server->ssl_ctx);
		SSL_set_fd(c->ssl, c->fd);
		c->close = SSL_accept(c->ssl) != 1;
	}
	while (!c->close && read_head(c)) {
		c->served++;
		c->server->requests++;
		serve_request(c);
	}
	SSL_free(c->ssl);
	close(c->fd);
	c->server->open--;
	free(c);
	return NULL;
}

static void *accept_all(void *arg)
{
	struct server *s = arg;
	pthread_t t;
	int fd, one = 1;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
		struct conn *c = calloc(1, sizeof(*c));

		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		s->connections++;
		s->open++;
		c->server = s;
		c->fd = fd;
		pthread_create(&t, NULL, serve, c);
		pthread_detach(t);
	}
	return NULL;
}

static int setup_tls(struct server *s, const char *cert, const char *key)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	s->ssl_ctx = ctx;
	return SSL_CTX_use_certificate_file(ctx, cert, SSL_FILETYPE_PEM) == 1 &&
	       SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1 ? 0 : -1;
}

int server_start(struct server *s, const char *cert, const char *key)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);

	*s = (struct server){ .fd = socket(AF_INET, SOCK_STREAM, 0) };
	if (cert && setup_tls(s, cert, key))
		return -1;
	if (bind(s->fd, (struct sockaddr *)&a, n) || listen(s->fd, 128) ||
	    getsockname(s->fd, (struct sockaddr *)&a, &n))
		return -1;
	s->port = ntohs(a.sin_port);
	return pthread_create(&s->thread, NULL, accept_all, s);
}

/* Connections must have ended: the clients close theirs first. */
void server_stop(struct server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
	for (int i = 0; i < 200 && s->open > 0; i++)
		pause_ms(10);
	SSL_CTX_free(s->ssl_ctx);
}
