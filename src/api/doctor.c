/*
 * GET /doctor: all that --check, `doctor` and `errors` say, for users who have no shell. With
 * ?web=1 the gateway also calls itself through the web server, by the name that it was called by;
 * ?url= gives the whole base URL where the scheme or path is another, but never another host.
 * And `messages.fcgi doctor`.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/doctor.h"
#include "api/errors.h"
#include "base/clock.h"
#include "doctor/doctor.h"
#include "doctor/ticket.h"
#include "state/host.h"
#include "upstream/credential.h"

#define ARENA_MAX (4u << 20)
#define PAGE_MAX_BYTES (4u << 20)
#define BACKENDS_MS 8000 /* while a browser waits */
#define WEB_MS 25000
#define ERRORS_SHOWN 20
#define COMMAND_BACKENDS_MS 15000
#define COMMAND_WEB_MS 180000
#define SILENCE_MORE 2 /* seconds beyond what the gateway itself needs */

/* ---- GET /doctor ---- */

static bool of_host(struct str url, struct str host)
{
	struct str rest;
	const char *at = str_find(url, "://");
	size_t n;

	if (!at || (!str_starts_nocase(url, "http://") && !str_starts_nocase(url, "https://")))
		return false;
	rest = str_from(url, (size_t)(at + 3 - url.p));
	n = strcspn(rest.p, "/?#");
	return str_eq_nocase((struct str){ rest.p, n }, host);
}

/* NULL: not wanted. */
static const char *web_url(struct api_call *c)
{
	const char *https = c->front->ops->param(c->front, "HTTPS");
	const char *url = http_query(c->request, c->arena, "url");
	struct str host = str_of(http_header(c->request, "host"));
	bool tls = https && *https && strcasecmp(https, "off") != 0;

	if (url)
		return of_host(str_of(url), host) ? url : NULL;
	if (!host.n || !http_query(c->request, c->arena, "web"))
		return NULL;
	return arena_printf(c->arena, "http%s://%.*s%s", tls ? "s" : "", STR_ARGS(host),
			    c->request->prefix);
}

static void recent_errors(struct buf *b)
{
	struct errors_ask a;
	struct trace_place p;
	size_t found;

	errors_ask_init(&a, ERRORS_RECENT);
	a.query.limit = ERRORS_SHOWN;
	if (!trace_place_get(&p))
		return;
	if (errors_answer(&a, &p, b, &found))
		buf_reset(b);
	else
		buf_cstr(b);
}

/* The whole examination; used gets what --check prints. */
static void examine(struct api_call *c, struct findings *l, FILE *used)
{
	const char *url = web_url(c);

	doctor_config(l, config_how(), api_protect_describe, used);
	doctor_host(l, c->config);
	doctor_backends(l, c->config, clock_ms() + BACKENDS_MS);
	if (url) {
		struct doctor_web web = { .base_url = url, .deadline = clock_ms() + WEB_MS };

		doctor_web(l, c->config, &web);
	}
	findings_sort(l);
}

static int answer_page(struct api_call *c, const struct doctor_report *r)
{
	struct fault f = FAULT_INIT;
	struct buf b;
	int rc;

	buf_init(&b, PAGE_MAX_BYTES);
	doctor_page(r, &b);
	if (b.failed) {
		fault_no_memory(&f);
		rc = api_fault(c, &f);
	} else {
		answer_header(c->answer, "Content-Security-Policy",
			      "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors "
			      "'none'");
		answer_header(c->answer, "Referrer-Policy", "no-referrer");
		answer_header(c->answer, "X-Content-Type-Options", "nosniff");
		rc = answer_whole(c->answer, 200, "text/html; charset=utf-8", buf_str(&b));
	}
	buf_release(&b);
	return rc;
}

static int report(struct api_call *c)
{
	struct str accept = str_of(http_header(c->request, "accept"));
	struct findings l = { .arena = c->arena };
	struct doctor_report r = { .findings = &l };
	struct buf errors;
	char *used = NULL;
	size_t size = 0;
	FILE *kept = open_memstream(&used, &size);
	int rc;

	errors_buf_init(&errors);
	examine(c, &l, kept);
	if (kept)
		fclose(kept);
	recent_errors(&errors);
	r.used = used ? used : "";
	r.errors = buf_str(&errors);
	rc = str_find_nocase(accept, "text/html") ? answer_page(c, &r)
						  : api_json(c, 200, doctor_json(&r));
	free(used);
	buf_release(&errors);
	return rc;
}

