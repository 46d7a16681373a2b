/*
 * The shared table of errors: what an error of a backend becomes at the client. The provider's own
 * sentence stays, but where Claude Code acts on words: a prompt that does not fit. A credential of
 * the gateway's own that is refused never looks like one of the client's, or the client would
 * throw its own away.
 */
#include "dialect/error.h"

#include <inttypes.h>

#include "dialect/dialect.h"
#include "json/scan.h"

struct outcome {
	enum fault_class class;
	enum fault_scope scope;
	int status;
	const char *type;
	int should_retry;
};

#define BAD(status, type) { FAULT_BAD_REQUEST, FAULT_OF_REQUEST, status, type, -1 }
#define BACKEND(class, status, type) { class, FAULT_OF_BACKEND, status, type, -1 }

enum meaning {
	BAD_REQUEST, REFUSED_KEY, FORBIDDEN, QUOTA, NOT_FOUND, CONFLICT, TOO_LARGE, RATE,
	OVERLOADED, TIMEOUT, SERVER, GATEWAY, MOVED,
	MEANINGS,
};
static const struct outcome outcomes[MEANINGS] = {
	[BAD_REQUEST] = BAD(400, "invalid_request_error"),
	[REFUSED_KEY] = { FAULT_AUTH, FAULT_OF_KEY, 401, "authentication_error", -1 },
	[FORBIDDEN] = { FAULT_AUTH, FAULT_OF_KEY, 403, "permission_error", -1 },
	[QUOTA] = { FAULT_QUOTA, FAULT_OF_KEY, 402, "billing_error", 0 },
	[NOT_FOUND] = BAD(404, "not_found_error"),
	[CONFLICT] = BAD(409, "conflict_error"),
	[TOO_LARGE] = { FAULT_OVERFLOW, FAULT_OF_REQUEST, 413, "request_too_large", -1 },
	[RATE] = { FAULT_RATE, FAULT_OF_KEY, 429, "rate_limit_error", -1 },
	[OVERLOADED] = BACKEND(FAULT_OVERLOADED, 529, "overloaded_error"),
	[TIMEOUT] = BACKEND(FAULT_TRANSIENT, 504, "timeout_error"),
	[SERVER] = BACKEND(FAULT_TRANSIENT, 500, "api_error"),
	[GATEWAY] = BACKEND(FAULT_TRANSIENT, 502, "api_error"),
	[MOVED] = { FAULT_TRANSIENT, FAULT_OF_BACKEND, 502, "api_error", 0 },
};

/* What a status means where the body says nothing better; other 4xx are BAD_REQUEST, other 5xx
 * SERVER. */
static const struct { int status; enum meaning meaning; } statuses[] = {
	{ 401, REFUSED_KEY }, { 402, QUOTA }, { 403, FORBIDDEN }, { 404, NOT_FOUND },
	{ 407, GATEWAY }, { 408, TIMEOUT }, { 409, CONFLICT }, { 413, TOO_LARGE },
	{ 424, SERVER }, { 429, RATE }, { 498, OVERLOADED }, { 499, TIMEOUT },
	{ 500, SERVER }, { 502, GATEWAY }, { 503, OVERLOADED }, { 504, TIMEOUT },
	{ 524, TIMEOUT }, { 529, OVERLOADED },
};

/*
 * Types and codes. always: they tell more than the status beside them; else they count only where
 * there is no status (an error inside a 200).
 */
