/*
 * The calls that not every system has, each with the way that works everywhere. configure's checks
 * decide, so that `configure ac_cv_func_NAME=no` builds the other way on any machine, which is how
 * it is tested on Linux (.ci/run, "portable ways").
 */
#include "config.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef HAVE_MALLOC_H
#include <malloc.h>
#endif
#ifdef HAVE_SYS_PRCTL_H
#include <sys/prctl.h>
#endif
#ifdef HAVE_SYS_RANDOM_H
#include <sys/random.h>
#endif
#if HAVE_SYS_VFS_H
#include <sys/vfs.h>
#elif HAVE_STATFS
#include <sys/param.h>
#include <sys/mount.h>
#endif
#ifdef HAVE_MACH_O_DYLD_H
#include <mach-o/dyld.h>
#endif

/* ---- descriptors ---- */

#if !HAVE_PIPE2 || !HAVE_ACCEPT4 || !HAVE_DUP3 || !HAVE_MKOSTEMP || !HAVE_DECL_SOCK_CLOEXEC
/* Between the two calls another thread may start a program, which then has the descriptor too: what
 * this program starts closes all of them (os_spawn_close_others). */
static int close_on_exec(int fd)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}
#endif

int os_pipe(int fd[2])
{
#if HAVE_PIPE2
	return pipe2(fd, O_CLOEXEC);
#else
	if (pipe(fd))
		return -1;
	close_on_exec(fd[0]);
	close_on_exec(fd[1]);
	return 0;
#endif
}

int os_socket(int domain, int type)
{
#if HAVE_DECL_SOCK_CLOEXEC
	return socket(domain, type | SOCK_CLOEXEC, 0);
#else
	return close_on_exec(socket(domain, type, 0));
#endif
}

int os_accept(int fd, struct sockaddr *peer, socklen_t *size)
{
#if HAVE_ACCEPT4 && HAVE_DECL_SOCK_CLOEXEC
	return accept4(fd, peer, size, SOCK_CLOEXEC);
#else
	return close_on_exec(accept(fd, peer, size));
#endif
}

int os_dup_onto(int fd, int onto)
{
#if HAVE_DUP3
	return dup3(fd, onto, O_CLOEXEC);
#else
	return close_on_exec(dup2(fd, onto));
#endif
}

int os_temp_file(char *template)
{
#if HAVE_MKOSTEMP
	return mkostemp(template, O_CLOEXEC);
#else
	return close_on_exec(mkstemp(template));
#endif
}

int os_reserve(int fd, off_t n)
{
#if HAVE_POSIX_FALLOCATE
	return posix_fallocate(fd, 0, n);
#else
	static const char zeros[4096];

	for (off_t at = 0; at < n;) {
		size_t most = n - at < (off_t)sizeof(zeros) ? (size_t)(n - at) : sizeof(zeros);
		ssize_t done = pwrite(fd, zeros, most, at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done < 0 ? errno : ENOSPC;
		at += done;
	}
	return 0;
#endif
}

ssize_t os_send(int fd, const void *p, size_t n, int flags)
{
#if HAVE_DECL_MSG_NOSIGNAL
	return send(fd, p, n, flags | MSG_NOSIGNAL);
#else
	/* SIGPIPE is ignored from the start of the program on. */
	return send(fd, p, n, flags);
#endif
}

/* ---- memory ---- */

void *os_find(const void *hay, size_t n, const void *needle, size_t needle_n)
{
#if HAVE_MEMMEM
	return memmem(hay, n, needle, needle_n);
#else
	const char *at = hay, *first = needle;

	if (!needle_n)
		return (void *)hay;
	while (n >= needle_n) {
		const char *next = memchr(at, *first, n - needle_n + 1);

		if (!next)
			return NULL;
		if (memcmp(next, needle, needle_n) == 0)
			return (void *)next;
		n -= (size_t)(next + 1 - at);
		at = next + 1;
	}
	return NULL;
#endif
}

void os_wipe(void *p, size_t n)
{
#if HAVE_EXPLICIT_BZERO
	explicit_bzero(p, n);
#else
	volatile char *at = p;

	while (n--)
		*at++ = 0;
#endif
}

void os_memory_tune(void)
{
#if HAVE_MALLOPT && defined(M_ARENA_MAX)
	/* What a request of usual size needs is mapped by itself, so that it goes back to the system
	 * when its stream begins instead of leaving holes. Other allocators than glibc's map such
	 * sizes by themselves or have no arenas. */
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_MMAP_THRESHOLD, 32 * 1024);
	mallopt(M_TRIM_THRESHOLD, 64 * 1024);
#endif
}

