/* The web server that has started this program. See parent.h. */
#include "parent.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/os.h"

/*
 * Who starts programs to have them for itself. Others (spawn-fcgi, a shell, systemd) leave a
 * program that shall outlive them.
 */
static const char *const web_servers[] = { "lighttpd", "apache2", "httpd", "litespeed", "lshttpd" };

static bool is_web_server(pid_t pid)
{
	char name[64];

	if (!os_process_name(pid, name, sizeof(name)))
		return false;
	for (size_t i = 0; i < sizeof(web_servers) / sizeof(*web_servers); i++)
		if (strcmp(name, web_servers[i]) == 0)
			return true;
	return false;
}

void parent_follow(int signo)
{
	pid_t parent = getppid();

	if (!is_web_server(parent) || os_follow_parent(signo))
		return;
	/* It may have died before it could be followed. */
	if (getppid() != parent)
		raise(signo);
}
