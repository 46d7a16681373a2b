/*
 * A Messages body on its way in: measured against limits.max_body, let through the gate, read to
 * its end into one buffer of just its size, parsed. Freed again at the first content, long before
 * the stream ends.
 */
#include <string.h>

#include "api/api.h"
#include "ingress/ingress.h"

#define LARGE_BODY (16 * 1024) /* its tables get one piece of memory */
#define READ_STEP 65536 /* bytes, while the length is not known */

static int too_large(const struct api_call *c, size_t bytes, bool measured, struct fault *f)
{
	return fault_set(f, FAULT_OVERFLOW, 413, "request_too_large",
			 "The request body has %s%zu bytes; this gateway takes %lld "
			 "(limits.max_body in its configuration).",
			 measured ? "" : "more than ", bytes, (long long)c->config->max_body);
}

static int body_cut(struct fault *f)
{
	return fault_bad(f, "The request body ended before its Content-Length was reached, or did "
			    "not arrive in time "
			    "(limits.client_read_timeout).");
}

/* Room for what is said to come, else for one step; the gate is asked before the memory is. */
static char *make_room(struct api_call *c, struct api_body *b, size_t want, struct fault *f)
{
	char *room;

	if (gate_grow(c->config, &b->ticket, b->buf.n + want, f))
		return NULL;
	room = buf_room(&b->buf, want);
	if (!room)
		fault_no_memory(f);
	return room;
}

/* Reads to the end: a front's descriptor tells of the client only when nothing of the body is left
 * unread. */
static int read_all(struct api_call *c, struct api_body *b, size_t said, struct fault *f)
{
	size_t max = (size_t)c->config->max_body;
	size_t room = 0;
	char *p = NULL;

	for (;;) {
		char probe[64];
		ssize_t got;

		if (!room && b->buf.n < said) {
			room = said - b->buf.n;
			p = make_room(c, b, room, f);
			if (!p)
				return -1;
		}
		/* With all that was said read, the end is looked for without growing the buffer. */
		got = room ? c->front->ops->read(c->front, p, room)
			   : c->front->ops->read(c->front, probe, sizeof(probe));
		if (got < 0)
			return body_cut(f);
		if (got == 0)
			return 0;
		if (b->buf.n + (size_t)got > max)
			return too_large(c, max, false, f);
		if (room) {
			b->buf.n += (size_t)got;
			p += got;
			room -= (size_t)got;
			continue;
		}
		p = make_room(c, b, READ_STEP, f);
		if (!p)
			return -1;
		memcpy(p, probe, (size_t)got);
		b->buf.n += (size_t)got;
		p += got;
		room = READ_STEP - (size_t)got;
	}
}

/* A header value goes on into a header of ours: control characters end that. */
static bool sendable(const char *value)
{
	for (; value && *value; value++)
		if ((unsigned char)*value < ' ' || *value == 0x7f)
			return false;
	return value != NULL;
}

/* "HTTP_ANTHROPIC_WORKSPACE_ID=x" as "anthropic-workspace-id: x"; NULL for any other parameter. */
static const char *anthropic_header(struct arena *a, const char *param)
{
	struct str value = str_of(param), name;
	char *out, *o;

	if (!str_starts(value, "HTTP_ANTHROPIC_") || !sendable(param) ||
	    !str_split(&value, '=', &name))
		return NULL;
	if (str_is(name, "HTTP_ANTHROPIC_BETA") || str_is(name, "HTTP_ANTHROPIC_VERSION"))
		return NULL;
	out = o = arena_alloc(a, name.n + value.n + 3);
	if (!out)
		return NULL;
	for (size_t i = sizeof("HTTP_") - 1; i < name.n; i++)
		*o++ = name.p[i] == '_' ? '-' : (char)(name.p[i] | 0x20);
	memcpy(o, ": ", 2);
	memcpy(o + 2, value.p, value.n);
	return out;
}

static void fill_anthropic_headers(const struct api_call *c, struct message_request *r)
{
	const char *const *params = c->front->ops->params(c->front);
	const char **list = NULL;
	size_t n = 0, cap = 0;

	for (; params && *params; params++) {
		const char *header = anthropic_header(c->arena, *params);
		const char **grown =
			header ? arena_grow(c->arena, list, n + 1, &cap, sizeof(*list)) : NULL;

		if (!grown)
			continue;
		list = grown;
		list[n++] = header;
		list[n] = NULL;
	}
	r->anthropic_headers = list;
}

static const char *header(const struct api_call *c, const char *name)
{
	const char *value = http_header(c->request, name);

	return sendable(value) ? value : NULL;
}

