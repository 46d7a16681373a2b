/*
 * Tool schemas for Gemini. Its function declarations have a subset of OpenAPI's schema object, and
 * one unknown keyword anywhere is a 400 for the whole request; Vertex also refuses a schema
 * without a type and anything beside anyOf. So nothing is copied that is not known: each schema is
 * read as a few layers (itself, what its $ref names, the members of its allOf), and written anew
 * from the first layer that has the keyword.
 *
 * Recursive, but bounded: in depth by DEPTH_MAX, in layers by LAYERS_MAX, in bytes by SCHEMA_MAX.
 * What lies too deep, and a $ref to a schema that it stands in, becomes an object that may hold
 * anything.
 */
#include <string.h>

#include "base/memo.h"
#include "dialect/gemini.h"
#include "json/scan.h"

#define SCHEMA_MAX (256 * 1024) /* bytes of one converted schema */
#define DEPTH_MAX 24
#define LAYERS_MAX 16
#define NAME_MAX_BYTES 256      /* of a $ref's steps; longer ones are not looked up */

enum kind {
	KIND_STRING = 1, KIND_NUMBER = 2, KIND_INTEGER = 4, KIND_BOOLEAN = 8, KIND_ARRAY = 16,
	KIND_OBJECT = 32,
};
static const struct { enum kind kind; const char *name; } kinds[] = {
	{ KIND_STRING, "string" }, { KIND_NUMBER, "number" }, { KIND_INTEGER, "integer" },
	{ KIND_BOOLEAN, "boolean" }, { KIND_ARRAY, "array" }, { KIND_OBJECT, "object" },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Keywords of which the first one met counts; everything that is not here is left out. */
enum word {
	WORD_TYPE, WORD_DESCRIPTION, WORD_TITLE, WORD_NULLABLE, WORD_ENUM, WORD_CONST, WORD_FORMAT,
	WORD_PATTERN, WORD_MIN_LENGTH, WORD_MAX_LENGTH, WORD_MINIMUM, WORD_MAXIMUM, WORD_ITEMS,
	WORD_PREFIX_ITEMS, WORD_MIN_ITEMS, WORD_MAX_ITEMS, WORD_ANY_OF, WORD_ONE_OF, WORD_DEFAULT,
	WORD_ADDITIONAL, WORDS,
	/* These add up over all layers. */
	WORD_PROPERTIES = WORDS, WORD_REQUIRED, WORD_REF, WORD_ALL_OF, ALL_WORDS,
};
static const char *const words[ALL_WORDS] = {
	[WORD_TYPE] = "type", [WORD_DESCRIPTION] = "description", [WORD_TITLE] = "title",
	[WORD_NULLABLE] = "nullable", [WORD_ENUM] = "enum", [WORD_CONST] = "const",
	[WORD_FORMAT] = "format", [WORD_PATTERN] = "pattern", [WORD_MIN_LENGTH] = "minLength",
	[WORD_MAX_LENGTH] = "maxLength", [WORD_MINIMUM] = "minimum", [WORD_MAXIMUM] = "maximum",
	[WORD_ITEMS] = "items", [WORD_PREFIX_ITEMS] = "prefixItems", [WORD_MIN_ITEMS] = "minItems",
	[WORD_MAX_ITEMS] = "maxItems", [WORD_ANY_OF] = "anyOf", [WORD_ONE_OF] = "oneOf",
	[WORD_DEFAULT] = "default", [WORD_ADDITIONAL] = "additionalProperties",
	[WORD_PROPERTIES] = "properties", [WORD_REQUIRED] = "required", [WORD_REF] = "$ref",
	[WORD_ALL_OF] = "allOf",
};

struct writer {
	struct buf *b;
	struct arena *arena;
	struct span root;
	struct span *names;     /* of the properties written so far, of all objects that are open */
	size_t nnames, names_cap;
	const char *open[(DEPTH_MAX + 1) * LAYERS_MAX]; /* what $refs above led to */
	size_t nopen;
	unsigned depth;
};

struct layers {
	struct span word[WORDS];
	struct span properties[LAYERS_MAX], required[LAYERS_MAX];
	size_t nproperties, nrequired, n;
	const char *refs[LAYERS_MAX];   /* where its $refs led to */
	size_t nrefs;
	bool recursive;                 /* one of them led to a schema around this one */
};

/* What an alternative has from the schema around it. */
struct around {
	bool nullable;
	struct span description;
};

static const struct around nothing_around = { .nullable = false };

static void put_schema(struct writer *w, struct span schema, const struct around *around);

/* ---- layers ---- */

static struct span element_at(struct span list, struct str number)
{
	struct scan it;
	int64_t i;

	if (!str_int(number, &i) || !json_each(list, &it))
		return SPAN_ABSENT;
	while (i >= 0 && scan_element(&it)) {
		struct span v = scan_value(&it);

		if (i-- == 0)
			return v;
	}
	return SPAN_ABSENT;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The name with its %XX as bytes, in the place of itself. */
static void percent_decode(char *name)
{
	char *to = name;

	for (const char *p = name; *p; p++) {
		int high = *p == '%' ? hex_value(p[1]) : -1, low = high < 0 ? -1 : hex_value(p[2]);

		*to++ = low < 0 ? *p : (char)(high << 4 | low);
		p += low < 0 ? 0 : 2;
	}
	*to = '\0';
}

/* ~1 is a slash, ~0 a tilde. */
static void tilde_decode(char *name)
{
	char *to = name;

	for (const char *p = name; *p; p++) {
		bool escaped = *p == '~' && p[1];

		p += escaped;
		*to++ = !escaped ? *p : *p == '1' ? '/' : '~';
	}
	*to = '\0';
}

static struct span member_at(struct span at, struct str step, bool percent)
{
	char name[NAME_MAX_BYTES];

	if (step.n >= sizeof(name))
		return SPAN_ABSENT;
	memcpy(name, step.p, step.n);
	name[step.n] = '\0';
	if (percent)
		percent_decode(name);
	tilde_decode(name);
	return json_get(at, name);
}

/* One step of a JSON pointer in an address (RFC 6901, sections 4 and 6). Not every generator of
 * schemas writes names as an address has them, so a name goes as it stands first. */
static struct span step_into(struct span at, struct str step)
{
	struct span found;

	if (span_is_array(at))
		return element_at(at, step);
	found = member_at(at, step, false);
	return span_given(found) || !memchr(step.p, '%', step.n) ? found
								 : member_at(at, step, true);
}

/* What a $ref names, in the same document only. */
static struct span resolve(const struct writer *w, struct span ref)
{
	struct str path = { ref.p, ref.n }, step;
	struct span at = w->root;

	if (!span_is_string(ref) || !str_starts(path, "#"))
		return SPAN_ABSENT;
	path.p++;
	path.n--;
	if (!path.n)
		return at;
	/* A name alone is an "$anchor". */
	if (*path.p != '/')
		return SPAN_ABSENT;
	str_split(&path, '/', &step);
	while (span_given(at) && str_split(&path, '/', &step))
		at = step_into(at, step);
	return span_is_object(at) ? at : SPAN_ABSENT;
}

static void add_layer(const struct writer *w, struct layers *l, struct span schema);

static void add_ref(const struct writer *w, struct layers *l, struct span ref)
{
	struct span target = resolve(w, ref);

	for (size_t i = 0; i < w->nopen; i++)
		l->recursive = l->recursive || w->open[i] == target.p;
	if (l->recursive || !span_given(target) || l->nrefs == LAYERS_MAX)
		return;
	l->refs[l->nrefs++] = target.p;
	add_layer(w, l, target);
}

static void add_all(const struct writer *w, struct layers *l, struct span list)
{
	struct scan it;

	if (!json_each(list, &it))
		return;
	while (scan_element(&it))
		add_layer(w, l, scan_value(&it));
}

static enum word word_of(struct span key)
{
	int i = 0;

	while (i < ALL_WORDS && !((!key.n || key.p[0] == words[i][0] || key.p[0] == '\\') &&
				  span_is(key, words[i])))
		i++;
	return (enum word)i;
}

/* Reads a schema over what was read before. Schemas that lead to themselves end at LAYERS_MAX. */
static void add_layer(const struct writer *w, struct layers *l, struct span schema)
{
	struct span ref = SPAN_ABSENT, all_of = SPAN_ABSENT, key, v;
	struct scan it;
	enum word word;

	if (l->n >= LAYERS_MAX || !json_each_member(schema, &it))
		return;
	l->n++;
	while (scan_member(&it, &key)) {
		v = scan_any(&it);
		word = word_of(key);
		if (word < WORDS && span_is_null(l->word[word]))
			l->word[word] = v;
		else if (word == WORD_PROPERTIES && span_is_object(v))
			l->properties[l->nproperties++] = v;
		else if (word == WORD_REQUIRED && span_is_array(v))
			l->required[l->nrequired++] = v;
		else if (word == WORD_REF)
			ref = v;
		else if (word == WORD_ALL_OF)
			all_of = v;
		if (l->nproperties == LAYERS_MAX || l->nrequired == LAYERS_MAX)
			return;
	}
	if (span_given(ref))
		add_ref(w, l, ref);
	if (span_given(all_of))
		add_all(w, l, all_of);
}

static void read_layers(const struct writer *w, struct layers *l, struct span schema)
{
	*l = (struct layers){ .n = 0 };
	add_layer(w, l, schema);
}

static struct span first_of(const struct layers *l, enum word word)
{
	return span_is_null(l->word[word]) ? SPAN_ABSENT : l->word[word];
}

static struct span alternatives_of(const struct layers *l)
{
	struct span v = first_of(l, WORD_ANY_OF);

	if (!span_is_array(v))
		v = first_of(l, WORD_ONE_OF);
	return span_is_array(v) ? v : SPAN_ABSENT;
}

/* ---- types ---- */

static unsigned kind_named(struct span name, bool *nullable)
{
	struct str text = { name.p, name.n };

	if (!span_is_string(name))
		return 0;
	if (str_is_nocase(text, "null"))
		*nullable = true;
	for (size_t i = 0; i < KINDS; i++)
		if (str_is_nocase(text, kinds[i].name))
			return kinds[i].kind;
	return 0;
}

/* Types that the values of an enum have. */
static unsigned kind_of_value(struct span v, bool *nullable)
{
	if (span_is_null(v)) {
		*nullable = true;
		return 0;
	}
	if (span_is_string(v))
		return KIND_STRING;
	return span_is_object(v) ? KIND_OBJECT : span_is_array(v) ? KIND_ARRAY :
		v.p[0] == 't' || v.p[0] == 'f' ? KIND_BOOLEAN : KIND_NUMBER;
}

static unsigned kinds_of_enum(const struct layers *l, bool *nullable)
{
	struct span value = first_of(l, WORD_CONST), list = first_of(l, WORD_ENUM);
	unsigned found = span_given(value) ? kind_of_value(value, nullable) : 0;
	struct scan it;

	if (json_each(list, &it)) {
		while (scan_element(&it))
			found |= kind_of_value(scan_any(&it), nullable);
	}
	return found;
}

/* Where no type is given the other keywords tell; text can hold anything. */
static unsigned kinds_guessed(const struct layers *l, bool *nullable)
{
	unsigned found = kinds_of_enum(l, nullable);

	if (found)
		return found;
	if (l->nproperties || l->recursive || span_given(first_of(l, WORD_ADDITIONAL)))
		return KIND_OBJECT;
	if (span_given(first_of(l, WORD_ITEMS)) || span_given(first_of(l, WORD_PREFIX_ITEMS)))
		return KIND_ARRAY;
	return KIND_STRING;
}

static unsigned kinds_of(const struct layers *l, bool *nullable)
{
	struct span type = first_of(l, WORD_TYPE);
	unsigned found = 0;
	struct scan it;

	if (json_each(type, &it)) {
		while (scan_element(&it))
			found |= kind_named(scan_any(&it), nullable);
	} else {
		found = kind_named(type, nullable);
	}
	return found ? found : kinds_guessed(l, nullable);
}

/* ---- keywords ---- */

/* ,"key": — the type always stands before it. */
static void put_key(struct writer *w, enum word word)
{
	buf_puts(w->b, ",\"");
	buf_puts(w->b, words[word]);
	buf_puts(w->b, "\":");
}

static void put_text(struct writer *w, enum word word, struct span v)
{
	if (!span_is_string(v))
		return;
	put_key(w, word);
	span_put_value(w->b, v);
}

/* Counts are 64-bit integers to the API: 1.5 or 1e3 would be refused. */
static void put_count(struct writer *w, const struct layers *l, enum word word)
{
	int64_t n;

	if (!span_int(first_of(l, word), &n) || n < 0)
		return;
	put_key(w, word);
	buf_put_int(w->b, n);
}

static void put_limit(struct writer *w, const struct layers *l, enum word word)
{
	struct span v = first_of(l, word);
	double x;

	if (v.form != SPAN_JSON || !span_double(v, &x))
		return;
	put_key(w, word);
	span_put_value(w->b, v);
}

static void put_format(struct writer *w, const struct layers *l, const char *const *known)
{
	struct span v = first_of(l, WORD_FORMAT);

	for (; *known; known++) {
		if (!span_is(v, *known))
			continue;
		put_key(w, WORD_FORMAT);
		span_put_value(w->b, v);
	}
}

/* Values of an enum are texts to the API, and never empty. */
static void put_value(struct writer *w, struct span v, size_t *n)
{
	if (span_is_null(v) || span_is_object(v) || span_is_array(v) || !v.n)
		return;
	if ((*n)++)
		buf_putc(w->b, ',');
	else
		buf_puts(w->b, ",\"enum\":[");
	span_put_string(w->b, v);
}

static void put_enum(struct writer *w, const struct layers *l)
{
	struct span value = first_of(l, WORD_CONST), list = first_of(l, WORD_ENUM);
	struct scan it;
	size_t n = 0;

	if (span_given(value)) {
		put_value(w, value, &n);
	} else if (json_each(list, &it)) {
		while (scan_element(&it))
			put_value(w, scan_any(&it), &n);
	}
	if (n)
		buf_putc(w->b, ']');
}

static void put_items(struct writer *w, const struct layers *l)
{
	struct span items = first_of(l, WORD_ITEMS);
	struct scan it;

	if (!span_is_object(items)) {
		/* A tuple: its first type stands for all. */
		struct span tuple = span_is_array(items) ? items : first_of(l, WORD_PREFIX_ITEMS);

		items = json_each(tuple, &it) && scan_element(&it) ? scan_value(&it) : SPAN_ABSENT;
	}
	put_key(w, WORD_ITEMS);
	put_schema(w, items, &nothing_around);
}

/* ---- objects ---- */

static bool name_written(const struct writer *w, size_t from, struct span key)
{
	for (size_t i = from; i < w->nnames; i++)
		if (span_eq(w->names[i], key))
			return true;
	return false;
}

static bool name_add(struct writer *w, struct span key)
{
	struct span *v = arena_grow(w->arena, w->names, w->nnames, &w->names_cap, sizeof(*v));

	if (!v)
		return false;
	w->names = v;
	v[w->nnames++] = key;
	return true;
}

static void put_properties(struct writer *w, const struct layers *l, size_t from)
{
	struct span key, value;
	struct scan it;

	for (size_t i = 0; i < l->nproperties; i++) {
		json_each_member(l->properties[i], &it);
		while (scan_member(&it, &key) && !w->b->failed) {
			value = scan_value(&it);
			if (!key.n || name_written(w, from, key))
				continue;
			buf_puts(w->b, w->nnames > from ? "," : ",\"properties\":{");
			if (!name_add(w, key))
				return;
			span_put_string(w->b, key);
			buf_putc(w->b, ':');
			put_schema(w, value, &nothing_around);
		}
	}
	if (w->nnames > from)
		buf_putc(w->b, '}');
}

/* Only names that there are properties for, or the request is refused. */
static void put_required(struct writer *w, const struct layers *l, size_t from)
{
	struct scan it;
	size_t n = 0;

	for (size_t i = 0; i < l->nrequired; i++) {
		json_each(l->required[i], &it);
		while (scan_element(&it)) {
			struct span name = scan_any(&it);

			if (!span_is_string(name) || !name_written(w, from, name))
				continue;
			buf_puts(w->b, n++ ? "," : ",\"required\":[");
			span_put_value(w->b, name);
		}
	}
	if (n)
		buf_putc(w->b, ']');
}

static void put_object(struct writer *w, const struct layers *l)
{
	size_t from = w->nnames;

	put_properties(w, l, from);
	put_required(w, l, from);
	w->nnames = from;
}

/* ---- schemas ---- */

static void put_kind_members(struct writer *w, const struct layers *l, enum kind kind)
{
	static const char *const string_formats[] = { "enum", "date-time", NULL };
	static const char *const integer_formats[] = { "int32", "int64", NULL };
	static const char *const number_formats[] = { "float", "double", NULL };

	switch (kind) {
	case KIND_STRING:
		put_enum(w, l);
		put_text(w, WORD_PATTERN, first_of(l, WORD_PATTERN));
		put_count(w, l, WORD_MIN_LENGTH);
		put_count(w, l, WORD_MAX_LENGTH);
		put_format(w, l, string_formats);
		break;
	case KIND_INTEGER:
	case KIND_NUMBER:
		put_limit(w, l, WORD_MINIMUM);
		put_limit(w, l, WORD_MAXIMUM);
		put_format(w, l, kind == KIND_INTEGER ? integer_formats : number_formats);
		break;
	case KIND_ARRAY:
		put_items(w, l);
		put_count(w, l, WORD_MIN_ITEMS);
		put_count(w, l, WORD_MAX_ITEMS);
		break;
	case KIND_OBJECT:
		put_object(w, l);
		break;
	case KIND_BOOLEAN:
		break;
	}
}

static void put_kind(struct writer *w, const struct layers *l, enum kind kind,
		     const struct around *around)
{
	struct span standard = first_of(l, WORD_DEFAULT), text = first_of(l, WORD_DESCRIPTION);
	size_t i = 0;

	while (kinds[i].kind != kind)
		i++;
	buf_puts(w->b, "{\"type\":\"");
	buf_puts(w->b, kinds[i].name);
	buf_puts(w->b, around->nullable ? "\",\"nullable\":true" : "\"");
	put_text(w, WORD_TITLE, first_of(l, WORD_TITLE));
	put_text(w, WORD_DESCRIPTION, span_given(text) ? text : around->description);
	put_kind_members(w, l, kind);
	if (span_given(standard)) {
		put_key(w, WORD_DEFAULT);
		span_put_value(w->b, standard);
	}
	buf_putc(w->b, '}');
}

/* Several types become alternatives, and numbers with a fixed choice become texts. */
static void put_kinds(struct writer *w, const struct layers *l, unsigned found,
		      const struct around *around)
{
	bool choice = span_given(first_of(l, WORD_CONST)) || span_is_array(first_of(l, WORD_ENUM));
	size_t n = 0;

	if (choice && found & (KIND_NUMBER | KIND_INTEGER))
		found = (found & ~(unsigned)(KIND_NUMBER | KIND_INTEGER)) | KIND_STRING;
	if ((found & (found - 1)) == 0) {
		put_kind(w, l, (enum kind)found, around);
		return;
	}
	for (size_t i = 0; i < KINDS; i++) {
		if (!(found & kinds[i].kind))
			continue;
		buf_puts(w->b, n++ ? "," : "{\"anyOf\":[");
		put_kind(w, l, kinds[i].kind, around);
	}
	buf_puts(w->b, "]}");
}

static bool is_null_schema(struct span schema)
{
	struct span value = json_get(schema, "const");

	return span_is(json_get(schema, "type"), "null") ||
	       (span_given(value) && span_is_null(value));
}

/* How many alternatives there are beside null; *one is the last of them. */
static size_t count_alternatives(struct span list, struct span *one, bool *nullable)
{
	struct scan it;
	size_t n = 0;

	json_each(list, &it);
	while (scan_element(&it)) {
		struct span v = scan_value(&it);

		if (is_null_schema(v)) {
			*nullable = true;
		} else if (span_is_object(v)) {
			*one = v;
			n++;
		}
	}
	return n;
}

/* Alternatives count where they are all that is said: beside a type or properties they only narrow
 * what those allow. Vertex takes nothing beside anyOf, so what stood there goes into each. */
static bool put_alternatives(struct writer *w, const struct layers *l, struct around *around)
{
	struct span list = alternatives_of(l), one = SPAN_ABSENT;
	struct scan it;
	size_t n, i = 0;

	if (span_given(first_of(l, WORD_TYPE)) || l->nproperties || !json_each(list, &it))
		return false;
	n = count_alternatives(list, &one, &around->nullable);
	if (n == 1)
		put_schema(w, one, around);
	if (n < 2)
		return n == 1;
	while (scan_element(&it) && !w->b->failed) {
		struct span v = scan_value(&it);

		if (!span_is_object(v) || is_null_schema(v))
			continue;
		buf_puts(w->b, i++ ? "," : "{\"anyOf\":[");
		put_schema(w, v, around);
	}
	buf_puts(w->b, "]}");
	return true;
}

static void put_schema(struct writer *w, struct span schema, const struct around *around)
{
	size_t open = w->nopen;
	struct around here = *around;
	struct layers l;

	if (w->b->failed)
		return;
	if (w->depth >= DEPTH_MAX) {
		buf_puts(w->b, "{\"type\":\"object\"}");
		return;
	}
	w->depth++;
	read_layers(w, &l, schema);
	for (size_t i = 0; i < l.nrefs; i++)
		w->open[w->nopen++] = l.refs[i];
	if (span_is_string(first_of(&l, WORD_DESCRIPTION)))
		here.description = first_of(&l, WORD_DESCRIPTION);
	if (span_true(first_of(&l, WORD_NULLABLE)))
		here.nullable = true;
	if (!put_alternatives(w, &l, &here)) {
		unsigned found = kinds_of(&l, &here.nullable);

		put_kinds(w, &l, found, &here);
	}
	w->nopen = open;
	w->depth--;
}

/* ---- the root ---- */

/* The root is an object in any case: of alternatives it gets the properties of all. */
static void put_root(struct writer *w)
{
	struct layers l;

	read_layers(w, &l, w->root);
	if (!l.nproperties) {
		size_t required = l.nrequired;

		add_all(w, &l, alternatives_of(&l));
		l.nrequired = required;
	}
	buf_puts(w->b, "{\"type\":\"object\"");
	put_object(w, &l);
	buf_putc(w->b, '}');
}

bool gemini_schema(struct buf *b, struct arena *a, struct span schema)
{
	size_t empty = sizeof("{\"type\":\"object\"}") - 1;
	struct buf made;
	struct writer w = { .b = &made, .arena = a, .root = schema, .open = { schema.p },
			    .nopen = 1 };
	bool says;

	buf_init(&made, SCHEMA_MAX);
	put_root(&w);
	says = !made.failed && made.n > empty;
	if (says)
		buf_put_str(b, buf_str(&made));
	b->failed = b->failed || (made.failed && !made.full);
	buf_release(&made);
	return says;
}

/* ---- once for all ---- */

static const char memo_kind[] = "gemini schema";

struct place {
	struct segs *segs;
	const char *key;
};

static void put_made(void *ctx, struct str made)
{
	const struct place *p = ctx;

	if (!made.n)
		return;
	segs_puts(p->segs, p->key);
	segs_put(p->segs, made.p, made.n);
}

void gemini_put_schema(struct segs *s, struct arena *a, const char *key, struct span schema)
{
	struct place place = { s, key };
	struct str text = { schema.p, schema.n };
	struct buf made;

	if (!span_is_object(schema) || memo_find(memo_kind, text, put_made, &place))
		return;
	buf_init(&made, 0);
	gemini_schema(&made, a, schema);
	put_made(&place, buf_str(&made));
	s->failed = s->failed || made.failed;
	if (!made.failed && !a->failed)
		memo_keep(memo_kind, text, buf_str(&made));
	buf_release(&made);
}
