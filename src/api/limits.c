/*
 * What a key may spend. A request is counted when it comes in, before its body is read. Tokens are
 * counted as the API does it: a request is let in as long as something is left of the minute; what
 * its input is estimated at is set aside at once, as far as it is left; the backend's own figures
 * take the estimate's place as soon as they are there, and what they exceed the limit by is owed.
 */
#include <string.h>

#include "api/api.h"
#include "base/clock.h"

/* An answer takes a while: who comes back at once comes back often. */
#define STREAMS_RETRY_SECONDS 2

/* limit, remaining, reset */
#define HEADERS(of) \
	{ "anthropic-ratelimit-" of "-limit", "anthropic-ratelimit-" of "-remaining", \
	  "anthropic-ratelimit-" of "-reset" }
static const char *const headers[RATE_KINDS][3] = {
	[RATE_REQUESTS] = HEADERS("requests"),
	[RATE_COUNTS] = HEADERS("requests"),
	[RATE_TOKENS] = HEADERS("tokens"),
};

void limits_tell(struct api_call *c)
{
	int64_t now = c->access.key ? clock_wall_ms() : 0;
	char when[32];

	for (int k = 0; k < RATE_KINDS; k++) {
		const struct rate *r = &c->limits.rate[k];

		if (!r->limit)
			continue;
		c->limits.told = true;
		answer_header_int(c->answer, headers[k][0], r->limit);
		answer_header_int(c->answer, headers[k][1], r->left > 0 ? r->left : 0);
		clock_rfc3339(when, sizeof(when), now + r->full_ms + 999, 0);
		answer_header(c->answer, headers[k][2], when);
	}
}

static int refuse(struct api_call *c, int seconds, struct fault *f, const char *what,
		  const char *option, int64_t limit)
{
	const char *key = c->access.key->name;

	fault_set(f, FAULT_RATE, 429, "rate_limit_error",
		  "The key \"%s\" has reached its limit of %lld %s (%s in access.keys); try again "
		  "in %d second%s.",
		  key, (long long)limit, what, option, seconds, seconds == 1 ? "" : "s");
	f->scope = FAULT_OF_KEY;
	f->retry_after = seconds;
	limits_tell(c);
	return -1;
}

static int seconds_of(int64_t ms)
{
	return ms > 1000 ? (int)((ms + 999) / 1000) : 1;
}

static int take_request(struct api_call *c, enum rate_kind kind, struct fault *f)
{
	const struct access_key *k = c->access.key;
	struct rate *r = &c->limits.rate[kind];

	if (!k->requests || rate_take(k->mark, kind, k->requests, 1, r))
		return 0;
	return refuse(c, seconds_of(r->wait_ms), f, "requests a minute", "requests_per_minute",
		      k->requests);
}

static int look_for_tokens(struct api_call *c, struct fault *f)
{
	const struct access_key *k = c->access.key;
	struct rate *r = &c->limits.rate[RATE_TOKENS];

	if (!k->tokens)
		return 0;
	rate_look(k->mark, RATE_TOKENS, k->tokens, r);
	if (!r->wait_ms)
		return 0;
	return refuse(c, seconds_of(r->wait_ms), f, "tokens a minute", "tokens_per_minute",
		      k->tokens);
}

int limits_enter(struct api_call *c, enum rate_kind kind, struct fault *f)
{
	const struct access_key *k = c->access.key;

	if (!k)
		return 0;
	if (kind == RATE_REQUESTS && k->streams &&
	    !permit_take(k->mark, k->streams, &c->limits.permit))
		return refuse(c, STREAMS_RETRY_SECONDS, f, "answers at once", "streams",
			      k->streams);
	if (kind == RATE_REQUESTS && look_for_tokens(c, f))
		return -1;
	return take_request(c, kind, f);
}

void limits_estimate(struct api_call *c, int64_t input)
{
	const struct access_key *k = c->access.key;

	if (!k || !k->tokens)
		return;
	c->limits.estimated = true;
	c->limits.counted = rate_reserve(k->mark, RATE_TOKENS, k->tokens, input,
					 &c->limits.rate[RATE_TOKENS]);
}

void limits_count(struct api_call *c, int64_t tokens)
{
	const struct access_key *k = c->access.key;

	c->limits.estimated = false;
	if (!k || !k->tokens || tokens == c->limits.counted)
		return;
	rate_settle(k->mark, RATE_TOKENS, k->tokens, tokens - c->limits.counted);
	c->limits.counted = tokens;
}

void limits_leave(struct api_call *c)
{
	permit_give(&c->limits.permit);
}

/* ---- keys that are taken away ---- */

bool limits_key_gone(const struct api_call *c)
{
	const struct access_key *k = c->access.key;
	struct config *now;
	bool gone;

	if (!k)
		return false;
	now = config_current();
	/* None: what is captured is being replayed. */
	gone = now && now->end_streams &&
	       (now == c->config ? k->expires && clock_wall_ms() >= k->expires
				 : !access_still(now, &c->access));
	config_unref(now);
	return gone;
}

int limits_key_fault(const struct api_call *c, struct fault *f)
{
	int rc = fault_set(f, FAULT_AUTH, 401, "authentication_error",
			   "The key \"%s\" was taken away, disabled or expired while this answer "
			   "was running.",
			   c->access.key_name);

	f->scope = FAULT_OF_KEY;
	return rc;
}

/* ---- what it may use ---- */

static int no_backend(const struct access_key *k, const char *backend, struct fault *f)
{
	return fault_set(f, FAULT_AUTH, 403, "permission_error",
			 "The key \"%s\" may not use the backend \"%s\" (its `backends` in "
			 "access.keys).",
			 k->name, backend);
}

static int no_model(const struct access_key *k, const char *asked, struct fault *f)
{
	struct str name = str_cut_utf8(str_of(asked), 200);

	return fault_set(f, FAULT_AUTH, 403, "permission_error",
			 "The key \"%s\" may not use the model \"%.*s\" (its `models` in "
			 "access.keys); GET /v1/models lists those that it may.",
			 k->name, STR_ARGS(str_utf8(name) ? name : STR("(not UTF-8)")));
}

int limits_chain(const struct access_key *k, const char *asked, struct target_chain *chain,
		 struct fault *f)
{
	const char *backend = NULL;
	size_t n = 0;
	int rc;

	for (size_t i = 0; k && i < chain->n; i++) {
		const struct target *t = &chain->v[i];

		if (!access_backend(k, t->backend->name))
			backend = t->backend->name;
		else if (access_model(k, asked, t->backend->name, t->model))
			chain->v[n++] = *t;
	}
	if (!k || n) {
		chain->n = k ? n : chain->n;
		return 0;
	}
	/* The model is what the client chose: it is named unless only backends stood in the way. */
	rc = backend ? no_backend(k, backend, f) : no_model(k, asked, f);
	f->scope = FAULT_OF_KEY;
	return rc;
}
