/*
 * Requests to a Messages backend. The client speaks the same protocol, so the body goes out as it was received and
 * only what must change is spliced: the model when the route mapped it, `stream` when the path decided it, and thinking blocks whose
 * state belongs to another provider. For backends that are not Anthropic's own, what they refuse is left out as their preset says.
 *
 * Two passes at most: splices by position (always, cheap, nothing copied), and a rewrite by member path, only where a
 * preset asks for it.
 */
#include <stdlib.h>
#include <string.h>

#include "dialect/anthropic.h"
#include "dialect/anthropic_quirks.h"
#include "dialect/openai_encode.h"
#include "json/edit.h"
#include "json/scan.h"

#define BILLING_PREFIX "x-anthropic-billing-header:"
#define API_VERSION "2023-06-01"

struct splices {
	struct arena *arena;
	struct str body;
	struct edit *v;
	size_t n, cap;
	bool verified;          /* the host verifies thinking signatures */
	bool failed;
};

static void splice_add(struct splices *s, const char *p, size_t n, struct str with)
{
	struct edit *grown = arena_grow(s->arena, s->v, s->n, &s->cap, sizeof(*s->v));

	if (!grown) {
		s->failed = true;
		return;
	}
	s->v = grown;
	s->v[s->n++] = (struct edit){ .at = (size_t)(p - s->body.p), .n = n, .with = with };
}

/* Removes elements of an array, each run of them with the commas that would be left over: up to the next element that stays,
 * or, at the end of the list, from the last one that does. */
static void splice_elements(struct splices *s, const struct span *elements, const bool *gone, size_t n)
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

