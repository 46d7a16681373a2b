/*
 * Finds the sentence in an error body. Shapes are tried in a fixed order, the commonest first;
 * what is no JSON is a page of some proxy on the way, or plain text.
 */
#include "dialect/error.h"

#include <string.h>

#include "json/scan.h"

#define TEXT_MAX 512            /* of a page or plain text */
#define MESSAGE_MAX 1800        /* what a fault can hold, with room for words of ours */

/* Control characters and NUL to spaces, what is no UTF-8 to '?'; at most max bytes. */
static void put_clean(struct buf *b, struct str text, size_t max)
{
	bool utf8 = str_utf8(text);

	text = str_cut_utf8(str_trim(text), max);
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c >= 0x80 && !utf8)
			buf_putc(b, '?');
		else
			buf_putc(b, (c < 0x20 && c != '\n') || c == 0x7f ? ' ' : (char)c);
	}
}

static void put_span(struct buf *b, struct span s)
{
	struct buf text;

	buf_init(&text, 0);
	if (span_put_text(&text, s) == 0)
		put_clean(b, buf_str(&text), MESSAGE_MAX);
	buf_release(&text);
}

void backend_error_add(struct backend_error *e, struct span text)
{
	put_span(&e->message, text);
}

/* Where a tag ends and what comes behind it; the contents of script and style fall away. */
static const char *skip_tag(struct str page, const char *at)
{
	struct str rest = { at, (size_t)(page.p + page.n - at) };
	const char *close = str_starts_nocase(rest, "<script") ? "</script" :
		str_starts_nocase(rest, "<style") ? "</style" : NULL;
	const char *end = close ? str_find_nocase(rest, close) : at;

	if (end)
		end = memchr(end, '>', (size_t)(page.p + page.n - end));
	return end ? end + 1 : page.p + page.n;
}

/* The text of a page without its tags, white space collapsed. */
static void put_page_text(struct buf *b, struct str page)
{
	const char *p = page.p, *end = page.p + page.n;
	struct buf text;

	buf_init(&text, 0);
	while (p < end && text.n < TEXT_MAX) {
		if (*p == '<') {
			p = skip_tag(page, p);
			if (text.n && text.p[text.n - 1] != ' ')
				buf_putc(&text, ' ');
		} else {
			bool blank = strchr(" \t\r\n", *p) != NULL;

			if (!blank || (text.n && text.p[text.n - 1] != ' '))
				buf_putc(&text, blank ? ' ' : *p);
			p++;
		}
	}
	put_clean(b, buf_str(&text), TEXT_MAX);
	buf_release(&text);
}

static void read_page(struct buf *b, struct str page)
{
	const char *from = str_find_nocase(page, "<title"), *to = NULL;
	struct str rest;

	if (from)
		from = memchr(from, '>', (size_t)(page.p + page.n - from));
	if (from) {
		rest = (struct str){ from + 1, (size_t)(page.p + page.n - from - 1) };
		to = str_find_nocase(rest, "</title");
	}
	if (to)
		put_page_text(b, (struct str){ from + 1, (size_t)(to - from - 1) });
	if (!b->n)
		put_page_text(b, page);
}

/* FastAPI's [{"loc":["body","x"],"msg":"…"}]; strings; objects with a "message". */
static void put_list(struct buf *b, struct span list)
{
	struct span item, msg, loc, part;
	struct scan it, at;

	json_each(list, &it);
	while (scan_element(&it) && b->n < MESSAGE_MAX) {
		item = scan_any(&it);
		msg = json_get(item, "msg");
		if (!span_given(msg))
			msg = json_get(item, "message");
		if (span_is_string(item))
			msg = item;
		if (!span_is_string(msg))
			continue;
		if (b->n)
			buf_puts(b, "; ");
		loc = json_get(item, "loc");
		for (bool more = json_each(loc, &at); more && scan_element(&at); ) {
			part = scan_any(&at);
			put_span(b, part);
			buf_putc(b, '.');
		}
		if (span_is_array(loc) && b->n && b->p[b->n - 1] == '.') {
			b->n--;
			buf_puts(b, ": ");
		}
		put_span(b, msg);
	}
}

/* An object as text, which has a sentence of its own inside; Databricks packs twice. */
static bool put_packed(struct buf *b, struct span v, int levels)
{
	static const char *const names[] = { "message", "detail", "error" };
	bool put = false;
	struct buf text;
	struct span doc;

	buf_init(&text, 0);
	if (levels && v.form == SPAN_STR && !span_put_text(&text, v) &&
	    str_starts(str_trim(buf_str(&text)), "{") &&
	    !json_check(buf_str(&text), NULL, NULL)) {
		doc = span_json(str_trim(buf_str(&text)));
		if (span_is_object(json_get(doc, "error")))
			doc = json_get(doc, "error");
		for (size_t i = 0; !put && i < sizeof(names) / sizeof(*names); i++) {
			struct span inner = json_get(doc, names[i]);

			if (!span_is_string(inner) || span_blank(inner))
				continue;
			put = put_packed(b, inner, levels - 1);
			if (!put)
				put_span(b, inner);
			put = true;
		}
	}
	buf_release(&text);
	return put;
}

