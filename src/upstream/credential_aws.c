/*
 * AWS credentials, looked for where the AWS SDKs look, in their order: keys of the configuration or
 * the environment, web identity (EKS), the profile's keys in the shared file, the container's
 * endpoint (ECS, EKS pod identity), the instance's metadata service (version 2 alone). A role, when
 * one is configured, is assumed with what was found. Where a source exists but fails, its failure
 * is the answer: the next one would sign as somebody else.
 */
#include "upstream/credential.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "json/scan.h"
#include "upstream/sigv4.h"

#define CONTAINER_HOST "http://169.254.170.2"
#define METADATA_HOST "http://169.254.169.254"
#define METADATA_SECONDS 3      /* away from AWS nobody answers there */
#define FILE_MAX (256 * 1024)
#define SESSION_NAME "messages-fcgi"

static const char *env(const char *name)
{
	const char *v = getenv(name);

	return v && *v ? v : NULL;
}

static int read_file(const struct backend *b, const char *path, struct buf *out, struct fault *f)
{
	FILE *file = fopen(path, "re");
	size_t n = 0;
	char *room;

	if (!file)
		return credential_fault(b, f, "can't be read from %s: %s", path, strerror(errno));
	while ((room = buf_room(out, 4096)) && (n = fread(room, 1, 4096, file)) > 0)
		out->n += n;
	fclose(file);
	return out->failed ? credential_fault(b, f, "is not in %s: it is too large", path) : 0;
}

/* ---- answers ---- */

/* "2026-11-22T12:00:00Z" or seconds since 1970, as wall ms; 0: unknown. */
static int64_t expiry(struct span v)
{
	static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
	int y, mo, d, h, mi, s;
	char text[40] = "";
	double seconds;

	if (span_double(v, &seconds))
		return (int64_t)(seconds * 1000);
	v = span_unquote(v);
	memcpy(text, v.p ? v.p : "", v.n < sizeof(text) ? v.n : sizeof(text) - 1);
	if (sscanf(text, "%d-%d-%dT%d:%d:%d", &y, &mo, &d, &h, &mi, &s) != 6 || mo < 1 || mo > 12)
		return 0;
	d += before[mo - 1] + (mo > 2 && y % 4 == 0 && (y % 100 || y % 400 == 0)) - 1;
	d += (y - 1970) * 365 + (y - 1969) / 4 - (y - 1901) / 100 + (y - 1601) / 400;
	return ((int64_t)d * 86400 + h * 3600 + mi * 60 + s) * 1000;
}

static struct str text_of(struct span v)
{
	v = span_unquote(v);
	return v.form == SPAN_STR ? (struct str){ v.p, v.n } : STR_NONE;
}

/* An object with AccessKeyId and so on. `from`: for messages. */
static int take_keys(const struct backend *b, struct span keys, const char *from,
		     struct credential *out, struct fault *f)
{
	struct str id = text_of(json_get(keys, "AccessKeyId"));
	struct str secret = text_of(json_get(keys, "SecretAccessKey"));
	struct str token = text_of(json_get(keys, "Token"));
	struct str session = token.n ? token : text_of(json_get(keys, "SessionToken"));

	if (!id.n || !secret.n)
		return credential_fault(b, f, "was not in the answer of %s", from);
	return credential_fill(out, secret, id, session, expiry(json_get(keys, "Expiration")), f);
}

/* One call whose answer is JSON with keys at path[0].path[1].path[2] (NULL ends). */
static int call_for_keys(const struct backend *b, const struct credential_call *c,
			 const char *const *path, const char *from, struct waiter *w,
			 struct credential *out, struct fault *f)
{
	struct span keys;
	struct buf body;
	int status = 0, rc;

	buf_init(&body, FILE_MAX);
	rc = credential_http(b, c, w, &status, &body, f);
	if (!rc && (status != 200 || json_check(buf_str(&body), NULL, NULL))) {
		rc = credential_fault(b, f, "was refused by %s with status %d: %.*s", from, status,
				      (int)(body.n < 300 ? body.n : 300), body.p ? body.p : "");
	} else if (!rc) {
		keys = span_json(buf_str(&body));
		for (; path && *path; path++)
			keys = json_get(keys, *path);
		rc = take_keys(b, keys, from, out, f);
	}
	buf_release(&body);
	return rc;
}

/* ---- profile ---- */

/* "[name]" or "[profile name]". */
static bool is_section(struct str line, const char *profile)
{
	struct str name = { line.p + 1, line.n > 1 ? line.n - 2 : 0 };

	if (str_starts(name, "profile ")) {
		name.p += 8;
		name.n -= 8;
	}
	return str_is(str_trim(name), profile);
}

struct profile {
	struct str id, secret, session;
};

static void read_profile(struct str text, const char *profile, struct profile *p)
{
	const struct { const char *name; struct str *at; } keys[] = {
		{ "aws_access_key_id", &p->id },
		{ "aws_secret_access_key", &p->secret },
		{ "aws_session_token", &p->session },
	};
	bool inside = false;
	struct str line, name;

	while (str_split(&text, '\n', &line)) {
		line = str_trim(line);
		if (line.n && line.p[0] == '[')
			inside = is_section(line, profile);
		if (!inside || !line.n || !memchr(line.p, '=', line.n))
			continue;
		str_split(&line, '=', &name);
		for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
			if (str_is(str_trim(name), keys[i].name))
				*keys[i].at = str_trim(line);
	}
}

