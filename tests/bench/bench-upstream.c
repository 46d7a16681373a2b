/*
 * The benchmark's backend: a scripted server that costs next to nothing, on one thread and epoll,
 * so that what is measured is the gateway. Speaks OpenAI chat and Anthropic Messages, streamed or
 * whole, and, if it is given a certificate, TLS to who begins with it.
 *
 * What it answers is said by the model's name in the request: "bench-e40-i250" is 40 events, one
 * each 250 ms (0: all at once). Each event's text holds the moment at which it was written,
 * "@MICROSECONDS@" of the monotonic clock, which a client on the same machine compares with its
 * own. "bench-s503" is an answer with that status instead.
 *
 * GET /count says how many connections there are, that one included, and how many streams run.
 *
 * Usage: bench-upstream [--tls CERT KEY] [--save PREFIX]     prints its port; runs until a signal
 * ends it
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
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

#define HEAD_MAX 32768
#define MODEL_MAX 4096          /* the model's name stands within so many bytes of the body */
#define EVENTS_MAX 1000000

enum style { STYLE_CHAT, STYLE_MESSAGES };

struct conn {
	struct conn *prev, *next;       /* of the streams that are running */
	int fd;
	SSL *ssl;
	bool accepted, streaming, whole, doomed;
	char *head;                     /* the request's head, and the body's begin */
	size_t nhead;                   /* bytes in head[] */
	size_t body_left;               /* of the request */
	bool in_body;
	enum style style;
	int status, events, sent, interval_ms;
	int64_t due_us;
	char *out;                      /* what the socket did not take */
	size_t nout, at;
	bool want_out;
};

static int epoll_fd;
static SSL_CTX *tls;
static struct conn *streams;
static int nconns, nstreams;
static const char *save;

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void unlink_stream(struct conn *c)
{
	if (!c->streaming)
		return;
	c->streaming = false;
	nstreams--;
	if (c->prev)
		c->prev->next = c->next;
	else
		streams = c->next;
	if (c->next)
		c->next->prev = c->prev;
}

static void link_stream(struct conn *c)
{
	c->streaming = true;
	nstreams++;
	c->prev = NULL;
	c->next = streams;
	if (streams)
		streams->prev = c;
	streams = c;
}

static void conn_free(struct conn *c)
{
	unlink_stream(c);
	nconns--;
	SSL_free(c->ssl);
	close(c->fd);
	free(c->head);
	free(c->out);
	free(c);
}

/* Bytes taken, 0 for "later", -1 for the end. */
static ssize_t conn_write(struct conn *c, const char *p, size_t n)
{
	ssize_t r;

	if (c->ssl) {
		r = SSL_write(c->ssl, p, (int)n);
		if (r > 0)
			return r;
		r = SSL_get_error(c->ssl, (int)r);
		return r == SSL_ERROR_WANT_WRITE || r == SSL_ERROR_WANT_READ ? 0 : -1;
	}
	r = send(c->fd, p, n, MSG_NOSIGNAL);
	return r >= 0 ? r : errno == EAGAIN ? 0 : -1;
}

static ssize_t conn_read(struct conn *c, char *p, size_t n)
{
	ssize_t r;

	if (c->ssl) {
		r = SSL_read(c->ssl, p, (int)n);
		if (r > 0)
			return r;
		r = SSL_get_error(c->ssl, (int)r);
		return r == SSL_ERROR_WANT_WRITE || r == SSL_ERROR_WANT_READ ? 0 : -1;
	}
	r = recv(c->fd, p, n, 0);
	return r > 0 ? r : r < 0 && errno == EAGAIN ? 0 : -1;
}

static void watch(struct conn *c, bool out)
{
	struct epoll_event e = { .events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = c };

	if (out == c->want_out)
		return;
	c->want_out = out;
	epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
}

