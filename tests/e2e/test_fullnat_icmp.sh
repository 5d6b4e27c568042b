#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Mode fullnat, and what goes wrong on the way: path-MTU discovery over links of 1,280 bytes on both sides of the splitter
# and in both directions; ports and hosts that are unreachable; datagrams in fragments. Both families.
#
#   far 198.51.100.2 --(1280)-- client ----- node --(1280)-- b1
#       2001:db8:f::2                         `----- b2 --(1280)-- deep 203.0.113.2
#                                                                       2001:db8:d::2
# Who is at a narrow link says all the same that it takes segments of 1,460 bytes: nothing but ICMP tells the truth.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/path.sh
. tests/e2e/path.sh

far4=198.51.100.2 far6=2001:db8:f::2 deep4=203.0.113.2 deep6=2001:db8:d::2
source4=10.77.0.21 source6=fd00:77::21
near4=${LAB_CLIENTS4[15]} near6=${LAB_CLIENTS6[15]} # on the clients' link: out where it came in

edges_up() {
	lab_prepare_ns far && lab_prepare_ns deep &&
		lab_veth far far0 "$far4/24" "$far6/64" client to-far 198.51.100.1/24 2001:db8:f::1/64 &&
		lab_veth deep deep0 "$deep4/24" "$deep6/64" b2 to-deep 203.0.113.1/24 2001:db8:d::1/64 &&
		narrow far far0 client to-far && narrow deep deep0 b2 to-deep && narrow b1 eth0 node to-b1 &&
		routes far 198.51.100.1 2001:db8:f::1 && routes deep 203.0.113.1 2001:db8:d::1 && routes b1 10.77.1.1 fd00:77:1::1
}

# XDP sends: on a veth that reaches a peer who polls (GRO), and by XDP_TX one who has a program of its own.
node_up() {
	local ns
	for ns in client node b2; do
		lab_ns "$ns" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 || return 1
	done
	lab_ns node ip -batch - <<-END &&
		address add $source4/32 dev lo
		address add $source6/128 dev lo nodad
		route add 198.51.100.0/24 via ${LAB_CLIENTS4[0]}
		route add 2001:db8:f::/64 via ${LAB_CLIENTS6[0]}
		route add 203.0.113.0/24 via 10.77.2.2
		route add 2001:db8:d::/64 via fd00:77:2::2
		route add 10.77.9.0/24 via 10.77.2.2
		route add fd00:77:9::/64 via fd00:77:2::2
	END
		lab_ns b2 ip route add unreachable 10.77.9.0/24 && lab_ns b2 ip -6 route add unreachable fd00:77:9::/64 &&
		lab_xdp client client0 lab_pass && lab_ns b1 ethtool -K eth0 gro on && lab_ns b2 ethtool -K eth0 gro on
}

# ---- versions ----

write_config() {
	lab_config | sed 's/^interfaces:.*/interfaces: [node0, to-b1, to-b2]/'
	cat <<-END
		max_versions: 32
		max_backends: 64
		judge: {no_data_s: 3600, warmup_s: 86400}
		services:
	END
	service deep "$LAB_VIP4:80" tcp "$source4" "$deep4:8080"
	service deep6 "[$LAB_VIP6]:80" tcp "$source6" "[$deep6]:8080"
	service narrow "$LAB_VIP4:81" tcp "$source4" 10.77.1.2:8080
	service narrow6 "[$LAB_VIP6]:81" tcp "$source6" "[fd00:77:1::2]:8080"
	service wide "$LAB_VIP4:82" tcp "$source4" 10.77.2.2:8080
	service wide6 "[$LAB_VIP6]:82" tcp "$source6" "[fd00:77:2::2]:8080"
	service datagrams "$LAB_VIP4:53" udp "$source4" 10.77.1.2:8300 10.77.2.2:8300 "$deep4:8300"
	service datagrams6 "[$LAB_VIP6]:53" udp "$source6" "[fd00:77:1::2]:8300" "[fd00:77:2::2]:8300" "[$deep6]:8300"
	service closed "$LAB_VIP4:90" udp "$source4" 10.77.2.2:8390
	service closed6 "[$LAB_VIP6]:90" udp "$source6" "[fd00:77:2::2]:8390"
	service near "$LAB_VIP4:91" udp "$source4" "$near4:8390"
	service near6 "[$LAB_VIP6]:91" udp "$source6" "[$near6]:8390"
	service nowhere "$LAB_VIP4:92" tcp "$source4" 10.77.9.9:80
	service nowhere6 "[$LAB_VIP6]:92" tcp "$source6" "[fd00:77:9::9]:80"
}

