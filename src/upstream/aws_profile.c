/*
 * The shared files of AWS's tools: ~/.aws/credentials, whose sections are profiles, and
 * ~/.aws/config, where they are called "profile NAME" and sign-on sessions "sso-session NAME"
 * (docs.aws.amazon.com/sdkref, "Shared config and credentials files"). A setting of the first file
 * counts before that of the second.
 */
#include "upstream/aws.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "json/scan.h"

/* source_profile of source_profile …: a chain longer than this is a circle. */
#define CHAIN_MAX 5

static const struct {
	const char *name;
	size_t at;
} settings[] = {
	{ "aws_access_key_id", offsetof(struct aws_profile, key_id) },
	{ "aws_secret_access_key", offsetof(struct aws_profile, secret) },
	{ "aws_session_token", offsetof(struct aws_profile, session) },
	{ "credential_process", offsetof(struct aws_profile, process) },
	{ "role_arn", offsetof(struct aws_profile, role) },
	{ "source_profile", offsetof(struct aws_profile, source_profile) },
	{ "credential_source", offsetof(struct aws_profile, credential_source) },
	{ "web_identity_token_file", offsetof(struct aws_profile, web_identity_file) },
	{ "external_id", offsetof(struct aws_profile, external_id) },
	{ "role_session_name", offsetof(struct aws_profile, session_name) },
	{ "duration_seconds", offsetof(struct aws_profile, seconds) },
	{ "mfa_serial", offsetof(struct aws_profile, mfa) },
	{ "sso_session", offsetof(struct aws_profile, sso_session) },
	{ "sso_start_url", offsetof(struct aws_profile, sso_start_url) },
	{ "sso_region", offsetof(struct aws_profile, sso_region) },
	{ "sso_account_id", offsetof(struct aws_profile, sso_account) },
	{ "sso_role_name", offsetof(struct aws_profile, sso_role) },
};
#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

static const char **field(struct aws_profile *p, size_t i)
{
	return (const char **)((char *)p + settings[i].at);
}

/* ---- reading ---- */

/* "[NAME]", or "[KIND NAME]". */
static bool is_section(struct str line, const char *kind, const char *name)
{
	const char *end = str_chr(line, ']');
	struct str s = { line.p + 1, end ? (size_t)(end - line.p) - 1 : 0 };

	s = str_trim(s);
	if (*kind && str_starts(s, kind)) {
		s.p += strlen(kind);
		s.n -= strlen(kind);
		if (!s.n || (s.p[0] != ' ' && s.p[0] != '\t'))
			return false;
	} else if (*kind && (strcmp(kind, "profile") || strcmp(name, "default"))) {
		return false;
	}
	return str_is(str_trim(s), name);
}

/* One line of the section: what is not set yet is. Values are kept in memory, which never grows. */
static void take_line(struct aws_profile *p, struct str line)
{
	struct str name;

	if (!line.n || strchr("#;[", line.p[0]) || !str_chr(line, '='))
		return;
	str_split(&line, '=', &name);
	line = str_trim(line);
	for (size_t i = 0; i < SETTINGS; i++) {
		if (!str_is_nocase(str_trim(name), settings[i].name) || **field(p, i) || !line.n)
			continue;
		*field(p, i) = p->memory.p + p->memory.n;
		buf_put_str(&p->memory, line);
		buf_putc(&p->memory, 0);
	}
}

/* True when the section is there. */
static bool take_section(struct aws_profile *p, struct str text, const char *kind,
			 const char *name)
{
	bool inside = false, found = false, group = false;
	struct str line;

	while (str_split(&text, '\n', &line)) {
		bool indented = line.n && (line.p[0] == ' ' || line.p[0] == '\t');

		line = str_trim(line);
		/* What is indented below a setting without a value belongs to that (s3 =). */
		if (group && indented)
			continue;
		group = str_ends(line, "=");
		if (line.n && line.p[0] == '[')
			inside = is_section(line, kind, name);
		else if (inside)
			take_line(p, line);
		found = found || inside;
	}
	return found;
}

/* The file's text, in memory of the caller's; 1: there is no such file. */
static int load(const struct backend *b, const char *variable, const char *usual, struct buf *text,
		struct fault *f)
{
	const char *path = credential_env(variable), *home = credential_env("HOME");
	struct buf name;
	int r = AWS_NOTHING;

	buf_init(&name, 0);
	if (path)
		buf_puts(&name, path);
	else if (home)
		buf_printf(&name, "%s/.aws/%s", home, usual);
	if (name.n && credential_read(b, buf_cstr(&name), text, f) == 0)
		r = 0;
	else if (path)
		r = -1;
	buf_release(&name);
	return r;
}

int aws_profile_read(const struct backend *b, const char *name, struct aws_profile *p,
		     struct fault *f)
{
	struct buf keys, config;
	bool found = false;
	int r;

