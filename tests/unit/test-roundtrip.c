/*
 * Conversations of several turns. What a backend gave in one answer must come back to it in the
 * next request as it was, although it travelled through a client that knows nothing of it: the
 * answer is read as a client reads it, streamed and whole, put into a history and encoded again.
 * And a request must begin with the bytes of the one before it, or no backend's prefix cache would
 * ever match.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../golden/golden.h"
#include "json/scan.h"

#define LONG_NAME "mcp__plugin_a_rather_long_plugin_name_server__and_a_tool_with_a_long_name_too"
#define TOOLS                                                       \
	"[{\"name\":\"f\",\"input_schema\":{\"type\":\"object\"}}," \
	"{\"name\":\"" LONG_NAME "\",\"input_schema\":{\"type\":\"object\"}}]"
#define ASK "{\"role\":\"user\",\"content\":\"go\"}"

static struct arena arena;

static int setup(void **state)
{
	arena_init(&arena, 0);
	return 0;
}

static int teardown(void **state)
{
	arena_release(&arena);
	return 0;
}

static const char *compact(struct str json)
{
	struct buf b;
	const char *text;

	buf_init(&b, 0);
	json_compact(&b, json);
	text = arena_dup(&arena, b.p, b.n);
	buf_release(&b);
	assert_non_null(text);
	return text;
}

static const char *value_text(struct span v)
{
	struct buf b;
	const char *text;

	buf_init(&b, 0);
	span_put_value(&b, v);
	text = compact(buf_str(&b));
	buf_release(&b);
	return text;
}

/* ---- a client ---- */

struct block_read {
	const char *head; /* the block up to what its deltas add to, "" when it came whole */
	struct buf text, signature;
	char type; /* of the block: t, T(hinking), u(se), o(ther) */
};

static void read_start(struct block_read *r, struct buf *out, struct span block)
{
	struct span type = json_get(block, "type");

	buf_puts(out, out->n > 1 ? "," : "");
	r->type = span_is(type, "text")	      ? 't'
		  : span_is(type, "thinking") ? 'T'
		  : span_is(type, "tool_use") ? 'u'
					      : 'o';
	buf_init(&r->text, 0);
	buf_init(&r->signature, 0);
	if (r->type == 'u')
		buf_printf(out, "{\"type\":\"tool_use\",\"id\":%s,\"name\":%s,\"input\":",
			   value_text(json_get(block, "id")), value_text(json_get(block, "name")));
	else if (r->type == 'o')
		buf_puts(out, value_text(block));
	else
		buf_puts(out, r->type == 't' ? "{\"type\":\"text\",\"text\":\""
					     : "{\"type\":\"thinking\",\"thinking\":\"");
}

static void read_delta(struct block_read *r, struct span delta)
{
	span_put_content(&r->text, json_get(delta, r->type == 't' ? "text" : "thinking"));
	span_put_content(&r->signature, json_get(delta, "signature"));
	if (r->type == 'u')
		span_put_text(&r->text, json_get(delta, "partial_json"));
}

static void read_stop(struct block_read *r, struct buf *out)
{
	if (r->type == 'u' && !r->text.n)
		buf_puts(&r->text, "{}");
	buf_put_str(out, buf_str(&r->text));
	if (r->type == 'T') {
		buf_puts(out, "\",\"signature\":\"");
		buf_put_str(out, buf_str(&r->signature));
	}
	buf_puts(out, r->type == 'u' ? "}" : r->type == 'o' ? "" : "\"}");
	buf_release(&r->text);
	buf_release(&r->signature);
}

