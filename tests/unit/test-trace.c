/*
 * Error files: entries of many processes stay whole, a full file becomes a part, what is old or too
 * much goes, what is over is compressed; nothing of keys or conversations gets in; questions are
 * answered from files with garbage in them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "json/scan.h"
#include "trace/query.h"
#include "trace/redact.h"
#include "trace/trace.h"

#define NOON INT64_C(1795348800000)     /* 2026-11-22T12:00:00Z */
#define DAY INT64_C(86400000)
#define WRITERS 8
#define ENTRIES 200

static char dir[64];

/* In place of the system's: a budget of milliseconds never ends, however slow the machine is. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	timespec_get(t, TIME_UTC);
	if (id != CLOCK_REALTIME)
		*t = (struct timespec){ .tv_sec = 1000 };
	return 0;
}

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/test-trace-XXXXXX");
	log_setup(LOG_LEVEL_NONE, "none");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[256];

	trace_stop();
	snprintf(command, sizeof(command), "chmod -R u+w %s; rm -rf %s", dir, dir);
	return system(command);
}

static struct trace_place place(int64_t max_bytes, int max_files)
{
	struct trace_place p = { .instance = "0123456789ab", .max_bytes = max_bytes,
				 .max_files = max_files, .retention_days = 2 };

	snprintf(p.dir, sizeof(p.dir), "%s", dir);
	return p;
}

static char *path_of(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static bool exists(const char *name)
{
	return access(path_of(name), F_OK) == 0;
}

static void read_whole(const char *name, struct buf *b)
{
	FILE *f = fopen(path_of(name), "r");
	size_t n;

	buf_init(b, 0);
	assert_non_null(f);
	do {
		char *room = buf_room(b, 65536);

		n = fread(room, 1, 65536, f);
		b->n += n;
	} while (n);
	fclose(f);
}

static int put(const struct trace_place *p, enum trace_kind kind, const char *line, int64_t at)
{
	bool rotated = false;

	return store_append(p, kind, str_of(line), at, &rotated);
}

/* ---- the store ---- */

static void files_appear_with_entries(void **state)
{
	struct trace_place p = place(1 << 20, 100);

	assert_false(exists("errors"));
	assert_int_equal(put(&p, TRACE_ERRORS, "{}\n", NOON), 0);
	assert_true(exists("errors/errors_2026-11-22.jsonl"));
	assert_false(exists("debug") || exists("mcp"));
	assert_int_equal(put(&p, TRACE_OWN, "{}\n", NOON), 0);
	assert_int_equal(put(&p, TRACE_DEBUG, "{}\n", NOON), 0);
	assert_int_equal(put(&p, TRACE_MCP, "{}\n", NOON + DAY), 0);
	assert_true(exists("debug/server_0123456789ab/errors_2026-11-22.jsonl"));
	assert_true(exists("debug/server_0123456789ab/debug_2026-11-22.jsonl"));
	assert_true(exists("mcp/mcp_2026-11-23.jsonl"));
}

static void write_many(const struct trace_place *p, int who)
{
	char line[2048], fill[1500];

	memset(fill, 'x', sizeof(fill));
	for (int i = 0; i < ENTRIES; i++) {
		snprintf(line, sizeof(line), "{\"time\":\"2026-11-22T12:00:00.000000Z\",\"who\":%d,"
			 "\"n\":%d,\"fill\":\"%.*s\"}\n", who, i, 100 + i * 7 % 1300, fill);
		if (put(p, TRACE_ERRORS, line, NOON))
			_exit(1);
	}
	_exit(0);
}

static void many_writers_one_file(void **state)
{
	struct trace_place p = place(64 << 20, 100);
	int seen[WRITERS] = { 0 }, status;
	struct str rest, line;
	struct buf b;

	for (int i = 0; i < WRITERS; i++)
		if (fork() == 0)
			write_many(&p, i);
	for (int i = 0; i < WRITERS; i++) {
		wait(&status);
		assert_int_equal(status, 0);
	}
	read_whole("errors/errors_2026-11-22.jsonl", &b);
	rest = buf_str(&b);
	while (str_split(&rest, '\n', &line)) {
		int64_t who;

		if (!line.n)
			continue;
		assert_int_equal(json_check(line, NULL, NULL), 0);
		assert_true(span_int(json_get(span_json(line), "who"), &who));
		seen[who]++;
	}
	for (int i = 0; i < WRITERS; i++)
		assert_int_equal(seen[i], ENTRIES);
	buf_release(&b);
}

static void a_full_file_becomes_a_part(void **state)
{
	struct trace_place p = place(8 * 4 * TRACE_LINE_MAX, 100);
	char line[8192];
	bool rotated = false;
	struct trace_files files;
	int64_t share = p.max_bytes / TRACE_SHARES;

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < 8; i++)
		assert_int_equal(store_append(&p, TRACE_ERRORS, (struct str){ line, sizeof(line) },
					      NOON, &rotated), 0);
	assert_false(rotated);
	assert_int_equal(store_append(&p, TRACE_ERRORS, (struct str){ line, sizeof(line) }, NOON,
				      &rotated), 0);
	assert_true(rotated);
	assert_true(exists("errors/errors_2026-11-22.120000.jsonl"));
	assert_int_equal(store_list(&p, 1u << TRACE_ERRORS, &files), 0);
	assert_int_equal(files.n, 2);
	assert_false(files.v[0].part);
	assert_true(files.v[1].part && files.v[1].size <= share);
	store_list_release(&files);

	/* While another process holds the lock nothing grows beyond its share. */
	int lock = store_lock(&p);
	assert_true(lock >= 0);
	assert_true(store_lock(&p) < 0);
	for (int i = 0; i < 20; i++)
		(void)store_append(&p, TRACE_ERRORS, (struct str){ line, sizeof(line) },
				   NOON + 1000, &rotated);
	close(lock);
	assert_int_equal(store_list(&p, 1u << TRACE_ERRORS, &files), 0);
	assert_true(files.n == 2 && files.v[0].size <= share);
	store_list_release(&files);
}

