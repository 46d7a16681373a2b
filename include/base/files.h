/*
 * File descriptors: how many this process may have, and how many streams they are enough for.
 */
#ifndef BASE_FILES_H
#define BASE_FILES_H

#include <stdbool.h>

/* Allows as many as the hard limit does. */
void files_raise(void);

/* Streams that the descriptors allowed now are enough for; at least 1, at most INT_MAX. Each takes
 * four: the client's, the upstream's, and the two by which libcurl wakes. */
int files_streams(void);

/* Is there none left, for this process or for the machine? */
bool files_used_up(void);

#endif
