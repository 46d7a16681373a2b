/*
 * Bedrock's decoders with the order keeper behind them. The first byte chooses: 'b' a whole
 * Converse body, 'c' chunks of InvokeModel, a line the base64 of each; anything else events of
 * Converse, a line "NAME JSON" each. Whatever comes, every text must be sound JSON string content,
 * and the keeper must see to a legal sequence.
 */
#include <stdlib.h>
#include <string.h>

#include "checker.h"
#include "dialect/bedrock.h"
#include "json/scan.h"
#include "run/filters.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum flow feed_chunk(const struct dialect *row, void *d, struct str coded, struct sink *s)
{
	enum flow flow;
	struct buf b;

	buf_init(&b, 0);
	buf_puts(&b, "{\"bytes\":\"");
	buf_put_str(&b, coded);
	buf_puts(&b, "\"}");
	flow = row->decode_event(d, STR("chunk"), buf_str(&b), s);
	buf_release(&b);
	return flow;
}

static enum flow feed(const struct dialect *row, void *d, char kind, struct str text,
		      struct sink *s)
{
	enum flow flow = FLOW_GO;
	struct str line, name;

	if (kind == 'b')
		return row->decode_body(d, text, s);
	while (!flow && str_split(&text, '\n', &line)) {
		name = STR("");
		if (kind != 'c')
			str_split(&line, ' ', &name);
		flow = kind == 'c' ? feed_chunk(row, d, line, s) :
		       row->decode_event(d, name, line, s);
	}
	return flow;
}

static void run(char kind, struct str text, struct arena *a)
{
	struct backend backend = { .name = "lab", .origin = "lab", .tool_name_max = 64 };
	struct target target = { .backend = &backend,
				 .model = kind == 'c' ? "anthropic.claude" : "amazon.nova" };
	struct message_request request = { .max_tokens = 1 };
	struct decode_context c = { .arena = a, .request = &request, .target = &target };
	struct checker checker;
	struct keeper *keeper;
	const struct dialect *row = &dialect_bedrock;
	void *d = arena_alloc(a, row->decoder_size);
	struct fault f = FAULT_INIT;
	enum flow flow;

	checker_init(&checker, false);
	keeper = keeper_new(&checker.sink, a, 1 << 20);
	require(keeper && d);
	row->decode_start(d, &c);
	flow = feed(row, d, kind, text, keeper_sink(keeper));
	if (!flow && row->decode_end(d, keeper_sink(keeper), &flow, &f) == 0 && !flow)
		sink_event(keeper_sink(keeper), &(struct event){ .type = EVENT_END, .index = -1 });
	keeper_release(keeper);
	checker_release(&checker);
	row->decode_error(&c, 200, text, &f);
	require(str_utf8(str_of(f.message)) && f.status >= 400);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data + 1, size - 1 };
	struct arena a;

	if (!size)
		return 0;
	arena_init(&a, 64 << 20);
	run((char)data[0], text, &a);
	arena_release(&a);
	return 0;
}
