/*
 * Where a backend's requests go, from what people write: hosts, names, regions, URLs copied from a
 * browser or a provider's page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"
#include "dialect/dialect.h"

static struct buf err;

/* A configuration of one backend in use. */
static struct config *load(const char *name, const char *options)
{
	char path[] = "/tmp/test-address-XXXXXX";
	struct config_load how = { .path = path };
	int fd = mkstemp(path);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	struct config *c;

	assert_non_null(f);
	fprintf(f, "proxy_backend = \"%s\";\nbackends = { %s = { %s }; };\n", name, name, options);
	fclose(f);
	buf_reset(&err);
	c = config_load(&how, &err);
	unlink(path);
	if (!c || !c->backend)
		fail_msg("refused: %s\n%s", options, buf_cstr(&err));
	return c;
}

/* name | options | model | of a message | of the list; NULL: not looked at */
struct place {
	const char *name, *options, *model, *message, *models;
};

static void assert_places(const struct place *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct config *c = load(v[i].name, v[i].options);
		struct backend b = *c->backend;
		struct target t = { .backend = &b, .model = v[i].model };
		struct arena a;

		arena_init(&a, 1 << 20);
		assert_string_equal(dialect_url(&a, &t, b.path_message, true), v[i].message);
		if (b.models_url)
			b.base_url = b.models_url;
		if (v[i].models)
			assert_string_equal(dialect_url(&a, &t, b.path_models, false), v[i].models);
		arena_release(&a);
		config_unref(c);
	}
}
#define ASSERT_PLACES(v) assert_places(v, sizeof(v) / sizeof((v)[0]))

#define DBX "https://adb-123.4.azuredatabricks.net"
#define GATEWAY "1234567890.ai-gateway.cloud.databricks.com"
#define DBX_MESSAGE "/serving-endpoints/m/invocations"
static void test_databricks(void **state)
{
	static const struct place v[] = {
		{ "AZURE_DATABRICKS", "api_key = \"t\"; host = \"adb-123.4\";", "m",
		  DBX DBX_MESSAGE, DBX "/api/2.0/serving-endpoints" },
		{ "AZURE_DATABRICKS", "api_key = \"t\"; host = \"adb-123.4.azuredatabricks.net\";",
		  "m", DBX DBX_MESSAGE, DBX "/api/2.0/serving-endpoints" },
		{ "AZURE_DATABRICKS", "api_key = \"t\"; host = \"" DBX "/?o=123#notebook\";", "m",
		  DBX DBX_MESSAGE, NULL },
		{ "AZURE_DATABRICKS", "api_key = \"t\"; base_url = \"" DBX "/\";", "m",
		  DBX DBX_MESSAGE, NULL },
		{ "AZURE_DATABRICKS", "api_key = \"t\"; host = \"dbc-1.cloud.databricks.com\";",
		  "m", "https://dbc-1.cloud.databricks.com" DBX_MESSAGE, NULL },
		{ "AZURE_DATABRICKS", "api_key = \"t\"; host = \"adb-123.4\"; dialect = "
		  "\"anthropic\";", "m", DBX "/serving-endpoints/anthropic/v1/messages", NULL },
		{ "AZURE_DATABRICKS", "api_key = \"t\"; base_url = \"https://" GATEWAY "\"; "
		  "model_prefix = \"\"; path_message = \"/mlflow/v1/chat/completions\";", "m",
		  "https://" GATEWAY "/mlflow/v1/chat/completions", NULL },
		{ "AZURE_DATABRICKS", "api_key = \"t\"; host = \"http://127.0.0.1:8099\";", "m",
		  "http://127.0.0.1:8099" DBX_MESSAGE, NULL },
	};

	ASSERT_PLACES(v);
}

