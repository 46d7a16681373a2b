/*
 * The event stream encoding of AWS services (docs.aws.amazon.com/lexv2, "Event stream encoding").
 * Messages are small and mostly come whole, so the usual way is to check and read one where it
 * lies; only one that is cut by the end of a piece is gathered.
 */
#include "upstream/eventstream.h"

#include <string.h>

#include "json/span.h"

/* ---- checksum ---- */

/* Four bits at a time: 64 bytes of table instead of a kilobyte, and fast enough for text that a
 * model writes. */
static const uint32_t nibbles[16] = {
	0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
	0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
	0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
};

uint32_t eventstream_crc(const void *data, size_t n)
{
	const unsigned char *p = data;
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < n; i++) {
		crc = crc >> 4 ^ nibbles[(crc ^ p[i]) & 15];
		crc = crc >> 4 ^ nibbles[(crc ^ p[i] >> 4) & 15];
	}
	return ~crc;
}

/* ---- numbers and headers ---- */

static uint32_t number(const char *p, size_t bytes)
{
	uint32_t v = 0;

	for (size_t i = 0; i < bytes; i++)
		v = v << 8 | (unsigned char)p[i];
	return v;
}

/* The headers that say what a message is; absent ones are empty. */
struct meaning {
	struct str message_type, event_type, exception_type, code, message;
};

static const struct {
	const char *name;
	size_t at;
} known[] = {
	{ ":message-type", offsetof(struct meaning, message_type) },
	{ ":event-type", offsetof(struct meaning, event_type) },
	{ ":exception-type", offsetof(struct meaning, exception_type) },
	{ ":error-code", offsetof(struct meaning, code) },
	{ ":error-message", offsetof(struct meaning, message) },
};

/* The value kinds by their code: bytes of the value, or of its length where that goes ahead. */
static const struct {
	unsigned char bytes;
	bool counted;
} kinds[] = {
	{ 0, false },  /* true */
	{ 0, false },  /* false */
	{ 1, false },  /* byte */
	{ 2, false },  /* short */
	{ 4, false },  /* int */
	{ 8, false },  /* long */
	{ 2, true },   /* bytes */
	{ 2, true },   /* string */
	{ 8, false },  /* timestamp */
	{ 16, false }, /* uuid */
};
#define KIND_STRING 7

static bool take(struct str *from, size_t n, struct str *out)
{
	if (n > from->n)
		return false;
	*out = (struct str){ from->p, n };
	from->p += n;
	from->n -= n;
	return true;
}

static void note_header(struct meaning *m, struct str name, struct str value)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (str_is(name, known[i].name))
			*(struct str *)((char *)m + known[i].at) = value;
}

static bool read_header(struct str *rest, struct meaning *m)
{
	struct str part, name, value;
	unsigned kind;

	if (!take(rest, 1, &part) || !take(rest, number(part.p, 1), &name) ||
	    !take(rest, 1, &part))
		return false;
	kind = number(part.p, 1);
	if (kind >= sizeof(kinds) / sizeof(*kinds) || !take(rest, kinds[kind].bytes, &value))
		return false;
	if (kinds[kind].counted && !take(rest, number(value.p, 2), &value))
		return false;
	if (kind == KIND_STRING)
		note_header(m, name, value);
	return true;
}

/* ---- messages ---- */

static int wrong(struct eventstream *s, const char *what)
{
	s->error = what;
	return -1;
}

/* The first three numbers; *total and *headers filled when they can be true. */
static int read_prelude(struct eventstream *s, const char *p, size_t *total, size_t *headers)
{
	if (number(p + 8, 4) != eventstream_crc(p, 8))
		return wrong(s, "a message whose first checksum is wrong");
	*total = number(p, 4);
	*headers = number(p + 4, 4);
	if (*total < EVENTSTREAM_OVERHEAD || *headers > *total - EVENTSTREAM_OVERHEAD)
		return wrong(s, "a message whose lengths do not fit together");
	if (*headers > EVENTSTREAM_HEADERS_MAX || *total > s->max)
		return wrong(s, "a message that is too large");
	return 0;
}

