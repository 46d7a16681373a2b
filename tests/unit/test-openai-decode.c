/*
 * The openai-chat decoder: one table of answers with what a recording sink must see, and the recorded
 * answers of real providers, whose text is derived from their JSON by a second, simple reading.
 *
 * The record is one line: S start, T text, R reasoning, G signature (decoded), C call start (key:name), A arguments,
 * E call end, U usage, X stop reason, F fault (status).
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dialect/openai.h"
#include "json/scan.h"

struct record {
	struct sink sink;
	struct buf line;                /* the record */
	struct buf text, thinking, input;       /* all of each */
	struct usage usage;
	enum stop_reason stop;
	enum event_type last;
	unsigned calls;
	char name[64];
};

static struct backend backend = {
	.name = "lab", .origin = "lab", .dialect = "openai-chat", .tool_name_max = 64,
};
static struct target target = { .backend = &backend, .model = "m" };
static struct span stops[1] = { { "END", 3, SPAN_STR } };
static struct message_request request = { .stop_sequences = stops, .nstop_sequences = 1 };

static void put_count(struct record *r, const char *name, int64_t n)
{
	if (n >= 0)
		buf_printf(&r->line, " %s=%lld", name, (long long)n);
}

static void record_usage(struct record *r, const struct usage *u)
{
	r->usage = *u;
	buf_puts(&r->line, "|U");
	put_count(r, "in", u->input);
	put_count(r, "out", u->output);
	put_count(r, "read", u->cache_read);
	put_count(r, "write", u->cache_write);
	put_count(r, "think", u->thinking);
	if (u->cost[0])
		buf_printf(&r->line, " cost=%s", u->cost);
}

static void record_piece(struct record *r, const struct event *e, char mark, struct buf *all)
{
	if (r->last != e->type)
		buf_printf(&r->line, "|%c ", mark);
	span_put_content(&r->line, e->text);
	span_put_content(all, e->text);
}

static void record_signature(struct record *r, struct span signature)
{
	struct buf state;

	buf_init(&state, 0);
	assert_int_equal(opaque_get(&state, "lab", signature), 1);
	buf_printf(&r->line, "|G %.*s", (int)state.n, state.p ? state.p : "");
	buf_release(&state);
}

static enum flow record_event(struct sink *self, const struct event *e)
{
	struct record *r = (struct record *)self;

	switch (e->type) {
	case EVENT_START:
		buf_puts(&r->line, "S ");
		span_put_content(&r->line, e->id);
		break;
	case EVENT_TEXT:
		record_piece(r, e, 'T', &r->text);
		break;
	case EVENT_THINKING:
		record_piece(r, e, 'R', &r->thinking);
		break;
	case EVENT_SIGNATURE:
		record_signature(r, e->text);
		break;
	case EVENT_TOOL_START:
		assert_true(span_given(e->id) && e->id.n > 0);
		buf_printf(&r->line, "|C%u ", e->key);
		span_put_content(&r->line, e->name);
		if (e->id.n < 9)
			buf_printf(&r->line, " %.*s", (int)e->id.n, e->id.p);
		snprintf(r->name, sizeof(r->name), "%.*s", (int)e->name.n, e->name.p);
		r->calls++;
		break;
	case EVENT_TOOL_DELTA:
		buf_printf(&r->line, "|A%u ", e->key);
		span_put_content(&r->line, e->text);
		span_put_content(&r->input, e->text);
		break;
	case EVENT_TOOL_STOP:
		buf_printf(&r->line, "|E%u", e->key);
		break;
	case EVENT_USAGE:
		record_usage(r, &e->usage);
		break;
	case EVENT_STOP_REASON:
		r->stop = e->stop;
		buf_printf(&r->line, "|X %s", stop_reason_name(e->stop));
		if (e->text.n)
			buf_printf(&r->line, " %.*s", (int)e->text.n, e->text.p);
		break;
	case EVENT_FAULT:
		buf_printf(&r->line, "|F %d %s", e->fault->status, e->fault->message);
		break;
	case EVENT_MODEL:
		return FLOW_GO;
	case EVENT_CITATION:
		buf_puts(&r->line, "|Q ");
		span_put_content(&r->line, json_get(e->text, "source"));
		break;
	default:
		fail_msg("event %d", (int)e->type);
	}
	r->last = e->type;
	return FLOW_GO;
}

