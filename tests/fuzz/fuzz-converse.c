/*
 * The Converse encoder on any request that the parser passes: what comes out is JSON, no message is
 * empty or holds a blank text, and the calls of a message are answered by the first blocks of the
 * one behind it, in their order. The backend's options and the model are drawn from the bytes.
 */
#include <stdlib.h>

#include "dialect/bedrock.h"
#include "ingress/ingress.h"
#include "json/scan.h"

#define CALLS_MAX 256           /* of one message that are compared */

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
		.name = "FUZZ", .origin = "test", .dialect = "bedrock-converse",
		.base_url = "http://upstream.test", .path_message = "/model/{model}",
		.mid_system = (enum mid_system)(h % 3), .cache_control = h >> 2 & 1,
		.tool_images = true, .files = h >> 3 & 1, .stop = h >> 4 & 1, .stop_max = 4,
		.top_k = true, .tool_name_max = 64,
	};
}

struct calls {
	struct span ids[CALLS_MAX];
	size_t n, answered;
};

static void check_block(struct span block, bool user, struct calls *c)
{
	struct span use = json_get(block, "toolUse"), result = json_get(block, "toolResult");
	struct span text = json_get(block, "text");

	require(span_is_object(block));
	require(!span_given(text) || !span_blank(text));
	if (span_given(use)) {
		require(!user && span_is_object(json_get(use, "input")));
		if (c->n < CALLS_MAX)
			c->ids[c->n] = json_get(use, "toolUseId");
		c->n++;
	}
	if (!span_given(result))
		return;
	require(user && c->answered < c->n);
	require(c->answered >= CALLS_MAX ||
		span_eq(c->ids[c->answered], json_get(result, "toolUseId")));
	c->answered++;
}

static void check_messages(struct span messages)
{
	struct calls c = { .n = 0 };
	struct scan it, in;
	int last = -1;

	require(json_each(messages, &it));
	while (scan_element(&it)) {
		struct span message = scan_value(&it);
		bool user = span_is(json_get(message, "role"), "user");
		size_t blocks = 0;

		require(last != user && json_each(json_get(message, "content"), &in));
		last = user;
		if (!user)
			c.n = c.answered = 0;
		for (; scan_element(&in); blocks++)
			check_block(scan_value(&in), user, &c);
		require(blocks > 0 && (!user || c.answered == c.n));
	}
	require(c.answered == c.n);
}

static void check(const struct message_request *r, uint32_t h, struct arena *a)
{
	static const char *const models[] = { "us.anthropic.claude-x", "amazon.nova-x",
					      "openai.gpt-oss", "arn:aws:bedrock:x/y" };
	struct backend backend = draw_backend(h);
	struct target target = { .backend = &backend, .model = models[h >> 8 & 3] };
	struct encode_context c = { .arena = a, .request = r, .target = &target,
				    .want_stream = h >> 10 & 1, .strip_thinking = h >> 11 & 1 };
	struct outgoing out = { 0 };
	struct fault f = FAULT_INIT;
	struct buf body;

	segs_init(&out.body, a);
	if (converse_encode(&c, OP_MESSAGE, &out, &f))
		return;
	buf_init(&body, 0);
	require(segs_flatten(&out.body, &body) == 0);
	require(json_check(buf_str(&body), NULL, NULL) == 0);
	check_messages(json_get(span_json(buf_str(&body)), "messages"));
	buf_release(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message_request r;
	struct fault f = FAULT_INIT;
	struct arena a;

	arena_init(&a, 64 << 20);
	if (anthropic_parse(&r, (struct str){ (const char *)data, size }, PARSE_MESSAGE, &a, &f) == 0)
		check(&r, digest(data, size), &a);
	arena_release(&a);
	return 0;
}
