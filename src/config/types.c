/*
 * What each type of option accepts and stores. Values arrive as text (environment, presets,
 * defaults) or as a setting of the file; a setting has to have the right type there, text is read
 * as what the option is.
 */
#include "config/option.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/config.h"
#include "config/secret.h"
#include "config/types.h"

static const char *const setting_types[] = { "nothing",	      "a group { }",  "a number",
					     "a number",      "a fraction",   "text",
					     "true or false", "an array [ ]", "a list ( )" };

/* Text that was refused is not shown: it may hold a password. */
static bool refuse(struct loader *l, const struct option *o, const struct value *v,
		   const char *wanted)
{
	if (v->setting && config_setting_type(v->setting) != CONFIG_TYPE_STRING)
		report_error(l->report, &v->from, "%s%s must be %s, not %s", l->prefix, o->path,
			     wanted, setting_types[config_setting_type(v->setting)]);
	else
		report_error(l->report, &v->from, "%s%s must be %s", l->prefix, o->path, wanted);
	return false;
}

/* The text of a value that must be text. */
static bool value_text(struct loader *l, const struct option *o, const struct value *v,
		       const char **out)
{
	if (v->setting && config_setting_type(v->setting) != CONFIG_TYPE_STRING)
		return refuse(l, o, v, "text in quotes");
	*out = v->setting ? config_setting_get_string(v->setting) : v->text;
	if (!str_utf8(str_of(*out)))
		return refuse(l, o, v, "UTF-8 text");
	return true;
}

static bool put_pointer(void *base, const struct option *o, const void *p)
{
	memcpy((char *)base + o->offset, &p, sizeof(p));
	return p != NULL;
}

/* What other programs call the same, the earlier system's log levels among them. */
static const struct { const char *other, *word; } other_words[] = {
	{ "warning", "warn" }, { "critical", "error" }, { "fatal", "error" }, { "trace", "debug" },
};

static int word_index(const struct option *o, const char *text)
{
	size_t k;
	int i;

	for (k = 0; k < sizeof(other_words) / sizeof(other_words[0]); k++)
		if (!strcasecmp(other_words[k].other, text))
			text = other_words[k].word;
	for (i = 0; o->words[i]; i++)
		if (!strcasecmp(o->words[i], text))
			return i;
	return -1;
}

static bool refuse_word(struct loader *l, const struct option *o, const struct value *v,
			const char *text)
{
	struct nearest near;
	struct buf list;
	size_t i;

	nearest_init(&near, text);
	buf_init(&list, 1024);
	for (i = 0; o->words[i]; i++) {
		nearest_see(&near, o->words[i]);
		buf_printf(&list, "%s%s", i ? ", " : "", o->words[i]);
	}
	if (near.best)
		report_error(l->report, &v->from,
			     "%s%s: \"%s\" is none of %s; did you mean \"%s\"?", l->prefix, o->path,
			     text, buf_cstr(&list), near.best);
	else
		report_error(l->report, &v->from, "%s%s: \"%s\" is none of %s", l->prefix, o->path,
			     text, buf_cstr(&list));
	buf_release(&list);
	return false;
}

static bool put_text(struct loader *l, const struct option *o, void *base, struct value *v)
{
	const char *text;
	int i;

	if (!value_text(l, o, v, &text))
		return false;
	if (!o->words)
		return put_pointer(base, o, arena_printf(l->arena, "%s", text));
	i = word_index(o, text);
	return i < 0 ? refuse_word(l, o, v, text) : put_pointer(base, o, o->words[i]);
}

static bool put_word(struct loader *l, const struct option *o, void *base, struct value *v)
{
	const char *text;
	int i;

	if (!value_text(l, o, v, &text))
		return false;
	i = word_index(o, text);
	if (i < 0)
		return refuse_word(l, o, v, text);
	memcpy((char *)base + o->offset, &i, sizeof(i));
	return true;
}

/* "http://" or "https://", a host, no spaces, no fragment and no credentials, which would end up in
 * logs. */