static void record_init(struct record *r)
{
	*r = (struct record){ .sink = { record_event }, .usage = USAGE_UNKNOWN };
	buf_init(&r->line, 0);
	buf_init(&r->text, 0);
	buf_init(&r->thinking, 0);
	buf_init(&r->input, 0);
}

static void record_release(struct record *r)
{
	buf_release(&r->line);
	buf_release(&r->text);
	buf_release(&r->thinking);
	buf_release(&r->input);
}

/* Lines of stream are events' data; without `stream` all of it is a whole body. */
static void decode(struct record *r, struct str text, bool stream)
{
	const struct dialect *dialect = &dialect_openai_chat;
	struct decode_context c = { .request = &request, .target = &target };
	enum flow flow = FLOW_GO;
	struct fault f = FAULT_INIT;
	struct arena a;
	struct str line;
	void *d;

	arena_init(&a, 0);
	c.arena = &a;
	d = calloc(1, dialect->decoder_size);
	assert_non_null(d);
	dialect->decode_start(d, &c);
	if (!stream)
		flow = dialect->decode_body(d, text, &r->sink);
	while (stream && !flow && str_split(&text, '\n', &line))
		flow = dialect->decode_event(d, STR(""), line, &r->sink);
	if (!flow && dialect->decode_end(d, &r->sink, &flow, &f))
		buf_printf(&r->line, "|F %d %s", f.status, f.message);
	free(d);
	arena_release(&a);
}

#define DELTA(x) "{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{" x "},\"finish_reason\":null}]}\n"
#define FINISH(x) "{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":" x "}]}\n"
#define TEXT(x) DELTA("\"content\":\"" x "\"")
#define CALL(x) DELTA("\"tool_calls\":[" x "]")
#define DETAIL(x) DELTA("\"reasoning_details\":[" x "]")
#define DONE "[DONE]\n"
#define USAGE(x) "{\"id\":\"c\",\"choices\":[],\"usage\":{" x "}}\n"

struct vector {
	const char *name, *in, *out;
};

