/*
 * What others said, made fit to be kept and shown: on one line, cut to size, without what looks like
 * a credential. Providers do write (parts of) keys into their refusals.
 */
#ifndef BASE_REDACT_H
#define BASE_REDACT_H

#include "base/buf.h"

/* Writes at most size - 1 bytes and a NUL. `secret` is left out wherever it stands; NULL: none is
 * known. A text that is not UTF-8 gives "". */
void redact(char *out, size_t size, const char *text, const char *secret);
/* Overwrites the secret with asterisks wherever it stands. NULL, or a word too short to be one:
 * nothing. */
void redact_known(char *p, size_t n, const char *secret);
/* Several of them: texts with a NUL behind each, gathered by redact_note, which takes NULL, and
 * adds the form that a secret has where the slashes of JSON are escaped. */
void redact_note(struct buf *secrets, const char *secret);
void redact_release(struct buf *secrets);
void redact_all(char *p, size_t n, const struct buf *secrets);
/* Does what a header (or a variable) of this name says have to stay secret? */
bool redact_is_secret_name(struct str name);
/* Does this word, of the characters that keys are made of, look like one? */
bool redact_is_credential(struct str word);

#endif
