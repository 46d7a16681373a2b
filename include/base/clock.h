/* Time. Deadlines and intervals use the monotonic clock, timestamps in logs the wall clock. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define CLOCK_NEVER INT64_MAX

int64_t clock_ms(void);         /* monotonic, milliseconds */
int64_t clock_us(void);         /* monotonic, microseconds */
int64_t clock_wall_ms(void);    /* since 1970-01-01 UTC */
int64_t clock_wall_us(void);
/* RFC 3339 UTC, "2026-11-22T12:00:00.000Z" or without the fraction; out needs 32 bytes. */
void clock_rfc3339(char *out, size_t size, int64_t wall_ms, int with_ms);
/* The same with microseconds: "2026-11-22T12:00:00.000000Z". */
void clock_rfc3339_us(char *out, size_t size, int64_t wall_us);

/* When this version was made, wall seconds (configure, or SOURCE_DATE_EPOCH while it runs): a clock
 * that is before it is wrong. */
int64_t clock_build(void);

#endif
