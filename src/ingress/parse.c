/*
 * A Messages request: one pass over the body with the pull scanner, driven by tables of members.
 * Values that are only passed on (texts, schemas, images) are spans and are never looked at again.
 * Wording and paths of errors are those of the API, since clients and their users know them:
 * "messages.3.content.0.text: Field required".
 *
 * Liberal where the API's list of members is open (unknown ones are skipped, null is absent).
 * Strict where a wrong type could only be guessed at, and where who reads the body after us may see
 * something else in it than what was checked here: of equal members the last counts and goes on
 * alone, further inside they are refused, and so are known names in another case, which readers
 * written in Go take for the same.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingress/parse.h"

#define MODEL_MAX 1024

/* ---- faults ---- */

int parse_no_memory(struct parser *p)
{
	return fault_no_memory(p->f);
}

void parse_enter(struct parser *p, const char *name, size_t index)
{
	if (p->depth < PATH_MAX_DEPTH)
		p->path[p->depth] = (struct path_part){ name, index };
	p->depth++;
}

void parse_leave(struct parser *p)
{
	p->depth--;
}

int parse_bad_at(const struct error_site *site, struct parser *p, const char *problem)
{
	char path[512];
	size_t n = 0;

	path[0] = '\0';
	for (unsigned i = 0; i < p->depth && i < PATH_MAX_DEPTH && n < sizeof(path) - 64; i++) {
		const struct path_part *part = &p->path[i];
		const char *dot = i ? "." : "";

		if (part->name)
			n += (size_t)snprintf(path + n, sizeof(path) - n, "%s%.40s", dot,
					      part->name);
		else
			n += (size_t)snprintf(path + n, sizeof(path) - n, "%s%zu", dot,
					      part->index);
	}
	return fault_set_at(site, p->f, FAULT_BAD_REQUEST, 400, "invalid_request_error", "%s: %s",
			    n ? path : "request body", problem);
}

int parse_bad_member_at(const struct error_site *site, struct parser *p, const char *name,
			const char *problem)
{
	int rc;

	parse_enter(p, name, 0);
	rc = parse_bad_at(site, p, problem);
	parse_leave(p);
	return rc;
}

/* Where byte `at` is, for a person who wrote the body by hand. */
static void line_of(const struct scan *s, size_t at, size_t *line, size_t *column)
{
	const char *from = s->start, *end = s->start + at, *nl;

	*line = 1;
	while ((nl = memchr(from, '\n', (size_t)(end - from))) != NULL) {
		(*line)++;
		from = nl + 1;
	}
	*column = (size_t)(end - from) + 1;
}

int parse_syntax_fault(struct parser *p)
{
	const struct scan *s = &p->s;
	const char *error = s->error ? s->error : "unexpected end of the text";
	size_t at = s->error ? s->error_at : (size_t)(s->end - s->start);
	size_t line, column;

	if (s->start == s->end)
		return fault_bad_as("body_empty", p->f, "The request body is empty; a JSON object is needed.");
	line_of(s, at, &line, &column);
	if (line == 1)
		return fault_bad_as("body_not_json", p->f,
				    "The request body is not valid JSON: %s at byte %zu", error, at);
	return fault_bad_as("body_not_json_lines", p->f,
			 "The request body is not valid JSON: "
			 "%s at byte %zu (line %zu, column %zu)",
			 error, at, line, column);
}

/* ---- vectors ---- */

/* Half of what the arena may still take, since the items are copied there. */
static bool vec_fits(const struct arena *a, size_t bytes)
{
	return !a->max || bytes <= (a->max - a->used) / 2;
}

void *parse_vec_push(struct parser *p, struct parse_vec *v)
{
	char *item;

	if (v->n == v->cap) {
		size_t cap = v->cap ? v->cap * 2 : 16;
		char *grown;

		if (!vec_fits(p->arena, cap * v->item)) {
			p->arena->failed = p->arena->full = true;
			return NULL;
		}
		grown = realloc(v->p, cap * v->item);

		if (!grown)
			return NULL;
		v->p = grown;
		v->cap = cap;
	}
	item = v->p + v->n++ * v->item;
	memset(item, 0, v->item);
	return item;
}

