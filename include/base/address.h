/*
 * Network addresses as web servers and proxies write them, and networks in CIDR form. An IPv4
 * address is kept as the IPv6 one that it is mapped to, so that both have one form.
 */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include "base/str.h"

#define ADDRESS_TEXT 46         /* room for every address as text, NUL included */

struct address {
	unsigned char b[16];
};

struct net {
	struct address address;
	int bits;               /* of 128 */
};

/* "192.0.2.1", "192.0.2.1:4000", "2001:db8::1", "[2001:db8::1]:4000"; false for anything else. */
bool address_parse(struct str s, struct address *out) MUST_CHECK;
bool address_is_v4(const struct address *a);
/* 127.0.0.0/8 and ::1. */
bool address_is_loopback(const struct address *a);
void address_text(const struct address *a, char out[ADDRESS_TEXT]);

/* "10.0.0.0/8", "2001:db8::/32", or an address alone. Bits of the host are ignored. */
bool net_parse(struct str s, struct net *out) MUST_CHECK;
/* Never true across the families: ::/0 holds no IPv4 address. */
bool net_has(const struct net *n, const struct address *a);

#endif
