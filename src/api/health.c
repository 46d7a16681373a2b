/*
 * Who asks how we are: load balancers (/health: one word), people and scripts (/status: what this
 * process knows; /health/detailed: the same with the backend probed when that is due), clients that
 * warm a connection (/, /api/hello). Nothing here costs money or tells a secret.
 */
#include <cjson/cJSON.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "api/api.h"
#include "base/clock.h"
#include "config.h"
#include "state/host.h"

#define PROBE_SECONDS 5

/* ---- reachability ---- */

static int ignore_data(void *ctx, const char *p, size_t n)
{
	return 0;
}

static int note_status(void *ctx, const struct upstream_head *h)
{
	*(int *)ctx = h->status;
	return 1; /* the head says it all: the list behind it is not read */
}

/* Where its list of models is, the first of several; the bare address of who has none. */
static const char *list_url(const struct backend *b, struct arena *a)
{
	struct str paths = str_of(b->path_models), path;

	if (!b->path_models || !str_split(&paths, ' ', &path))
		return b->base_url;
	return arena_printf(a, "%s%.*s", b->models_url ? b->models_url : b->base_url,
			    STR_ARGS(path));
}

/* Any HTTP answer shows that the way there works; what it says of our key is shown beside it. */
static void probe(const struct config *c, const struct backend *b, struct host_health *out)
{
	struct arena arena;
	struct fault f = FAULT_INIT;
	struct upstream_report report = { .first_byte_ms = -1 };
	int status = 0;
	struct upstream_call call = {
		.method = "GET",
		.backend = b,
		.deadline = clock_ms() + PROBE_SECONDS * 1000LL,
		.compress = true,
		.on_head = note_status,
		.on_data = ignore_data,
		.ctx = &status,
		.report = &report,
	};

	arena_init(&arena, 0);
	call.url = list_url(b, &arena);
	if (call.url && upstream_perform(&call, &f) == UPSTREAM_CANCELLED)
		status = 0;
	arena_release(&arena);
	*out = (struct host_health){
		.checked_wall_ms = clock_wall_ms(),
		.status = status,
		.reachable = status != 0,
		.latency_ms = status ? (int32_t)report.first_byte_ms : -1,
	};
	host_health_put(b->name, out);
}

void api_reach(const struct config *c, const struct backend *b, bool probe_now,
	       struct host_health *out)
{
	if (probe_now && host_health_claim(b->name, c->health_interval * 1000LL))
		probe(c, b, out);
	else
		host_health_get(b->name, out);
}

/* ---- what is shown ---- */

static void add_reach(cJSON *o, const struct host_health *h)
{
	char when[32];

	if (!h->checked_wall_ms) {
		cJSON_AddNullToObject(o, "reachable");
		return;
	}
	clock_rfc3339(when, sizeof(when), h->checked_wall_ms, 1);
	cJSON_AddBoolToObject(o, "reachable", h->reachable);
	cJSON_AddStringToObject(o, "checked_at", when);
	if (h->status)
		cJSON_AddNumberToObject(o, "status", h->status);
	if (h->latency_ms >= 0)
		cJSON_AddNumberToObject(o, "latency_ms", h->latency_ms);
}

static void add_backend(cJSON *root, const struct config *c, const struct backend *b,
			bool probe_now, bool *up)
{
	struct host_health h;
	cJSON *o;

	if (!b) {
		cJSON_AddNullToObject(root, "backend");
		return;
	}
	api_reach(c, b, probe_now, &h);
	*up = !h.checked_wall_ms || h.reachable;
	o = cJSON_AddObjectToObject(root, "backend");
	cJSON_AddStringToObject(o, "name", b->name);
	cJSON_AddStringToObject(o, "dialect", b->dialect);
	cJSON_AddStringToObject(o, "base_url", b->base_url);
	add_reach(o, &h);
}

static void add_text(cJSON *o, const char *key, const char *text)
{
	if (text)
		cJSON_AddStringToObject(o, key, text);
	else
		cJSON_AddNullToObject(o, key);
}

/* "NAME/model" or "NAME,model" of a backend that the key may not use. */
static bool leads_elsewhere(const struct api_call *call, const char *to)
{
	const struct config *c = call->config;

	for (size_t i = 0; i < c->nbackends; i++) {
		size_t n = strlen(c->backends[i].name);

		if (!access_backend(call->access.key, c->backends[i].name) &&
		    strncmp(to, c->backends[i].name, n) == 0 && (to[n] == '/' || to[n] == ','))
			return true;
	}
	return false;
}

