/*
 * The endpoints. Only this stage sees all the others: one table of method, path, what access it needs, and the function.
 */
#ifndef API_API_H
#define API_API_H

#include "access/access.h"
#include "config/config.h"
#include "http/answer.h"

struct api_call {
	struct front *front;
	struct http_request *request;
	struct answer *answer;
	struct config *config;          /* a reference that lives as long as the call */
	struct arena *arena;
	struct access_result access;
	const char *rest;               /* what a path pattern's '*' matched, decoded */
	bool busy;
};

typedef int api_handler(struct api_call *c);    /* 0, or -1 when the client has gone */

struct api_route {
	const char *method;             /* "POST", or "GET" (serves HEAD too) */
	const char *path;               /* exact, or with a '*' at its end */
	enum access_need need;
	api_handler *handle;
};

/* front_handler.handle: the whole way of one request. ctx unused. */
void api_handle(void *ctx, struct front *f, bool busy);

api_handler api_messages, api_messages_stream, api_count_tokens, api_models, api_model, api_root, api_hello, api_status,
	api_health, api_health_detailed;

/* `messages.fcgi env`: prints the curl and the `claude` line for a gateway at `url` (api/env.c). An exit status. */
int api_env(const struct config_load *load, const char *url, FILE *out);

/* Estimated input tokens of a request (api/estimate.c); its error is measured in docs/count-tokens.md. */
struct message_request;
int64_t estimate_tokens(const struct message_request *r);
/* Tokens of one text. */
int64_t estimate_text(struct str utf8);

/* Memory gate for request bodies (api/gate.c): a request reserves its Content-Length against limits.memory and one of limits.requests before its body
 * is read. -1 with a 529 fault when there is no room. */
struct gate_ticket { size_t bytes; bool held; };
int gate_enter(const struct config *c, size_t bytes, struct gate_ticket *t, struct fault *f) MUST_CHECK;
int gate_grow(const struct config *c, struct gate_ticket *t, size_t bytes, struct fault *f) MUST_CHECK;
void gate_shrink(struct gate_ticket *t, size_t bytes);  /* the body was freed; the request itself goes on */
void gate_leave(struct gate_ticket *t);
int gate_requests(void);                /* running now, in this process */

#endif
