/*
 * Credentials of every kind: the files in which they lie and what token services answer. The first
 * byte chooses the kind; then the file (its path is in every setting and variable that can name
 * one), SECTION, and the answers to the calls (world.h). A program that is to be run prints the
 * next answer.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "checker.h"
#include "upstream/credential_provider.h"
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
int __wrap_credential_run(const struct backend *b, const struct credential_program *p,
			  struct waiter *w, struct buf *out, struct fault *f);

static char path[] = "/tmp/fuzz-credential.XXXXXX";
static int file_fd = -1;
static struct str printed;

static const struct credential_provider *const kinds[] = {
	&credential_file, &credential_exec, &credential_oauth, &credential_databricks,
	&credential_entra, &credential_managed_identity, &credential_aws, &credential_aws_keys,
	&credential_google,
};

static const char *const file_variables[] = {
	"GOOGLE_APPLICATION_CREDENTIALS", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE",
	"AZURE_FEDERATED_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
};

static void clean_up(void)
{
	unlink(path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	log_setup(LOG_LEVEL_NONE, "none");
	file_fd = mkstemp(path);
	require(file_fd >= 0);
	atexit(clean_up);
	for (size_t i = 0; i < sizeof(file_variables) / sizeof(*file_variables); i++)
		setenv(file_variables[i], path, 1);
	setenv("HOME", "/nonexistent", 1);
	setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1", 1);
	return 0;
}

/* Nothing that an input names is ever run. */
int __wrap_credential_run(const struct backend *b, const struct credential_program *p,
			  struct waiter *w, struct buf *out, struct fault *f)
{
	return buf_put_str(out, printed) ? credential_fault(b, f, "printed too much") : 0;
}

/* What the configuration would refuse does not come up: kinds 0 and 1 need a source. */
static struct backend draw_backend(uint8_t draw, size_t kind)
{
	return (struct backend){
		.name = "LAB", .base_url = "https://lab.example/v1", .region = "eu-west-1",
		.tls_verify = true, .timeout = 60, .idle_timeout = 20,
		.credential = {
			.source = draw & 16 || kind < 2 ? path : NULL,
			.client_id = "id", .client_secret = "secret",
			.tenant = "tenant", .profile = draw & 32 ? "default" : NULL,
			.role = draw & 64 ? "arn:aws:iam::1:role/x" : NULL,
			.token_url = draw & 128 ? "https://token.example/t" : NULL,
			.role_seconds = 900,
		},
	};
}

static void check_got(const struct backend *b, struct credential *got)
{
	struct fault f = FAULT_INIT;
	struct credential copy;

	require(got->token && got->obtained > 0);
	require(credential_copy(&copy, got, &f) == 0 && !strcmp(copy.token, got->token));
	credential_release(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = { (const char *)data + 1, size - 1 }, file = rest;
	struct credential got = CREDENTIAL_INIT;
	struct fault f = FAULT_INIT;
	struct world world = { .piece = 0 };
	struct backend b;
	const char *mark;
	size_t kind;

	if (!size)
		return 0;
	kind = (data[0] & 15) % (sizeof(kinds) / sizeof(*kinds));
	b = draw_backend(data[0], kind);
	mark = str_find(rest, SECTION);
	if (mark) {
		file.n = (size_t)(mark - file.p);
		world.answers.p = mark + strlen(SECTION);
		world.answers.n = rest.n - file.n - strlen(SECTION);
	}
	printed = world.answers;
	world_set(&world);
	require(ftruncate(file_fd, 0) == 0);
	require(pwrite(file_fd, file.p, file.n, 0) == (ssize_t)file.n);
	if (kinds[kind]->fetch(&b, NULL, &got, &f) == 0)
		check_got(&b, &got);
	else
		require(f.message[0] && str_utf8(str_of(f.message)));
	credential_release(&got);
	return 0;
}
