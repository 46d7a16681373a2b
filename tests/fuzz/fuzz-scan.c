/*
 * The scanner and what stands on it, on any bytes: nothing may read beyond the text, and what the
 * scanner passes must come through spans, segments and the rewriter unchanged.
 */
#include <stdlib.h>
#include <string.h>

#include "json/edit.h"
#include "json/scan.h"
#include "json/segs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static enum edit_action keep(void *ctx, const struct span *path, unsigned depth,
				  const struct scan *at, struct str *with)
{
	require(path[depth].form == SPAN_STR && at->p < at->end);
	return EDIT_KEEP;
}

/* A rule by the bytes met, so that each action comes up in all places. */
static enum edit_action mixed(void *ctx, const struct span *path, unsigned depth,
				  const struct scan *at, struct str *with)
{
	*with = STR("null");
	return (enum edit_action)((path[depth].n + depth) % 4);
}

static void check_rewrite(struct str text)
{
	struct edit_rule same = { keep, NULL }, other = { mixed, NULL };
	struct buf b;

	buf_init(&b, 0);
	require(edit_rewrite(&b, text, &same) == 0);
	require(str_eq(buf_str(&b), text));
	buf_reset(&b);
	require(edit_rewrite(&b, text, &other) == 0);
	require(json_check(buf_str(&b), NULL, NULL) == 0);
	buf_release(&b);
}

/* The text as a string in JSON, by buffer and by segments, and back. */
static void check_string(struct span text)
{
	struct buf b, back;
	struct arena a;
	struct segs s;

	buf_init(&b, 0);
	buf_init(&back, 0);
	arena_init(&a, 0);
	segs_init(&s, &a);
	require(span_put_string(&b, text) == 0);
	segs_string(&s, text);
	require(segs_flatten(&s, &back) == 0 && str_eq(buf_str(&b), buf_str(&back)));
	require(s.total == back.n);
	buf_reset(&back);
	require(span_put_text(&back, (struct span){ b.p, b.n, SPAN_JSON }) == 0);
	require(back.n == span_text_size((struct span){ b.p, b.n, SPAN_JSON }));
	if (text.form == SPAN_UTF8)
		require(str_eq(buf_str(&back), (struct str){ text.p, text.n }));
	buf_release(&b);
	buf_release(&back);
	arena_release(&a);
}

/* Walks with the pull calls as a reader would. */
static void walk(struct scan *s, unsigned level)
{
	struct span key, value;

	switch (level < 8 ? scan_peek(s) : 0) {
	case '{':
		require(scan_object(s));
		while (scan_member(s, &key))
			walk(s, level + 1);
		break;
	case '[':
		require(scan_array(s));
		while (scan_element(s))
			walk(s, level + 1);
		break;
	default:
		value = scan_any(s);
		if (value.form == SPAN_STR)
			require(str_utf8((struct str){ value.p, value.n }));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	const char *error = NULL;
	struct scan s;
	size_t at = 0;
	bool ok = json_check(text, &error, &at) == 0;

	scan_init(&s, text);
	walk(&s, 0);
	require(scan_end(&s) == ok);
	require(ok || (error && at <= size));
	check_string(span_utf8(text));
	if (ok) {
		check_rewrite(text);
		check_string((struct span){ text.p, text.n, SPAN_JSON });
	}
	return 0;
}
