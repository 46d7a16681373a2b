/*
 * AWS's token service: a role's session for credentials, or for a token of another issuer
 * (docs.aws.amazon.com/STS, AssumeRole and AssumeRoleWithWebIdentity).
 */
#include "upstream/aws.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "upstream/sigv4.h"

#define SESSION_NAME "messages-fcgi"
#define TYPE "Content-Type: application/x-www-form-urlencoded"
#define ACCEPT "Accept: application/json"

static const char *region_of(const struct backend *b)
{
	return b->region ? b->region : "us-east-1";
}

static const char *sts_url(const struct backend *b, char *out, size_t size)
{
	const char *given = credential_env("AWS_ENDPOINT_URL_STS"), *region = region_of(b);

	if (b->credential.token_url || given)
		return b->credential.token_url ? b->credential.token_url : given;
	snprintf(out, size, "https://sts.%s.amazonaws.com%s/", region,
		 str_starts(str_of(region), "cn-") ? ".cn" : "");
	return out;
}

static void begin_form(struct buf *form, const char *action, const struct aws_role *role)
{
	char seconds[24];

	credential_form(form, "Action", action);
	credential_form(form, "Version", "2011-06-15");
	credential_form(form, "RoleArn", role->arn);
	credential_form(form, "RoleSessionName",
			role->session_name ? role->session_name : SESSION_NAME);
	if (role->seconds) {
		snprintf(seconds, sizeof(seconds), "%lld", (long long)role->seconds);
		credential_form(form, "DurationSeconds", seconds);
	}
}

int aws_web_identity(const struct backend *b, const struct aws_role *role, const char *file,
		     struct waiter *w, struct credential *out, struct fault *f)
{
	static const char *const headers[] = { TYPE, ACCEPT };
	static const char *const path[] = { "AssumeRoleWithWebIdentityResponse",
					    "AssumeRoleWithWebIdentityResult", "Credentials",
					    NULL };
	struct credential_call c = { .method = "POST", .headers = headers, .nheaders = 2 };
	struct buf token, form;
	char url[256];
	int r;

	buf_init(&token, AWS_FILE_MAX);
	buf_init(&form, 0);
	r = credential_read(b, file, &token, f);
	if (r == 0) {
		begin_form(&form, "AssumeRoleWithWebIdentity", role);
		credential_form(&form, "WebIdentityToken", buf_cstr(&token));
		c.url = sts_url(b, url, sizeof(url));
		c.body = buf_str(&form);
		r = form.failed ? fault_no_memory(f) :
		    aws_call(b, &c, path, "STS (AssumeRoleWithWebIdentity)", w, out, f);
	}
	credential_wipe(&token);
	credential_wipe(&form);
	return r;
}

int aws_assume(const struct backend *b, const struct aws_role *role, struct credential *base,
	       struct waiter *w, struct fault *f)
{
	static const char *const path[] = { "AssumeRoleResponse", "AssumeRoleResult", "Credentials",
					    NULL };
	const char *headers[8] = { TYPE, ACCEPT };
	struct credential_call c = { .method = "POST", .headers = headers, .nheaders = 2 };
	struct sigv4_request r = { .method = "POST", .headers = headers, .nheaders = 2,
				   .region = region_of(b), .service = "sts",
				   .wall_ms = clock_wall_ms() };
	struct buf form, lines;
	char url[256];
	int rc;

	buf_init(&form, 0);
	buf_init(&lines, 0);
	begin_form(&form, "AssumeRole", role);
	if (role->external_id)
		credential_form(&form, "ExternalId", role->external_id);
	c.url = r.url = sts_url(b, url, sizeof(url));
	c.body = r.text = buf_str(&form);
	rc = form.failed || sigv4_sign(&r, base, &lines) ? fault_no_memory(f) : 0;
	for (const char *line = lines.p; !rc && *line && c.nheaders < 8; line += strlen(line) + 1)
		headers[c.nheaders++] = line;
	if (!rc)
		rc = aws_call(b, &c, path, "STS (AssumeRole)", w, base, f);
	buf_release(&form);
	credential_wipe(&lines);
	return rc;
}
