#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The kernel does without the daemon: stopped or killed, its lease runs out, and new flows go to the baseline; flows that
# are open stay where they are. A daemon that goes on, or starts again, gives the canary its share back. With
# on_expiry: hold the weights stay as they are.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

LEASE_S=2
start_again() { lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start again"; }
rollout() { checkout '[.rollout.id, .rollout.step, .weight.applied] | @json'; }

# Which version serves one new connection.
version() {
	REPORT=$(lab_ns client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 1000 --count 1 --timeout 5) &&
		of "$REPORT" '.versions | keys[0]' | tr -d '"'
}
served_by() { [ "$(version)" = "$1" ]; }

now_ms() { date +%s%3N; }

# runs_out HOW: with the daemon gone, the canary keeps its flows until the lease ends, and then gets none.
runs_out() {
	local how=$1 began
	began=$(now_ms)
	lab_wait_for 30 "$how: the baseline" served_by v1
	check_equal "$how: a new flow goes to the baseline" $? 0
	note "$how: $(($(now_ms) - began)) ms after it, with a lease of $LEASE_S s"
	load --to "$LAB_VIP4:80" --rate 1000 --count 200 --timeout 5
	check_equal "$how: and all that follow" "$(of "$REPORT" '[.versions.v1, .versions.v2]')" '[200,null]'
	check_within "$how: counted as diverted" "$(lab_kernel v1 | jq .diverted)" $((DIVERTED + 200)) $((DIVERTED + 100000))
	DIVERTED=$(lab_kernel v1 | jq .diverted)
}

comes_back() {
	lab_wait_for 15 "$1: the canary" served_by v2
	check_equal "$1: the canary has its share again" $? 0
	check_equal "$1: the rollout goes on" "$(rollout)" '[1,0,1]'
}

test_stopped() {
	kill -STOP "$(lab_pid canaryd)"
	runs_out SIGSTOP
	kill -CONT "$(lab_pid canaryd)"
	comes_back SIGCONT
}

test_killed() {
	lab_stop canaryd KILL
	runs_out "kill -9"
	start_again
	comes_back "started again"
}

test_established() {
	lab_stop established INT
	REPORT=$(cat "$LAB_DIR/established.log")
	check_equal "the flows that were open stayed with the canary" \
		"$(of "$REPORT" '[.connected, .versions.v1, .responses["2xx"] == .versions.v2,
			.refused + .resets_before + .resets_mid + .response_timeouts + .empty_closes]')" '[20,null,true,0]'
}

test_hold() {
	sed -i 's/^lease: .*/lease: {on_expiry: hold}/' "$LAB_DIR/canaryd.yaml"
	lab_stop canaryd
	start_again
	check_equal "hold: the status says so" "$(lab_ctl status -j | jq -r .lease.on_expiry)" hold
	lab_stop canaryd KILL
	check_equal "hold: the kernel has no deadline" "$(lab_pinned control | jq '.[0].formatted.value.lease_ns')" 0
	check_equal "hold: the canary has its share without a daemon" "$(version)" v2
}

STEPS='[{weight: 100, min_s: 600, max_s: 1200}]'
lab_up lease || bail "the lab does not come up"
checkout_config | sed "s/^lease: .*/lease: {s: $LEASE_S}/" >"$LAB_DIR/canaryd.yaml"
checkout_serve || bail "the servers do not start"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
DIVERTED=0
lab_ctl rollout start checkout >/dev/null || bail "the rollout does not start"
lab_wait_for 10 "the canary" served_by v2 || bail "the canary gets no flows"
lab_start established client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 1000 --count 20 \
	--requests-per-connection 100000 --think-ms 50 --timeout 5
lab_wait_for 10 "the established flows" is '.versions[] | select(.name == "v2") | .active_flows >= 20' true
test_stopped
test_killed
test_established
test_hold
plan
