/*
 * Header lines of an answer into struct upstream_head. Which header goes where is a table.
 */
#include "upstream/head.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* A backend that wants us to wait for longer than a week means never. */
#define RETRY_MAX 604800
/* Bytes of headers that pass to the client; more are left out. */
#define PASS_MAX 16384
#define RELAYED "llm_provider-"

void head_init(struct head *h)
{
	buf_init(&h->pass, PASS_MAX);
	head_start(h, 0);
}

void head_release(struct head *h)
{
	buf_release(&h->pass);
}

void head_start(struct head *h, int status)
{
	h->out = (struct upstream_head){ .status = status, .retry_after = -1, .should_retry = -1 };
	buf_reset(&h->pass);
}

int head_status(struct str line)
{
	const char *space = str_starts(line, "HTTP/") ? str_chr(line, ' ') : NULL;

	if (!space || line.n - (size_t)(space - line.p) < 4)
		return 0;
	for (int i = 1; i < 4; i++)
		if (!isdigit((unsigned char)space[i]))
			return 0;
	return (space[1] - '0') * 100 + (space[2] - '0') * 10 + space[3] - '0';
}

/* Copies what fits; false when it does not. */
static bool copy(char *to, size_t size, struct str s, bool lower)
{
	bool fits = s.n < size;

	if (!fits)
		s.n = size - 1;
	for (size_t i = 0; i < s.n; i++)
		to[i] = lower ? (char)tolower((unsigned char)s.p[i]) : s.p[i];
	to[s.n] = 0;
	return fits;
}

static void set_content_type(struct upstream_head *h, struct str v, int64_t wall_ms)
{
	const char *semicolon = str_chr(v, ';');

	if (semicolon)
		v.n = (size_t)(semicolon - v.p);
	copy(h->content_type, sizeof(h->content_type), str_trim(v), true);
}

/* Rounded up, because who comes back a moment too early gets the same refusal again. */
static int whole_seconds(double s)
{
	int whole;

	if (!(s > 0))
		return 0;
	if (s >= RETRY_MAX)
		return RETRY_MAX;
	whole = (int)s;
	return s > whole ? whole + 1 : whole;
}

/* RFC 9110, section 10.2.3: seconds or a date; some send a fraction. */
static void set_retry_after(struct upstream_head *h, struct str v, int64_t wall_ms)
{
	char text[64], *end;
	double n;
	int64_t date;

	if (h->retry_after >= 0 || !copy(text, sizeof(text), v, false) || v.n == 0)
		return;
	n = strtod(text, &end);
	if (*end == 0 && isdigit((unsigned char)text[0])) {
		h->retry_after = whole_seconds(n);
		return;
	}
	date = clock_read_date(text);
	if (date >= 0)
		h->retry_after = whole_seconds((double)date - (double)wall_ms / 1000);
}

/* Finer than retry-after, so it wins. */
static void set_retry_after_ms(struct upstream_head *h, struct str v, int64_t wall_ms)
{
	char text[64], *end;
	double n;

	if (!copy(text, sizeof(text), v, false) || !isdigit((unsigned char)text[0]))
		return;
	n = strtod(text, &end);
	if (*end == 0)
		h->retry_after = whole_seconds(n / 1000);
}

static void set_should_retry(struct upstream_head *h, struct str v, int64_t wall_ms)
{
	if (str_is_nocase(v, "true"))
		h->should_retry = 1;
	else if (str_is_nocase(v, "false"))
		h->should_retry = 0;
}

static void set_request_id(struct upstream_head *h, struct str v, int64_t wall_ms)
{
	if (!h->request_id[0])
		copy(h->request_id, sizeof(h->request_id), v, false);
}

static void set_error_type(struct upstream_head *h, struct str v, int64_t wall_ms)
{
	copy(h->error_type, sizeof(h->error_type), v, false);
}

static void set_server(struct upstream_head *h, struct str v, int64_t wall_ms)
{
	copy(h->server, sizeof(h->server), v, false);
}

static void set_cost(struct upstream_head *h, struct str v, int64_t wall_ms)
{
	copy(h->cost, sizeof(h->cost), v, false);
}

static const struct {
	const char *name;
	void (*set)(struct upstream_head *h, struct str value, int64_t wall_ms);
} known[] = {
	{ "content-type", set_content_type },
	{ "retry-after", set_retry_after },
	{ "retry-after-ms", set_retry_after_ms },
	{ "x-should-retry", set_should_retry },
	{ "request-id", set_request_id },
	{ "x-request-id", set_request_id },
	{ "x-amzn-requestid", set_request_id },
	{ "x-amzn-errortype", set_error_type },
	{ "x-generation-id", set_request_id },
	{ "x-litellm-call-id", set_request_id },
	{ RELAYED "retry-after", set_retry_after },
	{ "x-litellm-response-cost", set_cost },
	{ "server", set_server },
};

/* A header that has no room any more is left out whole: half of one would say something else. */
static void pass_on(struct head *h, struct str name, struct str value)
{
	size_t more = name.n + value.n + 3;
	char *to = h->pass.n + more <= PASS_MAX ? buf_room(&h->pass, more) : NULL;

	if (!to)
		return;
	for (size_t i = 0; i < name.n; i++)
		*to++ = (char)tolower((unsigned char)name.p[i]);
	*to++ = ':';
	*to++ = ' ';
	memcpy(to, value.p, value.n);
	to[value.n] = '\n';
	h->pass.n += more;
}

const struct upstream_head *head_end(struct head *h)
{
	h->out.pass = buf_str(&h->pass);
	return &h->out;
}

void head_line(struct head *h, struct str line, int64_t wall_ms)
{
	const char *colon = str_chr(line, ':');
	struct str name, value;

	if (!colon)
		return;
	name = (struct str){ line.p, (size_t)(colon - line.p) };
	value = str_trim((struct str){ colon + 1, line.n - name.n - 1 });
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (str_is_nocase(name, known[i].name)) {
			known[i].set(&h->out, value, wall_ms);
			return;
		}
	}
	/* LiteLLM puts this in front of what its own backend said. */
	if (str_starts_nocase(name, RELAYED "anthropic-ratelimit-"))
		name = str_from(name, sizeof(RELAYED) - 1);
	if (str_starts_nocase(name, "anthropic-"))
		pass_on(h, name, value);
}
