/*
 * messages-demo: a small OpenAI-chat server on loopback, so that the gateway can be tried without a
 * key. It answers GET /v1/models and POST /v1/chat/completions, streamed in several deltas or
 * whole; what it says is decided in demo/reply.c.
 *
 * A thread a connection, at most MAX_CONNECTIONS of them (then 503); requests up to MAX_BODY. Only
 * loopback can reach it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <cjson/cJSON.h>
#include "base/ids.h"
#include "base/os.h"
#include "demo/demo.h"

#define MAX_CONNECTIONS 64
#define MAX_HEAD (64 * 1024)
#define MAX_BODY ((size_t)64 * 1024 * 1024)
#define IDLE_SECONDS 120
#define STACK_BYTES (256 * 1024)
#define DELTA_BYTES 12 /* about the size of a streamed piece of text */

static atomic_int connections;
static int delay_ms = 15; /* between two pieces of a stream */

struct conn {
	int fd;
	struct buf in; /* received, not yet used */
	bool keep;
	struct str method, path, body; /* of the current request, inside `in` */
	size_t used;                   /* bytes of `in` that the current request takes */
};

/* ---- in ---- */

static int receive(struct conn *c)
{
	char *p = buf_room(&c->in, 64 * 1024);
	ssize_t n = p ? recv(c->fd, p, 64 * 1024, 0) : -1;

	if (n <= 0)
		return -1;
	c->in.n += (size_t)n;
	return 0;
}

static int send_all(int fd, struct str s)
{
	while (s.n) {
		ssize_t n = os_send(fd, s.p, s.n, 0);

		if (n <= 0)
			return -1;
		s.p += n;
		s.n -= (size_t)n;
	}
	return 0;
}

struct head {
	int64_t length;
	bool expect, chunked;
};

static void read_header(struct conn *c, struct str line, struct head *h)
{
	struct str name;

	if (!str_split(&line, ':', &name))
		return;
	line = str_trim(line);
	if (str_is_nocase(name, "content-length"))
		h->length = str_int(line, &h->length) ? h->length : -1;
	else if (str_is_nocase(name, "transfer-encoding"))
		h->chunked = true;
	else if (str_is_nocase(name, "expect"))
		h->expect = true;
	else if (str_is_nocase(name, "connection"))
		c->keep = !str_is_nocase(line, "close");
}

/* Reads one request. 0; an HTTP status when it can't be served (the connection ends then); -1 when
 * the client has gone. */
static int read_request(struct conn *c)
{
	struct head h = { 0 };
	struct str head, line;
	const char *end;
	size_t n;

	buf_consume(&c->in, c->used);
	c->used = 0;
	while (!(end = str_find(buf_str(&c->in), "\r\n\r\n")))
		if (c->in.n > MAX_HEAD)
			return 431;
		else if (receive(c))
			return -1;
	n = (size_t)(end - c->in.p) + 4;
	head = (struct str){ c->in.p, n };
	c->keep = true;
	str_split(&head, '\n', &line);
	while (str_split(&head, '\n', &line))
		read_header(c, line, &h);
	if (h.length < 0 || h.chunked)
		return 411;
	if ((size_t)h.length > MAX_BODY)
		return 413;
	if (h.expect && send_all(c->fd, STR("HTTP/1.1 100 Continue\r\n\r\n")))
		return -1;
	while (c->in.n < n + (size_t)h.length)
		if (receive(c))
			return -1;
	head = (struct str){ c->in.p, n };
	str_split(&head, ' ', &c->method);
	str_split(&head, ' ', &c->path);
	line = c->path;
	str_split(&line, '?', &c->path);
	c->body = (struct str){ c->in.p + n, (size_t)h.length };
	c->used = n + (size_t)h.length;
	return 0;
}

/* ---- out ---- */

static const char *reason(int status)
{
	return status == 200 ? "OK" : status < 500 ? "Bad Request" : "Server Error";
}

static int send_whole(struct conn *c, int status, struct str json)
{
	struct buf b;
	int rc;

	buf_init(&b, 0);
	buf_printf(&b,
		"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n",
		status, reason(status), json.n, c->keep ? "" : "Connection: close\r\n");
	buf_put_str(&b, json);
	rc = b.failed ? -1 : send_all(c->fd, buf_str(&b));
	buf_release(&b);
	return rc;
}

