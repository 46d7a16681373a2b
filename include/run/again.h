/*
 * Whether a refused request is worth a second try in another form. What is returned lives in the
 * request's arena.
 */
#ifndef RUN_AGAIN_H
#define RUN_AGAIN_H

#include "run/run.h"

/* The backend can't take a thinking block back, so that the same without thinking may pass. */
bool again_without_thinking(const struct fault *f);
/* The request with the longest answer that the backend says it can give; NULL when that was not why
 * it refused, when the refusal is the client's own matter, or when memory ends. */
const struct run_options *again_shorter(const struct run_options *o, const struct fault *f);

#endif
