/* What the tests of the web server share: where it is, what is known of it, what they found. */
#ifndef DOCTOR_WEB_H
#define DOCTOR_WEB_H

#include "doctor/ask.h"
#include "doctor/server.h"

#define WEB_AREA "web server"

struct web {
	struct findings *l;
	const struct config *config;
	struct ask_place place;
	struct ask ask;                 /* the last one */
	struct upstream_look look;      /* of the first */
	enum server_kind kind;
	int silence;
	bool firewall;                  /* it has refused something */
};

/* Asks, and keeps the answer in w->ask. */
const struct ask *web_ask(struct web *w, struct question q);
/* Something is wrong with the last answer; what to do is the table's word for this server. */
void web_found(struct web *w, enum finding_level level, const char *id, const char *what,
	       const char *why, enum server_problem problem);
/* Something is in order. */
void web_well(struct web *w, const char *id, const char *what);
/* The last answer in words: "403 with a page that is not the gateway's". */
const char *web_answer_text(struct web *w);
/* Notes which server it is, when that is told. */
void web_tell(struct web *w, const char *software, const char *front, bool proxied);
/* Does the base URL lead to the gateway (doctor/reach.c)? Finds what there is to find of the
 * connection, and why not. */
bool web_reach(struct web *w);

#endif
