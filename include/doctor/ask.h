/* One request of the doctor to the web server, and what came back. */
#ifndef DOCTOR_ASK_H
#define DOCTOR_ASK_H

#include "doctor/doctor.h"
#include "doctor/ticket.h"
#include "upstream/upstream.h"

#define ASK_KEEP 4096                   /* bytes of an answer that are kept */

/* Where the gateway is and how it is spoken to; shared by all requests, not changed by them. */
struct ask_place {
	const char *base;               /* without a slash at its end */
	const char *key;                /* a client's; NULL: the ticket */
	char ticket[TICKET_SIZE];       /* "": none */
	int64_t deadline;
};

struct question {
	const char *method, *path;      /* path: below the base */
	const char *test;               /* of the doctor's own tests; NULL: a plain request */
	const char *content;            /* what the body says; NULL: no body */
	size_t size;                    /* it is filled up to so many bytes */
	bool compress;
	int seconds;                    /* time for it, 0: the usual */
	struct upstream_look *look;     /* NULL: the connection is not looked at */
};

/* With its answer: too large for a thread's stack. */
struct ask {
	struct question q;
	enum upstream_result result;
	struct upstream_report report;
	struct fault fault;
	int status;                     /* 0: none */
	char type[96], server[64];
	bool ours;                      /* the gateway's own, not the web server's */
	bool page;                      /* HTML */
	int64_t first_ms, last_ms;      /* of the body's pieces; clock_ms, 0: none came */
	size_t bytes;                   /* of the body */
	char body[ASK_KEEP + 1];        /* how it begins */
	int64_t took_ms;
};

/* Fills all of a. */
void ask_perform(const struct ask_place *w, const struct question *q, struct ask *a);
/* The body says "type":"doctor". */
bool ask_answered(const struct ask *a);

#endif
