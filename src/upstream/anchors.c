/*
 * The search for the system's trusted certificates. libcurl knows one place, that of the system
 * which it was built for; a program that was built elsewhere, or carries its libraries along, finds
 * nothing there.
 *
 * A folder of hashed names is better than a file (tls.c), but not one in which somebody has put a
 * certificate or two of his own beside the system's file, so it has to hold a few.
 */
#include "upstream/anchors.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define A_FEW 16

static const char *const folders[] = {
	"/etc/ssl/certs",                               /* Debian, Alpine, Arch, OpenWrt, FreeBSD */
	"/var/lib/ca-certificates/openssl",             /* SUSE */
	"/etc/pki/ca-trust/extracted/pem/directory-hash", /* Fedora, RHEL 10 */
	"/etc/pki/tls/certs",                           /* RHEL */
	"/etc/openssl/certs",                           /* NetBSD */
};

static const char *const bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt",           /* Debian, Alpine, Arch, OpenWrt */
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* RHEL, Fedora */
	"/etc/pki/tls/certs/ca-bundle.crt",             /* older RHEL */
	"/etc/pki/tls/cert.pem",
	"/var/lib/ca-certificates/ca-bundle.pem",       /* SUSE */
	"/etc/ssl/ca-bundle.pem",
	"/etc/ssl/cert.pem",                            /* Alpine, OpenWrt, the BSDs, macOS */
	"/etc/ssl/certs/ca-bundle.crt",                 /* NixOS */
	"/usr/local/share/certs/ca-root-nss.crt",       /* FreeBSD's ports */
	"/usr/local/etc/ssl/cert.pem",
	"/opt/homebrew/etc/ca-certificates/cert.pem",   /* Homebrew */
	"/usr/local/etc/ca-certificates/cert.pem",
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* "9d04f354.0": eight hex digits, a dot, a number. */
static bool hash_name(const char *s)
{
	return strspn(s, "0123456789abcdef") == 8 && s[8] == '.' && s[9] >= '0' && s[9] <= '9';
}

/* Does it hold that many? */
static bool hashed_folder(const char *path, int least)
{
	DIR *d = opendir(path);
	struct dirent *e;

	if (!d)
		return false;
	while (least > 0 && (e = readdir(d)))
		least -= hash_name(e->d_name);
	closedir(d);
	return least <= 0;
}

static bool is_file(const char *path, int least)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= least &&
	       access(path, R_OK) == 0;
}

struct search {
	const char *root;
	char *path;
	size_t size;
};

/* Is `place` good? Its path stays in the search then. */
static bool try_place(struct search *s, const char *place, bool (*good)(const char *, int), int least)
{
	if (place && *place && snprintf(s->path, s->size, "%s%s", s->root, place) < (int)s->size &&
	    good(s->path, least))
		return true;
	*s->path = '\0';
	return false;
}

static bool try_all(struct search *s, const char *first, const char *const *list, size_t n,
		    bool (*good)(const char *, int), int least)
{
	bool found = try_place(s, first, good, least);

	for (size_t i = 0; !found && i < n; i++)
		found = try_place(s, list[i], good, least);
	return found;
}

bool anchors_find(const char *root, const struct anchors_hints *h, char *path, size_t size)
{
	struct search s = { root, path, size };

	if (try_all(&s, h->folder, folders, COUNT(folders), hashed_folder, A_FEW))
		return true;
	if (try_all(&s, h->bundle, bundles, COUNT(bundles), is_file, 1) ||
	    try_place(&s, h->own, is_file, 1))
		return false;
	return try_all(&s, h->folder, folders, COUNT(folders), hashed_folder, 1);
}
