/*
 * The SSE parser: each vector whole, byte by byte, and cut in two at every place; what comes out
 * must be the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "upstream/sse.h"

/* out: "name|data;" for each event and "#" for each comment, in the order in which they come. */
struct vector {
	const char *what, *in, *out;
};

static const struct vector vectors[] = {
	{ "nothing", "", "" },
	{ "one event", "data: a\n\n", "|a;" },
	{ "named", "event: ping\ndata: {}\n\n", "ping|{};" },
	{ "name after data", "data: x\nevent: y\n\n", "y|x;" },
	{ "the last name counts", "event: a\nevent: b\ndata: 1\n\n", "b|1;" },
	{ "an empty name takes it back", "event: a\nevent\ndata: 1\n\n", "|1;" },
	{ "a name ends with its event", "event: a\ndata: 1\n\ndata: 2\n\n", "a|1;|2;" },
	{ "CRLF", "event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n", "a|1;|2;" },
	{ "CR alone", "event: a\rdata: 1\r\rdata: 2\r\r", "a|1;|2;" },
	{ "line ends mixed", "data: 1\r\ndata: 2\rdata: 3\n\r\ndata: 4\n\n", "|1\n2\n3;|4;" },
	{ "LF CR is two line ends", "data: 1\n\rdata: 2\n\n", "|1;|2;" },
	{ "no space after the colon", "data:a\n\ndata:{\"b\":1}\n\n", "|a;|{\"b\":1};" },
	{ "one space goes, no more", "data:  a \n\n", "| a ;" },
	{ "a tab stays", "data:\ta\n\n", "|\ta;" },
	{ "several data lines", "data: a\ndata: b\ndata:\ndata: c\n\n", "|a\nb\n\nc;" },
	{ "empty data is an event", "data\n\ndata:\n\n", "|;|;" },
	{ "two empty data lines", "data\ndata\n\n", "|\n;" },
	{ "no data, no event", "event: x\n\ndata: 1\n\n", "|1;" },
	{ "blank lines", "\n\n\r\n\rdata: 1\n\n\n\n", "|1;" },
	{ "comments", ": OPENROUTER PROCESSING\n\n:\ndata: 1\n:x\n\n", "###|1;" },
	{ "id, retry and unknown fields", "id: 7\nretry: 10\nfoo: bar\nfoo\ndata: 1\n\n", "|1;" },
	{ "names are exact", "Data: 1\n data: 2\ndata : 3\n\ndata: 4\n\n", "|4;" },
	{ "byte order mark", "\xef\xbb\xbf" "data: 1\n\n", "|1;" },
	{ "only at the begin", "data: 1\n\n\xef\xbb\xbf" "data: 2\n\ndata: 3\n\n", "|1;|3;" },
	{ "only one", "\xef\xbb\xbf\xef\xbb\xbf" "data: 1\n\n", "" },
	{ "half a mark is a line", "\xef\xbb" "data: 1\n\ndata: 2\n\n", "|2;" },
	{ "no blank line at the end", "data: 1\n\ndata: [DONE]\n", "|1;|[DONE];" },
	{ "no line end at the end", "data: 1\n\nevent: e\ndata: [DONE]", "|1;e|[DONE];" },
	{ "CR at the end", "data: 1\r", "|1;" },
	{ "a name alone at the end", "data: 1\n\nevent: e", "|1;" },
	{ "colons in data", "data: a: b:c\n\n", "|a: b:c;" },
};

struct seen {
	struct buf out;
	int stop_at, events;
};

static int on_event(void *ctx, struct str name, struct str data)
{
	struct seen *s = ctx;

	assert_non_null(name.p);
	assert_non_null(data.p);
	buf_put_str(&s->out, name);
	buf_putc(&s->out, '|');
	buf_put_str(&s->out, data);
	buf_putc(&s->out, ';');
	return ++s->events == s->stop_at ? 7 : 0;
}

static int on_comment(void *ctx)
{
	return buf_putc(&((struct seen *)ctx)->out, '#');
}

/* Feeds exact copies of the pieces, each freed before the next: a kept pointer would show under
 * valgrind or ASan. */
static int feed(struct sse *p, const char *in, size_t n, const struct sse_handler *h)
{
	char *piece = malloc(n ? n : 1);
	int r;

	assert_non_null(piece);
	memcpy(piece, in, n);
	r = sse_feed(p, piece, n, h);
	free(piece);
	return r;
}

