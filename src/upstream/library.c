/*
 * The process's side of libcurl: start, end, and what it can do.
 */
#include "upstream/upstream.h"

#include <curl/curl.h>
#include <signal.h>
#include <string.h>
#include <strings.h>

#include "upstream/slot.h"
#include "upstream/tls.h"

int upstream_setup(void)
{
	struct sigaction now;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -1;
	/* OpenSSL writes with write(2): a connection that the peer closed would end the process. */
	if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);
	return tls_setup() || slots_setup() ? -1 : 0;
}

void upstream_cleanup(void)
{
	slots_cleanup();
	tls_cleanup();
	curl_global_cleanup();
}

void upstream_idle(void)
{
	slots_sweep();
}

/* Name, then either a bit of curl_version_info's features or the first release that has it. */
static const struct {
	const char *name;
	long bit;
	unsigned release;
} features[] = {
	{ "http2", CURL_VERSION_HTTP2, 0 },
	{ "gzip", CURL_VERSION_LIBZ, 0 },
	{ "brotli", CURL_VERSION_BROTLI, 0 },
	{ "ssl", CURL_VERSION_SSL, 0 },
	{ "ipv6", CURL_VERSION_IPV6, 0 },
	{ "async-dns", CURL_VERSION_ASYNCHDNS, 0 },
	{ "https-proxy", CURL_VERSION_HTTPS_PROXY, 0 },
	{ "aws-sigv4", 0, 0x074b00 },
	{ "quick-exit", 0, 0x075700 },
};

bool upstream_feature(const char *name)
{
	const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);

	/* "ssl-openssl", "ssl-gnutls": the TLS library's own name. */
	if (strncasecmp(name, "ssl-", 4) == 0)
		return v->ssl_version &&
		       strncasecmp(v->ssl_version, name + 4, strlen(name + 4)) == 0;
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		if (strcasecmp(features[i].name, name) == 0)
			return features[i].bit ? (v->features & features[i].bit) != 0 :
						 v->version_num >= features[i].release;
	for (const char *const *p = v->protocols; *p; p++)
		if (strcasecmp(*p, name) == 0)
			return true;
	return false;
}

const char *upstream_library(void)
{
	return curl_version();
}
