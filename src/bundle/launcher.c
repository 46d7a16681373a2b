/*
 * The file of a bundle that a web server starts as "messages.fcgi": hands over to the program in
 * lib/ by the C library's own loader beside it, so that nothing of the machine's libraries is used.
 *
 * Static, and without anything but system calls: it has to run where the C library is older than
 * the one that it was built with. The kernel would find a loader by a path relative to the current
 * folder, which web servers choose differently, so the loader is named here in full. The process
 * stays the same one (web servers watch it by its id), and nobody's shell is needed.
 *
 * An upload that was cut off, or that changed line ends, leaves programs that crash without a word.
 * So the sizes of all files are compared with those that "make bundle" has written down.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOADER "lib/ld.so"
#define PROGRAM "lib/messages.bin"
#define SIZES "lib/sizes"       /* lines of size, space, name */
#define SIZES_MAX 16384
#define FOLDER_VARIABLE "MESSAGES_BUNDLE="
#define MORE_ARGUMENTS 8        /* what stands before the caller's own */

/* What would bring libraries of the machine into the process, or data of its C library. */
static const char *const dropped[] = { "LD_", "GCONV_PATH=", "LOCPATH=", FOLDER_VARIABLE, NULL };

static char folder[PATH_MAX];

static void say(int fd, const char *text)
{
	size_t n = strlen(text);

	while (n) {
		ssize_t done = write(fd, text, n);

		if (done <= 0)
			return;
		text += done;
		n -= (size_t)done;
	}
}

/* To the server's log, and to the client when this is a CGI program. */
static int fail(const char *what, int error)
{
	static const char answer[] = "Status: 500\r\nContent-Type: application/json\r\n\r\n"
				     "{\"type\":\"error\",\"error\":{\"type\":\"api_error\","
				     "\"message\":\"The gateway could not be started: ";
	const char *why = error ? strerror(error) : "";

	if (getenv("GATEWAY_INTERFACE")) {
		say(STDOUT_FILENO, answer);
		say(STDOUT_FILENO, what);
		say(STDOUT_FILENO, *why ? ": " : "");
		say(STDOUT_FILENO, why);
		say(STDOUT_FILENO, ".\"}}\n");
	}
	say(STDERR_FILENO, "messages.fcgi: ");
	say(STDERR_FILENO, what);
	say(STDERR_FILENO, *why ? ": " : "");
	say(STDERR_FILENO, why);
	say(STDERR_FILENO, "\n");
	return 127;
}

/* The folder's path and a name in it. NULL when that is too long. */
static char *in_folder(const char *name)
{
	size_t a = strlen(folder), b = strlen(name);
	char *path = malloc(a + b + 2);

	if (!path)
		return NULL;
	memcpy(path, folder, a);
	path[a] = '/';
	memcpy(path + a + 1, name, b + 1);
	return path;
}

/* Takes the folder of `file` if the loader is below it. A relative name counts from the current
 * folder. */
static int take(const char *file)
{
	const char *slash = file ? strrchr(file, '/') : NULL;
	size_t base = 0, n = slash ? (size_t)(slash - file) : 0;
	char *loader;
	int found;

	if (!file || !*file)
		return 0;
	if (*file != '/') {
		if (!getcwd(folder, sizeof(folder)))
			return 0;
		base = strlen(folder);
		if (n && base + 1 < sizeof(folder))
			folder[base++] = '/';
	}
	if (base + n >= sizeof(folder))
		return 0;
	memcpy(folder + base, file, n);
	folder[base + n] = '\0';
	loader = in_folder(LOADER);
	found = loader && access(loader, F_OK) == 0;
	free(loader);
	return found;
}

/* By the file itself (the name may be a link), by the name that the kernel was given where /proc is
 * not to be seen, and by what a web server says. */
static int find(void)
{
	static char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	return (n > 0 && take(self)) || take((const char *)getauxval(AT_EXECFN)) ||
	       take(getenv("SCRIPT_FILENAME"));
}

