/*
 * Who asks, and in which session: members that a provider bills, limits and caches by. Also for
 * other dialects whose body is a list of members.
 */
#include <openssl/sha.h>
#include <string.h>

#include "dialect/caller.h"
#include "dialect/openai_encode.h"
#include "json/scan.h"

#define SESSION_MAX 64  /* characters that "prompt_cache_key" may have */

/* A name of at most SESSION_MAX characters: itself, or its SHA-256. Always the same for the same
 * name, and tells nothing. */
static struct span short_name(struct openai_encoder *e, struct span name)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char md[SHA256_DIGEST_LENGTH];
	char out[2 * SHA256_DIGEST_LENGTH];
	struct buf *b = &e->scratch;

	if (span_text_size(name) <= SESSION_MAX)
		return name;
	buf_reset(b);
	if (span_put_text(b, name))
		return SPAN_ABSENT;
	SHA256((const unsigned char *)b->p, b->n, md);
	for (size_t i = 0; i < sizeof(md); i++) {
		out[2 * i] = hex[md[i] >> 4];
		out[2 * i + 1] = hex[md[i] & 15];
	}
	return span_utf8(arena_str(e->arena, (struct str){ out, sizeof(out) }));
}

/* The client's body has this member, and the backend gets it from there. */
static bool client_says(const struct openai_encoder *e, struct str member)
{
	const char *const *v = e->backend->pass_members;

	while (v && *v && !str_is(member, *v))
		v++;
	return v && *v && span_given(request_member(e->request, *v));
}

void openai_put_caller(struct openai_encoder *e)
{
	struct caller_field f;
	struct str name;
	const char *member;

	if (!caller_field(e->backend, e->request, &f) || client_says(e, f.outer))
		return;
	member = arena_dup(e->arena, f.outer.p, f.outer.n);
	if (!member || !openai_member(e, member))
		return;
	name = caller_name(e->arena, e->request, &f);
	if (f.inner.n) {
		segs_puts(e->body, "{");
		segs_string(e->body, span_utf8(f.inner));
		segs_puts(e->body, ":");
	}
	segs_string(e->body, span_utf8(name));
	segs_puts(e->body, f.inner.n ? "}" : "");
}

void openai_put_session(struct openai_encoder *e)
{
	const struct message_request *r = e->request;
	const char *member = e->backend->session_member;

	if (member && r->session_id && *r->session_id && openai_member(e, member))
		segs_string(e->body, short_name(e, span_utf8(str_of(r->session_id))));
}
