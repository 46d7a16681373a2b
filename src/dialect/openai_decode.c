/*
 * Reads openai-chat answers: chunks of a stream, or a whole body, which is one chunk with a
 * "message" for its "delta". Nothing is believed about order: reasoning, text and calls are sent
 * as they come, while finish reason and usage are kept until the end, because both may come early,
 * twice, late or never. The keeper behind makes a legal message of it.
 *
 * Fragments of text and arguments go on exactly as they stand between their quotes.
 */
#include "dialect/openai.h"
#include "dialect/openai_decode.h"

#include <string.h>

#include "json/scan.h"

enum {
	TOP_ID, TOP_MODEL, TOP_CHOICES, TOP_USAGE, TOP_ERROR, TOP_OBJECT, TOP_TYPE, TOP_BASE_RESP,
	TOP_X_GROQ, TOP_CITATIONS, TOP_RESULTS, TOP_FIELDS,
};
static const char *const top_names[TOP_FIELDS] = {
	[TOP_ID] = "id", [TOP_MODEL] = "model", [TOP_CHOICES] = "choices", [TOP_USAGE] = "usage",
	[TOP_ERROR] = "error", [TOP_OBJECT] = "object", [TOP_TYPE] = "type",
	[TOP_BASE_RESP] = "base_resp", [TOP_X_GROQ] = "x_groq",
	[TOP_CITATIONS] = "citations", [TOP_RESULTS] = "search_results",        /* Perplexity */
};

enum {
	CHOICE_INDEX, CHOICE_DELTA, CHOICE_MESSAGE, CHOICE_FINISH, CHOICE_NATIVE, CHOICE_STOP,
	CHOICE_ERROR, CHOICE_FIELDS,
};
static const char *const choice_names[CHOICE_FIELDS] = {
	[CHOICE_INDEX] = "index", [CHOICE_DELTA] = "delta", [CHOICE_MESSAGE] = "message",
	[CHOICE_FINISH] = "finish_reason", [CHOICE_NATIVE] = "native_finish_reason",
	[CHOICE_STOP] = "stop_reason", [CHOICE_ERROR] = "error",
};

/* The names under which reasoning comes, in the order in which the first that says something is
 * taken. */
enum {
	DELTA_CONTENT, DELTA_CALLS, DELTA_FUNCTION, DELTA_REFUSAL, DELTA_DETAILS, DELTA_BLOCKS,
	DELTA_REASONING,
};
static const char *const delta_names[] = {
	[DELTA_CONTENT] = "content", [DELTA_CALLS] = "tool_calls", [DELTA_FUNCTION] = "function_call",
	[DELTA_REFUSAL] = "refusal", [DELTA_DETAILS] = "reasoning_details",
	[DELTA_BLOCKS] = "thinking_blocks",             /* LiteLLM */
	[DELTA_REASONING] = "reasoning_content", "reasoning", "reasoning_text", "thinking",
};
enum { DELTA_FIELDS = sizeof(delta_names) / sizeof(*delta_names) };

void openai_pick(struct span obj, const char *const *names, size_t n, struct span *out)
{
	struct span key, value;
	struct scan it;

	for (size_t i = 0; i < n; i++)
		out[i] = SPAN_ABSENT;
	if (!json_each_member(obj, &it))
		return;
	while (scan_member(&it, &key)) {
		value = scan_any(&it);
		for (size_t i = 0; i < n; i++)
			if ((!key.n || key.p[0] == names[i][0] || key.p[0] == '\\') &&
			    span_is(key, names[i]))
				out[i] = value;
	}
}

enum flow openai_fault(struct sink *s, const struct fault *f)
{
	enum flow flow = sink_fault(s, f);

	return flow ? flow : FLOW_ABORT;
}

NOINLINE enum flow openai_no_memory(struct sink *s)
{
	struct fault f = FAULT_INIT;

	fault_no_memory(&f);
	return openai_fault(s, &f);
}

/* ---- usage ---- */

/* A count, which some write as 12.0; -1 when there is none. */
static int64_t count_of(struct span v)
{
	int64_t n;
	double x;

	if (span_int(v, &n))
		return n >= 0 ? n : -1;
	return span_double(v, &x) && x >= 0 && x < 1e15 ? (int64_t)x : -1;
}

