/*
 * The anthropic dialect: what of a request changes on its way to a Messages backend, and what an answer becomes. The recorded
 * answers are replayed when the folder is there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dialect/anthropic.h"
#include "ingress/ingress.h"
#include "json/scan.h"

/* ---- requests ---- */

struct sent {
	struct arena arena;
	struct outgoing out;
	struct buf body;
};

static void encode(struct sent *s, const struct backend *b, const char *model, const char *body,
		   bool stream, bool strip)
{
	struct message_request r;
	struct fault f = FAULT_INIT;
	struct target t = { .backend = b, .model = model };
	struct encode_context c = { .request = &r, .target = &t, .want_stream = stream,
				    .strip_thinking = strip };

	memset(s, 0, sizeof(*s));
	arena_init(&s->arena, 0);
	buf_init(&s->body, 0);
	c.arena = &s->arena;
	segs_init(&s->out.body, &s->arena);
	assert_int_equal(anthropic_parse(&r, str_of(body), PARSE_MESSAGE, &s->arena, &f), 0);
	r.beta = "a-2026-01-01, b-2026-01-01";
	assert_int_equal(anthropic_encode(&c, OP_MESSAGE, &s->out, &f), 0);
	assert_int_equal(segs_flatten(&s->out.body, &s->body), 0);
	assert_int_equal(json_check(buf_str(&s->body), NULL, NULL), 0);
}

static void sent_release(struct sent *s)
{
	buf_release(&s->body);
	arena_release(&s->arena);
}

static const char *header_of(const struct sent *s, const char *name)
{
	for (size_t i = 0; i < s->out.nheaders; i++)
		if (str_starts_nocase(str_of(s->out.headers[i]), name))
			return s->out.headers[i] + strlen(name) + 2;
	return NULL;
}

static void expect_body(const struct backend *b, const char *model, const char *in, bool stream,
			bool strip, const char *want)
{
	struct sent s;

	encode(&s, b, model, in, stream, strip);
	assert_string_equal(buf_cstr(&s.body), want);
	sent_release(&s);
}

static const struct backend anthropic = {
	.name = "ANTHROPIC", .dialect = "anthropic", .base_url = "https://api.example",
	.path_message = "/v1/messages", .path_count = "/v1/messages/count_tokens", .anthropic_host = true,
};
static const struct backend clone = {
	.name = "clone", .dialect = "anthropic", .base_url = "http://clone.example/anthropic",
	.path_message = "/v1/messages", .mid_system = MID_SYSTEM_USER,
};

#define ODD "{ \"messages\" : [ {\"role\":\"user\",\"content\":\"\\u0000 \\ud800 9007199254740993\"} ],\r\n" \
	"\"model\":\"m\", \"unknown\":1e400, \"max_tokens\":12345678901234567, \"stream\":true }"

static void unchanged_bytes(void **state)
{
	expect_body(&anthropic, "m", ODD, true, false, ODD);
}

static void mapped_model(void **state)
{
	expect_body(&anthropic, "x/\"y\"", "{\"model\":\"claude-\\u0061\",\"max_tokens\":5,\"messages\":["
		    "{\"role\":\"user\",\"content\":\"hi\"}]}", false, false,
		    "{\"model\":\"x/\\\"y\\\"\",\"max_tokens\":5,\"messages\":["
		    "{\"role\":\"user\",\"content\":\"hi\"}]}");
}

#define BODY(members) "{\"model\":\"m\",\"max_tokens\":5," members "}"
#define HI "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"

static void stream_is_the_paths(void **state)
{
	expect_body(&anthropic, "m", BODY(HI), true, false,
		    "{\"stream\":true,\"model\":\"m\",\"max_tokens\":5," HI "}");
	expect_body(&anthropic, "m", BODY("\"stream\":false," HI), true, false, BODY("\"stream\":true," HI));
	expect_body(&anthropic, "m", BODY(HI), false, false, BODY(HI));
}

