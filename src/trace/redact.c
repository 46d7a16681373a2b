/*
 * Each byte of the text gets a mark: kept, part of a credential, part of the conversation. Runs of
 * marks are then written as one word.
 *
 * Words of the conversation are found by comparing with the request itself, since no pattern can
 * know them. All stretches of 12 bytes of the text (at most 8 KB) stand in a hash table. Wherever
 * one begins in the body, 8 of its bytes begin at a multiple of five: those places alone are looked
 * at, and one bit of a sieve tells nearly all of them, half a nanosecond a byte. A body that passes
 * the sieve too often is not read on; then nothing of the text stays.
 */
#include "trace/redact.h"

#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "base/os.h"
#include "base/redact.h"
#include "base/utf8.h"
#include "json/span.h"

#define ECHO 12                 /* bytes in a row that are no accident */
#define GRAM 8
#define STRIDE (ECHO - GRAM + 1) /* wherever an echo begins, a gram at such a place is within it */
#define SLOT_BITS 12
#define SIEVE_BITS 18
#define LOOKS_MAX (1u << 20)    /* stretches of the body that are looked up in the table */
#define MEMBERS_MAX 16          /* runs that are looked up among the members' names */
#define MEMBERS_BYTES (16u << 20) /* of the body that are read for that */

enum mark { KEPT, SECRET, WORDS };

static bool is_token(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		strchr("-_.~+/=", c ? c : ' ');
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static size_t token_length(struct str s, size_t at)
{
	size_t n = 0;

	while (at + n < s.n && is_token(s.p[at + n]))
		n++;
	return n;
}

/* ---- credentials ---- */

/* What stands before one; any case. A name is followed by ':' or '=', quotes and spaces. */
static const struct { const char *word; bool name; } leads[] = {
	{ "bearer ", false }, { "basic ", false }, { "api_key", true }, { "api-key", true },
	{ "apikey", true }, { "authorization", true }, { "password", true }, { "secret", true },
	{ "token", true }, { "signature", true }, { "credential", true }, { "key", true },
};
#define LED_LEAST 6
#define KNOWN_LEAST 4

static size_t after_name(struct str s, size_t at)
{
	bool sign = false;

	while (at < s.n && strchr(" \t\"'\\:=", s.p[at] ? s.p[at] : 'x')) {
		sign = sign || s.p[at] == ':' || s.p[at] == '=';
		at++;
	}
	return sign ? at : s.n;
}

static void mark_led(struct str s, unsigned char *marks, size_t at)
{
	struct str rest = { s.p + at, s.n - at };

	for (size_t i = 0; i < sizeof(leads) / sizeof(*leads); i++) {
		size_t from, n;

		if (!str_starts_nocase(rest, leads[i].word))
			continue;
		from = at + strlen(leads[i].word);
		from = leads[i].name ? after_name(s, from) : from;
		n = from < s.n ? token_length(s, from) : 0;
		if (n >= LED_LEAST)
			memset(marks + from, SECRET, n);
	}
}

/* Ids that are no secrets, and are what one looks for. */
static bool is_public(struct str s)
{
	static const char *const heads[] = { "req_", "msg_", "toolu_", "chatcmpl-", "gen-",
					     "resp_" };

	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++)
		if (str_starts(s, heads[i]))
			return true;
	return false;
}

static void mark_key(struct str s, unsigned char *marks, size_t at)
{
	struct str word = { s.p + at, token_length(s, at) };

	if (word.n && !is_public(word) && redact_is_credential(word))
		memset(marks + at, SECRET, word.n);
}

/* At the text's end also its beginning: texts are cut to a length before they come here. */
static void mark_known(struct str s, unsigned char *marks, const char *secret)
{
	size_t n = secret ? strlen(secret) : 0;

	for (size_t i = 0; n >= KNOWN_LEAST && i + KNOWN_LEAST <= s.n; i++) {
		size_t there = n < s.n - i ? n : s.n - i;

		if (memcmp(s.p + i, secret, there) == 0)
			memset(marks + i, SECRET, there);
	}
}

static void mark_secrets(struct str s, unsigned char *marks, const struct redaction *r)
{
	for (size_t i = 0; i < s.n; i++) {
		if (i && is_alnum(s.p[i - 1]))
			continue;
		mark_led(s, marks, i);
		if (!i || !is_token(s.p[i - 1]) || s.p[i - 1] == '=')
			mark_key(s, marks, i);
	}
	for (const char *const *k = r->secrets; k && *k; k++)
		mark_known(s, marks, *k);
}

/* ---- words of the conversation ---- */

struct echoes {
	struct str text;
	uint64_t base[2];               /* odd and random, so that nobody can aim at one slot */
	bool found[REDACT_MAX];         /* the stretch that begins here is in the body */
	uint16_t head[1 << SLOT_BITS], next[REDACT_MAX]; /* place + 1 in text, by hash */
	uint64_t sieve[(1 << SIEVE_BITS) / 64];         /* a bit for each gram of the text */
};

static uint64_t gram_at(const char *p)
{
	uint64_t v;

	memcpy(&v, p, GRAM);
	return v;
}

static uint16_t *slot(struct echoes *e, const char *p)
{
	uint64_t h = gram_at(p) * e->base[0] + gram_at(p + ECHO - GRAM) * e->base[1];

	return &e->head[h >> (64 - SLOT_BITS)];
}