/* Where backends put each count; the first that is there counts. */
static const char *const cached_paths[][2] = {
	{ "prompt_tokens_details", "cached_tokens" },
	{ "prompt_token_details", "cached_tokens" },    /* Mistral */
	{ "num_cached_tokens", NULL },                  /* Mistral */
	{ "prompt_cache_hit_tokens", NULL },            /* DeepSeek */
	{ "cached_tokens", NULL },                      /* Kimi */
	{ "cache_read_input_tokens", NULL },            /* LiteLLM, Databricks */
	{ NULL, NULL },
};
static const char *const written_paths[][2] = {
	{ "prompt_tokens_details", "cache_write_tokens" },      /* OpenRouter */
	{ "prompt_tokens_details", "cache_creation_tokens" },   /* LiteLLM */
	{ "cache_creation_input_tokens", NULL },                /* LiteLLM, Databricks */
	{ NULL, NULL },
};
static const char *const thinking_paths[][2] = {
	{ "completion_tokens_details", "reasoning_tokens" },
	{ "reasoning_tokens", NULL },
	{ NULL, NULL },
};

static int64_t count_at(struct span usage, const char *const paths[][2])
{
	int64_t n = -1;

	for (; n < 0 && paths[0][0]; paths++)
		n = count_of(json_path(usage, paths[0][0], paths[0][1], NULL));
	return n;
}

static int64_t or_zero(int64_t n)
{
	return n < 0 ? 0 : n;
}

/* The members beside the counts of the answer: the later report wins, member by member. */
static void read_usage(struct openai_decoder *d, struct span usage)
{
	struct usage u = USAGE_UNKNOWN;
	int64_t prompt, total;
	struct span cost;

	if (!span_is_object(usage))
		return;
	prompt = count_of(json_get(usage, "prompt_tokens"));
	total = count_of(json_get(usage, "total_tokens"));
	cost = json_get(usage, "cost");
	u.output = count_of(json_get(usage, "completion_tokens"));
	u.cache_read = count_at(usage, cached_paths);
	u.cache_write = count_at(usage, written_paths);
	u.thinking = count_at(usage, thinking_paths);
	/* Prompt tokens include what was read from the cache or written to it; the API counts
	 * them apart. */
	if (prompt >= 0) {
		u.input = prompt - or_zero(u.cache_read) - or_zero(u.cache_write);
		u.input = or_zero(u.input);
	}
	/* xAI counts reasoning beside the completion; the total tells. */
	if (prompt >= 0 && u.output >= 0 && u.thinking > 0 && total == prompt + u.output + u.thinking)
		u.output += u.thinking;
	if (cost.form == SPAN_JSON && cost.n < sizeof(u.cost) && count_of(cost) >= 0)
		memcpy(u.cost, cost.p, cost.n);
	usage_update(&d->usage, &u);
}

/* ---- errors inside an answer ---- */

static bool is_failure(struct span v)
{
	if (span_is_object(v) || span_is_array(v))
		return v.n > 2;
	return span_is_string(v) && !span_blank(v);
}

static bool is_error(const struct span top[TOP_FIELDS])
{
	int64_t code;

	if (is_failure(top[TOP_ERROR]))
		return true;
	if (span_is_array(top[TOP_CHOICES]))
		return false;
	return span_is(top[TOP_OBJECT], "error") || span_is(top[TOP_TYPE], "error") ||
		(span_int(json_get(top[TOP_BASE_RESP], "status_code"), &code) && code != 0);
}

/* OpenRouter's kinds of errors that end an answer well when some of it is there (its sheet,
 * "Errors"). */
static enum stop_reason stop_of_error(struct span error)
{
	static const struct { const char *kind; enum stop_reason stop; } table[] = {
		{ "content_policy_violation", STOP_REFUSAL },
		{ "refusal", STOP_REFUSAL },
		{ "max_tokens_exceeded", STOP_MAX_TOKENS },
		{ "token_limit_exceeded", STOP_MAX_TOKENS },
	};
	struct span kind = json_path(error, "metadata", "error_type", NULL);

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (span_is(kind, table[i].kind))
			return table[i].stop;
	return STOP_NOT_GIVEN;
}

