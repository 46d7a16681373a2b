/*
 * Error sites: each place in the source that reports an error is an entry of one table, so that an
 * error can be named, counted and listed before it ever happens.
 *
 * ERROR_SITE puts a pointer to a static struct into a section of its own; the linker puts the
 * sections of all objects that are in the program together, and gives their begin and end names
 * (ELF and Mach-O alike). Nothing runs at start and nothing is allocated. Pointers and not the
 * structs themselves, which compilers may align so that gaps come between them.
 *
 * A site's id are the first 12 hex digits of the SHA-256 of "FILE\nFUNCTION\nCODE": the same in
 * every build, and whatever lines are added above it. Places of one function that report the same
 * code share it; where they mean different things, one gets a code of its own.
 */
#ifndef BASE_SITE_H
#define BASE_SITE_H

#include "base/parts.h"
#include "base/str.h"

struct error_site {
	const char *file;               /* __FILE__ */
	const char *function;
	const char *code;               /* as in the source: "FAULT_RATE/\"rate_limit_error\"" */
	const char *text;               /* the format, as in the source: "\"at %s\"" */
	int line;
};

#define SITE_ID_SIZE 13
#define SITE_CODE_SIZE 80

#ifdef __APPLE__
#define SITE_SECTION "__DATA,error_sites"
#else
#define SITE_SECTION "error_sites"
#endif
/* Before LLVM 13 and binutils 2.36 nothing drops sections whose begin is named, and nothing
 * knows "retain". */
#ifdef __has_attribute
#if __has_attribute(retain)
#define SITE_KEPT , retain
#endif
#endif
#ifndef SITE_KEPT
#define SITE_KEPT
#endif

/* Without the list nothing refers to the texts. */
#if !WITH_ERROR_SITES
#define ERROR_SITE(code_text, format_text) __extension__ ({ \
	static const struct error_site site_here = { __FILE__, __func__, code_text, "", __LINE__ }; \
	(void)sizeof(format_text); \
	&site_here; })
#else
/* code and text are C strings of source text; the value is a const struct error_site *. */
#define ERROR_SITE(code_text, format_text) __extension__ ({ \
	static const struct error_site site_here = \
		{ __FILE__, __func__, code_text, format_text, __LINE__ }; \
	static const struct error_site *const site_listed \
		__attribute__((section(SITE_SECTION), used SITE_KEPT)) = &site_here; \
	&site_here; })
#endif

/* The source text of the first of several arguments: a printf-like call's format. */
#define SITE_TEXT(...) SITE_TEXT_1(SITE_FIRST(__VA_ARGS__, 0))
#define SITE_FIRST(first, ...) first
#define SITE_TEXT_1(expanded) SITE_TEXT_2(expanded)
#define SITE_TEXT_2(expanded) #expanded

/* All sites of the program in no order: site_count() pointers. */
const struct error_site *const *site_all(size_t *n);

/* The path from the source tree's top: "src/api/gate.c", wherever that was built. */
const char *site_file(const struct error_site *s);
/* "rate/rate_limit_error", or the code that the place gave itself; "any" for a part that is only
 * known when it happens. Literals become words with '_' between them. */
void site_code(const struct error_site *s, char out[SITE_CODE_SIZE]);
/* 12 hex digits; zeros when there was no memory for the hash. */
void site_id(const struct error_site *s, char out[SITE_ID_SIZE]);
/* The format without its quotes; several that one place chooses from are joined by " | ". Cut to
 * size. */
void site_text(const struct error_site *s, char *out, size_t size);
/* Does the format quote anything but numbers? */
bool site_quotes(const struct error_site *s);

#endif