static void put_string(struct buf *b, struct str s)
{
	char *copy = strndup(s.p ? s.p : "", s.n);
	cJSON *o = copy ? cJSON_CreateString(copy) : NULL;
	char *json = o ? cJSON_PrintUnformatted(o) : NULL;

	buf_puts(b, json ? json : "\"\"");
	cJSON_free(json);
	cJSON_Delete(o);
	free(copy);
}

static int send_error(
	struct conn *c, int status, const char *type, const char *code, struct str message)
{
	struct buf b;
	int rc;

	buf_init(&b, 0);
	buf_puts(&b, "{\"error\":{\"message\":");
	put_string(&b, message);
	buf_printf(&b, ",\"type\":\"%s\",\"param\":null,\"code\":%s%s%s}}", type, code ? "\"" : "",
		code ? code : "null", code ? "\"" : "");
	rc = send_whole(c, status, buf_str(&b));
	buf_release(&b);
	return rc;
}

static void put_usage(struct buf *b, const struct demo_reply *r)
{
	buf_printf(b,
		"{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,\"total_tokens\":%lld,"
		"\"prompt_tokens_details\":{\"cached_tokens\":0}}",
		(long long)r->prompt_tokens, (long long)r->completion_tokens,
		(long long)(r->prompt_tokens + r->completion_tokens));
}

static void put_call(struct buf *b, const char *id, const char *name, struct str arguments)
{
	buf_printf(b, "\"id\":\"%s\",\"type\":\"function\",\"function\":{\"name\":", id);
	put_string(b, str_of(name));
	buf_puts(b, ",\"arguments\":");
	put_string(b, arguments);
	buf_puts(b, "}}");
}

static int answer_whole(struct conn *c, const struct demo_reply *r)
{
	char id[ID_SIZE];
	struct buf b;
	int rc;

	buf_init(&b, 0);
	id_make(id, "chatcmpl-");
	buf_printf(&b,
		"{\"id\":\"%s\",\"object\":\"chat.completion\",\"created\":%lld,"
		"\"model\":\"%s\",\"choices\":[{\"index\":0,"
		"\"message\":{\"role\":\"assistant\",\"content\":",
		id, (long long)time(NULL), r->model);
	put_string(&b, buf_str(&r->text));
	for (size_t i = 0; i < r->ncalls; i++) {
		id_make(id, "call_");
		buf_puts(&b, i ? ",{" : ",\"tool_calls\":[{");
		put_call(&b, id, r->calls[i].name, str_of(r->calls[i].arguments));
	}
	buf_printf(&b,
		"%s},\"logprobs\":null,\"finish_reason\":\"%s\"}],\"usage\":", r->ncalls ? "]" : "",
		r->finish);
	put_usage(&b, r);
	buf_putc(&b, '}');
	rc = send_whole(c, 200, buf_str(&b));
	buf_release(&b);
	return rc;
}

/* ---- a stream ---- */

struct stream {
	struct conn *conn;
	const struct demo_reply *reply;
	char id[ID_SIZE];
	long long created;
	int rc; /* sticky: -1 when the client has gone */
};

static void send_event(struct stream *s, struct str data)
{
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b, "%zx\r\ndata: ", data.n + 8);
	buf_put_str(&b, data);
	buf_puts(&b, "\n\n\r\n");
	if (!s->rc)
		s->rc = b.failed ? -1 : send_all(s->conn->fd, buf_str(&b));
	buf_release(&b);
}

/* One chunk with the choice's delta as JSON; finish NULL: not the last. Then the small delay. */
static void send_delta(struct stream *s, struct str delta, const char *finish)
{
	struct timespec pause = { delay_ms / 1000, delay_ms % 1000 * 1000000L };
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b,
		"{\"id\":\"%s\",\"object\":\"chat.completion.chunk\",\"created\":%lld,"
		"\"model\":\"%s\",\"choices\":"
		"[{\"index\":0,\"delta\":{",
		s->id, s->created, s->reply->model);
	buf_put_str(&b, delta);
	buf_printf(&b, "},\"logprobs\":null,\"finish_reason\":%s%s%s}]%s}", finish ? "\"" : "",
		finish ? finish : "null", finish ? "\"" : "",
		s->reply->usage ? ",\"usage\":null" : "");
	send_event(s, buf_str(&b));
	buf_release(&b);
	if (!s->rc)
		nanosleep(&pause, NULL);
}

