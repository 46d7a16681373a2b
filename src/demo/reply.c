/*
 * The demo's rules, in the order in which they are tried on the last thing that was said:
 *
 *   tool results          -> a text that quotes them
 *   fail: 429             -> that HTTP status
 *   call: NAME {"a":1}    -> a call of the tool NAME; several such lines are parallel calls
 *   run: COMMAND          -> a call of the shell tool, if the request has one; so are these
 *   run … `COMMAND` …     -> the same; with the word "parallel", every `COMMAND` is a call
 *   run COMMAND           -> the same
 *   a JSON schema         -> the smallest document that has its required members
 *   anything else         -> a text that quotes it
 *
 * Clients put their own remarks into and around what the user said (<system-reminder> and such, in
 * texts of their own or as system messages): they are taken out before the rules look.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <cjson/cJSON.h>
#include "demo/demo.h"

#define WHO "This is the demo backend of messages-fcgi, not a model. "
#define QUOTE_MAX 2000 /* bytes of a quoted text or tool result */
#define SCHEMA_DEPTH 8

static const char *const models[] = { "demo", "demo-small", NULL };

/* Names under which agents offer a shell. */
static const char *const shells[] = { "bash", "shell", "run_command", NULL };

/* Tags that wrap a client's own remarks. */
static const char *const remarks[] = { "system-reminder", "total_tokens", "command-message",
	"local-command-caveat", NULL };

const char *demo_model(const char *name)
{
	if (!name)
		return models[0];
	for (size_t i = 0; models[i]; i++)
		if (!strcmp(models[i], name))
			return models[i];
	return NULL;
}

void demo_models(struct buf *out)
{
	buf_puts(out, "{\"object\":\"list\",\"data\":[");
	for (size_t i = 0; models[i]; i++)
		buf_printf(out,
			"%s{\"id\":\"%s\",\"object\":\"model\",\"created\":%lld,"
			"\"owned_by\":\"messages-fcgi\","
			"\"context_length\":%d,\"top_provider\":{\"context_length\":%d,"
			"\"max_completion_tokens\":%d}}",
			i ? "," : "", models[i], (long long)time(NULL), DEMO_CONTEXT_TOKENS,
			DEMO_CONTEXT_TOKENS, DEMO_OUTPUT_TOKENS);
	buf_puts(out, "]}");
}

static void fail(
	struct demo_reply *r, int status, const char *type, const char *code, const char *message)
{
	r->status = status;
	r->error_type = type;
	r->error_code = code;
	buf_reset(&r->text);
	buf_puts(&r->text, message);
}

/* ---- what was said ---- */

