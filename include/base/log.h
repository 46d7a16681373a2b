/*
 * The program's own log: one JSON object a line, written whole with one write(2) (O_APPEND for files),
 * so that many processes can share a file. Levels in rising weight. Contents of requests and secrets never get here:
 * callers pass sizes and names only.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/site.h"

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

/* Warnings and errors are error sites (base/site.h): the line has "site" and "error_id" too. */
#define log_debug(...) log_msg(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_msg(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...) log_at(LOG_SITE("log/warn", __VA_ARGS__), LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_at(LOG_SITE("log/error", __VA_ARGS__), LOG_LEVEL_ERROR, __VA_ARGS__)
/* With a code of its own, for places of one function that mean different things. */
#define log_warn_as(code, ...) log_at(LOG_SITE(code, __VA_ARGS__), LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error_as(code, ...) log_at(LOG_SITE(code, __VA_ARGS__), LOG_LEVEL_ERROR, __VA_ARGS__)
#define LOG_SITE(code, ...) ERROR_SITE(code, SITE_TEXT(__VA_ARGS__))
void log_at(const struct error_site *site, enum log_level level, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
/* Called with each message of a site, whatever the level of the log is; one for the process, NULL
 * for none. It may log: what comes of that is not told again. */
typedef void log_listener(const struct error_site *site, enum log_level level, struct str text);
void log_listen(log_listener *listener);

#endif
