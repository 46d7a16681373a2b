/*
 * AWS signatures, against those of another implementation, and against each other: what must and
 * what must not change them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "upstream/auth.h"
#include "upstream/sigv4.h"

#define TIME_2015 INT64_C(1440938160000)        /* 20150830T123600Z */

static const struct credential key = {
	.key_id = "AKIDEXAMPLE", .token = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
};

/* The line that begins with `name` among those of a signed request; the text lives in b. */
static const char *line_of(const struct sigv4_request *r, const struct credential *k,
			   const char *name, struct buf *b)
{
	buf_init(b, 0);
	assert_int_equal(sigv4_sign(r, k, b), 0);
	for (const char *line = b->p; *line; line += strlen(line) + 1)
		if (!strncmp(line, name, strlen(name)))
			return line;
	return NULL;
}

static void signature_of(const struct sigv4_request *r, char out[65])
{
	struct buf b;
	const char *line = line_of(r, &key, "Authorization: ", &b), *at;

	assert_non_null(line);
	at = strstr(line, "Signature=");
	assert_non_null(at);
	assert_int_equal(strlen(at + 10), 64);
	memcpy(out, at + 10, 65);
	buf_release(&b);
}

static struct sigv4_request plain(void)
{
	return (struct sigv4_request){ .method = "POST",
				       .url = "https://example.amazonaws.com/model/a:0/invoke",
				       .region = "us-east-1", .service = "service",
				       .wall_ms = TIME_2015 };
}

static void test_lines(void **state)
{
	static const char *const headers[] = { "Content-Type:  application/json ",
					       "Accept: */*", "X-Amzn-Bedrock-Trace: ENABLED" };
	struct credential session = key;
	struct sigv4_request r = plain();
	const char *line;
	struct buf b;

	session.session = "TOKEN//==";
	r.headers = headers;
	r.nheaders = 3;
	r.text = STR("{}");
	line = line_of(&r, &session, "Authorization: ", &b);
	assert_non_null(strstr(line, "Credential=AKIDEXAMPLE/20150830/us-east-1/service/"
				     "aws4_request, "));
	assert_non_null(strstr(line, "SignedHeaders=content-type;host;x-amz-content-sha256;"
				     "x-amz-date;x-amz-security-token;x-amzn-bedrock-trace, "));
	assert_null(strstr(line, key.token));
	buf_release(&b);
	assert_string_equal(line_of(&r, &session, "X-Amz-Security-Token", &b),
			    "X-Amz-Security-Token: TOKEN//==");
	buf_release(&b);
	assert_string_equal(line_of(&r, &session, "X-Amz-Date", &b),
			    "X-Amz-Date: 20150830T123600Z");
	buf_release(&b);
	assert_string_equal(line_of(&r, &session, "X-Amz-Content-Sha256", &b),
			    "X-Amz-Content-Sha256: 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e83"
			    "10c060f61caaff8a");
	buf_release(&b);
	assert_null(line_of(&r, &key, "X-Amz-Security-Token", &b));
	buf_release(&b);
}

/* Computed with Python's hmac over the canonical request that the documentation describes. */
static void test_vectors(void **state)
{
	static const struct { const char *url, *want; } vectors[] = {
		{ "https://example.amazonaws.com/",
		  "5e2fc22b3c3744d4e2511ad09e4469be915067e53b1c023b16cb3b4b67af3239" },
		{ "https://example.amazonaws.com",
		  "5e2fc22b3c3744d4e2511ad09e4469be915067e53b1c023b16cb3b4b67af3239" },
		{ "https://example.amazonaws.com/model/us.anthropic.claude-opus-4-6-v1:0/invoke",
		  "f8fe61bd92c1f6e3fc015f5a85fbd7ea9c1b240680e9e8363bee07f1a56fe290" },
		{ "https://example.amazonaws.com/model/arn:aws:bedrock:us-east-1:1:p%2Fx/converse",
		  "bb844c60723888af639005340500f71280b89a714cb1aa973d3471c1a9fe1540" },
		{ "http://127.0.0.1:8080/a%3A0/~b_c",
		  "e5f67ce9d5d0ae18db846365cfa5a64b68368ece4a5fff1f8de81904b9fcc796" },
		{ "https://example.amazonaws.com/?Action=x",
		  "2605fc6c866fd9fee0f4c20c292fab2d0b91f3f7dd03f875050099ef2e4ba477" },
	};

	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		struct sigv4_request r = plain();
		char got[65];

		r.url = vectors[i].url;
		r.text = STR("{\"a\":1}");
		signature_of(&r, got);
		assert_string_equal(got, vectors[i].want);
	}
}

