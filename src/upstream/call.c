/*
 * One HTTP call: a slot is taken and told what to do, the transfer runs together with the client's
 * descriptors and timers, and the slot goes back.
 *
 * libcurl drives the connection, and knows one time limit, that of connecting. First-byte, idle
 * and total timeouts are kept here, because only here is known what time was spent in writes to a
 * slow client, which must not count. Only an answer that has arrived whole leaves a connection
 * that may be used again; every other end closes it at once, which is also what tells a backend
 * that nobody wants the rest.
 */
#include "config.h"
#include "upstream/call.h"

#include <curl/curl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "upstream/auth.h"
#include "upstream/fail.h"
#include "upstream/head.h"
#include "upstream/proxy.h"
#include "upstream/slot.h"
#include "upstream/tls.h"

/* Bodies up to this size go out in one piece together with the header: one packet and one system
 * call. */
#define ONE_PIECE_MAX 16384
/* What libcurl reads at a time: events are small, and what a burst has touched stays memory of
 * its stream. */
#define RECEIVE_BYTES 4096L
/* What it sends at a time of larger bodies, its least; it keeps this buffer until the stream
 * ends. */
#define SEND_BYTES 16384L
/* The longest wait in one go; it only guards against a clock that misleads us. */
#define WAIT_MAX_MS 60000

enum stage {
	STAGE_CONNECT,          /* no connection yet: libcurl's own time limit */
	STAGE_REQUEST,          /* the request is being sent, or the answer waited for */
	STAGE_HEAD,             /* a status line has come */
	STAGE_BODY,             /* on_head has been called */
};

/* Zeroed at the start of each try. */
struct transfer {
	struct segs_cursor cursor;      /* what of the body is sent next */
	size_t sent;                    /* bytes of the body that libcurl has taken */
	struct buf rest;                /* what was left of the body when the answer began */
	bool detached;                  /* the body is not read any more, only `rest` */
	size_t rest_sent;

	struct head head;
	enum stage stage;
	bool connected;                 /* its time has been noted */
	int proxy_status;               /* a refusal of the proxy, 0 */
	bool stopped, too_large;
	char error[CURL_ERROR_SIZE];
};

struct call {
	const struct upstream_call *ask;
	const struct credential *own;   /* the backend's */
	struct slot *slot;
	char *scheme, *host;            /* of the URL; host without brackets */
	int port;
	const char *proxy;              /* "": none */
	struct buf origin;
	struct curl_slist *headers;
	struct buf piece;               /* a small body in one piece */
	bool fresh;                     /* do not use a kept connection */

	struct transfer t;
	uint64_t received;
	uint64_t callbacks;             /* counts them: did libcurl do anything at all? */
	int64_t started, active;        /* clock_ms; active: the last sign of life */
	int64_t blocked;                /* ms spent in the functions of others */
	int64_t connect_ms, first_byte_ms;
};

/* ---- libcurl's callbacks ---- */

/* Time since `from` went by in a function of someone else. */
static int64_t note_blocked(struct call *c, int64_t from)
{
	int64_t now = clock_ms();

	c->blocked += now - from;
	return now;
}

static size_t read_body(char *out, size_t size, size_t n, void *ctx)
{
	struct call *c = ctx;
	struct transfer *t = &c->t;
	size_t max = size * n;

	c->callbacks++;
	c->active = clock_ms();
	if (!t->detached) {
		n = segs_read(c->ask->body, &t->cursor, out, max);
	} else {
		n = t->rest.n - t->rest_sent < max ? t->rest.n - t->rest_sent : max;
		if (n)
			memcpy(out, t->rest.p + t->rest_sent, n);
		t->rest_sent += n;
	}
	t->sent += n;
	return n;
}

