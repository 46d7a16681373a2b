/*
 * Messages and their blocks. A block's members are gathered first and given their meaning by its
 * type afterwards, because JSON members have no order. The two that hold further structure, source
 * and content, are read in place when the type is known by then (it nearly always comes first),
 * else passed over and read again.
 */
#include <stddef.h>
#include <string.h>

#include "ingress/parse.h"

/* Members of blocks that are read whatever the type. */
enum member {
	M_TYPE, M_TEXT, M_THINKING, M_SIGNATURE, M_DATA, M_ID, M_TOOL_USE_ID, M_NAME, M_TOOL_NAME,
	M_INPUT, M_TITLE, M_CONTEXT, M_IS_ERROR, M_CACHE_CONTROL, M_SOURCE, M_CONTENT, M_COUNT
};

struct block_state {
	struct block b;
	struct span v[M_COUNT];
	bool source_read, content_read;
};

static const struct { const char *name; enum block_type type; } block_types[] = {
	{ "text", BLOCK_TEXT },
	{ "tool_use", BLOCK_TOOL_USE },
	{ "tool_result", BLOCK_TOOL_RESULT },
	{ "thinking", BLOCK_THINKING },
	{ "redacted_thinking", BLOCK_REDACTED_THINKING },
	{ "image", BLOCK_IMAGE },
	{ "document", BLOCK_DOCUMENT },
	{ "search_result", BLOCK_SEARCH_RESULT },
	{ "server_tool_use", BLOCK_SERVER_TOOL_USE },
	{ "mcp_tool_use", BLOCK_SERVER_TOOL_USE },
	{ "tool_reference", BLOCK_TOOL_REFERENCE },
};

static enum block_type block_type_of(struct span name)
{
	for (size_t i = 0; i < sizeof(block_types) / sizeof(*block_types); i++)
		if (span_is(name, block_types[i].name))
			return block_types[i].type;
	if (name.form == SPAN_STR && str_ends((struct str){ name.p, name.n }, "_tool_result"))
		return BLOCK_SERVER_TOOL_RESULT;
	return BLOCK_OTHER;
}

/* ---- content: a string or a list of blocks ---- */

static int read_block(struct parser *p, void *unused);

static int content_string(struct parser *p, struct block **blocks, size_t *n)
{
	struct block *b = arena_alloc(p->arena, sizeof(*b));

	if (!b)
		return parse_no_memory(p);
	if (parse_value(p, WANT_STRING, &b->text))
		return -1;
	b->type = BLOCK_TEXT;
	b->raw = b->text;
	*blocks = b;
	*n = 1;
	return 0;
}

int parse_content(struct parser *p, struct block **blocks, size_t *n)
{
	size_t from = p->blocks.n;

	if (scan_peek(&p->s) == '"')
		return content_string(p, blocks, n);
	if (parse_list(p, read_block, NULL))
		return -1;
	return parse_vec_take(p, &p->blocks, from, blocks, n);
}

/* What is inside of a block, unless that is too deep to look at. */
static int nested_content(struct parser *p, struct block *b)
{
	struct span ignored;
	int rc;

	if (p->block_depth >= BLOCK_MAX_DEPTH)
		return parse_value(p, WANT_ANY, &ignored);
	p->block_depth++;
	rc = parse_content(p, &b->blocks, &b->nblocks);
	p->block_depth--;
	return rc;
}

/* The same for a value that was passed over before. */
static int nested_content_at(struct parser *p, struct block *b, const char *name, struct span value)
{
	struct scan outer = p->s;
	int rc;

	/* A string's quotes stand around its content. */
	if (value.form == SPAN_STR)
		value = (struct span){ value.p - 1, value.n + 2, SPAN_JSON };
	parse_enter(p, name, 0);
	scan_init(&p->s, (struct str){ value.p, value.n });
	rc = nested_content(p, b);
	p->s = outer;
	parse_leave(p);
	return rc;
}

/* ---- source of images and documents ---- */

struct source_state {
	struct span type, media_type, data, url, file_id, content;
};

