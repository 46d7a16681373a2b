/* The rig of the tests of chains: see chain_rig.h. */
#include "chain_rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "ingress/ingress.h"

/* ---- the clocks ---- */

_Atomic int64_t rig_wall_ms;
static atomic_int ahead;                /* seconds, of the real time */

/* In place of the system's. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	int64_t ms = rig_wall_ms;

	timespec_get(t, TIME_UTC);
	t->tv_sec += ahead;
	if (id == CLOCK_REALTIME)
		*t = (struct timespec){ (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
	return 0;
}

/* ---- backends ---- */

const struct script script_well = WELL;
struct script script[3], for_key[3];
atomic_int calls[3], keys[3];
atomic_bool let_go;
atomic_int stall_seconds;
static int listen_fd = -1, port, closed_port;

static size_t read_request(int fd, char *text, size_t size)
{
	size_t n = 0;

	while (n < size - 1) {
		ssize_t got = read(fd, text + n, size - 1 - n);
		const char *end, *length;

		/* What is no "POST" is a TLS handshake. */
		if (got <= 0 || (n == 0 && text[0] != 'P'))
			return 0;
		n += (size_t)got;
		text[n] = '\0';
		end = strstr(text, "\r\n\r\n");
		length = strcasestr(text, "content-length:");
		if (end && n >= (size_t)(end + 4 - text) + (length ? (size_t)atoi(length + 15) : 0))
			break;
	}
	return n;
}

/* Connections of one test may outlive it by a moment. */
static pthread_mutex_t scripts = PTHREAD_MUTEX_INITIALIZER;

void script_put(struct script *to, struct script s)
{
	pthread_mutex_lock(&scripts);
	*to = s;
	pthread_mutex_unlock(&scripts);
}

void script_way(struct script *to, enum way way)
{
	script_put(to, (struct script){ script_well.status, script_well.headers, script_well.body,
					way });
}

static struct script script_get(const struct script *from)
{
	struct script s;

	pthread_mutex_lock(&scripts);
	s = *from;
	pthread_mutex_unlock(&scripts);
	return s;
}

static struct script script_of(const char *request)
{
	static const struct script none = { NULL, NULL, NULL, DROPS };
	struct script own;
	int who = request[6] - 'a', key = 0;
	const char *at = strstr(request, "Bearer k");

	if (who < 0 || who > 2)
		return none;
	atomic_fetch_add(&calls[who], 1);
	if (who < 2 || !at)
		return script_get(&script[who]);
	key = at[8] - '1';
	atomic_fetch_add(&keys[key], 1);
	own = script_get(&for_key[key]);
	return own.status ? own : script_get(&script[who]);
}

static void *serve(void *ctx)
{
	int fd = (int)(intptr_t)ctx;
	struct pollfd gone = { .fd = fd, .events = POLLIN };
	char text[16384];
	struct script s = { NULL, NULL, NULL, DROPS };

	if (read_request(fd, text, sizeof(text)) > 6)
		s = script_of(text);
	/* Again: the gateway may have looked at the clock behind the first jump only. */
	for (int i = 0; s.way == STALLS && i < 20; i++) {
		atomic_fetch_add(&ahead, atomic_load(&stall_seconds));
		if (poll(&gone, 1, 1000))
			break;
	}
	while (s.way == HOLDS && !atomic_load(&let_go))
		usleep(1000);
	if (s.way == ANSWERS || s.way == HOLDS)
		dprintf(fd, "HTTP/1.1 %s\r\n%sConnection: close\r\n\r\n%s", s.status, s.headers,
			s.body);
	shutdown(fd, SHUT_WR);
	close(fd);
	return NULL;
}

static void *accept_all(void *ctx)
{
	pthread_t t;
	int fd;

	while ((fd = accept(listen_fd, NULL, NULL)) >= 0)
		if (pthread_create(&t, NULL, serve, (void *)(intptr_t)fd) == 0)
			pthread_detach(t);
	return NULL;
}

/* Bound; its port is a free one. */
static int bound(int *at)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) ||
	    getsockname(fd, (struct sockaddr *)&a, &n))
		return -1;
	*at = ntohs(a.sin_port);
	return fd;
}

/* ---- the gateway's side ---- */

static char dir[64];
struct config *rig_config;
struct arena rig_arena;
static pthread_t acceptor;
const struct breaker_rule rig_rule = { .failures = 3,
				       .cooldown_ms = 60000,
				       .cooldown_max_ms = 600000 };

static const char settings[] =
	"backends = {\n"
	"  A = { dialect = \"openai-chat\"; base_url = \"http://127.0.0.1:%d/a\"; api_key = "
	"\"ka\";\n"
	"        first_byte_timeout = 60; retries = 2; };\n"
	"  B = { dialect = \"openai-chat\"; base_url = \"http://127.0.0.1:%d/b\"; retries = 0;\n"
	"        auth = \"none\"; };\n"
	"  C = { dialect = \"openai-chat\"; base_url = \"http://127.0.0.1:%d/c\"; retries = 0;\n"
	"        api_key = \"k1\"; api_keys = ( \"k2\", \"k3\" ); };\n"
	"  GONE = { dialect = \"openai-chat\"; base_url = \"http://127.0.0.1:%d\"; };\n"
	"  TLS = { dialect = \"openai-chat\"; base_url = \"https://127.0.0.1:%d\"; };\n"
	"};\n"
	"proxy_backend = \"A\";\n";

