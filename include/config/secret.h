/*
 * Secrets and the places they may come from. A secret is named ("env:NAME", "file:PATH") or stands
 * in the file; it is never printed. Variables that a client can set are never read.
 */
#ifndef CONFIG_SECRET_H
#define CONFIG_SECRET_H

#include "config/option.h"

#define SECRET_FILE_MAX (64 * 1024)

/* The secret that `text` names, or itself. NULL when there is none: at->problem then says why.
 * Refused names are reported as errors. at->ref is set unless it is a literal. */
const char *secret_resolve(struct loader *l, const char *what, const char *text, struct origin *at);
/* "env:NAME" or "file:PATH"? */
bool secret_is_ref(const char *text);

/* The path below the config's folder when it is relative. NULL without memory. */
const char *path_resolve(struct loader *l, const char *path);
/* Reports a path that lies below DOCUMENT_ROOT under a name that a web server would hand out; true
 * when it is one. */
bool path_exposed(struct loader *l, const char *what, const char *path, const struct origin *at);
/* False, and an error that says what to run, when everyone can write the file or, if a secret stands
 * in it, read it. A group that can do so is warned of. At most one sentence a file in a row. */
bool path_check_private(struct loader *l, const char *what, const char *path, bool secret,
			const struct origin *at);
/* A whole small text file in the arena; NULL with errno. *size may be NULL. */
char *path_read(struct loader *l, const char *path, size_t max, size_t *size);

#endif
