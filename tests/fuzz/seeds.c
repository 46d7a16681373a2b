/*
 * seeds FOLDER CASE…: makes the golden cases to seeds of the harnesses, FOLDER/HARNESS/CASE. What a
 * case is made of is put together as each harness reads it: see their comments.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../golden/golden.h"
#include "labs.h"
#include "world.h"

struct seed {
	struct golden_case c;
	struct arena arena;
	char name[256];                 /* "openai-chat-text" */
	const char *folder, *lab;
};

static void fail(const char *what)
{
	fprintf(stderr, "seeds: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void make_folder(const char *path)
{
	if (mkdir(path, 0777) && errno != EEXIST)
		fail(path);
}

static void save(const struct seed *s, const char *harness, struct buf *b)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", s->folder, harness);
	make_folder(path);
	snprintf(path, sizeof(path), "%s/%s/%s", s->folder, harness, s->name);
	f = fopen(path, "wb");
	if (!f || fwrite(b->p, 1, b->n, f) != b->n || fclose(f))
		fail(path);
	buf_reset(b);
}

/* The value of one line of the config section. */
static struct str setting(const struct seed *s, const char *name)
{
	struct str config = case_text(&s->c, "config"), line, key;

	while (str_split(&config, '\n', &line))
		if (str_split(&line, '=', &key) && str_is(str_trim(key), name))
			return str_trim(line);
	return STR_NONE;
}

/* The place in labs of the case's preset, else of its dialect. */
static size_t lab_of(const struct seed *s)
{
	struct str preset = setting(s, "preset"), dialect = setting(s, "dialect");
	struct str name = preset.n ? preset : dialect;

	for (size_t i = 0; i < LABS; i++)
		if (str_is(name, lab_table[i].of))
			return i;
	return 0;
}

/* ---- fuzz-path ---- */

static void put_head(struct buf *b, const struct seed *s, struct str body)
{
	struct str rest = case_text(&s->c, "upstream-status"), status = STR_NONE;
	bool whole = body.n && body.p[0] == '{';

	if (!str_split(&rest, '\n', &status))
		status = STR("200");
	buf_printf(b, "HTTP/1.1 %.*s OK\ncontent-type: %s\nrequest-id: up_1\n", STR_ARGS(status),
		   case_framed(&s->c) ? "application/vnd.amazon.eventstream" :
		   whole              ? "application/json" :
					"text/event-stream");
	if (rest.n)
		buf_printf(b, "%.*s\n", STR_ARGS(rest));
	buf_putc(b, '\n');
}

/* The dials turn with the case, so that the seeds together have all of them. */
static void put_dials(struct buf *b, const struct seed *s, unsigned frames)
{
	unsigned h = 0;

	for (const char *p = s->name; *p; p++)
		h = h * 31 + (unsigned char)*p;
	buf_putc(b, (char)('0' + lab_of(s)));
	buf_putc(b, (char)('0' + h % 6 + frames * 6));
	buf_putc(b, (char)('0' + h / 6 % 8));
	buf_putc(b, case_section(&s->c, "upstream-reset") ? '1' : '0');
	buf_puts(b, h & 64 ? "00\n\n" : "70\n\n");
}

static void save_path(const struct seed *s, const char *recorded)
{
	const struct section *frames = case_section(&s->c, "upstream-frames");
	struct str upstream = STR_NONE;
	struct buf b;

	if (frames)
		upstream = frames->text;
	else if (case_upstream(&s->c, recorded, (struct arena *)&s->arena, &upstream))
		upstream = STR("{}");
	buf_init(&b, 0);
	put_dials(&b, s, !frames ? 0 : strcmp(frames->argument, "chunk") ? 1 : 2);
	buf_put_str(&b, case_text(&s->c, "request"));
	buf_puts(&b, SECTION);
	put_head(&b, s, upstream);
	buf_put_str(&b, upstream);
	save(s, "path", &b);
	buf_release(&b);
}

/* ---- the harnesses of single stages ---- */

static void save_request(const struct seed *s, const char *harness)
{
	struct buf b;

	buf_init(&b, 0);
	buf_put_str(&b, case_text(&s->c, "request"));
	save(s, harness, &b);
	buf_release(&b);
}

/* 'b' and a whole body, or 's' and a line for each event's data. */
static void save_answer(const struct seed *s, const char *harness)
{
	struct str body = case_text(&s->c, "upstream-body"), text, line;
	struct buf b;

	buf_init(&b, 0);
	if (body.n) {
		buf_putc(&b, 'b');
		buf_put_str(&b, body);
	} else if ((text = case_text(&s->c, "upstream-lines")).n) {
		buf_puts(&b, "s\n");
		buf_put_str(&b, text);
	} else if ((text = case_text(&s->c, "upstream-stream")).n) {
		buf_puts(&b, "s\n");
		while (str_split(&text, '\n', &line))
			if (str_starts(line, "data: "))
				buf_printf(&b, "%.*s\n", (int)line.n - 6, line.p + 6);
	}
	if (b.n)
		save(s, harness, &b);
	buf_release(&b);
}

static void save_stream(const struct seed *s)
{
	struct str text = STR_NONE;
	struct buf b;

	if (case_upstream(&s->c, NULL, (struct arena *)&s->arena, &text))
		return;
	buf_init(&b, 0);
	buf_put_str(&b, text);
	save(s, case_framed(&s->c) ? "eventstream" : "sse", &b);
	buf_release(&b);
}

/* dialect | harnesses that read its requests (or NULL) and its answers */
static const struct { const char *dialect, *requests, *answers;
} harnesses[] = {
	{ "openai-chat", "encode", "openai" },
	{ "openai-responses", NULL, "responses" },
	{ "cohere", NULL, "cohere" },
	{ "gemini", NULL, "gemini" },
	{ "anthropic", NULL, "anthropic" },
	{ "bedrock-converse", "converse", NULL },
};

static void save_all(struct seed *s, const char *recorded)
{
	save_path(s, recorded);
	save_request(s, "request");
	save_stream(s);
	for (size_t i = 0; i < sizeof(harnesses) / sizeof(harnesses[0]); i++) {
		if (strcmp(s->lab, harnesses[i].dialect))
			continue;
		if (harnesses[i].requests)
			save_request(s, harnesses[i].requests);
		if (harnesses[i].answers)
			save_answer(s, harnesses[i].answers);
	}
}

static void read_case(struct seed *s, const char *file)
{
	const char *slash = strrchr(file, '/'), *from = slash ? slash : file;

	/* The folder belongs to the name: the same one is in several. */
	while (from > file && from[-1] != '/')
		from--;
	snprintf(s->name, sizeof(s->name), "%.*s-%s", slash ? (int)(slash - from) : 0, from,
		 slash ? slash + 1 : file);
	if (case_read(&s->c, file, &s->arena))
		fail(file);
	s->lab = lab_table[lab_of(s)].of;
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fputs("usage: seeds FOLDER CASE…\n", stderr);
		return 2;
	}
	make_folder(argv[1]);
	for (int i = 2; i < argc; i++) {
		struct seed s = { .folder = argv[1] };

		arena_init(&s.arena, 0);
		read_case(&s, argv[i]);
		save_all(&s, getenv("RECORDED"));
		arena_release(&s.arena);
	}
	return 0;
}
