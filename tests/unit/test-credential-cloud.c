/* Credentials that an endpoint gives, against a scripted one: what is asked, what becomes of each
 * answer, and that a failure costs one call and not one a request. */
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "base/clock.h"
#include "base/wait.h"
#include "issuer.h"
#include "upstream/credential_provider.h"
#include "upstream/upstream.h"

#define FORM_TOKEN "{\"access_token\":\"tok-%d\",\"expires_in\":3600}"

static struct issuer issuer;
static char dir[64], url[64];
static int64_t stands_at;               /* seconds, 0: the clock goes */
static bool until_asked;                /* it goes again once the issuer has been */

/* In place of the system's. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	timespec_get(t, TIME_UTC);
	if (stands_at && !(until_asked && atomic_load(&issuer.asked[0])))
		*t = (struct timespec){ .tv_sec = (time_t)stands_at };
	return 0;
}

static struct backend backend(enum credential_kind kind)
{
	return (struct backend){ .name = "lab", .base_url = "http://h", .auth = AUTH_BEARER,
				 .connect_timeout = 5,
				 .credential = { .kind = kind, .token_url = url,
						 .client_id = "the client",
						 .client_secret = "s:%&", .tenant = "t" } };
}

static void put(const char *name, const char *fmt, ...)
{
	char path[128];
	va_list ap;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	fclose(f);
	chmod(path, 0600);
}

static const char *in_dir(const char *name)
{
	static char path[4][128];
	static int next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static void gets(const struct backend *b, const char *token)
{
	struct credential c;
	struct fault f = FAULT_INIT;

	if (credential_get(b, NULL, 0, &c, &f))
		fail_msg("%s", f.message);
	assert_string_equal(c.token, token);
	credential_release(&c);
}

static struct fault fails_by(const struct backend *b, int64_t deadline, const char *words)
{
	struct credential c;
	struct fault f = FAULT_INIT;

	assert_int_equal(credential_get(b, NULL, deadline, &c, &f), -1);
	if (!strstr(f.message, words) || !strstr(f.message, "backend lab: its credential ("))
		fail_msg("\"%s\" does not say \"%s\"", f.message, words);
	assert_int_equal(f.status, 502);
	assert_string_equal(f.type, "api_error");
	return f;
}

static void fails(const struct backend *b, const char *words)
{
	fails_by(b, 0, words);
}

#define SCRIPT(...) issuer_script(&issuer, (struct issuer_route[]){ __VA_ARGS__, { .path = NULL } })
#define SAW(route, text) assert_true(issuer_saw(&issuer, route, text))

/* ---- the store ---- */

static void *get_in_thread(void *ctx)
{
	struct credential c;
	struct fault f = FAULT_INIT;

	if (credential_get(ctx, NULL, 0, &c, &f))
		return NULL;
	credential_release(&c);
	return ctx;
}

/* Twenty requests that find an expired token make one call. */
static void test_stampede(void **state)
{
	struct backend b = backend(CREDENTIAL_OAUTH);
	pthread_t t[20];
	void *done;

	SCRIPT({ "/token", 200, "{\"access_token\":\"old\",\"expires_in\":\"1\"}" });
	gets(&b, "old");
	SCRIPT({ "/token", 200, FORM_TOKEN });
	atomic_store(&issuer.pause_ms, 200);
	for (int i = 0; i < 20; i++)
		assert_int_equal(pthread_create(&t[i], NULL, get_in_thread, &b), 0);
	for (int i = 0; i < 20; i++) {
		pthread_join(t[i], &done);
		assert_non_null(done);
	}
	assert_int_equal(issuer.asked[0], 1);
	gets(&b, "tok-1");
	SAW(0, "grant_type=client_credentials&client_id=the%20client&client_secret=s%3A%25%26");
}

/* A failure is told to whoever asks next, in this process and the others, for a few seconds. */
static void test_failure_is_shared(void **state)
{
	struct backend b = backend(CREDENTIAL_OAUTH);

	SCRIPT({ "/token", 401, "{\"error\":\"invalid_client\",\"error_description\":"
		 "\"no such secret: s3cr3tS3cr3tS3cr3tS3cr3t\"}" });
	stands_at = clock_wall_ms() / 1000;
	fails(&b, "was refused with 401: invalid_client: no such secret: [redacted]");
	fails(&b, "invalid_client");
	credential_cleanup();
	credential_setup(dir);
	fails(&b, "invalid_client");
	assert_int_equal(issuer.asked[0], 1);
	stands_at += 5;
	fails(&b, "invalid_client");
	assert_int_equal(issuer.asked[0], 2);
	stands_at = 0;
	/* Another setting is another credential. */
	b.credential.client_secret = "right";
	SCRIPT({ "/token", 200, FORM_TOKEN });
	gets(&b, "tok-1");
}

/* ---- whoever waits ---- */

struct watch {
	struct waiter w;
	int ready, ticks, cancel_at;
	bool cancel;
};

static int on_ready(struct waiter *w, int i)
{
	struct watch *x = (struct watch *)w;

	x->ready++;
	w->fd[i] = -1;
	return x->cancel;
}

