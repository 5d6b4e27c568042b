/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sends a packet on its way from XDP, for the modes in which the stack is not to see it: route and neighbour from the
 * kernel's tables, new addresses, and out by XDP_TX or a redirect. The caller says what the packet shall become in the
 * forward_job of its CPU; offsets in it, not pointers, since forward() is verified by itself.
 */
#ifndef CANARYD_BPF_FORWARD_H
#define CANARYD_BPF_FORWARD_H

#include "account.h"
#include "maps.h"
#include "parse.h"
#include "rewrite.h"

#define FORWARD_AF_INET 2
#define FORWARD_AF_INET6 10
#define FORWARD_LENGTH_MAX 0xffff
#define FORWARD_HEADERS 0x3fff /* beyond the longest chain of headers parse.h steps over */

/* Goes with a packet that the stack shall send: canary_ingress finds it in front of the packet. */
#define FORWARD_META 0x63616e79
struct forward_meta {
	__u32 magic;
	__u32 ifindex; /* where to */
};

enum forward_kind {
	FORWARD_PACKET = 0, /* of TCP or UDP */
	FORWARD_FRAGMENT = 1, /* not the first: its addresses change, and nothing behind them */
	FORWARD_ICMP = 2,   /* an error: what it shall become is in the CPU's scratch */
	FORWARD_READY = 3,  /* it has become that already */
};

/* What one packet shall become. */
struct forward_job {
	struct packet packet;     /* without its pointers */
	struct canary_flow_key key;
	struct canary_flow flow;  /* where it opens: as it is then */
	struct canary_reply_key reply_key;
	struct canary_reply reply;
	struct canary_endpoint source; /* what it shall carry */
	struct canary_endpoint destination;
	struct bpf_fib_lookup fib;
	__u32 kind;    /* enum forward_kind */
	__u32 network; /* offsets */
	__u32 transport;
	__u32 payload;
	__u32 source_first; /* the flow's service's part of `sources` */
	__u32 source_count;
	__u32 waits;        /* the probe whose source can be taken over for want of a free one */
	__u32 on_probation; /* its flow goes there: takes no source for good */
	__u32 ingress;      /* the interface it came in on */
	__u32 overhead;     /* by how much it becomes longer */
	__u32 mode;         /* enum canary_mode */
	__u32 opens;        /* it is the first of its flow, and accounted */
	__u32 label;        /* in a tunnel: the same for all packets of a flow */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct forward_job);
} forward_jobs SEC(".maps");

/* The interfaces whose driver sends what XDP redirects to them. Others get it by the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 32);
	__type(key, __u32);
	__type(value, __u32);
} outputs SEC(".maps");

static __always_inline struct forward_job *forward_job(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&forward_jobs, &zero);
}

/* Notes what is known of the packet, its pointers as offsets. */
static __always_inline void forward_note(struct forward_job *job, const struct packet *p)
{
	job->kind = FORWARD_PACKET;
	job->network = parse_distance(p->start, p->network);
	job->transport = parse_distance(p->start, p->transport);
	job->packet.protocol = p->protocol;
	job->packet.ipv6 = p->ipv6;
	job->payload = parse_distance(p->start, p->payload);
	__builtin_memcpy(job->packet.source, p->source, sizeof(p->source));
	__builtin_memcpy(job->packet.destination, p->destination, sizeof(p->destination));
	job->packet.source_port = p->source_port;
	job->packet.destination_port = p->destination_port;
	job->packet.tcp_flags = p->tcp_flags;
	job->packet.window = p->window;
	job->packet.seq = p->seq;
	job->packet.ack = p->ack;
	job->packet.payload_len = p->payload_len;
	job->packet.segments = 1;
}

/* `size` readable bytes at the offset, or NULL. */
static __always_inline void *forward_at(const struct xdp_md *ctx, __u32 offset, __u32 size)
{
	void *at = (void *)(long)ctx->data + (offset & FORWARD_HEADERS);

	return at + size > (void *)(long)ctx->data_end ? NULL : at;
}

/* ---- where to ------------------------------------------------------------------------------------------------ */

/* The length of the packet from its IP header on; 0 where there is none. */
static __always_inline __u32 forward_length(const struct xdp_md *ctx, const struct forward_job *job)
{
	struct ipv6hdr *ip6 = forward_at(ctx, job->network, sizeof(*ip6));
	struct iphdr *ip = forward_at(ctx, job->network, sizeof(*ip));

	if (job->packet.ipv6)
		return ip6 ? bpf_ntohs(ip6->payload_len) + sizeof(*ip6) : 0;
	return ip ? bpf_ntohs(ip->tot_len) : 0;
}

