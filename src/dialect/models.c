/* What the readers of model lists share. */
#include "dialect/dialect.h"

#include <string.h>

const char *model_text(struct arena *a, struct span s)
{
	const char *text = NULL;
	struct buf b;

	if (!span_is_string(s) || !s.n)
		return NULL;
	buf_init(&b, 1024);
	if (span_put_text(&b, s) == 0 && !str_chr(buf_str(&b), '\0'))
		text = arena_dup(a, b.p, b.n);
	buf_release(&b);
	return text;
}

static int put_headers(const struct encode_context *c, struct outgoing *out)
{
	const struct header_setting *set = c->target->backend->headers;
	const char **v;
	size_t n = 0;

	while (set && set[n].name)
		n++;
	v = arena_alloc(c->arena, (n + 1) * sizeof(*v));
	if (!v)
		return -1;
	v[0] = "Accept: application/json";
	for (size_t i = 0; i < n; i++)
		v[i + 1] = arena_printf(c->arena, "%s: %s", set[i].name, set[i].value);
	out->headers = v;
	out->nheaders = n + 1;
	return 0;
}

int models_encode(const struct encode_context *c, struct outgoing *out, struct fault *f)
{
	const struct backend *b = c->target->backend;

	if (!b->path_models)
		return fault_set(f, FAULT_CAPABILITY, 404, "not_found_error",
				 "backend %s has no list of models", b->name);
	out->method = "GET";
	out->url = dialect_url(c->arena, c->target, b->path_models, false);
	return put_headers(c, out) || !out->url || c->arena->failed ? fault_no_memory(f) : 0;
}
