/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A SYN flood for the lab: so many SYNs from random addresses and ports of 198.18.0.0/15 (RFC 2544's, for such tests) or
 * 2001:2::/48 (RFC 5180's), which nobody answers for. It ends by itself, and prints how many it sent. The same seed floods
 * alike.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tools/lab/options.h"
#include "tools/lab/socket_address.h"
#include "user/address.h"

#define BENCHMARK_NETWORK4 0xc6120000U /* 198.18.0.0/15 */
#define BENCHMARK_NETWORK6 0x20010002U /* 2001:2::/48 */
#define COUNT_MAX 1000000

static const char *to;
static double count = 10000, rate = 10000, seed = 1;

static const struct option_entry options[] = {
	{ "to", "ADDR:PORT", "whom to send SYNs to", .text = &to },
	{ "count", "N", "so many (default: 10,000)", .number = &count, .low = 1, .high = COUNT_MAX },
	{ "rate", "N", "a second, at most (default: 10,000)", .number = &rate, .low = 1, .high = COUNT_MAX },
	{ "seed", "N", "of the random sources (default: 1)", .number = &seed, .low = 1, .high = 4294967295.0 },
};

/* A packet's two headers; of IPv4's the kernel fills in what is 0. */
struct syn {
	union {
		struct iphdr ip;
		struct ip6_hdr ip6;
	};
	struct tcphdr tcp;
};

/* xorshift64* (Vigna 2016). */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

static uint32_t sum(const void *from, size_t bytes)
{
	const uint16_t *words = from;
	uint32_t total = 0;

	for (size_t i = 0; i < bytes / 2; i++)
		total += words[i];
	return total;
}

/* `addresses` are the sum of both; the rest of the pseudo header is alike in both families. */
static uint16_t checksum(uint32_t addresses, const struct tcphdr *tcp)
{
	uint32_t total = addresses + htons(IPPROTO_TCP) + htons(sizeof(*tcp)) + sum(tcp, sizeof(*tcp));

	total = (total & 0xffff) + (total >> 16);
	return (uint16_t)~(total + (total >> 16));
}

/* Returns the sum of the addresses. */
static uint32_t make_ip4(struct iphdr *ip, uint32_t number, const struct canary_endpoint *target)
{
	*ip = (struct iphdr){ .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP, .daddr = target->addr[3] };
	ip->saddr = htonl(BENCHMARK_NETWORK4 | (number & 0x1ffff));
	return sum(&ip->saddr, 2 * sizeof(ip->saddr));
}

static uint32_t make_ip6(struct ip6_hdr *ip, uint32_t number, const struct canary_endpoint *target)
{
	*ip = (struct ip6_hdr){ .ip6_flow = htonl(6U << 28), .ip6_plen = htons(sizeof(struct tcphdr)) };
	ip->ip6_nxt = IPPROTO_TCP;
	ip->ip6_hlim = 64;
	ip->ip6_src.s6_addr32[0] = htonl(BENCHMARK_NETWORK6);
	ip->ip6_src.s6_addr32[3] = htonl(number);
	memcpy(&ip->ip6_dst, target->addr, sizeof(ip->ip6_dst));
	return sum(&ip->ip6_src, 2 * sizeof(ip->ip6_src));
}

static void make_syn(struct syn *syn, const struct canary_endpoint *target, uint64_t *state)
{
	uint64_t chance = next_random(state);
	uint32_t addresses, number = (uint32_t)chance & 0xfffff;

	addresses = address_is_ipv4(target->addr) ? make_ip4(&syn->ip, number, target) : make_ip6(&syn->ip6, number, target);
	syn->tcp = (struct tcphdr){ .dest = target->port, .doff = 5, .syn = 1, .window = htons(64240) };
	syn->tcp.source = htons((uint16_t)(1024 + (chance >> 20) % 64512));
	syn->tcp.seq = (uint32_t)(chance >> 32);
	syn->tcp.check = checksum(addresses, &syn->tcp);
}

/* Sleeps until the packet of this number is due. */
static void pace(uint64_t number)
{
	static struct timespec began;
	double due_s = (double)number / rate;
	struct timespec due;

	if (!number)
		clock_gettime(CLOCK_MONOTONIC, &began);
	due = began;
	due.tv_sec += (time_t)due_s;
	due.tv_nsec += (long)((due_s - (double)(time_t)due_s) * 1e9);
	if (due.tv_nsec >= 1000000000L) {
		due.tv_nsec -= 1000000000L;
		due.tv_sec++;
	}
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

static bool send_syn(int fd, struct syn *syn, struct sockaddr_storage *address, socklen_t len)
{
	size_t header = address->ss_family == AF_INET ? sizeof(syn->ip) : sizeof(syn->ip6);
	struct iovec parts[] = { { &syn->ip, header }, { &syn->tcp, sizeof(syn->tcp) } };
	struct msghdr message = { .msg_name = address, .msg_namelen = len, .msg_iov = parts, .msg_iovlen = 2 };

	return sendmsg(fd, &message, 0) == (ssize_t)(header + sizeof(syn->tcp));
}

static int run(const struct canary_endpoint *target)
{
	uint64_t state = (uint64_t)seed, sent = 0;
	struct canary_endpoint host = *target;
	struct sockaddr_storage address;
	socklen_t len;
	int fd;

	host.port = 0; /* to a raw socket that would be a protocol */
	len = socket_address(&host, &address);
	fd = socket(address.ss_family, SOCK_RAW, IPPROTO_RAW); /* with a header of its own */
	if (fd < 0)
		return -errno;
	for (uint64_t i = 0; i < (uint64_t)count; i++) {
		struct syn syn;

		if (i % 64 == 0)
			pace(i);
		make_syn(&syn, target, &state);
		sent += send_syn(fd, &syn, &address, len);
	}
	close(fd);
	printf("{\"sent\": %llu}\n", (unsigned long long)sent);
	return 0;
}

int main(int argc, char **argv)
{
	struct canary_endpoint target;
	int r;

	options_read(options, sizeof(options) / sizeof(*options), "sends SYNs from forged sources", argc, argv);
	if (!to)
		options_fail("to", "is missing", "");
	if (address_parse(to, IPPROTO_TCP, &target))
		options_fail("to", "is no address and port", to);
	r = run(&target);
	if (r)
		fprintf(stderr, "lab-flood: %s\n", strerror(-r));
	return !!r;
}
