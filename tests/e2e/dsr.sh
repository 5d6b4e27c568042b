# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Backends of mode dsr: b1 and b2 of the routed lab. Sourced after lib.sh.

# A host behind the node has the VIP, without telling anybody, and another way to the client.
prepare_backend() {
	local i=$1
	lab_veth client "to-b$i" "10.78.$i.1/24" "fd00:78:$i::1/64" "b$i" direct "10.78.$i.2/24" "fd00:78:$i::2/64" &&
		lab_ns "b$i" ip address add "$LAB_VIP4/32" dev lo &&
		lab_ns "b$i" ip address add "$LAB_VIP6/128" dev lo nodad &&
		lab_ns "b$i" sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2 &&
		lab_ns "b$i" ip route add 192.0.2.0/24 via "10.78.$i.1" &&
		lab_ns "b$i" ip route add 2001:db8::/64 via "fd00:78:$i::1" &&
		lab_xdp "b$i" eth0 lab_decapsulate && lab_xdp "b$i" direct lab_decapsulate
}

# By the client's link: the client is the router on the way to b1's other address.
prepare() {
	prepare_backend 1 && prepare_backend 2 &&
		lab_xdp client client0 lab_pass &&
		lab_ns client sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 &&
		lab_ns node sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 &&
		lab_ns node ip route add 10.78.1.0/24 via "${LAB_CLIENTS4[0]}" &&
		lab_ns node ip route add fd00:78:1::/64 via "${LAB_CLIENTS6[0]}"
}

# service NAME VIP PROTOCOL SOURCE BASELINE [CANARY]: its versions are NAME-old and NAME-new
service() {
	cat <<-END
		  - name: $1
		    vip: $2
		    protocol: $3
		    mode: dsr
		    tunnel_source: "$4"
		    syn_timeout_s: 0.5
		    response_timeout_s: 0.5
		    breaker: {enabled: false}
		    baseline: $1-old
		    rollout: {steps: [{weight: 50, min_s: 1}], bake_s: 1}
		    versions:
		      - {name: $1-old, backends: ["$5"]}
		      ${6:+"- {name: $1-new, backends: [\"$6\"]}"}
	END
}
