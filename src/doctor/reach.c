/*
 * The first thing to know of a base URL: is anything there, is it trusted, and is it the gateway?
 */
#include "doctor/web.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define SOON_SECONDS (14 * 86400) /* a public certificate is renewed well before */

/* What is said of a failed call, for a web server: it is no backend and has no backend's settings. */
static const char *of_server(struct findings *l, const char *message)
{
	static const char *const ends[] = { ". Which are is said by backends.", " (backends.",
					    ". Check its base_url" };
	const char *said = finding_plain(l, message, "web server"), *end;

	if (str_starts(str_of(said), "backend web server "))
		said = finding_text(l, "the %s", said + strlen("backend "));
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if ((end = strstr(said, ends[i])))
			return finding_text(l, "%.*s.", (int)(end - said), said);
	return said;
}

static void unreachable(struct web *w)
{
	const struct ask *a = &w->ask;
	const char *todo = "Start the web server, or correct the base URL.";

	if (a->report.lost == LOST_NAME)
		todo = "Correct the host in the base URL, or its entry in the DNS.";
	else if (a->report.lost == LOST_TRUST)
		todo = "Give the server a certificate of a public authority (Let's Encrypt; Caddy "
		       "gets one by itself) with its whole chain; for one of your own, clients "
		       "need NODE_EXTRA_CA_CERTS.";
	else if (a->report.lost == LOST_CONNECT_TIME)
		todo = "A firewall drops the connection: open the port to clients.";
	finding_add(w->l, FINDING_ERROR, WEB_AREA, "web.unreachable",
		    finding_text(w->l, "%s can't be reached: %s", w->place.base,
				 of_server(w->l, a->fault.message)),
		    "Clients get no answer at all.", todo);
}

static bool is_program(const struct ask *a)
{
	return a->status == 200 && !a->ours &&
	       (str_starts(str_of(a->body), "\177ELF") || str_starts(str_of(a->body), "#!"));
}

/* At its own name it may lie although nothing else leads to it. */
static bool is_sent_as_file(struct web *w)
{
	struct ask *file;
	bool is = is_program(&w->ask);

	if (is || w->ask.status >= 500)
		return is;
	file = calloc(1, sizeof(*file));
	if (!file)
		return false;
	ask_perform(&w->place, &(struct question){ .method = "GET", .path = "/messages.fcgi" },
		    file);
	is = is_program(file);
	free(file);
	return is;
}

static void not_here(struct web *w)
{
	const struct ask *a = &w->ask;

	if (is_sent_as_file(w)) {
		web_found(w, FINDING_ERROR, "web.source", "The program is sent as a file, not run.",
			  "Clients get no answer at all.", PROBLEM_SOURCE);
		return;
	}
	web_found(w, FINDING_ERROR, "web.prefix",
		  finding_text(w->l, "%s does not lead to the gateway: %s.", w->place.base,
			       web_answer_text(w)),
		  "Clients get the web server's pages instead of answers.", PROBLEM_PREFIX);
	if (a->status >= 500)
		finding_add(w->l, FINDING_NOTE, WEB_AREA, "web.log",
			    "A 5xx here most often means that the program did not start.", NULL,
			    "Its first lines in the web server's error log say why; run "
			    "`messages.fcgi --check` as the web server's user.");
}

static void check_certificate(struct web *w)
{
	int64_t left = w->look.certificate_expires - clock_wall_ms() / 1000;
	char when[32];

	if (!w->look.certificate_expires)
		return;
	clock_rfc3339(when, sizeof(when), w->look.certificate_expires * 1000, 0);
	finding_add(w->l, left < SOON_SECONDS ? FINDING_WARNING : FINDING_OK, WEB_AREA,
		    left < SOON_SECONDS ? "web.expires" : "web.certificate",
		    finding_text(w->l, "The certificate is good until %s.", when),
		    left < SOON_SECONDS ? "From then on clients refuse to connect." : NULL,
		    left < SOON_SECONDS ? "See why it has not been renewed yet." : NULL);
}

bool web_reach(struct web *w)
{
	const struct ask *a =
		web_ask(w, (struct question){ .method = "GET", .path = "/", .look = &w->look });

	web_tell(w, a->server, "", false);
	check_certificate(w);
	if (a->ours)
		return true;
	if (!a->status)
		unreachable(w);
	else
		not_here(w);
	return false;
}
