/*
 * A credential is told by how it begins, or by a run of letters and digits that no word, date or
 * model's name has. Too much is left out rather than too little.
 */
#include "base/redact.h"

#include <ctype.h>
#include <string.h>

#include "base/os.h"

#define LEFT_OUT "[...]"
#define RUN_MIN 16 /* letters and digits mixed, without a mark between them */

static const char *const prefixes[] = { "sk-",	"sk_",	"pk-",	"gsk_",	 "xai-",  "hf_",
					"ghp_", "pat-", "AIza", "ya29.", "eyJ",	  "dapi",
					"AKIA", "ASIA", "fw_",	"csk-",	 "pplx-", "tgp_",
					"nvapi-", "r8_", "glpat-", "gho_", "ghs_", "xoxb-",
					"xoxp-", "rk_", "github_pat_" };

static bool is_of_word(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("-_.+/=*~", c));
}

static bool has_run(struct str w)
{
	size_t letters = 0, digits = 0;

	for (size_t i = 0; i < w.n; i++) {
		unsigned char c = (unsigned char)w.p[i];

		if (!isalnum(c)) {
			letters = digits = 0;
			continue;
		}
		isdigit(c) ? digits++ : letters++;
		if (letters && digits && letters + digits >= RUN_MIN)
			return true;
	}
	return false;
}

bool redact_is_credential(struct str w)
{
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
		if (w.n > strlen(prefixes[i]) && str_starts(w, prefixes[i]))
			return true;
	return has_run(w);
}

/* The length of the known secret where it begins here, else 0. */
static size_t secret_at(const char *p, const char *secret)
{
	size_t n = secret ? strlen(secret) : 0;

	return n && strncmp(p, secret, n) == 0 ? n : 0;
}

static size_t word_at(const char *p, const char *secret)
{
	size_t n = 0;

	while (is_of_word(p[n]) && !secret_at(p + n, secret))
		n++;
	return n;
}

void redact(char *out, size_t size, const char *text, const char *secret)
{
	struct str whole = str_of(text), part;
	size_t n = 0, skip;

	out[0] = '\0';
	for (const char *p = whole.p; str_utf8(whole) && p && *p; p += skip) {
		bool known = (skip = secret_at(p, secret)) > 0;
		bool word = !known && (skip = word_at(p, secret)) > 0;

		if (!skip)
			skip = 1;
		part = (struct str){ p, skip };
		if (known || (word && redact_is_credential(part)))
			part = STR(LEFT_OUT);
		else if ((unsigned char)*p < ' ' || *p == 0x7f)
			part = STR(" ");
		if (n + part.n >= size) {
			part.n = size - 1 - n;
			memcpy(out + n, part.p, part.n);
			n += part.n;
			break;
		}
		memcpy(out + n, part.p, part.n);
		n += part.n;
	}
	/* Between the bytes of a character is no place to end. */
	while (n && !str_utf8((struct str){ out, n }))
		n--;
	out[n] = '\0';
}

#define SECRET_MIN 8

void redact_known(char *p, size_t n, const char *secret)
{
	size_t size = secret ? strlen(secret) : 0;
	char *at = p, *end;

	if (size < SECRET_MIN || !n)
		return;
	end = p + n;
	while ((at = os_find(at, (size_t)(end - at), secret, size))) {
		memset(at, '*', size);
		at += size;
	}
}

void redact_note(struct buf *secrets, const char *secret)
{
	if (!secret || strlen(secret) < SECRET_MIN)
		return;
	buf_put(secrets, secret, strlen(secret) + 1);
	if (!strchr(secret, '/'))
		return;
	for (; *secret; secret++) {
		if (*secret == '/')
			buf_putc(secrets, '\\');
		buf_putc(secrets, *secret);
	}
	buf_putc(secrets, '\0');
}

void redact_release(struct buf *secrets)
{
	if (secrets->p)
		os_wipe(secrets->p, secrets->cap);
	buf_release(secrets);
}

void redact_all(char *p, size_t n, const struct buf *secrets)
{
	struct str rest = buf_str(secrets), one;

	while (str_split(&rest, '\0', &one))
		if (one.n)
			redact_known(p, n, one.p);
}

bool redact_is_secret_name(struct str name)
{
	static const char *const words[] = { "authorization", "cookie", "key", "token", "secret" };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (str_find_nocase(name, words[i]))
			return true;
	return false;
}