#define THINK(sig) "{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"" sig "\"}"
#define TEXT(t) "{\"type\":\"text\",\"text\":\"" t "\"}"
#define USER(t) "{\"role\":\"user\",\"content\":\"" t "\"}"

static void our_state_never_reaches_anthropic(void **state)
{
	expect_body(&anthropic, "m",
		    BODY("\"messages\":[" USER("a") ",{\"role\":\"assistant\",\"content\":[" THINK("mf1.lab.")
			 "," THINK("EqRealOne") " , " THINK("mf1.lab.eHg") "," TEXT("x") "]}," USER("b") "]"),
		    false, false,
		    BODY("\"messages\":[" USER("a") ",{\"role\":\"assistant\",\"content\":["
			 THINK("EqRealOne") " , " TEXT("x") "]}," USER("b") "]"));
	/* At the end of a list the comma before goes, and a turn that is left empty goes whole. */
	expect_body(&anthropic, "m",
		    BODY("\"messages\":[" USER("a") ",{\"role\":\"assistant\",\"content\":[" TEXT("x") ", "
			 THINK("mf1.lab.") "," THINK("mf1.lab.") "]}," USER("b") "]"),
		    false, false,
		    BODY("\"messages\":[" USER("a") ",{\"role\":\"assistant\",\"content\":[" TEXT("x") "]},"
			 USER("b") "]"));
	expect_body(&anthropic, "m",
		    BODY("\"messages\":[" USER("a") ",{\"role\":\"assistant\",\"content\":[" THINK("mf1.lab.")
			 "," THINK("mf1.lab.") "]}," USER("b") "]"),
		    false, false, BODY("\"messages\":[" USER("a") "," USER("b") "]"));
	/* Where nothing is verified the text stays. */
	expect_body(&clone, "m",
		    BODY("\"messages\":[" USER("a") ",{\"role\":\"assistant\",\"content\":[" THINK("mf1.lab.")
			 "," TEXT("x") "]}," USER("b") "]"), false, false,
		    BODY("\"messages\":[" USER("a") ",{\"role\":\"assistant\",\"content\":["
			 "{\"type\":\"thinking\",\"thinking\":\"t\"}," TEXT("x") "]}," USER("b")
			 "]"));
}

static void stripped_for_a_retry(void **state)
{
	expect_body(&clone, "m",
		    BODY("\"messages\":[" USER("a") ",{\"role\":\"assistant\",\"content\":[" THINK("Eq") ","
			 "{\"type\":\"redacted_thinking\",\"data\":\"d\"}," TEXT("x") "]}," USER("b") "]"),
		    false, true,
		    BODY("\"messages\":[" USER("a") ",{\"role\":\"assistant\",\"content\":[" TEXT("x") "]},"
			 USER("b") "]"));
}

static void clone_gets_what_it_takes(void **state)
{
	static const char *const members[] = { "context_management", "*cache_control.ttl", "tools.strict", NULL };
	static const char *const betas[] = { "b-*", NULL };
	static const struct body_member forced[] = { { "top_k", "7" }, { "service_tier", NULL }, { NULL, NULL } };
	struct backend b = clone;
	struct sent s;

	b.drop_members = members;
	b.drop_betas = betas;
	b.body = forced;
	b.max_tokens_max = 4;
	encode(&s, &b, "m",
	       BODY("\"service_tier\":\"auto\",\"context_management\":{\"edits\":[1]},\"system\":["
		    TEXT("x-anthropic-billing-header: cch=1;") ",{\"type\":\"text\",\"text\":\"s\","
		    "\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}],\"tools\":[{\"name\":\"t\",\"strict\":true,"
		    "\"input_schema\":{\"type\":\"object\",\"properties\":{\"strict\":{},\"cache_control\":{\"ttl\":1}}}}],"
		    "\"messages\":[" USER("a") ",{\"role\":\"system\",\"content\":\"now\"}]"), false, false);
	assert_string_equal(buf_cstr(&s.body),
		"{\"top_k\":7,\"model\":\"m\",\"max_tokens\":4,\"system\":[{\"type\":\"text\",\"text\":\"s\","
		"\"cache_control\":{\"type\":\"ephemeral\"}}],\"tools\":[{\"name\":\"t\","
		"\"input_schema\":{\"type\":\"object\",\"properties\":{\"strict\":{},\"cache_control\":{\"ttl\":1}}}}],"
		"\"messages\":[" USER("a") ",{\"role\":\"user\",\"content\":["
		TEXT("<system-reminder>\\nnow\\n</system-reminder>") "]}]}");
	assert_string_equal(header_of(&s, "anthropic-beta"), "a-2026-01-01");
	assert_string_equal(s.out.url, "http://clone.example/anthropic/v1/messages");
	sent_release(&s);

	encode(&s, &anthropic, "m", BODY(HI), false, false);
	assert_string_equal(header_of(&s, "anthropic-beta"), "a-2026-01-01, b-2026-01-01");
	assert_string_equal(header_of(&s, "anthropic-version"), "2023-06-01");
	sent_release(&s);
}