static int on_tick(struct waiter *w, int64_t now)
{
	struct watch *x = (struct watch *)w;

	w->due = now + 10;
	if (++x->ticks == 3)
		atomic_store(&issuer.held, false);
	return x->ticks == x->cancel_at;
}

static struct watch watch(int fd)
{
	return (struct watch){ .w = { { -1, fd }, on_ready, on_tick, CLOCK_NEVER } };
}

static void cancelled(const struct backend *b, struct watch *x)
{
	struct credential c;
	struct fault f = FAULT_INIT;

	assert_int_equal(credential_get(b, &x->w, clock_ms() + 60000, &c, &f), -1);
	assert_int_equal(f.class, FAULT_CANCELLED);
}

#define LOCKS 3

/* All that are in the state dir, as if other processes had them. */
static void lock_all(int fds[LOCKS])
{
	char pattern[128];
	glob_t g;

	snprintf(pattern, sizeof(pattern), "%s/.*.lock", dir);
	assert_int_equal(glob(pattern, 0, NULL, &g), 0);
	assert_int_equal(g.gl_pathc, LOCKS);
	for (size_t i = 0; i < LOCKS; i++) {
		fds[i] = open(g.gl_pathv[i], O_RDWR);
		assert_int_equal(flock(fds[i], LOCK_EX | LOCK_NB), 0);
	}
	globfree(&g);
}

/* While a token is got the client is watched and its stream's timers go on; who leaves neither has
 * to wait for it nor leaves a failure behind. */
static void test_waiters(void **state)
{
	struct backend b = backend(CREDENTIAL_OAUTH);
	struct watch x;
	struct credential c;
	struct fault f = FAULT_INIT;
	int64_t since;
	pthread_t t;
	int ends[2], locks[LOCKS];
	void *done;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	SCRIPT({ "/token", 0, "" });
	x = watch(ends[0]);
	x.cancel = true;
	cancelled(&b, &x);
	assert_int_equal(x.ready, 1);
	x = watch(-1);
	x.w.due = clock_ms();
	x.cancel_at = 3;
	cancelled(&b, &x);
	assert_int_equal(x.ticks, 3);

	/* What it lets go of is not asked about again. */
	SCRIPT({ "/token", 200, FORM_TOKEN });
	atomic_store(&issuer.held, true);
	x = watch(ends[0]);
	x.w.due = since = clock_ms();
	assert_int_equal(credential_get(&b, &x.w, clock_ms() + 60000, &c, &f), 0);
	assert_string_equal(c.token, "tok-1");
	assert_int_equal(x.ready, 1);
	assert_in_range(x.ticks, 3, 1 + (clock_ms() - since) / 10);
	credential_release(&c);

	/* The same for who waits for another one's call. */
	b.base_url = "http://other";
	SCRIPT({ "/token", 200, FORM_TOKEN });
	atomic_store(&issuer.held, true);
	assert_int_equal(pthread_create(&t, NULL, get_in_thread, &b), 0);
	while (!atomic_load(&issuer.asked[0]))
		wait_until(NULL, clock_ms() + 2);
	x = watch(ends[0]);
	x.cancel = true;
	cancelled(&b, &x);
	atomic_store(&issuer.held, false);
	pthread_join(t, &done);
	assert_non_null(done);
	assert_int_equal(issuer.asked[0], 1);

	/* And for who waits for another process. */
	b.base_url = "http://locked";
	SCRIPT({ "/token", 200, "{\"access_token\":\"old\",\"expires_in\":\"1\"}" });
	gets(&b, "old");
	lock_all(locks);
	x = watch(ends[0]);
	x.cancel = true;
	cancelled(&b, &x);
	fails_by(&b, clock_ms() + 100, "in the time that was left");
	assert_int_equal(issuer.asked[0], 1);
	for (size_t i = 0; i < LOCKS; i++)
		close(locks[i]);
	SCRIPT({ "/token", 200, FORM_TOKEN });
	gets(&b, "tok-1");
	close(ends[0]);
	close(ends[1]);
}

static void test_bad_endpoints(void **state)
{
	struct backend b = backend(CREDENTIAL_OAUTH);
	struct fault f;

	SCRIPT({ "/token", 200, "<html>" });
	b.name = "lab";
	b.base_url = "http://1";
	assert_int_equal(fails_by(&b, 0, "not JSON").class, FAULT_AUTH);
	SCRIPT({ "/token", 503, "" });
	b.base_url = "http://2";
	assert_int_equal(fails_by(&b, 0, "refused with 503").class, FAULT_TRANSIENT);
	SCRIPT({ "/token", 0, "" });
	b.base_url = "http://3";
	/* Asked it has been, so that it is not as late as the next one. */
	until_asked = true;
	stands_at = clock_wall_ms() / 1000 - 1;
	f = fails_by(&b, clock_ms() + 200, "in the time that was left");
	stands_at = 0;
	until_asked = false;
	assert_int_equal(issuer.asked[0], 1);
	assert_int_equal(f.class, FAULT_TRANSIENT);
	/* That was this request's time; the next one asks again. */
	SCRIPT({ "/token", 200, FORM_TOKEN });
	gets(&b, "tok-1");
	b.base_url = "http://4";
	b.credential.token_url = "http://127.0.0.1:1/token";
	f = fails_by(&b, 0, "could not be got from 127.0.0.1:1:");
	assert_non_null(strstr(f.message, "refused the connection"));
}

