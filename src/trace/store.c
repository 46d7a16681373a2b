/* Where error files are, how an entry gets into one, which there are. */
#include "trace/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILES_MAX 8192
#define FOLDERS_MAX 1024
#define DIR_MODE 0750
#define FILE_MODE 0640
#define PATH_SIZE (TRACE_DIR_MAX + 16)   /* log.dir and a folder or a file in it */

/* kind: the folder, whether instances have folders of their own in it, how names begin */
static const struct kind {
	const char *folder;
	bool own;
	const char *prefix;
} kinds[TRACE_KINDS] = {
	[TRACE_ERRORS] = { "errors", false, "errors_" },
	[TRACE_OWN] = { "debug", true, "errors_" },
	[TRACE_DEBUG] = { "debug", true, "debug_" },
	[TRACE_MCP] = { "mcp", false, "mcp_" },
};

/* ---- folders ---- */

static int close_but(int fd, int rc)
{
	int cause = errno;

	close(fd);
	errno = cause;
	return rc;
}

/* Makes (or not) and opens a folder in `at`, or at a path. */
static int open_folder(int at, const char *name, bool make)
{
	struct stat st;
	int fd;

	if (make && mkdirat(at, name, DIR_MODE) < 0 && errno != EEXIST)
		return -1;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOTDIR)
		errno = fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode)
			? ELOOP : ENOTDIR;
	return fd;
}

/* "DIR/errors". log.dir itself is made, too, and may be a link; below it none is followed, and all is done in folders
 * that are held open, so that who may write there can't have files made or deleted elsewhere. */
static int open_top(const struct trace_place *p, enum trace_kind kind, bool make)
{
	char path[PATH_SIZE];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", p->dir, kinds[kind].folder);
	fd = open_folder(AT_FDCWD, path, make);
	if (fd >= 0 || !make || errno != ENOENT || mkdir(p->dir, DIR_MODE) < 0)
		return fd;
	return open_folder(AT_FDCWD, path, true);
}

/* "DIR/errors" or "DIR/debug/server_ID" */
static int open_place(const struct trace_place *p, enum trace_kind kind, const char *instance,
		      bool make)
{
	int top = open_top(p, kind, make);
	char name[sizeof("server_") + TRACE_ID_SIZE];

	if (top < 0 || !kinds[kind].own)
		return top;
	snprintf(name, sizeof(name), "server_%s", instance);
	return close_but(top, open_folder(top, name, make));
}

int store_folder(const struct trace_place *p, const struct trace_file *f)
{
	return open_place(p, f->kind, f->instance, false);
}

int store_open(int folder, const char *name)
{
	return openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
}

/* The folder of an instance goes with its last file. */
int store_remove(const struct trace_place *p, const struct trace_file *f)
{
	char name[sizeof("server_") + TRACE_ID_SIZE], half[sizeof(f->name) + 9];
	int folder = store_folder(p, f), rc;

	if (folder < 0)
		return -1;
	rc = unlinkat(folder, f->name, 0) < 0 && errno != ENOENT ? -1 : 0;
	/* What a process that was killed while it compressed has left. */
	snprintf(half, sizeof(half), "%s.gz.half", f->name);
	if (rc == 0)
		unlinkat(folder, half, 0);
	rc = close_but(folder, rc);
	if (rc || !f->instance[0] || (folder = open_top(p, f->kind, false)) < 0)
		return rc;
	snprintf(name, sizeof(name), "server_%s", f->instance);
	unlinkat(folder, name, AT_REMOVEDIR);
	close(folder);
	return 0;
}

static void put_time(char *out, size_t size, const char *format, int64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || !strftime(out, size, format, &tm))
		snprintf(out, size, "1970-01-01");
}

/* ---- writing ---- */

/* made: it was not there. */
static int open_file(int folder, const char *name, bool *made)
{
	const int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK;
	int fd = openat(folder, name, flags);

	if (fd < 0 && errno == ENOENT) {
		fd = openat(folder, name, flags | O_CREAT, FILE_MODE);
		*made = fd >= 0;
	}
	return fd;
}

