/*
 * What the doctor asks of a gateway that runs, through the web server in front: POST /v1/messages
 * with the header x-messages-doctor. At that path and no other, because what web servers and
 * firewalls do often depends on it. No backend is called, so it costs nothing; and nobody is served
 * who may not send messages or has no ticket of this configuration (doctor/ticket.h).
 *
 *   echo        reads the body; what has arrived of it and of the headers
 *   stream      a few events, some time apart
 *   silence N   says nothing for N seconds, then answers
 *   error       an answer with status 529
 */
#include <cjson/cJSON.h>
#include <string.h>

#include "api/api.h"
#include "base/clock.h"
#include "doctor/ticket.h"
#include "ingress/ingress.h"

/* The body is counted, not kept. */
static int read_body(struct api_call *c, size_t *bytes, struct fault *f)
{
	char part[4096];
	ssize_t got;

	*bytes = 0;
	while ((got = c->front->ops->read(c->front, part, sizeof(part))) > 0) {
		*bytes += (size_t)got;
		if (*bytes > (size_t)c->config->max_body)
			return fault_set(f, FAULT_OVERFLOW, 413, "request_too_large",
					 "The request body has more than %lld bytes "
					 "(limits.max_body).",
					 (long long)c->config->max_body);
	}
	if (got < 0)
		return fault_bad(f, "The request body ended before its Content-Length was reached, "
				    "or did not arrive in time (client_read_timeout).");
	return 0;
}

static void add_text(cJSON *o, const char *key, const char *text)
{
	cJSON_AddStringToObject(o, key, text && str_utf8(str_of(text)) ? text : "");
}

static int echo(struct api_call *c, int64_t argument)
{
	const struct http_request *r = c->request;
	const char *script = c->front->ops->param(c->front, "SCRIPT_FILENAME");
	struct fault f = FAULT_INIT;
	size_t bytes;
	cJSON *o;

	if (read_body(c, &bytes, &f))
		return anthropic_error_answer(c->answer, &f);
	o = cJSON_CreateObject();
	add_text(o, "type", "doctor");
	cJSON_AddNumberToObject(o, "bytes", (double)bytes);
	cJSON_AddBoolToObject(o, "authorization", http_header(r, "authorization") != NULL);
	cJSON_AddBoolToObject(o, "x_api_key", http_header(r, "x-api-key") != NULL);
	cJSON_AddBoolToObject(o, "anthropic_version", http_header(r, "anthropic-version") != NULL);
	cJSON_AddBoolToObject(o, "anthropic_beta", http_header(r, "anthropic-beta") != NULL);
	cJSON_AddBoolToObject(o, "proxied", script && str_starts(str_of(script), "proxy:"));
	add_text(o, "query", r->query);
	add_text(o, "front", c->front->ops->name);
	add_text(o, "server", c->front->ops->param(c->front, "SERVER_SOFTWARE"));
	return api_json(c, 200, o);
}

/* ---- time ---- */

struct client_waiter {
	struct waiter w; /* first */
	struct front *front;
};

static int client_ready(struct waiter *w, int i)
{
	struct client_waiter *x = (struct client_waiter *)w;

	if (i == 1 || x->front->ops->gone(x->front))
		return WAIT_CANCEL;
	w->fd[i] = -1;
	return WAIT_GO;
}

/* Until ms are over, the client leaves, or the program stops. */
static int pause_for(struct api_call *c, int64_t ms)
{
	struct client_waiter x = {
		.w = { .fd = { c->front->ops->watch_fd(c->front), stop_fd() },
		       .ready = client_ready,
		       .due = CLOCK_NEVER },
		.front = c->front,
	};

	return wait_until(&x.w, clock_ms() + ms) == WAIT_CANCEL ? -1 : 0;
}

static int stream(struct api_call *c, int64_t argument)
{
	struct fault f = FAULT_INIT;
	size_t bytes;

	if (read_body(c, &bytes, &f))
		return anthropic_error_answer(c->answer, &f);
	if (answer_begin(c->answer, 200, "text/event-stream; charset=utf-8"))
		return -1;
	for (int i = 0; i < DOCTOR_EVENTS; i++) {
		char event[64];
		int n = snprintf(event, sizeof(event), "event: doctor\ndata: {\"n\":%d}\n\n", i);

		if (i && pause_for(c, DOCTOR_GAP_MS))
			return -1;
		if (answer_write(c->answer, (struct str){ event, (size_t)n }) ||
		    answer_flush(c->answer))
			return -1;
	}
	return 0;
}

static int silence(struct api_call *c, int64_t argument)
{
	struct fault f = FAULT_INIT;
	size_t bytes;
	cJSON *o;

	if (read_body(c, &bytes, &f))
		return anthropic_error_answer(c->answer, &f);
	if (pause_for(c, argument * 1000))
		return -1;
	o = cJSON_CreateObject();
	add_text(o, "type", "doctor");
	cJSON_AddNumberToObject(o, "silence", (double)argument);
	return api_json(c, 200, o);
}

static int error(struct api_call *c, int64_t argument)
{
	struct fault f = FAULT_INIT;
	size_t bytes;

	if (read_body(c, &bytes, &f) == 0)
		fault_set(&f, FAULT_OVERLOADED, 529, "overloaded_error",
			  "This is the error that the doctor asked for.");
	return anthropic_error_answer(c->answer, &f);
}

/* name, most of its number (0: it has none), function */
static const struct {
	const char *name;
	int64_t most;
	int (*run)(struct api_call *c, int64_t argument);
} tests[] = {
	{ "echo", 0, echo },
	{ "stream", 0, stream },
	{ "silence", DOCTOR_SILENCE_MAX, silence },
	{ "error", 0, error },
};

static int handle(struct api_call *c)
{
	struct str rest = str_of(http_header(c->request, DOCTOR_HEADER)), name;
	struct fault f = FAULT_INIT;
	int64_t n = 0;

	name = rest;
	str_split(&rest, ' ', &name);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (!str_is(name, tests[i].name))
			continue;
		if (tests[i].most && (!str_int(rest, &n) || n < 0 || n > tests[i].most))
			break;
		return tests[i].run(c, n);
	}
	fault_bad(&f, "%s: must be echo, stream, error, or silence with 0 to %d seconds",
		  DOCTOR_HEADER, DOCTOR_SILENCE_MAX);
	return api_fault(c, &f);
}

const struct api_route *api_probe_route(const struct api_call *c, const struct api_route *rt)
{
	static const struct api_route for_key = { "POST", "/v1/messages", NEED_MESSAGES, true,
						  handle },
				      for_ticket = { "POST", "/v1/messages", NEED_NOTHING, true,
						     handle };
	const char *ticket;

	if (!rt || rt->handle != api_messages || !http_header(c->request, DOCTOR_HEADER))
		return rt;
	ticket = http_header(c->request, DOCTOR_TICKET_HEADER);
	return ticket_valid(c->config, ticket, clock_wall_ms() / 1000) ? &for_ticket : &for_key;
}