/* Where a gram's bit stands in the sieve. */
static uint64_t sieve_bit(const struct echoes *e, const char *p)
{
	return gram_at(p) * e->base[0] >> (64 - SIEVE_BITS);
}

static void index_text(struct echoes *e)
{
	for (size_t i = 0; i + GRAM <= e->text.n; i++) {
		uint64_t bit = sieve_bit(e, e->text.p + i);

		e->sieve[bit / 64] |= UINT64_C(1) << bit % 64;
	}
	for (size_t i = 0; i + ECHO <= e->text.n; i++) {
		uint16_t *head = slot(e, e->text.p + i);

		e->next[i] = *head;
		*head = (uint16_t)(i + 1);
	}
}

/* What is found leaves the table: however often the body repeats it, it costs nothing more. */
static void look_up(struct echoes *e, const char *p)
{
	uint16_t *link = slot(e, p);

	while (*link) {
		size_t at = *link - 1u;

		if (memcmp(e->text.p + at, p, ECHO) == 0) {
			e->found[at] = true;
			*link = e->next[at];
		} else {
			link = &e->next[at];
		}
	}
}

/* False: there was too much to look up. */
static bool walk_body(struct echoes *e, struct str body)
{
	size_t looks = LOOKS_MAX;

	for (size_t i = 0; i + GRAM <= body.n; i += STRIDE) {
		size_t from = i < STRIDE ? 0 : i - STRIDE + 1;
		uint64_t bit = sieve_bit(e, body.p + i);

		if (!(e->sieve[bit / 64] >> bit % 64 & 1))
			continue;
		if (looks < STRIDE)
			return false;
		looks -= STRIDE;
		for (; from <= i && from + ECHO <= body.n; from++)
			look_up(e, body.p + from);
	}
	return true;
}

/* "budget_tokens": is a name of a member, which the API's own errors speak of. */
static bool is_member(struct str body, struct str s)
{
	const char *end = body.p + body.n, *at = body.p;

	while ((at = os_find(at, (size_t)(end - at), s.p, s.n))) {
		const char *p = at + s.n;

		if (at > body.p && at[-1] == '"' && p < end && *p == '"') {
			for (p++; p < end && (*p == ' ' || *p == '\n' || *p == '\t'); p++)
				;
			if (p < end && *p == ':')
				return true;
		}
		at++;
	}
	return false;
}

static bool is_allowed(const struct redaction *r, struct str s)
{
	for (const char *const *a = r->allowed; a && *a; a++)
		if (os_find(*a, strlen(*a), s.p, s.n))
			return true;
	return false;
}

static void mark_runs(const struct echoes *e, unsigned char *marks, const struct redaction *r)
{
	size_t looks = MEMBERS_BYTES / r->body.n;

	if (looks > MEMBERS_MAX)
		looks = MEMBERS_MAX;

	for (size_t i = 0; i < e->text.n; i++) {
		size_t end = i + ECHO;

		if (!e->found[i])
			continue;
		for (size_t k = i; k < end && k < e->text.n; k++)
			if (e->found[k])
				end = k + ECHO;
		struct str run = { e->text.p + i, end - i };
		if (!is_allowed(r, run) && !(looks && looks-- && is_member(r->body, run)))
			memset(marks + i, WORDS, run.n);
		i = end - 1;
	}
}

/* Where the comparison can't be made, for want of memory or time, nothing of the text may stay. */
static void mark_words(struct str s, unsigned char *marks, const struct redaction *r)
{
	struct echoes *e;

	if (!r->body.p || r->body.n < ECHO || s.n < ECHO)
		return;
	e = calloc(1, sizeof(*e));
	if (e) {
		e->text = s;
		e->base[0] = id_random() | 1;
		e->base[1] = id_random() | 1;
		index_text(e);
	}
	if (e && walk_body(e, r->body))
		mark_runs(e, marks, r);
	else
		memset(marks, WORDS, s.n);
	free(e);
}

/* ---- out ---- */

/* One character, or U+FFFD for a byte that is none; returns its length. */
static size_t put_character(struct buf *b, struct str s, size_t at)
{
	size_t n = (unsigned char)s.p[at] < 0x80 ? 1 : utf8_sequence(s.p + at, s.n - at);

	if (!n) {
		buf_puts(b, "\xEF\xBF\xBD");
		return 1;
	}
	span_put_content(b, span_utf8((struct str){ s.p + at, n }));
	return n;
}

void redact_put(struct buf *b, struct str text, const struct redaction *r)
{
	struct str s = str_cut_utf8(text, REDACT_MAX);
	unsigned char *marks = s.n ? calloc(1, s.n) : NULL;
	enum mark last = KEPT;

	if (!marks)
		return;
	mark_words(s, marks, r);
	mark_secrets(s, marks, r);
	for (size_t i = 0; i < s.n;) {
		enum mark m = (enum mark)marks[i];

		if (m != KEPT && m != last)
			buf_puts(b, m == SECRET ? "[redacted]" : "[\xE2\x80\xA6]");
		last = m;
		i += m == KEPT ? put_character(b, s, i) : 1;
	}
	if (s.n < text.n)
		buf_puts(b, "\xE2\x80\xA6");
	free(marks);
}
