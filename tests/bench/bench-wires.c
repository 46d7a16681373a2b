/*
 * The same answer as each backend would write it: what stands around a fragment has the members,
 * and so the length, that recorded answers of the provider have. A row is a format: how the answer
 * begins, one event for each kind of fragment, how blocks and the answer end.
 */
#include "bench-wires.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define THINKING 100            /* fragments of each kind; ARGUMENTS in each of two calls */
#define TEXT 300
#define ARGUMENTS 100

static const char *const fragments[] = {
	"The answer", " is", " in the second", " file,", " where `main`\\n", " calls", " it twice",
	" — once", " for each", " argument", ".\\n\\n", "So the", " test",
};
#define FRAGMENTS (sizeof(fragments) / sizeof(fragments[0]))

/* ' stands for ", % for the fragment, # for the block's number. A name before a space in front of
 * the brace is the event's. NULL: the format has no such event. */
struct format {
	const char *kind;
	const char *start, *open_thinking, *thinking, *open_text, *text, *call, *arguments;
	const char *close;              /* behind each block */
	const char *end[2];
	bool whole_arguments;           /* a call's arguments come in one piece */
	bool base64;                    /* each event is wrapped in a chunk of InvokeModel */
};

#define CHAT(delta, finish) \
	"{'id':'chatcmpl-D8Z5oo6uDh67AD85p73ksdT1KxhE0','object':'chat.completion.chunk'," \
	"'created':1770933892,'model':'gpt-4.1-nano-2025-04-14','service_tier':'default'," \
	"'system_fingerprint':'fp_de604bd877','choices':[{'index':0,'delta':{" delta "}," \
	"'logprobs':null,'finish_reason':" finish "}],'usage':null,'obfuscation':'yhjoJbEF'}"
#define CHAT_USAGE \
	"{'id':'chatcmpl-D8Z5oo6uDh67AD85p73ksdT1KxhE0','object':'chat.completion.chunk'," \
	"'created':1770933892,'model':'gpt-4.1-nano-2025-04-14','choices':[],'usage':{" \
	"'prompt_tokens':100,'completion_tokens':600,'total_tokens':700," \
	"'prompt_tokens_details':{'cached_tokens':10,'audio_tokens':0}}}"
#define CHAT_ROW(kind_, thinking_) { \
	.kind = kind_, \
	.start = CHAT("'role':'assistant','content':'','refusal':null", "null"), \
	.thinking = CHAT(thinking_, "null"), .text = CHAT("'content':'%'", "null"), \
	.call = CHAT("'tool_calls':[{'index':#,'id':'call_#','type':'function','function':{" \
		     "'name':'read','arguments':''}}]", "null"), \
	.arguments = CHAT("'tool_calls':[{'index':#,'function':{'arguments':'%'}}]", "null"), \
	.end = { CHAT("", "'tool_calls'"), CHAT_USAGE } }

#define RESPONSES(type, more) \
	type " {'type':'" type "','sequence_number':123,'output_index':#," more "}"
#define RESPONSES_DELTA(type, more) \
	RESPONSES(type, "'item_id':'msg_68dbf5c8e1d48190a6e1d2b0d2c0f5b40fd6cd6d'," more \
		  "'delta':'%','obfuscation':'yhjoJbEF'")

#define MESSAGES(kind_, base64_) { \
	.kind = kind_, \
	.start = "message_start {'type':'message_start','message':{'id':'msg_1','type':'message'," \
		"'role':'assistant','model':'claude','content':[],'stop_reason':null," \
		"'stop_sequence':null,'usage':{'input_tokens':9,'output_tokens':1}}}", \
	.open_thinking = "content_block_start {'type':'content_block_start','index':#," \
		"'content_block':{'type':'thinking','thinking':'','signature':''}}", \
	.thinking = "content_block_delta {'type':'content_block_delta','index':#,'delta':{" \
		"'type':'thinking_delta','thinking':'%'}}", \
	.open_text = "content_block_start {'type':'content_block_start','index':#," \
		"'content_block':{'type':'text','text':''}}", \
	.text = "content_block_delta {'type':'content_block_delta','index':#,'delta':{" \
		"'type':'text_delta','text':'%'}}", \
	.call = "content_block_start {'type':'content_block_start','index':#,'content_block':{" \
		"'type':'tool_use','id':'toolu_#','name':'read','input':{}}}", \
	.arguments = "content_block_delta {'type':'content_block_delta','index':#,'delta':{" \
		"'type':'input_json_delta','partial_json':'%'}}", \
	.close = "content_block_stop {'type':'content_block_stop','index':#}", \
	.end = { "message_delta {'type':'message_delta','delta':{'stop_reason':'tool_use'," \
		 "'stop_sequence':null},'usage':{'output_tokens':600}}", \
		 "message_stop {'type':'message_stop'}" }, \
	.base64 = base64_ }