/* ---- Azure ---- */

static void test_entra(void **state)
{
	struct backend b = backend(CREDENTIAL_ENTRA);

	put("federated", "a.b.c\n");
	b.credential.client_secret = NULL;
	b.credential.source = in_dir("federated");
	SCRIPT({ "/token", 200, FORM_TOKEN }, { "/t/oauth2/v2.0/token", 200, FORM_TOKEN });
	gets(&b, "tok-1");
	SAW(0, "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-"
	       "bearer&client_assertion=a.b.c");
	SAW(0, "scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default");
	b.credential.token_url = NULL;
	*strstr(url, "/token") = 0;
	setenv("AZURE_AUTHORITY_HOST", url, 1);
	gets(&b, "tok-1");
	assert_int_equal(issuer.asked[1], 1);
	/* As the variable of the SDKs usually has it. */
	strcat(url, "/");
	setenv("AZURE_AUTHORITY_HOST", url, 1);
	gets(&b, "tok-2");
	unsetenv("AZURE_AUTHORITY_HOST");
	unlink(b.credential.source);
	b.base_url = "http://other";
	fails(&b, "No such file");
}

static void test_managed_identity(void **state)
{
	struct backend b = backend(CREDENTIAL_MANAGED_IDENTITY);
	char at[96];

	/* Both times are texts; the sooner counts. */
	SCRIPT({ "/token?api-version=2018-02-01", 200,
		 "{\"access_token\":\"m\",\"expires_in\":\"86399\","
		 "\"expires_on\":\"99999999999\"}" },
	       { "/app?api-version=2019-08-01", 200, FORM_TOKEN });
	gets(&b, "m");
	SAW(0, "resource=https%3A%2F%2Fcognitiveservices.azure.com&client_id=the%20client HTTP");
	SAW(0, "Metadata: true");
	snprintf(at, sizeof(at), "http://127.0.0.1:%d/app", issuer.port);
	setenv("IDENTITY_ENDPOINT", at, 1);
	setenv("IDENTITY_HEADER", "shared-secret", 1);
	b.credential.token_url = NULL;
	gets(&b, "tok-1");
	SAW(1, "X-IDENTITY-HEADER: shared-secret");
	unsetenv("IDENTITY_ENDPOINT");
	unsetenv("IDENTITY_HEADER");
}

/* The workspace's own endpoint, unless another one is set. */
static void test_databricks(void **state)
{
	struct backend b = backend(CREDENTIAL_DATABRICKS);
	char at[64];

	SCRIPT({ "/token", 200, FORM_TOKEN }, { "/oidc/v1/token", 200, "{\"access_token\":\"w\"}" });
	gets(&b, "tok-1");
	SAW(0, "Authorization: Basic dGhlJTIwY2xpZW50OnMlM0ElMjUlMjY=");
	SAW(0, "\r\n\r\ngrant_type=client_credentials&scope=all-apis");
	b.credential.token_url = NULL;
	snprintf(at, sizeof(at), "http://127.0.0.1:%d/serving-endpoints", issuer.port);
	b.base_url = at;
	gets(&b, "w");
}

/* ---- AWS ---- */

#define STS_KEYS(action) "{\"" action "Response\":{\"" action "Result\":{\"Credentials\":{" \
	"\"AccessKeyId\":\"ASIA%d\",\"SecretAccessKey\":\"role-secret\",\"SessionToken\":\"st\"," \
	"\"Expiration\":4102444800.0}}}}"

static const char *const config =
	"[default]\nregion = eu-west-1\n"
	"[profile chain]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = keys\n"
	"external_id = ext 1\nrole_session_name = me\nduration_seconds = 900\n"
	"s3 =\n  role_arn = nested\n"
	"[profile process]\ncredential_process = sh -c 'cat %s/keys.json'\n"
	"[profile mfa]\nrole_arn = x\nsource_profile = keys\nmfa_serial = y\n"
	"[profile round]\nrole_arn = x\nsource_profile = about\n"
	"[profile about]\nrole_arn = x\nsource_profile = round\n"
	"[profile web]\nrole_arn = arn:web\nweb_identity_token_file = %s/federated\n"
	"[profile words]\ncredential_process = echo no keys\n"
	"[profile env]\nrole_arn = arn:env\ncredential_source = Environment\n"
	"[profile ec2]\nrole_arn = arn:ec2\ncredential_source = Ec2InstanceMetadata\n"
	"[profile ecs]\nrole_arn = arn:ecs\ncredential_source = EcsContainer\n"
	"[profile odd]\nrole_arn = arn:odd\ncredential_source = Thing\n"
	"[profile alone]\nrole_arn = arn:alone\n"
	"[profile gone]\nrole_arn = arn:gone\nsource_profile = nobody\n"
	"[profiles]\naws_access_key_id = A\naws_secret_access_key = b\n"
	"[profile half]\nsso_account_id = 123\nsso_role_name = Dev\n"
	"[profile china]\nsso_start_url = https://cn/start\nsso_region = cn-north-1\n"
	"sso_account_id = 123\nsso_role_name = Dev\n"
	"[profile sso]\nsso_session = corp\nsso_account_id = 123\nsso_role_name = Dev\n"
	"[sso-session corp]\nsso_start_url = https://corp/start\nsso_region = eu-west-1\n";

