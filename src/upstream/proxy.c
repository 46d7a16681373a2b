/*
 * The proxy for a call. libcurl could read the environment by itself, but then in every release by
 * other rules; and here two rules are our own: loopback never goes through a proxy, and HTTP_PROXY
 * in capitals is never read, for under CGI it is what a client sent as its header "Proxy:" (the
 * hole known as httpoxy).
 */
#include "upstream/proxy.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Names to look up, first one wins; only these. By scheme of the call. */
static const char *const for_https[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
					 NULL };
static const char *const for_http[] = { "http_proxy", "all_proxy", "ALL_PROXY", NULL };
static const char *const exclusions[] = { "no_proxy", "NO_PROXY", NULL };

static const char *first_set(const char *const *names)
{
	const char *v;

	for (; *names; names++) {
		v = getenv(*names);
		if (v && *v)
			return v;
	}
	return "";
}

/* An address as bytes in network order; 0 when the text is none. IPv4 inside IPv6
 * (::ffff:10.0.0.1) counts as IPv4. */
static size_t parse_address(const char *text, unsigned char out[16])
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (inet_pton(AF_INET, text, out) == 1)
		return 4;
	if (inet_pton(AF_INET6, text, out) != 1)
		return 0;
	if (memcmp(out, mapped, sizeof(mapped)) != 0)
		return 16;
	memmove(out, out + 12, 4);
	return 4;
}

bool proxy_loopback(const char *host)
{
	static const unsigned char one[16] = { [15] = 1 };
	unsigned char a[16];
	struct str name = str_of(host);

	switch (parse_address(host, a)) {
	case 4:
		return a[0] == 127;
	case 16:
		return memcmp(a, one, 16) == 0;
	}
	if (str_ends(name, "."))
		name.n--;
	return str_is_nocase(name, "localhost") ||
	       (name.n > 10 && str_ends_nocase(name, ".localhost"));
}

/* "10.0.0.0/8" against an address of n bytes. Without a slash, all bits count. */
static bool in_network(const char *entry, const unsigned char *addr, size_t n)
{
	char text[64];
	const char *slash = strchr(entry, '/');
	size_t len = slash ? (size_t)(slash - entry) : strlen(entry);
	unsigned char net[16];
	int64_t bits = (int64_t)n * 8;

	if (len >= sizeof(text))
		return false;
	memcpy(text, entry, len);
	text[len] = 0;
	if (parse_address(text, net) != n)
		return false;
	if (slash && (!str_int(str_of(slash + 1), &bits) || bits < 0 || bits > (int64_t)n * 8))
		return false;
	if (memcmp(net, addr, (size_t)bits / 8) != 0)
		return false;
	return bits % 8 == 0 || ((net[bits / 8] ^ addr[bits / 8]) >> (8 - bits % 8)) == 0;
}

static bool in_domain(struct str entry, struct str host)
{
	if (str_starts(entry, "."))
		entry = str_from(entry, 1);
	if (str_ends(host, "."))
		host.n--;
	if (entry.n == 0 || entry.n > host.n ||
	    !str_eq_nocase(str_from(host, host.n - entry.n), entry))
		return false;
	return entry.n == host.n || host.p[host.n - entry.n - 1] == '.';
}

/* Takes ":8080" off an entry's end; false when it names another port. "[::1]:80" loses its
 * brackets. */
static bool take_port(char *entry, int port)
{
	char *colon = strrchr(entry, ':'), *bracket = strchr(entry, ']');
	int64_t n;

	if (entry[0] == '[' && bracket) {
		colon = bracket[1] == ':' ? bracket + 1 : NULL;
		*bracket = 0;
		memmove(entry, entry + 1, strlen(entry));
		if (!colon)
			return true;
	} else if (!colon || strchr(entry, ':') != colon) {
		return true;    /* no port; a bare IPv6 address has several colons */
	} else {
		*colon = 0;
	}
	return str_int(str_of(colon + 1), &n) && n == port;
}

bool proxy_excluded(struct str list, const char *host, int port)
{
	char entry[256];
	unsigned char addr[16];
	size_t naddr = parse_address(host, addr), n;

	while (list.n) {
		n = 0;
		while (n < list.n && !memchr(", \t", list.p[n], 3))
			n++;
		if (n > 0 && n < sizeof(entry)) {
			memcpy(entry, list.p, n);
			entry[n] = 0;
			if (strcmp(entry, "*") == 0)
				return true;
			if (take_port(entry, port) &&
			    (naddr ? in_network(entry, addr, naddr)
				   : in_domain(str_of(entry), str_of(host))))
				return true;
		}
		n += n < list.n;
		list = str_from(list, n);
	}
	return false;
}

const char *proxy_for(const struct backend *b, const char *scheme, const char *host, int port)
{
	const char *proxy;

	if (proxy_loopback(host))
		return "";
	if (b->proxy)
		return b->proxy;
	proxy = first_set(strcasecmp(scheme, "https") == 0 ? for_https : for_http);
	if (*proxy && proxy_excluded(str_of(first_set(exclusions)), host, port))
		return "";
	return proxy;
}