int64_t store_share(const struct trace_place *p)
{
	int64_t n = p->max_bytes / TRACE_SHARES;

	return n < 4 * TRACE_LINE_MAX ? 4 * TRACE_LINE_MAX : n;
}

/* When root tidies by hand, the lock stays the gateway's. */
static void give_to_owner(const struct trace_place *p, int fd)
{
	struct stat st;

	if (geteuid() == 0 && stat(p->dir, &st) == 0 && st.st_uid != 0 &&
	    fchown(fd, st.st_uid, st.st_gid) < 0)
		return;
}

int store_lock(const struct trace_place *p)
{
	char path[PATH_SIZE];
	int fd;

	snprintf(path, sizeof(path), "%s/.lock", p->dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK,
		  FILE_MODE);
	if (fd >= 0)
		give_to_owner(p, fd);
	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 ? close_but(fd, -1) : fd;
}

int64_t store_tidied(const struct trace_place *p)
{
	char path[PATH_SIZE];
	struct stat st;

	snprintf(path, sizeof(path), "%s/.lock", p->dir);
	/* A lock that was only made, and never used to tidy, is empty. */
	return lstat(path, &st) || st.st_size == 0 ? 0 : (int64_t)st.st_mtime;
}

/* Makes the full file a part, unless another has done so meanwhile. */
static int make_part(const struct trace_place *p, int folder, const char *name, int64_t wall_ms)
{
	char part[96], when[16];
	struct stat st;
	int lock = store_lock(p), rc = -1;

	if (lock < 0)
		return -1;
	put_time(when, sizeof(when), "%H%M%S", wall_ms);
	snprintf(part, sizeof(part), "%.*s.%s.jsonl", (int)(strlen(name) - strlen(".jsonl")), name,
		 when);
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_size < store_share(p) / 2)
		rc = 0;
	else if (faccessat(folder, part, F_OK, 0) < 0)
		rc = renameat(folder, name, folder, part);
	close(lock);
	return rc;
}

/* The file with room for a line. made: it is a new one; full: there was no room in the old one. */
static int open_for(const struct trace_place *p, int folder, const char *name, size_t more,
		    int64_t wall_ms, bool *made, bool *full)
{
	int fd = open_file(folder, name, made);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		errno = EINVAL;
		return -1;
	}
	if (st.st_size == 0 || st.st_size + (int64_t)more <= store_share(p))
		return fd;
	close(fd);
	*full = true;
	if (make_part(p, folder, name, wall_ms) == 0)
		return open_file(folder, name, made);
	errno = EFBIG;
	return -1;
}

int store_append(const struct trace_place *p, enum trace_kind kind, struct str line,
		 int64_t wall_ms, bool *untidy)
{
	char name[48], day[16];
	int fd = -1, rc;
	bool made = false;
	ssize_t n;

	put_time(day, sizeof(day), "%Y-%m-%d", wall_ms);
	snprintf(name, sizeof(name), "%s%s.jsonl", kinds[kind].prefix, day);
	/* The folder is made where there is none, or where it went with its last file just now. */
	for (int make = 0; fd < 0 && make < 2; make++) {
		int folder = open_place(p, kind, p->instance, make);

		if (folder >= 0)
			fd = close_but(folder, open_for(p, folder, name, line.n, wall_ms, &made,
							untidy));
		if (fd < 0 && errno != ENOENT)
			return -1;
	}
	if (fd < 0)
		return -1;
	n = write(fd, line.p, line.n);
	if (n >= 0 && (size_t)n < line.n)
		errno = ENOSPC;
	rc = close(fd) < 0 || n != (ssize_t)line.n ? -1 : 0;
	if (made)
		store_shorten(p, wall_ms);
	return rc;
}

/* ---- listing ---- */

static bool digits_like(const char *s, const char *like)
{
	for (; *like; s++, like++)
		if (*like == '0' ? *s < '0' || *s > '9' : *s != *like)
			return false;
	return true;
}

