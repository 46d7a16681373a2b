/*
 * The rules and the targets of the file. What they name is looked up here, once: a rule of the
 * snapshot points at the members of its chain, each a backend with the rule's and the member's
 * options already laid over it.
 */
#include "config/routes.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/draft.h"

/* One chain in the making. */
struct chain {
	struct snapshot *s;
	struct route_member *v;
	size_t n, cap;
	const char *where;              /* "routes[2].to", for messages */
};

/* ---- options over a backend ---- */

/* What makes a backend that backend: where its key goes and in which words it is spoken to. */
static const char *const fixed[] = {
	"preset", "dialect", "base_url", "api_key", "api_keys", "credential", "auth", "auth_header",
	"proxy", "ca_file", "tls_verify", "path_message", "path_count", "path_models", "model_big",
	"model_small", NULL
};

static bool options_allowed(struct loader *l, const config_setting_t *options, const char *where)
{
	struct origin at = origin_setting(l, options);
	int n = config_setting_length(options);

	if (!config_setting_is_group(options)) {
		report_error(l->report, &at, "%s.options must be a group of a backend's options",
			     where);
		return false;
	}
	for (int i = 0; i < n; i++) {
		const config_setting_t *m = config_setting_get_elem(options, (unsigned)i);

		for (size_t k = 0; fixed[k]; k++) {
			if (strcmp(config_setting_name(m), fixed[k]))
				continue;
			at = origin_setting(l, m);
			report_error(l->report, &at,
				     "%s.options.%s: only the backend itself can say this", where,
				     fixed[k]);
			return false;
		}
	}
	return true;
}

static const struct backend *lay_over(struct loader *l, const struct backend *b,
				      const config_setting_t *options, const char *where)
{
	struct backend *copy;
	struct option_set set;
	const char *prefix = arena_printf(l->arena, "%s.options.", where);

	if (!options)
		return b;
	if (!options_allowed(l, options, where))
		return NULL;
	copy = arena_alloc(l->arena, sizeof(*copy));
	if (!copy || !prefix || !option_set_init(l, &set, &options_backend, copy, prefix))
		return NULL;
	*copy = *b;
	option_set_group(l, &set, options);
	backend_settle(l, copy);
	backend_keys(l, copy);
	return copy;
}

/* ---- members ---- */

static void push(struct loader *l, struct chain *c, struct route_member m)
{
	struct route_member *v = arena_grow(l->arena, c->v, c->n, &c->cap, sizeof(*v));

	if (!v)
		return;
	c->v = v;
	c->v[c->n++] = m;
}

/* "GROQ/llama" while GROQ can't be used is no model of the backend in use. */
static bool names_unusable(struct loader *l, const struct chain *c, const config_setting_t *at,
			   const char *text)
{
	const config_setting_t *root = at, *group;
	size_t n = strcspn(text, "/,");
	char *name = arena_dup(l->arena, text, n);
	const struct preset *p = preset_find(name);
	struct origin from = origin_setting(l, at);

	while (config_setting_parent(root))
		root = config_setting_parent(root);
	group = config_setting_get_member(root, "backends");
	if (!name || !n)
		return false;
	if (!(p && strcmp(p->name, name) == 0) &&
	    !(group && config_setting_get_member(group, name)))
		return false;
	report_warn(l->report, &from,
		    "%s: \"%s\" is left out: backend %s can't be used (has it a key?)", c->where,
		    text, name);
	return true;
}

static bool is_target(const struct config *c, const char *text)
{
	for (size_t i = 0; i < c->ntargets; i++)
		if (strcmp(c->targets[i].name, text) == 0)
			return true;
	return false;
}

/* Names that only look like a maker's before its model ("THUDM/GLM"): backends are written so. */
static bool is_in_capitals(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", text[i]))
			return false;
	return n > 0;
}

/* The name of the file's own that was meant; NULL when none is near. */
static const char *meant(const struct config *c, const char *name, bool whole)
{
	struct nearest near;

	nearest_init(&near, name);
	for (size_t i = 0; i < c->nbackends; i++)
		if (!preset_find(c->backends[i].name) && strcasecmp(c->backends[i].name, name) != 0)
			nearest_see(&near, c->backends[i].name);
	for (size_t i = 0; whole && i < c->ntargets; i++)
		nearest_see(&near, c->targets[i].name);
	return near.best;
}

/* A text that names neither a target nor a backend is a model of the backend in use. What can't be
 * one is an error, what hardly is one a warning. `backend`: it was given as a backend's name. */
static bool names_nothing(struct loader *l, const struct chain *c, const struct origin *at,
			  const char *text, bool backend)
{
	const struct config *cf = &c->s->c;
	size_t n = strcspn(text, "/,");
	char *name = arena_dup(l->arena, text, n);
	const char *near = name ? meant(cf, name, !text[n]) : NULL;

	if (!name || is_target(cf, text) || strcmp(text, "big") == 0 || strcmp(text, "small") == 0)
		return false;
	if (backend || text[n] == ',' || (text[n] == '/' && is_in_capitals(text, n))) {
		report_error(l->report, at, "%s: \"%s\": there is no backend %s%s%s%s", c->where,
			     text, name, near ? "; did you mean " : "", near ? near : "",
			     text[n] == '/' && !backend && cf->backend
				     ? arena_printf(l->arena, " (a model's name is written "
						    "{ backend = \"%s\"; model = \"%s\"; })",
						    cf->backend->name, text)
				     : "");
		return true;
	}
	if (near)
		report_warn(l->report, at,
			    "%s: \"%s\" names no backend or target and is taken as a model of %s; "
			    "did you mean %s?",
			    c->where, text, cf->backend ? cf->backend->name : "no backend", near);
	return false;
}