static const struct vector streams[] = {
	{ "text", DELTA("\"role\":\"assistant\",\"content\":\"\"") TEXT("Hel") TEXT("lo \\u00e9\\ud83d") FINISH("\"stop\"") DONE,
	  "S c|T Hello \\u00e9\\ud83d|U|X end_turn" },
	{ "no end marker", TEXT("a") FINISH("\"length\""), "S c|T a|U|X max_tokens" },
	{ "no finish reason but an end marker", TEXT("a") DONE, "S c|T a|U|X end_turn" },
	{ "cut in the middle", TEXT("a"),
	  "S c|T a|F 502 backend lab closed the stream before its answer was complete" },
	{ "nothing at all", "", "|F 502 backend lab sent an empty answer" },
	{ "end marker alone", DONE, "|F 502 backend lab sent an empty answer" },
	{ "empty chunks and the end marker", DELTA("") DONE, "S c|F 502 backend lab sent an empty answer" },
	{ "an empty answer that ends well", DELTA("") FINISH("\"stop\"") DONE, "S c|U|X end_turn" },
	{ "empty finish reason is none", TEXT("a") FINISH("\"\"") TEXT("b") FINISH("\"length\"") DONE,
	  "S c|T ab|U|X max_tokens" },
	{ "finish reason after each delta", TEXT("a") FINISH("\"stop\"") TEXT("b") FINISH("\"stop\"") DONE,
	  "S c|T ab|U|X end_turn" },
	{ "stop after length", TEXT("a") FINISH("\"length\"") FINISH("\"stop\""), "S c|T a|U|X max_tokens" },
	{ "content filter", TEXT("a") FINISH("\"content_filter\""), "S c|T a|U|X refusal" },
	{ "refusal", DELTA("\"refusal\":\"No.\"") FINISH("\"stop\""), "S c|T No.|U|X refusal" },
	{ "unknown finish reason", TEXT("a") FINISH("\"eos\""), "S c|T a|U|X end_turn" },
	{ "the window is full", TEXT("a") FINISH("\"model_context_window_exceeded\""),
	  "S c|T a|U|X model_context_window_exceeded" },
	{ "matched stop string",
	  TEXT("a") "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\",\"stop_reason\":\"END\"}]}\n",
	  "S c|T a|U|X stop_sequence END" },
	{ "stop reason that is a token", TEXT("a") "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\",\"stop_reason\":128001}]}\n",
	  "S c|T a|U|X end_turn" },
	{ "after the end marker", TEXT("a") DONE TEXT("b"), "S c|T a|U|X end_turn" },
	{ "another choice", TEXT("a") "{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"},\"finish_reason\":\"length\"}]}\n" DONE,
	  "S c|T a|U|X end_turn" },
	{ "empty choices first (Azure)", "{\"id\":\"\",\"choices\":[],\"prompt_filter_results\":[]}\n" TEXT("a") FINISH("\"stop\""),
	  "S |T a|U|X end_turn" },
	{ "content as parts", DELTA("\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image_url\"},\"b\"]") DONE,
	  "S c|T ab|U|X end_turn" },
	{ "whole call", CALL("{\"index\":0,\"id\":\"i1\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}") FINISH("\"tool_calls\""),
	  "S c|C0 f i1|A0 {\\\"a\\\":1}|E0|U|X tool_use" },
	{ "split call, stop for a reason", TEXT("t") CALL("{\"index\":0,\"id\":\"i1\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}")
	  CALL("{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\"}}") CALL("{\"index\":0,\"function\":{\"arguments\":\"\\\":1}\"}}") FINISH("\"stop\""),
	  "S c|T t|C0 f i1|A0 {\\\"a|A0 \\\":1}|E0|U|X tool_use" },
	{ "tool_calls without a call", TEXT("t") FINISH("\"tool_calls\""), "S c|T t|U|X end_turn" },
	{ "cut by the limit in a call", CALL("{\"index\":0,\"id\":\"i1\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}") FINISH("\"length\""),
	  "S c|C0 f i1|A0 {|E0|U|X max_tokens" },
	{ "two calls interleaved", CALL("{\"index\":0,\"id\":\"i1\",\"function\":{\"name\":\"f\"}},{\"index\":1,\"id\":\"i2\",\"function\":{\"name\":\"g\"}}")
	  CALL("{\"index\":1,\"function\":{\"arguments\":\"{\\\"b\\\":2}\"}}") CALL("{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":1}\"}}") DONE,
	  "S c|C0 f i1|C1 g i2|A1 {\\\"b\\\":2}|A0 {\\\"a\\\":1}|E0|E1|U|X tool_use" },
	{ "index 0 for every call", CALL("{\"index\":0,\"id\":\"i1\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}")
	  CALL("{\"index\":0,\"id\":\"i2\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}") DONE,
	  "S c|C0 f i1|A0 {}|C1 f i2|E0|A1 {}|E1|U|X tool_use" },
	{ "no index, ids", CALL("{\"id\":\"i1\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}") CALL("{\"id\":\"i1\",\"function\":{\"arguments\":\"}\"}}")
	  CALL("{\"id\":\"i2\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}") DONE,
	  "S c|C0 f i1|A0 {}|C1 f i2|E0|A1 {}|E1|U|X tool_use" },
	{ "no index, no id on the rest", CALL("{\"id\":\"i1\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}") CALL("{\"function\":{\"arguments\":\"}\"}}") DONE,
	  "S c|C0 f i1|A0 {}|E0|U|X tool_use" },
	{ "a new id on every fragment", CALL("{\"index\":0,\"id\":\"i1\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}")
	  CALL("{\"index\":0,\"id\":\"i2\",\"function\":{\"arguments\":\"}\"}}") DONE,
	  "S c|C0 f i1|A0 {}|E0|U|X tool_use" },
	{ "an empty id on the rest (Alibaba)", CALL("{\"index\":0,\"id\":\"i1\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}")
	  CALL("{\"index\":0,\"id\":\"\",\"function\":{\"arguments\":\"{}\"}}") CALL("{\"index\":0,\"id\":\"\",\"function\":{\"arguments\":\"\"}}") DONE,
	  "S c|C0 f i1|A0 {}|E0|U|X tool_use" },
	{ "the name again without an id, complete", CALL("{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}")
	  CALL("{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}") DONE,
	  "S c|C0 f|A0 {}|C1 f|E0|A1 {}|E1|U|X tool_use" },
	{ "name repeated on each fragment", CALL("{\"index\":0,\"id\":\"i1\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}")
	  CALL("{\"index\":0,\"id\":\"i1\",\"function\":{\"name\":\"f\",\"arguments\":\"}\"}}") DONE,
	  "S c|C0 f i1|A0 {}|E0|U|X tool_use" },
	{ "arguments before the name", CALL("{\"index\":0,\"id\":\"i1\",\"function\":{\"arguments\":\"{\\\"a\\\"\"}}")
	  CALL("{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\":1}\"}}") DONE,
	  "S c|C0 f i1|A0 {\\\"a\\\"|A0 :1}|E0|U|X tool_use" },
	{ "arguments glued to an empty object", CALL("{\"index\":0,\"id\":\"i1\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}")
	  CALL("{\"index\":0,\"function\":{\"arguments\":\" {\\\"a\"}}") CALL("{\"index\":0,\"function\":{\"arguments\":\"\\\":1}\"}}") DONE,
	  "S c|C0 f i1|A0 {\\\"a|A0 \\\":1}|E0|U|X tool_use" },
	{ "no arguments, then text", CALL("{\"index\":0,\"id\":\"i1\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}") TEXT("t") DONE,
	  "S c|C0 f i1|A0 {}|T t|E0|U|X tool_use" },
	{ "arguments null", CALL("{\"index\":0,\"id\":\"i1\",\"function\":{\"name\":\"f\",\"arguments\":\"null\"}}") DONE,
	  "S c|C0 f i1|E0|U|X tool_use" },
	{ "arguments encoded twice", CALL("{\"index\":0,\"id\":\"i1\",\"function\":{\"name\":\"f\",\"arguments\":\"\\\"{\\\\\\\"a\\\\\\\":1}\\\"\"}}") DONE,
	  "S c|C0 f i1|A0 {\\\"a\\\":1}|E0|U|X tool_use" },
	{ "arguments no object", CALL("{\"index\":0,\"id\":\"i1\",\"function\":{\"name\":\"f\",\"arguments\":\"ls\"}}") DONE,
	  "S c|C0 f i1|A0 {\\\"INVALID_JSON\\\":\\\"ls\\\"}|E0|U|X tool_use" },
	{ "arguments as an object", CALL("{\"index\":0,\"id\":\"i1\",\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1.50}}}") DONE,
	  "S c|C0 f i1|A0 {\\\"a\\\":1.50}|E0|U|X tool_use" },
	{ "no arguments", CALL("{\"index\":0,\"id\":\"i1\",\"function\":{\"name\":\"f\"}}") DONE, "S c|C0 f i1|E0|U|X tool_use" },
	{ "id null in letters", CALL("{\"id\":\"null\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}") DONE, "S c|C0 f|A0 {}|E0|U|X tool_use" },
	{ "text and call in one delta", DELTA("\"content\":\"t\",\"tool_calls\":[{\"index\":0,\"id\":\"i1\",\"function\":{\"name\":\"f\"}}]") DONE,
	  "S c|T t|C0 f i1|E0|U|X tool_use" },
	{ "call without a name", CALL("{\"index\":0,\"id\":\"i1\",\"function\":{\"arguments\":\"{}\"}}") DONE,
	  "S c|F 502 backend lab sent a tool call without a name" },
	{ "empty entry", CALL("{}") TEXT("a") DONE, "S c|T a|U|X end_turn" },
	{ "function_call", DELTA("\"function_call\":{\"name\":\"f\",\"arguments\":\"{\"}") DELTA("\"function_call\":{\"arguments\":\"}\"}") FINISH("\"function_call\""),
	  "S c|C0 f|A0 {}|E0|U|X tool_use" },
	{ "reasoning_content", DELTA("\"reasoning_content\":\"r\"") TEXT("a") DONE, "S c|R r|G |T a|U|X end_turn" },
	{ "reasoning", DELTA("\"reasoning\":\"r\"") TEXT("a") DONE, "S c|R r|G |T a|U|X end_turn" },
	{ "reasoning_text", DELTA("\"reasoning_text\":\"r\"") TEXT("a") DONE, "S c|R r|G |T a|U|X end_turn" },
	{ "thinking", DELTA("\"thinking\":\"r\"") TEXT("a") DONE, "S c|R r|G |T a|U|X end_turn" },
	{ "two names, one text", DELTA("\"reasoning\":\"r\",\"reasoning_content\":\"r\"") TEXT("a") DONE, "S c|R r|G |T a|U|X end_turn" },
	{ "thinking alone", DELTA("\"reasoning\":\"r\"") FINISH("\"stop\""), "S c|R r|G |U|X end_turn" },
	{ "content parts of thinking (Mistral)",
	  DELTA("\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"r\"}]},{\"type\":\"text\",\"text\":\"a\"}]") DONE,
	  "S c|R r|G |T a|U|X end_turn" },
	{ "pages that were read (Perplexity)",
	  "{\"id\":\"c\",\"citations\":[\"u1\",\"u2\"],\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n"
	  DONE,
	  "S c|T a|Q u1|Q u2|U|X end_turn" },
	{ "thinking blocks (LiteLLM)",
	  DELTA("\"reasoning_content\":\"r\",\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":\"r\"}]")
	  DELTA("\"reasoning_content\":\"\",\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"s\"}]")
	  DELTA("\"content\":\"a\"") DONE,
	  "S c|R r|G [{\"type\":\"thinking\",\"thinking\":\"r\",\"signature\":\"s\"}]|T a|U|X end_turn" },
	{ "content parts of reasoning (Databricks)",
	  DELTA("\"content\":[{\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"r\"}]},{\"type\":\"text\",\"text\":\"a\"}]") DONE,
	  "S c|R r|G [{\"type\":\"summary_text\",\"text\":\"r\"}]|T a|U|X end_turn" },
	{ "details, merged, with a late signature",
	  DETAIL("{\"type\":\"reasoning.text\",\"text\":\"r1\",\"format\":\"anthropic-claude-v1\",\"index\":0}")
	  DETAIL("{\"type\":\"reasoning.text\",\"text\":\"r2\",\"format\":\"anthropic-claude-v1\",\"index\":0}")
	  DETAIL("{\"type\":\"reasoning.text\",\"signature\":\"sig\",\"format\":\"anthropic-claude-v1\",\"index\":0}") TEXT("a") DONE,
	  "S c|R r1r2|G [{\"type\":\"reasoning.text\",\"text\":\"r1r2\",\"format\":\"anthropic-claude-v1\",\"index\":0,\"signature\":\"sig\"}]"
	  "|T a|U|X end_turn" },
	{ "details and plain text say the same",
	  DELTA("\"reasoning\":\"r1\",\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"r1\",\"index\":0}]")
	  DELTA("\"reasoning\":\"r2\",\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"r2\",\"index\":0}]") TEXT("a") DONE,
	  "S c|R r1r2|G [{\"type\":\"reasoning.text\",\"text\":\"r1r2\",\"index\":0}]|T a|U|X end_turn" },
	{ "details that repeat everything at the end", DELTA("\"reasoning\":\"r1\"") DELTA("\"reasoning\":\"r2\"")
	  DETAIL("{\"type\":\"reasoning.summary\",\"summary\":\"r1r2\"}") TEXT("a") DONE,
	  "S c|R r1r2|G [{\"type\":\"reasoning.summary\",\"summary\":\"r1r2\"}]|T a|U|X end_turn" },
	{ "encrypted alone, with its call", DELTA("\"reasoning_details\":[{\"type\":\"reasoning.encrypted\",\"data\":\"x\",\"id\":\"i1\", \"n\":1.50}],"
	  "\"tool_calls\":[{\"index\":0,\"id\":\"i1\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]") DONE,
	  "S c|R |G [{\"type\":\"reasoning.encrypted\",\"data\":\"x\",\"id\":\"i1\", \"n\":1.50}]|C0 f i1|A0 {}|E0|U|X tool_use" },
	{ "details behind the text", TEXT("a") DETAIL("{\"type\":\"reasoning.encrypted\",\"data\":\"x\"}") DONE,
	  "S c|T a|R |G [{\"type\":\"reasoning.encrypted\",\"data\":\"x\"}]|U|X end_turn" },
	{ "empty details", DELTA("\"reasoning_details\":[],\"content\":\"a\"") DONE, "S c|T a|U|X end_turn" },
	{ "think tags where none are expected", TEXT("<think>r</think>a") DONE, "S c|T <think>r</think>a|U|X end_turn" },
	{ "usage", TEXT("a") FINISH("\"stop\"") USAGE("\"prompt_tokens\":10,\"completion_tokens\":4,\"total_tokens\":14,\"cost\":0.00150,"
	  "\"prompt_tokens_details\":{\"cached_tokens\":3,\"cache_write_tokens\":2},\"completion_tokens_details\":{\"reasoning_tokens\":1}") DONE,
	  "S c|T a|U in=5 out=4 read=3 write=2 think=1 cost=0.00150|X end_turn" },
	{ "usage before the end, the last one counts", USAGE("\"prompt_tokens\":10,\"completion_tokens\":1") TEXT("a")
	  USAGE("\"prompt_tokens\":10,\"completion_tokens\":2") FINISH("\"stop\"") DONE,
	  "S c|T a|U in=10 out=2|X end_turn" },
	{ "usage after the finish reason without choices", TEXT("a") FINISH("\"stop\"") "{\"usage\":{\"prompt_tokens\":1}}\n" DONE,
	  "S c|T a|U in=1|X end_turn" },
	{ "more cached than prompt", TEXT("a") USAGE("\"prompt_tokens\":2,\"prompt_cache_hit_tokens\":3") DONE, "S c|T a|U in=0 read=3|X end_turn" },
	{ "cached, Mistral", TEXT("a") USAGE("\"prompt_tokens\":5,\"num_cached_tokens\":3") DONE, "S c|T a|U in=2 read=3|X end_turn" },
	{ "reasoning beside the completion (xAI)", TEXT("a") USAGE("\"prompt_tokens\":5,\"completion_tokens\":2,\"total_tokens\":17,"
	  "\"completion_tokens_details\":{\"reasoning_tokens\":10}") DONE, "S c|T a|U in=5 out=12 think=10|X end_turn" },
	{ "usage in x_groq", TEXT("a") "{\"choices\":[],\"x_groq\":{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}}\n" DONE,
	  "S c|T a|U in=3 out=1|X end_turn" },
	{ "error chunk", "{\"error\":{\"message\":\"no\",\"code\":429}}\n", "|F 429 no" },
	{ "error chunk with choices (OpenRouter)", TEXT("a") "{\"error\":{\"code\":\"server_error\",\"message\":\"no\"},"
	  "\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}\n", "S c|T a|F 500 no" },
	{ "error in the choice", "{\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"error\",\"error\":{\"code\":503,\"message\":\"no\"}}]}\n",
	  "S c|T a|F 529 no" },
	{ "finish reason error", TEXT("a") "{\"choices\":[{\"delta\":{},\"finish_reason\":\"error\",\"native_finish_reason\":\"MALFORMED_FUNCTION_CALL\"}]}\n",
	  "S c|T a|F 502 backend lab ended its answer with an error: MALFORMED_FUNCTION_CALL" },
	{ "no resources", TEXT("a") FINISH("\"insufficient_system_resource\""), "S c|T a|F 529 backend lab ran out of resources for this answer" },
	{ "null error", "{\"error\":null,\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n" DONE, "S c|T a|U|X end_turn" },
	{ "refused in the middle", TEXT("a") "{\"error\":{\"code\":400,\"message\":\"x\",\"metadata\":{\"error_type\":\"refusal\"}}}\n", "S c|T a|U|X refusal" },
	{ "not JSON", TEXT("a") "{\"id\":\n", "S c|T a|F 502 backend lab sent a stream event that is not JSON: {\"id\":" },
};

