/* See api/capture_files.h. */
#include "api/capture_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"

#define LEFT_SECONDS 3600

void capture_name(char out[CAPTURE_NAME_SIZE], int64_t wall_ms, const char *id)
{
	char when[32], plain[32];
	size_t n = 0;

	clock_rfc3339(when, sizeof(when), wall_ms, 1);
	for (const char *p = when; *p; p++)
		if (*p != '-' && *p != ':')
			plain[n++] = *p;
	plain[n] = '\0';
	snprintf(out, CAPTURE_NAME_SIZE, "%s-%s", plain, id);
}

const char *capture_dir(const struct config *c, struct arena *a)
{
	if (c->capture_dir && *c->capture_dir)
		return c->capture_dir;
	if (c->log_dir && *c->log_dir)
		return arena_printf(a, "%s/capture", c->log_dir);
	return NULL;
}

static bool is_there(const char *dir)
{
	return dir && (mkdir(dir, 0700) == 0 || errno == EEXIST);
}

static bool not_captured(const char *dir)
{
	log_warn("capture.dir %s: %s: nothing is captured", dir ? dir : "", strerror(errno));
	return false;
}

bool capture_possible(const char *dir)
{
	return (is_there(dir) && access(dir, W_OK | X_OK) == 0) || not_captured(dir);
}

bool capture_folder_open(struct capture_folder *f, const char *dir, const char *name)
{
	char hidden[CAPTURE_NAME_SIZE + 1];

	*f = (struct capture_folder){ .dir = dir, .name = name, .dir_fd = -1, .fd = -1 };
	snprintf(hidden, sizeof(hidden), ".%s", name);
	if (!is_there(dir))
		return not_captured(dir);
	f->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->dir_fd < 0 || mkdirat(f->dir_fd, hidden, 0700))
		return not_captured(dir);
	f->fd = openat(f->dir_fd, hidden, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return f->fd >= 0 || not_captured(dir);
}

static void file_name(char *out, size_t size, size_t call, const char *what)
{
	if (call)
		snprintf(out, size, "%zu-%s", call, what);
	else
		snprintf(out, size, "%s", what);
}

static bool write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t got = write(fd, p, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		p += got;
		n -= (size_t)got;
	}
	return true;
}

bool capture_put_file(struct capture_folder *f, size_t call, const char *what, const struct buf *b,
		      const struct buf *more)
{
	char name[64];
	int fd;
	bool ok;

	file_name(name, sizeof(name), call, what);
	fd = openat(f->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	ok = fd >= 0 && write_all(fd, b->p, b->n) && (!more || write_all(fd, more->p, more->n));
	if (!ok)
		log_warn("capture.dir %s/%s: %s", f->dir, f->name, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ok;
}

/* Calls `each` for the files of a folder; it may remove them. */
static void each_file(int dir_fd, const char *folder,
		      void (*each)(void *ctx, int fd, const char *name), void *ctx)
{
	int fd = openat(dir_fd, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			each(ctx, dirfd(dir), e->d_name);
	closedir(dir);
}

static void remove_file(void *ctx, int fd, const char *name)
{
	unlinkat(fd, name, 0);
}

static void add_size(void *ctx, int fd, const char *name)
{
	struct stat st;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		*(int64_t *)ctx += st.st_size;
}

static void remove_folder(int dir_fd, const char *name)
{
	each_file(dir_fd, name, remove_file, NULL);
	unlinkat(dir_fd, name, AT_REMOVEDIR);
}

void capture_folder_close(struct capture_folder *f, bool ok)
{
	char hidden[CAPTURE_NAME_SIZE + 1];

	snprintf(hidden, sizeof(hidden), ".%s", f->name);
	if (f->fd >= 0) {
		close(f->fd);
		if (!ok || renameat(f->dir_fd, hidden, f->dir_fd, f->name))
			remove_folder(f->dir_fd, hidden);
	}
	if (f->dir_fd >= 0)
		close(f->dir_fd);
}

/* ---- bounds ---- */

/* "20261122T171500.123Z-req_…", and nothing else that somebody put there. */
static bool is_name(const char *name)
{
	return strlen(name) > 21 && strspn(name, "0123456789") == 8 && name[8] == 'T' &&
	       strncmp(name + 19, "Z-req_", 6) == 0;
}

static int is_capture(const struct dirent *e)
{
	return is_name(e->d_name);
}

static int is_left(const struct dirent *e)
{
	return e->d_name[0] == '.' && is_name(e->d_name + 1);
}

static void remove_left(int dir_fd, const char *dir)
{
	struct dirent **v = NULL;
	int n = scandir(dir, &v, is_left, alphasort);
	struct stat st;

	for (int i = 0; i < n; i++) {
		if (fstatat(dir_fd, v[i]->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_mtime < time(NULL) - LEFT_SECONDS)
			remove_folder(dir_fd, v[i]->d_name);
		free(v[i]);
	}
	free(v);
}

void capture_tidy(const char *dir, int max_requests, int64_t max_bytes)
{
	int dir_fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct dirent **v = NULL;
	int n = dir_fd < 0 ? 0 : scandir(dir, &v, is_capture, alphasort);
	int64_t bytes = 0;

	/* From the newest back: what does not fit any more goes. */
	for (int i = n - 1, kept = 0; i >= 0; i--, kept++) {
		each_file(dir_fd, v[i]->d_name, add_size, &bytes);
		if (kept >= max_requests || bytes > max_bytes)
			remove_folder(dir_fd, v[i]->d_name);
		free(v[i]);
	}
	free(v);
	if (dir_fd < 0)
		return;
	remove_left(dir_fd, dir);
	close(dir_fd);
}

/* ---- reading ---- */

bool capture_read_file(const char *folder, size_t call, const char *what, struct buf *b)
{
	char name[64], path[4096];
	char *room;
	size_t n;
	FILE *f;

	file_name(name, sizeof(name), call, what);
	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return false;
	f = fopen(path, "rb");
	if (!f)
		return false;
	do {
		room = buf_room(b, 65536);
		n = room ? fread(room, 1, 65536, f) : 0;
		b->n += n;
	} while (n);
	n = (size_t)ferror(f);
	fclose(f);
	return !n && !b->failed;
}