const char *url_fault(const char *url)
{
	const char *host, *end;

	if (!strncasecmp(url, "http://", 7))
		host = url + 7;
	else if (!strncasecmp(url, "https://", 8))
		host = url + 8;
	else
		return "a URL that begins with http:// or https://";
	end = host + strcspn(host, "/?#");
	if (end == host || *host == ':')
		return "a URL with a host";
	if (memchr(host, '@', (size_t)(end - host)))
		return "a URL without a user or password in it";
	/* Azure's pages show addresses with this one behind them. */
	end = strstr(url, "?api-version=");
	if (url[strcspn(url, " \t\r\n#\"")] || strchr(end ? end + 1 : url, '?'))
		return "a URL without spaces, query or fragment";
	return NULL;
}

static bool put_url(struct loader *l, const struct option *o, void *base, struct value *v)
{
	const char *text, *fault;

	if (!value_text(l, o, v, &text))
		return false;
	fault = url_fault(text);
	return fault ? refuse(l, o, v, fault)
		     : put_pointer(base, o, arena_printf(l->arena, "%s", text));
}

static bool put_path(struct loader *l, const struct option *o, void *base, struct value *v)
{
	const char *text, *path;

	if (!value_text(l, o, v, &text))
		return false;
	if (!*text)
		return refuse(l, o, v, "a path");
	path = path_resolve(l, text);
	if (!path || (o->type != TYPE_CA && path_exposed(l, o->path, path, &v->from)))
		return false;
	return put_pointer(base, o, path);
}

static bool put_log(struct loader *l, const struct option *o, void *base, struct value *v)
{
	const char *text;
	int i;

	if (!value_text(l, o, v, &text))
		return false;
	i = word_index(o, text);
	if (i >= 0)
		return put_pointer(base, o, o->words[i]);
	return strchr(text, '/') ? put_path(l, o, base, v) : refuse_word(l, o, v, text);
}

/* Decimal, with K, M or G behind it for sizes. */
static bool text_number(const struct option *o, const char *text, int64_t *out)
{
	static const char units[] = "KMG";
	struct str s = str_trim(str_of(text));
	const char *unit;
	int shift = 0;

	if (o->type == TYPE_SIZE && s.n > 1 && (unit = strchr(units, s.p[s.n - 1] & ~0x20)) &&
	    *unit) {
		shift = 10 * (int)(unit - units + 1);
		s.n--;
	}
	if (!str_int(s, out) || *out > (INT64_MAX >> shift) || *out < 0)
		return false;
	*out <<= shift;
	return true;
}

static bool value_number(struct loader *l, const struct option *o, const struct value *v,
			 int64_t *out)
{
	const char *wanted = o->type == TYPE_SIZE ? "a number of bytes, or text such as \"32M\""
						  : "a whole number";

	switch (v->setting ? config_setting_type(v->setting) : CONFIG_TYPE_STRING) {
	case CONFIG_TYPE_INT:
		*out = config_setting_get_int(v->setting);
		return true;
	case CONFIG_TYPE_INT64:
		*out = config_setting_get_int64(v->setting);
		return true;
	case CONFIG_TYPE_STRING:
		if (v->setting && o->type != TYPE_SIZE)
			return refuse(l, o, v, "a whole number without quotes");
		if (text_number(o, v->setting ? config_setting_get_string(v->setting) : v->text,
				out))
			return true;
		break;
	}
	return refuse(l, o, v, wanted);
}

static bool put_number(struct loader *l, const struct option *o, void *base, struct value *v)
{
	int64_t n;
	int i;

	if (!value_number(l, o, v, &n))
		return false;
	if (n < o->least || n > o->most) {
		report_error(l->report, &v->from, "%s%s: %lld is out of range (%lld to %lld)",
			     l->prefix, o->path, (long long)n, (long long)o->least,
			     (long long)o->most);
		return false;
	}
	i = (int)n;
	if (o->type == TYPE_INT)
		memcpy((char *)base + o->offset, &i, sizeof(i));
	else
		memcpy((char *)base + o->offset, &n, sizeof(n));
	return true;
}

