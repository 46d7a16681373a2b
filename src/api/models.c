/*
 * GET /v1/models and /v1/models/{id}: first the names that this gateway maps (clients find their
 * own there), then what the backends list, under the names that lead there: a model of the backend
 * in use under its own, others as "NAME/model". A model whose id a client would hide gets a second
 * row under ROUTE_ALIAS_PREFIX.
 *
 * Each backend's list is kept for a while by the process: every client start asks for it, with
 * three seconds of patience, so lists that are due are fetched at once and side by side. A list
 * fetched with a caller's own key is not kept.
 */
#include <cjson/cJSON.h>
#include <pthread.h>
#include <string.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/log.h"

#define KEEP_MS (5 * 60 * 1000)
#define KEEP_FAILURE_MS (30 * 1000) /* a backend that gives no list is not asked every time */
#define FETCH_SECONDS 2
#define ARENA_MAX_LIST (8u << 20) /* bytes of a list that is kept */
#define BACKENDS_MAX 32 /* so many lists are kept */
#define PAGE_DEFAULT 20
#define PAGE_MAX 1000

struct model_list {
	struct model_info *v;
	size_t n, cap;
	struct arena *arena;
};

/* One backend's list, kept. */
struct kept {
	char name[64];
	struct arena arena, fresh;
	struct model_list list, fetched;
	int64_t generation, until;
	pthread_t thread;
	const struct backend *fetch; /* being fetched; NULL: not */
	bool failed;
};

static struct {
	pthread_mutex_t lock;
	struct kept v[BACKENDS_MAX];
} kept = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* What one request's answer is made from. */
struct listing {
	struct api_call *call;
	struct model_list *out;
	struct model_list known[BACKENDS_MAX]; /* at each of the config's backends */
	size_t ours;                           /* rows that are not of any backend's list */
};

/* ---- lists ---- */

static struct model_info *find(const struct model_list *l, const char *id)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i].id, id) == 0)
			return &l->v[i];
	return NULL;
}

/* Copies m. Repeated ids are the caller's business: a backend's list may have thousands. */
static void append(void *ctx, const struct model_info *m)
{
	struct model_list *l = ctx;
	struct model_info copy = *m, *grown;

	copy.id = arena_dup(l->arena, m->id, strlen(m->id));
	copy.display_name = m->display_name
				    ? arena_dup(l->arena, m->display_name, strlen(m->display_name))
				    : NULL;
	grown = arena_grow(l->arena, l->v, l->n, &l->cap, sizeof(*l->v));
	if (!grown || !copy.id)
		return;
	l->v = grown;
	l->v[l->n++] = copy;
}

static int fetch(const struct backend *b, const struct access_result *who, struct model_list *l)
{
	struct fault f = FAULT_INIT;
	int rc = run_models(b, who ? who->caller_key : NULL, who && who->caller_bearer, l->arena,
			    FETCH_SECONDS, NULL, append, l, &f);

	if (rc)
		log_info("backend %s gave no list of models: %s", b->name, f.message);
	return rc;
}

static void *fetch_kept(void *arg)
{
	struct kept *k = arg;

	k->failed = fetch(k->fetch, NULL, &k->fetched) != 0;
	return NULL;
}

static bool is_due(const struct kept *k, const struct config *c, const struct backend *b)
{
	return strcmp(k->name, b->name) != 0 || k->generation != c->generation ||
	       clock_ms() >= k->until;
}

/* A backend that gives none this time keeps the list that it gave before. */
static void finish(struct kept *k)
{
	struct arena old = k->failed ? k->fresh : k->arena;

	if (!k->failed) {
		k->arena = k->fresh;
		k->list = k->fetched;
		k->list.arena = &k->arena;
	}
	arena_release(&old);
	k->fetch = NULL;
	k->until = clock_ms() + (k->failed ? KEEP_FAILURE_MS : KEEP_MS);
}

