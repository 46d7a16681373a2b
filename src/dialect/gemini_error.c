/*
 * Google's errors: {"error":{"code","message","status","details":[…]}}, alone or in a list. The
 * shared table does most; what is Google's own stands in the details, by type.
 */
#include "dialect/error.h"
#include "dialect/gemini.h"
#include "json/scan.h"

#define RETRY_MAX 86400         /* seconds; longer waits are none */

static struct span error_of(struct span doc)
{
	struct scan it;

	if (json_each(doc, &it))
		doc = scan_element(&it) ? scan_value(&it) : SPAN_ABSENT;
	return json_get(doc, "error");
}

/* The detail whose "@type" ends so; absent. */
static struct span detail_of(struct span error, const char *type)
{
	struct scan it;

	if (!json_each(json_get(error, "details"), &it))
		return SPAN_ABSENT;
	while (scan_element(&it)) {
		struct span v = scan_value(&it), name = json_get(v, "@type");

		if (span_is_string(name) && str_ends((struct str){ name.p, name.n }, type))
			return v;
	}
	return SPAN_ABSENT;
}

/* Whole seconds of "34.4s", rounded up; -1. */
static int delay_of(struct span text)
{
	struct str rest = { text.p, text.n }, whole;
	int64_t n;

	if (!span_is_string(text) || !str_ends(rest, "s"))
		return -1;
	rest.n--;
	if (!str_split(&rest, '.', &whole) || !str_int(whole, &n) || n < 0 || n > RETRY_MAX)
		return -1;
	for (size_t i = 0; i < rest.n; i++)
		if (rest.p[i] != '0')
			return (int)n + 1;
	return (int)n;
}

/* A quota of a day does not come back while a client waits. */
static bool quota_of_day(struct span error)
{
	struct scan it;

	if (!json_each(json_get(detail_of(error, "QuotaFailure"), "violations"), &it))
		return false;
	while (scan_element(&it)) {
		struct span id = json_get(scan_value(&it), "quotaId");

		if (span_is_string(id) && str_find((struct str){ id.p, id.n }, "PerDay"))
			return true;
	}
	return false;
}

/* Google answers 400 for a key that it does not know, and for an account that may not. */
static int meant_status(struct span error, int status)
{
	struct span reason = json_get(detail_of(error, "ErrorInfo"), "reason");
	struct span word = json_get(error, "status"), text = json_get(error, "message");

	if (status != 400 && status != 200)
		return status;
	if (span_is(reason, "API_KEY_INVALID") || span_is(reason, "API_KEY_EXPIRED") ||
	    (span_is(word, "INVALID_ARGUMENT") && span_is_string(text) &&
	     str_find_nocase((struct str){ text.p, text.n }, "API key not valid")))
		return 401;
	return span_is(word, "FAILED_PRECONDITION") ? 403 : status;
}

void gemini_decode_error(const struct decode_context *c, int status, struct str body,
			 struct fault *f)
{
	struct str text = str_trim(body);
	struct span error = SPAN_ABSENT;

	if (text.n && json_check(text, NULL, NULL) == 0)
		error = error_of(span_json(text));
	error_from_body(c, meant_status(error, status), body, f);
	f->upstream_status = status;
	f->retry_after = delay_of(json_get(detail_of(error, "RetryInfo"), "retryDelay"));
	if (f->class == FAULT_RATE && quota_of_day(error))
		f->should_retry = 0;
}
