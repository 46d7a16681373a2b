/* What error tracking is told of a request, and the options that it is set up with. */
#include <stddef.h>
#include <string.h>

#include "api/api.h"
#include "base/log.h"
#include "base/parts.h"
#include "state/rates.h"

/* A minute, over all processes; the mark is even, as no key's is. */
#define STRANGERS 60
#define STRANGERS_MARK UINT64_C(0x73726e6567727474)

void api_trace_options(const struct config *c, struct trace_options *o)
{
	*o = (struct trace_options){
		.dir = c->log_dir && *c->log_dir ? c->log_dir : NULL,
		.retention_days = c->log_retention_days,
		.max_files = c->log_max_files,
		.max_bytes = c->log_max_bytes,
		.compress = c->log_compress,
		.debug = log_level_of(str_of(c->log_level)) == LOG_LEVEL_DEBUG,
		.content_bytes = c->log_contents,
		.generation = c->generation,
		.source = c->source,
	};
	o->mark = config_mark(c);
}

void api_trace_setup(const struct config *c)
{
	struct trace_options o = { 0 };

	/* The mark of a configuration is looked for only where it will be used. */
	if (c->log_dir && *c->log_dir)
		api_trace_options(c, &o);
	trace_setup(&o);
}

static void add_secret(struct trace_request *t, const char *s)
{
	size_t n = 0;

	while (t->secrets[n])
		n++;
	if (s && *s && n + 1 < sizeof(t->secrets) / sizeof(t->secrets[0]))
		t->secrets[n] = s;
}

static void fill_secrets(struct trace_request *t, const struct api_call *c)
{
	const char *authorization = http_header(c->request, "authorization");
	const char *space = authorization ? strchr(authorization, ' ') : NULL;

	memset(t->secrets, 0, sizeof(t->secrets));
	add_secret(t, http_header(c->request, "x-api-key"));
	add_secret(t, space ? space + 1 : authorization);
	add_secret(t, c->traced_key);
}

/* From the account, as far as it has come. */
static void fill(struct trace_request *t)
{
	struct api_call *c = (struct api_call *)((char *)t - offsetof(struct api_call, trace));
	const struct account *a = &c->account;

	t->key = c->access.key_name;
	t->session_id = a->session_id;
	t->bytes_in = a->bytes_in;
	t->stream = a->stream;
	t->asked = a->asked;
	t->routed = a->routed;
	t->backend = a->backend;
	t->rule = a->rule;
	t->attempts = a->run.attempts;
	t->members = a->run.members;
	t->upstream_status = a->run.upstream_status;
	t->upstream_id = a->run.upstream_id;
	t->first_byte_us = c->answer->first_byte_us;
	fill_secrets(t, c);
}

void api_trace_begin(struct api_call *c)
{
	if (!trace_on())
		return;
	c->trace.id = c->request->id;
	c->trace.correlation_id = c->request->correlation_id;
	c->trace.method = c->request->method;
	c->trace.path = c->request->path;
	c->trace.started_us = c->answer->started_us;
	c->trace.fill = fill;
	trace_begin(&c->trace);
}

/* Anybody can be refused as often as he likes: recorded each time, it would be what is kept, and
 * the errors of who may be here what has to go. */
static bool is_one_too_many(const struct api_call *c, const struct fault *f)
{
	bool stranger = !c->access.key && !c->busy &&
			(c->config->access_mode == ACCESS_KEYS || f->scope == FAULT_OF_KEY);
	struct rate r;

	return stranger && trace_on() &&
	       !rate_take(STRANGERS_MARK, RATE_REQUESTS, STRANGERS, 1, &r);
}

void api_trace_answered(struct api_call *c, const struct fault *f)
{
	if (!is_one_too_many(c, f))
		trace_fault(f, TRACE_ANSWERED);
}

void api_trace_body(struct api_call *c, struct str body, const struct message_request *r)
{
	c->trace.body = body;
	if (!r || !trace_on())
		return;
	trace_shape_of(&c->trace.shape, r);
	c->trace.shaped = true;
}

#define MCP_LOOKED_AT 64        /* failed results of one request */

/* The call that a result answers stands in the turn before. */
static const struct block *call_of(const struct turn *t, struct span id)
{
	for (size_t i = 0; i < t->nblocks; i++)
		if (t->blocks[i].type == BLOCK_TOOL_USE && span_eq(t->blocks[i].id, id))
			return &t->blocks[i];
	return NULL;
}

/* "mcp__SERVER__TOOL" is how Claude Code names them. What the result says is not told. */
static void note_mcp(const struct turn *asked, const struct block *result)
{
	const struct block *call = call_of(asked, result->id);
	struct buf name;

	if (!call)
		return;
	buf_init(&name, 0);
	span_put_text(&name, call->name);
	if (str_starts(buf_str(&name), "mcp__"))
		trace_mcp(buf_cstr(&name), result->raw.n);
	buf_release(&name);
}

void api_trace_mcp(const struct message_request *r)
{
	size_t asked = r->nturns, left = MCP_LOOKED_AT;

	if (!WITH_ERROR_FILES || !trace_on())
		return;
	while (asked && r->turns[asked - 1].role != ROLE_ASSISTANT)
		asked--;
	for (size_t t = asked; asked && t < r->nturns; t++)
		for (size_t i = 0; left && i < r->turns[t].nblocks; i++) {
			const struct block *b = &r->turns[t].blocks[i];

			if (b->type != BLOCK_TOOL_RESULT || !b->is_error)
				continue;
			note_mcp(&r->turns[asked - 1], b);
			left--;
		}
}
