/*
 * A renewal. With a state dir one process at a time does it: it holds a lock on a file beside the
 * one that it then writes, so whoever is killed leaves no lock behind. The others wait for the lock
 * and find what that one has got, or why it has got nothing: an endpoint that stalls is not asked
 * by each of them in turn.
 */
#include "upstream/credential_renew.h"

#include "base/clock.h"
#include "base/log.h"

/* Renewed when a fifth of its life is left, five minutes at most. */
#define EARLY_SHARE 5
#define EARLY_MS (5 * 60 * 1000)
/* A credential that would expire on the way counts as expired. */
#define ON_THE_WAY_MS 5000
/* Longest wait for another process; then it is got here. */
#define OTHERS_MS 40000
/* A wall clock that was put back by more than this makes all times before it meaningless. */
#define CLOCK_STEP_MS 60000

bool credential_good(const struct credential *c, uint64_t refused)
{
	return c->token && c->version != refused &&
	       (!c->expires || c->expires - ON_THE_WAY_MS > clock_wall_ms());
}

bool credential_due(const struct backend *b, const struct credential *c)
{
	const struct credential_provider *p = credential_provider(b);
	int64_t early = (c->expires - c->obtained) / EARLY_SHARE, now = clock_wall_ms();

	if (c->expires && (now >= c->expires - (early < EARLY_MS ? early : EARLY_MS) ||
			   now < c->obtained - CLOCK_STEP_MS))
		return true;
	return p->stale && p->stale(b, c);
}

/* What another process has left, when it is better than what is here. */
static bool adopt(const struct renewal *n, struct credential *out)
{
	struct fault f = FAULT_INIT;

	if (credential_share_read(n->dir, n->id, out, &f) == 0 &&
	    credential_good(out, n->refused) && !credential_due(n->b, out))
		return true;
	credential_release(out);
	return false;
}

static enum renewed fetch(const struct renewal *n, struct credential *out, struct fault *f)
{
	/* What fails at its second step (a role, an impersonation) leaves what the first gave. */
	if (credential_provider(n->b)->fetch(n->b, n->w, out, f)) {
		credential_release(out);
		return RENEWAL_FAILED;
	}
	if (!credential_printable(out)) {
		credential_release(out);
		credential_fault(n->b, f, "holds a control character");
		return RENEWAL_FAILED;
	}
	log_info("backend %s: credential (%s) renewed", n->b->name, credential_kind_name(n->b));
	return RENEWED;
}

/* lock: -1 where there is none to be had. */
static enum renewed fetch_for_all(const struct renewal *n, int lock, struct credential *out,
				  struct fault *f)
{
	enum renewed r = fetch(n, out, f);

	if (r == RENEWED && !out->local)
		credential_share_write(n->dir, n->id, out);
	if (r == RENEWED)
		credential_share_fail(lock, NULL);
	else if (f->class != FAULT_CANCELLED)
		credential_share_fail(lock, f);
	return r;
}

/* One turn of waiting for the lock. True when *r is settled. */
static bool take_turn(const struct renewal *n, int *lock, int64_t end, enum renewed *r,
		      struct credential *out, struct fault *f)
{
	enum share_lock got = credential_share_lock(n->dir, n->id, lock);

	*r = RENEWED;
	if (adopt(n, out))
		return true;
	*r = RENEWED_ELSEWHERE;
	if (got == SHARE_BUSY && n->early)
		return true;
	*r = RENEWAL_FAILED;
	if (got == SHARE_LOCKED && credential_share_failed(*lock, CREDENTIAL_AGAIN_MS, f))
		return true;
	if (got == SHARE_BUSY && clock_ms() < end)
		return false;
	*r = fetch_for_all(n, got == SHARE_LOCKED ? *lock : -1, out, f);
	return true;
}

enum renewed credential_renew(const struct renewal *n, struct credential *out, struct fault *f)
{
	int64_t end = clock_ms() + OTHERS_MS;
	enum renewed r = RENEWAL_FAILED;
	int lock = -1;

	if (!n->dir || !credential_provider(n->b)->shared)
		return fetch(n, out, f);
	while (!take_turn(n, &lock, end, &r, out, f)) {
		if (wait_until(n->w, clock_ms() + CREDENTIAL_LOOK_MS) == WAIT_CANCEL) {
			fault_gone(f);
			break;
		}
	}
	credential_share_unlock(lock);
	return r;
}
