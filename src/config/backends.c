/*
 * What each backend is: the options' defaults, its dialect's settings, its preset's, the file's and
 * the environment's, in this order; then what follows from them, and whether it can be used.
 */
#include "config/draft.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/env.h"
#include "base/parts.h"
#include "config/secret.h"

static bool same(const char *a, const char *b)
{
	return a && b && !strcasecmp(a, b);
}

struct origin draft_origin(struct loader *l, const struct draft *d)
{
	if (d->group)
		return origin_setting(l, d->group);
	return (struct origin){ .kind = ORIGIN_PRESET, .where = d->b.name };
}

static void put_settings(struct loader *l, struct draft *d, const struct preset_setting *p,
			 struct origin from)
{
	for (; p->option; p++)
		option_set_text(l, &d->set, p->option, p->value, from);
}

/* Does the variable hold a key? */
static bool is_secret(const struct preset_env *e)
{
	const struct option *o = option_find(&options_backend, e->option);

	return o && (o->type == TYPE_SECRET || o->type == TYPE_SECRETS);
}

static void put_preset_env(struct loader *l, struct draft *d)
{
	const struct preset_env *e;

	for (e = d->preset->env; e->option; e++) {
		struct origin from = { .kind = ORIGIN_ENV };
		const char *text = option_env(l, e->vars, &from.where);

		if (!text)
			continue;
		option_set_text(l, &d->set, e->option,
				arena_printf(l->arena, "%s%s", e->before ? e->before : "", text),
				from);
		if (is_secret(e))
			env_wipe(from.where);
	}
}

/* The file's word on which preset and dialect to begin with, needed before the rest is read. */
static const char *group_text(const struct draft *d, const char *name)
{
	const char *text = NULL;

	if (d->group)
		config_setting_lookup_string(d->group, name, &text);
	return text;
}

static const char *dialect_names(struct loader *l)
{
	const char *names = dialects[0].name;

	for (const struct dialect_preset *d = dialects + 1; d->name && names; d++)
		names = arena_printf(l->arena, "%s, %s", names, d->name);
	return names ? names : "";
}

/* The preset's, or in a build without that one what every build has. */
static const char *preset_dialect(const struct preset *p)
{
	const struct dialect_preset *dp = dialect_preset_find(p->dialect);
	bool chat = !strcmp(p->dialect, "openai") ||
		    preset_settings(p, "openai-chat") != p->settings;

	return dp && part_missing(dp->part) && chat ? "openai-chat" : p->dialect;
}

static const struct dialect_preset *draft_dialect(struct loader *l, struct draft *d)
{
	const char *name = group_text(d, "dialect");
	const struct dialect_preset *dp;
	struct origin at = draft_origin(l, d);

	if (!name && d->preset)
		name = preset_dialect(d->preset);
	dp = dialect_preset_find(name);
	if (dp && !part_missing(dp->part))
		return dp;
	if (dp)
		report_error(l->report, &at,
			     "backends.%s: the dialect %s was left out of this build (configure "
			     "--enable-%s)", d->b.name, name, dp->part);
	else if (name)
		report_error(l->report, &at, "backends.%s.dialect: \"%s\" is none of %s",
			     d->b.name, name, dialect_names(l));
	else
		report_error(l->report, &at,
			     "backends.%s needs a dialect (%s): no preset has this name",
			     d->b.name, dialect_names(l));
	return NULL;
}

