/*
 * Who asks: the name of the client's access key, in the field that a backend has for it
 * (`user_member`), and in characters and a length that this field takes. The client's own
 * metadata.user_id goes to backends that speak the Messages API and to no other.
 */
#ifndef DIALECT_CALLER_H
#define DIALECT_CALLER_H

#include "base/arena.h"
#include "message/request.h"
#include "message/target.h"

/* "requestMetadata.user": a member of an object; "user": a text, and inner is empty. */
struct caller_field {
	struct str outer, inner;
};

/* False: the backend isn't told, or there is no key to tell of. */
bool caller_field(const struct backend *b, const struct message_request *r,
		  struct caller_field *f);
/* The key's name as the field takes it, in the arena; the same for the same name. p is NULL when
 * memory ends. */
struct str caller_name(struct arena *a, const struct message_request *r,
		       const struct caller_field *f);

#endif
