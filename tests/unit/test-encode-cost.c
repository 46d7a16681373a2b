/* What encoding to openai-chat costs: big contents are borrowed, never copied, and the work grows
 * with the request alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "dialect/openai.h"
#include "ingress/ingress.h"

#define MB ((size_t)1 << 20)

static const struct backend backend = {
	.name = "TEST",
	.origin = "test",
	.dialect = "openai-chat",
	.base_url = "http://upstream.test/v1",
	.path_message = "/chat/completions",
	.stop = true,
	.tool_name_max = 64,
	.files = true,
};

struct encoded {
	struct arena parsed, arena;
	struct message_request request;
	struct outgoing out;
	int64_t us; /* encoding alone */
};

/* This thread's own: what else the machine does is not counted. */
static int64_t processor_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void encode(struct encoded *e, struct str body)
{
	struct fault f = FAULT_INIT;
	struct target target = { .backend = &backend, .model = "m" };
	struct encode_context c = {
		.arena = &e->arena, .request = &e->request, .target = &target, .want_stream = true
	};

	memset(e, 0, sizeof(*e));
	arena_init(&e->parsed, 0);
	arena_init(&e->arena, 0);
	assert_int_equal(anthropic_parse(&e->request, body, PARSE_MESSAGE, &e->parsed, &f), 0);
	segs_init(&e->out.body, &e->arena);
	e->us = processor_us();
	assert_int_equal(openai_encode(&c, OP_MESSAGE, &e->out, &f), 0);
	e->us = processor_us() - e->us;
}

static void release(struct encoded *e)
{
	arena_release(&e->arena);
	arena_release(&e->parsed);
}

static void put_repeated(struct buf *b, const char *before, char c, size_t n, const char *after)
{
	char *p;

	buf_puts(b, before);
	p = buf_room(b, n);
	assert_non_null(p);
	memset(p, c, n);
	b->n += n;
	buf_puts(b, after);
}

/* Bytes of the outgoing body that stand in the client's body itself. */
static size_t borrowed(const struct encoded *e, const struct buf *body)
{
	size_t n = 0;

	for (size_t i = 0; i < e->out.body.n; i++) {
		const struct seg *s = &e->out.body.v[i];

		if (s->p >= body->p && s->p + s->n <= body->p + body->n)
			n += s->n;
	}
	return n;
}

static void assert_borrows(const char *before, const char *after)
{
	struct encoded e;
	struct buf body;

	buf_init(&body, 0);
	put_repeated(&body, before, 'A', 8 * MB, after);
	encode(&e, buf_str(&body));
	assert_int_equal(borrowed(&e, &body), 8 * MB);
	assert_true(e.arena.used < 64 * 1024);
	assert_true(e.out.body.total < 8 * MB + 1024);
	release(&e);
	buf_release(&body);
}

#define HEAD "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":"
#define TAIL "}]}"

static void image_is_borrowed(void **state)
{
	(void)state;
	assert_borrows(
		HEAD
		"[{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"",
		"\"}}]" TAIL);
}

static void file_is_borrowed(void **state)
{
	(void)state;
	assert_borrows(
		HEAD
		"[{\"type\":\"document\",\"source\":{\"type\":\"base64\",\"media_type\":\"application/pdf\","
		"\"data\":\"",
		"\"}}]" TAIL);
}

static void texts_are_borrowed(void **state)
{
	(void)state;
	assert_borrows(HEAD "\"", "\"" TAIL);
	assert_borrows(HEAD "[{\"type\":\"document\",\"title\":\"t\",\"source\":{"
			    "\"type\":\"text\",\"media_type\":\"text/plain\",\"data\":\"",
		       "\"}}]" TAIL);
	assert_borrows(HEAD "[{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":\"",
		       "\"}]" TAIL);
	assert_borrows("{\"model\":\"m\",\"max_tokens\":9,\"system\":\"",
		       "\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}");
}