/* The content of a streamed answer, gathered as the SDKs do it. */
static const char *content_of_stream(struct str events)
{
	struct block_read r = { 0 };
	struct str line;
	struct buf out;
	const char *text;

	buf_init(&out, 0);
	buf_putc(&out, '[');
	while (str_split(&events, '\n', &line)) {
		struct span e;

		if (!str_starts(line, "data: "))
			continue;
		e = span_json((struct str){ line.p + 6, line.n - 6 });
		assert_int_equal(json_check((struct str){ e.p, e.n }, NULL, NULL), 0);
		assert_false(span_is(json_get(e, "type"), "error"));
		if (span_is(json_get(e, "type"), "content_block_start"))
			read_start(&r, &out, json_get(e, "content_block"));
		else if (span_is(json_get(e, "type"), "content_block_delta"))
			read_delta(&r, json_get(e, "delta"));
		else if (span_is(json_get(e, "type"), "content_block_stop"))
			read_stop(&r, &out);
	}
	buf_putc(&out, ']');
	text = compact(buf_str(&out));
	buf_release(&out);
	return text;
}

static const char *content_of_message(struct str answer)
{
	const char *body = strstr(answer.p, "\r\n\r\n");
	struct span content;

	assert_non_null(body);
	content = json_get(
		span_json((struct str){ body + 4, (size_t)(answer.p + answer.n - body - 4) }),
		"content");
	assert_true(span_is_array(content));
	return value_text(content);
}

static const char *request_text(const char *model, const char *messages)
{
	return arena_printf(&arena,
			    "{\"model\":\"%s\",\"max_tokens\":4096,\"thinking\":"
			    "{\"type\":\"adaptive\"},\"tools\":" TOOLS ",\"messages\":[%s]}",
			    model, messages);
}

static const char *play(const struct case_options *o, const char *request, const char *answer,
			bool stream)
{
	struct script script = { .bytes = str_of(answer),
				 .status = 200,
				 .retry_after = -1,
				 .should_retry = -1,
				 .chop = CHOP_RANDOM,
				 .seed = 7 };
	struct exchange x = { o, str_of(request), &script, stream };
	struct buf out;
	const char *content;

	buf_init(&out, 0);
	assert_int_equal(replay(&x, &out), 0);
	buf_putc(&out, '\0');
	out.n--;
	content = stream ? content_of_stream(buf_str(&out)) : content_of_message(buf_str(&out));
	buf_release(&out);
	return content;
}

static struct span encode_messages(const struct case_options *o, const char *request)
{
	struct exchange x = { o, str_of(request), NULL, true };
	struct encoded e;

	assert_int_equal(replay_encode(&x, &e, &arena), 0);
	assert_null(e.fault.p);
	return json_get(span_json(e.body), "messages");
}

static struct span nth(struct span array, size_t n)
{
	struct scan it;

	assert_true(json_each(array, &it));
	while (scan_element(&it)) {
		struct span v = scan_value(&it);

		if (!n--)
			return v;
	}
	return SPAN_ABSENT;
}

static const char *results_reversed(const char *content)
{
	const char *text = "";
	struct scan it;

	assert_true(json_each(span_json(str_of(content)), &it));
	while (scan_element(&it)) {
		struct span b = scan_value(&it);

		if (span_is(json_get(b, "type"), "tool_use"))
			text = arena_printf(
				&arena,
				"{\"type\":\"tool_result\",\"tool_use_id\":%s,"
				"\"content\":\"of %s\"}%s%s",
				value_text(json_get(b, "id")),
				compact((struct str){ json_get(b, "id").p, json_get(b, "id").n }),
				*text ? "," : "", text);
	}
	return text;
}

/* One answer of a backend, and the assistant and tool messages that it must get back. */
struct trip {
	const char *title, *config, *model, *answer, *back[4];
};

