/*
 * Which backend is used, and with which models. The one in use must have what it needs; of the
 * others those that lack something are left out, with a warning if they were written down.
 */
#include "config/draft.h"

#include <string.h>
#include <strings.h>

static bool same(const char *a, const char *b)
{
	return a && b && !strcasecmp(a, b);
}

static const config_setting_t *backends_group(struct loader *l, const config_setting_t *root)
{
	const config_setting_t *g = root ? config_setting_get_member(root, "backends") : NULL;
	struct origin at;

	if (!g || config_setting_is_group(g))
		return g;
	at = origin_setting(l, g);
	report_error(l->report, &at, "backends must be a group, { NAME = { … }; }");
	return NULL;
}

static void unknown_backend(struct loader *l, const struct snapshot *s, const struct drafts *all,
			    const char *option, const char *name)
{
	struct origin *at = option_from(&s->globals, option);
	const struct preset *p;
	struct nearest near;
	size_t i;

	nearest_init(&near, name);
	for (i = 0; i < all->n; i++)
		nearest_see(&near, all->v[i].b.name);
	for (p = presets; p->name; p++)
		nearest_see(&near, p->name);
	if (near.best)
		report_error(l->report, at, "%s: there is no backend \"%s\"; did you mean \"%s\"?",
			     option, name, near.best);
	else
		report_error(l->report, at,
			     "%s: there is no backend \"%s\" (presets: OPENROUTER, OPENAI, …; "
			     "others need backends.%s)",
			     option, name, name);
}

/* One of the file that could not be read at all is wrong once, not in every place that names it. */
static bool in_group(const config_setting_t *group, const char *name)
{
	int i, n = group ? config_setting_length(group) : 0;

	for (i = 0; i < n; i++)
		if (same(config_setting_name(config_setting_get_elem(group, (unsigned)i)), name))
			return true;
	return false;
}

/* The one in use by the option's word; NULL when there is none (reported). */
static struct draft *named_draft(struct loader *l, struct snapshot *s, struct drafts *all,
				 const char *option, const char *name)
{
	size_t i;

	for (i = 0; i < all->n; i++)
		if (same(all->v[i].b.name, name)) {
			if (!all->v[i].lacks)
				return &all->v[i];
			report_error(l->report, option_from(&s->globals, option),
				     "%s: backend %s %s", option, all->v[i].b.name,
				     all->v[i].lacks);
			return NULL;
		}
	if (!in_group(all->group, name))
		unknown_backend(l, s, all, option, name);
	return NULL;
}

/* Without a name: what the file configures comes first, then the presets' order decides. */
static struct draft *first_draft(struct loader *l, struct drafts *all)
{
	struct draft *first = NULL;
	struct buf others;
	size_t i;

	buf_init(&others, 1024);
	for (i = 0; i < all->n; i++) {
		if (all->v[i].lacks)
			continue;
		if (!first)
			first = &all->v[i];
		else
			buf_printf(&others, "%s%s", others.n ? ", " : "", all->v[i].b.name);
	}
	if (first && others.n)
		report_warn(l->report, NULL,
			    "proxy_backend is not set: %s is used, although %s could be too",
			    first->b.name, buf_cstr(&others));
	if (!first && all->n == 1)
		report_error(l->report, NULL, "backend %s %s", all->v[0].b.name, all->v[0].lacks);
	else if (!first)
		report_error(l->report, NULL,
			     "there is no backend to use: set OPENROUTER_API_KEY, OPENAI_API_KEY, "
			     "ANTHROPIC_API_KEY or LITELLM_BASE_URL in the environment, or "
			     "proxy_backend and backends in a config file");
	if (!all->n)
		l->report->nunset++;
	buf_release(&others);
	return first;
}

/* Copies what is usable into the snapshot and points everything at it. */
static void keep_drafts(struct loader *l, struct snapshot *s, struct drafts *all,
			const struct draft *used)
{
	struct backend *list = arena_alloc(l->arena, (all->n + 1) * sizeof(*list));
	size_t i;

	s->sets = arena_alloc(l->notes, (all->n + 1) * sizeof(*s->sets));
	for (i = 0; list && s->sets && i < all->n; i++) {
		struct draft *d = &all->v[i];
		size_t n = s->c.nbackends;

		if (d->lacks) {
			struct origin at = draft_origin(l, d);

			if (d->group)
				report_warn(l->report, &at, "backend %s %s", d->b.name, d->lacks);
			continue;
		}
		list[n] = d->b;
		if (!d->b.api_key && !d->b.api_keys && !d->b.passthrough &&
		    d->b.credential.kind == CREDENTIAL_KEY)
			list[n].auth = AUTH_NONE;
		backend_keys(l, &list[n]);
		s->sets[n] = d->set;
		s->sets[n].base = &list[n];
		if (d == used)
			s->c.backend = &list[n];
		s->c.nbackends++;
	}
	s->c.backends = list;
	if (s->c.backend)
		s->c.proxy_backend = s->c.backend->name;
}

/* models.big and models.small: the environment's word, then what the file says of this backend,
 * then of all, then the preset. */
static void choose_model(struct snapshot *s, struct option_set *set, const char *global,
			 const char *own, const char **model, const char *backends)
{
	struct origin *g = option_from(&s->globals, global), *b = option_from(set, own);

	if (backends && (!*model || (g->kind != ORIGIN_ENV && b->kind == ORIGIN_FILE))) {
		*model = backends;
		*g = *b;
	}
}

static void choose_models(struct snapshot *s)
{
	struct config *c = &s->c;
	struct option_set *set;

	if (!c->backend)
		return;
	set = &s->sets[c->backend - c->backends];
	choose_model(s, set, "models.big", "model_big", &c->model_big, c->backend->model_big);
	choose_model(s, set, "models.small", "model_small", &c->model_small,
		     c->backend->model_small);
	if (!c->model_small && c->model_big) {
		c->model_small = c->model_big;
		*option_from(&s->globals, "models.small") = *option_from(&s->globals, "models.big");
	}
}

void load_backends(struct loader *l, struct snapshot *s, const config_setting_t *root)
{
	struct drafts all = { NULL, 0, backends_group(l, root) };
	struct draft *used;

	if (!drafts_fill(l, &all, &s->c))
		return;
	used = s->c.proxy_backend ? named_draft(l, s, &all, "proxy_backend", s->c.proxy_backend)
				  : first_draft(l, &all);
	if (s->c.passthrough_backend &&
	    !named_draft(l, s, &all, "access.passthrough_backend", s->c.passthrough_backend))
		used = NULL;
	if (used && s->c.access_mode == ACCESS_PASSTHROUGH && !s->c.passthrough_backend) {
		s->c.passthrough_backend = used->b.name;
		used->b.passthrough = true;
	}
	keep_drafts(l, s, &all, used);
	choose_models(s);
}
