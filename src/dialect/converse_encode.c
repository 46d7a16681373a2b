/*
 * Requests to Bedrock's Converse. The conversation is put in order by the openai-chat encoder's own
 * steps (groups of one role, each call with its result, content as parts); here it gets Converse's
 * shape: every result stands in the user message behind its call, cache marks are blocks of their
 * own, and what Converse has no member for goes to the model in additionalModelRequestFields.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "dialect/bedrock.h"
#include "dialect/openai_turns.h"
#include "json/scan.h"

#define NO_RESULT "[No result was recorded for this call.]"
#define NO_OUTPUT "(no output)"
#define NAME_BYTES 200          /* a document's name */

/* e.context and so on as for openai-chat. */
struct converse {
	struct openai_encoder e;
	struct backend backend; /* with what Converse knows no other way */
	unsigned documents;     /* so far: their names must differ */
	bool claude;
};

static struct segs *body_of(struct converse *v)
{
	return v->e.body;
}

static void put(struct converse *v, const char *text)
{
	segs_puts(body_of(v), text);
}

/* ---- content ---- */

/* The formats that Converse has a word for; others go as the first of their row. */
static const struct { const char *type, *format; } images[] = {
	{ "image/png", "png" }, { "image/jpeg", "jpeg" }, { "image/jpg", "jpeg" },
	{ "image/gif", "gif" }, { "image/webp", "webp" },
};
static const struct { const char *type, *format; } files[] = {
	{ "application/pdf", "pdf" }, { "text/csv", "csv" }, { "application/msword", "doc" },
	{ "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx" },
	{ "application/vnd.ms-excel", "xls" },
	{ "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx" },
	{ "text/html", "html" }, { "text/plain", "txt" }, { "text/markdown", "md" },
};

static const char *image_format(struct span type)
{
	for (size_t i = 0; i < sizeof(images) / sizeof(*images); i++)
		if (span_is(type, images[i].type))
			return images[i].format;
	return images[0].format;
}

static const char *file_format(struct span type)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (span_is(type, files[i].type))
			return files[i].format;
	return files[0].format;
}

static void put_source(struct converse *v, const struct block *b)
{
	put(v, "\",\"source\":{\"bytes\":");
	segs_string(body_of(v), b->data);
	put(v, "}}}");
}

/* Letters, digits, single spaces, hyphens and brackets; a title's ending says what the format says
 * already. */
static const char *document_name(struct converse *v, struct span title)
{
	struct buf *text = &v->e.scratch;
	char name[NAME_BYTES];
	size_t n = 0, end;

	buf_reset(text);
	if (span_given(title))
		span_put_text(text, title);
	for (end = text->n; end > 0 && text->n - end < 5 && text->p[end - 1] != '.'; end--)
		;
	end = end > 1 && text->p[end - 1] == '.' && text->n - end < 5 ? end - 1 : text->n;
	for (size_t i = 0; i < end && n + 1 < sizeof(name); i++) {
		unsigned char ch = (unsigned char)text->p[i];
		bool plain = ch < 0x80 && (isalnum(ch) || strchr("-()[]", ch));

		if (plain)
			name[n++] = (char)ch;
		else if (n && name[n - 1] != ' ')
			name[n++] = ' ';
	}
	while (n && name[n - 1] == ' ')
		n--;
	if (!n)
		n = (size_t)snprintf(name, sizeof(name), "document");
	if (++v->documents > 1)
		return arena_printf(v->e.arena, "%.*s (%u)", (int)n, name, v->documents);
	return arena_dup(v->e.arena, name, n);
}

static void put_text_part(struct converse *v, const struct part *p)
{
	put(v, "{\"text\":\"");
	put(v, p->lead ? p->lead : "");
	for (size_t i = 0; i < p->npieces; i++)
		segs_content(body_of(v), p->pieces[i]);
	put(v, "\"}");
}

static void put_image(struct converse *v, const struct block *b)
{
	if (b->source == SOURCE_URL) {
		put(v, "{\"text\":\"[image at ");
		segs_content(body_of(v), b->data);
		put(v, " left out: this backend does not fetch images]\"}");
		return;
	}
	put(v, "{\"image\":{\"format\":\"");
	put(v, image_format(b->media_type));
	put_source(v, b);
}

