#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Drills under traffic: breaker, lease and rollback are rehearsed in the kernel, no request fails for it, and nothing of it
# stays in maps, counters or on the way of a rollout that follows.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# drill WHAT ARG…: passed, and the last thing said.
drill() {
	local what=$1
	shift
	DRILL=$(lab_ctl drill "$what" checkout -j "$@") || { note "$DRILL"; return 1; }
	note "$(lab_ctl drill "$what" checkout "$@")"
	[ "$(jq -r '[.passed, .baseline, .canary, .steps[-1].at_s >= 0] | @json' <<<"$DRILL")" = '[true,"v1","v2",true]' ]
}
traces() { lab_pinned "$1" | jq length; }

lab_up drill || bail "the lab does not come up"
checkout_config | sed 's/breaker: {enabled: false}/breaker: {min_failures: 7}/' >"$LAB_DIR/canaryd.yaml"
checkout_serve || bail "the servers do not start"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
lab_start load client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 200 --count 2000 --timeout 10

for what in breaker lease rollback; do
	check "the $what passes" drill "$what"
	check "and again" drill "$what"
done
check "failures tripped the breaker in the kernel" grep -q 'breaker trips: 7 of 7, syn_timeout' <<<"$(lab_ctl drill breaker checkout)"
check "a rollback is written down before it is in effect" grep -q "it is written down" <<<"$(lab_ctl drill rollback checkout)"
check_exit "there is no such version" 1 lab_ctl drill breaker checkout --canary v9
check "the daemon's log has them" grep -q 'drill of the rollback: the kernel fell back to the baseline' "$LAB_DIR/canaryd.log"

check "the stage is gone" test "$(traces services)" = 1
check_equal "and its flows" "$(lab_pinned flows | jq '[.[] | .formatted.key.vip_port | select(. == 0)] | length')" 0
check_equal "the canary's counters know nothing of it" "$(lab_kernel v2 | jq '.syn_timeout + .connections')" 0
check_equal "no breaker has tripped" "$(checkout '.breaker.tripped')" null

lab_wait_for 60 "the load" eval '! lab_running load'
REPORT=$(cat "$LAB_DIR/load.log")
check_equal "no request failed, and all went to the baseline" "$(outcome)" '[2000,null,0]'

lab_start load2 client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 200 --duration 100 --timeout 10
check "a rollout starts" lab_ctl rollout start checkout --force
check_exit "beside it the lease is not rehearsed" 1 lab_ctl drill lease checkout
check "the breaker is" drill breaker
check "its canary has not lost its flows" test "$(checkout '[.rollout.state == "running" or .rollout.state == "promoted", .breaker.tripped] | @json')" = '[true,null]'
check "the story has the drill" grep -q 'drill of the breaker' <<<"$(lab_ctl rollout why checkout)"
lab_stop load2 INT

plan
