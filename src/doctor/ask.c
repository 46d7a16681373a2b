/* Requests as a client would send them: the same path, headers and shape of body. */
#include "doctor/ask.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define USUAL_SECONDS 20
#define HEADERS_MAX 8
#define BETAS "anthropic-beta: claude-code-20250219,doctor-2026-11-22"

/* What fills large bodies: words that no rule is interested in. */
static const char words[] =
	"the quick brown fox jumps over the lazy dog and goes home to sleep until the next morning "
	"when it wakes up and looks for another dog that lies in its way ";

static int on_head(void *ctx, const struct upstream_head *h)
{
	struct ask *a = ctx;

	a->status = h->status;
	snprintf(a->type, sizeof(a->type), "%s", h->content_type);
	snprintf(a->server, sizeof(a->server), "%s", h->server);
	a->ours = str_starts(str_of(h->request_id), "req_");
	a->page = strstr(h->content_type, "html") != NULL;
	return 0;
}

static int on_data(void *ctx, const char *p, size_t n)
{
	struct ask *a = ctx;
	size_t kept = a->bytes < ASK_KEEP ? a->bytes : ASK_KEEP;
	size_t more = n < ASK_KEEP - kept ? n : ASK_KEEP - kept;

	a->last_ms = clock_ms();
	if (!a->first_ms)
		a->first_ms = a->last_ms;
	memcpy(a->body + kept, p, more);
	a->bytes += n;
	return 0;
}

/* {"max_tokens":-1,…}: should a proxy take the test's header away, the gateway refuses this as a
 * message, and no backend is paid for it. content: the inside of a JSON string. */
static void put_body(struct segs *s, const struct ask *a)
{
	segs_puts(s, "{\"model\":\"doctor\",\"max_tokens\":-1,\"messages\":[{\"role\":\"user\","
		     "\"content\":\"");
	segs_puts(s, a->q.content);
	while (s->total + sizeof(words) < a->q.size && !s->failed)
		segs_puts(s, words);
	segs_puts(s, "\"}]}");
}

static void add_headers(const struct ask_place *w, const struct ask *a, struct arena *arena,
			const char **list, size_t *n)
{
	list[(*n)++] = "anthropic-version: 2023-06-01";
	list[(*n)++] = BETAS;
	if (a->q.test) {
		list[(*n)++] = arena_printf(arena, "%s: %s", DOCTOR_HEADER, a->q.test);
		if (*w->ticket)
			list[(*n)++] =
				arena_printf(arena, "%s: %s", DOCTOR_TICKET_HEADER, w->ticket);
	}
	if (a->q.test || w->key) {
		const char *key = w->key ? w->key : "doctor-test";

		list[(*n)++] = arena_printf(arena, "x-api-key: %s", key);
		list[(*n)++] = arena_printf(arena, "Authorization: Bearer %s", key);
	}
}

static int64_t deadline_of(const struct ask_place *w, const struct ask *a)
{
	int64_t own = clock_ms() + (a->q.seconds ? a->q.seconds : USUAL_SECONDS) * 1000LL;

	return own < w->deadline ? own : w->deadline;
}

void ask_perform(const struct ask_place *w, const struct question *q, struct ask *a)
{
	static const struct backend web = { .name = "web server",
					    .origin = "web-server",
					    .base_url = "",
					    .auth = AUTH_NONE,
					    .tls_verify = true,
					    .connect_timeout = 10 };
	const char *headers[HEADERS_MAX];
	struct arena arena;
	struct segs body;
	struct upstream_call call = { .method = q->method,
				      .headers = headers,
				      .backend = &web,
				      .compress = q->compress,
				      .on_head = on_head,
				      .on_data = on_data,
				      .ctx = a,
				      .report = &a->report,
				      .look = q->look };
	int64_t started = clock_ms();

	*a = (struct ask){ .q = *q, .fault = FAULT_INIT };
	arena_init(&arena, 0);
	segs_init(&body, &arena);
	if (a->q.content)
		put_body(&body, a);
	add_headers(w, a, &arena, headers, &call.nheaders);
	call.url = arena_printf(&arena, "%s%s", w->base, a->q.path);
	call.body = a->q.content ? &body : NULL;
	call.deadline = deadline_of(w, a);
	if (arena.failed || body.failed) {
		a->result = UPSTREAM_FAILED;
		fault_no_memory(&a->fault);
	} else {
		a->result = upstream_perform(&call, &a->fault);
	}
	a->body[a->bytes < ASK_KEEP ? a->bytes : ASK_KEEP] = '\0';
	a->took_ms = clock_ms() - started;
	arena_release(&arena);
}

bool ask_answered(const struct ask *a)
{
	return a->result == UPSTREAM_DONE && a->status == 200 &&
	       strstr(a->body, "\"type\":\"doctor\"") != NULL;
}
