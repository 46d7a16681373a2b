/* Between anthropic_encode.c, which rewrites a body, and anthropic_quirks.c, which knows what a
 * compatible backend has otherwise. */
#ifndef DIALECT_ANTHROPIC_QUIRKS_H
#define DIALECT_ANTHROPIC_QUIRKS_H

#include "dialect/dialect.h"
#include "json/edit.h"

struct anthropic_quirks {
	const char *thinking;           /* value of "thinking", "" for none; NULL: as it came */
	bool thinking_added;            /* the body has no "thinking" that could be replaced */
	bool effort_gone;
	const char *tool_choice;        /* its value; NULL: as it came */
	const char *temperature;        /* its value; NULL: as it came */
	bool tools_gone;                /* none of the tools is one that the backend could have */
	bool any;                       /* something of this */
};
void anthropic_quirks_read(const struct encode_context *c, struct anthropic_quirks *q);
/* What becomes of the member with this path ("output_config.effort"). */
enum edit_action anthropic_quirks_member(const struct anthropic_quirks *q, const char *path,
					 struct str *with);

#endif
