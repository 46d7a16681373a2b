/*
 * One number for a configuration: FNV-1a over its settings as they are shown. Processes that have
 * loaded the same settings have the same, so that what they write can be put together; a file that
 * was touched, or a token that was renewed, does not change it.
 */
#include "config/config.h"
#include "config/option.h"

static uint64_t add(uint64_t h, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * UINT64_C(1099511628211);
	return (h ^ 0xff) * UINT64_C(1099511628211);
}

static uint64_t add_table(uint64_t h, const struct option_table *t, const void *base, struct buf *b)
{
	for (size_t i = 0; i < t->n; i++) {
		buf_reset(b);
		option_show(b, &t->rows[i], base, NULL);
		h = add(h, buf_str(b));
	}
	return h;
}

uint64_t config_mark(const struct config *c)
{
	uint64_t h = UINT64_C(14695981039346656037);
	struct buf b;

	buf_init(&b, 0);
	h = add_table(h, &options_global, c, &b);
	for (size_t i = 0; i < c->nbackends; i++) {
		h = add(h, str_of(c->backends[i].name));
		h = add_table(h, &options_backend, &c->backends[i], &b);
	}
	buf_release(&b);
	return h;
}