static void put_document(struct converse *v, const struct block *b)
{
	const char *name = document_name(v, b->title);

	put(v, "{\"document\":{\"name\":");
	segs_string(body_of(v), span_utf8(str_of(name)));
	put(v, ",\"format\":\"");
	put(v, file_format(b->media_type));
	put_source(v, b);
}

/* A cache mark is a block behind what it marks. */
static void put_cache_point(struct converse *v, struct span cache_control)
{
	if (!span_is_object(cache_control) || !v->backend.cache_control)
		return;
	put(v, span_is(json_get(cache_control, "ttl"), "1h") ?
	       ",{\"cachePoint\":{\"type\":\"default\",\"ttl\":\"1h\"}}" :
	       ",{\"cachePoint\":{\"type\":\"default\"}}");
}

static void put_comma(struct converse *v, bool *first)
{
	put(v, *first ? "" : ",");
	*first = false;
}

static void put_parts(struct converse *v, const struct parts *ps, bool *first)
{
	for (size_t i = 0; i < ps->n; i++) {
		const struct part *p = &ps->v[i];

		put_comma(v, first);
		if (p->kind == PART_TEXT)
			put_text_part(v, p);
		else if (p->kind == PART_IMAGE)
			put_image(v, p->block);
		else
			put_document(v, p->block);
		put_cache_point(v, p->cache_control);
	}
}

/* ---- assistant ---- */

/* What of a thinking block the backend gave itself, in the scratch buffer; false: nothing goes
 * back. */
static bool own_state(struct converse *v, const struct block *b)
{
	struct buf *state = &v->e.scratch;
	int rc;

	buf_reset(state);
	if (v->e.context->strip_thinking || !span_is_string(b->signature) || !b->signature.n)
		return false;
	rc = opaque_get(state, v->backend.origin, b->signature);
	/* Claude's own signatures are the same wherever it runs. */
	if (rc == 0 && v->claude)
		rc = span_put_text(state, b->signature) ? -1 : 1;
	/* Anyone can write a state of ours: what goes out must be text all the same. */
	return rc == 1 && state->n && str_utf8(buf_str(state));
}

static void put_reasoning(struct converse *v, const struct block *b, bool *first)
{
	struct span state;

	if (!own_state(v, b))
		return;
	state = span_utf8(arena_str(v->e.arena, buf_str(&v->e.scratch)));
	put_comma(v, first);
	if (b->type == BLOCK_REDACTED_THINKING) {
		put(v, "{\"reasoningContent\":{\"redactedContent\":");
		segs_string(body_of(v), state);
		put(v, "}}");
		return;
	}
	put(v, "{\"reasoningContent\":{\"reasoningText\":{\"text\":");
	segs_string(body_of(v), span_given(b->text) ? b->text : span_utf8(STR("")));
	put(v, ",\"signature\":");
	segs_string(body_of(v), state);
	put(v, "}}}");
}

static void put_call(struct converse *v, const struct call *call, bool *first)
{
	put_comma(v, first);
	put(v, "{\"toolUse\":{\"toolUseId\":");
	openai_put_id(&v->e, call->use->id, call->repeat);
	put(v, ",\"name\":");
	openai_put_name(&v->e, call->use->name);
	put(v, ",\"input\":");
	if (span_is_object(call->use->input))
		segs_value(body_of(v), call->use->input);
	else
		put(v, "{}");
	put(v, "}}");
	put_cache_point(v, call->use->cache_control);
}

static void put_assistant_text(struct converse *v, const struct block *b, bool *first)
{
	struct parts ps;

	parts_init(&ps, &v->e, WANT_TEXT);
	if (b->type == BLOCK_OTHER) {
		if (span_blank(history_other_text(b)))
			return;
		parts_text(&ps, history_other_text(b));
	} else {
		parts_add(&ps, b);
	}
	put_parts(v, &ps, first);
}

/* In the order in which the model wrote it: thinking stands before the calls that it led to. */
static void put_assistant_content(struct converse *v, const struct group *g,
				  const struct call *calls, size_t ncalls, bool *first)
{
	size_t next = 0;

	for (size_t i = 0; i < g->n; i++) {
		const struct block *b = g->items[i].block;

		if (b->type == BLOCK_THINKING || b->type == BLOCK_REDACTED_THINKING) {
			put_reasoning(v, b, first);
		} else if (b->type == BLOCK_TOOL_USE) {
			if (next < ncalls && calls[next].use == b)
				put_call(v, &calls[next++], first);
		} else {
			put_assistant_text(v, b, first);
		}
	}
}

