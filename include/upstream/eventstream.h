/*
 * AWS's binary event stream (application/vnd.amazon.eventstream) out of bytes that are split
 * anywhere. A message is: length, length of its headers, CRC of these two, headers, payload, CRC
 * of all before it; every number big-endian. Both checksums are verified before a byte of the
 * message is believed. One that lies within one piece is handed on without a copy. Embedded:
 * eventstream_init/eventstream_release.
 */
#ifndef UPSTREAM_EVENTSTREAM_H
#define UPSTREAM_EVENTSTREAM_H

#include "base/buf.h"

#define EVENTSTREAM_PRELUDE 12          /* two lengths and their checksum */
#define EVENTSTREAM_OVERHEAD 16         /* bytes of a message without headers and payload */
#define EVENTSTREAM_HEADERS_MAX (128 * 1024)

struct eventstream {
	struct buf kept;                /* the beginning of a message whose end has not come yet */
	size_t max;                     /* bytes that a message may have */
	const char *error;              /* what is wrong, static; sticky. NULL while all is well */
	bool no_memory;                 /* that is our fault */
};

/* event: a message of type "event"; name is its :event-type, data the payload. fault: an
 * "exception" or "error" instead of one; body is JSON with the type in "__type", as the service's
 * error bodies have it. Both borrow for the call. Non-zero stops the feeding and is returned. */
struct eventstream_handler {
	int (*event)(void *ctx, struct str name, struct str data);
	int (*fault)(void *ctx, struct str body);
	void *ctx;
};

void eventstream_init(struct eventstream *s, size_t max);
void eventstream_release(struct eventstream *s);
/* -1: s->error says what is wrong with the stream; 0; or what a handler said. */
int eventstream_feed(struct eventstream *s, const char *p, size_t n,
		     const struct eventstream_handler *h) MUST_CHECK;
/* CRC-32 as in gzip and Ethernet (reflected 0xEDB88320), for those who make messages. */
uint32_t eventstream_crc(const void *p, size_t n);

#endif
