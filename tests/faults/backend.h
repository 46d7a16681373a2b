/*
 * A backend of one thread that gives every request the same answer, one connection a request, and
 * remembers what it was asked.
 */
#ifndef TESTS_FAULTS_BACKEND_H
#define TESTS_FAULTS_BACKEND_H

#include "base/str.h"

/* Its port, or -1. */
int backend_start(void);
void backend_stop(void);
/* The answer from now on; nothing is copied. */
void backend_answers(const char *status, const char *content_type, struct str body);
/* The i-th request that came in whole since the last backend_forget, its body alone; p NULL: there
 * were not so many. Waits until the connections so far have been served. */
struct str backend_body(size_t i);
/* Its request line and headers. */
struct str backend_head(size_t i);
void backend_forget(void);

#endif