static void add_models(cJSON *root, const struct api_call *call, const struct backend *b)
{
	cJSON *o = cJSON_AddObjectToObject(root, "models"), *map;
	const struct config *c = call->config;
	bool other = b && b != c->backend;

	add_text(o, "big", other ? b->model_big : c->model_big);
	add_text(o, "small", other ? b->model_small : c->model_small);
	add_text(o, "default", c->model_default);
	map = cJSON_AddArrayToObject(o, "map");
	for (size_t i = 0; map && i < c->nrules; i++) {
		cJSON *rule;

		if (leads_elsewhere(call, c->rules[i].to))
			continue;
		rule = cJSON_CreateObject();
		cJSON_AddStringToObject(rule, "match", c->rules[i].match);
		cJSON_AddStringToObject(rule, "to", c->rules[i].to);
		api_tree_add(map, rule);
	}
}

static const char *access_name(enum access_mode mode)
{
	static const char *const names[] = {
		[ACCESS_UNSET] = "local", [ACCESS_KEYS] = "keys",
		[ACCESS_LOCAL] = "local", [ACCESS_PASSTHROUGH] = "passthrough",
		[ACCESS_OPEN] = "open",
	};

	return names[mode];
}

static void add_features(cJSON *root, const struct backend *b)
{
	cJSON *o = cJSON_AddObjectToObject(root, "features");

	cJSON_AddBoolToObject(o, "streaming", true);
	cJSON_AddBoolToObject(o, "tools", true);
	cJSON_AddBoolToObject(o, "images", true);
	cJSON_AddBoolToObject(o, "exact_count_tokens", b && b->path_count);
	cJSON_AddBoolToObject(o, "model_list", b && b->path_models);
	cJSON_AddBoolToObject(o, "message_threads", b && b->anthropic_host);
}

static cJSON *status_tree(const struct api_call *c, const char *preset, bool probe_now)
{
	const struct backend *b = api_backend_of(c, preset);
	cJSON *root = cJSON_CreateObject();
	bool up = true;

	if (!root)
		return NULL;
	add_backend(root, c->config, b, probe_now, &up);
	cJSON_AddStringToObject(root, "status",
				stop_get() != STOP_RUNNING ? "draining"
				: up                       ? "ok"
							   : "backend unreachable");
	cJSON_AddStringToObject(root, "version", PACKAGE_VERSION);
	cJSON_AddStringToObject(root, "front", c->front->ops->name);
	cJSON_AddNumberToObject(root, "pid", getpid());
	cJSON_AddNumberToObject(root, "requests", gate_requests());
	cJSON_AddStringToObject(root, "access", access_name(c->config->access_mode));
	if (api_shows(c, RIGHT_DEBUG))
		add_text(root, "config", c->config->source);
	cJSON_AddNumberToObject(root, "config_generation", (double)c->config->generation);
	add_models(root, c, b);
	api_add_members(root, c, preset);
	add_features(root, b);
	/* Asking costs milliseconds: libcurl asks every library of its own. */
	if (probe_now)
		cJSON_AddStringToObject(root, "upstream_library", upstream_library());
	return root;
}

int api_status(struct api_call *c)
{
	return api_json(c, 200, status_tree(c, NULL, false));
}

int api_health_of(struct api_call *c, const char *preset)
{
	return api_json(c, stop_get() == STOP_RUNNING ? 200 : 503, status_tree(c, preset, true));
}

int api_health_detailed(struct api_call *c)
{
	return api_health_of(c, NULL);
}

int api_health(struct api_call *c)
{
	bool running = stop_get() == STOP_RUNNING;

	return answer_whole(c->answer, running ? 200 : 503, "text/plain",
			    running ? STR("ok\n") : STR("draining\n"));
}

int api_hello(struct api_call *c)
{
	return answer_whole(c->answer, 200, "text/plain", STR("hello\n"));
}

int api_root(struct api_call *c)
{
	cJSON *root = cJSON_CreateObject(), *list;

	if (!root)
		return api_json(c, 200, NULL);
	cJSON_AddStringToObject(root, "name", PACKAGE_NAME);
	cJSON_AddStringToObject(root, "version", PACKAGE_VERSION);
	list = cJSON_AddArrayToObject(root, "endpoints");
	for (const struct api_route *rt = api_routes(); list && rt->method; rt++) {
		char text[64];

		snprintf(text, sizeof(text), "%s %s", rt->method, rt->path);
		api_tree_add(list, cJSON_CreateString(text));
	}
	return api_json(c, 200, root);
}
