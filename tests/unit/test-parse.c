/*
 * The request parser: bodies and the sentence they are refused with; bodies and what is found in
 * them; sizes and what they cost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ingress/ingress.h"
#include "json/scan.h"

/* The rest of a request around what is tested. */
#define HEAD "{\"model\":\"m\",\"max_tokens\":10,"
#define ASK "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define WITH(members) HEAD ASK "," members "}"
#define MESSAGES(list) HEAD "\"messages\":" list "}"
#define BLOCK(block) MESSAGES("[{\"role\":\"user\",\"content\":[" block "]}]")

static const struct { const char *body, *message;
} refused[] = {
	/* not JSON */
	{ "", "The request body is empty; a JSON object is needed." },
	{ "{", "The request body is not valid JSON: unexpected end of the text at byte 1" },
	{ HEAD ASK, "The request body is not valid JSON: unexpected end of the text at byte 72" },
	{ HEAD ASK "} x", "The request body is not valid JSON: unexpected bytes after the value at "
			  "byte 74" },
	{ HEAD ASK "}{}", "The request body is not valid JSON: unexpected bytes after the value at "
			  "byte 73" },
	{ "{\n  \"model\": \"m\",\n  \"max_tokens\": 1x\n}", "The request body is not valid JSON: "
							     "expected ',' or '}' at byte 35 (line "
							     "3, column 18)" },
	{ "{\"model\":\"\xff\"}", "The request body is not valid JSON: invalid UTF-8 in a string "
				  "at byte 10" },
	{ "{\"model\":\"\xed\xa0\x80\"}", "The request body is not valid JSON: invalid UTF-8 in a "
					  "string at byte 10" },
	{ "[]", "The request body is valid JSON but no object." },
	{ "\"x\"", "The request body is valid JSON but no object." },
	/* required */
	{ "{}", "model: Field required" },
	{ "{\"model\":\"m\"}", "max_tokens: Field required" },
	{ "{\"model\":\"m\",\"max_tokens\":1}", "messages: Field required" },
	{ "{\"model\":null,\"max_tokens\":1," ASK "}", "model: Field required" },
	{ "{\"model\":\"m\",\"max_tokens\":null," ASK "}", "max_tokens: Field required" },
	{ HEAD "\"messages\":null}", "messages: Field required" },
	/* types */
	{ "{\"model\":7," ASK "}", "model: Input should be a valid string" },
	{ "{\"model\":\"\",\"max_tokens\":1," ASK "}", "model: String should have at least 1 "
						       "character" },
	{ "{\"model\":\"a\\nb\"," ASK "}", "model: Input should be a model's name without control "
					   "characters, at most 1024 bytes long" },
	{ "{\"model\":\"m\",\"max_tokens\":\"12\"}", "max_tokens: Input should be a valid "
						     "integer" },
	{ "{\"model\":\"m\",\"max_tokens\":1.5}", "max_tokens: Input should be a valid integer, "
						  "got a number with a fractional part" },
	{ "{\"model\":\"m\",\"max_tokens\":-1}", "max_tokens: Input should be greater than or "
						 "equal to 0" },
	{ "{\"model\":\"m\",\"max_tokens\":1e400}", "max_tokens: Input should be a valid integer" },
	{ MESSAGES("\"hi\""), "messages: Input should be a valid list" },
	{ MESSAGES("{}"), "messages: Input should be a valid list" },
	{ MESSAGES("[]"), "messages: at least one message is required" },
	{ MESSAGES("[7]"), "messages.0: Input should be a valid dictionary" },
	{ MESSAGES("[{\"content\":\"x\"}]"), "messages.0.role: Field required" },
	{ MESSAGES("[{\"role\":\"user\"}]"), "messages.0.content: Field required" },
	{ MESSAGES("[{\"role\":\"user\",\"content\":null}]"), "messages.0.content: Field "
							      "required" },
	{ MESSAGES("[{\"role\":\"user\",\"content\":7}]"), "messages.0.content: Input should be a "
							   "valid list" },
	/* what others may read otherwise */
	{ MESSAGES("[{\"role\":\"user\",\"role\":\"assistant\",\"content\":\"x\"}]"),
	  "messages.0.role: The member stands here twice" },
	{ MESSAGES("[{\"role\":\"user\",\"content\":\"x\",\"c\\u006fntent\":\"y\"}]"),
	  "messages.0.content: The member stands here twice" },
	{ MESSAGES("[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":null,"
		   "\"text\":\"y\"}]}]"), "messages.0.content.0.text: The member stands here twice" },
	{ HEAD ASK ",\"tools\":[{\"name\":\"a\",\"input_schema\":{},\"type\":\"custom\","
	  "\"type\":\"bash_20250124\"}]}", "tools.0.type: The member stands here twice" },
	{ HEAD ASK ",\"thinking\":{\"type\":\"enabled\",\"type\":\"disabled\"}}",
	  "thinking.type: The member stands here twice" },
	{ HEAD ASK ",\"Model\":\"x\"}", "model: The member's name is written in another case" },
	{ HEAD ASK ",\"\\u004dodel\":\"x\"}",
	  "model: The member's name is written in another case" },
	{ HEAD ASK ",\"tool\xc5\xbf\":[]}", "tools: The member's name is written in another case" },
	{ HEAD ASK ",\"top_\\u212A\":1}", "top_k: The member's name is written in another case" },
	{ MESSAGES("[{\"role\":\"user\",\"ROLE\":\"assistant\",\"content\":\"x\"}]"),
	  "messages.0.role: The member's name is written in another case" },
	{ MESSAGES("[{\"role\":\"robot\",\"content\":\"\"}]"), "messages.0.role: Input should be "
							       "'user', 'assistant' or 'system'" },
	{ MESSAGES("[{\"role\":1,\"content\":\"\"}]"), "messages.0.role: Input should be a valid "
						       "string" },
	{ MESSAGES("[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":[{"
		   "\"type\":\"text\",\"text\":\"b\"},{\"type\":\"text\"}]}]"),
	  "messages.1.content.1.text: Field required" },
	/* blocks */
	{ BLOCK("\"hi\""), "messages.0.content.0: Input should be a valid dictionary" },
	{ BLOCK("{\"text\":\"x\"}"), "messages.0.content.0.type: Field required" },
	{ BLOCK("{\"type\":1}"), "messages.0.content.0.type: Input should be a valid string" },
	{ BLOCK("{\"type\":\"text\",\"text\":7}"), "messages.0.content.0.text: Input should be a "
						   "valid string" },
	{ BLOCK("{\"type\":\"tool_use\",\"name\":\"n\",\"input\":{}}"), "messages.0.content.0.id: "
									"Field required" },
	{ BLOCK("{\"type\":\"tool_use\",\"id\":\"i\"}"), "messages.0.content.0.name: Field "
							 "required" },
	{ BLOCK("{\"type\":\"tool_use\",\"id\":\"i\",\"name\":\"n\",\"input\":\"{}\"}"),
	  "messages.0.content.0.input: Input should be a valid dictionary" },
	{ BLOCK("{\"type\":\"tool_result\"}"), "messages.0.content.0.tool_use_id: Field required" },
	{ BLOCK("{\"type\":\"tool_result\",\"tool_use_id\":\"i\",\"content\":{}}"), "messages.0."
										    "content.0."
										    "content: "
										    "Input should "
										    "be a valid "
										    "list" },
	{ BLOCK("{\"content\":[{\"type\":\"text\"}],\"type\":\"tool_result\",\"tool_use_id\":"
		"\"i\"}"),
	  "messages.0.content.0.content.0.text: Field required" },
	{ BLOCK("{\"type\":\"image\"}"), "messages.0.content.0.source: Field required" },
	{ BLOCK("{\"type\":\"image\",\"source\":\"x\"}"), "messages.0.content.0.source: Input "
							  "should be a valid dictionary" },
	{ BLOCK("{\"source\":\"x\",\"type\":\"image\"}"), "messages.0.content.0.source: Input "
							  "should be a valid dictionary" },
	{ BLOCK("{\"type\":\"image\",\"source\":{}}"), "messages.0.content.0.source.type: Field "
						       "required" },
	{ BLOCK("{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"data\":\"AA\"}}"),
	  "messages.0.content.0.source.media_type: Field required" },
	{ BLOCK("{\"type\":\"image\",\"source\":{\"type\":\"url\"}}"), "messages.0.content.0."
								       "source.url: Field "
								       "required" },
	{ BLOCK("{\"type\":\"document\",\"source\":{\"type\":\"content\",\"content\":[{\"type\":"
		"\"text\"}]}}"),
	  "messages.0.content.0.source.content.0.text: Field required" },
	{ BLOCK("{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"data\":\"AA\",\"media_type\":7}}"),
	  "messages.0.content.0.source.media_type: Input should be a valid string" },
	{ BLOCK("{\"type\":\"document\",\"source\":{\"type\":\"content\"}}"),
	  "messages.0.content.0.source.content: Field required" },
	{ BLOCK("{\"type\":\"tool_addition\",\"tool\":{\"type\":\"tool_definition\",\"definition\":"
		"{\"name\":\"a\"}}}"),
	  "messages.0.content.0.tool.definition.input_schema: Field required" },
	/* the rest */
	{ WITH("\"system\":7"), "system: Input should be a valid list" },
	{ WITH("\"system\":[{\"type\":\"text\"}]"), "system.0.text: Field required" },
	{ WITH("\"stream\":\"yes\""), "stream: Input should be a valid boolean" },
	{ WITH("\"temperature\":\"hot\""), "temperature: Input should be a valid number" },
	{ WITH("\"stop_sequences\":\"x\""), "stop_sequences: Input should be a valid list" },
	{ WITH("\"stop_sequences\":[\"x\",7]"), "stop_sequences.1: Input should be a valid "
						"string" },
	{ WITH("\"stop_sequences\":[null]"), "stop_sequences.0: Input should be a valid string" },
	{ WITH("\"tools\":{}"), "tools: Input should be a valid list" },
	{ WITH("\"tools\":[{\"input_schema\":{}}]"), "tools.0.name: Field required" },
	{ WITH("\"tools\":[{\"name\":\" \",\"input_schema\":{}}]"), "tools.0.name: String should "
								    "have at least 1 character" },
	{ WITH("\"tools\":[{\"name\":\"a\"}]"), "tools.0.input_schema: Field required" },
	{ WITH("\"tools\":[{\"name\":\"a\",\"input_schema\":[]}]"), "tools.0.input_schema: Input "
								    "should be a valid "
								    "dictionary" },
	{ WITH("\"tool_choice\":\"auto\""), "tool_choice: Input should be a valid dictionary" },
	{ WITH("\"tool_choice\":{}"), "tool_choice.type: Field required" },
	{ WITH("\"tool_choice\":{\"type\":\"some\"}"), "tool_choice.type: Input should be 'auto', "
						       "'any', 'tool' or 'none'" },
	{ WITH("\"tool_choice\":{\"type\":\"tool\"}"), "tool_choice.name: Field required" },
	{ WITH("\"metadata\":7"), "metadata: Input should be a valid dictionary" },
	{ WITH("\"metadata\":{\"user_id\":7}"), "metadata.user_id: Input should be a valid "
						"string" },
	{ WITH("\"thinking\":{}"), "thinking.type: Field required" },
	{ WITH("\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":\"1\"}"), "thinking.budget_"
									       "tokens: Input "
									       "should be a valid "
									       "integer" },
	{ WITH("\"thinking\":{\"type\":1}"), "thinking.type: Input should be a valid string" },
	{ WITH("\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":-1}"),
	  "thinking.budget_tokens: Input should be greater than or equal to 0" },
	{ WITH("\"output_config\":{\"effort\":1}"), "output_config.effort: Input should be a valid "
						    "string" },
};

struct parsed {
	struct arena arena;
	struct message_request r;
	struct fault f;
	char *body;             /* on the heap, so that a byte too far is seen */
};

static int parse(struct parsed *p, const char *body, size_t n, enum parse_for what)
{
	arena_init(&p->arena, 0);
	p->f = FAULT_INIT;
	p->body = malloc(n ? n : 1);
	assert_non_null(p->body);
	memcpy(p->body, body, n);
	return anthropic_parse(&p->r, (struct str){ p->body, n }, what, &p->arena, &p->f);
}

static void parsed_end(struct parsed *p)
{
	arena_release(&p->arena);
	free(p->body);
}

static void accept_body(struct parsed *p, const char *body)
{
	if (parse(p, body, strlen(body), PARSE_MESSAGE))
		fail_msg("refused: %s\n%s", p->f.message, body);
}

static void test_refused(void **state)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		struct parsed p;

		assert_int_equal(parse(&p, refused[i].body, strlen(refused[i].body), PARSE_MESSAGE),
				 -1);
		if (strcmp(p.f.message, refused[i].message))
			fail_msg("%s\n got  %s\n want %s", refused[i].body, p.f.message,
				 refused[i].message);
		assert_int_equal(p.f.status, 400);
		assert_string_equal(p.f.type, "invalid_request_error");
		assert_int_equal(p.f.class, FAULT_BAD_REQUEST);
		parsed_end(&p);
	}
}