/* From a backend that writes its thinking into the text. */
static const struct vector tagged[] = {
	{ "think tags", TEXT("<think>r</think>\\n\\na") DONE, "S c|R r|G |T a|U|X end_turn" },
	{ "think tags cut and escaped", TEXT("\\n<th") TEXT("ink\\u003er1\\nr") TEXT("2\\u003C/thi") TEXT("nk>") TEXT("\\n") TEXT("a <think> b") DONE,
	  "S c|R r1\\nr2|G |T a <think> b|U|X end_turn" },
	{ "no think tags", TEXT("<thin") TEXT("g> x") DONE, "S c|T <thing> x|U|X end_turn" },
	{ "think tag cut by the end", TEXT("<think>r</th") DONE, "S c|R r</th|G |U|X end_turn" },
};

static const struct vector bodies[] = {
	{ "whole body", "{\"id\":\"c\",\"choices\":[{\"message\":{\"role\":\"assistant\",\"reasoning\":\"r\",\"content\":\"a\",\"tool_calls\":["
	  "{\"id\":\"i1\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},{\"id\":\"i2\",\"function\":{\"name\":\"g\",\"arguments\":\"\"}}]},"
	  "\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}",
	  "S c|R r|G |T a|C0 f i1|A0 {}|E0|C1 g i2|E1|U in=3 out=1|X tool_use" },
	{ "whole body, error", "{\"error\":{\"message\":\"no\",\"code\":400}}", "|F 400 no" },
	{ "whole body, flat error", "{\"object\":\"error\",\"message\":\"no\",\"type\":\"invalid_request_error\",\"code\":null}", "|F 400 no" },
	{ "whole body, MiniMax", "{\"base_resp\":{\"status_code\":1002,\"status_msg\":\"slow\"}}", "|F 429 slow" },
	{ "whole body, MiniMax well", "{\"id\":\"c\",\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}],\"base_resp\":{\"status_code\":0}}",
	  "S c|T a|U|X end_turn" },
	{ "whole body, nothing", "{\"id\":\"c\",\"choices\":[]}", "S c|F 502 backend lab sent an empty answer" },
	{ "whole body, cut", "{\"id\":\"c\",\"choices\":[", "|F 502 backend lab sent an answer that is not JSON: {\"id\":\"c\",\"choices\":[" },
};

