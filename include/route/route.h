/*
 * The router: which backends and models a request goes to. One decision, made from the config's
 * rules and what is known of the request; the first rule that holds wins, and every decision can be
 * explained.
 */
#ifndef ROUTE_ROUTE_H
#define ROUTE_ROUTE_H

#include "base/arena.h"
#include "config/config.h"
#include "message/fault.h"
#include "message/request.h"

/* What a decision may ask. Only the model must be known; texts are NULL where they were not
 * given. */
struct route_ask {
	const char *model;
	const char *as_it_came;         /* the router's: with the long-context mark, or NULL */
	const struct message_request *request;  /* NULL: by the name alone */
	/* Estimates the request's tokens; asked once, and only when a rule wants to know. */
	int64_t (*tokens)(void *ctx, const struct message_request *r);
	const char *key, *group;        /* of the client's access key */
	const char *agent;              /* x-claude-code-agent-id */
	const char *request_class;      /* x-claude-code-request-class */
	const char *session;            /* stays with one member where several share the work */
	const char *path;               /* NAME of /b/NAME */
	/* For --route: is told each rule in order, and why it does not hold (NULL: it does). */
	void (*trace)(void *ctx, const char *rule, const char *why_not);
	void *ctx;                      /* of both functions */
};

/* The chain borrows from the config snapshot, the arena and ask->model. -1 with the fault:
 * not_found_error when nothing serves this name. */
int route_decide(const struct config *c, const struct route_ask *ask, struct arena *a,
		 struct target_chain *out, struct fault *f) MUST_CHECK;
/* By the requested model's name alone: the first member. */
int route_select(const struct config *c, const char *model, struct arena *a, struct target *out,
		 struct fault *f) MUST_CHECK;

/*
 * Claude Code's model discovery hides ids that hold neither "claude" nor "anthropic", so the model
 * list shows such a model a second time, with this prefix; the router takes both.
 */
#define ROUTE_ALIAS_PREFIX "anthropic/"
bool route_needs_alias(const char *model);
/* Does a name that no rule knows go to the backend in use as it came? */
bool route_as_it_comes(const struct config *c, const char *name);

/* NAME of a path prefix that ends in "/b/NAME", in the arena; NULL when it has none. */
const char *route_path_name(const char *prefix, struct arena *a);

/* ---- conditions (route/when.c) ---- */

/* Is `model` a Claude name of this family: "opus", "sonnet-4", "haiku-4.5"? */
bool route_family(const char *family, const char *model);
/* What was found out about a request so far. */
struct route_facts {
	unsigned known, have;           /* bits of enum route_feature */
	int64_t tokens;                 /* -1: not asked yet */
};
/* NULL when all of it holds; else what does not, for people. */
const char *route_when_not(const struct route_when *w, const struct route_ask *ask,
			   struct route_facts *facts);

#endif
