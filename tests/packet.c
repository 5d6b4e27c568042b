/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Crafted packets: Ethernet, VLAN, IPv4 or IPv6, extension headers, TCP or UDP or anything else. */
#include "tests/packet.h"

#include "user/address.h"
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct canary_endpoint packet_endpoint(const char *text, uint8_t protocol)
{
	struct canary_endpoint endpoint;

	if (address_parse(text, protocol, &endpoint)) {
		fprintf(stderr, "packet: \"%s\" is no endpoint\n", text);
		abort();
	}
	return endpoint;
}

struct canary_endpoint packet_client(struct canary_endpoint base, uint32_t number)
{
	base.port = htons(1024 + number % 63488);
	base.addr[3] = htonl(ntohl(base.addr[3]) + number / 63488);
	return base;
}

static bool is_ipv4(const struct canary_endpoint *endpoint)
{
	return endpoint->addr[0] == 0 && endpoint->addr[1] == 0 && endpoint->addr[2] == htonl(0xffff);
}

static uint32_t sum_words(const void *data, size_t len, uint32_t sum)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static size_t datagram_len(const struct packet_bytes *packet)
{
	const uint8_t *ip = packet->data + packet->network;

	return packet->ipv6 ? sizeof(struct ipv6hdr) + (size_t)(ip[4] << 8 | ip[5]) : (size_t)(ip[2] << 8 | ip[3]);
}

static size_t checksum_offset(const struct packet_bytes *packet)
{
	return packet->transport + (packet->protocol == IPPROTO_TCP ? offsetof(struct tcphdr, check) :
								      offsetof(struct udphdr, check));
}

static uint16_t read16(const struct packet_bytes *packet, size_t offset)
{
	uint16_t value;

	memcpy(&value, packet->data + offset, sizeof(value));
	return value;
}

static void write16(struct packet_bytes *packet, size_t offset, uint16_t value)
{
	memcpy(packet->data + offset, &value, sizeof(value));
}

uint16_t packet_transport_checksum(const struct packet_bytes *packet)
{
	size_t len = datagram_len(packet) - (packet->transport - packet->network);
	size_t at = checksum_offset(packet);
	uint32_t sum = packet->protocol + (uint32_t)len;

	if (packet->ipv6)
		sum = sum_words(packet->data + packet->network + offsetof(struct ipv6hdr, saddr), 32, sum);
	else
		sum = sum_words(packet->data + packet->network + offsetof(struct iphdr, saddr), 8, sum);
	sum = sum_words(packet->data + packet->transport, at - packet->transport, sum);
	sum = sum_words(packet->data + at + 2, len - (at + 2 - packet->transport), sum);
	sum = ~sum & 0xffff;
	return htons(packet->protocol == IPPROTO_UDP && sum == 0 ? 0xffff : sum);
}

uint16_t packet_ip_checksum(const struct packet_bytes *packet)
{
	const uint8_t *ip = packet->data + packet->network;
	uint32_t sum = sum_words(ip, 10, 0);

	return htons(~sum_words(ip + 12, (size_t)(ip[0] & 15) * 4 - 12, sum) & 0xffff);
}

bool packet_checksums_hold(const struct packet_bytes *packet)
{
	uint16_t check = read16(packet, checksum_offset(packet));

	if (!packet->ipv6 && read16(packet, packet->network + offsetof(struct iphdr, check)) != packet_ip_checksum(packet))
		return false;
	if (packet->protocol == IPPROTO_UDP && check == 0)
		return true;
	return check == packet_transport_checksum(packet);
}

static void set_checksums(struct packet_bytes *packet, bool transport)
{
	if (!packet->ipv6)
		write16(packet, packet->network + offsetof(struct iphdr, check), packet_ip_checksum(packet));
	if (transport)
		write16(packet, checksum_offset(packet), packet_transport_checksum(packet));
}

static void set_endpoint(struct packet_bytes *packet, const struct canary_endpoint *endpoint, bool destination)
{
	bool has_checksum = packet->protocol == IPPROTO_TCP || read16(packet, checksum_offset(packet));

	if (packet->ipv6)
		memcpy(packet->data + packet->network + (destination ? 24 : 8), endpoint->addr, 16);
	else
		memcpy(packet->data + packet->network + (destination ? 16 : 12), &endpoint->addr[3], 4);
	write16(packet, packet->transport + (destination ? 2 : 0), endpoint->port);
	set_checksums(packet, has_checksum);
}

void packet_set_destination(struct packet_bytes *packet, const struct canary_endpoint *endpoint)
{
	set_endpoint(packet, endpoint, true);
}

