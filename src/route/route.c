/*
 * The router: from what is known of a request to a chain of backends and the model's name at each.
 * Stands behind the parser and in front of run_chain().
 *
 * In this order, and the first that says something decides:
 *   - a path that begins with /b/NAME: rules that ask for that path, else that backend or target;
 *   - the rules of `routes`;
 *   - an id that GET /v1/models shows for a model whose own name a client would hide
 *     ("anthropic/gpt-5");
 *   - a backend that the client names itself, where that is allowed ("NAME/model");
 *   - the words "big" and "small", the rules of models.map, models.default;
 *   - the backend in use, with the name as it came, as long as it is the only one or the name is
 *     one of its own.
 *
 * A caller's own key goes to its one backend: what leads elsewhere is left out of the chain.
 */
#include <string.h>

#include "base/ids.h"
#include "config/preset.h"
#include "route/route.h"

/* Claude Code marks a model whose window is a million tokens so; no backend but Anthropic's own
 * knows the mark. */
#define LONG_CONTEXT_MARK "[1m]"

#define SEED_MEMBER 2 /* for str_hash; the chain has one of its own, for keys */

struct decision {
	const struct config *c;
	const struct route_ask *ask;
	struct arena *arena;
	const char *name;               /* without the long-context mark */
	struct route_target to;
	const char *rule;
};

static bool decided(struct decision *d, const char *text, const char *rule)
{
	d->rule = rule;
	return config_target(d->c, text, d->arena, &d->to);
}

/* ---- names ---- */

bool route_needs_alias(const char *model)
{
	return !str_find_nocase(str_of(model), "claude") &&
	       !str_find_nocase(str_of(model), "anthropic");
}

static bool is_role(const char *name)
{
	return strcmp(name, "big") == 0 || strcmp(name, "small") == 0;
}

/* Does some setting lead to this model of the backend in use? */
static bool is_model(const struct config *c, const char *name)
{
	const char *known[] = { c->model_big, c->model_small, c->model_default };

	if (is_role(name))
		return false;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i] && strcmp(known[i], name) == 0)
			return true;
	for (size_t i = 0; i < c->nrules; i++)
		if (strcmp(c->rules[i].to, name) == 0)
			return true;
	return false;
}

/* Is it a name that the model list shows? */
static bool is_target(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->nrules; i++)
		if (strcmp(c->rules[i].match, name) == 0)
			return true;
	for (size_t i = 0; i < c->ntargets; i++)
		if (strcmp(c->targets[i].name, name) == 0)
			return true;
	for (size_t i = 0; i < c->nroutes; i++)
		for (size_t k = 0; c->routes[i].when.model && c->routes[i].when.model[k]; k++)
			if (strcmp(c->routes[i].when.model[k], name) == 0)
				return true;
	return is_model(c, name);
}

/* With one backend all names do; of several the one in use gets those that some setting speaks of,
 * and Claude's own where it has them. */
bool route_as_it_comes(const struct config *c, const char *name)
{
	const struct preset *p = c->backend ? preset_find(c->backend->preset) : NULL;
	bool claudes = p ? p->claude_names : c->backend && c->backend->anthropic_host;

	if (!c->several || is_model(c, name))
		return true;
	return claudes && str_find_nocase(str_of(name), "claude");
}

static bool names_backend(const struct config *c, const char *name)
{
	const char *rest;

	return c->direct && config_named(c, name, &rest) && rest;
}

/* What an id of the model list stands for; the name itself where it is none. Below /b/NAME the list
 * is that backend's. */
static const char *without_alias(const struct config *c, const char *name, bool path)
{
	const char *rest = name + sizeof(ROUTE_ALIAS_PREFIX) - 1;

	if (!str_starts(str_of(name), ROUTE_ALIAS_PREFIX) || !route_needs_alias(rest) ||
	    is_role(rest) || is_target(c, name))
		return name;
	return path || is_target(c, rest) || names_backend(c, rest) || route_as_it_comes(c, rest)
		       ? rest : name;
}

static const char *plain_name(const char *model, struct arena *a)
{
	struct str s = str_of(model);
	size_t mark = sizeof(LONG_CONTEXT_MARK) - 1;

	if (s.n <= mark || !str_ends_nocase(s, LONG_CONTEXT_MARK))
		return model;
	return arena_dup(a, s.p, s.n - mark);
}

const char *route_path_name(const char *prefix, struct arena *a)
{
	const char *slash = strrchr(prefix, '/');

	if (!slash || !slash[1] || slash - prefix < 2 || strncmp(slash - 2, "/b", 2) != 0)
		return NULL;
	return arena_dup(a, slash + 1, strlen(slash + 1));
}

