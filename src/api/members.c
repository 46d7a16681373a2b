/*
 * What /status and /health/detailed say of routing: every backend with its breaker, its keys and
 * what went wrong last, and the chains that lead there. Keys are told apart by where they come
 * from; nothing of them is shown.
 */
#include <cjson/cJSON.h>

#include "api/api.h"
#include "base/clock.h"
#include "state/host.h"

static void add_time(cJSON *o, const char *key, int64_t wall_ms)
{
	char when[32];

	clock_rfc3339(when, sizeof(when), wall_ms, 1);
	cJSON_AddStringToObject(o, key, when);
}

static const char *kind_name(int32_t kind)
{
	static const char *const names[] = {
		[FAULT_NONE] = "none",		 [FAULT_BAD_REQUEST] = "bad request",
		[FAULT_OVERFLOW] = "overflow",	 [FAULT_AUTH] = "key refused",
		[FAULT_QUOTA] = "quota used up", [FAULT_RATE] = "rate limit",
		[FAULT_OVERLOADED] = "overloaded", [FAULT_TRANSIENT] = "failed",
		[FAULT_CAPABILITY] = "capability", [FAULT_CANCELLED] = "cancelled",
	};

	return kind >= 0 && kind < (int32_t)(sizeof(names) / sizeof(*names)) ? names[kind] : "none";
}

/* state: "closed", "open" until a time, "probing" (one request is finding out). */
static void put_breaker(cJSON *o, const struct breaker *b, const struct host_error *e, bool words)
{
	static const char *const phases[] = { "closed", "open", "probing" };
	cJSON *error;

	cJSON_AddStringToObject(o, "state", phases[b->phase > BREAKER_PROBING ? 0 : b->phase]);
	if (b->phase == BREAKER_OPEN)
		add_time(o, "until", b->until);
	if (b->failures)
		cJSON_AddNumberToObject(o, "failures", b->failures);
	if (!e->wall_ms)
		return;
	error = cJSON_AddObjectToObject(o, "last_error");
	add_time(error, "at", e->wall_ms);
	cJSON_AddStringToObject(error, "kind", kind_name(e->kind));
	if (e->status)
		cJSON_AddNumberToObject(error, "status", e->status);
	if (e->text[0] && words)
		cJSON_AddStringToObject(error, "message", e->text);
	cJSON_AddNumberToObject(error, "count", e->count);
}

static void add_breaker(cJSON *o, const char *name, bool words)
{
	struct host_error e;
	struct breaker b;

	host_breaker_get(name, &b, &e);
	put_breaker(o, &b, &e, words);
}

/* A model that has a rate limit of its own has been at it. */
static void put_model(cJSON *to, const char *label, const struct breaker *b,
		      const struct host_error *e, bool words)
{
	cJSON *o = cJSON_CreateObject(), *list = cJSON_GetObjectItem(to, "models");

	if (!list)
		list = cJSON_AddArrayToObject(to, "models");
	cJSON_AddStringToObject(o, "model", label);
	put_breaker(o, b, e, words);
	api_tree_add(list, o);
}

static void add_model(void *ctx, const char *label, const struct breaker *b,
		      const struct host_error *e)
{
	put_model(ctx, label, b, e, false);
}

static void add_model_with_words(void *ctx, const char *label, const struct breaker *b,
				 const struct host_error *e)
{
	put_model(ctx, label, b, e, true);
}

static void add_key(cJSON *list, const struct backend *b, bool words)
{
	cJSON *o = cJSON_CreateObject();

	if (!b->key_mark) {
		cJSON_Delete(o);
		return;
	}
	if (b->api_key_from)
		cJSON_AddStringToObject(o, "from", b->api_key_from);
	add_breaker(o, b->key_mark, words);
	host_breaker_each(b->key_mark, words ? add_model_with_words : add_model, o);
	api_tree_add(list, o);
}

static cJSON *backend_tree(const struct config *c, const struct backend *b, bool words)
{
	cJSON *o = cJSON_CreateObject(), *keys;

	cJSON_AddStringToObject(o, "name", b->name);
	cJSON_AddStringToObject(o, "dialect", b->dialect);
	cJSON_AddBoolToObject(o, "in_use", b == c->backend);
	add_breaker(o, b->name, words);
	host_breaker_each(b->name, words ? add_model_with_words : add_model, o);
	keys = cJSON_AddArrayToObject(o, "keys");
	for (size_t i = 0; i < b->nways; i++)
		add_key(keys, &b->ways[i], words);
	if (!b->nways)
		add_key(keys, b, words);
	return o;
}

/* Of a chain the members that the key may use; nothing where there are none. */
static void add_chain(cJSON *chains, const char *name, const struct route_target *t,
		      const struct access_key *key)
{
	cJSON *o = cJSON_CreateObject(), *list;

	if (name)
		cJSON_AddStringToObject(o, "name", name);
	list = cJSON_AddArrayToObject(o, "members");
	for (size_t i = 0; i < t->n; i++) {
		cJSON *m;

		if (!access_backend(key, t->v[i].backend->name))
			continue;
		m = cJSON_CreateObject();
		cJSON_AddStringToObject(m, "backend", t->v[i].backend->name);
		if (t->v[i].model)
			cJSON_AddStringToObject(m, "model", t->v[i].model);
		if (t->v[i].weight)
			cJSON_AddNumberToObject(m, "weight", t->v[i].weight);
		api_tree_add(list, m);
	}
	if (key && key->backends && t->n && cJSON_GetArraySize(list) == 0)
		cJSON_Delete(o);
	else
		api_tree_add(chains, o);
}

bool api_is_of(const struct backend *b, const char *preset)
{
	return !preset || (b->preset && str_is_nocase(str_of(b->preset), preset));
}

bool api_shows(const struct api_call *c, enum access_right right)
{
	if (c->access.key)
		return access_may(c->access.key, right);
	return c->config->access_mode == ACCESS_LOCAL;
}

const struct backend *api_backend_of(const struct api_call *c, const char *preset)
{
	const struct config *cf = c->config;
	const struct backend *first = NULL;

	if (!preset && cf->backend && access_backend(c->access.key, cf->backend->name))
		return cf->backend;
	for (size_t i = 0; i < cf->nbackends; i++) {
		const struct backend *b = &cf->backends[i];

		if (api_is_of(b, preset) && access_backend(c->access.key, b->name) &&
		    (!first || (preset && str_is_nocase(str_of(b->name), preset))))
			first = b;
	}
	return first;
}

void api_add_members(struct cJSON *root, const struct api_call *call, const char *preset)
{
	const struct config *c = call->config;
	const struct access_key *key = call->access.key;
	cJSON *list = cJSON_AddArrayToObject(root, "backends");
	/* A backend's error may quote the request that it was an answer to, which was anybody's. */
	bool words = api_shows(call, RIGHT_DEBUG);

	for (size_t i = 0; i < c->nbackends; i++)
		if (api_is_of(&c->backends[i], preset) &&
		    access_backend(key, c->backends[i].name))
			api_tree_add(list, backend_tree(c, &c->backends[i], words));
	if (preset)
		return;
	list = cJSON_AddArrayToObject(root, "routes");
	for (size_t i = 0; i < c->nroutes; i++)
		add_chain(list, c->routes[i].name, &c->routes[i].to, key);
	list = cJSON_AddArrayToObject(root, "targets");
	for (size_t i = 0; i < c->ntargets; i++)
		add_chain(list, c->targets[i].name, &c->targets[i], key);
}
