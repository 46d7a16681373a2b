/* What the fronts share: looking into "NAME=value" lists, and a body's announced size. */
#ifndef FRONT_PARAM_H
#define FRONT_PARAM_H

#include <stdint.h>

/* The value of name in a NULL-terminated list, borrowed; NULL when it isn't there. */
const char *param_find(const char *const *params, const char *name);
/* CONTENT_LENGTH's value: -1 when text is NULL, empty or no plain decimal number. */
int64_t param_length(const char *text);

#endif
