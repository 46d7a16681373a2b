/*
 * GET /v1/models and /v1/models/{id}: first what this gateway maps to (clients find their own names
 * there), then what the backend lists. A model whose id a client would hide gets a second row under
 * ROUTE_ALIAS_PREFIX.
 *
 * The backend's list is kept for a while by the process, one list for the backend in use: every
 * client start asks for it, with three seconds of patience. A list fetched with a caller's own key
 * is not kept.
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
#define PAGE_DEFAULT 20
#define PAGE_MAX 1000

struct model_list {
	struct model_info *v;
	size_t n, cap;
	struct arena *arena;
};

static struct {
	pthread_mutex_t lock;
	struct arena arena;
	struct model_list list;
	const char *backend; /* in arena */
	int64_t generation, until;
} kept = { .lock = PTHREAD_MUTEX_INITIALIZER };

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

static int fetch(struct api_call *c, const struct backend *b, struct model_list *l)
{
	struct fault f = FAULT_INIT;
	int rc = run_models(b, c->access.caller_key, c->access.caller_bearer, l->arena,
			    FETCH_SECONDS, NULL, append, l, &f);

	if (rc)
		log_info("backend %s gave no list of models: %s", b->name, f.message);
	return rc;
}

/* Caller holds the lock. */
static void refresh(struct api_call *c, const struct backend *b)
{
	int64_t now = clock_ms();
	int rc;

	if (kept.backend && strcmp(kept.backend, b->name) == 0 &&
	    kept.generation == c->config->generation && now < kept.until)
		return;
	arena_release(&kept.arena);
	arena_init(&kept.arena, ARENA_MAX_LIST);
	kept.list = (struct model_list){ .arena = &kept.arena };
	kept.backend = arena_dup(&kept.arena, b->name, strlen(b->name));
	kept.generation = c->config->generation;
	rc = fetch(c, b, &kept.list);
	kept.until = clock_ms() + (rc ? KEEP_FAILURE_MS : KEEP_MS);
}

static void backend_list(struct api_call *c, const struct backend *b, struct model_list *out)
{
	if (!b->path_models)
		return;
	if (c->access.caller_key) {
		fetch(c, b, out);
		return;
	}
	pthread_mutex_lock(&kept.lock);
	refresh(c, b);
	for (size_t i = 0; i < kept.list.n; i++)
		append(out, &kept.list.v[i]);
	pthread_mutex_unlock(&kept.lock);
}

/* ---- names of ours ---- */

static void add_named(struct model_list *l, const struct model_list *known, const struct backend *b,
		      const char *id, const char *target)
{
	const struct model_info *at_backend = find(known, target);
	struct model_info m =
		at_backend ? *at_backend : (struct model_info){ .display_name = target };

	if (find(l, id))
		return;
	m.id = id;
	if (!m.display_name)
		m.display_name = target;
	if (!m.context_tokens)
		m.context_tokens = b->context_tokens;
	if (!m.max_output_tokens)
		m.max_output_tokens = b->max_tokens_max;
	append(l, &m);
}

/* A model that requests are mapped to: under its own name and, where clients would hide that, under
 * a second one. */
static void add_target(struct model_list *l, const struct model_list *known,
		       const struct backend *b, const char *model)
{
	if (!model)
		return;
	add_named(l, known, b, model, model);
	if (route_needs_alias(model))
		add_named(l, known, b, arena_printf(l->arena, "%s%s", ROUTE_ALIAS_PREFIX, model),
			  model);
}

static bool is_glob(const char *match)
{
	return strpbrk(match, "*?") != NULL;
}

static void add_rule(struct model_list *l, const struct model_list *known, const struct config *c,
		     const struct backend *b, const struct model_rule *rule)
{
	bool big = strcmp(rule->to, "big") == 0, small = strcmp(rule->to, "small") == 0;
	const char *target = big ? c->model_big : small ? c->model_small : rule->to;

	if (!target)
		return;
	if (!is_glob(rule->match))
		add_named(l, known, b, rule->match, target);
	if (!big && !small)
		add_target(l, known, b, target);
}

static void collect(struct api_call *c, struct model_list *l)
{
	const struct config *cf = c->config;
	struct model_list known = { .arena = c->arena };
	struct target t;
	struct fault f = FAULT_INIT;
	size_t ours;

	if (route_select(cf, "", c->arena, &t, &f))
		return;
	backend_list(c, t.backend, &known);
	add_target(l, &known, t.backend, cf->model_big);
	add_target(l, &known, t.backend, cf->model_small);
	add_target(l, &known, t.backend, cf->model_default);
	for (size_t i = 0; i < cf->nrules; i++)
		add_rule(l, &known, cf, t.backend, &cf->rules[i]);
	if (cf->model_big)
		add_named(l, &known, t.backend, "big", cf->model_big);
	if (cf->model_small)
		add_named(l, &known, t.backend, "small", cf->model_small);
	ours = l->n;
	for (size_t i = 0; i < known.n; i++) {
		struct model_list mine = { .v = l->v, .n = ours };

		if (!find(&mine, known.v[i].id))
			append(l, &known.v[i]);
	}
}

/* ---- the API's shape ---- */

static cJSON *model_tree(const struct model_info *m)
{
	cJSON *o = cJSON_CreateObject();
	char when[32];

	clock_rfc3339(when, sizeof(when), m->created * 1000, 0);
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
		return fault_bad(f, "%s: no model of that id is in the list",
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

int api_models(struct api_call *c)
{
	struct model_list l = { .arena = c->arena };
	struct fault f = FAULT_INIT;
	struct page p = { 0, 0 };
	cJSON *root, *data;

	collect(c, &l);
	if (page_of(c, &l, &p, &f))
		return api_fault(c, &f);
	root = cJSON_CreateObject();
	data = cJSON_AddArrayToObject(root, "data");
	for (size_t i = p.from; data && i < p.to; i++)
		cJSON_AddItemToArray(data, model_tree(&l.v[i]));
	cJSON_AddBoolToObject(root, "has_more",
			      http_query(c->request, c->arena, "before_id") ? p.from > 0
									    : p.to < l.n);
	add_id(root, "first_id", &l, &p, p.from);
	add_id(root, "last_id", &l, &p, p.to - 1);
	return api_json(c, 200, root);
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
