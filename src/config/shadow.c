/*
 * Rules that never win: what an earlier one takes already is a mistake of order, or a leftover, and
 * only a warning. Said only where it is certain: each condition of the earlier rule must be implied
 * by one of the later.
 */
#include "config/routes.h"

#include <string.h>

static bool has_glob(const char *text)
{
	return strpbrk(text, "*?") != NULL;
}

static bool same_or_glob(const char *wide, const char *narrow)
{
	return strcmp(wide, "*") == 0 || strcmp(wide, narrow) == 0 ||
	       (!has_glob(narrow) && str_glob(wide, str_of(narrow)));
}

/* "opus" has all of "opus-4", but "opus-4" not "opus-40". */
static bool family_has(const char *wide, const char *narrow)
{
	size_t n = strlen(wide);

	return str_starts_nocase(str_of(narrow), wide) &&
	       (!narrow[n] || strchr("-._/@: ", narrow[n]));
}

static bool same(const char *wide, const char *narrow)
{
	return strcmp(wide, narrow) == 0;
}

/* Is all that the narrow list lets through in the wide one? NULL lets everything through. */
static bool list_has(const char *const *wide, const char *const *narrow,
		     bool (*has)(const char *wide, const char *narrow))
{
	if (!wide || !narrow)
		return !wide;
	for (; *narrow; narrow++) {
		size_t i = 0;

		while (wide[i] && !has(wide[i], *narrow))
			i++;
		if (!wide[i])
			return false;
	}
	return true;
}

static bool takes_all(const struct route_when *a, const struct route_when *b)
{
	/* A rule without a path sees no request that has one. */
	if (!a->path != !b->path || !list_has(a->path, b->path, same_or_glob))
		return false;
	if (!list_has(a->model, b->model, same_or_glob) ||
	    !list_has(a->family, b->family, family_has) || !list_has(a->effort, b->effort, same) ||
	    !list_has(a->request_class, b->request_class, same_or_glob) ||
	    !list_has(a->key, b->key, same_or_glob) || !list_has(a->group, b->group, same_or_glob))
		return false;
	if (a->tokens_over > b->tokens_over)
		return false;
	return (a->asked & ~b->asked) == 0 && ((a->wanted ^ b->wanted) & a->asked) == 0;
}

static const char *named(struct arena *a, const struct config *c, size_t i)
{
	return c->routes[i].name ? arena_printf(a, "routes[%zu] \"%s\"", i, c->routes[i].name)
				 : arena_printf(a, "routes[%zu]", i);
}

static void warn_same_name(struct loader *l, const struct config *c, size_t i,
			   const struct origin *at)
{
	const char *name = c->routes[i].name;

	for (size_t k = 0; name && k < i; k++)
		if (c->routes[k].name && strcmp(c->routes[k].name, name) == 0)
			report_warn(l->report, at,
				    "routes[%zu] and routes[%zu] have the same name, \"%s\"", k, i,
				    name);
}

void warn_rules(struct loader *l, const struct config *c, const struct origin *at)
{
	for (size_t i = 1; i < c->nroutes; i++) {
		size_t k = 0;

		warn_same_name(l, c, i, &at[i]);
		while (k < i && !takes_all(&c->routes[k].when, &c->routes[i].when))
			k++;
		if (k < i)
			report_warn(l->report, &at[i],
				    "%s never wins: %s before it takes all that it would",
				    named(l->arena, c, i), named(l->arena, c, k));
	}
}

void warn_map(struct loader *l, const struct config *c, const struct origin *at)
{
	for (size_t i = 1; i < c->nrules; i++) {
		size_t k = 0;

		while (k < i && !same_or_glob(c->rules[k].match, c->rules[i].match))
			k++;
		if (k < i)
			report_warn(l->report, at,
				    "models.map[%zu] \"%s\" never wins: models.map[%zu] \"%s\" "
				    "before it takes all that it would",
				    i, c->rules[i].match, k, c->rules[k].match);
	}
}