static struct backend profile(const char *name)
{
	struct backend b = backend(CREDENTIAL_AWS);

	b.auth = AUTH_SIGV4;
	b.credential = (struct credential_setting){ .kind = CREDENTIAL_AWS, .profile = name };
	return b;
}

static void aws_files(void)
{
	put("config", config, dir, dir);
	put("credentials", "# keys\n[keys]\naws_access_key_id=AKIA\n"
	    "aws_secret_access_key = k/e+y=\naws_session_token = s\n");
	put("keys.json", "{\"Version\":1,\"AccessKeyId\":\"P\",\"SecretAccessKey\":\"proc\"}");
	put("federated", "w.e.b\n");
	setenv("AWS_CONFIG_FILE", in_dir("config"), 1);
	setenv("AWS_SHARED_CREDENTIALS_FILE", in_dir("credentials"), 1);
	setenv("AWS_ENDPOINT_URL_STS", url, 1);
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	setenv("HOME", dir, 1);
}

static void put_sso(const char *key, const char *text)
{
	unsigned char digest[20];
	char name[96] = ".aws/sso/cache/";
	unsigned n = 0;

	mkdir(in_dir(".aws"), 0700);
	mkdir(in_dir(".aws/sso"), 0700);
	mkdir(in_dir(".aws/sso/cache"), 0700);
	EVP_Digest(key, strlen(key), digest, &n, EVP_sha1(), NULL);
	for (unsigned i = 0; i < n; i++)
		sprintf(name + strlen(name), "%02x", digest[i]);
	strcat(name, ".json");
	put(name, "%s", text);
}

static void test_aws_profiles(void **state)
{
	struct backend b;

	aws_files();
	SCRIPT({ "/token", 200, STS_KEYS("AssumeRole") });
	b = profile("keys");
	gets(&b, "k/e+y=");
	b = profile("process");
	gets(&b, "proc");
	b = profile("chain");
	gets(&b, "role-secret");
	SAW(0, "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=me&DurationSeconds=900&"
	       "ExternalId=ext%201");
	SAW(0, "Credential=AKIA/");
	b = profile("mfa");
	fails(&b, "mfa_serial");
	b = profile("round");
	fails(&b, "without end");
	b = profile("nobody");
	fails(&b, "[profile nobody]");
	SCRIPT({ "/token", 200, STS_KEYS("AssumeRoleWithWebIdentity") });
	b = profile("web");
	gets(&b, "role-secret");
	SAW(0, "WebIdentityToken=w.e.b");
	SCRIPT({ "/token", 403, "{\"Error\":{\"Code\":\"AccessDenied\","
		 "\"Message\":\"not you\"}}" });
	b = profile("keys");
	b.credential.role = "arn:other";
	b.credential.external_id = "e";
	fails(&b, "STS (AssumeRole) with 403: AccessDenied: not you");
	SAW(0, "RoleSessionName=messages-fcgi&ExternalId=e");
	SCRIPT({ "/token", 200, "<AssumeRoleResponse/>" });
	b.base_url = "http://1";
	fails(&b, "answered by STS (AssumeRole) with something that is not JSON");
	SCRIPT({ "/token", 200, "{\"AssumeRoleResponse\":{}}" });
	b.base_url = "http://2";
	fails(&b, "not in the answer of STS (AssumeRole): it has no AccessKeyId");
}

/* The instance's metadata service; what is asked first is the session, then the role's name. */
#define INSTANCE(n) { "/latest/api/token", 200, "session-" #n }, \
	{ "/latest/meta-data/iam/security-credentials/worker", 200, "{\"Code\":\"Success\"," \
	  "\"AccessKeyId\":\"ASIAINST\",\"SecretAccessKey\":\"inst\",\"Token\":\"it\"," \
	  "\"Expiration\":\"2100-01-01T00:00:00Z\"}" }, \
	{ "/latest/meta-data/iam/security-credentials/", 200, "worker\n" }

static void use_instance(void)
{
	char at[64];

	snprintf(at, sizeof(at), "http://127.0.0.1:%d", issuer.port);
	setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", at, 1);
	unsetenv("AWS_EC2_METADATA_DISABLED");
}

/* credential_source: the keys with which the profile's role is assumed are those of the
 * environment, the instance, the container. */