static const struct parse_field source_fields[] = {
	{ "type", WANT_STRING, offsetof(struct source_state, type), NULL },
	{ "media_type", WANT_ANY, offsetof(struct source_state, media_type), NULL },
	{ "data", WANT_ANY, offsetof(struct source_state, data), NULL },
	{ "url", WANT_ANY, offsetof(struct source_state, url), NULL },
	{ "file_id", WANT_ANY, offsetof(struct source_state, file_id), NULL },
	{ "content", WANT_ANY, offsetof(struct source_state, content), NULL },
	{ NULL, WANT_ANY, 0, NULL },
};

/* Type of a source, the member that holds its data, whether it must name a media type. Others are
 * left to the backend. */
static const struct {
	const char *type, *member;
	enum source_kind kind;
	size_t at;
	bool media_type;
} sources[] = {
	{ "base64", "data", SOURCE_BASE64, offsetof(struct source_state, data), true },
	{ "url", "url", SOURCE_URL, offsetof(struct source_state, url), false },
	{ "file", "file_id", SOURCE_FILE, offsetof(struct source_state, file_id), false },
	{ "text", "data", SOURCE_TEXT, offsetof(struct source_state, data), false },
	{ "content", "content", SOURCE_CONTENT, offsetof(struct source_state, content), false },
};

static int source_member(struct parser *p, const char *name, struct span v, struct span *out)
{
	if (!span_given(v))
		return parse_bad_member(p, name, PARSE_REQUIRED);
	if (!span_is_string(v))
		return parse_bad_member(p, name, PARSE_NOT_STRING);
	*out = v;
	return 0;
}

static int source_finish(struct parser *p, const struct source_state *s, struct block *b)
{
	if (!span_given(s->type))
		return parse_bad_member(p, "type", PARSE_REQUIRED);
	if (span_is_string(s->media_type))
		b->media_type = s->media_type;
	for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
		const struct span *v = (const struct span *)((const char *)s + sources[i].at);

		if (!span_is(s->type, sources[i].type))
			continue;
		b->source = sources[i].kind;
		if (sources[i].media_type &&
		    source_member(p, "media_type", s->media_type, &b->media_type))
			return -1;
		if (b->source != SOURCE_CONTENT)
			return source_member(p, sources[i].member, *v, &b->data);
		if (!span_given(*v))
			return parse_bad_member(p, "content", PARSE_REQUIRED);
		return nested_content_at(p, b, "content", *v);
	}
	return 0;
}

static int parse_source(struct parser *p, struct block *b)
{
	struct source_state s = { 0 };

	if (parse_object(p, source_fields, &s))
		return -1;
	return source_finish(p, &s, b);
}

/* ---- one block ---- */

static bool has_source(enum block_type t)
{
	return t == BLOCK_IMAGE || t == BLOCK_DOCUMENT;
}

static bool has_content(enum block_type t)
{
	return t == BLOCK_TOOL_RESULT || t == BLOCK_SEARCH_RESULT;
}

static int read_source(struct parser *p, void *object)
{
	struct block_state *st = object;

	if (!span_given(st->v[M_TYPE]) || !has_source(block_type_of(st->v[M_TYPE])))
		return parse_value(p, WANT_ANY, &st->v[M_SOURCE]);
	st->source_read = true;
	return parse_source(p, &st->b);
}

static int read_content(struct parser *p, void *object)
{
	struct block_state *st = object;

	if (!span_given(st->v[M_TYPE]) || !has_content(block_type_of(st->v[M_TYPE])))
		return parse_value(p, WANT_ANY, &st->v[M_CONTENT]);
	st->content_read = true;
	return nested_content(p, &st->b);
}

/* The members that came before the type. */
static int read_late(struct parser *p, struct block_state *st)
{
	struct span source = st->v[M_SOURCE], content = st->v[M_CONTENT];
	struct scan outer = p->s;
	int rc;

	if (has_content(st->b.type) && !st->content_read && span_given(content))
		return nested_content_at(p, &st->b, "content", content);
	if (!has_source(st->b.type) || st->source_read)
		return 0;
	if (!span_given(source))
		return parse_bad_member(p, "source", PARSE_REQUIRED);
	parse_enter(p, "source", 0);
	if (source.form == SPAN_STR) {
		rc = parse_bad(p, PARSE_NOT_OBJECT);
	} else {
		scan_init(&p->s, (struct str){ source.p, source.n });
		rc = parse_source(p, &st->b);
		p->s = outer;
	}
	parse_leave(p);
	return rc;
}

