/*
 * Reads Gemini's answers: chunks of a stream, a whole answer, or the JSON array of chunks that a
 * stream without alt=sse is. A chunk holds parts; each is complete, but for function calls whose
 * arguments are streamed (gemini_args.c).
 *
 * A thought signature goes to the client in the thinking block in front of the part that it stands
 * on; a call without thinking gets an empty block for it. A text without thinking gets none: the
 * API does not demand its signature back, and clients take the last block for the answer.
 */
#include <string.h>

#include "dialect/gemini_decode.h"
#include "dialect/openai_decode.h"
#include "json/scan.h"

enum { TOP_CANDIDATES, TOP_FEEDBACK, TOP_USAGE, TOP_MODEL, TOP_ID, TOP_ERROR, TOP_FIELDS };
static const char *const top_names[TOP_FIELDS] = {
	[TOP_CANDIDATES] = "candidates", [TOP_FEEDBACK] = "promptFeedback",
	[TOP_USAGE] = "usageMetadata", [TOP_MODEL] = "modelVersion", [TOP_ID] = "responseId",
	[TOP_ERROR] = "error",
};

enum { PART_TEXT, PART_THOUGHT, PART_SIGNATURE, PART_CALL, PART_DATA, PART_CODE, PART_RESULT,
       PART_FIELDS };
static const char *const part_names[PART_FIELDS] = {
	[PART_TEXT] = "text", [PART_THOUGHT] = "thought", [PART_SIGNATURE] = "thoughtSignature",
	[PART_CALL] = "functionCall", [PART_DATA] = "inlineData", [PART_CODE] = "executableCode",
	[PART_RESULT] = "codeExecutionResult",
};

enum { CALL_ID, CALL_NAME, CALL_ARGS, CALL_PARTIAL, CALL_CONTINUES, CALL_FIELDS };
static const char *const call_names[CALL_FIELDS] = {
	[CALL_ID] = "id", [CALL_NAME] = "name", [CALL_ARGS] = "args",
	[CALL_PARTIAL] = "partialArgs", [CALL_CONTINUES] = "willContinue",
};

static const char *const count_names[GEMINI_COUNTS] = {
	[GEMINI_PROMPT] = "promptTokenCount", [GEMINI_CACHED] = "cachedContentTokenCount",
	[GEMINI_CANDIDATES] = "candidatesTokenCount", [GEMINI_THOUGHTS] = "thoughtsTokenCount",
	[GEMINI_TOOL_USE] = "toolUsePromptTokenCount",
};

/* ---- usage ---- */

/* Each chunk repeats the counts so far; some leave them out. */
static void read_usage(struct gemini_decoder *d, struct span usage)
{
	struct span v[GEMINI_COUNTS];
	int64_t n;

	if (!span_is_object(usage))
		return;
	openai_pick(usage, count_names, GEMINI_COUNTS, v);
	for (int i = 0; i < GEMINI_COUNTS; i++)
		if (span_int(v[i], &n) && n >= 0)
			d->counts[i] = n;
}

static int64_t or_zero(int64_t n)
{
	return n < 0 ? 0 : n;
}

/* The prompt includes what was cached, which the API counts apart; the candidates exclude the
 * thoughts, which it counts as output. */
static struct usage usage_of(const struct gemini_decoder *d)
{
	struct usage u = USAGE_UNKNOWN;
	const int64_t *n = d->counts;

	u.cache_read = n[GEMINI_CACHED];
	u.thinking = n[GEMINI_THOUGHTS];
	if (n[GEMINI_PROMPT] >= 0)
		u.input = or_zero(n[GEMINI_PROMPT] - or_zero(n[GEMINI_CACHED])) +
			  or_zero(n[GEMINI_TOOL_USE]);
	if (n[GEMINI_CANDIDATES] >= 0 || n[GEMINI_THOUGHTS] >= 0)
		u.output = or_zero(n[GEMINI_CANDIDATES]) + or_zero(n[GEMINI_THOUGHTS]);
	return u;
}

