/* What the parts of the shared error table share: error.c decides, error_text.c finds what a
 * backend says, error_overflow.c knows the wordings of a prompt, and of a wished answer, that does not fit. */
#ifndef DIALECT_ERROR_H
#define DIALECT_ERROR_H

#include "base/buf.h"
#include "json/span.h"

/* An error body, read. */
struct backend_error {
	struct buf message;             /* the sentence itself, clean UTF-8; empty when there is none */
	struct span object;             /* the error object, SPAN_ABSENT for other shapes */
	struct span type, code;         /* as given, strings or numbers; absent */
	struct span kind;               /* OpenRouter's metadata.error_type */
	int status;                     /* the status that the body itself names, 0 if none */
	struct buf raw;                 /* owns the text of a nested error that object and the others may point into */
};
void backend_error_read(struct backend_error *e, struct str body);
void backend_error_release(struct backend_error *e);
/* type, code or kind is this word. */
bool backend_error_is(const struct backend_error *e, const char *word);
void backend_error_add(struct backend_error *e, struct span text);      /* to the message, cleaned */

/* Token counts that a message names; 0 where it does not. */
struct overflow {
	int64_t max, prompt, output, total;
};
/* True if the message (or n_prompt_tokens and n_ctx of the object, or a code) says that the
 * prompt does not fit. */
bool error_overflow(const struct backend_error *e, struct overflow *o);
/* The longest answer that the model can be asked for, where that is what the message is about; 0. */
int64_t error_answer_limit(const struct backend_error *e);

#endif
