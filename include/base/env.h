/*
 * The environment: variables that a client can set are no settings, and what was read as a secret
 * does not stay where /proc/PID/environ and children would find it.
 */
#ifndef BASE_ENV_H
#define BASE_ENV_H

#include "base/str.h"

/* True for names that a web server fills from the request: HTTP_*, QUERY_STRING, REDIRECT_* … */
bool env_from_client(struct str variable);

/* As getenv, but finds what env_wipe has moved. What it returns stays as it is. */
const char *env_get(const char *name);
/* Keeps the variable's value in memory of our own and overwrites it in the environment, where it is
 * empty from now on. */
void env_wipe(const char *name);
/* Both: the value of a variable that is a secret. NULL when it is not set. */
const char *env_secret(const char *name);
/* Is "NAME=" such a variable, as `environ` has it? */
bool env_wiped(const char *entry);

#endif
