/* One entry as a line of JSON: docs/errors.md has its members. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "json/span.h"
#include "trace/redact.h"
#include "trace/setting.h"

#define NAME_MAX_BYTES 256      /* of a name or path */
#define NEST_MAX 4              /* levels of blocks within blocks that are counted */

/* As in the API, in the order of enum block_type. */
static const char *const block_names[TRACE_BLOCKS] = {
	"text", "image", "document", "search_result", "tool_use", "tool_result", "thinking",
	"redacted_thinking", "server_tool_use", "server_tool_result", "tool_reference", "other",
};

/* ---- the shape ---- */

static void count_blocks(struct trace_shape *s, const struct block *v, size_t n, int depth)
{
	for (size_t i = 0; i < n; i++) {
		s->blocks[v[i].type]++;
		s->bytes[v[i].type] += v[i].raw.n;
		if (depth < NEST_MAX)
			count_blocks(s, v[i].blocks, v[i].nblocks, depth + 1);
	}
}

void trace_shape_of(struct trace_shape *s, const struct message_request *r)
{
	*s = (struct trace_shape){ .turns = r->nturns, .system = r->nsystem, .tools = r->ntools,
				   .max_tokens = r->max_tokens };
	for (size_t i = 0; i < r->nsystem; i++)
		s->system_bytes += r->system[i].raw.n;
	for (size_t i = 0; i < r->ntools; i++)
		s->tools_bytes += r->tools[i].raw.n;
	for (size_t i = 0; i < r->nturns; i++)
		count_blocks(s, r->turns[i].blocks, r->turns[i].nblocks, 0);
}

/* ---- members ---- */

/* Each member is followed by a comma; object_end takes the last one back. */
static void put_key(struct buf *b, const char *key)
{
	buf_printf(b, "\"%s\":", key);
}

static void object_begin(struct buf *b, const char *key)
{
	put_key(b, key);
	buf_putc(b, '{');
}

static void object_end(struct buf *b, const char *after)
{
	if (b->n && !b->failed && b->p[b->n - 1] == ',')
		b->n--;
	buf_puts(b, after);
}

/* Names come from clients too: nothing in them is trusted to be clean. */
static void put_name(struct buf *b, const char *key, const char *value,
		     const struct redaction *r)
{
	if (!value || !*value)
		return;
	put_key(b, key);
	buf_putc(b, '"');
	redact_put(b, (struct str){ value, strnlen(value, NAME_MAX_BYTES) }, r);
	buf_puts(b, "\",");
}

static void put_int(struct buf *b, const char *key, int64_t v)
{
	put_key(b, key);
	buf_put_int(b, v);
	buf_putc(b, ',');
}

/* Left out when it is 0. */
static void put_known(struct buf *b, const char *key, int64_t v)
{
	if (v)
		put_int(b, key, v);
}

static void put_text(struct buf *b, const char *key, struct str text, const struct redaction *r)
{
	put_key(b, key);
	buf_putc(b, '"');
	redact_put(b, text, r);
	buf_puts(b, "\",");
}

/* ---- parts ---- */

static void put_site(struct buf *b, const struct error_site *s)
{
	char id[SITE_ID_SIZE], code[SITE_CODE_SIZE];

	if (!s)
		return;
	site_id(s, id);
	site_code(s, code);
	buf_printf(b, "\"hash\":\"%s\",\"site\":{\"file\":\"%s\",\"function\":\"%s\",\"line\":%d,"
		      "\"code\":\"%s\"},", id, site_file(s), s->function, s->line, code);
}

static void put_shape(struct buf *b, const struct trace_shape *s)
{
	put_int(b, "turns", (int64_t)s->turns);
	put_int(b, "max_tokens", s->max_tokens);
	buf_printf(b, "\"system\":{\"n\":%zu,\"bytes\":%zu},\"tools\":{\"n\":%zu,\"bytes\":%zu},",
		   s->system, s->system_bytes, s->tools, s->tools_bytes);
	object_begin(b, "content");
	for (size_t i = 0; i < TRACE_BLOCKS; i++)
		if (s->blocks[i])
			buf_printf(b, "\"%s\":{\"n\":%zu,\"bytes\":%zu},", block_names[i],
				   s->blocks[i], s->bytes[i]);
	object_end(b, "},");
}

static void put_request(struct buf *b, const struct trace_request *r, const struct redaction *red)
{
	object_begin(b, "request");
	put_name(b, "method", r->method, red);
	put_name(b, "path", r->path, red);
	put_name(b, "key", r->key, red);
	put_name(b, "session", r->session_id, red);
	put_name(b, "model", r->asked, red);
	put_known(b, "bytes", (int64_t)r->bytes_in);
	if (r->shaped) {
		buf_printf(b, "\"stream\":%s,", r->stream ? "true" : "false");
		put_shape(b, &r->shape);
	}
	object_end(b, "},");
}

