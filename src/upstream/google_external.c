/*
 * Workload identity federation (google.aip.dev/auth/4117): the file says where a token of another
 * issuer is had (a file, a URL, a program, AWS), which audience takes it, and which service account
 * the token that Google's token service gives for it is to become. The file may come from
 * elsewhere, so what it says is not believed: secrets go to Google alone, and a program is run only
 * where its variable allows it, as Google's own libraries have it.
 */
#include "upstream/google.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "json/scan.h"
#include "upstream/aws.h"
#include "upstream/sigv4.h"

#define STS_URL "https://sts.googleapis.com/v1/token"
#define ALLOWED "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"
#define VERIFY_URL "https://sts.%s.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
#define HEADERS_MAX 8
#define SECONDS_MAX 30

/* ---- the other issuer's token ---- */

/* What was read is the token, or an object with it. */
static int take_token(const struct backend *b, struct span source, struct str text,
		      struct buf *token, struct fault *f)
{
	struct span format = json_get(source, "format");
	struct buf name;
	int r = 0;

	text = str_trim(text);
	if (!span_is(json_get(format, "type"), "json")) {
		buf_put_str(token, text);
		return token->n ? 0 : credential_fault(b, f, "has an empty subject token");
	}
	buf_init(&name, 0);
	span_put_text(&name, json_get(format, "subject_token_field_name"));
	if (json_check(text, NULL, NULL) ||
	    span_put_text(token, span_unquote(json_get(span_json(text), buf_cstr(&name)))) ||
	    !token->n)
		r = credential_fault(b, f, "has a subject token source without \"%s\"",
				     buf_cstr(&name));
	buf_release(&name);
	return r;
}

static int from_file(const struct backend *b, struct span source, struct waiter *w,
		     struct buf *token, struct fault *f)
{
	struct buf path, text;
	int r;

	buf_init(&path, 0);
	buf_init(&text, GOOGLE_FILE_MAX);
	span_put_text(&path, json_get(source, "file"));
	r = credential_read(b, buf_cstr(&path), &text, f);
	if (r == 0)
		r = take_token(b, source, buf_str(&text), token, f);
	buf_release(&path);
	credential_wipe(&text);
	return r;
}

/* "Name: value" lines in b, each ended by NUL; at[] where they begin. */
static size_t put_headers(struct span headers, struct buf *b, size_t at[HEADERS_MAX])
{
	struct scan it;
	struct span name;
	size_t n = 0;

	if (!json_each_member(headers, &it))
		return 0;
	while (n < HEADERS_MAX && scan_member(&it, &name)) {
		at[n++] = b->n;
		span_put_text(b, name);
		buf_puts(b, ": ");
		span_put_text(b, span_unquote(scan_any(&it)));
		buf_putc(b, 0);
	}
	return n;
}

static int from_url(const struct backend *b, struct span source, struct waiter *w,
		    struct buf *token, struct fault *f)
{
	const char *lines[HEADERS_MAX];
	struct credential_call c = { .method = "GET", .headers = lines };
	struct buf url, headers, answer;
	size_t at[HEADERS_MAX];
	struct in_addr address;
	char host[256];
	int status = 0, r;
	bool safe;

	buf_init(&url, 0);
	buf_init(&headers, 0);
	buf_init(&answer, GOOGLE_FILE_MAX);
	span_put_text(&url, json_get(source, "url"));
	c.nheaders = put_headers(json_get(source, "headers"), &headers, at);
	for (size_t i = 0; !headers.failed && i < c.nheaders; i++)
		lines[i] = headers.p + at[i];
	c.url = buf_cstr(&url);
	safe = credential_safe_url(c.url, host, sizeof(host));
	/* Metadata services of clouds have link-local addresses. */
	c.direct = str_starts(str_of(host), "169.254.") && inet_pton(AF_INET, host, &address) == 1;
	if (url.failed || headers.failed)
		r = fault_no_memory(f);
	else if (!c.direct && !safe)
		r = credential_fault(b, f, "is not asked for in the clear: its file names %s",
				     c.url);
	else
		r = credential_http(b, &c, w, &status, &answer, f);
	if (r == 0 && status != 200)
		r = credential_refusal(b, "the subject token's source", status, buf_str(&answer),
				       f);
	if (r == 0)
		r = take_token(b, source, buf_str(&answer), token, f);
	buf_release(&url);
	credential_wipe(&headers);
	credential_wipe(&answer);
	return r;
}

