/*
 * What the files of the gemini encoder share. The conversation is collected and paired by the
 * openai-chat encoder's functions, which work on `e`; what is written is Gemini's own.
 */
#ifndef DIALECT_GEMINI_ENCODE_H
#define DIALECT_GEMINI_ENCODE_H

#include "dialect/gemini.h"
#include "dialect/openai_turns.h"

/* What a model family takes; gemini_options.c holds the table. */
struct gemini_model {
	const char *glob;
	unsigned flags;
	int64_t budget_min, budget_max; /* tokens of thinking; GEMINI_BUDGET */
	const char *levels;             /* of thinking, the lowest first; GEMINI_LEVEL */
};
enum {
	GEMINI_BUDGET = 1,      /* thinkingBudget; refuses thinkingLevel */
	GEMINI_LEVEL = 2,       /* thinkingLevel; beside thinkingBudget a 400 */
	GEMINI_OFF = 4,         /* can be told not to think */
	GEMINI_SIGNED = 8,      /* 3 and later: call ids and thought signatures must come back */
	GEMINI_FIXED = 16,      /* takes no temperature, topP, topK */
	GEMINI_NO_PREFILL = 32, /* the conversation must not end with the model's turn */
};

struct gemini_encoder {
	struct openai_encoder e;
	struct backend backend;         /* the target's, as far as this model can do it */
	const struct gemini_model *model;
	const char *name;               /* the model's, without "models/" in front */
};

const struct gemini_model *gemini_model_find(const char *name);

void gemini_put_contents(struct gemini_encoder *g);     /* gemini_contents.c */
void gemini_put_tools(struct gemini_encoder *g);        /* gemini_tools.c */
void gemini_put_options(struct gemini_encoder *g);      /* gemini_options.c */
/* "responseMimeType" and "responseSchema" with a comma before each; gemini_tools.c. */
void gemini_put_format(struct gemini_encoder *g, bool *first);

#endif
