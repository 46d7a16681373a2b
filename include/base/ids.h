/* Random identifiers, as the API makes them: a prefix and 24 letters and digits. */
#ifndef BASE_IDS_H
#define BASE_IDS_H

#include <stddef.h>
#include <stdint.h>

#define ID_SIZE 40      /* room for every id made here, NUL included */

/* prefix such as "req_01"; at most ID_SIZE - 25 bytes. */
void id_make(char out[ID_SIZE], const char *prefix);
uint64_t id_random(void);
/* For backoff jitter: evenly from 0 to below n (n > 0). */
uint32_t id_random_below(uint32_t n);

#endif
