#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Mode dsr where the way to a backend takes less than the clients send: the node tells them where it is its own interface,
# and hands on what a router says of the tunnel where it is a link behind one. And datagrams in fragments.
#
#   client --- node (canaryd) ---(1400)--- b1      requests, in tunnels
#              node --- client ---(1320)--- b1     the same by way of the client's link: the client is the router
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/path.sh
. tests/e2e/path.sh
# shellcheck source=tests/e2e/dsr.sh
. tests/e2e/dsr.sh

write_config() {
	lab_config | sed 's/^interfaces:.*/interfaces: [node0, to-b1, to-b2]/'
	cat <<-END
		max_versions: 32
		max_backends: 32
		judge: {no_data_s: 3600, warmup_s: 86400}
		services:
	END
	service near "$LAB_VIP4:80" tcp 10.77.0.1 10.77.1.2:80
	service near6 "'[$LAB_VIP6]:80'" tcp fd00:77::1 "[fd00:77:1::2]:80"
	service behind "$LAB_VIP4:81" tcp 10.77.0.1 10.78.1.2:81
	service behind6 "'[$LAB_VIP6]:81'" tcp fd00:77::1 "[fd00:78:1::2]:81"
	service datagrams "$LAB_VIP4:53" udp 10.77.0.1 '10.77.1.2:53", "10.77.2.2:53'
	service datagrams6 "'[$LAB_VIP6]:53'" udp fd00:77::1 '[fd00:77:1::2]:53", "[fd00:77:2::2]:53'
}

start_servers() {
	serve_at files b1 --listen "$LAB_VIP4:80" --listen "[$LAB_VIP6]:80" --listen "$LAB_VIP4:81" --listen "[$LAB_VIP6]:81"
	serve_datagrams s1 b1 53 "$LAB_VIP4" "$LAB_VIP6"
	serve_datagrams s2 b2 53 "$LAB_VIP4" "$LAB_VIP6"
}

# answered WHAT ADDRESS: a request of 4,000 bytes
answered() {
	check "$1: a request of 4,000 bytes is answered" lab_ns client curl --silent --show-error --fail --max-time 60 \
		--header "X-Long: $(printf '%04000d' 0)" "http://$2/"
}

# told WHAT MTU ADDRESS: the client knows what the way to the VIP takes
told() { check "$1: the client was told that $2 bytes are left" told_mtu "$2" "$3"; }
told_mtu() { lab_ns client ip route get "$2" | grep -q "mtu $1 "; }

# Packets that the node itself cannot send.
test_interface() {
	local before
	before=$(reason too_big)
	lab_ns node ip route replace 10.77.1.2/32 dev to-b1 mtu lock 1400
	lab_ns node ip -6 route replace fd00:77:1::2/128 dev to-b1 mtu lock 1400
	answered near "$LAB_VIP4:80"
	told near 1380 "$LAB_VIP4"
	answered near6 "[$LAB_VIP6]:80"
	told near6 1360 "$LAB_VIP6"
	check_within "the node told the client" "$(($(reason too_big) - before))" 2 100
}

# behind VERSION ADDRESS VIP MTU: the router complains to the node, which tells the client; it tells the next one itself
behind() {
	local before
	before=$(reason too_big)
	forget_routes client
	answered "$1" "$2"
	told "$1, by way of the node" "$4" "$3"
	check_within "$1: the router's errors were translated" "$(counted "$1-old" icmp_errors)" 1 100
	forget_routes client
	answered "$1, again" "$2"
	told "$1, by the node" "$4" "$3"
	check_within "$1: the node knows by now" "$(($(reason too_big) - before))" 1 100
	check "$1: and what it knows can be read" sh -c "bpftool map dump pinned '$LAB_PIN_DIR/tunnel_paths' | grep mtu"
}

test_router() {
	lab_ns client ip link set to-b1 mtu 1280
	behind behind "$LAB_VIP4:81" "$LAB_VIP4" 1260
	lab_ns client ip link set to-b1 mtu 1320
	behind behind6 "[$LAB_VIP6]:81" "$LAB_VIP6" 1280
	lab_ns client ip link set to-b1 mtu 1500
	check_equal "no router's error was in vain" "$(reason tunnel_error)" 0
	check_equal "no connection failed" "$(lab_kernel | jq '.syn_timeout + .response_timeout + .empty_close')" 0
}

# In three fragments and more; those of a datagram come together at one of two backends.
test_datagrams() {
	local bytes
	forget_routes client
	for bytes in 1400 4000 8000; do
		datagrams client datagrams-old "$LAB_VIP4:53" "$bytes" 2 0
		datagrams client datagrams6-old "[$LAB_VIP6]:53" "$bytes" 2 0
	done
}

lab_up dsrpath routed || bail "the lab does not come up"
prepare || bail "the network is not ready"
start_servers
write_config >"$LAB_DIR/canaryd.yaml"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
test_interface
test_router
test_datagrams
plan
