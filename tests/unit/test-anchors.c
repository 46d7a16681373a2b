/* Where certificates are looked for, on roots that look like those of other systems. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "upstream/anchors.h"

static char root[] = "/tmp/test-anchors.XXXXXX";

static int start(void **state)
{
	strcpy(root + strlen(root) - 6, "XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	return remove(path);
}

static int end(void **state)
{
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void make_folders(char *path)
{
	for (char *at = strchr(path + strlen(root) + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		mkdir(path, 0755);
		*at = '/';
	}
}

static void put_file(const char *name, const char *text)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s%s", root, name);
	make_folders(path);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void put_hashed(const char *folder, int n)
{
	char name[256];

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s/%08x.0", folder, i);
		put_file(name, "x");
	}
}

/* What is found, without the root. */
static const char *find(const struct anchors_hints *hints, bool *folder)
{
	static const struct anchors_hints none = { NULL, NULL, NULL };
	static char path[512];

	*folder = anchors_find(root, hints ? hints : &none, path, sizeof(path));
	if (!*path)
		return path;
	assert_int_equal(strncmp(path, root, strlen(root)), 0);
	return path + strlen(root);
}

static void test_files(void **state)
{
	static const char *const places[] = {
		"/etc/ssl/certs/ca-certificates.crt",   /* Debian, Alpine, OpenWrt */
		"/etc/pki/tls/certs/ca-bundle.crt",     /* RHEL 7 to 9 */
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
		"/var/lib/ca-certificates/ca-bundle.pem", "/etc/ssl/cert.pem",
		"/usr/local/share/certs/ca-root-nss.crt",
		"/opt/homebrew/etc/ca-certificates/cert.pem",
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		bool folder = true;

		put_file(places[i], "x");
		assert_string_equal(find(NULL, &folder), places[i]);
		assert_false(folder);
		assert_int_equal(end(state), 0);
		assert_int_equal(start(state), 0);
	}
}

static void test_folders(void **state)
{
	bool folder;

	put_file("/etc/ssl/certs/ca-certificates.crt", "x");
	put_hashed("/etc/ssl/certs", 20);
	assert_string_equal(find(NULL, &folder), "/etc/ssl/certs");
	assert_true(folder);
}

/* One of the machine's owner beside the system's file is not what the world is trusted by. */
static void test_a_few(void **state)
{
	struct anchors_hints hints = { .own = "/home/u/ai/lib/ca-certificates.crt" };
	bool folder;

	put_hashed("/etc/pki/tls/certs", 2);
	assert_string_equal(find(NULL, &folder), "/etc/pki/tls/certs");
	assert_true(folder);
	put_file("/home/u/ai/lib/ca-certificates.crt", "x");
	assert_string_equal(find(&hints, &folder), hints.own);
	assert_false(folder);
	put_file("/etc/pki/tls/certs/ca-bundle.crt", "x");
	assert_string_equal(find(&hints, &folder), "/etc/pki/tls/certs/ca-bundle.crt");
}

static void test_hints(void **state)
{
	struct anchors_hints hints = { .folder = "/opt/certs", .bundle = "/opt/bundle.pem" };
	bool folder;

	put_file("/etc/ssl/cert.pem", "x");
	put_file("/opt/bundle.pem", "x");
	assert_string_equal(find(&hints, &folder), "/opt/bundle.pem");
	put_hashed("/opt/certs", 20);
	assert_string_equal(find(&hints, &folder), "/opt/certs");
	assert_true(folder);
}

static void test_nothing(void **state)
{
	struct anchors_hints hints = { .own = "/lib/ca-certificates.crt" };
	bool folder;

	assert_string_equal(find(&hints, &folder), "");
	put_file("/etc/ssl/cert.pem", "");      /* a package that is half removed */
	put_file("/etc/ssl/certs/README", "x");
	assert_string_equal(find(&hints, &folder), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_files, start, end),
		cmocka_unit_test_setup_teardown(test_folders, start, end),
		cmocka_unit_test_setup_teardown(test_a_few, start, end),
		cmocka_unit_test_setup_teardown(test_hints, start, end),
		cmocka_unit_test_setup_teardown(test_nothing, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
