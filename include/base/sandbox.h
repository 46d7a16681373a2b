/*
 * What the process gives up once it has started: core dumps and being looked into by others of its
 * user, new privileges, system calls that it never makes (seccomp), files that it has no business
 * with (Landlock). All of it is Linux's; elsewhere there is nothing to give up, and --check says so.
 *
 * It is given up before the first thread of its own starts, and for good: threads and commands
 * inherit it. "auto" takes what the kernel has and what can't break anything; "on" takes it in any
 * case, and without it the program does not start.
 */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include <stddef.h>
#include <stdio.h>

#include "base/buf.h"

enum sandbox_wish { SANDBOX_OFF, SANDBOX_AUTO, SANDBOX_ON };
enum sandbox_part { SANDBOX_NO_NEW_PRIVS, SANDBOX_SECCOMP, SANDBOX_LANDLOCK, SANDBOX_PARTS };

#define SANDBOX_PATHS_MAX 256

/* A folder with all below it, or a file. */
struct sandbox_path {
	char *path;
	bool write;
};

struct sandbox_plan {
	enum sandbox_wish wish[SANDBOX_PARTS];
	bool core_dumps;
	const char *commands;           /* what is run to get a credential; NULL: nothing */
	struct sandbox_path paths[SANDBOX_PATHS_MAX];   /* besides the system's own */
	size_t npaths;
};

/* A path that is used, NULL and relative ones left out. What isn't there is no matter. */
void sandbox_allow(struct sandbox_plan *p, const char *path, bool write);
/* The folder that it lies in: files are replaced by others of their name. */
void sandbox_allow_folder(struct sandbox_plan *p, const char *path, bool write);
void sandbox_release(struct sandbox_plan *p);

/* No core dump, and what /proc/PID says of memory and environment is root's. */
void sandbox_hide(void);
/* Whether this part is to be in force; `why` says what decides. -1: it is asked for, and cannot
 * be. */
int sandbox_decide(const struct sandbox_plan *p, enum sandbox_part part, const char **why);
/* -1, with a sentence in err: what is asked for cannot be had. */
int sandbox_start(const struct sandbox_plan *p, struct buf *err) MUST_CHECK;
/* For --check: a line each. */
void sandbox_describe(const struct sandbox_plan *p, FILE *out);

/* What explains an EPERM or EACCES in a process that has given something up; "" for others. */
const char *sandbox_hint(int error);

#endif