/* Cut anywhere, a body is refused and nothing is read beyond it. */
static void test_cut(void **state)
{
	static const char body[] = BLOCK("{\"type\":\"document\",\"source\":{\"type\":\"content\","
					 "\"content\":"
					 "[{\"type\":\"text\",\"text\":\"\\ud83d\\ude00 "
					 "\xC3\xA9\"}]},\"title\":null},{\"content\":\"late\","
					 "\"tool_use_id\":\"a\",\"type\":\"tool_result\",\"is_"
					 "error\":true}");

	for (size_t n = 0; n < sizeof(body) - 1; n++) {
		struct parsed p;

		assert_int_equal(parse(&p, body, n, PARSE_MESSAGE), -1);
		parsed_end(&p);
	}
}

#define assert_span(value, text) do { \
	struct span span_ = (value); \
	assert_int_equal(span_.n, strlen(text)); \
	assert_memory_equal(span_.p, text, span_.n); \
} while (0)

static void test_members(void **state)
{
	struct parsed p;

	accept_body(&p, "{\"model\":\"claude\\u002dx\",\"max_tokens\":1.0e3,\"stream\":true,"
			"\"temperature\":1.50,\"top_p\":9007199254740993,"
			"\"top_k\":12345678901234567890,\"stop_sequences\":[\"a\",\"\",\" "
			"\\n\",\"\\u0000\"],\"metadata\":{\"user_id\":\"{\\\"a\\\":1}\"},"
			"\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2048,\"display\":"
			"\"omitted\"},\"output_config\":{\"effort\":\"high\","
			"\"format\":{\"type\":\"json_schema\",\"schema\":{}}},\"service_tier\":"
			"\"auto\",\"cache_control\":{\"type\":\"ephemeral\"},"
			"\"thread\":{\"type\":\"continue\"},\"safeguards\":[{}],\"context_"
			"management\":{\"edits\":[]},\"mcp_servers\":[],"
			"\"container\":\"c\",\"unknown\":{\"deep\":[1,{\"x\":null}]}," ASK "}");
	assert_string_equal(p.r.model_name, "claude-x");
	assert_span(p.r.model, "claude\\u002dx");
	assert_ptr_equal(p.r.model.p, p.body + 10);
	assert_int_equal(p.r.max_tokens, 1000);
	assert_true(p.r.stream);
	assert_span(p.r.temperature, "1.50");
	assert_span(p.r.top_p, "9007199254740993");
	assert_span(p.r.top_k, "12345678901234567890");
	assert_int_equal(p.r.nstop_sequences, 2);
	assert_span(p.r.stop_sequences[1], "\\u0000");
	assert_span(p.r.user_id, "{\\\"a\\\":1}");
	assert_int_equal(p.r.thinking, THINKING_ENABLED);
	assert_int_equal(p.r.thinking_budget, 2048);
	assert_span(p.r.effort, "high");
	assert_span(p.r.format, "{\"type\":\"json_schema\",\"schema\":{}}");
	assert_span(p.r.service_tier, "auto");
	assert_span(p.r.cache_control, "{\"type\":\"ephemeral\"}");
	assert_true(p.r.thread_continue);
	assert_span(p.r.thread, "{\"type\":\"continue\"}");
	assert_span(p.r.safeguards, "[{}]");
	assert_span(p.r.container, "c");
	assert_int_equal(p.r.nturns, 1);
	assert_int_equal(p.r.turns[0].nblocks, 1);
	assert_span(p.r.turns[0].blocks[0].text, "hi");
	assert_span(p.r.turns[0].raw, "{\"role\":\"user\",\"content\":\"hi\"}");
	parsed_end(&p);
}

