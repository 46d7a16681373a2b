/*
 * How requests come in: what is ours of FastCGI (libfcgi reads the records) and plain CGI. The
 * first byte chooses the way: 'r' are bytes on a FastCGI connection as they stand; 'f' requests of
 * which records are made here; 'c' a process of its own. A request is DIALS characters, parameters
 * "NAME=value" to an empty line, and the body; SECTION stands between those on one connection.
 *
 * The web server has sent all and no more: nothing here ever waits.
 */
#include <fastcgi.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../src/front/fcgi.h"
#include "base/arena.h"
#include "base/buf.h"
#include "checker.h"
#include "front/param.h"
#include "http/request.h"

#define SECTION "\n%%\n"
#define DIALS 4                 /* of a request: what is sent, pieces, how it is read, role */
#define PARAMS 32
#define REQUESTS 4              /* on one connection */
#define INPUT_MAX 16384         /* fits into a pipe; made to records, into a socket */
#define READ_MAX 512

enum {
	SEND_KEEP = 1,          /* the web server wants to keep the connection */
	SEND_CUT = 2,           /* no end of the body */
	SEND_ABORT = 4,         /* the client has left */
	SEND_QUESTION = 8,      /* a management record before it */
	SEND_LONG = 16,         /* lengths of parameters in four bytes */
	SEND_BUSY = 32,         /* every worker is taken */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
const char *__lsan_default_suppressions(void);
extern char **environ;

/* libfcgi forgets what it has read of a question (FCGI_GET_VALUES), which no web server asks. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libfcgi\n";
}

/* One request, as it goes in and as the handler met it. */
struct request {
	struct str params, body;
	unsigned send, piece, read, role;
	const char *list[PARAMS + 1];
	bool made;                      /* of records, or a process: what arrives is known */
	struct buf got, answer;         /* the handler's */
	int handled;
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	signal(SIGPIPE, SIG_IGN);
	require(fcgi_setup() == 0);
	return 0;
}

/* ---- the gateway's side ---- */

static ssize_t read_some(struct front *f, const struct request *r, struct buf *into)
{
	char part[READ_MAX];
	size_t want = r->read % 7 ? r->read % 7 * 13u : READ_MAX;
	ssize_t n = f->ops->read(f, part, want);

	require(n <= (ssize_t)want);
	if (n > 0)
		buf_put(into, part, (size_t)n);
	return n;
}

/* What came is what was sent, as far as it was read; the end comes once, and stays. */
static void read_body(struct front *f, struct request *r)
{
	int64_t announced = param_length(f->ops->param(f, "CONTENT_LENGTH"));
	ssize_t n = 1;

	while (n > 0 && r->got.n < r->read * 1000u)
		n = read_some(f, r, &r->got);
	if (n <= 0)
		require(read_some(f, r, &r->got) == n);
	if (n == 0)
		require((int64_t)r->got.n >= announced);
	if (r->made)
		require(r->got.n <= r->body.n && !memcmp(r->got.p ? r->got.p : "",
							 r->body.p, r->got.n));
}

/* The first of a name counts. FCGI_ROLE is libfcgi's own. */
static void check_param(struct front *f, const struct request *r, const char *pair, struct arena *a)
{
	struct str name = { pair, (size_t)(strchr(pair, '=') - pair) };
	const char *plain = arena_str(a, name).p;
	const char *value = param_find(r->list, plain);

	if (!str_is(name, "FCGI_ROLE"))
		require(value && !strcmp(f->ops->param(f, plain), value));
}

static void put(struct front *f, struct request *r, const char *text)
{
	if (f->ops->write(f, text, strlen(text)) == 0)
		buf_puts(&r->answer, text);
}

static void handle(void *ctx, struct front *f, bool busy)
{
	struct request *r = ctx;
	struct http_request http;
	struct arena a;

	r->handled++;
	require(busy == !!(r->send & SEND_BUSY));
	arena_init(&a, 0);
	http_request_init(&http, f, &a);
	require(http.method && http.path && http.content_length >= -1);
	for (size_t i = 0; r->made && r->list[i]; i++)
		check_param(f, r, r->list[i], &a);
	if (!busy)
		read_body(f, r);
	put(f, r, "Status: 200 OK\r\n\r\n");
	f->ops->flush(f);
	if (f->ops->watch_fd(f) >= 0)
		f->ops->gone(f);
	put(f, r, "that was it\n");
	arena_release(&a);
}

/* ---- the web server's side ---- */

static void put_record(struct buf *b, int type, struct str part)
{
	const unsigned char head[FCGI_HEADER_LEN] = {
		FCGI_VERSION_1, (unsigned char)type, 0, type < FCGI_GET_VALUES,
		(unsigned char)(part.n >> 8), (unsigned char)part.n, 0, 0,
	};

	buf_put(b, (const char *)head, sizeof(head));
	buf_put_str(b, part);
}

/* In pieces; the end is an empty one. */
static void put_stream(struct buf *b, int type, struct str text, size_t piece, bool end)
{
	while (text.n) {
		struct str part = { text.p, text.n < piece ? text.n : piece };

		put_record(b, type, part);
		text.p += part.n;
		text.n -= part.n;
	}
	if (end)
		put_record(b, type, STR(""));
}

static void put_length(struct buf *b, size_t n, bool wide)
{
	const unsigned char bytes[] = { (unsigned char)(n >> 24 | 128), (unsigned char)(n >> 16),
					(unsigned char)(n >> 8), (unsigned char)n };

	if (wide || n > 127)
		buf_put(b, (const char *)bytes, 4);
	else
		buf_putc(b, (char)n);
}

static void put_params(struct buf *b, const struct request *r)
{
	for (size_t i = 0; r->list[i]; i++) {
		const char *value = strchr(r->list[i], '=') + 1;

		put_length(b, (size_t)(value - r->list[i]) - 1, r->send & SEND_LONG);
		put_length(b, strlen(value), r->send & SEND_LONG);
		buf_put(b, r->list[i], (size_t)(value - r->list[i]) - 1);
		buf_puts(b, value);
	}
}

static void put_request(struct buf *b, const struct request *r)
{
	const char begin[8] = { 0, (char)(r->role % 4), r->send & SEND_KEEP ? FCGI_KEEP_CONN : 0 };
	size_t piece = r->piece ? r->piece * 7u : 65535;
	struct buf params;

	buf_init(&params, 0);
	put_params(&params, r);
	if (r->send & SEND_QUESTION)
		put_record(b, FCGI_GET_VALUES, STR("\017\0FCGI_MPXS_CONNS"));
	put_record(b, FCGI_BEGIN_REQUEST, (struct str){ begin, sizeof(begin) });
	put_stream(b, FCGI_PARAMS, buf_str(&params), piece, true);
	put_stream(b, FCGI_STDIN, r->body, piece, !(r->send & SEND_CUT));
	if (r->send & SEND_ABORT)
		put_record(b, FCGI_ABORT_REQUEST, STR(""));
	buf_release(&params);
}

/* Whole records, of the one request and of kinds that an answer has; their ends and its text. */
static int read_records(struct str in, struct buf *text)
{
	const unsigned char *p;
	int ends = 0;
	size_t n;

	while (in.n) {
		p = (const unsigned char *)in.p;
		require(in.n >= FCGI_HEADER_LEN && p[0] == FCGI_VERSION_1);
		n = (size_t)p[4] << 8 | p[5];
		require(in.n >= FCGI_HEADER_LEN + n + p[6]);
		require(p[1] == FCGI_STDOUT || p[1] == FCGI_STDERR || p[1] == FCGI_END_REQUEST ||
			p[1] == FCGI_GET_VALUES_RESULT || p[1] == FCGI_UNKNOWN_TYPE);
		if (p[1] == FCGI_STDOUT)
			buf_put(text, in.p + FCGI_HEADER_LEN, n);
		ends += p[1] == FCGI_END_REQUEST;
		in.p += FCGI_HEADER_LEN + n + p[6];
		in.n -= FCGI_HEADER_LEN + n + p[6];
	}
	return ends;
}

static void take_all(int fd, struct buf *b)
{
	char part[4096];
	ssize_t n;

	while ((n = recv(fd, part, sizeof(part), MSG_DONTWAIT)) > 0)
		buf_put(b, part, (size_t)n);
}

/* Serves what stands on the connection as one request; false when it is closed. */
static bool serve(const int pair[2], struct request *r)
{
	const struct front_handler h = { .handle = handle, .ctx = r };
	enum fcgi_fate fate = fcgi_serve(pair[1], &h, r->send & SEND_BUSY);
	struct buf out, text;

	buf_init(&out, 0);
	buf_init(&text, 0);
	take_all(pair[0], &out);
	require(r->handled == (fate != FCGI_FATE_CLOSED));
	if (r->handled) {
		/* One that begins in its midst is refused at once. */
		require(read_records(buf_str(&out), &text) >= 1);
		require(str_eq(buf_str(&text), buf_str(&r->answer)));
	}
	if (r->made && fate == FCGI_FATE_KEEP)
		require(r->send & SEND_KEEP);
	buf_release(&out);
	buf_release(&text);
	if (fate != FCGI_FATE_CLOSED && fate != FCGI_FATE_KEEP)
		close(pair[1]);
	return fate == FCGI_FATE_KEEP;
}

static void request_release(struct request *r)
{
	buf_release(&r->got);
	buf_release(&r->answer);
}

/* All that the web server sends is there before the first of it is read. */
static void connection(struct str in, struct request *v, size_t n)
{
	bool open = true;
	int pair[2];

	require(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	require(send(pair[0], in.p, in.n, MSG_DONTWAIT) == (ssize_t)in.n);
	shutdown(pair[0], SHUT_WR);
	for (size_t i = 0; i < n && open; i++)
		open = serve(pair, &v[i]);
	if (open)
		close(pair[1]);
	close(pair[0]);
}

/* ---- inputs ---- */

static struct str take_section(struct str *rest, const char *mark)
{
	const char *end = str_find(*rest, mark);
	struct str part = *rest;

	*rest = STR("");
	if (end) {
		rest->p = end + strlen(mark);
		rest->n = part.n - (size_t)(rest->p - part.p);
		part.n = (size_t)(end - part.p);
	}
	return part;
}

static bool read_request(struct request *r, struct str text, struct arena *a)
{
	struct str line;
	size_t n = 0;

	if (text.n < DIALS)
		return false;
	*r = (struct request){ .send = (unsigned char)(text.p[0] - '0'),
			       .piece = (unsigned char)(text.p[1] - '0'),
			       .read = (unsigned char)(text.p[2] - '0'),
			       .role = (unsigned char)(text.p[3] - '0'),
			       .made = true };
	text.p += DIALS;
	text.n -= DIALS;
	r->params = take_section(&text, "\n\n");
	r->body = text;
	while (n < PARAMS && str_split(&r->params, '\n', &line))
		/* A NUL would end it: none can come in. */
		if (line.n && memchr(line.p, '=', line.n) && !memchr(line.p, '\0', line.n))
			r->list[n++] = arena_str(a, line).p;
	return true;
}

static void run_records(struct str text, struct arena *a)
{
	struct request v[REQUESTS];
	struct buf in;
	size_t n = 0;

	buf_init(&in, 0);
	while (n < REQUESTS && text.n && read_request(&v[n], take_section(&text, SECTION), a))
		put_request(&in, &v[n++]);
	/* One byte a record makes of much input more than a socket holds. */
	if (n && in.n <= 4 * INPUT_MAX)
		connection(buf_str(&in), v, n);
	while (n)
		request_release(&v[--n]);
	buf_release(&in);
}

/*
 * libfcgi ends the process for a length of 2 GB, and takes what an unknown record holds for the
 * parameters that it is reading: no byte is the first of a length of four. Known names, asked for
 * again and again, run over its answer of 64 bytes: each has an X, and none stays.
 */
static void tame(struct buf *b)
{
	for (size_t i = 0; i < b->n; i++) {
		b->p[i] &= 127;
		if (b->p[i] == 'X')
			b->p[i] = 'x';
	}
}

static void run_raw(struct str text)
{
	struct request v[REQUESTS] = { { .read = 9 }, { .read = 1 }, { .read = 9 }, { .read = 9 } };
	struct buf in;

	buf_init(&in, 0);
	buf_put_str(&in, text);
	tame(&in);
	connection(buf_str(&in), v, REQUESTS);
	buf_release(&in);
	for (size_t i = 0; i < REQUESTS; i++)
		request_release(&v[i]);
}

/* The process's own descriptors and environment are the request's for that time. */
static void run_cgi(struct str text, struct arena *a)
{
	int in[2], out[2], saved[2] = { dup(STDIN_FILENO), dup(STDOUT_FILENO) };
	char **kept = environ, said[256];
	struct request r;
	const struct front_handler h = { .handle = handle, .ctx = &r };

	if (read_request(&r, text, a)) {
		r.send = 0;
		require(pipe(in) == 0 && pipe(out) == 0);
		require(write(in[1], r.body.p, r.body.n) == (ssize_t)r.body.n);
		require(dup2(in[0], STDIN_FILENO) == 0 && dup2(out[1], STDOUT_FILENO) == 1);
		close(in[1]);
		close(out[1]);
		environ = (char **)r.list;
		require(cgi_run(1, 1, &h) == 0 && r.handled == 1);
		environ = kept;
		require(read(out[0], said, sizeof(said)) == (ssize_t)r.answer.n &&
			!memcmp(said, r.answer.p, r.answer.n));
		close(in[0]);
		close(out[0]);
		request_release(&r);
	}
	dup2(saved[0], STDIN_FILENO);
	dup2(saved[1], STDOUT_FILENO);
	close(saved[0]);
	close(saved[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data + 1, size - 1 };
	struct arena a;

	if (!size || size > INPUT_MAX)
		return 0;
	arena_init(&a, 0);
	if (data[0] == 'c')
		run_cgi(text, &a);
	else if (data[0] == 'r')
		run_raw(text);
	else
		run_records(text, &a);
	arena_release(&a);
	return 0;
}
