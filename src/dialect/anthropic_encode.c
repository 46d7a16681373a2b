/*
 * Requests to a Messages backend. The client speaks the same protocol, so the body goes out as it
 * was received and only what must change is spliced: the model when the route mapped it, `stream`
 * when the path decided it, and thinking blocks whose state belongs to another provider. For
 * backends that are not Anthropic's own, what they refuse is left out as their preset says.
 *
 * All of it are edits by position, found by what the parser knows of the body and, where a preset
 * refuses members, by one walk over it (anthropic_refuse.c); nothing is copied.
 */
#include <string.h>

#include "dialect/anthropic_refuse.h"
#include "dialect/anthropic_sign.h"
#include "dialect/demand.h"
#include "dialect/openai_encode.h"
#include "json/scan.h"

#define BILLING_PREFIX "x-anthropic-billing-header:"
#define API_VERSION "2023-06-01"

struct splices {
	struct arena *arena;
	struct str body;
	struct edits edits;
	bool verified;          /* signatures of thinking are Claude's, and verified */
	bool failed;
};

static void splice_add(struct splices *s, const char *p, size_t n, struct str with)
{
	edits_add(&s->edits, (struct edit){ .at = (size_t)(p - s->body.p), .n = n, .with = with });
}

/* Removes elements of an array, each run of them with the commas that would be left over: up to the
 * next element that stays, or, at the end of the list, from the last one that does. */
static void splice_elements(struct splices *s, const struct span *elements, const bool *gone,
			    size_t n)
{
	for (size_t i = 0, run; i < n; i = run + 1) {
		const char *from, *to;

		for (run = i; run < n && gone[run]; run++)
			;
		if (run == i)
			continue;
		from = elements[i].p;
		to = run < n ? elements[run].p : elements[n - 1].p + elements[n - 1].n;
		if (run == n && i > 0)
			from = elements[i - 1].p + elements[i - 1].n;
		splice_add(s, from, (size_t)(to - from), STR(""));
	}
}

static bool thinking_goes(const struct encode_context *c, const struct splices *s,
			  const struct block *b)
{
	if (b->type != BLOCK_THINKING && b->type != BLOCK_REDACTED_THINKING)
		return false;
	if (c->strip_thinking)
		return true;
	/* Refused where signatures are verified; and nothing can be read of redacted thinking. */
	if (s->verified)
		return opaque_ours(b->signature) || span_blank(b->signature);
	return anthropic_foreign(c->target->backend, b->signature) &&
	       (b->type == BLOCK_REDACTED_THINKING ||
		c->target->backend->foreign_thinking == FOREIGN_DROPPED);
}

static enum edit_action drop_signature(void *ctx, const struct span *path, unsigned depth,
				       const struct scan *at, struct str *with)
{
	return span_is(path[depth], "signature") ? EDIT_DROP : EDIT_WHOLE;
}

/* Of another provider's thinking the text stays. */
static void splice_foreign(const struct encode_context *c, struct splices *s,
			   const struct block *b)
{
	const struct edit_rule rule = { .member = drop_signature };
	struct edits found = { .arena = s->arena };

	if (c->target->backend->foreign_thinking == FOREIGN_BLANK) {
		splice_add(s, b->signature.p, b->signature.n, STR(""));
		return;
	}
	if (edit_find(&found, (struct str){ b->raw.p, b->raw.n }, &rule, NULL, 0))
		s->failed = true;
	for (size_t i = 0; i < found.n; i++)
		splice_add(s, b->raw.p + found.v[i].at, found.v[i].n, found.v[i].with);
}

/* A clone's signature goes back as it gave it. */
static void splice_signature(const struct encode_context *c, struct splices *s,
			     const struct block *b)
{
	struct str with;

	if ((b->type != BLOCK_THINKING && b->type != BLOCK_REDACTED_THINKING) ||
	    thinking_goes(c, s, b))
		return;
	if (!s->verified && anthropic_foreign(c->target->backend, b->signature)) {
		splice_foreign(c, s, b);
	} else if (opaque_ours(b->signature)) {
		if (anthropic_unsign(s->arena, c->target->backend, b->signature, &with))
			s->failed = true;
		splice_add(s, b->signature.p, b->signature.n, with);
	}
}