static void flush(struct conn *c)
{
	ssize_t r = 1;

	while (c->nout && r > 0) {
		r = conn_write(c, c->out + c->at, c->nout);
		if (r < 0) {
			c->doomed = true;
			c->nout = 0;
		} else {
			c->at += (size_t)r;
			c->nout -= (size_t)r;
		}
	}
	watch(c, c->nout > 0);
}

static void put(struct conn *c, const char *p, size_t n)
{
	char *out;

	if (c->at && c->nout)
		memmove(c->out, c->out + c->at, c->nout);
	c->at = 0;
	out = realloc(c->out, c->nout + n);
	if (!out) {
		c->doomed = true;
		return;
	}
	memcpy(out + c->nout, p, n);
	c->out = out;
	c->nout += n;
}

/* ---- what is said ---- */

static void put_chunk(struct conn *c, const char *p)
{
	char size[32];

	snprintf(size, sizeof(size), "%zx\r\n", strlen(p));
	put(c, size, strlen(size));
	put(c, p, strlen(p));
	put(c, "\r\n", 2);
}

#define CHAT_HEAD                                                                                  \
	"data: "                                                                                   \
	"{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":"     \
	"\"bench\",\"choices\":"                                                                   \
	"[{\"index\":0,\"delta\":{"

static void put_event(struct conn *c)
{
	char text[512];

	snprintf(text, sizeof(text),
		 c->style == STYLE_CHAT ? CHAT_HEAD
			 "\"content\":\"@%lld@ word\"},\"finish_reason\":null}]}\n\n"
					: "event: content_block_delta\ndata: "
					  "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":"
					  "{\"type\":\"text_delta\",\"text\":\"@%lld@ word\"}}\n\n",
		 (long long)now_us());
	put_chunk(c, text);
}

static void put_start(struct conn *c)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: "
				   "text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

	put(c, head, sizeof(head) - 1);
	put_chunk(c,
		  c->style == STYLE_CHAT
			  ? CHAT_HEAD
			  "\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n"
			  : "event: message_start\ndata: "
			    "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":"
			    "\"message\","
			    "\"role\":\"assistant\",\"model\":\"bench\",\"content\":[],\"stop_"
			    "reason\":null,\"stop_sequence\":null,"
			    "\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n"
			    "event: content_block_start\ndata: "
			    "{\"type\":\"content_block_start\",\"index\":0,"
			    "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n");
}