static void round_trip(const struct trip *t)
{
	struct case_options o;
	const char *content, *messages;
	struct span sent;

	print_message("%s\n", t->title);
	assert_int_equal(options_read(&o, str_of(t->config), &arena), 0);
	content = play(&o, request_text(t->model, ASK), t->answer, true);
	assert_string_equal(content, play(&o, request_text(t->model, ASK), t->answer, false));
	messages = arena_printf(
		&arena,
		ASK ",{\"role\":\"assistant\",\"content\":%s},"
		    "{\"role\":\"user\",\"content\":[%s%s{\"type\":\"text\",\"text\":\"on\"}]}",
		content, results_reversed(content), *results_reversed(content) ? "," : "");
	sent = encode_messages(&o, request_text(t->model, messages));
	for (size_t i = 0; i < 4 && t->back[i]; i++)
		assert_string_equal(value_text(nth(sent, i + 1)), t->back[i]);
}

#define CHUNK(delta) "data: {\"id\":\"g\",\"choices\":[{\"index\":0,\"delta\":" delta "}]}\n\n"
#define DONE                                                                                    \
	"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n" \
	"data: [DONE]\n\n"
#define CALL(index, id, name, arguments)                                                          \
	"{\"index\":" index ",\"id\":\"" id                                                       \
	"\",\"type\":\"function\",\"function\":{\"name\":\"" name "\",\"arguments\":\"" arguments \
	"\"}}"
#define CALLED(id, name, arguments)                                               \
	"{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"" name \
	"\",\"arguments\":\"" arguments "\"}}"

