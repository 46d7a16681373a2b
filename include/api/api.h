/*
 * The endpoints. Only this stage sees all the others: one table of method, path, what access it
 * needs, and the function.
 */
#ifndef API_API_H
#define API_API_H

#include <stdint.h>
#include <stdio.h>

#include "access/access.h"
#include "config/config.h"
#include "http/answer.h"
#include "message/event.h"
#include "message/request.h"
#include "route/route.h"
#include "run/chain.h"
#include "state/rates.h"
#include "trace/trace.h"

/* What a request came to, filled on the way and written as one line at its end (api/account.c). */
struct account {
	const char *session_id;                      /* the client's, NULL none */
	const char *asked, *routed, *backend, *rule; /* NULL: it did not get so far */
	struct str reported;                         /* the model that the backend said */
	const char *dropped;                         /* what the dialect left out, NULL nothing */
	size_t bytes_in;                             /* of the body */
	bool stream, gone;                           /* the client left before the end */
	enum stop_reason stop;
	struct usage usage;
	char upstream_cost[32]; /* said in a header; counts when the usage names none */
	struct run_report run;
	const char *fault_type;              /* NULL: none */
	const struct error_site *fault_site;
	int fault_status;                    /* of an error inside a 200, too */
	char fault_note[sizeof((struct fault){ 0 }.note)]; /* what the client is not told */
};

/* What the request holds of its key's limits (api/limits.c). */
struct key_limits {
	struct rate rate[RATE_KINDS];   /* as last looked at; limit 0: not asked */
	struct permit permit;
	int64_t counted;                /* tokens, so far */
	bool estimated;                 /* they are a guess */
	bool told;                      /* the headers are the gateway's own */
};

struct api_call {
	struct front *front;
	struct http_request *request;
	struct answer *answer;
	struct config *config; /* a reference that lives as long as the call */
	struct arena *arena;
	struct access_result access;
	struct account account;
	struct key_limits limits;
	struct trace_request trace;
	const char *traced_key; /* the backend's, that an entry must not hold; or NULL */
	const char *rest; /* what a path pattern's '*' matched, decoded */
	const char *model; /* that a path stands for, whatever the body says; or NULL */
	int64_t estimate; /* of the request's tokens, 0: not made yet (api_estimate) */
	const char *provider; /* backend that the body of an earlier system's client names; or NULL */
	bool busy;
	/* Calls go through this instead of upstream_perform: they are captured or replayed. */
	enum upstream_result (*perform)(void *ctx, const struct upstream_call *c, struct fault *f);
	void *perform_ctx;
	struct capture *capture; /* NULL: none (api/capture.h) */
};

typedef int api_handler(struct api_call *c); /* 0, or -1 when the client has gone */

struct api_route {
	const char *method; /* "POST", or "GET" (serves HEAD too) */
	const char *path;   /* exact, or with a '*' at its end */
	enum access_need need;
	bool quiet; /* logged at level debug only: what monitors ask every few seconds */
	api_handler *handle;
};

/* The doctor's tests in place of the endpoint, where they are asked for (api/probe.c). */
const struct api_route *api_probe_route(const struct api_call *c, const struct api_route *rt);

/* The one that serves the call's path, with c->rest set; NULL: none. */
const struct api_route *api_find_route(struct api_call *c);
const struct api_route *api_routes(void); /* ends with a row without a method */

/* front_handler.handle: the whole way of one request. ctx unused. */
void api_handle(void *ctx, struct front *f, bool busy);

api_handler api_messages, api_messages_stream, api_count_tokens, api_models, api_model, api_root,
	api_databricks_messages, api_databricks_stream, api_databricks_sonnet_4,
	api_databricks_sonnet_3_7, api_databricks_health, api_hello, api_status, api_health, api_health_detailed, api_universal_stream,
	api_universal_providers, api_universal_provider, api_universal_health;

api_handler api_doctor, api_readiness, api_capabilities, api_performance, api_compatibility;

