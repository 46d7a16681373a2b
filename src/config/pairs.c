/*
 * Headers and body members: lists of pairs that a preset, the file and the environment add to. Body
 * members are written in the file as what they are; here they become JSON, as the encoders append
 * them.
 */
#include "config/types.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/config.h"
#include "config/secret.h"
#include "json/scan.h"

#define BODY_DEPTH 16
#define JSON_MARK "json:"

struct pair { const char *name, *value; };
/* Both structs of message/target.h have this shape. */
_Static_assert(sizeof(struct pair) == sizeof(struct header_setting), "a header is a pair");
_Static_assert(sizeof(struct pair) == sizeof(struct body_member), "a body member is a pair");

static bool refuse(struct loader *l, const struct option *o, const struct value *v,
		   const char *wanted)
{
	report_error(l->report, &v->from, "%s%s must be %s", l->prefix, o->path, wanted);
	return false;
}

/* A new list, so that what a preset's row points at is never changed. */
static bool pair_put(struct loader *l, const struct option *o, void *base, struct pair p, bool fold)
{
	struct pair *old, *list;
	size_t n = 0, i, at;

	memcpy(&old, (char *)base + o->offset, sizeof(old));
	while (old && old[n].name)
		n++;
	for (at = 0; at < n; at++)
		if (!(fold ? strcasecmp : strcmp)(old[at].name, p.name))
			break;
	list = arena_alloc(l->arena, (n + 2) * sizeof(*list));
	if (!list || !p.name || !p.value)
		return false;
	for (i = 0; i < n; i++)
		list[i] = old[i];
	list[at] = p;
	memcpy((char *)base + o->offset, &list, sizeof(list));
	return true;
}

static const char token[] =
	"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

static bool header_add(struct loader *l, const struct option *o, void *base, struct value *v,
		       const char *name, const char *text)
{
	static const char *const own[] = { "host",
					   "content-length",
					   "content-type",
					   "transfer-encoding",
					   "connection",
					   "expect",
					   NULL };
	struct origin at = v->from;
	const char *what = arena_printf(l->arena, "%s%s.%s", l->prefix, o->path, name), *value;
	size_t i;

	if (!what)
		return false;
	if (!*name || name[strspn(name, token)])
		return refuse(l, o, v, "headers with names of letters, digits and -");
	for (i = 0; own[i]; i++)
		if (!strcasecmp(own[i], name))
			return refuse(l, o, v, "headers that the gateway does not set itself");
	value = secret_resolve(l, what, text, &at);
	if (!value) {
		report_error(l->report, &v->from, "%s: %s", what,
			     at.problem ? at.problem : "no memory");
		return false;
	}
	for (i = 0; value[i]; i++)
		if ((unsigned char)value[i] < 0x20 && value[i] != '\t')
			return refuse(l, o, v, "headers without line ends in their values");
	return pair_put(l, o, base, (struct pair){ arena_printf(l->arena, "%s", name), value },
			true);
}

/* "Name: value" of a preset or its variables. */
static bool pair_text(struct loader *l, const char *text, struct pair *out)
{
	const char *colon = strchr(text, ':');
	struct str name, value;

	if (!colon)
		return false;
	name = str_trim((struct str){ text, (size_t)(colon - text) });
	value = str_trim(str_of(colon + 1));
	*out = (struct pair){ arena_dup(l->arena, name.p, name.n),
			      arena_dup(l->arena, value.p, value.n) };
	return out->name && out->value;
}

static bool headers_list(struct loader *l, const struct option *o, void *base, struct value *v)
{
	int i, n = config_setting_length(v->setting);
	bool ok = true;

	for (i = 0; i < n; i++) {
		const config_setting_t *s = config_setting_get_elem(v->setting, (unsigned)i);
		struct value one = { .setting = s, .from = origin_setting(l, s) };
		const char *name, *value;

		if (!config_setting_is_group(s) ||
		    !config_setting_lookup_string(s, "name", &name) ||
		    !config_setting_lookup_string(s, "value", &value))
			ok = refuse(l, o, &one, "a list of { name = \"…\"; value = \"…\"; }");
		else
			ok &= header_add(l, o, base, &one, name, value);
	}
	return ok;
}

