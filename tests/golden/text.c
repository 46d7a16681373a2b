/* Texts to compare: JSON without and with white space between its tokens, made-up ids masked, and a
 * diff that a person can read. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/os.h"
#include "golden.h"

void json_compact(struct buf *b, struct str json)
{
	bool quoted = false;

	for (size_t i = 0; i < json.n; i++) {
		char c = json.p[i];

		if (quoted && c == '\\' && i + 1 < json.n) {
			buf_putc(b, c);
			buf_putc(b, json.p[++i]);
			continue;
		}
		if (c == '"')
			quoted = !quoted;
		if (quoted || !strchr(" \t\r\n", c))
			buf_putc(b, c);
	}
}

static void new_line(struct buf *b, int depth)
{
	buf_putc(b, '\n');
	for (int i = 0; i < depth; i++)
		buf_puts(b, "  ");
}

/* Containers with nothing or little in them stay on one line. */
static size_t short_container(struct str json, size_t at)
{
	size_t i = at + 1;
	bool quoted = false;

	for (; i < json.n && i - at < 72; i++) {
		char c = json.p[i];

		if (quoted && c == '\\') {
			i++;
			continue;
		}
		if (c == '"')
			quoted = !quoted;
		if (quoted)
			continue;
		if (c == '{' || c == '[')
			return 0;
		if (c == '}' || c == ']')
			return i;
	}
	return 0;
}

void json_pretty(struct buf *b, struct str json)
{
	bool quoted = false;
	int depth = 0;
	struct buf flat;

	buf_init(&flat, 0);
	json_compact(&flat, json);
	json = buf_str(&flat);
	for (size_t i = 0; i < json.n; i++) {
		char c = json.p[i];
		size_t end = !quoted && (c == '{' || c == '[') ? short_container(json, i) : 0;

		if (end) {
			buf_put(b, json.p + i, end + 1 - i);
			i = end;
			continue;
		}
		if (quoted && c == '\\' && i + 1 < json.n) {
			buf_put(b, json.p + i++, 2);
			continue;
		}
		if (c == '"')
			quoted = !quoted;
		if (!quoted && (c == '}' || c == ']'))
			new_line(b, --depth);
		buf_putc(b, c);
		if (!quoted && (c == '{' || c == '['))
			new_line(b, ++depth);
		else if (!quoted && c == ',')
			new_line(b, depth);
	}
	buf_release(&flat);
}

/* ---- ids ---- */

#define MADE_MIN 20 /* characters behind the prefix of an id that the program makes up */

static bool contains(struct str text, struct str part)
{
	return text.n && os_find(text.p, text.n, part.p, part.n);
}

static size_t id_length(struct str text, const char *prefix)
{
	size_t n = strlen(prefix), start = n;

	if (!str_starts(text, prefix))
		return 0;
	while (n < text.n && isalnum((unsigned char)text.p[n]))
		n++;
	return n - start >= MADE_MIN ? n : 0;
}

#define MASKED_MAX 32
struct masked {
	struct str seen[MASKED_MAX];
	size_t n;
};

static size_t number_of(struct masked *m, struct str id)
{
	for (size_t i = 0; i < m->n; i++) {
		if (str_eq(m->seen[i], id))
			return i + 1;
	}
	if (m->n < MASKED_MAX)
		m->seen[m->n++] = id;
	return m->n;
}

/* An error's id names the function that reports it: that is no case's business. */
static size_t error_id_length(struct str s)
{
	static const char form[] = ",\"error_id\":\"000000000000\"";
	size_t n = sizeof(form) - 1;

	for (size_t k = 0; k < n; k++) {
		unsigned char c = k < s.n ? (unsigned char)s.p[k] : 0;

		if (form[k] == '0' ? !isxdigit(c) : c != (unsigned char)form[k])
			return 0;
	}
	return n;
}

void mask_ids(struct buf *b, struct str text, struct str known)
{
	static const char *const prefixes[] = { "msg_", "toolu_", "req_" };
	struct masked seen[3] = { 0 };

	for (size_t i = 0; i < text.n;) {
		struct str rest = { text.p + i, text.n - i };
		size_t n = error_id_length(rest), k;

		if (n) {
			i += n;
			continue;
		}
		for (k = 0; k < 3 && !n; k++)
			n = id_length(rest, prefixes[k]);
		rest.n = n;
		if (n && !contains(known, rest)) {
			buf_printf(b, "%sID%zu", prefixes[k - 1], number_of(&seen[k - 1], rest));
			i += n;
		} else {
			buf_putc(b, text.p[i++]);
		}
	}
}

/* ---- diff ---- */

#define CONTEXT 3

static bool next_line(struct str *rest, struct str *line)
{
	return str_split(rest, '\n', line);
}

static void print_lines(char mark, struct str rest, size_t from, size_t count)
{
	struct str line;

	for (size_t i = 0; next_line(&rest, &line) && i < from + count; i++) {
		if (i >= from)
			printf("    %c %.*s\n", mark, (int)(line.n > 400 ? 400 : line.n), line.p);
	}
}

/* Shows where two texts part: what both have before, then the next lines of each. */
void print_diff(struct str want, struct str got)
{
	struct str a = want, b = got, la = STR_NONE, lb = STR_NONE;
	size_t same = 0;

	while (next_line(&a, &la) && next_line(&b, &lb) && str_eq(la, lb))
		same++;
	print_lines(' ', want, same > CONTEXT ? same - CONTEXT : 0,
		    same > CONTEXT ? CONTEXT : same);
	print_lines('-', want, same, CONTEXT + 5);
	print_lines('+', got, same, CONTEXT + 5);
}
