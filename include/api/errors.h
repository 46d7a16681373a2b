/* Questions about the recorded errors, shared by the debug endpoints and the command line. */
#ifndef API_ERRORS_H
#define API_ERRORS_H

#include "api/api.h"
#include "trace/query.h"

enum errors_question {
	ERRORS_RECENT, ERRORS_ENHANCED_RECENT, ERRORS_SHOW, ERRORS_HASH, ERRORS_SEARCH,
	ERRORS_STATS, ERRORS_ENHANCED_STATS, ERRORS_CLEANUP,
};

/* What a parameter belongs to. */
#define ERRORS_OF_LIST 1u
#define ERRORS_OF_SEARCH 2u
#define ERRORS_OF_STATS 4u
#define ERRORS_OF_CLEANUP 8u

struct errors_ask {
	enum errors_question question;
	struct trace_query query;       /* its texts are borrowed */
	int days_to_keep;               /* < 0: as configured */
};

void errors_ask_init(struct errors_ask *a, enum errors_question q);
/* -1 with a sentence in err when there is no such parameter or its value is wrong. value must
 * last. */
int errors_ask_param(struct errors_ask *a, struct str name, const char *value, char *err,
		     size_t size) MUST_CHECK;
/* For answers: bounded. */
void errors_buf_init(struct buf *b);
/* *found: entries, for lists. -1 without memory. */
int errors_answer(const struct errors_ask *a, const struct trace_place *p, struct buf *out,
		  size_t *found) MUST_CHECK;
/* Host, user and configuration of this process. */
int errors_instance(const struct config *c, struct buf *out);

#endif