static void old_days_go(void **state)
{
	struct trace_place p = place(1 << 20, 100);
	struct trace_tidied t;

	for (int d = 0; d < 6; d++) {
		assert_int_equal(put(&p, TRACE_ERRORS, "{}\n", NOON - d * DAY), 0);
		assert_int_equal(put(&p, TRACE_OWN, "{}\n", NOON - (d + 3) * DAY), 0);
	}
	assert_int_equal(store_tidied(&p), 0);
	assert_int_equal(store_tidy(&p, p.retention_days, NOON, 1000, &t), 0);
	assert_true(exists("errors/errors_2026-11-20.jsonl"));
	assert_false(exists("errors/errors_2026-11-19.jsonl"));
	assert_int_equal(t.files, 3);
	assert_int_equal(t.deleted, 9);
	/* A folder goes with its last file; when it was tidied is known to all processes. */
	assert_false(exists("debug/server_0123456789ab"));
	assert_true(store_tidied(&p) > 0);
	/* Only names of this program's own are touched. */
	FILE *f = fopen(path_of("errors/notes.txt"), "w");
	assert_non_null(f);
	fclose(f);
	assert_int_equal(store_tidy(&p, 0, NOON + 10 * DAY, 1000, &t), 0);
	assert_int_equal(t.files, 0);
	assert_true(exists("errors/notes.txt"));
}

static void bounds_hold(void **state)
{
	struct trace_place p = place(1 << 20, 100);
	char line[1001];
	struct trace_tidied t;

	memset(line, 'x', 1000);
	line[999] = '\n';
	line[1000] = '\0';
	p.retention_days = 100;
	for (int d = 0; d < 9; d++)
		assert_int_equal(put(&p, TRACE_ERRORS, line, NOON - d * DAY), 0);
	p.max_files = 4;
	p.max_bytes = 4000;
	assert_int_equal(store_tidy(&p, 100, NOON, 1000, &t), 0);
	assert_int_equal(t.files, 4);
	assert_true(exists("errors/errors_2026-11-22.jsonl"));
	p.max_bytes = 2500;
	assert_int_equal(store_tidy(&p, 100, NOON, 1000, &t), 0);
	assert_int_equal(t.files, 2);
	assert_int_equal(t.bytes, 2000);
	/* One process at a time. */
	int lock = store_lock(&p);
	assert_int_equal(store_tidy(&p, 100, NOON, 1000, &t), -1);
	close(lock);
}

/* All that is there. */
static struct trace_files count_files(const struct trace_place *p)
{
	struct trace_files files;

	assert_int_equal(store_list(p, (1u << TRACE_KINDS) - 1, &files), 0);
	free(files.v);
	files.v = NULL;
	return files;
}

/* Nobody tidies meanwhile: 64 MB of entries in as many files as it takes. */
static void a_burst_stays_within_bounds(void **state)
{
	struct trace_place p = place(1 << 20, 100);
	bool untidy = false;
	char line[16000];
	size_t most = 0;

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < 2000; i++) {
		for (int kind = TRACE_ERRORS; kind <= TRACE_DEBUG; kind++)
			assert_int_equal(store_append(&p, (enum trace_kind)kind,
						      (struct str){ line, sizeof(line) },
						      NOON + i * 1000, &untidy), 0);
		struct trace_files files = count_files(&p);
		assert_true(files.bytes <= p.max_bytes);
		most = files.n > most ? files.n : most;
	}
	assert_true(untidy);
	assert_true(most > 5 && most <= TRACE_SHARES);
	/* As many instances as there are changes of the configuration. */
	p.max_files = 8;
	for (int i = 0; i < 40; i++) {
		snprintf(p.instance, sizeof(p.instance), "%012x", i);
		assert_int_equal(put(&p, TRACE_OWN, "{}\n", NOON + DAY), 0);
		assert_true(count_files(&p).n <= (size_t)p.max_files);
		snprintf(line, sizeof(line), "%s/debug/server_%s/errors_2026-11-23.jsonl", dir,
			 p.instance);
		assert_int_equal(utime(line, &(struct utimbuf){ .modtime = 1000000 + i }), 0);
	}
	assert_true(exists("debug/server_000000000021"));
	assert_false(exists("debug/server_00000000001f"));
	assert_true(exists("debug/server_000000000027"));
}

static void age_file(const char *name)
{
	struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

	utimensat(AT_FDCWD, path_of(name), old, 0);
}

static void what_is_over_is_compressed(void **state)
{
	struct trace_place p = place(1 << 20, 100);
	struct trace_query q = { .limit = 10, .budget_ms = 600000 };
	struct trace_tidied t;
	struct buf b;
	size_t found;

	if (!store_packs())
		skip();
	p.compress = true;
	put(&p, TRACE_ERRORS, "{\"time\":\"2026-11-21T12:00:00.000000Z\",\"n\":1}\n", NOON - DAY);
	put(&p, TRACE_ERRORS, "{\"time\":\"2026-11-21T12:00:01.000000Z\",\"n\":2}\n", NOON - DAY);
	put(&p, TRACE_ERRORS, "{\"time\":\"2026-11-22T12:00:00.000000Z\",\"n\":3}\n", NOON);
	/* Written a moment ago, by the file's own time: somebody may still be at it. */
	assert_int_equal(store_tidy(&p, 5, clock_wall_ms(), 1000, &t), 0);
	put(&p, TRACE_ERRORS, "{\"time\":\"2026-11-22T12:00:00.000000Z\",\"n\":3}\n", NOON);
	put(&p, TRACE_ERRORS, "{\"time\":\"2026-11-21T12:00:00.000000Z\",\"n\":1}\n", NOON - DAY);
	age_file("errors/errors_2026-11-21.jsonl");
	assert_int_equal(store_tidy(&p, 5, NOON, 1000, &t), 0);
	assert_true(t.packed == 1);
	assert_false(exists("errors/errors_2026-11-21.jsonl"));
	assert_true(exists("errors/errors_2026-11-21.jsonl.gz"));
	assert_true(exists("errors/errors_2026-11-22.jsonl"));
	buf_init(&b, 0);
	assert_int_equal(query_errors(&p, &q, &b, &found), 0);
	assert_true(found >= 2);
	assert_non_null(str_find(buf_str(&b), "\"n\":1"));
	assert_true(str_find(buf_str(&b), "\"n\":3") < str_find(buf_str(&b), "\"n\":1"));
	buf_release(&b);
}

/* Machines without a clock of their own begin with an old time at each start: a day may come again
 * when its file is compressed already. */