/* ---- thinking ---- */

/* Sends the signature of the block that is open, or of an empty one made for it. */
static enum flow send_signature(struct gemini_decoder *d, struct sink *s, enum gemini_signed on,
				struct span signature)
{
	struct buf state, made;
	enum flow flow = FLOW_GO;

	buf_init(&state, 0);
	buf_init(&made, 0);
	if (span_is_string(signature) && signature.n) {
		buf_putc(&state, (char)on);
		span_put_text(&state, signature);
	}
	if (state.failed || opaque_put(&made, d->c->target->backend->origin, buf_str(&state)))
		flow = openai_no_memory(s);
	if (!flow && !d->thinking)
		flow = sink_text(s, EVENT_THINKING, span_str(STR("")));
	if (!flow)
		flow = sink_text(s, EVENT_SIGNATURE, span_str(buf_str(&made)));
	if (!flow)
		flow = sink_text(s, EVENT_BLOCK_STOP, SPAN_ABSENT);
	buf_release(&state);
	buf_release(&made);
	d->thinking = false;
	d->content = true;
	return flow;
}

static enum flow thinking_end(struct gemini_decoder *d, struct sink *s, enum gemini_signed on,
			      struct span signature)
{
	return d->thinking ? send_signature(d, s, on, signature) : FLOW_GO;
}

static enum flow read_thought(struct gemini_decoder *d, struct sink *s, const struct span v[])
{
	enum flow flow = FLOW_GO;

	if (span_is_string(v[PART_TEXT]) && v[PART_TEXT].n) {
		flow = sink_text(s, EVENT_THINKING, v[PART_TEXT]);
		d->thinking = d->content = true;
	}
	if (!flow && span_is_string(v[PART_SIGNATURE]) && v[PART_SIGNATURE].n)
		flow = send_signature(d, s, GEMINI_SIGNED_THOUGHT, v[PART_SIGNATURE]);
	return flow;
}

/* ---- text ---- */

static enum flow read_text(struct gemini_decoder *d, struct sink *s, const struct span v[])
{
	enum flow flow;

	if (!v[PART_TEXT].n)
		return FLOW_GO;
	flow = thinking_end(d, s, GEMINI_SIGNED_TEXT, v[PART_SIGNATURE]);
	d->content = true;
	return flow ? flow : sink_text(s, EVENT_TEXT, v[PART_TEXT]);
}

/* Text of our own around a part that the Messages API has no block for. */
static enum flow read_told(struct gemini_decoder *d, struct sink *s, const char *before,
			   struct span text, const char *after)
{
	enum flow flow = thinking_end(d, s, GEMINI_SIGNED_TEXT, SPAN_ABSENT);

	d->content = true;
	if (!flow)
		flow = sink_text(s, EVENT_TEXT, span_utf8(str_of(before)));
	if (!flow && span_is_string(text))
		flow = sink_text(s, EVENT_TEXT, text);
	return flow ? flow : sink_text(s, EVENT_TEXT, span_utf8(str_of(after)));
}

/* ---- calls ---- */

static bool has_tool(const struct message_request *r, struct span name)
{
	for (size_t i = 0; i < r->ntools; i++)
		if (span_eq(r->tools[i].name, name))
			return true;
	return false;
}

/* Models sometimes name the place where they think the function is: "default_api:Bash". */
static struct span tool_name(struct gemini_decoder *d, struct str sent)
{
	static const char place[] = "default_api";
	const struct message_request *r = d->c->request;
	int max = d->c->target->backend->tool_name_max;
	struct span name = name_restore(r, sent, max), bare;
	size_t n = sizeof(place);