/* ---- the steps ---- */

static const char *rule_name(const struct decision *d, size_t i)
{
	const char *name = d->c->routes[i].name;

	return name ? arena_printf(d->arena, "routes[%zu] \"%s\"", i, name)
		    : arena_printf(d->arena, "routes[%zu]", i);
}

static bool by_routes(struct decision *d)
{
	const struct route_ask *ask = d->ask;
	struct route_ask plain = *ask;
	struct route_facts facts = { .tokens = -1 };

	plain.model = d->name;
	plain.as_it_came = d->name == ask->model ? NULL : ask->model;
	for (size_t i = 0; i < d->c->nroutes; i++) {
		const struct route_rule *r = &d->c->routes[i];
		const char *why_not = route_when_not(&r->when, &plain, &facts);

		if (ask->trace)
			ask->trace(ask->ctx, rule_name(d, i), why_not);
		if (why_not)
			continue;
		d->to = r->to;
		d->rule = rule_name(d, i);
		return true;
	}
	return false;
}

static bool by_map(struct decision *d)
{
	const struct config *c = d->c;

	for (size_t i = 0; i < c->nrules; i++) {
		const struct model_rule *r = &c->rules[i];

		if (!str_glob(r->match, str_of(d->name)))
			continue;
		if (decided(d, r->to, arena_printf(d->arena, "models.map[%zu] \"%s\" -> \"%s\"", i,
						   r->match, r->to)))
			return true;
	}
	return false;
}

/* The role of a name at a backend that is not the one in use. Who has Claude's own names is given
 * them. */
static const char *role_at(const struct decision *d, const struct backend *b)
{
	const struct preset *p = preset_find(b->preset);

	if (is_role(d->name))
		return d->name;
	for (size_t i = 0; !(p && p->claude_names) && i < d->c->nrules; i++) {
		const char *to = d->c->rules[i].to;

		if (!str_glob(d->c->rules[i].match, str_of(d->name)))
			continue;
		if (is_role(to))
			return to;
	}
	return NULL;
}

/* /b/NAME: a name that a rule gives a role has that role there, others go on as they came. */
static bool by_path(struct decision *d)
{
	const char *role, *name = d->ask->path;
	const struct backend *b;

	d->rule = arena_printf(d->arena, "path /b/%s", name);
	for (size_t i = 0; i < d->c->ntargets; i++)
		if (strcmp(d->c->targets[i].name, name) == 0)
			return decided(d, name, d->rule);
	b = d->c->direct ? config_backend(d->c, name) : NULL;
	if (!b)
		return false;
	if (b == d->c->backend && by_map(d))
		return true;
	role = role_at(d, b);
	if (role && decided(d, arena_printf(d->arena, "%s/%s", b->name, role), d->rule))
		return true;
	return decided(d, b->name, d->rule);
}

static bool by_name(struct decision *d)
{
	const char *named = without_alias(d->c, d->name, false);

	if (named != d->name && is_target(d->c, named) && !names_backend(d->c, named)) {
		struct decision inner = *d;

		inner.name = named;
		if (by_map(&inner)) {
			*d = inner;
			return true;
		}
		return decided(d, named, "id of the model list");
	}
	if (names_backend(d->c, named))
		return decided(d, named, "named by the client");
	for (size_t i = 0; d->c->direct && i < d->c->ntargets; i++)
		if (strcmp(d->c->targets[i].name, named) == 0)
			return decided(d, named, "named by the client");
	if (is_role(d->name) && decided(d, d->name, arena_printf(d->arena, "models.%s", d->name)))
		return true;
	if (by_map(d))
		return true;
	return d->c->model_default && decided(d, d->c->model_default, "models.default");
}

/* ---- the chain ---- */

static const struct backend *own_key_backend(const struct config *c)
{
	if (c->access_mode != ACCESS_PASSTHROUGH)
		return NULL;
	return c->passthrough_backend ? config_backend(c, c->passthrough_backend) : NULL;
}

/* A proxy that serves one provider's models under that provider's name ("openrouter/…"). */
static const char *with_prefix(const struct backend *b, const char *model, struct arena *a)
{
	if (!b->model_prefix || str_starts(str_of(model), b->model_prefix))
		return model;
	return arena_printf(a, "%s%s", b->model_prefix, model);
}

/* The name as it was asked for, without the backend's own in front of it. */
static const char *asked_name(const struct decision *d, const struct backend *b)
{
	const char *plain = without_alias(d->c, d->name, d->ask->path != NULL), *rest;
	const struct backend *named = config_named(d->c, plain, &rest);

	if (named && rest && strcmp(named->name, b->name) == 0)
		return rest;
	return b->anthropic_host ? d->ask->model : plain;
}

