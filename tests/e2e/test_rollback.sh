#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A canary that fails under traffic is taken back, whatever goes wrong with it: in the journal, in the kernel, for the
# clients; and the flows the baseline serves do not notice.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

why() { lab_ctl rollout why checkout -j; }
canary_served() { [ "$(lab_kernel v2 | jq '.connections // 0')" -ge "$1" ]; }

# The last decision names what decided, with a value that reaches its bound, and the counts it was made on.
check_decision() {
	local fault=$1 sli=$2 last
	last=$(why | jq -c '.decisions[-1]')
	check_equal "$fault: the decision" "$(of "$last" '[.decision, .sli, .weight_to]')" "[\"roll_back\",\"$sli\",0]"
	check_equal "$fault: its value reaches its bound" "$(of "$last" '.value >= .bound and .bound > 1')" true
	check_equal "$fault: its counts speak against the canary" "$(of "$last" '.counts |
		.canary.failed >= 1 and .canary.failed * .baseline.attempts > .baseline.failed * .canary.attempts')" true
	note "$(of "$last" .reason)"
}

# The kernel's own split: what is in the map, not what the daemon says of it.
split_now() {
	bpftool -j map lookup pinned "$LAB_PIN_DIR/splits" key 0 0 0 0 |
		jq -c '.formatted.value | .view[.active] | [.canary, .canary_threshold]'
}

check_afterwards() {
	local fault=$1
	check_equal "$fault: nothing goes to the canary" "$(checkout '[.weight.applied, .canary] | @json')" '[0,null]'
	check_equal "$fault: in the kernel neither" "$(split_now)" '[65535,0]'
	load --to "$LAB_VIP4:80" --rate 1000 --count 300 --timeout 3
	check_equal "$fault: new clients are served by v1 alone" "$(of "$REPORT" '[.versions.v1, .responses["2xx"]]')" '[300,300]'
}

# Flows of v1 that are open before the rollout and until after it.
start_established() {
	lab_start established client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 1000 --count 40 \
		--requests-per-connection 100000 --think-ms 100 --timeout 5
	lab_wait_for 10 "the established flows" is '.versions[] | select(.name == "v1") | .active_flows >= 40' true
}

check_established() {
	lab_stop established INT
	REPORT=$(cat "$LAB_DIR/established.log")
	check_equal "$1: the flows the baseline has served since before are untouched" "$(of "$REPORT" '[.connected,
		.responses["2xx"] == .versions.v1, .refused + .resets_before + .resets_mid + .response_timeouts + .empty_closes]')" \
		'[40,true,0]'
}

# taken_back FAULT SLI: `rollout start --wait`, the fault once the canary serves, and what must be so then.
taken_back() {
	local fault=$1 sli=$2
	lab_tell v2 clear >/dev/null
	start_established
	lab_start load client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 800 --duration 120 \
		--requests-per-connection 2 --timeout 3 "${SOURCES[@]}"
	lab_start pipeline host "$LAB_BUILD/canaryctl" --socket "$LAB_SOCKET" rollout start checkout --wait --timeout 60
	lab_wait_for 20 "$fault: traffic of the canary" canary_served $((served + 100)) || cat "$LAB_DIR/pipeline.log"
	lab_tell v2 "$fault" >/dev/null
	lab_wait_for 60 "$fault: the outcome" stopped pipeline
	lab_stop pipeline
	check_equal "$fault: rollout start --wait ends with 7" $? 7 || note "$(cat "$LAB_DIR/pipeline.log")"
	check_decision "$fault" "$sli"
	check_established "$fault"
	check_afterwards "$fault"
	lab_stop load INT
	served=$(lab_kernel v2 | jq .connections)
}

stopped() { ! lab_running "$1"; }

STEPS='[{weight: 20, min_s: 30}, {weight: 100, min_s: 30}]'
checkout_up rollback
mapfile -t SOURCES < <(lab_sources 4)
served=0
taken_back refuse=1 errors
taken_back blackhole=1 errors
taken_back errors=0.1 errors
taken_back reset=0.2 errors
taken_back reset_mid=0.2 errors
taken_back empty=0.2 errors
taken_back delay_ms=40 latency
check_equal "the history has them all" "$(lab_ctl rollout history checkout -j | jq -c '[.rollouts[].state] | unique + [length]')" \
	'["rolled_back",7]'
plan
