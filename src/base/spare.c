/* Large blocks kept warm. See spare.h. */
#include "base/spare.h"

#include <pthread.h>
#include <stdlib.h>

#define KEPT_MAX 6                      /* blocks */
#define KEPT_BYTES (768 * 1024)         /* in all */
#define WASTE 8                         /* a block may be so many times larger than asked for */

static struct {
	void *p;
	size_t size;
} kept[KEPT_MAX];
static size_t nkept, kept_bytes;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Powers of two, so that a block fits the next request too. */
static size_t rounded(size_t n)
{
	size_t size = SPARE_LEAST;

	while (size < n && size <= SPARE_MOST)
		size *= 2;
	return size < n ? n : size;
}

/* The smallest that fits; of equal ones the last given, which is the warmest. */
static void *take_kept(size_t n, size_t *size)
{
	size_t best = nkept;
	void *p;

	for (size_t i = nkept; i-- > 0;)
		if (kept[i].size >= n && kept[i].size / WASTE <= n &&
		    (best == nkept || kept[i].size < kept[best].size))
			best = i;
	if (best == nkept)
		return NULL;
	p = kept[best].p;
	*size = kept[best].size;
	kept_bytes -= *size;
	for (size_t i = best + 1; i < nkept; i++)
		kept[i - 1] = kept[i];
	nkept--;
	return p;
}

void *spare_take(size_t n, size_t *size, int *used)
{
	void *p;

	pthread_mutex_lock(&lock);
	p = take_kept(n, size);
	pthread_mutex_unlock(&lock);
	*used = p != NULL;
	if (p)
		return p;
	*size = rounded(n);
	return calloc(1, *size);
}

void spare_give(void *p, size_t size)
{
	if (size >= SPARE_LEAST && size <= SPARE_MOST && p) {
		pthread_mutex_lock(&lock);
		if (nkept < KEPT_MAX && kept_bytes + size <= KEPT_BYTES) {
			kept[nkept].p = p;
			kept[nkept++].size = size;
			kept_bytes += size;
			p = NULL;
		}
		pthread_mutex_unlock(&lock);
	}
	free(p);
}

void spare_trim(void)
{
	pthread_mutex_lock(&lock);
	while (nkept)
		free(kept[--nkept].p);
	kept_bytes = 0;
	pthread_mutex_unlock(&lock);
}
