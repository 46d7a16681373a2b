/* /doctor and `messages.fcgi doctor`, and who is let in without a key. */
#ifndef API_DOCTOR_H
#define API_DOCTOR_H

#include "api/api.h"

/* doctor.word: opens once, for a while after the configuration was changed (api/word.c). -1 with
 * the fault. */
int doctor_word_check(struct api_call *c, struct fault *f) MUST_CHECK;

/* What /doctor shows. */
struct cJSON;
struct doctor_report {
	const struct findings *findings;
	const char *used;               /* what --check prints of the settings */
	struct str errors;              /* the recorded ones as JSON; n 0: none are recorded */
};
/* NULL without memory. */
struct cJSON *doctor_json(const struct doctor_report *r);
void doctor_page(const struct doctor_report *r, struct buf *b);

#endif
