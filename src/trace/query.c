/* Entries found and counted. */
#include "trace/query.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/os.h"
#include "json/scan.h"

#define BLOCK 65536
#define READ_MAX (64u << 20)    /* bytes of one query */
#define UNPACK_MAX (16u << 20)  /* of one compressed file */
#define KEPT_MAX (8u << 20)     /* of entries that are held for the answer */
#define GROUPS_MAX 256          /* of one kind, in the statistics */

/* ---- lines, newest first ---- */

struct reader {
	bool (*line)(struct reader *r, struct str line);        /* false: enough */
	size_t left;                    /* bytes that may still be read */
	int64_t until;                  /* clock_ms */
	bool cut;                       /* a bound was met */
	int problem;                    /* errno of what could not be read, 0 */
};

static bool in_bounds(struct reader *r)
{
	if (!r->left || clock_ms() >= r->until)
		r->cut = true;
	return !r->cut;
}

/* Hands on the lines of text from its last; what stands before the first newline stays: *rest. */
static bool lines_of(struct reader *r, struct str text, size_t *rest)
{
	size_t end = text.n;

	for (size_t i = text.n; i > 0; i--) {
		if (text.p[i - 1] != '\n')
			continue;
		if (end > i && !r->line(r, (struct str){ text.p + i, end - i }))
			return false;
		end = i - 1;
	}
	*rest = end;
	return true;
}

static bool read_plain(struct reader *r, int fd, char *room)
{
	off_t at = lseek(fd, 0, SEEK_END);
	size_t carry = 0;

	while (at > 0 && in_bounds(r)) {
		size_t n = at < BLOCK ? (size_t)at : BLOCK;

		at -= (off_t)n;
		memmove(room + n, room, carry);
		if (pread(fd, room, n, at) != (ssize_t)n)
			return true;
		r->left = r->left > n ? r->left - n : 0;
		if (!lines_of(r, (struct str){ room, n + carry }, &carry))
			return false;
		/* No entry is so long: what it is, its end is dropped. */
		if (carry > TRACE_LINE_MAX)
			carry = 0;
	}
	return at > 0 || !carry || r->line(r, (struct str){ room, carry });
}

/* What was tidied away meanwhile is none. */
static void note_problem(struct reader *r)
{
	if (errno != ENOENT)
		r->problem = errno;
}

static bool read_packed(struct reader *r, int fd)
{
	struct buf b;
	size_t rest = 0;
	bool more;

	buf_init(&b, UNPACK_MAX);
	if (store_unpack(fd, UNPACK_MAX, &b))
		note_problem(r);
	r->left = r->left > b.n ? r->left - b.n : 0;
	r->cut = r->cut || b.n == UNPACK_MAX;
	more = lines_of(r, buf_str(&b), &rest) && (!rest || r->line(r, (struct str){ b.p, rest }));
	buf_release(&b);
	return more;
}

/* Another process may have compressed it since it was listed. */
static int open_listed(int folder, const struct trace_file *f, bool *packed)
{
	char name[sizeof(f->name) + 3];
	int fd = store_open(folder, f->name);

	if (fd >= 0 || errno != ENOENT || f->packed)
		return fd;
	*packed = true;
	snprintf(name, sizeof(name), "%s.gz", f->name);
	return store_open(folder, name);
}

static bool read_file(struct reader *r, const struct trace_place *p, const struct trace_file *f,
		      char *room)
{
	bool more, packed = f->packed;
	int folder, fd;

	if (!in_bounds(r))
		return true;
	folder = store_folder(p, f);
	fd = folder < 0 ? -1 : open_listed(folder, f, &packed);
	if (fd < 0)
		note_problem(r);
	if (folder >= 0)
		close(folder);
	if (fd < 0)
		return true;
	if (packed)
		return read_packed(r, fd);
	more = read_plain(r, fd, room);
	close(fd);
	return more;
}

/* day_done is called between the days: files of one day are of several instances. */
static int read_all(struct reader *r, const struct trace_place *p, const struct trace_query *q,
		    bool (*day_done)(struct reader *r))
{
	struct trace_files files;
	char *room = malloc(BLOCK + TRACE_LINE_MAX + 1);
	unsigned kinds = q->all ? 1u << TRACE_OWN : 1u << TRACE_ERRORS;

	r->left = READ_MAX;
	r->until = clock_ms() + q->budget_ms;
	if (!room || store_list(p, kinds, &files)) {
		free(room);
		return -1;
	}
	for (size_t i = 0; i < files.n; i++) {
		const struct trace_file *f = &files.v[i];

		if (q->filter.since[0] && strncmp(f->day, q->filter.since, 10) < 0)
			break;
		if (i && strcmp(f->day, f[-1].day) != 0 && day_done && !day_done(r))
			break;
		/* In a file that is read from its end the rest is older than what was enough. */
		read_file(r, p, f, room);
	}
	r->cut = r->cut || files.more;
	if (files.problem)
		r->problem = files.problem;
	store_list_release(&files);
	free(room);
	return 0;
}

