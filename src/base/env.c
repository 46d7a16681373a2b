/*
 * A web server puts a request's headers and parts into variables, so in CGI any of those names is
 * the client's to choose: they are never read as settings and never handed to a child.
 */
#include "base/env.h"
#include "base/os.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* RFC 3875's variables and what the known web servers add to them. */
static const char *const client_variables[] = {
	"HTTP_*",    "REDIRECT_*", "SSL_CLIENT_*", "SERVER_*",	      "REQUEST_*",
	"REMOTE_*",  "SCRIPT_*",   "PATH_INFO",	   "PATH_TRANSLATED", "QUERY_STRING",
	"CONTENT_*", "CONTEXT_*",  "DOCUMENT_*",   "AUTH_TYPE",	      "GATEWAY_INTERFACE",
	"FCGI_*",    "UNIQUE_ID",  "HTTPS",	   "ORIG_*",	      NULL
};

bool env_from_client(struct str variable)
{
	for (size_t i = 0; client_variables[i]; i++)
		if (str_glob(client_variables[i], variable))
			return true;
	return false;
}

/* ---- secrets ---- */

/* A value that was moved. It is told by its place: a variable that is set anew has another one. */
struct kept {
	struct kept *next;
	const char *place;              /* in the environment; empty now */
	char value[];
};

static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;
static struct kept *kept;               /* never freed: what points to a value may go on */

static const struct kept *find_kept(const char *place)
{
	const struct kept *k;

	pthread_mutex_lock(&kept_lock);
	for (k = kept; k && k->place != place; k = k->next)
		;
	pthread_mutex_unlock(&kept_lock);
	return k;
}

const char *env_get(const char *name)
{
	const char *v = getenv(name);
	const struct kept *k = v && !*v ? find_kept(v) : NULL;

	return k ? k->value : v;
}

/* The lock is held: what another thread is wiping would be kept as what is left of it. */
static void move(char *v)
{
	size_t n = strlen(v);
	struct kept *k = n ? malloc(sizeof(*k) + n + 1) : NULL;

	if (!k)
		return;
	memcpy(k->value, v, n + 1);
	k->place = v;
	k->next = kept;
	kept = k;
	os_wipe(v, n);
}

void env_wipe(const char *name)
{
	char *v = getenv(name);

	if (!v)
		return;
	pthread_mutex_lock(&kept_lock);
	move(v);
	pthread_mutex_unlock(&kept_lock);
}

const char *env_secret(const char *name)
{
	env_wipe(name);
	return env_get(name);
}

bool env_wiped(const char *entry)
{
	const char *equals = strchr(entry, '=');

	return equals && !equals[1] && find_kept(equals + 1);
}
