/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The network that packets in modes fullnat and dsr find their way by. Nothing is ever sent on it. */
#include "tools/bench/bench.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

static const char *const network[] = {
	"ip link set lo up",
	"ip link add c0 type veth peer name c1",
	"ip link add b0 type veth peer name b1",
	"sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1",
	"ip link set c0 up; ip link set c1 up; ip link set b0 up; ip link set b1 up",
	"ip address add 172.16.1.254/24 dev c0; ip address add fd00:c::fe/64 dev c0 nodad",
	"ip address add 172.16.2.254/24 dev b0; ip address add fd00:b::fe/64 dev b0 nodad",
	"ip neigh add 172.16.1.1 lladdr 02:00:00:00:00:cc dev c0; ip neigh add fd00:c::1 lladdr 02:00:00:00:00:cc dev c0",
	"ip neigh add 172.16.2.1 lladdr 02:00:00:00:00:bb dev b0; ip neigh add fd00:b::1 lladdr 02:00:00:00:00:bb dev b0",
	"ip route add 10.128.0.0/9 via 172.16.1.1; ip route add " BENCH_CLIENTS6 "/48 via fd00:c::1",
	"ip route add 10.0.0.0/24 via 172.16.2.1; ip route add fd00::/64 via fd00:b::1",
};

void bench_enter_network(void)
{
	bench_must(unshare(CLONE_NEWNET) ? errno : 0, "a network namespace");
	for (size_t i = 0; i < sizeof(network) / sizeof(*network); i++)
		bench_must(system(network[i]) ? EINVAL : 0, network[i]);
}
