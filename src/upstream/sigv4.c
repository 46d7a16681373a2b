/*
 * Signature Version 4 (docs.aws.amazon.com/IAM, "Create a signed AWS API request"). The path of the
 * URL is encoded once more for the signature, as every service but S3 does: "%2F" is signed as
 * "%252F", ":" as "%3A".
 */
#include "upstream/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DIGEST 32
#define SIGNED_MAX 24           /* headers that are signed */

struct signing {
	const struct sigv4_request *r;
	char date[20];          /* 20261122T120000Z; its first eight are the day */
	char body[2 * DIGEST + 1];
	struct str headers[SIGNED_MAX]; /* "name:value", as they are signed */
	size_t nheaders;
	struct buf text;        /* owns them; never grows */
};

/* ---- hashes ---- */

static void hex(const unsigned char *p, char out[2 * DIGEST + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * DIGEST] = 0;
}

static int hash_segs(EVP_MD_CTX *ctx, const struct segs *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (!EVP_DigestUpdate(ctx, s->v[i].p, s->v[i].n))
			return -1;
	return 0;
}

static int hash_body(const struct sigv4_request *r, char out[2 * DIGEST + 1])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char md[DIGEST];
	int rc = -1;

	if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) &&
	    (r->body ? hash_segs(ctx, r->body) == 0 :
	     EVP_DigestUpdate(ctx, r->text.p, r->text.n)) &&
	    EVP_DigestFinal_ex(ctx, md, NULL))
		rc = 0;
	EVP_MD_CTX_free(ctx);
	if (rc == 0)
		hex(md, out);
	return rc;
}

/* HMAC-SHA-256; out may be the key. */
static int mac(const void *key, size_t n, struct str text, unsigned char out[DIGEST])
{
	unsigned len = DIGEST;

	return HMAC(EVP_sha256(), key, (int)n, (const unsigned char *)text.p, text.n, out, &len) ?
	       0 : -1;
}

/* ---- the request as it is signed ---- */

static bool unreserved(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       (c && strchr("-._~", c));
}

static void split_url(const char *url, struct str *host, struct str *path, struct str *query)
{
	const char *p = strstr(url, "://"), *scheme_end = p;
	struct str rest;

	p = p ? p + 3 : url;
	*host = (struct str){ p, strcspn(p, "/?#") };
	rest = (struct str){ p + host->n, strcspn(p + host->n, "#") };
	*path = STR_NONE;
	str_split(&rest, '?', path);
	*query = rest;
	if (scheme_end && !strncmp(url, "https", 5) && str_ends(*host, ":443"))
		host->n -= 4;
	else if (scheme_end && !strncmp(url, "http:", 5) && str_ends(*host, ":80"))
		host->n -= 3;
}

static void put_path(struct buf *b, struct str path)
{
	if (!path.n)
		buf_putc(b, '/');
	for (size_t i = 0; i < path.n; i++) {
		if (path.p[i] == '/' || unreserved(path.p[i]))
			buf_putc(b, path.p[i]);
		else
			buf_printf(b, "%%%02X", (unsigned char)path.p[i]);
	}
}

/* "Name: value" as "name:value", white space at the value's ends left out. */
static void add_header(struct signing *s, struct str name, struct str value)
{
	char *room = s->nheaders < SIGNED_MAX ? buf_room(&s->text, name.n + value.n + 1) : NULL;

	if (!room)
		return;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		room[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	room[name.n] = ':';
	if (value.n)
		memcpy(room + name.n + 1, value.p, value.n);
	s->headers[s->nheaders++] = (struct str){ room, name.n + value.n + 1 };
	s->text.n += name.n + value.n + 1;
}

static int by_name(const void *a, const void *b)
{
	const struct str *x = a, *y = b;
	int r = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);

	return r ? r : x->n < y->n ? -1 : x->n > y->n;
}

static void gather_headers(struct signing *s, struct str host, const struct credential *key)
{
	const struct sigv4_request *r = s->r;

	for (size_t i = 0; i < r->nheaders; i++) {
		struct str value = str_of(r->headers[i]), name = STR_NONE;

		if (str_split(&value, ':', &name) &&
		    (str_is_nocase(name, "content-type") || str_starts_nocase(name, "x-amz") ||
		     str_starts_nocase(name, "x-goog-")))
			add_header(s, name, str_trim(value));
	}
	add_header(s, STR("host"), host);
	add_header(s, STR("x-amz-content-sha256"), str_of(s->body));
	add_header(s, STR("x-amz-date"), str_of(s->date));
	if (key->session && *key->session)
		add_header(s, STR("x-amz-security-token"), str_of(key->session));
	qsort(s->headers, s->nheaders, sizeof(*s->headers), by_name);
}

