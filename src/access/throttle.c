/*
 * Refused keys are counted twice: by the address that they come from (of IPv6 the /64, which is
 * what one customer has) and by the key itself, which a whole fleet may go on sending after it was
 * taken away. Too many, and the answer is 429 until some are forgotten.
 *
 * A key is looked up before anything is counted, so one that is good is never kept out by what
 * others send. What is counted is a hash with a secret of the table: nobody outside can tell which
 * of its slots an address or key has, and so push another one out.
 */
#include <string.h>

#include "access/access.h"
#include "state/rates.h"

#define V6_NETWORK 8            /* bytes of an IPv6 address that are its network's */

struct ids {
	uint64_t of[FAILURE_KINDS];
	bool known[FAILURE_KINDS];
};

static void find_ids(const struct access_client *client, struct str presented, struct ids *out)
{
	const struct address *a = &client->address;
	uint64_t secret = rates_secret();

	*out = (struct ids){ .known = { [FAILURE_ADDRESS] = client->known,
					[FAILURE_KEY] = presented.n > 0 } };
	if (client->known)
		out->of[FAILURE_ADDRESS] = access_hash64(
			secret, a->b, address_is_v4(a) ? sizeof(a->b) : V6_NETWORK);
	if (presented.n)
		out->of[FAILURE_KEY] = access_hash64(secret, presented.p, presented.n);
}

static int throttled(struct fault *f, int64_t wait_ms)
{
	int rc = fault_set(f, FAULT_RATE, 429, "rate_limit_error",
			   "Too many requests with a refused key came from this address, or with "
			   "this key (access.throttle_failures); a valid key is always let in.");

	f->scope = FAULT_OF_KEY;
	f->retry_after = (int)((wait_ms + 999) / 1000);
	if (f->retry_after < 1)
		f->retry_after = 1;
	return rc;
}

int access_refused(const struct config *c, const struct access_client *client,
		   struct str presented, struct fault *f)
{
	struct bucket_rule rule = { .limit = c->throttle_failures,
				    .window_ms = c->throttle_window * 1000LL };
	struct ids ids;
	int64_t wait = 0;

	if (!rule.limit)
		return -1;
	find_ids(client, presented, &ids);
	for (int k = 0; k < FAILURE_KINDS; k++) {
		int64_t w = 0;

		if (ids.known[k])
			w = failure_wait_ms((enum failure_kind)k, ids.of[k], &rule);
		wait = w > wait ? w : wait;
	}
	/* While it is refused so nothing is counted: the time that is told is what it takes. */
	if (wait)
		return throttled(f, wait);
	for (int k = 0; k < FAILURE_KINDS; k++)
		if (ids.known[k] && !failure_note((enum failure_kind)k, ids.of[k], &rule))
			return throttled(f, rule.window_ms / rule.limit);
	return -1;
}