/* libcurl sends a request again when a kept connection turns out to be closed. */
static int seek_body(void *ctx, curl_off_t offset, int origin)
{
	struct call *c = ctx;

	if (origin != SEEK_SET || c->t.detached || offset < 0 ||
	    (uint64_t)offset > c->ask->body->total)
		return CURL_SEEKFUNC_FAIL;
	segs_seek(c->ask->body, &c->t.cursor, (size_t)offset);
	c->t.sent = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

/* The caller may free the body once it has the head. Of one that is still being sent (a backend
 * that answers early) the rest is copied; after an error status libcurl sends no more. */
static int detach_body(struct call *c)
{
	struct transfer *t = &c->t;
	const struct segs *body = c->ask->body;
	char *to;

	if (!body || c->piece.n || t->detached)
		return 0;
	t->detached = true;
	if (t->sent >= body->total || t->head.out.status >= 400)
		return 0;
	to = buf_room(&t->rest, body->total - t->sent);
	if (!to)
		return -1;
	t->rest.n = segs_read(body, &t->cursor, to, body->total - t->sent);
	return 0;
}

/* The blank line after a head. Interim ones (1xx) are not the answer. Non-zero stops. */
static int head_complete(struct call *c)
{
	const struct upstream_call *a = c->ask;
	const struct upstream_head *h = head_end(&c->t.head);
	int64_t now = clock_ms();
	int r = 0;

	if (h->status < 200) {
		c->t.stage = STAGE_REQUEST;
		return 0;
	}
	if (h->status == 407 && *c->proxy) {
		c->t.proxy_status = h->status;
		return -1;
	}
	c->t.stage = STAGE_BODY;
	c->first_byte_ms = now - c->started;
	if (detach_body(c))
		return -1;
	if (a->on_head)
		r = a->on_head(a->ctx, h);
	c->active = note_blocked(c, now);
	c->t.stopped = r != 0;
	return r;
}

static size_t take_header(char *p, size_t size, size_t n, void *ctx)
{
	struct call *c = ctx;
	struct str line = str_trim((struct str){ p, size * n });
	int status;

	c->callbacks++;
	c->active = clock_ms();
	if (c->t.stage == STAGE_BODY)
		return size * n;        /* trailers */
	if (line.n == 0)
		return head_complete(c) ? 0 : size * n;
	status = head_status(line);
	if (status) {
		head_start(&c->t.head, status);
		c->t.stage = STAGE_HEAD;
	} else {
		head_line(&c->t.head, line, clock_wall_ms());
	}
	return size * n;
}

static size_t take_body(char *p, size_t size, size_t n, void *ctx)
{
	struct call *c = ctx;
	const struct upstream_call *a = c->ask;
	int64_t now = clock_ms();

	n *= size;
	c->callbacks++;
	if (a->max_body && n > a->max_body - c->received) {
		c->t.too_large = true;
		return 0;
	}
	c->received += n;
	if (a->on_data && n)
		c->t.stopped = a->on_data(a->ctx, p, n) != 0;
	c->active = note_blocked(c, now);
	return c->t.stopped ? 0 : n;
}

/* ---- what libcurl is told ---- */

/* Scheme, host and port in the form that libcurl's own parser gives them (127.1 is 127.0.0.1). */
static CURLcode parse_url(struct call *c)
{
	CURLU *u = curl_url();
	char *port = NULL;
	int64_t n = 0;
	CURLUcode rc;
	size_t len;
	bool ok;

	rc = u ? curl_url_set(u, CURLUPART_URL, c->ask->url, 0) : CURLUE_OUT_OF_MEMORY;
	if (!rc)
		rc = curl_url_get(u, CURLUPART_SCHEME, &c->scheme, 0);
	if (!rc)
		rc = curl_url_get(u, CURLUPART_HOST, &c->host, 0);
	if (!rc)
		rc = curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
	ok = !rc && str_int(str_of(port), &n);
	curl_free(port);
	curl_url_cleanup(u);
	if (!ok)
		return rc == CURLUE_OUT_OF_MEMORY ? CURLE_OUT_OF_MEMORY : CURLE_URL_MALFORMAT;
	c->port = (int)n;
	len = strlen(c->host);
	if (len > 2 && c->host[0] == '[') {
		memmove(c->host, c->host + 1, len - 2);
		c->host[len - 2] = 0;
	}
	return CURLE_OK;
}

/* Calls of the same origin may share a connection. */
static const char *origin(struct call *c)
{
	const struct backend *b = c->ask->backend;

	buf_reset(&c->origin);
	buf_printf(&c->origin, "%s://%s:%d proxy=%s ca=%s verify=%d http2=%d", c->scheme, c->host,
		   c->port, c->proxy, b->ca_file ? b->ca_file : "", b->tls_verify, b->http2);
	return c->origin.failed ? NULL : buf_cstr(&c->origin);
}

static void set_protocols(CURL *e)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(e, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

/* How the connection is made and behaves. */
static void set_connection(struct call *c, CURL *e)
{
	const struct backend *b = c->ask->backend;

	set_protocols(e);
	tls_options(e, b);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
	/* A resolver that hangs would otherwise hold up the end of the call. */
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
#endif
	curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
	/* Routers forget connections that are silent, as a thinking model is. */
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, b->connect_timeout * 1000L);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION,
			 (long)(b->http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
	curl_easy_setopt(e, CURLOPT_BUFFERSIZE, RECEIVE_BYTES);
	curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, SEND_BYTES);
	curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, c->fresh || c->ask->look ? 1L : 0L);
	if (c->ask->look)
		curl_easy_setopt(e, CURLOPT_CERTINFO, 1L);
	/* Both said, so that libcurl does not ask the environment. */
	curl_easy_setopt(e, CURLOPT_PROXY, c->proxy);
	curl_easy_setopt(e, CURLOPT_NOPROXY, "");
	curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(e, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
}

static void set_body(struct call *c, CURL *e)
{
	const struct segs *body = c->ask->body;

	curl_easy_setopt(e, CURLOPT_POST, 1L);
	curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(body ? body->total : 0));
	if (!body || body->total <= ONE_PIECE_MAX) {
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, c->piece.n ? c->piece.p : "");
		return;
	}
	curl_easy_setopt(e, CURLOPT_READFUNCTION, read_body);
	curl_easy_setopt(e, CURLOPT_READDATA, c);
	curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, seek_body);
	curl_easy_setopt(e, CURLOPT_SEEKDATA, c);
}

