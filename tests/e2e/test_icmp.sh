#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What goes wrong on the way is told to whom it concerns: path-MTU discovery over links of 1,280 bytes on both sides of
# the splitter, in both directions and both families; ports and hosts that are unreachable; datagrams in fragments.
#
#   far 198.51.100.2 --(1280)-- client ----- node ----- b2
#       2001:db8:f::2                         `--(1280)-- b1
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/path.sh
. tests/e2e/path.sh

far4=198.51.100.2
far6=2001:db8:f::2

far_up() {
	lab_prepare_ns far &&
		lab_veth far far0 "$far4/24" "$far6/64" client to-far 198.51.100.1/24 2001:db8:f::1/64 &&
		narrow far far0 client to-far &&
		narrow b1 eth0 node to-b1 &&
		routes far 198.51.100.1 2001:db8:f::1 &&
		routes b1 10.77.1.1 fd00:77:1::1 &&
		lab_ns client sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 &&
		lab_ns node ip route add 198.51.100.0/24 via "${LAB_CLIENTS4[0]}" &&
		lab_ns node ip -6 route add 2001:db8:f::/64 via "${LAB_CLIENTS6[0]}" &&
		lab_ns node ip route add unreachable 10.77.9.0/24 &&
		lab_ns node ip -6 route add unreachable fd00:77:9::/64
}

# ---- versions ----

write_config() {
	lab_config
	cat <<-END
		max_versions: 32
		max_backends: 64
		judge: {no_data_s: 3600, warmup_s: 86400}
		services:
	END
	service near "$LAB_VIP4:80" tcp "$LAB_BACKEND4:8080"
	service near6 "[$LAB_VIP6]:80" tcp "[$LAB_BACKEND6]:8080"
	service wide "$LAB_VIP4:81" tcp 10.77.2.2:8080
	service wide6 "[$LAB_VIP6]:81" tcp "[fd00:77:2::2]:8080"
	service narrow "$LAB_VIP4:82" tcp 10.77.1.2:8080
	service narrow6 "[$LAB_VIP6]:82" tcp "[fd00:77:1::2]:8080"
	service datagrams "$LAB_VIP4:53" udp "$LAB_BACKEND4:8301" "$LAB_BACKEND4:8302" 10.77.1.2:8300 10.77.2.2:8300
	service datagrams6 "[$LAB_VIP6]:53" udp "[$LAB_BACKEND6]:8301" "[$LAB_BACKEND6]:8302" "[fd00:77:1::2]:8300" "[fd00:77:2::2]:8300"
	service closed "$LAB_VIP4:90" udp "$LAB_BACKEND4:8390"
	service closed6 "[$LAB_VIP6]:90" udp "[$LAB_BACKEND6]:8390"
	service shut "$LAB_VIP4:91" udp 10.77.2.2:8390
	service shut6 "[$LAB_VIP6]:91" udp "[fd00:77:2::2]:8390"
	service nowhere "$LAB_VIP4:92" tcp 10.77.9.9:80
	service nowhere6 "[$LAB_VIP6]:92" tcp "[fd00:77:9::9]:80"
}

# service NAME VIP PROTOCOL BACKEND…: with one version of the same name
service() {
	local name=$1 vip=$2 protocol=$3
	shift 3
	cat <<-END
		  - name: $name
		    vip: '$vip'
		    protocol: $protocol
		    syn_timeout_s: 60
		    response_timeout_s: 60
		    baseline: $name
		    versions: [{name: $name, backends: [$(printf '"%s", ' "$@")]}]
	END
}

start_servers() {
	head -c 3000000 /dev/urandom >"$LAB_DIR/large"
	serve_files node "$LAB_BACKEND4" "$LAB_BACKEND6"
	serve_files b1 10.77.1.2 fd00:77:1::2
	serve_files b2 10.77.2.2 fd00:77:2::2
	serve_datagrams s1 node 8301 "$LAB_BACKEND4" "$LAB_BACKEND6"
	serve_datagrams s2 node 8302 "$LAB_BACKEND4" "$LAB_BACKEND6"
	serve_datagrams s3 b1 8300 10.77.1.2 fd00:77:1::2
	serve_datagrams s4 b2 8300 10.77.2.2 fd00:77:2::2
}

# ---- path MTU, TCP ----

test_tcp() {
	upload narrow "$LAB_VIP4:82" b1
	check_within "narrow: ICMP errors translated" "$(counted narrow icmp_errors)" 1 1000
	check "the client knows the way to the VIP" knows client "$LAB_VIP4"
	upload narrow6 "[$LAB_VIP6]:82" b1
	check_within "narrow6: ICMP errors translated" "$(counted narrow6 icmp_errors)" 1 1000
	check "the client knows the way to the VIP, IPv6" knows client "$LAB_VIP6"
	download wide "$LAB_VIP4:81"
	check "wide: its backend knows the way to the client" knows b2 "$far4"
	download wide6 "[$LAB_VIP6]:81"
	check "wide6: its backend knows the way to the client" knows b2 "$far6"
	download near "$LAB_VIP4:80" # after which the node itself knows
	check "near: its backend knows the way to the client" knows node "$far4"
	download near6 "[$LAB_VIP6]:80"
	check "near6: its backend knows the way to the client" knows node "$far6"
	check_equal "no TCP connection failed" "$(lab_kernel | jq '.refused + .syn_timeout + .reset_before_response + .empty_close')" 0
}

# ---- datagrams ----

test_datagrams() {
	local ns bytes
	forget_routes far client node b1 b2
	for ns in client far; do
		for bytes in 1400 4000 8000; do
			datagrams "$ns" datagrams "$LAB_VIP4:53" "$bytes" 4 300
			datagrams "$ns" datagrams6 "[$LAB_VIP6]:53" "$bytes" 4 300
		done
	done
	check_within "datagrams: ICMP errors translated" "$(counted datagrams icmp_errors)" 1 10000
	check_within "datagrams6: ICMP errors translated" "$(counted datagrams6 icmp_errors)" 1 10000
}

# ---- unreachable ----

test_unreachable() {
	refused closed "$LAB_VIP4:90" "${LAB_CLIENTS4[0]}"
	refused closed6 "[$LAB_VIP6]:90" "${LAB_CLIENTS6[0]}"
	refused shut "$LAB_VIP4:91" "${LAB_CLIENTS4[0]}"
	refused shut6 "[$LAB_VIP6]:91" "${LAB_CLIENTS6[0]}"
	unreachable nowhere "$LAB_VIP4:92"
	unreachable nowhere6 "[$LAB_VIP6]:92"
}

lab_up icmp routed || bail "the lab does not come up"
far_up || bail "the far client does not come up"
start_servers
write_config >"$LAB_DIR/canaryd.yaml"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
test_tcp
test_datagrams
test_unreachable
plan