void os_memory_trim(void)
{
#if HAVE_MALLOC_TRIM
	malloc_trim(0);
#endif
}

/* ---- files ---- */

bool os_network_folder(const char *path)
{
#if HAVE_SYS_VFS_H
	static const unsigned kinds[] = {
		0x6969,                         /* NFS */
		0x517b, 0xff534d42, 0xfe534d42, /* SMB: of old kernels, 1, 2 and 3 */
	};
	struct statfs fs;

	if (statfs(path, &fs))
		return false;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if ((unsigned)fs.f_type == kinds[i])
			return true;
	return false;
#elif HAVE_STATFS && defined(MNT_LOCAL)
	struct statfs fs;

	return statfs(path, &fs) == 0 && !(fs.f_flags & MNT_LOCAL);
#else
	return false;
#endif
}

#if HAVE_STRUCT_STAT_ST_MTIM
struct timespec os_modified(const struct stat *st)
{
	return st->st_mtim;
}

struct timespec os_changed(const struct stat *st)
{
	return st->st_ctim;
}
#elif HAVE_STRUCT_STAT_ST_MTIMESPEC
struct timespec os_modified(const struct stat *st)
{
	return st->st_mtimespec;
}

struct timespec os_changed(const struct stat *st)
{
	return st->st_ctimespec;
}
#else
struct timespec os_modified(const struct stat *st)
{
	return (struct timespec){ .tv_sec = st->st_mtime };
}

struct timespec os_changed(const struct stat *st)
{
	return (struct timespec){ .tv_sec = st->st_ctime };
}
#endif

/* ---- this process and others ---- */

/* A file of the system's: how many bytes there were. */
static size_t read_file(const char *path, void *p, size_t n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, p, n);

	if (fd >= 0)
		close(fd);
	return got > 0 ? (size_t)got : 0;
}

size_t os_random(void *p, size_t n)
{
#if HAVE_GETRANDOM && HAVE_SYS_RANDOM_H
	/* Up to 256 bytes come whole, uninterrupted by signals (getrandom(2)). */
	ssize_t got = getrandom(p, n, 0);

	if (got > 0)
		return (size_t)got;
#endif
	return read_file("/dev/urandom", p, n);
}

void os_program(char *path, size_t size)
{
#if HAVE__NSGETEXECUTABLEPATH
	uint32_t room = (uint32_t)size;

	if (_NSGetExecutablePath(path, &room))
		*path = '\0';
#else
	ssize_t n = readlink("/proc/self/exe", path, size - 1);

	path[n > 0 ? n : 0] = '\0';
#endif
}

int os_spawn_close_others(posix_spawn_file_actions_t *fa)
{
#if HAVE_POSIX_SPAWN_FILE_ACTIONS_ADDCLOSEFROM_NP
	return posix_spawn_file_actions_addclosefrom_np(fa, 3);
#else
	long most = sysconf(_SC_OPEN_MAX);
	int r = 0;

	for (int fd = 3; r == 0 && fd < (most > 0 && most < 65536 ? most : 65536); fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			r = posix_spawn_file_actions_addclose(fa, fd);
	return r;
#endif
}

bool os_process_name(pid_t pid, char *name, size_t size)
{
	char path[32];
	size_t n;

	snprintf(path, sizeof(path), "/proc/%ld/comm", (long)pid);
	n = read_file(path, name, size - 1);
	name[n] = '\0';
	name[strcspn(name, "\n")] = '\0';
	return n > 0;
}

void os_name_process(const char *name)
{
#ifdef PR_SET_NAME
	prctl(PR_SET_NAME, name, 0, 0, 0);
#endif
}

int os_follow_parent(int signo)
{
#ifdef PR_SET_PDEATHSIG
	return prctl(PR_SET_PDEATHSIG, (unsigned long)signo);
#else
	errno = ENOSYS;
	return -1;
#endif
}

void os_hide(void)
{
#ifdef PR_SET_DUMPABLE
	/* A pipe in core_pattern is told of a crash whatever the limit says; this keeps it away, and
	 * every other process of this user from /proc/PID/mem and environ. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

bool os_no_new_privs_known(void)
{
#ifdef PR_SET_NO_NEW_PRIVS
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) >= 0;
#else
	return false;
#endif
}

int os_no_new_privs(void)
{
#ifdef PR_SET_NO_NEW_PRIVS
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#else
	errno = ENOSYS;
	return -1;
#endif
}