api_handler api_debug_recent, api_debug_enhanced_recent, api_debug_enhanced_stats, api_debug_stats,
	api_debug_search, api_debug_hash, api_debug_show, api_debug_cleanup, api_debug_registry,
	api_debug_instance;

/* Answers with a fault and notes it in the account; returns as an api_handler does. */
int api_fault(struct api_call *c, const struct fault *f);
/* A whole JSON answer from a tree, which is freed (NULL: memory ended while it was built). */
struct cJSON;
int api_json(struct api_call *c, int status, struct cJSON *tree);
/* Such trees (api/tree.c): begun once a request, before the first; an item goes into a list or, where
 * there is none, away; the text is NULL when anything of the tree is missing for want of memory. */
void api_tree_begin(void);
void api_tree_add(struct cJSON *list, struct cJSON *item);
char *api_tree_print(const struct cJSON *tree);
/* Backends that the caller may use, routes and targets with their breakers and last errors
 * (api/members.c). preset: only the backends that begin with it, NULL: all. */
void api_add_members(struct cJSON *root, const struct api_call *c, const char *preset);
bool api_is_of(const struct backend *b, const char *preset);
/* The backend that is asked by default, or where the caller may not use that one, the first that it
 * may; NULL: none. preset: as above; one of its name goes before others. */
const struct backend *api_backend_of(const struct api_call *c, const char *preset);
/* Is the inside of the gateway shown to this caller (paths, what backends said, findings)? With a key
 * that has the right, and in mode local. */
bool api_shows(const struct api_call *c, enum access_right right);
/* /health/detailed of the backends that begin with this preset alone; NULL: of all. */
int api_health_of(struct api_call *c, const char *preset);
/* The models that one backend lists, under its own names. */
int api_models_of(struct api_call *c, const struct backend *b);
/* The backend that a client of an earlier system calls so; `name` itself when there is none. */
const char *api_provider(struct api_call *c, const char *name);
/* `messages.fcgi --route`: reads a request and prints what the router makes of it. headers:
 * "name: value", NULL-terminated (api/explain.c). */
int api_explain(const struct config_load *load, const char *const *headers, FILE *in, FILE *out);
/* One line in the log. */
void account_log(const struct api_call *c, bool quiet);
void account_fault(struct account *a, const struct fault *f);

/* Error tracking (api/traced.c): set up as configured, again after a reload; what is known of a
 * call, from its begin on; its body while it is held (r: parsed, or NULL). */
void api_trace_options(const struct config *c, struct trace_options *o);
void api_trace_setup(const struct config *c);
/* A fault that the caller is told goes into the error files; of callers without a key a few. */
void api_trace_answered(struct api_call *c, const struct fault *f);
void api_trace_begin(struct api_call *c);
void api_trace_body(struct api_call *c, struct str body, const struct message_request *r);
/* The newest results of MCP tools that the client marks as failed. */
void api_trace_mcp(const struct message_request *r);
/* `messages.fcgi errors …` (args: NULL-terminated) and --error-sites (api/errors.c). */
int api_errors(const struct config_load *load, const char *const *args, FILE *out);
int api_error_sites(FILE *out);

/* `messages.fcgi doctor [BASE_URL]` (api/doctor.c). args: NULL-terminated; silence: seconds as they
 * were written, or NULL. Returns the exit status: 0, 1 when something is wrong, 2 for usage. */
int api_doctor_command(const struct config_load *load, const char *const *args,
		       const char *silence, bool json, FILE *out);

/* A Messages body, read through the gate and parsed (api/body.c). */
struct gate_ticket {
	size_t bytes;
	bool held;
};
struct api_body {
	struct api_call *call;          /* that it was read for, NULL: not read */
	struct gate_ticket ticket;
	struct buf buf;
	struct arena arena;             /* the parsed tables: they go when the bytes go */
	struct message_request request; /* borrows from buf, arena and the call's arena */
};
int api_body_read(struct api_call *c, enum op op, struct api_body *b, struct fault *f) MUST_CHECK;
/* Frees the bytes as soon as nothing will be encoded again. What decoders still ask for (tool
 * names, stop sequences) is copied to the arena first; turns, system and schemas are gone then. */