/* Takes a piece that ends after a word, or in the middle of a very long one, never inside a
 * character. */
static struct str take_piece(struct str *rest)
{
	struct str piece = *rest;
	const char *space = rest->n > DELTA_BYTES
		? memchr(rest->p + DELTA_BYTES, ' ', rest->n - DELTA_BYTES)
		: NULL;

	if (space)
		piece.n = (size_t)(space - rest->p) + 1;
	if (piece.n > 8 * DELTA_BYTES)
		piece = str_cut_utf8(piece, 8 * DELTA_BYTES);
	rest->p += piece.n;
	rest->n -= piece.n;
	return piece;
}

static void stream_text(struct stream *s, struct str text)
{
	struct buf b;

	buf_init(&b, 0);
	while (text.n && !s->rc) {
		buf_reset(&b);
		buf_puts(&b, "\"content\":");
		put_string(&b, take_piece(&text));
		send_delta(s, buf_str(&b), NULL);
	}
	buf_release(&b);
}

/* The name first, then the arguments in pieces, as most servers do. */
static void stream_call(struct stream *s, size_t i)
{
	struct str rest = str_of(s->reply->calls[i].arguments), piece;
	char id[ID_SIZE];
	struct buf b;

	buf_init(&b, 0);
	id_make(id, "call_");
	buf_printf(&b, "\"tool_calls\":[{\"index\":%zu,", i);
	put_call(&b, id, s->reply->calls[i].name, STR(""));
	buf_putc(&b, ']');
	send_delta(s, buf_str(&b), NULL);
	while (rest.n && !s->rc) {
		piece = str_cut_utf8(rest, DELTA_BYTES);
		rest.p += piece.n;
		rest.n -= piece.n;
		buf_reset(&b);
		buf_printf(&b, "\"tool_calls\":[{\"index\":%zu,\"function\":{\"arguments\":", i);
		put_string(&b, piece);
		buf_puts(&b, "}}]");
		send_delta(s, buf_str(&b), NULL);
	}
	buf_release(&b);
}

static void stream_usage(struct stream *s)
{
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b,
		"{\"id\":\"%s\",\"object\":\"chat.completion.chunk\",\"created\":%lld,"
		"\"model\":\"%s\",\"choices\":[],"
		"\"usage\":",
		s->id, s->created, s->reply->model);
	put_usage(&b, s->reply);
	buf_putc(&b, '}');
	send_event(s, buf_str(&b));
	buf_release(&b);
}

static int answer_stream(struct conn *c, const struct demo_reply *r)
{
	struct stream s = { .conn = c, .reply = r, .created = (long long)time(NULL) };

	id_make(s.id, "chatcmpl-");
	s.rc = send_all(c->fd,
		STR("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
		    "Cache-Control: no-cache\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n"));
	send_delta(&s, STR("\"role\":\"assistant\",\"content\":\"\""), NULL);
	stream_text(&s, buf_str(&r->text));
	for (size_t i = 0; i < r->ncalls; i++)
		stream_call(&s, i);
	send_delta(&s, STR(""), r->finish);
	if (r->usage)
		stream_usage(&s);
	send_event(&s, STR("[DONE]"));
	return s.rc ? -1 : send_all(c->fd, STR("0\r\n\r\n"));
}

/* ---- routes ---- */

static int chat(struct conn *c)
{
	struct demo_reply r;
	int rc;

	demo_reply_make(&r, c->body);
	if (r.status != 200)
		rc = send_error(c, r.status, r.error_type, r.error_code, buf_str(&r.text));
	else
		rc = r.stream ? answer_stream(c, &r) : answer_whole(c, &r);
	demo_reply_release(&r);
	return rc;
}

static int list_models(struct conn *c)
{
	struct buf b;
	int rc;

	buf_init(&b, 0);
	demo_models(&b);
	rc = send_whole(c, 200, buf_str(&b));
	buf_release(&b);
	return rc;
}

