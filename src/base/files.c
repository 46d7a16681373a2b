/* See files.h. */
#include "base/files.h"

#include <errno.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	FILES_PER_STREAM = 4,
	FILES_RESERVED = 32,            /* log, state, pipes, what listens */
	FILES_UNKNOWN = 1024,
};

void files_raise(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur >= files.rlim_max)
		return;
	files.rlim_cur = files.rlim_max;
	/* What the system will not have stays as it was. */
	(void)!setrlimit(RLIMIT_NOFILE, &files);
}

int files_streams(void)
{
	struct rlimit files;
	rlim_t n = FILES_UNKNOWN;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
		n = files.rlim_cur;
	if (n < FILES_RESERVED + FILES_PER_STREAM)
		return 1;
	n = (n - FILES_RESERVED) / FILES_PER_STREAM;
	return n > INT_MAX ? INT_MAX : (int)n;
}

bool files_used_up(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd < 0)
		return errno == EMFILE || errno == ENFILE;
	close(fd);
	return false;
}
