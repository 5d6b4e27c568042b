#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Backends that stop and come back, with real servers and checks: who gets new flows, that no client fails once a backend is
# out, what its own flows make of it, a canary without any backend, panic, and what a restart of canaryd remembers.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

health="{type: tcp, interval_s: 0.2, timeout_s: 1, rise: 2, fall: 2, no_backend_s: 3}"
outlier='{enabled: false}'
b1=$LAB_BACKEND4:8081 b2=$LAB_BACKEND4:8082 c1=$LAB_BACKEND4:8083 c2=$LAB_BACKEND4:8084

write_config() {
	lab_config
	cat <<-END
		judge: {alpha: 1e-9, margin: 100, delta: 10, p0: 0.5, block_s: 0, hold_evidence: 1e8, warmup_s: 0,
		        guard_evidence: 1e12, no_data_s: 3000, noise: false, aa: false, burn_ratio: 1000}
		services:
		  - name: checkout
		    vip: $LAB_VIP4:80
		    baseline: v1
		    breaker: {enabled: false}
		    versions:
		      - {name: v1, backends: ["$b1", "$b2"]}
		      - {name: v2, backends: ["$c1", "$c2"]}
		    rollout: {steps: [{weight: 50, min_s: 0, max_s: 3000, manual: true}]}
		    health: $health
		    outlier: $outlier
	END
}

start_canaryd() {
	write_config >"$LAB_DIR/canaryd.yaml"
	lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
}

state_of() { checkout ".versions[].backends[] | select(.address == \"$1\") | .state"; }
state_is() { [ "$(state_of "$1")" = "$2" ]; }
wait_state() { lab_wait_for "${3:-20}" "$1 to be $2" state_is "$1" "$2" || bail "$1 is $(state_of "$1"), not $2"; }
usable() { checkout "[.versions[].backends[] | select(.usable) | .address] | join(\" \")"; }
usable_is() { [ "$(usable)" = "$1" ]; }