static bool put_bool(struct loader *l, const struct option *o, void *base, struct value *v)
{
	static const char *const words[] = { "false", "true", "no", "yes", "off",
					     "on",    "0",    "1",  NULL };
	bool b;
	int i;

	if (v->setting) {
		if (config_setting_type(v->setting) != CONFIG_TYPE_BOOL)
			return refuse(l, o, v, "true or false");
		b = config_setting_get_bool(v->setting);
	} else {
		for (i = 0; words[i] && strcasecmp(words[i], v->text); i++)
			;
		if (!words[i])
			return refuse(l, o, v, "true or false");
		b = i & 1;
	}
	memcpy((char *)base + o->offset, &b, sizeof(b));
	return true;
}

static bool list_from_text(struct loader *l, const char *text, const char ***out)
{
	struct str rest = str_of(text), part;
	const char **v;
	size_t n = 2;

	for (const char *p = text; *p; p++)
		n += *p == ',';
	v = arena_alloc(l->arena, n * sizeof(*v));
	n = 0;
	if (!v)
		return false;
	while (str_split(&rest, ',', &part)) {
		part = str_trim(part);
		if (part.n)
			v[n++] = arena_dup(l->arena, part.p, part.n);
	}
	*out = v;
	return !l->arena->failed;
}

/* Where only certain words may stand, each is one of them. */
static bool store_list(struct loader *l, const struct option *o, void *base, struct value *v,
		       const char **list)
{
	for (size_t i = 0; o->words && list && list[i]; i++) {
		int w = word_index(o, list[i]);

		if (w < 0)
			return refuse_word(l, o, v, list[i]);
		list[i] = o->words[w];
	}
	return put_pointer(base, o, list);
}

/* A single text is a list of one. */
static bool put_list(struct loader *l, const struct option *o, void *base, struct value *v)
{
	const char **list;
	int i, n;

	if (!v->setting)
		return list_from_text(l, v->text, &list) && store_list(l, o, base, v, list);
	if (config_setting_type(v->setting) == CONFIG_TYPE_STRING)
		return list_from_text(l, config_setting_get_string(v->setting), &list) &&
		       store_list(l, o, base, v, list);
	if (!config_setting_is_aggregate(v->setting) || config_setting_is_group(v->setting))
		return refuse(l, o, v, "a list of texts, ( \"a\", \"b\" )");
	n = config_setting_length(v->setting);
	list = arena_alloc(l->arena, ((size_t)n + 1) * sizeof(*list));
	for (i = 0; list && i < n; i++) {
		const char *item = config_setting_get_string_elem(v->setting, i);

		if (!item)
			return refuse(l, o, v, "a list of texts alone");
		list[i] = arena_printf(l->arena, "%s", item);
	}
	return store_list(l, o, base, v, list);
}

/* A command is run when the credential is needed, not when the file is read. */
static bool put_command(struct loader *l, const struct option *o, void *base, struct value *v,
			const char *text)
{
	if (strcmp(o->path, "api_key"))
		return refuse(l, o, v, "a secret or where it is; a command (exec:) can be api_key "
				       "alone");
	v->from.ref = arena_printf(l->arena, "%s", text);
	return put_pointer(base, o, v->from.ref);
}

static bool put_secret(struct loader *l, const struct option *o, void *base, struct value *v)
{
	const char *text, *what = arena_printf(l->notes, "%s%s", l->prefix, o->path);

	if (!what || !value_text(l, o, v, &text))
		return false;
	if (!strncmp(text, "(set", 4) || !strncmp(text, "(missing", 8))
		return refuse(
			l, o, v,
			"the secret or where it is, not what --print-config shows in its place");
	if (v->from.kind == ORIGIN_FILE && !strncmp(text, "exec:", 5))
		return put_command(l, o, base, v, text);
	if (v->from.kind != ORIGIN_FILE || *text == '\0')
		put_pointer(base, o, *text ? arena_printf(l->arena, "%s", text) : NULL);
	else
		put_pointer(base, o, secret_resolve(l, what, text, &v->from));
	if (v->from.kind == ORIGIN_FILE && *text && !v->from.ref) {
		report_warn(l->report, &v->from,
			    "%s stands in the file itself: \"env:NAME\" or \"file:PATH\" keeps it "
			    "out of copies and backups",
			    what);
		path_check_private(l, what, v->from.where, true, &v->from);
	}
	return true;
}

