/*
 * The error files, all below log.dir:
 *
 *   errors/errors_2026-11-22.jsonl                 what clients were told, of all instances
 *   debug/server_ID/errors_2026-11-22.jsonl        all that an instance met
 *   debug/server_ID/debug_2026-11-22.jsonl         the same with contents, at log.level debug
 *   mcp/mcp_2026-11-22.jsonl                       MCP servers
 *
 * A day (UTC) is a file. One that reaches its share of log.max_bytes becomes a part,
 * errors_2026-11-22.153045.jsonl, and a new one begins; what is over may be compressed (.gz).
 * Files and folders are made when there is something to write.
 *
 * No descriptor is kept: each entry is open, one write, close. So entries of any number of
 * processes stay whole, and files may be moved or removed at any time. Whatever goes wrong, the
 * caller gets -1 and nothing else happens.
 */
#ifndef TRACE_STORE_H
#define TRACE_STORE_H

#include "base/buf.h"

#define TRACE_DIR_MAX 900       /* bytes of log.dir */
#define TRACE_LINE_MAX 16384    /* bytes of one entry */
#define TRACE_ID_SIZE 13        /* 12 hex digits of an instance */
#define TRACE_SHARES 8          /* no file becomes larger than this part of max_bytes */

enum trace_kind { TRACE_ERRORS, TRACE_OWN, TRACE_DEBUG, TRACE_MCP, TRACE_KINDS };

struct trace_place {
	char dir[TRACE_DIR_MAX + 1];
	char instance[TRACE_ID_SIZE];
	int64_t max_bytes;
	int max_files, retention_days;
	bool compress;
};

/* Appends one entry, its newline included. -1 with errno: EFBIG when the file is full and could
 * not be made a part (another process is about to). A file that was not there makes room for itself
 * (store_shorten). *untidy: it is time to tidy. */
int store_append(const struct trace_place *p, enum trace_kind kind, struct str line,
		 int64_t wall_ms, bool *untidy);
/* Bytes that one file may have. */
int64_t store_share(const struct trace_place *p);

/* A file that is there. */
struct trace_file {
	enum trace_kind kind;
	char instance[TRACE_ID_SIZE];   /* "" where the kind has none */
	char name[48];
	char day[11];                   /* "2026-11-22" */
	bool part, packed;              /* closed by size; compressed */
	int64_t size, modified;         /* bytes; wall seconds */
};
struct trace_files {
	struct trace_file *v;
	size_t n;
	int64_t bytes;
	bool more;                      /* there are more than are kept here */
	int problem;                    /* errno of a folder that could not be read, 0 */
};

/* Lists them, newest first; only names of this program's own. kinds: bits 1 << kind. */
int store_list(const struct trace_place *p, unsigned kinds, struct trace_files *out) MUST_CHECK;
void store_list_release(struct trace_files *f);
/* The folder that a listed file is in, and the file in it for reading: descriptors, or -1 with
 * errno. Below log.dir no link is followed. */
int store_folder(const struct trace_place *p, const struct trace_file *f);
int store_open(int folder, const char *name);
/* 0 also when it has gone already. */
int store_remove(const struct trace_place *p, const struct trace_file *f);

/* The one lock of the folder, held by who rotates or tidies: a descriptor, or -1 with errno
 * (EWOULDBLOCK: another has it). Closing it gives it back. Its file's time is the last tidying. */
int store_lock(const struct trace_place *p);
/* Wall seconds of the last tidying, 0 for never. */
int64_t store_tidied(const struct trace_place *p);

struct trace_tidied {
	size_t deleted, packed, files;  /* files: left */
	int64_t freed, bytes;           /* bytes: left */
	bool more;                      /* the time was up */
};
/*
 * Deletes what is older than retention_days (today is day 0; p's own value is not used), compresses
 * what is over, and deletes the oldest while there are more than max_files or max_bytes. Ends after
 * about budget_ms. -1 with errno when another process is at it or the folder is not there.
 */
int store_tidy(const struct trace_place *p, int retention_days, int64_t wall_ms, int budget_ms,
	       struct trace_tidied *out);
/*
 * Deletes the oldest while there are more than max_files or max_bytes, and nothing else: quick
 * enough for the way of an entry. Those of today's files that this instance writes to count with the
 * share that they may grow to, so that the bound holds until the next file is made. When another
 * process is at it nothing is done.
 */
void store_shorten(const struct trace_place *p, int64_t wall_ms);
/* Is compression built in? */
bool store_packs(void);
/* Reads a whole compressed file, at most max bytes of it, and closes it. -1 with errno when it can't
 * be, or not to its end: what could be is in out. */
int store_unpack(int fd, size_t max, struct buf *out);

#endif