/* body holds the error in any of the known shapes; error is its member of that name. */
NOINLINE enum flow openai_answer_failed(struct openai_decoder *d, struct sink *s,
					struct str body, struct span error)
{
	enum stop_reason stop = d->content ? stop_of_error(error) : STOP_NOT_GIVEN;
	struct fault f = FAULT_INIT;

	if (stop != STOP_NOT_GIVEN) {
		d->stop = stop;
		d->finished = d->done = true;
		return FLOW_GO;
	}
	error_from_body(d->c, 200, body, &f);
	return openai_fault(s, &f);
}

/* ---- finish reasons ---- */

enum finish { FINISH_STOP, FINISH_LENGTH, FINISH_WINDOW, FINISH_REFUSAL, FINISH_ERROR, FINISH_OVERLOADED };
/* Anything else, "tool_calls" among them, is FINISH_STOP: whether calls came decides about tool
 * use. */
static const struct { const char *name; enum finish finish; } finishes[] = {
	{ "length", FINISH_LENGTH },
	{ "max_tokens", FINISH_LENGTH },
	{ "max_output_tokens", FINISH_LENGTH },
	{ "model_length", FINISH_LENGTH },              /* Mistral */
	{ "model_context_window_exceeded", FINISH_WINDOW },     /* GLM */
	{ "content_filter", FINISH_REFUSAL },
	{ "refusal", FINISH_REFUSAL },
	{ "safety", FINISH_REFUSAL },                   /* Gemini */
	{ "sensitive", FINISH_REFUSAL },                /* GLM */
	{ "error", FINISH_ERROR },
	{ "network_error", FINISH_ERROR },              /* Mistral, GLM */
	{ "insufficient_system_resource", FINISH_OVERLOADED },  /* DeepSeek */
};

static enum finish finish_of(struct span reason)
{
	for (size_t i = 0; i < sizeof(finishes) / sizeof(*finishes); i++)
		if (str_is_nocase((struct str){ reason.p, reason.n }, finishes[i].name))
			return finishes[i].finish;
	return FINISH_STOP;
}

static NOINLINE enum flow finish_failed(struct openai_decoder *d, struct sink *s, enum finish finish,
			       struct span native)
{
	const char *name = d->c->target->backend->name;
	struct fault f = FAULT_INIT;

	if (finish == FINISH_OVERLOADED)
		fault_set(&f, FAULT_OVERLOADED, 529, "overloaded_error",
			  "backend %s ran out of resources for this answer", name);
	else if (span_is_string(native) && native.n)
		fault_set_as("ended_with_error", &f, FAULT_TRANSIENT, 502, "api_error",
			  "backend %s ended its answer with an error: %.*s", name,
			  STR_ARGS(str_cut_utf8((struct str){ native.p, native.n }, 200)));
	else
		fault_set(&f, FAULT_TRANSIENT, 502, "api_error",
			  "backend %s ended its answer with an error", name);
	return openai_fault(s, &f);
}

/* vLLM says which stop string was met; only one of the request's own counts. */
static void note_stop_string(struct openai_decoder *d, struct span matched)
{
	const struct message_request *r = d->c->request;

	for (size_t i = 0; span_is_string(matched) && i < r->nstop_sequences; i++) {
		if (span_eq(r->stop_sequences[i], matched)) {
			d->stop = STOP_SEQUENCE;
			d->stop_sequence = r->stop_sequences[i];
		}
	}
}

/* A plain end says least: it never replaces another reason, and any other replaces it. */
static enum flow note_finish(struct openai_decoder *d, struct sink *s, const struct span choice[])
{
	static const enum stop_reason stops[] = {
		[FINISH_STOP] = STOP_END_TURN, [FINISH_LENGTH] = STOP_MAX_TOKENS,
		[FINISH_WINDOW] = STOP_CONTEXT_WINDOW, [FINISH_REFUSAL] = STOP_REFUSAL,
	};
	struct span reason = choice[CHOICE_FINISH];
	enum finish finish;