/* What can't be one of several, though it would pass for a key. */
static bool is_no_key(struct loader *l, const char *what, const struct value *v, const char *text)
{
	bool command = v->from.kind == ORIGIN_FILE && !strncmp(text, "exec:", 5);

	if (command)
		report_error(l->report, &v->from,
			     "%s: a command (exec:) can be api_key alone", what);
	else if (*text == '(' && str_ends(str_of(text), " set)"))
		report_error(l->report, &v->from,
			     "%s: \"%s\" is what --print-config shows in the place of keys", what,
			     text);
	else
		return false;
	return true;
}

static bool put_secrets(struct loader *l, const struct option *o, void *base, struct value *v)
{
	const char *what = arena_printf(l->notes, "%s%s", l->prefix, o->path), **list = NULL;
	struct option as_list = *o;
	size_t n = 0;

	as_list.offset = 0;
	if (!what || !put_list(l, &as_list, &list, v))
		return false;
	for (size_t i = 0; list[i]; i++) {
		struct origin at = v->from;
		const char *secret;

		if (is_no_key(l, what, v, list[i]))
			return false;
		secret = v->from.kind == ORIGIN_FILE ? secret_resolve(l, what, list[i], &at)
						     : list[i];
		if (!secret)
			report_warn(l->report, &v->from, "%s: %s is left out: %s", what, list[i],
				    at.problem ? at.problem : "it can't be read");
		else
			list[n++] = secret;
		if (v->from.kind == ORIGIN_FILE && secret && !at.ref)
			path_check_private(l, what, v->from.where, true, &v->from);
	}
	list[n] = NULL;
	return put_pointer(base, o, list);
}

/* RFC 3339 in UTC or with an offset. */
static bool parse_time(const char *text, int64_t *out)
{
	int y, mo, d, h = 0, mi = 0, s = 0, oh = 0, om = 0, n = 0;
	int64_t days, yy;
	char sign = 'Z';

	if (sscanf(text, "%4d-%2d-%2d%n", &y, &mo, &d, &n) != 3 || y < 1970 || mo < 1 || mo > 12 ||
	    d < 1 || d > 31)
		return false;
	text += n;
	if (*text) {
		if (sscanf(text, "%*1[Tt ]%2d:%2d:%2d%n", &h, &mi, &s, &n) != 3 || h > 23 ||
		    mi > 59 || s > 60)
			return false;
		text += n;
		if (*text == '.')
			text += 1 + strspn(text + 1, "0123456789");
		sign = *text ? *text++ : '\0';
		if (sign == '+' || sign == '-') {
			if (sscanf(text, "%2d:%2d%n", &oh, &om, &n) != 2 || oh > 23 || om > 59)
				return false;
			text += n;
		} else if (sign != 'Z' && sign != 'z') {
			return false;
		}
		if (*text)
			return false;
	}
	/* Days since 1970 of the proleptic Gregorian calendar, years beginning in March. */
	yy = mo > 2 ? y : y - 1;
	days = yy * 365 + yy / 4 - yy / 100 + yy / 400 + (153 * ((mo + 9) % 12) + 2) / 5 + d -
	       719469;
	*out = (((days * 24 + h) * 60 + mi) * 60 + s) * 1000;
	*out -= (int64_t)(oh * 60 + om) * 60000 * (sign == '-' ? -1 : 1);
	return true;
}

static bool put_time(struct loader *l, const struct option *o, void *base, struct value *v)
{
	const char *text;
	int64_t t;

	if (!value_text(l, o, v, &text))
		return false;
	if (!parse_time(text, &t))
		return refuse(l, o, v, "a time such as \"2027-01-31T00:00:00Z\"");
	memcpy((char *)base + o->offset, &t, sizeof(t));
	return true;
}

/* One SHA-256 in hex, lower case in the arena; NULL when it is none. */
static const char *hash_text(struct loader *l, struct str s)
{
	char *out, *p;

	if (s.n != 64 || !(out = arena_dup(l->arena, s.p, s.n)))
		return NULL;
	if (strspn(out, "0123456789abcdefABCDEF") != 64)
		return NULL;
	for (p = out; *p; p++)
		if (*p >= 'A' && *p <= 'F')
			*p |= 0x20;
	return out;
}

