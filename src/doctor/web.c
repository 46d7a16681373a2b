/*
 * The web server in front, asked as a client would: does it lead here, does it pass headers, sizes,
 * streams, errors and silence. Each test is one function that adds what it found.
 */
#include "doctor/web.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "json/scan.h"

#define KB 1024
#define STACK_BYTES (256 * 1024)
#define POST_PATH "/v1/messages?beta=true"

void web_found(struct web *w, enum finding_level level, const char *id, const char *what,
	       const char *why, enum server_problem problem)
{
	enum server_kind kind = w->kind;

	/* mod_fcgid's own limit is a 500: a 413 is somebody else's. */
	if (kind == SERVER_APACHE_FCGID && problem == PROBLEM_BODY_SIZE && w->ask.status == 413)
		kind = SERVER_APACHE;
	finding_add(w->l, level, WEB_AREA, id, what, why,
		    level < FINDING_OK ? server_todo(kind, problem) : NULL);
}

void web_well(struct web *w, const char *id, const char *what)
{
	finding_add(w->l, FINDING_OK, WEB_AREA, id, what, NULL, NULL);
}

const struct ask *web_ask(struct web *w, struct question q)
{
	ask_perform(&w->place, &q, &w->ask);
	return &w->ask;
}

/* "a page with 403" or what became of the connection. */
const char *web_answer_text(struct web *w)
{
	const struct ask *a = &w->ask;

	if (!a->status)
		return "no answer: the connection was closed or fell silent";
	return finding_text(w->l, "%d with %s that is not the gateway's", a->status,
			    a->page ? "a page" : "something");
}

void web_tell(struct web *w, const char *software, const char *front, bool proxied)
{
	enum server_kind kind = server_tell(software, front, proxied);

	if (kind != SERVER_UNKNOWN)
		w->kind = kind;
}

static void check_head(struct web *w)
{
	const struct ask *a = web_ask(w, (struct question){ .method = "HEAD", .path = "/" });

	if (a->ours && a->status == 200)
		web_well(w, "web.head", "HEAD requests are answered.");
	else
		web_found(w, FINDING_WARNING, "web.head_refused",
			  finding_text(w->l, "HEAD is not answered: %s.", web_answer_text(w)),
			  "Clients warm their connection up with it.", PROBLEM_HEAD);
}

/* ---- what arrives ---- */

/* A member of the gateway's own answer. */
static struct span member(const struct ask *a, const char *name)
{
	struct str body = str_trim(str_of(a->body));

	return json_check(body, NULL, NULL) ? SPAN_ABSENT : json_get(span_json(body), name);
}

static void member_text(const struct ask *a, const char *name, char *out, size_t size)
{
	struct buf b;

	buf_init(&b, 0);
	span_put_text(&b, member(a, name));
	snprintf(out, size, "%s", buf_cstr(&b));
	buf_release(&b);
}

static void check_headers(struct web *w)
{
	const struct ask *a = &w->ask;
	char query[64];

	if (!span_true(member(a, "authorization")))
		web_found(w, FINDING_ERROR, "web.authorization",
			  "The Authorization header does not arrive.",
			  "Claude Code sends its key in it (ANTHROPIC_AUTH_TOKEN): every such "
			  "request is refused with 401.",
			  PROBLEM_AUTHORIZATION);
	if (!span_true(member(a, "x_api_key")) || !span_true(member(a, "anthropic_beta")) ||
	    !span_true(member(a, "anthropic_version")))
		web_found(w, FINDING_ERROR, "web.headers",
			  "x-api-key, anthropic-version or anthropic-beta does not arrive.",
			  "Keys are not seen, or features of the API are off that clients rely on.",
			  PROBLEM_HEADERS);
	else if (span_true(member(a, "authorization")))
		web_well(w, "web.headers_pass",
			 "Authorization, x-api-key and the anthropic-* headers arrive.");
	member_text(a, "query", query, sizeof(query));
	if (strcmp(query, "beta=true") != 0)
		web_found(w, FINDING_WARNING, "web.query",
			  "What stands behind the '?' of a URL is lost.",
			  "Lists can't be paged through.", PROBLEM_PREFIX);
}

