/*
 * A few large blocks of memory, kept warm from one request to the next. Fresh pages cost a fault each, which for a
 * coding session's body is more than everything else that is done with it; blocks in the heap leave holes
 * under the streams that stay open. Blocks are malloc's: any of them may be given to realloc or free instead.
 */
#ifndef BASE_SPARE_H
#define BASE_SPARE_H

#include <stddef.h>

#define SPARE_LEAST (16 * 1024)         /* bytes: smaller blocks are not worth it */
#define SPARE_MOST (512 * 1024)         /* larger ones go back to the system at once */

/* At least n bytes, uninitialised; *size is what there is. *used tells whether it has served
 * before (if not, it is zeroed). NULL when memory ends. */
void *spare_take(size_t n, size_t *size, int *used);
/* Keeps the block or frees it. NULL is accepted. */
void spare_give(void *p, size_t size);
/* Frees all that is kept: a process that has nothing to do calls it. */
void spare_trim(void);

#endif