static void run_vectors(const struct vector *v, size_t n, bool stream)
{
	for (; n > 0; n--, v++) {
		struct record r;

		record_init(&r);
		decode(&r, str_of(v->in), stream);
		if (!str_is(buf_str(&r.line), v->out))
			print_error("%s:\n", v->name);
		assert_string_equal(buf_cstr(&r.line), v->out);
		record_release(&r);
	}
}

#define RUN(v, stream) run_vectors(v, sizeof(v) / sizeof(*(v)), stream)

static void test_streams(void **state)
{
	RUN(streams, true);
}

static void test_think_tags(void **state)
{
	backend.think_tags = true;
	RUN(tagged, true);
	backend.think_tags = false;
}

static void test_bodies(void **state)
{
	RUN(bodies, false);
}

/* Each with an index of its own. */
static void test_many_calls(void **state)
{
	struct record r;
	struct buf lines;

	buf_init(&lines, 0);
	for (int i = 0; i < 4096; i++)
		buf_printf(&lines, CALL("{\"index\":%d,\"id\":\"i\",\"function\":{\"name\":\"f\"}}"), i);
	for (int more = 0; more < 2; more++) {
		record_init(&r);
		if (more)
			buf_puts(&lines, CALL("{\"index\":4096,\"function\":{\"name\":\"f\"}}"));
		decode(&r, buf_str(&lines), true);
		assert_int_equal(r.calls, 4096);
		assert_int_equal(str_ends(buf_str(&r.line),
					  "|F 502 backend lab sent more than 4096 tool calls"), more);
		record_release(&r);
	}
	buf_release(&lines);
}