static void a_day_that_came_again(void **state)
{
	static const char first[] = "{\"time\":\"2026-11-21T12:00:00.000000Z\",\"n\":1}\n",
			  second[] = "{\"time\":\"2026-11-21T12:00:00.000000Z\",\"n\":2}\n";
	struct trace_place p = place(1 << 20, 100);
	struct trace_query q = { .limit = 10, .budget_ms = 600000 };
	struct trace_tidied t;
	struct buf b;
	size_t found;

	if (!store_packs())
		skip();
	p.compress = true;
	put(&p, TRACE_ERRORS, first, NOON - DAY);
	age_file("errors/errors_2026-11-21.jsonl");
	assert_int_equal(store_tidy(&p, 5, NOON, 1000, &t), 0);
	assert_int_equal(t.packed, 1);
	put(&p, TRACE_ERRORS, second, NOON - DAY);
	for (int i = 0; i < 2; i++) {
		age_file("errors/errors_2026-11-21.jsonl");
		assert_int_equal(store_tidy(&p, 5, NOON, 1000, &t), 0);
	}
	buf_init(&b, 0);
	assert_int_equal(query_errors(&p, &q, &b, &found), 0);
	assert_int_equal(found, 2);
	assert_non_null(str_find(buf_str(&b), "\"n\":1"));
	assert_non_null(str_find(buf_str(&b), "\"n\":2"));
	buf_release(&b);
	/* What somebody who was killed has compressed, but not removed any more, is there once. */
	assert_int_equal(unlink(path_of("errors/errors_2026-11-21.jsonl")), 0);
	put(&p, TRACE_ERRORS, first, NOON - DAY);
	age_file("errors/errors_2026-11-21.jsonl");
	assert_int_equal(store_tidy(&p, 5, NOON, 1000, &t), 0);
	assert_false(exists("errors/errors_2026-11-21.jsonl"));
	assert_true(exists("errors/errors_2026-11-21.jsonl.gz"));
}

static void (*after_close)(void);
static int closes;                      /* before that one */

/* In place of the system's, which fclose reaches by a way of its own. */
int close(int fd)
{
	static const char *const modes[] = { [O_RDONLY] = "r", [O_WRONLY] = "w", [O_RDWR] = "r+" };
	int flags = fcntl(fd, F_GETFL);
	FILE *f = flags < 0 ? NULL : fdopen(fd, modes[flags & O_ACCMODE]);
	int rc = f ? fclose(f) : -1, saved = errno;
	void (*then)(void) = after_close;

	if (then && closes-- == 0) {
		after_close = NULL;
		then();
	}
	errno = saved;
	return rc;
}

static void remove_the_last(void)
{
	struct trace_place p = place(1 << 20, 100);
	struct trace_files files;

	assert_int_equal(store_list(&p, 1u << TRACE_OWN, &files), 0);
	assert_int_equal(files.n, 1);
	assert_int_equal(store_remove(&p, &files.v[0]), 0);
	store_list_release(&files);
	assert_false(exists("debug/server_0123456789ab"));
}

/* Another process removes an instance's last file, and the folder with it, when this one has just
 * opened the folder, and closed what that is in. */
static void a_folder_that_goes_meanwhile(void **state)
{
	struct trace_place p = place(1 << 20, 100);

	assert_int_equal(put(&p, TRACE_OWN, "{}\n", NOON - DAY), 0);
	closes = 0;
	after_close = remove_the_last;
	assert_int_equal(put(&p, TRACE_OWN, "{}\n", NOON), 0);
	assert_null(after_close);
	assert_true(exists("debug/server_0123456789ab/errors_2026-11-22.jsonl"));
}

#define OWN_FILE "debug/server_0123456789ab/errors_2026-11-21.jsonl"

static void compress_it(void)
{
	struct trace_place p = place(1 << 20, 100);
	struct trace_tidied t;

	p.compress = true;
	assert_int_equal(store_tidy(&p, 5, NOON, 1000, &t), 0);
	assert_int_equal(t.packed, 1);
}

/* Another process compresses a file that was just listed: with the second folder that is closed. */
static void a_file_compressed_meanwhile(void **state)
{
	struct trace_query q = { .limit = 10, .budget_ms = 600000, .all = true };
	struct trace_place p = place(1 << 20, 100);
	struct buf b;
	size_t found;

	if (!store_packs())
		skip();
	put(&p, TRACE_OWN, "{\"time\":\"2026-11-21T12:00:00.000000Z\",\"n\":1}\n", NOON - DAY);
	age_file(OWN_FILE);
	buf_init(&b, 0);
	closes = 1;
	after_close = compress_it;
	assert_int_equal(query_errors(&p, &q, &b, &found), 0);
	assert_null(after_close);
	assert_true(exists(OWN_FILE ".gz"));
	assert_int_equal(found, 1);
	buf_release(&b);
}

static void what_cannot_be_written_harms_nothing(void **state)
{
	struct trace_place p = place(1 << 20, 100);
	struct rlimit was, tiny = { 0, 0 };
	char target[128];

	/* A link where a file should be is not followed. */
	assert_int_equal(put(&p, TRACE_ERRORS, "{}\n", NOON), 0);
	snprintf(target, sizeof(target), "%s/elsewhere", dir);
	assert_int_equal(symlink(target, path_of("errors/errors_2026-11-23.jsonl")), 0);
	assert_int_equal(put(&p, TRACE_ERRORS, "{}\n", NOON + DAY), -1);
	assert_int_equal(access(target, F_OK), -1);
	/* The folder goes away, and comes back with the next entry. */
	unlink(path_of("errors/errors_2026-11-23.jsonl"));
	unlink(path_of("errors/errors_2026-11-22.jsonl"));
	rmdir(path_of("errors"));
	assert_int_equal(put(&p, TRACE_ERRORS, "{}\n", NOON), 0);
	/* No descriptor is left. */
	getrlimit(RLIMIT_NOFILE, &was);
	tiny.rlim_max = was.rlim_max;
	setrlimit(RLIMIT_NOFILE, &tiny);
	assert_int_equal(put(&p, TRACE_ERRORS, "{}\n", NOON), -1);
	setrlimit(RLIMIT_NOFILE, &was);
	snprintf(p.dir, sizeof(p.dir), "%s/no/such", dir);
	assert_int_equal(put(&p, TRACE_ERRORS, "{}\n", NOON), -1);
	assert_false(exists("no"));
}