static bool put_hashes(struct loader *l, const struct option *o, void *base, struct value *v)
{
	static const char wanted[] = "the SHA-256 of a key (64 hex digits), or a list of two";
	const char *hashes[2] = { NULL, NULL }, **list = NULL;
	struct option as_list = *o;
	size_t n;

	as_list.offset = 0;
	if (!put_list(l, &as_list, &list, v))
		return false;
	for (n = 0; list[n]; n++)
		if (n == 2 || !(hashes[n] = hash_text(l, str_of(list[n]))))
			return refuse(l, o, v, wanted);
	if (!n)
		return refuse(l, o, v, wanted);
	memcpy((char *)base + o->offset, hashes, sizeof(hashes));
	return true;
}

static bool put_proxy(struct loader *l, const struct option *o, void *base, struct value *v)
{
	static const char *const schemes[] = { "http://",   "https://",	  "socks4://", "socks4a://",
					       "socks5://", "socks5h://", NULL };
	const char *text;
	int i;

	if (!value_text(l, o, v, &text))
		return false;
	for (i = 0; *text && schemes[i] && !str_starts_nocase(str_of(text), schemes[i]); i++)
		;
	if (*text && !schemes[i])
		return refuse(
			l, o, v,
			"a proxy's URL (http, https, socks4, socks5, socks5h), or \"\" for none");
	if (v->from.kind == ORIGIN_FILE && strchr(text, '@'))
		path_check_private(l, arena_printf(l->notes, "%s%s", l->prefix, o->path),
				   v->from.where, true, &v->from);
	return put_pointer(base, o, arena_printf(l->arena, "%s", text));
}

/* Rows of these are read by the loader itself (load.c), which knows their structs. */
static bool put_rows(struct loader *l, const struct option *o, void *base, struct value *v)
{
	return refuse(l, o, v, "a list or group in the file");
}

static const struct {
	const char *name;       /* for people */
	bool (*put)(struct loader *l, const struct option *o, void *base, struct value *v);
} types[] = {
	[TYPE_TEXT] = { "text", put_text },
	[TYPE_HIDDEN] = { "text", put_text },
	[TYPE_URL] = { "URL", put_url },
	[TYPE_PROXY] = { "URL", put_proxy },
	[TYPE_PATH] = { "path", put_path },
	[TYPE_CA] = { "path", put_path },
	[TYPE_LOG] = { "text or path", put_log },
	[TYPE_INT] = { "number", put_number },
	[TYPE_COUNT] = { "number", put_number },
	[TYPE_SIZE] = { "bytes", put_number },
	[TYPE_BOOL] = { "true or false", put_bool },
	[TYPE_WORD] = { "text", put_word },
	[TYPE_LIST] = { "list of texts", put_list },
	[TYPE_SECRET] = { "secret", put_secret },
	[TYPE_HEADERS] = { "list of headers", headers_put },
	[TYPE_BODY] = { "group of members", body_put },
	[TYPE_TIME] = { "time", put_time },
	[TYPE_HASHES] = { "one or two hashes", put_hashes },
	[TYPE_SECRETS] = { "list of secrets", put_secrets },
	[TYPE_RULES] = { "list of rules", put_rows },
	[TYPE_KEYS] = { "list of keys", put_rows },
	[TYPE_BACKENDS] = { "group of backends", put_rows },
	[TYPE_ROUTES] = { "list of rules", put_rows },
	[TYPE_TARGETS] = { "group of targets", put_rows },
	[TYPE_TO] = { "text, group or list", put_rows },
	[TYPE_WHEN] = { "group of conditions", put_rows },
	[TYPE_OVERLAY] = { "group of options", put_rows },
};

const char *option_type_name(const struct option *o)
{
	return types[o->type].name;
}

bool option_put(struct loader *l, const struct option *o, void *base, struct value *v)
{
	return types[o->type].put(l, o, base, v);
}