int parse_vec_take(struct parser *p, struct parse_vec *v, size_t from, void *out, size_t *n)
{
	size_t count = v->n - from;
	void *items = NULL;

	if (count) {
		items = arena_alloc(p->arena, count * v->item);
		if (!items)
			return parse_no_memory(p);
		memcpy(items, v->p + from * v->item, count * v->item);
	}
	memcpy(out, &items, sizeof(items));
	*n = count;
	v->n = from;
	return 0;
}

/* ---- values ---- */

static const struct { char first[4]; const char *problem; } wants[] = {
	[WANT_ANY] = { "", "" },
	[WANT_STRING] = { "\"", PARSE_NOT_STRING },
	[WANT_NUMBER] = { "0", "Input should be a valid number" },
	[WANT_BOOL] = { "tf", "Input should be a valid boolean" },
	[WANT_OBJECT] = { "{", PARSE_NOT_OBJECT },
};

int parse_value(struct parser *p, enum want want, struct span *out)
{
	char first = scan_peek(&p->s);

	if (!first)
		return parse_syntax_fault(p);
	if (want != WANT_ANY && first != 'n' && !strchr(wants[want].first, first))
		return parse_bad(p, wants[want].problem);
	*out = scan_any(&p->s);
	if (p->s.error)
		return parse_syntax_fault(p);
	if (span_is_null(*out))
		*out = SPAN_ABSENT;
	return 0;
}

static const struct parse_field *find_field(const struct parse_field *fields, struct span key)
{
	for (; fields->name; fields++)
		if ((fields->name[0] == key.p[0] || key.p[0] == '\\') && span_is(key, fields->name))
			return fields;
	return NULL;
}

/* The next character as Go's JSON reader folds it: ASCII, and two letters that fold into it. */
static char next_folded(struct str *s)
{
	static const struct { const char *text; char as; } odd[] = {
		{ "\xc5\xbf", 's' },             /* long s */
		{ "\xe2\x84\xaa", 'k' },         /* the Kelvin sign */
	};
	char c = s->p[0];
	size_t n = 1;

	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		if (str_starts(*s, odd[i].text)) {
			n = strlen(odd[i].text);
			c = odd[i].as;
		}
	}
	*s = str_from(*s, n);
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_like(struct str key, const char *name)
{
	while (key.n && *name && next_folded(&key) == *name)
		name++;
	return !key.n && !*name;
}

#define NAME_MAX_BYTES 64 /* of a known name, with room for letters of three bytes */

/* The known member that this unknown one may be taken for; NULL: none. */
static const struct parse_field *find_like(const struct parse_field *fields, struct span key)
{
	char room[NAME_MAX_BYTES];
	/* Never grown, since that is all that it may have. */
	struct buf text = { .p = room, .cap = sizeof(room), .max = sizeof(room) };

	if (span_put_text(&text, key))
		return NULL;
	for (; fields->name; fields++)
		if (is_like(buf_str(&text), fields->name))
			return fields;
	return NULL;
}

static int read_field(struct parser *p, const struct parse_field *field, void *object)
{
	struct span *place = (struct span *)((char *)object + field->at);
	struct span ignored;
	int rc;

	parse_enter(p, field->name, 0);
	if (field->want != WANT_READ)
		rc = parse_value(p, field->want, place);
	else if (scan_peek(&p->s) == 'n')
		rc = parse_value(p, WANT_ANY, &ignored);
	else
		rc = field->read(p, object);
	parse_leave(p);
	return rc;
}

/* The API has two dozen. */
#define MEMBERS_MAX 1024

/* The member whose value the scanner has just left, if it is one of the body itself. */
static int note_member(struct parser *p, struct span name, const char *from)
{
	struct request_member *m;

	if (!p->depth && p->members.n >= MEMBERS_MAX)
		return fault_bad(p->f, "The request has more than %d members.", MEMBERS_MAX);
	m = p->depth ? NULL : parse_vec_push(p, &p->members);
	if (m)
		*m = (struct request_member){
			.name = name,
			.value = span_json((struct str){ from, (size_t)(p->s.p - from) }),
		};
	return m || p->depth ? 0 : parse_no_memory(p);
}