static void test_aws_sources(void **state)
{
	struct backend b = profile("env");
	char at[64];

	aws_files();
	fails(&b, "not to be had from the profile's credential_source Environment");
	setenv("AWS_ACCESS_KEY_ID", "AKIAENV", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "env-secret", 1);
	setenv("AWS_SESSION_TOKEN", "env-session", 1);
	SCRIPT({ "/token", 200, STS_KEYS("AssumeRole") });
	b.base_url = "http://1";
	gets(&b, "role-secret");
	SAW(0, "RoleArn=arn%3Aenv&");
	SAW(0, "Credential=AKIAENV/");
	SAW(0, "X-Amz-Security-Token: env-session");
	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	unsetenv("AWS_SESSION_TOKEN");

	use_instance();
	SCRIPT({ "/token", 200, STS_KEYS("AssumeRole") }, INSTANCE(1));
	b = profile("ec2");
	gets(&b, "role-secret");
	SAW(0, "Credential=ASIAINST/");
	SAW(1, "PUT ");
	SAW(1, "X-aws-ec2-metadata-token-ttl-seconds: 300");
	SAW(2, "X-aws-ec2-metadata-token: session-1");
	setenv("AWS_EC2_METADATA_DISABLED", "TRUE", 1);
	b.base_url = "http://1";
	fails(&b, "credential_source Ec2InstanceMetadata");

	SCRIPT({ "/token", 200, STS_KEYS("AssumeRole") },
	       { "/container", 200, "{\"AccessKeyId\":\"ASIACONT\",\"SecretAccessKey\":\"c\"}" });
	snprintf(at, sizeof(at), "http://127.0.0.1:%d/container", issuer.port);
	setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", at, 1);
	setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic abc", 1);
	b = profile("ecs");
	gets(&b, "role-secret");
	SAW(0, "Credential=ASIACONT/");
	SAW(1, "Authorization: Basic abc\r\n");
	unsetenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	unsetenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	unsetenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
}

/* Profiles that lead nowhere: the answer says what is wrong with them. */
static void test_aws_bad_profiles(void **state)
{
	static const struct {
		const char *name, *words;
	} cases[] = {
		{ "words", "credential_process printed no JSON" },
		{ "odd", "unknown credential_source: Thing" },
		{ "alone", "profile alone: role_arn needs source_profile" },
		{ "gone", "profile gone: there is no source_profile nobody" },
		{ "s", "nor [profile s] in" },
		{ "half", "the profile lacks sso_session or sso_start_url" },
	};

	aws_files();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct backend b = profile(cases[i].name);

		fails(&b, cases[i].words);
	}
}

/* The addresses of AWS's own services, as a proxy is asked for them. */
static void test_aws_addresses(void **state)
{
	static const struct {
		const char *profile, *region, *host;
	} cases[] = {
		{ "chain", NULL, "sts.us-east-1.amazonaws.com" },
		{ "chain", "eu-west-1", "sts.eu-west-1.amazonaws.com" },
		{ "chain", "cn-north-1", "sts.cn-north-1.amazonaws.com.cn" },
		{ "sso", NULL, "portal.sso.eu-west-1.amazonaws.com" },
		{ "china", NULL, "portal.sso.cn-north-1.amazonaws.com.cn" },
	};
	char at[64], line[96], path[96];

	aws_files();
	unsetenv("AWS_ENDPOINT_URL_STS");
	put_sso("corp", "{\"accessToken\":\"sso-token\"}");
	put_sso("https://cn/start", "{\"accessToken\":\"sso-token\"}");
	snprintf(at, sizeof(at), "http://127.0.0.1:%d", issuer.port);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct backend b = profile(cases[i].profile);

		b.region = cases[i].region;
		b.proxy = at;
		snprintf(path, sizeof(path), "%s:443", cases[i].host);
		snprintf(line, sizeof(line), "could not be got from %s", cases[i].host);
		SCRIPT({ path, 403, "" });
		fails(&b, line);
		SAW(0, "CONNECT ");
	}
}

/* Keys that stand in a file of the user's are not written to another one. */
static void test_aws_keys_stay(void **state)
{
	struct backend b = profile("keys");
	char command[128];

	aws_files();
	gets(&b, "k/e+y=");
	snprintf(command, sizeof(command), "! grep -rlq 'k/e+y=' %s/.htmessages*", dir);
	assert_int_equal(system(command), 0);
}

static void test_aws_sso(void **state)
{
	struct backend b = profile("sso");
	char at[64];

	aws_files();
	snprintf(at, sizeof(at), "http://127.0.0.1:%d", issuer.port);
	setenv("AWS_ENDPOINT_URL_SSO", at, 1);
	fails(&b, "aws sso login");
	put_sso("corp", "{\"accessToken\":\"sso-token\",\"expiresAt\":\"2001-01-01T00:00:00UTC\"}");
	b.base_url = "http://1";
	fails(&b, "sign on again");
	put_sso("corp", "no JSON");
	b.base_url = "http://3";
	assert_non_null(strstr(fails_by(&b, 0, "no JSON").note, "/.aws/sso/cache/"));
	put_sso("corp", "{\"expiresAt\":\"2100-01-01T00:00:00Z\"}");
	b.base_url = "http://4";
	fails(&b, "without accessToken");
	put_sso("corp", "{\"accessToken\":\"sso-token\",\"expiresAt\":\"2100-01-01T00:00:00Z\"}");
	SCRIPT({ "/federation/credentials?role_name=Dev&account_id=123", 200,
		 "{\"roleCredentials\":{\"accessKeyId\":\"A\",\"secretAccessKey\":\"sso-secret\","
		 "\"sessionToken\":\"S\",\"expiration\":4102444800000}}" });
	b.base_url = "http://2";
	gets(&b, "sso-secret");
	SAW(0, "x-amz-sso_bearer_token: sso-token");
	unsetenv("AWS_ENDPOINT_URL_SSO");
}

