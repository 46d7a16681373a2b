/*
 * Files whose change makes a snapshot old: the config, what it includes, key files, files of
 * secrets, and places where a config with precedence could appear. Their state is taken before they
 * are read, so no change is missed.
 */
#ifndef CONFIG_WATCH_H
#define CONFIG_WATCH_H

#include <stdbool.h>
#include <stddef.h>

struct watched;
struct watch {
	struct watched *v;
	size_t n, cap;
};

/* Zeroed is empty. 0, or -1 without memory. A path that does not exist is watched too. */
int watch_add(struct watch *w, const char *path);
bool watch_changed(const struct watch *w);
/* Each of them. */
void watch_each(const struct watch *w, void (*see)(void *ctx, const char *path), void *ctx);
void watch_release(struct watch *w);

#endif