/* A folder that is a link is somebody else's: nothing is made, listed or deleted behind it. */
static void folders_that_are_links(void **state)
{
	struct trace_place p = place(1 << 20, 100), behind = p;
	struct trace_files files;
	struct trace_tidied t;

	snprintf(behind.dir, sizeof(behind.dir), "%s/behind", dir);
	assert_int_equal(mkdir(behind.dir, 0700), 0);
	assert_int_equal(put(&behind, TRACE_ERRORS, "{}\n", NOON), 0);
	assert_int_equal(put(&behind, TRACE_OWN, "{}\n", NOON), 0);
	assert_int_equal(symlink("behind/errors", path_of("errors")), 0);
	assert_int_equal(symlink("behind/debug", path_of("debug")), 0);
	assert_int_equal(put(&p, TRACE_ERRORS, "{}\n", NOON + DAY), -1);
	assert_int_equal(errno, ELOOP);
	assert_int_equal(put(&p, TRACE_OWN, "{}\n", NOON + DAY), -1);
	assert_int_equal(store_list(&p, 3, &files), 0);
	assert_int_equal(files.n, 0);
	assert_int_equal(files.problem, ELOOP);
	store_list_release(&files);
	assert_int_equal(store_tidy(&p, 0, NOON + 9 * DAY, 5000, &t), 0);
	assert_int_equal(t.deleted, 0);
	/* One of an instance. */
	assert_int_equal(unlink(path_of("debug")), 0);
	assert_int_equal(mkdir(path_of("debug"), 0700), 0);
	assert_int_equal(symlink("../behind/errors", path_of("debug/server_0123456789ab")), 0);
	assert_int_equal(put(&p, TRACE_OWN, "{}\n", NOON + DAY), -1);
	assert_int_equal(store_tidy(&p, 0, NOON + 9 * DAY, 5000, &t), 0);
	assert_int_equal(t.deleted, 0);
	assert_false(exists("behind/errors/errors_2026-11-23.jsonl"));
	/* log.dir itself may be one. */
	assert_int_equal(symlink("behind", path_of("link")), 0);
	snprintf(p.dir, sizeof(p.dir), "%s/link", dir);
	assert_int_equal(put(&p, TRACE_ERRORS, "{}\n", NOON + DAY), 0);
	assert_true(exists("behind/errors/errors_2026-11-23.jsonl"));
}

/* ---- redaction ---- */

static void expect_redacted(const char *text, const struct redaction *r, const char *want)
{
	struct buf b;

	buf_init(&b, 0);
	redact_put(&b, str_of(text), r);
	if (!str_is(buf_str(&b), want))
		fail_msg("\n got  %.*s\n want %s", STR_ARGS(buf_str(&b)), want);
	buf_release(&b);
}

static void credentials_are_taken_out(void **state)
{
	static const char *const secrets[] = { "hunter2", NULL };
	struct redaction r = { .secrets = secrets };

	expect_redacted("no secret here, 14 days", &r, "no secret here, 14 days");
	expect_redacted("Incorrect API key provided: sk-proj-abc123.", &r,
			"Incorrect API key provided: [redacted]");
	expect_redacted("Authorization: Bearer abcdefghij", &r,
			"Authorization: [redacted] [redacted]");
	expect_redacted("{\"api_key\": \"abcdefgh\"}", &r, "{\\\"api_key\\\": \\\"[redacted]\\\"}");
	expect_redacted("https://x.example/v1?key=AbCdEf12", &r,
			"https://x.example/v1?key=[redacted]");
	expect_redacted("the word hunter2 stands here", &r, "the word [redacted] stands here");
	expect_redacted("cut off in the middle of hunter", &r, "cut off in the middle of [redacted]");
	expect_redacted("see req_01AbCdEfGhIjKlMnOpQrStUvWx", &r,
			"see req_01AbCdEfGhIjKlMnOpQrStUvWx");
	expect_redacted("a0b1c2d3e4f5a0b1c2d3e4f5a0b1 is one", &r, "[redacted] is one");
	expect_redacted("bad \xff byte", &r, "bad \xEF\xBF\xBD byte");
}

/* What is cut off is shown to be, and the rest of a credential or character goes with it. */
static void long_texts_are_cut(void **state)
{
	static const char *const secrets[] = { "hunter2", NULL };
	struct redaction r = { .secrets = secrets };
	char text[REDACT_MAX + 20], want[REDACT_MAX + 20];

	memset(text, ' ', sizeof(text));
	strcpy(text + REDACT_MAX - 6, "hunter2 and more");
	memset(want, ' ', sizeof(want));
	strcpy(want + REDACT_MAX - 6, "[redacted]\xE2\x80\xA6");
	expect_redacted(text, &r, want);
	strcpy(text + REDACT_MAX - 1, "\xC3\xA9");
	text[REDACT_MAX - 6] = ' ';
	strcpy(want + REDACT_MAX - 6, " unte\xE2\x80\xA6");
	expect_redacted(text, &r, want);
}

static void words_of_the_request_are_taken_out(void **state)
{
	static const char body[] =
		"{\"model\":\"claude-sonnet-4-5\",\"thinking\":{\"budget_tokens\":1},\"messages\":[{"
		"\"role\":\"user\",\"content\":\"tell nobody about project zebra\"}]}";
	static const char *const allowed[] = { "claude-sonnet-4-5", NULL };
	struct redaction r = { .body = { body, sizeof(body) - 1 }, .allowed = allowed };
	char *large, text[3000];
	size_t n = 4 << 20;

	expect_redacted("model: claude-sonnet-4-5 is not served", &r,
			"model: claude-sonnet-4-5 is not served");
	expect_redacted("thinking.budget_tokens: too small", &r,
			"thinking.budget_tokens: too small");
	expect_redacted("refused: 'tell nobody about project zebra' is odd", &r,
			"refused: '[\xE2\x80\xA6]' is odd");
	expect_redacted("about project zebras", &r, "[\xE2\x80\xA6]s");
	expect_redacted("project", &r, "project");

	/* However often both repeat themselves, it ends soon: each stretch is found once. */
	large = malloc(n);
	memset(large, 'a', n);
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	r.body = (struct str){ large, n };
	expect_redacted(text, &r, "[\xE2\x80\xA6]");
	free(large);
}

/* Wherever in the body and the text it stands, at whatever distance from a multiple of anything. */
static void words_are_found_at_any_place(void **state)
{
	char body[96], text[64];

	for (size_t n = 11; n <= 13; n++)
		for (size_t at = 0; at + n <= sizeof(body); at++)
			for (size_t from = 0; from < 6; from++) {
				struct redaction r = { .body = { body, sizeof(body) } };

				memset(body, 'b', sizeof(body));
				memcpy(body + at, "0 2 4 6 8 a c", n);
				snprintf(text, sizeof(text), "%.*s%.*s<", (int)from, "ttttttt",
					 (int)n, "0 2 4 6 8 a c");
				if (n < 12) {
					expect_redacted(text, &r, text);
					continue;
				}
				snprintf(text + 32, 32, "%.*s[\xE2\x80\xA6]<", (int)from, "ttttttt");
				expect_redacted(text, &r, text + 32);
			}
}

