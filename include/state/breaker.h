/*
 * A circuit breaker as one word, so that a compare-and-swap is all that processes need to share it:
 * closed, open until a time, or probing (half open: one call is on its way to find out). Pure
 * functions from a word to the next; state/host.c keeps the words.
 *
 *   closed --failures in a row--> open --time is up, one caller--> probing --well--> closed
 *                                   ^------------ failed, twice as long ----'
 *
 * A prober that is killed is no loss: its lease ends, and another caller becomes the prober.
 */
#ifndef STATE_BREAKER_H
#define STATE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum breaker_phase { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_PROBING };

struct breaker_rule {
	int failures;                   /* in a row, until it opens */
	int64_t cooldown_ms, cooldown_max_ms;
};

struct breaker {
	enum breaker_phase phase;
	unsigned failures;              /* in a row */
	unsigned opened;                /* times in a row: the cooldown doubles with each */
	int64_t until;                  /* wall ms: of the cooldown, or of the prober's lease */
};

#define BREAKER_LEASE_MS 30000
/* The longest that anything rests, whatever a backend says. */
#define BREAKER_REST_MAX_MS (60 * 60 * 1000)

struct breaker breaker_read(uint64_t word);
uint64_t breaker_word(const struct breaker *b);
/* May a call go out now? True for all while it is closed, and for one when the time is up: *next is
 * the word that must be stored before that one goes. */
bool breaker_ask(uint64_t word, int64_t now, uint64_t *next);
/* What a call's end makes of it; one that went well leaves nothing behind. */
#define BREAKER_WELL UINT64_C(0)
uint64_t breaker_failed(uint64_t word, int64_t now, const struct breaker_rule *r);
/* Open at once, for ms, or (ms < 0) for as long as the rule says. */
uint64_t breaker_rest(uint64_t word, int64_t now, int64_t ms, const struct breaker_rule *r);
/* The prober learnt nothing (its client left): the next caller may probe. */
uint64_t breaker_release(uint64_t word, int64_t now);

#endif