static void test_aws_container(void **state)
{
	struct backend b = profile(NULL);

	aws_files();
	unsetenv("AWS_CONFIG_FILE");
	unsetenv("AWS_SHARED_CREDENTIALS_FILE");
	setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", in_dir("federated"), 1);
	setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1@example.com/x", 1);
	fails(&b, "neither https nor an address of this machine's");
	setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
	SCRIPT({ "/token", 200, "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"cont\",\"Token\":"
		 "\"T\",\"Expiration\":\"2001-01-01T00:00:00Z\"}" });
	/* A clock of ours that is wrong does not make it ask at each request. */
	gets(&b, "cont");
	gets(&b, "cont");
	assert_int_equal(issuer.asked[0], 1);
	SAW(0, "Authorization: w.e.b\r\n");
	unsetenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	unsetenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
}

/* ---- Google ---- */

static struct backend external(const char *source, const char *more)
{
	struct backend b = backend(CREDENTIAL_GOOGLE);

	put("adc.json", "{\"type\":\"external_account\",\"audience\":\"//iam/pool\","
	    "\"subject_token_type\":\"urn:ietf:params:oauth:token-type:jwt\",\"token_url\":"
	    "\"http://127.0.0.1:%d/sts\",%s\"credential_source\":%s}", issuer.port, more, source);
	b.credential = (struct credential_setting){ .kind = CREDENTIAL_GOOGLE,
						    .source = in_dir("adc.json") };
	b.base_url = source;
	return b;
}

static void test_google_external(void **state)
{
	struct backend b;
	char text[512];

	put("subject", "sub.ject\n");
	snprintf(text, sizeof(text), "{\"file\":\"%s\"}", in_dir("subject"));
	b = external(text, "");
	SCRIPT({ "/sts", 200, FORM_TOKEN }, { "/subject", 200, "{\"t\":\"from-url\"}" });
	gets(&b, "tok-1");
	SAW(0, "subject_token=sub.ject");
	SAW(0, "audience=%2F%2Fiam%2Fpool");
	snprintf(text, sizeof(text), "{\"url\":\"http://127.0.0.1:%d/subject\",\"headers\":"
		 "{\"Metadata\":\"True\"},\"format\":{\"type\":\"json\","
		 "\"subject_token_field_name\":\"t\"}}", issuer.port);
	b = external(text, "");
	gets(&b, "tok-2");
	SAW(0, "subject_token=from-url");
	SAW(1, "Metadata: True");
	b = external("{\"url\":\"http://example.com/x\"}", "");
	fails(&b, "in the clear");
	b = external("{\"url\":\"http://169.254.169.254.example.com/x\"}", "");
	fails(&b, "in the clear");
	b = external("{\"url\":\"http://169.254.169.254@example.com/x\"}", "");
	fails(&b, "in the clear");
	put("subject.sh", "echo '{\"version\":1,\"success\":true,\"id_token\":\"'"
	    "$GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE'\"}'\n");
	snprintf(text, sizeof(text), "{\"executable\":{\"command\":\"sh %s\"}}",
		 in_dir("subject.sh"));
	b = external(text, "");
	fails(&b, "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES");
	setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1", 1);
	b = external(text, " ");
	b.base_url = "http://allowed";
	assert_string_equal(credential_command(&b), "Google's file names an executable");
	gets(&b, "tok-3");
	SAW(0, "subject_token=%2F%2Fiam%2Fpool");
	put("subject.sh", "echo '{\"version\":1,\"success\":false,\"code\":\"401\",\"message\":"
	    "\"not this one: id_token=s3cr3tS3cr3tS3cr3tS3cr3t\"}'\n");
	b.base_url = "http://refused";
	fails(&b, "gave no token: not this one: [redacted]");
	put("subject.sh", "echo no JSON\n");
	b.base_url = "http://words";
	fails(&b, "has a program that printed no JSON");
	snprintf(text, sizeof(text), "{\"executable\":{\"command\":\"sleep 20\","
		 "\"timeout_millis\":1}}");
	b = external(text, "");
	fails(&b, "took too long");
	unsetenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES");
	assert_null(credential_command(&b));
	b = external("{\"certificate\":{}}", "");
	fails(&b, "none of file, url, executable and AWS");
	SCRIPT({ "/subject", 200, "{\"other\":1}" });
	snprintf(text, sizeof(text), "{\"url\":\"http://127.0.0.1:%d/subject\",\"format\":{\"type\":"
		 "\"json\",\"subject_token_field_name\":\"t\"}}", issuer.port);
	b = external(text, "");
	b.base_url = "http://other";
	fails(&b, "without \"t\"");
	SCRIPT({ "/subject", 403, "{\"error\":\"denied\"}" });
	b.base_url = "http://denied";
	fails(&b, "refused by the subject token's source with 403: denied");
}

