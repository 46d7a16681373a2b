/*
 * One number for a configuration: FNV-1a over its settings as they are shown. Processes that have
 * loaded the same settings have the same, so that what they write can be put together; a file that
 * was touched, or a token that was renewed, does not change it.
 */
#include "config/snapshot.h"

static uint64_t add(uint64_t h, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * UINT64_C(1099511628211);
	return (h ^ 0xff) * UINT64_C(1099511628211);
}

static uint64_t add_set(uint64_t h, const struct option_set *set, struct buf *b)
{
	for (size_t i = 0; i < set->table->n; i++) {
		buf_reset(b);
		option_show(b, &set->table->rows[i], set->base, &set->from[i]);
		h = add(h, buf_str(b));
	}
	return h;
}

uint64_t config_mark(const struct config *c)
{
	const struct snapshot *s = (const struct snapshot *)c;
	uint64_t h = UINT64_C(14695981039346656037);
	struct buf b;

	buf_init(&b, 0);
	h = add_set(h, &s->globals, &b);
	for (size_t i = 0; i < c->nbackends; i++)
		h = add_set(h, &s->sets[i], &b);
	buf_release(&b);
	return h;
}
