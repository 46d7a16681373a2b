/*
 * Server-sent events, as the WHATWG's HTML standard parses them (section 9.2.6), fed in pieces of
 * any size.
 *
 * Lines are found where they lie. What an event consists of is only remembered by pointer while
 * its piece is being fed, and copied when the piece ends first: nearly every event of a live
 * stream comes whole, so nearly none is copied. The fields `id` and `retry` mean reconnection,
 * which makes no sense for a POST; they are skipped.
 */
#include "upstream/sse.h"

#include <string.h>

/* A line may be longer than its value by the field's name, colon, space and a byte order mark. */
#define FIELD_ROOM 64
/* Memory that a large event took goes back when it was larger than this. */
#define KEEP_BYTES 65536

static const char bom[3] = { '\xef', '\xbb', '\xbf' };

void sse_init(struct sse *s, size_t max)
{
	*s = (struct sse){ .max = max };
	buf_init(&s->line, max ? max + FIELD_ROOM : 0);
	buf_init(&s->joined, max);
	buf_init(&s->kept_name, max);
}

void sse_release(struct sse *s)
{
	if (!s)
		return;
	buf_release(&s->line);
	buf_release(&s->joined);
	buf_release(&s->kept_name);
}

static int sse_fail(struct sse *s)
{
	s->failed = true;
	s->full = s->full || s->line.full || s->joined.full || s->kept_name.full;
	return -1;
}

static void empty(struct buf *b)
{
	if (b->cap > KEEP_BYTES)
		buf_release(b);
	else
		buf_reset(b);
}

/* Forgets the event so far. */
static void event_reset(struct sse *s)
{
	empty(&s->joined);
	empty(&s->kept_name);
	s->data = s->name = STR_NONE;
	s->ndata = 0;
}

/* Pieces go away after sse_feed: what was borrowed is copied. */
static int settle(struct sse *s)
{
	int r = 0;

	if (s->data.p)
		r |= buf_put_str(&s->joined, s->data);
	if (s->name.p)
		r |= buf_put_str(&s->kept_name, s->name);
	s->data = s->name = STR_NONE;
	return r ? sse_fail(s) : 0;
}

static int add_data(struct sse *s, struct str value, bool borrow)
{
	if (s->max && s->data.n + s->joined.n + value.n > s->max) {
		s->full = true;
		return sse_fail(s);
	}
	if (s->ndata++ == 0 && borrow) {
		s->data = value;
		return 0;
	}
	if (s->data.p) {
		buf_put_str(&s->joined, s->data);
		s->data = STR_NONE;
	}
	if (s->ndata > 1)
		buf_putc(&s->joined, '\n');
	return buf_put_str(&s->joined, value) ? sse_fail(s) : 0;
}

static int set_name(struct sse *s, struct str value, bool borrow)
{
	buf_reset(&s->kept_name);
	s->name = STR_NONE;
	if (borrow) {
		s->name = value;
		return 0;
	}
	return buf_put_str(&s->kept_name, value) ? sse_fail(s) : 0;
}

/* What stands in the piece, or else in the buffer; never a NULL pointer. */
static struct str either(struct str borrowed, const struct buf *b)
{
	if (borrowed.p)
		return borrowed;
	return b->n ? buf_str(b) : STR("");
}

/* The blank line. An event without a data line is none. */
static int dispatch(struct sse *s, const struct sse_handler *h)
{
	int r = 0;

	if (s->ndata && h->event)
		r = h->event(h->ctx, either(s->name, &s->kept_name), either(s->data, &s->joined));
	event_reset(s);
	return r;
}

/* One line without its end. borrow: it lies in the piece being fed. */
static int take_line(struct sse *s, struct str line, bool borrow, const struct sse_handler *h)
{
	const char *colon;
	struct str field = line, value = STR("");

	if (line.n == 0)
		return dispatch(s, h);
	if (line.p[0] == ':')
		return h->comment ? h->comment(h->ctx) : 0;
	colon = str_chr(line, ':');
	if (colon) {
		field.n = (size_t)(colon - line.p);
		value = (struct str){ colon + 1, line.n - field.n - 1 };
		if (value.n && value.p[0] == ' ')
			value = str_from(value, 1);
	}
	if (str_is(field, "data"))
		return add_data(s, value, borrow);
	if (str_is(field, "event"))
		return set_name(s, value, borrow);
	return 0;
}

/* First CR or LF from p on, NULL if there is none. *lf remembers the next LF over calls within
 * one piece, so that a stream with CR alone is not searched to its end for each of its lines. */
static const char *line_end(const char *p, const char *end, const char **lf)
{
	const char *stop, *cr;

	if (!*lf || *lf < p) {
		*lf = memchr(p, '\n', (size_t)(end - p));
		if (!*lf)
			*lf = end;
	}
	stop = *lf;
	cr = memchr(p, '\r', (size_t)(stop - p));
	if (cr)
		return cr;
	return stop < end ? stop : NULL;
}

/* Leaves a byte order mark at the stream's very begin out. What only looked like one goes into
 * the line. */
static const char *skip_bom(struct sse *s, const char *p, const char *end)
{
	while (s->bom < sizeof(bom) && p < end) {
		if (*p != bom[s->bom]) {
			buf_put(&s->line, bom, s->bom);
			s->bom = sizeof(bom);
			return p;
		}
		s->bom++;
		p++;
	}
	return p;
}

static int feed_lines(struct sse *s, const char *p, const char *end, const struct sse_handler *h)
{
	const char *lf = NULL, *eol;
	int r;

	while (p < end) {
		if (s->skip_lf) {
			s->skip_lf = false;
			if (*p == '\n') {
				p++;
				continue;
			}
		}
		eol = line_end(p, end, &lf);
		if (!eol)
			return buf_put(&s->line, p, (size_t)(end - p)) ? sse_fail(s) : 0;
		if (s->line.n == 0) {
			r = take_line(s, (struct str){ p, (size_t)(eol - p) }, true, h);
		} else {
			if (buf_put(&s->line, p, (size_t)(eol - p)))
				return sse_fail(s);
			r = take_line(s, buf_str(&s->line), false, h);
			empty(&s->line);
		}
		s->skip_lf = *eol == '\r';
		p = eol + 1;
		if (r)
			return r;
	}
	return 0;
}

int sse_feed(struct sse *s, const char *p, size_t n, const struct sse_handler *h)
{
	int r;

	if (s->failed)
		return -1;
	if (n == 0)
		return 0;
	r = feed_lines(s, skip_bom(s, p, p + n), p + n, h);
	if (settle(s))
		return -1;
	return r;
}

int sse_finish(struct sse *s, const struct sse_handler *h)
{
	int r = 0;

	if (s->failed)
		return -1;
	if (s->line.n) {
		r = take_line(s, buf_str(&s->line), false, h);
		empty(&s->line);
	}
	return r ? r : dispatch(s, h);
}
