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

/* Bits of curl_version_info's features; other names are protocols'. */
static const struct {
	const char *name;
	long bit;
} features[] = {
	{ "http2", CURL_VERSION_HTTP2 },
	{ "https-proxy", CURL_VERSION_HTTPS_PROXY },
};

bool upstream_feature(const char *name)
{
	const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);

	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		if (strcasecmp(features[i].name, name) == 0)
			return (v->features & features[i].bit) != 0;
	for (const char *const *p = v->protocols; *p; p++)
		if (strcasecmp(*p, name) == 0)
			return true;
	return false;
}

const char *upstream_library(void)
{
	return curl_version();
}
