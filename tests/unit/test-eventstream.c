/*
 * The event stream decoder: the published vectors, streams cut at every byte, a bit flipped in
 * every byte, and lengths that lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "upstream/eventstream.h"

/* ---- making messages ---- */

static void put_number(struct buf *b, uint32_t v, unsigned bytes)
{
	while (bytes--)
		buf_putc(b, (char)(v >> 8 * bytes & 255));
}

static void put_text_header(struct buf *b, const char *name, const char *value)
{
	put_number(b, (uint32_t)strlen(name), 1);
	buf_puts(b, name);
	put_number(b, 7, 1);
	put_number(b, (uint32_t)strlen(value), 2);
	buf_puts(b, value);
}

static void put_message(struct buf *b, struct str headers, struct str payload)
{
	size_t at = b->n;

	put_number(b, (uint32_t)(headers.n + payload.n + EVENTSTREAM_OVERHEAD), 4);
	put_number(b, (uint32_t)headers.n, 4);
	put_number(b, eventstream_crc(b->p + at, 8), 4);
	buf_put_str(b, headers);
	buf_put_str(b, payload);
	put_number(b, eventstream_crc(b->p + at, b->n - at), 4);
}

/* kind: "event", "exception" or "error". */
static void put_typed(struct buf *b, const char *kind, const char *type, const char *payload)
{
	struct buf h;

	buf_init(&h, 0);
	put_text_header(&h, ":message-type", kind);
	put_text_header(&h, !strcmp(kind, "event")     ? ":event-type"
			    : !strcmp(kind, "exception") ? ":exception-type"
							 : ":error-code", type);
	if (!strcmp(kind, "error"))
		put_text_header(&h, ":error-message", payload);
	put_message(b, buf_str(&h), str_of(strcmp(kind, "error") ? payload : ""));
	buf_release(&h);
}

/* ---- reading them ---- */

struct seen {
	struct buf out;
	int stop_at, n;
};

static int on_event(void *ctx, struct str name, struct str data)
{
	struct seen *s = ctx;

	assert_non_null(name.p);
	buf_put_str(&s->out, name);
	buf_putc(&s->out, '|');
	buf_put_str(&s->out, data);
	buf_putc(&s->out, ';');
	return ++s->n == s->stop_at ? 7 : 0;
}

static int on_fault(void *ctx, struct str body)
{
	struct seen *s = ctx;

	buf_putc(&s->out, '!');
	buf_put_str(&s->out, body);
	return 9;
}

/* Feeds pieces of `step` bytes, each in memory of its own. Returns what the feeding said last. */
static int play(struct seen *s, struct str in, size_t step, size_t max, const char **error)
{
	struct eventstream_handler h = { on_event, on_fault, s };
	struct eventstream e;
	int r = 0;

	buf_init(&s->out, 0);
	s->n = 0;
	eventstream_init(&e, max);
	for (size_t at = 0; at < in.n && !r; at += step) {
		size_t n = in.n - at < step ? in.n - at : step;
		char *piece = malloc(n);

		assert_non_null(piece);
		memcpy(piece, in.p + at, n);
		r = eventstream_feed(&e, piece, n, &h);
		free(piece);
	}
	if (error)
		*error = e.error;
	eventstream_release(&e);
	return r;
}

static void expect(struct str in, size_t step, int want, const char *out)
{
	struct seen s = { .stop_at = -1 };
	int r = play(&s, in, step, 1 << 20, NULL);

	assert_int_equal(r, want);
	assert_string_equal(buf_cstr(&s.out), out);
	buf_release(&s.out);
}

/* ---- cases ---- */

/* The encoding's published example: a payload without headers. */
static void test_vector(void **state)
{
	static const char vector[] = "\x00\x00\x00\x1d\x00\x00\x00\x00\xfd\x52\x8c\x5a"
				     "{'foo':'bar'}\xc3\x65\x39\x36";

	assert_int_equal(eventstream_crc("123456789", 9), 0xcbf43926);
	expect((struct str){ vector, sizeof(vector) - 1 }, 100, 0, "|{'foo':'bar'};");
}

static void three(struct buf *b)
{
	buf_init(b, 0);
	put_typed(b, "event", "messageStart", "{\"role\":\"assistant\"}");
	put_typed(b, "event", "empty", "");
	put_typed(b, "event", "metadata", "{\"usage\":{}}");
}

#define THREE "messageStart|{\"role\":\"assistant\"};empty|;metadata|{\"usage\":{}};"

static void test_splits(void **state)
{
	struct buf b;

	three(&b);
	for (size_t step = 1; step <= b.n; step++)
		expect(buf_str(&b), step, 0, THREE);
	buf_release(&b);
}

/* Every header kind is passed over by its length; only texts have a meaning. */
static void test_header_kinds(void **state)
{
	static const unsigned char bytes[] = { 0, 0, 1, 2, 4, 8, 0, 0, 8, 16 };
	struct buf h, b;

	buf_init(&h, 0);
	buf_init(&b, 0);
	for (unsigned kind = 0; kind < sizeof(bytes); kind++) {
		if (kind == 7)
			continue;
		put_number(&h, 11, 1);
		buf_puts(&h, ":event-type");
		put_number(&h, kind, 1);
		if (kind == 6)
			put_number(&h, 3, 2), buf_puts(&h, "xyz");
		for (unsigned i = 0; i < bytes[kind]; i++)
			buf_putc(&h, 'x');
	}
	put_text_header(&h, ":event-type", "chunk");
	put_message(&b, buf_str(&h), STR("1"));
	expect(buf_str(&b), b.n, 0, "chunk|1;");
	expect(buf_str(&b), 1, 0, "chunk|1;");
	buf_release(&h);
	buf_release(&b);
}

