/*
 * A program that prints a credential. It runs without a shell, in a process group of its own, with
 * nothing of ours but the environment: three descriptors, no blocked or ignored signals. However it
 * ends, nothing of it is left behind: what fails is killed with all that it has started, and it is
 * always waited for.
 */
#include "upstream/credential_provider.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/env.h"
#include "base/os.h"
#include "base/sandbox.h"

#define OUTPUT_MAX (64 * 1024)
#define SECONDS 30
/* How often the waiter is served while a program runs. */
#define SLICE_MS 50
#define ARGS_MAX 64
/* Of standard error, for the message; the rest is read and forgotten. */
#define WORDS_MAX 1024

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

/* The environment without what a client can set in it and without the gateway's own keys, and what
 * is added to it; the array alone is the caller's. */
static char **child_environment(const char *const *more)
{
	extern char **environ;
	size_t n = 0, kept = 0, added = 0;
	char **out;

	while (environ[n])
		n++;
	while (more && more[added])
		added++;
	out = calloc(n + added + 1, sizeof(*out));
	for (size_t i = 0; out && i < n; i++)
		if (!env_from_client((struct str){ environ[i], strcspn(environ[i], "=") }) &&
		    !env_wiped(environ[i]))
			out[kept++] = environ[i];
	for (size_t i = 0; out && i < added; i++)
		out[kept++] = (char *)more[i];
	return out;
}

/* Its own group, and signals as a shell would leave them. Returns an error number. */
static int start(char **argv, char **env, const int ends[2], pid_t *pid)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&fa);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	r = posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	r = r ? r : posix_spawn_file_actions_adddup2(&fa, ends[0], 1);
	r = r ? r : posix_spawn_file_actions_adddup2(&fa, ends[1], 2);
	/* The web server's sockets and other clients' connections stay ours. */
	r = r ? r : os_spawn_close_others(&fa);
	r = r ? r : posix_spawnp(pid, argv[0], &fa, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&fa);
	return r;
}

/* ---- the running program ---- */

enum run_end { RUN_OVER, RUN_TIME, RUN_SIZE, RUN_CANCELLED };

struct running {
	pid_t pid;
	int fd[2];                      /* what it prints, what it complains of; -1: closed */
	struct buf *out;
	struct buf words;
	int64_t limit;                  /* clock_ms */
};

/* A pipe whose ends are none of 0, 1 and 2, which the child's are made of. */
static int make_pipe(int *ours, int *childs)
{
	int fds[2];

	if (os_pipe(fds))
		return -1;
	*ours = fds[0] > 2 ? fds[0] : fcntl(fds[0], F_DUPFD_CLOEXEC, 3);
	*childs = fds[1] > 2 ? fds[1] : fcntl(fds[1], F_DUPFD_CLOEXEC, 3);
	for (int i = 0; i < 2; i++)
		if (fds[i] <= 2)
			close(fds[i]);
	return *ours < 0 || *childs < 0 ? -1 : 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* One read; false when the program printed too much. */
static bool take(struct running *r, int which)
{
	char piece[1024];
	ssize_t n = read(r->fd[which], piece, sizeof(piece));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (n <= 0)
		close_fd(&r->fd[which]);
	else if (which == 1)
		buf_put(&r->words, piece, r->words.n + (size_t)n > WORDS_MAX ?
			WORDS_MAX - r->words.n : (size_t)n);
	else if (r->out->n + (size_t)n > OUTPUT_MAX || buf_put(r->out, piece, (size_t)n))
		return false;
	return true;
}

/* It has ended itself, whoever else may still hold its pipes. It stays to be waited for. */
static bool has_ended(const struct running *r)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
	       info.si_pid == r->pid;
}

/* Until it has closed both pipes, or has ended and they hold no more. */
static enum run_end read_output(struct running *r, struct waiter *w)
{
	bool ended = false;

