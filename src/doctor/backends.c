/*
 * The backends, each asked by a thread of its own: how far a call gets, and what the answer means
 * in terms of what to change.
 */
#include "doctor/doctor.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/redact.h"
#include "run/probe.h"

#define AT_ONCE 32
#define STACK_BYTES (256 * 1024)
#define ARENA_MAX (16u << 20)
#define DAY_MS (86400 * 1000LL)
#define EXPIRES_SOON (14 * DAY_MS) /* a public certificate is renewed well before */

struct job {
	const struct backend *backend;
	int64_t deadline;
	pthread_t thread;
	bool threaded;
	int rc;
	struct run_probe probe;
	struct fault fault;
};

static void *work(void *arg)
{
	struct job *j = arg;
	struct arena arena;

	arena_init(&arena, ARENA_MAX);
	j->rc = run_probe(j->backend, &arena, j->deadline, &j->probe, &j->fault);
	arena_release(&arena);
	return NULL;
}

/* ---- what it means ---- */

/* How far it came, what matters about that, what to do; "%s" is the backend's name. */
static const struct {
	enum upstream_lost lost;
	const char *id, *todo;
} losses[] = {
	{ LOST_CREDENTIAL, "backend.credential",
	  "Correct the credential: what `backends.%s` names under api_key or credential, as the "
	  "user who runs the gateway." },
	{ LOST_URL, "backend.url", "Correct backends.%s.base_url." },
	{ LOST_NAME, "backend.dns",
	  "Compare the host in backends.%s.base_url with the provider's documentation; `getent "
	  "hosts NAME` shows what this machine knows. In a container or chroot: it needs "
	  "/etc/resolv.conf." },
	{ LOST_PROXY, "backend.proxy",
	  "Correct the proxy: backends.%s.proxy, or https_proxy and no_proxy in the environment; "
	  "proxy = \"\" uses none." },
	{ LOST_CONNECT, "backend.connect",
	  "Start the server, correct the port in backends.%s.base_url, or let the host's firewall "
	  "pass outgoing connections to it (shared hosts often have to be asked)." },
	{ LOST_CONNECT_TIME, "backend.connect",
	  "A firewall that drops packets looks like this: ask the host to let connections to it "
	  "pass, or set backends.%s.proxy to one that may." },
	{ LOST_TRUST, "backend.certificate",
	  "For a server with a certificate of your own: backends.%s.ca_file = \"/path/to/ca.pem\". "
	  "For a public provider: install or update ca-certificates; a proxy that opens TLS needs "
	  "its own certificate in ca_file." },
	{ LOST_ANCHORS, "backend.anchors",
	  "Correct backends.%s.ca_file (or SSL_CERT_FILE): a PEM file that the user who runs the "
	  "gateway can read. Without ca_file: install ca-certificates." },
	{ LOST_TLS, "backend.tls",
	  "Is it an https port? Else backends.%s.base_url begins with http://. A very old server "
	  "may know no TLS 1.2." },
	{ LOST_SENDING, "backend.answer", "Is backends.%s.base_url that of the API?" },
	{ LOST_ANSWER, "backend.answer",
	  "Is backends.%s.base_url that of the API, on its own port?" },
	{ LOST_TIME, "backend.slow",
	  "It took the connection and then said nothing: look at that server's own state (a local "
	  "model may be loading); backends.%s.first_byte_timeout is for real requests." },
	{ LOST_OTHER, "backend.failed", "Look at backends.%s in the configuration." },
};

static const char *area_of(struct findings *l, const struct backend *b)
{
	return finding_text(l, "backend %s", b->name);
}

static const char *fill(struct findings *l, const char *text, const char *name)
{
	const char *at = strstr(text, "%s");

	return at ? finding_text(l, "%.*s%s%s", (int)(at - text), text, name, at + 2) : text;
}

