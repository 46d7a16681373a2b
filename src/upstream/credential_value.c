/*
 * The texts of a credential, and its faults. What is secret lies in one block, which is wiped when
 * it is given up.
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "upstream/credential_provider.h"

#define QUOTE_MAX 300
/* Runs of letters and digits that are as long as this are taken for a secret. */
#define SECRET_MIN 20

void credential_release(struct credential *c)
{
	if (c->memory) {
		OPENSSL_cleanse(c->memory, strlen(c->memory));
		free(c->memory);
	}
	*c = CREDENTIAL_INIT;
}

/* RFC 9110, section 5.5: no controls in a header's value. */
static bool printable(const char *s)
{
	for (; s && *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

bool credential_printable(const struct credential *c)
{
	return printable(c->token) && printable(c->key_id) && printable(c->session);
}

static uint64_t hash(uint64_t h, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * UINT64_C(1099511628211);
	return (h ^ 0xff) * UINT64_C(1099511628211);
}

static const char *put_text(char **at, struct str s)
{
	char *p = *at;

	if (!s.p)
		return NULL;
	memcpy(p, s.p, s.n);
	p[s.n] = 0;
	*at = p + s.n + 1;
	return p;
}

int credential_fill(struct credential *c, struct str token, struct str key_id, struct str session,
		    int64_t expires, struct fault *f)
{
	struct credential made = { .obtained = clock_wall_ms(), .expires = expires };
	char *at;

	made.memory = at = malloc(token.n + key_id.n + session.n + 3);
	if (!at)
		return fault_no_memory(f);
	made.token = put_text(&at, token);
	made.key_id = put_text(&at, key_id);
	made.session = put_text(&at, session);
	made.version = hash(hash(hash(UINT64_C(14695981039346656037), token), key_id), session);
	credential_release(c);
	*c = made;
	return 0;
}

static struct str given(const char *s)
{
	return s ? str_of(s) : STR_NONE;
}

int credential_copy(struct credential *to, const struct credential *from, struct fault *f)
{
	struct credential made = CREDENTIAL_INIT;

	if (credential_fill(&made, given(from->token), given(from->key_id), given(from->session),
			    from->expires, f))
		return -1;
	made.obtained = from->obtained;
	made.stamp = from->stamp;
	made.local = from->local;
	*to = made;
	return 0;
}

/* ---- what others said ---- */

static bool part_of_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c && strchr("+_=~-", c));
}

/* A path or a host is worth reading, so '/' and '.' end a word there; base64 is one with them. */
static size_t word_at(struct str s, size_t from, bool slashes)
{
	size_t n = from;

	while (n < s.n && (part_of_word(s.p[n]) || (slashes && strchr("/.", s.p[n]))))
		n++;
	return n - from;
}

static bool secret_like(struct str word)
{
	bool digit = false, upper = false, lower = false, path = word.n && strchr("/.", word.p[0]);

	for (size_t i = 0; i < word.n; i++) {
		digit = digit || (word.p[i] >= '0' && word.p[i] <= '9');
		upper = upper || (word.p[i] >= 'A' && word.p[i] <= 'Z');
		lower = lower || (word.p[i] >= 'a' && word.p[i] <= 'z');
	}
	if (str_chr(word, '/') && (path || !upper))
		return false;
	return word.n >= SECRET_MIN && digit && (upper || lower);
}

void credential_quote(struct buf *out, struct str text)
{
	struct str rest = str_trim(text), line = STR_NONE;

	str_split(&rest, '\n', &line);
	line = str_cut_utf8(str_trim(line), QUOTE_MAX);
	for (size_t i = 0, n; i < line.n; i += n) {
		n = word_at(line, i, true);
		if (!n || !secret_like((struct str){ line.p + i, n }))
			n = word_at(line, i, false);
		if (n && secret_like((struct str){ line.p + i, n })) {
			buf_puts(out, "[redacted]");
			continue;
		}
		n = n ? n : 1;
		buf_put(out, line.p + i, n);
	}
}
