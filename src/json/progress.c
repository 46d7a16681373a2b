/* See json/progress.h. */
#include "json/progress.h"

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

static unsigned hex4(const char *s)
{
	unsigned v = 0;

	for (int i = 0; i < 4; i++) {
		unsigned c = (unsigned char)s[i];

		v = v << 4 | ((c <= '9' ? c : c + 9) & 15);
	}
	return v;
}

/* The character that an escape stands for, as far as JSON's own structure can be meant; *used is
 * its length. */
static unsigned escape_at(const char *s, size_t n, size_t *used)
{
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
		if (n < 6)
			return 0;
		*used = 6;
		return hex4(s + 2);
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