/* How far the answer reaches. */
static void put_end(struct buf *b, const struct reader *r)
{
	buf_printf(b, ",\"complete\":%s", r->cut || r->problem ? "false" : "true");
	if (r->problem)
		buf_printf(b, ",\"problem\":\"not all files can be read: %s\"",
			   strerror(r->problem));
	buf_putc(b, '}');
}

/* ---- what a line says ---- */

struct entry {
	struct str line;
	struct span json, site;
	struct span time;
};

static bool is_time(struct span s)
{
	if (s.form != SPAN_STR || s.n < 20 || s.n > 31)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!s.p[i] || !strchr("0123456789-:.TZ", s.p[i]))
			return false;
	return true;
}

/* A line whose writer ran out of space has the next one behind it. */
static bool entry_read(struct entry *e, struct str line)
{
	static const char begin[] = "{\"time\":\"";

	if (json_check(line, NULL, NULL)) {
		const char *at = NULL, *next = line.p;

		while (line.n && (next = os_find(next + 1, (size_t)(line.p + line.n - next - 1),
						begin, sizeof(begin) - 1)))
			at = next;
		if (!at)
			return false;
		line.n -= (size_t)(at - line.p);
		line.p = at;
		if (json_check(line, NULL, NULL))
			return false;
	}
	e->line = line;
	e->json = span_json(line);
	e->site = json_get(e->json, "site");
	e->time = json_get(e->json, "time");
	return is_time(e->time);
}

static bool matches(const struct trace_filter *f, const struct entry *e)
{
	struct span written = json_get(e->site, "file");
	struct str file = { written.p, written.n };
	size_t n = strlen(f->since);

	if (n && memcmp(e->time.p, f->since, e->time.n < n ? e->time.n : n) < 0)
		return false;
	if (f->hash && !span_is(json_get(e->json, "hash"), f->hash))
		return false;
	if (f->type && !span_is(json_get(e->json, "type"), f->type))
		return false;
	if (f->function && !span_is(json_get(e->site, "function"), f->function))
		return false;
	if (f->file && !str_ends(file, f->file))
		return false;
	return !f->id || span_is(json_get(e->json, "correlation_id"), f->id) ||
	       span_is(json_get(e->json, "client_correlation_id"), f->id);
}

static bool older(const struct entry *e, const struct trace_filter *f)
{
	size_t n = strlen(f->since);

	return n && memcmp(e->time.p, f->since, e->time.n < n ? e->time.n : n) < 0;
}

/* ---- finding ---- */

struct kept {
	char *p;
	size_t n;
	char time[32];
};

struct finder {
	struct reader reader;
	const struct trace_query *q;
	struct kept *v;
	size_t n, bytes;
	bool failed;
};

static int newest_first(const void *a, const void *b)
{
	return strcmp(((const struct kept *)b)->time, ((const struct kept *)a)->time);
}

/* Room for one more among the newest; a file's own order is by time, so an older one than all
 * means that the rest of the file is. */
static bool make_room(struct finder *f, const char *time)
{
	size_t last = 0;

	if (f->n < f->q->limit)
		return true;
	for (size_t i = 1; i < f->n; i++)
		if (strcmp(f->v[i].time, f->v[last].time) < 0)
			last = i;
	if (strcmp(time, f->v[last].time) <= 0)
		return false;
	f->bytes -= f->v[last].n;
	free(f->v[last].p);
	f->v[last] = f->v[--f->n];
	return true;
}

static bool keep_line(struct reader *r, struct str line)
{
	struct finder *f = (struct finder *)r;
	struct entry e;
	struct kept k = { 0 };

	if (!entry_read(&e, line))
		return true;
	if (older(&e, &f->q->filter))
		return false;
	if (!matches(&f->q->filter, &e))
		return true;
	snprintf(k.time, sizeof(k.time), "%.*s", (int)(e.time.n < 31 ? e.time.n : 31), e.time.p);
	if (!make_room(f, k.time))
		return false;
	if (f->bytes + e.line.n > KEPT_MAX) {
		r->cut = true;
		return false;
	}
	k.n = e.line.n;
	k.p = malloc(k.n);
	if (!k.p) {
		f->failed = true;
		return false;
	}
	memcpy(k.p, e.line.p, k.n);
	f->bytes += k.n;
	f->v[f->n++] = k;
	return true;
}