/* ---- user ---- */

static void put_result(struct converse *v, const struct call *call, bool *first)
{
	const struct block *b = call->result ? call->result->block : NULL;
	bool inner = true;
	struct parts ps;

	parts_init(&ps, &v->e, WANT_ALL);
	for (size_t i = 0; b && i < b->nblocks; i++)
		parts_add(&ps, &b->blocks[i]);
	if (!ps.n)
		parts_note(&ps, b ? NO_OUTPUT : NO_RESULT);
	put_comma(v, first);
	put(v, "{\"toolResult\":{\"toolUseId\":");
	openai_put_id(&v->e, call->use->id, call->repeat);
	put(v, b && b->is_error ? ",\"status\":\"error\",\"content\":[" : ",\"content\":[");
	/* A cache mark within a result counts for all of it. */
	for (size_t i = 0; i < ps.n; i++)
		ps.v[i].cache_control = SPAN_ABSENT;
	put_parts(v, &ps, &inner);
	put(v, "]}}");
	if (b)
		put_cache_point(v, b->cache_control);
}

/* A document needs a text beside it. */
static void add_caption(struct parts *ps)
{
	bool file = false, text = false;

	for (size_t i = 0; i < ps->n; i++) {
		file = file || ps->v[i].kind == PART_FILE;
		text = text || ps->v[i].kind == PART_TEXT;
	}
	if (file && !text)
		parts_note(ps, "See the document.");
}

static void begin_message(struct converse *v, const char *role, bool *first)
{
	put_comma(v, first);
	put(v, "{\"role\":\"");
	put(v, role);
	put(v, "\",\"content\":[");
}

/* The results of the calls before, then what else the user's group says; it may be NULL. */
static void put_user(struct converse *v, const struct call *calls, size_t ncalls,
		     struct group *user, bool *first)
{
	bool inner = true;
	struct parts ps;

	parts_init(&ps, &v->e, WANT_ALL);
	if (user) {
		openai_user_parts(&ps, user, 0);
		user->done = true;
	}
	add_caption(&ps);
	if (!ncalls && !ps.n)
		return;
	begin_message(v, "user", first);
	for (size_t i = 0; i < ncalls; i++)
		put_result(v, &calls[i], &inner);
	put_parts(v, &ps, &inner);
	put(v, "]}");
}

/* Of an assistant group: does anything but thinking go out? */
static bool has_content(const struct group *g, size_t ncalls)
{
	for (size_t i = 0; i < g->n; i++) {
		const struct block *b = g->items[i].block;

		if (b->type == BLOCK_TEXT ? !span_blank(b->text) :
		    b->type == BLOCK_OTHER ? !span_blank(history_other_text(b)) :
		    b->type == BLOCK_SERVER_TOOL_USE || b->type == BLOCK_SERVER_TOOL_RESULT)
			return true;
	}
	return ncalls > 0;
}

static void put_group(struct converse *v, struct groups *gs, size_t i, bool *first)
{
	struct group *g = &gs->v[i], *user = i + 1 < gs->n ? g + 1 : NULL;
	bool inner = true;
	struct call *calls;
	size_t n;

	if (g->role != ROLE_ASSISTANT) {
		if (!g->done)
			put_user(v, NULL, 0, g, first);
		return;
	}
	n = openai_pair_calls(&v->e, g, user, &calls);
	if (!has_content(g, n))
		return;
	begin_message(v, "assistant", first);
	put_assistant_content(v, g, calls, n, &inner);
	put(v, "]}");
	if (n)
		put_user(v, calls, n, user, first);
}

static void put_conversation(struct converse *v)
{
	struct parts system = { .e = &v->e };
	struct groups gs = { 0 };
	bool first = true;

	openai_system_parts(&system);
	if (system.n && openai_member(&v->e, "system")) {
		put(v, "[");
		put_parts(v, &system, &first);
		put(v, "]");
	}
	if (!openai_member(&v->e, "messages"))
		return;
	first = true;
	openai_collect_groups(&v->e, &gs);
	put(v, "[");
	for (size_t i = 0; i < gs.n; i++)
		put_group(v, &gs, i, &first);
	put(v, "]");
}

