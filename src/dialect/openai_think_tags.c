/*
 * Text of an openai-chat answer, and the "<think>…</think>" element that some models begin it
 * with. The tags may be cut anywhere between two fragments and escaped ("\u003c"), while the
 * fragments must go on as they came: so the matcher reads units of JSON string content and sends
 * stretches of the original. What turned out to be no tag is sent from the tag itself, which has
 * no other spelling in text.
 */
#include "dialect/openai_decode.h"

#include <string.h>

static const char open_tag[] = "<think>", close_tag[] = "</think>";

static enum flow send_text(struct openai_decoder *d, struct sink *s, struct span text)
{
	enum flow flow;

	if (!text.n)
		return FLOW_GO;
	if (d->think == THINK_INSIDE)
		return openai_thinking_text(d, s, text);
	flow = openai_thinking_end(d, s);
	if (!flow)
		flow = openai_calls_settle(d, s);
	d->content = true;
	return flow ? flow : sink_text(s, EVENT_TEXT, text);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 0;
}

/* The ASCII character that the unit at p stands for, 0 for any other; *n bytes long. */
static char unit_at(const char *p, size_t left, bool escaped, size_t *n)
{
	static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
	const char *letter;

	*n = 1;
	if (!escaped || *p != '\\' || left < 2)
		return (unsigned char)*p < 0x80 ? *p : 0;
	*n = 2;
	letter = strchr(from, p[1]);
	if (letter && *letter)
		return to[letter - from];
	if (p[1] != 'u' || left < 6)
		return p[1];
	*n = 6;
	if (p[2] != '0' || p[3] != '0' || p[4] > '7')
		return 0;
	return (char)(hex_value(p[4]) << 4 | hex_value(p[5]));
}

static bool blank(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void tag_met(struct openai_decoder *d)
{
	d->tag_at = 0;
	d->think = d->think == THINK_START ? THINK_INSIDE : THINK_BEHIND;
}

/* At the start of the text the whole tag must come first; white space before it is dropped with
 * it. */
static enum flow no_tag(struct openai_decoder *d, struct sink *s)
{
	const char *tag = d->think == THINK_INSIDE ? close_tag : open_tag;
	unsigned n = d->tag_at;

	d->tag_at = 0;
	if (d->think == THINK_START)
		d->think = THINK_OVER;
	return send_text(d, s, span_str((struct str){ tag, n }));
}

/* Reads units while the tags are still of interest; returns where the rest begins. */
static const char *read_tags(struct openai_decoder *d, struct sink *s, struct span text, enum flow *flow)
{
	const char *p = text.p, *end = p + text.n, *from = p;
	size_t n;

	for (; p < end && d->think != THINK_OVER && !*flow; p += n) {
		const char *tag = d->think == THINK_INSIDE ? close_tag : open_tag;
		char c = unit_at(p, (size_t)(end - p), text.form == SPAN_STR, &n);

		if (blank(c) && !d->tag_at && d->think != THINK_INSIDE) {
			from = p + n;
			continue;
		}
		if (d->think == THINK_BEHIND) {
			d->think = THINK_OVER;
			break;
		}
		if (d->tag_at && c != tag[d->tag_at]) {
			*flow = no_tag(d, s);
			from = p;
			if (d->think == THINK_OVER || *flow)
				break;
		}
		if (c != tag[d->tag_at]) {
			if (d->think != THINK_START)
				continue;
			d->think = THINK_OVER;
			break;
		}
		if (!d->tag_at++ && !*flow)
			*flow = send_text(d, s, (struct span){ from, (size_t)(p - from), text.form });
		from = p + n;
		if (!tag[d->tag_at])
			tag_met(d);
	}
	return from;
}

enum flow openai_text(struct openai_decoder *d, struct sink *s, struct span text)
{
	enum flow flow = FLOW_GO;
	const char *from;

	if (!span_is_string(text) || !text.n)
		return FLOW_GO;
	from = text.p;
	if (d->think != THINK_OVER && d->c->target->backend->think_tags)
		from = read_tags(d, s, text, &flow);
	if (flow || d->tag_at)
		return flow;
	return send_text(d, s, (struct span){ from, (size_t)(text.p + text.n - from), text.form });
}

enum flow openai_text_end(struct openai_decoder *d, struct sink *s)
{
	return d->tag_at ? no_tag(d, s) : FLOW_GO;
}