/* Reading it all would take a while that somebody else waits for. */
static void a_body_made_of_the_text_is_not_read_on(void **state)
{
	static const char words[] = "0123 5678 abcd", other[] = "xyz ";
	struct buf b;
	struct redaction r;

	buf_init(&b, 0);
	while (b.n < 6 << 20)
		buf_puts(&b, b.n < 5 << 20 ? words : other);
	r = (struct redaction){ .body = buf_str(&b) };
	expect_redacted("kept: 0123 5678 abcd", &r, "[\xE2\x80\xA6]");
	r.body.n = 64 << 10;
	expect_redacted("kept: 0123 5678 abcd", &r, "kept: [\xE2\x80\xA6]");
	buf_release(&b);
}

/* ---- entries ---- */

static const char prompt[] =
	"{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\",\"content\":\"prompt-words-of-the-user\"}]}";

static struct trace_options options(bool debug)
{
	return (struct trace_options){ .dir = dir, .retention_days = 3, .max_files = 100,
				       .max_bytes = 1 << 20, .debug = debug,
				       .content_bytes = 1000, .mark = 7 };
}

/* The one line of the file of this kind; its folder's name is the instance's. */
static void line_of(enum trace_kind kind, struct buf *b)
{
	struct trace_place p = place(1 << 20, 100);
	struct trace_files files;
	char name[128];

	assert_int_equal(store_list(&p, 1u << kind, &files), 0);
	assert_int_equal(files.n, 1);
	snprintf(name, sizeof(name), "%s%s/%s", files.v[0].instance[0] ? "debug/server_" : "errors",
		 files.v[0].instance, files.v[0].name);
	store_list_release(&files);
	read_whole(name, b);
}

static void expect_entry(struct buf *b, const char *const *has, const char *const *lacks)
{
	struct str s = buf_str(b);

	assert_true(s.n > 1 && s.p[s.n - 1] == '\n');
	assert_int_equal(json_check((struct str){ s.p, s.n - 1 }, NULL, NULL), 0);
	for (; *has; has++)
		if (!str_find(s, *has))
			fail_msg("%s is not in %.*s", *has, STR_ARGS(s));
	for (; *lacks; lacks++)
		if (str_find(s, *lacks))
			fail_msg("%s is in %.*s", *lacks, STR_ARGS(s));
}

static struct trace_request request(void)
{
	return (struct trace_request){
		.id = "req_1", .correlation_id = "corr-1", .method = "POST", .path = "/v1/messages",
		.key = "team", .bytes_in = sizeof(prompt) - 1, .started_us = clock_us(),
		.body = { prompt, sizeof(prompt) - 1 }, .asked = "m-1", .backend = "lab",
		.attempts = 2, .upstream_status = 400, .shaped = true, .shape = { .turns = 1 },
		.upstream_head = STR("{\"error\":\"prompt-words-of-the-user, sk-secret-123\"}"),
		.secrets = { "caller-key-1" },
	};
}

static void entries_hold_no_contents(void **state)
{
	static const char *const has[] = { "\"correlation_id\":\"req_1\"", "\"hash\":\"",
		"\"client_correlation_id\":\"corr-1\"", "\"type\":\"invalid_request_error\"",
		"\"function\":\"entries_hold_no_contents\"", "\"status\":400", "\"turns\":1",
		"\"name\":\"lab\"", "said: [\xE2\x80\xA6]", "\"outcome\":\"answered\"", "\"ms\":", NULL };
	static const char *const none[] = { "prompt-words", "sk-secret", "caller-key", NULL };
	struct trace_options o = options(false);
	struct trace_request r = request();
	struct fault f;
	struct buf b;

	assert_int_equal(trace_setup(&o), 0);
	trace_begin(&r);
	fault_bad(&f, "the backend said: %s %s", "prompt-words-of-the-user", "caller-key-1");
	trace_fault(&f, TRACE_ANSWERED);
	trace_end();
	line_of(TRACE_ERRORS, &b);
	expect_entry(&b, has, none);
	buf_release(&b);
	line_of(TRACE_OWN, &b);
	expect_entry(&b, has, none);
	buf_release(&b);
}

static void without_the_request_the_pattern_stands(void **state)
{
	static const char *const has[] = { "\"message\":\"the backend said: %s\"", NULL };
	static const char *const none[] = { "prompt-words", "head", NULL };
	struct trace_options o = options(false);
	struct trace_request r = request();
	struct fault f;
	struct buf b;

	r.body = STR_NONE;
	assert_int_equal(trace_setup(&o), 0);
	trace_begin(&r);
	fault_bad(&f, "the backend said: %s", "prompt-words-of-the-user");
	trace_fault(&f, TRACE_ANSWERED);
	trace_end();
	line_of(TRACE_ERRORS, &b);
	expect_entry(&b, has, none);
	buf_release(&b);
}

static void debug_has_contents_without_keys(void **state)
{
	static const char *const has[] = { "prompt-words-of-the-user", "\"body\":",
					   "\"head\":\"{", NULL };
	static const char *const none[] = { "sk-secret", "caller-key", NULL };
	struct trace_options o = options(true);
	struct trace_request r = request();
	struct fault f;
	struct buf b;

	assert_int_equal(trace_setup(&o), 0);
	trace_begin(&r);
	fault_bad(&f, "the backend said: %s", "caller-key-1");
	trace_fault(&f, TRACE_RETRIED);
	trace_end();
	line_of(TRACE_DEBUG, &b);
	expect_entry(&b, has, none);
	buf_release(&b);
	/* What a retry has cured no client was told. */
	assert_false(exists("errors"));
}

/* The beginning of what a backend said is kept, no character of it cut in two. */
static void errors_of_backends_are_cut(void **state)
{
	struct trace_options o = options(false);
	struct trace_request r = request();
	struct arena a;
	char said[1200];

	memset(said, 'e', sizeof(said));
	memcpy(said + 1023, "\xC3\xA9", 2);
	arena_init(&a, 0);
	trace_begin(&r);
	trace_upstream_error(&a, (struct str){ said, sizeof(said) });
	assert_true(str_is(r.upstream_head, request().upstream_head.p));
	assert_int_equal(trace_setup(&o), 0);
	trace_upstream_error(&a, (struct str){ said, sizeof(said) });
	assert_int_equal(r.upstream_head.n, 1023);
	assert_memory_equal(r.upstream_head.p, said, 1023);
	trace_upstream_error(&a, STR("short"));
	assert_true(str_is(r.upstream_head, "short"));
	trace_end();
	arena_release(&a);
}