/* Vectors for splice_elements; NULL (and the splices failed) when memory ends. */
struct list {
	struct span *elements;
	bool *gone;
};

static struct list list_new(struct splices *s, size_t n)
{
	struct list l = { .elements = arena_alloc(s->arena, n * sizeof(*l.elements)),
			  .gone = arena_alloc(s->arena, n * sizeof(*l.gone)) };

	s->failed = s->failed || !l.elements || !l.gone;
	return l;
}

/* True when nothing of the turn is left: a turn without content is refused. */
static bool splice_thinking(const struct encode_context *c, struct splices *s, const struct turn *t)
{
	struct list l;
	size_t gone = 0;

	for (size_t j = 0; j < t->nblocks; j++) {
		splice_signature(c, s, &t->blocks[j]);
		gone += thinking_goes(c, s, &t->blocks[j]);
	}
	if (!gone || gone == t->nblocks)
		return gone > 0;
	l = list_new(s, t->nblocks);
	for (size_t j = 0; !s->failed && j < t->nblocks; j++) {
		l.elements[j] = t->blocks[j].raw;
		l.gone[j] = thinking_goes(c, s, &t->blocks[j]);
	}
	if (!s->failed)
		splice_elements(s, l.elements, l.gone, t->nblocks);
	return false;
}

static bool says_something(const struct block *b)
{
	return b->type == BLOCK_TEXT ? !span_blank(b->text) : history_is_tool_change(b);
}

static void put_reminder(struct buf *b, const struct block *from)
{
	buf_puts(b, "{\"type\":\"text\",\"text\":\"<system-reminder>\\n");
	if (from->type == BLOCK_TEXT) {
		span_put_content(b, from->text);
	} else {
		buf_puts(b, "The tool ");
		span_put_content(b, history_changed_tool(from));
		buf_puts(b, history_change_words(from));
	}
	buf_puts(b, "\\n</system-reminder>\"");
	if (span_given(from->cache_control)) {
		buf_puts(b, ",\"cache_control\":");
		span_put_value(b, from->cache_control);
	}
	buf_putc(b, '}');
}

/*
 * Clones know only user and assistant, and templates of local models refuse a system entry that
 * is not the first with a 500, which a client repeats for ever: what it says becomes the user's,
 * marked as what it is. True when it says nothing (it may be there for its output_config alone).
 */
static bool splice_system(struct splices *s, const struct turn *t)
{
	size_t n = 0;
	struct buf b;

	buf_init(&b, 0);
	buf_puts(&b, "{\"role\":\"user\",\"content\":[");
	for (size_t j = 0; j < t->nblocks; j++) {
		if (!says_something(&t->blocks[j]))
			continue;
		buf_puts(&b, n++ ? "," : "");
		put_reminder(&b, &t->blocks[j]);
	}
	buf_puts(&b, "]}");
	if (n && !b.failed)
		splice_add(s, t->raw.p, t->raw.n, arena_buf(s->arena, &b));
	s->failed = s->failed || b.failed;
	buf_release(&b);
	return !n;
}

static bool splice_turn(const struct encode_context *c, struct splices *s, const struct turn *t)
{
	if (t->role == ROLE_ASSISTANT)
		return splice_thinking(c, s, t);
	return t->role == ROLE_SYSTEM && c->target->backend->mid_system != MID_SYSTEM_KEEP &&
	       splice_system(s, t);
}

static void splice_turns(const struct encode_context *c, struct splices *s)
{
	const struct message_request *r = c->request;
	struct list turns = { 0 };

	for (size_t i = 0; i < r->nturns; i++) {
		if (!splice_turn(c, s, &r->turns[i]))
			continue;
		if (!turns.gone)
			turns = list_new(s, r->nturns);
		if (s->failed)
			return;
		turns.gone[i] = true;
	}
	if (!turns.gone)
		return;
	for (size_t i = 0; i < r->nturns; i++)
		turns.elements[i] = r->turns[i].raw;
	splice_elements(s, turns.elements, turns.gone, r->nturns);
}

