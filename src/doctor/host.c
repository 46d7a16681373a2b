/*
 * The machine as this process sees it: folders that must be writable, limits, the clock; and what
 * --check says.
 */
#include "config.h"
#include "doctor/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/os.h"
#include "config/report.h"
#include "upstream/upstream.h"

#define MB (1024 * 1024ull)
#define ROOM_LEAST (16 * MB)	/* free, where files are written */
#define MEMORY_LEAST (192 * MB) /* of address space: libcurl, TLS and some stacks */
#define FILES_LEAST 256
#define FILES_PER_STREAM 4
#define FILES_RESERVED 32

static const char *user_name(struct findings *l)
{
	struct passwd pw, *found = NULL;
	char room[1024];

	if (getpwuid_r(geteuid(), &pw, room, sizeof(room), &found) == 0 && found)
		return finding_text(l, "%s", pw.pw_name);
	return finding_text(l, "uid %ld", (long)geteuid());
}

/* ---- configuration ---- */

static void add_lines(struct findings *l, enum finding_level level, struct str lines)
{
	struct str line;

	while (str_split(&lines, '\n', &line))
		if (line.n)
			finding_add(l, level, "configuration",
				    level == FINDING_ERROR ? "config.error" : "config.warning",
				    finding_text(l, "%.*s", STR_ARGS(line)),
				    level == FINDING_ERROR
					    ? "A configuration with an error is not taken: a "
					      "process that starts fails, one that runs goes on "
					      "with the settings that it had."
					    : NULL,
				    NULL);
}

void doctor_config(struct findings *l, const struct config_load *load,
		   void (*more)(const struct config *c, FILE *out), FILE *used)
{
	struct report r;

	report_init(&r);
	config_report(load, upstream_feature, more, &r, used);
	add_lines(l, FINDING_ERROR, buf_str(&r.errors));
	add_lines(l, FINDING_WARNING, buf_str(&r.warnings));
	if (!r.nerrors)
		finding_add(l, FINDING_OK, "configuration", "config.valid",
			    "The configuration is valid.", NULL, NULL);
	report_release(&r);
}

/* ---- folders ---- */

/* 0 when a file can be made there and written; else errno. */
static int try_file(const char *dir)
{
	char path[PATH_MAX];
	int fd, rc = 0;

	if (snprintf(path, sizeof(path), "%s/.doctor-XXXXXX", dir) >= (int)sizeof(path))
		return ENAMETOOLONG;
	fd = os_temp_file(path);
	if (fd < 0)
		return errno;
	if (write(fd, "x", 1) != 1)
		rc = errno ? errno : ENOSPC;
	close(fd);
	unlink(path);
	return rc;
}

static const char *how_to_write(struct findings *l, const char *dir, int error)
{
	const char *user = user_name(l);

	switch (error) {
	case ENOENT:
		if (access(dir, F_OK) == 0)
			break;
		return finding_text(l, "Make it: mkdir -p '%s' && chown %s '%s' && chmod 700 '%s'",
				    dir, user, dir, dir);
	case ENOTDIR:
		return "Name a folder: this, or something on the way to it, is a file.";
	case ENOSPC:
	case EDQUOT:
		return "Make room on that file system, or raise the quota.";
	case EROFS:
		return "Name a folder on a file system that is not read-only (under systemd: "
		       "StateDirectory=, LogsDirectory= or ReadWritePaths=).";
	}
	return finding_text(l,
			    "As its owner: chown %s '%s' && chmod 700 '%s', for the user whom the "
			    "web server or service runs the gateway as.",
			    user, dir, dir);
}

static void check_writable_by_others(struct findings *l, const char *option, const char *dir)
{
	struct stat st;

	if (stat(dir, &st) || !(st.st_mode & S_IWOTH))
		return;
	finding_add(l, FINDING_WARNING, "folders", "folder.open",
		    finding_text(l, "%s (%s) can be written by every user of this machine.", option,
				 dir),
		    "Others could put files of their own in place of the gateway's.",
		    finding_text(l, "chmod o-w '%s'", dir));
}

/* The gateway makes such a folder when it needs it. */
static bool can_be_made(const char *dir)
{
	const char *slash = strrchr(dir, '/');
	char above[PATH_MAX];

	if (access(dir, F_OK) == 0 || errno != ENOENT || !slash || slash == dir ||
	    snprintf(above, sizeof(above), "%.*s", (int)(slash - dir), dir) >= (int)sizeof(above))
		return false;
	return try_file(above) == 0;
}

static void check_folder(struct findings *l, const char *option, const char *dir, const char *why)
{
	struct statvfs fs;
	int error;

	if (!dir || !*dir) {
		finding_add(l, FINDING_NOTE, "folders", "folder.unset",
			    finding_text(l, "%s is not set.", option), why, NULL);
		return;
	}
	if (can_be_made(dir)) {
		finding_add(l, FINDING_OK, "folders", "folder.writable",
			    finding_text(l, "%s (%s) is not there yet and can be made.", option,
					 dir), NULL, NULL);
		return;
	}
	error = try_file(dir);
	if (error) {
		finding_add(l, FINDING_ERROR, "folders", "folder.unwritable",
			    finding_text(l, "%s (%s) can't be written by user %s: %s.", option, dir,
					 user_name(l), strerror(error)),
			    why, how_to_write(l, dir, error));
		return;
	}
	check_writable_by_others(l, option, dir);
	if (os_network_folder(dir))
		finding_add(l, FINDING_WARNING, "folders", "folder.network",
			    finding_text(l, "%s (%s) is on a network file system.", option, dir),
			    "Memory that is mapped from there is not shared between machines, and "
			    "writes may be slow or lost.",
			    "Name a folder on a local disk.");
	if (statvfs(dir, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < ROOM_LEAST)
		finding_add(l, FINDING_WARNING, "folders", "folder.full",
			    finding_text(l, "%s (%s) has less than %llu MB free.", option, dir,
					 ROOM_LEAST / MB),
			    "What can't be written is dropped.", "Make room on that file system.");
	finding_add(l, FINDING_OK, "folders", "folder.writable",
		    finding_text(l, "%s (%s) can be written.", option, dir), NULL, NULL);
}

/* 0 when it can be written, or made; else errno. It is not made: whoever runs the doctor may be root,
 * whose file it would be. */
static int try_log_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char folder[PATH_MAX];

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (errno != ENOENT)
		return errno;
	if (snprintf(folder, sizeof(folder), "%s", path) >= (int)sizeof(folder))
		return ENAMETOOLONG;
	*strrchr(folder, '/') = '\0';
	return try_file(*folder ? folder : "/");
}

