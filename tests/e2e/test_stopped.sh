#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# canaryd hangs (SIGSTOP) while the canary begins to refuse: clients are rescued, the breaker trips, the lease runs out, and
# no connection fails. When it goes on (SIGCONT) it takes the canary back that tripped, and renews the lease for another.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/rescue.sh
. tests/e2e/rescue.sh

LEASE_S=10 BOUND=10 N=200
# service NAME VIP BASELINE CANARY BREAKER CANARY-VERSION
service() {
	cat <<-END
		  - name: $1
		    vip: "$2"
		    baseline: v1
		    breaker: $5
		    versions: [{name: v1, backends: ["$3"]}, {name: $6, backends: ["$4"]}]
		    rollout: {steps: [{weight: 100, min_s: 600, max_s: 1200}]}
	END
}

# Of `tripping` and `rescued` the canary refuses; that of `healthy` does not, so that the lease is seen there.
config() {
	lab_config | sed "s/^lease: .*/lease: {s: $LEASE_S}/"
	echo services:
	service tripping "$LAB_VIP4:80" "$LAB_BACKEND4:8081" "$LAB_BACKEND4:8082" "{window_s: 3600, min_failures: $BOUND}" v2
	service rescued "[$LAB_VIP6]:80" "[$LAB_BACKEND6]:8081" "[$LAB_BACKEND6]:8082" "{enabled: false}" v2
	service healthy "$LAB_VIP4:81" "$LAB_BACKEND4:8091" "$LAB_BACKEND4:8093" "{enabled: false}" v3
}

# versions TO COUNT: by whom so many clients are served.
versions() {
	load --to "$1" --rate 500 --count "$2" --timeout 10
	of "$REPORT" "[$failures, .versions]"
}
served_by() { [ "$(versions "$LAB_VIP4:81" 1)" = "[0,{\"$1\":1}]" ]; }
now_ms() { date +%s%3N; }

test_refused() {
	counted
	check_equal "SIGSTOP: no client of a canary that refuses fails" "$(versions "$LAB_VIP4:80" $N)" "[0,{\"v1\":$N}]"
	counted
	check_equal "the breaker trips by the bound, though they are rescued" \
		"$(of "$COUNTED" '[.v2.refused, .v2.rescued, .v1.diverted]')" "[$BOUND,$BOUND,$((N - BOUND))]"
	check_equal "where there is none, rescue goes on" "$(versions "[$LAB_VIP6]:80" $N)" "[0,{\"v1\":$N}]"
	counted
	check_equal "for every one" "$(of "$COUNTED" '[.v2.refused, .v2.rescued, .v1.diverted]')" "[$N,$N,0]"
}

test_lease() {
	lab_wait_for 40 "the baseline" served_by v1
	check_equal "the lease runs out: a canary that is well gets no new flow" $? 0
	note "$(($(now_ms) - STOPPED_MS)) ms after SIGSTOP, with a lease of $LEASE_S s"
	counted
	check_equal "and where it refuses, nobody has to be rescued" "$(versions "[$LAB_VIP6]:80" $N)" "[0,{\"v1\":$N}]"
	counted
	check_equal "any more" "$(of "$COUNTED" '[.v2.connections, .v2.rescued, .v1.diverted]')" "[0,0,$N]"
}

why() { lab_ctl rollout why "$1" -j | jq -r '.decisions[-1] | select(.decision == "roll_back") | .reason'; }
taken_back() { [ -n "$(why tripping)" ]; }

test_goes_on() {
	local began
	began=$(now_ms)
	kill -CONT "$(lab_pid canaryd)"
	lab_wait_for 20 "the rollback" taken_back
	check_equal "SIGCONT: what tripped is taken back" $? 0
	note "seen $(($(now_ms) - began)) ms after SIGCONT, with ticks of 250 ms"
	check "with the breaker's reason" grep -q "the kernel.s breaker tripped: $BOUND of $BOUND attempts failed" <<<"$(why tripping)"
	lab_wait_for 20 "the canary" served_by v3
	check_equal "the canary that is well has its share again" $? 0
}

lab_up stopped || bail "the lab does not come up"
config >"$LAB_DIR/canaryd.yaml"
lab_serve v1 v1 8081 --listen "$LAB_BACKEND4:8091" || bail "v1 does not start"
lab_serve v2 v2 8082 || bail "v2 does not start"
lab_serve v3 v3 8093 || bail "v3 does not start"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
for service in tripping rescued healthy; do
	lab_ctl rollout start "$service" >/dev/null || bail "the rollout of $service does not start"
done
lab_wait_for 20 "the canary" served_by v3 || bail "the canary gets no flows"
kill -STOP "$(lab_pid canaryd)"
STOPPED_MS=$(now_ms)
lab_tell v2 refuse=1 >/dev/null
test_refused
test_lease
test_goes_on
plan
