/*
 * A conversation put in order for an openai-chat backend: turns in groups of one role, and each
 * call with the result that answers it. Everything lives in the encoder's arena.
 */
#ifndef DIALECT_OPENAI_TURNS_H
#define DIALECT_OPENAI_TURNS_H

#include "dialect/openai_encode.h"

struct item {
	const struct block *block;
	struct item *next_same; /* results of one call id, in their order */
	const struct turn *turn;
	bool reminder; /* text of a system entry that became user text */
	bool used;     /* a result that answers a call */
};

struct group {
	enum role role;
	struct item *items;
	size_t n, cap;
	bool done; /* folded into the tool message before it */
};

struct groups {
	struct group *v;
	size_t n, cap;
};

struct call {
	const struct block *use;
	struct item *result; /* NULL: none was recorded */
	unsigned repeat;     /* how many calls of this id came before it in the turn */
};

void openai_collect_groups(struct openai_encoder *e, struct groups *gs);
/*
 * Pairs the calls of an assistant group with the results of the next user group (NULL: there is
 * none), which are marked as used. Returns how many calls there are in *out.
 */
size_t openai_pair_calls(struct openai_encoder *e, const struct group *g, struct group *user,
			 struct call **out);

/* openai_messages.c; other dialects give these parts a form of their own. */
/* The system prompt; ps->e is set. */
void openai_system_parts(struct parts *ps);
/* Everything of a user group but the results that answered calls. left: the kinds of media (enum of
 * parts_add) inside such results that did not go with them. */
void openai_user_parts(struct parts *ps, const struct group *g, unsigned left);
/* A block of an assistant turn that is text. glued: no separator before it. */
void openai_assistant_block(struct parts *ps, const struct block *b, bool glued);
/* Are both pieces of one text? */
bool openai_continues_text(const struct item *last, const struct item *it);
/* What a tool result says; "(no output)" for nothing. */
void openai_result_parts(struct parts *ps, const struct block *b);
#define NO_RESULT "[No result was recorded for this call.]"

#endif
