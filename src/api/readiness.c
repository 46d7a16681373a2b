/*
 * /health/claude-code/…, which clients of the earlier system ask: is the gateway ready for Claude
 * Code, what can it do, how is it doing, and what becomes of a model's name. All from what the
 * doctor and the router know.
 */
#include <cjson/cJSON.h>
#include <string.h>

#include "api/api.h"
#include "base/clock.h"
#include "config.h"
#include "doctor/doctor.h"
#include "state/host.h"

#define WINDOW_LEAST 30000 /* tokens: Claude Code's first turn takes some 20,000 */

static void add_ok(cJSON *checks, const char *name, bool ok)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "name", name);
	cJSON_AddBoolToObject(o, "ok", ok);
	api_tree_add(checks, o);
}

static bool add_checks(cJSON *root, const struct api_call *c, const struct findings *l)
{
	cJSON *checks = cJSON_AddArrayToObject(root, "checks");
	const struct backend *b = api_backend_of(c, NULL);
	struct host_health h = { .reachable = true };
	bool reachable, valid = !findings_get(l, "config.error");
	bool folders = !findings_get(l, "folder.unwritable");
	bool clock = !findings_get(l, "clock.early");

	if (b)
		api_reach(c->config, b, true, &h);
	reachable = b && (!h.checked_wall_ms || h.reachable);
	add_ok(checks, "configuration", valid);
	add_ok(checks, "backend_configured", b != NULL);
	add_ok(checks, "backend_reachable", reachable);
	add_ok(checks, "folders_writable", folders);
	add_ok(checks, "clock", clock);
	add_ok(checks, "accepting_requests", stop_get() == STOP_RUNNING);
	return reachable && valid && clock && stop_get() == STOP_RUNNING;
}

int api_readiness(struct api_call *c)
{
	struct findings l = { .arena = c->arena };
	cJSON *root = cJSON_CreateObject();
	bool ready;

	if (!root)
		return api_json(c, 200, NULL);
	doctor_config(&l, config_how(), NULL, NULL);
	doctor_host(&l, c->config);
	findings_sort(&l);
	ready = add_checks(root, c, &l);
	cJSON_AddStringToObject(root, "status", ready ? "ready" : "not_ready");
	cJSON_AddBoolToObject(root, "ready", ready);
	cJSON_AddStringToObject(root, "version", PACKAGE_VERSION);
	if (api_shows(c, RIGHT_DOCTOR))
		cJSON_AddItemToObject(root, "findings", findings_json(&l));
	return api_json(c, ready ? 200 : 503, root);
}

/* What a backend's settings mean for a client; what a backend cannot do is left out of requests or
 * done by the gateway. */
static void add_features(cJSON *root, const struct backend *b)
{
	bool native = strcmp(b->dialect, "anthropic") == 0;
	cJSON *o = cJSON_AddObjectToObject(root, "features");

	cJSON_AddBoolToObject(o, "streaming", true);
	cJSON_AddBoolToObject(o, "tools", true);
	cJSON_AddBoolToObject(o, "images", true);
	cJSON_AddBoolToObject(o, "documents", native || b->files);
	cJSON_AddBoolToObject(o, "thinking", native || b->reasoning != REASONING_NONE);
	cJSON_AddBoolToObject(o, "prompt_caching", native || b->cache_control);
	cJSON_AddBoolToObject(o, "parallel_tool_calls", native || b->parallel_tool_calls);
	cJSON_AddBoolToObject(o, "exact_count_tokens", b->path_count != NULL);
	cJSON_AddBoolToObject(o, "model_list", b->path_models != NULL);
	cJSON_AddBoolToObject(o, "native", native);
}

static void add_number(cJSON *o, const char *key, int64_t n)
{
	if (n)
		cJSON_AddNumberToObject(o, key, (double)n);
	else
		cJSON_AddNullToObject(o, key);
}

