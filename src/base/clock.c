/*
 * Time, read from the clocks that the vDSO serves without a system call.
 */
#include "base/clock.h"

#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
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

int64_t clock_seconds(int year, int month, int day, int hour, int minute, int second)
{
	/* As in put_date(): years begin in March. */
	int64_t y = (int64_t)year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400, yday = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5;
	int64_t days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + yday + day - 719469;

	return ((days * 24 + hour) * 60 + minute) * 60 + second;
}

/* 1 to 12; 0 when the word begins like no month. */
static int month_of(const char *word)
{
	static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

	for (int i = 0; i < 12; i++)
		if (strncasecmp(word, names + 3 * i, 3) == 0)
			return i + 1;
	return 0;
}

/* Of two digits: 1970 to 2069. */
static int full_year(int year)
{
	return year >= 100 ? year : year < 70 ? year + 2000 : year + 1900;
}

/* The forms differ in order, not in words: a month, a time, a day before the year. */
int64_t clock_read_date(const char *text)
{
	int month = 0, day = -1, year = -1, hour = -1, minute = 0, second = 0, n;

	for (const char *p = text; *p; p += n) {
		n = (int)strspn(p, " ,-");
		if (n)
			continue;
		n = (int)strcspn(p, " ,-");
		if (!month && (month = month_of(p)))
			continue;
		if (*p < '0' || *p > '9' || n > 8)
			continue;
		if (memchr(p, ':', (size_t)n)) {
			if (sscanf(p, "%2d:%2d:%2d", &hour, &minute, &second) != 3)
				return -1;
		} else if (day < 0) {
			day = atoi(p);
		} else {
			year = full_year(atoi(p));
		}
	}
	if (!month || day < 1 || day > 31 || year < 1970 || year > 9999 || hour < 0 || hour > 23 ||
	    minute < 0 || minute > 59 || second < 0 || second > 60)
		return -1;
	return clock_seconds(year, month, day, hour, minute, second);
}

int64_t clock_build(void)
{
	return BUILD_EPOCH;
}