/* ---- a program ---- */

static int take_printed(const struct backend *b, struct str text, struct buf *token,
			struct fault *f)
{
	struct span obj = span_json(text), value;
	struct buf plain, said;

	if (json_check(text, NULL, NULL))
		return credential_fault(b, f, "has a program that printed no JSON");
	value = json_get(obj, "id_token");
	value = span_is_string(value) ? value : json_get(obj, "saml_response");
	if (span_true(json_get(obj, "success")) && span_is_string(value) &&
	    !span_put_text(token, value) && token->n)
		return 0;
	buf_init(&plain, 0);
	buf_init(&said, 0);
	span_put_text(&plain, span_unquote(json_get(obj, "message")));
	credential_quote(&said, buf_str(&plain));
	credential_fault(b, f, "has a program that gave no token: %.200s", buf_cstr(&said));
	buf_release(&plain);
	buf_release(&said);
	return -1;
}

static int from_program(const struct backend *b, struct span file, struct span executable,
			struct waiter *w, struct buf *token, struct fault *f)
{
	static const char *const names[] = { "audience", "subject_token_type" };
	static const char *const variables[] = { "AUDIENCE", "TOKEN_TYPE" };
	const char *allowed = credential_env(ALLOWED), *env[4] = { NULL };
	struct credential_program program = { .env = env };
	struct buf command, text, lines[2];
	int64_t ms;
	int r;

	if (!allowed || strcmp(allowed, "1"))
		return credential_fault(b, f, "is not asked for: its file names a program, which "
					"is run only where " ALLOWED " is 1");
	buf_init(&command, 0);
	buf_init(&text, GOOGLE_FILE_MAX);
	span_put_text(&command, json_get(executable, "command"));
	for (size_t i = 0; i < 2; i++) {
		buf_init(&lines[i], 0);
		buf_printf(&lines[i], "GOOGLE_EXTERNAL_ACCOUNT_%s=", variables[i]);
		span_put_text(&lines[i], json_get(file, names[i]));
		env[i] = buf_cstr(&lines[i]);
	}
	env[2] = "GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE=0";
	program.command = buf_cstr(&command);
	if (span_int(json_get(executable, "timeout_millis"), &ms) && ms > 0)
		program.seconds = ms / 1000 < SECONDS_MAX ? (int)(ms / 1000) + 1 : SECONDS_MAX;
	r = credential_run(b, &program, w, &text, f);
	if (r == 0)
		r = take_printed(b, str_trim(buf_str(&text)), token, f);
	for (size_t i = 0; i < 2; i++)
		buf_release(&lines[i]);
	buf_release(&command);
	credential_wipe(&text);
	return r;
}

/* ---- AWS ---- */

static void put_pair(struct buf *b, struct str name, struct str value)
{
	buf_puts(b, b->p[b->n - 1] == '[' ? "{\"key\":" : ",{\"key\":");
	span_put_string(b, span_utf8(name));
	buf_puts(b, ",\"value\":");
	span_put_string(b, span_utf8(str_trim(value)));
	buf_putc(b, '}');
}

/* The token is a signed question who we are, which Google asks AWS
 * (docs.aws.amazon.com/STS, GetCallerIdentity); it is encoded as a form's value once more. */
static int put_question(struct buf *token, const char *region, const char *audience,
			const struct credential *keys)
{
	char url[192];
	const char *target = audience;
	struct sigv4_request r = { .method = "POST", .url = url, .headers = &target,
				   .nheaders = 1, .region = region, .service = "sts",
				   .wall_ms = clock_wall_ms() };
	struct str line, name, host = STR_NONE;
	struct buf lines, json;
	int rc;

	snprintf(url, sizeof(url), VERIFY_URL, region);
	host = (struct str){ url + 8, strcspn(url + 8, "/?") };
	buf_init(&lines, 0);
	buf_init(&json, 0);
	rc = sigv4_sign(&r, keys, &lines);
	buf_printf(&json, "{\"url\":\"%s\",\"method\":\"POST\",\"headers\":[", url);
	if (rc == 0 && !json.failed) {
		line = str_of(target);
		str_split(&line, ':', &name);
		put_pair(&json, name, line);
		put_pair(&json, STR("host"), host);
	}
	for (const char *p = lines.p; !rc && !json.failed && *p; p += strlen(p) + 1) {
		line = str_of(p);
		str_split(&line, ':', &name);
		put_pair(&json, name, line);
	}
	buf_puts(&json, "]}");
	if (!rc && !json.failed)
		credential_encode(token, buf_cstr(&json));
	rc = rc || json.failed || token->failed ? -1 : 0;
	credential_wipe(&lines);
	credential_wipe(&json);
	return rc;
}

