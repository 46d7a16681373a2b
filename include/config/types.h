/*
 * Types of options that are lists of pairs (config/pairs.c), and a check that several need.
 */
#ifndef CONFIG_TYPES_H
#define CONFIG_TYPES_H

#include "config/option.h"

/* What a URL of a backend has to be instead, as a noun; NULL when it is right. */
const char *url_fault(const char *url);

/* Both add to what is stored already, a pair of the same name replaces it. Text is one pair, "Name:
 * value". */
bool headers_put(struct loader *l, const struct option *o, void *base, struct value *v);
bool body_put(struct loader *l, const struct option *o, void *base, struct value *v);

#endif