/* Begins to fetch the list anew; without a thread to spare it is fetched here. */
static void begin(struct kept *k, const struct config *c, const struct backend *b)
{
	if (strcmp(k->name, b->name) != 0 || k->generation != c->generation) {
		arena_release(&k->arena);
		arena_init(&k->arena, ARENA_MAX_LIST);
		k->list = (struct model_list){ .arena = &k->arena };
	}
	arena_init(&k->fresh, ARENA_MAX_LIST);
	k->fetched = (struct model_list){ .arena = &k->fresh };
	snprintf(k->name, sizeof(k->name), "%s", b->name);
	k->generation = c->generation;
	k->fetch = b;
	if (pthread_create(&k->thread, NULL, fetch_kept, k) == 0)
		return;
	fetch_kept(k);
	finish(k);
}

/* Caller holds the lock. */
static void refresh(const struct config *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c->backends[i].path_models && is_due(&kept.v[i], c, &c->backends[i]))
			begin(&kept.v[i], c, &c->backends[i]);
	for (size_t i = 0; i < n; i++) {
		struct kept *k = &kept.v[i];

		if (!k->fetch)
			continue;
		pthread_join(k->thread, NULL);
		finish(k);
	}
}

static void copy_list(struct model_list *out, const struct model_list *from)
{
	for (size_t i = 0; i < from->n; i++)
		append(out, &from->v[i]);
}

static void backend_lists(struct listing *g)
{
	const struct config *c = g->call->config;
	size_t n = c->nbackends < BACKENDS_MAX ? c->nbackends : BACKENDS_MAX;

	for (size_t i = 0; i < n; i++)
		g->known[i].arena = g->call->arena;
	if (c->access_mode == ACCESS_PASSTHROUGH) {
		for (size_t i = 0; i < n; i++)
			if (c->backends[i].passthrough && c->backends[i].path_models)
				fetch(&c->backends[i], &g->call->access, &g->known[i]);
		return;
	}
	pthread_mutex_lock(&kept.lock);
	refresh(c, n);
	for (size_t i = 0; i < n; i++)
		if (c->backends[i].path_models)
			copy_list(&g->known[i], &kept.v[i].list);
	pthread_mutex_unlock(&kept.lock);
}

/* ---- names of ours ---- */

/* What the backend itself says of its model; NULL when it says nothing. */
static const struct model_info *at_backend(const struct listing *g, const struct backend *b,
					   const char *model)
{
	const struct config *c = g->call->config;

	for (size_t i = 0; i < c->nbackends && i < BACKENDS_MAX; i++)
		if (strcmp(c->backends[i].name, b->name) == 0)
			return find(&g->known[i], model);
	return NULL;
}

static void add_named(struct listing *g, const struct backend *b, const char *id,
		      const char *target)
{
	const struct model_info *known = at_backend(g, b, target);
	struct model_info m = known ? *known : (struct model_info){ .display_name = target };

	if (!id || find(g->out, id))
		return;
	m.id = id;
	if (!m.display_name)
		m.display_name = target;
	if (!m.context_tokens)
		m.context_tokens = b->context_tokens;
	if (!m.max_output_tokens)
		m.max_output_tokens = b->max_tokens_max;
	append(g->out, &m);
}

/* Where the router sends this client with that name; false where it may not go. */
static bool leads_to(const struct listing *g, const char *name, struct target *t)
{
	const struct access_result *who = &g->call->access;
	struct route_ask ask = { .model = name, .key = who->key_name, .group = who->group };
	struct fault f = FAULT_INIT;
	struct target_chain chain;

	if (route_decide(g->call->config, &ask, g->call->arena, &chain, &f) ||
	    limits_chain(who->key, name, &chain, &f))
		return false;
	*t = chain.v[0];
	return true;
}

/* A name that requests are mapped from or to: as it is and, where clients would hide that, under a
 * second id. What it leads to is the router's word. */
static void add_routed(struct listing *g, const char *name, bool alias)
{
	struct target t;

	if (!name || !leads_to(g, name, &t))
		return;
	add_named(g, t.backend, name, t.model);
	if (alias && route_needs_alias(name))
		add_named(g, t.backend,
			  arena_printf(g->call->arena, "%s%s", ROUTE_ALIAS_PREFIX, name), t.model);
}

static bool is_glob(const char *match)
{
	return strpbrk(match, "*?") != NULL;
}

static bool is_role(const char *to)
{
	return strcmp(to, "big") == 0 || strcmp(to, "small") == 0;
}

