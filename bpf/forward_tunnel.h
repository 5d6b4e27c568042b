/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Mode dsr at XDP: sends a packet on as forward.h does, unchanged but in a tunnel to its backend. What routers say of the
 * way there is remembered, since they may not say whose packet it was that the way did not take.
 */
#ifndef CANARYD_BPF_FORWARD_TUNNEL_H
#define CANARYD_BPF_FORWARD_TUNNEL_H

#include "forward.h"
#include "tunnel.h"

#define TUNNEL_PATH_NS 600000000000ULL /* believed for so long (RFC 1191 §6.3) */

/* ---- the way's MTU ------------------------------------------------------------------------------------------- */

/* A large packet goes there: routers' words about the way are heard from now on, and those about other ways are not. */
static __always_inline void tunnel_path_open(const struct canary_source *to)
{
	struct canary_tunnel_path path = {};

	bpf_map_update_elem(&tunnel_paths, to, &path, BPF_NOEXIST);
}

/* What was told does not get more by what is told later (RFC 1191 §5), but by its age. */
static __always_inline bool tunnel_path_tell(const struct icmp_tunnel_error *e)
{
	struct canary_tunnel_path *path = bpf_map_lookup_elem(&tunnel_paths, e->destination);
	__u64 now_ns = bpf_ktime_get_ns();

	if (!path)
		return false;
	if (path->told_ns && now_ns - path->told_ns < TUNNEL_PATH_NS && path->mtu <= e->mtu)
		return true;
	path->mtu = e->mtu;
	path->told_ns = now_ns;
	return true;
}

/* Has a router said that the way does not take the packet of the job? Then what it takes is where the kernel's word is. */
static __always_inline bool tunnel_is_too_long(const struct xdp_md *ctx, struct forward_job *job)
{
	const struct canary_source *to = (const void *)job->destination.addr;
	__u32 length = forward_length(ctx, job) + job->overhead;
	struct canary_tunnel_path *path;

	if (length <= (job->packet.ipv6 ? ICMP_TUNNEL_MTU_MIN6 : ICMP_TUNNEL_MTU_MIN4))
		return false;
	path = bpf_map_lookup_elem(&tunnel_paths, to);
	if (!path) {
		tunnel_path_open(to);
		return false;
	}
	if (!path->told_ns || length <= path->mtu || bpf_ktime_get_ns() - path->told_ns >= TUNNEL_PATH_NS)
		return false;
	job->fib.tot_len = path->mtu;
	return true;
}

/* ---- the tunnel ---------------------------------------------------------------------------------------------- */

/* What lies before the IP header. */
struct tunnel_link {
	struct ethhdr eth;
	struct vlan_tag tags[PARSE_VLAN_TAGS];
};

/* Moves it to the front of the packet, which has become longer there. */
static __always_inline bool tunnel_put_link(const struct xdp_md *ctx, const struct forward_job *job,
					    const struct tunnel_link *link)
{
	struct tunnel_link *front = forward_at(ctx, 0, sizeof(*front));

	if (!front)
		return false;
	front->eth = link->eth;
	if (job->network > sizeof(link->eth))
		front->tags[0] = link->tags[0];
	if (job->network > sizeof(link->eth) + sizeof(link->tags[0]))
		front->tags[1] = link->tags[1];
	return true;
}

static __always_inline bool tunnel_put_header(const struct xdp_md *ctx, const struct forward_job *job)
{
	struct ipv6hdr *ip6 = forward_at(ctx, job->network, 2 * sizeof(*ip6));
	struct iphdr *ip = forward_at(ctx, job->network, 2 * sizeof(*ip));

	if (job->packet.ipv6 && ip6)
		tunnel_ipv6(ip6, ip6 + 1, job->source.addr, job->destination.addr, job->label);
	else if (!job->packet.ipv6 && ip)
		tunnel_ipv4(ip, ip + 1, job->source.addr[3], job->destination.addr[3]);
	else
		return false;
	return true;
}

/* Returns false with the packet as it was. */
static __always_inline bool tunnel_enter(struct xdp_md *ctx, const struct forward_job *job)
{
	struct tunnel_link *there = forward_at(ctx, 0, sizeof(*there)), link;

	if (!there)
		return false;
	link = *there;
	if (bpf_xdp_adjust_head(ctx, -(int)tunnel_overhead(job->packet.ipv6)))
		return false;
	return tunnel_put_link(ctx, job, &link) && tunnel_put_header(ctx, job);
}

/*
 * Does the job of this CPU: of its packet only the place of the IP header and its family are asked. Returns an XDP
 * verdict; or a negative reason, with the packet as it was. Verified by itself.
 */
__attribute__((noinline)) int forward_tunnel(struct xdp_md *ctx)
{
	struct forward_job *job = forward_job();
	int way;

	if (!job)
		return -CANARY_REASON_rewrite;
	job->overhead = tunnel_overhead(job->packet.ipv6);
	way = forward_find_way(ctx, job);
	if (way < 0)
		return way;
	if (tunnel_is_too_long(ctx, job))
		return -CANARY_REASON_too_big;
	if (!tunnel_enter(ctx, job))
		return -CANARY_REASON_rewrite;
	job->network += job->overhead;
	forward_count_hop(ctx, job);
	return forward_send(ctx, job, way);
}

#endif
