/*
 * Tools as function declarations, the choice among them, and the answer's format. Tools that only
 * the API itself runs are left out and noted.
 */
#include "dialect/gemini_encode.h"
#include "json/scan.h"

static bool sent(const struct tool *t)
{
	return !t->server && span_given(t->name);
}

static const struct tool *find_tool(const struct message_request *r, struct span name)
{
	for (size_t i = 0; i < r->ntools; i++) {
		if (sent(&r->tools[i]) && span_eq(r->tools[i].name, name))
			return &r->tools[i];
	}
	return NULL;
}

/* Does the schema say anything? An object without members is refused. */
static bool says_something(struct span schema)
{
	static const char *const elsewhere[] = { "$ref", "anyOf", "oneOf", "allOf" };
	struct span key;
	struct scan it;

	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(*elsewhere); i++)
		if (span_given(json_get(schema, elsewhere[i])))
			return true;
	return json_each_member(json_get(schema, "properties"), &it) && scan_member(&it, &key);
}

/* The subset of schemas that is a type of the API's own (subset), or the schema as it stands, under
 * another name (whole): both begin with a comma. */
static void put_schema(struct gemini_encoder *g, const char *subset, const char *whole,
		       struct span schema)
{
	struct segs *s = g->e.body;

	if (!g->backend.json_schema) {
		gemini_put_schema(s, g->e.arena, subset, schema);
	} else if (says_something(schema)) {
		segs_puts(s, whole);
		segs_value(s, schema);
	}
}

/* A description is demanded. */
static void put_tool(struct gemini_encoder *g, const struct tool *t)
{
	struct segs *s = g->e.body;

	segs_puts(s, "{\"name\":");
	openai_put_name(&g->e, t->name);
	segs_puts(s, ",\"description\":");
	segs_string(s, span_blank(t->description) ? t->name : t->description);
	put_schema(g, ",\"parameters\":", ",\"parametersJsonSchema\":", t->input_schema);
	segs_puts(s, "}");
}

static void put_choice(struct gemini_encoder *g)
{
	static const char *const modes[] = {
		[CHOICE_NONE_GIVEN] = "AUTO", [CHOICE_AUTO] = "AUTO", [CHOICE_ANY] = "ANY",
		[CHOICE_TOOL] = "ANY", [CHOICE_NONE] = "NONE",
	};
	const struct message_request *r = g->e.request;
	enum tool_choice choice = r->tool_choice;
	struct segs *s = g->e.body;

	/* The tool that was asked for had to be left out. */
	if (choice == CHOICE_TOOL && !find_tool(r, r->tool_choice_name))
		choice = CHOICE_AUTO;
	if (choice == CHOICE_NONE_GIVEN || !openai_member(&g->e, "toolConfig"))
		return;
	segs_puts(s, "{\"functionCallingConfig\":{\"mode\":\"");
	segs_puts(s, modes[choice]);
	segs_puts(s, "\"");
	if (choice == CHOICE_TOOL) {
		segs_puts(s, ",\"allowedFunctionNames\":[");
		openai_put_name(&g->e, r->tool_choice_name);
		segs_puts(s, "]");
	}
	segs_puts(s, "}}");
}

void gemini_put_tools(struct gemini_encoder *g)
{
	const struct message_request *r = g->e.request;
	size_t n = 0;

	for (size_t i = 0; i < r->ntools; i++) {
		n += sent(&r->tools[i]);
		if (!sent(&r->tools[i]))
			openai_dropped(&g->e, r->tools[i].type);
	}
	if (span_given(r->mcp_servers))
		openai_dropped(&g->e, span_utf8(STR("mcp_servers")));
	if (!n)
		return;
	if (openai_member(&g->e, "tools")) {
		const char *comma = "[{\"functionDeclarations\":[";

		for (size_t i = 0; i < r->ntools; i++) {
			if (!sent(&r->tools[i]))
				continue;
			segs_puts(g->e.body, comma);
			put_tool(g, &r->tools[i]);
			comma = ",";
		}
		segs_puts(g->e.body, "]}]");
	}
	put_choice(g);
}

/* Before Gemini 3 the API has functions or a format, not both. */
void gemini_put_format(struct gemini_encoder *g, bool *first)
{
	struct span schema = json_get(g->e.request->format, "schema");

	if (!span_is_object(schema))
		return;
	if (!g->backend.response_format ||
	    (g->e.request->ntools && !(g->model->flags & GEMINI_SIGNED))) {
		openai_dropped(&g->e, span_utf8(STR("output_config.format")));
		return;
	}
	segs_key(g->e.body, first, "responseMimeType");
	segs_puts(g->e.body, "\"application/json\"");
	put_schema(g, ",\"responseSchema\":", ",\"responseJsonSchema\":", schema);
}