static void add_rules(struct listing *g)
{
	const struct config *c = g->call->config;

	for (size_t i = 0; i < c->nroutes; i++)
		for (size_t k = 0; c->routes[i].when.model && c->routes[i].when.model[k]; k++)
			if (!is_glob(c->routes[i].when.model[k]))
				add_routed(g, c->routes[i].when.model[k], true);
	for (size_t i = 0; c->direct && i < c->ntargets; i++)
		add_routed(g, c->targets[i].name, true);
	for (size_t i = 0; i < c->nrules; i++) {
		if (!is_glob(c->rules[i].match))
			add_routed(g, c->rules[i].match, false);
		if (!is_role(c->rules[i].to))
			add_routed(g, c->rules[i].to, true);
	}
}

/* The name under which a backend's own model is reached; NULL: under none. */
static const char *own_name(const struct listing *g, const struct backend *b, const char *id)
{
	const struct config *c = g->call->config;

	if (b == c->backend && route_as_it_comes(c, id))
		return id;
	if (c->direct)
		return arena_printf(g->call->arena, "%s/%s", b->name, id);
	return NULL;
}

static bool allowed(const struct listing *g, const struct backend *b, const char *name,
		    const char *model)
{
	const struct access_key *k = g->call->access.key;

	return access_backend(k, b->name) && access_model(k, name, b->name, model);
}

/* A model as it is and, where clients would hide that, under a second id. */
static void add_both(struct listing *g, struct model_info m, const char *name)
{
	m.id = name;
	append(g->out, &m);
	m.id = route_needs_alias(name)
		       ? arena_printf(g->call->arena, "%s%s", ROUTE_ALIAS_PREFIX, name)
		       : NULL;
	if (m.id)
		append(g->out, &m);
}

static void add_listed(struct listing *g, const struct backend *b, const struct model_list *list)
{
	struct model_list mine = { .v = g->out->v, .n = g->ours };

	for (size_t i = 0; i < list->n; i++) {
		const char *name = own_name(g, b, list->v[i].id);

		if (name && !find(&mine, name) && allowed(g, b, name, list->v[i].id))
			add_both(g, list->v[i], name);
	}
}

/* Below /b/NAME there is that backend alone, under its own names. */
static void collect_of(struct listing *g, const struct backend *b)
{
	const struct model_list *list = &g->known[b - g->call->config->backends];

	for (size_t i = 0; i < list->n; i++)
		if (allowed(g, b, list->v[i].id, list->v[i].id))
			add_both(g, list->v[i], list->v[i].id);
}

static const struct backend *path_backend(const struct api_call *c)
{
	const char *name = route_path_name(c->request->prefix, c->arena);
	const struct backend *b =
		name && c->config->direct ? config_backend(c->config, name) : NULL;

	return b && b - c->config->backends < BACKENDS_MAX ? b : NULL;
}

static void collect(struct api_call *c, struct model_list *l)
{
	const struct config *cf = c->config;
	struct listing *g = arena_alloc(c->arena, sizeof(*g));
	const struct backend *of = path_backend(c);

	if (!g || !cf->backend)
		return;
	g->call = c;
	g->out = l;
	backend_lists(g);
	if (of) {
		collect_of(g, of);
		return;
	}
	add_routed(g, cf->model_big, true);
	add_routed(g, cf->model_small, true);
	add_routed(g, cf->model_default, true);
	add_rules(g);
	add_routed(g, cf->model_big ? "big" : NULL, false);
	add_routed(g, cf->model_small ? "small" : NULL, false);
	g->ours = l->n;
	for (size_t i = 0; i < cf->nbackends && i < BACKENDS_MAX; i++)
		add_listed(g, &cf->backends[i], &g->known[i]);
}

/* ---- the API's shape ---- */

static cJSON *model_tree(const struct model_info *m)
{
	cJSON *o = cJSON_CreateObject();
	char when[32];

	clock_rfc3339(when, sizeof(when), m->created < INT64_MAX / 1000 ? m->created * 1000 : 0, 0);
	cJSON_AddStringToObject(o, "type", "model");
	cJSON_AddStringToObject(o, "id", m->id);
	cJSON_AddStringToObject(o, "display_name", m->display_name ? m->display_name : m->id);
	cJSON_AddStringToObject(o, "created_at", when);
	if (m->context_tokens)
		cJSON_AddNumberToObject(o, "max_input_tokens", (double)m->context_tokens);
	if (m->max_output_tokens)
		cJSON_AddNumberToObject(o, "max_tokens", (double)m->max_output_tokens);
	return o;
}

