/* Token buckets. Fractions are computed in double: 53 bits are exact to the nanosecond. */
#include "state/bucket.h"

#include "base/clock.h"

#define MS 1000000LL            /* nanoseconds */
#define AHEAD_MAX (2 * BUCKET_DEBT_MAX_MS * MS)

int64_t bucket_now(void)
{
	return clock_us() * 1000;
}

/* The word where it says something, else that it is full. */
static int64_t base(int64_t word, int64_t now)
{
	return word > now && word - now <= AHEAD_MAX ? word : now;
}

/* Nanoseconds that n take to come back. */
static int64_t cost(const struct bucket_rule *r, int64_t n)
{
	double ns = (double)n * (double)(r->window_ms * MS) / (double)r->limit;

	if (ns > (double)AHEAD_MAX)
		return AHEAD_MAX;
	return ns < -(double)AHEAD_MAX ? -AHEAD_MAX : (int64_t)ns;
}

int64_t bucket_left(int64_t word, int64_t now, const struct bucket_rule *r)
{
	int64_t window = r->window_ms * MS, left = window - (base(word, now) - now);

	if (left == window)
		return r->limit;
	return left > 0 ? (int64_t)((double)left * (double)r->limit / (double)window) : 0;
}

static int64_t up_to_ms(int64_t ns)
{
	return ns > 0 ? (ns + MS - 1) / MS : 0;
}

int64_t bucket_full_ms(int64_t word, int64_t now)
{
	return up_to_ms(base(word, now) - now);
}

int64_t bucket_wait_ms(int64_t word, int64_t now, const struct bucket_rule *r, int64_t n)
{
	if (n > r->limit)
		n = r->limit;
	return up_to_ms(base(word, now) + cost(r, n) - now - r->window_ms * MS);
}

int64_t bucket_take(int64_t word, int64_t now, const struct bucket_rule *r, int64_t n)
{
	int64_t next = base(word, now) + cost(r, n);
	int64_t most = now + r->window_ms * MS + BUCKET_DEBT_MAX_MS * MS;

	return next < most ? next : most;
}
