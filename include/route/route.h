/*
 * The router: which backend and model a request goes to. First matching rule wins; every decision
 * can be explained.
 */
#ifndef ROUTE_ROUTE_H
#define ROUTE_ROUTE_H

#include "base/arena.h"
#include "config/config.h"
#include "message/fault.h"

/* Decides by the requested model's name. The target borrows from the config snapshot, the arena and
 * `model`. */
int route_select(const struct config *c, const char *model, struct arena *a, struct target *out,
		 struct fault *f) MUST_CHECK;

/*
 * Claude Code's model discovery hides ids that hold neither "claude" nor "anthropic", so the model
 * list shows such a model a second time, with this prefix; route_select takes both.
 */
#define ROUTE_ALIAS_PREFIX "anthropic/"
bool route_needs_alias(const char *model);

#endif
