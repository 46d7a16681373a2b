/*
 * Signatures of clones. DeepSeek and others sign thinking with words of their own, which Claude
 * refuses: what a clone signed travels through the client as the clone's state, so that it is known
 * for what it is on the next turn, and is put back there for the clone alone.
 */
#include "dialect/anthropic_sign.h"
#include "json/edit.h"

struct signing {
	const struct decode_context *c;
	struct buf state;
};

/* Of an event: delta.signature, content_block.signature, content_block.data; of a Message the
 * members of its blocks. */
static enum edit_action sign(void *ctx, const struct span *path, unsigned depth,
			     const struct scan *at, struct str *with)
{
	struct signing *w = ctx;
	struct scan s = *at;
	struct span value;
	struct buf text;

	if (depth == 0)
		return EDIT_KEEP;
	if (depth > 1 || !(span_is(path[1], "signature") || span_is(path[1], "data")))
		return EDIT_WHOLE;
	value = span_unquote(scan_any(&s));
	if (!span_is_string(value) || span_blank(value))
		return EDIT_WHOLE;
	buf_init(&text, 0);
	buf_reset(&w->state);
	buf_putc(&w->state, '"');
	if (span_put_text(&text, value) ||
	    opaque_put(&w->state, w->c->target->backend->origin, buf_str(&text)))
		w->state.failed = true;
	buf_putc(&w->state, '"');
	buf_release(&text);
	*with = arena_str(w->c->arena, buf_str(&w->state));
	return EDIT_REPLACE;
}

static bool may_be_signed(struct span doc)
{
	struct str text = { doc.p, doc.n };

	return str_find(text, "\"signature\"") || str_find(text, "\"redacted_thinking\"");
}

int anthropic_sign(const struct decode_context *c, struct span *doc)
{
	struct signing w = { .c = c };
	const struct edit_rule rule = { .member = sign, .ctx = &w };
	struct buf made;
	int rc;

	if (!c->target->backend->plain_thinking || !may_be_signed(*doc))
		return 0;
	buf_init(&w.state, 0);
	buf_init(&made, 0);
	rc = edit_rewrite(&made, (struct str){ doc->p, doc->n }, &rule);
	if (rc == 0)
		*doc = span_json(arena_str(c->arena, buf_str(&made)));
	if (w.state.failed || c->arena->failed)
		rc = -1;
	buf_release(&w.state);
	buf_release(&made);
	return rc;
}

bool anthropic_foreign(const struct backend *b, struct span signature)
{
	struct buf state;
	bool own;

	if (span_blank(signature))
		return false;
	if (!opaque_ours(signature))
		return b->plain_thinking;
	buf_init(&state, 0);
	own = opaque_get(&state, b->origin, signature) == 1;
	buf_release(&state);
	return !own;
}

int anthropic_unsign(struct arena *a, const struct backend *b, struct span signature,
		     struct str *made)
{
	struct buf state, text;
	int rc = 0;

	*made = STR("");
	buf_init(&state, 0);
	buf_init(&text, 0);
	if (opaque_get(&state, b->origin, signature) == 1) {
		rc = span_put_content(&text, span_utf8(buf_str(&state)));
		*made = arena_str(a, buf_str(&text));
	}
	rc = rc || state.failed || a->failed ? -1 : 0;
	buf_release(&state);
	buf_release(&text);
	return rc;
}
