/* Shared files: found as they are, or made beside their name and then given it. */
#include "state/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
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

/* The file as it stands; -1 with *fresh when it is missing or not ours to use. */
static int open_existing(const char *path, const struct shared_head *head, bool *fresh)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	*fresh = fd < 0 ? errno == ENOENT : true;
	if (fd < 0 || is_ours(fd, head))
		return fd;
	close(fd);
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

/* Processes may start afresh at once: the first one's file is everybody's. A file that is still
 * not ours at the second look is replaced. */
int shared_open(const char *path, const struct shared_head *head)
{
	for (int tries = 0; tries < 3; tries++) {
		bool fresh;
		int fd = open_existing(path, head, &fresh);

		if (fd >= 0)
			return fd;
		if (!fresh || make_fresh(path, head, tries > 0) < 0)
			return -1;
	}
	return -1;
}
