/*
 * The gemini decoder with the order keeper behind it, its error reader and its schema writer. The
 * first byte chooses: 'b' a whole body, 's' a tool schema, anything else a stream, each further line
 * of which is one event's data. Whatever comes, every text must be sound JSON string content, the
 * keeper must see to a legal sequence, the arguments of a finished call must be JSON, and a schema
 * must be made of known words alone.
 */
#include <stdlib.h>
#include <string.h>

#include "checker.h"
#include "dialect/gemini.h"
#include "json/edit.h"
#include "json/scan.h"
#include "run/filters.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum flow feed(void *d, bool whole, struct str text, struct sink *s)
{
	enum flow flow = FLOW_GO;
	struct str line;

	if (whole)
		return gemini_decode_body(d, text, s);
	while (!flow && str_split(&text, '\n', &line))
		flow = gemini_decode_event(d, STR(""), line, s);
	return flow;
}

static void run(char kind, struct str text, struct arena *a)
{
	struct backend backend = { .name = "lab", .origin = "lab", .tool_name_max = 63 };
	struct target target = { .backend = &backend, .model = "m" };
	struct message_request request = { .max_tokens = 1 };
	struct decode_context c = { .arena = a, .request = &request, .target = &target };
	struct checker checker;
	struct keeper *keeper;
	void *d = arena_alloc(a, dialect_gemini.decoder_size);
	struct fault f = FAULT_INIT;
	enum flow flow;

	checker_init(&checker, true);
	keeper = keeper_new(&checker.sink, a, 1 << 20);
	require(keeper && d);
	gemini_decode_start(d, &c);
	flow = feed(d, kind == 'b', text, keeper_sink(keeper));
	if (!flow && gemini_decode_end(d, keeper_sink(keeper), &flow, &f) == 0 && !flow)
		sink_event(keeper_sink(keeper), &(struct event){ .type = EVENT_END, .index = -1 });
	keeper_release(keeper);
	checker_release(&checker);
	gemini_decode_error(&c, 400, text, &f);
	require(str_utf8(str_of(f.message)) && f.retry_after >= -1);
}

/* Members of schema objects; those of "properties" are anything. */
static enum edit_action check_word(void *ctx, const struct span *path, unsigned depth,
				   const struct scan *at, struct str *with)
{
	static const char *const known[] = { "type", "description", "title", "nullable", "enum",
		"format", "pattern", "minLength", "maxLength", "minimum", "maximum", "items",
		"minItems", "maxItems", "anyOf", "default", "properties", "required" };
	bool property = false, found = false;

	for (unsigned i = 0; i < depth; i++) {
		if (!property && span_is(path[i], "default"))
			return EDIT_KEEP;
		property = !property && span_is(path[i], "properties");
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		found = found || span_is(path[depth], known[i]);
	require(property || found);
	return EDIT_KEEP;
}

static void run_schema(struct str text, struct arena *a)
{
	const struct edit_rule rule = { .member = check_word };
	struct buf b, copy;

	if (json_check(text, NULL, NULL))
		return;
	buf_init(&b, 0);
	buf_init(&copy, 0);
	if (gemini_schema(&b, a, span_json(str_trim(text))))
		require(edit_rewrite(&copy, buf_str(&b), &rule) == 0);
	buf_release(&b);
	buf_release(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data + 1, size - 1 };
	struct arena a;

	if (!size)
		return 0;
	arena_init(&a, 64 << 20);
	if (data[0] == 's')
		run_schema(text, &a);
	else
		run((char)data[0], text, &a);
	arena_release(&a);
	return 0;
}