/* ---- recorded answers ---- */

static void append(struct buf *b, struct span v)
{
	if (span_is_string(v))
		span_put_content(b, v);
}

/* What a chunk or answer says, read by paths alone. */
static void derive(struct str json, const char *part, struct record *want)
{
	struct span doc = { json.p, json.n, SPAN_JSON }, choice = SPAN_ABSENT, delta, content, item, call;
	struct span usage = json_get(doc, "usage");
	struct scan it;

	if (json_each(json_get(doc, "choices"), &it) && scan_element(&it))
		choice = scan_any(&it);
	delta = json_get(choice, part);
	content = json_get(delta, "content");
	append(&want->text, content);
	append(&want->thinking, json_get(delta, "reasoning"));
	append(&want->thinking, json_get(delta, "reasoning_content"));
	for (bool more = json_each(content, &it); more && scan_element(&it); ) {
		item = scan_any(&it);
		append(&want->text, json_get(item, "text"));
		if (span_is_array(json_get(item, "thinking"))) {
			struct scan inner;

			for (bool deep = json_each(json_get(item, "thinking"), &inner); deep && scan_element(&inner); )
				append(&want->thinking, json_get(scan_any(&inner), "text"));
		}
	}
	if (json_each(json_get(delta, "tool_calls"), &it) && scan_element(&it)) {
		call = json_get(scan_any(&it), "function");
		append(&want->input, json_get(call, "arguments"));
	}
	if (span_is_object(usage)) {
		want->usage.output = 0;
		assert_true(span_int(json_get(usage, "prompt_tokens"), &want->usage.input));
		assert_true(span_int(json_get(usage, "total_tokens"), &want->usage.output));
		want->usage.output -= want->usage.input;
	}
}

