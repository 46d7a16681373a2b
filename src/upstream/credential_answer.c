/*
 * Tokens and their times in the forms in which endpoints and command line tools give them: OAuth's,
 * that of az, gcloud and databricks, Kubernetes's ExecCredential, AWS's.
 */
#include "upstream/credential_provider.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "json/scan.h"

#define ANSWER_MAX (256 * 1024)
/* RFC 6749 leaves expires_in out where it is documented elsewhere; no provider's is shorter. */
#define LIFETIME 300
/* What a moment that has passed leaves. */
#define LEAST_MS 60000
/* Numbers from here on are milliseconds: in seconds it would be the year 5138. */
#define MILLISECONDS 100000000000LL

/* ---- times ---- */

/* "Z", "+02:00", "+0200" behind the seconds and their fraction; false: there is none. */
static bool zone(const char *p, int *minutes)
{
	int h, m = 0;

	p += *p == '.' ? 1 + strspn(p + 1, "0123456789") : 0;
	p += *p == ' ';
	*minutes = 0;
	if (*p == 'Z' || *p == 'z')
		return true;
	if ((*p != '+' && *p != '-') ||
	    (sscanf(p + 1, "%2d:%2d", &h, &m) != 2 && sscanf(p + 1, "%2d%2d", &h, &m) < 1))
		return false;
	*minutes = (*p == '-' ? -1 : 1) * (h * 60 + m);
	return true;
}

static int64_t date(const char *text)
{
	int minutes, n = 0;
	struct tm t = { .tm_isdst = -1 };
	char between;

	if (sscanf(text, "%4d-%2d-%2d%c%2d:%2d:%2d%n", &t.tm_year, &t.tm_mon, &t.tm_mday, &between,
		   &t.tm_hour, &t.tm_min, &t.tm_sec, &n) != 7 ||
	    t.tm_year < 1970 || t.tm_mon < 1 || t.tm_mon > 12)
		return 0;
	if (zone(text + n, &minutes) || between != ' ')
		return 1000 * clock_seconds(t.tm_year, t.tm_mon, t.tm_mday, t.tm_hour,
					    t.tm_min - minutes, t.tm_sec);
	t.tm_year -= 1900;
	t.tm_mon--;
	return (int64_t)mktime(&t) * 1000;
}

int64_t credential_moment(struct span v)
{
	char text[48];
	int64_t n = 0;
	double x;

	v = span_unquote(v);
	if (!span_given(v) || !v.n || v.n >= sizeof(text))
		return 0;
	memcpy(text, v.p, v.n);
	text[v.n] = 0;
	if (strchr(text, '-') && v.p[0] != '-')
		return date(text);
	if (str_int((struct str){ v.p, v.n }, &n))
		;
	else if (span_double(span_json((struct str){ v.p, v.n }), &x) && x > 0 && x < 1e15)
		n = (int64_t)x;
	if (n <= 0 || n > INT64_MAX / 1000)
		return 0;
	return n < MILLISECONDS ? n * 1000 : n;
}

/* Seconds as a number or, as some clouds write them, as text. */
static bool seconds_of(struct span v, int64_t *out)
{
	double x;

	v = span_unquote(v);
	if (!span_given(v))
		return false;
	if (!str_int((struct str){ v.p, v.n }, out)) {
		if (!span_double(span_json((struct str){ v.p, v.n }), &x) || x < 0 || x > 1e12)
			return false;
		*out = (int64_t)x;
	}
	return *out > 0 && *out < INT64_MAX / 2000;
}

int64_t credential_expiry(struct span seconds, struct span moment, int lifetime)
{
	int64_t now = clock_wall_ms(), at = credential_moment(moment), n;
	bool relative = seconds_of(seconds, &n);

	if (relative && (at <= now || now + n * 1000 < at))
		return now + n * 1000;
	if (at)
		return at > now ? at : now + LEAST_MS;
	return now + (lifetime ? lifetime : LIFETIME) * 1000LL;
}

/* ---- OAuth, and what is like it ---- */

static struct span first_of(struct span obj, const char *const *names)
{
	struct span v = SPAN_ABSENT;

	for (size_t i = 0; names[i] && span_is_null(v); i++)
		v = json_get(obj, names[i]);
	return span_is_null(v) ? SPAN_ABSENT : v;
}

/* What the endpoint says that is wrong: OAuth's error and error_description, Google's
 * {"error":{"status","message"}}, AWS's {"Error":{"Code","Message"}} or {"message"}. Its words may
 * end in a client's answer and the log. */
