/*
 * What keys have used: requests and tokens in the last minute, answers that are under way, and
 * failed attempts to be let in. Shared by all processes of the machine, in a table of its own
 * (state/place.h) that is opened by the first use: who sets no limits has no such file.
 *
 * Nothing here is lost to a process that is killed: buckets fill up again by themselves, and what
 * its running answers held is taken back when somebody else needs it.
 */
#ifndef STATE_RATES_H
#define STATE_RATES_H

#include "state/bucket.h"

/* Where the table is, or will be: state.dir, else one of this user's for this `mark`. Before any
 * other. may_map: false takes the locked file at once, for tests. */
void rates_setup(const char *state_dir, uint64_t mark, bool may_map);
void rates_close(void);
/* For a log line: is the table shared, in memory, or through a locked file? */
const char *rates_kind(void);
/* Random, the same in all processes that share the table. */
uint64_t rates_secret(void);

/* ---- buckets, by the mark of a key ---- */

enum rate_kind { RATE_REQUESTS, RATE_COUNTS, RATE_TOKENS, RATE_KINDS };

struct rate {
	int64_t limit, left;
	int64_t full_ms;                /* until it is full again */
	int64_t wait_ms;                /* until what was asked for is there; 0: it was */
};

#define RATE_WINDOW_MS 60000

/* Takes n if they are there. Where the table has no room the answer is yes. */
bool rate_take(uint64_t mark, enum rate_kind kind, int64_t limit, int64_t n, struct rate *out);
/* Takes n, or what is left of it, and says how many. */
int64_t rate_reserve(uint64_t mark, enum rate_kind kind, int64_t limit, int64_t n,
		     struct rate *out);
/* Takes n whatever is left; n < 0 gives back. */
void rate_settle(uint64_t mark, enum rate_kind kind, int64_t limit, int64_t n);
void rate_look(uint64_t mark, enum rate_kind kind, int64_t limit, struct rate *out);

/* ---- permits: so many at once ---- */

#define PERMITS_MAX 4096

struct permit {
	uint32_t row, place;
	uint64_t word;                  /* 0: holds nothing */
};

/* False when all `limit` are held by processes that live. */
bool permit_take(uint64_t mark, int limit, struct permit *p);
void permit_give(struct permit *p);

/* ---- failures ---- */

enum failure_kind { FAILURE_ADDRESS, FAILURE_KEY, FAILURE_KINDS };

/* Milliseconds until another failure of this id counts as one among few; 0: now. limit and window
 * are of the bucket that failures are taken from. */
int64_t failure_wait_ms(enum failure_kind kind, uint64_t id, const struct bucket_rule *r);
/* One more. False when there was no room to note it: then nothing is known of this id, and it must
 * not be treated as new. */
bool failure_note(enum failure_kind kind, uint64_t id, const struct bucket_rule *r);

#endif
