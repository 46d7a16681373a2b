/* The texts of captures: outgoing requests, keys that are masked, base64 that is cut. */
#include <ctype.h>
#include <string.h>

#include "api/api.h"
#include "api/capture.h"
#include "base/os.h"
#include "base/redact.h"

#define SECRET_MIN 6            /* bytes; what is shorter would mask words */

/* ---- base64 ---- */

static bool of_base64(char c)
{
	return isalnum((unsigned char)c) || c == '+' || c == '/' || c == '=' || c == '-' || c == '_';
}

void capture_put_short(struct buf *b, struct str text, int64_t base64_max)
{
	size_t max = (size_t)base64_max, at = 0, from;

	while (max && at < text.n) {
		for (from = at; at < text.n && of_base64(text.p[at]); at++)
			;
		buf_put(b, text.p + from, at - from > max ? max : at - from);
		for (from = at; at < text.n && !of_base64(text.p[at]); at++)
			;
		buf_put(b, text.p + from, at - from);
	}
	if (!max)
		buf_put_str(b, text);
}

/* ---- calls ---- */

void capture_put_sent(struct buf *b, const struct upstream_call *c, int64_t base64_max)
{
	struct buf body;

	buf_printf(b, "%s %s\n", c->method, c->url);
	for (size_t i = 0; i < c->nheaders; i++) {
		struct str line = str_of(c->headers[i]), name = STR_NONE;

		str_split(&line, ':', &name);
		if (redact_is_secret_name(name))
			buf_printf(b, "%.*s: ***\n", STR_ARGS(name));
		else
			buf_printf(b, "%s\n", c->headers[i]);
	}
	buf_putc(b, '\n');
	if (!c->body)
		return;
	buf_init(&body, 0);
	if (segs_flatten(c->body, &body))
		b->failed = true;
	capture_put_short(b, buf_str(&body), base64_max);
	buf_release(&body);
}

/* ---- keys ---- */

static void mask_one(struct buf *b, const char *secret)
{
	size_t n = secret ? strlen(secret) : 0;
	char *at = b->p;

	if (n < SECRET_MIN || !b->n)
		return;
	while ((at = os_find(at, b->n - (size_t)(at - b->p), secret, n))) {
		memset(at, '*', n);
		at += n;
	}
}

static void mask_backend(struct buf *b, const struct backend *of)
{
	mask_one(b, of->api_key);
	mask_one(b, of->credential.client_secret);
	mask_one(b, of->credential.session);
	for (size_t i = 0; i < of->nways; i++)
		mask_one(b, of->ways[i].api_key);
	for (const struct header_setting *h = of->headers; h && h->name; h++)
		if (redact_is_secret_name(str_of(h->name)))
			mask_one(b, h->value);
}

void capture_mask(const struct config *c, struct buf *b)
{
	for (size_t i = 0; i < c->nbackends; i++)
		mask_backend(b, &c->backends[i]);
}