static void put_names(const struct signing *s, struct buf *b)
{
	for (size_t i = 0; i < s->nheaders; i++) {
		struct str rest = s->headers[i], name = STR_NONE;

		str_split(&rest, ':', &name);
		buf_puts(b, i ? ";" : "");
		buf_put_str(b, name);
	}
}

/* The canonical request's hash. */
static int hash_request(const struct signing *s, struct str path, struct str query,
			char out[2 * DIGEST + 1])
{
	struct sigv4_request canonical = { 0 };
	struct buf b;
	int rc;

	buf_init(&b, 0);
	buf_puts(&b, s->r->method);
	buf_putc(&b, '\n');
	put_path(&b, path);
	buf_putc(&b, '\n');
	buf_put_str(&b, query);
	buf_putc(&b, '\n');
	for (size_t i = 0; i < s->nheaders; i++) {
		buf_put_str(&b, s->headers[i]);
		buf_putc(&b, '\n');
	}
	buf_putc(&b, '\n');
	put_names(s, &b);
	buf_putc(&b, '\n');
	buf_puts(&b, s->body);
	canonical.text = buf_str(&b);
	rc = b.failed ? -1 : hash_body(&canonical, out);
	buf_release(&b);
	return rc;
}

/* ---- the signature ---- */

/* A key for this day, region and service. */
static int derive_key(const struct signing *s, const char *secret, unsigned char out[DIGEST])
{
	const struct sigv4_request *r = s->r;
	struct buf b;
	int rc;

	buf_init(&b, 0);
	buf_puts(&b, "AWS4");
	buf_puts(&b, secret);
	rc = b.failed || mac(b.p, b.n, (struct str){ s->date, 8 }, out) ||
	     mac(out, DIGEST, str_of(r->region), out) ||
	     mac(out, DIGEST, str_of(r->service), out) ||
	     mac(out, DIGEST, STR("aws4_request"), out);
	if (b.p)
		OPENSSL_cleanse(b.p, b.n);
	buf_release(&b);
	return rc ? -1 : 0;
}

static int sign(const struct signing *s, const char *request, const char *secret,
		char out[2 * DIGEST + 1])
{
	unsigned char key[DIGEST], md[DIGEST];
	struct buf b;
	int rc;

	buf_init(&b, 0);
	buf_printf(&b, "AWS4-HMAC-SHA256\n%s\n%.8s/%s/%s/aws4_request\n%s", s->date, s->date,
		   s->r->region, s->r->service, request);
	rc = b.failed || derive_key(s, secret, key) || mac(key, sizeof(key), buf_str(&b), md);
	OPENSSL_cleanse(key, sizeof(key));
	buf_release(&b);
	if (!rc)
		hex(md, out);
	return rc ? -1 : 0;
}

static int put_lines(const struct signing *s, const struct credential *key, const char *signature,
		     struct buf *b)
{
	buf_printf(b, "Authorization: AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/aws4_request, "
		   "SignedHeaders=", key->key_id, s->date, s->r->region, s->r->service);
	put_names(s, b);
	buf_printf(b, ", Signature=%s", signature);
	buf_putc(b, 0);
	buf_printf(b, "X-Amz-Date: %s", s->date);
	buf_putc(b, 0);
	buf_printf(b, "X-Amz-Content-Sha256: %s", s->body);
	buf_putc(b, 0);
	if (key->session && *key->session) {
		buf_puts(b, "X-Amz-Security-Token: ");
		buf_puts(b, key->session);
		buf_putc(b, 0);
	}
	buf_putc(b, 0);
	return b->failed ? -1 : 0;
}

/* Bytes that the signed headers may take; room for them is made at once, so that none moves. */
static size_t header_bytes(const struct sigv4_request *r, const struct credential *key)
{
	size_t n = strlen(r->url) + 512 + (key->session ? strlen(key->session) : 0);

	for (size_t i = 0; i < r->nheaders; i++)
		n += strlen(r->headers[i]) + 1;
	return n;
}

int sigv4_sign(const struct sigv4_request *r, const struct credential *key, struct buf *b)
{
	struct signing s = { .r = r };
	char request[2 * DIGEST + 1], signature[2 * DIGEST + 1];
	struct str host, path, query;
	time_t now = (time_t)(r->wall_ms / 1000);
	struct tm tm;
	int rc = -1;

	gmtime_r(&now, &tm);
	strftime(s.date, sizeof(s.date), "%Y%m%dT%H%M%SZ", &tm);
	split_url(r->url, &host, &path, &query);
	buf_init(&s.text, 0);
	if (buf_room(&s.text, header_bytes(r, key)) && hash_body(r, s.body) == 0) {
		gather_headers(&s, host, key);
		if (!s.text.failed && hash_request(&s, path, query, request) == 0 &&
		    sign(&s, request, key->token, signature) == 0)
			rc = put_lines(&s, key, signature, b);
	}
	buf_release(&s.text);
	return rc;
}