void packet_set_source(struct packet_bytes *packet, const struct canary_endpoint *endpoint)
{
	set_endpoint(packet, endpoint, false);
}

static void *append(struct packet_bytes *packet, size_t len)
{
	void *at = packet->data + packet->len;

	if (packet->len + len > PACKET_MAX) {
		fprintf(stderr, "packet: longer than %d bytes\n", PACKET_MAX);
		abort();
	}
	memset(at, 0, len);
	packet->len += len;
	return at;
}

static void build_ethernet(const struct packet_spec *spec, struct packet_bytes *packet)
{
	uint16_t inner = packet->ipv6 ? ETH_P_IPV6 : ETH_P_IP;
	struct ethhdr *eth = append(packet, sizeof(*eth));

	memcpy(eth->h_dest, "\x02\0\0\0\0\x01", ETH_ALEN);
	memcpy(eth->h_source, "\x02\0\0\0\0\x02", ETH_ALEN);
	write16(packet, packet->len - 2, htons(spec->vlan_tags > 1 ? ETH_P_8021AD : spec->vlan_tags ? ETH_P_8021Q : inner));
	for (unsigned i = 1; i <= spec->vlan_tags; i++) {
		append(packet, 4);
		write16(packet, packet->len - 4, htons(0x2000 + i));
		write16(packet, packet->len - 2, htons(i < spec->vlan_tags ? ETH_P_8021Q : inner));
	}
}

static void build_ipv4(const struct packet_spec *spec, struct packet_bytes *packet)
{
	struct iphdr *ip = append(packet, sizeof(*ip));

	ip->version = 4;
	ip->ihl = 5 + spec->ip_options_len / 4;
	ip->id = htons(4711);
	ip->frag_off = htons(spec->fragment);
	ip->ttl = 64;
	ip->protocol = packet->protocol;
	ip->saddr = spec->source.addr[3];
	ip->daddr = spec->destination.addr[3];
	memset(append(packet, spec->ip_options_len), 1, spec->ip_options_len); /* no-operation options */
}

static void build_extension(const struct packet_spec *spec, struct packet_bytes *packet, unsigned i)
{
	bool fragment = spec->extensions[i] == IPPROTO_FRAGMENT;
	size_t len = fragment || !spec->extension_len ? 8 : spec->extension_len;
	uint8_t *header = append(packet, len);

	header[0] = i + 1 < spec->extension_count ? spec->extensions[i + 1] : packet->protocol;
	if (fragment) {
		header[2] = spec->fragment >> 8;
		header[3] = spec->fragment & 0xff;
		return;
	}
	header[1] = len / 8 - 1;
	header[2] = 1; /* PadN, so that what stands where a fragment's offset would is not zero */
	header[3] = len - 4;
}

static void build_ipv6(const struct packet_spec *spec, struct packet_bytes *packet)
{
	struct ipv6hdr *ip = append(packet, sizeof(*ip));

	ip->version = 6;
	ip->nexthdr = spec->extension_count ? spec->extensions[0] : packet->protocol;
	ip->hop_limit = 64;
	memcpy(&ip->saddr, spec->source.addr, 16);
	memcpy(&ip->daddr, spec->destination.addr, 16);
	for (unsigned i = 0; i < spec->extension_count; i++)
		build_extension(spec, packet, i);
}

static void build_tcp(const struct packet_spec *spec, struct packet_bytes *packet)
{
	struct tcphdr *tcp = append(packet, sizeof(*tcp));

	tcp->source = spec->source.port;
	tcp->dest = spec->destination.port;
	tcp->seq = htonl(spec->seq);
	tcp->ack_seq = htonl(spec->ack);
	tcp->doff = 5 + spec->tcp_options_len / 4;
	((uint8_t *)tcp)[13] = spec->flags;
	tcp->window = htons(spec->window);
	memset(append(packet, spec->tcp_options_len), 1, spec->tcp_options_len);
}

static void build_udp(const struct packet_spec *spec, struct packet_bytes *packet)
{
	struct udphdr *udp = append(packet, sizeof(*udp));

	udp->source = spec->source.port;
	udp->dest = spec->destination.port;
	udp->len = htons(sizeof(*udp) + spec->payload_len);
}

