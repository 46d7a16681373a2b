/*
 * Option sets: a struct filled by its table from defaults, presets, a group of the file and the
 * environment, each value with where it came from.
 */
#include "config/option.h"

#include <stdlib.h>
#include <string.h>

const struct option *option_find(const struct option_table *t, const char *path)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		if (!strcmp(t->rows[i].path, path))
			return &t->rows[i];
	return NULL;
}

struct origin *option_from(const struct option_set *s, const char *path)
{
	const struct option *o = option_find(s->table, path);

	return o ? &s->from[o - s->table->rows] : NULL;
}

struct origin origin_setting(struct loader *l, const config_setting_t *s)
{
	const char *file = config_setting_source_file(s);

	return (struct origin){ .kind = ORIGIN_FILE,
				.where = arena_printf(l->notes, "%s", file ? file : "config"),
				.line = config_setting_source_line(s) };
}

/* ANTHROPIC_MODEL and its like may hold what only Claude Code understands: its aliases are no names
 * of models. */
static bool client_alias(struct loader *l, const char *name, const char *value)
{
	static const char *const aliases[] = { "default", "best",     "sonnet", "opus", "haiku",
					       "fable",	  "opusplan", "*[1m]",	NULL };
	struct origin at = { .kind = ORIGIN_ENV, .where = name };
	size_t i;

	if (strncmp(name, "ANTHROPIC_", 10) || !strstr(name, "MODEL"))
		return false;
	for (i = 0; aliases[i]; i++)
		if (str_glob(aliases[i], str_of(value)))
			break;
	if (!aliases[i])
		return false;
	report_warn(l->report, &at,
		    "\"%s\" is an alias of Claude Code's, not a model: it is not used here", value);
	return true;
}

const char *option_env(struct loader *l, const char *names, const char **name)
{
	struct str rest = str_of(names), one;
	const char *v;

	while (str_split(&rest, ' ', &one)) {
		*name = arena_dup(l->notes, one.p, one.n);
		v = *name ? getenv(*name) : NULL;
		if (v && *v && !client_alias(l, *name, v))
			return v;
	}
	*name = NULL;
	return NULL;
}

bool option_set_init(struct loader *l, struct option_set *s, const struct option_table *t,
		     void *base, const char *prefix)
{
	*s = (struct option_set){ t, base, arena_alloc(l->notes, t->n * sizeof(*s->from)), prefix };
	return s->from != NULL;
}

void option_set_put(struct loader *l, struct option_set *s, const struct option *o, struct value *v)
{
	l->prefix = s->prefix;
	if (option_put(l, o, s->base, v))
		s->from[o - s->table->rows] = v->from;
}

void option_set_text(struct loader *l, struct option_set *s, const char *path, const char *text,
		     struct origin from)
{
	const struct option *o = option_find(s->table, path);
	struct value v = { .text = text, .from = from };

	if (o)
		option_set_put(l, s, o, &v);
}

void option_set_defaults(struct loader *l, struct option_set *s)
{
	size_t i;

	for (i = 0; i < s->table->n; i++) {
		struct value v = { .text = s->table->rows[i].value };

		if (v.text)
			option_set_put(l, s, &s->table->rows[i], &v);
	}
}

void option_set_env(struct loader *l, struct option_set *s)
{
	size_t i;

	for (i = 0; i < s->table->n; i++) {
		const struct option *o = &s->table->rows[i];
		struct value v = { .from.kind = ORIGIN_ENV };

		if (o->env && (v.text = option_env(l, o->env, &v.from.where)))
			option_set_put(l, s, o, &v);
	}
}

/* Is `path` the beginning of some option's path, "limits" of "limits.max_body"? */
static bool is_group(const struct option_table *t, const char *path)
{
	size_t i, n = strlen(path);

	for (i = 0; i < t->n; i++)
		if (!strncmp(t->rows[i].path, path, n) && t->rows[i].path[n] == '.')
			return true;
	return false;
}

/* Every option, and for a name at the top the group that an option stands in. */
static void see_options(struct loader *l, const struct option_set *s, struct nearest *near)
{
	size_t i;

	for (i = 0; i < s->table->n; i++) {
		const char *path = s->table->rows[i].path, *dot = strchr(path, '.');
		const char *group = dot && !strchr(near->name, '.') ?
			arena_dup(l->notes, path, (size_t)(dot - path)) : NULL;

		nearest_see(near, path);
		if (group)
			nearest_see(near, group);
	}
}

static void report_unknown(struct loader *l, const struct option_set *s, const char *path,
			   const config_setting_t *at)
{
	struct origin from = origin_setting(l, at);
	struct nearest near;
	const char *leaf = strrchr(path, '.');
	size_t t;

	nearest_init(&near, path);
	see_options(l, s, &near);
	if (near.best) {
		report_error(l->report, &from, "unknown setting \"%s%s\"; did you mean \"%s%s\"?",
			     s->prefix, path, s->prefix, near.best);
		return;
	}
	for (t = 0; options_all[t]; t++)
		if (options_all[t] != s->table &&
		    option_find(options_all[t], leaf ? leaf + 1 : path)) {
			report_error(l->report, &from,
				     "unknown setting \"%s%s\"; it belongs to \"%s%s\"", s->prefix,
				     path, options_all[t]->name, leaf ? leaf + 1 : path);
			return;
		}
	report_error(l->report, &from, "unknown setting \"%s%s\"", s->prefix, path);
}

static void set_member(struct loader *l, struct option_set *s, const config_setting_t *m,
		       const char *path, bool inner);

static void set_members(struct loader *l, struct option_set *s, const config_setting_t *group,
			const char *path)
{
	int i, n = config_setting_length(group);

	for (i = 0; i < n; i++) {
		const config_setting_t *m = config_setting_get_elem(group, (unsigned)i);
		const char *name = config_setting_name(m);
		const char *full =
			arena_printf(l->notes, "%s%s%s", path, *path ? "." : "", name ? name : "");

		if (full)
			set_member(l, s, m, full, *path != '\0');
	}
}

/* Groups are one level deep ("limits"), which bounds the recursion; what the loader reads itself is
 * left to it. */
static void set_member(struct loader *l, struct option_set *s, const config_setting_t *m,
		       const char *path, bool inner)
{
	const struct option *o = option_find(s->table, path);
	struct value v = { .setting = m };

	if (o && o->type >= TYPE_RULES)
		return;
	v.from = origin_setting(l, m);
	if (o)
		option_set_put(l, s, o, &v);
	else if (inner || !is_group(s->table, path))
		report_unknown(l, s, path, m);
	else if (config_setting_is_group(m))
		set_members(l, s, m, path);
	else
		report_error(l->report, &v.from, "%s%s must be a group, %s = { … };", s->prefix,
			     path, path);
}

void option_set_group(struct loader *l, struct option_set *s, const config_setting_t *group)
{
	set_members(l, s, group, "");
}
