#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SYN floods in modes fullnat and dsr, in both families at once: open connections of real clients go on, new ones are
# served, neither breaker nor judge blames the canary, and source ports are not used up.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/dsr.sh
. tests/e2e/dsr.sh
# shellcheck source=tests/e2e/flood.sh
. tests/e2e/flood.sh

TABLE=32768
FLOODED=([nat4]="$LAB_VIP4:81" [nat6]="[$LAB_VIP6]:81" [dsr4]="$LAB_VIP4:80" [dsr6]="[$LAB_VIP6]:80")

# fullnat NAME SOURCE BASELINE CANARY
fullnat() {
	guarded "$1"
	cat <<-END
		    mode: fullnat
		    source_addresses: ["$2"]
		    versions: [{name: $1-v1, backends: ["$3"]}, {name: $1-v2, backends: ["$4"]}]
	END
}

# dsr NAME SOURCE BASELINE CANARY
dsr() {
	guarded "$1"
	cat <<-END
		    mode: dsr
		    tunnel_source: "$2"
		    versions: [{name: $1-v1, backends: ["$3"]}, {name: $1-v2, backends: ["$4"]}]
	END
}

write_config() {
	lab_config | sed 's/^interfaces:.*/interfaces: [node0, to-b1, to-b2]/'
	cat <<-END
		flow_table: $TABLE
		judge: {warmup_s: 1, no_data_s: 2, delta: 3, delta_promotion: 4}
		services:
	END
	fullnat nat4 10.77.0.21 10.77.1.2:81 10.77.2.2:81
	fullnat nat6 fd00:77::21 "[fd00:77:1::2]:81" "[fd00:77:2::2]:81"
	dsr dsr4 10.77.0.1 10.77.1.2:80 10.77.2.2:80
	dsr dsr6 fd00:77::1 "[fd00:77:1::2]:80" "[fd00:77:2::2]:80"
}

serve() {
	lab_start "v$1" "b$1" "$LAB_BUILD/lab-server" --name "v$1" --control "$LAB_DIR/v$1.control" --base-ms 1 \
		--listen "$LAB_VIP4:80" --listen "[$LAB_VIP6]:80" --listen "10.77.$1.2:81" --listen "[fd00:77:$1::2]:81"
	lab_wait_for 10 "v$1 to serve" lab_tell "v$1" stats || bail "lab-server does not start"
}

# XDP sends on a veth that reaches a peer who polls (GRO) or has a program.
prepare_fullnat() {
	lab_ns node ip address add 10.77.0.21/32 dev lo && lab_ns node ip address add fd00:77::21/128 dev lo nodad &&
		lab_ns b1 ethtool -K eth0 gro on && lab_ns b2 ethtool -K eth0 gro on
}

count_sources() { lab_pinned "$1" | jq length; }

test_sources() {
	check_equal "no flow was without a source" "$(lab_pinned reasons | jq '[.[].formatted.values[].value.source_exhausted] | add')" 0
	check_equal "none took one that was not free" "$(($(of_versions nat4 source_reused) + $(of_versions nat6 source_reused)))" 0
	check_within "the flood took no sources" "$(count_sources replies)" 0 $((FORGED / 2))
	check_within "but on probation" "$(count_sources half_open_replies)" $((TABLE / 16)) $((TABLE / 4))
}

lab_up floodfwd routed || bail "the lab does not come up"
prepare && prepare_fullnat && flood_routes || bail "the network is not ready"
serve 1
serve 2
write_config >"$LAB_DIR/canaryd.yaml"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
begin_rollouts
keep_open
begin_floods
test_new_clients
test_open_connections
test_table
test_sources
test_not_blamed
plan
