/*
 * The recorded errors: what a question may say, and its answer as JSON. The debug endpoints
 * (debug.c) and `messages.fcgi errors` ask the same questions in their own ways.
 */
#include "api/errors.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "config.h"

#define BUDGET_MS 3000
#define ANSWER_MAX (12u << 20)

static int number(const char *text, int64_t least, int64_t most, int64_t *out)
{
	int64_t n;

	if (!str_int(str_of(text), &n) || n < least || n > most)
		return -1;
	*out = n;
	return 0;
}

static const char *set_limit(struct errors_ask *a, const char *value)
{
	int64_t n;

	if (number(value, 1, QUERY_LIMIT_MAX, &n))
		return "must be a number from 1 to 500";
	a->query.limit = (size_t)n;
	return NULL;
}

static const char *set_since(struct errors_ask *a, const char *value)
{
	if (query_since(value, clock_wall_ms(), a->query.filter.since))
		return "must be a time (2026-11-22T10:00:00Z), a day (2026-11-22), or a while ago: "
		       "90s, 30m, 12h, 7d";
	return NULL;
}

static const char *set_days(struct errors_ask *a, const char *value)
{
	int64_t n;

	if (number(value, 0, 3650, &n))
		return "must be a number of days from 0 to 3650";
	a->days_to_keep = (int)n;
	return NULL;
}

static const char *set_hash(struct errors_ask *a, const char *value)
{
	size_t n = strspn(value, "0123456789abcdef");

	if (n != SITE_ID_SIZE - 1 || value[n])
		return "must be 12 hexadecimal digits, as the error has it";
	a->query.filter.hash = value;
	return NULL;
}

/* Names as they stand in the program and in errors. */
static const char *word(const char **out, const char *value)
{
	if (!*value || strlen(value) > 128 ||
	    value[strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				"_./-")])
		return "must be 1 to 128 letters, digits, '_', '.', '/' and '-'";
	*out = value;
	return NULL;
}

static const char *set_type(struct errors_ask *a, const char *value)
{
	return word(&a->query.filter.type, value);
}

static const char *set_function(struct errors_ask *a, const char *value)
{
	return word(&a->query.filter.function, value);
}

static const char *set_file(struct errors_ask *a, const char *value)
{
	return word(&a->query.filter.file, value);
}

/* name, whose questions may have it, function */
static const struct param {
	const char *name;
	unsigned of;
	const char *(*set)(struct errors_ask *a, const char *value);
} params[] = {
	{ "limit", ERRORS_OF_LIST, set_limit },
	{ "since", ERRORS_OF_LIST | ERRORS_OF_STATS, set_since },
	{ "error_type", ERRORS_OF_SEARCH, set_type },
	{ "function_name", ERRORS_OF_SEARCH, set_function },
	{ "file", ERRORS_OF_SEARCH, set_file },
	{ "hash", ERRORS_OF_SEARCH, set_hash },
	{ "days_to_keep", ERRORS_OF_CLEANUP, set_days },
};
#define PARAMS (sizeof(params) / sizeof(*params))

/* The questions, each with the bits of the parameters that it takes. */
static const struct question {
	const char *name;
	unsigned takes;
	bool all, brief;
} questions[] = {
	[ERRORS_RECENT] = { "recent", ERRORS_OF_LIST, false, true },
	[ERRORS_ENHANCED_RECENT] = { "enhanced/recent", ERRORS_OF_LIST, true, false },
	[ERRORS_SHOW] = { "show", ERRORS_OF_LIST, true, false },
	[ERRORS_HASH] = { "hash", ERRORS_OF_LIST, true, false },
	[ERRORS_SEARCH] = { "search", ERRORS_OF_LIST | ERRORS_OF_SEARCH, true, false },
	[ERRORS_STATS] = { "stats", ERRORS_OF_STATS, false, true },
	[ERRORS_ENHANCED_STATS] = { "enhanced/stats", ERRORS_OF_STATS, true, false },
	[ERRORS_CLEANUP] = { "cleanup", ERRORS_OF_CLEANUP, false, false },
};