static const struct trip trips[] = {
	{ "Claude at OpenRouter: text in pieces, a late signature",
	  "replay = details",
	  "anthropic/claude-x",
	  CHUNK("{\"reasoning\":\"Let "
		"\",\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"Let \","
		"\"format\":\"anthropic-claude-v1\",\"index\":0}]}")
		  CHUNK("{\"reasoning\":\"me "
			"\\ud800\",\"reasoning_details\":[{\"type\":\"reasoning.text\","
			"\"text\":\"me \\ud800\",\"format\":\"anthropic-claude-v1\",\"index\":0}]}")
			  CHUNK("{\"reasoning_details\":[{\"type\":\"reasoning.text\","
				"\"signature\":\"Ab+/==\","
				"\"format\":\"anthropic-claude-v1\",\"index\":0}]}")
				  CHUNK("{\"content\":\"So:\"}") CHUNK("{\"tool_calls\":[" CALL(
					  "0", "toolu_1", "f",
					  "{\\\"n\\\":12345678901234567890}") "]}") DONE,
	  { "{\"role\":\"assistant\",\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":"
	    "\"Let me \\ud800\","
	    "\"format\":\"anthropic-claude-v1\",\"index\":0,\"signature\":\"Ab+/"
	    "==\"}],\"content\":\"So:\","
	    "\"tool_calls\":[" CALLED("toolu_1", "f", "{\\\"n\\\":12345678901234567890}") "]}",
	    "{\"role\":\"tool\",\"tool_call_id\":\"toolu_1\",\"content\":\"of toolu_1\"}" } },
	{ "Gemini at OpenRouter: encrypted state tied to the first of two calls",
	  "replay = details",
	  "google/gemini-3-pro",
	  CHUNK("{\"tool_calls\":[" CALL("0", "tool_f_Zx9", "f", "{\\\"a\\\":1e400}") "]}") CHUNK(
		  "{\"reasoning_details\":[{\"type\":\"reasoning.encrypted\",\"data\":\"Q2lR\","
		  "\"id\":\"tool_f_Zx9\","
		  "\"format\":\"google-gemini-v1\",\"index\":0}]}")
		  CHUNK("{\"tool_calls\":[" CALL("1", "tool_f_Zx8", "f", "{\\\"a\\\":2}") "]}")
			  DONE,
	  { "{\"role\":\"assistant\",\"reasoning_details\":[{\"type\":\"reasoning.encrypted\","
	    "\"data\":\"Q2lR\","
	    "\"id\":\"tool_f_Zx9\",\"format\":\"google-gemini-v1\",\"index\":0}],\"content\":null,"
	    "\"tool_calls\":[" CALLED("tool_f_Zx9", "f", "{\\\"a\\\":1e400}") "," CALLED(
		    "tool_f_Zx8", "f", "{\\\"a\\\":2}") "]}",
	    "{\"role\":\"tool\",\"tool_call_id\":\"tool_f_Zx9\",\"content\":\"of tool_f_Zx9\"}",
	    "{\"role\":\"tool\",\"tool_call_id\":\"tool_f_Zx8\",\"content\":\"of tool_f_Zx8\"}",
	    "{\"role\":\"user\",\"content\":\"on\"}" } },
	{ "OpenAI at OpenRouter: a summary, and state that is encrypted",
	  "replay = details",
	  "openai/gpt-5",
	  CHUNK("{\"reasoning_details\":[{\"type\":\"reasoning.summary\",\"summary\":\"**Plan\","
		"\"id\":null,"
		"\"format\":\"openai-responses-v1\",\"index\":0}]}")
		  CHUNK("{\"reasoning_details\":[{\"type\":\"reasoning.summary\",\"summary\":\"** "
			"it\",\"id\":null,"
			"\"format\":\"openai-responses-v1\",\"index\":0}]}")
			  CHUNK("{\"reasoning_details\":[{\"type\":\"reasoning.encrypted\","
				"\"data\":\"gAAA\",\"id\":\"rs_1\","
				"\"format\":\"openai-responses-v1\",\"index\":0}]}")
				  CHUNK("{\"tool_calls\":[" CALL("0", "call_1", "f", "{}") "]}")
					  DONE,
	  { "{\"role\":\"assistant\",\"reasoning_details\":[{\"type\":\"reasoning.summary\","
	    "\"summary\":\"**Plan** it\","
	    "\"id\":null,\"format\":\"openai-responses-v1\",\"index\":0},{\"type\":\"reasoning."
	    "encrypted\",\"data\":"
	    "\"gAAA\",\"id\":\"rs_1\",\"format\":\"openai-responses-v1\",\"index\":0}],\"content\":"
	    "null,"
	    "\"tool_calls\":[" CALLED("call_1", "f", "{}") "]}" } },
	{ "DeepSeek: reasoning_content that goes on behind text",
	  "replay = tools\nreasoning = thinking",
	  "deepseek-reasoner",
	  CHUNK("{\"reasoning_content\":\"one\\n\"}") CHUNK("{\"reasoning_content\":\" \\u00e9\"}")
		  CHUNK("{\"content\":\"t\"}") CHUNK("{\"reasoning_content\":\", two\"}")
			  CHUNK("{\"tool_calls\":[" CALL("0", "call_00_x", "f", "{}") "]}") DONE,
	  { "{\"role\":\"assistant\",\"reasoning_content\":\"one\\n \\u00e9, "
	    "two\",\"content\":\"t\",\"tool_calls\":[" CALLED("call_00_x", "f", "{}") "]}" } },
	{ "Kimi: ids with odd characters, results in another order",
	  "replay = tools",
	  "kimi-k2",
	  CHUNK("{\"reasoning_content\":\"r\"}") CHUNK("{\"tool_calls\":[" CALL(
		  "0", "functions.f:0", "f", "{}") "," CALL("1", "functions.f:1", "f", "{}") "]}")
		  DONE,
	  { "{\"role\":\"assistant\",\"reasoning_content\":\"r\",\"content\":null,\"tool_calls\":"
	    "[" CALLED("functions.f:0", "f", "{}") "," CALLED("functions.f:1", "f", "{}") "]}",
	    "{\"role\":\"tool\",\"tool_call_id\":\"functions.f:0\",\"content\":\"of "
	    "toolu_mf1_ZnVuY3Rpb25zLmY6MA\"}",
	    "{\"role\":\"tool\",\"tool_call_id\":\"functions.f:1\",\"content\":\"of "
	    "toolu_mf1_ZnVuY3Rpb25zLmY6MQ\"}",
	    "{\"role\":\"user\",\"content\":\"on\"}" } },
};