static void check(const struct vector *v, size_t step, size_t cut)
{
	struct seen s = { .stop_at = -1 };
	struct sse_handler h = { on_event, on_comment, &s };
	struct sse p;
	size_t n = strlen(v->in), take;

	buf_init(&s.out, 0);
	sse_init(&p, 1000);
	for (size_t at = 0; at < n; at += take) {
		take = cut && at == 0 ? cut : step;
		if (take > n - at)
			take = n - at;
		assert_int_equal(feed(&p, v->in + at, take, &h), 0);
	}
	assert_int_equal(sse_feed(&p, NULL, 0, &h), 0);
	assert_int_equal(sse_finish(&p, &h), 0);
	if (strcmp(buf_cstr(&s.out), v->out) != 0)
		fail_msg("%s (step %zu, cut %zu): got \"%s\"", v->what, step, cut,
			 buf_cstr(&s.out));
	sse_release(&p);
	buf_release(&s.out);
}

static void test_vectors(void **state)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		size_t n = strlen(vectors[i].in);

		check(&vectors[i], n ? n : 1, 0);
		check(&vectors[i], 1, 0);
		check(&vectors[i], 2, 0);
		check(&vectors[i], 3, 0);
		for (size_t cut = 1; cut < n; cut++)
			check(&vectors[i], n, cut);
	}
}

/* Bytes of any value, NUL too, are data. */
static void test_nul(void **state)
{
	static const char in[] = "data: a\0b\xff\n\n";
	struct seen s = { .stop_at = -1 };
	struct sse_handler h = { on_event, NULL, &s };
	struct sse p;

	buf_init(&s.out, 0);
	sse_init(&p, 0);
	assert_int_equal(feed(&p, in, sizeof(in) - 1, &h), 0);
	assert_int_equal(s.out.n, 6);
	assert_memory_equal(s.out.p, "|a\0b\xff;", 6);
	sse_release(&p);
	buf_release(&s.out);
}

/* What a handler says comes back, and nothing after it is handled. */
static void test_stop(void **state)
{
	struct seen s = { .stop_at = 2 };
	struct sse_handler h = { on_event, on_comment, &s };
	struct sse p;

	buf_init(&s.out, 0);
	sse_init(&p, 0);
	assert_int_equal(feed(&p, "data: 1\n\ndata: 2\n\ndata: 3\n\n", 27, &h), 7);
	assert_int_equal(s.events, 2);
	sse_release(&p);

	s.events = 0;
	sse_init(&p, 0);
	assert_int_equal(feed(&p, "data: 1\n\ndata: 2", 16, &h), 0);
	assert_int_equal(sse_finish(&p, &h), 7);
	sse_release(&p);
	buf_release(&s.out);
}

static void fill(struct buf *b, size_t n)
{
	buf_puts(b, "data: ");
	for (size_t i = 0; i < n; i++)
		buf_putc(b, 'x');
	buf_puts(b, "\n\n");
}

/* The limit counts the joined data of one event; it is sticky. */
static void test_limit(void **state)
{
	struct sse_handler none = { 0 };
	struct buf b;
	struct sse p;

	for (size_t step = 1; step < 300; step += 149) {
		for (size_t size = 99; size <= 101; size++) {
			int r = 0;

			buf_init(&b, 0);
			fill(&b, size);
			fill(&b, size);
			sse_init(&p, 100);
			for (size_t at = 0; at < b.n && !r; at += step)
				r = feed(&p, b.p + at, b.n - at < step ? b.n - at : step, &none);
			assert_int_equal(r, size > 100 ? -1 : 0);
			assert_int_equal(sse_feed(&p, "\n", 1, &none), size > 100 ? -1 : 0);
			assert_int_equal(sse_finish(&p, &none), size > 100 ? -1 : 0);
			sse_release(&p);
			buf_release(&b);
		}
	}
	sse_init(&p, 10);
	assert_int_equal(feed(&p, "data: 12345\ndata: 67890\n\n", 25, &none), -1);
	sse_release(&p);
	/* A line without an end does not grow without bound either. */
	sse_init(&p, 10);
	for (int i = 0; i < 20 && !p.failed; i++)
		assert_in_range(feed(&p, ":0123456789", 11, &none) + 1, 0, 1);
	assert_true(p.failed);
	sse_release(&p);
}

/* A large event in small pieces, and the memory that it took given back. */
static void test_large(void **state)
{
	struct seen s = { .stop_at = -1 };
	struct sse_handler h = { on_event, NULL, &s };
	struct buf b;
	struct sse p;

	buf_init(&b, 0);
	buf_init(&s.out, 0);
	fill(&b, 300000);
	sse_init(&p, 1 << 20);
	for (size_t at = 0; at < b.n; at += 1000)
		assert_int_equal(feed(&p, b.p + at, b.n - at < 1000 ? b.n - at : 1000, &h), 0);
	assert_int_equal(s.events, 1);
	assert_int_equal(s.out.n, 300002);
	assert_int_equal(p.joined.cap + p.line.cap, 0);
	sse_release(&p);
	buf_release(&b);
	buf_release(&s.out);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
