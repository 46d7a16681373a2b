/*
 * Landlock: the process keeps to the folders that it needs. The calls have no functions in C
 * libraries, and the kernel's headers are often older than the kernel, so numbers and names stand
 * here (Documentation/userspace-api/landlock.rst of the kernel's source). What an older kernel does
 * not know is left out of what is asked for.
 */
#include "config.h"
#include "sandbox.h"

#include <errno.h>

#if WITH_SANDBOX && HAVE_SYS_PRCTL_H && HAVE_SYS_SYSCALL_H

#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The same numbers on every architecture but Alpha, which has none. */
#define CREATE_RULESET 444
#define ADD_RULE 445
#define RESTRICT_SELF 446

#define RULE_PATH 1
#define FLAG_VERSION 1u

/* Rights, by their bits. */
#define EXECUTE (UINT64_C(1) << 0)
#define WRITE_FILE (UINT64_C(1) << 1)
#define READ_FILE (UINT64_C(1) << 2)
#define READ_DIR (UINT64_C(1) << 3)
#define REMOVE_DIR (UINT64_C(1) << 4)
#define REMOVE_FILE (UINT64_C(1) << 5)
#define MAKE_DIR (UINT64_C(1) << 7)
#define MAKE_REG (UINT64_C(1) << 8)
#define REFER (UINT64_C(1) << 13)
#define TRUNCATE (UINT64_C(1) << 14)
#define IOCTL_DEV (UINT64_C(1) << 15)
#define FIRST_ALL ((UINT64_C(1) << 13) - 1)     /* what the first version knows */

#define READ (READ_FILE | READ_DIR)
#define WRITE (READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER | TRUNCATE)
#define OF_FILES (EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV)

#define BIND_TCP UINT64_C(1)
#define SCOPES UINT64_C(3)              /* abstract sockets and signals of processes outside */

struct ruleset {
	uint64_t files, net, scopes;
};

struct path_rule {
	uint64_t rights;
	int32_t fd;
} __attribute__((packed));

/* Libraries and their data, names and addresses, time zones, certificates, the kernel's figures. */
static const char *const system_places[] = {
	"/etc", "/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin", "/opt", "/run",
	"/var/run", "/proc", "/sys", "/dev/urandom", "/dev/random", "/dev/zero", "/nix/store",
	"/gnu/store", "/var/lib/ca-certificates", "/var/lib/sss", NULL
};

static int version(void)
{
	return (int)syscall(CREATE_RULESET, NULL, 0, FLAG_VERSION);
}

const char *landlock_lacks(void)
{
	if (version() > 0)
		return NULL;
	return errno == EOPNOTSUPP ? "the kernel has it switched off" : "the kernel has none";
}

static struct ruleset handled(int v, bool commands, size_t *size)
{
	struct ruleset r = { .files = FIRST_ALL };

	if (commands)
		r.files &= ~EXECUTE;
	if (v >= 2)
		r.files |= REFER;
	if (v >= 3)
		r.files |= TRUNCATE;
	if (v >= 5)
		r.files |= IOCTL_DEV;
	if (v >= 4 && !commands)
		r.net = BIND_TCP;
	if (v >= 6)
		r.scopes = SCOPES;
	*size = v < 4 ? 8 : v < 6 ? 16 : 24;
	return r;
}

/* What isn't there, and what no rule can be about (a pipe), is passed over. */
static void add_path(int set, const char *path, uint64_t rights)
{
	struct path_rule rule = { .rights = rights };
	struct stat st;

	rule.fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.fd < 0)
		return;
	if (fstat(rule.fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.rights &= OF_FILES;
	syscall(ADD_RULE, set, RULE_PATH, &rule, 0);
	close(rule.fd);
}

struct adding {
	int set;
	uint64_t rights;
};

/* Libraries load others of their folder later: name services, TLS providers. */
static int add_library(struct dl_phdr_info *info, size_t size, void *ctx)
{
	const struct adding *a = ctx;
	char folder[PATH_MAX];
	const char *slash = info->dlpi_name ? strrchr(info->dlpi_name, '/') : NULL;

	if (slash && slash > info->dlpi_name &&
	    snprintf(folder, sizeof(folder), "%.*s", (int)(slash - info->dlpi_name),
		     info->dlpi_name) < (int)sizeof(folder))
		add_path(a->set, folder, a->rights);
	return 0;
}

int landlock_start(const struct sandbox_plan *p, bool commands)
{
	size_t size;
	struct ruleset r = handled(version(), commands, &size);
	struct adding a = { (int)syscall(CREATE_RULESET, &r, size, 0), READ & r.files };
	int set = a.set, rc;

	if (set < 0)
		return -1;
	for (size_t i = 0; system_places[i]; i++)
		add_path(set, system_places[i], a.rights);
	dl_iterate_phdr(add_library, &a);
	add_path(set, "/dev/null", (READ | WRITE_FILE) & r.files);
	for (size_t i = 0; i < p->npaths; i++)
		add_path(set, p->paths[i].path, (p->paths[i].write ? WRITE : READ) & r.files);
	rc = (int)syscall(RESTRICT_SELF, set, 0);
	close(set);
	return rc;
}

#else

const char *landlock_lacks(void)
{
	return WITH_SANDBOX ? "this system has none" : "left out of this build";
}

int landlock_start(const struct sandbox_plan *p, bool commands)
{
	errno = ENOSYS;
	return -1;
}

#endif