/* ---- answers ---- */

struct recorder {
	struct sink sink;
	struct buf log;         /* one line an event */
	struct usage usage;
	struct fault fault;
};

static enum flow record(struct sink *self, const struct event *e)
{
	static const char *const names[] = { "START", "TEXT", "THINKING", "SIGNATURE", "REDACTED", "TOOL_START",
		"TOOL_DELTA", "TOOL_STOP", "BLOCK", "CITATION", "BLOCK_STOP", "USAGE", "REASON", "MEMBER", "MODEL",
		"PING", "RAW", "FAULT", "END" };
	struct recorder *r = (struct recorder *)self;

	if (e->type == EVENT_FAULT)
		r->fault = *e->fault;
	if (e->type == EVENT_USAGE || e->type == EVENT_START)
		usage_update(&r->usage, &e->usage);
	buf_printf(&r->log, "%s%s", e->echo ? "~" : "", names[e->type]);
	if (span_given(e->name))
		buf_printf(&r->log, " %.*s", (int)e->name.n, e->name.p);
	if (span_given(e->id))
		buf_printf(&r->log, " #%.*s", (int)e->id.n, e->id.p);
	if (e->stop)
		buf_printf(&r->log, " %s", stop_reason_name(e->stop));
	if (span_given(e->text))
		buf_printf(&r->log, " %.*s", (int)e->text.n, e->text.p);
	buf_putc(&r->log, '\n');
	return FLOW_GO;
}

struct decoding {
	struct arena arena;
	struct message_request request;
	struct target target;
	struct decode_context context;
	struct recorder rec;
	void *state;
};

static void decoding_init(struct decoding *d, const struct backend *b, bool streaming)
{
	memset(d, 0, sizeof(*d));
	arena_init(&d->arena, 0);
	buf_init(&d->rec.log, 0);
	d->rec.sink.event = record;
	d->rec.usage = USAGE_UNKNOWN;
	d->target.backend = b;
	d->context = (struct decode_context){ .arena = &d->arena, .request = &d->request, .target = &d->target,
					      .streaming = streaming };
	d->state = arena_alloc(&d->arena, dialect_anthropic.decoder_size);
	dialect_anthropic.decode_start(d->state, &d->context);
}

static void decoding_release(struct decoding *d)
{
	buf_release(&d->rec.log);
	arena_release(&d->arena);
}

static int feed(struct decoding *d, const char *const *events)
{
	enum flow flow = FLOW_GO;
	struct fault f = FAULT_INIT;
	int rc;

	for (; !flow && *events; events++)
		flow = dialect_anthropic.decode_event(d->state, STR(""), str_of(*events), &d->rec.sink);
	rc = dialect_anthropic.decode_end(d->state, &d->rec.sink, &flow, &f);
	if (rc)
		d->rec.fault = f;
	return rc;
}

