/* The escapes of single characters of a JSON string. */
#ifndef JSON_ESCAPE_H
#define JSON_ESCAPE_H

#include <stddef.h>
#include <stdint.h>

/* c is a quote, a backslash or a control character; returns the bytes written. */
size_t escape_char(char c, char out[6]);
/* The UTF-16 code unit of the \uXXXX at p; -1: there is none, or it is cut. */
int32_t escape_unit(const char *p, const char *end);

#endif