static void add_member(const struct decision *d, const struct route_member *m,
		       struct target_chain *out)
{
	struct target *t = &out->v[out->n];
	const char *model = m->model ? m->model : asked_name(d, m->backend);

	*t = (struct target){ .backend = m->backend, .rule = d->rule };
	t->model = with_prefix(m->backend, model, d->arena);
	if (!t->model)
		return;
	t->mapped = strcmp(t->model, d->ask->model) != 0;
	out->n++;
}

/* The member that a request begins with: drawn by weight, the same for all of a session. */
static size_t first_member(const struct decision *d)
{
	uint32_t sum = 0, draw;

	for (size_t i = 0; i < d->to.n; i++)
		sum += (uint32_t)d->to.v[i].weight;
	if (!sum)
		return 0;
	draw = d->ask->session ? (uint32_t)(str_hash(SEED_MEMBER, str_of(d->ask->session)) % sum)
			       : id_random_below(sum);
	for (size_t i = 0; i < d->to.n; i++) {
		if (draw < (uint32_t)d->to.v[i].weight)
			return i;
		draw -= (uint32_t)d->to.v[i].weight;
	}
	return 0;
}

static int build(struct decision *d, struct target_chain *out, struct fault *f)
{
	const struct backend *own = own_key_backend(d->c);
	size_t first = first_member(d);

	*out = (struct target_chain){ arena_alloc(d->arena, (d->to.n + 1) * sizeof(*out->v)), 0 };
	if (!out->v)
		return fault_no_memory(f);
	for (size_t k = 0; k < d->to.n; k++) {
		/* The drawn one first, the others as they stand. */
		size_t i = k == 0 ? first : k <= first ? k - 1 : k;

		if (!own || strcmp(d->to.v[i].backend->name, own->name) == 0)
			add_member(d, &d->to.v[i], out);
	}
	if (!out->n && own) {
		struct route_member m = { .backend = own };

		d->rule = "the backend of callers' own keys";
		add_member(d, &m, out);
	}
	return d->arena->failed || !out->n ? fault_no_memory(f) : 0;
}

static int nowhere(const struct decision *d, struct fault *f)
{
	struct str name = str_cut_utf8(str_of(d->ask->model), 200);
	struct str path = str_cut_utf8(str_of(d->ask->path), 100);

	if (!str_utf8(path))
		path = STR("(not UTF-8)");

	if (d->ask->path)
		return fault_set_as("no_such_path_name", f, FAULT_BAD_REQUEST, 404, "not_found_error",
				 "There is no backend or target \"%.*s\" for clients here.",
				 STR_ARGS(path));
	return fault_set_as("no_such_model", f, FAULT_BAD_REQUEST, 404, "not_found_error",
			 "model: %.*s (no rule matches this name and models.default is not set; "
			 "GET /v1/models lists what there is)",
			 STR_ARGS(str_utf8(name) ? name : STR("(not UTF-8)")));
}

int route_decide(const struct config *c, const struct route_ask *ask, struct arena *a,
		 struct target_chain *out, struct fault *f)
{
	struct decision d = { .c = c, .ask = ask, .arena = a, .name = plain_name(ask->model, a) };
	const struct backend *own = own_key_backend(c), *only = own;
	struct route_member as_it_came = { .weight = 0 };

	*out = (struct target_chain){ NULL, 0 };
	if (c->access_mode != ACCESS_PASSTHROUGH)
		only = c->backend;
	as_it_came.backend = only;
	if (!only)
		return fault_set(f, FAULT_BAD_REQUEST, 500, "api_error",
				 "No backend is set up: set a provider's key in the environment or "
				 "proxy_backend in the "
				 "configuration; `messages.fcgi --check` says what is missing.");
	if (!d.name)
		return fault_no_memory(f);
	if (!by_routes(&d) && !(ask->path ? by_path(&d) : by_name(&d))) {
		if (ask->path || (!own && !route_as_it_comes(c, without_alias(c, d.name, false))))
			return nowhere(&d, f);
		d.to = (struct route_target){ .v = &as_it_came, .n = 1 };
		d.rule = "as it came";
	}
	return build(&d, out, f);
}

int route_select(const struct config *c, const char *model, struct arena *a, struct target *out,
		 struct fault *f)
{
	struct route_ask ask = { .model = model };
	struct target_chain chain;

	*out = (struct target){ .backend = NULL };
	if (route_decide(c, &ask, a, &chain, f))
		return -1;
	*out = chain.v[0];
	return 0;
}
