/* What a key may use: endpoints, backends, models. */
#include <stdio.h>
#include <string.h>

#include "access/access.h"
#include "base/clock.h"

#define LONG_CONTEXT_MARK "[1m]"
#define NAME_MAX_BYTES 512

static bool matches(const char *const *globs, struct str name)
{
	for (; *globs; globs++)
		if (str_glob(*globs, name))
			return true;
	return false;
}

bool access_may(const struct access_key *k, enum access_right right)
{
	return ((k ? k->rights : RIGHTS_DEFAULT) >> right & 1) != 0;
}

bool access_backend(const struct access_key *k, const char *backend)
{
	return !k || !k->backends || matches(k->backends, str_of(backend));
}

/* Claude Code's mark of a larger window is no part of the name. */
static struct str without_mark(struct str name)
{
	size_t n = sizeof(LONG_CONTEXT_MARK) - 1;

	if (name.n > n && str_ends_nocase(name, LONG_CONTEXT_MARK))
		name.n -= n;
	return name;
}

bool access_model(const struct access_key *k, const char *asked, const char *backend,
		  const char *model)
{
	char both[NAME_MAX_BYTES];

	if (!k || !k->models)
		return true;
	if (matches(k->models, without_mark(str_of(asked))) ||
	    matches(k->models, without_mark(str_of(model))))
		return true;
	return snprintf(both, sizeof(both), "%s/%s", backend, model) < (int)sizeof(both) &&
	       matches(k->models, str_of(both));
}

bool access_good(const struct access_key *k)
{
	return !k->disabled && (!k->expires || clock_wall_ms() < k->expires);
}

bool access_still(const struct config *now, const struct access_result *was)
{
	if (now->access_mode != ACCESS_KEYS)
		return true;
	for (size_t i = 0; i < now->nkeys; i++) {
		const struct access_key *k = &now->keys[i];

		for (int s = 0; s < 2; s++)
			if (k->sha256[s] && strcmp(k->sha256[s], was->sha256) == 0 &&
			    access_good(k))
				return true;
	}
	return false;
}
