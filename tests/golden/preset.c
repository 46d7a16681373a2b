/*
 * A backend of a preset, made by the program's own loader from a file that names it. What a preset
 * takes from the environment is given here, so that a case is the same everywhere.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/config.h"
#include "golden.h"

static int write_config(const char *path, const char *preset, const char *dialect)
{
	FILE *f = fopen(path, "w");

	if (!f)
		return -1;
	fprintf(f, "proxy_backend = \"%s\";\nbackends = { %s = {\n", preset, preset);
	fprintf(f, "base_url = \"http://upstream.test/base\"; api_key = \"secret\";\n");
	if (dialect)
		fprintf(f, "dialect = \"%s\";\n", dialect);
	fprintf(f, "}; };\n");
	return fclose(f);
}

int preset_read(struct case_options *o, const char *preset, const char *dialect)
{
	char path[] = "/tmp/golden-preset-XXXXXX";
	struct config_load how = { .path = path };
	const struct backend *b = NULL;
	int fd = mkstemp(path);
	struct buf err;

	if (fd < 0)
		return -1;
	close(fd);
	buf_init(&err, 0);
	if (write_config(path, preset, dialect) == 0)
		o->config = config_load(&how, &err);
	unlink(path);
	b = o->config ? config_backend(o->config, preset) : NULL;
	if (b)
		o->backend = *b;
	else
		printf("  config: preset %s: %s\n", preset, buf_cstr(&err));
	buf_release(&err);
	return b ? 0 : -1;
}
