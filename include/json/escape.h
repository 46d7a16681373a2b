/* The escape of one character of a JSON string. Internal to json/. */
#ifndef JSON_ESCAPE_H
#define JSON_ESCAPE_H

#include <stddef.h>

/* c is a quote, a backslash or a control character; returns the bytes written. */
size_t escape_char(char c, char out[6]);

#endif
