/* The word: 44 bits of time, then 8 each of failures and openings, 2 of phase. */
#include "state/breaker.h"

#define COUNT_MAX 255u /* 8 bits */
#define DOUBLINGS_MAX 20u

struct breaker breaker_read(uint64_t word)
{
	return (struct breaker){
		.phase = (enum breaker_phase)(word & 3),
		.opened = (unsigned)(word >> 2) & COUNT_MAX,
		.failures = (unsigned)(word >> 10) & COUNT_MAX,
		.until = (int64_t)(word >> 18),
	};
}

uint64_t breaker_word(const struct breaker *b)
{
	return (uint64_t)b->until << 18 | (uint64_t)(b->failures & COUNT_MAX) << 10 |
	       (uint64_t)(b->opened & COUNT_MAX) << 2 | (uint64_t)b->phase;
}

static unsigned more(unsigned n)
{
	return n < COUNT_MAX ? n + 1 : n;
}

/* A time further ahead than anything rests is a clock that was set back. */
static bool is_over(const struct breaker *b, int64_t now)
{
	return b->until <= now || b->until > now + 2 * BREAKER_REST_MAX_MS;
}

bool breaker_ask(uint64_t word, int64_t now, uint64_t *next)
{
	struct breaker b = breaker_read(word);

	*next = word;
	if (b.phase == BREAKER_CLOSED)
		return true;
	if (!is_over(&b, now))
		return false;
	b.phase = BREAKER_PROBING;
	b.until = now + BREAKER_LEASE_MS;
	*next = breaker_word(&b);
	return true;
}

static uint64_t open_for(struct breaker *b, int64_t now, int64_t ms)
{
	b->phase = BREAKER_OPEN;
	b->opened = more(b->opened);
	b->until = now + (ms < BREAKER_REST_MAX_MS ? ms : BREAKER_REST_MAX_MS);
	return breaker_word(b);
}

static int64_t cooldown(const struct breaker *b, const struct breaker_rule *r)
{
	int64_t ms = r->cooldown_ms;

	for (unsigned i = 0; i < b->opened && i < DOUBLINGS_MAX && ms < r->cooldown_max_ms; i++)
		ms *= 2;
	return ms < r->cooldown_max_ms ? ms : r->cooldown_max_ms;
}

uint64_t breaker_failed(uint64_t word, int64_t now, const struct breaker_rule *r)
{
	struct breaker b = breaker_read(word);

	b.failures = more(b.failures);
	/* Calls that were on their way when it opened say nothing new; one that was made because
	 * there was no other way, and after the time, is as good as a prober. */
	if (b.phase == BREAKER_OPEN && !is_over(&b, now))
		return word;
	if (b.phase != BREAKER_CLOSED || b.failures >= (unsigned)r->failures)
		return open_for(&b, now, cooldown(&b, r));
	return breaker_word(&b);
}

uint64_t breaker_rest(uint64_t word, int64_t now, int64_t ms, const struct breaker_rule *r)
{
	struct breaker b = breaker_read(word);

	b.failures = more(b.failures);
	if (ms < 0 && b.phase == BREAKER_OPEN && !is_over(&b, now))
		return word;
	return open_for(&b, now, ms < 0 ? cooldown(&b, r) : ms < 1000 ? 1000 : ms);
}

uint64_t breaker_release(uint64_t word, int64_t now)
{
	struct breaker b = breaker_read(word);

	if (b.phase != BREAKER_PROBING)
		return word;
	b.phase = BREAKER_OPEN;
	b.until = now;
	return breaker_word(&b);
}
