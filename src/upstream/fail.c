/*
 * Failures of a call in words. Each kind has its own sentence, because "upstream error" has never
 * helped anybody: a user must see from the client's error line whether to start a server, correct
 * a name, or raise a timeout.
 */
#include "upstream/fail.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/files.h"
#include "upstream/tls.h"

#define HEAD_MAX (300 * 1024) /* bytes of an answer's head that libcurl takes */
#define FAIL(f, ...) fault_set(f, FAULT_TRANSIENT, 502, "api_error", __VA_ARGS__)
#define LATE(f, ...) fault_set(f, FAULT_TRANSIENT, 504, "timeout_error", __VA_ARGS__)
#define FAIL_AS(code, f, ...) \
	fault_set_as(code, f, FAULT_TRANSIENT, 502, "api_error", __VA_ARGS__)
#define LATE_AS(code, f, ...) \
	fault_set_as(code, f, FAULT_TRANSIENT, 504, "timeout_error", __VA_ARGS__)

static const char *name_of(const struct failure *w)
{
	return w->backend->name;
}

/* host:port of the proxy's URL: a name and password in it are nobody's business. */
static const char *proxy_name(const struct failure *w, char *out, size_t size)
{
	const char *from = strstr(w->proxy, "://"), *end;

	from = from ? from + 3 : w->proxy;
	end = from + strcspn(from, "/?#");
	for (const char *p = from; p < end; p++)
		if (*p == '@')
			from = p + 1;
	snprintf(out, size, "%.*s", (int)(end - from), from);
	return out;
}

static const char *proxy_from(const struct failure *w)
{
	return w->backend->proxy ? "set in its \"proxy\"" : "from the environment";
}

static bool is_address(const char *host)
{
	struct in6_addr a;

	return inet_pton(AF_INET, host, &a) == 1 || inet_pton(AF_INET6, host, &a) == 1;
}

static void say_resolve(const struct failure *w, struct fault *f)
{
	/* What needs no resolving fails there for want of memory alone. */
	if (is_address(w->host)) {
		fault_no_memory(f);
		return;
	}
	FAIL(f,
	     "backend %s: the name %s could not be resolved. Check its base_url and this machine's "
	     "DNS.",
	     name_of(w), w->host);
}

static void say_proxy(const struct failure *w, struct fault *f)
{
	char proxy[256];

	proxy_name(w, proxy, sizeof(proxy));
	if (w->tunnel_status >= 300)
		FAIL_AS("proxy_refused", f,
		     "backend %s: the proxy %s (%s) refused to connect to %s:%d: it answered %d.",
		     name_of(w), proxy, proxy_from(w), w->host, w->port, w->tunnel_status);
	else if (w->code == CURLE_COULDNT_RESOLVE_PROXY)
		FAIL_AS("proxy_unresolved", f, "backend %s: the name of the proxy %s (%s) could not be resolved.",
		     name_of(w), proxy, proxy_from(w));
	else
		FAIL(f, "backend %s: the proxy %s (%s) can't be used: %s.", name_of(w), proxy,
		     proxy_from(w), w->text);
}

static void say_connect(const struct failure *w, struct fault *f)
{
	if (*w->proxy)
		say_proxy(w, f);
	else if (w->os_errno == ECONNREFUSED)
		FAIL_AS("refused", f, "backend %s: %s:%d refused the connection. Is the server running there?",
		     name_of(w), w->host, w->port);
	else
		FAIL(f, "backend %s: no connection to %s:%d: %s.", name_of(w), w->host, w->port,
		     w->os_errno ? strerror(w->os_errno) : w->text);
}

static void say_connect_time(const struct failure *w, struct fault *f)
{
	LATE(f,
	     "backend %s: no %sconnection to %s:%d within %d s: %s (backends.%s.connect_timeout).",
	     name_of(w), w->tls ? "TLS " : "", w->host, w->port, w->backend->connect_timeout,
	     w->resolved ? "it did not answer" : "its name was not resolved", name_of(w));
}

