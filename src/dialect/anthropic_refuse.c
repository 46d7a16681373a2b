/*
 * What a Messages-compatible backend refuses, by member path: found in one walk over the body, which
 * passes over everything that the parser has measured (texts, schemas, images).
 *
 * Nearly all members that the walk meets are none of those in question, so a small set of the names
 * that matter is asked first.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dialect/anthropic_refuse.h"

#define KNOWN_LEAST 256         /* bytes: shorter values are as quickly read as looked up */

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

bool anthropic_member_refused(const struct backend *b, struct str path)
{
	if (listed(b->drop_members, path))
		return true;
	for (size_t i = 0; b->drop_betas && i < PAIRS; i++)
		if (!pairs[i].alone && str_glob(pairs[i].member, path) &&
		    family_listed(b->drop_betas, pairs[i].beta))
			return true;
	return false;
}

bool anthropic_tool_refused(const struct backend *b, const struct tool *t)
{
	return b->drop_server_tools && t->server &&
	       !listed(b->pass_server_tools, (struct str){ t->type.p, t->type.n });
}

/* ---- the walk ---- */

struct refusal {
	const struct backend *backend;
	const struct anthropic_quirks *quirks;
	const struct anthropic_wrapped *wrapped;        /* NULL: the API itself */
	const struct message_request *request;          /* whose body it is; NULL: a text of ours */
	uint64_t names[4];      /* bits of last parts of paths that may be refused */
	bool deep;              /* some of these may stand further in */
	char path[256];
};

static unsigned name_bit(struct str name)
{
	/* Globs know no case; in other characters one bit more does no harm. */
	unsigned first = name.n ? (unsigned char)name.p[0] | 0x20 : 0;
	unsigned last = name.n ? (unsigned char)name.p[name.n - 1] | 0x20 : 0;

	return (first * 31 + last * 7 + (unsigned)name.n) & 255;
}

static void add_name(struct refusal *r, const char *glob)
{
	const char *last = glob;
	bool any = false;
	unsigned bit;

	for (const char *p = glob; *p; p++) {
		if (*p == '.')
			last = p + 1;
		any = (any && *p != '.') || *p == '*' || *p == '?';
	}
	bit = name_bit(str_of(last));
	r->deep = r->deep || any || last > glob;
	if (any)
		memset(r->names, 0xff, sizeof(r->names));
	r->names[bit / 64] |= UINT64_C(1) << bit % 64;
}

static void add_names(struct refusal *r)
{
	const struct backend *b = r->backend;

	for (size_t i = 0; b->drop_members && b->drop_members[i]; i++)
		add_name(r, b->drop_members[i]);
	for (size_t i = 0; b->drop_betas && i < PAIRS; i++)
		if (!pairs[i].alone && family_listed(b->drop_betas, pairs[i].beta))
			add_name(r, pairs[i].member);
	if (r->quirks->effort_gone)
		add_name(r, "output_config.effort");
}

/* Texts of tools and users are theirs: nothing inside is a member of the API. */
static bool user_data(struct span key)
{
	return key.n && (key.p[0] == 'i' || key.p[0] == '\\') &&
	       (span_is(key, "input") || span_is(key, "input_schema"));
}

static bool in_question(const struct refusal *r, struct span name)
{
	unsigned bit = name_bit((struct str){ name.p, name.n });

	return r->names[bit / 64] >> bit % 64 & 1;
}