static const char *string_of(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* Appends s without the clients' remarks. What stands before a tag has none of the earlier tags, so
 * this calls itself no deeper than there are tags. */
static void put_without_remarks(struct buf *b, struct str s)
{
	for (size_t i = 0; remarks[i]; i++) {
		char open[40], close[40];
		const char *from, *to;

		snprintf(open, sizeof(open), "<%s>", remarks[i]);
		snprintf(close, sizeof(close), "</%s>", remarks[i]);
		if (!(from = str_find(s, open)))
			continue;
		put_without_remarks(b, (struct str){ s.p, (size_t)(from - s.p) });
		to = str_find((struct str){ from, (size_t)(s.p + s.n - from) }, close);
		if (!to)
			return;
		to += strlen(close);
		s = (struct str){ to, (size_t)(s.p + s.n - to) };
		i = (size_t)-1; /* the rest may hold any of them */
	}
	buf_put_str(b, s);
}

/* The text of a message's content, string or parts, one part a line. */
static void put_content(struct buf *b, const cJSON *message)
{
	const cJSON *content = cJSON_GetObjectItemCaseSensitive(message, "content"), *part;

	if (cJSON_IsString(content))
		put_without_remarks(b, str_of(content->valuestring));
	cJSON_ArrayForEach(part, content)
	{
		const char *text = string_of(part, "text");

		if (text) {
			put_without_remarks(b, str_of(text));
			buf_putc(b, '\n');
		}
	}
}

static bool has_role(const cJSON *message, const char *role)
{
	const char *r = string_of(message, "role");

	return r && !strcmp(r, role);
}

/* The last messages that say anything: a user's text, or the tool results of one round. Returns
 * true for tool results. */
static bool last_said(const cJSON *messages, struct buf *said)
{
	bool tools = false;

	for (const cJSON *m = messages->child ? messages->child->prev : NULL; m;
		m = m == messages->child ? NULL : m->prev) {
		struct buf text;
		bool tool = has_role(m, "tool");

		if (has_role(m, "system") || has_role(m, "developer"))
			continue;
		if (has_role(m, "assistant") || (tools && !tool))
			break;
		buf_init(&text, 0);
		put_content(&text, m);
		if (tool && tools) /* walking backwards */
			buf_putc(&text, '\n');
		if (tool)
			buf_put_str(&text, buf_str(said));
		if (tool || str_trim(buf_str(&text)).n) {
			buf_reset(said);
			buf_put_str(said, str_trim(buf_str(&text)));
			tools = tool;
		}
		buf_release(&text);
		if (said->n && !tools)
			break;
	}
	return tools;
}

/* ---- calls ---- */

static const char *tool_name(const cJSON *tool)
{
	return string_of(cJSON_GetObjectItemCaseSensitive(tool, "function"), "name");
}

/* The name under which the request has the tool, or NULL. */
static const char *find_tool(const cJSON *tools, struct str name)
{
	const cJSON *tool;

	cJSON_ArrayForEach(tool, tools) if (tool_name(tool) &&
		str_is_nocase(name, tool_name(tool))) return tool_name(tool);
	return NULL;
}

static const char *find_shell(const cJSON *tools)
{
	const char *name = NULL;

	for (size_t i = 0; shells[i] && !name; i++)
		name = find_tool(tools, str_of(shells[i]));
	return name;
}

static void add_call(struct demo_reply *r, const char *name, char *arguments)
{
	char *copy = strdup(name);

	if (r->ncalls == DEMO_CALLS || !copy || !arguments) {
		free(copy);
		free(arguments);
		return;
	}
	r->calls[r->ncalls].name = copy;
	r->calls[r->ncalls++].arguments = arguments;
}

static void add_command(struct demo_reply *r, const char *shell, struct str command)
{
	cJSON *o = cJSON_CreateObject();
	char *copy = strndup(command.p, command.n);

	if (o && copy && cJSON_AddStringToObject(o, "command", copy) &&
		cJSON_AddStringToObject(o, "description", "Command asked for in the demo"))
		add_call(r, shell, cJSON_PrintUnformatted(o));
	cJSON_Delete(o);
	free(copy);
}

/* "call: NAME {…}"; arguments that are no JSON object become {}. */
static void add_named_call(struct demo_reply *r, const cJSON *tools, struct str spec)
{
	const char *brace = str_chr(spec, '{'), *end = NULL, *name;
	size_t n = brace ? (size_t)(brace - spec.p) : spec.n;
	cJSON *o = brace ? cJSON_ParseWithLengthOpts(brace, spec.n - n, &end, 0) : NULL;

	name = find_tool(tools, str_trim((struct str){ spec.p, n }));
	if (name)
		add_call(r, name, o ? strndup(brace, (size_t)(end - brace)) : strdup("{}"));
	cJSON_Delete(o);
}

static void calls_from_lines(
	struct demo_reply *r, const cJSON *tools, const char *shell, struct str said)
{
	struct str line;

	while (str_split(&said, '\n', &line)) {
		line = str_trim(line);
		if (shell && str_starts_nocase(line, "run:"))
			add_command(r, shell, str_trim(str_from(line, 4)));
		else if (str_starts_nocase(line, "call:"))
			add_named_call(r, tools, str_trim(str_from(line, 5)));
	}
}

/* Commands in `backticks`; the first one, or all when they shall run in parallel. */
static void calls_from_backticks(struct demo_reply *r, const char *shell, struct str said)
{
	bool all = str_find_nocase(said, "parallel");
	struct str before, command;

	while (str_split(&said, '`', &before) && str_chr(said, '`')) {
		str_split(&said, '`', &command);
		if (command.n)
			add_command(r, shell, command);
		if (!all && r->ncalls)
			return;
	}
}

/* "Please run echo hi." where what follows doesn't read like prose. */
static void call_from_sentence(struct demo_reply *r, const char *shell, struct str said)
{
	static const char *const prose[] = { "the ", "a ", "an ", "my ", "this ", "that ", "all ",
		"it", NULL };

	if (str_starts_nocase(said, "please "))
		said = str_from(said, 7);
	if (!str_starts_nocase(said, "run "))
		return;
	said = str_trim(str_from(said, 4));
	for (size_t i = 0; prose[i]; i++)
		if (str_starts_nocase(said, prose[i]))
			return;
	if (said.n && said.p[said.n - 1] == '.')
		said.n--;
	if (said.n && !str_chr(said, '\n'))
		add_command(r, shell, said);
}

static void find_calls(struct demo_reply *r, const cJSON *tools, struct str said)
{
	const char *shell = find_shell(tools);

	calls_from_lines(r, tools, shell, said);
	if (!r->ncalls && shell &&
		(str_find_nocase(said, "run") || str_find_nocase(said, "execute")))
		calls_from_backticks(r, shell, said);
	if (!r->ncalls && shell)
		call_from_sentence(r, shell, said);
}

/* ---- texts ---- */

static void put_quote(struct buf *b, struct str s)
{
	struct str cut = str_cut_utf8(s, QUOTE_MAX);

	buf_put_str(b, cut);
	if (cut.n < s.n)
		buf_printf(b, " … (%zu bytes more)", s.n - cut.n);
}

/* The smallest document of a schema: required members, first enum values, empty lists. */
static cJSON *minimal(const cJSON *schema, int depth)
{
	const cJSON *options = cJSON_GetObjectItemCaseSensitive(schema, "enum"), *key;
	const cJSON *members = cJSON_GetObjectItemCaseSensitive(schema, "properties");
	const char *type = string_of(schema, "type");
	cJSON *o;

	if (cJSON_GetArraySize(options))
		return cJSON_Duplicate(cJSON_GetArrayItem(options, 0), 1);
	if (!type || depth == 0)
		return cJSON_CreateString("demo");
	if (!strcmp(type, "array"))
		return cJSON_CreateArray();
	if (!strcmp(type, "number") || !strcmp(type, "integer"))
		return cJSON_CreateNumber(0);
	if (!strcmp(type, "boolean"))
		return cJSON_CreateFalse();
	if (strcmp(type, "object"))
		return cJSON_CreateString("The demo backend of messages-fcgi");
	o = cJSON_CreateObject();
	cJSON_ArrayForEach(
		key, cJSON_GetObjectItemCaseSensitive(schema, "required")) if (cJSON_IsString(key))
		cJSON_AddItemToObject(o, key->valuestring,
			minimal(cJSON_GetObjectItemCaseSensitive(members, key->valuestring),
				depth - 1));
	return o;
}

static const cJSON *wanted_schema(const cJSON *request)
{
	const cJSON *format = cJSON_GetObjectItemCaseSensitive(request, "response_format");

	return cJSON_GetObjectItemCaseSensitive(
		cJSON_GetObjectItemCaseSensitive(format, "json_schema"), "schema");
}

static void say_json(struct demo_reply *r, const cJSON *schema)
{
	cJSON *o = minimal(schema, SCHEMA_DEPTH);
	char *text = o ? cJSON_PrintUnformatted(o) : NULL;

	buf_puts(&r->text, text ? text : "{}");
	cJSON_free(text);
	cJSON_Delete(o);
}

static void say_calls(struct demo_reply *r)
{
	buf_printf(
		&r->text, WHO "It asks your client to run %s.", r->ncalls == 1 ? "this" : "these");
	r->finish = "tool_calls";
}

static void say_echo(struct demo_reply *r, struct str said, bool shell)
{
	buf_puts(&r->text,
		WHO "The request came through and this answer is streamed back. You said: ");
	put_quote(&r->text, said);
	if (shell)
		buf_puts(&r->text, "\n\nTry \"run: echo hi\" to see a tool call.");
}

static void say_results(struct demo_reply *r, struct str results)
{
	buf_puts(&r->text, WHO "The tool answered:\n\n");
	put_quote(&r->text, results);
}

/* ---- limits ---- */

static void apply_stop(struct demo_reply *r, const cJSON *request)
{
	const cJSON *stop = cJSON_GetObjectItemCaseSensitive(request, "stop"), *one;
	const char *found;

	if (cJSON_IsString(stop) && *stop->valuestring &&
		(found = str_find(buf_str(&r->text), stop->valuestring)))
		r->text.n = (size_t)(found - r->text.p);
	cJSON_ArrayForEach(one, stop) if (cJSON_IsString(one) && *one->valuestring &&
		(found = str_find(buf_str(&r->text), one->valuestring))) r->text.n =
		(size_t)(found - r->text.p);
}

static void apply_max_tokens(struct demo_reply *r, const cJSON *request)
{
	const cJSON *max = cJSON_GetObjectItemCaseSensitive(request, "max_completion_tokens");
	double bytes;

	if (!max)
		max = cJSON_GetObjectItemCaseSensitive(request, "max_tokens");
	bytes = cJSON_IsNumber(max) ? max->valuedouble * 4 : DEMO_OUTPUT_TOKENS * 4.0;
	if ((double)r->text.n > bytes) {
		r->text.n = str_cut_utf8(buf_str(&r->text), (size_t)bytes).n;
		r->finish = "length";
		while (r->ncalls) {
			free(r->calls[--r->ncalls].name);
			free(r->calls[r->ncalls].arguments);
		}
	}
}

static void count_tokens(struct demo_reply *r)
{
	size_t n = r->text.n;

	for (size_t i = 0; i < r->ncalls; i++)
		n += strlen(r->calls[i].name) + strlen(r->calls[i].arguments);
	r->completion_tokens = (int64_t)(n + 3) / 4;
}

/* ---- the whole ---- */

/* Options, and errors that need no look at the conversation. False: the reply is an error. */
static bool read_options(struct demo_reply *r, const cJSON *request, size_t bytes)
{
	const char *model = string_of(request, "model");
	char message[200];

	r->stream = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(request, "stream"));
	r->usage = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(
		cJSON_GetObjectItemCaseSensitive(request, "stream_options"), "include_usage"));
	r->prompt_tokens = (int64_t)(bytes + 3) / 4;
	r->model = demo_model(model ? model : "");
	if (!r->model) {
		snprintf(message, sizeof(message),
			"The model `%.100s` does not exist; the demo has `%s` and `%s`.",
			model ? model : "", models[0], models[1]);
		fail(r, 404, "invalid_request_error", "model_not_found", message);
	} else if (r->prompt_tokens > DEMO_CONTEXT_TOKENS) {
		snprintf(message, sizeof(message),
			"This model's maximum context length is %d tokens. However, your messages "
			"resulted in %lld tokens.",
			DEMO_CONTEXT_TOKENS, (long long)r->prompt_tokens);
		fail(r, 400, "invalid_request_error", "context_length_exceeded", message);
	}
	return r->status == 200;
}