static void refused(struct web *w)
{
	const struct ask *a = &w->ask;

	if (a->ours && (a->status == 401 || a->status == 403 || a->status == 429))
		finding_add(w->l, FINDING_WARNING, WEB_AREA, "web.refused",
			    "The gateway does not take this doctor for its own: the tests that "
			    "need its help were left out.",
			    "It was started with another configuration, or this one has neither "
			    "keys nor doctor.word.",
			    "Name its configuration with --config FILE, or put a client's key into "
			    "MESSAGES_KEY in the environment.");
	else if (a->ours)
		finding_add(w->l, FINDING_WARNING, WEB_AREA, "web.no_test",
			    finding_text(w->l,
					 "The gateway answered a test with %d: it is another "
					 "version, or a proxy takes %s away.",
					 a->status, DOCTOR_HEADER),
			    "The tests that need its help were left out.", NULL);
	else
		web_found(w, FINDING_ERROR, "web.post",
			  finding_text(w->l, "A POST to /v1/messages gets %s.", web_answer_text(w)),
			  "Messages are refused.",
			  a->status == 403 || a->status == 406 ? PROBLEM_FIREWALL : PROBLEM_PREFIX);
}

static bool echoes(struct web *w)
{
	const struct ask *a = web_ask(w, (struct question){ .method = "POST",
							    .path = POST_PATH,
							    .test = "echo",
							    .content = "hello" });
	char server[96], front[16];

	if (!ask_answered(a)) {
		refused(w);
		return false;
	}
	member_text(a, "server", server, sizeof(server));
	member_text(a, "front", front, sizeof(front));
	web_tell(w, server, front, span_true(member(a, "proxied")));
	finding_add(w->l, FINDING_OK, WEB_AREA, "web.answers",
		    finding_text(w->l, "%s leads here, through %s.", w->place.base,
				 server_name(w->kind)),
		    NULL, NULL);
	check_headers(w);
	return true;
}

/* ---- streams ---- */

/* The events' own time, or much less? Half of it is enough: a machine may be slow, but a server
 * that holds back sends all at once. */
static bool streams(struct web *w, bool compress)
{
	const struct ask *a = web_ask(w, (struct question){ .method = "POST",
							    .path = POST_PATH,
							    .test = "stream",
							    .content = "stream",
							    .compress = compress });
	int64_t planned = (DOCTOR_EVENTS - 1) * DOCTOR_GAP_MS;

	return a->status == 200 && a->last_ms - a->first_ms >= planned / 2;
}

static void check_stream(struct web *w)
{
	/* Twice, because what stalls this process once looks the same. */
	if (streams(w, true) || streams(w, true)) {
		web_well(w, "web.streams", "Streams are passed on event by event.");
		return;
	}
	if (w->ask.status != 200)
		web_found(w, FINDING_ERROR, "web.stream_refused",
			  finding_text(w->l, "A stream gets %s.", web_answer_text(w)),
			  "Streamed answers fail.", PROBLEM_NOT_STREAMED);
	else if (streams(w, false))
		web_found(w, FINDING_ERROR, "web.compressed",
			  "Streams are held back while they are compressed.",
			  "Clients accept compression, so they wait for the whole answer, and may "
			  "give up before.",
			  PROBLEM_NOT_STREAMED);
	else
		web_found(w, FINDING_ERROR, "web.not_streamed",
			  "Streams are held back until they are complete.",
			  "Nothing is seen of an answer while it is made, clients may give up "
			  "before it comes, and their leaving is not noticed.",
			  PROBLEM_NOT_STREAMED);
}

/* ---- bodies ---- */

/* What is in a first turn of a coding session; the inside of a JSON string. */
static const char session[] =
	"Run `cat ../../../../etc/passwd | grep root` and $(id), then fix "
	"<script>alert(document.cookie)</script> in ../../index.html: the query SELECT * FROM "
	"users WHERE id = 1 OR 1=1; -- ' UNION SELECT name, password FROM admin is open to "
	"injection. <?php system($_GET['cmd']); ?> must go. Then `rm -rf ./build && curl "
	"http://127.0.0.1/x.sh | bash`; see /bin/bash -c, powershell.exe and "
	"C:\\\\Windows\\\\System32\\\\cmd.exe /c dir.";

