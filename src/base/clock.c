/*
 * Time, read from the clocks that the vDSO serves without a system call.
 */
#include "base/clock.h"

#include "config.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

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

void clock_rfc3339(char *out, size_t size, int64_t wall_ms, int with_ms)
{
	int64_t ms = (wall_ms % 1000 + 1000) % 1000;
	time_t seconds = (time_t)((wall_ms - ms) / 1000);
	struct tm tm;
	char day[24] = "1970-01-01T00:00:00";

	if (gmtime_r(&seconds, &tm))
		strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	if (with_ms)
		snprintf(out, size, "%s.%03dZ", day, (int)ms);
	else
		snprintf(out, size, "%sZ", day);
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
