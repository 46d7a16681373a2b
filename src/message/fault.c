/*
 * Faults: filling them, and the API's table of error types.
 */
#include "message/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/redact.h"

static void fault_set_text(struct fault *f, const char *fmt, va_list ap)
{
	int n = vsnprintf(f->message, sizeof(f->message), fmt, ap);

	if (n < 0)
		f->message[0] = '\0';
	if (n < 0 || (size_t)n < sizeof(f->message))
		return;
	/* Cut by vsnprintf, perhaps inside a character. */
	struct str cut = str_cut_utf8((struct str){ f->message, sizeof(f->message) - 1 },
				      sizeof(f->message) - 4);
	f->message[cut.n] = '\0';
}

void fault_note_clock(struct fault *f, int64_t wall_ms)
{
	size_t n = strlen(f->message);
	char now[32];

	if (wall_ms / 1000 >= clock_build())
		return;
	clock_rfc3339(now, sizeof(now), wall_ms, 0);
	snprintf(f->message + n, sizeof(f->message) - n,
		 " This machine's clock says %s, which is before this program was made: set the "
		 "clock.", now);
}

int fault_set_at(const struct error_site *site, struct fault *f, enum fault_class class, int status,
		 const char *type, const char *fmt, ...)
{
	va_list ap;

	*f = FAULT_INIT;
	f->class = class;
	f->status = status;
	f->type = type;
	f->site = site;
	va_start(ap, fmt);
	fault_set_text(f, fmt, ap);
	va_end(ap);
	return -1;
}

void fault_note(struct fault *f, const char *fmt, ...)
{
	struct str cut;
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(f->note, sizeof(f->note), fmt, ap) < 0)
		f->note[0] = '\0';
	va_end(ap);
	cut = str_cut_utf8(str_of(f->note), sizeof(f->note) - 4);
	f->note[cut.n] = '\0';
}

int fault_no_memory_at(const struct error_site *site, struct fault *f)
{
	fault_set_at(site, f, FAULT_OVERLOADED, 529, "overloaded_error",
		     "The gateway is out of memory for this request; try again in a moment.");
	f->retry_after = 1;
	f->ours = true;
	return -1;
}

const char *fault_id(const struct fault *f, char out[SITE_ID_SIZE])
{
	out[0] = '\0';
	if (f->site)
		site_id(f->site, out);
	return out;
}

void fault_hide(struct fault *f, const struct buf *secrets)
{
	redact_all(f->message, strlen(f->message), secrets);
	redact_all((char *)f->raw.p, f->raw.n, secrets);
}

const char *fault_class_name(enum fault_class class)
{
	static const char *const names[] = {
		[FAULT_NONE] = "none",
		[FAULT_BAD_REQUEST] = "bad_request",
		[FAULT_OVERFLOW] = "overflow",
		[FAULT_AUTH] = "auth",
		[FAULT_QUOTA] = "quota",
		[FAULT_RATE] = "rate",
		[FAULT_OVERLOADED] = "overloaded",
		[FAULT_TRANSIENT] = "transient",
		[FAULT_CAPABILITY] = "capability",
		[FAULT_CANCELLED] = "cancelled",
	};

	return names[class];
}

const char *fault_type_of_status(int status)
{
	/* anthropic-messages, "Errors". */
	static const struct { int status; const char *type; } table[] = {
		{ 400, "invalid_request_error" },
		{ 401, "authentication_error" },
		{ 402, "billing_error" },
		{ 403, "permission_error" },
		{ 404, "not_found_error" },
		{ 405, "invalid_request_error" },
		{ 409, "conflict_error" },
		{ 413, "request_too_large" },
		{ 415, "invalid_request_error" },
		{ 422, "invalid_request_error" },
		{ 429, "rate_limit_error" },
		{ 500, "api_error" },
		{ 502, "api_error" },
		{ 504, "timeout_error" },
		{ 529, "overloaded_error" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (table[i].status == status)
			return table[i].type;
	return status >= 400 && status < 500 ? "invalid_request_error" : "api_error";
}

bool fault_retryable(const struct fault *f)
{
	if (f->should_retry == 0)
		return false;
	return f->class == FAULT_RATE || f->class == FAULT_OVERLOADED || f->class == FAULT_TRANSIENT;
}