static void put_reason(struct buf *text, struct str body)
{
	static const char *const inside[] = { "error", "Error", NULL };
	static const char *const codes[] = { "error", "status", "Code", "code", "__type", NULL };
	static const char *const words[] = { "error_description", "message", "Message", NULL };
	struct span obj = span_json(body), why;
	struct buf plain;

	buf_init(&plain, 4096);
	if (json_check(body, NULL, NULL) == 0) {
		why = first_of(obj, inside);
		obj = span_is_object(why) ? why : obj;
		span_put_text(&plain, span_unquote(first_of(obj, codes)));
		why = first_of(obj, words);
		if (span_is_string(why)) {
			buf_puts(&plain, plain.n ? ": " : "");
			span_put_text(&plain, why);
		}
	}
	credential_quote(text, buf_str(&plain));
	buf_release(&plain);
}

int credential_refusal(const struct backend *b, const char *from, int status, struct str body,
		       struct fault *f)
{
	/* 429, 5xx: the endpoint has a bad moment, and the same call may work again. */
	bool now = status == 429 || status >= 500;
	struct buf text;

	buf_init(&text, 0);
	put_reason(&text, body);
	credential_fault_at(ERROR_SITE("credential/refused", "\"was refused by %s with %d: %s\""),
		now ? FAULT_TRANSIENT : FAULT_AUTH, b, f, "was refused%s%s with %d%s%s", from ? " by " : "", from ? from : "", status,
		text.n ? ": " : "", text.n ? buf_cstr(&text) : "");
	if (!now)
		fault_note_clock(f, clock_wall_ms());
	buf_release(&text);
	return -1;
}

static const char *const tokens[] = { "access_token", "accessToken", "token", NULL };
static const char *const lives[] = { "expires_in", "expiresIn", NULL };
/* In this order: az says local time in expiresOn and seconds in expires_on. */
static const char *const moments[] = { "expires_on", "expires_at", "expiresAt", "expiresOn",
				       "expiry", "token_expiry", "expireTime", "expiration",
				       "Expiration", "expirationTimestamp", NULL };

/* The object that holds the token: the answer itself, an ExecCredential's status, or what
 * "gcloud config config-helper" calls credential. */
static struct span token_object(struct span answer)
{
	static const char *const inside[] = { "status", "credential", NULL };

	for (size_t i = 0; inside[i]; i++) {
		struct span v = json_get(answer, inside[i]);

		if (span_is_object(v) && span_is_string(first_of(v, tokens)))
			return v;
	}
	return answer;
}

int credential_oauth_answer(const struct backend *b, int status, struct str body, int lifetime,
			    struct credential *out, struct fault *f)
{
	struct span obj, token;
	struct buf text;
	int r;

	if (status < 200 || status > 299)
		return credential_refusal(b, NULL, status, body, f);
	if (json_check(body, NULL, NULL))
		return credential_fault(b, f, "was answered with something that is not JSON");
	obj = token_object(span_json(body));
	token = first_of(obj, tokens);
	if (!span_is_string(token) || span_blank(token))
		return credential_fault(b, f, "was answered without an access_token");
	buf_init(&text, ANSWER_MAX);
	r = span_put_text(&text, token) ? fault_no_memory(f) :
	    credential_fill(out, str_trim(buf_str(&text)), STR_NONE, STR_NONE,
			    credential_expiry(first_of(obj, lives), first_of(obj, moments),
					      lifetime), f);
	credential_wipe(&text);
	return r;
}

/* ---- AWS ---- */

/* A member's text in `into`, which has room for it. */
static struct str text_of(struct span obj, const char *const *names, struct buf *into)
{
	struct span v = first_of(obj, names);
	size_t from = into->n;

	if (!span_is_string(v) || span_put_text(into, v))
		return STR_NONE;
	return (struct str){ into->p + from, into->n - from };
}

int credential_aws_answer(const struct backend *b, struct span keys, const char *from,
			  struct credential *out, struct fault *f)
{
	static const char *const ids[] = { "AccessKeyId", "accessKeyId", NULL };
	static const char *const secrets[] = { "SecretAccessKey", "secretAccessKey", NULL };
	static const char *const sessions[] = { "SessionToken", "Token", "sessionToken", NULL };
	static const char *const ends[] = { "Expiration", "expiration", NULL };
	struct span end = first_of(keys, ends);
	struct str id, secret, session;
	struct buf text;
	int r;

	buf_init(&text, 0);
	if (!buf_room(&text, keys.n + 1))
		return fault_no_memory(f);
	id = text_of(keys, ids, &text);
	secret = text_of(keys, secrets, &text);
	session = text_of(keys, sessions, &text);
	if (!id.n || !secret.n)
		r = credential_fault(b, f, "was not in the answer of %s: it has no AccessKeyId and "
				     "SecretAccessKey", from);
	else
		r = credential_fill(out, secret, id, session.n ? session : STR_NONE,
				    span_given(end) ? credential_expiry(SPAN_ABSENT, end, 0) : 0,
				    f);
	credential_wipe(&text);
	return r;
}