static bool dotted_path(struct refusal *r, const struct span *path, unsigned depth)
{
	size_t n = 0;

	for (unsigned i = 0; i <= depth; i++) {
		if (n + path[i].n + 2 > sizeof(r->path))
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

static enum edit_action member_action(struct refusal *r, const struct span *path, unsigned depth,
				      struct str *with)
{
	const struct backend *b = r->backend;
	enum edit_action keep = r->deep ? EDIT_KEEP : EDIT_WHOLE, quirk;
	bool asked = in_question(r, path[depth]);

	if (user_data(path[depth]))
		return EDIT_WHOLE;
	if ((depth && !asked) || !dotted_path(r, path, depth))
		return keep;
	if ((asked && anthropic_member_refused(b, str_of(r->path))) ||
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
	quirk = anthropic_quirks_member(r->quirks, r->path, with);
	return quirk == EDIT_KEEP ? keep : quirk;
}

/* An output_config, of the request or of a message, of which no member goes out. */
static bool nothing_left(struct refusal *r, const struct span *path, unsigned depth,
			 const struct scan *at)
{
	struct span inner[3];
	struct str with;
	struct scan it;

	if (depth > 1 || *at->p != '{' || !span_is(path[depth], "output_config") ||
	    (depth == 1 && !span_is(path[0], "messages")))
		return false;
	it = *at;
	if (!scan_object(&it))
		return false;
	memcpy(inner, path, (depth + 1) * sizeof(*inner));
	while (scan_member(&it, &inner[depth + 1])) {
		if (member_action(r, inner, depth + 1, &with) != EDIT_DROP)
			return false;
		scan_value(&it);
	}
	return true;
}

/* Of equal members of the body the last goes on alone: a backend that would take the first would be
 * asked for another model than the one that was decided on. */
static bool is_repeated(const struct refusal *r, struct span name)
{
	const struct message_request *q = r->request;

	for (size_t i = 0; q && q->repeats && i < q->nmembers; i++)
		if (q->members[i].name.p == name.p)
			return q->members[i].repeated;
	return false;
}

static enum edit_action refuse_member(void *ctx, const struct span *path, unsigned depth,
				      const struct scan *at, struct str *with)
{
	enum edit_action action = depth == 0 && is_repeated(ctx, path[0]) ?
		EDIT_DROP : member_action(ctx, path, depth, with);

	if (action != EDIT_REPLACE && nothing_left(ctx, path, depth, at))
		return EDIT_DROP;
	return action;
}

/* ---- what need not be read again ---- */

struct known {
	struct arena *arena;
	struct str *v;
	size_t n, cap;
	bool sorted;
};

/* A text as it stands in the body: with its quotes. */
static void add_known(struct known *k, struct span s)
{
	bool text = s.form == SPAN_STR;
	struct str *v;

	if (s.n < KNOWN_LEAST || (!text && s.form != SPAN_JSON))
		return;
	v = arena_grow(k->arena, k->v, k->n, &k->cap, sizeof(*v));
	if (!v)
		return;
	k->v = v;
	v[k->n] = text ? (struct str){ s.p - 1, s.n + 2 } : (struct str){ s.p, s.n };
	k->sorted = k->sorted && (!k->n || v[k->n - 1].p < v[k->n].p);
	k->n++;
}

static void add_blocks(struct known *k, const struct block *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		add_known(k, v[i].text);
		add_known(k, v[i].data);
		add_known(k, v[i].input);
		add_known(k, v[i].signature);
		add_blocks(k, v[i].blocks, v[i].nblocks);
	}
}

static int by_address(const void *a, const void *b)
{
	const struct str *x = a, *y = b;

	return x->p < y->p ? -1 : x->p > y->p;
}

static void add_tools(struct known *k, const struct message_request *r)
{
	for (size_t i = 0; i < r->ntools; i++) {
		add_known(k, r->tools[i].description);
		add_known(k, r->tools[i].input_schema);
	}
}

/* Member by member, since what is added in its order needs no sorting. deep: the walk looks into
 * the members. */
static void know(struct known *k, const struct message_request *r, bool deep)
{
	k->sorted = true;
	for (size_t i = 0; i < r->nmembers; i++) {
		const struct request_member *m = &r->members[i];

		if (!deep)
			add_known(k, m->value);
		else if (span_is(m->name, "messages"))
			for (size_t j = 0; j < r->nturns; j++)
				add_blocks(k, r->turns[j].blocks, r->turns[j].nblocks);
		else if (span_is(m->name, "system"))
			add_blocks(k, r->system, r->nsystem);
		else if (span_is(m->name, "tools"))
			add_tools(k, r);
	}
	if (!k->sorted)
		qsort(k->v, k->n, sizeof(*k->v), by_address);
}

int anthropic_find_refused(const struct encode_context *c, const struct anthropic_wrapped *w,
			   const struct anthropic_quirks *q, struct edits *e)
{
	struct refusal r = { .backend = c->target->backend, .quirks = q, .wrapped = w,
			     .request = c->request };
	const struct edit_rule rule = { .member = refuse_member, .ctx = &r };
	struct known k = { .arena = c->arena };

	add_names(&r);
	know(&k, c->request, r.deep);
	return edit_find(e, c->request->body, &rule, k.v, k.n);
}

int anthropic_rewrite_refused(const struct encode_context *c, const struct anthropic_quirks *q,
			      struct str body, struct buf *out)
{
	struct refusal r = { .backend = c->target->backend, .quirks = q };
	const struct edit_rule rule = { .member = refuse_member, .ctx = &r };

	add_names(&r);
	return edit_rewrite(out, body, &rule);
}

/* ---- betas ---- */

/* The client's betas without what this backend refuses, separated by commas. */
void anthropic_kept_betas(const struct encode_context *c, struct buf *kept)
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