#define BLOCK_FIELD(name, m) \
	{ name, WANT_ANY, offsetof(struct block_state, v) + (m) * sizeof(struct span), NULL }

static const struct parse_field block_fields[] = {
	BLOCK_FIELD("type", M_TYPE),
	BLOCK_FIELD("text", M_TEXT),
	BLOCK_FIELD("thinking", M_THINKING),
	BLOCK_FIELD("signature", M_SIGNATURE),
	BLOCK_FIELD("data", M_DATA),
	BLOCK_FIELD("id", M_ID),
	BLOCK_FIELD("tool_use_id", M_TOOL_USE_ID),
	BLOCK_FIELD("name", M_NAME),
	BLOCK_FIELD("tool_name", M_TOOL_NAME),
	BLOCK_FIELD("input", M_INPUT),
	BLOCK_FIELD("title", M_TITLE),
	BLOCK_FIELD("context", M_CONTEXT),
	BLOCK_FIELD("is_error", M_IS_ERROR),
	BLOCK_FIELD("cache_control", M_CACHE_CONTROL),
	{ "source", WANT_READ, 0, read_source },
	{ "content", WANT_READ, 0, read_content },
	{ NULL, WANT_ANY, 0, NULL },
};

/* What each type of block needs and where it goes. Optional ones of a wrong type are left out. */
static const struct {
	enum block_type type;
	enum member member;
	const char *name;
	bool required;
	size_t to;
} needs[] = {
	{ BLOCK_TEXT, M_TEXT, "text", true, offsetof(struct block, text) },
	{ BLOCK_TOOL_USE, M_ID, "id", true, offsetof(struct block, id) },
	{ BLOCK_TOOL_USE, M_NAME, "name", true, offsetof(struct block, name) },
	{ BLOCK_TOOL_RESULT, M_TOOL_USE_ID, "tool_use_id", true, offsetof(struct block, id) },
	{ BLOCK_THINKING, M_THINKING, "thinking", false, offsetof(struct block, text) },
	{ BLOCK_THINKING, M_SIGNATURE, "signature", false, offsetof(struct block, signature) },
	{ BLOCK_REDACTED_THINKING, M_DATA, "data", false, offsetof(struct block, signature) },
	{ BLOCK_DOCUMENT, M_TITLE, "title", false, offsetof(struct block, title) },
	{ BLOCK_DOCUMENT, M_CONTEXT, "context", false, offsetof(struct block, context) },
	{ BLOCK_SEARCH_RESULT, M_TITLE, "title", false, offsetof(struct block, title) },
	{ BLOCK_SEARCH_RESULT, M_SOURCE, "source", false, offsetof(struct block, text) },
	{ BLOCK_SERVER_TOOL_USE, M_ID, "id", false, offsetof(struct block, id) },
	{ BLOCK_SERVER_TOOL_USE, M_NAME, "name", false, offsetof(struct block, name) },
	{ BLOCK_SERVER_TOOL_RESULT, M_TOOL_USE_ID, "tool_use_id", false,
	  offsetof(struct block, id) },
	{ BLOCK_TOOL_REFERENCE, M_TOOL_NAME, "tool_name", false, offsetof(struct block, name) },
};

static int block_members(struct parser *p, struct block_state *st)
{
	for (size_t i = 0; i < sizeof(needs) / sizeof(*needs); i++) {
		struct span v = st->v[needs[i].member];

		if (needs[i].type != st->b.type)
			continue;
		if (needs[i].required && !span_given(v))
			return parse_bad_member(p, needs[i].name, PARSE_REQUIRED);
		if (needs[i].required && !span_is_string(v))
			return parse_bad_member(p, needs[i].name, PARSE_NOT_STRING);
		if (span_is_string(v))
			*(struct span *)((char *)&st->b + needs[i].to) = v;
	}
	return 0;
}

