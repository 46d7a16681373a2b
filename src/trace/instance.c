/* Who writes: the instance's id is a hash, so that it says nothing about the host to who reads a
 * path, and is the same in every process of the same host, user and configuration. */
#include <inttypes.h>
#include <openssl/sha.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trace/trace.h"

void trace_user_name(char *out, size_t size)
{
	char room[2048];
	struct passwd pw, *found = NULL;

	if (getpwuid_r(geteuid(), &pw, room, sizeof(room), &found) == 0 && found)
		snprintf(out, size, "%s", pw.pw_name);
	else
		snprintf(out, size, "%lu", (unsigned long)geteuid());
}

static void make_id(struct trace_instance *i)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char digest[SHA256_DIGEST_LENGTH] = { 0 };
	char text[1024];
	int n = snprintf(text, sizeof(text), "%s\n%lu\n%s\n%" PRIx64, i->host,
			 (unsigned long)geteuid(), i->source, i->mark);

	SHA256((const unsigned char *)text, (size_t)n, digest);
	for (size_t k = 0; k < (TRACE_ID_SIZE - 1) / 2; k++) {
		i->id[2 * k] = hex[digest[k] >> 4];
		i->id[2 * k + 1] = hex[digest[k] & 15];
	}
	i->id[TRACE_ID_SIZE - 1] = '\0';
}

void trace_instance_of(struct trace_instance *i, const struct trace_options *o)
{
	*i = (struct trace_instance){ .mark = o->mark, .generation = o->generation };
	if (gethostname(i->host, sizeof(i->host)) < 0)
		snprintf(i->host, sizeof(i->host), "localhost");
	i->host[sizeof(i->host) - 1] = '\0';
	snprintf(i->source, sizeof(i->source), "%.255s", o->source ? o->source : "");
	make_id(i);
}
