/* Messages of an AWS event stream, made from lines of JSON as recorded answers have them. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "json/scan.h"
#include "upstream/eventstream.h"

static void put_number(struct buf *b, uint32_t v, unsigned bytes)
{
	while (bytes--)
		buf_putc(b, (char)(v >> 8 * bytes & 255));
}

static void put_header(struct buf *b, const char *name, struct str value)
{
	put_number(b, (uint32_t)strlen(name), 1);
	buf_puts(b, name);
	put_number(b, 7, 1);
	put_number(b, (uint32_t)value.n, 2);
	buf_put_str(b, value);
}

static void put_message(struct buf *b, const char *kind, struct str type, struct str payload)
{
	size_t at = b->n;
	struct buf h;

	buf_init(&h, 0);
	put_header(&h, strcmp(kind, "event") ? ":exception-type" : ":event-type", type);
	put_header(&h, ":content-type", STR("application/json"));
	put_header(&h, ":message-type", str_of(kind));
	put_number(b, (uint32_t)(h.n + payload.n + EVENTSTREAM_OVERHEAD), 4);
	put_number(b, (uint32_t)h.n, 4);
	put_number(b, eventstream_crc(b->p + at, 8), 4);
	buf_put_str(b, buf_str(&h));
	buf_put_str(b, payload);
	put_number(b, eventstream_crc(b->p + at, b->n - at), 4);
	buf_release(&h);
}

/* {"bytes":"…","p":"abc"}: the second member is padding. */
static void put_chunk(struct buf *b, struct str event)
{
	unsigned char *coded = malloc(event.n / 3 * 4 + 5);
	struct buf payload;

	if (!coded)
		abort();
	EVP_EncodeBlock(coded, (const unsigned char *)event.p, (int)event.n);
	buf_init(&payload, 0);
	buf_printf(&payload, "{\"bytes\":\"%s\",\"p\":\"abc\"}", coded);
	put_message(b, "event", STR("chunk"), buf_str(&payload));
	buf_release(&payload);
	free(coded);
}

int frame_line(struct buf *b, struct str line, bool chunk)
{
	struct str type;
	struct span key, payload;
	struct scan it;

	if (line.p[0] == '!') {
		str_split(&line, ' ', &type);
		str_split(&line, ' ', &type);
		put_message(b, "exception", type, line);
	} else if (chunk) {
		put_chunk(b, line);
	} else if (json_each_member(span_json(line), &it) && scan_member(&it, &key)) {
		payload = scan_value(&it);
		put_message(b, "event", (struct str){ key.p, key.n },
			    (struct str){ payload.p, payload.n });
	} else {
		return -1;
	}
	return 0;
}