static void finish(const struct packet_spec *spec, struct packet_bytes *packet)
{
	bool tcp = packet->protocol == IPPROTO_TCP, udp = packet->protocol == IPPROTO_UDP;
	size_t len = packet->len - packet->network;

	if (packet->ipv6)
		write16(packet, packet->network + offsetof(struct ipv6hdr, payload_len),
			htons(len - sizeof(struct ipv6hdr)));
	else
		write16(packet, packet->network + offsetof(struct iphdr, tot_len), htons(len));
	set_checksums(packet, tcp || (udp && !spec->no_udp_checksum));
	memset(append(packet, spec->padding_len), 0xee, spec->padding_len);
}

void packet_build(const struct packet_spec *spec, struct packet_bytes *packet)
{
	memset(packet, 0, sizeof(*packet));
	packet->ipv6 = !is_ipv4(&spec->destination);
	packet->protocol = spec->destination.protocol;
	build_ethernet(spec, packet);
	packet->network = packet->len;
	if (packet->ipv6)
		build_ipv6(spec, packet);
	else
		build_ipv4(spec, packet);
	packet->transport = packet->len;
	if (packet->protocol == IPPROTO_TCP)
		build_tcp(spec, packet);
	else if (packet->protocol == IPPROTO_UDP)
		build_udp(spec, packet);
	packet->payload = packet->len;
	if (spec->payload_len)
		memcpy(append(packet, spec->payload_len), spec->payload, spec->payload_len);
	finish(spec, packet);
}

static uint16_t icmp_checksum(const struct packet_bytes *packet)
{
	size_t len = packet->len - packet->transport;
	uint32_t sum = 0;

	if (packet->ipv6)
		sum = sum_words(packet->data + packet->network + offsetof(struct ipv6hdr, saddr), 32,
				IPPROTO_ICMPV6 + (uint32_t)len);
	return htons(~sum_words(packet->data + packet->transport, len, sum) & 0xffff);
}

uint16_t packet_icmp_checksum(const struct packet_bytes *packet)
{
	struct packet_bytes copy = *packet;

	write16(&copy, copy.transport + 2, 0);
	return icmp_checksum(&copy);
}

void packet_build_error_about(const struct packet_error_spec *spec, const struct packet_bytes *about,
			      struct packet_bytes *packet)
{
	struct packet_spec outer = {
		.source = spec->source, .destination = spec->destination, .vlan_tags = spec->vlan_tags,
		.ip_options_len = spec->ip_options_len,
	};
	uint8_t message[PACKET_MAX] = { spec->type, spec->code, 0, 0, spec->rest >> 24, spec->rest >> 16,
					spec->rest >> 8, spec->rest };

	outer.payload = message;
	outer.payload_len = about->len - about->network;
	if (spec->quote_len && spec->quote_len < outer.payload_len)
		outer.payload_len = spec->quote_len;
	memcpy(message + 8, about->data + about->network, outer.payload_len);
	outer.payload_len += 8;
	outer.source.protocol = outer.destination.protocol = is_ipv4(&outer.source) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	packet_build(&outer, packet);
	packet->payload = packet->transport + 8;
	write16(packet, packet->transport + 2, icmp_checksum(packet));
}

void packet_build_error(const struct packet_error_spec *spec, struct packet_bytes *packet)
{
	struct packet_bytes about;

	packet_build(&spec->about, &about);
	packet_build_error_about(spec, &about, packet);
}

void packet_fragment(const struct packet_bytes *whole, size_t offset, size_t len, uint32_t id,
		     struct packet_bytes *ret_fragment)
{
	bool more = whole->transport + offset + len < whole->len;
	struct packet_bytes *f = ret_fragment;
	uint8_t *ip = f->data + whole->network;
	uint8_t header[] = { whole->protocol, 0, offset >> 8, (offset & 0xf8) | more, id >> 24, id >> 16, id >> 8, id };

	*f = *whole;
	f->len = whole->transport;
	if (whole->ipv6) {
		ip[offsetof(struct ipv6hdr, nexthdr)] = IPPROTO_FRAGMENT;
		memcpy(append(f, sizeof(header)), header, sizeof(header));
	} else {
		write16(f, f->network + offsetof(struct iphdr, id), htons(id));
		write16(f, f->network + offsetof(struct iphdr, frag_off), htons(offset / 8 | (more ? 0x2000 : 0)));
	}
	f->transport = f->len;
	memcpy(append(f, len), whole->data + whole->transport + offset, len);
	if (whole->ipv6)
		write16(f, f->network + offsetof(struct ipv6hdr, payload_len),
			htons(f->len - f->network - sizeof(struct ipv6hdr)));
	else
		write16(f, f->network + offsetof(struct iphdr, tot_len), htons(f->len - f->network));
	set_checksums(f, false);
}