	if (!span_given(name) || has_tool(r, name) || sent.n <= n || !str_starts(sent, place) ||
	    (sent.p[n - 1] != ':' && sent.p[n - 1] != '.'))
		return name;
	bare = name_restore(r, (struct str){ sent.p + n, sent.n - n }, max);
	return has_tool(r, bare) || !span_given(bare) ? bare : name;
}

/* Gemini's own ids come back with a mark, so that others are never sent to it. */
static int put_id(struct buf *out, struct span id)
{
	struct buf marked;
	int rc;

	if (!span_is_string(id) || !id.n)
		return id_to_client(out, SPAN_ABSENT);
	buf_init(&marked, 0);
	buf_puts(&marked, GEMINI_ID_MARK);
	span_put_text(&marked, id);
	rc = marked.failed ? -1 : id_to_client(out, span_utf8(buf_str(&marked)));
	buf_release(&marked);
	return rc;
}

static enum flow start_call(struct gemini_decoder *d, struct sink *s, const struct span call[])
{
	struct span restored = SPAN_ABSENT;
	struct buf id, name;
	enum flow flow;

	buf_init(&id, 0);
	buf_init(&name, 0);
	if (!put_id(&id, call[CALL_ID]) && !span_put_text(&name, call[CALL_NAME]))
		restored = tool_name(d, buf_str(&name));
	if (span_given(restored))
		flow = sink_tool(s, EVENT_TOOL_START, d->calls, span_utf8(buf_str(&id)), restored,
				 SPAN_ABSENT);
	else
		flow = openai_no_memory(s);
	buf_release(&id);
	buf_release(&name);
	d->calls++;
	d->content = true;
	return flow;
}

/* json: a piece of the arguments' text. */
static enum flow send_arguments(struct gemini_decoder *d, struct sink *s, struct span json)
{
	struct buf content;
	enum flow flow;

	if (!json.n)
		return FLOW_GO;
	buf_init(&content, 0);
	if (span_put_content(&content, json))
		flow = openai_no_memory(s);
	else
		flow = sink_tool(s, EVENT_TOOL_DELTA, d->calls - 1, SPAN_ABSENT, SPAN_ABSENT,
				 span_str(buf_str(&content)));
	buf_release(&content);
	return flow;
}

static enum flow stop_call(struct gemini_decoder *d, struct sink *s)
{
	return sink_tool(s, EVENT_TOOL_STOP, d->calls - 1, SPAN_ABSENT, SPAN_ABSENT, SPAN_ABSENT);
}

/* The pieces of streamed arguments, and the end of them when no more will come. */
static enum flow read_pieces(struct gemini_decoder *d, struct sink *s, struct span pieces,
			     bool last)
{
	enum flow flow = FLOW_GO;
	bool memory = true;
	struct scan it;
	struct buf text;

	buf_init(&text, 0);
	if (json_each(pieces, &it)) {
		while (memory && scan_element(&it))
			memory = gemini_args_piece(&d->args, d->c->arena, scan_value(&it),
						   &text) == 0;
	}
	if (last)
		gemini_args_end(&d->args, &text);
	if (!memory || text.failed)
		flow = openai_no_memory(s);
	if (!flow)
		flow = send_arguments(d, s, span_utf8(buf_str(&text)));
	if (!flow && last)
		flow = stop_call(d, s);
	d->calling = !last;
	buf_release(&text);
	return flow;
}

/* A call that goes on comes without its name; a name begins another one. */
static enum flow read_call(struct gemini_decoder *d, struct sink *s, const struct span v[])
{
	struct span call[CALL_FIELDS];
	bool named, last;
	enum flow flow = FLOW_GO;

