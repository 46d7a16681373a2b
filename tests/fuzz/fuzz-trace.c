/*
 * The error files as they are read again: whatever a line holds, torn or made by somebody else, what
 * a search and the figures answer is JSON. The first line of an input is what is searched for,
 * "NAME=value" parted by '&'; the rest is the file.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "checker.h"
#include "json/scan.h"
#include "trace/query.h"

#define NOON INT64_C(1795348800000)     /* 2026-11-22T12:00:00Z */
#define BUDGET_MS 5000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct trace_place place = { .instance = "0123456789ab", .max_bytes = 1 << 24,
				    .max_files = 10, .retention_days = 2 };
static char folder[64], file[128];
static int fd = -1;

static void clean_up(void)
{
	unlink(file);
	rmdir(folder);
	rmdir(place.dir);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	snprintf(place.dir, sizeof(place.dir), "/tmp/fuzz-trace.XXXXXX");
	log_setup(LOG_LEVEL_NONE, "none");
	require(mkdtemp(place.dir));
	atexit(clean_up);
	snprintf(folder, sizeof(folder), "%.40s/errors", place.dir);
	snprintf(file, sizeof(file), "%s/errors_2026-11-22.jsonl", folder);
	require(mkdir(folder, 0700) == 0);
	fd = open(file, O_RDWR | O_CREAT | O_EXCL, 0600);
	require(fd >= 0);
	return 0;
}

static void set(struct trace_query *q, struct str name, const char *value)
{
	struct trace_filter *f = &q->filter;
	const char **to = str_is(name, "id")       ? &f->id :
			  str_is(name, "hash")     ? &f->hash :
			  str_is(name, "type")     ? &f->type :
			  str_is(name, "function") ? &f->function :
			  str_is(name, "file")     ? &f->file : NULL;

	if (to)
		*to = value;
	else if (str_is(name, "since") && query_since(value, NOON, f->since))
		f->since[0] = '\0';
	else if (str_is(name, "brief"))
		q->brief = true;
}

static void check(const struct buf *b)
{
	require(!b->failed && json_check(buf_str(b), NULL, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = { (const char *)data, size }, words = STR_NONE, word, name;
	struct trace_query q = { .limit = 20, .budget_ms = BUDGET_MS };
	struct arena a;
	struct buf out;
	size_t found = 0;

	arena_init(&a, 0);
	str_split(&rest, '\n', &words);
	while (str_split(&words, '&', &word))
		if (memchr(word.p ? word.p : "", '=', word.n) && str_split(&word, '=', &name))
			set(&q, name, arena_str(&a, word).p);
	require(ftruncate(fd, 0) == 0 && pwrite(fd, rest.p, rest.n, 0) == (ssize_t)rest.n);
	buf_init(&out, 0);
	require(query_errors(&place, &q, &out, &found) == 0 && found <= q.limit);
	check(&out);
	buf_reset(&out);
	require(query_stats(&place, &q, &out) == 0);
	check(&out);
	buf_release(&out);
	arena_release(&a);
	return 0;
}