/* {"__type":"throttlingException","message":"…"}: the payload's own members stay. */
static int tell_fault(const struct meaning *m, struct str payload,
		      const struct eventstream_handler *h)
{
	struct str type = m->exception_type.n ? m->exception_type : m->code;
	struct str own = str_trim(payload);
	struct buf b;
	int r = -1;

	buf_init(&b, 0);
	buf_puts(&b, "{\"__type\":");
	span_put_string(&b, span_utf8(type));
	if (own.n > 2 && own.p[0] == '{') {
		buf_putc(&b, ',');
		buf_put(&b, own.p + 1, own.n - 1);
	} else {
		buf_puts(&b, ",\"message\":");
		span_put_string(&b, span_utf8(m->message));
		buf_putc(&b, '}');
	}
	if (!b.failed)
		r = h->fault(h->ctx, buf_str(&b));
	buf_release(&b);
	return r;
}

/* One whole message of `total` bytes. */
static int read_message(struct eventstream *s, const char *p, size_t total, size_t headers,
			const struct eventstream_handler *h)
{
	struct str rest = { p + EVENTSTREAM_PRELUDE, headers };
	struct str payload = { rest.p + headers, total - EVENTSTREAM_OVERHEAD - headers };
	struct meaning m = { 0 };

	if (number(p + total - 4, 4) != eventstream_crc(p, total - 4))
		return wrong(s, "a message whose checksum is wrong");
	while (rest.n)
		if (!read_header(&rest, &m))
			return wrong(s, "a message with a broken header");
	if (str_is(m.message_type, "exception") || str_is(m.message_type, "error"))
		return tell_fault(&m, payload, h);
	if (!m.event_type.p)
		m.event_type = STR("");
	return h->event(h->ctx, m.event_type, payload);
}

/* Adds to what is kept until that has `want` bytes; false when the piece ended before. */
static bool gather(struct eventstream *s, const char **p, size_t *n, size_t want)
{
	size_t more = s->kept.n < want ? want - s->kept.n : 0;

	if (more > *n)
		more = *n;
	if (buf_put(&s->kept, *p, more)) {
		s->error = "a message for which there is no memory";
		s->no_memory = true;
		return false;
	}
	*p += more;
	*n -= more;
	return s->kept.n >= want;
}

/* Goes on with the message whose beginning is kept. */
static int feed_kept(struct eventstream *s, const char **p, size_t *n,
		     const struct eventstream_handler *h)
{
	size_t total, headers;
	int r;

	if (!gather(s, p, n, EVENTSTREAM_PRELUDE))
		return s->error ? -1 : 0;
	if (read_prelude(s, s->kept.p, &total, &headers))
		return -1;
	if (!gather(s, p, n, total))
		return s->error ? -1 : 0;
	r = read_message(s, s->kept.p, total, headers, h);
	buf_reset(&s->kept);
	return r;
}

int eventstream_feed(struct eventstream *s, const char *p, size_t n,
		     const struct eventstream_handler *h)
{
	size_t total, headers;
	int r = s->error ? -1 : 0;

	while (n && !r) {
		if (s->kept.n || n < EVENTSTREAM_PRELUDE) {
			r = feed_kept(s, &p, &n, h);
			continue;
		}
		if (read_prelude(s, p, &total, &headers))
			return -1;
		if (total > n) {
			r = feed_kept(s, &p, &n, h);
			continue;
		}
		r = read_message(s, p, total, headers, h);
		p += total;
		n -= total;
	}
	return r;
}

void eventstream_init(struct eventstream *s, size_t max)
{
	*s = (struct eventstream){ .max = max };
	buf_init(&s->kept, 0);
}

void eventstream_release(struct eventstream *s)
{
	buf_release(&s->kept);
}
