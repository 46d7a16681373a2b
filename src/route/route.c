/*
 * The router: from the name a client asks for to a backend and the model's name there. Stands
 * behind the parser (only the name matters here) and in front of run().
 *
 * In this order, and the first that says something decides: an id that GET /v1/models shows for a
 * model whose own name a client would hide ("anthropic/gpt-5"), the words "big" and "small", the
 * rules of models.map, models.default; else the name goes to the backend as it came.
 */
#include <string.h>

#include "route/route.h"

/* Claude Code marks a model whose window is a million tokens so; no backend but Anthropic's own
 * knows the mark. */
#define LONG_CONTEXT_MARK "[1m]"

struct decision {
	const char *model; /* NULL: as it came */
	const char *rule;
};

/* `to` of a rule: a role or a literal name; NULL when the role has no model. */
static const char *resolve(const struct config *c, const char *to)
{
	if (strcmp(to, "big") == 0)
		return c->model_big;
	if (strcmp(to, "small") == 0)
		return c->model_small;
	return to;
}

static bool is_target(const struct config *c, const char *name)
{
	const char *known[] = { c->model_big, c->model_small, c->model_default };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i] && strcmp(known[i], name) == 0)
			return true;
	for (size_t i = 0; i < c->nrules; i++) {
		const char *to = resolve(c, c->rules[i].to);

		if (to && strcmp(to, name) == 0)
			return true;
	}
	return false;
}

bool route_needs_alias(const char *model)
{
	return !str_find_nocase(str_of(model), "claude") &&
	       !str_find_nocase(str_of(model), "anthropic");
}

static struct decision decide(const struct config *c, const char *name, struct arena *a)
{
	size_t prefix = strlen(ROUTE_ALIAS_PREFIX);

	if (strncmp(name, ROUTE_ALIAS_PREFIX, prefix) == 0 && route_needs_alias(name + prefix) &&
	    is_target(c, name + prefix))
		return (struct decision){ name + prefix, "id of the model list" };
	if ((strcmp(name, "big") == 0 || strcmp(name, "small") == 0) && resolve(c, name))
		return (struct decision){ resolve(c, name), arena_printf(a, "models.%s", name) };
	for (size_t i = 0; i < c->nrules; i++) {
		const char *to = resolve(c, c->rules[i].to);

		if (to && str_glob(c->rules[i].match, str_of(name)))
			return (struct decision){
				to, arena_printf(a, "models.map[%zu] \"%s\" -> \"%s\"", i,
						 c->rules[i].match, c->rules[i].to)
			};
	}
	if (c->model_default)
		return (struct decision){ c->model_default, "models.default" };
	return (struct decision){ NULL, "as it came" };
}

/* The name without the long-context mark. */
static const char *plain_name(const char *model, struct arena *a)
{
	struct str s = str_of(model);
	size_t mark = sizeof(LONG_CONTEXT_MARK) - 1;

	if (s.n <= mark ||
	    !str_is_nocase((struct str){ s.p + s.n - mark, mark }, LONG_CONTEXT_MARK))
		return model;
	return arena_dup(a, s.p, s.n - mark);
}

/* A caller's own key goes to one backend only; everything else goes to the one in use. */
static const struct backend *backend_for(const struct config *c)
{
	if (c->access_mode == ACCESS_PASSTHROUGH)
		return c->passthrough_backend ? config_backend(c, c->passthrough_backend) : NULL;
	return c->backend;
}

/* A proxy that serves one provider's models under that provider's name ("openrouter/…"). */
static const char *with_prefix(const struct backend *b, const char *model, struct arena *a)
{
	if (!b->model_prefix || str_starts(str_of(model), b->model_prefix))
		return model;
	return arena_printf(a, "%s%s", b->model_prefix, model);
}

int route_select(const struct config *c, const char *model, struct arena *a, struct target *out,
		 struct fault *f)
{
	const struct backend *b = backend_for(c);
	const char *name = plain_name(model, a);
	struct decision d;

	*out = (struct target){ .backend = b };
	if (!b)
		return fault_set(f, FAULT_BAD_REQUEST, 500, "api_error",
				 "No backend is set up: set a provider's key in the environment or "
				 "proxy_backend in the "
				 "configuration; `messages.fcgi --check` says what is missing.");
	if (!name)
		return fault_no_memory(f);
	d = decide(c, name, a);
	if (d.model)
		out->model = d.model;
	else
		out->model = b->anthropic_host ? model : name;
	out->model = with_prefix(b, out->model, a);
	if (!out->model)
		return fault_no_memory(f);
	out->mapped = strcmp(out->model, model) != 0;
	out->rule = d.rule;
	return a->failed ? fault_no_memory(f) : 0;
}