static void fill_headers(const struct api_call *c, struct message_request *r)
{
	r->beta = header(c, "anthropic-beta");
	r->version = header(c, "anthropic-version");
	r->session_id = header(c, "x-claude-code-session-id");
	r->caller = c->access.key_name;
	fill_anthropic_headers(c, r);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* A body of very small blocks has tables that are larger than itself: they count, too. */
static int parse(struct api_call *c, enum op op, struct api_body *b, struct fault *f)
{
	enum parse_for what =
		op == OP_COUNT ? PARSE_COUNT : c->model ? PARSE_NAMED : PARSE_MESSAGE;

	if (b->buf.n >= LARGE_BODY)
		arena_expect(&b->arena, b->buf.n);
	if (anthropic_parse(&b->request, buf_str(&b->buf), what, &b->arena, f) == 0)
		return gate_grow(c->config, &b->ticket, b->buf.n + b->arena.used, f);
	if (!b->arena.full)
		return -1;
	return fault_set(f, FAULT_OVERFLOW, 413, "request_too_large",
			 "The request has so many parts that they take more than %zu bytes of "
			 "memory (limits.memory, limits.max_body).",
			 b->arena.max);
}

int api_body_read(struct api_call *c, enum op op, struct api_body *b, struct fault *f)
{
	int64_t said = c->request->content_length;
	size_t max = (size_t)c->config->max_body;

	memset(b, 0, sizeof(*b));
	buf_init(&b->buf, max + READ_STEP);
	arena_init(&b->arena, least(c->arena->max, gate_memory(c->config)));
	if (said > c->config->max_body)
		return too_large(c, (size_t)said, true, f);
	if (gate_enter(c->config, said > 0 ? (size_t)said : 0, &b->ticket, f))
		return -1;
	if (read_all(c, b, said > 0 ? (size_t)said : 0, f))
		return -1;
	c->account.bytes_in = b->buf.n;
	b->call = c;
	api_trace_body(c, buf_str(&b->buf), NULL);
	if (parse(c, op, b, f))
		return -1;
	if (!span_given(b->request.model)) {
		b->request.model = span_utf8(str_of(c->model));
		b->request.model_name = c->model;
	}
	b->request.model_name =
		arena_dup(c->arena, b->request.model_name, strlen(b->request.model_name));
	if (!b->request.model_name)
		return fault_no_memory(f);
	api_trace_body(c, buf_str(&b->buf), &b->request);
	fill_headers(c, &b->request);
	c->account.asked = b->request.model_name;
	c->account.session_id = b->request.session_id;
	c->account.stream = b->request.stream;
	if (op == OP_MESSAGE)
		api_trace_mcp(&b->request);
	return 0;
}

static struct span keep(struct arena *a, struct span s)
{
	struct str copy = arena_str(a, (struct str){ s.p, s.n });

	return span_given(s) && copy.p ? (struct span){ copy.p, copy.n, s.form } : SPAN_ABSENT;
}

/* The tools' names: answers hold them, shortened, and they are restored from here. */
static struct tool *keep_tools(struct arena *a, const struct message_request *r)
{
	struct tool *kept = r->ntools ? arena_alloc(a, r->ntools * sizeof(*kept)) : NULL;

	for (size_t i = 0; kept && i < r->ntools; i++)
		kept[i] = (struct tool){ .name = keep(a, r->tools[i].name),
					 .server = r->tools[i].server };
	return kept;
}

static struct span *keep_stops(struct arena *a, const struct message_request *r)
{
	struct span *kept =
		r->nstop_sequences ? arena_alloc(a, r->nstop_sequences * sizeof(*kept)) : NULL;

	for (size_t i = 0; kept && i < r->nstop_sequences; i++)
		kept[i] = keep(a, r->stop_sequences[i]);
	return kept;
}

void api_body_drop(struct api_call *c, struct api_body *b)
{
	const struct message_request *r = &b->request;
	struct message_request kept = {
		.model = keep(c->arena, r->model),
		.model_name = r->model_name,
		.max_tokens = r->max_tokens,
		.stream = r->stream,
		.thinking = r->thinking,
		.beta = r->beta,
		.version = r->version,
		.session_id = r->session_id,
		.caller = r->caller,
		.anthropic_headers = r->anthropic_headers,
		.tools = keep_tools(c->arena, r),
		.stop_sequences = keep_stops(c->arena, r),
	};

	/* Without memory for the copies the body stays: late, not wrong. */
	if (c->arena->failed)
		return;
	kept.ntools = r->ntools;
	kept.nstop_sequences = r->nstop_sequences;
	b->request = kept;
	api_trace_body(c, STR_NONE, NULL);
	buf_release(&b->buf);
	arena_release(&b->arena);
	gate_shrink(&b->ticket, 0);
}

void api_body_release(struct api_body *b)
{
	if (b->call)
		api_trace_body(b->call, STR_NONE, NULL);
	buf_release(&b->buf);
	arena_release(&b->arena);
	gate_leave(&b->ticket);
}
