/*
 * Random identifiers. Randomness is drawn from the kernel 256 bytes at a time for each thread, so
 * that an id costs no system call. After a fork the child must not repeat its parent's ids: the
 * pool remembers whose it is.
 */
#include "base/ids.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/os.h"

#define ID_RANDOM 24

struct pool {
	unsigned char bytes[256];
	size_t left;
	pid_t owner;
};

static _Thread_local struct pool pool;

/* splitmix64 over clock and address: only where the kernel gives nothing (in a sandbox).
 * Ids must differ then, they need not be secret. */
static void pool_fill_weakly(size_t from)
{
	uint64_t x = (uint64_t)clock_us() ^ ((uint64_t)getpid() << 40) ^ (uint64_t)(uintptr_t)&pool;

	for (size_t i = from; i < sizeof(pool.bytes); i++) {
		uint64_t z = x += 0x9e3779b97f4a7c15u;

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
		z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
		pool.bytes[i] = (unsigned char)(z ^ (z >> 31));
	}
}

static void pool_fill(pid_t owner)
{
	size_t n = os_random(pool.bytes, sizeof(pool.bytes));

	if (n < sizeof(pool.bytes))
		pool_fill_weakly(n);
	pool.left = sizeof(pool.bytes);
	pool.owner = owner;
}

static const unsigned char *pool_take(size_t n)
{
	pid_t self = getpid();

	if (pool.left < n || pool.owner != self)
		pool_fill(self);
	pool.left -= n;
	return pool.bytes + pool.left;
}

uint64_t id_random(void)
{
	uint64_t v;

	memcpy(&v, pool_take(sizeof(v)), sizeof(v));
	return v;
}

uint32_t id_random_below(uint32_t n)
{
	return (uint32_t)((id_random() >> 32) * n >> 32);
}

void id_make(char out[ID_SIZE], const char *prefix)
{
	/* 64 letters for 62: the two extra ones only make A and B a little more likely. */
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789AB";
	size_t n = strnlen(prefix, ID_SIZE - 1 - ID_RANDOM);
	const unsigned char *random = pool_take(ID_RANDOM);

	memcpy(out, prefix, n);
	for (size_t i = 0; i < ID_RANDOM; i++)
		out[n + i] = letters[random[i] & 63];
	out[n + ID_RANDOM] = '\0';
}