static void test_exception(void **state)
{
	static const struct { const char *kind, *type, *payload, *want; } cases[] = {
		{ "exception", "throttlingException", "{\"message\":\"slow\"}",
		  "!{\"__type\":\"throttlingException\",\"message\":\"slow\"}" },
		{ "exception", "x", "{}", "!{\"__type\":\"x\",\"message\":\"\"}" },
		{ "exception", "x", "", "!{\"__type\":\"x\",\"message\":\"\"}" },
		{ "error", "Internal\"Failure", "line\nend",
		  "!{\"__type\":\"Internal\\\"Failure\",\"message\":\"line\\nend\"}" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b;

		buf_init(&b, 0);
		put_typed(&b, cases[i].kind, cases[i].type, cases[i].payload);
		put_typed(&b, "event", "late", "{}");
		expect(buf_str(&b), b.n, 9, cases[i].want);
		expect(buf_str(&b), 1, 9, cases[i].want);
		buf_release(&b);
	}
}

static void test_handler_stops(void **state)
{
	struct seen s = { .stop_at = 2 };
	struct buf b;

	three(&b);
	assert_int_equal(play(&s, buf_str(&b), b.n, 1000, NULL), 7);
	assert_string_equal(buf_cstr(&s.out), "messageStart|{\"role\":\"assistant\"};empty|;");
	buf_release(&s.out);
	buf_release(&b);
}

/* No message with a wrong byte is ever believed, whichever byte and bit it is. */
static void test_every_byte_counts(void **state)
{
	struct buf b;
	size_t n;

	buf_init(&b, 0);
	put_typed(&b, "event", "chunk", "{\"bytes\":\"eyJ0eXBlIjoicGluZyJ9\"}");
	n = b.n;
	for (size_t i = 0; i < n; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			struct seen s = { .stop_at = -1 };
			const char *error;

			b.p[i] ^= (char)(1 << bit);
			assert_int_equal(play(&s, buf_str(&b), bit % 2 ? n : 5, 4096, &error), -1);
			assert_non_null(error);
			assert_int_equal(s.n, 0);
			b.p[i] ^= (char)(1 << bit);
			buf_release(&s.out);
		}
	}
	expect(buf_str(&b), n, 0, "chunk|{\"bytes\":\"eyJ0eXBlIjoicGluZyJ9\"};");
	buf_release(&b);
}

/* A message whose checksums are right but whose lengths lie. */
static void expect_wrong(uint32_t total, uint32_t headers, struct str rest, const char *word)
{
	struct seen s = { .stop_at = -1 };
	const char *error = NULL;
	struct buf b;

	buf_init(&b, 0);
	put_number(&b, total, 4);
	put_number(&b, headers, 4);
	put_number(&b, eventstream_crc(b.p, 8), 4);
	buf_put_str(&b, rest);
	put_number(&b, eventstream_crc(b.p, b.n), 4);
	assert_int_equal(play(&s, buf_str(&b), b.n, 1 << 20, &error), -1);
	assert_non_null(error);
	assert_non_null(strstr(error, word));
	buf_release(&s.out);
	buf_release(&b);
}

static void test_lengths(void **state)
{
	expect_wrong(0, 0, STR(""), "fit together");
	expect_wrong(15, 0, STR(""), "fit together");
	expect_wrong(16, 1, STR(""), "fit together");
	expect_wrong(0xffffffff, 0xffffffff, STR(""), "fit together");
	expect_wrong(0xffffffff, 0, STR(""), "too large");
	expect_wrong((1 << 20) + 1, 0, STR(""), "too large");
	expect_wrong(EVENTSTREAM_HEADERS_MAX + 17, EVENTSTREAM_HEADERS_MAX + 1, STR(""), "large");
	/* Headers that end in the middle of one. */
	expect_wrong(17, 1, STR("\x05"), "header");
	expect_wrong(19, 3, STR("\x01x\x07"), "header");
	expect_wrong(21, 5, STR("\x01x\x07\x00\x09"), "header");
	expect_wrong(19, 3, STR("\x01x\x0a"), "header");
}

/* What is wrong stays wrong. */
static void test_sticky(void **state)
{
	struct seen s = { .stop_at = -1 };
	struct eventstream_handler h = { on_event, on_fault, &s };
	struct eventstream e;
	struct buf b;

	buf_init(&s.out, 0);
	three(&b);
	eventstream_init(&e, 1000);
	assert_int_equal(eventstream_feed(&e, "HTTP/1.1 200", 12, &h), -1);
	assert_int_equal(eventstream_feed(&e, b.p, b.n, &h), -1);
	assert_int_equal(s.n, 0);
	eventstream_release(&e);
	buf_release(&s.out);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vector),
		cmocka_unit_test(test_splits),
		cmocka_unit_test(test_header_kinds),
		cmocka_unit_test(test_exception),
		cmocka_unit_test(test_handler_stops),
		cmocka_unit_test(test_every_byte_counts),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_sticky),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