static bool want_more(struct reader *r)
{
	const struct finder *f = (const struct finder *)r;

	return f->n < f->q->limit && !f->failed && !r->cut;
}

/* The members that a list needs, as they stand in the entry. */
static void put_brief(struct buf *b, struct str line)
{
	static const char *const names[] = { "time", "level", "correlation_id",
					     "client_correlation_id", "hash", "type", "status",
					     "message", "outcome" };
	struct span json = span_json(line), site = json_get(json, "site");

	buf_putc(b, '{');
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct span v = json_get(json, names[i]);

		if (!span_given(v))
			continue;
		buf_printf(b, "\"%s\":", names[i]);
		span_put_value(b, v);
		buf_putc(b, ',');
	}
	buf_puts(b, "\"file\":");
	span_put_value(b, json_get(site, "file"));
	buf_puts(b, ",\"function\":");
	span_put_value(b, json_get(site, "function"));
	buf_puts(b, ",\"backend\":");
	span_put_value(b, json_path(json, "backend", "name", NULL));
	buf_putc(b, '}');
}

int query_errors(const struct trace_place *p, const struct trace_query *q, struct buf *out,
		 size_t *found)
{
	struct finder f = { .reader.line = keep_line, .q = q };
	int rc;

	f.v = calloc(q->limit, sizeof(*f.v));
	rc = f.v ? read_all(&f.reader, p, q, want_more) : -1;
	if (f.n)
		qsort(f.v, f.n, sizeof(*f.v), newest_first);
	buf_puts(out, "{\"errors\":[");
	for (size_t i = 0; i < f.n; i++) {
		if (i)
			buf_putc(out, ',');
		if (q->brief)
			put_brief(out, (struct str){ f.v[i].p, f.v[i].n });
		else
			buf_put(out, f.v[i].p, f.v[i].n);
		free(f.v[i].p);
	}
	buf_printf(out, "],\"count\":%zu", f.n);
	put_end(out, &f.reader);
	free(f.v);
	*found = f.n;
	return rc || f.failed || out->failed ? -1 : 0;
}

/* ---- counting ---- */

#define NAME_SIZE 96

struct group {
	char name[NAME_SIZE], first[32], last[32];
	size_t n;
};

/* by: the member of the answer; outer, member: where the entry has it */
static const struct { const char *by, *outer, *member; } counted[] = {
	{ "by_type", NULL, "type" },
	{ "by_hash", NULL, "hash" },
	{ "by_function", "site", "function" },
	{ "by_file", "site", "file" },
	{ "by_backend", "backend", "name" },
	{ "by_outcome", NULL, "outcome" },
	{ "by_status", NULL, "status" },
	{ "by_instance", NULL, "instance" },
	{ "by_hour", NULL, "time" },
};
#define COUNTED (sizeof(counted) / sizeof(*counted))

struct tally {
	struct reader reader;
	const struct trace_query *q;
	size_t total, n[COUNTED];
	char first[32], last[32];
	struct group v[COUNTED][GROUPS_MAX];
};

static void note_time(char first[32], char last[32], const char *time)
{
	if (!first[0] || strcmp(time, first) < 0)
		memcpy(first, time, 32);
	if (strcmp(time, last) > 0)
		memcpy(last, time, 32);
}

/* Beyond GROUPS_MAX names the last group is all others'. */
static struct group *group_of(struct tally *t, size_t kind, const char *name)
{
	for (size_t i = 0; i < t->n[kind]; i++)
		if (strcmp(t->v[kind][i].name, name) == 0)
			return &t->v[kind][i];
	if (t->n[kind] < GROUPS_MAX) {
		struct group *g = &t->v[kind][t->n[kind]++];

		snprintf(g->name, sizeof(g->name), "%s",
			 t->n[kind] < GROUPS_MAX ? name : "(others)");
		return g;
	}
	return &t->v[kind][GROUPS_MAX - 1];
}

/* As many bytes of a string's content as are at most max, no escape or character cut in two. */
static size_t cut_content(struct span s, size_t max)
{
	size_t n = 0;

	while (n < s.n) {
		size_t more = s.p[n] != '\\' ? 1 : s.p[n + 1] == 'u' ? 6 : 2;

		if (n + more > max)
			break;
		n += more;
	}
	return n < s.n ? str_cut_utf8((struct str){ s.p, s.n }, n).n : n;
}