void errors_ask_init(struct errors_ask *a, enum errors_question q)
{
	*a = (struct errors_ask){
		.question = q,
		.days_to_keep = -1,
		.query = { .all = questions[q].all, .brief = questions[q].brief,
			   .limit = QUERY_LIMIT, .budget_ms = BUDGET_MS },
	};
}

static void list_params(unsigned takes, char *out, size_t size)
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < PARAMS; i++)
		if ((params[i].of & takes) && at < size)
			at += (size_t)snprintf(out + at, size - at, "%s%s", at ? ", " : "",
					       params[i].name);
}

int errors_ask_param(struct errors_ask *a, struct str name, const char *value, char *err,
		     size_t size)
{
	unsigned takes = questions[a->question].takes;
	char known[160];

	for (size_t i = 0; i < PARAMS; i++) {
		const char *wrong;

		if (!(params[i].of & takes) || !str_is(name, params[i].name))
			continue;
		wrong = params[i].set(a, value);
		if (!wrong)
			return 0;
		snprintf(err, size, "%s: %s", params[i].name, wrong);
		return -1;
	}
	list_params(takes, known, sizeof(known));
	name = str_cut_utf8(name, 64);
	snprintf(err, size, "%.*s: there is no such parameter here; there are: %s",
		 STR_ARGS(str_utf8(name) ? name : STR("(not UTF-8)")), known);
	return -1;
}

static int tidy(const struct errors_ask *a, const struct trace_place *p, struct buf *out)
{
	int days = a->days_to_keep >= 0 ? a->days_to_keep : p->retention_days;
	struct trace_tidied t;

	/* Without the folder there is nothing to tidy. */
	if (store_tidy(p, days, clock_wall_ms(), BUDGET_MS, &t) && errno != ENOENT)
		return buf_printf(out, "{\"days_to_keep\":%d,\"deleted\":0,\"complete\":false,"
				       "\"problem\":\"%s\"}", days,
				  errno == EWOULDBLOCK ? "another process is tidying"
						       : "the folder can't be written to");
	return buf_printf(out, "{\"days_to_keep\":%d,\"deleted\":%zu,\"compressed\":%zu,"
			       "\"bytes_freed\":%lld,\"files\":%zu,\"bytes\":%lld,\"complete\":%s}",
			  days, t.deleted, t.packed, (long long)t.freed, t.files,
			  (long long)t.bytes, t.more ? "false" : "true");
}

int errors_answer(const struct errors_ask *a, const struct trace_place *p, struct buf *out,
		  size_t *found)
{
	*found = 1;
	switch (a->question) {
	case ERRORS_STATS:
	case ERRORS_ENHANCED_STATS:
		return query_stats(p, &a->query, out);
	case ERRORS_CLEANUP:
		return tidy(a, p, out);
	default:
		return query_errors(p, &a->query, out, found);
	}
}

void errors_buf_init(struct buf *b)
{
	buf_init(b, ANSWER_MAX);
}

/* ---- who this is ---- */

static void put_text(struct buf *b, const char *key, const char *value)
{
	struct str s = str_of(value);

	buf_printf(b, "\"%s\":", key);
	span_put_string(b, span_utf8(str_utf8(s) ? s : STR("(not UTF-8)")));
	buf_putc(b, ',');
}

int errors_instance(const struct config *c, struct buf *out)
{
	struct trace_options o;
	struct trace_instance i;
	char user[64];

	api_trace_options(c, &o);
	trace_instance_of(&i, &o);
	buf_putc(out, '{');
	put_text(out, "id", i.id);
	put_text(out, "host", i.host);
	trace_user_name(user, sizeof(user));
	put_text(out, "user", user);
	put_text(out, "config", i.source);
	buf_printf(out, "\"config_generation\":\"%016llx\",\"loads\":%lld,\"pid\":%ld,",
		   (unsigned long long)i.mark, (long long)i.generation, (long)getpid());
	put_text(out, "version", PACKAGE_VERSION);
	if (o.dir) {
		char folder[TRACE_DIR_MAX + 32];

		snprintf(folder, sizeof(folder), "debug/server_%s", i.id);
		put_text(out, "dir", o.dir);
		put_text(out, "folder", folder);
	}
	return buf_printf(out, "\"recording\":%s}", o.dir ? "true" : "false");
}

