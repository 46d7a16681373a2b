/*
 * Credentials of this machine: a file that someone else keeps fresh (a mounted secret, an agent's
 * token), and what a command prints.
 */
#include "config.h"
#include "upstream/credential.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/env.h"
#include "json/scan.h"

#define TOKEN_MAX (64 * 1024)
#define RUN_MS 30000
/* How often the waiter is served while a command runs. */
#define SLICE_MS 50
#define ARGS_MAX 64
/* What `lifetime` is when nobody says. */
#define LIFETIME 300

/* ---- file ---- */

static uint64_t stamp_of(const struct stat *st)
{
	return ((uint64_t)st->st_mtim.tv_sec * 1000000007u + (uint64_t)st->st_mtim.tv_nsec) ^
	       (uint64_t)st->st_size << 40 ^ (uint64_t)st->st_ino << 20;
}

/* errno is 0 when the file holds no credential. */
static int file_read(const char *path, struct buf *b, uint64_t *stamp)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	ssize_t n = -1;

	errno = fd < 0 ? errno : 0;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		*stamp = stamp_of(&st);
		do {
			char *room = buf_room(b, 4096);

			n = room ? read(fd, room, 4096) : -1;
			b->n += n > 0 ? (size_t)n : 0;
		} while (n > 0);
	}
	if (fd >= 0)
		close(fd);
	return n < 0 ? -1 : 0;
}

static int fetch_file(const struct backend *b, struct waiter *w, struct credential *out,
		      struct fault *f)
{
	uint64_t stamp = 0;
	struct buf text;
	struct str s;
	int r;

	buf_init(&text, TOKEN_MAX);
	r = file_read(b->credential.source, &text, &stamp);
	s = str_trim(buf_str(&text));
	if (r || !s.n)
		r = credential_fault(b, f, "can't be read from %s: %s", b->credential.source,
				     r && errno ? strerror(errno) : "it holds none");
	else
		r = credential_fill(out, s, STR_NONE, STR_NONE, 0, f);
	out->stamp = stamp;
	buf_release(&text);
	return r;
}

static bool file_stale(const struct backend *b, const struct credential *c)
{
	struct stat st;

	return stat(b->credential.source, &st) == 0 && stamp_of(&st) != c->stamp;
}

const struct credential_provider credential_file = {
	.fetch = fetch_file,
	.stale = file_stale,
};

/* ---- a command ---- */

/* The next word at *p, its quotes and backslashes resolved in place; NULL at the end. */
static char *next_word(char **p)
{
	char *in = *p + strspn(*p, " \t\n"), *out = in, *word = in, quote = 0;

	if (!*in)
		return NULL;
	for (; *in && (quote || !strchr(" \t\n", *in)); in++) {
		if (quote ? *in == quote : *in == '"' || *in == '\'')
			quote = quote ? 0 : *in;
		else if (*in == '\\' && quote != '\'' && in[1])
			*out++ = *++in;
		else
			*out++ = *in;
	}
	*p = *in ? in + 1 : in;
	*out = 0;
	return word;
}

/* The environment without what a client can set in it; the array alone is the caller's. */
static char **child_environment(void)
{
	extern char **environ;
	size_t n = 0, kept = 0;
	char **out;

	while (environ[n])
		n++;
	out = calloc(n + 1, sizeof(*out));
	for (size_t i = 0; out && i < n; i++)
		if (!env_from_client((struct str){ environ[i], strcspn(environ[i], "=") }))
			out[kept++] = environ[i];
	return out;
}

/* 3 and above stay ours: the web server's sockets, other clients' connections. */
static int close_others(posix_spawn_file_actions_t *fa)
{
#ifdef HAVE_POSIX_SPAWN_FILE_ACTIONS_ADDCLOSEFROM_NP
	return posix_spawn_file_actions_addclosefrom_np(fa, 3);
#else
	long most = sysconf(_SC_OPEN_MAX);
	int r = 0;

	for (int fd = 3; r == 0 && fd < (most > 0 && most < 65536 ? most : 65536); fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			r = posix_spawn_file_actions_addclose(fa, fd);
	return r;
#endif
}

/* Starts it in a process group of its own, so that its children can be ended with it. Returns an
 * error number. */
static int start(char **argv, int out, pid_t *pid)
{
	char **env = child_environment();
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r = ENOMEM;

	if (!env)
		return r;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&fa);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	if (posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0) == 0 &&
	    posix_spawn_file_actions_adddup2(&fa, out, 1) == 0 && close_others(&fa) == 0)
		r = posix_spawnp(pid, argv[0], &fa, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&fa);
	free(env);
	return r;
}

