/*
 * golden-run [--update] [--recorded FOLDER] FILE…: runs golden cases and prints what differs.
 *
 * A case with an upstream answer is played whole, byte by byte and in random pieces, as a stream
 * and as a whole answer where both are expected; every run has to give the same. --update writes
 * what came out into the file, for an author to read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "golden.h"
#include "json/scan.h"

struct run {
	struct golden_case c;
	struct case_options options;
	struct arena arena;
	const char *file, *recorded;
	struct str upstream;
	struct str first; /* the first run's stream, where only its shape is known */
	bool update, changed, failed;
};

static void complain(struct run *r, const char *what)
{
	if (!r->failed)
		printf("FAIL %s\n", r->file);
	r->failed = true;
	printf("  %s\n", what);
}

static struct str kept(struct run *r, struct buf *b)
{
	struct str s = arena_str(&r->arena, buf_str(b));

	buf_release(b);
	return s;
}

static struct str pretty(struct run *r, struct str json)
{
	struct buf b;

	buf_init(&b, 0);
	json_pretty(&b, json);
	return kept(r, &b);
}

/* Compares a section with what came out; both are shown in the form that the file has. */
static void expect(struct run *r, const char *name, struct str got, const char *how)
{
	struct section *s = (struct section *)case_section(&r->c, name);
	char what[128];

	if (!s || str_eq(str_trim(s->text), str_trim(got)))
		return;
	if (r->update) {
		s->text = got;
		r->changed = true;
		return;
	}
	snprintf(what, sizeof(what), "%s differs (%s): - expected, + came out", name, how);
	complain(r, what);
	print_diff(str_trim(s->text), str_trim(got));
}

/* JSON sections may be laid out in any way. */
static void expect_json(struct run *r, const char *name, struct str got, const char *how)
{
	struct section *s = (struct section *)case_section(&r->c, name);
	struct buf a, b;

	if (!s)
		return;
	buf_init(&a, 0);
	buf_init(&b, 0);
	json_compact(&a, s->text);
	json_compact(&b, got);
	if (!str_eq(buf_str(&a), buf_str(&b))) {
		if (!r->update)
			s->text = pretty(r, s->text);
		expect(r, name, pretty(r, got), how);
	}
	buf_release(&a);
	buf_release(&b);
}

/* ---- request ---- */

static void expect_headers(struct run *r, struct str headers)
{
	struct str want = case_text(&r->c, "upstream-headers"), line;

	while (str_split(&want, '\n', &line)) {
		char *pattern = arena_printf(&r->arena, "%.*s\n", STR_ARGS(line));

		if (line.n && !str_find(headers, pattern)) {
			complain(r, arena_printf(&r->arena, "upstream-headers lack: %.*s",
						 STR_ARGS(line)));
			print_diff(line, headers);
		}
	}
}

static void run_request(struct run *r)
{
	struct exchange x = { .options = &r->options,
			      .request = case_text(&r->c, "request"),
			      .stream = true };
	struct encoded first, again;

	if (replay_encode(&x, &first, &r->arena) || replay_encode(&x, &again, &r->arena)) {
		complain(r, "the request could not be encoded");
		return;
	}
	if (first.fault.p) {
		if (case_section(&r->c, "upstream-request"))
			complain(r, first.fault.p);
		return;
	}
	if (!str_eq(first.body, again.body))
		complain(r, "the same request gave two bodies");
	expect_json(r, "upstream-request", first.body, "body");
	expect(r, "upstream-url", first.url, "url");
	expect(r, "dropped", first.dropped, "left out");
	expect(r, "enforce-stop", first.enforce_stop ? STR("yes\n") : STR("no\n"),
	       "stop sequences");
	expect_headers(r, first.headers);
}

/* ---- answer ---- */

static struct str header_of(struct str head, const char *name)
{
	struct str line, key;

	while (str_split(&head, '\n', &line)) {
		if (str_split(&line, ':', &key) && str_is_nocase(str_trim(key), name))
			return str_trim(line);
	}
	return STR_NONE;
}

static struct str masked(struct run *r, struct str text)
{
	struct str known = r->c.file;
	struct buf b;

	buf_init(&b, 0);
	mask_ids(&b, text, r->upstream.n ? r->upstream : known);
	return kept(r, &b);
}

/* Status and retry headers, then the body. */
static struct str error_text(struct run *r, struct str head, struct str body)
{
	static const char *const names[] = { "retry-after", "x-should-retry" };
	struct str status = header_of(head, "Status");
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b, "status: %.*s\n", 3, status.p);
	for (int i = 0; i < 2; i++) {
		struct str value = header_of(head, names[i]);

		if (value.n)
			buf_printf(&b, "%s: %.*s\n", names[i], STR_ARGS(value));
	}
	buf_putc(&b, '\n');
	json_pretty(&b, body);
	return kept(r, &b);
}

static size_t text_bytes(struct span block, const char *key)
{
	return span_text_size(json_get(block, key));
}

/* A whole answer without its words: recorded answers are not this project's to copy. */
static struct str shape_of(struct run *r, struct str body)
{
	struct span message = span_json(body), usage = json_get(message, "usage");
	struct scan it;
	struct buf b;

	buf_init(&b, 0);
	if (json_each(json_get(message, "content"), &it)) {
		while (scan_element(&it)) {
			struct span block = scan_value(&it);

			span_put_text(&b, json_get(block, "type"));
			buf_printf(&b, " text %zu thinking %zu input %zu\n",
				   text_bytes(block, "text"), text_bytes(block, "thinking"),
				   text_bytes(block, "input"));
		}
	}
	span_put_text(&b, json_get(message, "stop_reason"));
	buf_putc(&b, '\n');
	span_put_value(&b, usage);
	return kept(r, &b);
}

