/*
 * The program's own log: one JSON object a line, written whole with one write(2) (O_APPEND for files),
 * so that many processes can share a file. Levels in rising weight. Contents of requests and secrets never get here:
 * callers pass sizes and names only.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/str.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR, LOG_LEVEL_NONE };

/* dest: "stderr", "syslog", "none" or a file's path (opened for appending, reopened by log_reopen).
 * May be called again to change both. Returns -1 (and logs to stderr) when the file can't be opened. */
int log_setup(enum log_level level, const char *dest);
void log_reopen(void);
bool log_enabled(enum log_level level);
/* {"time":…,"level":…,"pid":…,"message":…}; one line, escaped; at most 4 KB of message. */
void log_msg(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A complete JSON object without the newline, as the request log writes it. */
void log_line(enum log_level level, struct str json);
/* "debug", "info", "warn"/"warning", "error", "none"; -1 when unknown. Case-insensitive. */
int log_level_of(struct str name);

#define log_debug(...) log_msg(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_msg(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...) log_msg(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_msg(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