static void converse(struct demo_reply *r, const cJSON *request, const cJSON *messages)
{
	const cJSON *tools = cJSON_GetObjectItemCaseSensitive(request, "tools");
	struct buf said;
	struct str text;
	int64_t status;

	buf_init(&said, 0);
	if (last_said(messages, &said)) {
		say_results(r, buf_str(&said));
		goto out;
	}
	text = buf_str(&said);
	if (str_starts_nocase(text, "fail:") &&
		str_int(str_trim(str_from(text, 5)), &status) &&
		status >= 400 && status <= 599) {
		fail(r, (int)status, "demo_error", NULL, "The demo fails because it was asked to.");
		goto out;
	}
	find_calls(r, tools, text);
	if (r->ncalls)
		say_calls(r);
	else if (wanted_schema(request))
		say_json(r, wanted_schema(request));
	else
		say_echo(r, text, find_shell(tools));
out:
	buf_release(&said);
}

void demo_reply_make(struct demo_reply *r, struct str body)
{
	cJSON *request = cJSON_ParseWithLength(body.p, body.n);
	const cJSON *messages = cJSON_GetObjectItemCaseSensitive(request, "messages");

	memset(r, 0, sizeof(*r));
	buf_init(&r->text, 0);
	r->status = 200;
	r->finish = "stop";
	if (!cJSON_IsObject(request))
		fail(r, 400, "invalid_request_error", NULL, "The body is not a JSON object.");
	else if (!cJSON_GetArraySize(messages) || !cJSON_IsArray(messages))
		fail(r, 400, "invalid_request_error", NULL,
			"'messages' has to be a list with at least one message.");
	else if (read_options(r, request, body.n))
		converse(r, request, messages);
	if (r->status == 200) {
		apply_stop(r, request);
		apply_max_tokens(r, request);
		count_tokens(r);
	}
	cJSON_Delete(request);
}

void demo_reply_release(struct demo_reply *r)
{
	for (size_t i = 0; i < r->ncalls; i++) {
		free(r->calls[i].name);
		free(r->calls[i].arguments);
	}
	buf_release(&r->text);
}
