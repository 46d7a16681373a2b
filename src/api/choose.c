/*
 * From a call to the router's question: who asks, under which path, with which marks of the client.
 */
#include "api/api.h"

int64_t api_estimate(struct api_call *c, const struct message_request *r)
{
	if (!c->estimate)
		c->estimate = estimate_tokens(r, true);
	return c->estimate;
}

static int64_t ask_estimate(void *ctx, const struct message_request *r)
{
	return api_estimate(ctx, r);
}

void api_note_member(struct api_call *c, const struct target *t)
{
	c->account.backend = t->backend->name;
	c->traced_key = t->backend->api_key;
	c->account.routed = t->model;
	c->account.rule = t->rule;
}

/* What tells one conversation from another: the client's own header, or its user id where that holds
 * a session, as Claude Code writes it. A user id alone would send all of one user to one member. */
static const char *session_of(const struct api_call *c, const struct message_request *r)
{
	struct str user = r ? (struct str){ r->user_id.p, r->user_id.n } : STR_NONE;

	if (c->account.session_id)
		return c->account.session_id;
	return str_find_nocase(user, "session") ? arena_dup(c->arena, user.p, user.n) : NULL;
}

int api_route(struct api_call *c, const char *model, const struct message_request *r,
	      struct chain_options *o, struct fault *f)
{
	const struct config *cf = c->config;
	const char *named = route_path_name(c->request->prefix, c->arena);
	struct route_ask ask = {
		.model = c->model ? c->model : model,
		.request = r,
		.tokens = ask_estimate,
		.ctx = c,
		.key = c->access.key_name,
		.group = c->access.group,
		.agent = http_header(c->request, "x-claude-code-agent-id"),
		.request_class = http_header(c->request, "x-claude-code-request-class"),
		.session = session_of(c, r),
		.path = named ? named : c->provider,
	};

	if (route_decide(cf, &ask, c->arena, &o->chain, f) ||
	    limits_chain(c->access.key, ask.model, &o->chain, f))
		return -1;
	for (size_t i = 0; cf->access_mode == ACCESS_PASSTHROUGH && i < o->chain.n; i++) {
		o->chain.v[i].caller_key = c->access.caller_key;
		o->chain.v[i].caller_bearer = c->access.caller_bearer;
	}
	o->session = ask.session;
	o->statuses = cf->failover_statuses;
	o->breaker = (struct breaker_rule){
		.failures = cf->breaker_failures,
		.cooldown_ms = cf->breaker_cooldown * 1000LL,
		.cooldown_max_ms = cf->breaker_cooldown_max * 1000LL,
	};
	api_note_member(c, &o->chain.v[0]);
	return 0;
}
