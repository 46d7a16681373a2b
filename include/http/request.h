/*
 * What the web server says of a request, read from CGI parameters: method, path below our own
 * prefix, query, headers.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "base/arena.h"
#include "base/ids.h"
#include "front/front.h"

struct http_request {
	struct front *front;
	const char *method;             /* "POST"; "GET" when absent */
	/*
	 * Below our prefix, decoded once where %2F stays told apart: "/v1/messages". From
	 * PATH_INFO, or REQUEST_URI/SCRIPT_NAME where a server puts the whole path elsewhere; a
	 * prefix before "/v1/" and script names are taken off.
	 */
	const char *path;
	const char *prefix;             /* what was taken off, "" or "/ai" */
	const char *query;              /* without '?', "" if none */
	int64_t content_length;         /* -1 when absent or not a number */
	char id[ID_SIZE];               /* ours: "req_…" */
	const char *correlation_id;     /* the caller's x-correlation-id or x-request-id, or NULL */
	const char *cors_origin;        /* its Origin when allowed, else NULL; set by access */
};

void http_request_init(struct http_request *r, struct front *f, struct arena *a);
/*
 * A request header by its usual name ("anthropic-beta"); NULL when not sent. "authorization" also
 * looks at REDIRECT_HTTP_AUTHORIZATION.
 */
const char *http_header(const struct http_request *r, const char *name);
/* A query parameter, percent-decoded into the arena; NULL when absent. */
const char *http_query(const struct http_request *r, struct arena *a, const char *name);

#endif