static int answer(struct conn *c)
{
	static const struct {
		const char *method, *path;
		int (*handle)(struct conn *c);
	} routes[] = {
		{ "POST", "/v1/chat/completions", chat },
		{ "GET", "/v1/models", list_models },
	};
	bool known = false;

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (!str_is(c->path, routes[i].path))
			continue;
		if (str_is(c->method, routes[i].method))
			return routes[i].handle(c);
		known = true;
	}
	if (known)
		return send_error(
			c, 405, "invalid_request_error", NULL, STR("Wrong method for this path."));
	return send_error(c, 404, "invalid_request_error", "unknown_url",
		STR("The demo has /v1/models and /v1/chat/completions."));
}

static void *serve(void *arg)
{
	struct conn c = { .fd = (int)(intptr_t)arg };
	int status;

	buf_init(&c.in, MAX_HEAD + MAX_BODY + 256 * 1024);
	do {
		status = read_request(&c);
		if (status > 0) {
			c.keep = false;
			send_error(&c, status, "invalid_request_error", NULL,
				STR("The demo can't read this request."));
		}
	} while (!status && !answer(&c) && c.keep);
	close(c.fd);
	buf_release(&c.in);
	atomic_fetch_sub(&connections, 1);
	return NULL;
}

/* ---- the server ---- */

static void refuse(int fd)
{
	struct conn c = { .fd = fd };

	send_error(&c, 503, "server_error", NULL, STR("Too many connections to the demo."));
	close(fd);
}

static void accept_loop(int listen_fd)
{
	struct timeval idle = { .tv_sec = IDLE_SECONDS };
	pthread_attr_t attr;
	pthread_t thread;
	int fd, one = 1;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	while ((fd = accept(listen_fd, NULL, NULL)) >= 0 || errno == EINTR ||
		errno == ECONNABORTED) {
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof(idle));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &idle, sizeof(idle));
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (atomic_fetch_add(&connections, 1) < MAX_CONNECTIONS &&
			!pthread_create(&thread, &attr, serve, (void *)(intptr_t)fd))
			continue;
		atomic_fetch_sub(&connections, 1);
		refuse(fd);
	}
	pthread_attr_destroy(&attr);
}

/* Port 0 takes a free one. Returns the listening socket, the address in *a. */
static int listen_on(int port, struct sockaddr_in *a)
{
	socklen_t n = sizeof(*a);
	int one = 1, fd = os_socket(AF_INET, SOCK_STREAM);

	*a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	a->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)a, n) || listen(fd, 64) ||
		getsockname(fd, (struct sockaddr *)a, &n)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int number(const char *text, int max)
{
	int64_t v;

	if (str_int(str_of(text), &v) && v >= 0 && v <= max)
		return (int)v;
	fprintf(stderr, "messages-demo: %s is not a number from 0 to %d\n", text, max);
	exit(2);
}

static void usage(FILE *out)
{
	fputs("usage: messages-demo [--port N] [--delay MS]\n"
	      "An OpenAI-chat server on 127.0.0.1 that shows messages.fcgi at work.\n"
	      "  --port N    port to listen on; 0, the default, takes a free one\n"
	      "  --delay MS  pause between two pieces of a stream (15)\n"
	      "Prints its URL when it listens.\n",
		out);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "port", required_argument, NULL, 'p' },
		{ "delay", required_argument, NULL, 'd' }, { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 } };
	struct sockaddr_in a;
	int o, port = 0, fd;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'p')
			port = number(optarg, 65535);
		else if (o == 'd')
			delay_ms = number(optarg, 60000);
		else {
			usage(o == 'h' ? stdout : stderr);
			return o == 'h' ? 0 : 2;
		}
	}
	signal(SIGPIPE, SIG_IGN);
	fd = listen_on(port, &a);
	if (fd < 0) {
		fprintf(stderr, "messages-demo: 127.0.0.1:%d: %s\n", port, strerror(errno));
		return 1;
	}
	printf("http://127.0.0.1:%d\n", ntohs(a.sin_port));
	fflush(stdout);
	accept_loop(fd);
	perror("messages-demo: accept");
	return 1;
}
