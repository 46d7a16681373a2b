/*
 * Tells when a JSON text that arrives in fragments is complete, without keeping any of it: tool
 * inputs come this way, and whether a call's input has ended decides whether the next block may
 * begin. It counts brackets and strings only; that the text is valid is not its business.
 */
#ifndef JSON_PROGRESS_H
#define JSON_PROGRESS_H

#include "json/span.h"

struct json_progress {
	unsigned depth;         /* containers open now */
	bool begun;             /* something but white space was seen */
	bool in_string, escaped;
	bool complete;          /* the container or string that the text began with has ended */
};

/* Moves over a fragment: SPAN_STR as the content of a string (escapes are resolved), other forms as
 * the text itself. Returns how many of its bytes belong to the value: all of them while it is not
 * complete, none once it is. Numbers and the three words are never complete. A JSON_PROGRESS of
 * zeros is the start. */
size_t json_progress_feed(struct json_progress *p, struct span fragment);

#endif
