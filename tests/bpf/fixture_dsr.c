/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/bpf/fixture_dsr.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

int dsr_set_up(void **state)
{
	int r = fullnat_set_up(state);

	for (int service = 0; !r && service < FIXTURE_SERVICES; service++)
		fullnat_set_mode(*state, service, CANARY_MODE_DSR);
	return r;
}

/* ---- the tunnel ----------------------------------------------------------------------------------------------- */

uint16_t dsr_be16(const uint8_t *bytes)
{
	return bytes[0] << 8 | bytes[1];
}

static uint16_t ones_sum(const uint8_t *bytes, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += dsr_be16(bytes + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* IPv4 in IPv4, from the tunnel's source. Returns where to. */
static struct canary_endpoint expect_ipv4_header(const uint8_t *ip, size_t len)
{
	static const uint8_t start[] = { 0x45, 0x48 };
	struct canary_endpoint to = { .addr = { 0, 0, htonl(0xffff) } };
	struct in_addr source;

	inet_pton(AF_INET, "10.9.0.1", &source);
	assert_memory_equal(ip, start, sizeof(start));
	assert_int_equal(dsr_be16(ip + 2), len);
	assert_int_equal(dsr_be16(ip + 6), 0x4000);
	assert_int_equal(ip[8], 64);
	assert_int_equal(ip[9], IPPROTO_IPIP);
	assert_int_equal(ones_sum(ip, 20), 0xffff);
	assert_memory_equal(ip + 12, &source, sizeof(source));
	memcpy(&to.addr[3], ip + 16, 4);
	return to;
}

static struct canary_endpoint expect_ipv6_header(const uint8_t *ip, size_t len)
{
	struct canary_endpoint to = {};
	struct in6_addr source;

	inet_pton(AF_INET6, "fd00:9::1", &source);
	assert_int_equal(dsr_be16(ip) >> 4, 0x648);
	assert_int_equal(dsr_be16(ip + 4), len - 40);
	assert_int_equal(ip[6], IPPROTO_IPV6);
	assert_int_equal(ip[7], 64);
	assert_memory_equal(ip + 8, &source, sizeof(source));
	memcpy(to.addr, ip + 24, 16);
	return to;
}

void dsr_set_class(struct packet_bytes *packet)
{
	uint8_t *ip = packet->data + packet->network;

	if (packet->ipv6) {
		ip[0] = 0x64;
		ip[1] = 0x80 | (ip[1] & 0x0f);
		return;
	}
	ip[1] = 0x48;
	ip[10] = ip[11] = 0;
	memcpy(ip + 10, &(uint16_t){ packet_ip_checksum(packet) }, 2);
}

struct canary_endpoint dsr_expect_in_tunnel(const struct packet_bytes *before, const struct packet_bytes *after,
					    uint8_t mac, struct packet_bytes *inner)
{
	size_t overhead = before->ipv6 ? 40 : 20, ip = before->network;
	struct canary_endpoint to;

	assert_int_equal(after->len, before->len + overhead);
	to = before->ipv6 ? expect_ipv6_header(after->data + ip, after->len - ip) :
			    expect_ipv4_header(after->data + ip, after->len - ip);
	*inner = *before;
	memcpy(inner->data, after->data, ip);
	memcpy(inner->data + ip, after->data + ip + overhead, before->len - ip);
	assert_memory_equal(inner->data + 12, before->data + 12, ip - 12);
	if (before->protocol == IPPROTO_TCP || before->protocol == IPPROTO_UDP)
		fullnat_expect_routed(before, inner, mac);
	assert_memory_equal(inner->data + ip + 12, before->data + ip + 12, before->len - ip - 12);
	return to;
}

uint16_t dsr_backend_at(const struct canary_endpoint *to)
{
	for (uint16_t i = 0; i < FIXTURE_BACKENDS; i++) {
		struct canary_endpoint backend = fixture_backend(i);

		if (!memcmp(backend.addr, to->addr, sizeof(to->addr)))
			return i;
	}
	fail_msg("sent to nobody's address");
	return CANARY_NONE;
}

uint16_t dsr_expect_sent(const struct fixture *f, const struct packet_spec *spec)
{
	struct packet_bytes before, after, inner;
	struct canary_endpoint to;

	packet_build(spec, &before);
	dsr_set_class(&before);
	after = before;
	assert_int_equal(fullnat_run(f, "c0", &after), XDP_REDIRECT);
	to = dsr_expect_in_tunnel(&before, &after, 0xbb, &inner);
	return dsr_backend_at(&to);
}
