/*
 * Where a backend is: base_url and paths from what people write, which is a host, a name, or a URL
 * that they have copied from somewhere else.
 */
#include "config/draft.h"

#include <string.h>

static bool take_tail(struct str *url, const char *tail)
{
	size_t n = strlen(tail);

	if (!str_ends(*url, tail))
		return false;
	url->n -= n;
	return true;
}

static void take_slashes(struct str *url)
{
	while (url->n && url->p[url->n - 1] == '/')
		url->n--;
}

/* A base URL that ends where base_path has only begun ("…/openai" of "/openai/v1"). */
static bool take_beginning(struct str *url, const char *host, const char *bare)
{
	const char *path = memchr(host, '/', (size_t)(url->p + url->n - host));
	size_t n = path ? (size_t)(url->p + url->n - path) : 0;

	if (!n || strlen(bare) <= n || bare[n] != '/' || strncmp(bare, path, n) != 0)
		return false;
	url->n -= n;
	return true;
}

/* People copy base URLs in every form: with the endpoint's path, with a slash, without the version.
 */
static void fix_base_url(struct loader *l, struct draft *d)
{
	const struct dialect_preset *dp = dialect_preset_find(d->b.dialect);
	struct str url = str_of(d->b.base_url);
	const char *host, *bare;
	size_t i;

	if (!url.n || !dp)
		return;
	bare = d->b.base_path ? d->b.base_path : dp->bare ? dp->bare : "";
	take_slashes(&url);
	for (i = 0; dp->tails[i]; i++)
		if (take_tail(&url, dp->tails[i]))
			take_slashes(&url);
	host = strstr(d->b.base_url, "://");
	host = host ? host + 3 : d->b.base_url;
	take_beginning(&url, host, bare);
	d->b.base_url = arena_printf(l->arena, "%.*s%s", STR_ARGS(url),
		memchr(host, '/', (size_t)(url.p + url.n - host)) ? "" : bare);
}

/* "adb-123.4" or a name without a dot is a workspace of the preset's own domain. */
static bool host_is_bare(struct str host)
{
	const char *dot = str_find(host, ".");
	int64_t shard;

	return !dot || (str_starts_nocase(host, "adb-") &&
			str_int((struct str){ dot + 1, (size_t)(host.p + host.n - dot - 1) }, &shard));
}

/* A host in any form that people copy out of a browser: what comes behind it is the page they were
 * on. */
static void host_to_url(struct loader *l, struct draft *d)
{
	bool plain = str_starts_nocase(str_of(d->b.host), "http://");
	const char *scheme = d->b.host ? strstr(d->b.host, "://") : NULL;
	struct str rest = str_of(scheme ? scheme + 3 : d->b.host), host;

	if (d->b.base_url || !str_split(&rest, '/', &host) || !host.n)
		return;
	d->b.base_url = arena_printf(l->arena, "%s%.*s%s", plain ? "http://" : "https://",
				     STR_ARGS(host),
				     host_is_bare(host) && d->b.host_suffix ? d->b.host_suffix : "");
}

/* Google's host: a region, one of two groups of regions, or all of the world. */
static const char *aiplatform(struct loader *l, const char *region)
{
	if (!region || strchr(region, '{'))
		return NULL;
	if (!strcmp(region, "global"))
		return "aiplatform";
	if (!strcmp(region, "us") || !strcmp(region, "eu"))
		return arena_printf(l->arena, "aiplatform.%s.rep", region);
	return arena_printf(l->arena, "%s-aiplatform", region);
}

/* "{region}", "{project}" and "{aiplatform}", Google's host for the region, in a URL. One that is
 * not set stays, and is told of then. */
static const char *with_places(struct loader *l, const struct draft *d, const char *url)
{
	const struct { const char *place, *value; } places[] = {
		{ "{region}", d->b.region },
		{ "{aiplatform}", aiplatform(l, d->b.region) },
		{ "{project}", d->b.project },
	};
	const char *at;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		while (places[i].value && !strchr(places[i].value, '{') && url &&
		       (at = strstr(url, places[i].place)))
			url = arena_printf(l->arena, "%.*s%s%s", (int)(at - url), url,
					   places[i].value, at + strlen(places[i].place));
	}
	return url;
}