static void say_verify(const struct failure *w, struct fault *f)
{
	const char *anchors = tls_anchors(w->backend);

	FAIL(f,
	     "backend %s: the TLS certificate of %s is not trusted: %s. Which are is said by "
	     "backends.%s.ca_file.",
	     name_of(w), w->host, w->text, name_of(w));
	fault_note(f, "trusted are those in %s", *anchors ? anchors : "the system's store");
	fault_note_clock(f, clock_wall_ms());
	f->should_retry = 0;
}

static void say_anchors(const struct failure *w, struct fault *f)
{
	FAIL(f,
	     "backend %s: the file of trusted certificates can't be read or holds none "
	     "(backends.%s.ca_file).",
	     name_of(w), name_of(w));
	fault_note(f, "%s", tls_anchors(w->backend));
	f->should_retry = 0;
}

static void say_tls(const struct failure *w, struct fault *f)
{
	FAIL(f, "backend %s: no TLS connection to %s:%d: %s.", name_of(w), w->host, w->port,
	     w->text);
}

static void say_send(const struct failure *w, struct fault *f)
{
	FAIL(f,
	     "backend %s broke the connection while the request was being sent (%" PRIu64
	     " of %" PRIu64 " bytes).",
	     name_of(w), w->sent, w->body);
}

/* Reset, or closed in the middle of something. */
static void say_broken(const struct failure *w, struct fault *f)
{
	if (w->tunnel_status >= 300)
		say_proxy(w, f);
	else if (w->head)
		FAIL(f,
		     "backend %s broke the connection in the middle of its answer (after %" PRIu64
		     " bytes).",
		     name_of(w), w->received);
	else if (w->sent < w->body)
		say_send(w, f);
	else
		FAIL_AS("no_answer", f, "backend %s closed the connection without an answer.", name_of(w));
}

static void say_cut(const struct failure *w, struct fault *f)
{
	FAIL(f,
	     "backend %s ended its answer too early: after %" PRIu64 " bytes, with more announced.",
	     name_of(w), w->received);
}

static void say_encoding(const struct failure *w, struct fault *f)
{
	FAIL(f, "backend %s sent a compressed answer that can't be decoded.", name_of(w));
}

static void say_not_http(const struct failure *w, struct fault *f)
{
	FAIL(f, "backend %s: what listens on %s:%d did not answer in HTTP.", name_of(w), w->host,
	     w->port);
}

static void say_url(const struct failure *w, struct fault *f)
{
	/* libcurl's word for an answer without a status line, too. */
	if (w->ready) {
		say_not_http(w, f);
		return;
	}
	FAIL(f, "backend %s: its address is no http or https URL (backends.%s.base_url).",
	     name_of(w), name_of(w));
	f->should_retry = 0;
}

static void say_head(const struct failure *w, struct fault *f)
{
	FAIL(f, "backend %s sent a head that is too large, or memory ran out while it was read.",
	     name_of(w));
}

/* Until 8.6 libcurl calls a head that is too large by the same name. If there is memory, it was
 * the head. */
static void say_memory(const struct failure *w, struct fault *f)
{
	void *probe = w->ready && !w->received ? malloc(HEAD_MAX) : NULL;

	if (probe)
		say_head(w, f);
	else
		fault_no_memory(f);
	free(probe);
}