/* May it pass one more router? */
static __always_inline bool forward_may_live(const struct xdp_md *ctx, const struct forward_job *job)
{
	struct ipv6hdr *ip6 = forward_at(ctx, job->network, sizeof(*ip6));
	struct iphdr *ip = forward_at(ctx, job->network, sizeof(*ip));

	if (job->packet.ipv6)
		return ip6 && ip6->hop_limit > 1;
	return ip && ip->ttl > 1;
}

/* Asks the kernel for route and neighbour. Returns BPF_FIB_LKUP_RET_*, or negative. */
static __always_inline long forward_lookup(struct xdp_md *ctx, struct forward_job *job)
{
	__u32 length = forward_length(ctx, job) + job->overhead;
	struct bpf_fib_lookup *fib = &job->fib;

	__builtin_memset(fib, 0, sizeof(*fib));
	job->ingress = ctx->ingress_ifindex;
	if (length > FORWARD_LENGTH_MAX) {
		fib->tot_len = FORWARD_LENGTH_MAX;
		return BPF_FIB_LKUP_RET_FRAG_NEEDED;
	}
	fib->family = job->packet.ipv6 ? FORWARD_AF_INET6 : FORWARD_AF_INET;
	fib->l4_protocol = job->packet.protocol;
	fib->tot_len = length;
	fib->ifindex = job->ingress;
	if (job->packet.ipv6) {
		__builtin_memcpy(fib->ipv6_src, job->source.addr, sizeof(fib->ipv6_src));
		__builtin_memcpy(fib->ipv6_dst, job->destination.addr, sizeof(fib->ipv6_dst));
	} else {
		fib->ipv4_src = job->source.addr[3];
		fib->ipv4_dst = job->destination.addr[3];
	}
	return bpf_fib_lookup(ctx, fib, sizeof(*fib), 0);
}

enum forward_way {
	FORWARD_BY_XDP = 0,
	FORWARD_BY_STACK = 1, /* which finds out who the neighbour is */
};

/* Asks where the packet of the job goes. Returns enum forward_way, or a negative reason. */
static __always_inline int forward_find_way(struct xdp_md *ctx, struct forward_job *job)
{
	long found;

	if (!forward_may_live(ctx, job))
		return -CANARY_REASON_time_to_live;
	found = forward_lookup(ctx, job);
	if (found == BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return -CANARY_REASON_too_big;
	if ((found != BPF_FIB_LKUP_RET_SUCCESS && found != BPF_FIB_LKUP_RET_NO_NEIGH) ||
	    (job->network != sizeof(struct ethhdr) && job->fib.ifindex != job->ingress))
		return -CANARY_REASON_no_route;
	return found == BPF_FIB_LKUP_RET_SUCCESS ? FORWARD_BY_XDP : FORWARD_BY_STACK;
}

/* ---- what it becomes ----------------------------------------------------------------------------------------- */

/* Writes the addresses. Returns the one's complement difference for the transport's checksum, or 0: not done. */
static __always_inline __u64 forward_rewrite_ipv6(const struct xdp_md *ctx, const struct forward_job *job)
{
	struct ipv6hdr *ip = forward_at(ctx, job->network, sizeof(*ip));
	__u64 difference;

	if (!ip)
		return 0;
	difference = rewrite_difference((const __be32 *)&ip->saddr, job->source.addr) +
		     rewrite_difference((const __be32 *)&ip->daddr, job->destination.addr);
	__builtin_memcpy(&ip->saddr, job->source.addr, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, job->destination.addr, sizeof(ip->daddr));
	return difference;
}

static __always_inline __u64 forward_rewrite_ipv4(const struct xdp_md *ctx, const struct forward_job *job)
{
	struct iphdr *ip = forward_at(ctx, job->network, sizeof(*ip));
	__u64 difference;

	if (!ip)
		return 0;
	difference = (__u64)(__u32)~ip->saddr + job->source.addr[3] + (__u32)~ip->daddr + job->destination.addr[3];
	ip->check = rewrite_checksum(ip->check, difference);
	ip->saddr = job->source.addr[3];
	ip->daddr = job->destination.addr[3];
	return difference;
}

static __always_inline bool forward_rewrite_tcp(const struct xdp_md *ctx, const struct forward_job *job, __u64 difference)
{
	struct tcphdr *tcp = forward_at(ctx, job->transport, sizeof(*tcp));

	if (!tcp)
		return false;
	difference += (__u64)(__u16)~tcp->source + job->source.port + (__u16)~tcp->dest + job->destination.port;
	tcp->source = job->source.port;
	tcp->dest = job->destination.port;
	tcp->check = rewrite_checksum(tcp->check, difference);
	return true;
}

static __always_inline bool forward_rewrite_udp(const struct xdp_md *ctx, const struct forward_job *job, __u64 difference)
{
	struct udphdr *udp = forward_at(ctx, job->transport, sizeof(*udp));

	if (!udp)
		return false;
	difference += (__u64)(__u16)~udp->source + job->source.port + (__u16)~udp->dest + job->destination.port;
	udp->source = job->source.port;
	udp->dest = job->destination.port;
	udp->check = rewrite_udp_checksum(udp->check, difference);
	return true;
}

static __always_inline bool forward_rewrite_icmp(const struct xdp_md *ctx)
{
	struct maps_scratch *room = maps_scratch();

	return room && icmp_write(&room->icmp.error, (void *)(long)ctx->data, (void *)(long)ctx->data_end);
}

/* Returns false where the packet is too short to hold its headers, which parse.h has ruled out. */
static __always_inline bool forward_rewrite(const struct xdp_md *ctx, const struct forward_job *job)
{
	__u64 difference;

	if (job->kind == FORWARD_READY)
		return true;
	if (job->kind == FORWARD_ICMP)
		return forward_rewrite_icmp(ctx);
	difference = job->packet.ipv6 ? forward_rewrite_ipv6(ctx, job) : forward_rewrite_ipv4(ctx, job);
	if (!difference || job->kind == FORWARD_FRAGMENT)
		return difference;
	if (job->packet.protocol == IPPROTO_TCP)
		return forward_rewrite_tcp(ctx, job, difference);
	return forward_rewrite_udp(ctx, job, difference);
}

/* Where the stack sends it on, it does not count it as a router would. */
static __always_inline void forward_count_hop(const struct xdp_md *ctx, const struct forward_job *job)
{
	struct ipv6hdr *ip6 = forward_at(ctx, job->network, sizeof(*ip6));
	struct iphdr *ip = forward_at(ctx, job->network, sizeof(*ip));

	if (job->packet.ipv6 && ip6) {
		ip6->hop_limit--;
	} else if (!job->packet.ipv6 && ip) {
		ip->check = rewrite_checksum(ip->check, (__u16)~bpf_htons(0x0100));
		ip->ttl--;
	}
}

/* ---- on its way ---------------------------------------------------------------------------------------------- */

/* By the stack: canary_ingress finds where to, and the kernel the neighbour. */
static __always_inline int forward_by_stack(struct xdp_md *ctx, __u32 ifindex)
{
	struct forward_meta *meta;

	account_reason(CANARY_REASON_no_neighbour);
	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*meta)))
		return XDP_PASS;
	meta = (void *)(long)ctx->data_meta;
	if ((void *)(meta + 1) <= (void *)(long)ctx->data) {
		meta->magic = FORWARD_META;
		meta->ifindex = ifindex;
	}
	return XDP_PASS;
}