int api_capabilities(struct api_call *c)
{
	const struct backend *b = api_backend_of(c, NULL);
	const struct config *cf = c->config;
	cJSON *root = cJSON_CreateObject(), *list, *o;

	if (!root)
		return api_json(c, 200, NULL);
	cJSON_AddStringToObject(root, "version", PACKAGE_VERSION);
	cJSON_AddStringToObject(root, "api", "messages");
	list = cJSON_AddArrayToObject(root, "endpoints");
	for (const struct api_route *rt = api_routes(); list && rt->method; rt++)
		if (strncmp(rt->path, "/v1/", 4) == 0)
			api_tree_add(list, cJSON_CreateString(arena_printf(c->arena, "%s %s",
									   rt->method, rt->path)));
	if (b) {
		cJSON_AddStringToObject(root, "backend", b->name);
		cJSON_AddStringToObject(root, "dialect", b->dialect);
		add_features(root, b);
	} else {
		cJSON_AddNullToObject(root, "backend");
	}
	o = cJSON_AddObjectToObject(root, "limits");
	add_number(o, "max_body", cf->max_body);
	add_number(o, "requests", cf->requests);
	add_number(o, "workers", cf->workers);
	return api_json(c, 200, root);
}

static void add_reach(cJSON *list, const struct config *cf, const struct backend *b)
{
	struct host_health h;
	cJSON *o = cJSON_CreateObject();

	api_reach(cf, b, false, &h);
	cJSON_AddStringToObject(o, "name", b->name);
	if (h.checked_wall_ms)
		cJSON_AddBoolToObject(o, "reachable", h.reachable);
	else
		cJSON_AddNullToObject(o, "reachable");
	if (h.checked_wall_ms && h.latency_ms >= 0)
		cJSON_AddNumberToObject(o, "latency_ms", h.latency_ms);
	else
		cJSON_AddNullToObject(o, "latency_ms");
	cJSON_AddBoolToObject(o, "resting", !host_breaker_ready(b->name));
	api_tree_add(list, o);
}

int api_performance(struct api_call *c)
{
	const struct config *cf = c->config;
	cJSON *root = cJSON_CreateObject(), *list, *o;

	if (!root)
		return api_json(c, 200, NULL);
	cJSON_AddNumberToObject(root, "requests_running", gate_requests());
	o = cJSON_AddObjectToObject(root, "limits");
	add_number(o, "requests", cf->requests);
	add_number(o, "workers", cf->workers);
	add_number(o, "memory", cf->memory);
	o = cJSON_AddObjectToObject(root, "stream");
	add_number(o, "commit_after_seconds", cf->commit_after);
	add_number(o, "ping_interval_seconds", cf->ping_interval);
	list = cJSON_AddArrayToObject(root, "backends");
	for (size_t i = 0; list && i < cf->nbackends; i++)
		if (access_backend(c->access.key, cf->backends[i].name))
			add_reach(list, cf, &cf->backends[i]);
	return api_json(c, 200, root);
}

int api_compatibility(struct api_call *c)
{
	struct fault f = FAULT_INIT;
	struct target t;
	struct target_chain chain = { .v = &t, .n = 1 };
	cJSON *root;
	int64_t window;

	if (route_select(c->config, c->rest, c->arena, &t, &f) ||
	    limits_chain(c->access.key, c->rest, &chain, &f))
		return api_fault(c, &f);
	root = cJSON_CreateObject();
	if (!root)
		return api_json(c, 200, NULL);
	window = t.backend->context_tokens;
	cJSON_AddStringToObject(root, "model", str_utf8(str_of(c->rest)) ? c->rest : "");
	cJSON_AddStringToObject(root, "backend", t.backend->name);
	cJSON_AddStringToObject(root, "backend_model", t.model);
	cJSON_AddStringToObject(root, "rule", t.rule ? t.rule : "");
	add_number(root, "context_tokens", window);
	cJSON_AddBoolToObject(root, "compatible", !window || window >= WINDOW_LEAST);
	add_features(root, t.backend);
	return api_json(c, 200, root);
}
