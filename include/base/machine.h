/*
 * How much memory this process may use: the least of what the machine has, what its control groups
 * allow (version 2 and 1, its own group and those above it) and its own limits (RLIMIT_AS, _DATA).
 * A small router, a container and a shared host each say it in another of these places.
 */
#ifndef BASE_MACHINE_H
#define BASE_MACHINE_H

#include <stdint.h>

struct machine_memory {
	int64_t bytes;          /* more than 0 */
	const char *whose;      /* "the machine", "its control group", "RLIMIT_AS", "RLIMIT_DATA" */
};

/* As it was when first asked: later the process may have given up reading these files. */
struct machine_memory machine_memory(void);

/* The same, asked anew, with the files of a system that lies below root ("" for this one). */
struct machine_memory machine_memory_below(const char *root);

#endif
