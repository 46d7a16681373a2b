/*
 * Keeping the error files within their bounds: one process at a time, a bounded while at a time,
 * never on a request's way.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "config.h"
#include "trace/store.h"

#ifdef HAVE_LIBZ
#include <zlib.h>
#endif

#define SETTLED 60              /* seconds after its last write nobody is in a file any more */
#define STEP 65536
#define DAY_MS (24 * 60 * 60 * 1000LL)

struct tidy {
	const struct trace_place *p;
	struct trace_files files;
	struct trace_tidied *out;
	int64_t until, now;             /* clock_ms; wall seconds */
	char today[11], oldest[11];     /* days; older than the second goes */
};

static bool time_is_up(struct tidy *t)
{
	if (clock_ms() >= t->until)
		t->out->more = true;
	return t->out->more;
}

static void day_of(char out[11], int64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || strftime(out, 11, "%Y-%m-%d", &tm) != 10)
		memcpy(out, "1970-01-01", 11);
}

/* ---- compression ---- */

bool store_packs(void)
{
#ifdef HAVE_LIBZ
	return true;
#else
	return false;
#endif
}

#ifdef HAVE_LIBZ
static int pack(int folder, int from, const char *to)
{
	int fd = openat(folder, to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY,
			0640);
	gzFile z = fd < 0 ? NULL : gzdopen(fd, "wb6");
	char *step = malloc(STEP);
	ssize_t n = -1;
	int rc = 0;

	if (!z) {
		if (fd >= 0)
			close(fd);
		free(step);
		return -1;
	}
	while (step && (n = read(from, step, STEP)) > 0)
		if (gzwrite(z, step, (unsigned)n) != (int)n)
			rc = -1;
	free(step);
	return gzclose(z) != Z_OK || n < 0 ? -1 : rc;
}

