/* See api/capture_compare.h. */
#include "api/capture_compare.h"

#include <ctype.h>
#include <string.h>


#define AROUND 60               /* bytes that are shown where texts part */
#define IDS_MAX 512
#define ID_TAIL 24              /* letters and digits of an id that was made up */

/* ---- ids ---- */

struct ids {
	struct str seen[IDS_MAX];
	size_t n;
};

/* The length of an id that begins here, else 0. */
static size_t id_at(const char *p, size_t left)
{
	static const char *const prefixes[] = { "req_01", "msg_01", "toolu_01", "req_", "msg_",
						"toolu_" };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		size_t n = strlen(prefixes[i]), tail = 0;

		if (left < n || memcmp(p, prefixes[i], n))
			continue;
		while (n + tail < left && isalnum((unsigned char)p[n + tail]))
			tail++;
		if (tail >= ID_TAIL - 2 && tail <= ID_TAIL)
			return n + tail;
	}
	return 0;
}

/* Ids become numbers in the order in which they come up. */
static void put_numbered(struct buf *b, struct ids *ids, struct str id)
{
	size_t i = 0;

	while (i < ids->n && !str_eq(ids->seen[i], id))
		i++;
	if (i == ids->n && i < IDS_MAX)
		ids->seen[ids->n++] = id;
	buf_printf(b, "ID%zu", i);
}

static void put_plain(struct buf *b, struct ids *ids, struct str text)
{
	static const char site[] = "\"error_id\":\"";
	size_t from = 0, n;

	for (size_t at = 0; at < text.n; at++) {
		n = text.n - at > sizeof(site) + 12 && !memcmp(text.p + at, site, sizeof(site) - 1) ?
			    sizeof(site) - 1 + 12 : id_at(text.p + at, text.n - at);
		if (!n)
			continue;
		buf_put(b, text.p + from, at - from);
		if (text.p[at] != '"')
			put_numbered(b, ids, (struct str){ text.p + at, n });
		at += n - 1;
		from = at + 1;
	}
	buf_put_str(b, str_from(text, from));
}

/* ---- comparing ---- */

static void print_part(FILE *out, const char *mark, struct str s, size_t at)
{
	size_t from = at > AROUND ? at - AROUND : 0;
	size_t n = s.n - from < 2 * AROUND ? s.n - from : 2 * AROUND;

	fprintf(out, "  %s ", mark);
	for (size_t i = from; i < from + n; i++)
		fputc(isprint((unsigned char)s.p[i]) ? s.p[i] : ' ', out);
	fputc('\n', out);
}

static bool same_plain(FILE *out, const char *what, struct str was, struct str now, bool part)
{
	size_t at = 0;

	while (at < was.n && at < now.n && was.p[at] == now.p[at])
		at++;
	if (at == was.n && (part || at == now.n))
		return true;
	fprintf(out, "%s: differs at byte %zu:\n", what, at);
	print_part(out, "then", was, at);
	print_part(out, "now ", now, at);
	return false;
}

bool capture_same(FILE *out, const char *what, struct str was, struct str now)
{
	struct ids then_ids = { .n = 0 }, now_ids = { .n = 0 };
	struct buf a, b;
	bool same;

	buf_init(&a, 0);
	buf_init(&b, 0);
	put_plain(&a, &then_ids, was);
	put_plain(&b, &now_ids, now);
	same = !a.failed && !b.failed && same_plain(out, what, buf_str(&a), buf_str(&b), false);
	buf_release(&a);
	buf_release(&b);
	return same;
}

/* ---- answers ---- */

static bool counts(struct str line)
{
	static const char *const names[] = { "status", "content-type", "retry-after",
					     "x-messages-backend", "x-messages-model",
					     "x-messages-dropped" };
	struct str name;

	if (!str_split(&line, ':', &name))
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (str_is_nocase(name, names[i]))
			return true;
	return false;
}

/* The head's telling lines, then the body without comments and pings. */
static void put_answer(struct buf *b, struct str text)
{
	static const char ping[] = "event: ping\n";
	bool stream = str_find_nocase(text, "content-type: text/event-stream") != NULL;
	struct str line;
	const char *end;

	while (str_split(&text, '\n', &line) && str_trim(line).n)
		if (counts(line))
			buf_printf(b, "%.*s\n", STR_ARGS(str_trim(line)));
	while (stream && text.n) {
		size_t n;

		end = str_find(text, "\n\n");
		n = end ? (size_t)(end + 2 - text.p) : text.n;
		if (text.p[0] != ':' && !str_starts(text, ping))
			buf_put(b, text.p, n);
		text = str_from(text, n);
	}
	buf_put_str(b, text);
}

bool capture_same_answer(FILE *out, struct str was, struct str now, bool part)
{
	struct ids then_ids = { .n = 0 }, now_ids = { .n = 0 };
	struct buf answers[2], plain[2];
	bool same;

	for (int i = 0; i < 2; i++) {
		buf_init(&answers[i], 0);
		buf_init(&plain[i], 0);
		put_answer(&answers[i], i ? now : was);
		put_plain(&plain[i], i ? &now_ids : &then_ids, buf_str(&answers[i]));
	}
	same = !plain[0].failed && !plain[1].failed &&
	       same_plain(out, "answer", buf_str(&plain[0]), buf_str(&plain[1]), part);
	for (int i = 0; i < 2; i++) {
		buf_release(&answers[i]);
		buf_release(&plain[i]);
	}
	return same;
}