static int skip_unknown(struct parser *p, const struct parse_field *fields, struct span key)
{
	const struct parse_field *like = find_like(fields, key);

	if (like)
		return parse_bad_member(p, like->name, PARSE_CASE);
	scan_value(&p->s);
	return 0;
}

static int met_before(struct parser *p, const struct parse_field *field, uint64_t bit,
		      uint64_t *seen)
{
	if (p->depth && *seen & bit)
		return parse_bad_member(p, field->name, PARSE_TWICE);
	*seen |= bit;
	return 0;
}

int parse_object(struct parser *p, const struct parse_field *fields, void *object)
{
	char first = scan_peek(&p->s);
	uint64_t seen = 0;              /* a bit for each field: no table has 64 */
	const char *from;
	struct span key;

	if (first != '{')
		return first ? parse_bad(p, PARSE_NOT_OBJECT) : parse_syntax_fault(p);
	if (!scan_object(&p->s))
		return parse_syntax_fault(p);
	while (scan_member(&p->s, &key)) {
		const struct parse_field *field = key.n ? find_field(fields, key) : NULL;

		scan_peek(&p->s);
		from = p->s.p;
		if (!field && skip_unknown(p, fields, key))
			return -1;
		if (field && (met_before(p, field, UINT64_C(1) << (field - fields), &seen) ||
			      read_field(p, field, object)))
			return -1;
		if (!p->s.error && note_member(p, key, from))
			return -1;
	}
	return p->s.error ? parse_syntax_fault(p) : 0;
}

int parse_list(struct parser *p, int (*read)(struct parser *p, void *object), void *object)
{
	char first = scan_peek(&p->s);
	int rc = 0;

	if (first != '[')
		return first ? parse_bad(p, PARSE_NOT_LIST) : parse_syntax_fault(p);
	if (!scan_array(&p->s))
		return parse_syntax_fault(p);
	for (size_t i = 0; rc == 0 && scan_element(&p->s); i++) {
		parse_enter(p, NULL, i);
		rc = read(p, object);
		parse_leave(p);
	}
	if (rc == 0 && p->s.error)
		rc = parse_syntax_fault(p);
	return rc;
}

/* An integer, also when it is written with a fraction of zeros or an exponent, as some JSON
 * printers do. */
static int parse_integer(struct parser *p, int64_t *out)
{
	struct span v;
	double d;

	if (parse_value(p, WANT_ANY, &v))
		return -1;
	if (span_int(v, out))
		return 0;
	if (!span_double(v, &d) || d < -9e15 || d > 9e15)
		return parse_bad(p, "Input should be a valid integer");
	if (d != (double)(int64_t)d)
		return parse_bad(p, "Input should be a valid integer, got a number with a "
				 "fractional part");
	*out = (int64_t)d;
	return 0;
}

/* ---- members of the request ---- */

