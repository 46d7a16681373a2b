/*
 * Time, read from the clocks that the vDSO serves without a system call.
 */
#include "base/clock.h"

#include "config.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY_MS 86400000
#define FIRST_MS INT64_C(-62135596800000) /* of the year 1 */
#define LAST_MS INT64_C(253402300799999)  /* of the year 9999 */

static int64_t clock_read_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_us(void)
{
	return clock_read_us(CLOCK_MONOTONIC);
}

int64_t clock_ms(void)
{
	return clock_us() / 1000;
}

int64_t clock_wall_ms(void)
{
	return clock_wall_us() / 1000;
}

int64_t clock_wall_us(void)
{
	return clock_read_us(CLOCK_REALTIME);
}

static char *put_digits(char *to, int64_t n, int width, char then)
{
	for (int i = width - 1; i >= 0; i--, n /= 10)
		to[i] = (char)('0' + n % 10);
	to[width] = then;
	return to + width + 1;
}

/* Year, month, day of a day since 1970-01-01: in eras of 400 years whose years begin in March, so
 * that the leap day is the last. */
static char *put_date(char *to, int64_t day)
{
	int64_t d = day + 719468, era = d / 146097, n, year, yday, m;

	n = d - era * 146097;
	year = (n - n / 1460 + n / 36524 - n / 146096) / 365;
	yday = n - (365 * year + year / 4 - year / 100);
	m = (5 * yday + 2) / 153;
	to = put_digits(to, year + era * 400 + (m < 10 ? 0 : 1), 4, '-');
	to = put_digits(to, m < 10 ? m + 3 : m - 9, 2, '-');
	return put_digits(to, yday - (153 * m + 2) / 5 + 1, 2, 'T');
}

void clock_rfc3339(char *out, size_t size, int64_t wall_ms, int with_ms)
{
	char text[32], *p = text;
	int64_t day, ms;

	if (wall_ms < FIRST_MS || wall_ms > LAST_MS)
		wall_ms = 0;
	ms = (wall_ms % DAY_MS + DAY_MS) % DAY_MS;
	day = (wall_ms - ms) / DAY_MS;
	p = put_date(p, day);
	p = put_digits(p, ms / 3600000, 2, ':');
	p = put_digits(p, ms / 60000 % 60, 2, ':');
	p = put_digits(p, ms / 1000 % 60, 2, with_ms ? '.' : 'Z');
	if (with_ms)
		p = put_digits(p, ms % 1000, 3, 'Z');
	*p = '\0';
	snprintf(out, size, "%s", text);
}

void clock_rfc3339_us(char *out, size_t size, int64_t wall_us)
{
	int64_t us = (wall_us % 1000 + 1000) % 1000;
	char ms[32];

	clock_rfc3339(ms, sizeof(ms), (wall_us - us) / 1000, 1);
	/* "….123Z": three digits more before the Z. */
	snprintf(out, size, "%.*s%03dZ", (int)strlen(ms) - 1, ms, (int)us);
}

int64_t clock_build(void)
{
	return BUILD_EPOCH;
}
