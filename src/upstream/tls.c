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

#include <dirent.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/os.h"

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
	char *folder, *bundle;  /* the system's; at most one is set */
} tls = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Where systems keep them, after what libcurl was built with: Debian, Alpine and Arch; SUSE;
 * Fedora; the BSDs and macOS. */
static const char *const folders[] = { "/etc/ssl/certs", "/var/lib/ca-certificates/openssl",
				       "/etc/pki/tls/certs", NULL };
static const char *const bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt", "/var/lib/ca-certificates/ca-bundle.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/cert.pem", "/usr/local/etc/ssl/cert.pem", NULL
};

/* "9d04f354.0": eight hex digits, a dot, a number. */
static bool hash_name(const char *s)
{
	return strspn(s, "0123456789abcdef") == 8 && s[8] == '.' && s[9] >= '0' && s[9] <= '9';
}

static bool hashed_folder(const char *path)
{
	DIR *d = path ? opendir(path) : NULL;
	struct dirent *e;
	bool found = false;

	if (!d)
		return false;
	while (!found && (e = readdir(d)))
		found = hash_name(e->d_name);
	closedir(d);
	return found;
}

static bool is_file(const char *path)
{
	struct stat st;

	return path && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

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

/* SSL_CERT_DIR and SSL_CERT_FILE win, as for OpenSSL's own programs. */
static void find_system(void)
{
	const char *folder, *bundle, *env_dir = getenv("SSL_CERT_DIR"),
				     *env_file = getenv("SSL_CERT_FILE");

	built_in(&folder, &bundle);
	if (env_file && *env_file)
		folder = NULL, bundle = env_file;
	else if (env_dir && *env_dir)
		folder = env_dir;
	if (hashed_folder(folder)) {
		tls.folder = strdup(folder);
		return;
	}
	for (size_t i = 0; folders[i] && !env_file && !tls.folder; i++)
		if (hashed_folder(folders[i]))
			tls.folder = strdup(folders[i]);
	if (!tls.folder && is_file(bundle))
		tls.bundle = strdup(bundle);
	for (size_t i = 0; bundles[i] && !tls.folder && !tls.bundle; i++)
		if (is_file(bundles[i]))
			tls.bundle = strdup(bundles[i]);
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
}

const char *tls_anchors(const struct backend *b)
{
	if (b->ca_file)
		return b->ca_file;
	if (tls.folder)
		return tls.folder;
	return tls.bundle ? tls.bundle : "";
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