static void test_google_aws(void **state)
{
	struct backend b = external("{\"environment_id\":\"aws1\"}", "");

	setenv("AWS_ACCESS_KEY_ID", "AKIA", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "aws-secret", 1);
	setenv("AWS_REGION", "eu-west-1", 1);
	SCRIPT({ "/sts", 200, FORM_TOKEN });
	gets(&b, "tok-1");
	SAW(0, "sts.eu-west-1.amazonaws.com");
	SAW(0, "x-goog-cloud-target-resource");
	/* Keys without a region, where there is no instance either. */
	unsetenv("AWS_REGION");
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	b.base_url = "http://no-region";
	fails(&b, "needs a region of AWS");
	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	b.base_url = "http://no-keys";
	fails(&b, "needs keys of AWS");
	/* An instance has both. */
	use_instance();
	SCRIPT({ "/sts", 200, FORM_TOKEN }, INSTANCE(2),
	       { "/latest/meta-data/placement/region", 200, "us-gov-west-1\n" });
	b.base_url = "http://instance";
	gets(&b, "tok-1");
	SAW(0, "sts.us-gov-west-1.amazonaws.com%253FAction");
	SAW(0, "ASIAINST%252F");
	SAW(4, "X-aws-ec2-metadata-token: session-2");
	unsetenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
}

static void test_google_impersonation(void **state)
{
	struct backend b;
	char more[256], source[256];

	put("subject", "sub.ject\n");
	snprintf(source, sizeof(source), "{\"file\":\"%s\"}", in_dir("subject"));
	snprintf(more, sizeof(more), "\"service_account_impersonation_url\":"
		 "\"http://127.0.0.1:%d/sa:generateAccessToken\",", issuer.port);
	b = external(source, more);
	SCRIPT({ "/sts", 200, FORM_TOKEN },
	       { "/sa:generateAccessToken", 200, "{\"accessToken\":\"sa-token\",\"expireTime\":"
		 "\"2100-01-01T00:00:00Z\"}" });
	gets(&b, "sa-token");
	SAW(1, "Authorization: Bearer tok-1");
	SAW(1, "\"lifetime\":\"3600s\"");
	b = external(source, "\"service_account_impersonation_url\":"
		     "\"https://iamcredentials.googleapis.com.example.com/x\",");
	b.base_url = "http://1";
	fails(&b, "not Google's");
	put("adc.json", "{\"type\":\"authorized_user\",\"client_id\":\"c\",\"client_secret\":\"s\","
	    "\"refresh_token\":\"r\",\"token_uri\":\"https://evil.example/token\"}");
	b.base_url = "http://2";
	fails(&b, "not at Google");
	/* Clouds that Google runs for others have names of their own. */
	put("adc.json", "{\"type\":\"authorized_user\",\"client_id\":\"c\",\"client_secret\":\"s\","
	    "\"refresh_token\":\"r\",\"universe_domain\":\"cloud.example\",\"token_uri\":"
	    "\"https://sts.cloud.example/token\"}");
	snprintf(source, sizeof(source), "http://127.0.0.1:%d", issuer.port);
	b.proxy = source;
	b.base_url = "http://3";
	fails(&b, "could not be got from sts.cloud.example");
	put("adc.json", "{\"type\":\"authorized_user\",\"client_id\":\"c\",\"client_secret\":\"s\","
	    "\"refresh_token\":\"r\",\"universe_domain\":\"cloud.example\",\"token_uri\":"
	    "\"https://stscloud.example/token\"}");
	b.base_url = "http://4";
	fails(&b, "not at Google");
	b.credential.token_url = url;
	SCRIPT({ "/token", 200, FORM_TOKEN });
	gets(&b, "tok-1");
	SAW(0, "grant_type=refresh_token&client_id=c&client_secret=s&refresh_token=r");
}

/* A login that may act as a service account: the file says as whom, and through whom. Its own token
 * is asked for the scope that this takes, whatever the account's is to have. */