#define START "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"real\",\"content\":[]," \
	"\"usage\":{\"input_tokens\":7,\"cache_read_input_tokens\":3,\"output_tokens\":1}}}"
#define BLOCK "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_1\"," \
	"\"name\":\"ls\",\"input\":{}}}"
#define DELTA "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\"," \
	"\"partial_json\":\"{\\\"a\\\":\\\"\\\\ud800\\\"}\"}}"
#define STOP "{\"type\":\"content_block_stop\",\"index\":0}"
#define LAST "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null," \
	"\"safeguard_results\":[{\"a\":1}]},\"usage\":{\"output_tokens\":9}}"
#define OVER "{\"type\":\"message_stop\"}"

static void events_pass_as_they_came(void **state)
{
	const char *events[] = { START, BLOCK, DELTA, STOP, LAST, OVER, NULL };
	struct decoding d;

	decoding_init(&d, &anthropic, true);
	assert_int_equal(feed(&d, events), 0);
	assert_string_equal(buf_cstr(&d.rec.log),
		"~START #msg_1\n~MODEL real\n~USAGE\nRAW message_start " START "\n"
		"RAW content_block_start " BLOCK "\nRAW content_block_delta " DELTA "\nRAW content_block_stop " STOP "\n"
		"~USAGE\n~REASON tool_use\nRAW message_delta " LAST "\nRAW message_stop " OVER "\n");
	assert_int_equal(d.rec.usage.input, 7);
	assert_int_equal(d.rec.usage.cache_read, 3);
	assert_int_equal(d.rec.usage.output, 9);
	decoding_release(&d);
}

static void stream_for_a_whole_answer(void **state)
{
	const char *events[] = { START, BLOCK, DELTA, STOP, LAST, OVER, NULL };
	struct decoding d;

	decoding_init(&d, &anthropic, false);
	assert_int_equal(feed(&d, events), 0);
	assert_string_equal(buf_cstr(&d.rec.log),
		"START #msg_1\nMODEL real\nUSAGE\nTOOL_START ls #toolu_1\nTOOL_DELTA {\\\"a\\\":\\\"\\\\ud800\\\"}\n"
		"TOOL_STOP\nUSAGE\nREASON tool_use\nMEMBER safeguard_results [{\"a\":1}]\n");
	decoding_release(&d);
}

/* A block that passes whole is complete only with its input, which comes in fragments. */
static void server_tool_for_a_whole_answer(void **state)
{
	const char *events[] = { START,
		"{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"server_tool_use\","
		"\"id\":\"srvtoolu_1\",\"input\":{},\"name\":\"web_search\"}}",
		"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\","
		"\"partial_json\":\"{\\\"query\\\":\"}}",
		"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\","
		"\"partial_json\":\"\\\"x\\\"}\"}}",
		STOP, LAST, OVER, NULL };
	struct decoding d;

	decoding_init(&d, &anthropic, false);
	assert_int_equal(feed(&d, events), 0);
	assert_non_null(strstr(buf_cstr(&d.rec.log), "BLOCK {\"type\":\"server_tool_use\",\"id\":\"srvtoolu_1\","
			       "\"input\":{\"query\":\"x\"},\"name\":\"web_search\"}\n"));
	decoding_release(&d);
}

