/* The web server that has started this program. See parent.h. */
#include "parent.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>

/*
 * Who starts programs to have them for itself. Others (spawn-fcgi, a shell, systemd) leave a
 * program that shall outlive them.
 */
static const char *const web_servers[] = { "lighttpd", "apache2", "httpd", "litespeed", "lshttpd" };

static bool is_web_server(pid_t pid)
{
	char path[32], name[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/comm", (long)pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fgets(name, sizeof(name), f))
		name[strcspn(name, "\n")] = '\0';
	fclose(f);
	for (size_t i = 0; i < sizeof(web_servers) / sizeof(*web_servers); i++)
		if (strcmp(name, web_servers[i]) == 0)
			return true;
	return false;
}

void parent_follow(int signo)
{
	pid_t parent = getppid();

	if (!is_web_server(parent) || prctl(PR_SET_PDEATHSIG, (unsigned long)signo))
		return;
	/* It may have died before it could be followed. */
	if (getppid() != parent)
		raise(signo);
}
#else
void parent_follow(int signo)
{
}
#endif
