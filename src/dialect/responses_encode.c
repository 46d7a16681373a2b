/*
 * Requests to the Responses API (developers.openai.com/api/reference, "Create a model response").
 * Nothing is kept there: store is false, and reasoning comes encrypted, to be sent back with the
 * turn it belongs to. The API has no stop sequences and no top_k; the gateway enforces the first.
 */
#include "dialect/openai.h"
#include "dialect/openai_turns.h"
#include "dialect/responses.h"
#include "json/scan.h"

#define PARAGRAPH "\\n\\n"

static void put_instructions(struct openai_encoder *e)
{
	struct parts ps = { .e = e };

	openai_system_parts(&ps);
	if (!ps.n || !openai_member(e, "instructions"))
		return;
	segs_puts(e->body, "\"");
	for (size_t i = 0; i < ps.n; i++) {
		segs_puts(e->body, i ? PARAGRAPH : "");
		parts_write_text(e->body, &ps.v[i]);
	}
	segs_puts(e->body, "\"");
}

static void put_tool(struct openai_encoder *e, const struct tool *t)
{
	segs_puts(e->body, "{\"type\":\"function\",");
	openai_put_function(e, t);
	/* Strict is the default here, and strict schemas must list every property as required. */
	segs_puts(e->body, ",\"strict\":");
	segs_puts(e->body, span_true(t->strict) ? "true}" : "false}");
}

static void put_choice(struct openai_encoder *e)
{
	const struct message_request *r = e->request;
	struct segs *s = e->body;

	if (r->tool_choice == CHOICE_NONE_GIVEN || !openai_member(e, "tool_choice"))
		return;
	if (r->tool_choice == CHOICE_TOOL && openai_find_tool(r, r->tool_choice_name)) {
		segs_puts(s, "{\"type\":\"function\",\"name\":");
		openai_put_name(e, r->tool_choice_name);
		segs_puts(s, "}");
	} else if (r->tool_choice == CHOICE_ANY) {
		segs_puts(s, "\"required\"");
	} else {
		segs_puts(s, r->tool_choice == CHOICE_NONE ? "\"none\"" : "\"auto\"");
	}
}

static void put_format(struct openai_encoder *e)
{
	struct span schema = json_get(e->request->format, "schema");

	if (!span_is_object(schema) || !openai_member(e, "text"))
		return;
	segs_puts(e->body, "{\"format\":{\"type\":\"json_schema\",\"name\":\"output\",\"schema\":");
	openai_put_schema(e, schema);
	segs_puts(e->body, ",\"strict\":true}}");
}

static void put_state(struct openai_encoder *e)
{
	if (openai_member(e, "store"))
		segs_puts(e->body, "false");
	if (!(e->model->flags & TRAIT_NO_REASONING) && openai_member(e, "include"))
		segs_puts(e->body, "[\"reasoning.encrypted_content\"]");
	if (openai_member(e, "stream"))
		segs_puts(e->body, "true");
}

static void put_body(struct openai_encoder *e)
{
	segs_puts(e->body, "{");
	if (openai_member(e, "model"))
		segs_string(e->body, span_utf8(str_of(e->context->target->model)));
	put_instructions(e);
	if (openai_member(e, "input"))
		responses_put_input(e);
	openai_put_tool_list(e, put_tool, put_choice);
	openai_put_responses_options(e);
	put_format(e);
	put_state(e);
	openai_put_own_members(e);
	segs_puts(e->body, "}");
}

int responses_encode(const struct encode_context *c, enum op op, struct outgoing *out,
		     struct fault *f)
{
	const struct backend *b = c->target->backend;
	const char *path = op == OP_MESSAGE  ? b->path_responses
			   : op == OP_MODELS ? b->path_models
					     : NULL;

	return openai_encode_as(c, op, path, put_body, out, f);
}
