/*
 * The files that an operator writes. The first byte chooses: 'i' a .env of an earlier system, 'k' a
 * file of keys, 'p' a configuration that is printed, 'c' one that is checked; anything else a
 * configuration, "%%" on a line of its own, and a request that is routed by it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "base/log.h"
#include "checker.h"
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
const char *__lsan_default_suppressions(void);

/* libconfig forgets a string that a file ends in. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libconfig\n";
}

static char path[] = "/tmp/fuzz-config.XXXXXX", keys_path[] = "/tmp/fuzz-keys.XXXXXX";
static int file_fd = -1, keys_fd = -1;
static FILE *nowhere;

static void clean_up(void)
{
	unlink(path);
	unlink(keys_path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	log_setup(LOG_LEVEL_NONE, "none");
	file_fd = mkstemp(path);
	keys_fd = mkstemp(keys_path);
	nowhere = fopen("/dev/null", "w");
	require(file_fd >= 0 && keys_fd >= 0 && nowhere);
	atexit(clean_up);
	return 0;
}

static void put_file(int fd, struct str text)
{
	require(ftruncate(fd, 0) == 0);
	require(pwrite(fd, text.p, text.n, 0) == (ssize_t)text.n);
}

/* A configuration that nothing is wrong with but perhaps its keys. */
static void read_keys(struct str text)
{
	struct config_load how = { .path = path };
	struct config *c;
	char conf[128];
	struct buf err;

	put_file(keys_fd, text);
	snprintf(conf, sizeof(conf), "access = { keys_file = \"%s\"; };\n", keys_path);
	put_file(file_fd, str_of(conf));
	buf_init(&err, 0);
	c = config_load(&how, &err);
	require(c || err.n);
	for (size_t i = 0; c && i < c->nkeys; i++)
		require(c->keys[i].name && c->keys[i].sha256[0] && strlen(c->keys[i].sha256[0]) == 64);
	config_unref(c);
	buf_release(&err);
}

static void route(struct str text)
{
	static const char *const headers[] = { "x-claude-code-agent-id: 1", NULL };
	struct config_load how = { .path = path };
	const char *mark = str_find(text, SECTION);
	struct str request = STR("{}"), conf = text;
	FILE *in;

	if (mark) {
		conf.n = (size_t)(mark - text.p) + 1;
		request = (struct str){ mark + strlen(SECTION), 0 };
		request.n = text.n - (size_t)(request.p - text.p);
	}
	put_file(file_fd, conf);
	in = request.n ? fmemopen((void *)request.p, request.n, "r") : NULL;
	if (!in)
		return;
	api_explain(&how, headers, in, nowhere);
	fclose(in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_load how = { .path = path };
	struct str text = { (const char *)data + 1, size - 1 };
	struct world world = { .answers = STR("") };

	if (!size)
		return 0;
	world_set(&world);
	switch (data[0]) {
	case 'k':
		read_keys(text);
		break;
	case 'i':
		put_file(file_fd, text);
		config_import_env(path, nowhere);
		break;
	case 'p':
		put_file(file_fd, text);
		config_print(&how, nowhere);
		break;
	case 'c':
		put_file(file_fd, text);
		config_check(&how, NULL, nowhere);
		break;
	default:
		route(text);
	}
	return 0;
}