/* What is asked for, and who takes the answer. */
static CURLcode set_request(struct call *c, CURL *e)
{
	const struct upstream_call *a = c->ask;

	if (a->body || strcmp(a->method, "POST") == 0)
		set_body(c, e);
	if (strcmp(a->method, "HEAD") == 0)
		curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
	else if (strcmp(a->method, a->body ? "POST" : "GET") != 0)
		curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, a->method);
	/* Also makes libcurl decode what comes compressed unasked. */
	curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, a->compress ? "gzip" : "identity");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_USERAGENT, PACKAGE_NAME "/" PACKAGE_VERSION);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, c);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->t.error);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, c->headers);
	return curl_easy_setopt(e, CURLOPT_URL, a->url);
}

/* ---- the transfer ---- */

static struct failure failure_of(struct call *c, enum failed_by by, CURLcode code)
{
	CURL *e = c->slot ? c->slot->easy : NULL;
	struct failure w = {
		.by = by,
		.code = code,
		.text = c->t.error[0] ? c->t.error : curl_easy_strerror(code),
		.backend = c->ask->backend,
		.host = c->host ? c->host : "",
		.port = c->port,
		.proxy = c->proxy ? c->proxy : "",
		.tunnel_status = c->t.proxy_status,
		.tls = c->scheme && strcmp(c->scheme, "https") == 0,
		.ready = c->t.stage > STAGE_CONNECT,
		.head = c->t.stage >= STAGE_HEAD,
		.sent = c->piece.n ? c->piece.n : c->t.sent,
		.body = c->ask->body ? c->ask->body->total : 0,
		.received = c->received,
		.max_body = c->ask->max_body,
	};
	long os_errno = 0, tunnel = 0;
	curl_off_t resolved = 0;

