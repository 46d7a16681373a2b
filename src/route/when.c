/*
 * The conditions of a rule. What costs something to find out (a walk over the blocks, an estimate
 * of tokens) is found out once per decision, and only when a rule asks.
 */
#include <string.h>

#include "route/route.h"

#define BIT(feature) (1u << (feature))
#define WALKED (BIT(FEATURE_IMAGES) | BIT(FEATURE_DOCUMENTS))
/* No tokenizer makes more tokens than bytes. */
#define BYTES_PER_TOKEN 1

/* ---- families ---- */

static bool is_sep(char c)
{
	return strchr("-._/@: ", c) != NULL;
}

/* The next word of a name: letters or digits. */
static bool next_word(struct str *rest, struct str *word)
{
	size_t n = 0;

	while (rest->n && is_sep(*rest->p)) {
		rest->p++;
		rest->n--;
	}
	while (n < rest->n && !is_sep(rest->p[n]))
		n++;
	*word = (struct str){ rest->p, n };
	rest->p += n;
	rest->n -= n;
	return n > 0;
}

/* One or two digits: a longer number is a date. */
static bool is_version(struct str word)
{
	int64_t n;

	return word.n <= 2 && str_int(word, &n) && n >= 0;
}

/* The word of a Claude name that is its family, and up to two version numbers, in whichever order
 * they stand: claude-3-5-sonnet-20241022, us.anthropic.claude-opus-4-1-20250805-v1:0. A rule may
 * write the name so too. */
static struct str family_of(const char *model, struct str version[2])
{
	static const char *const families[] = { "opus", "sonnet", "haiku", "fable", "mythos" };
	const char *claude = str_find_nocase(str_of(model), "claude");
	struct str rest = str_of(claude ? claude : model), word, family = STR_NONE;
	size_t n = 0;

	while (next_word(&rest, &word)) {
		bool found = false;

		for (size_t i = 0; !family.n && i < sizeof(families) / sizeof(*families); i++)
			found = found || str_is_nocase(word, families[i]);
		if (found)
			family = word;
		else if (is_version(word) && n < 2)
			version[n++] = word;
		else if (n && family.n)
			break;
	}
	return family;
}

/* Families come and go: one that is not known yet is just a word of the name. */
static bool has_word(const char *model, const char *word)
{
	struct str rest = str_of(model), one;

	while (next_word(&rest, &one))
		if (str_is_nocase(one, word))
			return true;
	return false;
}

bool route_family(const char *family, const char *model)
{
	struct str has[2] = { STR_NONE, STR_NONE }, asked[2] = { STR_NONE, STR_NONE };
	struct str name = family_of(model, has), wanted = family_of(family, asked);

	if (!wanted.n)
		return *family && has_word(model, family);
	if (!str_eq_nocase(wanted, name))
		return false;
	for (size_t i = 0; i < 2 && asked[i].n; i++)
		if (!str_eq(asked[i], has[i]))
			return false;
	return true;
}

/* ---- what a request is ---- */

static unsigned walk(const struct block *v, size_t n, unsigned depth)
{
	unsigned have = 0;

	for (size_t i = 0; i < n && have != WALKED; i++) {
		if (v[i].type == BLOCK_IMAGE)
			have |= BIT(FEATURE_IMAGES);
		else if (v[i].type == BLOCK_DOCUMENT)
			have |= BIT(FEATURE_DOCUMENTS);
		else if (v[i].nblocks && depth)
			have |= walk(v[i].blocks, v[i].nblocks, depth - 1);
	}
	return have;
}

static unsigned find_blocks(const struct message_request *r)
{
	unsigned have = 0;

	for (size_t i = 0; r && i < r->nturns && have != WALKED; i++)
		have |= walk(r->turns[i].blocks, r->turns[i].nblocks, 4);
	return have;
}

static bool has_class(const struct route_ask *a, const char *name)
{
	return a->request_class && strcmp(a->request_class, name) == 0;
}

