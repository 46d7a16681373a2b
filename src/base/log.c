/*
 * The program's own log. A line is made in a buffer on the stack and goes out with one write(2),
 * so that lines of processes that share a file (O_APPEND) or a pipe never mix. The descriptor is
 * kept in an atomic: log_reopen swaps it under running threads with dup2, so that a writer never
 * meets a closed one.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/os.h"

/* syslog.h's names collide with nothing here: LOG_DEBUG … are priorities, LOG_LEVEL_* are ours. */
enum log_kind { LOG_TO_STDERR, LOG_TO_SYSLOG, LOG_TO_FILE, LOG_TO_NOWHERE };

static _Atomic int log_level = LOG_LEVEL_INFO;
static _Atomic int log_kind = LOG_TO_STDERR;
static _Atomic int log_fd = STDERR_FILENO;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER; /* of who sets it up or opens it again */
static char *log_path;

static const struct level_name {
	const char *name;
	enum log_level level;
	int priority;           /* syslog's */
} level_names[] = {
	{ "debug", LOG_LEVEL_DEBUG, LOG_DEBUG },
	{ "info", LOG_LEVEL_INFO, LOG_INFO },
	{ "warn", LOG_LEVEL_WARN, LOG_WARNING },
	{ "error", LOG_LEVEL_ERROR, LOG_ERR },
	{ "none", LOG_LEVEL_NONE, LOG_DEBUG },
	{ "warning", LOG_LEVEL_WARN, LOG_WARNING },
};

int log_level_of(struct str name)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(*level_names); i++)
		if (str_is_nocase(name, level_names[i].name))
			return level_names[i].level;
	return -1;
}

bool log_enabled(enum log_level level)
{
	return (int)level >= atomic_load_explicit(&log_level, memory_order_relaxed) &&
		atomic_load_explicit(&log_kind, memory_order_relaxed) != LOG_TO_NOWHERE;
}

static bool is_trusted(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

/* Another's link could lead to any file of this user's. So it must be root's or ours, and stand in a
 * folder where not everybody can put another in its place between the look and the opening. */
static bool link_is_trusted(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	struct stat link, up;
	bool good = folder && lstat(path, &link) == 0 && is_trusted(&link) &&
		    stat(folder, &up) == 0 && is_trusted(&up) &&
		    (!(up.st_mode & S_IWOTH) || (up.st_mode & S_ISVTX));

	free(folder);
	return good;
}

static int open_append(const char *path)
{
	const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY;
	int fd = open(path, flags | O_NOFOLLOW, 0640);

	if (fd >= 0 || errno != ELOOP)
		return fd;
	if (link_is_trusted(path))
		return open(path, flags, 0640);
	errno = ELOOP;
	return -1;
}

/* Opens path and puts it where writers look. The number of the descriptor stays over reopening. */
static int file_open(const char *path)
{
	int fd = open_append(path);
	int old = atomic_load(&log_fd);

	if (fd < 0)
		return -1;
	if (old > STDERR_FILENO) {
		os_dup_onto(fd, old);
		close(fd);
	} else {
		atomic_store(&log_fd, fd);
	}
	return 0;
}

static int setup_file(const char *path)
{
	char *copy = strdup(path);

	if (!copy || file_open(path) < 0) {
		int cause = errno;

		free(copy);
		atomic_store(&log_kind, LOG_TO_STDERR);
		log_error("log file %s can't be opened: %s; logging to stderr", path,
			strerror(cause));
		return -1;
	}
	free(log_path);
	log_path = copy;
	atomic_store(&log_kind, LOG_TO_FILE);
	return 0;
}

static int set_up(enum log_level level, const char *dest)
{
	atomic_store(&log_level, (int)level);
	if (strcmp(dest, "stderr") == 0) {
		atomic_store(&log_kind, LOG_TO_STDERR);
	} else if (strcmp(dest, "none") == 0) {
		atomic_store(&log_kind, LOG_TO_NOWHERE);
	} else if (strcmp(dest, "syslog") == 0) {
		openlog("messages.fcgi", LOG_PID, LOG_DAEMON);
		atomic_store(&log_kind, LOG_TO_SYSLOG);
	} else {
		return setup_file(dest);
	}
	return 0;
}

int log_setup(enum log_level level, const char *dest)
{
	int rc;

	pthread_mutex_lock(&log_lock);
	rc = set_up(level, dest);
	pthread_mutex_unlock(&log_lock);
	return rc;
}

void log_reopen(void)
{
	pthread_mutex_lock(&log_lock);
	if (atomic_load(&log_kind) == LOG_TO_FILE && file_open(log_path) < 0)
		log_error("log file %s can't be opened again: %s", log_path, strerror(errno));
	pthread_mutex_unlock(&log_lock);
}

static int syslog_priority(enum log_level level)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(*level_names); i++)
		if (level_names[i].level == level)
			return level_names[i].priority;
	return LOG_INFO;
}

