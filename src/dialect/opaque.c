/*
 * Values that must survive the trip through the client without being understood there: call ids
 * that the API's character set can't hold, and a backend's own state in a thinking signature. Both
 * are written in base64url behind a mark, so that nothing has to be remembered between two
 * requests. State carries the name of the backend it came from and goes back to that one only.
 */
#include <string.h>

#include "base/ids.h"
#include "dialect/dialect.h"

#define STATE_MARK "mf1."
#define ID_MARK "toolu_mf1_"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* RFC 4648 section 5, without padding. */
static int base64url_put(struct buf *b, struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	char *out = buf_room(b, (s.n + 2) / 3 * 4 + 1);
	size_t n = 0;

	if (!out)
		return -1;
	for (size_t i = 0; i < s.n; i += 3) {
		size_t left = s.n - i;
		uint32_t v = (uint32_t)p[i] << 16;

		v |= left > 1 ? (uint32_t)p[i + 1] << 8 : 0;
		v |= left > 2 ? p[i + 2] : 0;
		out[n++] = digits[v >> 18];
		out[n++] = digits[v >> 12 & 63];
		if (left > 1)
			out[n++] = digits[v >> 6 & 63];
		if (left > 2)
			out[n++] = digits[v & 63];
	}
	b->n += n;
	return 0;
}

static int digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* -1 for anything that base64url_put can't have written; b is then as it was. */
static int base64url_get(struct buf *b, struct str s)
{
	char *out = buf_room(b, s.n / 4 * 3 + 3);
	uint32_t bits = 0;
	int have = 0;
	size_t n = 0;

	if (!out || s.n % 4 == 1)
		return -1;
	for (size_t i = 0; i < s.n; i++) {
		int v = digit_value(s.p[i]);

		if (v < 0)
			return -1;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[n++] = (char)(bits >> have & 255);
		}
	}
	if (bits & ((1u << have) - 1))
		return -1;
	b->n += n;
	return 0;
}

static bool id_char(char c)
{
	return digit_value(c) >= 0;
}

static bool plain_id(struct str id)
{
	for (size_t i = 0; i < id.n; i++) {
		if (!id_char(id.p[i]))
			return false;
	}
	return !str_starts(id, ID_MARK);
}

int id_to_client(struct buf *b, struct span upstream_id)
{
	struct buf text;
	int rc;

	/* Mistral has been seen to send the four letters null as an id. */
	if (span_is_null(upstream_id) || upstream_id.n == 0 || span_is(upstream_id, "null")) {
		char made[ID_SIZE];

		id_make(made, "toolu_");
		return buf_puts(b, made);
	}
	buf_init(&text, 0);
	rc = span_put_text(&text, span_unquote(upstream_id));
	if (rc == 0 && plain_id(buf_str(&text)))
		rc = buf_put_str(b, buf_str(&text));
	else if (rc == 0)
		rc = buf_puts(b, ID_MARK) || base64url_put(b, buf_str(&text)) ? -1 : 0;
	buf_release(&text);
	return rc;
}

int id_to_upstream(struct buf *b, struct span client_id)
{
	struct span id = span_unquote(client_id);
	struct str text = { id.p, id.n };
	size_t at = b->n, mark = sizeof(ID_MARK) - 1;

	if (str_starts(text, ID_MARK)) {
		int rc = base64url_get(b, str_from(text, mark));

		if (rc == 0 && b->n > at && str_utf8((struct str){ b->p + at, b->n - at }))
			return 0;
		if (b->failed)
			return -1;
		b->n = at;
	}
	return span_put_text(b, id);
}

int opaque_put(struct buf *b, const char *origin, struct str state)
{
	if (buf_puts(b, STATE_MARK) || buf_puts(b, origin) || buf_putc(b, '.'))
		return -1;
	return base64url_put(b, state);
}

bool opaque_ours(struct span signature)
{
	struct span s = span_unquote(signature);

	return span_is_string(s) && str_starts((struct str){ s.p, s.n }, STATE_MARK);
}

int opaque_get(struct buf *b, const char *origin, struct span signature)
{
	struct span s = span_unquote(signature);
	struct str rest, part;

	if (!opaque_ours(s))
		return 0;
	rest = str_from((struct str){ s.p, s.n }, sizeof(STATE_MARK) - 1);
	if (!str_chr(rest, '.') || !str_split(&rest, '.', &part) || !str_is(part, origin))
		return -1;
	return base64url_get(b, rest) ? -1 : 1;
}
