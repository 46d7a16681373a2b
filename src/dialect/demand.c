/*
 * Requests that must not reach a backend without what they ask for: each refusal is in words that
 * tell the client, or who runs the gateway, what to do instead.
 */
#include "dialect/demand.h"

#include <string.h>

int demand_whole_conversation(const struct encode_context *c, struct fault *f)
{
	if (!c->request->thread_continue)
		return 0;
	fault_bad(f, "capability_rejected: beta_header:message-threads-2026-08-12; "
		  "backend %s keeps no thread state. Resend the full conversation.",
		  c->target->backend->name);
	f->details = "{\"error_code\":\"thread_unsupported_request\"}";
	return -1;
}

/* Backends that search by themselves (Perplexity) are told of no tools at all. */
static bool knows_tools(const struct backend *b)
{
	const char *const *drop = b->drop_members;
	const struct body_member *m = b->body;

	for (; drop && *drop; drop++)
		if (!strcmp(*drop, "tools"))
			return false;
	for (; m && m->name; m++)
		if (!m->json && !strcmp(m->name, "tools"))
			return false;
	return true;
}

static int refuse_tool(const struct backend *b, const char *member, const struct tool *t,
		       struct fault *f)
{
	return fault_set(f, FAULT_CAPABILITY, 400, "invalid_request_error",
			 "%s: backend %s can't run the tool %.*s, which only Anthropic's own API "
			 "has. A rule of routes with when.web_search sends such requests elsewhere.",
			 member, b->name, (int)t->type.n, t->type.p);
}

int demand_server_tool(const struct encode_context *c, enum op op, demand_left_out *left_out,
		       struct fault *f)
{
	const struct message_request *r = c->request;
	const struct backend *b = c->target->backend;
	const struct tool *lost = NULL;
	bool kept = false;

	if (op != OP_MESSAGE || r->tool_choice == CHOICE_NONE || !knows_tools(b))
		return 0;
	for (size_t i = 0; i < r->ntools; i++) {
		const struct tool *t = &r->tools[i];

		if (!(left_out ? left_out(b, t) : t->server)) {
			kept = true;
			continue;
		}
		if (r->tool_choice == CHOICE_TOOL && span_eq(t->name, r->tool_choice_name))
			return refuse_tool(b, "tool_choice", t, f);
		if (!lost)
			lost = t;
	}
	return lost && !kept ? refuse_tool(b, "tools", lost, f) : 0;
}