/* "errors_2026-11-22.jsonl", ".153045.jsonl", each with ".gz" or not. */
static bool read_name(const char *name, enum trace_kind kind, struct trace_file *f)
{
	const char *at = name + strlen(kinds[kind].prefix);

	if (!str_starts(str_of(name), kinds[kind].prefix) || !digits_like(at, "0000-00-00"))
		return false;
	memcpy(f->day, at, 10);
	f->day[10] = '\0';
	at += 10;
	f->part = digits_like(at, ".000000");
	if (f->part)
		at += 7;
	f->packed = strcmp(at, ".jsonl.gz") == 0;
	if (!f->packed && strcmp(at, ".jsonl") != 0)
		return false;
	snprintf(f->name, sizeof(f->name), "%.*s", (int)sizeof(f->name) - 1, name);
	f->kind = kind;
	return true;
}

static void add_file(struct trace_files *out, size_t *cap, const struct trace_file *f)
{
	if (out->n == *cap) {
		size_t more = *cap ? *cap * 2 : 32;
		struct trace_file *v =
			out->n < FILES_MAX ? realloc(out->v, more * sizeof(*v)) : NULL;

		if (!v) {
			out->more = true;
			return;
		}
		out->v = v;
		*cap = more;
	}
	out->v[out->n++] = *f;
	out->bytes += f->size;
}

static DIR *list_start(int folder, struct trace_files *out)
{
	DIR *d = folder < 0 ? NULL : fdopendir(folder);

	if (!d && errno != ENOENT)
		out->problem = errno;
	if (!d && folder >= 0)
		close(folder);
	return d;
}

static void list_folder(const struct trace_place *p, enum trace_kind kind, const char *instance,
			struct trace_files *out, size_t *cap)
{
	struct dirent *e;
	DIR *d = list_start(open_place(p, kind, instance, false), out);

	while (d && (e = readdir(d))) {
		struct trace_file f = { 0 };
		struct stat st;

		if (!read_name(e->d_name, kind, &f) ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		snprintf(f.instance, sizeof(f.instance), "%s", instance);
		f.size = st.st_size;
		f.modified = st.st_mtime;
		add_file(out, cap, &f);
	}
	if (d)
		closedir(d);
}

static void list_instances(const struct trace_place *p, unsigned wanted, struct trace_files *out,
			   size_t *cap)
{
	struct dirent *e;
	DIR *d = list_start(open_top(p, TRACE_OWN, false), out);
	int seen = 0;

	while (d && seen < FOLDERS_MAX && (e = readdir(d))) {
		char id[TRACE_ID_SIZE];

		if (strlen(e->d_name) != strlen("server_") + TRACE_ID_SIZE - 1 ||
		    !str_starts(str_of(e->d_name), "server_"))
			continue;
		seen++;
		memcpy(id, e->d_name + strlen("server_"), sizeof(id));
		for (int kind = 0; kind < TRACE_KINDS; kind++)
			if (kinds[kind].own && (wanted & 1u << kind))
				list_folder(p, (enum trace_kind)kind, id, out, cap);
	}
	if (d)
		closedir(d);
}

/* Newest first: by day, what is still written before the day's parts, these by the time in their
 * names, those of one name by their last entries. */
static int newer(const void *a, const void *b)
{
	const struct trace_file *x = a, *y = b;
	int by_day = strcmp(y->day, x->day), by_name;

	if (by_day)
		return by_day;
	if (x->part != y->part)
		return x->part ? 1 : -1;
	by_name = strcmp(y->name, x->name);
	return by_name ? by_name : (y->modified > x->modified) - (y->modified < x->modified);
}

int store_list(const struct trace_place *p, unsigned wanted, struct trace_files *out)
{
	size_t cap = 0;

	*out = (struct trace_files){ 0 };
	for (int kind = 0; kind < TRACE_KINDS; kind++)
		if (!kinds[kind].own && (wanted & 1u << kind))
			list_folder(p, (enum trace_kind)kind, "", out, &cap);
	list_instances(p, wanted, out, &cap);
	if (out->n)
		qsort(out->v, out->n, sizeof(*out->v), newer);
	return out->more && !out->n ? -1 : 0;
}

void store_list_release(struct trace_files *f)
{
	free(f->v);
	*f = (struct trace_files){ 0 };
}