static void check_log_file(struct findings *l, const char *path)
{
	int error;

	if (!path || *path != '/')
		return;
	error = try_log_file(path);
	if (!error) {
		finding_add(l, FINDING_OK, "folders", "log.writable",
			    finding_text(l, "log.dest (%s) can be written.", path), NULL, NULL);
		return;
	}
	finding_add(l, FINDING_ERROR, "folders", "log.unwritable",
		    finding_text(l, "log.dest (%s) can't be opened by user %s: %s.", path,
				 user_name(l), strerror(error)),
		    "The log goes to stderr then, which the web server may throw away.",
		    finding_text(l, "Make the file or its folder writable for %s.", user_name(l)));
}

/* ---- limits ---- */

static void check_files(struct findings *l)
{
	struct rlimit lim;
	long streams;

	if (getrlimit(RLIMIT_NOFILE, &lim))
		return;
	if (lim.rlim_max == RLIM_INFINITY || lim.rlim_max > 1 << 20)
		lim.rlim_max = 1 << 20;
	streams = ((long)lim.rlim_max - FILES_RESERVED) / FILES_PER_STREAM;
	if (lim.rlim_max < FILES_LEAST)
		finding_add(l, FINDING_WARNING, "limits", "limit.files",
			    finding_text(
				    l,
				    "A process may open %ld files: enough for %ld streams at once.",
				    (long)lim.rlim_max, streams > 0 ? streams : 0),
			    "More are refused with 529.",
			    "Raise it: LimitNOFILE= of the systemd unit, server.max-fds in "
			    "lighttpd, ulimit -n where the web server is started.");
	else
		finding_add(
			l, FINDING_OK, "limits", "limit.files",
			finding_text(l,
				     "%ld open files, enough for %ld streams at once in a process.",
				     (long)lim.rlim_max, streams),
			NULL, NULL);
}

/* limit, what it is called, least, what there is to raise it with */
static const struct {
	int resource;
	const char *name;
	uint64_t least;
	const char *todo;
} sizes[] = {
	{ RLIMIT_AS, "address space", MEMORY_LEAST, "RLimitMEM in Apache, ulimit -v elsewhere" },
	{ RLIMIT_DATA, "data", 64 * MB, "LimitDATA= of the systemd unit, ulimit -d elsewhere" },
	{ RLIMIT_FSIZE, "a file's size", 64 * MB,
	  "LimitFSIZE= of the systemd unit, ulimit -f elsewhere" },
};

static void check_sizes(struct findings *l)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct rlimit lim;

		if (getrlimit(sizes[i].resource, &lim) ||
		    lim.rlim_cur == RLIM_INFINITY || lim.rlim_cur >= sizes[i].least)
			continue;
		finding_add(l, FINDING_WARNING, "limits", "limit.size",
			    finding_text(l, "The process's limit of %s is %llu KB.", sizes[i].name,
					 (unsigned long long)lim.rlim_cur / 1024),
			    "Large requests, or many at once, would be refused with 529.",
			    finding_text(l, "Raise it to %llu MB or more: %s.",
					 (unsigned long long)(sizes[i].least / MB), sizes[i].todo));
	}
}

static void check_shared_memory(struct findings *l)
{
	struct statvfs fs;

	if (statvfs("/dev/shm", &fs) == 0 && access("/dev/shm", W_OK) == 0)
		return;
	finding_add(l, FINDING_NOTE, "limits", "limit.shm",
		    "There is no shared memory at /dev/shm that this user may write.",
		    "The gateway needs none, it shares state.dir; other programs of the host may.",
		    NULL);
}

/* ---- clock ---- */

static void check_clock(struct findings *l)
{
	int64_t now = clock_wall_ms();
	char text[32], built[32];

	clock_rfc3339(text, sizeof(text), now, 0);
	clock_rfc3339(built, sizeof(built), clock_build() * 1000, 0);
	if (now / 1000 >= clock_build())
		return;
	finding_add(l, FINDING_ERROR, "clock", "clock.early",
		    finding_text(l,
				 "The clock says %s, which is before this program was made (%s).",
				 text, built),
		    "Certificates seem to be not valid yet, and signed requests and tokens are "
		    "refused.",
		    "Set the clock (timedatectl set-ntp true, or an NTP client at start).");
}

void doctor_host(struct findings *l, const struct config *c)
{
	check_folder(l, "state.dir", c->state_dir,
		     "Without it each process keeps breakers, limits and tokens to itself, and "
		     "plain CGI keeps none.");
	check_folder(l, "log.dir", c->log_dir,
		     "Without it errors are not recorded for `messages.fcgi errors` and /debug.");
	if (c->capture_dir && *c->capture_dir)
		check_folder(l, "capture.dir", c->capture_dir, "Nothing is captured.");
	check_log_file(l, c->log_dest);
	check_files(l);
	check_sizes(l);
	check_shared_memory(l);
	check_clock(l);
}