static uint32_t number(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Is it what the other file was compressed from? That one ends with a sum and the length of what is
 * in it (RFC 1952, section 2.3.1). */
static bool is_packed_in(int from, int packed)
{
	unsigned char step[4096], end[8];
	uLong sum = crc32(0, Z_NULL, 0);
	uint32_t length = 0;
	ssize_t n;

	while ((n = read(from, step, sizeof(step))) > 0) {
		sum = crc32(sum, step, (uInt)n);
		length += (uint32_t)n;
	}
	return n == 0 && lseek(packed, -(off_t)sizeof(end), SEEK_END) > 0 &&
	       read(packed, end, sizeof(end)) == (ssize_t)sizeof(end) &&
	       number(end) == (uint32_t)sum && number(end + 4) == length;
}

/* As errno, 0 for nothing: a file that is damaged, or ends too early, has none of its own. */
static int what_is_wrong(gzFile z)
{
	int code, saved = errno;

	gzerror(z, &code);
	return code == Z_OK || code == Z_STREAM_END ? 0 : code == Z_ERRNO ? saved : EIO;
}

int store_unpack(int fd, size_t max, struct buf *out)
{
	gzFile z = gzdopen(fd, "rb");
	int n = 1, error = 0;

	if (!z) {
		close(fd);
		return -1;
	}
	while (n > 0 && out->n < max) {
		size_t want = max - out->n < STEP ? max - out->n : STEP;
		char *room = buf_room(out, want);

		n = room ? gzread(z, room, (unsigned)want) : -1;
		out->n += n > 0 ? (size_t)n : 0;
		error = room ? what_is_wrong(z) : ENOMEM;
	}
	gzclose(z);
	errno = error;
	return error ? -1 : 0;
}
#else
static int pack(int folder, int from, const char *to)
{
	errno = ENOSYS;
	return -1;
}

static bool is_packed_in(int from, int packed)
{
	return false;
}

int store_unpack(int fd, size_t max, struct buf *out)
{
	close(fd);
	errno = ENOSYS;
	return -1;
}
#endif

/* There is a compressed file of that name. Either who made it was killed before it could remove this
 * one; or the clock was set back, and the day came again: this one stays as it is then. */
static int pack_beside(int folder, const char *name, int fd, int packed)
{
	if (is_packed_in(fd, packed))
		unlinkat(folder, name, 0);
	close(packed);
	close(fd);
	return -1;
}

/* The compressed file appears whole, or not at all. */
static int pack_in(int folder, const char *name, const char *whole, struct stat *st)
{
	char half[sizeof(((struct trace_file *)0)->name) + 8];
	int fd = store_open(folder, name), packed = store_open(folder, whole), rc;

	if (fd >= 0 && packed >= 0)
		return pack_beside(folder, name, fd, packed);
	if (packed >= 0)
		close(packed);
	if (fd < 0)
		return -1;
	snprintf(half, sizeof(half), "%s.half", whole);
	rc = pack(folder, fd, half) < 0 || fstatat(folder, half, st, AT_SYMLINK_NOFOLLOW) < 0 ||
	     renameat(folder, half, folder, whole) < 0 ? -1 : 0;
	close(fd);
	unlinkat(folder, rc ? half : name, 0);
	return rc;
}

static void pack_file(struct tidy *t, struct trace_file *f)
{
	int folder = store_folder(t->p, f);
	char whole[sizeof(f->name)];
	struct stat st;

	if (folder < 0)
		return;
	snprintf(whole, sizeof(whole), "%.*s.gz", (int)sizeof(whole) - 4, f->name);
	if (pack_in(folder, f->name, whole, &st) == 0) {
		t->out->packed++;
		t->out->freed += f->size - st.st_size;
		t->files.bytes += st.st_size - f->size;
		f->size = st.st_size;
		f->packed = true;
		memcpy(f->name, whole, sizeof(f->name));
	}
	close(folder);
}

static void pack_what_is_over(struct tidy *t)
{
	for (size_t i = 0; i < t->files.n && !time_is_up(t); i++) {
		struct trace_file *f = &t->files.v[i];
		bool over = f->part || strcmp(f->day, t->today) < 0;

		if (over && !f->packed && f->size && t->now - f->modified >= SETTLED)
			pack_file(t, f);
	}
}

/* ---- deletion ---- */

static void delete_file(struct tidy *t, const struct trace_file *f)
{
	if (store_remove(t->p, f) < 0)
		return;
	t->out->deleted++;
	t->out->freed += f->size;
	t->files.bytes -= f->size;
}

/* The list is newest first: what is too much stands at its end. */
static void delete_from_the_end(struct tidy *t)
{
	const struct trace_place *p = t->p;

	while (t->files.n) {
		const struct trace_file *f = &t->files.v[t->files.n - 1];

		if (strcmp(f->day, t->oldest) >= 0 && t->files.n <= (size_t)p->max_files &&
		    t->files.bytes <= p->max_bytes)
			break;
		delete_file(t, f);
		t->files.n--;
	}
}

/* Today's files of all instances, or of this one. */
static bool may_grow(const struct tidy *t, const struct trace_file *f)
{
	return !f->part && !f->packed && strcmp(f->day, t->today) == 0 &&
	       (!f->instance[0] || strcmp(f->instance, t->p->instance) == 0);
}

void store_shorten(const struct trace_place *p, int64_t wall_ms)
{
	struct trace_tidied done = { 0 };
	struct tidy t = { .p = p, .out = &done };
	int lock = store_lock(p);

	if (lock < 0)
		return;
	day_of(t.today, wall_ms);
	if (store_list(p, (1u << TRACE_KINDS) - 1, &t.files) == 0) {
		for (size_t i = 0; i < t.files.n; i++)
			if (may_grow(&t, &t.files.v[i]) && t.files.v[i].size < store_share(p))
				t.files.bytes += store_share(p) - t.files.v[i].size;
		delete_from_the_end(&t);
	}
	store_list_release(&t.files);
	close(lock);
}

int store_tidy(const struct trace_place *p, int retention_days, int64_t wall_ms, int budget_ms,
	       struct trace_tidied *out)
{
	struct tidy t = { .p = p, .out = out, .until = clock_ms() + budget_ms,
			  .now = wall_ms / 1000 };
	int lock = store_lock(p);

	*out = (struct trace_tidied){ 0 };
	if (lock < 0)
		return -1;
	day_of(t.today, wall_ms);
	day_of(t.oldest, wall_ms - retention_days * DAY_MS);
	if (store_list(p, (1u << TRACE_KINDS) - 1, &t.files) == 0) {
		delete_from_the_end(&t);
		if (p->compress && store_packs())
			pack_what_is_over(&t);
	}
	out->files = t.files.n;
	out->bytes = t.files.bytes;
	out->more = out->more || t.files.more;
	store_list_release(&t.files);
	/* Its time says when; one byte, that it was this and not a mere lock. */
	if (pwrite(lock, "\n", 1, 0) < 0)
		out->more = true;
	close(lock);
	return 0;
}