	openai_pick(v[PART_CALL], call_names, CALL_FIELDS, call);
	named = span_is_string(call[CALL_NAME]) && call[CALL_NAME].n;
	last = !span_true(call[CALL_CONTINUES]);
	if (d->calling && named)
		flow = read_pieces(d, s, SPAN_ABSENT, true);
	if (flow || (!named && !d->calling))
		return flow;
	if (named) {
		bool is_signed = span_is_string(v[PART_SIGNATURE]) && v[PART_SIGNATURE].n;

		if (is_signed || d->thinking)
			flow = send_signature(d, s, GEMINI_SIGNED_CALL, v[PART_SIGNATURE]);
		if (!flow)
			flow = start_call(d, s, call);
		if (flow)
			return flow;
		if (span_is_object(call[CALL_ARGS]) && last) {
			flow = send_arguments(d, s, call[CALL_ARGS]);
			return flow ? flow : stop_call(d, s);
		}
	}
	return read_pieces(d, s, call[CALL_PARTIAL], last);
}

/* ---- parts ---- */

static enum flow read_part(struct gemini_decoder *d, struct sink *s, struct span part)
{
	struct span v[PART_FIELDS];

	openai_pick(part, part_names, PART_FIELDS, v);
	if (span_is_object(v[PART_CALL]))
		return read_call(d, s, v);
	if (span_is_string(v[PART_TEXT]) || span_given(v[PART_THOUGHT]))
		return span_true(v[PART_THOUGHT]) ? read_thought(d, s, v) : read_text(d, s, v);
	if (span_is_object(v[PART_DATA]))
		return read_told(d, s, "[The model sent a file of type ",
				 json_get(v[PART_DATA], "mimeType"),
				 ", which the Messages API has no place for.]");
	if (span_is_object(v[PART_CODE]))
		return read_told(d, s, "\n```\n", json_get(v[PART_CODE], "code"), "\n```\n");
	if (span_is_object(v[PART_RESULT]))
		return read_told(d, s, "\n```\n", json_get(v[PART_RESULT], "output"), "\n```\n");
	return FLOW_GO;
}

static enum flow read_parts(struct gemini_decoder *d, struct sink *s, struct span parts)
{
	enum flow flow = FLOW_GO;
	struct scan it;

	if (!json_each(parts, &it))
		return FLOW_GO;
	while (!flow && scan_element(&it))
		flow = read_part(d, s, scan_value(&it));
	return flow;
}

/* ---- finish reasons ---- */

enum finish { FINISH_STOP, FINISH_LENGTH, FINISH_REFUSAL, FINISH_FAILED };
/* Globs; anything else is an end like any other. Source: the API's enum FinishReason. */
static const struct { const char *name; enum finish finish; } finishes[] = {
	{ "STOP", FINISH_STOP },
	{ "MAX_TOKENS", FINISH_LENGTH },
	{ "SAFETY", FINISH_REFUSAL },
	{ "RECITATION", FINISH_REFUSAL },
	{ "LANGUAGE", FINISH_REFUSAL },
	{ "BLOCKLIST", FINISH_REFUSAL },
	{ "PROHIBITED_CONTENT", FINISH_REFUSAL },
	{ "SPII", FINISH_REFUSAL },
	{ "IMAGE_*", FINISH_REFUSAL },
	{ "NO_IMAGE", FINISH_REFUSAL },
	{ "MODEL_ARMOR", FINISH_REFUSAL },
	{ "MALFORMED_FUNCTION_CALL", FINISH_FAILED },
	{ "MALFORMED_RESPONSE", FINISH_FAILED },
	{ "UNEXPECTED_TOOL_CALL", FINISH_FAILED },
	{ "TOO_MANY_TOOL_CALLS", FINISH_FAILED },
	{ "MISSING_THOUGHT_SIGNATURE", FINISH_FAILED },
	{ "*", FINISH_STOP },
};

/* The model's mistake, not the client's: another try often goes well. */
static NOINLINE enum flow finish_failed(struct gemini_decoder *d, struct sink *s, struct str reason,
					struct span message)
{
	struct fault f = FAULT_INIT;
	struct buf text;