static void compare(const char *path, struct record *got, struct record *want)
{
	int64_t prompt = got->usage.input + (got->usage.cache_read > 0 ? got->usage.cache_read : 0);

	if (strstr(buf_cstr(&got->line), "|F"))
		fail_msg("%s: %s", path, buf_cstr(&got->line));
	assert_string_equal(buf_cstr(&got->text), buf_cstr(&want->text));
	assert_string_equal(buf_cstr(&got->thinking), buf_cstr(&want->thinking));
	assert_string_equal(buf_cstr(&got->input), buf_cstr(&want->input));
	assert_int_equal(prompt, want->usage.input);
	assert_int_equal(got->usage.output, want->usage.output);
	assert_int_equal(got->calls > 0, got->input.n > 0);
	assert_int_equal(got->stop == STOP_TOOL_USE, got->calls > 0);
	assert_true(got->text.n + got->input.n > 0);
}

static void replay(const char *path, bool stream)
{
	struct record got, want;
	struct buf file;
	struct str rest, line;
	FILE *f = fopen(path, "rb");
	size_t n;

	assert_non_null(f);
	buf_init(&file, 0);
	while ((n = fread(buf_room(&file, 65536), 1, 65536, f)) > 0)
		file.n += n;
	fclose(f);
	record_init(&got);
	record_init(&want);
	rest = buf_str(&file);
	decode(&got, rest, stream);
	if (!stream)
		derive(rest, "message", &want);
	while (stream && str_split(&rest, '\n', &line))
		derive(line, "delta", &want);
	compare(path, &got, &want);
	record_release(&got);
	record_release(&want);
	buf_release(&file);
}

