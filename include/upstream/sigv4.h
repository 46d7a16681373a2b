/*
 * AWS Signature Version 4 for one request. Made here and not by libcurl: what that signs of a path
 * with "%2F" or ":" in it, as every model id has, differs by release (up to 8.8 it is refused, up
 * to 8.14 for some ids); it hashes no body that is read piece by piece; and up to 8.21 a handle
 * goes on signing for the next host (CVE-2026-86409).
 */
#ifndef UPSTREAM_SIGV4_H
#define UPSTREAM_SIGV4_H

#include "json/segs.h"
#include "upstream/credential.h"

struct sigv4_request {
	const char *method, *url;
	const char *const *headers;     /* content-type, x-amz* and x-goog-* are signed */
	size_t nheaders;
	const struct segs *body;        /* NULL: text */
	struct str text;
	const char *region, *service;
	int64_t wall_ms;
};

/* The headers that make the request signed, each a line ended by NUL, all of them in b, the last
 * one followed by a further NUL. -1 without memory. */
int sigv4_sign(const struct sigv4_request *r, const struct credential *key,
	       struct buf *b) MUST_CHECK;

#endif
