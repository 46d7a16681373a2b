/* Tools and tool_choice of a Messages request. A tool with a type other than "custom" is the
 * server's own and has no schema. */
#include <stddef.h>
#include <string.h>

#include "ingress/parse.h"

static const struct parse_field tool_fields[] = {
	{ "name", WANT_STRING, offsetof(struct tool, name), NULL },
	{ "type", WANT_STRING, offsetof(struct tool, type), NULL },
	{ "description", WANT_ANY, offsetof(struct tool, description), NULL },
	{ "input_schema", WANT_ANY, offsetof(struct tool, input_schema), NULL },
	{ "strict", WANT_ANY, offsetof(struct tool, strict), NULL },
	{ "cache_control", WANT_ANY, offsetof(struct tool, cache_control), NULL },
	{ NULL, WANT_ANY, 0, NULL },
};

static int check_custom(struct parser *p, const struct tool *t)
{
	if (!span_given(t->name))
		return parse_bad_member(p, "name", PARSE_REQUIRED);
	if (span_blank(t->name))
		return parse_bad_member(p, "name", "String should have at least 1 character");
	if (!span_given(t->input_schema))
		return parse_bad_member(p, "input_schema", PARSE_REQUIRED);
	if (!span_is_object(t->input_schema))
		return parse_bad_member(p, "input_schema", PARSE_NOT_OBJECT);
	return 0;
}

static int read_tool(struct parser *p, struct parse_vec *into)
{
	struct tool *t = parse_vec_push(p, into);
	const char *from;

	if (!t)
		return parse_no_memory(p);
	scan_peek(&p->s);
	from = p->s.p;
	if (parse_object(p, tool_fields, t))
		return -1;
	t->raw = span_json((struct str){ from, (size_t)(p->s.p - from) });
	t->server = span_given(t->type) && !span_is(t->type, "custom");
	if (!span_is_string(t->description))
		t->description = SPAN_ABSENT;
	if (!span_is_object(t->cache_control))
		t->cache_control = SPAN_ABSENT;
	return t->server ? 0 : check_custom(p, t);
}

int parse_tool(struct parser *p, void *unused)
{
	return read_tool(p, &p->tools);
}

int parse_tool_addition(struct parser *p, struct span block)
{
	struct span tool = json_get(block, "tool"), definition = json_get(tool, "definition");
	struct scan outer = p->s;
	int rc;

	if (!span_is(json_get(tool, "type"), "tool_definition") || !span_is_object(definition))
		return 0;
	parse_enter(p, "tool", 0);
	parse_enter(p, "definition", 0);
	scan_init(&p->s, (struct str){ definition.p, definition.n });
	rc = read_tool(p, &p->added);
	p->s = outer;
	parse_leave(p);
	parse_leave(p);
	return rc;
}

/* A definition that comes again takes the place of the one before it, so that what stands before it
 * in the list stays what it was. */
static bool replaces(struct message_request *r, const struct tool *t)
{
	for (size_t i = 0; i < r->ntools; i++) {
		if (span_given(t->name) && span_eq(r->tools[i].name, t->name)) {
			r->tools[i] = *t;
			return true;
		}
	}
	return false;
}

/* Nobody has so many tools; a list this long is not searched for names that come again. */
#define COMPARISONS_MAX 1000000

int parse_tools_join(struct parser *p)
{
	const struct tool *added = (const struct tool *)p->added.p;
	struct message_request *r = p->r;
	size_t all = r->ntools + p->added.n;
	struct tool *v;

	if (!p->added.n)
		return 0;
	v = arena_alloc(p->arena, all * sizeof(*v));
	if (!v)
		return parse_no_memory(p);
	if (r->ntools)
		memcpy(v, r->tools, r->ntools * sizeof(*v));
	r->tools = v;
	for (size_t i = 0; i < p->added.n; i++) {
		if (all > COMPARISONS_MAX / p->added.n || !replaces(r, &added[i]))
			v[r->ntools++] = added[i];
	}
	return 0;
}

struct choice {
	struct span type, name, no_parallel;
};

static const struct parse_field choice_fields[] = {
	{ "type", WANT_STRING, offsetof(struct choice, type), NULL },
	{ "name", WANT_STRING, offsetof(struct choice, name), NULL },
	{ "disable_parallel_tool_use", WANT_BOOL, offsetof(struct choice, no_parallel), NULL },
	{ NULL, WANT_ANY, 0, NULL },
};

int parse_tool_choice(struct parser *p, void *request)
{
	static const struct {
		const char *name;
		enum tool_choice choice;
	} types[] = {
		{ "auto", CHOICE_AUTO },
		{ "any", CHOICE_ANY },
		{ "tool", CHOICE_TOOL },
		{ "none", CHOICE_NONE },
	};
	struct message_request *r = request;
	struct choice c = { 0 };

	r->tool_choice = CHOICE_NONE_GIVEN;
	if (parse_object(p, choice_fields, &c))
		return -1;
	if (!span_given(c.type))
		return parse_bad_member(p, "type", PARSE_REQUIRED);
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (span_is(c.type, types[i].name))
			r->tool_choice = types[i].choice;
	if (r->tool_choice == CHOICE_NONE_GIVEN)
		return parse_bad_member(p, "type",
					"Input should be 'auto', 'any', 'tool' or 'none'");
	if (r->tool_choice == CHOICE_TOOL && span_blank(c.name))
		return parse_bad_member(p, "name", PARSE_REQUIRED);
	r->tool_choice_name = r->tool_choice == CHOICE_TOOL ? c.name : SPAN_ABSENT;
	r->no_parallel_tools = span_true(c.no_parallel);
	return 0;
}