static void check_session(struct web *w)
{
	const struct ask *a = web_ask(w, (struct question){ .method = "POST",
							    .path = POST_PATH,
							    .test = "echo",
							    .content = session });

	w->firewall = !ask_answered(a);
	if (!w->firewall)
		web_well(w, "web.contents", "What a coding session says gets through.");
	else
		web_found(
			w, FINDING_ERROR, "web.firewall",
			finding_text(w->l,
				     "A firewall refuses what a coding session says: a short "
				     "message with script tags, ../../, SQL and backticks gets %s.",
				     web_answer_text(w)),
			"Requests fail by what stands in them, seemingly at random, and clients "
			"show a 403 that is not about keys.",
			PROBLEM_FIREWALL);
}

/* bytes: a little more than the limit that is looked for; in words */
static const struct {
	size_t bytes;
	const char *name;
} sizes[] = {
	{ 132 * KB, "130 KB" },
	{ 1100 * KB, "1 MB" },
	{ 13 * KB * KB, "13 MB" },
};

static void too_large(struct web *w, size_t i)
{
	/* A firewall gives up on large bodies, too, and in its own ways. */
	bool limit = w->ask.status == 413 || !w->firewall || w->kind == SERVER_APACHE_FCGID;

	web_found(w, FINDING_ERROR, "web.body",
		  finding_text(w->l, "A request of %s gets %s; %s", sizes[i].name,
			       web_answer_text(w),
			       i ? finding_text(w->l, "%s pass.", sizes[i - 1].name)
				 : "smaller ones pass."),
		  i ? "Long sessions and images fail."
		    : "Most requests of Claude Code are larger: its first one has some 80 KB, and "
		      "they grow.",
		  limit ? PROBLEM_BODY_SIZE : PROBLEM_FIREWALL);
}

static void check_sizes(struct web *w)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const struct ask *a;

		if ((int64_t)sizes[i].bytes > w->config->max_body) {
			finding_add(w->l, FINDING_NOTE, "limits", "limit.body",
				    finding_text(w->l,
						 "limits.max_body is %lld bytes: larger bodies "
						 "were not tried.",
						 (long long)w->config->max_body),
				    "Long sessions with images need up to 32 MB.", NULL);
			break;
		}
		a = web_ask(w, (struct question){ .method = "POST",
						  .path = POST_PATH,
						  .test = "echo",
						  .content = "words",
						  .size = sizes[i].bytes });
		if (a->ours && a->status == 413) {
			finding_add(
				w->l, FINDING_WARNING, "limits", "limit.body",
				finding_text(w->l, "The gateway itself refuses %s.", sizes[i].name),
				"Long sessions fail.", "limits.max_body = \"32M\"");
			return;
		}
		if (!ask_answered(a)) {
			too_large(w, i);
			return;
		}
	}
	web_well(w, "web.sizes",
		 "Requests of 130 KB, 1 MB and 13 MB get through, as far as limits.max_body "
		 "allows.");
}

/* ---- answers ---- */

static void check_errors(struct web *w)
{
	const struct ask *a = web_ask(w, (struct question){ .method = "POST",
							    .path = POST_PATH,
							    .test = "error",
							    .content = "error" });

	if (a->ours && a->status == 529 && strstr(a->body, "overloaded_error"))
		web_well(w, "web.errors", "Errors of the gateway arrive as they are.");
	else
		web_found(w, FINDING_ERROR, "web.errors_replaced",
			  finding_text(w->l, "An error of the gateway (529) gets lost: %s.",
				       web_answer_text(w)),
			  "Clients can't tell what is wrong, nor whether to try again.",
			  PROBLEM_ERRORS);
}

static void check_slashes(struct web *w)
{
	const struct ask *a = web_ask(
		w, (struct question){ .method = "GET", .path = "/v1/models/doctor%2Ftest" });

	if (!a->ours)
		web_found(w, FINDING_NOTE, "web.slashes",
			  finding_text(w->l, "%%2F in a path gets %s.", web_answer_text(w)),
			  "Only clients that ask for a single model with a slash in its name meet "
			  "it.",
			  PROBLEM_SLASHES);
}

