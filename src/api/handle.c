/*
 * The way of one request: ids, config snapshot, preflight, the table of endpoints, access, the
 * endpoint, the log line. Every refusal on this way is a fault that the ingress turns into the
 * API's own error shape.
 */
#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "api/api.h"
#include "base/log.h"
#include "base/parts.h"
#include "ingress/ingress.h"

/* A request's small memory (parsed tables, converted texts): so much, and so many times
 * limits.max_body more. */
#define ARENA_BASE (16u << 20)
#define ARENA_PER_BODY 4
#define PREFLIGHT_SECONDS 600

/* method, path, what it needs, quiet in the log, function */
static const struct api_route routes[] = {
	{ "POST", "/v1/messages", NEED_MESSAGES, false, api_messages },
	{ "POST", "/v1/messages/stream", NEED_MESSAGES, false, api_messages_stream },
	{ "POST", "/v1/messages/count_tokens", NEED_COUNT_TOKENS, false, api_count_tokens },
#if WITH_EARLIER_PATHS
	{ "POST", "/v1/universal/stream", NEED_MESSAGES, false, api_universal_stream },
	{ "GET", "/v1/universal/providers", NEED_MODELS, false, api_universal_providers },
	{ "GET", "/v1/universal/providers/*", NEED_MODELS, false, api_universal_provider },
	{ "GET", "/v1/universal/health", NEED_HEALTH, true, api_universal_health },
	{ "POST", "/v1/databricks/messages", NEED_MESSAGES, false, api_databricks_messages },
	{ "POST", "/v1/databricks/messages/stream", NEED_MESSAGES, false, api_databricks_stream },
	{ "POST", "/v1/databricks/messages/claude-sonnet-4", NEED_MESSAGES, false,
		api_databricks_sonnet_4 },
	{ "POST", "/v1/databricks/messages/claude-3-7-sonnet", NEED_MESSAGES, false,
		api_databricks_sonnet_3_7 },
	{ "GET", "/v1/databricks/health", NEED_NOTHING, true, api_health },
	{ "GET", "/v1/databricks/health/detailed", NEED_HEALTH, true, api_databricks_health },
#endif
	{ "GET", "/v1/models", NEED_MODELS, false, api_models },
	{ "GET", "/v1/models/*", NEED_MODELS, false, api_model },
	{ "GET", "/", NEED_NOTHING, true, api_root },
	{ "GET", "/api/hello", NEED_NOTHING, true, api_hello },
	{ "GET", "/status", NEED_HEALTH, true, api_status },
	{ "GET", "/health", NEED_NOTHING, true, api_health },
	{ "GET", "/health/detailed", NEED_HEALTH, true, api_health_detailed },
#if WITH_EARLIER_PATHS
	{ "GET", "/health/claude-code/readiness", NEED_HEALTH, true, api_readiness },
	{ "GET", "/health/claude-code/capabilities", NEED_HEALTH, true, api_capabilities },
	{ "GET", "/health/claude-code/performance", NEED_HEALTH, true, api_performance },
	{ "GET", "/health/claude-code/compatibility/*", NEED_HEALTH, false, api_compatibility },
#endif
#if WITH_DOCTOR
	{ "GET", "/doctor", NEED_NOTHING, false, api_doctor },
#endif
#if WITH_ERROR_FILES
	{ "GET", "/debug/errors/recent", NEED_DEBUG, false, api_debug_recent },
	{ "GET", "/debug/errors/enhanced/recent", NEED_DEBUG, false, api_debug_enhanced_recent },
	{ "GET", "/debug/errors/enhanced/stats", NEED_DEBUG, false, api_debug_enhanced_stats },
	{ "GET", "/debug/errors/stats", NEED_DEBUG, false, api_debug_stats },
	{ "GET", "/debug/errors/search", NEED_DEBUG, false, api_debug_search },
	{ "GET", "/debug/errors/registry", NEED_DEBUG, false, api_debug_registry },
	{ "GET", "/debug/errors/hash/*", NEED_DEBUG, false, api_debug_hash },
	{ "POST", "/debug/errors/cleanup", NEED_DEBUG, false, api_debug_cleanup },
	{ "GET", "/debug/errors/*", NEED_DEBUG, false, api_debug_show },
	{ "GET", "/debug/server/instance", NEED_DEBUG, false, api_debug_instance },
#endif
	{ 0 },
};

