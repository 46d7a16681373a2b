/*
 * What providers do to get a credential: a small HTTP call, the form that it sends, a file that is
 * read.
 */
#include "upstream/credential_provider.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/env.h"
#include "upstream/proxy.h"
#include "upstream/upstream.h"

#define ANSWER_MAX (256 * 1024)
#define SECONDS 30

const char *credential_env(const char *name)
{
	const char *v = env_get(name);

	return v && *v ? v : NULL;
}

const char *credential_env_secret(const char *name)
{
	env_wipe(name);
	return credential_env(name);
}

/* ---- a call ---- */

struct answer {
	struct buf *out;
	int status;
};

static int on_head(void *ctx, const struct upstream_head *h)
{
	struct answer *a = ctx;

	a->status = h->status;
	return 0;
}

static int on_data(void *ctx, const char *p, size_t n)
{
	struct answer *a = ctx;

	return buf_put(a->out, p, n);
}

/* Whose address it is, for messages: a query may hold what is secret. */
static struct str host_of(const char *url)
{
	const char *p = strstr(url, "://");

	p = p ? p + 3 : url;
	return (struct str){ p, strcspn(p, "/?#") };
}

bool credential_safe_url(const char *url, char *host, size_t size)
{
	const char *p = strstr(url, "://");
	size_t n;

	*host = 0;
	if (!p || strchr(url, '\\') || memchr(p + 3, '@', strcspn(p + 3, "/?#")))
		return false;
	p += 3;
	n = *p == '[' ? strcspn(++p, "]/?#") : strcspn(p, ":/?#");
	if (!n || n >= size)
		return false;
	memcpy(host, p, n);
	host[n] = 0;
	return str_starts_nocase(str_of(url), "https://") ||
	       (str_starts_nocase(str_of(url), "http://") && proxy_loopback(host));
}

/* The call's fault tells of the backend as if it were that one's own address that failed. */
static int explain(const struct backend *b, const struct credential_call *c, int seconds,
		   bool late, struct fault *f)
{
	struct str host = host_of(c->url), said = str_of(f->message);
	int retry = f->should_retry;
	char why[512];

	if (str_starts(said, "backend ") && str_starts((struct str){ said.p + 8, said.n - 8 },
						       b->name)) {
		said.p += 8 + strlen(b->name);
		said.n = strlen(said.p);
		if (said.n && said.p[0] == ':')
			said = (struct str){ said.p + 1, said.n - 1 };
		said = str_trim(said);
	}
	if (late)
		snprintf(why, sizeof(why), "it did not answer within %d s.", seconds);
	else
		snprintf(why, sizeof(why), "%.*s", STR_ARGS(said));
	credential_fault_now(b, f, "could not be got from %.*s: %s", STR_ARGS(host), why);
	f->should_retry = retry;
	return -1;
}

int credential_http(const struct backend *b, const struct credential_call *c, struct waiter *w,
		    int *status, struct buf *out, struct fault *f)
{
	int seconds = c->seconds ? c->seconds : SECONDS;
	struct answer answer = { .out = out };
	struct backend bare = *b;
	struct arena arena;
	struct segs body;
	struct upstream_call call = {
		.method = c->method, .url = c->url, .headers = c->headers, .nheaders = c->nheaders,
		.backend = &bare, .compress = true, .waiter = w,
		.deadline = clock_ms() + seconds * 1000LL, .max_body = ANSWER_MAX,
		.on_head = on_head, .on_data = on_data, .ctx = &answer,
	};
	enum upstream_result result;

	bare.auth = AUTH_NONE;
	bare.credential = (struct credential_setting){ .kind = CREDENTIAL_KEY };
	bare.api_key = NULL;
	bare.proxy = c->direct ? "" : b->proxy;
	bare.connect_timeout = b->connect_timeout < seconds ? b->connect_timeout : seconds;
	arena_init(&arena, 0);
	segs_init(&body, &arena);
	segs_add(&body, c->body);
	if (c->body.n)
		call.body = &body;
	result = body.failed ? UPSTREAM_FAILED : upstream_perform(&call, f);
	if (body.failed || out->failed)
		fault_no_memory(f);
	else if (result == UPSTREAM_CANCELLED)
		fault_gone(f);
	else if (result == UPSTREAM_FAILED)
		explain(b, c, seconds, clock_ms() >= call.deadline, f);
	*status = answer.status;
	arena_release(&arena);
	return result == UPSTREAM_DONE && !out->failed ? 0 : -1;
}

/* RFC 3986, section 2.3: what needs no escape. */
void credential_encode(struct buf *b, const char *value)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~";

	for (; *value; value++) {
		if (strchr(plain, *value))
			buf_putc(b, *value);
		else
			buf_printf(b, "%%%02X", (unsigned char)*value);
	}
}

void credential_form(struct buf *b, const char *name, const char *value)
{
	buf_printf(b, "%s%s=", b->n ? "&" : "", name);
	credential_encode(b, value);
}

/* ---- a file ---- */

void credential_wipe(struct buf *b)
{
	if (b->p)
		OPENSSL_cleanse(b->p, b->cap);
	buf_release(b);
}

/* errno tells why not. Never waits for a FIFO's writer, nor reads a device. */
static int read_all(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	ssize_t n = -1;

	if (fd < 0)
		return -1;
	errno = EINVAL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		do {
			char *room = buf_room(out, 4096);

			errno = EFBIG;
			n = room ? read(fd, room, 4096) : -1;
			out->n += n > 0 ? (size_t)n : 0;
		} while (n > 0);
	}
	close(fd);
	return n < 0 ? -1 : 0;
}

int credential_read(const struct backend *b, const char *path, struct buf *out, struct fault *f)
{
	struct str text;
	int rc = 0;

	if (read_all(path, out))
		rc = credential_fault(b, f, "can't be read from its file: %s", strerror(errno));
	text = str_trim(buf_str(out));
	if (rc == 0 && !text.n)
		rc = credential_fault(b, f, "can't be read: its file is empty");
	if (rc) {
		fault_note(f, "%s", path);
		return rc;
	}
	memmove(out->p, text.p, text.n);
	out->n = text.n;
	return 0;
}
