/* A FastCGI web server's side, as small as tests need it: requests record by record. */
#ifndef FCGI_CLIENT_H
#define FCGI_CLIENT_H

#include <stdbool.h>

#include "base/buf.h"

enum { FCGI_CLIENT_KEEP = 1 };

/* Record types. */
enum {
	RECORD_BEGIN = 1,
	RECORD_ABORT = 2,
	RECORD_END = 3,
	RECORD_PARAMS = 4,
	RECORD_STDIN = 5,
	RECORD_STDOUT = 6,
};

/* A connection to the Unix socket at path; -1 on failure. Reads and writes end after 10 s. */
int fcgi_client_connect(const char *path);
int fcgi_client_record(int fd, int type, const void *p, size_t n);
/* BEGIN_REQUEST and all parameters: "NAME=value", NULL-terminated. */
int fcgi_client_begin(int fd, const char *const *params, int flags);
/* The body in records of at most `record` bytes, without the one that ends it. */
int fcgi_client_body(int fd, const void *p, size_t n, size_t record);
/*
 * Reads one record of content; its type, 0 at the connection's end, -1 on failure. STDOUT content
 * is appended to out.
 */
int fcgi_client_read(int fd, struct buf *out);
/* Reads until END_REQUEST. False if the connection ended before. */
bool fcgi_client_answer(int fd, struct buf *out);
/* A whole POST: begin, body of n bytes with its CONTENT_LENGTH, answer. */
bool fcgi_client_post(int fd, const char *path, const void *p, size_t n, int flags,
	struct buf *out);

#endif