	/* "" is what some send for null. */
	if (!span_is_string(reason) || span_blank(reason))
		return FLOW_GO;
	finish = finish_of(reason);
	if (finish == FINISH_ERROR || finish == FINISH_OVERLOADED)
		return finish_failed(d, s, finish, choice[CHOICE_NATIVE]);
	d->finished = true;
	if (d->stop == STOP_NOT_GIVEN || d->stop == STOP_END_TURN)
		d->stop = stops[finish];
	if (finish == FINISH_STOP && d->stop == STOP_END_TURN)
		note_stop_string(d, choice[CHOICE_STOP]);
	return FLOW_GO;
}

/* ---- content ---- */

enum { PART_TYPE, PART_TEXT, PART_THINKING, PART_REASONING, PART_SUMMARY, PART_REFUSAL, PART_FIELDS };
static const char *const part_names[PART_FIELDS] = {
	[PART_TYPE] = "type", [PART_TEXT] = "text", [PART_THINKING] = "thinking",
	[PART_REASONING] = "reasoning", [PART_SUMMARY] = "summary", [PART_REFUSAL] = "refusal",
};

static enum flow refusal(struct openai_decoder *d, struct sink *s, struct span text)
{
	if (!span_is_string(text) || !text.n)
		return FLOW_GO;
	d->stop = STOP_REFUSAL;
	return openai_text(d, s, text);
}

/* A string, or a list of strings or of objects with a "text". */
static enum flow thinking_value(struct openai_decoder *d, struct sink *s, struct span v)
{
	enum flow flow = FLOW_GO;
	struct span item;
	struct scan it;

	if (!span_is_array(v))
		return openai_thinking_text(d, s, v);
	json_each(v, &it);
	while (!flow && scan_element(&it)) {
		item = scan_any(&it);
		flow = openai_thinking_text(d, s, span_is_object(item) ? json_get(item, "text") : item);
	}
	return flow;
}

static enum flow content_part(struct openai_decoder *d, struct sink *s, struct span part)
{
	struct span v[PART_FIELDS];
	enum flow flow = FLOW_GO;

	if (!span_is_object(part))
		return openai_text(d, s, part);
	openai_pick(part, part_names, PART_FIELDS, v);
	if (span_is(v[PART_TYPE], "refusal"))
		return refusal(d, s, v[PART_REFUSAL]);
	if (!span_is(v[PART_TYPE], "thinking") && !span_is(v[PART_TYPE], "reasoning"))
		return openai_text(d, s, v[PART_TEXT]);
	if (span_is(v[PART_TYPE], "reasoning"))
		flow = thinking_value(d, s, v[PART_TEXT]);
	for (int i = PART_THINKING; !flow && i < PART_SUMMARY; i++)
		flow = thinking_value(d, s, v[i]);
	if (flow || !span_is_array(v[PART_SUMMARY]))
		return flow ? flow : thinking_value(d, s, v[PART_SUMMARY]);
	/* Databricks' pieces have signatures, which it wants back. */
	return openai_reasoning(d, s, SPAN_ABSENT, v[PART_SUMMARY]);
}

static enum flow read_content(struct openai_decoder *d, struct sink *s, struct span content)
{
	enum flow flow = FLOW_GO;
	struct scan it;

	if (!span_is_array(content))
		return openai_text(d, s, content);
	json_each(content, &it);
	while (!flow && scan_element(&it))
		flow = content_part(d, s, scan_any(&it));
	return flow;
}

static enum flow read_calls(struct openai_decoder *d, struct sink *s, const struct span v[], bool whole)
{
	enum flow flow = FLOW_GO;
	struct scan it;

	if (json_each(v[DELTA_CALLS], &it)) {
		while (!flow && scan_element(&it))
			flow = openai_tool_call(d, s, scan_any(&it), whole);
	} else if (span_is_object(v[DELTA_CALLS])) {
		flow = openai_tool_call(d, s, v[DELTA_CALLS], whole);
	}
	/* The old form; a server that sends both means the same call. */
	if (!flow && span_is_object(v[DELTA_FUNCTION]) && span_is_null(v[DELTA_CALLS]))
		flow = openai_tool_call(d, s, v[DELTA_FUNCTION], whole);
	return flow;
}

