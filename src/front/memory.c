/*
 * The front of tests and fuzzing: parameters and body from memory, the answer into a buffer. It can
 * give the body in small pieces and can lose its client after a number of bytes.
 */
#include "front/front.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "front/param.h"

struct memory_front {
	struct front front;
	const char *const *params;
	struct str body;
	size_t taken;                   /* of the body */
	size_t chunk;
	struct buf out;
	size_t flushes;
	size_t fail_after;              /* bytes of output, SIZE_MAX: never */
};

static struct memory_front *of(struct front *f)
{
	return (struct memory_front *)f;
}

static const char *memory_param(struct front *f, const char *name)
{
	return param_find(of(f)->params, name);
}

static const char *const *memory_params(struct front *f)
{
	return of(f)->params;
}

static ssize_t memory_read(struct front *f, void *p, size_t n)
{
	struct memory_front *m = of(f);
	size_t left = m->body.n - m->taken;

	if (n > left)
		n = left;
	if (m->chunk && n > m->chunk)
		n = m->chunk;
	if (n)
		memcpy(p, m->body.p + m->taken, n);
	m->taken += n;
	return (ssize_t)n;
}

static int memory_write(struct front *f, const void *p, size_t n)
{
	struct memory_front *m = of(f);

	if (m->out.n + n > m->fail_after)
		return -1;
	return buf_put(&m->out, p, n);
}

static int memory_flush(struct front *f)
{
	struct memory_front *m = of(f);

	m->flushes++;
	return m->out.n >= m->fail_after || m->out.failed ? -1 : 0;
}

static int memory_watch_fd(struct front *f)
{
	return -1;
}

static int memory_gone(struct front *f)
{
	return 0;
}

static const struct front_ops memory_ops = {
	.name = "memory",
	.param = memory_param,
	.params = memory_params,
	.read = memory_read,
	.write = memory_write,
	.flush = memory_flush,
	.watch_fd = memory_watch_fd,
	.gone = memory_gone,
};

struct memory_front *memory_front_new(const char *const *params, struct str body, size_t chunk)
{
	struct memory_front *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->front.ops = &memory_ops;
	m->params = params;
	m->body = body;
	m->chunk = chunk;
	m->fail_after = SIZE_MAX;
	buf_init(&m->out, 0);
	return m;
}

void memory_front_free(struct memory_front *m)
{
	if (!m)
		return;
	buf_release(&m->out);
	free(m);
}

struct front *memory_front(struct memory_front *m)
{
	return &m->front;
}

struct str memory_front_output(struct memory_front *m)
{
	return buf_str(&m->out);
}

size_t memory_front_flushes(struct memory_front *m)
{
	return m->flushes;
}

void memory_front_fail_after(struct memory_front *m, size_t bytes)
{
	m->fail_after = bytes;
}
