/*
 * The one fault type. Whoever finds something wrong fills it where it happens; router, error writer and log
 * read only this. Turned into HTTP and JSON in one place (ingress/error.c).
 */
#ifndef MESSAGE_FAULT_H
#define MESSAGE_FAULT_H

#include "base/buf.h"
#include "base/site.h"

enum fault_class {
	FAULT_NONE,
	FAULT_BAD_REQUEST,      /* the request is wrong; the same anywhere */
	FAULT_OVERFLOW,         /* prompt larger than the model's window, or body too large */
	FAULT_AUTH,             /* credential or permission */
	FAULT_QUOTA,            /* paid-for limit used up; retrying does not help */
	FAULT_RATE,             /* rate limit; retry later */
	FAULT_OVERLOADED,       /* backend (or this program) has no capacity now */
	FAULT_TRANSIENT,        /* connect, reset, timeout, 5xx: may work when tried again */
	FAULT_CAPABILITY,       /* the backend can't do this */
	FAULT_CANCELLED,        /* the client has gone or the program stops; nobody reads the answer */
};

enum fault_scope { FAULT_OF_REQUEST, FAULT_OF_KEY, FAULT_OF_BACKEND };

struct fault {
	enum fault_class class;
	enum fault_scope scope;
	bool ours;              /* a limit of this program: no other backend can cure it */
	int status;             /* HTTP status for the client: 400 … 529 */
	const char *type;       /* the API's error type, static: "invalid_request_error", … */
	char message[2048];     /* one or two sentences, UTF-8, NUL-terminated */
	char note[512];         /* what only who runs the gateway may read (paths): log, error entries */
	const char *details;    /* JSON object for error.details, static or in the request's arena; NULL for none */
	int upstream_status;    /* the backend's own HTTP status, 0 when there was none */
	int retry_after;        /* whole seconds, -1: none */
	bool once;              /* one more attempt is all that it is worth */
	int64_t answer_limit;   /* the backend takes no larger max_tokens than this; 0: not said */
	int should_retry;       /* x-should-retry: 1 true, 0 false, -1 not sent */
	struct str raw;         /* a Messages backend's error body that passes as received; p NULL for none */
	const char *allow;      /* value of the Allow header (405), static, or NULL */
	const struct error_site *site; /* the place that made it */
};

#define FAULT_INIT ((struct fault){ .retry_after = -1, .should_retry = -1 })

/* Fills f (over what was there); returns -1 so that callers can `return fault_set(…)`. The place is
 * an error site (base/site.h) whose code is class and type. */
#define fault_set(f, class, status, type, ...) \
	fault_set_at(FAULT_SITE(class, type, __VA_ARGS__), f, class, status, type, __VA_ARGS__)
/* The same with a code of its own, for one of several places of a function that mean different
 * things: fault_set_as("key_expired", f, …). */
#define fault_set_as(code, f, class, status, type, ...) \
	fault_set_at(ERROR_SITE(code, SITE_TEXT(__VA_ARGS__)), f, class, status, type, __VA_ARGS__)
/* 400 invalid_request_error. */
#define fault_bad(f, ...) fault_set(f, FAULT_BAD_REQUEST, 400, "invalid_request_error", __VA_ARGS__)
#define fault_bad_as(code, f, ...) \
	fault_set_as(code, f, FAULT_BAD_REQUEST, 400, "invalid_request_error", __VA_ARGS__)
/* 529 overloaded_error with retry-after 1: a limit of this program or its memory is used up. */
#define fault_no_memory(f) fault_no_memory_at(ERROR_SITE("no_memory", FAULT_NO_MEMORY_TEXT), f)
/* 499: the client has gone or the program stops, so nobody reads it. */
#define fault_gone(f) \
	fault_set_as("client_gone", f, FAULT_CANCELLED, 499, "api_error", "the client has gone")

#define FAULT_SITE(class, type, ...) ERROR_SITE(#class "/" #type, SITE_TEXT(__VA_ARGS__))
#define FAULT_NO_MEMORY_TEXT "\"out of memory for this request\""
int fault_set_at(const struct error_site *site, struct fault *f, enum fault_class class, int status,
		 const char *type, const char *fmt, ...) PRINTF_LIKE(6, 7);
int fault_no_memory_at(const struct error_site *site, struct fault *f);
/* The id of the place that made it, "" when there is none; returns out. */
const char *fault_id(const struct fault *f, char out[SITE_ID_SIZE]);
/* After fault_set, which empties it; a longer one is cut. */
void fault_note(struct fault *f, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Overwrites secrets (base/redact.h) wherever it quotes them. raw: a copy that nobody else has. */
void fault_hide(struct fault *f, const struct buf *secrets);
/* "transient", "rate" …, for logs. */
const char *fault_class_name(enum fault_class class);
/* Where wall_ms, this machine's clock, is before the time of the build: adds a sentence that says so.
 * For failures of what holds a time: certificates, signatures. */
void fault_note_clock(struct fault *f, int64_t wall_ms);
/* The API's error type for an HTTP status ("api_error" for unknown ones). */
const char *fault_type_of_status(int status);
/* May the same call be tried again (before any content)? */
bool fault_retryable(const struct fault *f);

#endif