	if (!e)
		return w;
	curl_easy_getinfo(e, CURLINFO_OS_ERRNO, &os_errno);
	curl_easy_getinfo(e, CURLINFO_HTTP_CONNECTCODE, &tunnel);
	curl_easy_getinfo(e, CURLINFO_NAMELOOKUP_TIME_T, &resolved);
	w.os_errno = (int)os_errno;
	if (!w.tunnel_status)
		w.tunnel_status = (int)tunnel;
	w.resolved = resolved > 0;
	return w;
}

static enum upstream_result failed(struct call *c, enum failed_by by, CURLcode code,
				   struct fault *f)
{
	struct failure w;

	if (c->t.proxy_status)
		code = CURLE_PROXY;
	else if (code == CURLE_WRITE_ERROR && c->t.too_large)
		by = FAILED_SIZE;
	else if (code == CURLE_WRITE_ERROR && c->t.rest.failed)
		code = CURLE_OUT_OF_MEMORY;
	w = failure_of(c, by, code);
	if (c->ask->report)
		c->ask->report->lost = fail_lost(&w);
	fail_fault(&w, f);
	return UPSTREAM_FAILED;
}

static int64_t sooner(int64_t at, int64_t than, enum failed_by *by, enum failed_by name)
{
	if (at >= than)
		return than;
	*by = name;
	return at;
}

/* When the call must be given up if nothing happens until then, and what that would be. */
static int64_t give_up_at(const struct call *c, enum failed_by *by)
{
	const struct backend *b = c->ask->backend;
	int64_t at = CLOCK_NEVER;

	if (c->ask->deadline)
		at = sooner(c->ask->deadline, at, by, FAILED_DEADLINE);
	if (b->timeout)
		at = sooner(c->started + c->blocked + b->timeout * 1000LL, at, by, FAILED_TOTAL);
	if (c->t.stage == STAGE_REQUEST && b->first_byte_timeout)
		at = sooner(c->active + b->first_byte_timeout * 1000LL, at, by, FAILED_FIRST_BYTE);
	if (c->t.stage >= STAGE_HEAD && b->idle_timeout)
		at = sooner(c->active + b->idle_timeout * 1000LL, at, by, FAILED_IDLE);
	return at;
}

/* One of the waiter's functions ran since `from`: that time counts against no timeout. */
static void forgive(struct call *c, int64_t from)
{
	c->active += note_blocked(c, from) - from;
}

static int tell_ready(struct call *c, int i)
{
	struct waiter *w = c->ask->waiter;
	int64_t from = clock_ms();
	int r = w->ready(w, i);

	forgive(c, from);
	return r;
}

static int tell_time(struct call *c)
{
	struct waiter *w = c->ask->waiter;
	int64_t now = clock_ms();
	int r;

	if (!w || w->due > now)
		return 0;
	r = w->tick(w, now);
	forgive(c, now);
	return r;
}

/* libcurl's poll reports POLLIN of our descriptors and nothing else: one that only has an error
 * or was hung up (a pipe without a reader) would wake us for ever. Looked for when a wake-up had
 * no other cause. */
static int look_for_errors(struct call *c)
{
	struct waiter *w = c->ask->waiter;

	for (int i = 0; w && i < 2; i++) {
		struct pollfd p = { .fd = w->fd[i] };

		if (p.fd >= 0 && poll(&p, 1, 0) > 0 && tell_ready(c, i))
			return -1;
	}
	return 0;
}

/* Waits for the connection, the waiter's descriptors and the next due time. Non-zero: the waiter
 * cancels. *woken: a descriptor of someone was the cause. */