#define GEMINI(part, more) \
	"{'candidates':[{'content':{'parts':[{" part "}],'role':'model'}" more ",'index':0}]," \
	"'usageMetadata':{'promptTokenCount':9,'candidatesTokenCount':10,'totalTokenCount':275," \
	"'promptTokensDetails':[{'modality':'TEXT','tokenCount':9}],'thoughtsTokenCount':256}," \
	"'modelVersion':'gemini-3-pro-preview','responseId':'dX6LadKVC7SZ28oPr9yJoQs'}"

#define COHERE(type, message) "{'type':'" type "','index':#,'delta':{'message':{" message "}}}"

#define CONVERSE(delta) \
	"contentBlockDelta {'contentBlockIndex':#,'delta':{" delta "},'p':'abcdefghijklmn'}"

static const struct format formats[] = {
	CHAT_ROW("openai-chat", "'reasoning_content':'%'"),
	CHAT_ROW("MISTRAL", "'content':[{'type':'thinking','thinking':[{'type':'text','text':'%'}]}]"),
	CHAT_ROW("AZURE_DATABRICKS",
		 "'content':[{'type':'reasoning','summary':[{'type':'summary_text','text':'%',"
		 "'signature':''}]}]"),
	{
		.kind = "openai-responses",
		.start = RESPONSES("response.created", "'response':{'id':'resp_1','status':"
				   "'in_progress','model':'gpt-5.2','output':[]}"),
		.thinking = RESPONSES_DELTA("response.reasoning_summary_text.delta",
					    "'summary_index':0,"),
		.text = RESPONSES_DELTA("response.output_text.delta",
					"'content_index':0,'logprobs':[],"),
		.call = RESPONSES("response.output_item.added", "'item':{'id':'fc_#','type':"
				  "'function_call','status':'in_progress','arguments':'',"
				  "'call_id':'call_#','name':'read'}"),
		.arguments = RESPONSES_DELTA("response.function_call_arguments.delta", ""),
		.end = { RESPONSES("response.completed", "'response':{'id':'resp_1','status':"
				   "'completed','model':'gpt-5.2','output':[],'usage':{"
				   "'input_tokens':100,'output_tokens':600}}") },
	},
	MESSAGES("anthropic", false),
	MESSAGES("vertex-anthropic", false),
	MESSAGES("bedrock-anthropic", true),
	{
		.kind = "bedrock-converse",
		.start = "messageStart {'role':'assistant','p':'abcdefgh'}",
		.thinking = CONVERSE("'reasoningContent':{'text':'%'}"),
		.text = CONVERSE("'text':'%'"),
		.call = "contentBlockStart {'contentBlockIndex':#,'start':{'toolUse':{'name':"
			"'read','toolUseId':'tooluse_#'}},'p':'abcdefgh'}",
		.arguments = CONVERSE("'toolUse':{'input':'%'}"),
		.close = "contentBlockStop {'contentBlockIndex':#,'p':'abcdefgh'}",
		.end = { "messageStop {'stopReason':'tool_use','p':'abcdefgh'}",
			 "metadata {'metrics':{'latencyMs':900},'usage':{'inputTokens':100,"
			 "'outputTokens':600,'totalTokens':700},'p':'abcdefgh'}" },
	},
	{
		.kind = "gemini",
		.thinking = GEMINI("'text':'%','thought':true", ""),
		.text = GEMINI("'text':'%'", ""),
		.arguments = GEMINI("'functionCall':{'name':'read','id':'call_#','args':{'a':'%'}}",
				    ""),
		.end = { GEMINI("'text':''", ",'finishReason':'STOP'") },
		.whole_arguments = true,
	},
	{
		.kind = "cohere",
		.start = "{'id':'2941521a-b87a-45f6-9b0d-235fd66c3025','type':'message-start',"
			 "'delta':{'message':{'role':'assistant','content':[],'tool_plan':'',"
			 "'tool_calls':[],'citations':[]}}}",
		.thinking = COHERE("content-delta", "'content':{'thinking':'%'}"),
		.text = COHERE("content-delta", "'content':{'text':'%'}"),
		.call = COHERE("tool-call-start", "'tool_calls':{'id':'call_#','type':'function',"
			       "'function':{'name':'read','arguments':''}}"),
		.arguments = COHERE("tool-call-delta", "'tool_calls':{'function':{'arguments':'%'}}"),
		.close = "{'type':'content-end','index':#}",
		.end = { "{'type':'message-end','delta':{'finish_reason':'TOOL_CALL','usage':{"
			 "'billed_units':{'input_tokens':100,'output_tokens':600},'tokens':{"
			 "'input_tokens':100,'output_tokens':600}}}}" },
	},
};