/* Some of everything that takes memory; ' stands for ". */
static char everything[] =
	"{'model':'m','max_tokens':2000,'system':[{'type':'text','text':'s'}],"
	"'thinking':{'type':'enabled','budget_tokens':1500},'stop_sequences':['x'],"
	"'metadata':{'user_id':"
	"'0123456789012345678901234567890123456789012345678901234567890123456789'},"
	"'tools':[{'name':'a b','input_schema':{'type':'object','required':null}},"
	"{'type':'web_search_1','name':'w'}],'messages':["
	"{'role':'user','content':[{'type':'document','title':'t',"
	"'source':{'type':'text','media_type':'text/plain','data':'d'}}]},"
	"{'role':'assistant','content':[{'type':'thinking','thinking':'h',"
	"'signature':'mf1.test.W3siYSI6MX1d'},"
	"{'type':'server_tool_use','id':'s','name':'w','input':{}},"
	"{'type':'web_search_tool_result','tool_use_id':'s','content':[{'title':'t'}]},"
	"{'type':'tool_use','id':'c','name':'a b','input':{}}]},"
	"{'role':'user','content':[{'type':'tool_result','tool_use_id':'c','content':["
	"{'type':'image','source':{'type':'base64','media_type':'image/png','data':'AA=='}},"
	"{'type':'tool_reference','tool_name':'a b'}]}]}]}";

/* Wherever the memory ends, the request is answered 529 and nothing breaks. */
static void memory_may_end_anywhere(void **state)
{
	struct backend b = backend;
	struct target target = { .backend = &b, .model = "m" };
	struct message_request r;
	struct fault f = FAULT_INIT;
	struct arena parsed;
	size_t limit = 1;
	int rc = -1;

	(void)state;
	b.reasoning = REASONING_OPENROUTER;
	b.replay = REPLAY_DETAILS;
	b.strip_schema_null = b.user = true;
	for (char *p = everything; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	arena_init(&parsed, 0);
	assert_int_equal(anthropic_parse(&r, str_of(everything), PARSE_MESSAGE, &parsed, &f), 0);
	for (; rc && limit < 1 << 20; limit += 16) {
		struct arena a;
		struct encode_context c = { .arena = &a, .request = &r, .target = &target };
		struct outgoing out = { 0 };

		arena_init(&a, limit);
		segs_init(&out.body, &a);
		f = FAULT_INIT;
		rc = openai_encode(&c, OP_MESSAGE, &out, &f);
		assert_true(rc == 0 || f.status == 529);
		arena_release(&a);
	}
	assert_int_equal(rc, 0);
	assert_true(limit > 1024);
	arena_release(&parsed);
}

/* Calls of one turn answered in the opposite order: each look-up has to be cheap. */
static void put_calls(struct buf *b, int n)
{
	buf_puts(
		b,
		"{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"go\"},"
		"{\"role\":\"assistant\",\"content\":[");
	for (int i = 0; i < n; i++)
		buf_printf(
			b,
			"%s{\"type\":\"tool_use\",\"id\":\"toolu_%d\",\"name\":\"f\",\"input\":{}}",
			i ? "," : "", i);
	buf_puts(b, "]},{\"role\":\"user\",\"content\":[");
	for (int i = n; i-- > 0;)
		buf_printf(
			b,
			"{\"type\":\"tool_result\",\"tool_use_id\":\"toolu_%d\",\"content\":\"o\"}%s",
			i, i ? "," : "");
	buf_puts(b, "]}]}");
}

static int64_t best_of_three(const struct buf *body)
{
	int64_t best = INT64_MAX;

	for (int i = 0; i < 3; i++) {
		struct encoded e;

		encode(&e, buf_str(body));
		best = e.us < best ? e.us : best;
		release(&e);
	}
	return best;
}

static void many_calls_are_linear(void **state)
{
	struct buf few, many;
	int64_t a, b;

	(void)state;
	buf_init(&few, 0);
	buf_init(&many, 0);
	put_calls(&few, 2000);
	put_calls(&many, 20000);
	a = best_of_three(&few);
	b = best_of_three(&many);
	/* Quadratic work would be a hundred times as much; the rest is room for cold caches. */
	assert_true(b < 40 * (a + 1000));
	buf_release(&few);
	buf_release(&many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(image_is_borrowed),       cmocka_unit_test(file_is_borrowed),
		cmocka_unit_test(texts_are_borrowed),      cmocka_unit_test(many_calls_are_linear),
		cmocka_unit_test(memory_may_end_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
