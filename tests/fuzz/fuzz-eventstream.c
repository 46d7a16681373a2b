/*
 * AWS event streams: the same bytes whole, and in pieces whose sizes the bytes themselves choose,
 * must give the same. The first byte chooses: 'r' the bytes as they are; anything else makes
 * messages with right checksums of them, so that what stands behind these is reached.
 */
#include <stdlib.h>
#include <string.h>

#include "json/scan.h"
#include "upstream/eventstream.h"

#define MESSAGE_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_event(void *ctx, struct str name, struct str data)
{
	struct buf *out = ctx;

	if (!name.p || !data.p || data.n > MESSAGE_MAX)
		abort();
	buf_put_str(out, name);
	buf_putc(out, '\n');
	buf_put_str(out, data);
	return buf_puts(out, "\n\n");
}

static int on_fault(void *ctx, struct str body)
{
	buf_put_str(ctx, body);
	return 1;
}

/* Each piece is copied to memory of its own, so that nothing can read beyond it or keep it. */
static int run(struct buf *out, struct str in, bool pieces)
{
	struct eventstream_handler h = { on_event, on_fault, out };
	struct eventstream s;
	size_t take;
	int r = 0;

	buf_init(out, 0);
	eventstream_init(&s, MESSAGE_MAX);
	for (size_t at = 0; at < in.n && !r; at += take) {
		char *piece;

		take = pieces ? (unsigned char)in.p[at] % 13u + 1 : in.n;
		if (take > in.n - at)
			take = in.n - at;
		piece = malloc(take);
		if (!piece)
			abort();
		memcpy(piece, in.p + at, take);
		r = eventstream_feed(&s, piece, take, &h);
		free(piece);
	}
	eventstream_release(&s);
	return r;
}

static void put_number(struct buf *b, uint32_t v)
{
	for (int i = 3; i >= 0; i--)
		buf_putc(b, (char)(v >> 8 * i & 255));
}

/* Messages of a byte that says how long the headers are, one that says how long the payload is, and
 * both. */
static void make(struct buf *b, struct str in)
{
	while (in.n > 2) {
		size_t headers = (unsigned char)in.p[0], payload = (unsigned char)in.p[1];
		size_t at = b->n;

		in.p += 2;
		in.n -= 2;
		headers = headers < in.n ? headers : in.n;
		payload = payload < in.n - headers ? payload : in.n - headers;
		put_number(b, (uint32_t)(headers + payload + EVENTSTREAM_OVERHEAD));
		put_number(b, (uint32_t)headers);
		put_number(b, eventstream_crc(b->p + at, 8));
		buf_put(b, in.p, headers + payload);
		put_number(b, eventstream_crc(b->p + at, b->n - at));
		in.p += headers + payload;
		in.n -= headers + payload;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = { (const char *)data + 1, size - 1 };
	struct buf made, whole, cut;
	int a, b;

	if (!size)
		return 0;
	buf_init(&made, 0);
	if (data[0] == 'r')
		buf_put_str(&made, in);
	else
		make(&made, in);
	a = run(&whole, buf_str(&made), false);
	b = run(&cut, buf_str(&made), true);
	if (a != b || !str_eq(buf_str(&whole), buf_str(&cut)))
		abort();
	buf_release(&made);
	buf_release(&whole);
	buf_release(&cut);
	return 0;
}