static int replay_folder(const char *base, const char *folder)
{
	char path[1024];
	struct dirent *e;
	DIR *dir;
	int n = 0;

	snprintf(path, sizeof(path), "%s/%s", base, folder);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		struct str name = str_of(e->d_name);

		snprintf(path, sizeof(path), "%s/%s/%s", base, folder, e->d_name);
		if (str_ends(name, ".chunks.txt") || str_ends(name, ".json")) {
			replay(path, str_ends(name, ".txt"));
			n++;
		}
	}
	if (dir)
		closedir(dir);
	return n;
}

static void test_recorded(void **state)
{
	static const char *const folders[] = {
		"alibaba", "deepseek", "groq", "mistral", "moonshotai", "openai", "openai-compatible", "perplexity", "xai",
	};
	const char *srcdir = getenv("srcdir");
	char base[512];
	int n = 0;

	snprintf(base, sizeof(base), "%s/../shared/recorded", srcdir ? srcdir : ".");
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
		n += replay_folder(base, folders[i]);
	if (!n)
		skip();
	assert_true(n >= 20);
}

/* ---- model lists ---- */

static void put_model(void *ctx, const struct model_info *m)
{
	buf_printf(ctx, "%s,%s,%lld,%lld,%lld;", m->id, m->display_name, (long long)m->created,
		   (long long)m->context_tokens, (long long)m->max_output_tokens);
}

static void test_models(void **state)
{
	static const struct { const char *in, *out; } lists[] = {
		{ "{\"data\":[{\"id\":\"a/b\",\"name\":\"B\",\"created\":5,\"context_length\":100,\"top_provider\":{\"max_completion_tokens\":9}},"
		  "{\"id\":\"c\"},{\"x\":1},\"s\"]}", "a/b,B,5,100,9;c,c,0,0,0;" },
		{ "[{\"id\":\"v\",\"max_model_len\":4096}]", "v,v,0,4096,0;" },
		{ "{\"models\":[{\"name\":\"l\",\"meta\":{\"n_ctx_train\":8192}}]}", "l,l,0,8192,0;" },
		{ "{\"data\":[{\"id\":\"g\",\"context_window\":7,\"max_completion_tokens\":3}]}", "g,g,0,7,3;" },
		{ "{\"data\":[]}", "" },
		{ "{\"error\":1}", NULL },
		{ "<html>", NULL },
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		struct arena a;
		struct buf b;
		int rc;

		arena_init(&a, 0);
		buf_init(&b, 0);
		rc = openai_decode_models(&a, str_of(lists[i].in), put_model, &b);
		assert_int_equal(rc, lists[i].out ? 0 : -1);
		assert_string_equal(buf_cstr(&b), lists[i].out ? lists[i].out : "");
		buf_release(&b);
		arena_release(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_think_tags),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_many_calls),
		cmocka_unit_test(test_recorded),
		cmocka_unit_test(test_models),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
