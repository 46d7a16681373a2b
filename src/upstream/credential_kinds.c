/*
 * The kinds of credentials and how their faults begin.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/parts.h"
#include "upstream/credential_provider.h"

static const struct credential_provider credential_key = { .shared = false };

/* By enum credential_kind; the configuration refuses what is left out. */
static const struct {
	const char *name;
	const struct credential_provider *provider;
} kinds[] = {
	[CREDENTIAL_KEY] = { "key", &credential_key },
	[CREDENTIAL_FILE] = { "file", &credential_file },
#if WITH_EXEC
	[CREDENTIAL_EXEC] = { "exec", &credential_exec },
#endif
#if WITH_OAUTH
	[CREDENTIAL_OAUTH] = { "oauth", &credential_oauth },
#endif
#if WITH_DATABRICKS
	[CREDENTIAL_DATABRICKS] = { "databricks-m2m", &credential_databricks },
#endif
#if WITH_AZURE
	[CREDENTIAL_ENTRA] = { "entra", &credential_entra },
	[CREDENTIAL_MANAGED_IDENTITY] = { "managed-identity", &credential_managed_identity },
#endif
#if WITH_AWS
	[CREDENTIAL_AWS] = { "aws", &credential_aws },
	[CREDENTIAL_AWS_KEYS] = { "aws-keys", &credential_aws_keys },
#endif
#if WITH_GOOGLE
	[CREDENTIAL_GOOGLE] = { "google", &credential_google },
#endif
};

const struct credential_provider *credential_provider(const struct backend *b)
{
	return kinds[b->credential.kind].provider;
}

const char *credential_kind_name(const struct backend *b)
{
	return kinds[b->credential.kind].name;
}

/* A plain key is as it is, and so are keys of AWS in the configuration. */
bool credential_renewable(const struct backend *b)
{
	const struct credential_provider *p = credential_provider(b);

	return p->shared || p->stale;
}

int credential_fault_at(const struct error_site *site, enum fault_class class,
			const struct backend *b, struct fault *f, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fault_set_at(site, f, class, 502, "api_error", "backend %s: its credential (%s) %s",
		     b->name, credential_kind_name(b), text);
	f->scope = FAULT_OF_KEY;
	if (class == FAULT_AUTH)
		f->should_retry = 0;
	return -1;
}

int credential_unreadable(const struct backend *b, const char *path, struct fault *f)
{
	credential_fault(b, f, "has a file that is no JSON");
	fault_note(f, "%s", path);
	return -1;
}