static void backends_get_their_own_back(void **state)
{
	for (size_t i = 0; i < sizeof(trips) / sizeof(*trips); i++)
		round_trip(&trips[i]);
}

/* The backend sees a short name, the client its own, the backend the same short one again. */
static void long_names(void **state)
{
	struct case_options o;
	struct exchange x;
	struct encoded e;
	struct span tool;
	struct trip t = { "a name over 64 characters", "", "m", NULL, { NULL } };
	const char *name, *content;

	assert_int_equal(options_read(&o, str_of(""), &arena), 0);
	x = (struct exchange){ &o, str_of(request_text("m", ASK)), NULL, true };
	assert_int_equal(replay_encode(&x, &e, &arena), 0);
	tool = json_get(json_get(nth(json_get(span_json(e.body), "tools"), 1), "function"), "name");
	assert_true(tool.n <= 64);
	name = arena_dup(&arena, tool.p, tool.n);
	t.answer = arena_printf(
		&arena, CHUNK("{\"tool_calls\":[" CALL("0", "c1", "%s", "{}") "]}") DONE, name);
	content = play(&o, request_text("m", ASK), t.answer, true);
	assert_non_null(strstr(content, "\"name\":\"" LONG_NAME "\""));
	t.back[0] = arena_printf(&arena,
				 "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" CALLED(
					 "c1", "%s", "{}") "]}",
				 name);
	round_trip(&t);
}

#define SIGNED_ANSWER                                                                 \
	CHUNK("{\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"hm\"," \
	      "\"signature\":\"S\","                                                  \
	      "\"format\":\"%s\",\"index\":0}]}")                                     \
	CHUNK("{\"content\":\"a\"}") DONE

/* State of one model never reaches another family, though it came through the same backend: Claude
 * refuses what it can't verify. Its text is read by those that take text. */
static void models_of_one_backend(void **state)
{
	static const struct {
		const char *format, *next, *back;
	} ways[] = {
		{ "google-gemini-v1", "anthropic/claude-x",
		  "{\"role\":\"assistant\",\"content\":\"a\"}" },
		{ "anthropic-claude-v1", "google/gemini-3-pro",
		  "{\"role\":\"assistant\",\"reasoning\":\"hm\",\"content\":\"a\"}" },
		{ "unknown", "deepseek/deepseek-v3",
		  "{\"role\":\"assistant\",\"reasoning_details\":[{\"type\":"
		  "\"reasoning.text\",\"text\":\"hm\",\"signature\":\"S\",\"format\":\"unknown\","
		  "\"index\":0}],"
		  "\"content\":\"a\"}" },
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		struct trip t = { ways[i].format,
				  "replay = details",
				  ways[i].next,
				  arena_printf(&arena, SIGNED_ANSWER, ways[i].format),
				  { ways[i].back } };

		round_trip(&t);
	}
}

/* ---- prefixes ---- */

#define TURNS 10
#define MARK ",\"cache_control\":{\"type\":\"ephemeral\"}"

/* What Claude Code sends on turn n: reminders, calls two by two, a note of the system behind their
 * results, and cache marks that move with the end. */