# service NAME VIP PROTOCOL SOURCE BACKEND…: with one version of the same name
service() {
	local name=$1 vip=$2 protocol=$3 source=$4
	shift 4
	cat <<-END
		  - name: $name
		    vip: '$vip'
		    protocol: $protocol
		    mode: fullnat
		    source_addresses: ["$source"]
		    syn_timeout_s: 60
		    response_timeout_s: 60
		    baseline: $name
		    versions: [{name: $name, backends: [$(printf '"%s", ' "$@")]}]
	END
}

start_servers() {
	head -c 1000000 /dev/urandom >"$LAB_DIR/large"
	serve_files b1 10.77.1.2 fd00:77:1::2
	serve_files b2 10.77.2.2 fd00:77:2::2
	serve_files deep "$deep4" "$deep6"
	serve_datagrams s1 b1 8300 10.77.1.2 fd00:77:1::2
	serve_datagrams s2 b2 8300 10.77.2.2 fd00:77:2::2
	serve_datagrams s3 deep 8300 "$deep4" "$deep6"
}

# ---- path MTU, TCP ----

# The narrow link behind a router: its error is translated. At the node's own interface: the node tells the client.
test_tcp() {
	upload deep "$LAB_VIP4:80" deep
	check_within "deep: ICMP errors translated" "$(counted deep icmp_errors)" 1 1000
	check "the client knows the way to the VIP" knows client "$LAB_VIP4"
	upload deep6 "[$LAB_VIP6]:80" deep
	check_within "deep6: ICMP errors translated" "$(counted deep6 icmp_errors)" 1 1000
	check "the client knows the way to the VIP, IPv6" knows client "$LAB_VIP6"
	forget_routes far client node b1 b2 deep
	upload narrow "$LAB_VIP4:81" b1
	upload narrow6 "[$LAB_VIP6]:81" b1
	check_within "the node told the client" "$(reason too_big)" 2 1000
	download wide "$LAB_VIP4:82"
	check "the backend knows the way to its client" knows b2 "$source4"
	download wide6 "[$LAB_VIP6]:82"
	check "the backend knows the way to its client, IPv6" knows b2 "$source6"
	check_equal "no TCP connection failed" "$(lab_kernel | jq '.refused + .syn_timeout + .reset_before_response + .empty_close')" 0
}

# ---- datagrams ----

test_datagrams() {
	local ns bytes
	forget_routes far client node b1 b2 deep
	for ns in client far; do
		for bytes in 1400 4000; do
			datagrams "$ns" datagrams "$LAB_VIP4:53" "$bytes" 3 300
			datagrams "$ns" datagrams6 "[$LAB_VIP6]:53" "$bytes" 3 300
		done
	done
}

# ---- unreachable ----

test_unreachable() {
	refused closed "$LAB_VIP4:90" "${LAB_CLIENTS4[0]}"
	refused closed6 "[$LAB_VIP6]:90" "${LAB_CLIENTS6[0]}"
	refused near "$LAB_VIP4:91" "${LAB_CLIENTS4[0]}"
	refused near6 "[$LAB_VIP6]:91" "${LAB_CLIENTS6[0]}"
	unreachable nowhere "$LAB_VIP4:92"
	unreachable nowhere6 "[$LAB_VIP6]:92"
}

lab_up fullnaticmp routed || bail "the lab does not come up"
edges_up && node_up || bail "the network is not ready"
start_servers
write_config >"$LAB_DIR/canaryd.yaml"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
test_tcp
test_datagrams
test_unreachable
plan