static bool is_number(struct span s)
{
	return s.form == SPAN_JSON && s.n && (s.p[0] == '-' || (s.p[0] >= '0' && s.p[0] <= '9'));
}

static bool count_line(struct reader *r, struct str line)
{
	struct tally *t = (struct tally *)r;
	struct entry e;
	char time[32] = "";

	if (!entry_read(&e, line) || !matches(&t->q->filter, &e))
		return true;
	t->total++;
	snprintf(time, sizeof(time), "%.*s", (int)(e.time.n < 31 ? e.time.n : 31), e.time.p);
	note_time(t->first, t->last, time);
	for (size_t i = 0; i < COUNTED; i++) {
		struct span outer = counted[i].outer ? json_get(e.json, counted[i].outer) : e.json;
		struct span v = json_get(outer, counted[i].member);
		bool hour = strcmp(counted[i].by, "by_hour") == 0;
		char name[NAME_SIZE];
		struct group *g;

		if (v.form != SPAN_STR && !is_number(v))
			continue;
		/* Of the time the hour: "2026-11-22T15". */
		snprintf(name, sizeof(name), "%.*s", hour ? 13 : (int)cut_content(v, NAME_SIZE - 1),
			 v.p);
		g = group_of(t, i, name);
		g->n++;
		note_time(g->first, g->last, time);
	}
	return true;
}

static int most_first(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	if (x->n != y->n)
		return x->n < y->n ? 1 : -1;
	return strcmp(y->name, x->name);
}

static void put_groups(struct buf *b, const struct group *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_puts(b, i ? ",{\"name\":\"" : "{\"name\":\"");
		span_put_content(b, span_str((struct str){ v[i].name, strlen(v[i].name) }));
		buf_printf(b, "\",\"count\":%zu,\"first\":\"%s\",\"last\":\"%s\"}", v[i].n,
			   v[i].first, v[i].last);
	}
}

int query_stats(const struct trace_place *p, const struct trace_query *q, struct buf *out)
{
	struct tally *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return -1;
	t->reader.line = count_line;
	t->q = q;
	rc = read_all(&t->reader, p, q, NULL);
	buf_printf(out, "{\"total\":%zu", t->total);
	if (t->total)
		buf_printf(out, ",\"first\":\"%s\",\"last\":\"%s\"", t->first, t->last);
	for (size_t i = 0; i < COUNTED; i++) {
		qsort(t->v[i], t->n[i], sizeof(**t->v), most_first);
		buf_printf(out, ",\"%s\":[", counted[i].by);
		put_groups(out, t->v[i], t->n[i]);
		buf_putc(out, ']');
	}
	put_end(out, &t->reader);
	free(t);
	return rc || out->failed ? -1 : 0;
}

/* ---- since ---- */

static int64_t unit_ms(char c)
{
	switch (c) {
	case 's': return 1000;
	case 'm': return 60 * 1000;
	case 'h': return 60 * 60 * 1000;
	case 'd': return 24 * 60 * 60 * 1000;
	default: return 0;
	}
}

/* Where they stand in a time: month, day, hour, minute, second. */
static const struct { size_t at; char least[3], most[3]; } parts[] = {
	{ 5, "01", "12" }, { 8, "01", "31" }, { 11, "00", "23" }, { 14, "00", "59" },
	{ 17, "00", "60" },
};

int query_since(const char *text, int64_t wall_ms, char out[32])
{
	struct str s = str_of(text);
	int64_t n, unit = s.n ? unit_ms(s.p[s.n - 1]) : 0;
	static const char like[] = "0000-00-00T00:00:00";

	if (unit && str_int((struct str){ s.p, s.n - 1 }, &n) && n >= 0 && n <= 100000) {
		clock_rfc3339(out, 32, wall_ms - n * unit, 0);
		out[strlen(out) - 1] = '\0';
		return 0;
	}
	if (s.n != 10 && s.n != 19 && !(s.n == 20 && s.p[19] == 'Z'))
		return -1;
	for (size_t i = 0; i < s.n && i < 19; i++)
		if (like[i] == '0' ? s.p[i] < '0' || s.p[i] > '9' : s.p[i] != like[i])
			return -1;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts) && parts[i].at < s.n; i++)
		if (memcmp(s.p + parts[i].at, parts[i].least, 2) < 0 ||
		    memcmp(s.p + parts[i].at, parts[i].most, 2) > 0)
			return -1;
	snprintf(out, 32, "%.*s", s.n < 19 ? 10 : 19, s.p);
	return 0;
}
