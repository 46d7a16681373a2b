/* Look-ups in a parsed request. */
#include "message/request.h"

struct span request_member(const struct message_request *r, const char *name)
{
	for (size_t i = r->nmembers; i-- > 0;)
		if (span_is(r->members[i].name, name))
			return span_unquote(r->members[i].value);
	return SPAN_ABSENT;
}