static bool is_background(const struct route_ask *a)
{
	return strcmp(a->model, "small") == 0 || route_family("haiku", a->model) ||
	       has_class(a, "auxiliary");
}

static bool thinks(const struct message_request *r)
{
	if (!r || r->thinking == THINKING_DISABLED)
		return false;
	return r->thinking != THINKING_NOT_GIVEN || span_given(r->effort);
}

static bool is_web_search(const struct tool *t)
{
	struct str type = { t->type.p, t->type.n };

	return t->server && t->type.form == SPAN_STR && str_starts(type, "web_search");
}

static bool searches(const struct message_request *r)
{
	for (size_t i = 0; r && i < r->ntools; i++)
		if (is_web_search(&r->tools[i]))
			return true;
	return false;
}

static void find_out(const struct route_ask *a, unsigned asked, struct route_facts *facts)
{
	unsigned todo = asked & ~facts->known;

	if (todo & BIT(FEATURE_BACKGROUND) && is_background(a))
		facts->have |= BIT(FEATURE_BACKGROUND);
	if (todo & BIT(FEATURE_THINKING) && thinks(a->request))
		facts->have |= BIT(FEATURE_THINKING);
	if (todo & BIT(FEATURE_AGENT) && (a->agent || has_class(a, "subagent")))
		facts->have |= BIT(FEATURE_AGENT);
	if (todo & BIT(FEATURE_WEB_SEARCH) && searches(a->request))
		facts->have |= BIT(FEATURE_WEB_SEARCH);
	if (todo & WALKED) {
		facts->have |= find_blocks(a->request);
		todo |= WALKED;
	}
	facts->known |= todo;
}

static bool more_tokens(const struct route_ask *a, int64_t limit, struct route_facts *facts)
{
	if (!a->request || !a->tokens)
		return false;
	if ((int64_t)a->request->body.n <= limit * BYTES_PER_TOKEN)
		return false;
	if (facts->tokens < 0)
		facts->tokens = a->tokens(a->ctx, a->request);
	return facts->tokens > limit;
}

/* ---- all of it ---- */

static bool any_glob(const char *const *list, const char *text)
{
	for (size_t i = 0; text && list[i]; i++)
		if (str_glob(list[i], str_of(text)))
			return true;
	return false;
}

static bool any_family(const char *const *list, const char *model)
{
	for (size_t i = 0; list[i]; i++)
		if (route_family(list[i], model))
			return true;
	return false;
}

static bool any_effort(const char *const *list, const struct message_request *r)
{
	for (size_t i = 0; r && list[i]; i++)
		if (span_is(r->effort, list[i]))
			return true;
	return false;
}

const char *route_when_not(const struct route_when *w, const struct route_ask *ask,
			   struct route_facts *facts)
{
	static const char *const names[FEATURES] = { "background", "thinking",	 "images",
						     "documents",  "web_search", "agent" };
	unsigned differ;

	if (w->path || ask->path) {
		if (!w->path || !ask->path || !any_glob(w->path, ask->path))
			return "path";
	}
	if (w->model && !any_glob(w->model, ask->model) && !any_glob(w->model, ask->as_it_came))
		return "model";
	if (w->family && !any_family(w->family, ask->model))
		return "family";
	if (w->key && !any_glob(w->key, ask->key))
		return "key";
	if (w->group && !any_glob(w->group, ask->group))
		return "group";
	if (w->request_class && !any_glob(w->request_class, ask->request_class))
		return "class";
	if (w->effort && !any_effort(w->effort, ask->request))
		return "effort";
	if (w->asked & ~facts->known)
		find_out(ask, w->asked, facts);
	differ = (facts->have ^ w->wanted) & w->asked;
	for (size_t i = 0; i < FEATURES; i++)
		if (differ & BIT(i))
			return names[i];
	if (w->tokens_over && !more_tokens(ask, w->tokens_over, facts))
		return "tokens_over";
	return NULL;
}