/* Bytes of the attribution line with its line's end; 0: the text does not begin with one. */
static size_t billing_line(struct span text)
{
	const char *end;

	if (!str_starts((struct str){ text.p, text.n }, BILLING_PREFIX))
		return 0;
	end = text.p + text.n;
	for (const char *p = text.p; p + 1 < end; p += *p == '\\' ? 2 : 1)
		if (*p == '\\' && p[1] == 'n')
			return (size_t)(p + 2 - text.p);
	return text.n;
}

/* Claude Code's attribution line changes what a prefix cache sees; only Anthropic's own API takes
 * it out itself. A block that is nothing else goes as a whole, since an empty one is refused. */
static void splice_billing(const struct encode_context *c, struct splices *s)
{
	const struct message_request *r = c->request;
	const struct backend *b = c->target->backend;
	struct list l;

	if (b->anthropic_host || b->billing_header || !r->nsystem)
		return;
	l = list_new(s, r->nsystem);
	for (size_t i = 0; !s->failed && i < r->nsystem; i++) {
		struct span t = r->system[i].text;
		size_t n = billing_line(t);

		l.elements[i] = r->system[i].raw;
		l.gone[i] = n && n == t.n && r->nsystem > 1;
		if (n && n < t.n)
			splice_add(s, t.p, n, STR(""));
	}
	if (!s->failed)
		splice_elements(s, l.elements, l.gone, r->nsystem);
}

/* For the log and the client: what is left out, by its type. */
static void note_dropped(const struct encode_context *c, struct outgoing *out)
{
	const struct message_request *r = c->request;
	const char **v = NULL;
	size_t n = 0, cap = 0;
	struct buf type;

	buf_init(&type, 0);
	for (size_t i = 0; i < r->ntools; i++) {
		if (!anthropic_tool_refused(c->target->backend, &r->tools[i]))
			continue;
		v = arena_grow(c->arena, v, n, &cap, sizeof(*v));
		buf_reset(&type);
		if (!v || span_put_text(&type, r->tools[i].type))
			break;
		v[n] = arena_buf(c->arena, &type).p;
		n += v[n] != NULL;
	}
	buf_release(&type);
	out->dropped = v;
	out->ndropped = v ? n : 0;
}

/* Tools that only the API itself runs. */
static void splice_server_tools(const struct encode_context *c, struct splices *s)
{
	const struct message_request *r = c->request;
	struct list l = list_new(s, r->ntools);

	for (size_t i = 0; !s->failed && i < r->ntools; i++) {
		l.elements[i] = r->tools[i].raw;
		l.gone[i] = anthropic_tool_refused(c->target->backend, &r->tools[i]);
	}
	if (!s->failed)
		splice_elements(s, l.elements, l.gone, r->ntools);
}

/* The configuration drops or forces this member. */
static bool config_decides(const struct backend *b, const char *name)
{
	const struct body_member *m = b->body;

	while (m && m->name && strcmp(m->name, name))
		m++;
	return m && m->name;
}

/* A member that the body lacks goes in front of all others; a Messages body is never empty. */
static void splice_front(struct splices *s, const char *text)
{
	const char *open = str_chr(s->body, '{');

	if (open && text)
		splice_add(s, open + 1, 0, str_of(text));
}

static void splice_member(const struct encode_context *c, struct splices *s, const char *name,
			  const char *json)
{
	if (!anthropic_member_refused(c->target->backend, str_of(name)))
		splice_front(s, arena_printf(c->arena, "\"%s\":%s,", name, json));
}

static void splice_forced(const struct encode_context *c, struct splices *s)
{
	const struct body_member *m = c->target->backend->body;

	for (; m && m->name; m++)
		if (m->json && !span_given(request_member(c->request, m->name)))
			splice_member(c, s, m->name, m->json);
}

static void splice_stream(const struct encode_context *c, struct splices *s)
{
	struct span given = request_member(c->request, "stream");

	if (c->want_stream == span_true(c->request->stream_value) ||
	    config_decides(c->target->backend, "stream"))
		return;
	if (span_given(given))
		splice_add(s, given.p, given.n, c->want_stream ? STR("true") : STR("false"));
	else
		splice_member(c, s, "stream", "true");
}

