/*
 * What backends answer beside messages, as every dialect reads it: model lists, token counts and
 * errors of any status. The first byte chooses the dialect, the second the kind.
 */
#include <string.h>

#include "checker.h"
#include "dialect/dialect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int statuses[] = { 200, 400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 503, 529 };

static void take_model(void *ctx, const struct model_info *m)
{
	require(m->id && *m->id && strlen(m->id) < 1 << 20);
	require(!m->display_name || strlen(m->display_name) < 1 << 20);
}

static void read_error(const struct dialect *d, const struct decode_context *c, int status,
		       struct str body)
{
	struct fault f = FAULT_INIT;

	d->decode_error(c, status, body, &f);
	require(f.status >= 400 && f.status <= 599 && f.type && *f.type);
	require(f.message[0] && str_utf8(str_of(f.message)));
	require(f.retry_after >= -1);
}

static const struct dialect *choose(uint8_t n)
{
	const struct dialect *const *all = dialect_all();
	size_t count = 0;

	while (all[count])
		count++;
	return all[n % count];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct backend backend = { .name = "lab", .origin = "lab", .base_url = "http://x" };
	struct target target = { .backend = &backend, .model = "m" };
	struct message_request request = { .max_tokens = 1 };
	struct decode_context c = { .request = &request, .target = &target };
	const struct dialect *d;
	struct str body;
	struct arena a;
	int64_t tokens = 0;

	if (size < 2)
		return 0;
	d = choose(data[0]);
	backend.dialect = d->name;
	backend.anthropic_host = data[1] & 128;
	body = (struct str){ (const char *)data + 2, size - 2 };
	arena_init(&a, 64 << 20);
	c.arena = &a;
	if (d->decode_count && d->decode_count(body, &tokens) == 0)
		require(tokens >= 0);
	if (d->decode_models)
		d->decode_models(&a, body, take_model, NULL);
	read_error(d, &c, statuses[(data[1] & 127) % (sizeof(statuses) / sizeof(*statuses))], body);
	arena_release(&a);
	return 0;
}