/* 1: found nothing, and nobody asked for it by name. */
static int from_profile(const struct backend *b, struct credential *out, struct fault *f)
{
	const char *profile = b->credential.profile ? b->credential.profile : "default";
	const char *path = env("AWS_SHARED_CREDENTIALS_FILE"), *home = env("HOME");
	char usual[1024] = "";
	struct profile p = { 0 };
	struct buf text;
	int rc;

	if (!path && home)
		snprintf(usual, sizeof(usual), "%s/.aws/credentials", home);
	path = path ? path : usual;
	buf_init(&text, FILE_MAX);
	rc = *path ? read_file(b, path, &text, f) : 1;
	if (!rc)
		read_profile(buf_str(&text), profile, &p);
	if (!rc && p.id.n && p.secret.n)
		rc = credential_fill(out, p.secret, p.id, p.session, 0, f);
	else if (!rc && b->credential.profile)
		rc = credential_fault(b, f, "is not in %s: no keys under [%s]", path, profile);
	else if (!b->credential.profile)
		rc = 1;
	if (text.p)
		explicit_bzero(text.p, text.n);
	buf_release(&text);
	return rc;
}

/* ---- security token service ---- */

static const char *sts_url(const struct backend *b, char *out, size_t size)
{
	if (b->credential.token_url)
		return b->credential.token_url;
	snprintf(out, size, "https://sts.%s.amazonaws.com/", b->region ? b->region : "us-east-1");
	return out;
}

static void begin_form(struct buf *form, const char *action, const char *role)
{
	const char *name = env("AWS_ROLE_SESSION_NAME");

	credential_form(form, "Action", action);
	credential_form(form, "Version", "2011-06-15");
	credential_form(form, "RoleArn", role);
	credential_form(form, "RoleSessionName", name ? name : SESSION_NAME);
}

/* The token in the file is Kubernetes's, and changes; it is no secret of AWS and signs nothing. */
static int from_web_identity(const struct backend *b, const char *file, const char *role,
			     struct waiter *w, struct credential *out, struct fault *f)
{
	static const char *const headers[] = { "Content-Type: application/x-www-form-urlencoded",
					       "Accept: application/json" };
	static const char *const path[] = { "AssumeRoleWithWebIdentityResponse",
					    "AssumeRoleWithWebIdentityResult", "Credentials",
					    NULL };
	struct credential_call c = { .method = "POST", .headers = headers, .nheaders = 2 };
	struct buf token, form;
	char url[256];
	int rc;

	buf_init(&token, FILE_MAX);
	buf_init(&form, 0);
	rc = read_file(b, file, &token, f);
	while (token.n && strchr(" \r\n", token.p[token.n - 1]))
		token.n--;
	if (!rc) {
		begin_form(&form, "AssumeRoleWithWebIdentity", role);
		credential_form(&form, "WebIdentityToken", buf_cstr(&token));
		c.url = sts_url(b, url, sizeof(url));
		c.body = buf_str(&form);
		rc = call_for_keys(b, &c, path, "STS (AssumeRoleWithWebIdentity)", w, out, f);
	}
	buf_release(&token);
	buf_release(&form);
	return rc;
}

/* base becomes the role's. */
static int assume_role(const struct backend *b, struct credential *base, struct waiter *w,
		       struct fault *f)
{
	static const char *const path[] = { "AssumeRoleResponse", "AssumeRoleResult", "Credentials",
					    NULL };
	const char *headers[8] = { "Content-Type: application/x-www-form-urlencoded",
				   "Accept: application/json" };
	struct credential_call c = { .method = "POST", .headers = headers, .nheaders = 2 };
	struct sigv4_request r = { .method = "POST", .headers = headers, .nheaders = 2,
				   .region = b->region ? b->region : "us-east-1",
				   .service = "sts", .wall_ms = clock_wall_ms() };
	struct buf form, lines;
	char url[256];
	int rc;

	buf_init(&form, 0);
	buf_init(&lines, 0);
	begin_form(&form, "AssumeRole", b->credential.role);
	c.url = r.url = sts_url(b, url, sizeof(url));
	c.body = r.text = buf_str(&form);
	rc = sigv4_sign(&r, base, &lines) ? fault_no_memory(f) : 0;
	for (const char *line = lines.p; !rc && *line && c.nheaders < 8; line += strlen(line) + 1)
		headers[c.nheaders++] = line;
	if (!rc)
		rc = call_for_keys(b, &c, path, "STS (AssumeRole)", w, base, f);
	buf_release(&form);
	buf_release(&lines);
	return rc;
}

/* ---- container and instance ---- */

