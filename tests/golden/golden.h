/*
 * Golden cases: one text file says what goes in and what must come out. See tests/golden/README for
 * the format. The runner uses the program's own stages from the parser to the front; only the
 * network is replaced (replay.c).
 */
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H

#include "base/arena.h"
#include "base/buf.h"
#include "message/target.h"

struct section {
	const char *name, *argument; /* "upstream-stream", "crlf" */
	struct str text; /* without the marker line; ends with a line's end unless empty */
};

#define CASE_SECTIONS 32
struct golden_case {
	struct str file, intro;
	struct section sections[CASE_SECTIONS];
	size_t n;
};

/* What options.c makes of the config section. */
struct case_options {
	struct backend backend;
	const char *model; /* at the backend; NULL: as asked for */
	const char *beta, *session_id, *caller;
	int64_t input_estimate;
	bool strip_thinking;
	size_t nbody, nheaders; /* of lists that the case adds to */
	bool own_lists;
	struct config *config; /* where the backend is a preset's; options_release */
};

/* case.c; everything lives in the arena. */
int case_read(struct golden_case *c, const char *path, struct arena *a) MUST_CHECK;
const struct section *case_section(const struct golden_case *c, const char *name);
struct str case_text(const struct golden_case *c,
		     const char *name); /* trimmed; p NULL when absent */
int case_write(const struct golden_case *c, const char *path) MUST_CHECK;
/* The bytes that the upstream sends, from upstream-stream, upstream-lines, upstream-file or
 * upstream-body. -1: none; 1: a recorded file is absent. */
int case_upstream(const struct golden_case *c, const char *recorded, struct arena *a,
		  struct str *out);

bool case_framed(const struct golden_case *c); /* it is an AWS event stream */

/* frames.c: one line as a message of an AWS event stream; chunk: it is an event of the Messages
 * API. -1: it is no object with a member. */
int frame_line(struct buf *b, struct str line, bool chunk) MUST_CHECK;

/* options.c: 0, or -1 with the line that is wrong printed. */
int options_read(struct case_options *o, struct str config, struct arena *a) MUST_CHECK;
void options_release(struct case_options *o);

/* preset.c: "preset = GROQ" (and "dialect = …"): the backend as the program itself makes it of that
 * preset. 0, or -1 with the reason printed. */
int preset_read(struct case_options *o, const char *preset, const char *dialect) MUST_CHECK;

/* replay.c: how the scripted upstream answers the next call. */
enum chop { CHOP_WHOLE, CHOP_BYTES, CHOP_RANDOM };
struct script {
	struct str bytes;
	int status, retry_after, should_retry;
	struct str error_type; /* x-amzn-errortype */
	bool framed; /* as an AWS event stream */
	bool reset; /* the connection breaks behind the bytes */
	enum chop chop;
	uint64_t seed;
};
struct exchange {
	const struct case_options *options;
	struct str request;
	const struct script *script;
	bool stream;
};
/* The front's whole output appended to out. */
int replay(const struct exchange *x, struct buf *out) MUST_CHECK;
struct encoded {
	struct str body, url, headers, dropped; /* dropped, headers: one a line */
	bool enforce_stop;
	struct str fault; /* what the client gets instead; p NULL */
};
int replay_encode(const struct exchange *x, struct encoded *out, struct arena *a) MUST_CHECK;

/* text.c */
void json_compact(struct buf *b,
		  struct str json); /* white space between tokens goes, nothing else changes */
void json_pretty(struct buf *b, struct str json);
void mask_ids(struct buf *b, struct str text,
	      struct str known); /* made-up ids become msg_ID, toolu_ID1 …; error ids go */
void print_diff(struct str want, struct str got);

#endif
