/*
 * Does a backend's credential come from a program? What a profile of AWS or a file of Google's says
 * is looked for, not understood: a process that gives up running programs must not do so where one
 * may be asked for.
 */
#include "upstream/credential.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"

#define LOOK_MAX (256 * 1024)

static bool file_has(const char *path, const char *word)
{
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	struct buf b;
	bool found;
	ssize_t n;
	char *room;

	if (fd < 0)
		return false;
	buf_init(&b, LOOK_MAX);
	while ((room = buf_room(&b, 4096)) && (n = read(fd, room, 4096)) > 0)
		b.n += (size_t)n;
	found = str_find(buf_str(&b), word) != NULL;
	buf_release(&b);
	close(fd);
	return found;
}

/* The file that a variable names, else the usual one in the user's home. */
static bool named_has(const char *variable, const char *usual, const char *word)
{
	const char *path = env_get(variable), *home = env_get("HOME");
	struct buf b;
	bool found;

	if (path && *path)
		return file_has(path, word);
	buf_init(&b, 0);
	buf_printf(&b, "%s/%s", home ? home : "", usual);
	found = !b.failed && file_has(buf_cstr(&b), word);
	buf_release(&b);
	return found;
}

static bool aws_runs(void)
{
	return named_has("AWS_CONFIG_FILE", ".aws/config", "credential_process") ||
	       named_has("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", "credential_process");
}

/* Google's programs want a variable's word as well. */
static bool google_runs(const struct backend *b)
{
	const char *allowed = env_get("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES");

	return allowed && *allowed &&
	       (!b->credential.source || file_has(b->credential.source, "\"executable\""));
}

const char *credential_command(const struct backend *b)
{
	switch (b->credential.kind) {
	case CREDENTIAL_EXEC:
		return "its api_key is a command's output";
	case CREDENTIAL_AWS:
		return aws_runs() ? "a profile of AWS has a credential_process" : NULL;
	case CREDENTIAL_GOOGLE:
		return google_runs(b) ? "Google's file names an executable" : NULL;
	default:
		return NULL;
	}
}
