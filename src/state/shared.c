/* Shared files: found as they are, or made beside their name and then given it. */
#include "state/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/ids.h"
#include "base/os.h"

static bool is_ours(int fd, const struct shared_head *head)
{
	struct shared_head seen;
	struct stat st;

	/* Another user's, in a folder like /tmp, could be read and changed by that one. */
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	       st.st_size == (off_t)head->size &&
	       pread(fd, &seen, sizeof(seen), 0) == (ssize_t)sizeof(seen) &&
	       memcmp(&seen, head, sizeof(seen)) == 0;
}

/* The file as it stands; -1 with errno when it is missing, or with *other when it is not ours to
 * use. */
static int open_existing(const char *path, const struct shared_head *head, int *other)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	*other = -1;
	if (fd < 0 || is_ours(fd, head))
		return fd;
	*other = fd;
	return -1;
}

/* link() never takes a name from another process that is using it; rename() does, which is for
 * files that are not ours to use. */
static int give_name(const char *tmp, const char *path, bool replace)
{
	int rc = replace ? rename(tmp, path) : link(tmp, path);

	if (rc < 0 && !replace && errno == EEXIST)
		rc = 0;
	return rc;
}

/* Writes a fresh table beside `path` and gives it that name. */
static int make_fresh(const char *path, const struct shared_head *head, bool replace)
{
	char tmp[4096], id[ID_SIZE];
	int fd, rc;

	id_make(id, ".");
	if (snprintf(tmp, sizeof(tmp), "%s%s", path, id) >= (int)sizeof(tmp)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	/* With its blocks: a mapped page that a full disk has no room for would end the process. */
	errno = os_reserve(fd, (off_t)head->size);
	rc = errno ? -1 : 0;
	if (rc == 0)
		rc = pwrite(fd, head, sizeof(*head), 0) == (ssize_t)sizeof(*head) ?
			     give_name(tmp, path, replace) : -1;
	if (rc < 0 || !replace) {
		int saved = errno;

		unlink(tmp);
		errno = saved;
	}
	close(fd);
	return rc;
}

static bool has_name(int fd, const char *path)
{
	struct stat held, named;

	return fstat(fd, &held) == 0 && lstat(path, &named) == 0 && held.st_dev == named.st_dev &&
	       held.st_ino == named.st_ino;
}

/* Replaces a file that is not ours to use, unless another process has done so. It is locked
 * meanwhile: who has looked before would else replace the new one too, and each had its own. Nobody
 * waits for more than a second for one that was stopped half way. */
static int replace(int fd, const char *path, const struct shared_head *head)
{
	static const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	int rc = 0;

	for (int i = 0; i < 100 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK; i++)
		nanosleep(&pause, NULL);
	if (has_name(fd, path))
		rc = make_fresh(path, head, true);
	close(fd);
	return rc;
}

/* Processes may start afresh at once: the first one's file is everybody's. */
int shared_open(const char *path, const struct shared_head *head)
{
	for (int tries = 0; tries < 3; tries++) {
		int other, fd = open_existing(path, head, &other);

		if (fd >= 0)
			return fd;
		if (other < 0 && errno != ENOENT)
			return -1;
		if ((other < 0 ? make_fresh(path, head, false) : replace(other, path, head)) < 0)
			return -1;
	}
	return -1;
}
