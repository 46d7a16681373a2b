/*
 * AWS's single sign-on: "aws sso login" leaves a token in ~/.aws/sso/cache, under the hash of the
 * session's name or of the start URL, and the portal gives a role's keys for it
 * (docs.aws.amazon.com/singlesignon, GetRoleCredentials). The token is its user's: it is read, and
 * when it has expired its user has to sign on again.
 */
#include "upstream/aws.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "json/scan.h"

#define DIGEST 20

static void put_cache_path(struct buf *path, const char *key)
{
	const char *home = credential_env("HOME");
	unsigned char digest[DIGEST];
	unsigned n = 0;

	buf_printf(path, "%s/.aws/sso/cache/", home ? home : "");
	if (EVP_Digest(key, strlen(key), digest, &n, EVP_sha1(), NULL))
		for (unsigned i = 0; i < n; i++)
			buf_printf(path, "%02x", digest[i]);
	buf_puts(path, ".json");
}

static int read_token(const struct backend *b, const char *path, struct buf *token,
		      struct fault *f)
{
	struct buf text;
	struct span obj;
	int64_t end;
	int r;

	buf_init(&text, AWS_FILE_MAX);
	r = credential_read(b, path, &text, f);
	obj = span_json(buf_str(&text));
	if (r)
		credential_fault(b, f, "needs somebody to sign on: run \"aws sso login\" as the "
				 "gateway's user");
	else if (json_check(buf_str(&text), NULL, NULL))
		r = credential_unreadable(b, path, f);
	end = r ? 0 : credential_moment(json_get(obj, "expiresAt"));
	if (r == 0 && end && end <= clock_wall_ms())
		r = credential_fault(b, f, "needs somebody to sign on again: run \"aws sso login\" "
				     "as the gateway's user");
	if (r == 0 && (span_put_text(token, span_unquote(json_get(obj, "accessToken"))) ||
		       !token->n))
		r = credential_fault(b, f, "has a sign-on cache without accessToken");
	if (r)
		fault_note(f, "%s", path);
	credential_wipe(&text);
	return r;
}

static void put_portal(struct buf *url, const struct aws_profile *p)
{
	const char *given = credential_env("AWS_ENDPOINT_URL_SSO");
	struct buf query;

	buf_init(&query, 0);
	credential_form(&query, "role_name", p->sso_role);
	credential_form(&query, "account_id", p->sso_account);
	if (given)
		buf_puts(url, given);
	else
		buf_printf(url, "https://portal.sso.%s.amazonaws.com%s", p->sso_region,
			   str_starts(str_of(p->sso_region), "cn-") ? ".cn" : "");
	buf_printf(url, "/federation/credentials?%s", buf_cstr(&query));
	buf_release(&query);
}

int aws_from_sso(const struct backend *b, const struct aws_profile *p, struct waiter *w,
		 struct credential *out, struct fault *f)
{
	static const char *const path[] = { "roleCredentials", NULL };
	const char *key = *p->sso_session ? p->sso_session : p->sso_start_url, *header;
	struct credential_call c = { .method = "GET", .headers = &header, .nheaders = 1 };
	struct buf file, token, line, url;
	int r;

	if (!*key || !*p->sso_region || !*p->sso_account || !*p->sso_role)
		return credential_fault(b, f, "can't be had by single sign-on: the profile lacks "
					"sso_session or sso_start_url, sso_region, sso_account_id "
					"or sso_role_name");
	buf_init(&file, 0);
	buf_init(&token, AWS_FILE_MAX);
	buf_init(&line, 0);
	buf_init(&url, 0);
	put_cache_path(&file, key);
	r = read_token(b, buf_cstr(&file), &token, f);
	buf_printf(&line, "x-amz-sso_bearer_token: %.*s", STR_ARGS(buf_str(&token)));
	put_portal(&url, p);
	header = buf_cstr(&line);
	c.url = buf_cstr(&url);
	if (r == 0)
		r = aws_call(b, &c, path, "the sign-on portal", w, out, f);
	buf_release(&file);
	credential_wipe(&token);
	credential_wipe(&line);
	buf_release(&url);
	return r;
}
