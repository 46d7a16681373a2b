/* See world.h. */
#include "world.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../golden/golden.h"
#include "base/clock.h"
#include "upstream/call.h"
#include "upstream/fail.h"
#include "upstream/head.h"

#define NOW_FIRST INT64_C(1000000)              /* ms; the clock before anything has happened */
#define WALL_FIRST INT64_C(1795000000000)       /* the same moment since 1970: November 2026 */
#define WAIT_MAX_MS INT64_C(3600000)
#define STUCK_MAX 100

int64_t __wrap_clock_ms(void);
int64_t __wrap_clock_us(void);
int64_t __wrap_clock_wall_ms(void);
int64_t __wrap_clock_wall_us(void);
int __wrap_poll(struct pollfd *p, nfds_t n, int ms);
enum upstream_result __wrap_call_perform(const struct upstream_call *c,
					 const struct credential *own, struct fault *f);

static const struct world *world;
static struct str answers;              /* those that have not been given yet */
/* Lists of models are asked for by threads: one at a time is answered, the clock is anybody's. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int64_t now;
static _Atomic size_t calls;

void world_set(const struct world *w)
{
	world = w;
	answers = w->answers;
	now = NOW_FIRST;
	calls = 0;
}

size_t world_calls(void)
{
	return calls;
}

/* ---- time ---- */

int64_t __wrap_clock_ms(void)
{
	return now;
}

int64_t __wrap_clock_us(void)
{
	return now * 1000;
}

int64_t __wrap_clock_wall_ms(void)
{
	return WALL_FIRST + now;
}

int64_t __wrap_clock_wall_us(void)
{
	return (WALL_FIRST + now) * 1000;
}

/* Nothing ever becomes ready. */
int __wrap_poll(struct pollfd *p, nfds_t n, int ms)
{
	now += ms < 0 ? WAIT_MAX_MS : ms;
	return 0;
}

/* Time passes for a call. Non-zero: the waiter cancels. */
static int pass(const struct upstream_call *c, int64_t ms)
{
	struct waiter *w = c->waiter;
	int64_t until = now + ms;
	int stuck = 0;

	while (w && w->due <= until) {
		if (w->due > now)
			now = w->due;
		if (w->tick(w, now))
			return -1;
		/* What is due all the time would be a loop that waits for nothing. */
		if (w->due <= now && ++stuck > STUCK_MAX)
			abort();
	}
	now = until;
	return 0;
}

/* ---- an answer ---- */

static struct str next_answer(void)
{
	struct str one = answers;
	const char *end = str_find(answers, SECTION);

	if (!end)
		return one;
	one.n = (size_t)(end - one.p);
	answers.p = end + strlen(SECTION);
	answers.n -= one.n + strlen(SECTION);
	return one;
}

static enum upstream_result failed(const struct upstream_call *c, enum failed_by by, CURLcode code,
				   size_t received, struct fault *f)
{
	struct failure w = {
		.by = by, .code = code, .text = "scripted", .backend = c->backend,
		.host = "upstream.test", .port = 80, .proxy = "", .resolved = true,
		.ready = code != CURLE_COULDNT_CONNECT, .head = received > 0, .received = received,
		.max_body = c->max_body,
	};

	fail_fault(&w, f);
	return UPSTREAM_FAILED;
}

/* Takes the head's lines off the answer. The status is 200 where it does not say one. */
static const struct upstream_head *read_head(struct head *h, struct str *answer)
{
	struct str line;
	int status;

	head_start(h, 200);
	while (str_split(answer, '\n', &line)) {
		line = str_trim(line);
		if (!line.n)
			break;
		status = head_status(line);
		if (status)
			head_start(h, status);
		else
			head_line(h, line, clock_wall_ms());
	}
	return head_end(h);
}

/* A copy of its own, so that a sanitizer sees who reads beyond a piece or keeps it. */
static int give_piece(const struct upstream_call *c, struct str piece)
{
	char *copy = malloc(piece.n);
	int rc;

	if (!copy)
		abort();
	memcpy(copy, piece.p, piece.n);
	rc = c->on_data(c->ctx, copy, piece.n);
	free(copy);
	return rc;
}

static enum upstream_result end_call(const struct upstream_call *c, size_t received,
				     struct fault *f)
{
	if (world->end == WORLD_CUT)
		return failed(c, FAILED_CURL, CURLE_RECV_ERROR, received, f);
	if (world->end != WORLD_SILENT)
		return UPSTREAM_DONE;
	if (pass(c, c->backend->idle_timeout * INT64_C(1000)))
		return UPSTREAM_CANCELLED;
	return failed(c, FAILED_IDLE, CURLE_OPERATION_TIMEDOUT, received, f);
}

static enum upstream_result give_body(const struct upstream_call *c, struct str body,
				      struct fault *f)
{
	size_t received = 0;

	while (received < body.n) {
		struct str piece = { body.p + received, body.n - received };

		if (world->piece && piece.n > world->piece)
			piece.n = world->piece;
		if (pass(c, world->pause_ms))
			return UPSTREAM_CANCELLED;
		received += piece.n;
		if (c->max_body && received > c->max_body)
			return failed(c, FAILED_SIZE, CURLE_WRITE_ERROR, received, f);
		if (give_piece(c, piece))
			return UPSTREAM_STOPPED;
	}
	return end_call(c, received, f);
}

static enum upstream_result give_frames(const struct upstream_call *c, struct str lines,
					struct fault *f)
{
	enum upstream_result result;
	struct str line;
	struct buf b;

	buf_init(&b, 0);
	while (str_split(&lines, '\n', &line))
		if (str_trim(line).n && frame_line(&b, str_trim(line), world->frames > 1))
			buf_put_str(&b, line);
	result = give_body(c, buf_str(&b), f);
	buf_release(&b);
	return result;
}

static enum upstream_result answer_call(const struct upstream_call *c,
					const struct credential *own, struct fault *f)
{
	enum upstream_result result = UPSTREAM_STOPPED;
	struct str answer;
	struct head h;

	if (c->report)
		*c->report = (struct upstream_report){ .connect_ms = -1, .first_byte_ms = -1 };
	calls++;
	if (world->end == WORLD_REFUSED && calls == 1)
		return failed(c, FAILED_CURL, CURLE_COULDNT_CONNECT, 0, f);
	answer = next_answer();
	head_init(&h);
	if (pass(c, world->pause_ms))
		result = UPSTREAM_CANCELLED;
	else if (!c->on_head || !c->on_head(c->ctx, read_head(&h, &answer)))
		result = world->frames ? give_frames(c, answer, f) : give_body(c, answer, f);
	head_release(&h);
	return result;
}

enum upstream_result __wrap_call_perform(const struct upstream_call *c,
					 const struct credential *own, struct fault *f)
{
	enum upstream_result r;

	pthread_mutex_lock(&turn);
	r = answer_call(c, own, f);
	pthread_mutex_unlock(&turn);
	return r;
}
