/* See parts.h; the same list as in m4/messages.m4 and docs/install.md. */
#include "base/parts.h"

#include <stdio.h>
#include <string.h>

const struct build_part build_parts[] = {
	{ "anthropic", WITH_ANTHROPIC },
	{ "aws", WITH_AWS },
	{ "azure", WITH_AZURE },
	{ "capture", WITH_CAPTURE },
	{ "cohere", WITH_COHERE },
	{ "databricks", WITH_DATABRICKS },
	{ "doctor", WITH_DOCTOR },
	{ "earlier-paths", WITH_EARLIER_PATHS },
	{ "error-files", WITH_ERROR_FILES },
	{ "error-sites", WITH_ERROR_SITES },
	{ "exec", WITH_EXEC },
	{ "google", WITH_GOOGLE },
	{ "oauth", WITH_OAUTH },
	{ "responses", WITH_RESPONSES },
	{ "sandbox", WITH_SANDBOX },
	{ "tools", WITH_TOOLS },
	{ NULL, false },
};

const char *part_missing(const char *name)
{
	for (const struct build_part *p = build_parts; name && p->name; p++)
		if (strcmp(p->name, name) == 0)
			return p->built ? NULL : p->name;
	return NULL;
}

void parts_left_out(char *out, size_t size)
{
	size_t n = 0;

	*out = '\0';
	for (const struct build_part *p = build_parts; p->name; p++)
		if (!p->built && n < size)
			n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "", p->name);
}
