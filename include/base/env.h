/* The environment in a web server's hands: variables that a client can set are no settings. */
#ifndef BASE_ENV_H
#define BASE_ENV_H

#include "base/str.h"

/* True for names that a web server fills from the request: HTTP_*, QUERY_STRING, REDIRECT_* … */
bool env_from_client(struct str variable);

#endif
