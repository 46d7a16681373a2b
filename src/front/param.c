/* Lists of CGI parameters, as libfcgi and environ keep them. */
#include "front/param.h"

#include <string.h>

#include "base/str.h"

const char *param_find(const char *const *params, const char *name)
{
	size_t n = strlen(name);

	for (; params && *params; params++)
		if (!strncmp(*params, name, n) && (*params)[n] == '=')
			return *params + n + 1;
	return NULL;
}

int64_t param_length(const char *text)
{
	int64_t n;

	if (!text || *text < '0' || *text > '9' || !str_int(str_of(text), &n))
		return -1;
	return n;
}
