/* Reading and writing case files: an intro, then sections that begin with "--- NAME [ARGUMENT]". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

#define MARK "--- "

static int read_file(const char *path, struct arena *a, struct str *out)
{
	FILE *f = fopen(path, "rb");
	struct buf b;
	char *p;
	size_t n;

	if (!f)
		return -1;
	buf_init(&b, 0);
	while ((p = buf_room(&b, 65536)) && (n = fread(p, 1, 65536, f)) > 0)
		b.n += n;
	fclose(f);
	*out = arena_str(a, buf_str(&b));
	buf_release(&b);
	return out->p ? 0 : -1;
}

static void open_section(struct golden_case *c, struct str line, struct arena *a)
{
	struct section *s = &c->sections[c->n++];
	struct str name = STR_NONE, rest = { line.p + 4, line.n - 4 };

	rest = str_trim(rest);
	str_split(&rest, ' ', &name);
	s->name = arena_str(a, name).p;
	s->argument = arena_str(a, rest).p;
	s->text = (struct str){ line.p + line.n, 0 };
}

int case_read(struct golden_case *c, const char *path, struct arena *a)
{
	struct str rest, *text = &c->intro;

	memset(c, 0, sizeof(*c));
	if (read_file(path, a, &c->file))
		return -1;
	rest = c->file;
	c->intro = (struct str){ rest.p, 0 };
	while (rest.n) {
		const char *end = memchr(rest.p, '\n', rest.n);
		struct str line = { rest.p, end ? (size_t)(end + 1 - rest.p) : rest.n };

		rest.p += line.n;
		rest.n -= line.n;
		if (!str_starts(line, MARK)) {
			text->n += line.n;
		} else if (c->n < CASE_SECTIONS) {
			open_section(c, line, a);
			text = &c->sections[c->n - 1].text;
		} else {
			return -1;
		}
	}
	return 0;
}

const struct section *case_section(const struct golden_case *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++) {
		if (!strcmp(c->sections[i].name, name))
			return &c->sections[i];
	}
	return NULL;
}

struct str case_text(const struct golden_case *c, const char *name)
{
	const struct section *s = case_section(c, name);

	return s ? str_trim(s->text) : STR_NONE;
}

int case_write(const struct golden_case *c, const char *path)
{
	FILE *f = fopen(path, "wb");
	int rc;

	if (!f)
		return -1;
	fwrite(c->intro.p, 1, c->intro.n, f);
	for (size_t i = 0; i < c->n; i++) {
		const struct section *s = &c->sections[i];
		bool argument = s->argument && *s->argument;

		fprintf(f, MARK "%s%s%s\n", s->name, argument ? " " : "",
			argument ? s->argument : "");
		fwrite(s->text.p, 1, s->text.n, f);
		if (s->text.n && s->text.p[s->text.n - 1] != '\n')
			fputc('\n', f);
	}
	rc = ferror(f);
	return fclose(f) || rc ? -1 : 0;
}

/* ---- what the upstream sends ---- */

/* One event's JSON a line, as the recorded answers have it. */
static void frame_lines(struct buf *b, struct str text)
{
	struct str line;

	while (str_split(&text, '\n', &line)) {
		if (!str_trim(line).n)
			continue;
		buf_puts(b, "data: ");
		buf_put_str(b, str_trim(line));
		buf_puts(b, "\n\n");
	}
}

static void with_crlf(struct buf *b, struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\n')
			buf_putc(b, '\r');
		buf_putc(b, text.p[i]);
	}
}

static void frame_messages(struct buf *b, struct str text, bool chunk)
{
	struct str line;

	while (str_split(&text, '\n', &line))
		if (str_trim(line).n && frame_line(b, str_trim(line), chunk))
			abort();
}

bool case_framed(const struct golden_case *c)
{
	const struct section *s = case_section(c, "upstream-file");

	return case_section(c, "upstream-frames") || (s && !strcmp(s->argument, "frames"));
}

static int recorded_file(struct str name, const char *folder, bool frames, struct arena *a,
			 struct buf *b)
{
	const char *path = arena_printf(a, "%s/%.*s", folder ? folder : "", STR_ARGS(name));
	struct str text;

	if (!folder || !path || read_file(path, a, &text))
		return 1;
	if (frames)
		frame_messages(b, text, false);
	else if (str_ends(name, ".chunks.txt"))
		frame_lines(b, text);
	else
		buf_put_str(b, text);
	return 0;
}

int case_upstream(const struct golden_case *c, const char *recorded, struct arena *a,
		  struct str *out)
{
	const struct section *s;
	struct buf b;
	int rc = 0;

	buf_init(&b, 0);
	if ((s = case_section(c, "upstream-stream"))) {
		if (!strcmp(s->argument, "crlf"))
			with_crlf(&b, s->text);
		else
			buf_put_str(&b, s->text);
	} else if ((s = case_section(c, "upstream-lines"))) {
		frame_lines(&b, s->text);
	} else if ((s = case_section(c, "upstream-frames"))) {
		frame_messages(&b, s->text, !strcmp(s->argument, "chunk"));
	} else if ((s = case_section(c, "upstream-body"))) {
		buf_put_str(&b, str_trim(s->text));
	} else if ((s = case_section(c, "upstream-file"))) {
		rc = recorded_file(str_trim(s->text), recorded, case_framed(c), a, &b);
	} else {
		rc = -1;
	}
	*out = arena_str(a, buf_str(&b));
	buf_release(&b);
	return rc;
}
