/*
 * What a process can't do any more once it has given it up. Each case runs in a child, which tells
 * the parent by its exit status how many of its expectations failed. Skipped where the kernel has
 * nothing of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/sandbox.h"

#define UNKNOWN 77      /* exit status of a child that can't tell here */

static char dir[] = "/tmp/test-sandbox-XXXXXX";
extern char **environ;

static const char *at(const char *name)
{
	static char path[4][256];
	static unsigned turn;
	char *p = path[turn++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static void put(const char *name)
{
	FILE *f = fopen(at(name), "w");

	assert_non_null(f);
	fputs("text\n", f);
	fclose(f);
}

static int setup(void **state)
{
	static const char *const folders[] = { "allowed", "foreign", "state" };

	if (!mkdtemp(dir))
		return -1;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (mkdir(at(folders[i]), 0700))
			return -1;
	put("allowed/file");
	put("foreign/file");
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int teardown(void **state)
{
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- expectations of a child ---- */

static int wrong;

static void expect(const char *what, bool right)
{
	if (right)
		return;
	fprintf(stderr, "wrong: %s (%s)\n", what, strerror(errno));
	wrong++;
}

/* rc is what a refused call returns. */
static void expect_error(const char *what, long rc, int error)
{
	expect(what, rc == -1 && errno == error);
}

static void start(struct sandbox_plan *p)
{
	struct buf err;

	buf_init(&err, 0);
	if (sandbox_start(p, &err)) {
		fprintf(stderr, "%s\n", buf_cstr(&err));
		_exit(99);
	}
	buf_release(&err);
}

static void in_child(void (*body)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(60);
		body();
		_exit(wrong);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == UNKNOWN)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void needs(enum sandbox_part part)
{
	struct sandbox_plan p = { .wish[SANDBOX_NO_NEW_PRIVS] = SANDBOX_AUTO };
	const char *why, *preload = getenv("LD_PRELOAD");

	p.wish[part] = SANDBOX_ON;
	if (sandbox_decide(&p, part, &why) < 0 || (preload && strstr(preload, "vgpreload")))
		skip();
}

/* ---- what is done ---- */

static void *nothing(void *p)
{
	return p;
}

static bool thread_runs(void)
{
	pthread_t t;

	return pthread_create(&t, NULL, nothing, NULL) == 0 && pthread_join(t, NULL) == 0;
}

static bool resolves(void)
{
	struct addrinfo *list = NULL;
	int rc = getaddrinfo("localhost", "80", NULL, &list);

	if (!rc)
		freeaddrinfo(list);
	return rc == 0;
}

static int run_true(void)
{
	char *argv[] = { (char *)"true", NULL };
	int status = -1, error;
	pid_t pid;

	error = posix_spawnp(&pid, "true", NULL, NULL, argv, environ);
	if (error)
		return error;
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* The error of opening it, 0. */
static int open_error(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

/* ---- the filter ---- */

static void refused_always(void)
{
	expect_error("ptrace", ptrace(PTRACE_TRACEME, 0, NULL, NULL), EPERM);
	expect_error("process_vm_readv",
		     syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0), EPERM);
	expect_error("bpf", syscall(SYS_bpf, 0, NULL, 0), EPERM);
	expect_error("unshare", unshare(0), EPERM);
	expect_error("setuid", syscall(SYS_setuid, getuid()), EPERM);
	expect_error("chroot", chroot("/"), EPERM);
	expect_error("keyctl", syscall(SYS_keyctl, 0, 0, 0, 0, 0), EPERM);
	expect_error("raw packets", socket(AF_PACKET, SOCK_RAW, 0), EAFNOSUPPORT);
}

static void needed_always(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	expect("socket", fd >= 0);
	close(fd);
	expect("threads", thread_runs());
	expect("names", resolves());
	expect("files", open_error(at("allowed/file"), O_RDONLY) == 0);
}

static void filter(void)
{
	struct sandbox_plan p = { .wish = { SANDBOX_AUTO, SANDBOX_ON, SANDBOX_OFF } };
	char *argv[] = { (char *)"true", NULL };

	start(&p);
	expect("no new privileges", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	refused_always();
	needed_always();
	expect_error("execve", execve("/bin/true", argv, environ), EPERM);
	expect("posix_spawn", run_true() == EPERM);
	expect_error("listen", listen(0, 1), EPERM);
	expect("hint", *sandbox_hint(EPERM) && !*sandbox_hint(ENOENT));
}

static void filter_with_commands(void)
{
	struct sandbox_plan p = { .wish = { SANDBOX_AUTO, SANDBOX_ON, SANDBOX_OFF },
				  .commands = "a command" };

	start(&p);
	refused_always();
	needed_always();
	expect("posix_spawn", run_true() == 0);
}

/* Does the kernel's log say that this process was refused the call? Within two seconds. */
static bool noted(int log, long call, bool *clone3)
{
	char line[2048], pid[32], number[32];
	ssize_t n;

	snprintf(pid, sizeof(pid), " pid=%ld ", (long)getpid());
	snprintf(number, sizeof(number), " syscall=%ld ", call);
	for (int i = 0; i < 200; usleep(10 * 1000), i++)
		while ((n = read(log, line, sizeof(line) - 1)) > 0) {
			line[n] = '\0';
			if (!strstr(line, pid))
				continue;
			if (strstr(line, number))
				return true;
			*clone3 |= strstr(line, " syscall=435 ") != NULL;       /* most processors' */
		}
	return false;
}

/* A line in the kernel's log for each thread would be one for each stream. */
static void threads_are_not_noted(void)
{
	struct sandbox_plan p = { .wish = { SANDBOX_AUTO, SANDBOX_ON, SANDBOX_OFF } };
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	bool clone3 = false;

	if (log < 0 || lseek(log, 0, SEEK_END) < 0)
		_exit(UNKNOWN);
	start(&p);
	expect("threads", thread_runs() && thread_runs());
	expect_error("keyctl", syscall(SYS_keyctl, 0, 0, 0, 0, 0), EPERM);
	/* It may go elsewhere, or be left out of too many. */
	if (!noted(log, SYS_keyctl, &clone3))
		_exit(UNKNOWN);
	expect("no line for a thread", !clone3);
}

static void test_threads_are_not_noted(void **state)
{
	needs(SANDBOX_SECCOMP);
	in_child(threads_are_not_noted);
}

static void test_filter(void **state)
{
	needs(SANDBOX_SECCOMP);
	in_child(filter);
	in_child(filter_with_commands);
}

/* ---- Landlock ---- */

static void plan_folders(struct sandbox_plan *p)
{
	*p = (struct sandbox_plan){ .wish = { SANDBOX_AUTO, SANDBOX_OFF, SANDBOX_ON } };
	sandbox_allow_folder(p, at("allowed/file"), false);
	sandbox_allow(p, at("state"), true);
	sandbox_allow(p, at("absent"), false);
	sandbox_allow(p, NULL, true);
	sandbox_allow(p, "relative", true);
}

static void folders(void)
{
	struct sandbox_plan p;

	plan_folders(&p);
	start(&p);
	expect("foreign file", open_error(at("foreign/file"), O_RDONLY) == EACCES);
	expect("foreign folder", open_error(at("foreign"), O_RDONLY | O_DIRECTORY) == EACCES);
	expect("folder above", open_error(at("new"), O_WRONLY | O_CREAT) == EACCES);
	expect("file to read", open_error(at("allowed/file"), O_RDONLY) == 0);
	expect("file to write", open_error(at("allowed/file"), O_WRONLY) == EACCES);
	expect("file to make", open_error(at("allowed/new"), O_WRONLY | O_CREAT) == EACCES);
	expect("state", open_error(at("state/a"), O_RDWR | O_CREAT | O_EXCL) == 0);
	expect("state renamed", rename(at("state/a"), at("state/b")) == 0);
	expect("state cut", truncate(at("state/b"), 0) == 0);
	expect("state removed", unlink(at("state/b")) == 0);
	expect("names", resolves());
	expect("null", open_error("/dev/null", O_RDWR) == 0);
	expect("programs", run_true() == EACCES);
	expect("hint", *sandbox_hint(EACCES) && !*sandbox_hint(ENOENT));
	sandbox_release(&p);
}

static void folders_with_commands(void)
{
	struct sandbox_plan p;

	plan_folders(&p);
	p.commands = "a command";
	start(&p);
	expect("foreign file", open_error(at("foreign/file"), O_RDONLY) == EACCES);
	expect("programs", run_true() == 0);
	sandbox_release(&p);
}

static void both(void)
{
	struct sandbox_plan p;

	plan_folders(&p);
	p.wish[SANDBOX_SECCOMP] = SANDBOX_ON;
	start(&p);
	refused_always();
	needed_always();
	expect("foreign file", open_error(at("foreign/file"), O_RDONLY) == EACCES);
	sandbox_release(&p);
}

static void test_landlock(void **state)
{
	needs(SANDBOX_LANDLOCK);
	in_child(folders);
	in_child(folders_with_commands);
}

static void test_both(void **state)
{
	needs(SANDBOX_LANDLOCK);
	needs(SANDBOX_SECCOMP);
	in_child(both);
}

/* ---- the rest ---- */

static void hidden(void)
{
	struct rlimit core;

	sandbox_hide();
	expect("dumpable", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	expect("core limit", getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 &&
				     core.rlim_max == 0);
}

static void test_hide(void **state)
{
	in_child(hidden);
}

/* wish of the part, wish of no_new_privs, a command? what comes of it. */
static void test_decide(void **state)
{
	static const struct {
		enum sandbox_wish wish, privs;
		const char *commands;
		int yes;
		const char *why;
	} cases[] = {
		{ SANDBOX_OFF, SANDBOX_AUTO, NULL, 0, "switched off" },
		{ SANDBOX_ON, SANDBOX_AUTO, NULL, 1, NULL },
		{ SANDBOX_AUTO, SANDBOX_AUTO, "a command", 0, "inherit" },
		{ SANDBOX_ON, SANDBOX_AUTO, "a command", 1, NULL },
		{ SANDBOX_AUTO, SANDBOX_OFF, NULL, 0, "needs security.no_new_privs" },
		{ SANDBOX_ON, SANDBOX_OFF, NULL, -1, "needs security.no_new_privs" },
	};

	needs(SANDBOX_SECCOMP);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sandbox_plan p = { .wish = { cases[i].privs, cases[i].wish, SANDBOX_OFF },
					  .commands = cases[i].commands };
		const char *why;

		assert_int_equal(sandbox_decide(&p, SANDBOX_SECCOMP, &why), cases[i].yes);
		if (cases[i].why)
			assert_non_null(strstr(why, cases[i].why));
		else
			assert_null(why);
	}
}

static void refuses_to_start(void)
{
	struct sandbox_plan p = { .wish = { SANDBOX_OFF, SANDBOX_ON, SANDBOX_OFF } };
	struct buf err;

	buf_init(&err, 0);
	expect("started", sandbox_start(&p, &err) == -1);
	expect("the sentence", strstr(buf_cstr(&err), "needs security.no_new_privs") != NULL);
	buf_release(&err);
}

/* What is asked for and can't be had is an error, not a silent "off". */
static void test_on_or_nothing(void **state)
{
	needs(SANDBOX_SECCOMP);
	in_child(refuses_to_start);
}

static void test_plan(void **state)
{
	struct sandbox_plan p = { .npaths = 0 };
	char path[64];

	sandbox_allow(&p, "/a", false);
	sandbox_allow(&p, "/a", true);
	sandbox_allow(&p, "/a", false);
	assert_int_equal(p.npaths, 1);
	assert_true(p.paths[0].write);
	for (int i = 0; i < 2 * SANDBOX_PATHS_MAX; i++) {
		snprintf(path, sizeof(path), "/x/%d", i);
		sandbox_allow(&p, path, false);
	}
	assert_int_equal(p.npaths, SANDBOX_PATHS_MAX);
	sandbox_release(&p);
	assert_int_equal(p.npaths, 0);
	sandbox_allow_folder(&p, "/file", false);
	assert_string_equal(p.paths[0].path, "/");
	sandbox_release(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads_are_not_noted),
		cmocka_unit_test(test_filter),	      cmocka_unit_test(test_landlock),
		cmocka_unit_test(test_both),	      cmocka_unit_test(test_hide),
		cmocka_unit_test(test_decide),	      cmocka_unit_test(test_on_or_nothing),
		cmocka_unit_test(test_plan),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
