/*
 * A call with its credential. Where that can be renewed, an answer that may refuse it (400, 401,
 * 403) is held back until it is whole: if it says that the credential has had its time, the call is
 * made once more with a new one, and whoever asked never learns of the first.
 */
#include "upstream/upstream.h"

#include "upstream/call.h"

/* Of a refusal's body; a longer answer is none and is handed on as it comes. */
#define HELD_MAX (64 * 1024)

struct held {
	const struct upstream_call *ask;
	bool holding;
	struct upstream_head head;
	struct buf pass;                /* what head.pass points to */
	struct buf body;
};

static int hold_head(void *ctx, const struct upstream_head *h)
{
	struct held *d = ctx;

	if (h->status != 400 && h->status != 401 && h->status != 403)
		return d->ask->on_head ? d->ask->on_head(d->ask->ctx, h) : 0;
	d->head = *h;
	buf_put_str(&d->pass, h->pass);
	d->head.pass = buf_str(&d->pass);
	d->holding = true;
	return d->pass.failed ? -1 : 0;
}

/* What was held goes where it would have gone. */
static int let_go(struct held *d)
{
	const struct upstream_call *a = d->ask;
	int r = 0;

	if (!d->holding)
		return 0;
	d->holding = false;
	if (a->on_head)
		r = a->on_head(a->ctx, &d->head);
	if (!r && a->on_data && d->body.n)
		r = a->on_data(a->ctx, d->body.p, d->body.n);
	return r;
}

static int hold_data(void *ctx, const char *p, size_t n)
{
	struct held *d = ctx;
	int r;

	if (d->holding && d->body.n + n <= HELD_MAX)
		return buf_put(&d->body, p, n);
	r = let_go(d);
	return r || !d->ask->on_data ? r : d->ask->on_data(d->ask->ctx, p, n);
}

/* *again: the credential was refused and another one can be had. */
static enum upstream_result perform_held(const struct upstream_call *a,
					 const struct credential *own, bool *again,
					 struct fault *f)
{
	struct held d = { .ask = a };
	struct upstream_call hooked = *a;
	enum upstream_result result;

	buf_init(&d.pass, 0);
	buf_init(&d.body, 0);
	hooked.on_head = hold_head;
	hooked.on_data = hold_data;
	hooked.ctx = &d;
	result = call_perform(&hooked, own, f);
	*again = d.holding && result == UPSTREAM_DONE &&
		 credential_refused(a->backend, own, d.head.status, buf_str(&d.body));
	if (!*again && result != UPSTREAM_CANCELLED && let_go(&d) && result == UPSTREAM_DONE)
		result = UPSTREAM_STOPPED;
	buf_release(&d.pass);
	buf_release(&d.body);
	return result;
}

static enum upstream_result perform_once(const struct upstream_call *a, bool last, bool *again,
					 struct fault *f)
{
	struct credential own = CREDENTIAL_INIT;
	enum upstream_result result;

	*again = false;
	if (!a->caller_key && a->backend->auth != AUTH_NONE &&
	    credential_get(a->backend, a->waiter, a->deadline, &own, f)) {
		if (a->report)
			a->report->lost = LOST_CREDENTIAL;
		return f->class == FAULT_CANCELLED ? UPSTREAM_CANCELLED : UPSTREAM_FAILED;
	}
	if (last || a->caller_key || !credential_renewable(a->backend))
		result = call_perform(a, &own, f);
	else
		result = perform_held(a, &own, again, f);
	credential_release(&own);
	return result;
}

enum upstream_result upstream_perform(const struct upstream_call *a, struct fault *f)
{
	enum upstream_result result;
	bool again;

	if (a->report)
		*a->report = (struct upstream_report){ .connect_ms = -1, .first_byte_ms = -1 };
	result = perform_once(a, false, &again, f);
	return again ? perform_once(a, true, &again, f) : result;
}
