/*
 * A shared host, as far as a program sees it: what Apache starts as suexec in the empty root of
 * tests/bundle/run. Like Apache's own it takes a user, a group and a program of the current folder
 * (as "enter", for mod_fcgid, the root and a folder in it before them), and passes on only CGI's
 * variables, HTTP_* and SSL_*. Then it puts the host's limits on and, but for "enter", the system
 * calls of an old kernel: what came after Linux 3.13 does not exist, but getrandom, which RHEL 7 has
 * (OpenSSL does without it only where uname tells of an old kernel). Static, as the root has no
 * libraries.
 */
#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LEAST_ID 1000
#define MOST_VARIABLES 256
#define ADDRESSES (512UL << 20)
#define FILES 200

/* As httpd's support/suexec.c has them; those with a "=" are whole names. */
static const char *const passed[] = {
	"HTTP_", "SSL_", "AUTH_TYPE=", "CONTENT_LENGTH=", "CONTENT_TYPE=", "CONTEXT_DOCUMENT_ROOT=",
	"CONTEXT_PREFIX=", "DATE_GMT=", "DATE_LOCAL=", "DOCUMENT_NAME=", "DOCUMENT_PATH_INFO=",
	"DOCUMENT_ROOT=", "DOCUMENT_URI=", "GATEWAY_INTERFACE=", "HTTPS=", "LAST_MODIFIED=",
	"PATH_INFO=", "PATH_TRANSLATED=", "QUERY_STRING=", "QUERY_STRING_UNESCAPED=",
	"REMOTE_ADDR=", "REMOTE_HOST=", "REMOTE_IDENT=", "REMOTE_PORT=", "REMOTE_USER=",
	"REDIRECT_ERROR_NOTES=", "REDIRECT_HANDLER=", "REDIRECT_QUERY_STRING=",
	"REDIRECT_REMOTE_USER=", "REDIRECT_SCRIPT_FILENAME=", "REDIRECT_STATUS=",
	"REDIRECT_URL=", "REQUEST_METHOD=", "REQUEST_URI=", "REQUEST_SCHEME=",
	"SCRIPT_FILENAME=", "SCRIPT_NAME=", "SCRIPT_URI=", "SCRIPT_URL=", "SERVER_ADMIN=",
	"SERVER_NAME=", "SERVER_ADDR=", "SERVER_PORT=", "SERVER_PROTOCOL=", "SERVER_SIGNATURE=",
	"SERVER_SOFTWARE=", "UNIQUE_ID=", "USER_NAME=", "TZ=",
};

static int refuse(const char *what)
{
	fprintf(stderr, "host: %s: %s\n", what, strerror(errno));
	return 1;
}

static int is_passed(const char *variable)
{
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		if (strncmp(variable, passed[i], strlen(passed[i])) == 0)
			return 1;
	return 0;
}

/* The last number that Linux 3.13 had, by architecture; 0 where that is not known here. */
#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#define LAST_CALL SYS_finit_module
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#define LAST_CALL SYS_finit_module
#else
#define ARCHITECTURE 0
#define LAST_CALL 0
#endif

static int old_kernel(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, LAST_CALL, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	return LAST_CALL ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) : 0;
}

static int limits(void)
{
	struct rlimit addresses = { ADDRESSES, ADDRESSES }, files = { FILES, FILES };

	return setrlimit(RLIMIT_AS, &addresses) || setrlimit(RLIMIT_NOFILE, &files);
}

/* mod_fcgid starts programs from a process that has not gone into the empty root. 1: this is such. */
static int enter(int *argc, char ***argv)
{
	size_t n = strlen((*argv)[0]);

	if (n < 5 || strcmp((*argv)[0] + n - 5, "enter") != 0)
		return 0;
	if (*argc < 3 || chroot((*argv)[1]) || chdir((*argv)[2]))
		return -1;
	*argc -= 2;
	*argv += 2;
	return 1;
}

int main(int argc, char **argv, char **environment)
{
	static char path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
	char *kept[MOST_VARIABLES + 2];
	int entered = enter(&argc, &argv);
	long uid, gid;
	size_t n = 0;

	if (entered < 0)
		return refuse("root");
	uid = argc > 3 ? atol(argv[1]) : 0;
	gid = argc > 3 ? atol(argv[2]) : 0;
	errno = EINVAL;
	if (uid < LEAST_ID || gid < LEAST_ID || strchr(argv[3], '/'))
		return refuse("arguments");
	kept[n++] = path;
	for (; *environment && n <= MOST_VARIABLES; environment++)
		if (is_passed(*environment))
			kept[n++] = *environment;
	kept[n] = NULL;
	/* The filter while this is still root's process. */
	if (limits() || (!entered && old_kernel()))
		return refuse("limits");
	if (setgroups(0, NULL) || setgid((gid_t)gid) || setuid((uid_t)uid))
		return refuse("identity");
	execve(argv[3], argv + 3, kept);
	return refuse(argv[3]);
}