/* ---- tools ---- */

static void put_tool(struct converse *v, const struct tool *t, bool *first)
{
	put_comma(v, first);
	put(v, "{\"toolSpec\":{\"name\":");
	openai_put_name(&v->e, t->name);
	if (!span_blank(t->description)) {
		put(v, ",\"description\":");
		segs_string(body_of(v), t->description);
	}
	put(v, ",\"inputSchema\":{\"json\":");
	if (span_is_object(t->input_schema))
		segs_value(body_of(v), t->input_schema);
	else
		put(v, "{\"type\":\"object\"}");
	put(v, span_true(t->strict) ? "},\"strict\":true}}" : "}}}");
	put_cache_point(v, t->cache_control);
}

/* A conversation that holds calls is refused without tools: those that it names are declared. */
static void put_history_tools(struct converse *v, bool *first)
{
	const struct message_request *r = v->e.request;
	struct span *seen = NULL;
	size_t n = 0, cap = 0;

	for (size_t i = 0; i < r->nturns; i++) {
		for (size_t j = 0; j < r->turns[i].nblocks; j++) {
			const struct block *b = &r->turns[i].blocks[j];
			struct tool tool = { .name = b->name };
			struct span *grown;
			size_t k = 0;

			if (b->type != BLOCK_TOOL_USE || r->turns[i].role != ROLE_ASSISTANT)
				continue;
			while (k < n && !span_eq(seen[k], b->name))
				k++;
			grown = k < n ? NULL : arena_grow(v->e.arena, seen, n, &cap, sizeof(*seen));
			if (!grown)
				continue;
			seen = grown;
			seen[n++] = b->name;
			put_tool(v, &tool, first);
		}
	}
}

static bool sent(const struct tool *t)
{
	return !t->server && span_given(t->name);
}

static bool has_calls(const struct message_request *r)
{
	for (size_t i = 0; i < r->nturns; i++)
		for (size_t j = 0; j < r->turns[i].nblocks; j++)
			if (r->turns[i].blocks[j].type == BLOCK_TOOL_USE)
				return true;
	return false;
}

/* There is no "none": without a choice the tools stay, as the cached prefix wants it. */
static void put_choice(struct converse *v)
{
	const struct message_request *r = v->e.request;

	if (r->tool_choice == CHOICE_AUTO) {
		put(v, ",\"toolChoice\":{\"auto\":{}}");
	} else if (r->tool_choice == CHOICE_ANY) {
		put(v, ",\"toolChoice\":{\"any\":{}}");
	} else if (r->tool_choice == CHOICE_TOOL) {
		put(v, ",\"toolChoice\":{\"tool\":{\"name\":");
		openai_put_name(&v->e, r->tool_choice_name);
		put(v, "}}");
	}
}

static void put_tools(struct converse *v)
{
	const struct message_request *r = v->e.request;
	bool first = true;
	size_t n = 0;

	for (size_t i = 0; i < r->ntools; i++) {
		n += sent(&r->tools[i]);
		if (!sent(&r->tools[i]))
			openai_dropped(&v->e, span_given(r->tools[i].type) ? r->tools[i].type :
								      r->tools[i].name);
	}
	if ((!n && !has_calls(r)) || !openai_member(&v->e, "toolConfig"))
		return;
	put(v, "{\"tools\":[");
	for (size_t i = 0; i < r->ntools; i++)
		if (sent(&r->tools[i]))
			put_tool(v, &r->tools[i], &first);
	if (!n)
		put_history_tools(v, &first);
	put(v, "]");
	if (n)
		put_choice(v);
	put(v, "}");
}

/* ---- options ---- */

static int64_t output_limit(const struct converse *v)
{
	const struct backend *b = &v->backend;
	int64_t n = v->e.request->max_tokens;

	if (b->max_tokens_max && n > b->max_tokens_max)
		n = b->max_tokens_max;
	if (n < b->max_tokens_min)
		n = b->max_tokens_min;
	return n > 0 ? n : 1;
}

static void put_stop(struct converse *v, bool *first)
{
	const struct message_request *r = v->e.request;
	size_t n = r->nstop_sequences, max = (size_t)v->backend.stop_max;

	v->e.out->enforce_stop = n > 0;
	n = n < max ? n : max;
	if (!n || !v->backend.stop)
		return;
	segs_key(body_of(v), first, "stopSequences");
	for (size_t i = 0; i < n; i++) {
		put(v, i ? "," : "[");
		segs_string(body_of(v), r->stop_sequences[i]);
	}
	put(v, "]");
}