/* ---- is everything there? ---- */

static int read_sizes(char *text)
{
	char *path = in_folder(SIZES);
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n = fd < 0 ? -1 : read(fd, text, SIZES_MAX);

	free(path);
	if (fd >= 0)
		close(fd);
	if (n < 0 || n == SIZES_MAX)
		return -1;
	text[n] = '\0';
	return 0;
}

/* One line of it; 0 or the exit status. */
static int check_file(long long size, const char *name)
{
	static char what[512];
	char *path = in_folder(name);
	struct stat st;
	int there = path && stat(path, &st) == 0;

	free(path);
	if (there && st.st_size == size)
		return 0;
	if (there)
		snprintf(what, sizeof(what),
			 "%s has %lld bytes instead of %lld: upload it again, in binary mode", name,
			 (long long)st.st_size, size);
	else
		snprintf(what, sizeof(what), "there is no %s: upload the whole folder", name);
	return fail(what, 0);
}

static int check_files(void)
{
	static char text[SIZES_MAX + 1];
	char name[256];
	long long size;
	int n, failed = 0;

	if (read_sizes(text))
		return fail("there is no " SIZES ": upload the whole folder", 0);
	for (char *at = text; !failed && sscanf(at, "%lld %250s%n", &size, name, &n) == 2; at += n)
		failed = check_file(size, name);
	return failed;
}

/* ---- what it is started with ---- */

static int is_dropped(const char *variable)
{
	for (size_t i = 0; dropped[i]; i++)
		if (strncmp(variable, dropped[i], strlen(dropped[i])) == 0)
			return 1;
	return 0;
}

static char **new_environment(char **old)
{
	size_t n = 0, kept = 0, length = strlen(folder);
	char **list, *own = malloc(sizeof(FOLDER_VARIABLE) + length);

	while (old[n])
		n++;
	list = calloc(n + 2, sizeof(*list));
	if (!list || !own)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (!is_dropped(old[i]))
			list[kept++] = old[i];
	memcpy(own, FOLDER_VARIABLE, sizeof(FOLDER_VARIABLE) - 1);
	memcpy(own + sizeof(FOLDER_VARIABLE) - 1, folder, length + 1);
	list[kept] = own;
	return list;
}

static char **new_arguments(int argc, char **argv)
{
	char **list = calloc((size_t)argc + MORE_ARGUMENTS + 1, sizeof(*list));
	int n = 0;

	if (!list)
		return NULL;
	list[n++] = in_folder(LOADER);
	list[n++] = (char *)"--inhibit-cache";
	list[n++] = (char *)"--library-path";
	list[n++] = in_folder("lib");
#if __GLIBC_PREREQ(2, 33)
	list[n++] = (char *)"--argv0";
	list[n++] = in_folder("messages.fcgi");
#endif
	list[n++] = in_folder(PROGRAM);
	for (int i = 0; i < n; i++)
		if (!list[i])
			return NULL;
	for (int i = 1; i < argc; i++)
		list[n++] = argv[i];
	return list;
}

int main(int argc, char **argv, char **environment)
{
	char **arguments;
	int failed;

	if (!find())
		return fail("there is no " LOADER " beside messages.fcgi: upload the whole folder",
			    0);
	if (strpbrk(folder, ":;"))
		return fail("its folder's path must not hold a colon or semicolon", 0);
	failed = check_files();
	if (failed)
		return failed;
	arguments = new_arguments(argc, argv);
	environment = new_environment(environment);
	if (!arguments || !environment)
		return fail("no memory", 0);
	execve(arguments[0], arguments, environment);
	/* An upload leaves files without the right to be run; whoever owns this one may give it. */
	if (errno == EACCES && chmod(arguments[0], 0755) == 0)
		execve(arguments[0], arguments, environment);
	if (errno == EACCES)
		return fail(LOADER " can't be run: give it the permissions 755", errno);
	return fail(LOADER " can't be run", errno);
}
