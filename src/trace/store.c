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

/* log.dir itself may be a link; below it none is followed, so that who may write there can't have
 * files made or deleted elsewhere. */
static bool has_link(const struct trace_place *p, char *path)
{
	char *at = path + strlen(p->dir);
	struct stat st;
	bool link = false;

	while (at && !link) {
		at = strchr(at + 1, '/');
		if (at)
			*at = '\0';
		link = lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
		if (at)
			*at = '/';
	}
	return link;
}

/* "DIR/errors" or "DIR/debug/server_ID" */
static int folder_path(const struct trace_place *p, enum trace_kind kind, const char *instance,
		       char out[TRACE_PATH_MAX])
{
	const struct kind *k = &kinds[kind];
	int n = k->own ? snprintf(out, TRACE_PATH_MAX, "%s/%s/server_%s", p->dir, k->folder,
				  instance)
		       : snprintf(out, TRACE_PATH_MAX, "%s/%s", p->dir, k->folder);

	if (n < 0 || n >= TRACE_PATH_MAX - 64) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (has_link(p, out)) {
		errno = ELOOP;
		return -1;
	}
	return n;
}

int store_path(const struct trace_place *p, const struct trace_file *f, char out[TRACE_PATH_MAX])
{
	int n = folder_path(p, f->kind, f->instance, out);

	if (n >= 0)
		snprintf(out + n, TRACE_PATH_MAX - (size_t)n, "/%s", f->name);
	return n < 0 ? -1 : 0;
}

static void put_time(char *out, size_t size, const char *format, int64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || !strftime(out, size, format, &tm))
		snprintf(out, size, "1970-01-01");
}

/* ---- writing ---- */

/* The folders above a path, from log.dir's own on. */
static void make_folders(const struct trace_place *p, char *path)
{
	for (char *at = path + strlen(p->dir); at; at = strchr(at + 1, '/')) {
		if (*at != '/')
			break;
		*at = '\0';
		if (mkdir(path, DIR_MODE) < 0 && errno != EEXIST) {
			*at = '/';
			return;
		}
		*at = '/';
	}
}

static int open_file(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW |
			  O_NONBLOCK, FILE_MODE);
}

static int64_t share(const struct trace_place *p)
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
	char path[TRACE_PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/.lock", p->dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK,
		  FILE_MODE);
	if (fd >= 0)
		give_to_owner(p, fd);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int cause = errno;

		close(fd);
		errno = cause;
		return -1;
	}
	return fd;
}

int64_t store_tidied(const struct trace_place *p)
{
	char path[TRACE_PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/.lock", p->dir);
	/* A lock that was only made, and never used to tidy, is empty. */
	return stat(path, &st) || st.st_size == 0 ? 0 : (int64_t)st.st_mtime;
}

/* Makes the full file a part, unless another has done so meanwhile. */
static int make_part(const struct trace_place *p, const char *path, int64_t wall_ms)
{
	char part[TRACE_PATH_MAX + 16], when[16];
	struct stat st;
	int lock = store_lock(p), rc = -1;

	if (lock < 0)
		return -1;
	put_time(when, sizeof(when), "%H%M%S", wall_ms);
	snprintf(part, sizeof(part), "%.*s.%s.jsonl", (int)(strlen(path) - strlen(".jsonl")), path,
		 when);
	if (stat(path, &st) < 0 || st.st_size < share(p) / 2)
		rc = 0;
	else if (access(part, F_OK) < 0)
		rc = rename(path, part);
	close(lock);
	return rc;
}

static int append(const struct trace_place *p, char *path, struct str line, int64_t wall_ms,
		  bool *rotated)
{
	int fd = open_file(path);
	struct stat st;
	ssize_t n;

	if (fd < 0 && errno == ENOENT) {
		make_folders(p, path);
		fd = open_file(path);
	}
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		errno = EINVAL;
		return -1;
	}
	if (st.st_size > 0 && st.st_size + (int64_t)line.n > share(p)) {
		close(fd);
		*rotated = true;
		if (make_part(p, path, wall_ms) == 0)
			fd = open_file(path);
		else
			fd = (errno = EFBIG, -1);
		if (fd < 0)
			return -1;
	}
	n = write(fd, line.p, line.n);
	if (n >= 0 && (size_t)n < line.n)
		errno = ENOSPC;
	if (close(fd) < 0 || n != (ssize_t)line.n)
		return -1;
	return 0;
}

int store_append(const struct trace_place *p, enum trace_kind kind, struct str line,
		 int64_t wall_ms, bool *rotated)
{
	char path[TRACE_PATH_MAX], day[16];
	int n = folder_path(p, kind, p->instance, path);

	if (n < 0)
		return -1;
	put_time(day, sizeof(day), "%Y-%m-%d", wall_ms);
	snprintf(path + n, sizeof(path) - (size_t)n, "/%s%s.jsonl", kinds[kind].prefix, day);
	return append(p, path, line, wall_ms, rotated);
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

static void list_folder(const struct trace_place *p, enum trace_kind kind, const char *instance,
			struct trace_files *out, size_t *cap)
{
	char path[TRACE_PATH_MAX];
	struct dirent *e;
	DIR *d = folder_path(p, kind, instance, path) < 0 ? NULL : opendir(path);

	if (!d && errno != ENOENT)
		out->problem = errno;
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
	char path[TRACE_PATH_MAX];
	struct dirent *e;
	DIR *d;
	int seen = 0;

	snprintf(path, sizeof(path), "%s/debug", p->dir);
	d = has_link(p, path) ? (errno = ELOOP, NULL) : opendir(path);
	if (!d && errno != ENOENT)
		out->problem = errno;
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

/* Newest first: by day, what is still written before the day's parts, these by time. */
static int newer(const void *a, const void *b)
{
	const struct trace_file *x = a, *y = b;
	int by_day = strcmp(y->day, x->day);

	if (by_day)
		return by_day;
	if (x->part != y->part)
		return x->part ? 1 : -1;
	return strcmp(y->name, x->name);
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