	buf_init(&text, 1024);
	span_put_text(&text, message);
	fault_set(&f, FAULT_TRANSIENT, 500, "api_error", "backend %s ended its answer with %.*s%s%.*s",
		  d->c->target->backend->name, STR_ARGS(str_cut_utf8(reason, 100)),
		  text.n ? ": " : "", STR_ARGS(str_cut_utf8(buf_str(&text), 500)));
	buf_release(&text);
	return openai_fault(s, &f);
}

static enum flow read_finish(struct gemini_decoder *d, struct sink *s, struct span reason,
			     struct span message)
{
	static const enum stop_reason stops[] = {
		[FINISH_STOP] = STOP_END_TURN, [FINISH_LENGTH] = STOP_MAX_TOKENS,
		[FINISH_REFUSAL] = STOP_REFUSAL,
	};
	struct str text = { reason.p, reason.n };
	size_t i = 0;

	if (!span_is_string(reason) || span_blank(reason))
		return FLOW_GO;
	while (!str_glob(finishes[i].name, text))
		i++;
	if (finishes[i].finish == FINISH_FAILED)
		return finish_failed(d, s, text, message);
	d->finished = true;
	/* A plain end says least. */
	if (d->stop == STOP_NOT_GIVEN || d->stop == STOP_END_TURN)
		d->stop = stops[finishes[i].finish];
	return FLOW_GO;
}

/* ---- chunks ---- */

static enum flow send_start(struct gemini_decoder *d, struct sink *s, const struct span top[])
{
	struct event e = { .type = EVENT_START, .index = -1 };
	enum flow flow;

	if (d->started)
		return FLOW_GO;
	d->started = true;
	if (span_is_string(top[TOP_ID]))
		e.id = top[TOP_ID];
	e.usage = usage_of(d);
	flow = sink_event(s, &e);
	if (!flow && span_is_string(top[TOP_MODEL]) && top[TOP_MODEL].n)
		flow = sink_text(s, EVENT_MODEL, top[TOP_MODEL]);
	return flow;
}

/* Only one candidate was asked for. */
static enum flow read_candidate(struct gemini_decoder *d, struct sink *s, struct span candidate)
{
	int64_t index;
	enum flow flow;

	if (span_int(json_get(candidate, "index"), &index) && index != 0)
		return FLOW_GO;
	flow = read_parts(d, s, json_path(candidate, "content", "parts", NULL));
	return flow ? flow : read_finish(d, s, json_get(candidate, "finishReason"),
					 json_get(candidate, "finishMessage"));
}

static NOINLINE enum flow answer_failed(struct gemini_decoder *d, struct sink *s, struct str body)
{
	struct fault f = FAULT_INIT;

	gemini_decode_error(d->c, 200, body, &f);
	return openai_fault(s, &f);
}

static enum flow read_chunk(struct gemini_decoder *d, struct sink *s, struct span chunk)
{
	struct span top[TOP_FIELDS], blocked;
	enum flow flow = FLOW_GO;
	struct scan it;

	openai_pick(chunk, top_names, TOP_FIELDS, top);
	if (span_is_object(top[TOP_ERROR]) || span_is_string(top[TOP_ERROR]))
		return answer_failed(d, s, (struct str){ chunk.p, chunk.n });
	read_usage(d, top[TOP_USAGE]);
	blocked = json_get(top[TOP_FEEDBACK], "blockReason");
	if (span_is_string(blocked) && !span_is(blocked, "BLOCK_REASON_UNSPECIFIED")) {
		d->finished = true;
		d->stop = STOP_REFUSAL;
	}
	if (d->finished || span_is_array(top[TOP_CANDIDATES]))
		flow = send_start(d, s, top);
	if (json_each(top[TOP_CANDIDATES], &it)) {
		while (!flow && scan_element(&it))
			flow = read_candidate(d, s, scan_value(&it));
	}
	/* A stop sequence was met: there will be no other time to tell what it cost. */
	if (flow == FLOW_STOP) {
		struct usage u = usage_of(d);

		sink_usage(s, &u);
	}
	return flow;
}