# went COUNT: so many connections; how many each server had is left in the associative array WENT.
declare -A WENT=()
went() {
	local name before
	declare -A before=()
	for name in b1 b2 c1 c2; do before[$name]=$(served "$name"); done
	load --to "$LAB_VIP4:80" --rate 1000 --count "$1" --timeout 30
	[ "$(of "$REPORT" '.responses["2xx"]')" = "$1" ] || not_ok "not every connection is answered: $REPORT"
	for name in b1 b2 c1 c2; do WENT[$name]=$(($(served "$name") - before[$name])); done
}
of_b1() { stats b1 && of "$STATS" "$1"; }
served() { stats "$1" && of "$STATS" .responses.\"200\"; }

test_out_and_back() {
	local i
	for i in "$b1" "$b2" "$c1" "$c2"; do wait_state "$i" healthy; done
	lab_tell b1 refuse=1 >/dev/null
	wait_state "$b1" unhealthy
	check_equal "status says why" "$(checkout ".versions[0].backends[0].why")" "tcp check: connection refused"
	lab_wait_for 5 "it to be out of rotation" usable_is "$b2 $c1 $c2" || not_ok "usable are $(usable)"
	went 300
	check_equal "a backend that is out gets no new flow, and no client fails" "${WENT[b1]} ${WENT[b2]}" "0 300"
	check "it is worth a ticket" lab_wait_for 10 "the alert" firing BackendsUnhealthy
	check "canaryctl status names it" grep -q "$b1 of v1 is unhealthy" <(lab_ctl status)
	lab_tell b1 clear >/dev/null
	wait_state "$b1" healthy
	lab_wait_for 5 "it to be in again" usable_is "$b1 $b2 $c1 $c2"
	went 300
	check_within "it gets its share again" "${WENT[b1]}" 75 225
}

# Only what was b1's moves: each client's flows are seen before and after.
test_restart_remembers() {
	lab_tell b1 refuse=1 >/dev/null
	wait_state "$b1" unhealthy
	lab_stop canaryd KILL
	went 200
	check_equal "without the daemon it stays out" "${WENT[b1]} ${WENT[b2]}" "0 200"
	health=${health/interval_s: 0.2/interval_s: 3000} start_canaryd
	check_equal "after a restart, too, before it is asked again" "$(state_of "$b1")" unhealthy
	went 200
	check_equal "and gets no flow" "${WENT[b1]} ${WENT[b2]}" "0 200"
	lab_stop canaryd
	start_canaryd
	lab_tell b1 clear >/dev/null
	wait_state "$b1" healthy
}

test_panic() {
	lab_tell b1 refuse=1 >/dev/null
	lab_tell b2 refuse=1 >/dev/null
	lab_wait_for 20 "panic" is '.versions[0].rotation.panic' true || bail "no panic: $(checkout .versions[0].rotation)"
	check_equal "with no backend well all get new flows" "$(checkout '.versions[0].rotation | [.backends, .well, .usable] | @csv')" "2,0,2"
	check "which is worth a page" lab_wait_for 10 "the alert" firing NoHealthyBackend
	check "canaryctl status says so" grep -q "no backend of v1 is well" <(lab_ctl status)
	lab_tell b1 clear >/dev/null
	lab_tell b2 clear >/dev/null
	lab_wait_for 20 "its end" is '.versions[0].rotation.panic' false
	wait_state "$b1" healthy
	wait_state "$b2" healthy
}

start_rollout() {
	lab_ctl rollout start checkout >/dev/null || bail "the rollout does not start"
	lab_wait_for 30 "the canary to be at 50 %" is .weight.applied 0.5 || bail "the canary gets no weight"
}

test_canary() {
	start_rollout
	lab_tell c1 refuse=1 >/dev/null
	wait_state "$c1" unhealthy
	lab_wait_for 5 "it to be out of rotation" usable_is "$b1 $b2 $c2"
	went 400
	check_equal "flows of a canary's backend that is out go to its others" \
		"${WENT[c1]} $((WENT[c2] > 100 && WENT[c2] < 300))" "0 1"
	lab_tell c2 refuse=1 >/dev/null
	wait_state "$c2" unhealthy
	lab_wait_for 10 "the rollout to be held" is .rollout.held backends ||
		is .rollout.state rolled_back || not_ok "it is not held: $(checkout .rollout.reason)"
	went 200
	check_equal "those of a canary without a backend go to the baseline" "$((WENT[b1] + WENT[b2])) ${WENT[c1]} ${WENT[c2]}" "200 0 0"
	check_exit "it cannot be promoted by hand either" 1 lab_ctl rollout promote checkout
	lab_wait_for 30 "the rollback" is .rollout.state rolled_back || not_ok "no rollback: $(checkout .rollout.state)"
	check "which says why" grep -q 'no backend for new flows for too long: .*connection refused' <(checkout .rollout.reason)
	check_exit "nor started again while it has none" 1 lab_ctl rollout start checkout
	lab_tell c1 clear >/dev/null
	lab_tell c2 clear >/dev/null
	wait_state "$c1" healthy
	wait_state "$c2" healthy
}

test_types() {
	lab_stop canaryd
	health="{type: http, interval_s: 0.2, path: /health, status: \"200-299\", rise: 1, fall: 1}" start_canaryd
	wait_state "$b1" healthy
	lab_tell b1 errors=1 >/dev/null
	wait_state "$b1" unhealthy
	check_equal "an HTTP check goes by the status" "$(checkout ".versions[0].backends[0].why")" "http check: answered 503"
	lab_tell b1 clear >/dev/null
	wait_state "$b1" healthy
	lab_stop canaryd
	health="{type: exec, interval_s: 0.2, command: 'test ! -e $LAB_DIR/down-\$CANARYD_VERSION-\${CANARYD_BACKEND##*:}'}" start_canaryd
	touch "$LAB_DIR/down-v1-8081"
	wait_state "$b1" unhealthy
	check_equal "an exec check by its exit status, backend for backend" "$(state_of "$b2")" healthy
	rm "$LAB_DIR/down-v1-8081"
	wait_state "$b1" healthy
}

# The checks go on and are good; the flows say otherwise.
test_ejection() {
	lab_stop canaryd
	health='{type: none}'
	outlier='{enabled: true, consecutive: 5, ejection_s: 4, max_ejection_s: 60}' start_canaryd
	lab_tell b1 reset=1 >/dev/null
	load --to "$LAB_VIP4:80" --rate 200 --count 200 --timeout 30
	wait_state "$b1" ejected
	check "by its flows" grep -q 'without a success between them' <(checkout '.versions[0].backends[0].why')
	went 200
	check_equal "it gets no new flow" "${WENT[b1]} ${WENT[b2]}" "0 200"
	check_equal "its failures stay counted" "$(checkout '.versions[0].counters.reset_before_response')" "$(of_b1 .resets_before)"
	lab_tell b2 reset=1 >/dev/null
	load --to "$LAB_VIP4:80" --rate 200 --count 100 --timeout 30
	check_equal "not more than half of a version are ejected" "$(state_of "$b2")" unchecked
	lab_tell b1 clear >/dev/null
	lab_tell b2 clear >/dev/null
	wait_state "$b1" unchecked 30
	went 200
	check_within "after its time it is back" "${WENT[b1]}" 40 160
}

lab_up health || bail "the lab does not come up"
i=1
for name in b1 b2 c1 c2; do
	lab_serve "$name" "$name" $((8080 + i)) --seed $i --base-ms 1 || bail "$name does not start"
	i=$((i + 1))
done
start_canaryd
test_out_and_back
test_restart_remembers
test_panic
test_canary
test_types
test_ejection
plan
