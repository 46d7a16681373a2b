/*
 * Error tracking: every fault that a client is told, every one that a retry or the next member has
 * cured, every warning and error of the log becomes an entry in the files of store.h.
 *
 * An entry is one JSON object a line: time, instance, correlation id, the site and its hash, type,
 * message, the request's shape (kinds and sizes), backend, upstream's answer, timing. Contents and
 * credentials are never in it; at log.level debug a second file has the beginning of the contents,
 * credentials still taken out (redact.h).
 *
 * Off without log.dir. Nothing here can fail a request: what can't be written is dropped, which the
 * log says once.
 */
#ifndef TRACE_TRACE_H
#define TRACE_TRACE_H

#include "base/arena.h"
#include "message/fault.h"
#include "message/request.h"
#include "trace/store.h"

struct trace_options {
	const char *dir;                /* log.dir; NULL: off */
	int retention_days, max_files;
	int64_t max_bytes;
	bool compress;
	bool debug;                     /* with contents, in files of their own */
	int64_t content_bytes;          /* so much of each */
	uint64_t mark;                  /* of the configuration in force */
	int64_t generation;             /* of the same, in this process */
	const char *source;             /* its file, NULL: none */
};

/* Starts, or goes on with other options. Threads may be writing. -1 without memory (off then). */
int trace_setup(const struct trace_options *o);
void trace_stop(void);
bool trace_on(void);

/* ---- who this is ---- */

/* Host, user and configuration: processes that share all three are one instance. */
struct trace_instance {
	char id[TRACE_ID_SIZE];
	char host[256];
	uint64_t mark;
	int64_t generation;
	char source[256];
};
void trace_instance_of(struct trace_instance *i, const struct trace_options *o);
/* Of the process; asks the system's user database, which may take a while. */
void trace_user_name(char *out, size_t size);
/* The files of such options, whether this process writes to them or not. -1: dir is too long. */
int trace_place_of(struct trace_place *p, const struct trace_options *o);
/* Where the files are, and their bounds. False while off. */
bool trace_place_get(struct trace_place *out);

/* ---- what a request is ---- */

#define TRACE_BLOCKS (BLOCK_OTHER + 1)
/* Kinds and sizes of a conversation, taken when it was parsed. */
struct trace_shape {
	size_t turns, system, system_bytes, tools, tools_bytes;
	size_t blocks[TRACE_BLOCKS], bytes[TRACE_BLOCKS];
	int64_t max_tokens;
};
void trace_shape_of(struct trace_shape *s, const struct message_request *r);

/* A request on its way, as far as it is known; NULL and 0 for what is not. All is borrowed. */
struct trace_request {
	const char *id, *correlation_id, *method, *path, *key, *session_id;
	int64_t started_us, first_byte_us;
	size_t bytes_in, bytes_out;
	struct str body;                /* while it is held: what entries are compared with */
	bool shaped, stream;
	struct trace_shape shape;
	const char *asked, *routed, *backend, *rule;
	int attempts, members, upstream_status;
	const char *upstream_id;
	const char *secrets[4];         /* the caller's key and the like; NULL-terminated */
	struct str upstream_head;       /* of an error's body */
	/* Brings the rest up to date before an entry is made; may be NULL. */
	void (*fill)(struct trace_request *r);
};

/* The request that this thread is at; NULL: none. Entries made meanwhile are about it. */
void trace_begin(struct trace_request *r);
void trace_end(void);
/* The error body of an upstream, a copy of its head in the arena. */
void trace_upstream_error(struct arena *a, struct str body);

/* ---- what happened ---- */

enum trace_fate {
	TRACE_ANSWERED,                 /* the client was told */
	TRACE_RETRIED,                  /* the same backend is asked again */
	TRACE_PASSED_ON,                /* the next member is asked */
	TRACE_LOGGED,                   /* a message of the log */
};
void trace_fault(const struct fault *f, enum trace_fate fate);
/* A tool of an MCP server has failed, with a result of so many bytes: an entry of a file of its own,
 * for it is no error of the gateway. */
void trace_mcp(const char *tool, size_t result_bytes);

/* ---- tidying ---- */

/* Hourly, or since a file was full: is it time? */
bool trace_tidy_due(void);
/* Tidies in a thread of its own, if it is time. */
void trace_tidy_later(void);
/* Tidies here and now, if it is time, for budget_ms. */
void trace_tidy_now(int budget_ms);

#endif