struct maker {
	struct wire *wire;
	struct arena *arena;
	const struct format *format;
	size_t cap;
	unsigned block, fragment;
};

/* {"bytes":"…","p":"…"}; the second member is padding. */
static struct str wrap(struct maker *m, struct str event)
{
	unsigned char *coded = arena_alloc(m->arena, event.n / 3 * 4 + 5);

	if (!coded)
		abort();
	EVP_EncodeBlock(coded, (const unsigned char *)event.p, (int)event.n);
	return str_of(arena_printf(m->arena, "{\"bytes\":\"%s\",\"p\":\"abcdefghijklmn\"}", coded));
}

static void put(struct maker *m, const char *template, const char *text)
{
	struct wire *w = m->wire;
	const char *brace = template ? strchr(template, '{') : NULL;
	struct wire_event *e;
	struct buf b;

	if (!template)
		return;
	w->v = arena_grow(m->arena, w->v, w->n, &m->cap, sizeof(*w->v));
	if (!w->v)
		abort();
	e = &w->v[w->n++];
	buf_init(&b, 0);
	for (const char *p = brace; *p; p++) {
		if (*p == '%')
			buf_puts(&b, text);
		else if (*p == '#')
			buf_put_int(&b, m->block);
		else
			buf_putc(&b, *p == '\'' ? '"' : *p);
	}
	e->name = brace > template ? (struct str){ template, (size_t)(brace - template) - 1 } : STR("");
	e->data = arena_str(m->arena, buf_str(&b));
	if (m->format->base64) {
		e->name = STR("chunk");
		e->data = wrap(m, e->data);
	}
	buf_release(&b);
}

static void put_fragments(struct maker *m, const char *template, unsigned n)
{
	while (n--)
		put(m, template, fragments[m->fragment++ % FRAGMENTS]);
}

static void put_block(struct maker *m, const char *open, const char *template, unsigned n)
{
	put(m, open, "");
	put_fragments(m, template, n);
	put(m, m->format->close, "");
	m->block++;
}

static void put_call(struct maker *m)
{
	const struct format *f = m->format;
	struct buf all;

	put(m, f->call, "");
	if (f->whole_arguments) {
		buf_init(&all, 0);
		for (unsigned i = 0; i < ARGUMENTS; i++)
			buf_puts(&all, fragments[m->fragment++ % FRAGMENTS]);
		put(m, f->arguments, buf_cstr(&all));
		buf_release(&all);
	} else {
		put(m, f->arguments, "{\\\"a\\\":\\\"");
		put_fragments(m, f->arguments, ARGUMENTS);
		put(m, f->arguments, "\\\"}");
	}
	put(m, f->close, "");
	m->block++;
}

bool wire_make(struct wire *w, const char *kind, struct arena *a)
{
	struct maker m = { .wire = w, .arena = a };
	const struct format *f = NULL;

	for (size_t i = 0; !f && i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcmp(formats[i].kind, kind) == 0)
			f = &formats[i];
	*w = (struct wire){ .n = 0 };
	if (!f)
		return false;
	m.format = f;
	put(&m, f->start, "");
	put_block(&m, f->open_thinking, f->thinking, THINKING);
	put_block(&m, f->open_text, f->text, TEXT);
	put_call(&m);
	put_call(&m);
	put(&m, f->end[0], "");
	put(&m, f->end[1], "");
	return true;
}