static void put_end(struct conn *c)
{
	put_chunk(c,
		  c->style == STYLE_CHAT
			  ? CHAT_HEAD "},\"finish_reason\":\"stop\"}],"
				      "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1,"
				      "\"total_tokens\":2}}\n\ndata: [DONE]\n\n"
			  : "event: content_block_stop\ndata: "
			    "{\"type\":\"content_block_stop\",\"index\":0}\n\n"
			    "event: message_delta\ndata: "
			    "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\","
			    "\"stop_sequence\":null},\"usage\":{\"output_tokens\":1}}\n\n"
			    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
	put(c, "0\r\n\r\n", 5);
}

static void put_json(struct conn *c, int status, const char *json)
{
	char head[128];

	snprintf(head, sizeof(head),
		 "HTTP/1.1 %d Bench\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
		 status, strlen(json));
	put(c, head, strlen(head));
	put(c, json, strlen(json));
}

static void put_whole(struct conn *c)
{
	put_json(c, 200, c->style == STYLE_CHAT
			    ? "{\"id\":\"1\",\"object\":\"chat.completion\",\"created\":1,"
			      "\"model\":\"bench\",\"choices\":[{\"index\":0,\"message\":"
			      "{\"role\":\"assistant\",\"content\":\"word\"},\"finish_reason\":"
			      "\"stop\"}],"
			      "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1,\"total_"
			      "tokens\":2}}"
			    : "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\","
			      "\"model\":\"bench\",\"content\":"
			      "[{\"type\":\"text\",\"text\":\"word\"}],\"stop_reason\":\"end_"
			      "turn\",\"stop_sequence\":null,"
			      "\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}");
}

/* ---- requests ---- */

/* The number behind "-e", "-i" or "-s" in the model's name. */
static int number(const char *model, const char *key, int otherwise)
{
	const char *end = model + strcspn(model, "\""), *p = strstr(model, key);

	return p && p < end ? atoi(p + strlen(key)) : otherwise;
}

static void read_script(struct conn *c)
{
	const char *model = strstr(c->head, "\"bench-");

	c->style = strstr(c->head, "/chat/completions") ? STYLE_CHAT : STYLE_MESSAGES;
	c->events = model ? number(model + 1, "-e", 1) : 1;
	c->interval_ms = model ? number(model + 1, "-i", 0) : 0;
	c->status = model ? number(model + 1, "-s", 200) : 200;
	if (c->events > EVENTS_MAX)
		c->events = EVENTS_MAX;
	c->sent = 0;
}

/* All that is due; the end after the last event. */
static void say(struct conn *c, int64_t now)
{
	while (c->sent < c->events && c->due_us <= now) {
		put_event(c);
		c->sent++;
		c->due_us += c->interval_ms * 1000LL;
	}
	if (c->sent == c->events) {
		put_end(c);
		unlink_stream(c);
	}
	flush(c);
}

static void answer_count(struct conn *c)
{
	char text[64];

	snprintf(text, sizeof(text), "{\"connections\":%d,\"streams\":%d}", nconns, nstreams);
	put_json(c, 200, text);
	flush(c);
}

static void answer(struct conn *c)
{
	if (strncmp(c->head, "GET /count ", 11) == 0) {
		answer_count(c);
		return;
	}
	if (strncmp(c->head, "POST ", 5) != 0) {
		put_json(c, 200, "{\"object\":\"list\",\"data\":[{\"id\":\"bench-e1-i0\","
				 "\"object\":\"model\"}]}");
		flush(c);
		return;
	}
	read_script(c);
	if (c->status != 200) {
		put_json(c, c->status, "{\"error\":{\"message\":\"bench\"}}");
		flush(c);
		return;
	}
	if (c->whole) {
		put_whole(c);
		flush(c);
		return;
	}
	put_start(c);
	c->due_us = now_us();
	link_stream(c);
	say(c, c->due_us);
}

/* The bodies of all requests, in files PREFIX.0, PREFIX.1 … */
static void save_body(const char *p, size_t n, bool first)
{
	static int count = -1;
	char path[1024];
	FILE *f;

	if (!save)
		return;
	count += first;
	snprintf(path, sizeof(path), "%s.%d", save, count);
	f = fopen(path, first ? "w" : "a");
	if (!f)
		return;
	fwrite(p, 1, n, f);
	fclose(f);
}

/* Streamed unless the body says no, which may stand anywhere; the model's name stands first. */
static void look_at(struct conn *c, const char *p, size_t n)
{
	size_t room = HEAD_MAX + MODEL_MAX - 1 - c->nhead, keep = n < room ? n : room;

	if (memmem(p, n, "\"stream\":false", 14))
		c->whole = true;
	memcpy(c->head + c->nhead, p, keep);
	c->nhead += keep;
	c->head[c->nhead] = 0;
}

static void take_body(struct conn *c, const char *p, size_t n, bool first)
{
	save_body(p, n, first);
	look_at(c, p, n);
	c->body_left -= n < c->body_left ? n : c->body_left;
	if (c->body_left)
		return;
	c->in_body = false;
	answer(c);
	c->nhead = 0;
	c->whole = false;
}

static void take_head(struct conn *c, const char *p, size_t n)
{
	size_t old = c->nhead, keep = n < HEAD_MAX - old ? n : HEAD_MAX - old, used;
	char *end, *length;

	memcpy(c->head + old, p, keep);
	c->nhead += keep;
	c->head[c->nhead] = 0;
	end = strstr(c->head, "\r\n\r\n");
	if (!end) {
		c->doomed = keep < n;
		return;
	}
	length = strcasestr(c->head, "\ncontent-length:");
	c->body_left = length && length < end ? strtoul(length + 16, NULL, 10) : 0;
	c->in_body = true;
	c->nhead = (size_t)(end + 4 - c->head);
	used = c->nhead - old;
	take_body(c, p + used, n - used, true);
}

/* 22 is the first byte of a TLS handshake, and of no HTTP. */
static void begin_tls(struct conn *c)
{
	char first;

	if (!tls || c->nhead || recv(c->fd, &first, 1, MSG_PEEK) != 1 || first != 22)
		return;
	c->ssl = SSL_new(tls);
	SSL_set_fd(c->ssl, c->fd);
	SSL_set_mode(c->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static void readable(struct conn *c)
{
	static char part[262144];
	ssize_t n;

	if (!c->ssl)
		begin_tls(c);
	if (c->ssl && !c->accepted) {
		int r = SSL_accept(c->ssl), e = SSL_get_error(c->ssl, r);

		if (r != 1) {
			c->doomed = e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE;
			return;
		}
		c->accepted = true;
	}
	while (!c->doomed && (n = conn_read(c, part, sizeof(part))) != 0) {
		if (n < 0)
			c->doomed = true;
		else if (c->in_body)
			take_body(c, part, (size_t)n, false);
		else
			take_head(c, part, (size_t)n);
	}
}

static void accept_all(int fd)
{
	int one = 1, s;

	while ((s = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct conn *c = calloc(1, sizeof(*c));
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

		if (!c || !(c->head = malloc(HEAD_MAX + MODEL_MAX))) {
			free(c);
			close(s);
			return;
		}
		setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		c->fd = s;
		nconns++;
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s, &e);
	}
}

/* Those whose time has come; returns the milliseconds to the next, -1 for none. */
static int run_streams(void)
{
	struct conn *c, *next;
	int64_t now = now_us(), least = INT64_MAX;

	for (c = streams; c; c = next) {
		next = c->next;
		if (c->due_us <= now)
			say(c, now);
		else if (c->due_us < least)
			least = c->due_us;
	}
	if (!streams)
		return -1;
	return least == INT64_MAX || least <= now ? 0 : (int)((least - now + 999) / 1000);
}

static void loop(int listener)
{
	struct epoll_event ready[256];
	int n;

	for (;;) {
		n = epoll_wait(epoll_fd, ready, 256, run_streams());
		for (int i = 0; i < n; i++) {
			struct conn *c = ready[i].data.ptr;

			if (!c) {
				accept_all(listener);
				continue;
			}
			if (ready[i].events & EPOLLOUT)
				flush(c);
			if (ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
				readable(c);
			if (c->doomed)
				conn_free(c);
		}
	}
}

static int setup_tls(const char *cert, const char *key)
{
	tls = SSL_CTX_new(TLS_server_method());
	return tls && SSL_CTX_use_certificate_file(tls, cert, SSL_FILETYPE_PEM) == 1 &&
	       SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) == 1 ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event e = { .events = EPOLLIN };
	struct rlimit files;
	socklen_t n = sizeof(a);
	int fd;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--tls") == 0 && i + 2 < argc) {
			if (setup_tls(argv[i + 1], argv[i + 2]))
				return 1;
			i += 2;
		} else if (strcmp(argv[i], "--save") == 0 && i + 1 < argc) {
			save = argv[++i];
		} else {
			fprintf(stderr, "usage: bench-upstream [--tls CERT KEY] [--save PREFIX]\n");
			return 2;
		}
	}
	signal(SIGPIPE, SIG_IGN);       /* OpenSSL writes to those that have left */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (fd < 0 || epoll_fd < 0 || bind(fd, (struct sockaddr *)&a, n) || listen(fd, 1024) ||
	    getsockname(fd, (struct sockaddr *)&a, &n) ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e)) {
		perror("bench-upstream");
		return 1;
	}
	printf("%d\n", ntohs(a.sin_port));
	fflush(stdout);
	loop(fd);
}
