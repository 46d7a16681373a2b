/*
 * The request parser on any bytes: it reads nothing beyond them, refuses with a sentence or gives
 * spans that lie in the body, and what it passes is JSON.
 */
#include <stdlib.h>
#include <string.h>

#include "ingress/ingress.h"
#include "json/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

struct bounds {
	const char *from, *to;
};

static void inside(const struct bounds *b, struct span s)
{
	if (s.form == SPAN_NONE || (s.form == SPAN_JSON && s.n == 2 && !memcmp(s.p, "{}", 2)))
		return;
	require(s.p >= b->from && s.p + s.n <= b->to);
}

static void check_blocks(const struct bounds *bounds, const struct block *v, size_t n,
			 unsigned level)
{
	require(level < 8);
	for (size_t i = 0; i < n; i++) {
		const struct block *b = &v[i];
		const struct span spans[] = {
			b->raw,	 b->type_name, b->text,	   b->signature,
			b->id,	 b->name,      b->input,   b->media_type,
			b->data, b->title,     b->context, b->cache_control,
		};

		for (size_t j = 0; j < sizeof(spans) / sizeof(*spans); j++)
			inside(bounds, spans[j]);
		if (b->type == BLOCK_TOOL_USE)
			require(span_is_object(b->input) && span_is_string(b->id) &&
				span_is_string(b->name));
		if (b->type == BLOCK_TEXT)
			require(span_is_string(b->text));
		check_blocks(bounds, b->blocks, b->nblocks, level + 1);
	}
}

static void check_request(const struct message_request *r)
{
	struct bounds bounds = { r->body.p, r->body.p + r->body.n };

	require(json_check(r->body, NULL, NULL) == 0);
	require(r->model_name[0] && r->nturns > 0 && r->max_tokens >= 0);
	inside(&bounds, r->model);
	check_blocks(&bounds, r->system, r->nsystem, 0);
	for (size_t i = 0; i < r->nturns; i++) {
		inside(&bounds, r->turns[i].raw);
		require(span_is_object(r->turns[i].raw));
		check_blocks(&bounds, r->turns[i].blocks, r->turns[i].nblocks, 0);
	}
	for (size_t i = 0; i < r->ntools; i++) {
		inside(&bounds, r->tools[i].raw);
		require(r->tools[i].server || span_is_object(r->tools[i].input_schema));
	}
	for (size_t i = 0; i < r->nstop_sequences; i++)
		require(!span_blank(r->stop_sequences[i]));
}

static void parse(struct str body, enum parse_for what)
{
	struct message_request r;
	struct fault f = FAULT_INIT;
	struct arena a;

	arena_init(&a, 64 << 20);
	if (anthropic_parse(&r, body, what, &a, &f))
		require(f.status >= 400 && f.message[0] && str_utf8(str_of(f.type)));
	else
		check_request(&r);
	arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str body = { (const char *)data, size };

	parse(body, PARSE_MESSAGE);
	parse(body, PARSE_COUNT);
	return 0;
}
