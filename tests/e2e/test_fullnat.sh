#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Mode fullnat: client, node and backends in namespaces of their own. `two` has its backends behind other interfaces than
# its clients (XDP_REDIRECT), `one` behind the same (XDP_TX). Counts are the kernel's, the clients' and the servers'.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/counts.sh
. tests/e2e/counts.sh

SOURCES4=(10.77.0.21 10.77.0.22)
SOURCES6=(fd00:77::21 fd00:77::22)
NEAR4=${LAB_CLIENTS4[15]} NEAR6=${LAB_CLIENTS6[15]} # a server on the clients' link

write_config() {
	lab_config | sed 's/^interfaces:.*/interfaces: [node0, to-b1, to-b2]/'
	cat <<-END
		max_versions: 32
		max_backends: 32
		judge: {alpha: 1e-9, hold_evidence: 1e8, guard_evidence: 1e12, warmup_s: 86400}
		services:
	END
	service two "$LAB_VIP4:80" tcp 4 "10.77.1.2:80" "10.77.2.2:80"
	service two6 "'[$LAB_VIP6]:80'" tcp 6 "[fd00:77:1::2]:80" "[fd00:77:2::2]:80"
	service one "$LAB_VIP4:81" tcp 4 "$NEAR4:80"
	service one6 "'[$LAB_VIP6]:81'" tcp 6 "[$NEAR6]:80"
	service udp "$LAB_VIP4:80" udp 4 "10.77.1.2:53"
	service udp6 "'[$LAB_VIP6]:80'" udp 6 "[fd00:77:1::2]:53"
}

# service NAME VIP PROTOCOL FAMILY BASELINE [CANARY]: its versions are NAME-old and NAME-new
service() {
	local -n sources="SOURCES$4"
	cat <<-END
		  - name: $1
		    vip: $2
		    protocol: $3
		    mode: fullnat
		    source_addresses: [$(printf '"%s", ' "${sources[@]}")]
		    response_timeout_s: 0.5
		    baseline: $1-old
		    rollout: {steps: [{weight: 50, manual: true}]}
		    versions:
		      - {name: $1-old, backends: ["$5"]}
		      ${6:+"- {name: $1-new, backends: [\"$6\"]}"}
	END
}

start_servers() {
	serve_at b1 b1 --listen 10.77.1.2:80 --listen "[fd00:77:1::2]:80"
	serve_at b2 b2 --listen 10.77.2.2:80 --listen "[fd00:77:2::2]:80"
	serve_at udp b1 --udp --listen 10.77.1.2:53 --listen "[fd00:77:1::2]:53"
	serve_at near client --listen "$NEAR4:80" --listen "[$NEAR6]:80"
}

# XDP sends: on a veth that reaches a peer who polls (GRO), and by XDP_TX one who has a program of its own.
prepare() {
	local i
	for i in "${SOURCES4[@]}"; do lab_ns node ip address add "$i/32" dev lo || return 1; done
	for i in "${SOURCES6[@]}"; do lab_ns node ip address add "$i/128" dev lo nodad || return 1; done
	lab_xdp client client0 lab_pass && lab_ns b1 ethtool -K eth0 gro on && lab_ns b2 ethtool -K eth0 gro on &&
		lab_ns node sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
}

# ---- the tests ----

# Every outcome of a request, on two interfaces and on one, in both families.
test_tcp() {
	agree "no faults" two-old "$LAB_VIP4:80" '.responses["2xx"]'
	agree "no faults" one6-old "[$LAB_VIP6]:81" '.responses["2xx"]'
	lab_tell b1 "errors=0.1 reset=0.1 reset_mid=0.1 empty=0.1" >/dev/null
	lab_tell near "errors=0.1 reset=0.1 reset_mid=0.1 empty=0.1" >/dev/null
	agree "faults" two6-old "[$LAB_VIP6]:80" .empty_closes
	agree "faults" one-old "$LAB_VIP4:81" .resets_mid
	lab_tell b1 "clear refuse=1" >/dev/null
	agree "refused" two-old "$LAB_VIP4:80" .refused
	agree "refused" two6-old "[$LAB_VIP6]:80" .refused
	lab_tell b1 clear >/dev/null
	lab_tell near clear >/dev/null
	agree_keep_alive "no faults" two-old "$LAB_VIP4:80"
	agree_keep_alive "no faults" one6-old "[$LAB_VIP6]:81"
}

