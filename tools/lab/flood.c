/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A SYN flood for the lab: so many SYNs from random addresses and ports of 198.18.0.0/15 (RFC 2544's, for such tests),
 * which nobody answers for. It ends by itself, and prints how many it sent. The same seed floods alike.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "tools/lab/options.h"
#include "tools/lab/socket_address.h"
#include "user/address.h"

#define BENCHMARK_NETWORK 0xc6120000U /* 198.18.0.0/15 */
#define COUNT_MAX 1000000

static const char *to;
static double count = 10000, rate = 10000, seed = 1;

static const struct option_entry options[] = {
	{ "to", "ADDR:PORT", "whom to send SYNs to (IPv4)", .text = &to },
	{ "count", "N", "so many (default: 10,000)", .number = &count, .low = 1, .high = COUNT_MAX },
	{ "rate", "N", "a second, at most (default: 10,000)", .number = &rate, .low = 1, .high = COUNT_MAX },
	{ "seed", "N", "of the random sources (default: 1)", .number = &seed, .low = 1, .high = 4294967295.0 },
};

/* What the kernel does not fill in of a packet. */
struct syn {
	struct iphdr ip;
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

static uint16_t checksum(const struct syn *syn)
{
	const uint16_t *words = (const uint16_t *)&syn->tcp;
	uint32_t sum = (syn->ip.saddr & 0xffff) + (syn->ip.saddr >> 16) + (syn->ip.daddr & 0xffff) + (syn->ip.daddr >> 16) +
		       htons(IPPROTO_TCP) + htons(sizeof(syn->tcp));

	for (size_t i = 0; i < sizeof(syn->tcp) / 2; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~(sum + (sum >> 16));
}

static struct syn make_syn(const struct sockaddr_in *target, uint64_t *state)
{
	uint64_t chance = next_random(state);
	struct syn syn = {
		.ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP, .daddr = target->sin_addr.s_addr },
		.tcp = { .dest = target->sin_port, .doff = 5, .syn = 1, .window = htons(64240) },
	};

	syn.ip.saddr = htonl(BENCHMARK_NETWORK | (chance & 0x1ffff));
	syn.tcp.source = htons((uint16_t)(1024 + (chance >> 20) % 64512));
	syn.tcp.seq = (uint32_t)(chance >> 32);
	syn.tcp.check = checksum(&syn);
	return syn;
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

static int run(const struct sockaddr_in *target)
{
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW); /* with a header of its own */
	uint64_t state = (uint64_t)seed, sent = 0;

	if (fd < 0)
		return -errno;
	for (uint64_t i = 0; i < (uint64_t)count; i++) {
		struct syn syn = make_syn(target, &state);

		if (i % 64 == 0)
			pace(i);
		sent += sendto(fd, &syn, sizeof(syn), 0, (const struct sockaddr *)target, sizeof(*target)) == sizeof(syn);
	}
	printf("{\"sent\": %llu}\n", (unsigned long long)sent);
	return 0;
}

int main(int argc, char **argv)
{
	struct canary_endpoint endpoint;
	struct sockaddr_storage target;
	int r;

	options_read(options, sizeof(options) / sizeof(*options), "sends SYNs from forged sources", argc, argv);
	if (!to)
		options_fail("to", "is missing", "");
	if (address_parse(to, IPPROTO_TCP, &endpoint) || socket_address(&endpoint, &target) != sizeof(struct sockaddr_in))
		options_fail("to", "is no IPv4 address and port", to);
	r = run((const struct sockaddr_in *)&target);
	if (r)
		fprintf(stderr, "lab-flood: %s\n", strerror(-r));
	return !!r;
}