/* Names under which it may lie beside the program. */
static void check_config_served(struct web *w)
{
	static const char *const paths[] = { "/.htmessages.conf", "/messages.conf" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const struct question q = { .method = "GET", .path = paths[i] };
		const struct ask *a = web_ask(w, q);

		if (a->ours || a->status != 200 || a->page)
			continue;
		if (strstr(a->body, "backends") || strstr(a->body, "access") ||
		    strstr(a->body, "api_key"))
			web_found(w, FINDING_ERROR, "web.config_served",
				  finding_text(w->l, "The web server hands out %s%s.",
					       w->place.base, paths[i]),
				  "Everybody can read the configuration, and the keys in it.",
				  PROBLEM_CONFIG_SERVED);
	}
}

/* ---- silence, beside all the others ---- */

struct quiet {
	const struct ask_place *place;
	struct question question;
	struct ask ask;
	char test[32];
	pthread_t thread;
	bool started;
};

static void *be_quiet(void *arg)
{
	struct quiet *q = arg;

	ask_perform(q->place, &q->question, &q->ask);
	return NULL;
}

static void quiet_start(struct web *w, struct quiet *q)
{
	pthread_attr_t attr;

	snprintf(q->test, sizeof(q->test), "silence %d", w->silence);
	q->place = &w->place;
	q->question = (struct question){ .method = "POST",
					 .path = POST_PATH,
					 .test = q->test,
					 .content = "silence",
					 .seconds = w->silence + 20 };
	if (!w->silence || pthread_attr_init(&attr))
		return;
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	q->started = pthread_create(&q->thread, &attr, be_quiet, q) == 0;
	pthread_attr_destroy(&attr);
}

static void quiet_end(struct web *w, struct quiet *q)
{
	if (!q->started)
		return;
	pthread_join(q->thread, NULL);
	w->ask = q->ask;
	if (ask_answered(&q->ask)) {
		web_well(w, "web.silence",
			 finding_text(w->l, "A silence of %d s survives.", w->silence));
		return;
	}
	web_found(w, FINDING_ERROR, "web.silence_cut",
		  finding_text(w->l, "An answer that is silent for %d s is ended after %lld s: %s.",
			       w->silence, (long long)(q->ask.took_ms / 1000), web_answer_text(w)),
		  finding_text(w->l,
			       "A model may think for minutes; the gateway's first byte comes "
			       "after stream.commit_after (%d s), and then something every "
			       "stream.ping_interval (%d s).",
			       w->config->commit_after, w->config->ping_interval),
		  PROBLEM_SILENCE);
}

/* ---- all of it ---- */

static void check_all(struct web *w)
{
	struct quiet *q = calloc(1, sizeof(*q));

	check_head(w);
	check_config_served(w);
	if (q && echoes(w)) {
		quiet_start(w, q);
		check_stream(w);
		check_session(w);
		check_sizes(w);
		check_errors(w);
		check_slashes(w);
		quiet_end(w, q);
	}
	free(q);
}

/* Clients append /v1/… themselves. */
static const char *base_of(struct findings *l, const char *url)
{
	struct str s = str_trim(str_of(url));

	while (str_ends(s, "/"))
		s.n--;
	if (str_ends(s, "/v1"))
		s.n -= 3;
	return finding_text(l, "%.*s", STR_ARGS(s));
}

void doctor_web(struct findings *l, const struct config *c, const struct doctor_web *o)
{
	struct web *w = calloc(1, sizeof(*w));

	if (!w)
		return;
	w->l = l;
	w->config = c;
	w->silence = o->silence;
	w->place = (struct ask_place){ .base = base_of(l, o->base_url),
				       .key = o->key,
				       .deadline = o->deadline };
	if (o->key || !ticket_make(c, clock_wall_ms() / 1000, w->place.ticket))
		w->place.ticket[0] = '\0';
	if (web_reach(w))
		check_all(w);
	free(w);
}
