/*
 * Why a call failed, in a sentence that names the backend, what happened, and the setting or place
 * where it can be changed.
 */
#ifndef UPSTREAM_FAIL_H
#define UPSTREAM_FAIL_H

#include <curl/curl.h>
#include "message/fault.h"
#include "message/target.h"
#include "upstream/upstream.h"

enum failed_by {
	FAILED_CURL,            /* code says why */
	FAILED_FIRST_BYTE,      /* first_byte_timeout */
	FAILED_IDLE,            /* idle_timeout */
	FAILED_TOTAL,           /* timeout */
	FAILED_DEADLINE,        /* the caller's deadline */
	FAILED_SIZE,            /* the answer is larger than max_body */
};

/* What is known of a call that failed. Texts are borrowed for the time of fail_fault. */
struct failure {
	enum failed_by by;
	CURLcode code;
	const char *text;       /* libcurl's own words, "" if none */
	const struct backend *backend;
	const char *host;
	int port;
	const char *proxy;      /* its URL, "" if none */
	int os_errno;           /* of the last connect, 0 */
	int tunnel_status;      /* what the proxy answered to CONNECT, 0 */
	bool tls;               /* an https URL */
	bool resolved, ready;   /* how far: the name; the connection with TLS and proxy */
	bool head;              /* the answer had begun */
	uint64_t sent, body;    /* bytes of the request's body: taken, in all */
	uint64_t received;      /* bytes of the answer */
	size_t max_body;
};

/* Fills f. Class transient and 502, or 504 for time; overloaded and 529 where this process has no
 * memory or descriptor left. should_retry is false where trying again can't help. */
void fail_fault(const struct failure *w, struct fault *f);
enum upstream_lost fail_lost(const struct failure *w);

#endif