static int load(void)
{
	char path[128];
	struct config_load how = { .path = path };
	struct buf err;
	FILE *f;

	snprintf(path, sizeof(path), "%s/m.conf", dir);
	umask(077);
	f = fopen(path, "w");
	if (!f)
		return -1;
	fprintf(f, settings, port, port, port, closed_port, port);
	fclose(f);
	buf_init(&err, 0);
	rig_config = config_load(&how, &err);
	if (!rig_config)
		print_error("%s\n", buf_cstr(&err));
	buf_release(&err);
	unlink(path);
	return rig_config ? 0 : -1;
}

int rig_setup_all(void **state)
{
	strcpy(dir, "/tmp/test-chain.XXXXXX");
	listen_fd = bound(&port);
	if (!mkdtemp(dir) || listen_fd < 0 || listen(listen_fd, 64) || bound(&closed_port) < 0 ||
	    pthread_create(&acceptor, NULL, accept_all, NULL) || load())
		return -1;
	log_setup(LOG_LEVEL_NONE, "none");
	return upstream_setup();
}

int rig_teardown_all(void **state)
{
	shutdown(listen_fd, SHUT_RDWR);
	pthread_join(acceptor, NULL);
	config_unref(rig_config);
	upstream_cleanup();
	return rmdir(dir);
}

void rig_forget(void)
{
	for (int i = 0; i < 3; i++) {
		script_put(&script[i], script_well);
		script_put(&for_key[i], (struct script){ NULL, NULL, NULL, ANSWERS });
		atomic_store(&calls[i], 0);
		atomic_store(&keys[i], 0);
	}
	atomic_store(&let_go, false);
	atomic_store(&stall_seconds, 0);
	rig_wall_ms = INT64_C(1795348800000);
	host_open(NULL);
}

int rig_setup(void **state)
{
	arena_init(&rig_arena, 0);
	rig_forget();
	return 0;
}

int rig_teardown(void **state)
{
	arena_release(&rig_arena);
	host_close();
	return 0;
}

static enum flow on_event(struct sink *self, const struct event *e)
{
	struct run *r = (struct run *)((char *)self - offsetof(struct run, sink));

	r->content += e->type == EVENT_TEXT;
	r->ends += e->type == EVENT_END;
	return FLOW_GO;
}

static bool content_sent(void *ctx)
{
	return ((struct run *)ctx)->content > 0;
}

static int on_tick(struct waiter *w, int64_t now)
{
	struct run *r = (struct run *)((char *)w - offsetof(struct run, waiter));

	/* Also to see that the time has made a jump. */
	w->due = now + 10;
	return r->cancel_at && r->members >= r->cancel_at ? WAIT_CANCEL : WAIT_GO;
}

static void on_member(void *ctx, const struct target *t)
{
	struct run *r = ctx;

	r->asked[r->members] = t->backend->name[0];
	r->asked[++r->members] = '\0';
	r->waiter.due = clock_ms();
}

/* members: "A/m B/m". */
void rig_prepare(struct run *r, const char *members)
{
	static const char body[] =
		"{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\","
		"\"content\":\"hi\"}]}";
	struct str rest = str_of(members), one;

	*r = (struct run){ .sink.event = on_event, .fault = FAULT_INIT };
	arena_init(&r->arena, 0);
	assert_int_equal(
		anthropic_parse(&r->request, str_of(body), PARSE_MESSAGE, &r->arena, &r->fault), 0);
	r->o.chain.v = arena_alloc(&r->arena, 8 * sizeof(*r->o.chain.v));
	while (str_split(&rest, ' ', &one)) {
		struct route_target t;

		assert_true(config_target(rig_config, arena_dup(&r->arena, one.p, one.n), &r->arena,
					  &t));
		r->o.chain.v[r->o.chain.n++] =
			(struct target){ .backend = t.v[0].backend, .model = t.v[0].model };
	}
	r->waiter = (struct waiter){ .fd = { -1, -1 }, .tick = on_tick, .due = CLOCK_NEVER };
	r->o.breaker = rig_rule;
	r->o.on_member = on_member;
	r->o.run = (struct run_options){
		.request = &r->request,
		.arena = &r->arena,
		.waiter = &r->waiter,
		.max_event = 1 << 20,
		.max_answer = 1 << 20,
		.content_sent = content_sent,
		.ctx = r,
	};
}

void *rig_go(void *ctx)
{
	struct run *r = ctx;

	r->rc = run_chain(&r->o, &r->sink, &r->report, &r->fault);
	return NULL;
}

void rig_done(struct run *r)
{
	arena_release(&r->arena);
}

/* Runs and forgets the rest; asked is who was asked, rc and status how it ended. */
void rig_expect(const char *members, const char *asked, int status)
{
	struct run r;

	rig_prepare(&r, members);
	rig_go(&r);
	if (strcmp(r.asked, asked) != 0 || (status ? r.fault.status : 0) != status ||
	    r.rc != (status ? -1 : 0))
		fail_msg("%s: asked %s, %d %s", members, r.asked, r.rc ? r.fault.status : 0,
			 r.rc ? r.fault.message : "");
	assert_int_equal(r.ends, r.rc == 0);
	assert_int_equal(r.report.members, (int)strlen(asked));
	rig_done(&r);
}

struct breaker rig_breaker(const char *name, struct host_error *e)
{
	struct host_error other;
	struct breaker b;

	host_breaker_get(name, &b, e ? e : &other);
	return b;
}

const char *rig_key(const char *backend, size_t i)
{
	const struct backend *b = config_backend(rig_config, backend);

	return b->nways ? b->ways[i].key_mark : b->key_mark;
}

const char *rig_model(const char *backend, size_t key, const char *model)
{
	const struct backend *b = config_backend(rig_config, backend);

	return chain_model_name(b->nways ? &b->ways[key] : b, model, &rig_arena);
}
