/*
 * What may not be in an error file, taken out of texts: credentials always, words of the
 * conversation unless contents are wanted.
 */
#ifndef TRACE_REDACT_H
#define TRACE_REDACT_H

#include "base/buf.h"

struct redaction {
	const char *const *secrets;     /* known ones, NULL-terminated, or NULL */
	/* The request's body: what the text shares with it, 12 bytes in a row or more, is taken
	 * out, but for names of members and the words that are allowed. p NULL: not compared. */
	struct str body;
	const char *const *allowed;     /* such as the model's name; NULL-terminated, or NULL */
};

#define REDACT_MAX 8192         /* bytes of a text that are looked at; the rest is cut */

/* Appends text as the content of a JSON string, with "[redacted]" for credentials and "[…]" for
 * words of the conversation; what is no UTF-8 becomes U+FFFD. */
void redact_put(struct buf *b, struct str text, const struct redaction *r);

#endif
