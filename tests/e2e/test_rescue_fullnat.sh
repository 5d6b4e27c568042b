#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Rescue in mode fullnat, with canaryd killed: the canary's reset comes in at XDP and leaves as the client's SYN for the
# baseline, behind another interface; a SYN that comes again goes there, too. IPv4 and IPv6.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/rescue.sh
. tests/e2e/rescue.sh

N=20000
SOURCES4=(10.77.0.21 10.77.0.22)
SOURCES6=(fd00:77::21 fd00:77::22)

# service NAME VIP FAMILY BASELINE CANARY
service() {
	local -n own="SOURCES$3"
	cat <<-END
		  - name: $1
		    vip: $2
		    mode: fullnat
		    source_addresses: [$(printf '"%s", ' "${own[@]}")]
		    baseline: v1
		    breaker: {enabled: false}
		    rollout: {steps: [{weight: 100, min_s: 600, max_s: 1200}]}
		    versions: [{name: v1, backends: ["$4"]}, {name: v2, backends: ["$5"]}]
	END
}

config() {
	lab_config | sed 's/^interfaces:.*/interfaces: [node0, to-b1, to-b2]/; s/^lease: .*/lease: {on_expiry: hold}/'
	echo services:
	service far4 "$LAB_VIP4:80" 4 "10.77.1.2:80" "10.77.2.2:80"
	service far6 "'[$LAB_VIP6]:80'" 6 "[fd00:77:1::2]:80" "[fd00:77:2::2]:80"
}

# serve NAME NS ADDR4 ADDR6
serve() {
	lab_start "$1" "$2" "$LAB_BUILD/lab-server" --name "$1" --control "$LAB_DIR/$1.control" --listen "$3:80" --listen "[$4]:80"
	lab_wait_for 10 "$1 to serve" lab_tell "$1" stats || bail "$1 does not start"
}

# XDP sends on a veth whose peer polls (GRO).
prepare() {
	local i
	for i in "${SOURCES4[@]}"; do lab_ns node ip address add "$i/32" dev lo || return 1; done
	for i in "${SOURCES6[@]}"; do lab_ns node ip address add "$i/128" dev lo nodad || return 1; done
	lab_xdp client client0 lab_pass && lab_ns b1 ethtool -K eth0 gro on && lab_ns b2 ethtool -K eth0 gro on &&
		lab_ns node sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
}

lab_up rescue-fullnat routed || bail "the lab does not come up"
prepare || bail "the lab cannot be made ready"
config >"$LAB_DIR/canaryd.yaml"
serve v1 b1 10.77.1.2 fd00:77:1::2
serve v2 b2 10.77.2.2 fd00:77:2::2
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
for service in far4 far6; do
	lab_ctl rollout start "$service" >/dev/null || bail "the rollout of $service does not start"
done
lab_stop canaryd KILL
lab_tell v2 refuse=1 >/dev/null || bail "v2 does not heed"
refused "refused, IPv4" "$LAB_VIP4:80" 4 $N
refused "refused, IPv6" "[$LAB_VIP6]:80" 6 $N
lab_tell v1 refuse=1 >/dev/null || bail "v1 does not heed"
all_refuse "IPv4" "$LAB_VIP4:80" 4
all_refuse "IPv6" "[$LAB_VIP6]:80" 6
lab_tell v1 clear >/dev/null || bail "v1 does not heed"
lab_tell v2 "clear blackhole=1" >/dev/null || bail "v2 does not heed"
unanswered "black hole, IPv4" "$LAB_VIP4:80" 4 200
unanswered "black hole, IPv6" "[$LAB_VIP6]:80" 6 200
plan
