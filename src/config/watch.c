/* File states by inode, size and both times: a file replaced within the clock's grain still has
 * another inode or ctime. */
#include "config/watch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/os.h"

struct state {
	bool exists;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed, modified;
};

struct watched {
	char *path;
	struct state state;
};

static struct state state_of(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return (struct state){ .exists = false };
	return (struct state){ true, st.st_dev, st.st_ino, st.st_size, os_changed(&st),
			       os_modified(&st) };
}

static bool time_eq(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool state_eq(const struct state *a, const struct state *b)
{
	if (!a->exists || !b->exists)
		return a->exists == b->exists;
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
		time_eq(a->changed, b->changed) && time_eq(a->modified, b->modified);
}

int watch_add(struct watch *w, const char *path)
{
	size_t i;

	for (i = 0; i < w->n; i++)
		if (!strcmp(w->v[i].path, path))
			return 0;
	if (w->n == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 8;
		struct watched *v = realloc(w->v, cap * sizeof(*v));

		if (!v)
			return -1;
		w->v = v;
		w->cap = cap;
	}
	w->v[w->n].path = strdup(path);
	if (!w->v[w->n].path)
		return -1;
	w->v[w->n].state = state_of(path);
	w->n++;
	return 0;
}

bool watch_changed(const struct watch *w)
{
	size_t i;

	for (i = 0; i < w->n; i++) {
		struct state now = state_of(w->v[i].path);

		if (!state_eq(&now, &w->v[i].state))
			return true;
	}
	return false;
}

void watch_each(const struct watch *w, void (*see)(void *ctx, const char *path), void *ctx)
{
	for (size_t i = 0; i < w->n; i++)
		see(ctx, w->v[i].path);
}

void watch_release(struct watch *w)
{
	size_t i;

	for (i = 0; i < w->n; i++)
		free(w->v[i].path);
	free(w->v);
	*w = (struct watch){ NULL, 0, 0 };
}
