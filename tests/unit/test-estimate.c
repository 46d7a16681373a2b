/* The token estimate: bounds on texts whose exact count (o200k_base) is known, forms of spans, cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "api/api.h"

struct sample {
	const char *text;
	int64_t tokens;         /* by o200k_base */
	int slack;              /* percent; plain words of Chinese count less than the average, what
				 * is dense, long or in capitals more */
};

static const struct sample samples[] = {
	{ "The gateway takes one request, makes one call and streams the answer back as it arri"
	  "ves. Nothing is kept, nothing is guessed, and an error says what to do.", 34, 15 },
	{ "static int compare(const void *a, const void *b)\n{\n\tconst struct item *x = a, *y "
	  "= b;\n\n\tif (x->weight != y->weight)\n\t\treturn x->weight < y->weight ? -1 : 1;\n\t"
	  "return strcmp(x->name, y->name);\n}\n", 64, 15 },
	{ "def read(path):\n    with open(path, encoding=\"utf-8\") as f:\n        for line in "
	  "f:\n            key, _, value = line.partition(\"=\")\n            yield key.strip()"
	  ", value.strip()\n", 42, 15 },
	{ "{\"name\": \"get_weather\", \"input_schema\": {\"type\": \"object\", \"properties\":"
	  " {\"city\": {\"type\": \"string\", \"description\": \"Name of the city\"}, \"days\":"
	  " {\"type\": \"integer\", \"minimum\": 1}}, \"required\": [\"city\"]}}", 60, 15 },
	{ "这个程序把一个请求转换成一次后端调用，并把回答实时地传送回来。如果出了错误，它会"
	  "说明原因。", 27, 35 },
	{ "このプログラムは一つのリクエストを受け取り、バックエンドを一度だけ呼び出して、回"
	  "答を届いた順に送り返します。", 39, 15 },
	{ "이 프로그램은 요청 하나를 받아 백엔드를 한 번 호출하고, 도착하는 대로"
	  " 답변을 돌려보냅니다.", 29, 15 },
	{ "Программа принимает один запрос, делает один вызов и передаёт ответ по мере его пост"
	  "упления.", 21, 15 },
	{ "The hash of main.c is 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	  ", that of the key sk-proj-q7Zt3VbK9mXw2LpRf8Ys.", 76, 35 },
	{ "#define MAXIMUM_CONNECTIONS 64\n#ifdef CONFIGURATION_DIRECTORY\nREQUIRED_PARAMETERS ="
	  " DEFAULT_TIMEOUT;\n", 20, 35 },
	{ "Internationalization considerations notwithstanding, acknowledgements of miscellaneous "
	  "characterizations.", 12, 45 },
};

static void test_bounds(void **state)
{
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		int64_t got = estimate_text(str_of(samples[i].text)), want = samples[i].tokens;
		int64_t slack = want * samples[i].slack / 100 + 2;

		if (got < want - slack || got > want + slack)
			fail_msg("sample %zu: %lld, exactly %lld", i, (long long)got, (long long)want);
	}
}

static void test_edges(void **state)
{
	assert_int_equal(estimate_text(STR_NONE), 0);
	assert_int_equal(estimate_text(STR("a")), 1);
	assert_in_range(estimate_text(STR("\xf0\x9f\x98\x80")), 1, 3);
	assert_in_range(estimate_text(STR("\xe4\xb8")), 0, 3);
	assert_in_range(estimate_text(STR("   \n\n\t ")), 0, 3);
}

static int64_t tokens_of(struct block *b)
{
	struct turn turn = { .role = ROLE_USER, .blocks = b, .nblocks = 1 };
	struct message_request r = { .turns = &turn, .nturns = 1 };

	return estimate_tokens(&r, false);
}

/* A long text judged by samples comes to the same, within a few percent. */
static void test_sampled(void **state)
{
	struct buf b;
	struct block block = { .type = BLOCK_TEXT };
	struct turn turn = { .role = ROLE_USER, .blocks = &block, .nblocks = 1 };
	struct message_request r = { .turns = &turn, .nturns = 1 };
	int64_t exact, quick;

	buf_init(&b, 0);
	for (int i = 0; i < 400; i++)
		buf_put_str(&b, str_of(samples[(i * 7) % 4].text));
	block.text = span_utf8(buf_str(&b));
	exact = estimate_tokens(&r, false);
	quick = estimate_tokens(&r, true);
	assert_true(exact > 10000);
	assert_in_range(quick * 100 / exact, 94, 106);
	buf_reset(&b);
	for (int i = 0; i < 4000; i++)
		buf_puts(&b, "\xe8\xaf\xb7");
	block.text = span_utf8(buf_str(&b));
	assert_in_range(estimate_tokens(&r, true) * 100 / estimate_tokens(&r, false), 94, 106);
	buf_release(&b);
}

