/*
 * What the parts of the gemini decoder share: gemini_decode.c reads chunks, gemini_args.c makes one
 * JSON text of the arguments that some models stream by path. All memory is the call's arena.
 */
#ifndef DIALECT_GEMINI_DECODE_H
#define DIALECT_GEMINI_DECODE_H

#include "dialect/gemini.h"

/* One step of a path such as $.edits[2].text */
struct gemini_step {
	struct span name;               /* of a member, SPAN_UTF8; absent: an element of an array */
	int64_t index;                  /* of the element */
};

/* Arguments on their way in: where the text stands now. */
struct gemini_args {
	struct gemini_step *path;       /* of the value written last; n 0: none yet */
	size_t n;
	bool in_string;                 /* that value is a string that goes on */
};

/* One element of "partialArgs": appends the JSON text that it adds. -1 when memory ends. */
int gemini_args_piece(struct gemini_args *g, struct arena *a, struct span piece, struct buf *out);
/* Appends what the text still lacks; g is as at the start then. */
void gemini_args_end(struct gemini_args *g, struct buf *out);

enum gemini_count {
	GEMINI_PROMPT, GEMINI_CACHED, GEMINI_CANDIDATES, GEMINI_THOUGHTS, GEMINI_TOOL_USE,
	GEMINI_COUNTS,
};

struct gemini_decoder {
	const struct decode_context *c;
	bool started;                   /* EVENT_START has been sent */
	bool content;                   /* so has a part of the answer */
	bool done;                      /* a whole body was read */
	bool finished;                  /* a finish reason was given */
	bool thinking;                  /* a thinking block is open and has no signature yet */
	bool calling;                   /* the arguments of the last call go on */
	enum stop_reason stop;
	unsigned calls;
	struct gemini_args args;
	int64_t counts[GEMINI_COUNTS];  /* the last that was said of each; -1: nothing */
};

#endif
