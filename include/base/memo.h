/*
 * What was made of a text, kept for the next time that the same text comes: clients send the same
 * tool schemas with every request of a session, and some backends want each of them rewritten.
 * One small table for the process, with limits of its own; an entry is found by comparing the whole
 * text, so that a hash that meets another can do no harm. Any thread may call.
 */
#ifndef BASE_MEMO_H
#define BASE_MEMO_H

#include "base/str.h"

#define MEMO_ENTRIES 512
#define MEMO_TEXT_MAX (32 * 1024)       /* bytes: larger texts are not kept */
#define MEMO_BYTES (512 * 1024)         /* of texts and what was made of them, in all */

/* kind: what is made of the text, a static string that the caller always gives by the same address.
 * take gets what was kept, valid during the call only, and must not call back. False: nothing
 * is. */
bool memo_find(const char *kind, struct str text, void (*take)(void *ctx, struct str made),
	       void *ctx);
/* Keeps copies of both; quietly nothing where there is no memory for it. */
void memo_keep(const char *kind, struct str text, struct str made);
/* Forgets everything: a process that has nothing to do calls it. */
void memo_trim(void);

#endif
