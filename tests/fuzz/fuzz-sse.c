/*
 * The SSE parser: the same bytes whole, and in pieces whose sizes the bytes themselves choose, must give the same events.
 */
#include <stdlib.h>
#include <string.h>

#include "upstream/sse.h"

#define EVENT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_event(void *ctx, struct str name, struct str data)
{
	struct buf *out = ctx;

	if (!name.p || !data.p || data.n > EVENT_MAX)
		abort();
	buf_put_str(out, name);
	buf_putc(out, '\n');
	buf_put_str(out, data);
	return buf_puts(out, "\n\n");
}

static int on_comment(void *ctx)
{
	return buf_puts(ctx, ":\n");
}

/* Each piece is copied to memory of its own, so that nothing can read beyond it or keep it. */
static int run(struct buf *out, const uint8_t *data, size_t size, bool pieces)
{
	struct sse_handler h = { on_event, on_comment, out };
	struct sse s;
	size_t take;
	int r = 0;

	buf_init(out, 0);
	sse_init(&s, EVENT_MAX);
	for (size_t at = 0; at < size && !r; at += take) {
		char *piece;

		take = pieces ? data[at] % 13u + 1 : size;
		if (take > size - at)
			take = size - at;
		piece = malloc(take);
		if (!piece)
			abort();
		memcpy(piece, data + at, take);
		r = sse_feed(&s, piece, take, &h);
		free(piece);
	}
	if (!r)
		r = sse_finish(&s, &h);
	sse_release(&s);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, cut;
	int a = run(&whole, data, size, false), b = run(&cut, data, size, true);

	/* Where a line is far too long, the pieces may stop at another byte of it. */
	if (a == 0 && b == 0 && !str_eq(buf_str(&whole), buf_str(&cut)))
		abort();
	buf_release(&whole);
	buf_release(&cut);
	return 0;
}
