#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# canaryd is killed in the middle of drills: no client ever gets the version that was on the stage, and the next daemon takes away
# everything that the drill has left, the number of the stage included.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

SERVICES_MAX=64

# services N: checkout, and N-1 that nobody asks.
services() {
	local i
	checkout_config | sed 's/breaker: {enabled: false}/breaker: {min_failures: 7}/; 1i max_versions: 128\nmax_backends: 128\nflow_table: 4096'
	for ((i = 1; i < $1; i++)); do
		echo "  - {name: s$i, vip: '$LAB_VIP4:$((1000 + i))', baseline: v1, versions: [{name: v1, backends: ['$LAB_BACKEND4:$((9000 + i))']}]}"
	done
}

# start [MOMENT]: canaryd, to be killed at that moment of its first drill (tools/lab/crash.c).
start() {
	LAB_CANARYD_WITH=(${1:+env "LD_PRELOAD=$LAB_BUILD/lab-crash.so" "LAB_CRASH=$1"})
	lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
}

stages() { lab_pinned services | jq '[.[].formatted.key.port | select(. == 0)] | length'; }
stage_flows() { lab_pinned flows | jq '[.[].formatted.key.vip_port | select(. == 0)] | length'; } # what goes meanwhile has none
canaries() { lab_pinned splits | jq '[.[].formatted.value | .view[.active % 2] | select(.epoch > 0 and .canary != 65535)] | length'; }

left() { echo "$(stages) $(stage_flows) $(canaries)"; }

# crash MOMENT DRILL FLOWS CANARIES: killed there, with so many flows of the drill in the table, and splits with a canary.
crash() {
	start "$1"
	check_equal "$2, $1: nothing is left of an earlier drill" "$(left)" "0 0 0"
	check_exit "$2, $1: canaryd is gone" 6 lab_ctl drill "$2" checkout
	lab_stop canaryd
	check_equal "$2, $1: the stage is left" "$(left)" "1 $3 $4"
	load --to "$LAB_VIP4:80" --rate 500 --count 100 --timeout 10
	check_equal "$2, $1: no client gets there" "$(outcome)" '[100,null,0]'
}

lab_up drill-crash || bail "the lab does not come up"
services 1 >"$LAB_DIR/canaryd.yaml"
checkout_serve || bail "the servers do not start"
crash take:1 breaker 7 1
lab_start load client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 50 --duration 600 --timeout 10
crash put:4 breaker 3 1
crash explain:2 lease 0 1
crash explain:2 rollback 0 0

# With the number that the stage holds every one is taken.
services $((SERVICES_MAX - 1)) >"$LAB_DIR/canaryd.yaml"
crash put:4 breaker 3 1
services "$SERVICES_MAX" >"$LAB_DIR/canaryd.yaml"
start
check_equal "a service more gets the number of the stage" "$(lab_ctl status -j | jq '.services | length')" "$SERVICES_MAX"
check_equal "the canary's counters know nothing of all that" "$(lab_kernel v2 | jq '.syn_timeout + .connections')" 0

lab_stop load INT
REPORT=$(cat "$LAB_DIR/load.log")
check_equal "nor does any client" "$(outcome | jq -c '[.[0] > 0, .[1], .[2]]')" '[true,null,0]'
check "a rollout starts" lab_ctl rollout start checkout --force
check_equal "and its breaker has not tripped" "$(checkout '.breaker.tripped')" null
plan
