/* FastCGI 1.0 records, written and read from the web server's side. */
#include "fcgi_client.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/os.h"

enum { HEAD = 8, REQUEST_ID = 1 };

int fcgi_client_connect(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = 10 };
	int fd = os_socket(AF_UNIX, SOCK_STREAM);

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return fd;
}

static int send_all(int fd, const void *p, size_t n)
{
	const char *from = p;
	ssize_t sent;

	while (n) {
		sent = os_send(fd, from, n, 0);
		if (sent <= 0)
			return -1;
		from += sent;
		n -= (size_t)sent;
	}
	return 0;
}

static int recv_all(int fd, void *p, size_t n)
{
	char *to = p;
	ssize_t got;

	while (n) {
		got = recv(fd, to, n, 0);
		if (got <= 0)
			return -1;
		to += got;
		n -= (size_t)got;
	}
	return 0;
}

int fcgi_client_record(int fd, int type, const void *p, size_t n)
{
	unsigned char head[HEAD] = {
		1, (unsigned char)type, 0, REQUEST_ID, (unsigned char)(n >> 8), (unsigned char)n,
	};
	struct buf b;
	int rc;

	buf_init(&b, 0);
	buf_put(&b, head, sizeof(head));
	buf_put(&b, p, n);
	rc = b.failed ? -1 : send_all(fd, b.p, b.n);
	buf_release(&b);
	return rc;
}

static void put_length(struct buf *b, size_t n)
{
	if (n > 127) {
		buf_putc(b, (char)(0x80 | n >> 24));
		buf_putc(b, (char)(n >> 16));
		buf_putc(b, (char)(n >> 8));
	}
	buf_putc(b, (char)n);
}

static void put_params(struct buf *b, const char *const *params)
{
	for (; *params; params++) {
		const char *is = strchr(*params, '=');
		size_t name = (size_t)(is - *params), value = strlen(is + 1);

		put_length(b, name);
		put_length(b, value);
		buf_put(b, *params, name);
		buf_put(b, is + 1, value);
	}
}

int fcgi_client_begin(int fd, const char *const *params, int flags)
{
	char begin[8] = { 0, 1, (char)flags };
	struct buf b;
	int rc;

	buf_init(&b, 65535);
	put_params(&b, params);
	rc = b.failed || fcgi_client_record(fd, RECORD_BEGIN, begin, sizeof(begin)) ||
		fcgi_client_record(fd, RECORD_PARAMS, b.p, b.n) ||
		fcgi_client_record(fd, RECORD_PARAMS, "", 0) ? -1 : 0;
	buf_release(&b);
	return rc;
}

int fcgi_client_body(int fd, const void *p, size_t n, size_t record)
{
	const char *from = p;
	size_t part;

	for (; n; from += part, n -= part) {
		part = n > record ? record : n;
		if (fcgi_client_record(fd, RECORD_STDIN, from, part))
			return -1;
	}
	return 0;
}

int fcgi_client_read(int fd, struct buf *out)
{
	unsigned char head[HEAD];
	char content[65536 + 256];
	size_t n;
	ssize_t first = recv(fd, head, 1, 0);

	if (first <= 0)
		return (int)first;
	if (recv_all(fd, head + 1, HEAD - 1))
		return -1;
	n = (size_t)head[4] << 8 | head[5];
	if (recv_all(fd, content, n + head[6]))
		return -1;
	if (head[1] == RECORD_STDOUT)
		buf_put(out, content, n);
	return head[1];
}

bool fcgi_client_answer(int fd, struct buf *out)
{
	int type;

	while ((type = fcgi_client_read(fd, out)) > 0)
		if (type == RECORD_END)
			return true;
	return false;
}

bool fcgi_client_post(int fd, const char *path, const void *p, size_t n, int flags,
	struct buf *out)
{
	char uri[256], length[64];
	const char *params[] = { "REQUEST_METHOD=POST", uri, length, NULL };

	snprintf(uri, sizeof(uri), "REQUEST_URI=%s", path);
	snprintf(length, sizeof(length), "CONTENT_LENGTH=%zu", n);
	return !fcgi_client_begin(fd, params, flags) && !fcgi_client_body(fd, p, n, 65535) &&
		!fcgi_client_record(fd, RECORD_STDIN, "", 0) && fcgi_client_answer(fd, out);
}