	*p = (struct aws_profile){ .memory = { .p = NULL } };
	buf_init(&p->memory, 0);
	for (size_t i = 0; i < SETTINGS; i++)
		*field(p, i) = "";
	buf_init(&keys, AWS_FILE_MAX);
	buf_init(&config, AWS_FILE_MAX);
	r = load(b, "AWS_SHARED_CREDENTIALS_FILE", "credentials", &keys, f);
	if (r >= 0)
		r = load(b, "AWS_CONFIG_FILE", "config", &config, f);
	/* Both files and a sign-on session's section: room for each line and its NUL. */
	if (r >= 0 && !buf_room(&p->memory, keys.n + 2 * config.n + 3 * SETTINGS))
		r = fault_no_memory(f);
	if (r >= 0) {
		found = take_section(p, buf_str(&keys), "", name);
		found |= take_section(p, buf_str(&config), "profile", name);
		if (*p->sso_session)
			take_section(p, buf_str(&config), "sso-session", p->sso_session);
		r = found ? AWS_FOUND : AWS_NOTHING;
	}
	credential_wipe(&keys);
	credential_wipe(&config);
	return r;
}

void aws_profile_release(struct aws_profile *p)
{
	credential_wipe(&p->memory);
}

/* ---- what it leads to ---- */

static const char *or_null(const char *s)
{
	return *s ? s : NULL;
}

/* A program that prints keys (docs.aws.amazon.com/sdkref, "Process credential provider"). */
static int from_process(const struct backend *b, const char *command, struct waiter *w,
			struct credential *out, struct fault *f)
{
	const struct credential_program program = { .command = command };
	struct buf text;
	int r;

	buf_init(&text, AWS_FILE_MAX);
	r = credential_run(b, &program, w, &text, f);
	if (r == 0 && json_check(buf_str(&text), NULL, NULL))
		r = credential_fault(b, f, "is missing: credential_process printed no JSON");
	if (r == 0)
		r = credential_aws_answer(b, span_json(buf_str(&text)), "credential_process", out,
					  f);
	credential_wipe(&text);
	return r;
}

static int from_source(const struct backend *b, const char *source, struct waiter *w,
		       struct credential *out, struct fault *f)
{
	int r = -1;

	if (str_is(str_of(source), "Environment"))
		r = aws_from_environment(b, out, f);
	else if (str_is(str_of(source), "Ec2InstanceMetadata"))
		r = aws_from_instance(b, w, out, f);
	else if (str_is(str_of(source), "EcsContainer"))
		r = aws_from_container(b, w, out, f);
	else
		return credential_fault(b, f, "has a profile with an unknown credential_source: %s",
					source);
	return r == AWS_NOTHING ?
	       credential_fault(b, f, "is not to be had from the profile's credential_source %s",
				source) : r;
}

static int from_chain(const struct backend *b, const char *name, int depth, struct waiter *w,
		      struct credential *out, struct fault *f);

static int from_role(const struct backend *b, const char *name, const struct aws_profile *p,
		     int depth, struct waiter *w, struct credential *out, struct fault *f)
{
	struct aws_role role = { .arn = p->role, .external_id = or_null(p->external_id),
				 .session_name = or_null(p->session_name) };
	int r;

	if (!str_int(str_of(p->seconds), &role.seconds))
		role.seconds = 0;
	if (*p->mfa)
		return credential_fault(b, f, "can't be had from profile %s: its mfa_serial asks "
					"for somebody's code", name);
	if (*p->web_identity_file)
		return aws_web_identity(b, &role, p->web_identity_file, w, out, f);
	if (!*p->source_profile && !*p->credential_source)
		return credential_fault(b, f, "can't be had from profile %s: role_arn needs "
					"source_profile, credential_source or "
					"web_identity_token_file", name);
	r = *p->source_profile ? from_chain(b, p->source_profile, depth + 1, w, out, f) :
	    from_source(b, p->credential_source, w, out, f);
	if (r == AWS_NOTHING)
		return credential_fault(b, f, "can't be had from profile %s: there is no "
					"source_profile %s with credentials", name,
					p->source_profile);
	return r ? r : aws_assume(b, &role, out, w, f);
}

/* A profile may be its own source: the role is assumed with the keys beside it. */
static int from_settings(const struct backend *b, const char *name, const struct aws_profile *p,
			 int depth, struct waiter *w, struct credential *out, struct fault *f)
{
	bool keys = *p->key_id && *p->secret;

	if (*p->role && !(depth && keys))
		return from_role(b, name, p, depth, w, out, f);
	if (keys)
		return credential_fill(out, str_of(p->secret), str_of(p->key_id),
				       *p->session ? str_of(p->session) : STR_NONE, 0, f);
	if (*p->sso_account || *p->sso_role)
		return aws_from_sso(b, p, w, out, f);
	if (*p->process)
		return from_process(b, p->process, w, out, f);
	return AWS_NOTHING;
}

static int from_chain(const struct backend *b, const char *name, int depth, struct waiter *w,
		      struct credential *out, struct fault *f)
{
	struct aws_profile p;
	int r;

	if (depth > CHAIN_MAX)
		return credential_fault(b, f, "can't be had: source_profile leads from profile to "
					"profile without end");
	r = aws_profile_read(b, name, &p, f);
	if (r == AWS_FOUND)
		r = from_settings(b, name, &p, depth, w, out, f);
	aws_profile_release(&p);
	return r;
}

int aws_from_profile(const struct backend *b, const char *name, struct waiter *w,
		     struct credential *out, struct fault *f)
{
	return from_chain(b, name, 0, w, out, f);
}
