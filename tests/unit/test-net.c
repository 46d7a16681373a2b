/* Addresses and networks, as proxies and configurations write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/address.h"

static void test_parse(void **state)
{
	/* text, how it reads then; NULL: it is none */
	static const char *const rows[][2] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ " 192.0.2.1\t", "192.0.2.1" },
		{ "192.0.2.1:4711", "192.0.2.1" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "2001:DB8::1", "2001:db8::1" },
		{ "[2001:db8::1]", "2001:db8::1" },
		{ "[2001:db8::1]:80", "2001:db8::1" },
		{ "::1", "::1" },
		{ "", NULL },
		{ "unknown", NULL },
		{ "_hidden", NULL },
		{ "192.0.2", NULL },
		{ "192.0.2.256", NULL },
		{ "192.0.2.1:", NULL },
		{ "192.0.2.1:x", NULL },
		{ "192.0.2.1:123456", NULL },
		{ "192.0.2.1, 192.0.2.2", NULL },
		{ "[2001:db8::1", NULL },
		{ "[2001:db8::1]x", NULL },
		{ "[2001:db8::1]:", NULL },
		{ "[]", NULL },
		{ "2001:db8::1%eth0", NULL },
		{ "localhost:80", NULL },
		{ "1111:2222:3333:4444:5555:6666:7777:8888:9999", NULL },
		{ "0000000000000000000000000000000000000000000000001", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct address a;
		char text[ADDRESS_TEXT];

		if (address_parse(str_of(rows[i][0]), &a) != (rows[i][1] != NULL))
			fail_msg("\"%s\"", rows[i][0]);
		if (!rows[i][1])
			continue;
		address_text(&a, text);
		assert_string_equal(text, rows[i][1]);
	}
	{
		struct address a;

		assert_false(address_parse(STR_NONE, &a));
	}
}

static void test_loopback(void **state)
{
	static const struct { const char *text; bool loopback; } rows[] = {
		{ "127.0.0.1", true }, { "127.9.9.9", true }, { "::1", true },
		{ "::ffff:127.0.0.1", true }, { "128.0.0.1", false }, { "::2", false },
		{ "::", false }, { "::127.0.0.1", false }, { "10.0.0.1", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct address a;

		assert_true(address_parse(str_of(rows[i].text), &a));
		if (address_is_loopback(&a) != rows[i].loopback)
			fail_msg("%s", rows[i].text);
	}
}

static void test_nets(void **state)
{
	static const struct { const char *net, *address; bool has; } rows[] = {
		{ "10.0.0.0/8", "10.255.0.1", true },
		{ "10.0.0.0/8", "11.0.0.1", false },
		{ "10.1.2.3/8", "10.9.9.9", true },
		{ "192.0.2.4/30", "192.0.2.7", true },
		{ "192.0.2.4/30", "192.0.2.8", false },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "192.0.2.1/32", "::ffff:192.0.2.1", true },
		{ "0.0.0.0/0", "203.0.113.9", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "::/0", "2001:db8::1", true },
		{ "::/0", "203.0.113.9", false },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "::1", "::1", true },
		{ "::ffff:10.0.0.0/104", "10.2.3.4", true },
	};
	static const char *const bad[] = { "", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1",
					   "::/129", "10.0.0.0/8/8", "lan", "10.0.0.0:80",
					   "10.0.0.0/x", "10.0.0.0/99999999999999999999" };
	struct net n;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct address a;

		assert_true(net_parse(str_of(rows[i].net), &n));
		assert_true(address_parse(str_of(rows[i].address), &a));
		if (net_has(&n, &a) != rows[i].has)
			fail_msg("%s in %s", rows[i].address, rows[i].net);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (net_parse(str_of(bad[i]), &n))
			fail_msg("\"%s\" was taken", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_nets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
