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

const struct run_options *again_shorter(const struct run_options *o, const struct fault *f)
{
	struct run_options *again;
	struct target *target;
	struct backend *backend;

	if (f->answer_limit <= 0 || f->answer_limit >= o->request->max_tokens || f->raw.p)
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