static int block_input(struct parser *p, struct block_state *st)
{
	struct span input = st->v[M_INPUT];

	if (st->b.type != BLOCK_TOOL_USE && st->b.type != BLOCK_SERVER_TOOL_USE)
		return 0;
	if (!span_given(input))
		input = span_json(STR("{}"));
	if (st->b.type == BLOCK_TOOL_USE && !span_is_object(input))
		return parse_bad_member(p, "input", PARSE_NOT_OBJECT);
	st->b.input = input;
	return 0;
}

static int block_finish(struct parser *p, struct block_state *st)
{
	struct span type = st->v[M_TYPE];

	if (!span_given(type))
		return parse_bad_member(p, "type", PARSE_REQUIRED);
	if (!span_is_string(type))
		return parse_bad_member(p, "type", PARSE_NOT_STRING);
	st->b.type = block_type_of(type);
	st->b.type_name = type;
	st->b.is_error = span_true(st->v[M_IS_ERROR]);
	if (span_is_object(st->v[M_CACHE_CONTROL]))
		st->b.cache_control = st->v[M_CACHE_CONTROL];
	if (read_late(p, st) || block_members(p, st))
		return -1;
	return block_input(p, st);
}

static int read_block(struct parser *p, void *unused)
{
	struct block_state st = { 0 };
	struct block *b;
	const char *from;

	scan_peek(&p->s);
	from = p->s.p;
	if (parse_object(p, block_fields, &st))
		return -1;
	st.b.raw = span_json((struct str){ from, (size_t)(p->s.p - from) });
	if (block_finish(p, &st))
		return -1;
	if (span_is(st.b.type_name, "tool_addition") && parse_tool_addition(p, st.b.raw))
		return -1;
	b = parse_vec_push(p, &p->blocks);
	if (!b)
		return parse_no_memory(p);
	*b = st.b;
	return 0;
}

/* ---- one message ---- */

struct turn_state {
	struct turn t;
	struct span role;
	bool has_content;
};

static int read_turn_content(struct parser *p, void *object)
{
	struct turn_state *st = object;

	st->has_content = true;
	return parse_content(p, &st->t.blocks, &st->t.nblocks);
}

static const struct parse_field turn_fields[] = {
	{ "role", WANT_STRING, offsetof(struct turn_state, role), NULL },
	{ "content", WANT_READ, 0, read_turn_content },
	{ "output_config", WANT_ANY, offsetof(struct turn_state, t.output_config), NULL },
	{ NULL, WANT_ANY, 0, NULL },
};

static int turn_finish(struct parser *p, struct turn_state *st)
{
	static const char *const roles[] = {
		[ROLE_USER] = "user", [ROLE_ASSISTANT] = "assistant", [ROLE_SYSTEM] = "system",
	};
	size_t i = 0;

	if (!span_given(st->role))
		return parse_bad_member(p, "role", PARSE_REQUIRED);
	while (i < sizeof(roles) / sizeof(*roles) && !span_is(st->role, roles[i]))
		i++;
	if (i == sizeof(roles) / sizeof(*roles))
		return parse_bad_member(p, "role",
					"Input should be 'user', 'assistant' or 'system'");
	st->t.role = (enum role)i;
	/* A system entry may be there for its output_config alone. */
	if (!st->has_content && !(st->t.role == ROLE_SYSTEM && span_given(st->t.output_config)))
		return parse_bad_member(p, "content", PARSE_REQUIRED);
	return 0;
}

int parse_turn(struct parser *p, void *unused)
{
	struct turn_state st = { 0 };
	struct turn *t;
	const char *from;

	scan_peek(&p->s);
	from = p->s.p;
	if (parse_object(p, turn_fields, &st) || turn_finish(p, &st))
		return -1;
	st.t.raw = span_json((struct str){ from, (size_t)(p->s.p - from) });
	t = parse_vec_push(p, &p->turns);
	if (!t)
		return parse_no_memory(p);
	*t = st.t;
	return 0;
}