static int wait_for_more(struct call *c, int64_t until, bool *woken)
{
	struct waiter *w = c->ask->waiter;
	struct curl_waitfd extra[2];
	int which[2], n = 0, ready = 0;
	int64_t ms;

	for (int i = 0; w && i < 2; i++) {
		if (w->fd[i] >= 0) {
			extra[n] =
				(struct curl_waitfd){ .fd = w->fd[i], .events = CURL_WAIT_POLLIN };
			which[n++] = i;
		}
	}
	if (w && w->due < until)
		until = w->due;
	ms = until == CLOCK_NEVER ? WAIT_MAX_MS : until - clock_ms();
	ms = ms < 0 ? 0 : ms > WAIT_MAX_MS ? WAIT_MAX_MS : ms;
	curl_multi_poll(c->slot->multi, extra, (unsigned)n, (int)ms, &ready);
	*woken = ready > 0;
	for (int i = 0; i < n; i++) {
		if (!extra[i].revents)
			continue;
		*woken = false;
		if (tell_ready(c, which[i]))
			return -1;
	}
	return 0;
}

/* True when libcurl is done with the transfer. */
static bool over(struct call *c, CURLcode *code)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(c->slot->multi, &left))) {
		if (m->msg == CURLMSG_DONE) {
			*code = m->data.result;
			return true;
		}
	}
	return false;
}

/* Has the connection been made? libcurl tells the time when it is ready for the request. */
static void note_connected(struct call *c)
{
	curl_off_t us = 0;

	if (c->t.connected)
		return;
	curl_easy_getinfo(c->slot->easy, CURLINFO_PRETRANSFER_TIME_T, &us);
	if (us == 0)
		return;
	c->t.connected = true;
	c->connect_ms = us / 1000;
	if (c->t.stage == STAGE_CONNECT) {      /* else the answer has come in the same turn */
		c->t.stage = STAGE_REQUEST;
		c->active = clock_ms();
	}
}

static enum upstream_result drive(struct call *c, struct fault *f, CURLcode *code)
{
	enum failed_by by = FAILED_CURL;
	uint64_t before;
	int64_t until;
	bool woken = false;
	int running;

	for (;;) {
		before = c->callbacks;
		if (curl_multi_perform(c->slot->multi, &running) != CURLM_OK) {
			*code = CURLE_OUT_OF_MEMORY;
			return failed(c, FAILED_CURL, *code, f);
		}
		/* First: a call can be connected and over within one turn. */
		note_connected(c);
		if (over(c, code)) {
			if (c->t.stopped)
				return UPSTREAM_STOPPED;
			return *code == CURLE_OK ? UPSTREAM_DONE : failed(c, FAILED_CURL, *code, f);
		}
		if (woken && before == c->callbacks && look_for_errors(c))
			return UPSTREAM_CANCELLED;
		if (tell_time(c))
			return UPSTREAM_CANCELLED;
		until = give_up_at(c, &by);
		if (until <= clock_ms())
			return failed(c, by, CURLE_OPERATION_TIMEDOUT, f);
		if (wait_for_more(c, until, &woken))
			return UPSTREAM_CANCELLED;
	}
}

static int64_t milliseconds(CURL *e, CURLINFO which)
{
	curl_off_t us = 0;

	curl_easy_getinfo(e, which, &us);
	return us > 0 ? us / 1000 : -1;
}

/* "Expire date:Jan  1 00:00:00 2027 GMT", of the first certificate: the peer's own. */
static void look_at_certificate(CURL *e, struct upstream_look *l)
{
	struct curl_certinfo *info = NULL;

	if (curl_easy_getinfo(e, CURLINFO_CERTINFO, &info) != CURLE_OK || !info ||
	    info->num_of_certs < 1)
		return;
	for (struct curl_slist *i = info->certinfo[0]; i; i = i->next) {
		if (strncmp(i->data, "Expire date:", 12) == 0)
			l->certificate_expires = clock_read_date(i->data + 12);
		else if (strncmp(i->data, "Issuer:", 7) == 0)
			snprintf(l->issuer, sizeof(l->issuer), "%s", i->data + 7);
	}
	if (l->certificate_expires < 0)
		l->certificate_expires = 0;
}

