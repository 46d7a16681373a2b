/*
 * The scripted token endpoint. One thread and one request a connection.
 */
#include "issuer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/os.h"

struct conn {
	struct issuer *issuer;
	int fd;
};

static size_t length_of(const char *head)
{
	const char *p = strcasestr(head, "\r\ncontent-length:");

	return p ? (size_t)atol(p + 17) : 0;
}

static void read_request(int fd, char *out, size_t size)
{
	size_t n = 0;
	const char *end;
	ssize_t r;

	out[0] = 0;
	while (n + 1 < size && (r = recv(fd, out + n, size - n - 1, 0)) > 0) {
		n += (size_t)r;
		out[n] = 0;
		end = strstr(out, "\r\n\r\n");
		if (end && n >= (size_t)(end + 4 - out) + length_of(out))
			break;
	}
}

static void say(int fd, int status, const char *body, int count)
{
	char text[4096], head[256], number[16];
	const char *at = strstr(body, "%d");

	snprintf(number, sizeof(number), "%d", count);
	snprintf(text, sizeof(text), "%.*s%s%s", at ? (int)(at - body) : (int)strlen(body), body,
		 at ? number : "", at ? at + 2 : "");
	snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n"
		 "Connection: close\r\n\r\n", status, strlen(text));
	os_send(fd, head, strlen(head), 0);
	os_send(fd, text, strlen(text), 0);
}

static void *serve(void *ctx)
{
	struct conn *c = ctx;
	struct issuer *s = c->issuer;
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	struct issuer_route route = { .status = 404, .body = "{}" };
	char text[8192], *target;
	int count = 0;

	read_request(c->fd, text, sizeof(text));
	target = strchr(text, ' ');
	pthread_mutex_lock(&s->lock);
	for (int i = 0; target && i < ISSUER_ROUTES && s->routes[i].path; i++) {
		if (strncmp(target + 1, s->routes[i].path, strlen(s->routes[i].path)))
			continue;
		route = s->routes[i];
		memcpy(s->seen[i], text, sizeof(text));
		count = atomic_fetch_add(&s->asked[i], 1) + 1;
		break;
	}
	pthread_mutex_unlock(&s->lock);
	nanosleep(&(struct timespec){ 0, atomic_load(&s->pause_ms) * 1000000L }, NULL);
	while (atomic_load(&s->held))
		poll(NULL, 0, 1);
	if (route.status)
		say(c->fd, route.status, route.body, count);
	else
		poll(&p, 1, 20000);
	close(c->fd);
	free(c);
	return NULL;
}

static void *listen_for(void *ctx)
{
	struct issuer *s = ctx;
	pthread_t t;
	int fd;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
		struct conn *c = malloc(sizeof(*c));

		*c = (struct conn){ s, fd };
		if (pthread_create(&t, NULL, serve, c) == 0)
			pthread_detach(t);
	}
	return NULL;
}

int issuer_start(struct issuer *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);

	memset(s, 0, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	s->fd = os_socket(AF_INET, SOCK_STREAM);
	if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&a, n) || listen(s->fd, 64) ||
	    getsockname(s->fd, (struct sockaddr *)&a, &n))
		return -1;
	s->port = ntohs(a.sin_port);
	return pthread_create(&s->thread, NULL, listen_for, s) ? -1 : 0;
}

void issuer_stop(struct issuer *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
}

void issuer_script(struct issuer *s, const struct issuer_route *routes)
{
	pthread_mutex_lock(&s->lock);
	atomic_store(&s->pause_ms, 0);
	atomic_store(&s->held, false);
	memset(s->routes, 0, sizeof(s->routes));
	for (int i = 0; i < ISSUER_ROUTES; i++) {
		s->seen[i][0] = 0;
		atomic_store(&s->asked[i], 0);
	}
	for (int i = 0; i < ISSUER_ROUTES && routes[i].path; i++)
		s->routes[i] = routes[i];
	pthread_mutex_unlock(&s->lock);
}

bool issuer_saw(struct issuer *s, int route, const char *text)
{
	bool r;

	pthread_mutex_lock(&s->lock);
	r = strstr(s->seen[route], text) != NULL;
	pthread_mutex_unlock(&s->lock);
	if (!r)
		fprintf(stderr, "no \"%s\" in\n%s\n", text, s->seen[route]);
	return r;
}