static void test_absent_and_null(void **state)
{
	struct parsed p;

	accept_body(&p, WITH("\"system\":null,\"tools\":null,\"tool_choice\":null,\"stream\":null,"
			     "\"temperature\":null,\"stop_sequences\":null,"
			     "\"metadata\":null,\"thinking\":null,\"output_config\":{\"effort\":"
			     "null,\"format\":null},\"thread\":null"));
	assert_int_equal(p.r.nsystem + p.r.ntools + p.r.nstop_sequences, 0);
	assert_false(p.r.stream || p.r.thread_continue);
	assert_false(span_given(p.r.temperature) || span_given(p.r.effort) ||
		     span_given(p.r.thread) || span_given(p.r.stream_value));
	assert_int_equal(p.r.thinking, THINKING_NOT_GIVEN);
	assert_int_equal(p.r.tool_choice, CHOICE_NONE_GIVEN);
	parsed_end(&p);
}

static void test_last_wins(void **state)
{
	struct parsed p;

	accept_body(&p, "{\"model\":\"a\",\"model\":\"b\",\"max_tokens\":1,\"max_tokens\":2,"
			"\"messages\":[{\"role\":\"user\",\"content\":\"x\"},"
			"{\"role\":\"user\",\"content\":\"y\"}],\"m\\u0065ssages\":[{\"role\":"
			"\"assistant\",\"content\":\"2\"}],"
			"\"stop_sequences\":[\"a\",\"b\"],\"stop_sequences\":[\"c\"]}");
	assert_string_equal(p.r.model_name, "b");
	assert_int_equal(p.r.max_tokens, 2);
	assert_int_equal(p.r.nturns, 1);
	assert_int_equal(p.r.turns[0].role, ROLE_ASSISTANT);
	assert_span(p.r.turns[0].blocks[0].text, "2");
	assert_int_equal(p.r.nstop_sequences, 1);
	parsed_end(&p);
}

