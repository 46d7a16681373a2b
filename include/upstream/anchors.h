/*
 * Where this machine keeps the certificates of the authorities that everybody trusts.
 */
#ifndef UPSTREAM_ANCHORS_H
#define UPSTREAM_ANCHORS_H

#include <stdbool.h>
#include <stddef.h>

/* What is looked at before and after the places that are known here; each may be NULL. */
struct anchors_hints {
	const char *folder, *bundle;    /* libcurl was built with these: looked at first */
	const char *own;                /* the file that came with the program: taken last */
};

/* Writes the path of a folder of hashed names or of a PEM file, "" when there is none. root: what
 * stands for "/", "" but in tests. True when it is a folder. */
bool anchors_find(const char *root, const struct anchors_hints *h, char *path, size_t size);

#endif
