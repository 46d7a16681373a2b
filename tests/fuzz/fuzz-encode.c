/*
 * The openai-chat encoder on any request that the parser passes, for any backend: what comes out is
 * JSON, and each call is answered by exactly one tool message directly behind it. The backend's
 * options are drawn from the bytes themselves.
 */
#include <stdlib.h>

#include "dialect/openai.h"
#include "ingress/ingress.h"
#include "json/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static uint32_t digest(const uint8_t *p, size_t n)
{
	uint32_t h = 2166136261u;

	while (n--)
		h = (h ^ *p++) * 16777619u;
	return h ^ h >> 15;
}

static struct backend draw_backend(uint32_t h)
{
	return (struct backend){
		.name = "FUZZ",
		.origin = "test",
		.dialect = "openai-chat",
		.base_url = "http://upstream.test",
		.path_message = "/chat/completions",
		.mid_system = (enum mid_system)(h % 3),
		.reasoning = (enum reasoning_style)(h >> 2 & 3),
		.replay = (enum reasoning_replay)(h >> 4 & 3),
		.cache_control = h >> 6 & 1,
		.tool_images = h >> 7 & 1,
		.files = h >> 8 & 1,
		.tool_result_merge = h >> 9 & 1,
		.strip_schema_null = h >> 10 & 1,
		.response_format = h >> 11 & 1,
		.stop = h >> 12 & 1,
		.parallel_tool_calls = true,
		.top_k = true,
		.user = true,
		.tool_name_max = 64,
	};
}

static size_t count_calls(struct span message)
{
	struct scan it;
	size_t n = 0;

	if (json_each(json_get(message, "tool_calls"), &it)) {
		for (; scan_element(&it); n++)
			scan_value(&it);
	}
	return n;
}

static void check_body(struct str body)
{
	struct scan it;
	size_t open = 0;

	require(json_check(body, NULL, NULL) == 0);
	require(json_each(json_get(span_json(body), "messages"), &it));
	while (scan_element(&it)) {
		struct span message = scan_value(&it);

		if (span_is(json_get(message, "role"), "tool")) {
			require(open > 0);
			open--;
		} else {
			require(open == 0);
			open = count_calls(message);
		}
	}
	require(open == 0);
}

static void encode(struct message_request *r, uint32_t h, struct arena *a)
{
	static const char *const models[] = { "m", "gpt-5.2", "anthropic/claude-sonnet-5.5", "o3" };
	struct backend backend = draw_backend(h);
	struct target target = { .backend = &backend, .model = models[h >> 13 & 3] };
	struct encode_context c = {
		.arena = a, .request = r, .target = &target, .strip_thinking = h >> 15 & 1
	};
	struct outgoing out = { 0 };
	struct fault f = FAULT_INIT;
	struct buf body;

	segs_init(&out.body, a);
	if (openai_encode(&c, OP_MESSAGE, &out, &f)) {
		require(f.status >= 400);
		return;
	}
	buf_init(&body, 0);
	require(segs_flatten(&out.body, &body) == 0 && body.n == out.body.total);
	check_body(buf_str(&body));
	buf_release(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message_request r;
	struct fault f = FAULT_INIT;
	struct str body = { (const char *)data, size };
	struct arena a;

	arena_init(&a, 0);
	if (anthropic_parse(&r, body, PARSE_MESSAGE, &a, &f) == 0)
		encode(&r, digest(data, size), &a);
	arena_release(&a);
	return 0;
}