/* What only looks like a known name is none, and what is opaque is nobody's to judge. */
static void test_not_repeated(void **state)
{
	struct parsed p;

	accept_body(&p, HEAD "\"mode\":1,\"mode\":2,\"modelx\":3,\"m\xc3\xb6" "del\":4,"
			"\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\":5,\"\":6,"
			"\"tools\":[{\"name\":\"a\",\"input_schema\":{\"a\":1,\"a\":2,\"TYPE\":3}}],"
			"\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\","
			"\"content\":[{\"type\":\"tool_use\",\"id\":\"i\",\"name\":\"a\",\"input\":"
			"{\"text\":1,\"text\":2,\"Text\":3}}]}]}");
	assert_int_equal(p.r.nturns, 2);
	parsed_end(&p);
}

/* Those that are not the last of their name are known, however the name is written. */
static void test_repeated(void **state)
{
	static const bool repeated[] = { true, false, true, false, false };
	struct parsed p;

	accept_body(&p, "{\"model\":\"a\",\"max_tokens\":1,\"mod\\u0065l\":\"b\",\"messages\":["
			"{\"role\":\"user\",\"content\":\"x\"}],\"model\":\"c\"}");
	assert_true(p.r.repeats);
	assert_int_equal(p.r.nmembers, 5);
	for (size_t i = 0; i < p.r.nmembers; i++)
		assert_int_equal(p.r.members[i].repeated, repeated[i]);
	parsed_end(&p);
	accept_body(&p, HEAD ASK "}");
	assert_false(p.r.repeats);
	parsed_end(&p);
	/* Nothing is left of those before the last. */
	accept_body(&p, HEAD ASK ",\"metadata\":{\"user_id\":\"u\"},\"metadata\":{},"
			"\"output_config\":{\"effort\":\"max\",\"format\":{\"a\":1}},"
			"\"output_format\":{\"b\":1},\"output_config\":{},\"output_format\":{\"c\":1}}");
	assert_false(span_given(p.r.user_id) || span_given(p.r.effort));
	assert_true(span_given(json_get(p.r.format, "c")));
	parsed_end(&p);
	accept_body(&p, HEAD ASK ",\"output_config\":{\"format\":{\"a\":1}},"
			"\"output_format\":{\"b\":1}}");
	assert_true(span_given(json_get(p.r.format, "a")));
	parsed_end(&p);
}