static __always_inline int forward_send(struct xdp_md *ctx, const struct forward_job *job, enum forward_way way)
{
	struct ethhdr *eth = forward_at(ctx, 0, sizeof(*eth));

	if (way == FORWARD_BY_STACK)
		return forward_by_stack(ctx, job->fib.ifindex);
	if (!eth)
		return XDP_PASS;
	if (job->fib.ifindex != job->ingress &&
	    bpf_redirect_map(&outputs, job->fib.ifindex, XDP_PASS) != XDP_REDIRECT)
		return forward_by_stack(ctx, job->fib.ifindex);
	__builtin_memcpy(eth->h_source, job->fib.smac, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, job->fib.dmac, ETH_ALEN);
	return job->fib.ifindex == job->ingress ? XDP_TX : XDP_REDIRECT;
}

/*
 * Parses the packet and notes it: those who call it have no pointer into the packet left to hand over. Returns 0 or a
 * reason. Verified by itself.
 */
__attribute__((noinline)) int forward_parse(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct forward_job *job = forward_job();
	struct packet p;
	int reason;

	if (!job)
		return CANARY_REASON_rewrite;
	reason = parse_packet(data, data_end, parse_distance(data, data_end), &p);
	if (!reason)
		forward_note(job, &p);
	return reason;
}

/*
 * Does the job of this CPU. Returns an XDP verdict; or a negative reason, with the packet as it was. A tagged packet
 * goes out where it came in, with its tags: XDP cannot send on an interface of a VLAN.
 */
__attribute__((noinline)) int forward(struct xdp_md *ctx)
{
	struct forward_job *job = forward_job();
	int way;

	if (!job)
		return -CANARY_REASON_rewrite;
	job->overhead = 0;
	way = forward_find_way(ctx, job);
	if (way < 0)
		return way;
	if (!forward_rewrite(ctx, job))
		return -CANARY_REASON_rewrite;
	forward_count_hop(ctx, job);
	return forward_send(ctx, job, way);
}

#endif
