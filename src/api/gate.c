/*
 * The gate in front of request bodies: a request reserves its Content-Length before a byte of it is
 * read, so that many large bodies at once end as a 529 that clients retry, never as a process that
 * runs out of memory.
 */
#include <stdatomic.h>

#include "api/api.h"

static _Atomic size_t bytes_held;
static _Atomic int requests_held;

static int too_busy(struct fault *f, const char *limit)
{
	int rc = fault_set(f, FAULT_OVERLOADED, 529, "overloaded_error",
			   "The gateway is at its limit for now (%s); try again.", limit);

	f->retry_after = 1;
	return rc;
}

/* Adds n unless that passes max. */
static bool reserve(size_t n, size_t max)
{
	size_t have = atomic_load(&bytes_held);

	do {
		if (n > max || have > max - n)
			return false;
	} while (!atomic_compare_exchange_weak(&bytes_held, &have, have + n));
	return true;
}

size_t gate_memory(const struct config *c)
{
	return api_size((uint64_t)c->memory);
}

int gate_grow(const struct config *c, struct gate_ticket *t, size_t bytes, struct fault *f)
{
	if (bytes <= t->bytes)
		return 0;
	if (bytes > gate_memory(c))
		return fault_set(f, FAULT_OVERFLOW, 413, "request_too_large",
				 "The request takes %zu bytes of memory; limits.memory of this "
				 "gateway is %lld bytes for all requests at once.",
				 bytes, (long long)c->memory);
	if (!reserve(bytes - t->bytes, gate_memory(c)))
		return too_busy(f, "limits.memory");
	t->bytes = bytes;
	return 0;
}

int gate_enter(const struct config *c, size_t bytes, struct gate_ticket *t, struct fault *f)
{
	*t = (struct gate_ticket){ 0 };
	if (atomic_fetch_add(&requests_held, 1) >= c->requests) {
		atomic_fetch_sub(&requests_held, 1);
		return too_busy(f, "limits.requests");
	}
	t->held = true;
	if (gate_grow(c, t, bytes, f) == 0)
		return 0;
	gate_leave(t);
	return -1;
}

bool gate_spare(const struct config *c, size_t bytes)
{
	return reserve(bytes, gate_memory(c) / 2);
}

void gate_give(size_t bytes)
{
	atomic_fetch_sub(&bytes_held, bytes);
}

void gate_shrink(struct gate_ticket *t, size_t bytes)
{
	if (bytes >= t->bytes)
		return;
	gate_give(t->bytes - bytes);
	t->bytes = bytes;
}

void gate_leave(struct gate_ticket *t)
{
	if (!t->held)
		return;
	gate_shrink(t, 0);
	atomic_fetch_sub(&requests_held, 1);
	t->held = false;
}

int gate_requests(void)
{
	return atomic_load(&requests_held);
}