/* What is compared with each other has an end. */
static void test_too_many_members(void **state)
{
	struct parsed p;
	struct buf b;

	buf_init(&b, 0);
	buf_puts(&b, "{\"model\":\"m\"");
	for (int i = 0; i < 100000; i++)
		buf_puts(&b, ",\"x\":0");
	buf_puts(&b, "}");
	assert_int_equal(parse(&p, b.p, b.n, PARSE_MESSAGE), -1);
	assert_string_equal(p.f.message, "The request has more than 1024 members.");
	parsed_end(&p);
	buf_release(&b);
}

static void test_tools(void **state)
{
	struct parsed p;

	accept_body(&p, WITH("\"tools\":[{\"name\":\"Bash\",\"description\":\"d\\n\",\"input_"
			     "schema\":{ \"n\":1e400 },\"strict\":true,"
			     "\"cache_control\":{\"type\":\"ephemeral\"},\"type\":\"custom\"},{"
			     "\"type\":\"web_search_20250305\",\"name\":\"web_search\",\"max_"
			     "uses\":5},"
			     "{\"type\":\"mcp_toolset\",\"mcp_server_name\":\"x\"}],"
			     "\"tool_choice\":{\"type\":\"tool\",\"name\":\"Bash\",\"disable_"
			     "parallel_tool_use\":true}"));
	assert_int_equal(p.r.ntools, 3);
	assert_span(p.r.tools[0].name, "Bash");
	assert_span(p.r.tools[0].input_schema, "{ \"n\":1e400 }");
	assert_false(p.r.tools[0].server);
	assert_true(p.r.tools[1].server && p.r.tools[2].server);
	assert_false(span_given(p.r.tools[2].name));
	assert_span(p.r.tools[1].raw, "{\"type\":\"web_search_20250305\",\"name\":\"web_search\","
				      "\"max_uses\":5}");
	assert_int_equal(p.r.tool_choice, CHOICE_TOOL);
	assert_span(p.r.tool_choice_name, "Bash");
	assert_true(p.r.no_parallel_tools);
	parsed_end(&p);
	/* A tool that is only named is in the list already. */
	accept_body(&p, BLOCK("{\"type\":\"tool_addition\",\"tool\":{\"type\":\"tool_reference\","
			      "\"name\":\"Bash\"}}"));
	assert_int_equal(p.r.ntools, 0);
	assert_int_equal(p.r.turns[0].blocks[0].type, BLOCK_OTHER);
	parsed_end(&p);
}