static void whole_answer_for_a_stream(void **state)
{
	struct decoding d;
	struct fault f = FAULT_INIT;
	enum flow flow;

	decoding_init(&d, &anthropic, true);
	flow = dialect_anthropic.decode_body(d.state, STR("{\"id\":\"msg_2\",\"type\":\"message\",\"model\":\"r\",\"content\":["
		THINK("Eq") ",{\"type\":\"text\",\"text\":\"hi\",\"citations\":[{\"c\":1}]},{\"type\":\"tool_use\",\"id\":\"t\","
		"\"name\":\"n\",\"input\":{\"k\":12345678901234567890}},{\"type\":\"server_tool_use\",\"id\":\"s\"}],"
		"\"stop_reason\":\"tool_use\",\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}"), &d.rec.sink);
	assert_int_equal(flow, FLOW_GO);
	assert_int_equal(dialect_anthropic.decode_end(d.state, &d.rec.sink, &flow, &f), 0);
	assert_string_equal(buf_cstr(&d.rec.log),
		"START #msg_2\nMODEL r\nUSAGE\nTHINKING t\nSIGNATURE Eq\nBLOCK_STOP\nTEXT hi\nCITATION {\"c\":1}\nBLOCK_STOP\n"
		"TOOL_START n #t\nTOOL_DELTA {\\\"k\\\":12345678901234567890}\nTOOL_STOP\n"
		"BLOCK {\"type\":\"server_tool_use\",\"id\":\"s\"}\nREASON tool_use\n");
	decoding_release(&d);
}

static void ends(void **state)
{
	const char *cut[] = { START, BLOCK, DELTA, NULL };
	const char *no_stop[] = { START, BLOCK, DELTA, STOP, LAST, NULL };
	const char *twice[] = { START, START, BLOCK, DELTA, STOP, LAST, OVER, OVER, NULL };
	const char *nothing[] = { NULL };
	struct decoding d;

	decoding_init(&d, &anthropic, true);
	assert_int_equal(feed(&d, cut), -1);
	assert_non_null(strstr(d.rec.fault.message, "closed the stream before its answer was complete"));
	assert_int_equal(d.rec.fault.class, FAULT_TRANSIENT);
	decoding_release(&d);

	decoding_init(&d, &anthropic, true);
	assert_int_equal(feed(&d, no_stop), 0);
	assert_non_null(strstr(buf_cstr(&d.rec.log), "RAW message_stop {\"type\":\"message_stop\"}\n"));
	decoding_release(&d);

	decoding_init(&d, &anthropic, true);
	assert_int_equal(feed(&d, twice), 0);
	assert_null(strstr(strstr(buf_cstr(&d.rec.log), "RAW message_start") + 1, "RAW message_start"));
	assert_null(strstr(strstr(buf_cstr(&d.rec.log), "RAW message_stop") + 1, "RAW message_stop"));
	decoding_release(&d);

	decoding_init(&d, &anthropic, true);
	assert_int_equal(feed(&d, nothing), -1);
	decoding_release(&d);
}

static void errors(void **state)
{
	const char *overloaded = "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}";
	const char *chat[] = { START, "{\"error\":{\"message\":\"no luck\",\"code\":\"500\"}}", NULL };
	const char *events[] = { START, overloaded, NULL };
	struct decoding d;
	struct fault f = FAULT_INIT;

	decoding_init(&d, &anthropic, true);
	feed(&d, events);
	assert_int_equal(d.rec.fault.class, FAULT_TRANSIENT);   /* decode_end's, after the error */
	assert_non_null(strstr(buf_cstr(&d.rec.log), "FAULT\n"));
	decoding_release(&d);

	decoding_init(&d, &clone, true);
	feed(&d, chat);
	assert_non_null(strstr(buf_cstr(&d.rec.log), "FAULT\n"));
	decoding_release(&d);

	decoding_init(&d, &anthropic, true);
	dialect_anthropic.decode_error(&d.context, 529, str_of(overloaded), &f);
	assert_int_equal(f.class, FAULT_OVERLOADED);
	assert_int_equal(f.status, 529);
	assert_true(str_is(f.raw, overloaded));
	f = FAULT_INIT;
	dialect_anthropic.decode_error(&d.context, 401, STR("{\"type\":\"error\",\"error\":{\"type\":"
		"\"authentication_error\",\"message\":\"invalid x-api-key\"}}"), &f);
	assert_int_equal(f.status, 502);        /* our key, not the caller's */
	assert_int_equal(f.should_retry, 0);
	assert_null(f.raw.p);
	assert_non_null(strstr(f.message, "ANTHROPIC"));
	d.target.caller_key = "sk-ant-x";
	f = FAULT_INIT;
	dialect_anthropic.decode_error(&d.context, 401, STR("{\"type\":\"error\",\"error\":{\"type\":"
		"\"authentication_error\",\"message\":\"invalid x-api-key\"}}"), &f);
	assert_int_equal(f.status, 401);
	assert_non_null(f.raw.p);
	decoding_release(&d);
}

