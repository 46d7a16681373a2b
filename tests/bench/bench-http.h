/*
 * HTTP/1.1 connections of the benchmark's clients: one thread and epoll. Each answer's events hold
 * the moment at which the upstream wrote them, "@MICROSECONDS@" of the monotonic clock of this
 * machine (see bench-upstream.c).
 *
 * A connection belongs to its owner, zeroed before its first use; the request is borrowed. Errors
 * of the client itself end the program.
 */
#ifndef BENCH_HTTP_H
#define BENCH_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HTTP_HEAD_MAX = 8192,
	HTTP_STAMP_MAX = 24,
	HTTP_TAIL = 64,                 /* bytes of an answer's end that are kept */
};

enum http_part {
	HTTP_HEAD,
	HTTP_SIZED,
	HTTP_CHUNK_SIZE,
	HTTP_CHUNK,
	HTTP_CHUNK_END,
	HTTP_TRAILER,
	HTTP_UNTIL_CLOSE
};

struct http_request {
	int port;
	char *text;
	size_t n;
};

struct http_conn {
	const struct http_request *request;
	int fd;
	enum http_part part;
	char head[HTTP_HEAD_MAX];
	size_t nhead, left;             /* left: bytes of the body or chunk */
	size_t out;                     /* bytes of the request that are sent */
	int status;
	bool busy;                      /* asked, and the answer is not whole */
	bool first, want_out;
	int64_t asked_us;
	char stamp[HTTP_STAMP_MAX];     /* digits behind an '@' */
	int nstamp;                     /* -1: not in a stamp */
	int stamps;                     /* of this answer */
	char tail[HTTP_TAIL];           /* a ring */
	size_t body;                    /* bytes of this answer */
};

/* What a client does when something has come; NULL members for what it does not look at. */
struct http_hooks {
	void (*began)(struct http_conn *c);             /* first bytes of a body */
	void (*stamp)(struct http_conn *c, int64_t late_us);
	void (*finished)(struct http_conn *c);          /* a whole answer; may ask again */
	void (*closed)(struct http_conn *c);            /* by the server, not in an answer's end */
};

int64_t http_now_us(void);

/* As many files as there may be; the hooks are borrowed. */
void http_setup(const struct http_hooks *hooks);

/* target: PORT/PATH. file: the body, NULL for a GET. key: sent as x-api-key. */
void http_request_make(struct http_request *r, const char *target, const char *file,
	const char *key);

/* Connects and asks. */
void http_open(struct http_conn *c, const struct http_request *r);

/* Asks again on a connection whose answer is whole. */
void http_ask(struct http_conn *c, const struct http_request *r);

/* Leaves; abrupt: with a reset, as a killed client's kernel may send it. */
void http_leave(struct http_conn *c, bool abrupt);

/* Is text in the last HTTP_TAIL bytes of the answer? */
bool http_ends_with(const struct http_conn *c, const char *text);

/* Serves what comes within so many milliseconds. */
void http_wait(int ms);

/* ---- samples ---- */

struct samples {
	int64_t *us;
	size_t n, room;
};

void samples_add(struct samples *s, int64_t us);

/* Sorts them; percentile is good afterwards, -1 if there are none. */
void samples_sort(struct samples *s);
int64_t samples_percentile(const struct samples *s, double p);

#endif