/* ---- the command line ---- */

static int usage_error(const char *what, const char *arg)
{
	fprintf(stderr, "messages.fcgi: errors: %s%s%s\n", what, *arg ? " " : "", arg);
	return 2;
}

/* "limit=5"; a bare word is a number of days. The first of `show` is the id, whatever it looks
 * like: clients make up their own. */
static int take_argument(struct errors_ask *a, const char *arg)
{
	const char *eq = strchr(arg, '=');
	char err[256];

	if (a->question == ERRORS_SHOW && !a->query.filter.id) {
		a->query.filter.id = arg;
		return 0;
	}
	if (eq) {
		if (errors_ask_param(a, (struct str){ arg, (size_t)(eq - arg) }, eq + 1, err,
				     sizeof(err)))
			return usage_error(err, "");
		return 0;
	}
	if (a->question == ERRORS_CLEANUP) {
		if (errors_ask_param(a, STR("days_to_keep"), arg, err, sizeof(err)))
			return usage_error(err, "");
		return 0;
	}
	return usage_error("an argument is NAME=VALUE, not", arg);
}

static int find_question(const char *name)
{
	static const enum errors_question asked[] = { ERRORS_RECENT, ERRORS_SHOW, ERRORS_SEARCH,
						      ERRORS_STATS, ERRORS_CLEANUP };

	for (size_t i = 0; name && i < sizeof(asked) / sizeof(*asked); i++)
		if (strcmp(name, questions[asked[i]].name) == 0)
			return (int)asked[i];
	return -1;
}

/* Indented, for eyes; the members stay in their order. */
static void print_json(FILE *out, struct str text)
{
	cJSON *tree = cJSON_ParseWithLength(text.p, text.n);
	char *pretty = tree ? cJSON_Print(tree) : NULL;

	if (pretty)
		fprintf(out, "%s\n", pretty);
	else
		fprintf(out, "%.*s\n", STR_ARGS(text));
	cJSON_free(pretty);
	cJSON_Delete(tree);
}

static int answer_command(const struct errors_ask *a, const struct trace_place *p, FILE *out)
{
	size_t found = 0;
	struct buf b;
	int rc;

	errors_buf_init(&b);
	rc = errors_answer(a, p, &b, &found);
	if (rc == 0)
		print_json(out, buf_str(&b));
	else
		fputs("messages.fcgi: errors: out of memory\n", stderr);
	buf_release(&b);
	return rc || (a->question == ERRORS_SHOW && !found) ? 1 : 0;
}

static int open_place(const struct config_load *load, struct trace_place *p)
{
	struct trace_options o;
	struct buf err;
	struct config *c;

	buf_init(&err, 65536);
	c = config_load(load, &err);
	if (!c) {
		fprintf(stderr, "messages.fcgi: configuration: %s\n", buf_cstr(&err));
		buf_release(&err);
		return 1;
	}
	buf_release(&err);
	api_trace_options(c, &o);
	if (!o.dir || trace_place_of(p, &o)) {
		fputs("messages.fcgi: errors: log.dir is not set: errors are not recorded\n",
		      stderr);
		config_unref(c);
		return 1;
	}
	config_unref(c);
	return 0;
}

int api_errors(const struct config_load *load, const char *const *args, FILE *out)
{
	int q = find_question(args[0]), rc;
	struct errors_ask a;
	struct trace_place p;

	if (q < 0)
		return usage_error("recent, show ID, search, stats or cleanup, not",
				   args[0] ? args[0] : "nothing");
	errors_ask_init(&a, (enum errors_question)q);
	for (args++; *args; args++) {
		rc = take_argument(&a, *args);
		if (rc)
			return rc;
	}
	if (q == ERRORS_SHOW && !a.query.filter.id)
		return usage_error("show wants the id of a request", "");
	rc = open_place(load, &p);
	return rc ? rc : answer_command(&a, &p, out);
}

int api_error_sites(FILE *out)
{
	struct buf b;
	int rc;

	buf_init(&b, 0);
	rc = query_registry_text(&b);
	fwrite(b.p, 1, rc ? 0 : b.n, out);
	buf_release(&b);
	return rc ? 1 : 0;
}