/* ---- recorded answers ---- */

static char *read_file(const char *name)
{
	const char *top = getenv("srcdir") ? getenv("srcdir") : ".";
	char path[512];
	struct buf b;
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "%s/../shared/recorded/anthropic/%s", top, name);
	file = fopen(path, "r");
	if (!file)
		return NULL;
	buf_init(&b, 0);
	do {
		char *room = buf_room(&b, 65536);

		n = fread(room, 1, 65536, file);
		b.n += n;
	} while (n);
	fclose(file);
	buf_cstr(&b);
	return b.p;
}

/* Every line is an event: as they came for a stream, and with the same usage and ends in both forms. */
static void replay(const char *name, bool streaming, const char *reason)
{
	char *text = read_file(name), *rest = text, *line;
	struct decoding d;
	struct fault f = FAULT_INIT;
	enum flow flow = FLOW_GO;
	size_t lines = 0, raws = 0;

	if (!text)
		skip();
	decoding_init(&d, &anthropic, streaming);
	while ((line = strsep(&rest, "\n"))) {
		if (!*line)
			continue;
		lines++;
		assert_int_equal(dialect_anthropic.decode_event(d.state, STR(""), str_of(line), &d.rec.sink), FLOW_GO);
	}
	assert_int_equal(dialect_anthropic.decode_end(d.state, &d.rec.sink, &flow, &f), 0);
	assert_non_null(strstr(buf_cstr(&d.rec.log), reason));
	assert_true(d.rec.usage.output > 0);
	for (const char *p = buf_cstr(&d.rec.log); (p = strstr(p, "RAW ")); p++)
		raws += p == d.rec.log.p || p[-1] == '\n';
	if (streaming && strcmp(name, "duplicate-message-start.chunks.txt"))
		assert_int_equal(raws, lines);
	decoding_release(&d);
	free(text);
}

static void recorded(void **state)
{
	static const struct { const char *name, *reason; } files[] = {
		{ "anthropic-text.chunks.txt", "REASON end_turn" },
		{ "anthropic-tool-no-args.chunks.txt", "REASON tool_use" },
		{ "anthropic-clear-thinking.1.chunks.txt", "REASON " },
		{ "anthropic-mcp.1.chunks.txt", "REASON " },
		{ "anthropic-refusal.chunks.txt", "REASON refusal" },
		{ "anthropic-web-search-tool.1.chunks.txt", "REASON end_turn" },
		{ "anthropic-message-delta-input-tokens.chunks.txt", "REASON " },
		{ "duplicate-message-start.chunks.txt", "REASON " },
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		replay(files[i].name, true, files[i].reason);
		replay(files[i].name, false, files[i].reason);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unchanged_bytes),
		cmocka_unit_test(mapped_model),
		cmocka_unit_test(stream_is_the_paths),
		cmocka_unit_test(our_state_never_reaches_anthropic),
		cmocka_unit_test(stripped_for_a_retry),
		cmocka_unit_test(clone_gets_what_it_takes),
		cmocka_unit_test(events_pass_as_they_came),
		cmocka_unit_test(stream_for_a_whole_answer),
		cmocka_unit_test(server_tool_for_a_whole_answer),
		cmocka_unit_test(whole_answer_for_a_stream),
		cmocka_unit_test(ends),
		cmocka_unit_test(errors),
		cmocka_unit_test(recorded),
	};

	return cmocka_run_group_tests_name("anthropic", tests, NULL, NULL);
}