static void add_text(struct loader *l, struct chain *c, const config_setting_t *at,
		     const char *text, bool backend)
{
	struct origin from = origin_setting(l, at);
	struct route_target t;
	const char *rest;

	text = arena_printf(l->arena, "%s", text); /* outlives the file's tree */
	if (!text)
		return;
	if (!config_named(&c->s->c, text, &rest) &&
	    (names_unusable(l, c, at, text) || names_nothing(l, c, &from, text, backend)))
		return;
	if (!config_target(&c->s->c, text, l->arena, &t)) {
		report_error(l->report, &from, "%s: \"%s\" has no model or no backend", c->where,
			     text);
		return;
	}
	for (size_t i = 0; i < t.n; i++)
		push(l, c, t.v[i]);
}

static void add_group(struct loader *l, struct chain *c, const config_setting_t *group)
{
	const config_setting_t *options = config_setting_get_member(group, "options");
	const char *prefix = arena_printf(l->arena, "%s.", c->where);
	struct origin from = origin_setting(l, group);
	struct member_row row = { NULL, NULL, 0 };
	const struct backend *over;
	struct option_set set;
	const char *text;
	size_t first = c->n;

	if (!prefix || !option_set_init(l, &set, &options_member, &row, prefix))
		return;
	option_set_defaults(l, &set);
	option_set_group(l, &set, group);
	if (!row.backend && !row.model) {
		report_error(l->report, &from, "%s: a member needs a backend or a model", c->where);
		return;
	}
	text = !row.backend ? row.model
	       : !row.model ? row.backend
			    : arena_printf(l->arena, "%s/%s", row.backend, row.model);
	if (text)
		add_text(l, c, group, text, row.backend != NULL);
	for (size_t i = first; i < c->n; i++) {
		over = lay_over(l, c->v[i].backend, options, c->where);
		if (over)
			c->v[i].backend = over;
		c->v[i].weight = row.weight;
	}
}

static void add_one(struct loader *l, struct chain *c, const config_setting_t *s)
{
	struct origin from = origin_setting(l, s);

	if (config_setting_is_group(s))
		add_group(l, c, s);
	else if (config_setting_type(s) == CONFIG_TYPE_STRING)
		add_text(l, c, s, config_setting_get_string(s), false);
	else
		report_error(l->report, &from,
			     "%s must be text, a group { backend = \"…\"; model = \"…\"; } or a list of "
			     "them",
			     c->where);
}

static struct route_target load_chain(struct loader *l, struct snapshot *s,
				      const config_setting_t *to, const char *where)
{
	struct chain c = { .s = s, .where = where };
	unsigned before = l->report->nerrors;
	struct origin from = origin_setting(l, to);
	bool list = config_setting_is_list(to) || config_setting_is_array(to);
	int n = list ? config_setting_length(to) : 1;

	for (int i = 0; i < n; i++)
		add_one(l, &c, list ? config_setting_get_elem(to, (unsigned)i) : to);
	if (!c.n && l->report->nerrors == before)
		report_error(l->report, &from, "%s has no member that can be used", where);
	return (struct route_target){ .v = c.v, .n = c.n };
}

/* ---- targets ---- */

static void load_targets(struct loader *l, struct snapshot *s, const config_setting_t *group)
{
	struct origin at = origin_setting(l, group);
	int n = config_setting_length(group);
	struct route_target *v = arena_alloc(l->arena, ((size_t)n + 1) * sizeof(*v));

	if (!config_setting_is_group(group)) {
		report_error(l->report, &at, "targets must be a group, { NAME = ( … ); }");
		return;
	}
	*option_from(&s->globals, "targets") = at;
	s->c.targets = v;
	/* A target may use those that stand before it. */
	for (int i = 0; v && i < n; i++) {
		const config_setting_t *t = config_setting_get_elem(group, (unsigned)i);
		const char *name = arena_printf(l->arena, "%s", config_setting_name(t)), *rest;

		at = origin_setting(l, t);
		if (name && config_named(&s->c, name, &rest))
			report_error(l->report, &at, "targets.%s: a backend has this name", name);
		v[i] = load_chain(l, s, t, arena_printf(l->arena, "targets.%s", name ? name : ""));
		v[i].name = name;
		if (!v[i].n || !name)
			v[i].name = "";
		s->c.ntargets++;
	}
}

/* ---- rules ---- */

/* In the order of enum route_feature. */
static const char *const features[FEATURES] = { "background", "thinking",   "images",
						"documents",  "web_search", "agent" };

