/*
 * Files that the processes of a machine share as a table: made whole by whoever comes first, and
 * told by their head. A file of another version or shape is never converted: a fresh one takes its
 * name, and processes that still use the old one go on undisturbed until they end.
 */
#ifndef STATE_SHARED_H
#define STATE_SHARED_H

#include <stdint.h>

struct shared_head {
	uint64_t magic;
	uint32_t version, size;         /* size: of the whole file */
};

/* A descriptor of the file of that name, which begins with this head; all else began as zeros. -1
 * with errno. */
int shared_open(const char *path, const struct shared_head *head);

#endif