static int by_place(const void *a, const void *b)
{
	const struct edit *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

static bool thinking_goes(const struct encode_context *c, const struct splices *s,
			  const struct block *b)
{
	if (b->type != BLOCK_THINKING && b->type != BLOCK_REDACTED_THINKING)
		return false;
	if (c->strip_thinking)
		return true;
	/* Anthropic verifies signatures: state of ours, made for another provider, is refused there. */
	return s->verified && opaque_ours(b->signature);
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

	for (size_t j = 0; j < t->nblocks; j++)
		gone += thinking_goes(c, s, &t->blocks[j]);
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

static void put_reminder(struct buf *b, const struct block *from)
{
	buf_puts(b, "{\"type\":\"text\",\"text\":\"<system-reminder>\\n");
	span_put_content(b, from->text);
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
		if (t->blocks[j].type != BLOCK_TEXT || span_blank(t->blocks[j].text))
			continue;
		buf_puts(&b, n++ ? "," : "");
		put_reminder(&b, &t->blocks[j]);
	}
	buf_puts(&b, "]}");
	if (n && !b.failed)
		splice_add(s, t->raw.p, t->raw.n, arena_str(s->arena, buf_str(&b)));
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
	const char *end = text.p + text.n;

	if (!str_starts((struct str){ text.p, text.n }, BILLING_PREFIX))
		return 0;
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

/* Tools that only the API itself runs. */
static void splice_server_tools(const struct encode_context *c, struct splices *s)
{
	const struct message_request *r = c->request;
	struct list l = list_new(s, r->ntools);

	for (size_t i = 0; !s->failed && i < r->ntools; i++) {
		l.elements[i] = r->tools[i].raw;
		l.gone[i] = r->tools[i].server;
	}
	if (!s->failed)
		splice_elements(s, l.elements, l.gone, r->ntools);
}

/* A member that the body lacks goes in front of all others; a Messages body is never empty. */
static void splice_member(const struct encode_context *c, struct splices *s, const char *name,
			  const char *json)
{
	const char *open = memchr(s->body.p, '{', s->body.n);
	char *text = arena_printf(c->arena, "\"%s\":%s,", name, json);

	if (open && text)
		splice_add(s, open + 1, 0, str_of(text));
}

static void splice_forced(const struct encode_context *c, struct splices *s)
{
	const struct body_member *m = c->target->backend->body;

	for (; m && m->name; m++)
		if (m->json && !span_given(json_get(span_json(s->body), m->name)))
			splice_member(c, s, m->name, m->json);
}

static void splice_stream(const struct encode_context *c, struct splices *s)
{
	struct span given = json_get(span_json(s->body), "stream");

	if (c->want_stream == span_true(c->request->stream_value))
		return;
	if (span_given(given))
		splice_add(s, given.p, given.n, c->want_stream ? STR("true") : STR("false"));
	else
		splice_member(c, s, "stream", "true");
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
	at = json_get(span_json(c->request->body), "max_tokens");
	text = arena_printf(c->arena, "%lld", (long long)give);
	if (span_given(at) && text)
		splice_add(s, at.p, at.n, str_of(text));
}

/* ---- what a backend refuses, by member path ---- */

/*
 * Members that belong to a beta. One half without the other is a 400 (a member without its beta) or
 * asks for what will not come, so what drops one drops both. alone: the member also works without
 * its beta, where that was only needed at first.
 */
static const struct { const char *member, *beta; bool alone; } pairs[] = {
	{ "context_management", "context-management-*", false },
	{ "safeguards", "dangerous-tool-use-*", false },
	{ "thread", "message-threads-*", false },
	{ "mcp_servers", "mcp-client-*", false },
	{ "diagnostics", "cache-diagnosis-*", false },
	{ "speed", "fast-mode-*", false },
	{ "fallbacks", "server-side-fallback-*", false },
	{ "output_config.effort", "effort-*", true },
	{ "output_config.format", "structured-outputs-*", true },
	{ "output_config.task_budget", "task-budgets-*", false },
	{ "thinking.block_binding", "thinking-binding-controls-*", false },
	{ "messages.output_config", "per-turn-control-*", false },
	{ "messages.output_config", "mid-conversation-output-config-*", false },
	{ "messages.clear_at", "mid-conversation-system-clear-at-*", false },
	{ "tools.defer_loading", "advanced-tool-use-*", true },
	{ "tools.input_examples", "advanced-tool-use-*", true },
	{ "tools.allowed_callers", "advanced-tool-use-*", true },
	{ "tools.eager_input_streaming", "fine-grained-tool-streaming-*", true },
	{ "*cache_control.ttl", "extended-cache-ttl-*", true },
};
#define PAIRS (sizeof(pairs) / sizeof(*pairs))

static bool listed(const char *const *globs, struct str value)
{
	for (; globs && *globs; globs++)
		if (str_glob(*globs, value))
			return true;
	return false;
}

static bool beta_refused(const struct backend *b, struct str value)
{
	if (listed(b->drop_betas, value) || (b->pass_betas && !listed(b->pass_betas, value)))
		return true;
	for (size_t i = 0; b->drop_members && i < PAIRS; i++)
		if (str_glob(pairs[i].beta, value) &&
		    listed(b->drop_members, str_of(pairs[i].member)))
			return true;
	return false;
}

/* Whether any of the betas that a pair is about is dropped. */
static bool family_listed(const char *const *globs, const char *family)
{
	for (; globs && *globs; globs++)
		if (str_glob(*globs, str_of(family)) || str_glob(family, str_of(*globs)))
			return true;
	return false;
}

static bool member_refused(const struct backend *b, struct str path)
{
	if (listed(b->drop_members, path))
		return true;
	for (size_t i = 0; b->drop_betas && i < PAIRS; i++)
		if (!pairs[i].alone && str_glob(pairs[i].member, path) &&
		    family_listed(b->drop_betas, pairs[i].beta))
			return true;
	return false;
}

struct refusal {
	const struct backend *backend;
	const struct anthropic_quirks *quirks;
	const struct anthropic_wrapped *wrapped;        /* NULL: the API itself */
	char path[256];
};

/* Texts of tools and users are theirs: nothing inside is a member of the API. */
static bool user_data(struct span key)
{
	return span_is(key, "input") || span_is(key, "input_schema");
}

static bool dotted_path(struct refusal *r, const struct span *path, unsigned depth)
{
	size_t n = 0;

	for (unsigned i = 0; i <= depth; i++) {
		if (user_data(path[i]) || n + path[i].n + 2 > sizeof(r->path))
			return false;
		if (i)
			r->path[n++] = '.';
		memcpy(r->path + n, path[i].p, path[i].n);
		n += path[i].n;
	}
	r->path[n] = 0;
	return true;
}

/* What a host that wraps the API has elsewhere. */
static bool wrapped_elsewhere(const struct anthropic_wrapped *w, const char *member)
{
	return !strcmp(member, "anthropic_version") || !strcmp(member, "anthropic_beta") ||
	       (!w->model && !strcmp(member, "model")) ||
	       (!w->stream && !strcmp(member, "stream"));
}

/* Inside a tool's schema, the rest of which is the user's. */
static enum edit_action schema_member(const struct backend *b, const struct span *path,
				      unsigned depth, struct span value, struct str *with)
{
	if (!b->strip_schema_null || depth < 2 || !span_is(path[0], "tools") ||
	    !span_is(path[1], "input_schema"))
		return EDIT_KEEP;
	return openai_strip_null(NULL, path + 2, depth - 2, value, with);
}

static enum edit_action member_action(struct refusal *r, const struct span *path, unsigned depth,
				      struct span value, struct str *with)
{
	const struct backend *b = r->backend;

	if (!dotted_path(r, path, depth))
		return schema_member(b, path, depth, value, with);
	if (member_refused(b, str_of(r->path)) ||
	    (r->wrapped && depth == 0 && wrapped_elsewhere(r->wrapped, r->path)))
		return EDIT_DROP;
	for (size_t i = 0; depth == 0 && b->body && b->body[i].name; i++) {
		if (!str_is(str_of(r->path), b->body[i].name))
			continue;
		if (!b->body[i].json)
			return EDIT_DROP;
		*with = str_of(b->body[i].json);
		return EDIT_REPLACE;
	}
	return anthropic_quirks_member(r->quirks, r->path, with);
}

/* An output_config, of the request or of a message, of which no member goes out. */
static bool nothing_left(struct refusal *r, const struct span *path, unsigned depth,
			 struct span value)
{
	struct span inner[3];
	struct str with;
	struct scan it;

	if (depth > 1 || !span_is(path[depth], "output_config") ||
	    (depth == 1 && !span_is(path[0], "messages")) || !json_each_member(value, &it))
		return false;
	memcpy(inner, path, (depth + 1) * sizeof(*inner));
	while (scan_member(&it, &inner[depth + 1]))
		if (member_action(r, inner, depth + 1, scan_value(&it), &with) != EDIT_DROP)
			return false;
	return true;
}

static enum edit_action refuse_member(void *ctx, const struct span *path, unsigned depth,
				      struct span value, struct str *with)
{
	enum edit_action action = member_action(ctx, path, depth, value, with);

	return action == EDIT_KEEP && nothing_left(ctx, path, depth, value) ? EDIT_DROP : action;
}

/* The client's betas without what this backend refuses, separated by commas. */
static void kept_betas(const struct encode_context *c, struct buf *kept)
{
	struct str rest = str_of(c->request->beta), one;

	while (c->request->beta && str_split(&rest, ',', &one)) {
		one = str_trim(one);
		if (!one.n || beta_refused(c->target->backend, one))
			continue;
		buf_puts(kept, kept->n ? "," : "");
		buf_put_str(kept, one);
	}
}

static void put_betas(const struct encode_context *c, struct segs *out)
{
	struct str rest, one;
	struct buf kept;
	size_t n = 0;

	buf_init(&kept, 0);
	kept_betas(c, &kept);
	rest = buf_str(&kept);
	while (str_split(&rest, ',', &one)) {
		segs_puts(out, n++ ? "," : ",\"anthropic_beta\":[");
		segs_string(out, span_utf8(one));
	}
	segs_puts(out, n ? "]" : "");
	out->failed = out->failed || kept.failed;
	buf_release(&kept);
}

/* The body again, with what the API has in its URL and headers in front. */
static void put_wrapped(const struct encode_context *c, const struct anthropic_wrapped *w,
			struct segs *out, struct str body)
{
	struct str rest = { body.p + 1, body.n - 1 };

	segs_puts(out, "{\"anthropic_version\":\"");
	segs_puts(out, w->version);
	segs_puts(out, "\"");
	if (w->betas)
		put_betas(c, out);
	segs_puts(out, str_trim(rest).p[0] == '}' ? "" : ",");
	segs_add(out, rest);
}

static int rewrite_refused(const struct encode_context *c, const struct anthropic_wrapped *w,
			   const struct anthropic_quirks *q, struct outgoing *out)
{
	struct refusal r = { .backend = c->target->backend, .quirks = q, .wrapped = w };
	struct edit_rule rule = { .member = refuse_member, .ctx = &r };
	struct buf flat, made;
	int rc = -1;

	buf_init(&flat, 0);
	buf_init(&made, 0);
	if (segs_flatten(&out->body, &flat) == 0)
		rc = edit_rewrite(&made, buf_str(&flat), &rule);
	if (rc == 0) {
		struct str kept = str_trim(arena_str(c->arena, buf_str(&made)));

		segs_init(&out->body, c->arena);
		if (w && kept.n)
			put_wrapped(c, w, &out->body, kept);
		else
			segs_add(&out->body, kept);
	}
	buf_release(&flat);
	buf_release(&made);
	return rc;
}

static int encode_body(const struct encode_context *c, enum op op,
		       const struct anthropic_wrapped *w, struct outgoing *out)
{
	const struct message_request *r = c->request;
	const struct backend *b = c->target->backend;
	struct anthropic_quirks q;
	struct splices s = { .arena = c->arena, .body = r->body,
			     .verified = b->anthropic_host || w };

	if (!str_is(str_of(c->target->model), r->model_name)) {
		struct buf name;
		struct str model;

		buf_init(&name, 0);
		span_put_content(&name, span_utf8(str_of(c->target->model)));
		model = arena_str(c->arena, buf_str(&name));
		buf_release(&name);
		splice_add(&s, r->model.p, r->model.n, model);
	}
	anthropic_quirks_read(c, &q);
	if (q.thinking_added)
		splice_member(c, &s, "thinking", q.thinking);
	if (b->drop_server_tools && !q.tools_gone)
		splice_server_tools(c, &s);
	if (op == OP_MESSAGE) {
		splice_stream(c, &s);
		splice_max_tokens(c, &s);
		splice_forced(c, &s);
	}
	splice_billing(c, &s);
	splice_turns(c, &s);
	if (s.n)
		qsort(s.v, s.n, sizeof(*s.v), by_place);
	edit_splice(&out->body, r->body, s.v, s.n);
	if (s.failed || out->body.failed)
		return -1;
	if (w || b->drop_members || b->drop_betas || b->body || q.any)
		return rewrite_refused(c, w, &q, out);
	return 0;
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
	kept_betas(c, &kept);
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
	out->url = arena_printf(c->arena, "%s%s%s", b->base_url, path,
				op == OP_MODELS ? "?limit=1000" : "");
	out->stream = op == OP_MESSAGE && c->want_stream;
	encode_headers(c, op, out);
	if (op != OP_MODELS && encode_body(c, op, NULL, out))
		return fault_no_memory(f);
	return c->arena->failed ? fault_no_memory(f) : 0;
}