static void test_blocks(void **state)
{
	struct parsed p;
	struct block *b;

	accept_body(&p, MESSAGES("[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\","
				 "\"content\":["
				 "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"Eq==\"},"
				 "{\"type\":\"redacted_thinking\",\"data\":\"R\"},"
				 "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"n\",\"input\":{"
				 "\"big\":9007199254740993,\"s\":\"\\ud800\"}},"
				 "{\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"n\"},{\"type\":"
				 "\"server_tool_use\",\"id\":\"s1\",\"name\":\"web_search\","
				 "\"input\":{}},"
				 "{\"type\":\"web_search_tool_result\",\"tool_use_id\":\"s1\","
				 "\"content\":[{\"type\":\"web_search_result\",\"title\":7}]},"
				 "{\"type\":\"brand_new\",\"text\":{\"x\":1},\"source\":7,"
				 "\"content\":{},\"id\":[]}]},"
				 "{\"role\":\"system\",\"content\":[],\"output_config\":{"
				 "\"effort\":\"low\"}},{\"role\":\"system\",\"output_config\":{"
				 "\"effort\":\"low\"}}]"));
	assert_int_equal(p.r.nturns, 4);
	assert_int_equal(p.r.turns[1].nblocks, 7);
	b = p.r.turns[1].blocks;
	assert_int_equal(b[0].type, BLOCK_THINKING);
	assert_true(span_given(b[0].text));
	assert_span(b[0].signature, "Eq==");
	assert_int_equal(b[1].type, BLOCK_REDACTED_THINKING);
	assert_span(b[1].signature, "R");
	assert_span(b[2].input, "{\"big\":9007199254740993,\"s\":\"\\ud800\"}");
	assert_span(b[3].input, "{}");
	assert_int_equal(b[4].type, BLOCK_SERVER_TOOL_USE);
	assert_int_equal(b[5].type, BLOCK_SERVER_TOOL_RESULT);
	assert_span(b[5].id, "s1");
	assert_int_equal(b[6].type, BLOCK_OTHER);
	assert_span(b[6].type_name, "brand_new");
	assert_int_equal(p.r.turns[2].role, ROLE_SYSTEM);
	assert_int_equal(p.r.turns[2].nblocks, 0);
	assert_span(p.r.turns[3].output_config, "{\"effort\":\"low\"}");
	parsed_end(&p);
}

/* The same result whether the type comes first or last. */
static void check_nested(const char *body)
{
	struct parsed p;
	struct block *b;

	accept_body(&p, body);
	assert_int_equal(p.r.turns[0].nblocks, 4);
	b = p.r.turns[0].blocks;
	assert_int_equal(b[0].type, BLOCK_TOOL_RESULT);
	assert_span(b[0].id, "t1");
	assert_true(b[0].is_error);
	assert_int_equal(b[0].nblocks, 3);
	assert_int_equal(b[0].blocks[0].type, BLOCK_IMAGE);
	assert_int_equal(b[0].blocks[0].source, SOURCE_BASE64);
	assert_span(b[0].blocks[0].media_type, "image/png");
	assert_span(b[0].blocks[0].data, "iVBOR/+=");
	assert_int_equal(b[0].blocks[1].type, BLOCK_TOOL_REFERENCE);
	assert_span(b[0].blocks[1].name, "Deep");
	assert_int_equal(b[0].blocks[2].type, BLOCK_SEARCH_RESULT);
	assert_span(b[0].blocks[2].text, "http://s");
	assert_int_equal(b[0].blocks[2].nblocks, 1);
	assert_span(b[0].blocks[2].blocks[0].text, "found");
	assert_int_equal(b[1].type, BLOCK_TOOL_RESULT);
	assert_int_equal(b[1].nblocks, 1);
	assert_span(b[1].blocks[0].text, "plain");
	assert_int_equal(b[1].blocks[0].raw.form, SPAN_STR);
	assert_int_equal(b[2].nblocks, 0);
	assert_int_equal(b[3].type, BLOCK_DOCUMENT);
	assert_int_equal(b[3].source, SOURCE_CONTENT);
	assert_span(b[3].title, "T");
	assert_int_equal(b[3].nblocks, 1);
	assert_span(b[3].blocks[0].text, "whole");
	parsed_end(&p);
}