static void a_path_that_is_too_long(void **state)
{
	struct trace_options o = options(false);
	char path[TRACE_DIR_MAX + 2];

	assert_int_equal(trace_setup(&o), 0);
	assert_true(trace_on());
	memset(path, 'd', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	o.dir = path;
	assert_int_equal(trace_setup(&o), -1);
	assert_false(trace_on());
	path[TRACE_DIR_MAX] = '\0';
	assert_int_equal(trace_setup(&o), 0);
	assert_true(trace_on());
}

static void the_log_is_recorded(void **state)
{
	static const char *const has[] = { "\"type\":\"log_warning\"", "\"outcome\":\"logged\"",
					   "the sky falls", NULL };
	static const char *const none[] = { "correlation_id", NULL };
	struct trace_options o = options(false);
	struct buf b;

	assert_int_equal(trace_setup(&o), 0);
	log_info("nothing of note");
	log_warn("the sky falls");
	line_of(TRACE_OWN, &b);
	expect_entry(&b, has, none);
	buf_release(&b);
	assert_false(exists("errors"));
	log_error("it has fallen");
	assert_true(exists("errors"));
}

static void instances(void **state)
{
	struct trace_options a = options(false), b = options(false);
	struct trace_instance x, y;

	trace_instance_of(&x, &a);
	trace_instance_of(&y, &b);
	assert_string_equal(x.id, y.id);
	assert_int_equal(strlen(x.id), 12);
	b.mark = 8;
	trace_instance_of(&y, &b);
	assert_string_not_equal(x.id, y.id);
}

/* ---- questions ---- */

static void put_entry(const struct trace_place *p, int64_t at, const char *id, const char *hash,
		      const char *type)
{
	char line[512], when[32];

	clock_rfc3339_us(when, sizeof(when), at * 1000);
	snprintf(line, sizeof(line), "{\"time\":\"%s\",\"correlation_id\":\"%s\",\"hash\":\"%s\","
		 "\"site\":{\"file\":\"src/a/b.c\",\"function\":\"f\"},\"type\":\"%s\","
		 "\"status\":400}\n",
		 when, id, hash, type);
	assert_int_equal(put(p, TRACE_ERRORS, line, at), 0);
	assert_int_equal(put(p, TRACE_OWN, line, at), 0);
}

static size_t count(const struct trace_place *p, struct trace_query *q)
{
	struct buf b;
	size_t found = 99;

	q->budget_ms = 600000;
	if (!q->limit)
		q->limit = QUERY_LIMIT;
	buf_init(&b, 0);
	assert_int_equal(query_errors(p, q, &b, &found), 0);
	assert_int_equal(json_check(buf_str(&b), NULL, NULL), 0);
	buf_release(&b);
	return found;
}

static void questions_are_answered(void **state)
{
	struct trace_place p = place(1 << 20, 100), other = p;
	struct trace_query q = { 0 };
	struct buf b;
	size_t found;

	put_entry(&p, NOON - DAY, "req_a", "aaaaaaaaaaaa", "api_error");
	put_entry(&p, NOON, "req_b", "bbbbbbbbbbbb", "api_error");
	put(&p, TRACE_ERRORS, "garbage\n{\"no\":\"time\"}\n\n{\"torn\":", NOON);
	put_entry(&p, NOON + 1000, "req_c", "aaaaaaaaaaaa", "overloaded_error");
	memcpy(other.instance, "ba9876543210", TRACE_ID_SIZE);
	put_entry(&other, NOON + 500, "req_d", "dddddddddddd", "api_error");

	/* The entry behind the torn one is found. */
	assert_int_equal(count(&p, &q), 4);
	q = (struct trace_query){ .filter.hash = "aaaaaaaaaaaa" };
	assert_int_equal(count(&p, &q), 2);
	q = (struct trace_query){ .filter.id = "req_b", .all = true };
	assert_int_equal(count(&p, &q), 1);
	q = (struct trace_query){ .filter.type = "api_error" };
	assert_int_equal(count(&p, &q), 3);
	q = (struct trace_query){ .filter.file = "b.c", .filter.function = "f" };
	assert_int_equal(count(&p, &q), 4);
	q = (struct trace_query){ .filter.function = "g" };
	assert_int_equal(count(&p, &q), 0);
	q = (struct trace_query){ 0 };
	assert_int_equal(query_since("2026-11-22T12:00:00Z", NOON, q.filter.since), 0);
	assert_int_equal(count(&p, &q), 3);

	/* Newest first over the files of several instances. */
	q = (struct trace_query){ .all = true, .brief = true, .limit = 2, .budget_ms = 600000 };
	buf_init(&b, 0);
	assert_int_equal(query_errors(&p, &q, &b, &found), 0);
	assert_int_equal(found, 2);
	assert_true(str_find(buf_str(&b), "req_c") < str_find(buf_str(&b), "req_d"));
	assert_null(str_find(buf_str(&b), "req_b"));
	assert_null(str_find(buf_str(&b), "\"site\""));
	buf_release(&b);
}

static void statistics(void **state)
{
	struct trace_place p = place(1 << 20, 100);
	struct trace_query q = { .budget_ms = 600000 };
	int64_t total;
	struct buf b;

	for (int i = 0; i < 10; i++)
		put_entry(&p, NOON + i, "req", i < 7 ? "aaaaaaaaaaaa" : "bbbbbbbbbbbb",
			  "api_error");
	buf_init(&b, 0);
	assert_int_equal(query_stats(&p, &q, &b), 0);
	assert_int_equal(json_check(buf_str(&b), NULL, NULL), 0);
	assert_true(span_int(json_get(span_json(buf_str(&b)), "total"), &total));
	assert_int_equal(total, 10);
	assert_non_null(str_find(buf_str(&b), "\"by_hash\":[{\"name\":\"aaaaaaaaaaaa\",\"count\":7"));
	assert_non_null(str_find(buf_str(&b), "{\"name\":\"2026-11-22T12\",\"count\":10"));
	buf_release(&b);
}

/* The disk is full in the middle of an entry: that is a failure, and the next one is found. */
static void a_torn_entry_hides_no_other(void **state)
{
	struct trace_place p = place(1 << 20, 100);
	struct trace_query q = { 0 };
	struct rlimit was, full;
	struct stat st;
	int rc, error;

	put_entry(&p, NOON, "req_a", "aaaaaaaaaaaa", "api_error");
	assert_int_equal(stat(path_of("errors/errors_2026-11-22.jsonl"), &st), 0);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &was);
	full = (struct rlimit){ (rlim_t)st.st_size + 40, was.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	rc = put(&p, TRACE_ERRORS, "{\"time\":\"2026-11-22T12:00:00.000001Z\",\"correlation_id\":"
		 "\"torn\"}\n", NOON);
	error = errno;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(rc, -1);
	assert_int_equal(error, ENOSPC);
	put_entry(&p, NOON + 1, "req_b", "aaaaaaaaaaaa", "api_error");
	assert_int_equal(count(&p, &q), 2);
	q = (struct trace_query){ .filter.id = "req_b" };
	assert_int_equal(count(&p, &q), 1);
}

/* No errors, and errors that one may not see, are not the same answer. */
static void what_cannot_be_read_is_said(void **state)
{
	struct trace_place p = place(1 << 20, 100);
	struct trace_query q = { .budget_ms = 600000, .limit = 10 };
	size_t found;
	struct buf b;

	buf_init(&b, 0);
	assert_int_equal(query_errors(&p, &q, &b, &found), 0);
	assert_non_null(str_find(buf_str(&b), "\"complete\":true}"));
	buf_reset(&b);
	fclose(fopen(path_of("errors"), "w"));
	assert_int_equal(query_errors(&p, &q, &b, &found), 0);
	assert_int_equal(json_check(buf_str(&b), NULL, NULL), 0);
	assert_non_null(str_find(buf_str(&b), "\"complete\":false,\"problem\":\"not all"));
	buf_reset(&b);
	assert_int_equal(query_stats(&p, &q, &b), 0);
	assert_non_null(str_find(buf_str(&b), "\"complete\":false,\"problem\":\"not all"));
	buf_release(&b);
}

static struct str answer(const struct trace_place *p, const struct trace_query *q, struct buf *b)
{
	size_t found;

	buf_reset(b);
	assert_int_equal(query_errors(p, q, b, &found), 0);
	assert_int_equal(json_check(buf_str(b), NULL, NULL), 0);
	return buf_str(b);
}

/* An answer that its time, or the memory for it, cut short says so; what it has are the newest. */
static void what_is_cut_short_is_said(void **state)
{
	struct trace_place p = place(64 << 20, 100);
	struct trace_query q = { .budget_ms = 600000, .limit = 1000 };
	char line[16000] = "{\"time\":\"2026-11-22T12:00:00.000000Z\",\"correlation_id\":\"", *end;
	struct buf b;

	buf_init(&b, 0);
	end = line + strlen(line);
	memset(end, 'x', (size_t)(line + sizeof(line) - end));
	memcpy(line + sizeof(line) - 4, "\"}\n", 4);
	for (int i = 0; i < 600; i++) {
		end[sprintf(end, "%03d", i)] = '-';
		assert_int_equal(put(&p, TRACE_ERRORS, line, NOON), 0);
	}
	assert_non_null(str_find(answer(&p, &q, &b), "\"correlation_id\":\"599-"));
	assert_null(str_find(buf_str(&b), "\"correlation_id\":\"000-"));
	assert_true(str_ends(buf_str(&b), ",\"complete\":false}"));
	q.limit = 500;
	assert_non_null(str_find(answer(&p, &q, &b), "],\"count\":500,\"complete\":true}"));
	q.budget_ms = 0;
	assert_non_null(str_find(answer(&p, &q, &b), "{\"errors\":[],\"count\":0,\"complete\":false}"));
	buf_release(&b);
}

/* Names beyond the 256th are counted together. */
static void statistics_of_many_names(void **state)
{
	struct trace_place p = place(1 << 20, 100);
	struct trace_query q = { .budget_ms = 600000 };
	char hash[16];
	struct buf b;

	for (int i = 0; i < 300; i++) {
		snprintf(hash, sizeof(hash), "%012d", i);
		put_entry(&p, NOON + i, "req", hash, "api_error");
	}
	buf_init(&b, 0);
	assert_int_equal(query_stats(&p, &q, &b), 0);
	assert_int_equal(json_check(buf_str(&b), NULL, NULL), 0);
	assert_non_null(str_find(buf_str(&b), "\"by_hash\":[{\"name\":\"(others)\",\"count\":45,"));
	assert_non_null(str_find(buf_str(&b), "{\"name\":\"000000000045\",\"count\":1,"));
	assert_null(str_find(buf_str(&b), "{\"name\":\"000000000044\""));
	buf_release(&b);
}

/* What stands behind the damage can't be told any more; all others are there all the same. */
static void a_damaged_compressed_file_is_said(void **state)
{
	struct trace_place p = place(1 << 20, 100);
	struct trace_query q = { .budget_ms = 600000, .limit = 10 };
	struct trace_tidied t;
	struct stat st;
	struct buf b;
	FILE *f;

	if (!store_packs())
		skip();
	buf_init(&b, 0);
	/* Cut off behind its first entries. */
	p.compress = true;
	for (int i = 0; i < 200; i++)
		put_entry(&p, NOON - 2 * DAY + i, i ? "req_more" : "req_first", "aaaaaaaaaaaa",
			  "api_error");
	age_file("errors/errors_2026-11-20.jsonl");
	assert_int_equal(store_tidy(&p, 5, NOON, 1000, &t), 0);
	assert_int_equal(stat(path_of("errors/errors_2026-11-20.jsonl.gz"), &st), 0);
	assert_int_equal(truncate(path_of("errors/errors_2026-11-20.jsonl.gz"), st.st_size / 2), 0);
	q.filter.id = "req_first";
	errno = ENOENT;
	assert_non_null(str_find(answer(&p, &q, &b), "req_first"));
	assert_non_null(str_find(buf_str(&b), "\"complete\":false,\"problem\":\"not all files can be "
			"read: "));
	q.filter.id = NULL;

	put_entry(&p, NOON, "req_a", "aaaaaaaaaaaa", "api_error");
	unlink(path_of("errors/errors_2026-11-20.jsonl.gz"));
	f = fopen(path_of("errors/errors_2026-11-21.jsonl.gz"), "w");
	fputs("\x1f\x8b\x08 whatever stands here is no deflate stream", f);
	fclose(f);
	errno = ENOENT;
	assert_non_null(str_find(answer(&p, &q, &b), "req_a"));
	assert_non_null(str_find(buf_str(&b), "\"complete\":false,\"problem\":\"not all files can be "
			"read: "));
	buf_release(&b);
}

/* Whatever stands in a file, the answer is JSON. */
static void statistics_of_odd_entries(void **state)
{
	static const char *const odd[] = {
		"{\"time\":\"2026-11-22T12:00:00.000000Z\",\"type\":{\"a\":\"b\"},\"status\":[\"\"]}\n",
		"{\"time\":\"2026-11-22T12:00:00\\\"000000Z\",\"type\":\"never\"}\n",
		"{\"time\":7,\"type\":\"never\"}\n",
	};
	struct trace_place p = place(1 << 20, 100);
	struct trace_query q = { .budget_ms = 600000 };
	char line[1024], name[512];
	struct buf b;

	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++)
		assert_int_equal(put(&p, TRACE_ERRORS, odd[i], NOON), 0);
	for (int i = 88; i < 100; i++) {
		memset(name, 'n', sizeof(name));
		snprintf(name + i, 200, "\\u00e9\\\"\xc3\xa9%s", "\\\\\\\\ and more of it");
		snprintf(line, sizeof(line), "{\"time\":\"2026-11-22T12:00:00.000000Z\","
			 "\"type\":\"%s\"}\n", name);
		assert_int_equal(put(&p, TRACE_ERRORS, line, NOON), 0);
	}
	buf_init(&b, 0);
	assert_int_equal(query_stats(&p, &q, &b), 0);
	assert_int_equal(json_check(buf_str(&b), NULL, NULL), 0);
	assert_non_null(str_find(buf_str(&b), "{\"total\":13,"));
	assert_null(str_find(buf_str(&b), "never"));
	buf_release(&b);
}