/* The same in pieces, and with a port that says nothing. */
static void test_same(void **state)
{
	struct sigv4_request r = plain();
	char whole[65], got[65];
	struct arena a;
	struct segs s;

	r.text = STR("{\"a\":1}");
	signature_of(&r, whole);
	arena_init(&a, 0);
	segs_init(&s, &a);
	segs_puts(&s, "{\"a\"");
	segs_puts(&s, ":1}");
	r.text = STR_NONE;
	r.body = &s;
	signature_of(&r, got);
	assert_string_equal(got, whole);
	r.url = "http://example.amazonaws.com:80/model/a:0/invoke";
	signature_of(&r, got);
	assert_string_equal(got, whole);
	r.url = "https://example.amazonaws.com:443/model/a:0/invoke";
	signature_of(&r, got);
	assert_string_equal(got, whole);
	arena_release(&a);
}

static void test_different(void **state)
{
	struct sigv4_request base = plain(), r;
	char whole[65], got[65];

	signature_of(&base, whole);
	for (int i = 0; i < 6; i++) {
		r = base;
		if (i == 0)
			r.method = "GET";
		else if (i == 1)
			r.url = "https://example.amazonaws.com/model/a%3A0/invoke";
		else if (i == 2)
			r.text = STR(" ");
		else if (i == 3)
			r.region = "us-east-2";
		else if (i == 4)
			r.service = "sts";
		else
			r.wall_ms += 1000;
		signature_of(&r, got);
		assert_string_not_equal(got, whole);
	}
}

/* A host of AWS says which region is signed; any other leaves it to the option. */
static void test_region(void **state)
{
	static const struct { const char *url, *option, *signed_for; } cases[] = {
		{ "https://bedrock-runtime.eu-west-1.amazonaws.com/model/a/invoke", "us-east-1",
		  "eu-west-1" },
		{ "https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com/m", NULL,
		  "us-gov-west-1" },
		{ "https://vpce-0a1-2b3.bedrock-runtime.ap-south-1.vpce.amazonaws.com:443/m",
		  "us-east-1", "ap-south-1" },
		{ "https://bedrock.cn-north-1.amazonaws.com.cn/foundation-models", "us-east-1",
		  "cn-north-1" },
		{ "http://127.0.0.1:8080/eu-west-1.amazonaws.com", "eu-central-1", "eu-central-1" },
		{ "https://aws.eu-west-1.example.com/m", NULL, "us-east-1" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct backend backend = { .name = "B", .auth = AUTH_SIGV4,
					   .region = cases[i].option };
		struct upstream_call call = { .method = "GET", .url = cases[i].url,
					      .backend = &backend };
		struct curl_slist *lines;
		char scope[64] = "";
		struct fault f;

		assert_int_equal(auth_headers(&call, &key, &lines, &f), 0);
		for (struct curl_slist *l = lines; l; l = l->next) {
			const char *at = strstr(l->data, "Credential=AKIDEXAMPLE/");

			if (at)
				snprintf(scope, sizeof(scope), "%s", at + 23 + 9);
		}
		scope[strcspn(scope, "/")] = '\0';
		assert_string_equal(scope, cases[i].signed_for);
		curl_slist_free_all(lines);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_different),
		cmocka_unit_test(test_region),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