static void splice_thinking_member(const struct encode_context *c, struct splices *s,
				   const struct anthropic_quirks *q)
{
	if (q->thinking_added && !config_decides(c->target->backend, "thinking"))
		splice_member(c, s, "thinking", q->thinking);
}

/* A body may lack it where the path named the model, and null is as good as absent. */
static void splice_model(const struct encode_context *c, struct splices *s,
			 const struct anthropic_wrapped *w)
{
	struct span given = request_member(c->request, "model");
	struct str model = str_of(c->target->model), with;
	struct buf name;

	if (span_is_string(given) && str_is(model, c->request->model_name))
		return;
	buf_init(&name, 0);
	span_put_string(&name, span_utf8(model));
	with = arena_buf(c->arena, &name);
	if (span_is_string(given))
		splice_add(s, given.p - 1, given.n + 2, with);
	else if (given.n)
		splice_add(s, given.p, given.n, with);
	else if ((!w || w->model) && with.p)
		splice_member(c, s, "model", with.p);
	s->failed = s->failed || name.failed;
	buf_release(&name);
}

static void splice_max_tokens(const struct encode_context *c, struct splices *s)
{
	const struct backend *b = c->target->backend;
	int64_t want = c->request->max_tokens, give = want;
	struct span at;
	char *text;

	if (b->max_tokens_max && give > b->max_tokens_max)
		give = b->max_tokens_max;
	if (give && give < b->max_tokens_min)
		give = b->max_tokens_min;
	if (give == want)
		return;
	at = request_member(c->request, "max_tokens");
	text = arena_printf(c->arena, "%lld", (long long)give);
	if (span_given(at) && text)
		splice_add(s, at.p, at.n, str_of(text));
}

/* What the API has in its URL and headers goes in front. */
static void splice_wrapped(const struct encode_context *c, const struct anthropic_wrapped *w,
			   struct splices *s)
{
	const char *open = str_chr(s->body, '{');
	struct str rest, one;
	struct buf kept, text;
	size_t n = 0;

	buf_init(&kept, 0);
	buf_init(&text, 0);
	buf_printf(&text, "\"anthropic_version\":\"%s\",", w->version);
	if (w->betas)
		anthropic_kept_betas(c, &kept);
	rest = buf_str(&kept);
	while (str_split(&rest, ',', &one)) {
		buf_puts(&text, n++ ? "," : "\"anthropic_beta\":[");
		span_put_string(&text, span_utf8(one));
	}
	buf_puts(&text, n ? "]," : "");
	if (open)
		splice_add(s, s->body.p, (size_t)(open - s->body.p), STR(""));
	splice_front(s, arena_buf(c->arena, &text).p);
	s->failed = s->failed || kept.failed || text.failed;
	buf_release(&kept);
	buf_release(&text);
}

/* ---- tools ---- */

struct copy {
	struct arena *arena;
	struct str made;
};

static void take_copy(void *ctx, struct str made)
{
	struct copy *c = ctx;

	c->made = arena_str(c->arena, made);
}

/* The schema as the backend takes it; STR_NONE: as it came. */
static struct str clean_schema(const struct encode_context *c, const struct tool *t)
{
	struct copy copy = { .arena = c->arena };

	if (c->target->backend->strip_schema_null && span_is_object(t->input_schema))
		openai_clean_schema(t->input_schema, take_copy, &copy);
	return copy.made.n == t->input_schema.n ? STR_NONE : copy.made;
}

static void splice_schemas(const struct encode_context *c, struct splices *s)
{
	for (size_t i = 0; i < c->request->ntools; i++) {
		struct span schema = c->request->tools[i].input_schema;
		struct str made = clean_schema(c, &c->request->tools[i]);

		if (made.p)
			splice_add(s, schema.p, schema.n, made);
	}
}

