/* See backend.h. */
#include "backend.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/os.h"

#define REQUESTS_MAX 4
#define REQUEST_MAX (64 * 1024)
#define KNOCK '!'               /* no method begins so: the caller waits for its turn */
#define SILENCE_SECONDS 5

struct request {
	char bytes[REQUEST_MAX];
	size_t n, head;         /* bytes in all, bytes up to the body */
	bool whole;
};

static struct {
	int fd, port;
	pthread_t thread;
	const char *status, *content_type;
	struct str body;
	struct request requests[REQUESTS_MAX];
	size_t n;
} backend;

static int connect_to(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Connections are served in the order in which they came: once this one has been, all before it
 * have. Also tells the compiler and the processor that what the thread wrote is to be read. */
static void wait_turn(void)
{
	char c = KNOCK;
	int fd = connect_to(backend.port);

	if (fd < 0 || write(fd, &c, 1) != 1 || read(fd, &c, 1) != 1)
		abort();
	close(fd);
}

static size_t body_length(const struct request *r)
{
	const char *at = strcasestr(r->bytes, "\ncontent-length:");

	return at ? (size_t)strtoul(at + 16, NULL, 10) : 0;
}

/* False: the client has left, or it only knocked. */
static bool read_request(int fd, struct request *r)
{
	ssize_t got;

	r->n = r->head = 0;
	r->whole = false;
	while (!r->whole && (got = read(fd, r->bytes + r->n, REQUEST_MAX - 1 - r->n)) > 0) {
		const char *end;

		r->n += (size_t)got;
		r->bytes[r->n] = '\0';
		if (r->bytes[0] == KNOCK)
			return write(fd, r->bytes, 1) < 0;
		end = strstr(r->bytes, "\r\n\r\n");
		if (end)
			r->head = (size_t)(end + 4 - r->bytes);
		r->whole = end && r->n >= r->head + body_length(r);
	}
	return r->whole;
}

static void send_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t sent = os_send(fd, p, n, 0);

		if (sent <= 0)
			return;
		p += sent;
		n -= (size_t)sent;
	}
}

static void serve(int fd)
{
	struct timeval silence = { .tv_sec = SILENCE_SECONDS };
	char head[512];
	int n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence));
	if (!read_request(fd, &backend.requests[backend.n]))
		return;
	n = snprintf(head, sizeof(head),
		     "HTTP/1.1 %s\r\nContent-Type: %s\r\nrequest-id: up_1\r\nretry-after: 7\r\n"
		     "anthropic-ratelimit-tokens-limit: 5\r\nConnection: close\r\n\r\n",
		     backend.status, backend.content_type);
	send_all(fd, head, (size_t)n);
	send_all(fd, backend.body.p, backend.body.n);
	if (backend.n < REQUESTS_MAX - 1)
		backend.n++;
}

static void *accept_all(void *ctx)
{
	int fd;

	while ((fd = accept(backend.fd, NULL, NULL)) >= 0) {
		serve(fd);
		close(fd);
	}
	return NULL;
}

int backend_start(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);

	backend.fd = socket(AF_INET, SOCK_STREAM, 0);
	if (backend.fd < 0 || bind(backend.fd, (struct sockaddr *)&a, n) ||
	    listen(backend.fd, 64) || getsockname(backend.fd, (struct sockaddr *)&a, &n) ||
	    pthread_create(&backend.thread, NULL, accept_all, NULL))
		return -1;
	backend.port = ntohs(a.sin_port);
	return backend.port;
}

void backend_stop(void)
{
	shutdown(backend.fd, SHUT_RDWR);
	pthread_join(backend.thread, NULL);
	close(backend.fd);
}

void backend_answers(const char *status, const char *content_type, struct str body)
{
	wait_turn();
	backend.status = status;
	backend.content_type = content_type;
	backend.body = body;
	backend.n = 0;
}

void backend_forget(void)
{
	wait_turn();
	backend.n = 0;
}

struct str backend_body(size_t i)
{
	const struct request *r = &backend.requests[i];

	wait_turn();
	return i < backend.n ? (struct str){ r->bytes + r->head, r->n - r->head } : STR_NONE;
}

struct str backend_head(size_t i)
{
	wait_turn();
	return i < backend.n ? (struct str){ backend.requests[i].bytes, backend.requests[i].head }
			     : STR_NONE;
}
