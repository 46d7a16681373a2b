/*
 * Tools, the choice among them and the answer's format. Schemas go out byte for byte, unless the
 * preset says that the backend refuses what Claude Code is known to send in them. Tools that only
 * the API itself runs are left out and noted.
 */
#include "base/memo.h"
#include "dialect/openai_encode.h"
#include "json/scan.h"

bool openai_tool_sent(const struct tool *t)
{
	return !t->server && span_given(t->name);
}

/* ---- schemas ---- */

/* Members whose values are data, not schema: nothing in them is touched. */
static bool is_data(struct span key)
{
	return span_is(key, "default") || span_is(key, "const") || span_is(key, "enum") ||
	       span_is(key, "examples");
}

/* Strict validators refuse "required": null and "type": null, and some "$schema". A property may be
 * called by any of these names. */
static enum edit_action strip_null(void *ctx, const struct span *path, unsigned depth,
				   const struct scan *at, struct str *with)
{
	struct span key = path[depth];

	if (depth && span_is(path[depth - 1], "properties"))
		return EDIT_KEEP;
	for (unsigned i = 0; i < depth; i++) {
		if (is_data(path[i]) && !(i && span_is(path[i - 1], "properties")))
			return EDIT_KEEP;
	}
	if (span_is(key, "$schema"))
		return EDIT_DROP;
	if (*at->p == 'n' && (span_is(key, "required") || span_is(key, "type")))
		return EDIT_DROP;
	return EDIT_KEEP;
}

static const char memo_kind[] = "schema without null";

bool openai_clean_schema(struct span schema, void (*take)(void *ctx, struct str made), void *ctx)
{
	const struct edit_rule rule = { .member = strip_null };
	struct str text = { schema.p, schema.n };
	struct buf b;
	bool made;

	if (memo_find(memo_kind, text, take, ctx))
		return true;
	buf_init(&b, 0);
	made = edit_rewrite(&b, text, &rule) == 0;
	if (made) {
		memo_keep(memo_kind, text, buf_str(&b));
		take(ctx, buf_str(&b));
	}
	buf_release(&b);
	return made;
}

static void put_copy(void *ctx, struct str made)
{
	segs_put(ctx, made.p, made.n);
}

void openai_put_schema(struct openai_encoder *e, struct span schema)
{
	if (!e->backend->strip_schema_null || !openai_clean_schema(schema, put_copy, e->body))
		segs_value(e->body, schema);
}

/* ---- tools ---- */

void openai_put_function(struct openai_encoder *e, const struct tool *t)
{
	struct segs *s = e->body;

	segs_puts(s, "\"name\":");
	openai_put_name(e, t->name);
	if (span_given(t->description)) {
		segs_puts(s, ",\"description\":");
		segs_string(s, t->description);
	}
	segs_puts(s, ",\"parameters\":");
	openai_put_schema(e, t->input_schema);
}

void openai_put_tool(struct openai_encoder *e, const struct tool *t)
{
	segs_puts(e->body, "{\"type\":\"function\",\"function\":{");
	openai_put_function(e, t);
	if (span_given(t->strict) && !e->backend->tool_plan &&
	    !openai_leaves_out(e, "tools.strict")) {
		segs_puts(e->body, ",\"strict\":");
		segs_value(e->body, t->strict);
	}
	segs_puts(e->body, "}}");
}

const struct tool *openai_find_tool(const struct message_request *r, struct span name)
{
	for (size_t i = 0; i < r->ntools; i++) {
		if (openai_tool_sent(&r->tools[i]) && span_eq(r->tools[i].name, name))
			return &r->tools[i];
	}
	return NULL;
}

static void put_choice(struct openai_encoder *e)
{
	const struct message_request *r = e->request;
	struct segs *s = e->body;

	if (r->tool_choice == CHOICE_NONE_GIVEN || !openai_member(e, "tool_choice"))
		return;
	if (openai_choice_stays_open(e)) {
		segs_puts(s, "\"auto\"");
	} else if (r->tool_choice == CHOICE_TOOL && openai_find_tool(r, r->tool_choice_name)) {
		segs_puts(s, "{\"type\":\"function\",\"function\":{\"name\":");
		openai_put_name(e, r->tool_choice_name);
		segs_puts(s, "}}");
	} else if (r->tool_choice == CHOICE_ANY) {
		const char *word = e->backend->required_word;

		segs_string(s, span_utf8(str_of(word ? word : "required")));
	} else if (r->tool_choice == CHOICE_NONE) {
		segs_puts(s, "\"none\"");
	} else {
		/* Also where the tool that was asked for had to be left out. */
		segs_puts(s, "\"auto\"");
	}
}

size_t openai_count_tools(struct openai_encoder *e)
{
	const struct message_request *r = e->request;
	size_t n = 0;

	for (size_t i = 0; i < r->ntools; i++) {
		n += openai_tool_sent(&r->tools[i]);
		if (!openai_tool_sent(&r->tools[i]))
			openai_dropped(e, r->tools[i].type);
	}
	if (span_given(r->mcp_servers))
		openai_dropped(e, span_utf8(STR("mcp_servers")));
	return n;
}

void openai_put_tool_list(struct openai_encoder *e,
			  void (*put)(struct openai_encoder *e, const struct tool *t),
			  void (*put_choice_as)(struct openai_encoder *e))
{
	const struct message_request *r = e->request;
	const char *comma = "[";

	if (!openai_count_tools(e))
		return;
	if (openai_member(e, "tools")) {
		for (size_t i = 0; i < r->ntools; i++) {
			if (!openai_tool_sent(&r->tools[i]))
				continue;
			segs_puts(e->body, comma);
			put(e, &r->tools[i]);
			comma = ",";
		}
		segs_puts(e->body, "]");
	}
	put_choice_as(e);
	if (r->no_parallel_tools && e->backend->parallel_tool_calls &&
	    openai_member(e, "parallel_tool_calls"))
		segs_puts(e->body, "false");
}

void openai_put_tools(struct openai_encoder *e)
{
	openai_put_tool_list(e, openai_put_tool, put_choice);
}

/* ---- the answer's format ---- */

void openai_put_format(struct openai_encoder *e)
{
	struct span schema = json_get(e->request->format, "schema");

	if (!span_is_object(schema))
		return;
	if (!e->backend->response_format) {
		openai_dropped(e, span_utf8(STR("output_config.format")));
		return;
	}
	if (!openai_member(e, "response_format"))
		return;
	segs_puts(e->body,
		  "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"output\",\"schema\":");
	openai_put_schema(e, schema);
	segs_puts(e->body, ",\"strict\":true}}");
}