static enum flow read_delta(struct openai_decoder *d, struct sink *s, struct span delta, bool whole)
{
	struct span v[DELTA_FIELDS], plain = SPAN_ABSENT;
	enum flow flow;

	openai_pick(delta, delta_names, DELTA_FIELDS, v);
	for (int i = DELTA_REASONING; i < DELTA_FIELDS && !plain.n; i++)
		if (span_is_string(v[i]))
			plain = v[i];
	flow = openai_reasoning(d, s, plain, span_is_array(v[DELTA_DETAILS]) ? v[DELTA_DETAILS]
									    : v[DELTA_BLOCKS]);
	if (!flow)
		flow = read_content(d, s, v[DELTA_CONTENT]);
	if (!flow)
		flow = refusal(d, s, v[DELTA_REFUSAL]);
	return flow ? flow : read_calls(d, s, v, whole);
}

/* Only one answer was asked for; some split it over several choices without other indexes. */
static enum flow read_choice(struct openai_decoder *d, struct sink *s, struct span choice, bool whole)
{
	struct span v[CHOICE_FIELDS];
	enum flow flow = FLOW_GO;
	int64_t index;

	openai_pick(choice, choice_names, CHOICE_FIELDS, v);
	if (span_int(v[CHOICE_INDEX], &index) && index != 0)
		return FLOW_GO;
	if (span_is_object(v[CHOICE_DELTA]))
		flow = read_delta(d, s, v[CHOICE_DELTA], false);
	else if (span_is_object(v[CHOICE_MESSAGE]) && (whole || !d->content))
		flow = read_delta(d, s, v[CHOICE_MESSAGE], true);
	if (flow)
		return flow;
	if (is_failure(v[CHOICE_ERROR]))
		return openai_answer_failed(d, s, (struct str){ choice.p, choice.n }, v[CHOICE_ERROR]);
	return note_finish(d, s, v);
}

/* ---- chunks ---- */

static enum flow send_start(struct openai_decoder *d, struct sink *s, const struct span top[])
{
	struct event e = { .type = EVENT_START, .index = -1, .usage = USAGE_UNKNOWN };
	enum flow flow;

	if (d->started)
		return FLOW_GO;
	d->started = true;
	if (span_is_string(top[TOP_ID]))
		e.id = top[TOP_ID];
	e.usage = d->usage;
	flow = sink_event(s, &e);
	if (!flow && span_is_string(top[TOP_MODEL]) && top[TOP_MODEL].n)
		flow = sink_text(s, EVENT_MODEL, top[TOP_MODEL]);
	return flow;
}

static enum flow read_chunk(struct openai_decoder *d, struct sink *s, struct span chunk, bool whole)
{
	struct span top[TOP_FIELDS];
	enum flow flow = FLOW_GO;
	struct scan it;

	openai_pick(chunk, top_names, TOP_FIELDS, top);
	if (is_error(top))
		return openai_answer_failed(d, s, (struct str){ chunk.p, chunk.n }, top[TOP_ERROR]);
	if (span_is_object(top[TOP_X_GROQ])) {
		struct span error = json_get(top[TOP_X_GROQ], "error");

		if (is_failure(error))
			return openai_answer_failed(d, s, (struct str){ top[TOP_X_GROQ].p, top[TOP_X_GROQ].n },
					     error);
		read_usage(d, json_get(top[TOP_X_GROQ], "usage"));
	}
	read_usage(d, top[TOP_USAGE]);
	if (openai_note_citations(d, span_is_array(top[TOP_RESULTS]) ? top[TOP_RESULTS]
								     : top[TOP_CITATIONS]))
		return openai_no_memory(s);
	if (!json_each(top[TOP_CHOICES], &it))
		return FLOW_GO;
	flow = send_start(d, s, top);
	while (!flow && scan_element(&it))
		flow = read_choice(d, s, scan_value(&it), whole);
	/* A stop sequence was met: there will be no other time to tell what it cost. */
	if (flow == FLOW_STOP)
		sink_usage(s, &d->usage);
	return flow;
}

