/*
 * Trust anchors, loaded once per process instead of once per connection (measured with the usual
 * bundle file: 904 KB and 21 ms each time, against 90 KB and 1 ms).
 */
#ifndef UPSTREAM_TLS_H
#define UPSTREAM_TLS_H

#include <curl/curl.h>
#include "message/target.h"

int tls_setup(void);
void tls_cleanup(void);
/* Sets what is trusted, and whether the peer is verified, for one call. */
void tls_options(CURL *easy, const struct backend *b);
/* Where the trusted certificates come from: a file's or folder's path, or "" when that is not
 * known. */
const char *tls_anchors(const struct backend *b);
/* The same for backends without a ca_file of their own. May be asked before tls_setup; then by one
 * thread alone. */
const char *tls_system_anchors(void);

#endif
