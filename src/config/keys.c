/*
 * Keys of clients: the list in the config and the lines of the keys file, which can be changed (by
 * a script, by another user) without touching the config.
 */
#include "config/snapshot.h"

#include <errno.h>
#include <string.h>

#include "config/secret.h"

#define KEYS_FILE_MAX (16 * 1024 * 1024)

struct key_list {
	struct access_key *v;
	size_t n, cap;
};

/* Room for one more, zeroed. */
static struct access_key *key_room(struct loader *l, struct key_list *k)
{
	struct access_key *v = arena_grow(l->arena, k->v, k->n, &k->cap, sizeof(*v));

	if (!v)
		return NULL;
	k->v = v;
	k->v[k->n] = (struct access_key){ .requests = -1, .tokens = -1, .streams = -1 };
	return &k->v[k->n];
}

static void key_keep(struct loader *l, struct key_list *k, const struct origin *at,
		     const char *what)
{
	const struct access_key *key = &k->v[k->n];
	size_t i;

	if (!key->name || !*key->name) {
		report_error(l->report, at, "%s has no name", what);
		return;
	}
	if (!key->sha256[0]) {
		report_error(l->report, at,
			     "%s \"%s\" has no sha256 (messages.fcgi --new-key NAME makes one)",
			     what, key->name);
		return;
	}
	for (i = 0; i < k->n; i++)
		if (!strcmp(k->v[i].name, key->name)) {
			report_error(l->report, at,
				     "%s \"%s\": there is a key of this name already", what,
				     key->name);
			return;
		}
	k->n++;
}

static void keys_from_list(struct loader *l, struct key_list *k, const config_setting_t *list)
{
	int i, n = config_setting_length(list);

	for (i = 0; i < n; i++) {
		const config_setting_t *row = config_setting_get_elem(list, (unsigned)i);
		struct origin at = origin_setting(l, row);
		const char *prefix = arena_printf(l->arena, "access.keys[%d].", i);
		struct access_key *key = key_room(l, k);
		struct option_set set;

		if (!key || !prefix || !option_set_init(l, &set, &options_key, key, prefix))
			return;
		if (!config_setting_is_group(row)) {
			report_error(l->report, &at, "access.keys[%d] must be a group", i);
			continue;
		}
		option_set_defaults(l, &set);
		option_set_group(l, &set, row);
		key_keep(l, k, &at, "key");
	}
}

/* The next word of a line; words are separated by spaces and tabs. */
static bool next_word(struct str *line, struct str *word)
{
	*line = str_trim(*line);
	if (!line->n)
		return false;
	*word = (struct str){ line->p, 0 };
	while (word->n < line->n && line->p[word->n] != ' ' && line->p[word->n] != '\t')
		word->n++;
	line->p += word->n;
	line->n -= word->n;
	return true;
}

/* `word` as "option=value", "disabled", or a hash. */
static void key_word(struct loader *l, struct option_set *set, struct str word, struct str *hashes,
		     struct origin at)
{
	const char *text = arena_dup(l->arena, word.p, word.n), *eq;
	const struct option *o;
	char *name;

	if (!text)
		return;
	eq = strchr(text, '=');
	name = eq ? arena_dup(l->arena, text, (size_t)(eq - text)) : NULL;
	o = name ? option_find(set->table, name) : NULL;
	if (o && strcmp(name, "name") && strcmp(name, "sha256"))
		option_set_text(l, set, name, eq + 1, at);
	else if (eq)
		report_error(l->report, &at,
			     "unknown \"%s\": a key has owner=, group=, expires=, models=, "
			     "backends=, endpoints=, requests_per_minute=, tokens_per_minute=, "
			     "streams= and disabled",
			     text);
	else if (!strcmp(text, "disabled"))
		option_set_text(l, set, "disabled", "true", at);
	else
		*hashes = str_of(arena_printf(l->arena, "%.*s%s%s", STR_ARGS(*hashes),
					      hashes->n ? "," : "", text));
}

static void key_line(struct loader *l, struct key_list *k, struct str line, struct origin at)
{
	struct access_key *key = key_room(l, k);
	struct str word, hashes = STR_NONE;
	struct option_set set;

	if (!key || !option_set_init(l, &set, &options_key, key, "") || !next_word(&line, &word))
		return;
	option_set_defaults(l, &set);
	option_set_text(l, &set, "name", arena_dup(l->arena, word.p, word.n), at);
	while (next_word(&line, &word))
		key_word(l, &set, word, &hashes, at);
	if (hashes.n)
		option_set_text(l, &set, "sha256", hashes.p, at);
	key_keep(l, k, &at, "key");
}