#define AZ "https://res.openai.azure.com"
#define AZ_V1 AZ "/openai/v1/chat/completions"
#define AZ_DATED "/chat/completions?api-version="
static void test_azure(void **state)
{
	static const struct place v[] = {
		{ "AZURE_OPENAI", "api_key = \"t\"; host = \"res\";", "m", AZ_V1,
		  AZ "/openai/v1/models" },
		{ "AZURE_OPENAI", "api_key = \"t\"; base_url = \"" AZ "/\";", "m", AZ_V1, NULL },
		{ "AZURE_OPENAI", "api_key = \"t\"; base_url = \"" AZ "/openai\";", "m", AZ_V1,
		  NULL },
		{ "AZURE_OPENAI", "api_key = \"t\"; base_url = \"" AZ "/openai/v1/\";", "m", AZ_V1,
		  NULL },
		{ "AZURE_OPENAI", "api_key = \"t\"; base_url = \"" AZ_V1 "\";", "m", AZ_V1, NULL },
		{ "AZURE_OPENAI", "api_key = \"t\"; host = \"res\"; api_version = \"preview\";",
		  "m", AZ_V1 "?api-version=preview", AZ "/openai/v1/models?api-version=preview" },
		{ "AZURE_OPENAI", "api_key = \"t\"; base_url = \"" AZ_V1 "?api-version=v1\";",
		  "m", AZ_V1 "?api-version=v1", NULL },
		{ "AZURE_OPENAI", "api_key = \"t\"; host = \"res\"; api_version = \"2024-10-21\";",
		  "my dep", AZ "/openai/deployments/my%20dep" AZ_DATED "2024-10-21",
		  AZ "/openai/models?api-version=2024-10-21" },
		{ "AZURE_OPENAI", "api_key = \"t\"; base_url = \"" AZ "/openai\"; api_version = "
		  "\"2024-10-21\";", "m", AZ "/openai/deployments/m" AZ_DATED "2024-10-21", NULL },
		{ "AZURE_OPENAI", "api_key = \"t\"; base_url = \"" AZ "/openai/deployments/gpt"
		  AZ_DATED "2025-01-01-preview\";", "m",
		  AZ "/openai/deployments/gpt" AZ_DATED "2025-01-01-preview", NULL },
		{ "AZURE_OPENAI", "api_key = \"t\"; base_url = \"" AZ "/openai/deployments/gpt\";",
		  "m", AZ "/openai/deployments/gpt" AZ_DATED "2024-10-21", NULL },
		{ "AZURE_OPENAI", "api_key = \"t\"; base_url = \"" AZ "\"; base_path = \"\"; "
		  "path_message = \"/openai/deployments/{model}/chat/completions?api-version=x\";",
		  "m", AZ "/openai/deployments/m" AZ_DATED "x", NULL },
	};
	struct config *c;

	ASSERT_PLACES(v);
	c = load("AZURE_OPENAI", "api_key = \"t\"; base_url = \"" AZ "/openai/deployments/gpt\";");
	assert_string_equal(c->backend->model_big, "gpt");
	assert_null(c->backend->responses_models);
	config_unref(c);
	c = load("AZURE_OPENAI", "api_key = \"t\"; host = \"res\"; api_version = "
				 "\"2025-04-01-preview\";");
	assert_non_null(c->backend->responses_models);
	assert_string_equal(c->backend->path_responses,
			    "/responses?api-version=2025-04-01-preview");
	config_unref(c);
}

#define VERTEX_TAIL(region, maker) \
	"/v1/projects/p/locations/" region "/publishers/" maker "/models/"
#define VERTEX_LIST(maker) "/v1beta1/publishers/" maker "/models?pageSize=1000"
#define GEMINI_CALL "m:streamGenerateContent?alt=sse"
static void test_vertex(void **state)
{
	static const struct place v[] = {
		{ "VERTEX", "api_key = \"t\"; project = \"p\";", "m",
		  "https://aiplatform.googleapis.com" VERTEX_TAIL("global", "google") GEMINI_CALL,
		  "https://aiplatform.googleapis.com" VERTEX_LIST("google") },
		{ "VERTEX", "api_key = \"t\"; project = \"p\"; region = \"us\";", "m",
		  "https://aiplatform.us.rep.googleapis.com" VERTEX_TAIL("us", "google")
		  GEMINI_CALL, "https://aiplatform.us.rep.googleapis.com" VERTEX_LIST("google") },
		{ "VERTEX_ANTHROPIC", "api_key = \"t\"; project = \"p\"; region = \"eu\";", "m",
		  "https://aiplatform.eu.rep.googleapis.com" VERTEX_TAIL("eu", "anthropic")
		  "m:streamRawPredict",
		  "https://aiplatform.eu.rep.googleapis.com" VERTEX_LIST("anthropic") },
		{ "VERTEX_ANTHROPIC", "api_key = \"t\"; project = \"p\"; region = \"us-east5\";",
		  "claude-sonnet-4-5@20250929",
		  "https://us-east5-aiplatform.googleapis.com" VERTEX_TAIL("us-east5", "anthropic")
		  "claude-sonnet-4-5@20250929:streamRawPredict", NULL },
		{ "VERTEX", "api_key = \"t\"; project = \"p\"; base_url = "
		  "\"http://127.0.0.1:9/v1/x\";", "m", "http://127.0.0.1:9/v1/x/models/" GEMINI_CALL,
		  "http://127.0.0.1:9" VERTEX_LIST("google") },
	};

	ASSERT_PLACES(v);
}

static void test_bedrock(void **state)
{
	static const char lists[] =
		"/foundation-models?byOutputModality=TEXT /inference-profiles?maxResults=1000";
	static const struct { const char *options, *base, *models; } v[] = {
		{ "api_key = \"t\"; region = \"eu-west-1\";",
		  "https://bedrock-runtime.eu-west-1.amazonaws.com",
		  "https://bedrock.eu-west-1.amazonaws.com" },
		{ "api_key = \"t\"; base_url = \"http://127.0.0.1:9\";", "http://127.0.0.1:9",
		  "http://127.0.0.1:9" },
		{ "api_key = \"t\"; base_url = \"http://127.0.0.1:9\"; region = \"r-1\"; models_url = "
		  "\"http://x.{region}.test\";", "http://127.0.0.1:9", "http://x.r-1.test" },
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct config *c = load("BEDROCK", v[i].options);

		assert_string_equal(c->backend->base_url, v[i].base);
		assert_string_equal(c->backend->models_url, v[i].models);
		assert_string_equal(c->backend->path_models, lists);
		config_unref(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_databricks),
		cmocka_unit_test(test_azure),
		cmocka_unit_test(test_vertex),
		cmocka_unit_test(test_bedrock),
	};
	int rc;

	buf_init(&err, 64 * 1024);
	clearenv();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	buf_release(&err);
	return rc;
}
