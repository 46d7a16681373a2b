/*
 * Whose request it is. A proxy appends the address of its own peer to X-Forwarded-For, so the list
 * is believed from its right end, for as long as the hops that wrote it are trusted: the first one
 * that is not is the client. What stands left of it the client may have written.
 */
#include <string.h>

#include "access/access.h"

static bool is_trusted(const struct config *c, const struct address *a)
{
	for (size_t i = 0; i < c->nproxies; i++)
		if (net_has(&c->proxies[i], a))
			return true;
	return false;
}

/* Takes the last part off the list. */
static struct str last_hop(struct str *list)
{
	size_t n = list->n;
	struct str hop;

	while (n && list->p[n - 1] != ',')
		n--;
	hop = str_from(*list, n);
	list->n = n ? n - 1 : 0;
	return hop;
}

void access_client_of(const struct config *c, const struct http_request *r,
		      struct access_client *out)
{
	struct str list = str_of(http_header(r, "x-forwarded-for"));
	struct address hop;

	*out = (struct access_client){ .known = false };
	out->known = address_parse(str_of(r->front->ops->param(r->front, "REMOTE_ADDR")),
				   &out->address);
	while (out->known && list.n && is_trusted(c, &out->address)) {
		if (!address_parse(last_hop(&list), &hop)) {
			out->vague = true;
			return;
		}
		out->address = hop;
		out->forwarded = true;
	}
}