const struct api_route *api_routes(void)
{
	return routes;
}

int api_fault(struct api_call *c, const struct fault *f)
{
	account_fault(&c->account, f);
	/* First, so that whoever reads the id in the answer finds it recorded. */
	api_trace_answered(c, f);
	return anthropic_error_answer(c->answer, f);
}

int api_json(struct api_call *c, int status, struct cJSON *tree)
{
	char *text = tree ? api_tree_print(tree) : NULL;
	struct fault f = FAULT_INIT;
	int rc;

	cJSON_Delete(tree);
	if (!text) {
		fault_no_memory(&f);
		return api_fault(c, &f);
	}
	rc = answer_whole(c->answer, status, "application/json", str_of(text));
	cJSON_free(text);
	return rc;
}

/* The path without a slash at its end: "/v1/models/" is the list. */
static struct str plain_path(const struct http_request *r)
{
	struct str s = str_of(r->path);

	while (s.n > 1 && s.p[s.n - 1] == '/')
		s.n--;
	return s;
}

/* What '*' stands for; a slash inside an id may have come as %2F. */
static const char *rest_of(struct arena *a, struct str rest)
{
	char *out = arena_alloc(a, rest.n + 1), *o = out;

	for (size_t i = 0; out && i < rest.n; i++) {
		if (rest.n - i >= 3 && str_is_nocase((struct str){ rest.p + i, 3 }, "%2f")) {
			*o++ = '/';
			i += 2;
		} else {
			*o++ = rest.p[i];
		}
	}
	return out;
}

static bool path_matches(const struct api_route *rt, struct str path, struct arena *a,
			 const char **rest)
{
	size_t n = strlen(rt->path);

	if (rt->path[n - 1] != '*')
		return str_is(path, rt->path);
	if (path.n < n || strncmp(path.p, rt->path, n - 1) != 0)
		return false;
	*rest = rest_of(a, (struct str){ path.p + n - 1, path.n - n + 1 });
	return *rest != NULL;
}

const struct api_route *api_find_route(struct api_call *c)
{
	struct str path = plain_path(c->request);

	for (const struct api_route *rt = routes; rt->method; rt++)
		if (path_matches(rt, path, c->arena, &c->rest))
			return rt;
	return NULL;
}

static bool method_matches(const struct api_route *rt, const char *method)
{
	if (strcmp(method, "HEAD") == 0)
		return strcmp(rt->method, "GET") == 0;
	return strcmp(rt->method, method) == 0;
}

static int wrong_method(const struct api_call *c, const struct api_route *rt, struct fault *f)
{
	bool post = strcmp(rt->method, "POST") == 0;

	fault_set(f, FAULT_BAD_REQUEST, 405, "invalid_request_error", "%s takes %s, not %.32s.",
		  rt->path, post ? "POST" : "GET", c->request->method);
	f->allow = post ? "POST, OPTIONS" : "GET, HEAD, OPTIONS";
	return -1;
}

/* A browser asks before it sends; only listed origins are told that they may. */
static NOINLINE int preflight(struct api_call *c)
{
	const char *wanted = http_header(c->request, "access-control-request-headers");
	struct fault f = FAULT_INIT;

	if (!access_preflight(c->config, c->request)) {
		fault_set(&f, FAULT_AUTH, 403, "permission_error",
			  "This origin may not use the gateway: list it in access.origins.");
		return api_fault(c, &f);
	}
	answer_header(c->answer, "Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS");
	/* anthropic-* and x-stainless-* are open lists: what is asked for is allowed. */
	answer_header(c->answer, "Access-Control-Allow-Headers",
		      wanted ? wanted : "content-type, x-api-key, authorization");
	answer_header_int(c->answer, "Access-Control-Max-Age", PREFLIGHT_SECONDS);
	return answer_whole(c->answer, 204, NULL, STR_NONE);
}

