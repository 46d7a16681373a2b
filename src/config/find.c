/*
 * Which file is read, and reading it. libconfig resolves each include against one folder, that of
 * the main file; before it parses, the includes are walked here, so that a missing one is named,
 * none lies where a web server hands it out, and all are watched.
 */
#include "config/snapshot.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bundle.h"
#include "base/os.h"
#include "base/sandbox.h"
#include "config/secret.h"

#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc"
#endif
#define INCLUDE_DEPTH 10        /* libconfig's own limit */
#define FILE_MAX (4 * 1024 * 1024)
#define BESIDE ".htmessages.conf"

/* libconfig before 1.7 puts the include folder before absolute paths too. */
#define MIXED_INCLUDES                                                                             \
	(LIBCONFIG_VER_MAJOR > 1 || (LIBCONFIG_VER_MAJOR == 1 && LIBCONFIG_VER_MINOR >= 7))

/* True if it is there; it is watched either way, since it would win once it appears. */
static bool try_place(struct loader *l, const char *path)
{
	return path && !watch_add(l->watch, path) && !access(path, F_OK);
}

static const char *beside(struct loader *l, const char *program)
{
	const char *slash = program ? strrchr(program, '/') : NULL;

	if (!slash)
		return NULL;
	return arena_printf(l->arena, "%.*s/" BESIDE, (int)(slash - program), program);
}

/* In the program's own folder, whatever name it was started by. A bundle's file is the loader. */
static const char *beside_itself(struct loader *l)
{
	char *self;

	if (bundle_folder())
		return arena_printf(l->arena, "%s/" BESIDE, bundle_folder());
	self = arena_alloc(l->arena, PATH_MAX);
	if (self)
		os_program(self, PATH_MAX);
	return self && *self ? beside(l, self) : NULL;
}

/* Beside the name that it was started by (which may be a link) and beside the file itself. A CGI's
 * current folder is its own. */
static const char *find_beside(struct loader *l, const struct config_load *how)
{
	const char *path = beside(l, how->argv0);

	if (!path && how->cgi)
		path = "./" BESIDE;
	if (path && try_place(l, path))
		return path;
	path = beside_itself(l);
	return path && try_place(l, path) ? path : NULL;
}

static const char *find_user(struct loader *l)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME"), *path = NULL;

	if (xdg && *xdg == '/')
		path = arena_printf(l->arena, "%s/messages/messages.conf", xdg);
	else if (home && *home == '/')
		path = arena_printf(l->arena, "%s/.config/messages/messages.conf", home);
	return path && try_place(l, path) ? path : NULL;
}

const char *find_file(struct loader *l, const struct config_load *how, bool *named)
{
	static const char *const system_places[] = { SYSCONFDIR "/messages/messages.conf",
		"/etc/messages/messages.conf" };
	const char *path = how->path ? how->path : getenv("MESSAGES_CONF");
	size_t i;

	*named = path && *path;
	if (*named) {
		path = arena_printf(l->arena, "%s", path);
		try_place(l, path);
		return path;
	}
	path = find_beside(l, how);
	if (!path)
		path = find_user(l);
	for (i = 0; !path && i < 2; i++)
		path = try_place(l, system_places[i]) ? system_places[i] : NULL;
	return path;
}

struct includes {
	bool absolute, relative, failed;
};

/* The file that a line `@include "name"` names, as libconfig recognises it; NULL for any other
 * line, "" for a name that libconfig would read on: with escapes, or in the next line. */
static const char *include_name(struct loader *l, struct str line)
{
	struct str s = str_trim(line);
	const char *end;

	if (!str_starts(s, "@include"))
		return NULL;
	s = str_trim((struct str){ s.p + 8, s.n - 8 });
	if (!s.n || *s.p != '"')
		return NULL;
	end = memchr(s.p + 1, '"', s.n - 1);
	if (!end || memchr(s.p, '\\', (size_t)(end - s.p)))
		return "";
	return arena_dup(l->arena, s.p + 1, (size_t)(end - s.p - 1));
}

/* NULL when it can be read. libconfig ends the process where reading fails, as it does with a
 * folder, and would wait for a pipe's end. */
static const char *unreadable(const char *path)
{
	struct stat st;

	if (access(path, R_OK) || stat(path, &st))
		return strerror(errno);
	errno = 0;
	return S_ISREG(st.st_mode) || S_ISCHR(st.st_mode) ? NULL : "it is no file";
}

static void walk_includes(struct loader *l, const char *path, unsigned depth, struct includes *inc);

static void walk_include(struct loader *l, const char *name, struct origin *at, unsigned depth,
			 struct includes *inc)
{
	const char *path = path_resolve(l, name), *why;

	if (!path || watch_add(l->watch, path))
		return;
	*(*name == '/' ? &inc->absolute : &inc->relative) = true;
	why = *name ? unreadable(path) : "a name on one line is wanted, without a backslash";
	if (why) {
		report_error(l->report, at, "@include \"%s\": %s", name, why);
		inc->failed = true;
	} else if (path_exposed(l, "@include", path, at) ||
		   !path_check_private(l, "@include", path, false, at)) {
		inc->failed = true;
	} else if (depth == INCLUDE_DEPTH) {
		report_error(l->report, at,
			     "@include \"%s\": files include each other more than %d deep", name,
			     INCLUDE_DEPTH);
		inc->failed = true;
	} else {
		walk_includes(l, path, depth + 1, inc);
	}
}

static void walk_includes(struct loader *l, const char *path, unsigned depth, struct includes *inc)
{
	struct origin at = { .kind = ORIGIN_FILE, .where = path };
	struct str rest, line;
	const char *name;
	size_t n;
	char *text = path_read(l, path, FILE_MAX, &n);

	if (!text) {
		report_error(l->report, &at, "cannot be read: %s", strerror(errno));
		inc->failed = true;
		return;
	}
	rest = (struct str){ text, n };
	while (!inc->failed && str_split(&rest, '\n', &line)) {
		at.line++;
		name = include_name(l, line);
		if (name)
			walk_include(l, name, &at, depth, inc);
	}
}

static const char *folder_of(struct loader *l, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return ".";
	return slash == path ? "/" : arena_dup(l->arena, path, (size_t)(slash - path));
}

bool find_read(struct loader *l, const char *path, config_t *cfg)
{
	struct origin at = { .kind = ORIGIN_FILE, .where = path };
	struct includes inc = { false, false, false };
	const char *why;

	l->dir = folder_of(l, path);
	if (path_exposed(l, "the config", path, &at) ||
	    !path_check_private(l, "the config", path, false, &at))
		return false;
	why = unreadable(path);
	if (why) {
		report_error(l->report, &at, "cannot be read: %s%s", why, sandbox_hint(errno));
		return false;
	}
	walk_includes(l, path, 0, &inc);
	if (inc.failed)
		return false;
	if (inc.absolute && inc.relative && !MIXED_INCLUDES) {
		report_error(
			l->report, &at,
			"includes absolute and relative paths: this libconfig takes one kind only");
		return false;
	}
	config_set_include_dir(cfg, inc.absolute && !inc.relative ? "" : l->dir);
	if (config_read_file(cfg, path) == CONFIG_TRUE)
		return true;
	if (config_error_file(cfg))
		at.where = arena_printf(l->arena, "%s", config_error_file(cfg));
	at.line = config_error_line(cfg);
	report_error(l->report, &at, "%s%s",
		     config_error_text(cfg) ? config_error_text(cfg) : "cannot be read",
		     config_error_type(cfg) == CONFIG_ERR_FILE_IO ? sandbox_hint(errno) : "");
	return false;
}
