/*
 * Microsoft Entra ID. An application proves who it is with its secret or with a token of another
 * issuer that Entra trusts (workload identity: AKS writes it to a file and renews that); a machine
 * of Azure's asks the endpoint that its platform gives it (managed identity).
 */
#include "upstream/credential_oauth.h"

#include <string.h>

#define SCOPE "https://cognitiveservices.azure.com/.default"
#define AUTHORITY "https://login.microsoftonline.com"
#define METADATA "http://169.254.169.254/metadata/identity/oauth2/token"
#define METADATA_SECONDS 10     /* away from Azure nobody answers there */
#define ASSERTION_MAX (64 * 1024)
#define ANSWER_MAX (256 * 1024)

static const char *scope_of(const struct backend *b)
{
	return b->credential.scope ? b->credential.scope : SCOPE;
}

/* ---- an application ---- */

static void put_url(struct buf *url, const struct credential_setting *s)
{
	const char *authority = credential_env("AZURE_AUTHORITY_HOST");
	struct str host = str_of(authority ? authority : AUTHORITY);

	if (s->token_url) {
		buf_puts(url, s->token_url);
		return;
	}
	while (str_ends(host, "/"))
		host.n--;
	buf_printf(url, "%.*s/%s/oauth2/v2.0/token", STR_ARGS(host), s->tenant);
}

/* learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow */
static int fetch_application(const struct backend *b, struct waiter *w, struct credential *out,
			     struct fault *f)
{
	const struct credential_setting *s = &b->credential;
	struct oauth_client c = { .scope = scope_of(b), .place = OAUTH_BODY };
	struct buf url, assertion;
	int r = 0;

	buf_init(&url, 0);
	buf_init(&assertion, ASSERTION_MAX);
	put_url(&url, s);
	c.url = buf_cstr(&url);
	if (!s->client_secret) {
		c.place = OAUTH_ASSERTION;
		r = credential_read(b, s->source, &assertion, f);
		c.assertion = buf_cstr(&assertion);
	}
	if (r == 0)
		r = url.failed ? fault_no_memory(f) : oauth_client_token(b, &c, w, out, f);
	buf_release(&url);
	credential_wipe(&assertion);
	return r;
}

static const char *const authority_env[] = { "AZURE_AUTHORITY_HOST", NULL };

const struct credential_provider credential_entra = {
	.shared = true,
	.fetch = fetch_application,
	.env = authority_env,
};

/* ---- a machine ---- */

/* The endpoint's API has resources where Entra's has scopes. */
static void put_resource(struct buf *url, const struct backend *b)
{
	struct str scope = str_of(scope_of(b));
	struct buf resource;

	buf_init(&resource, 0);
	if (str_ends(scope, "/.default"))
		scope.n -= strlen("/.default");
	buf_put_str(&resource, scope);
	credential_form(url, "resource", buf_cstr(&resource));
	buf_release(&resource);
	if (b->credential.client_id)
		credential_form(url, "client_id", b->credential.client_id);
}

/* App Service, Functions and Container Apps name their endpoint and a secret for it; virtual
 * machines have the metadata service
 * (learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token). */
static int fetch_machine(const struct backend *b, struct waiter *w, struct credential *out,
			 struct fault *f)
{
	const char *endpoint = credential_env("IDENTITY_ENDPOINT");
	const char *secret = credential_env_secret("IDENTITY_HEADER"), *header = "Metadata: true";
	struct credential_call c = { .method = "GET", .headers = &header, .nheaders = 1,
				     .direct = true, .seconds = METADATA_SECONDS };
	bool app = endpoint && secret;
	struct buf url, line, answer;
	int status = 0, r;

	buf_init(&url, 0);
	buf_init(&line, 0);
	buf_init(&answer, ANSWER_MAX);
	buf_puts(&url, b->credential.token_url ? b->credential.token_url :
		 app ? endpoint : METADATA);
	buf_printf(&url, "%capi-version=%s", str_chr(buf_str(&url), '?') ? '&' : '?',
		   app ? "2019-08-01" : "2018-02-01");
	put_resource(&url, b);
	if (app) {
		buf_printf(&line, "X-IDENTITY-HEADER: %s", secret);
		header = buf_cstr(&line);
	}
	c.url = buf_cstr(&url);
	r = url.failed || line.failed ? fault_no_memory(f) :
	    credential_http(b, &c, w, &status, &answer, f);
	if (r == 0)
		r = credential_oauth_answer(b, status, buf_str(&answer), b->credential.lifetime,
					    out, f);
	buf_release(&url);
	credential_wipe(&line);
	credential_wipe(&answer);
	return r;
}

static const char *const machine_env[] = { "IDENTITY_ENDPOINT", NULL };

const struct credential_provider credential_managed_identity = {
	.shared = true,
	.fetch = fetch_machine,
	.env = machine_env,
};