static const struct { const char *word; enum meaning meaning; bool always; } words[] = {
	{ "insufficient_quota", QUOTA, true },                  /* OpenAI, as 429 */
	{ "credit_balance_exhausted", QUOTA, true },
	{ "billing_error", QUOTA, true },
	{ "budget_exceeded", QUOTA, true },                     /* LiteLLM, as 400 or 429 */
	{ "exceeded_current_quota_error", QUOTA, true },        /* Kimi, as 429 */
	{ "1113", QUOTA, true },                                /* GLM: no balance, as 429 */
	{ "1309", QUOTA, true },                                /* GLM: plan expired, as 429 */
	{ "1008", QUOTA, true },                                /* MiniMax: no balance, as 200 */
	{ "payment_required", QUOTA, false },
	{ "server_is_overloaded", OVERLOADED, true },           /* OpenAI */
	{ "slow_down", OVERLOADED, true },
	{ "overloaded_error", OVERLOADED, true },
	{ "engine_overloaded_error", OVERLOADED, true },        /* Kimi, as 429 */
	{ "provider_overloaded", OVERLOADED, true },            /* OpenRouter */
	{ "insufficient_system_resource", OVERLOADED, true },   /* DeepSeek */
	{ "tool_use_failed", SERVER, true },                    /* Groq, as 400: the model's fault, worth a retry */
	{ "rate_limit_exceeded", RATE, false },
	{ "rate_limit_error", RATE, false },
	{ "1002", RATE, false },                                /* MiniMax */
	{ "1302", RATE, false },                                /* GLM */
	{ "1001", TIMEOUT, false },                             /* MiniMax */
	{ "timeout", TIMEOUT, false },
	{ "timeout_error", TIMEOUT, false },
	{ "no_db_connection", REFUSED_KEY, true },              /* LiteLLM looks for a foreign key, as 400 */
	{ "auth_error", REFUSED_KEY, false },                   /* LiteLLM */
	{ "1004", REFUSED_KEY, false },                         /* MiniMax */
	{ "authentication", REFUSED_KEY, false },
	{ "authentication_error", REFUSED_KEY, false },
	{ "invalid_api_key", REFUSED_KEY, false },
	{ "permission_denied", FORBIDDEN, false },
	{ "permission_error", FORBIDDEN, false },
	{ "not_found", NOT_FOUND, false },
	{ "not_found_error", NOT_FOUND, false },
	{ "model_not_found", NOT_FOUND, false },
	{ "payload_too_large", TOO_LARGE, false },
	{ "request_too_large", TOO_LARGE, false },
	{ "invalid_request_error", BAD_REQUEST, false },
	{ "invalid_request", BAD_REQUEST, false },
	{ "bad_request_error", BAD_REQUEST, false },
	{ "BadRequestError", BAD_REQUEST, false },              /* vLLM */
	{ "invalid_prompt", BAD_REQUEST, false },
	{ "invalid-argument", BAD_REQUEST, false },             /* xAI */
	{ "content_filter", BAD_REQUEST, false },               /* Azure */
	{ "content_policy_violation", BAD_REQUEST, false },
	{ "refusal", BAD_REQUEST, false },
	{ "2013", BAD_REQUEST, false },                         /* MiniMax */
	{ "server_error", SERVER, false },
	{ "api_error", SERVER, false },
};

/* Sentences that tell more than the status; from … to: the statuses beside which they are
 * looked for. */
static const struct { const char *text; int from, to; enum meaning meaning; } sentences[] = {
	{ "specified API usage limits", 400, 429, QUOTA },      /* Anthropic's, wrapped as 400 by LiteLLM */
	{ "Budget has been exceeded", 400, 429, QUOTA },        /* LiteLLM */
	{ "credit balance is too low", 400, 429, QUOTA },       /* Anthropic */
	{ "insufficient balance", 400, 429, QUOTA },
	{ "overloaded", 429, 599, OVERLOADED },
	/* Templates of local models refuse what they were given with a 500, which a client
	 * would repeat for ever. */
	{ "must be at the beginning", 500, 500, BAD_REQUEST },
	{ "Jinja", 500, 500, BAD_REQUEST },
	{ "raise_exception", 500, 500, BAD_REQUEST },
	{ "Assistant response prefill is incompatible", 500, 500, BAD_REQUEST },        /* llama.cpp */
	{ "Invalid model name passed in", 400, 400, NOT_FOUND },        /* LiteLLM */
	{ "tool call validation failed", 400, 400, SERVER },    /* Groq */
};

static bool meaning_of_words(const struct backend_error *e, bool always, enum meaning *m)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (words[i].always == always && backend_error_is(e, words[i].word)) {
			*m = words[i].meaning;
			return true;
		}
	}
	return false;
}

static bool meaning_of_sentence(const struct backend_error *e, int status, enum meaning *m)
{
	for (size_t i = 0; i < sizeof(sentences) / sizeof(*sentences); i++) {
		if (status >= sentences[i].from && status <= sentences[i].to &&
		    str_find_nocase(buf_str(&e->message), sentences[i].text)) {
			*m = sentences[i].meaning;
			return true;
		}
	}
	return false;
}

static enum meaning meaning_of_status(int status)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++)
		if (statuses[i].status == status)
			return statuses[i].meaning;
	if (status >= 300 && status < 400)
		return MOVED;
	return status >= 500 ? SERVER : status >= 400 ? BAD_REQUEST : GATEWAY;
}

static enum meaning meaning_of(const struct backend_error *e, int status)
{
	enum meaning m;

	/* OpenRouter holds credit for running requests: that passes in a moment. */
	if (span_is(json_path(e->object, "metadata", "limit_source", NULL), "openrouter_in_flight_budget"))
		return RATE;
	if (meaning_of_words(e, true, &m) || meaning_of_sentence(e, status, &m))
		return m;
	if (status < 400 && meaning_of_words(e, false, &m))
		return m;
	return meaning_of_status(status);
}

/* Counts that are missing but follow from the others. */
static void complete_counts(struct overflow *o)
{
	if (!o->prompt && o->total > o->output)
		o->prompt = o->total - o->output;
}

