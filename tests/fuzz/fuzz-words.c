/*
 * The small readers: state in signatures, call ids, tool names, what is hidden in texts, when a
 * tool's input is complete, no_proxy lists, addresses and networks, times of a search. What goes through a codec comes back as it was; what
 * is fed in pieces gives the same as whole.
 */
#include <ctype.h>
#include <string.h>

#include "base/address.h"
#include "base/redact.h"
#include "checker.h"
#include "dialect/dialect.h"
#include "json/progress.h"
#include "json/scan.h"
#include "trace/query.h"
#include "upstream/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_opaque(struct str text)
{
	struct buf made, back;

	buf_init(&made, 0);
	buf_init(&back, 0);
	require(opaque_put(&made, "lab", text) == 0);
	require(opaque_ours(span_utf8(buf_str(&made))));
	require(opaque_get(&back, "other", span_utf8(buf_str(&made))) == -1 && !back.n);
	require(opaque_get(&back, "lab", span_utf8(buf_str(&made))) == 1);
	require(str_eq(buf_str(&back), text));
	buf_reset(&back);
	opaque_get(&back, "lab", span_utf8(text));
	buf_release(&made);
	buf_release(&back);
}

static void check_id(struct str text)
{
	struct buf there, back;

	buf_init(&there, 0);
	buf_init(&back, 0);
	require(id_to_client(&there, span_utf8(text)) == 0 && there.n);
	for (size_t i = 0; i < there.n; i++)
		require(isalnum((unsigned char)there.p[i]) || there.p[i] == '_' || there.p[i] == '-');
	require(id_to_upstream(&back, span_utf8(buf_str(&there))) == 0);
	/* "null" is an id that a backend has not: it gets a new one. */
	if (text.n && !str_starts(text, "toolu_mf1_") && !str_is(text, "null"))
		require(str_eq(buf_str(&back), text));
	buf_release(&there);
	buf_release(&back);
}

static void check_name(struct str text)
{
	struct buf once, twice;

	buf_init(&once, 0);
	buf_init(&twice, 0);
	require(name_encode(&once, span_utf8(text), 64) == 0 && once.n <= 64);
	require(!once.n || name_fits(span_utf8(buf_str(&once)), 64));
	require(name_encode(&twice, span_utf8(buf_str(&once)), 64) == 0);
	require(str_eq(buf_str(&once), buf_str(&twice)));
	buf_release(&once);
	buf_release(&twice);
}

static void check_progress(struct str text)
{
	struct json_progress whole = { 0 }, pieces = { 0 };
	struct span s = span_utf8(text);
	size_t n = json_progress_feed(&whole, s), sum = 0, took = 1;

	require(n <= text.n);
	for (size_t at = 0; at < text.n && took; at++) {
		struct span one = { text.p + at, 1, s.form };

		took = json_progress_feed(&pieces, one);
		sum += took;
	}
	require(sum == n && whole.complete == pieces.complete);
	if (json_check(text, NULL, NULL) == 0 && text.n && strchr("{[", *str_trim(text).p))
		require(whole.complete);
}

static void check_redact(const char *text)
{
	char out[200], small[3];

	redact(out, sizeof(out), text, "sk-ant-secret-of-ours");
	require(str_utf8(str_of(out)) && !strstr(out, "sk-ant-secret-of-ours"));
	redact(small, sizeof(small), text, NULL);
	require(strlen(small) < sizeof(small));
}

static void check_proxy(struct str text)
{
	proxy_excluded(text, "a.example.com", 443);
	proxy_excluded(text, "10.1.2.3", 80);
	proxy_excluded(text, "2001:db8::1", 80);
}

static void check_address(struct str text)
{
	struct address a, again;
	char back[ADDRESS_TEXT];
	struct net net;

	if (address_parse(text, &a)) {
		address_text(&a, back);
		require(address_parse(str_of(back), &again) && !memcmp(&a, &again, sizeof(a)));
		require(net_parse(str_of(back), &net) && net_has(&net, &a));
	}
	if (net_parse(text, &net))
		require(net.bits >= 0 && net.bits <= 128 && net_has(&net, &net.address));
}

static void check_since(const char *text)
{
	char out[32] = "";

	if (query_since(text, INT64_C(1795348800000), out) == 0)
		require(strlen(out) >= 10 && strlen(out) < sizeof(out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct arena a;

	arena_init(&a, 0);
	check_progress(text);
	check_proxy(text);
	check_address(text);
	check_since(arena_str(&a, text).p);
	check_redact(arena_str(&a, text).p);
	if (str_utf8(text)) {
		proxy_loopback(arena_str(&a, text).p);
		check_opaque(text);
		check_id(text);
		check_name(text);
	}
	arena_release(&a);
	return 0;
}