void api_body_drop(struct api_call *c, struct api_body *b);
void api_body_release(struct api_body *b);

/* Where the request goes, with the caller's key where that is passed on (api/choose.c). r: NULL
 * where there is only a name. Fills o->chain and what belongs to it. */
int api_route(struct api_call *c, const char *model, const struct message_request *r,
	      struct chain_options *o, struct fault *f) MUST_CHECK;
/* The account and the log speak of this member from now on. */
void api_note_member(struct api_call *c, const struct target *t);

/* Estimated input tokens of a request (api/estimate.c); its error is measured in
 * docs/count-tokens.md. quick: long texts are judged by a sample, for the figure that
 * stands in message_start until the backend has said its own. */
int64_t estimate_tokens(const struct message_request *r, bool quick);
/* The quick one, made once per request: rules and message_start both want it. */
int64_t api_estimate(struct api_call *c, const struct message_request *r);
/* Tokens of one text. */
int64_t estimate_text(struct str utf8);

/* Limits of the client's key; all of these do nothing where there are none. */
/* Before the body is read: one more request of this kind, and for a message (RATE_REQUESTS) one of
 * the answers at once and something left of the tokens. -1 with a 429, retry-after and the API's
 * headers. */
int limits_enter(struct api_call *c, enum rate_kind kind, struct fault *f) MUST_CHECK;
/* A message's input as estimated, once it is known. */
void limits_estimate(struct api_call *c, int64_t input);
/* Adds the headers to an answer that is not refused. */
void limits_tell(struct api_call *c);
/* The tokens that the request has used, as far as is known now. */
void limits_count(struct api_call *c, int64_t tokens);
/* At the end of every call. */
void limits_leave(struct api_call *c);
/* With access.end_streams: was the key taken away, disabled, or has it expired since the request
 * came? */
bool limits_key_gone(const struct api_call *c);
int limits_key_fault(const struct api_call *c, struct fault *f);
/* Leaves out of the chain what the key may not use. -1 with a 403 when nothing is left. */
int limits_chain(const struct access_key *k, const char *asked, struct target_chain *chain,
		 struct fault *f) MUST_CHECK;

/* Memory gate for request bodies (api/gate.c): a request reserves its Content-Length against
 * limits.memory and one of limits.requests before its body is read. -1 with a 529 fault when there
 * is no room. */
int gate_enter(const struct config *c, size_t bytes, struct gate_ticket *t,
	       struct fault *f) MUST_CHECK;
int gate_grow(const struct config *c, struct gate_ticket *t, size_t bytes,
	      struct fault *f) MUST_CHECK;
/* A number of the configuration as a size: the largest one where it has 32 bits and that is less. */
static inline size_t api_size(uint64_t n)
{
	return n < SIZE_MAX ? (size_t)n : SIZE_MAX;
}

/* limits.memory in bytes. */
size_t gate_memory(const struct config *c);
/* The body was freed; the request itself goes on. */
void gate_shrink(struct gate_ticket *t, size_t bytes);
void gate_leave(struct gate_ticket *t);
int gate_requests(void); /* running now, in this process */
/* Memory that a request can do without (a capture): had only while requests leave half of
 * limits.memory, and given back by gate_give. */
bool gate_spare(const struct config *c, size_t bytes) MUST_CHECK;
void gate_give(size_t bytes);

/* Reachability of a backend, probed when it is due and probe is set; at most once per
 * health.interval on this host. */
struct host_health;
void api_reach(const struct config *c, const struct backend *b, bool probe,
	       struct host_health *out);

/* `messages.fcgi env`: prints the `claude` line for a gateway at `url` (api/env.c). */
/* Gives up what serving this configuration needs not (base/sandbox.h), and warns of certificates
 * that are not checked. Once, before threads, when logs and shared state are open. */
int api_protect(const struct config *c, struct buf *err) MUST_CHECK;
/* For --check. */
void api_protect_describe(const struct config *c, FILE *out);
int api_env(const struct config_load *load, const char *url, FILE *out);

#endif
