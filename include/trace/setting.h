/* What trace.c and entry.c share: the options in force, counted by who uses them. */
#ifndef TRACE_SETTING_H
#define TRACE_SETTING_H

#include <stdatomic.h>

#include "base/log.h"
#include "trace/trace.h"

struct trace_setting {
	atomic_int refs;
	struct trace_place place;
	bool debug;
	size_t content_bytes;
};

/* What an entry is made of. */
struct trace_event {
	const struct error_site *site;
	const struct fault *fault;      /* NULL: a message of the log */
	enum trace_fate fate;
	enum log_level level;
	struct str text;                /* the message */
	const char *tool;               /* an MCP server's; NULL: none */
	size_t result_bytes;            /* of it */
	const struct trace_request *request;    /* NULL: none */
	int64_t wall_us, now_us;
};
/* One line with its newline; contents too when debug is set. Fails (sticky) beyond
 * TRACE_LINE_MAX. */
void entry_put(struct buf *b, const struct trace_setting *s, const struct trace_event *e,
	       bool debug);

#endif