	while (r->fd[0] >= 0 || r->fd[1] >= 0) {
		struct pollfd p[2] = { { .fd = r->fd[0], .events = POLLIN },
				       { .fd = r->fd[1], .events = POLLIN } };
		int n;

		if (wait_until(w, 0) == WAIT_CANCEL)
			return RUN_CANCELLED;
		if (clock_ms() >= r->limit)
			return RUN_TIME;
		n = poll(p, 2, ended ? 0 : SLICE_MS);
		if (n <= 0 && ended)
			return RUN_OVER;
		ended = ended || (n <= 0 && has_ended(r));
		for (int i = 0; n > 0 && i < 2; i++)
			if (p[i].revents && !take(r, i))
				return RUN_SIZE;
	}
	return RUN_OVER;
}

/* Its exit status; -1: it was ended by a signal, ours when it took too long to end. */
static int end_child(const struct running *r, struct waiter *w, bool now)
{
	int status = 0;
	pid_t p = 0;

	while (!now && (p = waitpid(r->pid, &status, WNOHANG)) == 0 && clock_ms() < r->limit)
		if (wait_until(w, clock_ms() + SLICE_MS / 5) == WAIT_CANCEL)
			break;
	if (p == 0) {
		kill(-r->pid, SIGKILL);
		while (waitpid(r->pid, &status, 0) < 0 && errno == EINTR)
			;
		return -1;
	}
	/* Where children are reaped by the system nothing is known but what was printed. */
	if (p < 0)
		return 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int failed(const struct backend *b, const char *name, enum run_end end, int status,
		  struct running *r, struct fault *f)
{
	static const char *const ends[] = {
		[RUN_TIME] = "took too long", [RUN_SIZE] = "printed more than 64 KB",
	};
	struct buf said;
	char how[48];

	if (end == RUN_CANCELLED)
		return fault_gone(f);
	if (end == RUN_OVER && status < 0)
		snprintf(how, sizeof(how), "was ended by a signal");
	else if (end == RUN_OVER)
		snprintf(how, sizeof(how), "ended with status %d", status);
	else
		snprintf(how, sizeof(how), "%s", ends[end]);
	buf_init(&said, 0);
	credential_quote(&said, buf_str(&r->words));
	credential_fault(b, f, "is missing: its command %s", how);
	fault_note(f, "%s%s%s", name, said.n ? ": " : "", buf_cstr(&said));
	buf_release(&said);
	return -1;
}

static int run_words(const struct backend *b, char **argv, const struct credential_program *p,
		     struct waiter *w, struct buf *out, struct fault *f)
{
	struct running r = { .fd = { -1, -1 }, .out = out,
			     .limit = clock_ms() + (p->seconds ? p->seconds : SECONDS) * 1000LL };
	char **env = child_environment(p->env);
	int childs[2] = { -1, -1 }, error, status, rc = 0;
	enum run_end end;

	error = !env || make_pipe(&r.fd[0], &childs[0]) || make_pipe(&r.fd[1], &childs[1]) ?
		errno : start(argv, env, childs, &r.pid);
	free(env);
	close_fd(&childs[0]);
	close_fd(&childs[1]);
	buf_init(&r.words, 0);
	if (error) {
		rc = credential_fault(b, f, "could not be asked for: its command: %s%s",
				      strerror(error), sandbox_hint(error));
		fault_note(f, "%s", argv[0]);
	} else {
		end = read_output(&r, w);
		status = end_child(&r, w, end != RUN_OVER);
		if (end != RUN_OVER || status)
			rc = failed(b, argv[0], end, status, &r, f);
	}
	close_fd(&r.fd[0]);
	close_fd(&r.fd[1]);
	credential_wipe(&r.words);
	return rc;
}

int credential_run(const struct backend *b, const struct credential_program *p, struct waiter *w,
		   struct buf *out, struct fault *f)
{
	char *words = strdup(p->command), *at = words, *argv[ARGS_MAX + 1];
	size_t n = 0;
	int r;

	if (!words)
		return fault_no_memory(f);
	while (n < ARGS_MAX && (argv[n] = next_word(&at)))
		n++;
	argv[n] = NULL;
	r = n ? run_words(b, argv, p, w, out, f) : credential_fault(b, f, "has an empty command");
	free(words);
	return r;
}