static void add_lost(struct findings *l, const struct job *j)
{
	size_t i = 0;

	while (losses[i].lost != j->probe.report.lost && losses[i].lost != LOST_OTHER)
		i++;
	finding_add(l, FINDING_ERROR, area_of(l, j->backend), losses[i].id,
		    finding_plain(l, j->fault.message, j->backend->name),
		    "Requests to this backend fail.", fill(l, losses[i].todo, j->backend->name));
}

/* What a status says of the settings: from, to, level, id, in words, what to do. */
static const struct {
	int from, to;
	enum finding_level level;
	const char *id, *what, *todo;
} meanings[] = {
	{ 300, 399, FINDING_ERROR, "backend.redirect",
	  "it sends callers elsewhere, and keys are never sent along",
	  "Set backends.%s.base_url to the address that it names." },
	{ 401, 401, FINDING_ERROR, "backend.key", "it refuses the key",
	  "Put a key that is valid there; see where it comes from above." },
	{ 402, 402, FINDING_ERROR, "backend.quota", "the account has no credit",
	  "Pay, or let a `targets` chain go on to another backend." },
	{ 403, 403, FINDING_ERROR, "backend.key", "it refuses this key or this address",
	  "Check what the key may do at the provider, and that it may be used from this country "
	  "and network." },
	{ 404, 405, FINDING_WARNING, "backend.path", "there is no model list at this address",
	  "If messages fail too, correct backends.%s.base_url; if the provider has no list, set "
	  "backends.%s.path_models = \"\"." },
	{ 407, 407, FINDING_ERROR, "backend.proxy", "a proxy wants a name and password",
	  "Put them into backends.%s.proxy: \"http://name:password@proxy:3128\"." },
	{ 429, 429, FINDING_WARNING, "backend.rate", "it is at its limit now",
	  "Wait, or let a `targets` chain go on to another backend." },
	{ 400, 499, FINDING_WARNING, "backend.refused", "it refuses to list its models",
	  "If messages fail too, compare backends.%s with the provider's documentation." },
	{ 500, 599, FINDING_WARNING, "backend.down", "it has trouble of its own",
	  "Look at the provider's status page, or at that server's log." },
	{ 0, 999, FINDING_WARNING, "backend.odd", "that is no model list",
	  "Is backends.%s.base_url that of the API, and not of a web page?" },
};

/* "…%s…%s…": the name in each place. */
static const char *fill_all(struct findings *l, const char *text, const char *name)
{
	while (strstr(text, "%s"))
		text = fill(l, text, name);
	return text;
}

static void add_status(struct findings *l, const struct job *j)
{
	const struct backend *b = j->backend;
	int status = j->probe.status;
	char said[256];
	size_t i = 0;

	while (status < meanings[i].from || status > meanings[i].to)
		i++;
	redact(said, sizeof(said), finding_plain(l, j->fault.message, b->name), b->api_key);
	finding_add(l, meanings[i].level, area_of(l, b), meanings[i].id,
		    finding_text(l, "%s answered %d: %s.%s%s%s", b->base_url, status,
				 meanings[i].what,
				 b->api_key_from && (status == 401 || status == 403)
					 ? finding_text(l, " The key is from %s.", b->api_key_from)
					 : "",
				 *said ? " It says: " : "", said),
		    status < 500 && meanings[i].level == FINDING_ERROR
			    ? "Requests to this backend fail."
			    : NULL,
		    fill_all(l, meanings[i].todo, b->name));
}

static void add_certificate(struct findings *l, const struct job *j)
{
	const struct upstream_look *look = &j->probe.look;
	int64_t left = look->certificate_expires * 1000 - clock_wall_ms();
	char when[32];

	if (!look->certificate_expires || left > EXPIRES_SOON)
		return;
	clock_rfc3339(when, sizeof(when), look->certificate_expires * 1000, 0);
	finding_add(l, FINDING_WARNING, area_of(l, j->backend), "backend.expires",
		    finding_text(l, "Its certificate ends at %s.", when),
		    "From then on requests to this backend fail.",
		    "Renew it if the server is yours.");
}

