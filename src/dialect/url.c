/*
 * Addresses that hold more than a path: some providers name the model in it, and have one for a
 * stream and another for a whole answer.
 */
#include <string.h>

#include "dialect/dialect.h"

/* RFC 3986, section 3.3: what may stand in a segment as it is; ':' and '@' are part of names. */
static bool plain(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       strchr("-._~@:", c);
}

static void put_segment(struct buf *b, const char *text)
{
	for (; *text; text++) {
		if (plain(*text))
			buf_putc(b, *text);
		else
			buf_printf(b, "%%%02X", (unsigned char)*text);
	}
}

/* One {…} of a path. */
static void put_place(struct buf *b, struct str place, const char *model, bool stream)
{
	struct str first = place, rest = place;

	if (str_is(place, "model"))
		put_segment(b, model);
	else if (str_split(&rest, '|', &first))
		buf_put_str(b, stream ? first : rest);
}

const char *dialect_url(struct arena *a, const struct target *t, const char *path, bool stream)
{
	const char *url, *open, *close;
	struct buf b;

	buf_init(&b, 0);
	buf_puts(&b, t->backend->base_url);
	while ((open = strchr(path, '{')) && (close = strchr(open, '}'))) {
		buf_put(&b, path, (size_t)(open - path));
		put_place(&b, (struct str){ open + 1, (size_t)(close - open - 1) },
			  t->model ? t->model : "", stream);
		path = close + 1;
	}
	buf_puts(&b, path);
	url = arena_buf(a, &b).p;
	buf_release(&b);
	return url;
}