static void test_google_impersonated_login(void **state)
{
	struct backend b = backend(CREDENTIAL_GOOGLE);
	const char *file = "{\"type\":\"impersonated_service_account\",\"delegates\":[\"a@x\"],"
		"\"service_account_impersonation_url\":\"http://127.0.0.1:%d/sa:generateAccessToken\","
		"\"source_credentials\":%s}";
	char source[128], role[64], text[256];

	snprintf(source, sizeof(source), "{\"file\":\"%s\"}", in_dir("subject"));
	snprintf(role, sizeof(role), "http://127.0.0.1:%d/sa", issuer.port);
	put("adc.json", file, issuer.port, "{\"type\":\"authorized_user\",\"client_id\":\"c\","
	    "\"client_secret\":\"s\",\"refresh_token\":\"r\"}");
	b.credential.source = in_dir("adc.json");
	b.credential.scope = "https://www.googleapis.com/auth/narrow";
	b.credential.role_seconds = 900;
	SCRIPT({ "/token", 200, FORM_TOKEN },
	       { "/sa:generateAccessToken", 200, "{\"accessToken\":\"sa-token\",\"expireTime\":"
		 "\"2100-01-01T00:00:00Z\"}" });
	gets(&b, "sa-token");
	SAW(0, "grant_type=refresh_token");
	SAW(1, "Authorization: Bearer tok-1");
	SAW(1, "{\"scope\":[\"https://www.googleapis.com/auth/narrow\"],\"lifetime\":\"900s\","
	       "\"delegates\":[\"a@x\"]}");
	put("subject", "sub.ject\n");
	b = external(source, "");
	b.credential.scope = "narrow";
	b.credential.role = role;
	SCRIPT({ "/sts", 200, FORM_TOKEN },
	       { "/sa:generateAccessToken", 200, "{\"accessToken\":\"sa-2\",\"expireTime\":"
		 "\"2100-01-01T00:00:00Z\"}" });
	gets(&b, "sa-2");
	SAW(0, "scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform");
	SAW(1, "{\"scope\":[\"narrow\"],\"lifetime\":\"3600s\"}");
	snprintf(text, sizeof(text), "{\"type\":\"external_account\",\"token_url\":"
		 "\"http://127.0.0.1:%d/sts\",\"credential_source\":%s}", issuer.port, source);
	put("adc.json", file, issuer.port, text);
	b.credential.role = NULL;
	b.base_url = "http://0";
	gets(&b, "sa-2");
	SAW(0, "scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform");
	put("adc.json", file, issuer.port, "{\"type\":\"impersonated_service_account\"}");
	b.base_url = "http://1";
	fails(&b, "impersonates for one that impersonates");
	put("adc.json", "{\"type\":\"gdch_service_account\"}");
	b.base_url = "http://2";
	fails(&b, "whose type is none of service_account");
	put("adc.json", "no JSON");
	b.base_url = "http://3";
	assert_string_equal(fails_by(&b, 0, "a file that is no JSON").note, b.credential.source);
	put("adc.json", "{\"type\":\"service_account\",\"client_email\":\"e\",\"private_key\":\"k\"}");
	b.base_url = "http://4";
	fails(&b, "without a usable client_email and RSA private_key");
}

/* credential.role: what the machine is given becomes the service account. */
static void test_google_role(void **state)
{
	struct backend b = backend(CREDENTIAL_GOOGLE);
	char role[64], host[32];

	snprintf(role, sizeof(role), "http://127.0.0.1:%d/sa@p", issuer.port);
	snprintf(host, sizeof(host), "127.0.0.1:%d", issuer.port);
	setenv("GCE_METADATA_HOST", host, 1);
	setenv("CLOUDSDK_CONFIG", dir, 1);
	b.credential = (struct credential_setting){ .kind = CREDENTIAL_GOOGLE, .role = role };
	SCRIPT({ "/computeMetadata/v1/instance/service-accounts/default/token", 200, FORM_TOKEN },
	       { "/sa@p:generateAccessToken", 200, "{\"accessToken\":\"sa-token\",\"expireTime\":"
		 "\"2100-01-01T00:00:00Z\"}" });
	gets(&b, "sa-token");
	SAW(0, "Metadata-Flavor: Google");
	SAW(1, "Authorization: Bearer tok-1");
	SAW(1, "{\"scope\":[\"https://www.googleapis.com/auth/cloud-platform\"],"
	       "\"lifetime\":\"3600s\"}");
	/* An address alone is one of Google's API. */
	b.credential.role = "sa@p.iam.gserviceaccount.com";
	snprintf(role, sizeof(role), "http://%s", host);
	b.proxy = role;
	fails(&b, "could not be got from iamcredentials.googleapis.com");
	/* A login's file comes before the machine's own. */
	put("application_default_credentials.json", "{\"type\":\"authorized_user\",\"client_id\":"
	    "\"c\",\"client_secret\":\"s\",\"refresh_token\":\"login\"}");
	b.base_url = "http://1";
	b.credential.role = NULL;
	b.credential.token_url = url;
	SCRIPT({ "/token", 200, FORM_TOKEN });
	gets(&b, "tok-1");
	SAW(0, "refresh_token=login");
	unsetenv("GCE_METADATA_HOST");
	unsetenv("CLOUDSDK_CONFIG");
}

static int setup(void **state)
{
	strcpy(dir, "/tmp/messages-credential-XXXXXX");
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/token", issuer.port);
	if (!mkdtemp(dir))
		return -1;
	credential_setup(dir);
	return 0;
}

static int teardown(void **state)
{
	char text[128];

	credential_cleanup();
	snprintf(text, sizeof(text), "rm -rf %s", dir);
	return system(text);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_stampede), TEST(test_failure_is_shared), TEST(test_waiters),
		TEST(test_bad_endpoints),
		TEST(test_entra), TEST(test_managed_identity), TEST(test_databricks),
		TEST(test_aws_profiles),
		TEST(test_aws_sources), TEST(test_aws_bad_profiles), TEST(test_aws_addresses),
		TEST(test_aws_keys_stay), TEST(test_aws_sso), TEST(test_aws_container),
		TEST(test_google_external), TEST(test_google_aws), TEST(test_google_impersonation),
		TEST(test_google_impersonated_login), TEST(test_google_role),
	};
	int r;

	unsetenv("AWS_PROFILE");
	if (upstream_setup() || issuer_start(&issuer))
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	issuer_stop(&issuer);
	upstream_cleanup();
	return r;
}