static const char *session(int turns, bool marks)
{
	char *m = arena_printf(&arena,
			       "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
			       "\"<system-reminder>x</"
			       "system-reminder>\"},{\"type\":\"text\",\"text\":\"do it\"%s}]}",
			       marks && turns < 2 ? MARK : "");

	for (int i = 0; i < turns; i++) {
		const char *mark = marks && i + 2 > turns ? MARK : "";

		m = arena_printf(
			&arena,
			"%s,{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\","
			"\"thinking\":\"t%d\","
			"\"signature\":\"mf1.test.W10\"},{\"type\":\"text\",\"text\":\"step %d\"},"
			"{\"type\":\"tool_use\",\"id\":\"toolu_%da\",\"name\":\"f\",\"input\":{"
			"\"i\": %d}},"
			"{\"type\":\"tool_use\",\"id\":\"toolu_%db\",\"name\":\"" LONG_NAME
			"\",\"input\":{}}]},"
			"{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":"
			"\"toolu_%db\","
			"\"content\":[{\"type\":\"text\",\"text\":\"b\"},{\"type\":\"image\","
			"\"source\":{\"type\":"
			"\"base64\",\"media_type\":\"image/png\",\"data\":\"aaaa\"}}]},"
			"{\"type\":\"tool_result\",\"tool_use_id\":\"toolu_%da\",\"content\":\"a\"%"
			"s}%s]},"
			"{\"role\":\"system\",\"content\":[{\"type\":\"text\",\"text\":\"<total_"
			"tokens>%d\"%s}]}",
			m, i, i, i, i, i, i, i, mark,
			i % 3 ? "" : ",{\"type\":\"text\",\"text\":\"go on\"}", 1000 - i, mark);
	}
	return arena_printf(
		&arena,
		"{\"model\":\"claude-x\",\"max_tokens\":99,\"stream\":true,\"system\":[{\"type\":"
		"\"text\",\"text\":\"x-anthropic-billing-header: "
		"cch=%d;\"},{\"type\":\"text\",\"text\":\"You.\"" MARK "}],\"tools\":" TOOLS
		",\"messages\":[%s]}",
		turns, m);
}

/* Marks are no text of the prompt, nor is it one whether a lone text stands in a list. */
static const char *as_prompt(struct span message)
{
	const char *text = value_text(message), *at, *open = "\"content\":\"", *end;
	struct span content = json_get(message, "content");

	while ((at = strstr(text, MARK)))
		text = arena_printf(&arena, "%.*s%s", (int)(at - text), text, at + strlen(MARK));
	at = strstr(text, open);
	if (!span_is_string(content) || !at)
		return text;
	end = at + strlen(open) + content.n;
	return arena_printf(&arena, "%.*s\"content\":[{\"type\":\"text\",\"text\":\"%.*s\"}]%s",
			    (int)(at - text), text, (int)content.n, at + strlen(open), end + 1);
}

static void extends(const struct case_options *o, bool marks)
{
	struct span before = encode_messages(o, session(0, marks));

	for (int turns = 1; turns <= TURNS; turns++) {
		struct span now = encode_messages(o, session(turns, marks));
		struct scan it;
		size_t n = 0;

		if (!marks)
			assert_memory_equal(before.p, now.p, before.n - 1);
		assert_true(json_each(before, &it));
		for (; scan_element(&it); n++)
			assert_string_equal(as_prompt(scan_value(&it)), as_prompt(nth(now, n)));
		assert_true(span_given(nth(now, n)));
		before = now;
	}
}

static void turns_extend_each_other(void **state)
{
	static const char *const configs[] = {
		"mid_system = user",
		"mid_system = keep",
		"mid_system = user\ncache_control = true",
		"mid_system = keep\ncache_control = true\nreplay = details\ntool_images = true",
		"replay = tools",
		"replay = all\ntool_result_merge = true",
		"cache_control = true\ntool_result_merge = true\ntool_images = true",
		"dialect = anthropic\nmid_system = user",
		"dialect = anthropic\nmid_system = keep",
		("dialect = anthropic\nanthropic_host = true\nmid_system = keep\n"
		 "billing_header = true"),
	};

	for (size_t i = 0; i < sizeof(configs) / sizeof(*configs); i++) {
		struct case_options o;

		print_message("%s\n", configs[i]);
		assert_int_equal(options_read(&o, str_of(configs[i]), &arena), 0);
		extends(&o, false);
		extends(&o, true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(backends_get_their_own_back, setup, teardown),
		cmocka_unit_test_setup_teardown(long_names, setup, teardown),
		cmocka_unit_test_setup_teardown(models_of_one_backend, setup, teardown),
		cmocka_unit_test_setup_teardown(turns_extend_each_other, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
