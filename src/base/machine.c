/* See machine.h. */
#include "base/machine.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/str.h"

#define UNKNOWN_BYTES (256 * 1024 * 1024LL)
#define PATH_BYTES 512          /* a longer path of a control group is not followed */

static void lower(struct machine_memory *m, int64_t bytes, const char *whose)
{
	if (bytes > 0 && bytes < m->bytes)
		*m = (struct machine_memory){ bytes, whose };
}

/* "max" and version 1's 9223372036854771712 are no limits: the one is no number, the other is more
 * than any machine has. */
static void see_file(struct machine_memory *m, const char *folder, const char *name)
{
	char path[PATH_BYTES + 64], text[32];
	int64_t bytes;
	FILE *f = NULL;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) < (int)sizeof(path))
		f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(text, sizeof(text), f) && str_int(str_trim(str_of(text)), &bytes))
		lower(m, bytes, "its control group");
	fclose(f);
}

/* The group's own limits and those of all above it. Inside a container the path may be the host's,
 * and only the topmost folder is there. */
static void see_groups(struct machine_memory *m, const char *top, const char *group)
{
	size_t least = strlen(top);
	char folder[PATH_BYTES];

	if (snprintf(folder, sizeof(folder), "%s%s", top, group) >= (int)sizeof(folder))
		folder[least] = '\0';
	for (;;) {
		char *slash = strrchr(folder, '/');

		see_file(m, folder, "memory.max");
		see_file(m, folder, "memory.high");
		see_file(m, folder, "memory.limit_in_bytes");
		if (!slash || slash < folder + least)
			return;
		*slash = '\0';
	}
}

/* Lines of /proc/self/cgroup: "0::/group" of version 2, "4:memory:/group" of version 1. */
static void see_cgroups(struct machine_memory *m, const char *root)
{
	char path[PATH_BYTES], top[PATH_BYTES], line[PATH_BYTES];
	FILE *f = NULL;

	if (snprintf(path, sizeof(path), "%s/proc/self/cgroup", root) < (int)sizeof(path))
		f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		char *controllers = strchr(line, ':'), *group;

		line[strcspn(line, "\n")] = '\0';
		group = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!group)
			continue;
		*group++ = '\0';
		if (!controllers[1])
			snprintf(top, sizeof(top), "%s/sys/fs/cgroup", root);
		else if (!strcmp(controllers + 1, "memory"))
			snprintf(top, sizeof(top), "%s/sys/fs/cgroup/memory", root);
		else
			continue;
		see_groups(m, top, strcmp(group, "/") ? group : "");
	}
	if (f)
		fclose(f);
}

static void see_limit(struct machine_memory *m, int resource, const char *name)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
	    limit.rlim_cur < INT64_MAX)
		lower(m, (int64_t)limit.rlim_cur, name);
}

struct machine_memory machine_memory_below(const char *root)
{
	int64_t bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
	struct machine_memory m = { bytes > 0 ? bytes : UNKNOWN_BYTES, "the machine" };

	see_cgroups(&m, root);
	see_limit(&m, RLIMIT_AS, "RLIMIT_AS");
	see_limit(&m, RLIMIT_DATA, "RLIMIT_DATA");
	return m;
}

static struct machine_memory first;

static void ask_first(void)
{
	first = machine_memory_below("");
}

struct machine_memory machine_memory(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, ask_first);
	return first;
}
