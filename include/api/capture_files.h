/*
 * The folders of captures (api/capture.h): one each, 0700, its files 0600. One that is being
 * written is called ".NAME", and takes its name when it is whole.
 */
#ifndef API_CAPTURE_FILES_H
#define API_CAPTURE_FILES_H

#include "base/arena.h"
#include "base/buf.h"

#define CAPTURE_NAME_SIZE 80

struct config;

struct capture_folder {
	const char *dir, *name;
	int dir_fd, fd;                 /* -1: not open */
};

/* "20261122T171500Z-req_…": sorted by name they are sorted by time. */
void capture_name(char out[CAPTURE_NAME_SIZE], int64_t wall_ms, const char *id);
/* capture.dir, else "capture" in log.dir; NULL: neither is set. */
const char *capture_dir(const struct config *c, struct arena *a);

/* Whether captures can be written there; the folder is made if it is missing. False with a line in
 * the log. */
bool capture_possible(const char *dir) MUST_CHECK;
/* False, and a line in the log, when it can't be made. Close it in any case. */
bool capture_folder_open(struct capture_folder *f, const char *dir, const char *name) MUST_CHECK;
/* call: its number, 0 for none. more: what stands behind b, or NULL. */
bool capture_put_file(struct capture_folder *f, size_t call, const char *what,
		      const struct buf *b, const struct buf *more) MUST_CHECK;
/* ok: it gets its name, else it is removed. */
void capture_folder_close(struct capture_folder *f, bool ok);
/* Removes the oldest until no more than these are left, and what was left half written an hour
 * ago. */
void capture_tidy(const char *dir, int max_requests, int64_t max_bytes);
/* The file's bytes appended to b; false: it can't be read. */
bool capture_read_file(const char *folder, size_t call, const char *what, struct buf *b) MUST_CHECK;

#endif
