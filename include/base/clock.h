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

/* Seconds from 1970 to a day and a time of day (UTC), whatever the width of time_t; the month is 1
 * to 12, the rest need not be within its bounds. */
int64_t clock_seconds(int year, int month, int day, int hour, int minute, int second);
/* A date of HTTP (RFC 9110, 5.6.7, in its three forms) or of a certificate as OpenSSL prints it
 * ("Jan  1 00:00:00 2027 GMT"); -1 when it is none. */
int64_t clock_read_date(const char *text);

/* When this version was made, wall seconds (configure, or SOURCE_DATE_EPOCH while it runs): a clock
 * that is before it is wrong. */
int64_t clock_build(void);

#endif