static void put_inference(struct converse *v)
{
	const struct message_request *r = v->e.request;
	bool first = true;

	if (!openai_member(&v->e, "inferenceConfig"))
		return;
	put(v, "{");
	segs_key(body_of(v), &first, "maxTokens");
	segs_put_int(body_of(v), output_limit(v));
	if (!span_is_null(r->temperature)) {
		segs_key(body_of(v), &first, "temperature");
		segs_value(body_of(v), r->temperature);
	}
	if (!span_is_null(r->top_p)) {
		segs_key(body_of(v), &first, "topP");
		segs_value(body_of(v), r->top_p);
	}
	put_stop(v, &first);
	put(v, "}");
}

static void put_raw(struct converse *v, bool *first, const char *name, struct span value)
{
	if (span_is_null(value))
		return;
	segs_key(body_of(v), first, name);
	segs_value(body_of(v), value);
}

static bool beta_passes(const struct backend *b, struct str value)
{
	for (size_t i = 0; b->pass_betas && b->pass_betas[i]; i++)
		if (str_glob(b->pass_betas[i], value))
			return true;
	return false;
}

static void put_betas(struct converse *v, bool *first)
{
	struct str rest = str_of(v->e.request->beta), one;
	size_t n = 0;

	while (v->e.request->beta && str_split(&rest, ',', &one)) {
		one = str_trim(one);
		if (!beta_passes(&v->backend, one))
			continue;
		if (!n++) {
			segs_key(body_of(v), first, "anthropic_beta");
			put(v, "[");
		} else {
			put(v, ",");
		}
		segs_string(body_of(v), span_utf8(one));
	}
	put(v, n ? "]" : "");
}

/* Claude takes the API's own members there. */
static void claude_fields(struct converse *v, bool *first)
{
	struct span body = span_json(v->e.request->body), key;
	struct span config = json_get(body, "output_config");
	struct scan it;

	put_raw(v, first, "thinking", json_get(body, "thinking"));
	if (json_each_member(config, &it) && scan_member(&it, &key))
		put_raw(v, first, "output_config", config);
	put_raw(v, first, "top_k", v->e.request->top_k);
	put_betas(v, first);
}

/* low, medium or high; NULL: not asked for. */
static const char *effort_word(const struct converse *v)
{
	const struct message_request *r = v->e.request;

	if (r->thinking == THINKING_DISABLED)
		return NULL;
	if (span_is(r->effort, "low") || span_is(r->effort, "medium"))
		return span_is(r->effort, "low") ? "low" : "medium";
	if (span_given(r->effort))
		return "high";
	if (r->thinking == THINKING_ENABLED && r->thinking_budget)
		return r->thinking_budget < 8000 ? "low" :
		       r->thinking_budget < 16000 ? "medium" : "high";
	return r->thinking == THINKING_NOT_GIVEN ? NULL : "medium";
}

/* Amazon's own: docs.aws.amazon.com/nova, "Extended thinking"; topK has a place of its own. */
static void nova_fields(struct converse *v, bool *first)
{
	const char *effort = effort_word(v);

	if (effort) {
		segs_key(body_of(v), first, "reasoningConfig");
		put(v, "{\"type\":\"enabled\",\"maxReasoningEffort\":\"");
		put(v, effort);
		put(v, "\"}");
	}
	if (!span_is_null(v->e.request->top_k)) {
		segs_key(body_of(v), first, "inferenceConfig");
		put(v, "{\"topK\":");
		segs_value(body_of(v), v->e.request->top_k);
		put(v, "}");
	}
}

static void effort_fields(struct converse *v, bool *first)
{
	const char *effort = effort_word(v);

	if (!effort)
		return;
	segs_key(body_of(v), first, "reasoning_effort");
	segs_string(body_of(v), span_utf8(str_of(effort)));
}

/* What a model family takes beside Converse's own members. */
static const struct {
	const char *glob;
	void (*put)(struct converse *v, bool *first);
} families[] = {
	{ "*claude*", claude_fields },
	{ "*amazon.nova*", nova_fields },
	{ "*openai.gpt*", effort_fields },
};

