/*
 * A web server puts a request's headers and parts into variables, so in CGI any of those names is
 * the client's to choose: they are never read as settings and never handed to a child.
 */
#include "base/env.h"

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
