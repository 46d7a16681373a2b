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
#include "json/edit.h"
#include "json/scan.h"

#define BILLING_PREFIX "x-anthropic-billing-header:"
#define API_VERSION "2023-06-01"

struct splices {
	struct arena *arena;
	struct str body;
	struct edit *v;
	size_t n, cap;
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

static bool thinking_goes(const struct encode_context *c, const struct block *b)
{
	if (b->type != BLOCK_THINKING && b->type != BLOCK_REDACTED_THINKING)
		return false;
	if (c->strip_thinking)
		return true;
	/* Anthropic verifies signatures: state of ours, made for another provider, is refused there. */
	return c->target->backend->anthropic_host && opaque_ours(b->signature);
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
static bool splice_turn(const struct encode_context *c, struct splices *s, const struct turn *t)
{
	struct list l;
	size_t gone = 0;

	for (size_t j = 0; j < t->nblocks; j++)
		gone += thinking_goes(c, &t->blocks[j]);
	if (!gone || gone == t->nblocks)
		return gone > 0;
	l = list_new(s, t->nblocks);
	for (size_t j = 0; !s->failed && j < t->nblocks; j++) {
		l.elements[j] = t->blocks[j].raw;
		l.gone[j] = thinking_goes(c, &t->blocks[j]);
	}
	if (!s->failed)
		splice_elements(s, l.elements, l.gone, t->nblocks);
	return false;
}

static void splice_thinking(const struct encode_context *c, struct splices *s)
{
	const struct message_request *r = c->request;
	struct list turns = { 0 };

	for (size_t i = 0; i < r->nturns; i++) {
		if (r->turns[i].role != ROLE_ASSISTANT || !splice_turn(c, s, &r->turns[i]))
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

/* Claude Code's attribution line changes what a prefix cache sees; only Anthropic's own API takes it out itself. */
static void splice_billing(const struct encode_context *c, struct splices *s)
{
	const struct message_request *r = c->request;
	const struct backend *b = c->target->backend;
	struct list l;

	if (b->anthropic_host || b->billing_header || r->nsystem < 2)
		return;
	l = list_new(s, r->nsystem);
	for (size_t i = 0; !s->failed && i < r->nsystem; i++) {
		struct span t = r->system[i].text;

		l.elements[i] = r->system[i].raw;
		l.gone[i] = str_starts((struct str){ t.p, t.n }, BILLING_PREFIX);
	}
	if (!s->failed)
		splice_elements(s, l.elements, l.gone, r->nsystem);
}

/* Clones know only user and assistant; Anthropic's newer models take system entries as they are. */
static void splice_mid_system(const struct encode_context *c, struct splices *s)
{
	const struct message_request *r = c->request;

	if (c->target->backend->mid_system == MID_SYSTEM_KEEP)
		return;
	for (size_t i = 0; i < r->nturns; i++) {
		struct span role;

		if (r->turns[i].role != ROLE_SYSTEM)
			continue;
		role = json_get(r->turns[i].raw, "role");
		splice_add(s, role.p, role.n, STR("user"));
	}
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
	const struct message_request *r = c->request;

	if (c->want_stream == span_true(r->stream_value))
		return;
	if (span_given(r->stream_value)) {
		splice_add(s, r->stream_value.p, r->stream_value.n,
			   c->want_stream ? STR("true") : STR("false"));
		return;
	}
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

struct refusal {
	const struct backend *backend;
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

static enum edit_action refuse_member(void *ctx, const struct span *path, unsigned depth,
				      struct span value, struct str *with)
{
	struct refusal *r = ctx;
	const struct backend *b = r->backend;

	if (!dotted_path(r, path, depth))
		return EDIT_KEEP;
	for (size_t i = 0; b->drop_members && b->drop_members[i]; i++)
		if (str_glob(b->drop_members[i], str_of(r->path)))
			return EDIT_DROP;
	for (size_t i = 0; depth == 0 && b->body && b->body[i].name; i++) {
		if (!str_is(str_of(r->path), b->body[i].name))
			continue;
		if (!b->body[i].json)
			return EDIT_DROP;
		*with = str_of(b->body[i].json);
		return EDIT_REPLACE;
	}
	return EDIT_KEEP;
}

static int rewrite_refused(const struct encode_context *c, struct outgoing *out)
{
	struct refusal r = { .backend = c->target->backend };
	struct edit_rule rule = { .member = refuse_member, .ctx = &r };
	struct buf flat, made;
	int rc = -1;

	buf_init(&flat, 0);
	buf_init(&made, 0);
	if (segs_flatten(&out->body, &flat) == 0)
		rc = edit_rewrite(&made, buf_str(&flat), &rule);
	if (rc == 0) {
		struct str kept = arena_str(c->arena, buf_str(&made));

		segs_init(&out->body, c->arena);
		segs_add(&out->body, kept);
	}
	buf_release(&flat);
	buf_release(&made);
	return rc;
}

static int encode_body(const struct encode_context *c, enum op op, struct outgoing *out)
{
	const struct message_request *r = c->request;
	const struct backend *b = c->target->backend;
	struct splices s = { .arena = c->arena, .body = r->body };

	if (!str_is(str_of(c->target->model), r->model_name)) {
		struct buf name;
		struct str model;

		buf_init(&name, 0);
		span_put_content(&name, span_utf8(str_of(c->target->model)));
		model = arena_str(c->arena, buf_str(&name));
		buf_release(&name);
		splice_add(&s, r->model.p, r->model.n, model);
	}
	if (op == OP_MESSAGE) {
		splice_stream(c, &s);
		splice_max_tokens(c, &s);
		splice_forced(c, &s);
	}
	splice_billing(c, &s);
	splice_mid_system(c, &s);
	splice_thinking(c, &s);
	if (s.n)
		qsort(s.v, s.n, sizeof(*s.v), by_place);
	edit_splice(&out->body, r->body, s.v, s.n);
	if (s.failed || out->body.failed)
		return -1;
	if (b->drop_members || b->body)
		return rewrite_refused(c, out);
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

static bool beta_refused(const struct backend *b, struct str value)
{
	for (size_t i = 0; b->drop_betas && b->drop_betas[i]; i++)
		if (str_glob(b->drop_betas[i], value))
			return true;
	return false;
}

/* The list as it came, or without what this backend refuses; nothing when nothing is left. */
static void header_beta(const struct encode_context *c, struct header_list *h)
{
	const struct backend *b = c->target->backend;
	struct str rest = str_of(c->request->beta), one;
	struct buf kept;

	if (!c->request->beta || !*c->request->beta)
		return;
	if (!b->drop_betas) {
		header_add(h, arena_printf(h->arena, "anthropic-beta: %s", c->request->beta));
		return;
	}
	buf_init(&kept, 0);
	while (str_split(&rest, ',', &one)) {
		one = str_trim(one);
		if (!one.n || beta_refused(b, one))
			continue;
		buf_puts(&kept, kept.n ? "," : "anthropic-beta: ");
		buf_put_str(&kept, one);
	}
	if (kept.n)
		header_add(h, arena_str(h->arena, buf_str(&kept)).p);
	buf_release(&kept);
}

static void encode_headers(const struct encode_context *c, enum op op, struct outgoing *out)
{
	const struct message_request *r = c->request;
	struct header_list h = { .arena = c->arena };
	const struct header_setting *set = c->target->backend->headers;

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
	for (; set && set->name; set++)
		header_add(&h, arena_printf(c->arena, "%s: %s", set->name, set->value));
	out->headers = h.v;
	out->nheaders = h.n;
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
	if (op != OP_MODELS && encode_body(c, op, out))
		return fault_no_memory(f);
	return c->arena->failed ? fault_no_memory(f) : 0;
}