void log_line(enum log_level level, struct str json)
{
	struct iovec v[2] = {
		{ .iov_base = (void *)(uintptr_t)json.p, .iov_len = json.n },
		{ .iov_base = (void *)(uintptr_t)"\n", .iov_len = 1 },
	};
	int kind = atomic_load(&log_kind);
	int saved = errno;
	ssize_t n;

	if (!log_enabled(level))
		return;
	if (kind == LOG_TO_SYSLOG) {
		syslog(syslog_priority(level), "%.*s", STR_ARGS(json));
	} else {
		/* A log that can't be written must not stop the program, nor be retried for
		 * ever. */
		do {
			n = writev(kind == LOG_TO_FILE ? atomic_load(&log_fd) : STDERR_FILENO, v, 2);
		} while (n < 0 && errno == EINTR);
	}
	errno = saved;
}

/* Appends text escaped as the content of a JSON string; in a text that is no UTF-8 the high bytes
 * become '?'. Stops between two characters when the room is nearly used up. */
static size_t put_escaped(char *out, size_t at, size_t size, struct str text)
{
	bool utf8 = str_utf8(text);

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (at + 12 > size && (c & 0xc0) != 0x80)
			break;
		if (c == '"' || c == '\\') {
			out[at++] = '\\';
			out[at++] = (char)c;
		} else if (c < 0x20 || c == 0x7f) {
			at += (size_t)snprintf(out + at, size - at, "\\u%04x", c);
		} else {
			out[at++] = c >= 0x80 && !utf8 ? '?' : (char)c;
		}
	}
	return at;
}

static const char *level_name(enum log_level level)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(*level_names); i++)
		if (level_names[i].level == level)
			return level_names[i].name;
	return "info";
}

/* site: NULL none */
static void put_line(const struct error_site *site, enum log_level level, struct str text)
{
	char line[5376], when[32], id[SITE_ID_SIZE];
	size_t at;

	clock_rfc3339(when, sizeof(when), clock_wall_ms(), 1);
	at = (size_t)snprintf(line, sizeof(line),
		"{\"time\":\"%s\",\"level\":\"%s\",\"pid\":%ld,", when, level_name(level),
		(long)getpid());
	if (site) {
		site_id(site, id);
		at += (size_t)snprintf(line + at, 256,
				       "\"error_id\":\"%s\",\"site\":\"%.180s:%d\",", id,
				       site_file(site), site->line);
	}
	at += (size_t)snprintf(line + at, sizeof(line) - at, "\"message\":\"");
	at = put_escaped(line, at, sizeof(line) - 4, text);
	memcpy(line + at, "\"}", 2);
	log_line(level, (struct str){ line, at + 2 });
}

static _Atomic(log_listener *) listener;

void log_listen(log_listener *l)
{
	atomic_store(&listener, l);
}

static void tell_listener(const struct error_site *site, enum log_level level, struct str text)
{
	static _Thread_local bool telling;
	log_listener *l = atomic_load(&listener);

	if (!l || telling)
		return;
	telling = true;
	l(site, level, text);
	telling = false;
}

/* Kept apart, so that a message that nobody reads costs no stack. */
static NOINLINE void say(const struct error_site *site, enum log_level level, const char *fmt,
			 va_list ap)
{
	char text[2560];
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	struct str cut = { text, n < 0 ? 0 : (size_t)n };

	if (n < 0)
		return;
	if (cut.n >= sizeof(text)) {
		cut.n = sizeof(text) - 1;
		cut = str_cut_utf8(cut, sizeof(text) - 5);
	}
	if (log_enabled(level))
		put_line(site, level, cut);
	if (site)
		tell_listener(site, level, cut);
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	say(NULL, level, fmt, ap);
	va_end(ap);
	errno = saved;
}

void log_at(const struct error_site *site, enum log_level level, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (!log_enabled(level) && !atomic_load(&listener))
		return;
	va_start(ap, fmt);
	say(site, level, fmt, ap);
	va_end(ap);
	errno = saved;
}
