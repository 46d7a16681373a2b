/*
 * Where secrets come from, and what must not be read. A web server puts a request's headers and
 * parts into variables, so in CGI any of those names is the client's to choose; below DOCUMENT_ROOT
 * only .ht* files are never handed out.
 */
#include "config/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/env.h"
#include "base/sandbox.h"

bool secret_is_ref(const char *text)
{
	return !strncmp(text, "env:", 4) || !strncmp(text, "file:", 5);
}

const char *path_resolve(struct loader *l, const char *path)
{
	if (path[0] == '/' || !l->dir)
		return arena_printf(l->arena, "%s", path);
	return arena_printf(l->arena, "%s/%s", l->dir, path);
}

/* An absolute form of a path whose last part need not exist; in out (PATH_MAX). */
static bool absolute_path(const char *path, char *out)
{
	char *slash, folder[PATH_MAX];
	size_t n = strlen(path);

	if (n >= sizeof(folder))
		return false;
	memcpy(folder, path, n + 1);
	slash = strrchr(folder, '/');
	if (slash)
		*slash = '\0';
	if (!realpath(!slash ? "." : *folder ? folder : "/", out))
		return false;
	n = strlen(out);
	path = slash ? path + (slash - folder) + 1 : path;
	if (n + strlen(path) + 2 > PATH_MAX)
		return false;
	out[n] = '/';
	memcpy(out + n + 1, path, strlen(path) + 1);
	return true;
}

static bool below(const char *root, const char *path)
{
	size_t n = strlen(root);

	return n > 1 && !strncmp(path, root, n) && path[n] == '/';
}

static bool hidden(const char *path)
{
	const char *slash = strrchr(path, '/');

	return !strncmp(slash ? slash + 1 : path, ".ht", 3);
}

/* Both the place that the path names and the one it leads to count: a link below the root is
 * followed by servers. */
bool path_exposed(struct loader *l, const char *what, const char *path, const struct origin *at)
{
	char *root, *place, *target;
	const char *name = NULL;

	if (!l->docroot || !*l->docroot || !(root = realpath(l->docroot, NULL)))
		return false;
	place = malloc(PATH_MAX);
	if (place && absolute_path(path, place) && below(root, place) && !hidden(place))
		name = strrchr(place, '/') + 1;
	target = realpath(path, NULL);
	if (!name && target && below(root, target) && !hidden(target))
		name = strrchr(target, '/') + 1;
	if (name)
		report_error(l->report, at,
			     "%s: %s lies below DOCUMENT_ROOT, where a web server may hand it out: "
			     "move it away or call it .ht%s",
			     what, path, name[0] == '.' ? name + 1 : name);
	free(root);
	free(place);
	free(target);
	return name != NULL;
}

/* Where containers find their secrets: readable for all there, and nobody else is. */
static bool of_container(const char *path)
{
	static const char *const places[] = { "/run/secrets", "/var/run/secrets", "/run/credentials" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (below(places[i], path))
			return true;
	return false;
}

/* One sentence a file, whatever else stands in it. */
static bool told(struct loader *l, const char *path)
{
	if (l->told && !strcmp(l->told, path))
		return true;
	l->told = arena_printf(l->arena, "%s", path);
	return false;
}

/* A group may read a secret: that is how a web server's user gets at another one's file. Where the
 * file is this user's own it needs no group. */
static bool group_too_many(const struct stat *st, bool secret)
{
	return (st->st_mode & S_IWGRP) ||
	       (secret && (st->st_mode & S_IRGRP) && st->st_uid && st->st_uid == geteuid());
}

bool path_check_private(struct loader *l, const char *what, const char *path, bool secret,
			const struct origin *at)
{
	struct stat st;
	mode_t mode;

	if (stat(path, &st) || !S_ISREG(st.st_mode) || of_container(path))
		return true;
	mode = st.st_mode & 07777;
	if ((mode & S_IWOTH) || (secret && (mode & S_IROTH))) {
		if (!told(l, path))
			report_error(l->report, at,
				     "%s: everyone on this machine can %s %s (mode %03o)%s: run "
				     "chmod 600 %s (if the web server runs this program as another "
				     "user: chgrp its group to the file, and chmod 640)",
				     what, mode & S_IWOTH ? "write" : "read", path, (unsigned)mode,
				     secret ? ", and a secret stands in it" : "", path);
		return false;
	}
	if (group_too_many(&st, secret) && !told(l, path))
		report_warn(l->report, at,
			    "%s: its group can %s %s (mode %03o): unless that is meant, run chmod "
			    "600 %s",
			    what, mode & S_IWGRP ? "write" : "read", path, (unsigned)mode, path);
	return true;
}

char *path_read(struct loader *l, const char *path, size_t max, size_t *size)
{
	struct buf b;
	char *text = NULL;
	ssize_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return NULL;
	buf_init(&b, max);
	for (;;) {
		char *room = buf_room(&b, 4096);

		n = room ? read(fd, room, 4096) : -1;
		if (n <= 0)
			break;
		b.n += (size_t)n;
	}
	if (b.failed)
		errno = EFBIG;
	else if (n == 0)
		text = arena_dup(l->arena, b.p ? b.p : "", b.n);
	if (size)
		*size = b.n;
	close(fd);
	buf_release(&b);
	return text;
}

static const char *secret_env(struct loader *l, const char *what, const char *name,
			      struct origin *at)
{
	const char *v;

	if (env_from_client(str_of(name))) {
		report_error(l->report, at,
			     "%s: a client can set %s, so it is never read as a secret", what,
			     name);
		at->problem = arena_printf(l->arena, "a client can set %s", name);
		return NULL;
	}
	v = env_secret(name);
	if (v && *v)
		return arena_printf(l->arena, "%s", v);
	at->problem = arena_printf(l->arena, "%s is not set in the environment", name);
	return NULL;
}

static const char *secret_file(struct loader *l, const char *what, const char *name,
			       struct origin *at)
{
	const char *path = path_resolve(l, name);
	struct str s;
	char *text;
	size_t n;

	if (!path || watch_add(l->watch, path))
		return NULL;
	if (path_exposed(l, what, path, at)) {
		at->problem = "its file lies below DOCUMENT_ROOT";
		return NULL;
	}
	text = path_read(l, path, SECRET_FILE_MAX, &n);
	if (!text) {
		at->problem = arena_printf(l->arena, "%s: %s%s", path, strerror(errno),
					   sandbox_hint(errno));
		return NULL;
	}
	s = str_trim((struct str){ text, n });
	if (!s.n || str_chr(s, '\0')) {
		at->problem = arena_printf(l->arena, "%s holds no secret", path);
		return NULL;
	}
	if (!path_check_private(l, what, path, true, at)) {
		at->problem = arena_printf(l->arena, "%s is readable for everyone", path);
		return NULL;
	}
	return arena_dup(l->arena, s.p, s.n);
}

const char *secret_resolve(struct loader *l, const char *what, const char *text, struct origin *at)
{
	at->ref = at->problem = NULL;
	if (!secret_is_ref(text))
		return arena_printf(l->arena, "%s", text);
	at->ref = arena_printf(l->arena, "%s", text);
	if (!strncmp(text, "env:", 4))
		return secret_env(l, what, text + 4, at);
	return secret_file(l, what, text + 5, at);
}
