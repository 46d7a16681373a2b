/*
 * Which kind of credential a backend has, and whether its settings are whole. A key that comes from
 * a file or a command is a credential of that kind, without further settings; a preset's kind
 * counts where there is no key.
 */
#include "config/draft.h"

#include <string.h>

#include "base/parts.h"
#include "config/emit.h"
#include "config/secret.h"

/* By enum credential_kind: whether what is got can only be a Bearer token, even where keys are sent
 * in another way; what has to be set, three at most, and what may stand in for the third; the part
 * of the build that gets it. */
static const struct {
	const char *name;
	bool bearer;
	const char *needs[4];
	const char *part;               /* base/parts.h */
} kinds[] = {
	[CREDENTIAL_KEY] = { "key", false, { NULL }, NULL },
	[CREDENTIAL_FILE] = { "file", false, { "credential.source" }, NULL },
	[CREDENTIAL_EXEC] = { "exec", false, { "credential.source" }, "exec" },
	[CREDENTIAL_OAUTH] = { "oauth", true, { "credential.token_url", "credential.client_id",
						"credential.client_secret" }, "oauth" },
	[CREDENTIAL_DATABRICKS] = { "databricks-m2m", true, { "credential.client_id",
							      "credential.client_secret" },
				    "databricks" },
	[CREDENTIAL_ENTRA] = { "entra", true, { "credential.tenant", "credential.client_id",
						"credential.client_secret",
						"credential.source" }, "azure" },
	[CREDENTIAL_MANAGED_IDENTITY] = { "managed-identity", true, { NULL }, "azure" },
	[CREDENTIAL_AWS] = { "aws", false, { NULL }, "aws" },
	[CREDENTIAL_AWS_KEYS] = { "aws-keys", false, { "credential.client_id",
						       "credential.client_secret" }, "aws" },
	[CREDENTIAL_GOOGLE] = { "google", true, { NULL }, "google" },
};

/* "file:" and "exec:" of api_key. A file that can't be read now may be there later, but a start
 * without it is more likely a mistake: the key is missing then. */
static void from_key(struct loader *l, struct draft *d, const struct origin *key)
{
	struct credential_setting *s = &d->b.credential;

	/* Keys that take turns are followed by reading the configuration again. */
	if (!key->ref || !d->b.api_key ||
	    (d->b.api_keys && d->b.api_keys[0] && strncmp(key->ref, "exec:", 5)))
		return;
	if (strncmp(key->ref, "env:", 4))
		*option_from(&d->set, "credential.kind") =
			*option_from(&d->set, "credential.source") = *key;
	if (!strncmp(key->ref, "file:", 5)) {
		s->kind = CREDENTIAL_FILE;
		s->source = path_resolve(l, key->ref + 5);
	} else if (!strncmp(key->ref, "exec:", 5)) {
		s->kind = CREDENTIAL_EXEC;
		s->source = arena_printf(l->arena, "%s", key->ref + 5);
		d->b.api_key_from = "a command";
		d->b.api_key = NULL;
	}
}

/* A file's path is like any other path of the config. */
static void settle_source(struct loader *l, struct draft *d)
{
	struct credential_setting *s = &d->b.credential;

	if (!s->source || s->kind == CREDENTIAL_EXEC)
		return;
	s->source = path_resolve(l, s->source);
	/* What Kubernetes mounts is readable for all in its container. */
	if (s->kind == CREDENTIAL_ENTRA)
		return;
	if (s->source && !path_exposed(l, "credential.source", s->source,
				       option_from(&d->set, "credential.source")))
		path_check_private(l, "credential.source", s->source, true,
				   option_from(&d->set, "credential.source"));
}

static void settle(struct loader *l, struct draft *d)
{
	const struct origin *kind = option_from(&d->set, "credential.kind");
	struct credential_setting *s = &d->b.credential;

	/* Keys as they stand cost nothing and are not to be shared in files. */
	if (s->kind == CREDENTIAL_AWS && s->client_id && s->client_secret && !s->role)
		s->kind = CREDENTIAL_AWS_KEYS;
	if (s->kind != CREDENTIAL_KEY && (kind->kind != ORIGIN_PRESET || !d->b.api_key)) {
		settle_source(l, d);
		if (kinds[s->kind].bearer)
			d->b.auth = AUTH_BEARER;
		d->b.api_key = NULL;
		d->b.api_key_from = arena_printf(l->arena, "its credential (%s)",
						 kinds[s->kind].name);
		return;
	}
	s->kind = CREDENTIAL_KEY;
	from_key(l, d, option_from(&d->set, "api_key"));
}

void credential_settle(struct loader *l, struct draft *d)
{
	const char *part;

	settle(l, d);
	part = part_missing(kinds[d->b.credential.kind].part);
	if (part)
		report_error(l->report, option_from(&d->set, "credential.kind"),
			     "backends.%s: credentials of kind \"%s\" were left out of this build "
			     "(configure --enable-%s)", d->b.name,
			     kinds[d->b.credential.kind].name, part);
	else if (d->b.auth == AUTH_SIGV4 && part_missing("aws"))
		report_error(l->report, option_from(&d->set, "auth"), "backends.%s: signatures of AWS "
			     "were left out of this build (configure --enable-aws)", d->b.name);
}

static bool lacks(const struct draft *d, const char *path)
{
	return !option_given(option_find(&options_backend, path), &d->b);
}

const char *credential_lacks(struct loader *l, const struct draft *d)
{
	enum credential_kind kind = d->b.credential.kind;
	const char *const *needs = kinds[kind].needs;

	for (size_t i = 0; i < 3 && needs[i]; i++) {
		if (!lacks(d, needs[i]) || (i == 2 && needs[3] && !lacks(d, needs[3])))
			continue;
		return arena_printf(l->arena,
				    "has no API key, and for a credential of kind \"%s\" it lacks "
				    "%s", kinds[kind].name, needs[i]);
	}
	return NULL;
}