/* However a stream is cut into pieces, the same comes out. */
static void expect_same(struct run *r, struct str body, const char *how)
{
	if (!r->first.p) {
		r->first = body;
	} else if (!str_eq(r->first, body)) {
		complain(r,
			 arena_printf(&r->arena, "differs from the stream played whole (%s)", how));
		print_diff(r->first, body);
	}
}

static void expect_answer(struct run *r, struct str output, bool stream, const char *how)
{
	const char *gap = str_find(output, "\r\n\r\n");
	struct str head, body;

	if (!gap) {
		complain(r, "the answer has no head");
		return;
	}
	head = (struct str){ output.p, (size_t)(gap - output.p) };
	body = masked(r, (struct str){ gap + 4, output.n - head.n - 4 });
	if (!str_starts(header_of(head, "Status"), "200")) {
		if (!case_section(&r->c, "error"))
			complain(r, arena_printf(&r->arena, "an error was not expected (%s): %.*s",
						 how, STR_ARGS(body)));
		expect(r, "error", error_text(r, head, body), how);
	} else if (case_section(&r->c, "shape")) {
		if (stream)
			expect_same(r, body, how);
		else
			expect(r, "shape", shape_of(r, body), how);
	} else if (!case_section(&r->c, stream ? "events" : "message")) {
		complain(r, arena_printf(&r->arena, "an error was expected (%s), but: %.*s", how,
					 STR_ARGS(body)));
	} else if (stream) {
		expect(r, "events", body, how);
	} else {
		expect_json(r, "message", body, how);
	}
}

static void run_once(struct run *r, bool stream, enum chop chop, uint64_t seed)
{
	static const char *const names[] = { "whole", "byte by byte", "random pieces" };
	struct str status = case_text(&r->c, "upstream-status"), line, value;
	struct script script = { .bytes = r->upstream,
				 .status = 200,
				 .retry_after = -1,
				 .should_retry = -1,
				 .chop = chop,
				 .seed = seed,
				 .framed = case_framed(&r->c),
				 .reset = case_section(&r->c, "upstream-reset") != NULL };
	struct exchange x = { &r->options, case_text(&r->c, "request"), &script, stream };
	char how[64];
	struct buf out;

	snprintf(how, sizeof(how), "%s, %s", stream ? "stream" : "whole answer", names[chop]);
	if (str_split(&status, '\n', &line))
		script.status = atoi(line.p);
	while (str_split(&status, '\n', &line)) {
		value = line;
		if (str_starts(line, "retry-after:"))
			script.retry_after = atoi(line.p + 12);
		if (str_starts(line, "x-should-retry:"))
			script.should_retry = str_ends(str_trim(value), "true");
		if (str_starts(line, "x-amzn-errortype:"))
			script.error_type = str_trim((struct str){ line.p + 17, line.n - 17 });
	}
	buf_init(&out, 0);
	if (replay(&x, &out))
		complain(r, "the exchange could not be played");
	else
		expect_answer(r, buf_str(&out), stream, how);
	buf_release(&out);
}

static void run_answer(struct run *r)
{
	bool both = case_section(&r->c, "error") || case_section(&r->c, "shape");

	for (int stream = 0; stream < 2 && !r->failed; stream++) {
		if (!both && !case_section(&r->c, stream ? "events" : "message"))
			continue;
		run_once(r, stream, CHOP_WHOLE, 0);
		if (!r->failed)
			run_once(r, stream, CHOP_BYTES, 0);
		for (uint64_t seed = 1; seed <= 5 && !r->failed; seed++)
			run_once(r, stream, CHOP_RANDOM, seed);
	}
}

/* ---- cases ---- */

enum outcome { PASSED, FAILED, SKIPPED };

static enum outcome run_case(const char *file, const char *recorded, bool update)
{
	struct run r = { .file = file, .recorded = recorded, .update = update };
	int upstream;

	arena_init(&r.arena, 0);
	if (case_read(&r.c, file, &r.arena) || !case_section(&r.c, "request"))
		complain(&r, "is no case: it needs a request section");
	else if (options_read(&r.options, case_text(&r.c, "config"), &r.arena))
		complain(&r, "has an option that golden-run does not know");
	upstream = r.failed ? -1 : case_upstream(&r.c, recorded, &r.arena, &r.upstream);
	if (upstream > 0) {
		options_release(&r.options);
		arena_release(&r.arena);
		return SKIPPED;
	}
	if (!r.failed)
		run_request(&r);
	if (!r.failed && (upstream == 0 || case_section(&r.c, "error")))
		run_answer(&r);
	if (r.changed && !r.failed && case_write(&r.c, file))
		complain(&r, "could not be written");
	options_release(&r.options);
	arena_release(&r.arena);
	return r.failed ? FAILED : PASSED;
}

int main(int argc, char **argv)
{
	const char *recorded = getenv("RECORDED");
	size_t count[3] = { 0 };
	bool update = false;

	log_setup(LOG_LEVEL_NONE, "none");
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--update"))
			update = true;
		else if (!strcmp(argv[i], "--recorded") && i + 1 < argc)
			recorded = argv[++i];
		else
			count[run_case(argv[i], recorded, update)]++;
	}
	printf("%zu passed, %zu failed", count[PASSED], count[FAILED]);
	if (count[SKIPPED])
		printf(", %zu skipped (no recorded answers here)", count[SKIPPED]);
	printf("\n");
	return count[FAILED] != 0;
}
