/*
 * A strict pull scanner for JSON (RFC 8259): UTF-8 checked, depth limited, no allocation, no recursion.
 * One pass: each byte is checked exactly once, by the call that moves over it. It finds spans; it never makes trees.
 * Duplicate members are reported as they come; readers take the last.
 */
#ifndef JSON_SCAN_H
#define JSON_SCAN_H

#include "json/span.h"

#define JSON_MAX_DEPTH 128

struct scan {
	const char *p, *end, *start;
	unsigned depth;         /* containers entered by scan_object/scan_array and open now */
	const char *error;      /* static sentence fragment, NULL while all is well; sticky */
	size_t error_at;        /* byte offset from start */
};

void scan_init(struct scan *s, struct str text);
/* What comes next, white space skipped: one of { [ " t f n 0 (any number), or 0 at the end or on error. */
char scan_peek(struct scan *s);
/* Moves over one whole value and returns it as SPAN_JSON; strings too (use span_unquote). SPAN_NONE on error. */
struct span scan_value(struct scan *s);
/* Like scan_value, but a string comes back as SPAN_STR. */
struct span scan_any(struct scan *s);
/* Enter a container; false when something else stands there (error is set). */
bool scan_object(struct scan *s) MUST_CHECK;
bool scan_array(struct scan *s) MUST_CHECK;
/* Next member of the entered object: *key (SPAN_STR) and the scanner before its value, which the caller must read with
 * scan_value, scan_any, scan_object or scan_array before the next call. False at the closing brace (moved over,
 * left) or on error: check s->error. */
bool scan_member(struct scan *s, struct span *key);
/* Next element of the entered array: the scanner stands before its value. False at the closing bracket or on error. */
bool scan_element(struct scan *s);
/* Only white space may be left; false (and error set) otherwise. */
bool scan_end(struct scan *s) MUST_CHECK;

/* One whole document, checked; -1 with *error and *at filled (both may be NULL). */
int json_check(struct str text, const char **error, size_t *at) MUST_CHECK;
/* Looks a member up in an object (a text that json_check or a scanner has passed); the last of equal keys wins. SPAN_JSON, or SPAN_STR for
 * a string value; SPAN_NONE if absent or if obj is no object. */
struct span json_get(struct span obj, const char *key);
/* The same along a path: json_path(obj, "error", "metadata", "raw", NULL). */
struct span json_path(struct span obj, ...) __attribute__((sentinel));
/* Walks the elements of an array: struct scan it; json_each(arr, &it); while (scan_element(&it)) v = scan_any(&it); */
bool json_each(struct span arr, struct scan *it);
bool json_each_member(struct span obj, struct scan *it);

#endif
