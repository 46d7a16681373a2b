/*
 * Refusals that another request cures: what the backend can't take is left out or made smaller, and
 * it is asked once more, at once. Whoever calls looks that nothing has reached the client and that
 * it was not tried before.
 */
#include "run/again.h"

#include "base/log.h"

/* The ways to say that a thinking block can't be taken back: a part of the sentence, and a second
 * one where that would not be enough. */
static const struct { const char *part, *other; } refusals[] = {
	{ "signature in thinking block", NULL },
	{ "invalid signature", NULL },
	{ "invalid data in redacted_thinking block", NULL },
	{ "bound to a different conversation", NULL },
	{ "thinking.signature", "field required" },
	{ "thinking block", "cannot be modified" },
	{ "thought signature", NULL },          /* Gemini */
	{ "thought_signature", NULL },
};

/* Some mark the names in these sentences with backticks, others don't. */
bool again_without_thinking(const struct fault *f)
{
	char plain[sizeof(f->message)];
	struct str text = { plain, 0 };

	if (f->status != 400)
		return false;
	for (const char *p = f->message; *p; p++)
		if (*p != '`')
			plain[text.n++] = *p;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++)
		if (str_find_nocase(text, refusals[i].part) &&
		    (!refusals[i].other || str_find_nocase(text, refusals[i].other)))
			return true;
	return false;
}

/* In the API's own words, which go to the client as they came: from Anthropic itself, of a model that
 * the client has named, they are for the client, which knows that model. Nor is a shorter answer
 * worth asking for when it has no room for the thinking that was asked for. */
static bool is_for_the_client(const struct run_options *o, const struct fault *f)
{
	const struct target *t = o->target;

	return f->raw.p && ((t->backend->anthropic_host && !t->mapped) ||
			    o->request->thinking_budget >= f->answer_limit);
}

const struct run_options *again_shorter(const struct run_options *o, const struct fault *f)
{
	struct run_options *again;
	struct target *target;
	struct backend *backend;

	if (f->answer_limit <= 0 || f->answer_limit >= o->request->max_tokens ||
	    is_for_the_client(o, f))
		return NULL;
	again = arena_alloc(o->arena, sizeof(*again));
	target = arena_alloc(o->arena, sizeof(*target));
	backend = arena_alloc(o->arena, sizeof(*backend));
	if (!again || !target || !backend)
		return NULL;
	*backend = *o->target->backend;
	backend->max_tokens_max = f->answer_limit;
	*target = *o->target;
	target->backend = backend;
	*again = *o;
	again->target = target;
	log_info("backend %s: %s writes no more than %lld tokens, asking for that; max_tokens_max in its "
		 "options spares the first call", backend->name, target->model, (long long)f->answer_limit);
	return again;
}
