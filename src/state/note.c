/* Texts word by word, each store an atomic one: a reader gets old words or new, never half of
 * one. */
#include "state/note.h"

#include <string.h>

#include "base/str.h"

#define WORDS_MAX (NOTE_MAX / 8)

static uint64_t sum_of(const uint64_t *v, size_t n)
{
	uint64_t sum = UINT64_C(0x9e3779b97f4a7c15);

	for (size_t i = 0; i < n; i++)
		sum = (sum ^ v[i]) * UINT64_C(0x100000001b3) + i;
	return sum;
}

void note_put(_Atomic uint64_t *sum, _Atomic uint64_t *word, size_t n, const char *text)
{
	struct str s = str_cut_utf8(str_of(text), n * sizeof(*word) - 1);
	uint64_t v[WORDS_MAX] = { 0 };

	if (s.n)
		memcpy(v, s.p, s.n);
	for (size_t i = 0; i < n; i++)
		atomic_store(&word[i], v[i]);
	atomic_store(sum, sum_of(v, n));
}

void note_get(_Atomic uint64_t *sum, _Atomic uint64_t *word, size_t n, char *out)
{
	uint64_t v[WORDS_MAX], said = atomic_load(sum);

	for (size_t i = 0; i < n; i++)
		v[i] = atomic_load(&word[i]);
	memcpy(out, v, n * sizeof(*v));
	if (sum_of(v, n) != said)
		out[0] = '\0';
	out[n * sizeof(*v) - 1] = '\0';
}