static void put_backend(struct buf *b, const struct trace_request *r, const struct redaction *red)
{
	if (!r->backend)
		return;
	object_begin(b, "backend");
	put_name(b, "name", r->backend, red);
	put_name(b, "model", r->routed, red);
	put_name(b, "rule", r->rule, red);
	put_int(b, "attempts", r->attempts);
	put_known(b, "members", r->members);
	object_end(b, "},");
}

static void put_upstream(struct buf *b, const struct trace_event *e,
			 const struct redaction *names, const struct redaction *words)
{
	const struct trace_request *r = e->request;
	int status = e->fault && e->fault->upstream_status ? e->fault->upstream_status
							     : r->upstream_status;

	if (!status && !r->upstream_head.n)
		return;
	object_begin(b, "upstream");
	put_known(b, "status", status);
	put_name(b, "id", r->upstream_id, names);
	/* An answer's head may hold words of the conversation: only next to the request can it be
	 * told which. */
	if (r->upstream_head.n && (r->body.p || !r->bytes_in))
		put_text(b, "head", r->upstream_head, words);
	object_end(b, "},");
}

static void put_timing(struct buf *b, const struct trace_event *e)
{
	const struct trace_request *r = e->request;

	object_begin(b, "timing");
	put_int(b, "ms", (e->now_us - r->started_us) / 1000);
	if (r->first_byte_us)
		put_int(b, "first_byte_ms", (r->first_byte_us - r->started_us) / 1000);
	object_end(b, "},");
}

/* What a fault says may quote an upstream, which may quote the request. Without the request to
 * compare with, the sentence that the place would say stands there, without what it quotes. */
static void put_message(struct buf *b, const struct trace_event *e, const struct redaction *r)
{
	bool sent = e->request && e->request->bytes_in;
	char text[512];

	if (!e->site || r->body.p || !sent || !site_quotes(e->site)) {
		put_text(b, "message", e->text, r);
		return;
	}
	site_text(e->site, text, sizeof(text));
	put_text(b, "message", str_of(text), r);
}

/* What is no fault of a request's own. */
static const char *type_of_message(const struct trace_event *e)
{
	if (e->tool)
		return "mcp_tool_error";
	return e->level >= LOG_LEVEL_ERROR ? "log_error" : "log_warning";
}

static void put_type(struct buf *b, const struct trace_event *e)
{
	const struct fault *f = e->fault;

	if (!f) {
		buf_printf(b, "\"type\":\"%s\",", type_of_message(e));
		return;
	}
	buf_printf(b, "\"type\":\"%s\",\"class\":\"%s\",\"status\":%d,",
		   f->type ? f->type : fault_type_of_status(f->status), fault_class_name(f->class),
		   f->status);
	if (f->retry_after >= 0)
		put_int(b, "retry_after", f->retry_after);
}

static const char *const fates[] = {
	[TRACE_ANSWERED] = "answered",
	[TRACE_RETRIED] = "retried",
	[TRACE_PASSED_ON] = "passed_on",
	[TRACE_LOGGED] = "logged",
};

/* Names are no words of the conversation, and comparing each with it would take its time. */
static void put_of_request(struct buf *b, const struct trace_event *e,
			   const struct redaction *names, const struct redaction *words)
{
	put_request(b, e->request, names);
	put_backend(b, e->request, names);
	put_upstream(b, e, names, words);
	put_timing(b, e);
}

/* The beginning of what was sent; credentials are looked for even so. */
static void put_contents(struct buf *b, const struct trace_setting *s, const struct trace_event *e,
			 const struct redaction *r)
{
	struct str body = e->request->body;

	if (!body.p || !s->content_bytes)
		return;
	put_text(b, "body", str_cut_utf8(body, s->content_bytes), r);
}

void entry_put(struct buf *b, const struct trace_setting *s, const struct trace_event *e,
	       bool debug)
{
	const struct trace_request *r = e->request;
	const char *allowed[] = { r ? r->asked : NULL, r ? r->routed : NULL, NULL };
	struct redaction red = { .secrets = r ? r->secrets : NULL,
				 .allowed = allowed[0] ? allowed : NULL };
	struct redaction words = red;
	char when[32];

	if (r && !debug)
		words.body = r->body;
	clock_rfc3339_us(when, sizeof(when), e->wall_us);
	buf_printf(b, "{\"time\":\"%s\",\"level\":\"%s\",\"instance\":\"%s\",\"pid\":%ld,", when,
		   e->level >= LOG_LEVEL_ERROR ? "error" : "warn", s->place.instance,
		   (long)getpid());
	put_name(b, "correlation_id", r ? r->id : NULL, &red);
	put_name(b, "client_correlation_id", r ? r->correlation_id : NULL, &red);
	put_site(b, e->site);
	put_type(b, e);
	buf_printf(b, "\"outcome\":\"%s\",", fates[e->fate]);
	if (debug)
		put_text(b, "message", e->text, &red);
	else
		put_message(b, e, &words);
	if (e->tool) {
		put_name(b, "tool", e->tool, &red);
		put_int(b, "result_bytes", (int64_t)e->result_bytes);
	}
	if (r)
		put_of_request(b, e, &red, &words);
	if (r && debug)
		put_contents(b, s, e, &red);
	object_end(b, "}\n");
}