bool headers_put(struct loader *l, const struct option *o, void *base, struct value *v)
{
	struct pair p;

	if (v->setting && config_setting_is_list(v->setting))
		return headers_list(l, o, base, v);
	if (v->setting || !pair_text(l, v->text, &p))
		return refuse(l, o, v, "a list of { name = \"…\"; value = \"…\"; }");
	return header_add(l, o, base, v, p.name, p.value);
}

/* The shortest decimal that reads back as the same number. */
static void json_float(struct buf *b, double d)
{
	char text[40];
	int digits;

	for (digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, d);
		if (strtod(text, NULL) == d)
			break;
	}
	buf_puts(b, isfinite(d) ? text : "null");
}

/* "json:{"50256":-100}": what this file has no form for, such as names that are numbers. */
static bool json_text(struct buf *b, const char *text)
{
	const char *json = text + strlen(JSON_MARK);

	if (!str_starts(str_of(text), JSON_MARK))
		return !span_put_string(b, span_utf8(str_of(text)));
	return !json_check(str_of(json), NULL, NULL) && !buf_puts(b, json);
}

static bool json_setting(struct buf *b, const config_setting_t *s, unsigned depth)
{
	bool group = config_setting_is_group(s);
	int i, n;

	switch (config_setting_type(s)) {
	case CONFIG_TYPE_INT:
		return !buf_put_int(b, config_setting_get_int(s));
	case CONFIG_TYPE_INT64:
		return !buf_put_int(b, config_setting_get_int64(s));
	case CONFIG_TYPE_FLOAT:
		json_float(b, config_setting_get_float(s));
		return true;
	case CONFIG_TYPE_BOOL:
		return !buf_puts(b, config_setting_get_bool(s) ? "true" : "false");
	case CONFIG_TYPE_STRING:
		return json_text(b, config_setting_get_string(s));
	}
	if (depth == BODY_DEPTH)
		return false;
	n = config_setting_length(s);
	buf_putc(b, group ? '{' : '[');
	for (i = 0; i < n; i++) {
		const config_setting_t *e = config_setting_get_elem(s, (unsigned)i);

		if (i)
			buf_putc(b, ',');
		if (group) {
			span_put_string(b, span_utf8(str_of(config_setting_name(e))));
			buf_putc(b, ':');
		}
		if (!json_setting(b, e, depth + 1))
			return false;
	}
	return !buf_putc(b, group ? '}' : ']');
}

static bool body_group(struct loader *l, const struct option *o, void *base, struct value *v)
{
	int i, n = config_setting_length(v->setting);
	struct buf json;
	bool ok = true;

	buf_init(&json, 64 * 1024);
	for (i = 0; i < n && ok; i++) {
		const config_setting_t *s = config_setting_get_elem(v->setting, (unsigned)i);
		struct pair p = { NULL, NULL };

		buf_reset(&json);
		if (json_setting(&json, s, 0) && !json.failed) {
			p.name = arena_printf(l->arena, "%s", config_setting_name(s));
			p.value = arena_dup(l->arena, json.p, json.n);
			ok = pair_put(l, o, base, p, false);
		} else {
			ok = refuse(l, o, v, "a group of members of at most 64 KB and 16 levels, with "
					     "valid JSON behind each \"json:\"");
		}
	}
	buf_release(&json);
	return ok;
}

bool body_put(struct loader *l, const struct option *o, void *base, struct value *v)
{
	struct pair p;

	if (v->setting && config_setting_is_group(v->setting))
		return body_group(l, o, base, v);
	if (v->setting || !pair_text(l, v->text, &p) || json_check(str_of(p.value), NULL, NULL))
		return refuse(l, o, v, "a group of members, { top_a = 0.1; }");
	return pair_put(l, o, base, p, false);
}
