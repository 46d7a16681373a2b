/* One HTTP call with a credential that is there already; upstream_perform sees to that. */
#ifndef UPSTREAM_CALL_H
#define UPSTREAM_CALL_H

#include "upstream/credential.h"
#include "upstream/upstream.h"

/* As upstream_perform. own: the backend's credential, token NULL for none. */
enum upstream_result call_perform(const struct upstream_call *c, const struct credential *own,
				  struct fault *f) MUST_CHECK;

#endif
