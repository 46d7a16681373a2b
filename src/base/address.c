/* Addresses and networks: text to bytes and back. */
#include "base/address.h"

#include <arpa/inet.h>
#include <string.h>

#define V4_BITS 96              /* of the prefix that IPv4 addresses are mapped below */

static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool parse_plain(struct str s, struct address *out)
{
	char text[ADDRESS_TEXT];

	if (!s.n || s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	memcpy(out->b, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, out->b + sizeof(mapped)) == 1 ||
	       inet_pton(AF_INET6, text, out->b) == 1;
}

static bool is_port(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n > 0 && s.n <= 5;
}

/* "[::1]" with a port or without. */
static bool parse_bracketed(struct str s, struct address *out)
{
	const char *end = str_chr(s, ']');
	struct str rest;

	if (!end)
		return false;
	rest = (struct str){ end + 1, s.n - (size_t)(end + 1 - s.p) };
	if (rest.n && (*rest.p != ':' || !is_port((struct str){ rest.p + 1, rest.n - 1 })))
		return false;
	return parse_plain((struct str){ s.p + 1, (size_t)(end - s.p) - 1 }, out);
}

bool address_parse(struct str s, struct address *out)
{
	const char *colon;

	s = str_trim(s);
	if (str_starts(s, "["))
		return parse_bracketed(s, out);
	if (parse_plain(s, out))
		return true;
	colon = str_chr(s, ':');
	if (!colon || !is_port((struct str){ colon + 1, s.n - (size_t)(colon + 1 - s.p) }))
		return false;
	s.n = (size_t)(colon - s.p);
	return parse_plain(s, out) && address_is_v4(out);
}

bool address_is_v4(const struct address *a)
{
	return memcmp(a->b, mapped, sizeof(mapped)) == 0;
}

bool address_is_loopback(const struct address *a)
{
	static const struct address v6 = { .b = { [15] = 1 } };

	return address_is_v4(a) ? a->b[12] == 127 : memcmp(a, &v6, sizeof(v6)) == 0;
}

void address_text(const struct address *a, char out[ADDRESS_TEXT])
{
	bool v4 = address_is_v4(a);
	const void *bytes = v4 ? a->b + sizeof(mapped) : a->b;

	if (!inet_ntop(v4 ? AF_INET : AF_INET6, bytes, out, ADDRESS_TEXT))
		*out = '\0';
}

bool net_parse(struct str s, struct net *out)
{
	struct str text;
	int64_t bits;

	s = str_trim(s);
	if (!str_split(&s, '/', &text) || !parse_plain(text, &out->address))
		return false;
	out->bits = 128;
	/* str_split leaves a pointer behind the slash where there was one. */
	if (!s.p)
		return true;
	if (!str_int(s, &bits) || bits < 0)
		return false;
	if (address_is_v4(&out->address) && !str_chr(text, ':'))
		bits += V4_BITS;
	out->bits = (int)bits;
	return bits <= 128;
}

bool net_has(const struct net *n, const struct address *a)
{
	int whole = n->bits / 8, rest = n->bits % 8;

	if (address_is_v4(&n->address) != address_is_v4(a))
		return false;
	if (memcmp(n->address.b, a->b, (size_t)whole) != 0)
		return false;
	return !rest || (n->address.b[whole] ^ a->b[whole]) >> (8 - rest) == 0;
}