static enum flow read_value(struct gemini_decoder *d, struct sink *s, struct span value)
{
	enum flow flow = FLOW_GO;
	struct scan it;

	if (span_is_object(value))
		return read_chunk(d, s, value);
	if (!json_each(value, &it))
		return FLOW_GO;
	while (!flow && scan_element(&it)) {
		struct span chunk = scan_value(&it);

		if (span_is_object(chunk))
			flow = read_chunk(d, s, chunk);
	}
	return flow;
}

/* A text that is no JSON where it must be. */
static NOINLINE enum flow not_json(struct gemini_decoder *d, struct sink *s, const char *what,
				   struct str text)
{
	struct fault said = FAULT_INIT, f = FAULT_INIT;

	error_from_body(d->c, 200, text, &said);
	fault_set(&f, FAULT_TRANSIENT, 502, "api_error", "backend %s sent %s that is not JSON: %.*s",
		  d->c->target->backend->name, what,
		  STR_ARGS(str_cut_utf8(str_of(said.message), 200)));
	return openai_fault(s, &f);
}

void gemini_decode_start(void *state, const struct decode_context *c)
{
	struct gemini_decoder *d = state;

	d->c = c;
	for (int i = 0; i < GEMINI_COUNTS; i++)
		d->counts[i] = -1;
}

enum flow gemini_decode_event(void *state, struct str name, struct str data, struct sink *s)
{
	struct gemini_decoder *d = state;
	struct str text = str_trim(data);

	/* Gemini ends its stream without a mark, but some proxies before it add one. */
	if (!text.n || str_is(text, "[DONE]"))
		return FLOW_GO;
	if (json_check(text, NULL, NULL))
		return not_json(d, s, "a stream event", data);
	return read_value(d, s, span_json(text));
}

enum flow gemini_decode_body(void *state, struct str body, struct sink *s)
{
	struct gemini_decoder *d = state;
	struct str text = str_trim(body);
	enum flow flow;

	if (json_check(text, NULL, NULL))
		return not_json(d, s, "an answer", body);
	flow = read_value(d, s, span_json(text));
	if (!flow && !d->started)
		return answer_failed(d, s, body);
	d->done = true;
	return flow;
}

/* ---- the end ---- */

static enum flow send_end(struct gemini_decoder *d, struct sink *s)
{
	struct usage u = usage_of(d);
	enum stop_reason stop = d->stop;
	enum flow flow = thinking_end(d, s, GEMINI_SIGNED_TEXT, SPAN_ABSENT);

	if (!flow && d->calling)
		flow = read_pieces(d, s, SPAN_ABSENT, true);
	if (!flow)
		flow = sink_usage(s, &u);
	/* Gemini has no reason for tool use: STOP, though calls were made. */
	if (stop == STOP_NOT_GIVEN || stop == STOP_END_TURN)
		stop = d->calls ? STOP_TOOL_USE : STOP_END_TURN;
	return flow ? flow : sink_stop(s, stop);
}

int gemini_decode_end(void *state, struct sink *s, enum flow *flow, struct fault *f)
{
	struct gemini_decoder *d = state;
	const char *name = d->c->target->backend->name;
	bool plain = d->stop == STOP_NOT_GIVEN || d->stop == STOP_END_TURN;

	*flow = FLOW_GO;
	if (d->started && !d->finished && !d->done)
		return fault_set_as("cut_answer", f, FAULT_TRANSIENT, 502, "api_error",
				 "backend %s closed the stream before its answer was complete", name);
	/* An end without a word is how Gemini shows some faults of its own. */
	if (!d->started || (!d->content && plain))
		return fault_set_as("empty_answer", f, FAULT_TRANSIENT, 502, "api_error",
				 "backend %s sent an empty answer", name);
	*flow = send_end(d, s);
	return 0;
}
