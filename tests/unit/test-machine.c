/* How much memory there is: the least that physical memory, control groups and limits allow. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/machine.h"

#define MB (1024 * 1024LL)

static char root[64];

/* A file below the root, with the folders that it lies in. */
static void put(const char *path, const char *text)
{
	char full[512];
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *slash = strchr(full + strlen(root) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(full, 0700);
		*slash = '/';
	}
	f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int fresh(void **state)
{
	snprintf(root, sizeof(root), "/tmp/test-machine-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int clear(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

static int64_t physical(void)
{
	return (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
}

static void expect(int64_t bytes, const char *whose)
{
	struct machine_memory m = machine_memory_below(root);

	assert_int_equal(m.bytes, bytes);
	assert_string_equal(m.whose, whose);
}

static void test_nothing_said(void **state)
{
	expect(physical(), "the machine");
	put("/proc/self/cgroup", "0::/a\n");
	put("/sys/fs/cgroup/a/memory.max", "max\n");
	expect(physical(), "the machine");
}

/* The least of a group and those above it. */
static void test_version_2(void **state)
{
	put("/proc/self/cgroup", "0::/system.slice/web.service\n");
	put("/sys/fs/cgroup/system.slice/web.service/memory.max", "67108864\n");
	put("/sys/fs/cgroup/system.slice/memory.max", "max\n");
	expect(64 * MB, "its control group");
	put("/sys/fs/cgroup/system.slice/memory.max", "33554432\n");
	expect(32 * MB, "its control group");
	put("/sys/fs/cgroup/system.slice/web.service/memory.high", "16777216\n");
	expect(16 * MB, "its control group");
}

/* In a container the group is its root, and the path may be one that is not there. */
static void test_container(void **state)
{
	put("/proc/self/cgroup", "0::/\n");
	put("/sys/fs/cgroup/memory.max", "67108864\n");
	expect(64 * MB, "its control group");
	put("/proc/self/cgroup", "0::/docker/0123456789\n");
	expect(64 * MB, "its control group");
}

static void test_version_1(void **state)
{
	put("/proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/a/b\n0::/\n");
	put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	put("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
	expect(physical(), "the machine");
	put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "134217728\n");
	expect(128 * MB, "its control group");
}

/* Nothing of a file that says something else, nor of a path too long to be one. */
static void test_odd_files(void **state)
{
	char line[2048] = "0::/";

	put("/proc/self/cgroup", "\n:\n0:\n0::\nmemory\n4:memory\n0::/a");
	put("/sys/fs/cgroup/a/memory.max", "");
	expect(physical(), "the machine");
	put("/sys/fs/cgroup/a/memory.max", "0\n");
	expect(physical(), "the machine");
	put("/sys/fs/cgroup/a/memory.max", "-5\n");
	expect(physical(), "the machine");
	memset(line + strlen(line), 'x', sizeof(line) - strlen(line) - 1);
	put("/proc/self/cgroup", line);
	expect(physical(), "the machine");
}

/* Under a sanitizer, whose shadow takes more than any limit, there is nothing to test. */
static bool has_shadow(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f && fscanf(f, "%lu", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages > 1ul << 28;
}

/* In a process of its own: the limit stays. */
static void test_limits_of_the_process(void **state)
{
	static const struct {
		int resource;
		const char *name;
	} rows[] = { { RLIMIT_AS, "RLIMIT_AS" }, { RLIMIT_DATA, "RLIMIT_DATA" } };

	if (has_shadow())
		skip();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		pid_t child = fork();
		int status;

		assert_true(child >= 0);
		if (child == 0) {
			struct rlimit limit = { (rlim_t)(1024 * MB), RLIM_INFINITY };
			struct machine_memory m;

			if (setrlimit(rows[i].resource, &limit))
				_exit(1);
			m = machine_memory_below(root);
			_exit(m.bytes == 1024 * MB && !strcmp(m.whose, rows[i].name) ? 0 : 2);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_said, fresh, clear),
		cmocka_unit_test_setup_teardown(test_version_2, fresh, clear),
		cmocka_unit_test_setup_teardown(test_container, fresh, clear),
		cmocka_unit_test_setup_teardown(test_version_1, fresh, clear),
		cmocka_unit_test_setup_teardown(test_odd_files, fresh, clear),
		cmocka_unit_test_setup_teardown(test_limits_of_the_process, fresh, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
