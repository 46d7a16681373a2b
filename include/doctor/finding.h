/*
 * What the doctor finds: each finding says what is so, why it matters and what to do. A list lives
 * in an arena together with its texts; one thread adds to it.
 */
#ifndef DOCTOR_FINDING_H
#define DOCTOR_FINDING_H

#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"

enum finding_level { FINDING_ERROR, FINDING_WARNING, FINDING_NOTE, FINDING_OK, FINDING_LEVELS };

struct finding {
	enum finding_level level;
	const char *area;               /* "configuration", "backend OPENROUTER", "web server" */
	const char *id;                 /* for programs: "web.not_streamed" */
	const char *what;               /* a sentence */
	const char *why, *todo;         /* NULL: nothing to say; todo may have several lines */
};

struct findings {
	struct arena *arena;
	struct finding *v;
	size_t n, cap;
};

/* Texts are borrowed, from the arena or static. One that there is no memory for fails the arena. */
void finding_add(struct findings *l, enum finding_level level, const char *area, const char *id,
		 const char *what, const char *why, const char *todo);
/* A text in the list's arena; "" without memory. */
const char *finding_text(struct findings *l, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* What a fault says of a backend, without its name before it. */
const char *finding_plain(struct findings *l, const char *message, const char *name);
/* Worst first; of equal ones the first found. */
void findings_sort(struct findings *l);
size_t findings_count(const struct findings *l, enum finding_level level);
const struct finding *findings_get(const struct findings *l, const char *id);
const char *finding_level_name(enum finding_level level);

/* For a terminal. */
void findings_print(const struct findings *l, FILE *out);
/* [{"level":…,"area":…,"id":…,"finding":…,"why":…,"do":…}]; NULL without memory. */
struct cJSON;
struct cJSON *findings_json(const struct findings *l);
/* A part of an HTML page: a section for each level, all texts escaped. */
void findings_html(const struct findings *l, struct buf *b);
/* Text as HTML shows it. */
void html_put(struct buf *b, struct str text);

#endif
