/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Crafts packets for the tests of the kernel programs, and says whether the checksums of one are right. It shares no
 * code with bpf/: a mistake there is not repeated here.
 */
#ifndef CANARYD_TESTS_PACKET_H
#define CANARYD_TESTS_PACKET_H

#include <canaryd/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_MAX 4096
#define PACKET_ALIGN 2 /* before the Ethernet header, as the kernel does it: then the IP header is aligned */
#define PACKET_EXTENSIONS_MAX 10

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10

/* What to build. Zero means none, except where said. */
struct packet_spec {
	struct canary_endpoint source; /* the family is IPv4 where the address is mapped */
	struct canary_endpoint destination; /* its protocol is the packet's */
	unsigned vlan_tags;
	unsigned ip_options_len; /* bytes, a multiple of 4 */
	uint8_t extensions[PACKET_EXTENSIONS_MAX]; /* IPv6 next header values, `extension_count` of them */
	unsigned extension_count;
	unsigned extension_len; /* bytes of each but the fragment header, a multiple of 8; 0: 8 */
	uint16_t fragment;      /* offset and flags, as the IPv4 or the IPv6 fragment header has them, in host order */
	uint8_t flags;
	uint32_t seq;
	uint32_t ack;
	uint16_t window;
	unsigned tcp_options_len; /* bytes, a multiple of 4 */
	bool no_udp_checksum;
	const void *payload;
	size_t payload_len;
	size_t padding_len; /* bytes behind the IP datagram */
};

struct packet_bytes {
	uint8_t slack[PACKET_ALIGN];
	uint8_t data[PACKET_MAX];
	size_t len;
	/* offsets into data */
	size_t network;
	size_t transport;
	size_t payload;
	bool ipv6;
	uint8_t protocol;
} __attribute__((aligned(8)));

/* An endpoint from "192.0.2.1:80" or "[2001:db8::1]:80". Ends the program where the text is none. */
struct canary_endpoint packet_endpoint(const char *text, uint8_t protocol);

/* A client's endpoint that is another for every number: a port in 1024 … 64511, then the next address after `base`. */
struct canary_endpoint packet_client(struct canary_endpoint base, uint32_t number);

/* Builds the packet with right checksums. */
void packet_build(const struct packet_spec *spec, struct packet_bytes *packet);

/* An ICMP or ICMPv6 error, of the family of its addresses, and the packet it is about. */
struct packet_error_spec {
	struct packet_spec about;
	struct canary_endpoint source; /* their ports are not used */
	struct canary_endpoint destination;
	unsigned vlan_tags;
	unsigned ip_options_len;
	uint8_t type;
	uint8_t code;
	uint32_t rest;    /* of the header, in host order */
	size_t quote_len; /* bytes of the IP packet quoted, at most: 0 stands for all of it */
};

/* Builds the error with right checksums. `transport` is the ICMP header, `payload` the quoted IP header. */
void packet_build_error(const struct packet_error_spec *spec, struct packet_bytes *packet);
/* The same about a packet that is there, instead of the one that the spec describes. */
void packet_build_error_about(const struct packet_error_spec *spec, const struct packet_bytes *about,
			      struct packet_bytes *packet);

/* The checksum an ICMP error should carry, recomputed, in network order. */
uint16_t packet_icmp_checksum(const struct packet_bytes *packet);

/*
 * `len` bytes from `offset` of what is behind the IP header of `whole`, which has no extension headers, as a fragment with
 * this identification; whether more come behind it follows from that. The offset is a multiple of 8.
 */
void packet_fragment(const struct packet_bytes *whole, size_t offset, size_t len, uint32_t id,
		     struct packet_bytes *ret_fragment);

/* The checksum the transport header should carry, recomputed over the whole packet, in network order. */
uint16_t packet_transport_checksum(const struct packet_bytes *packet);
uint16_t packet_ip_checksum(const struct packet_bytes *packet);

/* Are both right? A UDP checksum of zero is. */
bool packet_checksums_hold(const struct packet_bytes *packet);

/* Writes what a rewriting to or from `endpoint` should leave: address, port and checksums recomputed from scratch. */
void packet_set_destination(struct packet_bytes *packet, const struct canary_endpoint *endpoint);
void packet_set_source(struct packet_bytes *packet, const struct canary_endpoint *endpoint);

#endif
