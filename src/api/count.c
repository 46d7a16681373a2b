/*
 * POST /v1/messages/count_tokens: the backend's own count where it has one, else the local
 * estimate; a header says which. A count that can't be had is no reason to refuse: the client would
 * fall back to a cruder guess of its own.
 */
#include <cjson/cJSON.h>
#include <string.h>

#include "api/api.h"
#include "base/clock.h"

#define COUNT_ANSWER_MAX 65536

/* What the caller must hear of: the request or the caller's own key is wrong. */
static bool is_verdict(const struct fault *f, const struct target *t)
{
	if (f->class == FAULT_BAD_REQUEST || f->class == FAULT_OVERFLOW)
		return t->backend->anthropic_host;
	return f->class == FAULT_AUTH && t->caller_key;
}

/* ---- the client is watched while the backend counts ---- */

struct watch {
	struct waiter waiter;
	struct api_call *call;
};

static int watch_ready(struct waiter *w, int i)
{
	struct api_call *c = ((struct watch *)w)->call;

	if (i == 1)
		return WAIT_CANCEL;
	if (c->front->ops->gone(c->front)) {
		c->account.gone = true;
		return WAIT_CANCEL;
	}
	w->fd[0] = -1;
	return WAIT_GO;
}

static int watch_tick(struct waiter *w, int64_t now)
{
	w->due = CLOCK_NEVER;
	return WAIT_GO;
}

/* -1: no count, and f says why; FAULT_NONE in it means that there is no need to say so. */
static int ask_backend(struct api_call *c, const struct message_request *r, int64_t *tokens,
		       struct fault *f)
{
	struct watch w = {
		.waiter = { .fd = { c->front->ops->watch_fd(c->front), stop_fd() },
			    .ready = watch_ready,
			    .tick = watch_tick,
			    .due = CLOCK_NEVER },
		.call = c,
	};
	struct chain_options chain = { .chain = { NULL, 0 } };
	struct target t;
	struct run_options o = {
		.request = r,
		.target = &t,
		.arena = c->arena,
		.waiter = &w.waiter,
		.max_answer = COUNT_ANSWER_MAX,
	};

	if (api_route(c, r->model_name, r, &chain, f))
		return -1;
	t = chain_first(&chain);
	api_note_member(c, &t);
	answer_header(c->answer, "x-messages-backend", t.backend->name);
	answer_header(c->answer, "x-messages-model", t.model);
	if (!t.backend->path_count) {
		*f = FAULT_INIT;
		return -1;
	}
	if (run_count(&o, tokens, f) == 0)
		return 0;
	if (!is_verdict(f, &t))
		*f = FAULT_INIT;
	return -1;
}

int api_count_tokens(struct api_call *c)
{
	struct fault f = FAULT_INIT;
	struct api_body body;
	int64_t tokens = 0;
	bool exact = false;
	cJSON *root;
	int rc = 0;

	memset(&body, 0, sizeof(body));
	if (limits_enter(c, RATE_COUNTS, &f) == 0 && api_body_read(c, OP_COUNT, &body, &f) == 0) {
		limits_tell(c);
		exact = ask_backend(c, &body.request, &tokens, &f) == 0;
		if (!exact && !f.status)
			tokens = estimate_tokens(&body.request, false);
	}
	if (f.status)
		rc = api_fault(c, &f);
	api_body_release(&body);
	if (f.status)
		return rc;
	root = cJSON_CreateObject();
	if (root)
		cJSON_AddNumberToObject(root, "input_tokens", (double)tokens);
	answer_header(c->answer, "x-messages-count", exact ? "backend" : "estimate");
	return api_json(c, 200, root);
}