static void test_nested(void **state)
{
	check_nested(BLOCK("{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"is_error\":true,"
			   "\"content\":["
			   "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":"
			   "\"image/png\",\"data\":\"iVBOR/+=\"}},"
			   "{\"type\":\"tool_reference\",\"tool_name\":\"Deep\"},"
			   "{\"type\":\"search_result\",\"source\":\"http://"
			   "s\",\"title\":\"x\",\"content\":[{\"type\":\"text\",\"text\":\"found\"}"
			   "]}]},"
			   "{\"type\":\"tool_result\",\"tool_use_id\":\"t2\",\"content\":\"plain\"}"
			   ",{\"type\":\"tool_result\",\"tool_use_id\":\"t3\"},"
			   "{\"type\":\"document\",\"source\":{\"type\":\"content\",\"content\":"
			   "\"whole\"},\"title\":\"T\"}"));
	check_nested(BLOCK("{\"tool_use_id\":\"t1\",\"is_error\":true,\"content\":["
			   "{\"source\":{\"data\":\"iVBOR/+=\",\"media_type\":\"image/"
			   "png\",\"type\":\"base64\"},\"type\":\"image\"},"
			   "{\"tool_name\":\"Deep\",\"type\":\"tool_reference\"},"
			   "{\"source\":\"http://"
			   "s\",\"title\":\"x\",\"content\":[{\"text\":\"found\",\"type\":\"text\"}"
			   "],\"type\":\"search_result\"}],"
			   "\"type\":\"tool_result\"},{\"content\":\"plain\",\"tool_use_id\":"
			   "\"t2\",\"type\":\"tool_result\"},"
			   "{\"tool_use_id\":\"t3\",\"type\":\"tool_result\",\"content\":null},"
			   "{\"source\":{\"content\":\"whole\",\"type\":\"content\"},\"title\":"
			   "\"T\",\"type\":\"document\"}"));
}

static void test_sources(void **state)
{
	static const struct { const char *source, *data; enum source_kind kind;
	} cases[] = {
		{ "{\"type\":\"url\",\"url\":\"https://x/y\"}", "https://x/y", SOURCE_URL },
		{ "{\"type\":\"file\",\"file_id\":\"file_1\"}", "file_1", SOURCE_FILE },
		{ "{\"type\":\"text\",\"media_type\":\"text/plain\",\"data\":\"a\\nb\"}", "a\\nb",
		  SOURCE_TEXT },
		{ "{\"type\":\"hologram\",\"beam\":1}", "", SOURCE_NONE },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct parsed p;
		char body[512];

		snprintf(body, sizeof(body), BLOCK("{\"type\":\"document\",\"source\":%s}"),
			 cases[i].source);
		accept_body(&p, body);
		assert_int_equal(p.r.turns[0].blocks[0].source, cases[i].kind);
		assert_span(p.r.turns[0].blocks[0].data, cases[i].data);
		parsed_end(&p);
	}
}

static void test_count(void **state)
{
	static const char body[] = "{\"model\":\"m\",\"max_tokens\":\"?\"," ASK "}";
	struct parsed p;

	assert_int_equal(parse(&p, body, strlen(body), PARSE_COUNT), 0);
	assert_int_equal(p.r.max_tokens, 0);
	parsed_end(&p);
}

/* Where the path names the model the body need not; what it says there must be a name. */
static void test_named(void **state)
{
	static const char *const bodies[] = { "{\"max_tokens\":1," ASK "}",
					      "{\"model\":null,\"max_tokens\":1," ASK "}" };
	static const char wrong[] = "{\"model\":7,\"max_tokens\":1," ASK "}";
	static const char short_of[] = "{" ASK "}";
	struct parsed p;

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(parse(&p, bodies[i], strlen(bodies[i]), PARSE_NAMED), 0);
		assert_false(span_given(p.r.model));
		parsed_end(&p);
	}
	assert_int_equal(parse(&p, wrong, strlen(wrong), PARSE_NAMED), -1);
	parsed_end(&p);
	assert_int_equal(parse(&p, short_of, strlen(short_of), PARSE_NAMED), -1);
	assert_string_equal(p.f.message, "max_tokens: Field required");
	parsed_end(&p);
}

/* Blocks in blocks are looked into to a bound; the rest stays raw and is no error. JSON itself has
 * a deeper one. */