static void add_verify(struct findings *l, const struct backend *b)
{
	if (!b->tls_verify && str_starts_nocase(str_of(b->base_url), "https:"))
		finding_add(l, FINDING_WARNING, area_of(l, b), "backend.unverified",
			    "Its certificate is not verified (tls_verify = false).",
			    "Whoever is on the way there can read the key and all that is said.",
			    finding_text(l,
					 "backends.%s.ca_file = \"/path/to/ca.pem\" and take "
					 "tls_verify out.",
					 b->name));
}

static const char *way(struct findings *l, const struct run_probe *p)
{
	char when[32];

	if (p->look.secured_ms < 0)
		return finding_text(l, "%s, connected in %lld ms", p->look.address,
				    (long long)p->look.connected_ms);
	if (!p->look.certificate_expires)
		return finding_text(l, "%s, TLS in %lld ms", p->look.address,
				    (long long)p->look.secured_ms);
	clock_rfc3339(when, sizeof(when), p->look.certificate_expires * 1000, 0);
	return finding_text(l, "%s, TLS in %lld ms, certificate good until %.10s, trusted by %s",
			    p->look.address, (long long)p->look.secured_ms, when,
			    *p->look.anchors ? p->look.anchors : "the system's store");
}

static void add_well(struct findings *l, const struct job *j)
{
	const struct backend *b = j->backend;
	const struct run_probe *p = &j->probe;

	if (p->listed)
		finding_add(l, FINDING_OK, area_of(l, b), "backend.answers",
			    finding_text(l, "It listed %zu models in %lld ms (%s).", p->models,
					 (long long)p->report.first_byte_ms, way(l, p)),
			    NULL, NULL);
	else
		finding_add(l, FINDING_OK, area_of(l, b), "backend.reached",
			    finding_text(l,
					 "It can be reached (%s). It has no model list: whether "
					 "the key is good shows with the first message.",
					 way(l, p)),
			    NULL, NULL);
}

static void judge(struct findings *l, const struct job *j)
{
	if (j->rc == 0)
		add_well(l, j);
	else if (j->probe.status)
		add_status(l, j);
	else
		add_lost(l, j);
	add_certificate(l, j);
	add_verify(l, j->backend);
}

/* ---- all of them ---- */

static void start(struct job *j, const pthread_attr_t *attr)
{
	j->threaded = pthread_create(&j->thread, attr, work, j) == 0;
	if (!j->threaded)
		work(j);
}

static void run_all(struct findings *l, const struct backend *backends, size_t n, int64_t deadline)
{
	struct job *jobs = calloc(n, sizeof(*jobs));
	pthread_attr_t attr;

	if (!jobs || pthread_attr_init(&attr)) {
		free(jobs);
		return;
	}
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	for (size_t i = 0; i < n; i++) {
		jobs[i].backend = &backends[i];
		jobs[i].deadline = deadline;
		start(&jobs[i], &attr);
	}
	for (size_t i = 0; i < n; i++) {
		if (jobs[i].threaded)
			pthread_join(jobs[i].thread, NULL);
		judge(l, &jobs[i]);
	}
	pthread_attr_destroy(&attr);
	free(jobs);
}

void doctor_backends(struct findings *l, const struct config *c, int64_t deadline)
{
	size_t n = c->nbackends < AT_ONCE ? c->nbackends : AT_ONCE;

	if (!c->backend)
		finding_add(l, FINDING_ERROR, "backends", "backend.none", "No backend is set up.",
			    "Every request is refused.",
			    "Set the key of a provider (such as OPENROUTER_API_KEY), or a backend "
			    "with its base_url under `backends`.");
	if (n)
		run_all(l, c->backends, n, deadline);
	if (n < c->nbackends)
		finding_add(
			l, FINDING_NOTE, "backends", "backend.more",
			finding_text(l, "%zu more backends were not looked at.", c->nbackends - n),
			NULL, NULL);
}