/* A text that is no JSON object where one must be. */
enum flow openai_not_json(struct openai_decoder *d, struct sink *s, const char *what, struct str text)
{
	struct fault said = FAULT_INIT, f = FAULT_INIT;

	error_from_body(d->c, 200, text, &said);
	if (said.class != FAULT_TRANSIENT)
		return openai_fault(s, &said);
	fault_set(&f, FAULT_TRANSIENT, 502, "api_error", "backend %s sent %s that is not JSON: %.*s",
		  d->c->target->backend->name, what,
		  STR_ARGS(str_cut_utf8(str_of(said.message), 200)));
	return openai_fault(s, &f);
}

static struct span whole_value(struct str text)
{
	text = str_trim(text);
	return (struct span){ text.p, text.n, SPAN_JSON };
}

void openai_decode_start(void *state, const struct decode_context *c)
{
	struct openai_decoder *d = state;

	d->c = c;
	d->usage = USAGE_UNKNOWN;
}

enum flow openai_decode_event(void *state, struct str name, struct str data, struct sink *s)
{
	struct openai_decoder *d = state;
	struct span chunk = whole_value(data);

	if (d->done || !chunk.n)
		return FLOW_GO;
	if (str_is((struct str){ chunk.p, chunk.n }, "[DONE]")) {
		d->done = true;
		return FLOW_GO;
	}
	if (json_check(data, NULL, NULL))
		return openai_not_json(d, s, "a stream event", data);
	if (str_is(name, "error"))
		return openai_answer_failed(d, s, data, json_get(chunk, "error"));
	return read_chunk(d, s, chunk, false);
}

enum flow openai_decode_body(void *state, struct str body, struct sink *s)
{
	struct openai_decoder *d = state;
	struct span answer = whole_value(body);
	struct fault f = FAULT_INIT;
	enum flow flow;

	if (!span_is_object(answer) || json_check(body, NULL, NULL))
		return openai_not_json(d, s, "an answer", body);
	flow = read_chunk(d, s, answer, true);
	if (flow)
		return flow;
	if (!d->started) {
		/* No error by name, and no answer either: whatever it says is the best there is
		 * to tell. */
		error_from_body(d->c, 200, body, &f);
		return openai_fault(s, &f);
	}
	d->done = true;
	return FLOW_GO;
}

/* Tool use is what the client acts on: it is said exactly when a call was sent, unless the
 * answer was cut or refused. */
static enum flow send_stop(struct openai_decoder *d, struct sink *s)
{
	struct event e = { .type = EVENT_STOP_REASON, .index = -1, .stop = d->stop,
			   .text = d->stop_sequence, .usage = USAGE_UNKNOWN };

	if (e.stop == STOP_NOT_GIVEN || e.stop == STOP_END_TURN)
		e.stop = openai_calls_any(d) ? STOP_TOOL_USE : STOP_END_TURN;
	return sink_event(s, &e);
}

int openai_decode_end(void *state, struct sink *s, enum flow *flow, struct fault *f)
{
	struct openai_decoder *d = state;
	const char *name = d->c->target->backend->name;

	*flow = FLOW_GO;
	if (!d->started || (!d->content && !d->finished && !d->ncalls))
		return fault_set_as("empty_answer", f, FAULT_TRANSIENT, 502, "api_error",
				 "backend %s sent an empty answer", name);
	if (!d->done && !d->finished)
		return fault_set_as("cut_answer", f, FAULT_TRANSIENT, 502, "api_error",
				 "backend %s closed the stream before its answer was complete", name);
	*flow = openai_text_end(d, s);
	if (!*flow)
		*flow = openai_citations_end(d, s);
	if (!*flow)
		*flow = openai_thinking_end(d, s);
	if (!*flow && openai_calls_end(d, s, flow))
		return fault_set_as("nameless_call", f, FAULT_TRANSIENT, 502, "api_error",
				 "backend %s sent a tool call without a name", name);
	if (!*flow)
		*flow = sink_usage(s, &d->usage);
	if (!*flow)
		*flow = send_stop(d, s);
	return 0;
}

void openai_decode_error(const struct decode_context *c, int status, struct str body, struct fault *f)
{
	error_from_body(c, status, body, f);
}