/* A line without an end, longer than any entry, in a file larger than a block. */
static void a_long_line_is_skipped(void **state)
{
	struct trace_place p = place(64 << 20, 100);
	struct trace_query q = { 0 };
	char *junk = malloc(300000);
	FILE *f;

	put_entry(&p, NOON, "req_a", "aaaaaaaaaaaa", "api_error");
	memset(junk, 'x', 300000);
	f = fopen(path_of("errors/errors_2026-11-22.jsonl"), "a");
	assert_int_equal(fwrite(junk, 1, 300000, f), 300000);
	fputc('\n', f);
	fclose(f);
	put_entry(&p, NOON + 1, "req_b", "aaaaaaaaaaaa", "api_error");
	assert_int_equal(count(&p, &q), 2);
	free(junk);
}

static void since_is_read(void **state)
{
	static const char *const bad[] = { "", "yesterday", "5x", "-3h", "2026-11", "2026-11-22T1",
					   "2026/11/22", "2026-11-22 10:00:00", "2026-13-01",
					   "2026-00-10", "2026-11-32", "2026-11-22T24:00:00Z",
					   "2026-11-22T10:60:00Z" };
	char out[32];

	assert_int_equal(query_since("2026-11-22", NOON, out), 0);
	assert_string_equal(out, "2026-11-22");
	assert_int_equal(query_since("2h", NOON, out), 0);
	assert_string_equal(out, "2026-11-22T10:00:00");
	assert_int_equal(query_since("7d", NOON, out), 0);
	assert_string_equal(out, "2026-11-15T12:00:00");
	assert_int_equal(query_since("90m", NOON, out), 0);
	assert_string_equal(out, "2026-11-22T10:30:00");
	assert_int_equal(query_since("30s", NOON, out), 0);
	assert_string_equal(out, "2026-11-22T11:59:30");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(query_since(bad[i], NOON, out), -1);
}

