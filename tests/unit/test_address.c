/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses: what is read, what is refused, and that the canonical text comes back. */
#include "user/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_ipv4(void **state)
{
	struct canary_endpoint endpoint;

	(void)state;
	assert_int_equal(address_parse("192.0.2.10:80", IPPROTO_TCP, &endpoint), 0);
	assert_int_equal(endpoint.addr[0] | endpoint.addr[1], 0);
	assert_int_equal(endpoint.addr[2], htonl(0xffff));
	assert_int_equal(endpoint.addr[3], htonl(0xc000020a));
	assert_int_equal(endpoint.port, htons(80));
	assert_int_equal(endpoint.protocol, IPPROTO_TCP);
	assert_int_equal(endpoint.zero, 0);
	assert_true(address_is_ipv4(endpoint.addr));
}

static void test_ipv6(void **state)
{
	struct canary_endpoint endpoint;

	(void)state;
	assert_int_equal(address_parse("[2001:db8::1]:443", IPPROTO_UDP, &endpoint), 0);
	assert_int_equal(endpoint.addr[0], htonl(0x20010db8));
	assert_int_equal(endpoint.addr[3], htonl(1));
	assert_int_equal(endpoint.port, htons(443));
	assert_int_equal(endpoint.protocol, IPPROTO_UDP);
	assert_false(address_is_ipv4(endpoint.addr));
}

static void test_refused(void **state)
{
	static const char *const texts[] = {
		"", ":", ":80", "192.0.2.1", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:080", "192.0.2.1:65536",
		"192.0.2.1:99999999999999999999", "192.0.2.1:80 ", " 192.0.2.1:80", "192.0.2.1:80x", "192.0.2.1:+80",
		"192.0.2.300:80", "192.0.2:80", "192.0.2.01:80", "0xc0.0.2.1:80", "localhost:80", "192.0.2.1:80:80",
		"2001:db8::1:443", "[2001:db8::1]", "[2001:db8::1]443", "[2001:db8::1]:0", "[2001:db8::1:443",
		"2001:db8::1]:443", "[]:443", "[:443", "]:443", "[2001:db8::1%eth0]:443", "[192.0.2.1]:80",
		"[::ffff:192.0.2.1]:80", "[[::1]]:80", "[2001:db8::g]:443",
		"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:1", "192.0.2.1\n:80",
	};
	struct canary_endpoint endpoint, untouched;

	(void)state;
	memset(&untouched, 0xa5, sizeof(untouched));
	for (size_t i = 0; i < COUNT(texts); i++) {
		endpoint = untouched;
		if (address_parse(texts[i], IPPROTO_TCP, &endpoint) != -EINVAL)
			fail_msg("\"%s\" was read as an address", texts[i]);
		assert_memory_equal(&endpoint, &untouched, sizeof(endpoint));
	}
}

static void test_format(void **state)
{
	static const char *const pairs[][2] = {
		{ "192.0.2.10:80", "192.0.2.10:80" },
		{ "[2001:DB8:0:0::1]:443", "[2001:db8::1]:443" },
		{ "[::]:1", "[::]:1" },
		{ "255.255.255.255:65535", "255.255.255.255:65535" },
		{ "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
		  "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535" },
	};
	struct canary_endpoint endpoint, again;
	char text[ADDRESS_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(pairs); i++) {
		assert_int_equal(address_parse(pairs[i][0], IPPROTO_TCP, &endpoint), 0);
		address_format(&endpoint, text);
		assert_string_equal(text, pairs[i][1]);
		assert_int_equal(address_parse(text, IPPROTO_TCP, &again), 0);
		assert_true(address_equal(&endpoint, &again));
	}
	again.protocol = IPPROTO_UDP;
	assert_false(address_equal(&endpoint, &again));
}

static void test_host(void **state)
{
	static const char *const refused[] = {
		"", "192.0.2.1:80", "[2001:db8::1]", "::ffff:192.0.2.1", "eth0", "1.2.3"
	};
	char text[ADDRESS_MAX];
	__be32 addr[4];

	(void)state;
	assert_int_equal(address_parse_host("198.51.100.7", addr), 0);
	address_format_host(addr, text);
	assert_string_equal(text, "198.51.100.7");
	assert_int_equal(address_parse_host("2001:db8::7", addr), 0);
	address_format_host(addr, text);
	assert_string_equal(text, "2001:db8::7");
	for (size_t i = 0; i < COUNT(refused); i++)
		assert_int_equal(address_parse_host(refused[i], addr), -EINVAL);
}

static void test_kinds(void **state)
{
	static const struct {
		const char *text;
		bool loopback, unicast;
	} rows[] = {
		{ "127.0.0.1", true, true },
		{ "127.255.0.9", true, true },
		{ "128.0.0.1", false, true },
		{ "0.0.0.0", false, false },
		{ "0.1.2.3", false, false },
		{ "224.0.0.1", false, false },
		{ "239.255.255.255", false, false },
		{ "240.0.0.1", false, true },
		{ "255.255.255.255", false, false },
		{ "::1", true, true },
		{ "::", false, false },
		{ "::2", false, true },
		{ "ff02::1", false, false },
		{ "2001:db8::1", false, true },
		{ "fe80::1", false, true },
	};
	__be32 addr[4];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(address_parse_host(rows[i].text, addr), 0);
		assert_int_equal(address_is_loopback(addr), rows[i].loopback);
		assert_int_equal(address_is_unicast(addr), rows[i].unicast);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipv4),   cmocka_unit_test(test_ipv6), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_format), cmocka_unit_test(test_host), cmocka_unit_test(test_kinds),
	};

	return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
