/*
 * Credentials of this machine: a file that someone else keeps fresh (a mounted secret, an agent's
 * token), and what a command prints.
 */
#include "upstream/credential_provider.h"

#include <sys/stat.h>

#include "base/clock.h"
#include "base/os.h"
#include "json/scan.h"

#define TOKEN_MAX (64 * 1024)

/* ---- a file ---- */

/* What tells one content from another: 0 when there is no file. */
static uint64_t stamp_of(const char *path)
{
	struct timespec t;
	struct stat st;

	if (stat(path, &st))
		return 0;
	t = os_modified(&st);
	return ((uint64_t)t.tv_sec * 1000000007u + (uint64_t)t.tv_nsec) ^
	       (uint64_t)st.st_size << 40 ^ (uint64_t)st.st_ino << 20;
}

static int fetch_file(const struct backend *b, struct waiter *w, struct credential *out,
		      struct fault *f)
{
	/* Taken first: what is written while it is read is read again. */
	uint64_t stamp = stamp_of(b->credential.source);
	struct buf text;
	int r;

	buf_init(&text, TOKEN_MAX);
	r = credential_read(b, b->credential.source, &text, f);
	if (r == 0)
		r = credential_fill(out, buf_str(&text), STR_NONE, STR_NONE, 0, f);
	out->stamp = stamp;
	credential_wipe(&text);
	return r;
}

/* One that is gone for a moment, while it is being replaced, changes nothing. */
static bool file_stale(const struct backend *b, const struct credential *c)
{
	uint64_t now = stamp_of(b->credential.source);

	return now && now != c->stamp;
}

const struct credential_provider credential_file = {
	.fetch = fetch_file,
	.stale = file_stale,
};

/* ---- a command ---- */

/* A bare token, as most tools print it, or an object: AWS's keys, or like an OAuth answer. */
static int fetch_exec(const struct backend *b, struct waiter *w, struct credential *out,
		      struct fault *f)
{
	const struct credential_program program = { .command = b->credential.source };
	struct buf text;
	struct str s;
	int r;

	buf_init(&text, TOKEN_MAX);
	r = credential_run(b, &program, w, &text, f);
	s = str_trim(buf_str(&text));
	if (r == 0 && !s.n)
		r = credential_fault(b, f, "is missing: its command printed nothing");
	else if (r == 0 && s.p[0] != '{')
		r = credential_fill(out, s, STR_NONE, STR_NONE,
				    credential_expiry(SPAN_ABSENT, SPAN_ABSENT,
						      b->credential.lifetime), f);
	else if (r == 0 && json_check(s, NULL, NULL) == 0 &&
		 span_is_string(json_get(span_json(s), "AccessKeyId")))
		r = credential_aws_answer(b, span_json(s), "its command", out, f);
	else if (r == 0)
		r = credential_oauth_answer(b, 200, s, b->credential.lifetime, out, f);
	/* AWS's own rule for such programs: without an end it is for good; but it is run again. */
	if (r == 0 && !out->expires)
		out->expires = credential_expiry(SPAN_ABSENT, SPAN_ABSENT, b->credential.lifetime);
	credential_wipe(&text);
	return r;
}

const struct credential_provider credential_exec = {
	.shared = true,
	.fetch = fetch_exec,
};