/* libcurl's result codes, who says what they mean, and how far the call was. */
static const struct {
	CURLcode code;
	void (*say)(const struct failure *w, struct fault *f);
	enum upstream_lost lost;
} meanings[] = {
	{ CURLE_COULDNT_RESOLVE_HOST, say_resolve, LOST_NAME },
	{ CURLE_COULDNT_RESOLVE_PROXY, say_proxy, LOST_PROXY },
	{ CURLE_PROXY, say_proxy, LOST_PROXY },
	{ CURLE_COULDNT_CONNECT, say_connect, LOST_CONNECT },
	/* The one time limit that libcurl has. */
	{ CURLE_OPERATION_TIMEDOUT, say_connect_time, LOST_CONNECT_TIME },
	{ CURLE_PEER_FAILED_VERIFICATION, say_verify, LOST_TRUST },
	{ CURLE_SSL_ISSUER_ERROR, say_verify, LOST_TRUST },
	{ CURLE_SSL_CACERT_BADFILE, say_anchors, LOST_ANCHORS },
	{ CURLE_SSL_CONNECT_ERROR, say_tls, LOST_TLS },
	{ CURLE_SEND_ERROR, say_send, LOST_SENDING },
	{ CURLE_GOT_NOTHING, say_broken, LOST_ANSWER },
	{ CURLE_RECV_ERROR, say_broken, LOST_ANSWER },
	{ CURLE_HTTP2, say_broken, LOST_ANSWER },
	{ CURLE_HTTP2_STREAM, say_broken, LOST_ANSWER },
	{ CURLE_PARTIAL_FILE, say_cut, LOST_ANSWER },
	{ CURLE_BAD_CONTENT_ENCODING, say_encoding, LOST_ANSWER },
	{ CURLE_WEIRD_SERVER_REPLY, say_not_http, LOST_ANSWER },
	{ CURLE_UNSUPPORTED_PROTOCOL, say_url, LOST_URL },
	{ CURLE_URL_MALFORMAT, say_url, LOST_URL },
	{ CURLE_OUT_OF_MEMORY, say_memory, LOST_OTHER },
#if LIBCURL_VERSION_NUM >= 0x080600
	{ CURLE_TOO_LARGE, say_head, LOST_ANSWER },
#endif
};

/* libcurl has only "no connection" for it. No other backend can do better. */
static void say_files(const struct failure *w, struct fault *f)
{
	fault_set(f, FAULT_OVERLOADED, 529, "overloaded_error",
		  "The gateway has no file descriptor left for a connection to backend %s; try "
		  "again.",
		  name_of(w));
	f->retry_after = 1;
	f->ours = true;
}

static void say_curl(const struct failure *w, struct fault *f)
{
	if (!w->ready && files_used_up()) {
		say_files(w, f);
		return;
	}
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		if (meanings[i].code == w->code) {
			meanings[i].say(w, f);
			return;
		}
	}
	FAIL(f, "backend %s: the call to %s:%d failed: %s.", name_of(w), w->host, w->port, w->text);
}

static void say_first_byte(const struct failure *w, struct fault *f)
{
	if (w->sent < w->body)
		LATE_AS("request_stalled", f,
		     "backend %s took %" PRIu64 " of the request's %" PRIu64
		     " bytes and then no more for %d s "
		     "(backends.%s.first_byte_timeout).",
		     name_of(w), w->sent, w->body, w->backend->first_byte_timeout, name_of(w));
	else
		LATE(f, "backend %s sent no answer within %d s (backends.%s.first_byte_timeout).",
		     name_of(w), w->backend->first_byte_timeout, name_of(w));
}

enum upstream_lost fail_lost(const struct failure *w)
{
	if (w->by == FAILED_SIZE)
		return LOST_ANSWER;
	if (w->by != FAILED_CURL)
		return LOST_TIME;
	if (w->tunnel_status >= 300)
		return LOST_PROXY;
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (meanings[i].code == w->code)
			return meanings[i].lost;
	return LOST_OTHER;
}

void fail_fault(const struct failure *w, struct fault *f)
{
	switch (w->by) {
	case FAILED_CURL:
		say_curl(w, f);
		break;
	case FAILED_FIRST_BYTE:
		say_first_byte(w, f);
		break;
	case FAILED_IDLE:
		LATE_AS("idle", f,
		     "backend %s fell silent in the middle of its answer for %d s "
		     "(backends.%s.idle_timeout).",
		     name_of(w), w->backend->idle_timeout, name_of(w));
		break;
	case FAILED_TOTAL:
		LATE_AS("total", f, "backend %s did not finish its answer within %d s (backends.%s.timeout).",
		     name_of(w), w->backend->timeout, name_of(w));
		break;
	case FAILED_DEADLINE:
		LATE_AS("deadline", f,
		     "backend %s did not finish its answer in the time that was left for this "
		     "request.",
		     name_of(w));
		break;
	case FAILED_SIZE:
		FAIL(f, "backend %s sent an answer larger than %zu bytes.", name_of(w),
		     w->max_body);
		f->should_retry = 0;
		break;
	}
	f->scope = FAULT_OF_BACKEND;
}
