/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The client's SYN, kept and made again for another backend: what it looked like to the canary, options included. Data that
 * came with it (Fast Open) is left out: the baseline acknowledges the SYN alone, and the client sends the data again. Pure.
 */
#ifndef CANARYD_BPF_RESCUE_H
#define CANARYD_BPF_RESCUE_H

#include "rewrite.h"

#define CANARY_SYN_TCP_MAX 60
#define RESCUE_TCP_WORDS (CANARY_SYN_TCP_MAX / 4)
#define RESCUE_TCP_CHECK 4 /* the word that begins with the checksum */
#define RESCUE_COPY_NS 200000000ULL /* a SYN that comes again sooner is a copy of the first, not its retransmission */

/* `syns`: the SYN of a flow that has a fallback, until somebody answers it. */
struct canary_syn {
	__u32 seq;
	__u32 tcp_len;    /* bytes of the TCP header, 20 … 60 */
	__be32 ip_first;  /* the first word of the IP header: TOS, or traffic class and flow label */
	__be32 ip_second; /* IPv4: identification and flags */
	__u8 ttl;
	__u8 zero[3];
	__be32 tcp[CANARY_SYN_TCP_MAX / 4]; /* the TCP header as it came, 0 beyond tcp_len */
};
_Static_assert(sizeof(struct canary_syn) == 80, "no hole in a map's value");

/*
 * `silences`, by backend: connections of mode dsr since the last one that it took. No answer is seen there, and a backend
 * whose answer was lost on its way gives it again, at the same time as the client sends its SYN again. Were that the
 * baseline's then, the client would have two answers, and lose the connection by the wrong one. So it becomes the
 * baseline's only where the backend has been taking no connection of anybody's.
 */
struct rescue_silence {
	__u64 answered_ns; /* a client's first acknowledgement */
	__u64 syns;        /* that came for it since then */
};
#define RESCUE_SILENCE_NS 900000000ULL /* less than the second after which a client sends its SYN again */
#define RESCUE_SILENCE_SYNS 3

static __always_inline bool rescue_is_silent(const struct rescue_silence *silence, __u64 now_ns)
{
	return silence->syns >= RESCUE_SILENCE_SYNS && now_ns > silence->answered_ns + RESCUE_SILENCE_NS;
}

/* The headers of a SYN for the baseline. */
struct rescue_headers {
	union {
		struct iphdr ip;
		__be32 ip_words[10];
	};
	__be32 tcp[RESCUE_TCP_WORDS];
};

/* What a program works on; the stack has no room for it. */
struct rescue_work {
	struct canary_flow_key key;
	__u32 network;   /* where the reset's headers are */
	__u32 transport;
	__u32 ipv6;
	struct canary_endpoint backend;
	struct canary_syn syn;
	struct rescue_headers headers;
	struct canary_flow refused; /* of fullnat: the flow as it was */
	struct canary_reply_key refused_at;
	__u8 front[22]; /* of the packet: an Ethernet header with two tags */
	__u8 zero[2];
};

/* Is this packet, accounted already, the canary's refusal of a connection that the baseline is to have instead? */
static __always_inline bool rescue_is_refusal(const struct canary_flow *flow, __u8 tcp_flags)
{
	return tcp_flags & TCP_RST && flow->fallback && flow->origin == CANARY_ORIGIN_SYN && flow->request_turn == 0 &&
	       !(flow->client_flags & (CANARY_CLIENT_FIN | CANARY_CLIENT_RST)) && flow->server_flags == CANARY_SERVER_RST;
}

/* Has an ICMP error, accounted already, said that nobody gets this SYN, which is to be the baseline's when it comes again? */
static __always_inline bool rescue_waits(const struct canary_flow *flow, __u32 seq)
{
	return flow->fallback && flow->origin == CANARY_ORIGIN_SYN && flow->request_turn == 0 &&
	       seq == flow->client_isn && flow->server_flags == CANARY_SERVER_UNREACHABLE && !flow->client_flags;
}

/*
 * The flow is the baseline's from now on, as if it had been opened there. The other direction's fields are written, too: a
 * SYN that the client sends again at this very moment may be counted at the one or the other.
 */
static __always_inline void rescue_reopen(struct canary_flow *flow, __u16 version, __u64 now_ns)
{
	flow->backend = flow->fallback - 1;
	flow->version = version;
	flow->fallback = 0;
	flow->opened_ns = now_ns;
	flow->server_flags = 0;
	flow->server_next = 0;
	flow->sweep_flags = 0;
}

/* The words of the TCP header at `tcp`, as many as there are in [tcp, data_end). */
static __always_inline void rescue_keep_tcp(struct canary_syn *syn, const void *tcp, const void *data_end)
{
	const __be32 *word = tcp;

#pragma unroll
	for (__u32 i = 0; i < RESCUE_TCP_WORDS; i++) {
		syn->tcp[i] = 0;
		if (i < syn->tcp_len / 4 && (void *)(word + i + 1) <= data_end)
			syn->tcp[i] = word[i];
	}
}