static int no_such_path(const struct api_call *c, struct fault *f)
{
	struct str path = str_cut_utf8(str_of(c->request->path), 200);

	if (!str_utf8(path))
		path = STR("path of that name");
	return fault_set(f, FAULT_BAD_REQUEST, 404, "not_found_error",
			 "There is no %.*s here; GET / lists what there is.", STR_ARGS(path));
}

/* Everything that is settled before the endpoint: -1 with the fault filled. */
static int admit(struct api_call *c, const struct api_route *rt, struct fault *f)
{
	if (c->arena->failed)
		return fault_no_memory(f);
	if (access_check(c->config, c->request, rt ? rt->need : NEED_KEY, &c->access, f))
		return -1;
	if (!rt)
		return no_such_path(c, f);
	if (!method_matches(rt, c->request->method))
		return wrong_method(c, rt, f);
	if (stop_get() != STOP_RUNNING && rt->need != NEED_NOTHING) {
		fault_set(f, FAULT_OVERLOADED, 529, "overloaded_error",
			  "The gateway is restarting; try again.");
		f->retry_after = 1;
		return -1;
	}
	return 0;
}

static NOINLINE int refuse_busy(struct api_call *c)
{
	struct fault f = FAULT_INIT;

	fault_set(&f, FAULT_OVERLOADED, 529, "overloaded_error",
		  "Every worker of the gateway is taken (limits.workers); try again.");
	f.retry_after = 1;
	return api_fault(c, &f);
}

/* False when the request has been answered with a fault. */
static NOINLINE bool admitted(struct api_call *c, const struct api_route *rt)
{
	struct fault f = FAULT_INIT;

	if (admit(c, rt, &f) == 0)
		return true;
	api_fault(c, &f);
	return false;
}

static void dispatch(struct api_call *c)
{
	const struct api_route *rt = NULL;

	if (c->busy) {
		refuse_busy(c);
	} else if (strcmp(c->request->method, "OPTIONS") == 0) {
		preflight(c);
	} else {
		rt = api_find_route(c);
		if (WITH_DOCTOR)
			rt = api_probe_route(c, rt);
		if (admitted(c, rt))
			rt->handle(c);
	}
	/* Not after the log is written, which may take its time: a client that has its answer may be
	 * here with its next request. */
	limits_leave(c);
	if (c->config->log_requests)
		account_log(c, rt && rt->quiet);
}

/* A reloaded configuration may log elsewhere; the first request after it makes that so. The first
 * generation is that of the start. While one request is at it, which may take its time, the others
 * go on; whose settings are older is too late. */
static void follow_log(const struct config *c)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static _Atomic int64_t followed = 1;
	int level = log_level_of(str_of(c->log_level));

	if (atomic_load(&followed) >= c->generation || pthread_mutex_trylock(&lock))
		return;
	if (atomic_load(&followed) < c->generation) {
		log_setup(level < 0 ? LOG_LEVEL_INFO : (enum log_level)level,
			  c->log_dest ? c->log_dest : "stderr");
		api_trace_setup(c);
		atomic_store(&followed, c->generation);
	}
	pthread_mutex_unlock(&lock);
}

void api_handle(void *ctx, struct front *f, bool busy)
{
	struct config *config = config_current();
	struct http_request request;
	struct answer answer;
	struct arena arena;
	struct api_call call = {
		.front = f,
		.request = &request,
		.answer = &answer,
		.config = config,
		.arena = &arena,
		.busy = busy,
		.account = { .usage = USAGE_UNKNOWN },
	};

	follow_log(config);
	api_tree_begin();
	/* Four bodies of a gigabyte are more than a size of 32 bits counts. */
	arena_init(&arena, api_size(ARENA_BASE + ARENA_PER_BODY * (uint64_t)config->max_body));
	http_request_init(&request, f, &arena);
	answer_init(&answer, f, &request);
	api_trace_begin(&call);
	dispatch(&call);
	trace_end();
	answer_release(&answer);
	arena_release(&arena);
	config_unref(config);
}