static void look(const struct call *c)
{
	struct upstream_look *l = c->ask->look;
	CURL *e = c->slot->easy;
	char *address = NULL;

	*l = (struct upstream_look){
		.resolved_ms = milliseconds(e, CURLINFO_NAMELOOKUP_TIME_T),
		.connected_ms = milliseconds(e, CURLINFO_CONNECT_TIME_T),
		.secured_ms = milliseconds(e, CURLINFO_APPCONNECT_TIME_T),
	};
	if (curl_easy_getinfo(e, CURLINFO_PRIMARY_IP, &address) == CURLE_OK && address)
		snprintf(l->address, sizeof(l->address), "%s", address);
	snprintf(l->anchors, sizeof(l->anchors), "%s", tls_anchors(c->ask->backend));
	look_at_certificate(e, l);
}

/* One try on one slot. *again: a kept connection broke before it had taken the whole request. */
static enum upstream_result try_once(struct call *c, struct fault *f, bool *again)
{
	enum upstream_result result;
	CURLcode code = CURLE_OK;
	long connects = 1;

	memset(&c->t, 0, sizeof(c->t));
	head_init(&c->t.head);
	c->slot = slot_take(origin(c));
	if (!c->slot)
		return fault_no_memory(f), UPSTREAM_FAILED;
	set_connection(c, c->slot->easy);
	if (set_request(c, c->slot->easy) != CURLE_OK ||
	    curl_multi_add_handle(c->slot->multi, c->slot->easy) != CURLM_OK) {
		slot_drop(c->slot);
		return fault_no_memory(f), UPSTREAM_FAILED;
	}
	c->active = clock_ms();
	result = drive(c, f, &code);
	curl_easy_getinfo(c->slot->easy, CURLINFO_NUM_CONNECTS, &connects);
	if (c->ask->report)
		c->ask->report->reused = connects == 0 && c->t.stage > STAGE_CONNECT;
	*again = code == CURLE_SEND_ERROR && connects == 0 && c->t.stage < STAGE_HEAD;
	if (c->ask->look)
		look(c);
	curl_multi_remove_handle(c->slot->multi, c->slot->easy);
	if (result == UPSTREAM_DONE)
		slot_give(c->slot);
	else
		slot_drop(c->slot);
	c->slot = NULL;
	head_release(&c->t.head);
	buf_release(&c->t.rest);
	return result;
}

/* URL, proxy, headers and small body: what is the same for every try. */
static int prepare(struct call *c, struct fault *f)
{
	const struct upstream_call *a = c->ask;

	CURLcode code = parse_url(c);

	if (code) {
		failed(c, FAILED_CURL, code, f);
		return -1;
	}
	c->proxy = proxy_for(a->backend, c->scheme, c->host, c->port);
	if (!origin(c))
		return fault_no_memory(f);
	if (a->body && a->body->total <= ONE_PIECE_MAX && segs_flatten(a->body, &c->piece))
		return fault_no_memory(f);
	return auth_headers(a, c->own, &c->headers, f);
}

static void report(const struct call *c)
{
	struct upstream_report *r = c->ask->report;

	if (!r)
		return;
	r->connect_ms = r->reused ? 0 : c->connect_ms;
	r->first_byte_ms = c->first_byte_ms;
	r->received = c->received;
	r->sent = c->t.stage > STAGE_CONNECT;
}

enum upstream_result call_perform(const struct upstream_call *a, const struct credential *own,
				  struct fault *f)
{
	struct call c = { .ask = a, .own = own, .started = clock_ms(),
			  .connect_ms = -1, .first_byte_ms = -1 };
	enum upstream_result result = UPSTREAM_FAILED;
	bool again = false;

	if (a->report)
		*a->report = (struct upstream_report){ .connect_ms = -1, .first_byte_ms = -1 };
	buf_init(&c.origin, 0);
	buf_init(&c.piece, 0);
	if (prepare(&c, f) == 0) {
		result = try_once(&c, f, &again);
		if (again) {
			c.fresh = true;
			*f = FAULT_INIT;
			result = try_once(&c, f, &again);
		}
		report(&c);
	}
	curl_slist_free_all(c.headers);
	curl_free(c.scheme);
	curl_free(c.host);
	buf_release(&c.origin);
	buf_release(&c.piece);
	return result;
}
