/*
 * Arguments that come by path: {"jsonPath":"$.edits[0].text","stringValue":"ab"} is a value, or with
 * "willContinue" a part of one, somewhere in the object. The pieces come in the order of the text
 * that the model writes, so it can be written again as they come: close what the last path leaves,
 * open what the new one enters. Documented as streaming of function call arguments in Vertex.
 */
#include "dialect/gemini_decode.h"
#include "json/scan.h"

#define STEPS_MAX 64

struct path {
	struct gemini_step *v;
	size_t n;
};

/* ---- paths ---- */

/* A name up to the next '.' or '['. */
static struct str take_plain(struct str *rest)
{
	struct str name = { rest->p, 0 };

	while (name.n < rest->n && rest->p[name.n] != '.' && rest->p[name.n] != '[')
		name.n++;
	rest->p += name.n;
	rest->n -= name.n;
	return name;
}

/* What stands in brackets: an index, or a name in quotes, which may hold brackets itself. False
 * when there is no end to it. */
static bool take_brackets(struct str *rest, struct gemini_step *step)
{
	char quote = rest->n > 1 ? rest->p[1] : 0;
	bool quoted = quote == '\'' || quote == '"';
	size_t from = quoted ? 2 : 1, i = from;

	while (i < rest->n && rest->p[i] != (quoted ? quote : ']'))
		i++;
	if (i + quoted >= rest->n || rest->p[i + quoted] != ']')
		return false;
	if (quoted)
		step->name = span_utf8((struct str){ rest->p + from, i - from });
	else if (!str_int((struct str){ rest->p + from, i - from }, &step->index))
		return false;
	rest->p += i + quoted + 1;
	rest->n -= i + quoted + 1;
	return true;
}

/* False for what is no path to a member. */
static bool path_read(struct path *path, struct str rest)
{
	if (!str_starts(rest, "$"))
		return false;
	rest.p++;
	rest.n--;
	for (path->n = 0; rest.n; path->n++) {
		struct gemini_step *step = &path->v[path->n];

		if (path->n == STEPS_MAX)
			return false;
		*step = (struct gemini_step){ .name = SPAN_ABSENT };
		if (rest.p[0] == '[') {
			if (!take_brackets(&rest, step))
				return false;
		} else if (rest.p[0] == '.') {
			rest.p++;
			rest.n--;
			step->name = span_utf8(take_plain(&rest));
		} else {
			return false;
		}
	}
	return path->n && span_given(path->v[0].name);
}

static bool same_step(const struct gemini_step *a, const struct gemini_step *b)
{
	if (span_given(a->name) != span_given(b->name))
		return false;
	return span_given(a->name) ? span_eq(a->name, b->name) : a->index == b->index;
}

static size_t common(const struct gemini_args *g, const struct path *to)
{
	size_t i = 0;

	while (i < g->n && i < to->n && same_step(&g->path[i], &to->v[i]))
		i++;
	return i;
}

/* ---- text ---- */

static void end_string(struct gemini_args *g, struct buf *out)
{
	if (g->in_string)
		buf_putc(out, '"');
	g->in_string = false;
}

/* Ends the containers below the step `keep`. */
static void leave(const struct gemini_args *g, size_t keep, struct buf *out)
{
	for (size_t i = g->n; i > keep + 1; i--)
		buf_putc(out, span_given(g->path[i - 1].name) ? '}' : ']');
}

static void enter(const struct path *to, size_t from, struct buf *out)
{
	for (size_t i = from; i < to->n; i++) {
		bool member = span_given(to->v[i].name);

		if (i > from)
			buf_putc(out, member ? '{' : '[');
		if (member) {
			span_put_string(out, to->v[i].name);
			buf_putc(out, ':');
		}
	}
}

/* Moves from the value written last to the one at `to`; false when no text leads there. */
static bool move(struct gemini_args *g, const struct path *to, struct buf *out)
{
	size_t same = common(g, to);

	if (g->n && (same == g->n || same == to->n ||
		     span_given(g->path[same].name) != span_given(to->v[same].name)))
		return false;
	end_string(g, out);
	leave(g, same, out);
	buf_putc(out, g->n ? ',' : '{');
	enter(to, same, out);
	g->path = to->v;
	g->n = to->n;
	return true;
}

static void put_value(struct gemini_args *g, struct span piece, struct buf *out)
{
	struct span text = json_get(piece, "stringValue"), number = json_get(piece, "numberValue");
	struct span word = json_get(piece, "boolValue");

	if (span_is_string(text)) {
		buf_putc(out, '"');
		span_put_content(out, text);
		g->in_string = true;
		if (!span_true(json_get(piece, "willContinue")))
			end_string(g, out);
	} else if (span_given(number)) {
		span_put_value(out, number);
	} else if (span_given(word)) {
		buf_puts(out, span_true(word) ? "true" : "false");
	} else {
		buf_puts(out, "null");
	}
}

static bool has_value(struct span piece)
{
	return span_given(json_get(piece, "stringValue")) ||
	       span_given(json_get(piece, "numberValue")) ||
	       span_given(json_get(piece, "boolValue")) || span_given(json_get(piece, "nullValue"));
}

int gemini_args_piece(struct gemini_args *g, struct arena *a, struct span piece, struct buf *out)
{
	struct path to = { .v = arena_alloc(a, (STEPS_MAX + 1) * sizeof(*to.v)) };
	struct buf text;
	struct str path;

	buf_init(&text, 0);
	span_put_text(&text, json_get(piece, "jsonPath"));
	path = arena_buf(a, &text);
	buf_release(&text);
	if (!to.v || !path.p)
		return -1;
	if (!path_read(&to, path) || !has_value(piece))
		return 0;
	if (g->in_string && to.n == g->n && common(g, &to) == to.n) {
		span_put_content(out, json_get(piece, "stringValue"));
		if (!span_true(json_get(piece, "willContinue")))
			end_string(g, out);
	} else if (move(g, &to, out)) {
		put_value(g, piece, out);
	}
	return out->failed ? -1 : 0;
}

void gemini_args_end(struct gemini_args *g, struct buf *out)
{
	end_string(g, out);
	leave(g, 0, out);
	buf_puts(out, g->n ? "}" : "{}");
	*g = (struct gemini_args){ 0 };
}