static void set_overflow(struct fault *f, struct overflow o, struct str message)
{
	complete_counts(&o);
	if (o.output && o.prompt && o.prompt < o.max && o.prompt + o.output > o.max) {
		/* Claude Code reads the three numbers and asks for less. */
		fault_set_as("input_and_max_tokens", f, FAULT_OVERFLOW, 400, "invalid_request_error",
			  "input length and `max_tokens` exceed context limit: %" PRId64 " + %" PRId64
			  " > %" PRId64, o.prompt, o.output, o.max);
	} else if (o.prompt && o.max && o.prompt > o.max) {
		fault_set_as("prompt_too_long", f, FAULT_OVERFLOW, 400, "invalid_request_error",
			  "prompt is too long: %" PRId64 " tokens > %" PRId64 " maximum", o.prompt, o.max);
	} else if (str_starts_nocase(message, "prompt is too long")) {
		fault_set_as("prompt_too_long_said", f, FAULT_OVERFLOW, 400, "invalid_request_error",
			     "%.*s", STR_ARGS(message));
	} else {
		fault_set_as("prompt_too_long_unmeasured", f, FAULT_OVERFLOW, 400, "invalid_request_error", "prompt is too long: %.*s",
			  STR_ARGS(message.n ? message : STR("the backend refused it without a word")));
	}
}

static bool may_overflow(int status)
{
	return status < 400 || status == 400 || status == 413 || status == 422 || status == 500;
}

/* Nothing but a status for a very large request: some servers have no words for it. */
#define LARGE_REQUEST (512 * 1024)
static bool silent_overflow(const struct decode_context *c, int status, struct str body)
{
	return (status == 400 || status == 413) && !str_trim(body).n && c->request &&
		c->request->body.n >= LARGE_REQUEST;
}

/* The gateway's own credential was refused: told so that its owner finds it, and so that the
 * client keeps its own. */
static void set_own_key(struct fault *f, const struct backend *b, int status, struct str message)
{
	const char *from = b->api_key_from ? b->api_key_from : b->api_key ? "its configuration" : NULL;

	if (!from)
		fault_set_as("no_own_key", f, FAULT_AUTH, 502, "api_error",
			  "backend %s answered %d, and no api_key is configured for it: %.*s", b->name, status,
			  STR_ARGS(message));
	else
		fault_set(f, FAULT_AUTH, 502, "api_error",
			  "backend %s answered %d to the gateway's own key (backends.%s.%s): %.*s",
			  b->name, status, b->name,
			  b->credential.kind <= CREDENTIAL_EXEC ? "api_key" : "credential",
			  STR_ARGS(message));
	if (from)
		fault_note(f, "api_key from %s", from);
	f->scope = FAULT_OF_KEY;
	f->should_retry = 0;
}

static void set_outcome(struct fault *f, const struct decode_context *c, enum meaning m, int status,
			struct str message)
{
	const struct outcome *o = &outcomes[m];

	if (o->class == FAULT_AUTH && !c->target->caller_key) {
		set_own_key(f, c->target->backend, status < 400 ? o->status : status, message);
		return;
	}
	/* A redirect is not followed: it could take the key anywhere. */
	if (m == MOVED)
		fault_set_as("redirect", f, o->class, o->status, o->type,
			  "backend %s answered %d, a redirect, which is not followed: correct "
			  "backends.%s.base_url.", c->target->backend->name, status,
			  c->target->backend->name);
	else if (message.n)
		fault_set_as("message", f, o->class, o->status, o->type, "%.*s", STR_ARGS(message));
	else
		fault_set_as("no_message", f, o->class, o->status, o->type, "backend %s answered %d without a message",
			  c->target->backend->name, status);
	f->scope = o->scope;
	f->should_retry = o->should_retry;
}

/* Groq could not read the call that its model made: the model's fault, which another try may not
 * repeat. */
static bool failed_call(const struct backend_error *e)
{
	return backend_error_is(e, "tool_use_failed") ||
	       str_find_nocase(buf_str(&e->message), "tool call validation failed");
}

/* The message, with what the model wrote where that is why. */
static struct str told(struct backend_error *e)
{
	struct span wrote = json_get(e->object, "failed_generation");

	if (failed_call(e) && span_is_string(wrote) && !span_blank(wrote)) {
		buf_puts(&e->message, " The model wrote: ");
		backend_error_add(e, wrote);
	}
	return str_cut_utf8(buf_str(&e->message), 1800);
}

void error_from_body(const struct decode_context *c, int status, struct str body, struct fault *f)
{
	struct backend_error e;
	struct overflow counts;
	int said;

	backend_error_read(&e, body);
	said = status >= 400 ? status : e.status ? e.status : status;
	if (silent_overflow(c, status, body))
		set_overflow(f, (struct overflow){ 0 }, STR_NONE);
	else if (may_overflow(said) && error_overflow(&e, &counts))
		set_overflow(f, counts, buf_str(&e.message));
	else
		set_outcome(f, c, meaning_of(&e, said), said, told(&e));
	if (f->class == FAULT_BAD_REQUEST)
		f->answer_limit = error_answer_limit(&e);
	f->once = failed_call(&e);
	f->upstream_status = status;
	backend_error_release(&e);
}