static void load_when(struct loader *l, struct route_when *when, const config_setting_t *group,
		      const char *where)
{
	const char *prefix = arena_printf(l->arena, "%s.when.", where);
	struct origin at = origin_setting(l, group);
	struct option_set set;

	if (!config_setting_is_group(group)) {
		report_error(l->report, &at, "%s.when must be a group, { model = \"…\"; }", where);
		return;
	}
	if (!prefix || !option_set_init(l, &set, &options_when, when, prefix))
		return;
	option_set_group(l, &set, group);
	for (unsigned i = 0; i < FEATURES; i++) {
		if (option_from(&set, features[i])->kind != ORIGIN_FILE)
			continue;
		when->asked |= 1u << i;
		if (when->feature[i])
			when->wanted |= 1u << i;
	}
}

/* The rule's options over each member's own. */
static void rule_options(struct loader *l, struct route_rule *r, const config_setting_t *options,
			 const char *where)
{
	struct route_member *v = arena_alloc(l->arena, (r->to.n + 1) * sizeof(*v));

	for (size_t i = 0; v && i < r->to.n; i++) {
		const struct backend *over = lay_over(l, r->to.v[i].backend, options, where);

		v[i] = r->to.v[i];
		if (!over)
			return;
		v[i].backend = over;
	}
	if (v)
		r->to.v = v;
}

static bool load_route(struct loader *l, struct snapshot *s, const config_setting_t *row, int i,
		       struct route_rule *r)
{
	const char *where = arena_printf(l->arena, "routes[%d]", i), *prefix, *to_where;
	const config_setting_t *to, *when, *options;
	struct origin at = origin_setting(l, row);
	struct option_set set;

	if (!config_setting_is_group(row)) {
		report_error(l->report, &at,
			     "routes[%d] must be a group, { when = { … }; to = \"…\"; }", i);
		return false;
	}
	prefix = arena_printf(l->arena, "routes[%d].", i);
	to_where = arena_printf(l->arena, "routes[%d].to", i);
	if (!where || !prefix || !to_where || !option_set_init(l, &set, &options_route, r, prefix))
		return false;
	option_set_group(l, &set, row);
	to = config_setting_get_member(row, "to");
	when = config_setting_get_member(row, "when");
	options = config_setting_get_member(row, "options");
	if (!to) {
		report_error(l->report, &at, "routes[%d] has no `to`", i);
		return false;
	}
	r->to = load_chain(l, s, to, to_where);
	if (when)
		load_when(l, &r->when, when, where);
	if (options)
		rule_options(l, r, options, where);
	return true;
}

static void load_route_list(struct loader *l, struct snapshot *s, const config_setting_t *list)
{
	struct origin at = origin_setting(l, list);
	int n = config_setting_length(list);
	struct route_rule *v = arena_alloc(l->arena, ((size_t)n + 1) * sizeof(*v));
	struct origin *each = arena_alloc(l->arena, ((size_t)n + 1) * sizeof(*each));

	if (!config_setting_is_list(list)) {
		report_error(l->report, &at,
			     "routes must be a list, ( { when = { … }; to = \"…\"; } )");
		return;
	}
	*option_from(&s->globals, "routes") = at;
	for (int i = 0; v && each && i < n; i++) {
		const config_setting_t *row = config_setting_get_elem(list, (unsigned)i);

		each[s->c.nroutes] = origin_setting(l, row);
		if (load_route(l, s, row, i, &v[s->c.nroutes]))
			s->c.nroutes++;
	}
	s->c.routes = v;
	if (each)
		warn_rules(l, &s->c, each);
}

static void check_statuses(struct loader *l, struct snapshot *s)
{
	int64_t n;

	for (size_t i = 0; s->c.failover_statuses && s->c.failover_statuses[i]; i++)
		if (!str_int(str_of(s->c.failover_statuses[i]), &n) || n < 400 || n > 599)
			report_error(l->report, option_from(&s->globals, "routing.failover_statuses"),
				     "routing.failover_statuses: \"%s\" is no status from 400 to 599",
				     s->c.failover_statuses[i]);
}

/* Backends that are only there because some variable of the environment holds a key do not make an
 * unknown name an error. */
static bool set_up_several(const struct snapshot *s, const config_setting_t *root)
{
	const config_setting_t *group = root ? config_setting_get_member(root, "backends") : NULL;
	size_t n = 0;

	for (size_t i = 0; i < s->c.nbackends; i++)
		if (&s->c.backends[i] == s->c.backend ||
		    (group && config_setting_get_member(group, s->c.backends[i].name)))
			n++;
	return n > 1;
}

void load_routes(struct loader *l, struct snapshot *s, const config_setting_t *root)
{
	const config_setting_t *targets = root ? config_setting_get_member(root, "targets") : NULL;
	const config_setting_t *routes = root ? config_setting_get_member(root, "routes") : NULL;

	s->c.several = set_up_several(s, root);
	check_statuses(l, s);
	if (targets)
		load_targets(l, s, targets);
	if (routes)
		load_route_list(l, s, routes);
	warn_map(l, &s->c, option_from(&s->globals, "models.map"));
}