/* Some tool was defined in the middle of the conversation. */
static bool has_inline_tools(const struct message_request *r)
{
	struct span list = request_member(r, "tools");

	for (size_t i = 0; i < r->ntools; i++)
		if (!span_given(list) || r->tools[i].raw.p < list.p ||
		    r->tools[i].raw.p >= list.p + list.n)
			return true;
	return false;
}

static void put_tool(const struct encode_context *c, struct buf *b, const struct tool *t)
{
	struct str made = clean_schema(c, t);
	const char *schema = made.p ? t->input_schema.p : t->raw.p, *end = t->raw.p + t->raw.n;

	buf_put(b, t->raw.p, (size_t)(schema - t->raw.p));
	buf_put_str(b, made);
	schema += made.p ? t->input_schema.n : 0;
	buf_put(b, schema, (size_t)(end - schema));
}

/* The whole list anew, with the definitions from the system entries that became text. */
static void splice_tool_list(const struct encode_context *c, struct splices *s,
			     const struct anthropic_quirks *q)
{
	struct span list = request_member(c->request, "tools"), made;
	struct buf b, kept;
	size_t n = 0;

	buf_init(&b, 0);
	buf_init(&kept, 0);
	buf_puts(&b, "{\"tools\":[");
	for (size_t i = 0; i < c->request->ntools; i++) {
		const struct tool *t = &c->request->tools[i];

		if (anthropic_tool_refused(c->target->backend, t))
			continue;
		buf_puts(&b, n++ ? "," : "");
		put_tool(c, &b, t);
	}
	buf_puts(&b, "]}");
	if (anthropic_rewrite_refused(c, q, buf_str(&b), &kept))
		s->failed = true;
	made = json_get(span_json(arena_buf(c->arena, &kept)), "tools");
	if (span_given(made) && span_given(list))
		splice_add(s, list.p, list.n, (struct str){ made.p, made.n });
	else if (span_given(made))
		splice_front(s, arena_printf(c->arena, "\"tools\":%.*s,", (int)made.n, made.p));
	buf_release(&b);
	buf_release(&kept);
}

static void splice_tools(const struct encode_context *c, struct splices *s,
			 const struct anthropic_quirks *q)
{
	const struct backend *b = c->target->backend;
	bool drops = b->drop_server_tools && !q->tools_gone;

	if (has_inline_tools(c->request) && (drops || b->mid_system != MID_SYSTEM_KEEP)) {
		splice_tool_list(c, s, q);
		return;
	}
	if (drops)
		splice_server_tools(c, s);
	splice_schemas(c, s);
}

/* ---- the body ---- */

/* Anthropic's own API and Claude behind any other host, but not clones that take Claude's names. */
static bool verifies(const struct encode_context *c, const struct anthropic_wrapped *w)
{
	const struct backend *b = c->target->backend;

	return b->anthropic_host || w ||
	       (!b->plain_thinking &&
		openai_model_traits(c->target->model)->flags & TRAIT_CLAUDE);
}

static int encode_body(const struct encode_context *c, enum op op,
		       const struct anthropic_wrapped *w, struct outgoing *out)
{
	const struct message_request *r = c->request;
	const struct backend *b = c->target->backend;
	struct anthropic_quirks q;
	struct splices s = { .arena = c->arena, .body = r->body, .edits = { .arena = c->arena },
			     .verified = verifies(c, w) };

	anthropic_quirks_read(c, &q);
	/* First: what the config says goes before all others. */
	if ((w || b->drop_members || b->drop_betas || b->body || q.any ||
	     r->repeats) &&
	    anthropic_find_refused(c, w, &q, &s.edits))
		return -1;
	if (w)
		splice_wrapped(c, w, &s);
	splice_model(c, &s, w);
	splice_thinking_member(c, &s, &q);
	splice_tools(c, &s, &q);
	note_dropped(c, out);
	if (op == OP_MESSAGE) {
		if (!w || w->stream)
			splice_stream(c, &s);
		splice_max_tokens(c, &s);
		splice_forced(c, &s);
	}
	splice_billing(c, &s);
	splice_turns(c, &s);
	edits_apply(&out->body, r->body, &s.edits);
	return s.failed || out->body.failed ? -1 : 0;
}

