/*
 * A token bucket as one word, so that a compare-and-swap is all that processes need to share it:
 * the time at which it will be full again. It holds `limit` when it is full and fills evenly within
 * `window_ms`, as the API's own limits do. Pure functions from a word to the next; state/rates.c
 * keeps the words.
 *
 * Times are nanoseconds of the monotonic clock (bucket_now), which all processes of a machine share
 * and nobody can set. After a reboot it begins anew: a word further ahead than any debt reaches is
 * one of an earlier life, and counts as full.
 */
#ifndef STATE_BUCKET_H
#define STATE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket_rule {
	int64_t limit;                  /* > 0 */
	int64_t window_ms;
};

/* What is taken beyond the limit is owed, but no more than this takes to fill up. */
#define BUCKET_DEBT_MAX_MS (60 * 60 * 1000LL)

int64_t bucket_now(void);
/* What it holds, 0 while something is owed. */
int64_t bucket_left(int64_t word, int64_t now, const struct bucket_rule *r);
/* Milliseconds until it is full. */
int64_t bucket_full_ms(int64_t word, int64_t now);
/* Milliseconds until it holds n (at most limit), rounded up; 0: it does. */
int64_t bucket_wait_ms(int64_t word, int64_t now, const struct bucket_rule *r, int64_t n);
/* The word after n were taken, whatever it holds; n < 0 gives back. */
int64_t bucket_take(int64_t word, int64_t now, const struct bucket_rule *r, int64_t n);

#endif