static int read_model(struct parser *p, void *request)
{
	struct message_request *r = request;
	struct buf name;
	bool odd = false;

	if (parse_value(p, WANT_STRING, &r->model))
		return -1;
	buf_init(&name, 6 * MODEL_MAX);
	span_put_text(&name, r->model);
	for (size_t i = 0; i < name.n; i++)
		odd = odd || (unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f;
	odd = odd || name.full || name.n > MODEL_MAX;
	r->model_name = odd ? "" : name.failed ? NULL : arena_dup(p->arena, name.p, name.n);
	buf_release(&name);
	if (!r->model_name)
		return parse_no_memory(p);
	if (odd)
		return parse_bad(p, "Input should be a model's name without control characters, "
				 "at most 1024 bytes long");
	if (span_blank(r->model))
		return parse_bad(p, "String should have at least 1 character");
	return 0;
}

static int read_max_tokens(struct parser *p, void *request)
{
	struct message_request *r = request;
	struct span ignored;

	if (p->what == PARSE_COUNT)     /* means nothing there: not worth an error */
		return parse_value(p, WANT_ANY, &ignored);
	if (parse_integer(p, &r->max_tokens))
		return -1;
	if (r->max_tokens < 0)
		return parse_bad(p, "Input should be greater than or equal to 0");
	p->has_max_tokens = true;
	return 0;
}

static int read_messages(struct parser *p, void *request)
{
	struct message_request *r = request;

	p->has_messages = true;
	p->turns.n = 0;
	p->added.n = 0;
	if (parse_list(p, parse_turn, NULL) ||
	    parse_vec_take(p, &p->turns, 0, &r->turns, &r->nturns))
		return -1;
	if (!r->nturns)
		return parse_bad(p, "at least one message is required");
	return 0;
}

static int read_system(struct parser *p, void *request)
{
	struct message_request *r = request;

	return parse_content(p, &r->system, &r->nsystem);
}

static int read_tools(struct parser *p, void *request)
{
	struct message_request *r = request;

	p->tools.n = 0;
	if (parse_list(p, parse_tool, NULL))
		return -1;
	return parse_vec_take(p, &p->tools, 0, &r->tools, &r->ntools);
}

static int read_stop_sequence(struct parser *p, void *unused)
{
	struct span v, *place;

	if (parse_value(p, WANT_STRING, &v))
		return -1;
	if (!span_given(v))
		return parse_bad(p, PARSE_NOT_STRING);
	if (span_blank(v))
		return 0;
	place = parse_vec_push(p, &p->stops);
	if (!place)
		return parse_no_memory(p);
	*place = v;
	return 0;
}

static int read_stop_sequences(struct parser *p, void *request)
{
	struct message_request *r = request;

	p->stops.n = 0;
	if (parse_list(p, read_stop_sequence, NULL))
		return -1;
	return parse_vec_take(p, &p->stops, 0, &r->stop_sequences, &r->nstop_sequences);
}

static int read_metadata(struct parser *p, void *request)
{
	static const struct parse_field fields[] = {
		{ "user_id", WANT_STRING, offsetof(struct message_request, user_id), NULL },
		{ NULL, WANT_ANY, 0, NULL },
	};
	struct message_request *r = request;

	r->user_id = SPAN_ABSENT;
	return parse_object(p, fields, request);
}

static int read_budget(struct parser *p, void *request)
{
	struct message_request *r = request;

	if (parse_integer(p, &r->thinking_budget))
		return -1;
	if (r->thinking_budget < 0)
		return parse_bad(p, "Input should be greater than or equal to 0");
	return 0;
}

/* An open list: a type that is not known here still means that the model decides for itself. */
static int read_thinking_type(struct parser *p, void *request)
{
	struct message_request *r = request;
	struct span type;

	if (parse_value(p, WANT_STRING, &type))
		return -1;
	r->thinking = span_is(type, "enabled") ? THINKING_ENABLED :
		      span_is(type, "disabled") ? THINKING_DISABLED : THINKING_ADAPTIVE;
	return 0;
}

static int read_thinking(struct parser *p, void *request)
{
	static const struct parse_field fields[] = {
		{ "type", WANT_READ, 0, read_thinking_type },
		{ "budget_tokens", WANT_READ, 0, read_budget },
		{ NULL, WANT_ANY, 0, NULL },
	};
	struct message_request *r = request;

	r->thinking = THINKING_NOT_GIVEN;
	r->thinking_budget = 0;
	if (parse_object(p, fields, request))
		return -1;
	if (r->thinking == THINKING_NOT_GIVEN)
		return parse_bad_member(p, "type", PARSE_REQUIRED);
	return 0;
}

static int read_output_config(struct parser *p, void *request)
{
	static const struct parse_field fields[] = {
		{ "effort", WANT_STRING, offsetof(struct message_request, effort), NULL },
		{ "format", WANT_OBJECT, offsetof(struct message_request, format), NULL },
		{ NULL, WANT_ANY, 0, NULL },
	};
	struct message_request *r = request;

	r->effort = r->format = SPAN_ABSENT;
	return parse_object(p, fields, request);
}

static int read_output_format(struct parser *p, void *request)
{
	return parse_value(p, WANT_OBJECT, &p->output_format);
}

static int read_thread(struct parser *p, void *request)
{
	struct message_request *r = request;

	if (parse_value(p, WANT_ANY, &r->thread))
		return -1;
	r->thread_continue = span_is(json_get(r->thread, "type"), "continue");
	return 0;
}

#define SPAN_FIELD(name, want) { #name, want, offsetof(struct message_request, name), NULL }

static const struct parse_field request_fields[] = {
	{ "model", WANT_READ, 0, read_model },
	{ "max_tokens", WANT_READ, 0, read_max_tokens },
	{ "messages", WANT_READ, 0, read_messages },
	{ "system", WANT_READ, 0, read_system },
	{ "tools", WANT_READ, 0, read_tools },
	{ "tool_choice", WANT_READ, 0, parse_tool_choice },
	{ "stop_sequences", WANT_READ, 0, read_stop_sequences },
	{ "metadata", WANT_READ, 0, read_metadata },
	{ "thinking", WANT_READ, 0, read_thinking },
	{ "output_config", WANT_READ, 0, read_output_config },
	{ "output_format", WANT_READ, 0, read_output_format },
	{ "thread", WANT_READ, 0, read_thread },
	{ "stream", WANT_BOOL, offsetof(struct message_request, stream_value), NULL },
	SPAN_FIELD(temperature, WANT_NUMBER),
	SPAN_FIELD(top_p, WANT_NUMBER),
	SPAN_FIELD(top_k, WANT_NUMBER),
	SPAN_FIELD(service_tier, WANT_STRING),
	SPAN_FIELD(cache_control, WANT_ANY),
	SPAN_FIELD(safeguards, WANT_ANY),
	SPAN_FIELD(context_management, WANT_ANY),
	SPAN_FIELD(mcp_servers, WANT_ANY),
	SPAN_FIELD(container, WANT_ANY),
	{ NULL, WANT_ANY, 0, NULL },
};

/* Whoever reads the body after us may take another one of equal members than the last. */
static void mark_repeated(struct message_request *r)
{
	for (size_t i = 0; i < r->nmembers; i++) {
		size_t k = i + 1;

		while (k < r->nmembers && !span_eq(r->members[i].name, r->members[k].name))
			k++;
		r->members[i].repeated = k < r->nmembers;
		r->repeats = r->repeats || r->members[i].repeated;
	}
}

static int check_required(struct parser *p)
{
	if (p->what != PARSE_NAMED && !span_given(p->r->model))
		return parse_bad_member(p, "model", PARSE_REQUIRED);
	if (p->what != PARSE_COUNT && !p->has_max_tokens)
		return parse_bad_member(p, "max_tokens", PARSE_REQUIRED);
	if (!p->has_messages)
		return parse_bad_member(p, "messages", PARSE_REQUIRED);
	return 0;
}

static int parse_request(struct parser *p)
{
	char first = scan_peek(&p->s);

	if (first && first != '{')
		return fault_bad(p->f, "The request body is valid JSON but no object.");
	if (parse_object(p, request_fields, p->r))
		return -1;
	if (!scan_end(&p->s))
		return parse_syntax_fault(p);
	if (parse_tools_join(p) ||
	    parse_vec_take(p, &p->members, 0, &p->r->members, &p->r->nmembers))
		return -1;
	mark_repeated(p->r);
	if (!span_given(p->r->format))
		p->r->format = p->output_format;
	p->r->stream = span_true(p->r->stream_value);
	return check_required(p);
}

int anthropic_parse(struct message_request *r, struct str body, enum parse_for what,
		    struct arena *a, struct fault *f)
{
	struct parser p = {
		.r = r, .arena = a, .f = f, .what = what,
		.turns.item = sizeof(struct turn), .blocks.item = sizeof(struct block),
		.tools.item = sizeof(struct tool), .stops.item = sizeof(struct span),
		.added.item = sizeof(struct tool), .members.item = sizeof(struct request_member),
	};
	int rc;

	*r = (struct message_request){ .body = body, .model_name = "" };
	scan_init(&p.s, body);
	rc = parse_request(&p);
	free(p.turns.p);
	free(p.blocks.p);
	free(p.tools.p);
	free(p.stops.p);
	free(p.added.p);
	free(p.members.p);
	return rc;
}
