/*
 * What a text names: the words in which rules, models.map, models.default and clients speak of
 * targets, backends and models.
 */
#include "config/config.h"

#include <string.h>

const struct backend *config_named(const struct config *c, const char *text, const char **rest)
{
	for (size_t i = 0; i < c->nbackends; i++) {
		const char *name = c->backends[i].name;
		size_t n = strlen(name);

		if (strncmp(text, name, n) != 0)
			continue;
		if (text[n] && text[n] != '/' && text[n] != ',')
			continue;
		*rest = text[n] && text[n + 1] ? text + n + 1 : NULL;
		return &c->backends[i];
	}
	return NULL;
}

/* False when `model` is a role that has no model at b. */
static bool role_model(const struct config *c, const struct backend *b, const char **model)
{
	bool big = *model && strcmp(*model, "big") == 0;
	bool small = *model && strcmp(*model, "small") == 0;

	if (!big && !small)
		return true;
	if (b == c->backend)
		*model = big ? c->model_big : c->model_small;
	else
		*model = big || !b->model_small ? b->model_big : b->model_small;
	return *model != NULL;
}

static bool one_member(const struct config *c, const struct backend *b, const char *model,
		       struct arena *a, struct route_target *out)
{
	struct route_member *m;

	if (!b || (model && !*model) || !role_model(c, b, &model))
		return false;
	m = arena_alloc(a, sizeof(*m));
	if (!m)
		return false;
	*m = (struct route_member){ .backend = b, .model = model };
	*out = (struct route_target){ .v = m, .n = 1 };
	return true;
}

bool config_target(const struct config *c, const char *text, struct arena *a,
		   struct route_target *out)
{
	const struct backend *b;
	const char *rest = NULL;

	for (size_t i = 0; i < c->ntargets; i++) {
		if (strcmp(c->targets[i].name, text) == 0) {
			*out = c->targets[i];
			return true;
		}
	}
	b = config_named(c, text, &rest);
	return b ? one_member(c, b, rest, a, out) : one_member(c, c->backend, text, a, out);
}