static void put_fields(struct converse *v)
{
	struct segs *s = body_of(v), *fields;
	struct openai_encoder *e = &v->e;
	bool first = true;

	fields = arena_alloc(e->arena, sizeof(*fields));
	if (!fields)
		return;
	segs_init(fields, e->arena);
	e->body = fields;
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
		if (str_glob(families[i].glob, str_of(e->context->target->model))) {
			families[i].put(v, &first);
			break;
		}
	}
	e->body = s;
	s->failed = s->failed || fields->failed;
	if (first || !openai_member(e, "additionalModelRequestFields"))
		return;
	put(v, "{");
	for (size_t i = 0; i < fields->n; i++)
		segs_add(s, (struct str){ fields->v[i].p, fields->v[i].n });
	put(v, "}");
}

static void put_own_members(struct converse *v)
{
	const struct body_member *m = v->backend.body;

	for (; m && m->name; m++) {
		if (!m->json)
			continue;
		segs_key(body_of(v), &v->e.first, m->name);
		put(v, m->json);
	}
}

/* ---- the whole ---- */

static void put_body(struct converse *v, enum op op)
{
	put(v, op == OP_COUNT ? "{\"input\":{\"converse\":{" : "{");
	put_conversation(v);
	put_tools(v);
	if (op == OP_COUNT) {
		put(v, "}}}");
		return;
	}
	put_inference(v);
	put_fields(v);
	/* Only then Claude says which sequence it met. */
	if (v->claude && v->e.request->nstop_sequences &&
	    openai_member(&v->e, "additionalModelResponseFieldPaths"))
		put(v, "[\"/stop_sequence\"]");
	openai_put_caller(&v->e);
	put_own_members(v);
	put(v, "}");
}

static void put_headers(const struct encode_context *c, struct outgoing *out)
{
	const struct header_setting *set = c->target->backend->headers;
	const char **v;
	size_t n = 0;

	while (set && set[n].name)
		n++;
	v = arena_alloc(c->arena, (n + 2) * sizeof(*v));
	if (!v)
		return;
	v[0] = "Content-Type: application/json";
	v[1] = out->stream ? "Accept: application/vnd.amazon.eventstream" :
			     "Accept: application/json";
	for (size_t i = 0; i < n; i++)
		v[i + 2] = arena_printf(c->arena, "%s: %s", set[i].name, set[i].value);
	out->headers = v;
	out->nheaders = n + 2;
}

static int encode_body(const struct encode_context *c, enum op op, struct outgoing *out)
{
	struct converse *v = arena_alloc(c->arena, sizeof(*v));
	int rc;

	if (!v)
		return -1;
	v->backend = *c->target->backend;
	/* There is no third role. */
	if (v->backend.mid_system == MID_SYSTEM_KEEP)
		v->backend.mid_system = MID_SYSTEM_USER;
	v->claude = bedrock_claude(c->target->model);
	v->e = (struct openai_encoder){
		.context = c, .request = c->request, .backend = &v->backend,
		.model = openai_model_traits(c->target->model), .arena = c->arena, .out = out,
		.body = &out->body, .first = true,
	};
	buf_init(&v->e.scratch, 0);
	put_body(v, op);
	rc = v->e.scratch.failed || out->body.failed ? -1 : 0;
	buf_release(&v->e.scratch);
	return rc;
}

int converse_encode(const struct encode_context *c, enum op op, struct outgoing *out,
		    struct fault *f)
{
	const char *name = c->target->backend->name;

	if (op == OP_MODELS)
		return fault_set(f, FAULT_CAPABILITY, 404, "not_found_error",
				 "backend %s has no endpoint for this", name);
	/* Only the new turn has come: Converse would answer from a conversation without its
	 * beginning. */
	if (c->request->thread_continue) {
		fault_bad(f, "capability_rejected: beta_header:message-threads-2026-08-12; "
			  "backend %s keeps no thread state. Resend the full conversation.", name);
		f->details = "{\"error_code\":\"thread_unsupported_request\"}";
		return -1;
	}
	out->method = "POST";
	out->stream = op == OP_MESSAGE && c->want_stream;
	out->url = bedrock_url(c, op, "/{converse-stream|converse}");
	put_headers(c, out);
	if (encode_body(c, op, out) || c->arena->failed || !out->url)
		return fault_no_memory(f);
	return 0;
}
