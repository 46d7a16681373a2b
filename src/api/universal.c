/*
 * The paths of an earlier system in which the body named the backend: POST /v1/universal/stream
 * with a member `provider`, and what it told of its providers. They answer from the same router and
 * presets as everything else; a provider there is a backend here, its name in any case.
 */
#include <cjson/cJSON.h>
#include <string.h>
#include <strings.h>

#include "api/api.h"
#include "config/preset.h"

/* "litellm-messages" was written so in paths. */
static const struct backend *provider(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->nbackends; i++) {
		const char *a = c->backends[i].name, *b = name;

		while (*a && *b && (strncasecmp(a, b, 1) == 0 || (*a == '_' && *b == '-')))
			a++, b++;
		if (!*a && !*b)
			return &c->backends[i];
	}
	return NULL;
}

static int no_provider(struct api_call *c, const char *name)
{
	struct str s = str_cut_utf8(str_of(name), 100);
	struct fault f = FAULT_INIT;

	fault_set(&f, FAULT_BAD_REQUEST, 404, "not_found_error",
		  "provider: there is no backend \"%.*s\" here; GET /v1/universal/providers lists them",
		  STR_ARGS(str_utf8(s) ? s : STR("(not UTF-8)")));
	return api_fault(c, &f);
}

const char *api_provider(struct api_call *c, const char *name)
{
	const struct backend *b = provider(c->config, name);

	return b ? b->name : name;
}

static cJSON *provider_tree(const struct config *c, const struct backend *b)
{
	const struct preset *p = preset_find(b->preset);
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "id", b->name);
	cJSON_AddStringToObject(o, "name", p ? p->title : b->name);
	cJSON_AddStringToObject(o, "dialect", b->dialect);
	cJSON_AddBoolToObject(o, "default", b == c->backend);
	if (b->model_big)
		cJSON_AddStringToObject(o, "big_model", b->model_big);
	if (b->model_small)
		cJSON_AddStringToObject(o, "small_model", b->model_small);
	return o;
}

int api_universal_providers(struct api_call *c)
{
	cJSON *root = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(root, "providers");

	for (size_t i = 0; list && i < c->config->nbackends; i++)
		if (access_backend(c->access.key, c->config->backends[i].name))
			api_tree_add(list, provider_tree(c->config, &c->config->backends[i]));
	if (c->config->backend && access_backend(c->access.key, c->config->backend->name))
		cJSON_AddStringToObject(root, "default", c->config->backend->name);
	return api_json(c, 200, root);
}

/* {p} or {p}/models. */
int api_universal_provider(struct api_call *c)
{
	size_t n = strcspn(c->rest, "/");
	const char *name = arena_dup(c->arena, c->rest, n);
	const struct backend *b = name ? provider(c->config, name) : NULL;

	if (!b || !access_backend(c->access.key, b->name))
		return no_provider(c, name ? name : "");
	if (!c->rest[n])
		return api_json(c, 200, provider_tree(c->config, b));
	if (strcmp(c->rest + n, "/models") != 0)
		return no_provider(c, c->rest);
	return api_models_of(c, b);
}

int api_universal_health(struct api_call *c)
{
	cJSON *root = cJSON_CreateObject();
	bool running = stop_get() == STOP_RUNNING;

	cJSON_AddStringToObject(root, "status", running ? "healthy" : "draining");
	api_add_members(root, c, NULL);
	return api_json(c, running ? 200 : 503, root);
}