static int from_aws(const struct backend *b, struct span file, struct waiter *w,
		    struct buf *token, struct fault *f)
{
	const char *region = credential_env("AWS_REGION");
	struct credential keys = CREDENTIAL_INIT;
	struct buf where, audience;
	int r;

	region = region ? region : credential_env("AWS_DEFAULT_REGION");
	buf_init(&where, 64);
	buf_init(&audience, 0);
	buf_puts(&audience, "x-goog-cloud-target-resource: ");
	span_put_text(&audience, json_get(file, "audience"));
	r = aws_from_environment(b, &keys, f);
	if (r == AWS_NOTHING)
		r = aws_from_instance(b, w, &keys, f);
	if (r == AWS_NOTHING)
		r = credential_fault(b, f, "needs keys of AWS, which are neither in the "
				     "environment nor with the instance's metadata service");
	if (r == 0 && region)
		buf_puts(&where, region);
	else if (r == 0)
		r = aws_instance_region(b, w, &where, f);
	if (r == AWS_NOTHING)
		r = credential_fault(b, f, "needs a region of AWS, which neither AWS_REGION nor the "
				     "instance's metadata service names");
	else if (r == 0 && put_question(token, buf_cstr(&where), buf_cstr(&audience), &keys))
		r = fault_no_memory(f);
	credential_release(&keys);
	buf_release(&where);
	buf_release(&audience);
	return r;
}

/* ---- the exchange ---- */

static int subject_token(const struct backend *b, struct span file, struct waiter *w,
			 struct buf *token, struct fault *f)
{
	struct span source = json_get(file, "credential_source"), kind;

	kind = json_get(source, "environment_id");
	if (span_is(kind, "aws1"))
		return from_aws(b, file, w, token, f);
	if (span_is_string(json_get(source, "file")))
		return from_file(b, source, w, token, f);
	if (span_is_string(json_get(source, "url")))
		return from_url(b, source, w, token, f);
	if (span_is_object(json_get(source, "executable")))
		return from_program(b, file, json_get(source, "executable"), w, token, f);
	return credential_fault(b, f, "has a file whose credential_source is none of file, url, "
				"executable and AWS");
}

static void form_member(struct buf *form, const char *name, struct span value)
{
	struct buf text;

	buf_init(&text, 0);
	span_put_text(&text, value);
	credential_form(form, name, buf_cstr(&text));
	buf_release(&text);
}

int google_external(const struct backend *b, struct span file, struct waiter *w,
		    struct credential *out, struct fault *f)
{
	struct span account = json_get(file, "service_account_impersonation_url");
	struct buf token, form;
	int r;

	buf_init(&token, 4 * GOOGLE_FILE_MAX);
	buf_init(&form, 0);
	r = subject_token(b, file, w, &token, f);
	if (r == 0) {
		credential_form(&form, "grant_type",
				"urn:ietf:params:oauth:grant-type:token-exchange");
		credential_form(&form, "requested_token_type",
				"urn:ietf:params:oauth:token-type:access_token");
		form_member(&form, "audience", json_get(file, "audience"));
		form_member(&form, "subject_token_type", json_get(file, "subject_token_type"));
		credential_form(&form, "subject_token", buf_cstr(&token));
		credential_form(&form, "scope", span_is_string(account) ? GOOGLE_SCOPE :
				google_scope(b));
		r = google_exchange(b, file, STS_URL, &form, w, out, f);
	}
	if (r == 0 && span_is_string(account))
		r = google_impersonate(b, file, account, w, out, f);
	credential_wipe(&token);
	credential_wipe(&form);
	return r;
}