static void keys_from_file(struct loader *l, struct key_list *k, const char *path,
			   const struct origin *from)
{
	struct origin at = { .kind = ORIGIN_FILE, .where = path };
	struct str rest, line;
	char *text;
	size_t n;

	if (watch_add(l->watch, path))
		return;
	text = path_read(l, path, KEYS_FILE_MAX, &n);
	if (!text) {
		report_error(l->report, from, "access.keys_file: %s: %s", path, strerror(errno));
		return;
	}
	rest = (struct str){ text, n };
	while (str_split(&rest, '\n', &line)) {
		at.line++;
		line = str_trim(line);
		if (line.n && *line.p != '#')
			key_line(l, k, line, at);
	}
}

/* ---- what a key may do ---- */

static unsigned rights_of(const struct access_key *k)
{
	unsigned rights = 0;

	for (size_t i = 0; k->endpoints && k->endpoints[i]; i++)
		for (size_t w = 0; w < RIGHTS; w++)
			if (!strcmp(k->endpoints[i], config_rights[w]))
				rights |= 1u << w;
	return k->endpoints ? rights : RIGHTS_DEFAULT;
}

/* A name that is none of a backend's is a mistake, or of one that has no key today. */
static void warn_backends(struct loader *l, const struct config *c, const struct access_key *k,
			  const struct origin *at)
{
	for (size_t i = 0; k->backends && k->backends[i]; i++) {
		bool found = false;

		for (size_t b = 0; b < c->nbackends; b++)
			found = found || str_glob(k->backends[i], str_of(c->backends[b].name));
		if (!found)
			report_warn(l->report, at,
				    "key \"%s\": backends: there is no backend \"%s\"", k->name,
				    k->backends[i]);
	}
}

static void finish_key(struct loader *l, const struct config *c, struct access_key *k,
		       const struct origin *at)
{
	k->rights = rights_of(k);
	k->mark = str_hash(0, str_of(k->name)) | 1;
	if (k->requests < 0)
		k->requests = c->default_requests;
	if (k->tokens < 0)
		k->tokens = c->default_tokens;
	if (k->streams < 0)
		k->streams = c->default_streams;
	warn_backends(l, c, k, at);
}

static void load_proxy(struct loader *l, const char *text, struct net *out, size_t *n,
		       const struct origin *at)
{
	if (!net_parse(str_of(text), out)) {
		report_error(l->report, at,
			     "access.trusted_proxies: \"%s\" is no address or network "
			     "(\"10.0.0.0/8\", \"2001:db8::/32\", \"127.0.0.1\")",
			     text);
		return;
	}
	if (out->bits == 0 || (out->bits == 96 && address_is_v4(&out->address)))
		report_warn(l->report, at,
			    "access.trusted_proxies: \"%s\" is everybody: each client says itself "
			    "where it is",
			    text);
	(*n)++;
}

void load_proxies(struct loader *l, struct snapshot *s)
{
	const struct origin *at = option_from(&s->globals, "access.trusted_proxies");
	const char *const *text = s->c.trusted_proxies;
	struct net *nets;
	size_t n = 0;

	while (text && text[n])
		n++;
	nets = arena_alloc(l->arena, (n + 1) * sizeof(*nets));
	for (size_t i = 0; nets && i < n; i++)
		load_proxy(l, text[i], &nets[s->c.nproxies], &s->c.nproxies, at);
	s->c.proxies = nets;
}

void load_keys(struct loader *l, struct snapshot *s, const config_setting_t *root)
{
	const config_setting_t *access = root ? config_setting_get_member(root, "access") : NULL;
	const config_setting_t *list = access ? config_setting_get_member(access, "keys") : NULL;
	struct key_list k = { NULL, 0, 0 };

	if (list) {
		struct origin at = origin_setting(l, list);

		*option_from(&s->globals, "access.keys") = at;
		if (config_setting_is_list(list))
			keys_from_list(l, &k, list);
		else
			report_error(l->report, &at,
				     "access.keys must be a list, ( { name = \"…\"; sha256 = "
				     "\"…\"; } )");
	}
	if (s->c.keys_file)
		keys_from_file(l, &k, s->c.keys_file, option_from(&s->globals, "access.keys_file"));
	for (size_t i = 0; i < k.n; i++)
		finish_key(l, &s->c, &k.v[i], option_from(&s->globals, "access.keys"));
	s->c.keys = k.v;
	s->c.nkeys = k.n;
}