/* ---- headers ---- */

struct header_list {
	struct arena *arena;
	const char **v;
	size_t n, cap;
};

static void header_add(struct header_list *h, const char *text)
{
	const char **grown = text ? arena_grow(h->arena, h->v, h->n, &h->cap, sizeof(*h->v)) : NULL;

	if (!grown)
		return;
	h->v = grown;
	h->v[h->n++] = text;
}

/* The list as it came, or without what this backend refuses; nothing when nothing is left. */
static void header_beta(const struct encode_context *c, struct header_list *h)
{
	const struct backend *b = c->target->backend;
	struct buf kept;

	if (!c->request->beta || !*c->request->beta)
		return;
	if (!b->drop_betas && !b->drop_members && !b->pass_betas) {
		header_add(h, arena_printf(h->arena, "anthropic-beta: %s", c->request->beta));
		return;
	}
	buf_init(&kept, 0);
	anthropic_kept_betas(c, &kept);
	if (kept.n)
		header_add(h, arena_printf(h->arena, "anthropic-beta: %s", buf_cstr(&kept)));
	buf_release(&kept);
}

static void header_settings(const struct encode_context *c, struct header_list *h)
{
	const struct header_setting *set = c->target->backend->headers;

	for (; set && set->name; set++)
		header_add(h, arena_printf(c->arena, "%s: %s", set->name, set->value));
}

static void encode_headers(const struct encode_context *c, enum op op, struct outgoing *out)
{
	const struct message_request *r = c->request;
	struct header_list h = { .arena = c->arena };

	if (op != OP_MODELS)
		header_add(&h, "Content-Type: application/json");
	header_add(&h, out->stream ? "Accept: text/event-stream" : "Accept: application/json");
	header_add(&h, arena_printf(c->arena, "anthropic-version: %s",
				    r && r->version ? r->version : API_VERSION));
	if (r) {
		header_beta(c, &h);
		for (size_t i = 0; r->anthropic_headers && r->anthropic_headers[i]; i++)
			header_add(&h, r->anthropic_headers[i]);
	}
	header_settings(c, &h);
	out->headers = h.v;
	out->nheaders = h.n;
}

int anthropic_encode_wrapped(const struct encode_context *c, enum op op,
			     const struct anthropic_wrapped *w, struct outgoing *out,
			     struct fault *f)
{
	struct header_list h = { .arena = c->arena };

	if (demand_server_tool(c, op, anthropic_tool_refused, f))
		return -1;
	out->method = "POST";
	out->stream = op == OP_MESSAGE && c->want_stream;
	header_add(&h, "Content-Type: application/json");
	header_add(&h, arena_printf(c->arena, "Accept: %s",
				    out->stream ? w->stream_type : "application/json"));
	if (!w->betas)
		header_beta(c, &h);
	header_settings(c, &h);
	out->headers = h.v;
	out->nheaders = h.n;
	if (encode_body(c, op, w, out) || out->body.failed || c->arena->failed)
		return fault_no_memory(f);
	return 0;
}

int anthropic_encode(const struct encode_context *c, enum op op, struct outgoing *out,
		     struct fault *f)
{
	const struct backend *b = c->target->backend;
	const char *path = op == OP_MESSAGE ? b->path_message :
			   op == OP_COUNT ? b->path_count : b->path_models;

	if (!path)
		return fault_set(f, FAULT_CAPABILITY, 404, "not_found_error",
				 "backend %s has no endpoint for this", b->name);
	out->method = op == OP_MODELS ? "GET" : "POST";
	/* A page of the API has 20 models unless more are asked for. */
	out->url = arena_printf(c->arena, "%s%s%s", b->base_url, path,
				op == OP_MODELS && !strchr(path, '?') ? "?limit=1000" : "");
	out->stream = op == OP_MESSAGE && c->want_stream;
	encode_headers(c, op, out);
	if (demand_server_tool(c, op, anthropic_tool_refused, f))
		return -1;
	if (op != OP_MODELS && encode_body(c, op, NULL, out))
		return fault_no_memory(f);
	return c->arena->failed ? fault_no_memory(f) : 0;
}