static bool name_ok(const char *name)
{
	return name[strspn(name,
			   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")] ==
	       '\0';
}

/* All values of one backend, in rising precedence. False when it can't be one. */
static bool draft_fill(struct loader *l, struct draft *d)
{
	const char *prefix = arena_printf(l->notes, "backends.%s.", d->b.name);
	struct origin at = draft_origin(l, d);
	const struct dialect_preset *dp;

	if (!name_ok(d->b.name)) {
		report_error(l->report, &at,
			     "backends.%s: a name has letters, digits, _ and - only", d->b.name);
		return false;
	}
	dp = draft_dialect(l, d);
	if (!dp || !prefix || !option_set_init(l, &d->set, &options_backend, &d->b, prefix))
		return false;
	option_set_defaults(l, &d->set);
	put_settings(l, d, dp->settings,
		     (struct origin){ .kind = ORIGIN_PRESET, .where = dp->name });
	if (d->preset) {
		at = (struct origin){ .kind = ORIGIN_PRESET, .where = d->preset->name };
		put_settings(l, d, preset_settings(d->preset, dp->name), at);
		option_set_text(l, &d->set, "dialect", dp->name, at);
		option_set_text(l, &d->set, "preset", d->preset->name, at);
	}
	if (d->group)
		option_set_group(l, &d->set, d->group);
	if (d->preset && d->own_name)
		put_preset_env(l, d);
	option_set_env(l, &d->set);
	return true;
}

/* The host of a checked URL, without brackets and port. */
static struct str url_host(const char *url)
{
	const char *host = strstr(url, "://"), *end;

	host = host ? host + 3 : url;
	if (*host == '[') {
		end = strchr(++host, ']');
		return (struct str){ host, end ? (size_t)(end - host) : strlen(host) };
	}
	return (struct str){ host, strcspn(host, ":/") };
}

static bool host_is(const char *url, const char *name)
{
	return url && str_is_nocase(url_host(url), name);
}

static bool host_loopback(const char *url)
{
	return host_is(url, "localhost") || host_is(url, "::1") ||
	       str_starts(url_host(url), "127.");
}

/* Empty texts say "none". */
static void drop_empty(struct backend *b)
{
	const char **texts[] = { &b->path_count,  &b->path_models,	&b->model_big,
				 &b->model_small, &b->model_prefix,	&b->auth_header,
				 &b->session_member, &b->user_member, &b->beta_header,
				 &b->guardrail.id, &b->models_url,
				 &b->api_key,	  &b->max_tokens_member };
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (*texts[i] && !**texts[i])
			*texts[i] = NULL;
}

static const char *lower_name(struct loader *l, const char *name)
{
	char *p, *out = arena_printf(l->arena, "%s", name);

	for (p = out; p && *p; p++)
		*p = *p == '_' ? '-' : (char)tolower((unsigned char)*p);
	return out;
}

static const char *key_source(struct loader *l, const struct origin *from)
{
	struct buf b;
	const char *text;

	if (from->ref && !strncmp(from->ref, "env:", 4))
		return arena_printf(l->arena, "%s in the environment", from->ref + 4);
	if (from->ref)
		return arena_printf(l->arena, "the file %s", from->ref + 5);
	buf_init(&b, 8192);
	origin_put(&b, from);
	text = arena_printf(l->arena, "%s", buf_cstr(&b));
	buf_release(&b);
	return text;
}

/* "exec:…" is no key yet. */
static bool is_command(const struct origin *from)
{
	return from->ref && !strncmp(from->ref, "exec:", 5);
}

/* A key with a line end or a space in it would break the header it goes into. */
static bool is_key(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= 0x20 || (unsigned char)*text >= 0x7f)
			return false;
	return true;
}

static void check_more_keys(struct loader *l, struct draft *d)
{
	for (size_t i = 0; d->b.api_keys && d->b.api_keys[i]; i++)
		if (!is_key(d->b.api_keys[i]))
			report_error(l->report, option_from(&d->set, "api_keys"),
				     "backends.%s.api_keys: key %zu has a space, a line end or "
				     "another character that no key has",
				     d->b.name, i + 1);
}

static void check_key(struct loader *l, struct draft *d, struct origin *from)
{
	check_more_keys(l, d);
	if (!d->b.api_key)
		return;
	d->b.api_key_from = key_source(l, from);
	if (!is_command(from) && !is_key(d->b.api_key)) {
		report_error(l->report, from,
			     "backends.%s.api_key: the key from %s has a space, a line end or "
			     "another character that no key has",
			     d->b.name, d->b.api_key_from);
		return;
	}
	if (d->b.base_url && str_starts_nocase(str_of(d->b.base_url), "http:") &&
	    !host_loopback(d->b.base_url))
		report_warn(l->report, option_from(&d->set, "base_url"),
			    "backends.%s: the key travels unencrypted to %s", d->b.name,
			    d->b.base_url);
}

/* Members to drop are body members without a value for dialects that write the body anew. */
static void drop_to_body(struct loader *l, struct backend *b)
{
	size_t n = 0, m = 0, i;
	struct body_member *list;

	if ((strncmp(b->dialect, "openai", 6) && strcmp(b->dialect, "gemini") &&
	     strcmp(b->dialect, "cohere")) || !b->drop_members)
		return;
	while (b->body && b->body[n].name)
		n++;
	while (b->drop_members[m])
		m++;
	list = arena_alloc(l->arena, (n + m + 1) * sizeof(*list));
	for (i = 0; list && i < n; i++)
		list[i] = b->body[i];
	for (i = 0; list && i < m; i++)
		list[n + i] = (struct body_member){ b->drop_members[i], NULL };
	if (list)
		b->body = list;
}

void backend_settle(struct loader *l, struct backend *b)
{
	drop_empty(b);
	drop_to_body(l, b);
}

/* What sets it, where a variable of the preset does; else NULL. */
static const char *missing(struct loader *l, const struct draft *d, const char *option,
			   const char *called)
{
	const struct preset_env *e;

	for (e = d->preset ? d->preset->env : NULL; e && e->option; e++)
		if (!strcmp(e->option, option))
			return arena_printf(l->arena,
					    "has no %s: set %.*s in the environment, or "
					    "backends.%s.%s",
					    called, (int)strcspn(e->vars, " "), e->vars, d->b.name,
					    option);
	return NULL;
}

static const char *missing_place(struct loader *l, const struct draft *d, const char *option)
{
	const char *said = missing(l, d, option, option);

	return said ? said : arena_printf(l->arena, "has no %s for its base_url", option);
}

/* Some providers have a host for each customer. */
static const char *missing_address(struct loader *l, const struct draft *d)
{
	const char *said = missing(l, d, "host", "host");

	return said ? said : "has no base_url";
}

static const char *missing_key(struct loader *l, const struct draft *d)
{
	const char *said = missing(l, d, "api_key", "API key");

	return said ? said : "has no API key";
}

static const char *draft_lacks(struct loader *l, const struct draft *d, const struct origin *key)
{
	if (!d->b.base_url)
		return missing_address(l, d);
	if (address_lacks(&d->b))
		return missing_place(l, d, address_lacks(&d->b));
	if (d->b.auth == AUTH_HEADER && !d->b.auth_header)
		return "has auth = \"header\" but no auth_header";
	if (d->b.credential.kind != CREDENTIAL_KEY)
		return credential_lacks(l, d);
	if (d->b.passthrough || d->b.api_key || (d->b.api_keys && d->b.api_keys[0]))
		return NULL;
	if (key->problem)
		return arena_printf(l->arena, "has no API key: %s", key->problem);
	return d->preset && d->preset->needs_key ? missing_key(l, d) : NULL;
}

static void draft_finish(struct loader *l, struct draft *d, const struct config *c)
{
	struct origin *key = option_from(&d->set, "api_key");

	backend_settle(l, &d->b);
	address_settle(l, d);
	d->b.origin = lower_name(l, d->b.name);
	d->b.anthropic_host = host_is(d->b.base_url, "api.anthropic.com");
	d->b.passthrough = c->access_mode == ACCESS_PASSTHROUGH &&
		same(d->b.name, c->passthrough_backend ? c->passthrough_backend : c->proxy_backend);
	check_key(l, d, key);
	credential_settle(l, d);
	if (!d->b.tls_verify)
		report_warn(l->report, option_from(&d->set, "tls_verify"),
			    "backends.%s.tls_verify is false: anyone on the way can read the key "
			    "and the conversations",
			    d->b.name);
	d->lacks = draft_lacks(l, d, key);
}

static void draft_add(struct loader *l, struct drafts *all, const char *name,
		      const config_setting_t *group)
{
	struct draft *d = &all->v[all->n];
	const char *as;

	*d = (struct draft){ .group = group };
	d->b.name = arena_printf(l->arena, "%s", name);
	if (!d->b.name)
		return;
	as = group_text(d, "preset");
	d->preset = preset_find(as ? as : name);
	d->own_name = d->preset && same(d->preset->name, name);
	if (as && !d->preset) {
		struct origin at = draft_origin(l, d);

		report_error(l->report, &at, "backends.%s.preset: there is no preset \"%s\"", name,
			     as);
		return;
	}
	if (!draft_fill(l, d))
		return;
	all->n++;
}

/* Variables that much of the world has set for other reasons say nothing of a wish for a
 * backend. */
static bool says_nothing(const char *option)
{
	return !strcmp(option, "headers") || !strcmp(option, "region") ||
	       !strcmp(option, "models_url") || !strcmp(option, "api_version") ||
	       !strcmp(option, "credential.session") || !strcmp(option, "credential.profile") ||
	       !strcmp(option, "credential.source");
}

/* A preset that the file does not mention counts when it is named as the one to use, or its key or
 * address is in the environment. */
static bool preset_wanted(struct loader *l, const struct preset *p, const struct config *c)
{
	const struct preset_env *e;
	const char *name;

	if (same(p->name, c->proxy_backend) || same(p->name, c->passthrough_backend))
		return true;
	for (e = p->env; e->option; e++)
		if (!says_nothing(e->option) && option_env(l, e->vars, &name))
			return true;
	return false;
}

static bool drafted(const struct drafts *all, const char *name)
{
	size_t i;

	for (i = 0; i < all->n; i++)
		if (same(all->v[i].b.name, name))
			return true;
	return false;
}

static void draft_file(struct loader *l, struct drafts *all, const config_setting_t *group)
{
	int i, n = config_setting_length(group);

	for (i = 0; i < n; i++) {
		const config_setting_t *g = config_setting_get_elem(group, (unsigned)i);
		struct origin at = origin_setting(l, g);

		if (!config_setting_is_group(g))
			report_error(l->report, &at, "backends.%s must be a group",
				     config_setting_name(g));
		else if (drafted(all, config_setting_name(g)))
			report_error(l->report, &at,
				     "backends.%s: there is a backend of this name already",
				     config_setting_name(g));
		else
			draft_add(l, all, config_setting_name(g), g);
	}
}

bool drafts_fill(struct loader *l, struct drafts *all, const struct config *c)
{
	size_t i, n = all->group ? (size_t)config_setting_length(all->group) : 0;
	const struct preset *p;

	for (p = presets; p->name; p++)
		n++;
	all->v = arena_alloc(l->notes, (n + 1) * sizeof(*all->v));
	if (!all->v)
		return false;
	if (all->group)
		draft_file(l, all, all->group);
	for (p = presets; p->name; p++)
		if (!drafted(all, p->name) && preset_wanted(l, p, c))
			draft_add(l, all, p->name, NULL);
	for (i = 0; i < all->n; i++)
		draft_finish(l, &all->v[i], c);
	return true;
}
