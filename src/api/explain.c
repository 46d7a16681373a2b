/*
 * `messages.fcgi --route < request.json`: what the router makes of a request, rule by rule, without
 * a call to any backend. Headers that rules ask for are given with --header; `x-key: NAME` (with
 * its group and what that key may use) and `x-group: NAME` stand for the client's access key,
 * `x-path: NAME` for a path /b/NAME.
 */
#include <string.h>
#include <strings.h>

#include "api/api.h"
#include "base/clock.h"
#include "ingress/ingress.h"
#include "state/host.h"

#define READ_PIECE 65536

/* As quick, and as rough, as where a request is served: near a limit the two must not differ. */
static int64_t ask_estimate(void *ctx, const struct message_request *r)
{
	return estimate_tokens(r, true);
}

static const char *given(const char *const *headers, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; headers[i]; i++) {
		if (strncasecmp(headers[i], name, n) != 0 || headers[i][n] != ':')
			continue;
		return headers[i] + n + 1 + strspn(headers[i] + n + 1, " \t");
	}
	return NULL;
}

static void trace(void *ctx, const char *rule, const char *why_not)
{
	if (why_not)
		fprintf(ctx, "  %-32s no: %s\n", rule, why_not);
	else
		fprintf(ctx, "  %-32s yes\n", rule);
}

static const char *readiness(const char *name, struct arena *a)
{
	struct host_error e;
	struct breaker b;
	char when[32];

	host_breaker_get(name, &b, &e);
	if (b.phase == BREAKER_CLOSED)
		return "ready";
	if (b.phase == BREAKER_PROBING)
		return "being probed";
	if (b.until <= clock_wall_ms())
		return "to be probed";
	clock_rfc3339(when, sizeof(when), b.until, 0);
	return arena_printf(a, "rests until %s", when);
}

/* The backend's, then its keys', with the limit of this model. */
static void print_readiness(const struct target *t, struct arena *a, FILE *out)
{
	const struct backend *b = t->backend, *keys = b->nways ? b->ways : b;

	fprintf(out, "         %s", readiness(b->name, a));
	for (size_t i = 0; i < (b->nways ? b->nways : 1); i++) {
		const char *model = chain_model_name(&keys[i], t->model, a);

		if (keys[i].key_mark)
			fprintf(out, "; key %zu %s", i + 1, readiness(keys[i].key_mark, a));
		if (model && strcmp(readiness(model, a), "ready") != 0)
			fprintf(out, ", its limit for this model: %s", readiness(model, a));
	}
	fprintf(out, "\n");
}

static void print_chain(const struct target_chain *chain, struct arena *a, FILE *out)
{
	fprintf(out, "rule: %s\n", chain->v[0].rule);
	for (size_t i = 0; i < chain->n; i++) {
		const struct target *t = &chain->v[i];

		fprintf(out, "%s %zu: backend %s, model %s, dialect %s, %s%s\n",
			i ? "then" : "to  ", i + 1, t->backend->name, t->model, t->backend->dialect,
			t->backend->base_url, t->mapped ? ", mapped" : "");
		print_readiness(t, a, out);
	}
}

/* The key of that name; NULL: none, and nothing is asked of it. */
static const struct access_key *key_named(const struct config *c, const char *name)
{
	for (size_t i = 0; name && i < c->nkeys; i++)
		if (strcmp(c->keys[i].name, name) == 0)
			return &c->keys[i];
	return NULL;
}

/* Its holder would be told so before any rule is asked. */
static bool out_of_use(const struct access_key *k, FILE *out)
{
	if (!k || access_good(k))
		return false;
	fprintf(out, "refused: 401 authentication_error: The key \"%s\" %s.\n", k->name,
		k->disabled ? "is disabled" : "has expired");
	return true;
}

static int explain(const struct config *c, const struct message_request *r,
		   const char *const *headers, struct arena *a, FILE *out)
{
	const char *name = given(headers, "x-key"), *group = given(headers, "x-group");
	const struct access_key *key = key_named(c, name);
	struct route_ask ask = {
		.model = r->model_name,
		.request = r,
		.tokens = ask_estimate,
		.key = name,
		.group = group || !key ? group : key->group,
		.agent = given(headers, "x-claude-code-agent-id"),
		.request_class = given(headers, "x-claude-code-request-class"),
		.session = given(headers, "x-claude-code-session-id"),
		.path = given(headers, "x-path"),
		.trace = trace,
		.ctx = out,
	};
	struct target_chain chain;
	struct fault f = FAULT_INIT;

	fprintf(out, "model: %s\nestimate: %lld tokens\n", r->model_name,
		(long long)estimate_tokens(r, true));
	if (name && c->nkeys && !key)
		fprintf(out, "key: none has the name \"%s\"\n", name);
	if (out_of_use(key, out))
		return 1;
	if (c->nroutes)
		fprintf(out, "routes:\n");
	if (route_decide(c, &ask, a, &chain, &f) || limits_chain(key, ask.model, &chain, &f)) {
		fprintf(out, "refused: %d %s: %s\n", f.status, f.type, f.message);
		return 1;
	}
	print_chain(&chain, a, out);
	return 0;
}

/* -1: it can't be read, or is longer than max. */
static int read_all(FILE *in, struct buf *b, size_t max)
{
	char *room;
	size_t n;

	do {
		room = buf_room(b, READ_PIECE);
		n = room ? fread(room, 1, READ_PIECE, in) : 0;
		b->n += n;
	} while (n);
	return b->failed || b->n > max || ferror(in) ? -1 : 0;
}

int api_explain(const struct config_load *load, const char *const *headers, FILE *in, FILE *out)
{
	struct message_request r;
	struct buf body, err;
	struct fault f = FAULT_INIT;
	struct config *c;
	struct arena a;
	int rc = 1;

	buf_init(&err, 65536);
	c = config_load(load, &err);
	if (!c) {
		fprintf(out, "%s\n", buf_cstr(&err));
		buf_release(&err);
		return 1;
	}
	buf_release(&err);
	arena_init(&a, 0);
	buf_init(&body, (size_t)c->max_body + READ_PIECE);
	host_open(c->state_dir);
	if (read_all(in, &body, (size_t)c->max_body))
		fprintf(out, "the request can't be read, or is larger than limits.max_body\n");
	else if (anthropic_parse(&r, buf_str(&body), PARSE_COUNT, &a, &f))
		fprintf(out, "refused: %d %s: %s\n", f.status, f.type, f.message);
	else
		rc = explain(c, &r, headers, &a, out);
	host_close();
	buf_release(&body);
	arena_release(&a);
	config_unref(c);
	return rc;
}
