/*
 * What a process of a bundle does differently. The libraries beside it are all that it may load;
 * but the C library would load what the machine's nsswitch.conf names (sss, resolve, mymachines),
 * and OpenSSL what its openssl.cnf does (providers, engines). Those were built for other releases
 * of the libraries than ours, and the names of backends are in DNS.
 */
#include "config.h"
#include "base/bundle.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#ifdef HAVE___NSS_CONFIGURE_LOOKUP
#include <nss.h>
#endif

#include "base/os.h"

static const char *folder;

const char *bundle_folder(void)
{
	return folder;
}

static void own_name_services(void)
{
#ifdef HAVE___NSS_CONFIGURE_LOOKUP
	static const char *const files[] = { "passwd", "group", "services", "protocols",
					     "networks" };

	__nss_configure_lookup("hosts", "files dns");
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		__nss_configure_lookup(files[i], "files");
#endif
}

void bundle_setup(void)
{
	const char *path = getenv("MESSAGES_BUNDLE");

	if (!path || *path != '/')
		return;
	folder = path;
	own_name_services();
	/* The first to initialise it decides. */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	/* Else lists of processes show the loader's name. */
	os_name_process("messages.fcgi");
}
