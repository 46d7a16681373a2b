/*
 * The openai-chat decoder (or the one that FUZZ_DIALECT names) with the order keeper behind it. The
 * first byte chooses: 'b' a whole body, 't' a stream of a backend that writes think tags, anything
 * else a plain stream; each further line is one event's data. Whatever comes, every text must be
 * sound JSON string content, and the keeper must see to a legal sequence.
 */
#include <stdlib.h>
#include <string.h>

#include "checker.h"
#include "dialect/anthropic.h"
#include "dialect/cohere.h"
#include "dialect/openai.h"
#include "dialect/responses.h"
#include "json/scan.h"
#include "run/filters.h"

#ifndef FUZZ_DIALECT
#define FUZZ_DIALECT dialect_openai_chat
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum flow feed(void *d, bool whole, struct str text, struct sink *s)
{
	enum flow flow = FLOW_GO;
	struct str line;

	if (whole)
		return FUZZ_DIALECT.decode_body(d, text, s);
	while (!flow && str_split(&text, '\n', &line))
		flow = FUZZ_DIALECT.decode_event(d, STR(""), line, s);
	return flow;
}

static void run(char kind, struct str text, struct arena *a)
{
	struct backend backend = { .name = "lab", .origin = "lab", .tool_name_max = 64, .think_tags = kind == 't' };
	struct target target = { .backend = &backend, .model = "m" };
	struct message_request request = { .max_tokens = 1 };
	struct decode_context c = { .arena = a, .request = &request, .target = &target };
	struct checker checker;
	struct keeper *keeper;
	void *d = arena_alloc(a, FUZZ_DIALECT.decoder_size);
	struct fault f = FAULT_INIT;
	enum flow flow;

	checker_init(&checker, false);
	keeper = keeper_new(&checker.sink, a, 1 << 20);
	require(keeper && d);
	FUZZ_DIALECT.decode_start(d, &c);
	flow = feed(d, kind == 'b', text, keeper_sink(keeper));
	if (!flow && FUZZ_DIALECT.decode_end(d, keeper_sink(keeper), &flow, &f) == 0 && !flow)
		sink_event(keeper_sink(keeper), &(struct event){ .type = EVENT_END, .index = -1 });
	keeper_release(keeper);
	checker_release(&checker);
	error_from_body(&c, 400, text, &f);
	require(str_utf8(str_of(f.message)));
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