/* Its row in the table of endpoints needs nothing, because what it needs depends: the right where
 * there are keys, else the word. */
int api_doctor(struct api_call *c)
{
	struct fault f = FAULT_INIT;

	/* Nothing is looked at, and no word used up, for who wants no answer. */
	if (strcmp(c->request->method, "HEAD") == 0)
		return answer_whole(c->answer, 200, "application/json", STR_NONE);
	if (c->config->nkeys ? access_check(c->config, c->request, NEED_DOCTOR, &c->access, &f)
			     : doctor_word_check(c, &f))
		return api_fault(c, &f);
	return report(c);
}

/* ---- messages.fcgi doctor ---- */

static void look_at_web(struct findings *l, const struct config *c, const char *url, int silence)
{
	int least = (c->commit_after > c->ping_interval ? c->commit_after : c->ping_interval) +
		    SILENCE_MORE;
	struct doctor_web web = { .base_url = url,
				  .key = getenv("MESSAGES_KEY"),
				  .silence = silence >= 0 ? silence : least };

	if (web.key && !*web.key)
		web.key = NULL;
	web.deadline = clock_ms() + COMMAND_WEB_MS + web.silence * 1000LL;
	doctor_web(l, c, &web);
}

/* A web server can be looked at from a machine that has no configuration. */
static const struct config bare = { .max_body = 32 << 20, .commit_after = 25, .ping_interval = 10 };

static void look(struct findings *l, const struct config_load *load, const char *url, int silence)
{
	struct config *c;
	struct buf err;

	doctor_config(l, load, NULL, NULL);
	buf_init(&err, 65536);
	c = config_load(load, &err);
	buf_release(&err);
	if (!c) {
		if (url)
			look_at_web(l, &bare, url, silence);
		return;
	}
	credential_setup(c->state_dir);
	doctor_host(l, c);
	doctor_backends(l, c, clock_ms() + COMMAND_BACKENDS_MS);
	if (url)
		look_at_web(l, c, url, silence);
	credential_cleanup();
	config_unref(c);
}

static int print_json(const struct findings *l, FILE *out)
{
	cJSON *list = findings_json(l);
	char *text = list ? cJSON_Print(list) : NULL;

	cJSON_Delete(list);
	if (!text)
		return 1;
	fprintf(out, "%s\n", text);
	cJSON_free(text);
	return findings_count(l, FINDING_ERROR) ? 1 : 0;
}

static int print(struct findings *l, FILE *out)
{
	size_t errors, warnings;

	findings_print(l, out);
	errors = findings_count(l, FINDING_ERROR);
	warnings = findings_count(l, FINDING_WARNING);
	fprintf(out, "\n%zu error%s, %zu warning%s\n", errors, errors == 1 ? "" : "s", warnings,
		warnings == 1 ? "" : "s");
	return errors || l->arena->failed ? 1 : 0;
}

static int usage(const char *what)
{
	fprintf(stderr, "messages.fcgi: doctor: %s\n", what);
	return 2;
}

/* args: at most one base URL. silence: seconds as text, or NULL. */
int api_doctor_command(const struct config_load *load, const char *const *args, const char *silence,
		       bool json, FILE *out)
{
	struct findings l = { 0 };
	struct arena arena;
	int64_t seconds = -1;
	int rc;

	if (args[0] && args[1])
		return usage("one base URL at a time");
	if (args[0] && !str_starts_nocase(str_of(args[0]), "http://") &&
	    !str_starts_nocase(str_of(args[0]), "https://"))
		return usage("the base URL begins with http:// or https://");
	if (silence &&
	    (!str_int(str_of(silence), &seconds) || seconds < 0 || seconds > DOCTOR_SILENCE_MAX))
		return usage("--silence takes 0 to 600 seconds");
	if (upstream_setup())
		return usage("libcurl could not be started");
	arena_init(&arena, ARENA_MAX);
	l.arena = &arena;
	look(&l, load, args[0], (int)seconds);
	findings_sort(&l);
	rc = json ? print_json(&l, out) : print(&l, out);
	arena_release(&arena);
	upstream_cleanup();
	return rc;
}