/* The preset's other host for lists belongs to its own base URL: with another one, that host has
 * them. */
static void models_to_url(struct loader *l, struct draft *d)
{
	const char *host = d->b.base_url ? strstr(d->b.base_url, "://") : NULL;

	if (!d->b.models_url)
		return;
	if (host && option_from(&d->set, "models_url")->kind == ORIGIN_PRESET &&
	    option_from(&d->set, "base_url")->kind != ORIGIN_PRESET)
		d->b.models_url = arena_printf(l->arena, "%.*s",
					       (int)(host + 3 + strcspn(host + 3, "/?") -
						     d->b.base_url), d->b.base_url);
	d->b.models_url = with_places(l, d, d->b.models_url);
}

const char *address_lacks(const struct backend *b)
{
	return strstr(b->base_url, "{project}") ? "project" :
	       strstr(b->base_url, "{region}") || strstr(b->base_url, "{aiplatform}") ? "region" :
	       NULL;
}

/* ---- Azure OpenAI ---- */

#define DEPLOYMENTS "/openai/deployments/"
/* The first dated version that has the Responses API, and the last one that is no preview. */
#define RESPONSES_SINCE "2025-03-01"
#define LAST_DATED "2024-10-21"

/* A URL with "?api-version=…" behind it, as Azure's pages show it, says that option too. */
static void take_query(struct loader *l, struct draft *d)
{
	const char *query = d->b.base_url ? strchr(d->b.base_url, '?') : NULL;
	const char *version = query ? strstr(query, "api-version=") : NULL;

	if (!d->b.api_version && d->b.base_url && strstr(d->b.base_url, DEPLOYMENTS))
		d->b.api_version = LAST_DATED;
	if (!version)
		return;
	version += strlen("api-version=");
	if (option_from(&d->set, "api_version")->kind == ORIGIN_DEFAULT)
		d->b.api_version = arena_dup(l->arena, version, strcspn(version, "&#"));
	d->b.base_url = arena_dup(l->arena, d->b.base_url, (size_t)(query - d->b.base_url));
}

/* A deployment that the URL names serves every model. */
static const char *take_deployment(struct loader *l, struct draft *d)
{
	const char *at = d->b.base_url ? strstr(d->b.base_url, DEPLOYMENTS) : NULL;
	const char *name = at ? at + strlen(DEPLOYMENTS) : NULL;

	if (!at || !*name)
		return NULL;
	name = arena_dup(l->arena, name, strcspn(name, "/"));
	d->b.base_url = arena_dup(l->arena, d->b.base_url, (size_t)(at - d->b.base_url));
	if (!d->b.model_big)
		d->b.model_big = name;
	return name;
}

static const char *versioned(struct loader *l, const char *path, const char *version)
{
	return path && *path ? arena_printf(l->arena, "%s?api-version=%s", path, version) : path;
}

/*
 * The dated API: the deployment stands in the address, the version behind it. What is no date
 * ("preview") goes behind the paths of the API that has no dates.
 */
static void api_version_to_paths(struct loader *l, struct draft *d)
{
	const char *name, *version;
	struct backend *b = &d->b;

	take_query(l, d);
	if (option_from(&d->set, "path_message")->kind != ORIGIN_PRESET)
		return;
	version = b->api_version;
	if (!version || !*version)
		return;
	if (*version < '0' || *version > '9') {
		b->path_message = versioned(l, b->path_message, version);
		b->path_responses = versioned(l, b->path_responses, version);
		b->path_models = versioned(l, b->path_models, version);
		return;
	}
	name = take_deployment(l, d);
	b->base_path = "/openai";
	b->path_message = versioned(l, arena_printf(l->arena, "/deployments/%s/chat/completions",
						    name ? name : "{model}"), version);
	b->path_responses = versioned(l, "/responses", version);
	b->path_models = versioned(l, "/models", version);
	if (strcmp(version, RESPONSES_SINCE) < 0)
		b->responses_models = NULL;
}

void address_settle(struct loader *l, struct draft *d)
{
	host_to_url(l, d);
	d->b.base_url = with_places(l, d, d->b.base_url);
	models_to_url(l, d);
	api_version_to_paths(l, d);
	fix_base_url(l, d);
}