enum run_end { RUN_OVER, RUN_TIME, RUN_SIZE, RUN_CANCELLED };

static enum run_end read_output(int fd, struct waiter *w, struct buf *out, int64_t end)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t before = out->n;
	char piece[1024];
	ssize_t n;

	while (clock_ms() < end) {
		if (wait_until(w, 0) == WAIT_CANCEL)
			return RUN_CANCELLED;
		if (poll(&p, 1, SLICE_MS) <= 0)
			continue;
		n = read(fd, piece, sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return RUN_OVER;
		if (out->n - before + (size_t)n > TOKEN_MAX || buf_put(out, piece, (size_t)n))
			return RUN_SIZE;
	}
	return RUN_TIME;
}

/* Its exit status; -1: it had to be ended. */
static int end_child(pid_t pid, struct waiter *w, int64_t end)
{
	int status = 0;
	pid_t r;

	while ((r = waitpid(pid, &status, WNOHANG)) == 0 && clock_ms() < end)
		if (wait_until(w, clock_ms() + SLICE_MS / 5) == WAIT_CANCEL)
			break;
	if (r == 0) {
		kill(-pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		return -1;
	}
	/* Where children are reaped by the system nothing is known but what was printed. */
	if (r < 0)
		return 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run_words(const struct backend *b, char **argv, struct waiter *w, struct buf *out,
		     struct fault *f)
{
	static const char *const ends[] = {
		[RUN_TIME] = "took too long", [RUN_SIZE] = "printed more than 64 KB",
	};
	int64_t limit = clock_ms() + RUN_MS;
	int fds[2], r, status;
	enum run_end end;
	pid_t pid = -1;

	if (pipe2(fds, O_CLOEXEC))
		return credential_fault(b, f, "could not be asked for: %s", strerror(errno));
	r = start(argv, fds[1], &pid);
	close(fds[1]);
	if (r) {
		close(fds[0]);
		return credential_fault(b, f, "could not be asked for: %s: %s", argv[0],
					strerror(r));
	}
	end = read_output(fds[0], w, out, limit);
	close(fds[0]);
	status = end_child(pid, w, end == RUN_OVER ? limit : 0);
	if (end == RUN_CANCELLED)
		return fault_gone(f);
	if (end != RUN_OVER || status < 0)
		return credential_fault(b, f, "is missing: %s %s", argv[0],
					end != RUN_OVER ? ends[end] : "was ended by a signal");
	if (status)
		return credential_fault(b, f, "is missing: %s ended with status %d", argv[0],
					status);
	return 0;
}

int credential_run(const struct backend *b, const char *command, struct waiter *w, struct buf *out,
		   struct fault *f)
{
	char *words = strdup(command), *at = words, *argv[ARGS_MAX + 1];
	size_t n = 0;
	int r;

	if (!words)
		return fault_no_memory(f);
	while (n < ARGS_MAX && (argv[n] = next_word(&at)))
		n++;
	argv[n] = NULL;
	r = n ? run_words(b, argv, w, out, f) : credential_fault(b, f, "has an empty command");
	free(words);
	return r;
}

/* A bare token, as most tools print it, or an object like an OAuth answer. */
static int fetch_exec(const struct backend *b, struct waiter *w, struct credential *out,
		      struct fault *f)
{
	int lifetime = b->credential.lifetime ? b->credential.lifetime : LIFETIME;
	struct buf text;
	struct str s;
	int r;

	buf_init(&text, TOKEN_MAX + 1);
	r = credential_run(b, b->credential.source, w, &text, f);
	s = str_trim(buf_str(&text));
	if (r == 0 && !s.n)
		r = credential_fault(b, f, "is missing: its command printed nothing");
	else if (r == 0 && s.p[0] == '{')
		r = credential_oauth_answer(b, 200, s, lifetime, out, f);
	else if (r == 0)
		r = credential_fill(out, s, STR_NONE, STR_NONE,
				    clock_wall_ms() + lifetime * 1000LL, f);
	buf_release(&text);
	return r;
}

const struct credential_provider credential_exec = {
	.shared = true,
	.fetch = fetch_exec,
};
