/* The two Linux facilities behind base/sandbox.h. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include "base/sandbox.h"

/* NULL when the kernel has it, else why it can't be used. */
const char *seccomp_lacks(void);
/* Refuses (EPERM) what the program never does; commands: it runs programs. -1 with errno. */
int seccomp_start(bool commands);

const char *landlock_lacks(void);
/* What is not listed can't be opened. commands: programs may be run. -1 with errno. */
int landlock_start(const struct sandbox_plan *p, bool commands);

#endif
