/*
 * The shared files. The lock is flock's: it ends with the process that holds it, however that ends.
 * A new value takes its file's name by rename, so a reader sees the old one or the new one whole.
 */
#include "upstream/credential_share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "json/scan.h"

/* Apache serves no name that begins so, wherever state.dir is. */
#define SHARE_FILE ".htmessages-credential-"
#define SHARE_MAX (64 * 1024)

/* NULL without memory. */
static char *share_path(const char *dir, const unsigned char *id, const char *tail)
{
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b, "%s/" SHARE_FILE, dir);
	for (int i = 0; i < 8; i++)
		buf_printf(&b, "%02x", id[i]);
	buf_puts(&b, tail);
	buf_putc(&b, 0);
	if (!b.failed)
		return b.p;
	buf_release(&b);
	return NULL;
}

enum share_lock credential_share_lock(const char *dir, const unsigned char id[CREDENTIAL_ID_SIZE],
				      int *fd)
{
	char *path;

	if (*fd < 0) {
		path = share_path(dir, id, ".lock");
		*fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
		free(path);
		if (*fd < 0)
			return SHARE_NONE;
	}
	if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
		return SHARE_LOCKED;
	return errno == EWOULDBLOCK ? SHARE_BUSY : SHARE_NONE;
}

void credential_share_unlock(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* A time in ms as it is written here: one that sums and differences can be made of. */
static bool time_of(struct span obj, const char *name, int64_t *ms)
{
	return span_int(json_get(obj, name), ms) && *ms >= 0 && *ms <= INT64_MAX / 2;
}

/* The lock file holds the last failure: the fault's class, when, and what was said. */
void credential_share_fail(int fd, const struct fault *f)
{
	struct buf b;

	if (fd < 0 || ftruncate(fd, 0) || !f)
		return;
	buf_init(&b, SHARE_MAX);
	buf_printf(&b, "{\"at\":%lld,\"class\":%d,\"message\":", (long long)clock_wall_ms(),
		   (int)f->class);
	span_put_string(&b, span_utf8(str_of(f->message)));
	buf_puts(&b, "}\n");
	if (!b.failed && pwrite(fd, b.p, b.n, 0) != (ssize_t)b.n)
		log_debug("a failed renewal could not be noted: %s", strerror(errno));
	buf_release(&b);
}

bool credential_share_failed(int fd, int64_t ms, struct fault *f)
{
	char text[4096];
	ssize_t n = pread(fd, text, sizeof(text), 0);
	struct span obj = span_json((struct str){ text, n > 0 ? (size_t)n : 0 });
	int64_t at, class, age;
	struct buf message;

	if (n <= 0 || json_check((struct str){ obj.p, obj.n }, NULL, NULL) ||
	    !time_of(obj, "at", &at) || !span_int(json_get(obj, "class"), &class))
		return false;
	age = clock_wall_ms() - at;
	if (age < 0 || age >= ms)
		return false;
	buf_init(&message, 0);
	span_put_text(&message, json_get(obj, "message"));
	fault_set(f, class == FAULT_AUTH ? FAULT_AUTH : FAULT_TRANSIENT, 502, "api_error", "%s",
		  buf_cstr(&message));
	f->scope = FAULT_OF_KEY;
	f->should_retry = class == FAULT_AUTH ? 0 : -1;
	buf_release(&message);
	return true;
}

/* A regular file of this user's that nobody else may read or write. */
static bool private_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	       !(st.st_mode & (S_IRWXG | S_IRWXO));
}

static int read_file(const char *path, struct buf *b)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n = -1;

	if (fd >= 0 && private_file(fd)) {
		for (;;) {
			char *room = buf_room(b, 4096);

			n = room ? read(fd, room, 4096) : -1;
			if (n <= 0)
				break;
			b->n += (size_t)n;
		}
	}
	if (fd >= 0)
		close(fd);
	return n < 0 ? -1 : 0;
}

/* A member's text in `into`; STR_NONE when it is absent. Its bytes stay where they are as long as
 * nothing more is put there than was made room for. */
static struct str text_of(struct span obj, const char *name, struct buf *into)
{
	struct span v = json_get(obj, name);
	size_t from = into->n;

	if (!span_is_string(v) || span_put_text(into, v))
		return STR_NONE;
	return (struct str){ into->p + from, into->n - from };
}

static int parse(struct str text, struct credential *out, struct fault *f)
{
	struct span obj = span_json(text);
	struct str token, key_id, session;
	int64_t obtained, expires;
	struct buf b;
	int r = -1;

	if (json_check(text, NULL, NULL) || !time_of(obj, "obtained", &obtained) ||
	    !time_of(obj, "expires", &expires))
		return -1;
	buf_init(&b, 0);
	if (buf_room(&b, text.n)) {
		token = text_of(obj, "token", &b);
		key_id = text_of(obj, "key_id", &b);
		session = text_of(obj, "session", &b);
		r = token.n ? credential_fill(out, token, key_id, session, expires, f) : -1;
	}
	if (r == 0)
		out->obtained = obtained;
	buf_release(&b);
	return r;
}

int credential_share_read(const char *dir, const unsigned char id[CREDENTIAL_ID_SIZE],
			  struct credential *out, struct fault *f)
{
	char *path = share_path(dir, id, "");
	struct buf b;
	int r = -1;

	buf_init(&b, SHARE_MAX);
	if (path && read_file(path, &b) == 0)
		r = parse(buf_str(&b), out, f);
	buf_release(&b);
	free(path);
	return r;
}

static void put_member(struct buf *b, const char *name, const char *text)
{
	if (!text)
		return;
	buf_printf(b, ",\"%s\":", name);
	span_put_string(b, span_utf8(str_of(text)));
}

static int write_file(const char *path, struct str text)
{
	char *tmp, id[ID_SIZE];
	int fd, r = -1;
	struct buf b;

	id_make(id, ".");
	buf_init(&b, 0);
	buf_printf(&b, "%s%s", path, id);
	tmp = b.failed ? NULL : (char *)buf_cstr(&b);
	fd = tmp ? open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
	if (fd >= 0) {
		r = write(fd, text.p, text.n) == (ssize_t)text.n ? 0 : -1;
		if (close(fd) || r || rename(tmp, path)) {
			unlink(tmp);
			r = -1;
		}
	}
	buf_release(&b);
	return r;
}

void credential_share_write(const char *dir, const unsigned char id[CREDENTIAL_ID_SIZE],
			    const struct credential *c)
{
	char *path = share_path(dir, id, "");
	struct buf b;

	buf_init(&b, SHARE_MAX);
	buf_printf(&b, "{\"obtained\":%lld,\"expires\":%lld", (long long)c->obtained,
		   (long long)c->expires);
	put_member(&b, "token", c->token);
	put_member(&b, "key_id", c->key_id);
	put_member(&b, "session", c->session);
	buf_puts(&b, "}\n");
	if (!path || b.failed || write_file(path, buf_str(&b)))
		log_warn("state.dir %s: a credential could not be kept for other processes: %s",
			 dir, strerror(errno));
	buf_release(&b);
	free(path);
}