struct page {
	size_t from, to;
};

static size_t place_of(const struct model_list *l, const char *id)
{
	const struct model_info *m = find(l, id);

	return m ? (size_t)(m - l->v) : l->n;
}

/* after_id, before_id and limit as the API has them; -1 with the fault when one makes no sense. */
static int page_of(struct api_call *c, const struct model_list *l, struct page *p, struct fault *f)
{
	const char *after = http_query(c->request, c->arena, "after_id");
	const char *before = http_query(c->request, c->arena, "before_id");
	const char *limit = http_query(c->request, c->arena, "limit");
	int64_t n = PAGE_DEFAULT;

	if (limit && (!str_int(str_of(limit), &n) || n < 1 || n > PAGE_MAX))
		return fault_bad(f, "limit: must be a number from 1 to %d", PAGE_MAX);
	if ((after && !find(l, after)) || (before && !find(l, before)))
		return fault_bad_as("unknown_cursor", f, "%s: no model of that id is in the list",
				 after && !find(l, after) ? "after_id" : "before_id");
	p->from = after ? place_of(l, after) + 1 : 0;
	p->to = before ? place_of(l, before) : l->n;
	if (p->to < p->from)
		p->to = p->from;
	if (p->to - p->from > (size_t)n) {
		if (before && !after)
			p->from = p->to - (size_t)n;
		else
			p->to = p->from + (size_t)n;
	}
	return 0;
}

static void add_id(cJSON *root, const char *key, const struct model_list *l, const struct page *p,
		   size_t at)
{
	if (p->to > p->from)
		cJSON_AddStringToObject(root, key, l->v[at].id);
	else
		cJSON_AddNullToObject(root, key);
}

static int answer_list(struct api_call *c, const struct model_list *l)
{
	struct fault f = FAULT_INIT;
	struct page p = { 0, 0 };
	cJSON *root, *data;

	if (c->arena->failed)
		fault_no_memory(&f);
	if (f.class || page_of(c, l, &p, &f))
		return api_fault(c, &f);
	root = cJSON_CreateObject();
	data = cJSON_AddArrayToObject(root, "data");
	for (size_t i = p.from; data && i < p.to; i++)
		api_tree_add(data, model_tree(&l->v[i]));
	cJSON_AddBoolToObject(root, "has_more",
			      http_query(c->request, c->arena, "before_id") ? p.from > 0
									    : p.to < l->n);
	add_id(root, "first_id", l, &p, p.from);
	add_id(root, "last_id", l, &p, p.to - 1);
	return api_json(c, 200, root);
}

int api_models(struct api_call *c)
{
	struct model_list l = { .arena = c->arena };

	collect(c, &l);
	return answer_list(c, &l);
}

int api_models_of(struct api_call *c, const struct backend *b)
{
	struct listing *g = arena_alloc(c->arena, sizeof(*g));
	size_t i = (size_t)(b - c->config->backends);
	struct model_list out = { .arena = c->arena };

	if (!g || i >= BACKENDS_MAX)
		return answer_list(c, &out);
	g->call = c;
	backend_lists(g);
	for (size_t k = 0; k < g->known[i].n; k++)
		if (allowed(g, b, g->known[i].v[k].id, g->known[i].v[k].id))
			append(&out, &g->known[i].v[k]);
	return answer_list(c, &out);
}

int api_model(struct api_call *c)
{
	struct model_list l = { .arena = c->arena };
	struct fault f = FAULT_INIT;
	const struct model_info *m;

	collect(c, &l);
	m = find(&l, c->rest);
	if (!m) {
		struct str id = str_cut_utf8(str_of(c->rest), 200);

		fault_set(&f, FAULT_BAD_REQUEST, 404, "not_found_error", "model: %.*s",
			  STR_ARGS(str_utf8(id) ? id : STR("(not UTF-8)")));
		return api_fault(c, &f);
	}
	return api_json(c, 200, model_tree(m));
}
