/*
 * What is trusted when a backend's certificate is verified.
 *
 * A folder of certificates named by their hash (CAPATH) is best: OpenSSL reads the one file it
 * needs. Where there is only a bundle file, or a backend names its own ca_file, the file is parsed
 * once into an X509_STORE that all connections share (it is reference counted and locks itself);
 * libcurl would parse it for each connection, and keep a copy in each CURLM. That way needs
 * libcurl to use the OpenSSL that this program is linked with; otherwise libcurl gets the file's
 * name.
 */
#include "upstream/tls.h"

#include <limits.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bundle.h"
#include "base/os.h"
#include "upstream/anchors.h"

/* One parsed file. Stays until the process ends; parsed again when the file changes. */
struct anchors {
	struct anchors *next;
	char *path;
	struct timespec changed;
	off_t size;
	X509_STORE *store;
};

static struct {
	pthread_mutex_t lock;
	struct anchors *files;
	bool openssl;           /* libcurl's TLS library is ours */
	bool searched;
	char *folder, *bundle;  /* the system's; at most one is set */
} tls = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* The paths that libcurl was built with, NULL where it can't tell. */
static void built_in(const char **folder, const char **bundle)
{
	*folder = *bundle = NULL;
#if LIBCURL_VERSION_NUM >= 0x075400
	CURL *e = curl_easy_init();
	char *p;

	if (!e)
		return;
	if (curl_easy_getinfo(e, CURLINFO_CAPATH, &p) == CURLE_OK)
		*folder = p;    /* static in libcurl */
	if (curl_easy_getinfo(e, CURLINFO_CAINFO, &p) == CURLE_OK)
		*bundle = p;
	curl_easy_cleanup(e);
#endif
}

/* SSL_CERT_FILE and SSL_CERT_DIR win, as for OpenSSL's own programs. */
static bool find_named(char *path, size_t size, bool *folder)
{
	static const char *const names[] = { "SSL_CERT_FILE", "SSL_CERT_DIR" };

	for (size_t i = 0; i < 2; i++) {
		const char *named = getenv(names[i]);
		struct stat st;

		*folder = i == 1;
		if (named && stat(named, &st) == 0 && S_ISDIR(st.st_mode) == *folder) {
			snprintf(path, size, "%s", named);
			return true;
		}
	}
	return false;
}

static void find_system(void)
{
	char path[PATH_MAX], own[PATH_MAX];
	struct anchors_hints hints = { .own = NULL };
	bool folder;

	if (tls.searched)
		return;
	tls.searched = true;
	if (bundle_folder()) {
		snprintf(own, sizeof(own), "%s/lib/ca-certificates.crt", bundle_folder());
		hints.own = own;
	}
	if (!find_named(path, sizeof(path), &folder)) {
		built_in(&hints.folder, &hints.bundle);
		folder = anchors_find("", &hints, path, sizeof(path));
	}
	if (*path)
		*(folder ? &tls.folder : &tls.bundle) = strdup(path);
}

/* The same major release of OpenSSL on both sides: then its structures are the same, too. */
static bool same_openssl(void)
{
	const char *theirs = curl_version_info(CURLVERSION_NOW)->ssl_version;
	unsigned long ours = OpenSSL_version_num() >> 28;

	return theirs && strncmp(theirs, "OpenSSL/", 8) == 0 &&
	       strtoul(theirs + 8, NULL, 10) == ours;
}

int tls_setup(void)
{
	tls.openssl = same_openssl();
	find_system();
	return 0;
}

void tls_cleanup(void)
{
	struct anchors *a, *next;

	for (a = tls.files; a; a = next) {
		next = a->next;
		X509_STORE_free(a->store);
		free(a->path);
		free(a);
	}
	free(tls.folder);
	free(tls.bundle);
	tls.files = NULL;
	tls.folder = tls.bundle = NULL;
	tls.searched = false;
}

const char *tls_system_anchors(void)
{
	find_system();
	if (tls.folder)
		return tls.folder;
	return tls.bundle ? tls.bundle : "";
}

const char *tls_anchors(const struct backend *b)
{
	return b->ca_file ? b->ca_file : tls_system_anchors();
}

/* The flags are those that libcurl sets on the stores that it makes: a chain may end in any
 * certificate of the file. */
static X509_STORE *store_load(const char *path)
{
	X509_STORE *s = X509_STORE_new();

	if (!s || !X509_STORE_load_locations(s, path, NULL)) {
		X509_STORE_free(s);
		return NULL;
	}
	X509_STORE_set_flags(s, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
	return s;
}

/* The entry of this file, made if there is none. With the lock held. */
static struct anchors *entry_of(const char *path)
{
	struct anchors *a;

	for (a = tls.files; a; a = a->next)
		if (strcmp(a->path, path) == 0)
			return a;
	a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	a->path = strdup(path);
	if (!a->path) {
		free(a);
		return NULL;
	}
	a->next = tls.files;
	tls.files = a;
	return a;
}

/* A reference to the file's store, NULL when the file can't be read. A file that changed to
 * something unreadable leaves the old store in force. */
static X509_STORE *store_get(const char *path)
{
	struct anchors *a;
	struct stat st = { 0 };
	X509_STORE *s = NULL;
	bool there = stat(path, &st) == 0;
	struct timespec t = os_modified(&st);

	pthread_mutex_lock(&tls.lock);
	a = entry_of(path);
	if (a && there &&
	    (!a->store || a->size != st.st_size || a->changed.tv_sec != t.tv_sec ||
	     a->changed.tv_nsec != t.tv_nsec)) {
		s = store_load(path);
		if (s) {
			X509_STORE_free(a->store);
			a->store = s;
			a->size = st.st_size;
			a->changed = t;
		}
	}
	s = a ? a->store : NULL;
	if (s)
		X509_STORE_up_ref(s);
	pthread_mutex_unlock(&tls.lock);
	return s;
}

/* libcurl calls this once per TLS connection, when its SSL_CTX is ready. ctx: the file's path. */
static CURLcode use_store(CURL *easy, void *ssl_ctx, void *ctx)
{
	X509_STORE *s = store_get(ctx);

	if (!s)
		return CURLE_SSL_CACERT_BADFILE;
	SSL_CTX_set_cert_store(ssl_ctx, s);     /* takes the reference */
	return CURLE_OK;
}

void tls_options(CURL *easy, const struct backend *b)
{
	const char *file = b->ca_file ? b->ca_file : tls.bundle;

	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, b->tls_verify ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, b->tls_verify ? 2L : 0L);
#if LIBCURL_VERSION_NUM >= 0x075700
	curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
#endif
	if (!b->tls_verify)
		return;
	if (!file && !tls.folder)
		return;         /* nothing known here: libcurl's own defaults */
	if (!b->ca_file && tls.folder) {
		curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
		curl_easy_setopt(easy, CURLOPT_CAPATH, tls.folder);
	} else if (tls.openssl) {
		curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
		curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, use_store);
		curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, (void *)file);
	} else {
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
		curl_easy_setopt(easy, CURLOPT_CAINFO, file);
	}
}
