/*
 * Server-sent events out of a byte stream that is split anywhere (WHATWG HTML, section 9.2.6):
 * CRLF, CR or LF, BOM, comments, several data lines. An event that lies within one piece, as most
 * do, is handed on without a copy. Embedded: sse_init/sse_release.
 */
#ifndef UPSTREAM_SSE_H
#define UPSTREAM_SSE_H

#include "base/buf.h"

struct sse {
	struct buf line;                /* a line whose end has not come yet */
	struct buf joined;              /* the event's data so far, if not borrowed */
	struct buf kept_name;           /* its name, likewise */
	struct str data, name;          /* the same, borrowed from the piece being fed; or p NULL */
	size_t ndata;                   /* data lines so far */
	size_t max;                     /* bytes an event may have */
	unsigned char bom;              /* bytes of a byte order mark seen; 3: past it */
	bool skip_lf;                   /* the piece before ended in CR */
	bool failed, full;              /* sticky: it can't go on; because an event is too large */
};

/* event: name ("" when there was none) and the joined data, valid while it runs; comment: a ':'
 * line. Both may be NULL. Non-zero stops the feeding and is returned; the rest of the piece is
 * lost. */
struct sse_handler {
	int (*event)(void *ctx, struct str name, struct str data);
	int (*comment)(void *ctx);
	void *ctx;
};

void sse_init(struct sse *s, size_t max);
void sse_release(struct sse *s);
/* -1: an event is larger than max (or memory ended); 0; or what a handler said. */
int sse_feed(struct sse *s, const char *p, size_t n, const struct sse_handler *h) MUST_CHECK;
/* End of input: an event that lacks only its blank line is delivered (providers end so). */
int sse_finish(struct sse *s, const struct sse_handler *h);

#endif
