/*
 * The head of an answer: header lines as they come in, struct upstream_head as it goes out.
 */
#ifndef UPSTREAM_HEAD_H
#define UPSTREAM_HEAD_H

#include "upstream/upstream.h"

struct head {
	struct upstream_head out;
	struct buf pass;        /* what out.pass points to */
};

void head_init(struct head *h);
void head_release(struct head *h);
/* A new head begins (an interim one may have come before): forgets everything but the status. */
void head_start(struct head *h, int status);
/* One header line without its end: "Name: value". Unknown ones are skipped. wall_ms: now, for
 * dates in retry-after. */
void head_line(struct head *h, struct str line, int64_t wall_ms);
/* The head is complete; borrowed until the next head_start or head_release. */
const struct upstream_head *head_end(struct head *h);
/* The status of "HTTP/1.1 200 OK", 0 when the line is no status line. */
int head_status(struct str line);

#endif