/* A message is mostly a string; an object or list in its place is told as its text. */
static bool put_message(struct buf *b, struct span v)
{
	if (span_is_null(v) || span_blank(v))
		return false;
	if (span_is_array(v))
		put_list(b, v);
	else if (span_is_object(v))
		return put_message(b, span_is_string(json_get(v, "message")) ? json_get(v, "message") :
				   (struct span){ v.p, v.n, SPAN_UTF8 });
	else if (!put_packed(b, v, 2))
		put_span(b, v);
	return b->n > 0;
}

/* A status that a member names: 429 or "429". */
static int status_of(struct span v)
{
	int64_t n = 0;

	v = span_unquote(v);
	if (!span_is_null(v) && !str_int((struct str){ v.p, v.n }, &n))
		return 0;
	return n >= 400 && n <= 599 ? (int)n : 0;
}

static void read_status(struct backend_error *e, struct span obj)
{
	static const char *const names[] = { "code", "status", "status_code", "http_code" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !e->status; i++)
		e->status = status_of(json_get(obj, names[i]));
}

static void read_names(struct backend_error *e, struct span obj)
{
	if (!span_given(e->type))
		e->type = json_get(obj, "type");
	if (!span_given(e->code))
		e->code = json_get(obj, "code");
	read_status(e, obj);
}

static void read_document(struct backend_error *e, struct span doc, int nested);

/* OpenRouter says "Provider returned error" and keeps the provider's body in metadata.raw. */
static bool read_nested(struct backend_error *e, struct span error, int nested)
{
	struct span metadata = json_get(error, "metadata"), raw = json_get(metadata, "raw");
	struct span provider = json_get(metadata, "provider_name");
	struct backend_error inner = { .object = SPAN_ABSENT };

	e->kind = json_get(metadata, "error_type");
	if (nested || span_blank(raw) || e->raw.n)
		return false;
	if (span_is_string(raw))
		span_put_text(&e->raw, raw);
	else
		buf_put(&e->raw, raw.p, raw.n);
	buf_init(&inner.message, 0);
	if (json_check(buf_str(&e->raw), NULL, NULL) == 0)
		read_document(&inner, (struct span){ e->raw.p, e->raw.n, SPAN_JSON }, 1);
	else
		put_clean(&inner.message, buf_str(&e->raw), TEXT_MAX);
	if (inner.message.n) {
		if (span_is_string(provider) && provider.n) {
			put_span(&e->message, provider);
			buf_puts(&e->message, ": ");
		}
		buf_put_str(&e->message, buf_str(&inner.message));
		e->type = inner.type;
		e->code = inner.code;
	}
	buf_release(&inner.message);
	return e->message.n > 0;
}

static void read_document(struct backend_error *e, struct span doc, int nested)
{
	struct str text = str_trim((struct str){ doc.p, doc.n });
	struct span error, first;
	struct scan it;

	doc = (struct span){ text.p, text.n, doc.form };
	/* Gemini's compatible endpoint wraps its error in a list. */
	if (json_each(doc, &it) && scan_element(&it)) {
		first = scan_any(&it);
		if (span_is_object(first))
			doc = first;
	}
	error = json_get(doc, "error");
	if (span_is_object(error)) {
		e->object = error;
		read_nested(e, error, nested);
		read_names(e, error);
	} else if (span_is_object(doc)) {
		e->object = doc;
	}
	read_names(e, doc);
	(void)(e->message.n || put_message(&e->message, json_get(error, "message")) ||
	       (!span_is_object(error) && put_message(&e->message, error)) ||
	       put_message(&e->message, json_get(doc, "message")) ||
	       put_message(&e->message, json_get(doc, "Message")) ||    /* AWS */
	       put_message(&e->message, json_get(doc, "detail")) ||
	       put_message(&e->message, json_path(doc, "base_resp", "status_msg", NULL)) ||
	       put_message(&e->message, json_get(doc, "errors")) ||
	       (!span_is_object(doc) && !span_is_array(doc) && put_message(&e->message, span_unquote(doc))) ||
	       (span_is_object(error) && put_message(&e->message, (struct span){ error.p, error.n, SPAN_UTF8 })));
	if (!span_given(e->code))
		e->code = json_path(doc, "base_resp", "status_code", NULL);
}

void backend_error_read(struct backend_error *e, struct str body)
{
	struct str text = str_trim(body);

	*e = (struct backend_error){ .object = SPAN_ABSENT };
	buf_init(&e->message, 0);
	buf_init(&e->raw, 0);
	if (json_check(text, NULL, NULL) == 0)
		read_document(e, (struct span){ text.p, text.n, SPAN_JSON }, 0);
	else if (text.n && text.p[0] == '<')
		read_page(&e->message, text);
	if (!e->message.n)
		put_clean(&e->message, text, TEXT_MAX);
}

void backend_error_release(struct backend_error *e)
{
	buf_release(&e->message);
	buf_release(&e->raw);
}

/* Names and numbers alike: "1113" is 1113. */
static bool is_word(struct span v, const char *word)
{
	return v.form == SPAN_JSON ? str_is((struct str){ v.p, v.n }, word) : span_is(v, word);
}

bool backend_error_is(const struct backend_error *e, const char *word)
{
	return is_word(e->type, word) || is_word(e->code, word) || is_word(e->kind, word);
}
