/* See json/progress.h. */
#include "json/progress.h"

#include "json/escape.h"

static void one_char(struct json_progress *p, unsigned c)
{
	if (p->in_string) {
		if (p->escaped)
			p->escaped = false;
		else if (c == '\\')
			p->escaped = true;
		else if (c == '"')
			p->in_string = false;
	} else if (c == '"') {
		p->in_string = true;
	} else if (c == '{' || c == '[') {
		p->depth++;
	} else if ((c == '}' || c == ']') && p->depth > 0) {
		p->depth--;
	}
	if (!p->begun)
		p->begun = c != ' ' && c != '\t' && c != '\n' && c != '\r';
	if (p->begun && !p->in_string && !p->depth && (c == '}' || c == ']' || c == '"'))
		p->complete = true;
}

/* The character that an escape stands for, as far as JSON's own structure can be meant; *used is
 * its length. */
static unsigned escape_at(const char *s, size_t n, size_t *used)
{
	int32_t unit = escape_unit(s, s + n);

	*used = n < 2 ? n : 2;
	if (n < 2)
		return '\\';
	switch (s[1]) {
	case 'n':
	case 'r':
	case 't':
	case 'b':
	case 'f':
		return s[1] == 't' ? '\t' : '\n';
	case 'u':
		if (unit < 0)
			return 0;
		*used = 6;
		return (unsigned)unit;
	default:
		return (unsigned char)s[1];
	}
}

size_t json_progress_feed(struct json_progress *p, struct span fragment)
{
	size_t at = 0;

	while (at < fragment.n && !p->complete) {
		size_t used = 1;
		unsigned c = (unsigned char)fragment.p[at];

		if (c == '\\' && fragment.form == SPAN_STR)
			c = escape_at(fragment.p + at, fragment.n - at, &used);
		one_char(p, c);
		at += used;
	}
	return at;
}