/* Escaped text counts as what it says, not as its escapes. */
static void test_escapes(void **state)
{
	struct block plain = { .type = BLOCK_TEXT, .text = span_utf8(STR("one\ntwo \"three\" \xc3\xa9 tab\there")) };
	struct block escaped = { .type = BLOCK_TEXT, .text = span_str(STR("one\\ntwo \\\"three\\\" \\u00e9 tab\\there")) };

	assert_int_equal(tokens_of(&plain), tokens_of(&escaped));
	escaped.text = span_str(STR("\\"));
	assert_true(tokens_of(&escaped) > 0);
	escaped.text = span_str(STR("\\u12"));
	assert_true(tokens_of(&escaped) > 0);
}

/* An image costs the same whatever its size, and is not walked. */
static void test_images(void **state)
{
	size_t n = 8u << 20;
	/* Who reads a byte of it crashes. */
	char *data = mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct block image = { .type = BLOCK_IMAGE, .source = SOURCE_BASE64 };

	assert_true(data != MAP_FAILED);
	image.data = span_str((struct str){ data, n });
	assert_in_range(tokens_of(&image), 1000, 3000);
	munmap(data, n);
}

static void test_parts(void **state)
{
	struct block inner = { .type = BLOCK_TEXT, .text = span_utf8(STR("hello hello hello hello")) };
	struct block result = { .type = BLOCK_TOOL_RESULT, .blocks = &inner, .nblocks = 1 };
	struct tool tool = { .name = span_str(STR("get_weather")), .description = span_str(STR("Tells the weather.")),
			     .input_schema = span_json(STR("{\"type\":\"object\"}")) };
	struct message_request r = { .tools = &tool, .ntools = 1, .system = &inner, .nsystem = 1 };

	assert_true(tokens_of(&result) > tokens_of(&inner));
	assert_in_range(estimate_tokens(&r, false), 20, 45);
}

static void test_rare_words(void **state)
{
	assert_true(estimate_text(STR("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c")) >
		    estimate_text(STR("9f86d081 884c7d65 9a2feaa0 c55ad015 a3bf4f1b 2b0b822c")));
	assert_true(estimate_text(STR("CONFIGURATION")) > estimate_text(STR("configuration")));
	assert_true(estimate_text(STR("aquickbrownfoxjumpsoverit")) > estimate_text(STR("aquick")));
}

/* Every kind of block counts for what goes on to a model. */
static void test_kinds(void **state)
{
	static const char text[] = "hello hello hello hello hello hello hello hello";
	const struct span s = span_utf8(str_of(text));
	const int64_t one = tokens_of(&(struct block){ .type = BLOCK_TEXT, .text = s });
	const int64_t none = tokens_of(&(struct block){ .type = BLOCK_TEXT });
	const struct {
		struct block block;
		int64_t least, most;
	} cases[] = {
		{ { .type = BLOCK_REDACTED_THINKING, .data = s }, none, none },
		{ { .type = BLOCK_SERVER_TOOL_RESULT, .raw = s }, one, one },
		{ { .type = BLOCK_OTHER, .raw = s }, one, one },
		{ { .type = BLOCK_TOOL_REFERENCE, .name = s }, one, one },
		{ { .type = BLOCK_SEARCH_RESULT, .title = s }, one, one },
		{ { .type = BLOCK_DOCUMENT, .source = SOURCE_TEXT, .data = s }, one, one },
		{ { .type = BLOCK_DOCUMENT, .source = SOURCE_CONTENT, .title = s }, one, one },
		{ { .type = BLOCK_DOCUMENT, .source = SOURCE_URL, .context = s },
		  one + 500, one + 5000 },
		{ { .type = BLOCK_DOCUMENT, .source = SOURCE_BASE64, .data = s },
		  none + 500, none + 5000 },
	};

	assert_true(one > none);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct block b = cases[i].block;

		assert_in_range(tokens_of(&b), cases[i].least, cases[i].most);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_sampled),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_images),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_rare_words),
		cmocka_unit_test(test_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
