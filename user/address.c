/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses: text ↔ struct canary_endpoint. inet_pton() is strict about the host part; the rest is here. */
#include "user/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static void map_ipv4(__be32 ipv4, __be32 ret_addr[4])
{
	ret_addr[0] = 0;
	ret_addr[1] = 0;
	ret_addr[2] = htonl(0xffff);
	ret_addr[3] = ipv4;
}

static int parse_ipv4(const char *text, __be32 ret_addr[4])
{
	struct in_addr in;

	if (inet_pton(AF_INET, text, &in) != 1)
		return -EINVAL;
	map_ipv4(in.s_addr, ret_addr);
	return 0;
}

static int parse_ipv6(const char *text, __be32 ret_addr[4])
{
	struct in6_addr in6;
	__be32 addr[4];

	if (inet_pton(AF_INET6, text, &in6) != 1)
		return -EINVAL;
	memcpy(addr, &in6, sizeof(addr));
	if (address_is_ipv4(addr))
		return -EINVAL;
	memcpy(ret_addr, addr, sizeof(addr));
	return 0;
}

static int parse_port(const char *text, __be16 *ret_port)
{
	unsigned port = 0;

	if (text[0] < '1' || text[0] > '9')
		return -EINVAL;
	for (const char *c = text; *c; c++) {
		if (*c < '0' || *c > '9')
			return -EINVAL;
		port = port * 10 + (unsigned)(*c - '0');
		if (port > UINT16_MAX)
			return -EINVAL;
	}
	*ret_port = htons((uint16_t)port);
	return 0;
}

int address_parse(const char *text, uint8_t protocol, struct canary_endpoint *ret)
{
	struct canary_endpoint endpoint = { .protocol = protocol };
	bool bracketed = text[0] == '[';
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN];
	const char *begin = bracketed ? text + 1 : text;
	const char *end = colon;
	int r;

	if (!colon)
		return -EINVAL;
	if (bracketed && *--end != ']')
		return -EINVAL;
	if (end < begin || (size_t)(end - begin) >= sizeof(host))
		return -EINVAL;
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = '\0';
	r = bracketed ? parse_ipv6(host, endpoint.addr) : parse_ipv4(host, endpoint.addr);
	if (r < 0)
		return r;
	r = parse_port(colon + 1, &endpoint.port);
	if (r < 0)
		return r;
	*ret = endpoint;
	return 0;
}

int address_parse_host(const char *text, __be32 ret_addr[4])
{
	return strchr(text, ':') ? parse_ipv6(text, ret_addr) : parse_ipv4(text, ret_addr);
}

void address_format_host(const __be32 addr[4], char buf[static ADDRESS_MAX])
{
	if (address_is_ipv4(addr))
		inet_ntop(AF_INET, &addr[3], buf, ADDRESS_MAX);
	else
		inet_ntop(AF_INET6, addr, buf, ADDRESS_MAX);
}

void address_format(const struct canary_endpoint *endpoint, char buf[static ADDRESS_MAX])
{
	bool ipv4 = address_is_ipv4(endpoint->addr);
	char host[ADDRESS_MAX];
	size_t length;

	address_format_host(endpoint->addr, host);
	length = strnlen(host, INET6_ADDRSTRLEN - 1);
	snprintf(buf, ADDRESS_MAX, "%s%.*s%s:%u", ipv4 ? "" : "[", (int)length, host, ipv4 ? "" : "]",
		 ntohs(endpoint->port));
}

bool address_is_ipv4(const __be32 addr[4])
{
	return addr[0] == 0 && addr[1] == 0 && addr[2] == htonl(0xffff);
}

bool address_is_loopback(const __be32 addr[4])
{
	if (address_is_ipv4(addr))
		return ntohl(addr[3]) >> 24 == 127;
	return addr[0] == 0 && addr[1] == 0 && addr[2] == 0 && addr[3] == htonl(1);
}

bool address_is_unicast(const __be32 addr[4])
{
	uint32_t last = ntohl(addr[3]);

	if (address_is_ipv4(addr))
		return last >> 24 != 0 && last >> 28 != 0xe && last != UINT32_MAX;
	return (addr[0] | addr[1] | addr[2] | addr[3]) != 0 && ntohl(addr[0]) >> 24 != 0xff;
}

bool address_equal(const struct canary_endpoint *a, const struct canary_endpoint *b)
{
	return memcmp(a->addr, b->addr, sizeof(a->addr)) == 0 && a->port == b->port && a->protocol == b->protocol;
}
