/* The request log: one JSON object a request, with sizes, names and numbers only; never a key or a
 * word of a conversation. */
#include <string.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/log.h"

#define TEXT_MAX 256 /* bytes of a name or path that are logged */

void account_fault(struct account *a, const struct fault *f)
{
	a->fault_type = f->type;
	a->fault_site = f->site;
	a->fault_status = f->status;
	memcpy(a->fault_note, f->note, sizeof(a->fault_note));
}

static void put_key(struct buf *b, const char *key)
{
	buf_putc(b, ',');
	buf_printf(b, "\"%s\":", key);
}

static void put_str(struct buf *b, const char *key, struct str s)
{
	if (!s.n)
		return;
	put_key(b, key);
	s = str_cut_utf8(s, TEXT_MAX);
	span_put_string(b, span_utf8(str_utf8(s) ? s : STR("(not UTF-8)")));
}

static void put_text(struct buf *b, const char *key, const char *s)
{
	put_str(b, key, str_of(s));
}

/* Numbers that are not known (negative) are left out. */
static void put_int(struct buf *b, const char *key, int64_t v)
{
	if (v < 0)
		return;
	put_key(b, key);
	buf_put_int(b, v);
}

static void put_client(struct buf *b, const struct access_client *client)
{
	char text[ADDRESS_TEXT];

	if (!client->known)
		return;
	address_text(&client->address, text);
	put_text(b, "client", text);
}

static void put_usage(struct buf *b, const struct usage *u)
{
	put_int(b, "input_tokens", u->input);
	put_int(b, "output_tokens", u->output);
	put_int(b, "cache_read_tokens", u->cache_read);
	put_int(b, "cache_write_tokens", u->cache_write);
	put_int(b, "thinking_tokens", u->thinking);
	put_text(b, "cost", u->cost);
}

static void put_way(struct buf *b, const struct account *a)
{
	put_text(b, "session", a->session_id);
	put_text(b, "backend", a->backend);
	put_text(b, "model_asked", a->asked);
	put_text(b, "model_routed", a->routed);
	put_str(b, "model_reported", a->reported);
	put_text(b, "rule", a->rule);
	put_text(b, "dropped", a->dropped);
	if (!a->backend)
		return;
	put_key(b, "stream");
	buf_puts(b, a->stream ? "true" : "false");
	put_int(b, "attempts", a->run.attempts);
	put_int(b, "members", a->run.members > 1 ? a->run.members : -1);
	put_int(b, "upstream_status", a->run.upstream_status);
	put_text(b, "upstream_id", a->run.upstream_id);
	put_text(b, "stop_reason", stop_reason_name(a->stop));
	put_usage(b, &a->usage);
}

static void put_site(struct buf *b, const struct error_site *s)
{
	char id[SITE_ID_SIZE];

	if (!s)
		return;
	site_id(s, id);
	put_text(b, "error_id", id);
	put_key(b, "fault_site");
	buf_printf(b, "\"%s:%d\"", site_file(s), s->line);
}

static void put_end(struct buf *b, const struct api_call *c)
{
	const struct account *a = &c->account;
	const struct answer *w = c->answer;
	int64_t now = clock_us();

	put_int(b, "status", w->status);
	put_int(b, "first_byte_ms",
		w->first_byte_us ? (w->first_byte_us - w->started_us) / 1000 : -1);
	put_int(b, "ms", (now - w->started_us) / 1000);
	put_int(b, "bytes_in", (int64_t)a->bytes_in);
	put_int(b, "bytes_out", (int64_t)w->bytes);
	if (a->gone) {
		put_key(b, "client_gone");
		buf_puts(b, "true");
	}
	if (!a->fault_type)
		return;
	put_text(b, "fault", a->fault_type);
	put_int(b, "fault_status", a->fault_status);
	put_text(b, "fault_note", a->fault_note);
	put_site(b, a->fault_site);
}

void account_log(const struct api_call *c, bool quiet)
{
	enum log_level level = quiet ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
	char when[32];
	struct buf b;

	if (!log_enabled(level))
		return;
	buf_init(&b, 0);
	clock_rfc3339(when, sizeof(when), clock_wall_ms(), 1);
	buf_printf(&b, "{\"time\":\"%s\"", when);
	put_text(&b, "id", c->request->id);
	put_text(&b, "correlation_id", c->request->correlation_id);
	put_text(&b, "method", c->request->method);
	put_text(&b, "path", c->request->path);
	put_client(&b, &c->access.client);
	put_text(&b, "key", c->access.key_name);
	put_way(&b, &c->account);
	put_end(&b, c);
	buf_putc(&b, '}');
	if (!b.failed)
		log_line(level, buf_str(&b));
	buf_release(&b);
}
