/*
 * The one-time word. Who has no shell on the host can still change the configuration there: a word
 * in it shows that the browser in front of /doctor is theirs. It stands in a URL then, so in
 * histories and access logs, and opens nothing a second time: its use is noted in state.dir, else
 * by the process; and in any case it is good for half an hour from the file's last change, which is
 * all that holds on a host of plain CGI without state.dir.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/doctor.h"
#include "base/clock.h"

#define WORD_SECONDS 1800
#define HASH_CHARS 64

static struct {
	pthread_mutex_t lock;
	char used[HASH_CHARS + 1];
} memory = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* False when this process has let somebody in with it before. */
static bool claim_here(const char *hash)
{
	bool fresh;

	pthread_mutex_lock(&memory.lock);
	fresh = strcmp(memory.used, hash) != 0;
	memcpy(memory.used, hash, sizeof(memory.used));
	pthread_mutex_unlock(&memory.lock);
	return fresh;
}

/* The file holds the hash of the word that was used last. 1: now it does; 0: it did; -1: it can't
 * be written. */
static int claim_file(int fd, const char *hash)
{
	char was[HASH_CHARS + 1] = "";
	ssize_t got;

	if (flock(fd, LOCK_EX))
		return -1;
	got = pread(fd, was, HASH_CHARS, 0);
	if (got == HASH_CHARS && strcmp(was, hash) == 0)
		return 0;
	return pwrite(fd, hash, HASH_CHARS, 0) == HASH_CHARS ? 1 : -1;
}

static int claim_shared(const char *dir, const char *hash)
{
	char path[PATH_MAX];
	int fd, rc;

	if (!dir || snprintf(path, sizeof(path), "%s/doctor-word", dir) >= (int)sizeof(path))
		return -1;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	rc = claim_file(fd, hash);
	close(fd);
	return rc;
}

static bool equal(const char *word, const char *presented, char hash[HASH_CHARS + 1])
{
	char other[HASH_CHARS + 1];

	access_hash(word, strlen(word), hash);
	access_hash(presented, strlen(presented), other);
	return access_equal(hash, other, HASH_CHARS);
}

static int no_word(struct fault *f)
{
	fault_set(f, FAULT_AUTH, 403, "permission_error",
		  "While there are no keys, /doctor opens with a word: put doctor = { word = \"16 "
		  "letters or more\"; }; into the configuration and open /doctor?word=… within "
		  "half an hour. With keys (messages.fcgi --new-key NAME) it needs one that has "
		  "\"doctor\" among its endpoints.");
	f->scope = FAULT_OF_KEY;
	return -1;
}

static int over(struct fault *f, const char *why)
{
	fault_set_as("doctor_word_over", f, FAULT_AUTH, 403, "permission_error",
		     "This word %s. Put another one into doctor.word, and open /doctor within half "
		     "an hour.",
		     why);
	f->scope = FAULT_OF_KEY;
	return -1;
}

int doctor_word_check(struct api_call *c, struct fault *f)
{
	const struct config *cf = c->config;
	const char *word = http_query(c->request, c->arena, "word");
	int64_t age = clock_wall_ms() / 1000 - cf->changed;
	char hash[HASH_CHARS + 1];
	int fresh;

	if (!cf->doctor_word || !word)
		return no_word(f);
	if (!equal(cf->doctor_word, word, hash)) {
		fault_set_as("doctor_word_wrong", f, FAULT_AUTH, 403, "permission_error",
			     "That is not the word in doctor.word.");
		f->scope = FAULT_OF_KEY;
		return access_refused(cf, &c->access.client, str_of(word), f);
	}
	if (age < 0 || age > WORD_SECONDS)
		return over(
			f, cf->changed
				   ? "was good for half an hour after the configuration was changed"
				   : "needs a configuration file, whose time it counts from");
	fresh = claim_shared(cf->state_dir, hash);
	if (fresh < 0)
		fresh = claim_here(hash);
	return fresh ? 0 : over(f, "has been used");
}