static void registry(void **state)
{
	struct buf b;

	buf_init(&b, 0);
	assert_int_equal(query_registry(&b), 0);
	assert_int_equal(json_check(buf_str(&b), NULL, NULL), 0);
	assert_non_null(str_find(buf_str(&b), "\"function\":\"entries_hold_no_contents\""));
	buf_reset(&b);
	assert_int_equal(query_registry_text(&b), 0);
	assert_non_null(str_find(buf_str(&b), "  entries_hold_no_contents  "));
	buf_release(&b);
}

/* Who is tidying may have listed the files before there was one too many: it is still due then. */
static void tidying_stays_due_behind_another(void **state)
{
	struct trace_options o = options(false);
	struct trace_place p;
	char text[3000];
	int lock;

	assert_int_equal(trace_setup(&o), 0);
	assert_true(trace_place_get(&p));
	trace_tidy_now(5000);
	assert_false(trace_tidy_due());
	log_setup(LOG_LEVEL_ERROR, "/dev/null");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 2000 && !trace_tidy_due(); i++)
		log_error("%s", text);
	log_setup(LOG_LEVEL_NONE, "none");
	assert_true(trace_tidy_due());
	lock = store_lock(&p);
	assert_true(lock >= 0);
	trace_tidy_now(5000);
	assert_true(trace_tidy_due());
	close(lock);
	trace_tidy_now(5000);
	assert_false(trace_tidy_due());
}

/* The last time it was done lies ahead: by a clock that was put right since. */
static void tidying_is_due_after_the_clock_was_set_back(void **state)
{
	struct trace_options o = options(false);
	struct timespec ahead[2] = { { .tv_sec = clock_wall_ms() / 1000 + 86400 } };

	assert_int_equal(trace_setup(&o), 0);
	trace_tidy_now(5000);
	assert_false(trace_tidy_due());
	ahead[1] = ahead[0];
	assert_int_equal(utimensat(AT_FDCWD, path_of(".lock"), ahead, 0), 0);
	assert_true(trace_tidy_due());
	trace_tidy_now(5000);
	assert_false(trace_tidy_due());
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(files_appear_with_entries),
		TEST(many_writers_one_file),
		TEST(a_full_file_becomes_a_part),
		TEST(old_days_go),
		TEST(bounds_hold),
		TEST(a_burst_stays_within_bounds),
		TEST(tidying_stays_due_behind_another),
		TEST(tidying_is_due_after_the_clock_was_set_back),
		TEST(what_is_over_is_compressed),
		TEST(a_day_that_came_again),
		TEST(a_folder_that_goes_meanwhile),
		TEST(a_file_compressed_meanwhile),
		TEST(what_cannot_be_written_harms_nothing),
		TEST(folders_that_are_links),
		TEST(credentials_are_taken_out),
		TEST(long_texts_are_cut),
		TEST(words_of_the_request_are_taken_out),
		TEST(words_are_found_at_any_place),
		TEST(a_body_made_of_the_text_is_not_read_on),
		TEST(entries_hold_no_contents),
		TEST(without_the_request_the_pattern_stands),
		TEST(debug_has_contents_without_keys),
		TEST(errors_of_backends_are_cut),
		TEST(a_path_that_is_too_long),
		TEST(the_log_is_recorded),
		TEST(instances),
		TEST(questions_are_answered),
		TEST(statistics),
		TEST(what_cannot_be_read_is_said),
		TEST(a_torn_entry_hides_no_other),
		TEST(what_is_cut_short_is_said),
		TEST(a_damaged_compressed_file_is_said),
		TEST(statistics_of_many_names),
		TEST(statistics_of_odd_entries),
		TEST(a_long_line_is_skipped),
		TEST(since_is_read),
		TEST(registry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