static void nest(struct buf *b, int depth, const char *open, const char *inner, const char *close)
{
	buf_puts(b, HEAD "\"messages\":[{\"role\":\"user\",\"content\":");
	for (int i = 0; i < depth; i++)
		buf_puts(b, open);
	buf_puts(b, inner);
	for (int i = 0; i < depth; i++)
		buf_puts(b, close);
	buf_puts(b, "}]}");
}

static void test_depth(void **state)
{
	struct parsed p;
	struct buf b;

	buf_init(&b, 0);
	nest(&b, 20, "[{\"type\":\"tool_result\",\"tool_use_id\":\"x\",\"content\":", "[]", "}]");
	assert_int_equal(parse(&p, b.p, b.n, PARSE_MESSAGE), 0);
	parsed_end(&p);
	buf_reset(&b);
	nest(&b, 200000, "[", "", "]");
	assert_int_equal(parse(&p, b.p, b.n, PARSE_MESSAGE), -1);
	assert_non_null(strstr(p.f.message, "messages.0.content.0: Input should be a valid "
					    "dictionary"));
	parsed_end(&p);
	buf_reset(&b);
	buf_puts(&b, "{\"x\":");
	for (int i = 0; i < 200000; i++)
		buf_puts(&b, "[");
	assert_int_equal(parse(&p, b.p, b.n, PARSE_MESSAGE), -1);
	assert_non_null(strstr(p.f.message, "nested more than 128 deep at byte"));
	parsed_end(&p);
	buf_release(&b);
}

/* 100,000 messages: memory in proportion, and all of them there. */
static void test_many(void **state)
{
	struct parsed p;
	struct buf b;

	buf_init(&b, 0);
	buf_puts(&b, HEAD "\"messages\":[");
	for (int i = 0; i < 100000; i++)
		buf_puts(&b, i ? ",{\"role\":\"user\",\"content\":\"x\"}"
			       : "{\"role\":\"user\",\"content\":\"x\"}");
	buf_puts(&b, "]}");
	assert_int_equal(parse(&p, b.p, b.n, PARSE_MESSAGE), 0);
	assert_int_equal(p.r.nturns, 100000);
	assert_true(p.arena.used < 100000 * (sizeof(struct block) + sizeof(struct turn) + 64));
	parsed_end(&p);
	buf_release(&b);
}

/* What is collected before it is copied to the arena counts too: with an arena of 1 MB no list is ever
 * larger than half of that, whatever the body holds. */
static void test_full(void **state)
{
	static const struct {
		const char *open, *item, *close;
	} rows[] = {
		{ "\"messages\":[{\"role\":\"user\",\"content\":[",
		  "{\"type\":\"text\",\"text\":\"x\"}", "]}]}" },
		{ "\"messages\":[", "{\"role\":\"user\",\"content\":\"x\"}", "]}" },
		{ ASK ",\"stop_sequences\":[", "\"x\"", "]}" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct message_request r;
		struct fault f = FAULT_INIT;
		struct arena a;
		struct buf b;

		buf_init(&b, 0);
		buf_printf(&b, HEAD "%s", rows[i].open);
		for (int k = 0; k < 100000; k++)
			buf_printf(&b, "%s%s", k ? "," : "", rows[i].item);
		buf_puts(&b, rows[i].close);
		arena_init(&a, 1 << 20);
		assert_int_equal(anthropic_parse(&r, buf_str(&b), PARSE_MESSAGE, &a, &f), -1);
		assert_true(a.full);
		arena_release(&a);
		buf_release(&b);
	}
}

static void test_memory(void **state)
{
	struct message_request r;
	struct fault f = FAULT_INIT;
	struct arena a;

	arena_init(&a, 64);
	assert_int_equal(anthropic_parse(&r, STR(HEAD ASK "}"), PARSE_MESSAGE, &a, &f), -1);
	assert_int_equal(f.status, 529);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),	  cmocka_unit_test(test_cut),
		cmocka_unit_test(test_members),	  cmocka_unit_test(test_absent_and_null),
		cmocka_unit_test(test_last_wins), cmocka_unit_test(test_tools),
		cmocka_unit_test(test_blocks),	  cmocka_unit_test(test_nested),
		cmocka_unit_test(test_sources),	  cmocka_unit_test(test_count),
		cmocka_unit_test(test_depth),	  cmocka_unit_test(test_many),
		cmocka_unit_test(test_memory),	  cmocka_unit_test(test_full),
		cmocka_unit_test(test_repeated),
		cmocka_unit_test(test_not_repeated),
		cmocka_unit_test(test_named),	  cmocka_unit_test(test_too_many_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
