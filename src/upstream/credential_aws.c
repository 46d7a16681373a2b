/*
 * AWS credentials, looked for where the AWS SDKs look, in their order: keys of the configuration or
 * the environment, web identity (EKS), a profile of the shared files, the container's endpoint
 * (ECS, EKS pod identity), the instance's metadata service (version 2 alone). A role, when one is
 * configured, is assumed with what was found. Where a source exists but fails, its failure is the
 * answer: the next one would sign as somebody else.
 */
#include "upstream/aws.h"

#include "json/scan.h"

int aws_call(const struct backend *b, const struct credential_call *c, const char *const *path,
	     const char *from, struct waiter *w, struct credential *out, struct fault *f)
{
	struct span keys;
	struct buf body;
	int status = 0, r;

	buf_init(&body, AWS_FILE_MAX);
	r = credential_http(b, c, w, &status, &body, f);
	if (r == 0 && status != 200) {
		r = credential_refusal(b, from, status, buf_str(&body), f);
	} else if (r == 0 && json_check(buf_str(&body), NULL, NULL)) {
		r = credential_fault(b, f, "was answered by %s with something that is not JSON",
					 from);
	} else if (r == 0) {
		keys = span_json(buf_str(&body));
		for (; path && *path; path++)
			keys = json_get(keys, *path);
		r = credential_aws_answer(b, keys, from, out, f);
	}
	credential_wipe(&body);
	return r;
}

int aws_from_environment(const struct backend *b, struct credential *out, struct fault *f)
{
	const char *id = credential_env("AWS_ACCESS_KEY_ID");
	const char *secret = credential_env("AWS_SECRET_ACCESS_KEY");
	const char *session = credential_env("AWS_SESSION_TOKEN");

	if (!id || !secret)
		return AWS_NOTHING;
	return credential_fill(out, str_of(secret), str_of(id),
			       session ? str_of(session) : STR_NONE, 0, f);
}

static int fetch_keys(const struct backend *b, struct waiter *w, struct credential *out,
		      struct fault *f)
{
	const struct credential_setting *s = &b->credential;

	return credential_fill(out, str_of(s->client_secret), str_of(s->client_id),
			       s->session ? str_of(s->session) : STR_NONE, 0, f);
}

static int from_web_identity(const struct backend *b, struct waiter *w, struct credential *out,
			     struct fault *f)
{
	const char *file = credential_env("AWS_WEB_IDENTITY_TOKEN_FILE");
	const struct aws_role role = { .arn = credential_env("AWS_ROLE_ARN"),
				       .session_name = credential_env("AWS_ROLE_SESSION_NAME") };

	return file && role.arn ? aws_web_identity(b, &role, file, w, out, f) : AWS_NOTHING;
}

static int find(const struct backend *b, struct waiter *w, struct credential *out,
		struct fault *f)
{
	const struct credential_setting *s = &b->credential;
	int r = AWS_NOTHING;

	if (s->client_id && s->client_secret)
		return fetch_keys(b, w, out, f);
	if (!s->profile)
		r = from_web_identity(b, w, out, f);
	if (r == AWS_NOTHING)
		r = aws_from_profile(b, s->profile ? s->profile : "default", w, out, f);
	if (r == AWS_NOTHING && s->profile)
		return credential_fault(b, f, "is not there: neither [%s] in ~/.aws/credentials "
					"nor [profile %s] in ~/.aws/config leads to one",
					s->profile, s->profile);
	if (r == AWS_NOTHING)
		r = aws_from_container(b, w, out, f);
	if (r == AWS_NOTHING)
		r = aws_from_instance(b, w, out, f);
	return r;
}

static int fetch(const struct backend *b, struct waiter *w, struct credential *out,
		 struct fault *f)
{
	const struct credential_setting *s = &b->credential;
	const struct aws_role role = { .arn = s->role, .external_id = s->external_id,
				       .session_name = s->session_name,
				       .seconds = s->role_seconds };
	int r = find(b, w, out, f);

	if (r == AWS_NOTHING)
		return credential_fault(b, f, "was found nowhere: set AWS_ACCESS_KEY_ID and "
					"AWS_SECRET_ACCESS_KEY, a profile, or backends.%s.api_key",
					b->name);
	if (r == 0 && role.arn)
		r = aws_assume(b, &role, out, w, f);
	if (r == 0 && out->expires)
		return 0;
	/* Keys as they stand: not to be copied into other files, and looked at again soon, for
	 * there are tools that put new ones in their place. */
	out->local = true;
	if (r == 0)
		out->expires = credential_expiry(SPAN_ABSENT, SPAN_ABSENT, 0);
	return r;
}

/* What AWS says of a token that has expired or a session that is gone. */
static const char *const refusals[] = {
	"security token included in the request is expired",
	"security token included in the request is invalid",
	"ExpiredToken", "Signature expired", NULL
};

static const char *const deciding[] = {
	"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_CONFIG_FILE",
	"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
	"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_ACCESS_KEY_ID", "HOME", NULL
};

const struct credential_provider credential_aws = {
	.shared = true,
	.refusals = refusals,
	.fetch = fetch,
	.env = deciding,
};
const struct credential_provider credential_aws_keys = { .fetch = fetch_keys };