/* Returns false where its headers are not all in [data, data_end). */
static __always_inline bool rescue_keep_ip(struct canary_syn *syn, const struct packet *p, const void *data_end)
{
	const struct ipv6hdr *ip6 = p->network;
	const struct iphdr *ip = p->network;

	if (p->ipv6) {
		if ((void *)(ip6 + 1) > data_end)
			return false;
		syn->ip_first = *(__be32 *)ip6;
		syn->ip_second = 0;
		syn->ttl = ip6->hop_limit;
		return true;
	}
	if ((void *)(ip + 1) > data_end)
		return false;
	syn->ip_first = *(__be32 *)ip;
	syn->ip_second = *((__be32 *)ip + 1);
	syn->ttl = ip->ttl;
	return true;
}

/* What there is to be kept of a SYN. Returns false where that cannot be read. */
static __always_inline bool rescue_keep(struct canary_syn *syn, const struct packet *p, const void *data_end)
{
	syn->seq = p->seq;
	syn->tcp_len = parse_distance(p->transport, p->payload);
	syn->zero[0] = syn->zero[1] = syn->zero[2] = 0;
	if (syn->tcp_len < sizeof(struct tcphdr) || syn->tcp_len > CANARY_SYN_TCP_MAX || p->payload > data_end)
		return false;
	rescue_keep_tcp(syn, p->transport, data_end);
	return rescue_keep_ip(syn, p, data_end);
}

static __always_inline void rescue_ipv4(struct rescue_headers *headers, const struct canary_syn *syn, __be32 client,
					__be32 backend)
{
	__u32 tos = bpf_ntohl(syn->ip_first) & 0x00ff0000;
	__u64 sum = 0;

	headers->ip_words[0] = bpf_htonl(0x45000000 | tos | (sizeof(headers->ip) + syn->tcp_len));
	headers->ip_words[1] = syn->ip_second;
	headers->ip_words[2] = bpf_htonl((__u32)syn->ttl << 24 | IPPROTO_TCP << 16);
	headers->ip_words[3] = client;
	headers->ip_words[4] = backend;
#pragma unroll
	for (int i = 0; i < 5; i++)
		sum += headers->ip_words[i];
	headers->ip.check = ~rewrite_fold(sum);
}

static __always_inline void rescue_ipv6(struct rescue_headers *headers, const struct canary_syn *syn,
					const __be32 client[4], const __be32 backend[4])
{
	headers->ip_words[0] = syn->ip_first;
	headers->ip_words[1] = bpf_htonl(syn->tcp_len << 16 | IPPROTO_TCP << 8 | syn->ttl);
	__builtin_memcpy(&headers->ip_words[2], client, 16);
	__builtin_memcpy(&headers->ip_words[6], backend, 16);
}

/* The same SYN for `backend`, without its data. The TCP checksum is 0: it depends on who is to complete it. */
static __always_inline void rescue_headers(struct rescue_headers *headers, const struct canary_syn *syn,
					   const struct canary_flow_key *key, const struct canary_endpoint *backend,
					   bool ipv6)
{
	__builtin_memcpy(headers->tcp, syn->tcp, sizeof(headers->tcp));
	headers->tcp[0] = bpf_htonl((__u32)bpf_ntohs(key->client_port) << 16 | bpf_ntohs(backend->port));
	headers->tcp[RESCUE_TCP_CHECK] &= bpf_htonl(0x0000ffff);
	if (ipv6)
		rescue_ipv6(headers, syn, key->client, backend->addr);
	else
		rescue_ipv4(headers, syn, key->client[3], backend->addr[3]);
}

/*
 * What the checksum's pseudo header changes by, when a reset from the VIP to the client becomes that SYN: of the addresses
 * the client's is in both.
 */
static __always_inline __u32 rescue_pseudo_difference(const struct canary_flow_key *key, const struct canary_syn *syn,
						      const struct canary_endpoint *backend)
{
	__u32 sum = rewrite_difference32(key->vip, backend->addr);

	return rewrite_fold((__u64)sum + (__u16)~bpf_htons(sizeof(struct tcphdr)) + bpf_htons(syn->tcp_len));
}

/* The TCP checksum of what rescue_headers() made, in full. */
static __always_inline void rescue_checksum(struct rescue_headers *headers, const struct canary_syn *syn,
					    const struct canary_flow_key *key, const struct canary_endpoint *backend)
{
	__u64 sum = bpf_htons(IPPROTO_TCP) + bpf_htons(syn->tcp_len);

#pragma unroll
	for (int i = 0; i < 4; i++) /* of a mapped address the prefix sums to nothing */
		sum += (__u64)key->client[i] + backend->addr[i];
#pragma unroll
	for (int i = 0; i < RESCUE_TCP_WORDS; i++)
		sum += headers->tcp[i];
	headers->tcp[RESCUE_TCP_CHECK] |= bpf_htonl((__u32)bpf_ntohs(~rewrite_fold(sum)) << 16);
}

/* What it changes by with the header itself, both with a checksum of 0. */
static __always_inline __u32 rescue_tcp_difference(const __be32 reset[5], const struct rescue_headers *headers)
{
	__u64 sum = 0;

#pragma unroll
	for (int i = 0; i < 5; i++)
		sum += (__u32)~(i == RESCUE_TCP_CHECK ? reset[i] & bpf_htonl(0x0000ffff) : reset[i]);
#pragma unroll
	for (int i = 0; i < RESCUE_TCP_WORDS; i++)
		sum += headers->tcp[i];
	return rewrite_fold(sum);
}

#endif