static int from_container(const struct backend *b, const char *url, struct waiter *w,
			  struct credential *out, struct fault *f)
{
	const char *file = env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), *headers[1];
	const char *token = env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	struct credential_call c = { .method = "GET", .url = url, .headers = headers,
				     .direct = true };
	struct buf line, text;
	int rc = 0;

	buf_init(&line, FILE_MAX);
	buf_init(&text, FILE_MAX);
	if (file)
		rc = read_file(b, file, &text, f);
	else if (token)
		buf_puts(&text, token);
	if (!rc && text.n) {
		struct str value = str_trim(buf_str(&text));

		buf_printf(&line, "Authorization: %.*s", STR_ARGS(value));
		headers[c.nheaders++] = buf_cstr(&line);
	}
	if (!rc)
		rc = call_for_keys(b, &c, NULL, "the container's credential endpoint", w, out, f);
	buf_release(&line);
	buf_release(&text);
	return rc;
}

/* A text of the metadata service; 1: there is none. */
static int metadata(const struct backend *b, const char *method, const char *url,
		    const char *header, struct waiter *w, struct buf *out, struct fault *f)
{
	struct credential_call c = { .method = method, .url = url, .headers = &header,
				     .nheaders = 1, .direct = true, .seconds = METADATA_SECONDS };
	int status = 0;

	buf_reset(out);
	if (credential_http(b, &c, w, &status, out, f))
		return f->class == FAULT_CANCELLED ? -1 : 1;
	return status == 200 && out->n ? 0 : 1;
}

static int from_instance(const struct backend *b, struct waiter *w, struct credential *out,
			 struct fault *f)
{
	const char *host = env("AWS_EC2_METADATA_SERVICE_ENDPOINT"), *off;
	struct buf text, header, url;
	int rc;

	off = env("AWS_EC2_METADATA_DISABLED");
	if (off && str_is_nocase(str_of(off), "true"))
		return 1;
	host = host ? host : METADATA_HOST;
	buf_init(&text, 65536);
	buf_init(&header, 65536);
	buf_init(&url, 65536);
	buf_printf(&url, "%s%slatest/api/token", host, str_ends(str_of(host), "/") ? "" : "/");
	rc = metadata(b, "PUT", buf_cstr(&url), "X-aws-ec2-metadata-token-ttl-seconds: 300", w,
		      &text, f);
	if (!rc) {
		buf_printf(&header, "X-aws-ec2-metadata-token: %.*s", STR_ARGS(buf_str(&text)));
		url.n -= strlen("api/token");
		buf_puts(&url, "meta-data/iam/security-credentials/");
		rc = metadata(b, "GET", buf_cstr(&url), buf_cstr(&header), w, &text, f);
	}
	if (!rc) {
		struct credential_call c = { .method = "GET", .nheaders = 1, .direct = true,
					     .seconds = METADATA_SECONDS };
		const char *line = buf_cstr(&header);
		struct str rest = buf_str(&text), role = STR_NONE;

		str_split(&rest, '\n', &role);
		buf_put_str(&url, str_trim(role));
		c.url = buf_cstr(&url);
		c.headers = &line;
		rc = call_for_keys(b, &c, NULL, "the instance's metadata service", w, out, f);
	}
	buf_release(&text);
	buf_release(&header);
	buf_release(&url);
	return rc;
}

/* ---- the chain ---- */

static int fetch_keys(const struct backend *b, struct waiter *w, struct credential *out,
		      struct fault *f)
{
	const struct credential_setting *s = &b->credential;

	return credential_fill(out, str_of(s->client_secret), str_of(s->client_id),
			       s->session ? str_of(s->session) : STR_NONE, 0, f);
}

static int find(const struct backend *b, struct waiter *w, struct credential *out,
		struct fault *f)
{
	const char *file = env("AWS_WEB_IDENTITY_TOKEN_FILE"), *role = env("AWS_ROLE_ARN");
	const char *relative = env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	char url[1024];
	int rc;

	if (b->credential.client_id && b->credential.client_secret)
		return fetch_keys(b, w, out, f);
	if (file && role && !b->credential.profile)
		return from_web_identity(b, file, role, w, out, f);
	rc = from_profile(b, out, f);
	if (rc <= 0)
		return rc;
	if (relative)
		snprintf(url, sizeof(url), CONTAINER_HOST "%s", relative);
	if (relative || full)
		return from_container(b, relative ? url : full, w, out, f);
	return from_instance(b, w, out, f);
}

static int fetch(const struct backend *b, struct waiter *w, struct credential *out,
		 struct fault *f)
{
	int rc = find(b, w, out, f);

	if (rc > 0)
		return credential_fault(b, f, "was found nowhere: set AWS_ACCESS_KEY_ID and "
					"AWS_SECRET_ACCESS_KEY, a profile, or backends.%s.api_key",
					b->name);
	return !rc && b->credential.role ? assume_role(b, out, w, f) : rc;
}

/* What AWS says of a token that has expired or a session that is gone. */
static const char *const refusals[] = {
	"security token included in the request is expired",
	"security token included in the request is invalid",
	"ExpiredToken", "Signature expired", NULL
};

const struct credential_provider credential_aws = { true, refusals, fetch, NULL };
const struct credential_provider credential_aws_keys = { false, NULL, fetch_keys, NULL };