# What the server b1 counted of both families, and the kernel of its two backends.
test_servers() {
	stats b1
	check_equal "the kernel counted what the server counted" \
		"$({ lab_kernel two-old && lab_kernel two6-old; } | jq -cS -s '{established: map(.established) | add,
			requests: map(.requests) | add, http_2xx: map(.http_2xx) | add, http_5xx: map(.http_5xx) | add}')" \
		"$(of "$STATS" '{established: .connections, requests, http_2xx: (.responses["200"] + .resets_mid), http_5xx: .responses["503"]}')"
}

test_udp() {
	agree_udp "datagrams" udp-old "$LAB_VIP4:80"
	agree_udp "datagrams" udp6-old "[$LAB_VIP6]:80"
	check_equal "datagrams: all answered" "$(of "$REPORT" '.responses["2xx"]')" 1500
	lab_tell udp empty=0.2 >/dev/null
	agree_udp "unanswered datagrams" udp6-old "[$LAB_VIP6]:80"
	lab_tell udp clear >/dev/null
}

reason() { lab_pinned reasons | jq --arg name "$1" '[.[].formatted.values[].value[$name]] | add'; }

# The first packets to a neighbour go by the stack, which asks who it is; none is lost, and their source is no martian.
test_neighbours() {
	local before
	before=$(reason no_neighbour)
	lab_ns node ip neigh flush dev to-b1
	lab_ns node ip neigh flush dev node0
	agree "an unknown neighbour" two-old "$LAB_VIP4:80" '.responses["2xx"]'
	check_within "the stack sent on" "$(($(reason no_neighbour) - before))" 1 100000
}

# A path of 1,280 bytes to the backend: the client is told, sends smaller packets, and its long request arrives.
test_path_mtu() {
	local address before
	before=$(reason too_big)
	lab_ns node ip route replace 10.77.1.2/32 dev to-b1 mtu lock 1280
	lab_ns node ip -6 route replace fd00:77:1::2/128 dev to-b1 mtu lock 1280
	for address in "$LAB_VIP4" "[$LAB_VIP6]"; do
		check "a request of 4,000 bytes to $address is answered" lab_ns client curl --silent --fail --max-time 30 \
			--header "X-Long: $(printf '%04000d' 0)" "http://$address/"
	done
	lab_ns node ip route del 10.77.1.2/32 dev to-b1
	lab_ns node ip -6 route del fd00:77:1::2/128 dev to-b1
	check_within "the client was told" "$(($(reason too_big) - before))" 2 100
}

# Half of the flows go to the canary, and the client has from it what the kernel counted.
test_split() {
	check "a rollout begins" lab_ctl rollout start two
	lab_wait_for 30 "the weight" is_at_half || bail "the canary gets no flows"
	fresh "$LAB_VIP4:80" "$flows" --rate 1000 --timeout 30
	check_equal "all answered" "$(of "$REPORT" '.responses["2xx"]')" "$flows"
	check_equal "the kernel's share is the client's" \
		"$(jq -cSn "{b1: $(kernel_since two-old | jq .http_2xx), b2: $(lab_kernel two-new | jq .http_2xx)}")" \
		"$(of "$REPORT" '.versions | {b1, b2}')"
}

is_at_half() { lab_ctl status two -j | jq -e '.services[] | select(.name == "two") | .weight.applied == 0.5'; }

lab_up fullnat routed || bail "the lab does not come up"
prepare || bail "the network is not ready"
start_servers
write_config >"$LAB_DIR/canaryd.yaml"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
test_tcp
test_servers
test_udp
test_neighbours
test_split
test_path_mtu
plan
