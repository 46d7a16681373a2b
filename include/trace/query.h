/*
 * Reading the error files: what the debug endpoints and `messages.fcgi errors` answer, as JSON.
 * Files are read from their ends, newest first, a block at a time; memory, bytes and time are
 * bounded, and an answer that met a bound says so ("complete": false). Lines that are torn or no
 * entries are skipped.
 */
#ifndef TRACE_QUERY_H
#define TRACE_QUERY_H

#include "base/buf.h"
#include "trace/store.h"

#define QUERY_LIMIT 50          /* entries, unless it is said */
#define QUERY_LIMIT_MAX 500

/* What an entry must be; NULL: anything. */
struct trace_filter {
	const char *id;                 /* correlation id, ours or the client's */
	const char *hash, *type, *function;
	const char *file;               /* the whole path, or its end */
	char since[32];                 /* as entries write their time; "": any */
};

struct trace_query {
	struct trace_filter filter;
	bool all;                       /* of instances: retries and warnings too; else what clients
					 * were told */
	bool brief;                     /* the members that a list needs */
	size_t limit;
	int budget_ms;
};

/* Reads "2026-11-22", "2026-11-22T10:00:00Z" or a while ago: "90s", "30m", "12h", "7d". -1 when it
 * is none of these. */
int query_since(const char *text, int64_t wall_ms, char out[32]);

/* {"errors":[…],"count":n,"complete":true}; appended. *found: how many. -1 without memory. */
int query_errors(const struct trace_place *p, const struct trace_query *q, struct buf *out,
		 size_t *found);
/* {"total":n,"by_type":[…],"by_hash":[…],…}; appended. */
int query_stats(const struct trace_place *p, const struct trace_query *q, struct buf *out);
/* {"sites":[…],"count":n}: the program's error sites. */
int query_registry(struct buf *out);
/* The same as text for a terminal, a line each. */
int query_registry_text(struct buf *out);

#endif
