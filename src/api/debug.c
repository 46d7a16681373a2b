/*
 * /debug: the recorded errors over HTTP, for keys that have the right, or on the machine of who
 * develops (access_check). What is asked and answered is errors.c's.
 */
#include <string.h>

#include "api/errors.h"

static int bad_parameter(struct fault *f, const char *what)
{
	return fault_bad(f, "%s", what);
}

/* Every parameter of the query must be one of the question's. */
static int read_query(struct api_call *c, struct errors_ask *a, struct fault *f)
{
	struct str rest = str_of(c->request->query), pair, name;
	char err[256];

	while (str_split(&rest, '&', &pair)) {
		const char *value, *key;

		if (!pair.n)
			continue;
		name = pair;
		str_split(&pair, '=', &name);
		key = arena_dup(c->arena, name.p, name.n);
		value = key ? http_query(c->request, c->arena, key) : NULL;
		if (!key || c->arena->failed)
			return fault_no_memory(f);
		if (errors_ask_param(a, name, value ? value : "", err, sizeof(err)))
			return bad_parameter(f, err);
	}
	return 0;
}

static int no_records(struct fault *f)
{
	return fault_set(f, FAULT_BAD_REQUEST, 404, "not_found_error",
			 "Errors are not recorded here: log.dir in the configuration names the "
			 "folder for them.");
}

static int not_recorded(const struct errors_ask *a, struct fault *f)
{
	return fault_set(f, FAULT_BAD_REQUEST, 404, "not_found_error",
			 a->question == ERRORS_HASH ? "No error of this hash is recorded."
						    : "No error of this request is recorded.");
}

static int prepare(struct api_call *c, struct errors_ask *a, struct trace_place *p,
		   struct fault *f)
{
	char err[256];

	if (a->question == ERRORS_SHOW) {
		a->query.filter.id = c->rest;
	} else if (a->question == ERRORS_HASH) {
		struct errors_ask hash;

		errors_ask_init(&hash, ERRORS_SEARCH);
		if (errors_ask_param(&hash, STR("hash"), c->rest, err, sizeof(err)))
			return bad_parameter(f, err);
		a->query.filter.hash = c->rest;
	}
	if (read_query(c, a, f))
		return -1;
	return trace_place_get(p) ? 0 : no_records(f);
}

static int answer(struct api_call *c, struct buf *b)
{
	struct fault f = FAULT_INIT;
	int rc;

	if (b->failed) {
		fault_no_memory(&f);
		rc = api_fault(c, &f);
	} else {
		rc = answer_whole(c->answer, 200, "application/json", buf_str(b));
	}
	buf_release(b);
	return rc;
}

static NOINLINE int ask(struct api_call *c, enum errors_question q)
{
	struct errors_ask a;
	struct trace_place p;
	struct fault f = FAULT_INIT;
	size_t found;
	struct buf b;

	errors_ask_init(&a, q);
	if (prepare(c, &a, &p, &f))
		return api_fault(c, &f);
	errors_buf_init(&b);
	if (errors_answer(&a, &p, &b, &found))
		b.failed = true;
	else if (!found && (q == ERRORS_SHOW || q == ERRORS_HASH)) {
		not_recorded(&a, &f);
		buf_release(&b);
		return api_fault(c, &f);
	}
	return answer(c, &b);
}

int api_debug_recent(struct api_call *c)
{
	return ask(c, ERRORS_RECENT);
}

int api_debug_enhanced_recent(struct api_call *c)
{
	return ask(c, ERRORS_ENHANCED_RECENT);
}

int api_debug_enhanced_stats(struct api_call *c)
{
	return ask(c, ERRORS_ENHANCED_STATS);
}

int api_debug_stats(struct api_call *c)
{
	return ask(c, ERRORS_STATS);
}

int api_debug_search(struct api_call *c)
{
	return ask(c, ERRORS_SEARCH);
}

int api_debug_hash(struct api_call *c)
{
	return ask(c, ERRORS_HASH);
}

int api_debug_show(struct api_call *c)
{
	return ask(c, ERRORS_SHOW);
}

int api_debug_cleanup(struct api_call *c)
{
	return ask(c, ERRORS_CLEANUP);
}

int api_debug_registry(struct api_call *c)
{
	struct buf b;

	errors_buf_init(&b);
	if (query_registry(&b))
		b.failed = true;
	return answer(c, &b);
}

int api_debug_instance(struct api_call *c)
{
	struct buf b;

	errors_buf_init(&b);
	errors_instance(c->config, &b);
	return answer(c, &b);
}
