/* Decides what is given up, and says so. */
#include "config.h"
#include "sandbox.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/os.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

static _Atomic bool gave_up[SANDBOX_PARTS];

/* ---- the plan ---- */

void sandbox_allow(struct sandbox_plan *p, const char *path, bool write)
{
	size_t i;

	if (!path || *path != '/')
		return;
	for (i = 0; i < p->npaths && strcmp(p->paths[i].path, path); i++)
		;
	if (i == SANDBOX_PATHS_MAX)
		return;
	if (i == p->npaths) {
		p->paths[i] = (struct sandbox_path){ .path = strdup(path) };
		p->npaths += p->paths[i].path != NULL;
	}
	if (i < p->npaths)
		p->paths[i].write |= write;
}

void sandbox_allow_folder(struct sandbox_plan *p, const char *path, bool write)
{
	char *full = path ? realpath(path, NULL) : NULL, *copy = path ? strdup(path) : NULL;
	char *both[] = { full, copy };

	/* Where a link stands and where it leads to. */
	for (size_t i = 0; i < 2; i++) {
		char *slash = both[i] ? strrchr(both[i], '/') : NULL;

		if (!slash)
			continue;
		slash[slash == both[i]] = '\0';
		sandbox_allow(p, both[i], write);
	}
	free(full);
	free(copy);
}

void sandbox_release(struct sandbox_plan *p)
{
	for (size_t i = 0; i < p->npaths; i++)
		free(p->paths[i].path);
	p->npaths = 0;
}

/* ---- core dumps ---- */

void sandbox_hide(void)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	os_hide();
}

/* ---- what can be had ---- */

static const char *no_new_privs_lacks(void)
{
	return os_no_new_privs_known() ? NULL : "this system has none";
}

/* valgrind makes system calls of its own. */
static bool instrumented(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return SANITIZED || (preload && strstr(preload, "vgpreload"));
}

static const struct {
	const char *name;
	const char *(*lacks)(void);
} parts[] = {
	[SANDBOX_NO_NEW_PRIVS] = { "no new privileges", no_new_privs_lacks },
	[SANDBOX_SECCOMP] = { "system call filter", seccomp_lacks },
	[SANDBOX_LANDLOCK] = { "Landlock", landlock_lacks },
};

int sandbox_decide(const struct sandbox_plan *p, enum sandbox_part part, const char **why)
{
	enum sandbox_wish wish = p->wish[part];

	*why = "switched off";
	if (wish == SANDBOX_OFF)
		return 0;
	*why = parts[part].lacks();
	if (!*why && part != SANDBOX_NO_NEW_PRIVS && p->wish[SANDBOX_NO_NEW_PRIVS] == SANDBOX_OFF)
		*why = "it needs security.no_new_privs";
	if (*why)
		return wish == SANDBOX_ON ? -1 : 0;
	if (wish == SANDBOX_ON)
		return 1;
	if (p->commands)
		*why = "a command that gets a credential would inherit it; \"on\" does it all the "
		       "same";
	else if (part != SANDBOX_NO_NEW_PRIVS && instrumented())
		*why = "a sanitizer or valgrind is at work";
	return !*why;
}

static int start_part(const struct sandbox_plan *p, enum sandbox_part part)
{
	switch (part) {
	case SANDBOX_NO_NEW_PRIVS:
		return os_no_new_privs();
	case SANDBOX_SECCOMP:
		return seccomp_start(p->commands != NULL);
	default:
		return landlock_start(p, p->commands != NULL);
	}
}

/* The filter comes last: it refuses nothing that the others need, but what is asked of the kernel
 * after it is asked through it. */
static const enum sandbox_part order[] = { SANDBOX_NO_NEW_PRIVS, SANDBOX_LANDLOCK,
					   SANDBOX_SECCOMP };

/* Both are accepted from a process without new privileges alone. */
static bool needed(const struct sandbox_plan *p, enum sandbox_part part)
{
	const char *why;

	return sandbox_decide(p, part, &why) > 0 ||
	       (part == SANDBOX_NO_NEW_PRIVS && (sandbox_decide(p, SANDBOX_SECCOMP, &why) > 0 ||
						 sandbox_decide(p, SANDBOX_LANDLOCK, &why) > 0));
}

int sandbox_start(const struct sandbox_plan *p, struct buf *err)
{
	for (size_t i = 0; i < SANDBOX_PARTS; i++) {
		enum sandbox_part part = order[i];
		const char *why;
		bool need = needed(p, part);

		if (sandbox_decide(p, part, &why) < 0) {
			buf_printf(err, "%s is \"on\", but: %s", parts[part].name, why);
			return -1;
		}
		if (!need)
			continue;
		if (start_part(p, part) == 0) {
			atomic_store(&gave_up[part], true);
		} else if (p->wish[part] == SANDBOX_ON) {
			buf_printf(err, "%s is \"on\", but the kernel refuses it: %s",
				   parts[part].name, strerror(errno));
			return -1;
		}
	}
	return 0;
}

void sandbox_describe(const struct sandbox_plan *p, FILE *out)
{
	static const char *const answers[] = { "not possible", "off", "on" };

	fprintf(out, "\nprotection, once started:\n  %-24s %s\n", "core dumps",
		p->core_dumps ? "on (security.core_dumps)" : "off");
	for (int part = 0; part < SANDBOX_PARTS; part++) {
		const char *why;
		int yes = sandbox_decide(p, (enum sandbox_part)part, &why);

		fprintf(out, "  %-24s %s%s%s\n", parts[part].name, answers[yes + 1], why ? ": " : "",
			why ? why : "");
	}
	if (p->commands)
		fprintf(out, "  %-24s %s\n", "commands", p->commands);
}

const char *sandbox_hint(int error)
{
	bool files = error == EACCES && atomic_load(&gave_up[SANDBOX_LANDLOCK]);
	bool calls = error == EPERM && atomic_load(&gave_up[SANDBOX_SECCOMP]);

	if (!files && !calls)
		return "";
	return " (this process has given up what it did not need when it started: restart it, or "
	       "see security.seccomp and security.landlock)";
}
